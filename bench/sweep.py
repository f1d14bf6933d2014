"""Thirty convolutions: forward, gradient by the input, gradient by the weights, each beside PyTorch's."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

SHAPES = {  # name: x, w, and what differs from stride 1, padding 0, dilation 1, groups 1
    "1x1 64>64": ((4, 64, 56, 56), (64, 64, 1, 1), {}),
    "1x1 64>256": ((2, 64, 56, 56), (256, 64, 1, 1), {}),
    "1x1 256>64": ((2, 256, 56, 56), (64, 256, 1, 1), {}),
    "1x1 256>512 /2": ((2, 256, 56, 56), (512, 256, 1, 1), dict(stride=2)),
    "1x1 1024>256": ((4, 1024, 14, 14), (256, 1024, 1, 1), {}),
    "3x3 3>32": ((32, 3, 32, 32), (32, 3, 3, 3), dict(padding=1)),
    "3x3 16>16": ((32, 16, 32, 32), (16, 16, 3, 3), dict(padding=1)),
    "3x3 32>32": ((32, 32, 16, 16), (32, 32, 3, 3), dict(padding=1)),
    "3x3 64>64": ((2, 64, 56, 56), (64, 64, 3, 3), dict(padding=1)),
    "3x3 128>128": ((4, 128, 28, 28), (128, 128, 3, 3), dict(padding=1)),
    "3x3 256>256": ((4, 256, 14, 14), (256, 256, 3, 3), dict(padding=1)),
    "3x3 512>512": ((4, 512, 7, 7), (512, 512, 3, 3), dict(padding=1)),
    "3x3 64>128 /2": ((4, 64, 56, 56), (128, 64, 3, 3), dict(stride=2, padding=1)),
    "3x3 37>75": ((4, 37, 30, 30), (75, 37, 3, 3), dict(padding=1)),
    "5x5 1>16": ((128, 1, 28, 28), (16, 1, 5, 5), {}),
    "5x5 16>32": ((128, 16, 12, 12), (32, 16, 5, 5), {}),
    "5x5 20>40": ((100, 20, 12, 12), (40, 20, 5, 5), {}),
    "5x5 48>64": ((4, 48, 27, 27), (64, 48, 5, 5), dict(padding=2)),
    "7x7 16>32": ((8, 16, 32, 32), (32, 16, 7, 7), dict(padding=3)),
    "7x7 3>64 /2 224": ((2, 3, 224, 224), (64, 3, 7, 7), dict(stride=2, padding=3)),
    "3x3 3>32 /2 224": ((4, 3, 224, 224), (32, 3, 3, 3), dict(stride=2, padding=1)),
    "3x3 3>64 224": ((1, 3, 224, 224), (64, 3, 3, 3), dict(padding=1)),
    "11x11 3>64 /4 224": ((4, 3, 224, 224), (64, 3, 11, 11), dict(stride=4, padding=2)),
    "depthwise 3x3 96": ((4, 96, 56, 56), (96, 1, 3, 3), dict(padding=1, groups=96)),
    "depthwise 3x3 144 /2": ((4, 144, 56, 56), (144, 1, 3, 3), dict(stride=2, padding=1, groups=144)),
    "depthwise 5x5 240": ((8, 240, 14, 14), (240, 1, 5, 5), dict(padding=2, groups=240)),
    "groups 32 3x3 128": ((4, 128, 28, 28), (128, 4, 3, 3), dict(padding=1, groups=32)),
    "dilated 3x3 64>64": ((4, 64, 28, 28), (64, 64, 3, 3), dict(padding=2, dilation=2)),
    "1-D 9 64>64": ((8, 64, 1000), (64, 64, 9), dict(padding=4)),
    "3-D 3x3x3 16>32": ((2, 16, 16, 16, 16), (32, 16, 3, 3, 3), dict(padding=1)),
}
TINY = {"2-D": ((2, 3, 6, 6), (4, 3, 3, 3), dict(padding=1)), "1-D": ((2, 4, 9), (4, 2, 3), dict(stride=2, groups=2))}
PARTS = ("forward", "dx", "dw")


def arrays(x_shape, w_shape, how):
    """x, w and the cotangent of their convolution, in C order."""
    how = {"stride": 1, "padding": 0, "dilation": 1, **how}
    places = [
        (s + 2 * how["padding"] - how["dilation"] * (k - 1) - 1) // how["stride"] + 1
        for s, k in zip(x_shape[2:], w_shape[2:])
    ]
    random = np.random.default_rng(0)
    shapes = x_shape, w_shape, (x_shape[0], w_shape[0], *places)
    x, w, dy = [random.standard_normal(shape, "f4") for shape in shapes]
    return x, w / np.float32(sqrt(prod(w_shape[1:]))), dy


def channels_last(a):
    """The same array as knetpy's own functions make it."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


def functions(shapes, contiguous, name, threads, key):
    """A `build` for `turns.Player`; a key is a pair (shape, part).

    Each side gets its arrays as its own functions leave them, PyTorch in C order and knetpy with the channels last;
    `contiguous` gives knetpy C order too. Images of up to 3 channels are in C order for both.
    """
    shape, part = key
    x_shape, w_shape, how = shapes[shape]
    x, w, dy = arrays(x_shape, w_shape, how)
    if name == "knetpy" and not contiguous:
        dy, x = channels_last(dy), channels_last(x) if x.shape[1] > 3 else x
    return {"knetpy": ours, "PyTorch": theirs}[name](part, threads, x, w, dy, how)


def ours(part, threads, x, w, dy, how):
    import knetpy as kn

    kn.set_threads(threads)
    if part == "forward":
        return lambda: kn.conv(x, w, **how)
    f, at = (lambda x: kn.conv(x, w, **how), x) if part == "dx" else (lambda w: kn.conv(x, w, **how), w)
    _, pullback = kn.vjp(f, at)
    return lambda: pullback(dy)


def theirs(part, threads, x, w, dy, how):
    import torch

    torch.set_num_threads(threads)
    x, w, dy = torch.from_numpy(x), torch.from_numpy(w), torch.from_numpy(dy)
    n, groups = x.ndim - 2, how.get("groups", 1)
    stride, padding, dilation = [[how.get(k, d)] * n for k, d in (("stride", 1), ("padding", 0), ("dilation", 1))]
    how = stride, padding, dilation, False, [0] * n, groups
    forward, backward = torch.ops.aten.convolution, torch.ops.aten.convolution_backward
    if part == "forward":
        return lambda: forward(x, w, None, *how)
    mask = [part == "dx", part == "dw", False]
    return lambda: backward(dy, x, w, None, *how, mask)[mask.index(True)]
