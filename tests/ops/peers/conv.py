"""Convolutions and their transposes against PyTorch's."""

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

WORDS = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}  # F.pad's


def each(padding, axes):
    """Padding as pairs."""
    padding = (padding,) * axes if isinstance(padding, int) else padding
    return [(p, p) if isinstance(p, int) else p for p in padding]


def torch_conv(x, w, b=None, *, padding=0, padding_mode="zeros", flip=False, **options):
    """PyTorch's, of which padding is a call of its own; and its result through tanh."""
    axes = x.ndim - 2
    if isinstance(padding, str) and padding_mode != "zeros":
        lacks = [d * (k - 1) for k, d in zip(w.shape[2:], (options.get("dilation", 1),) * axes)]
        padding = [(n // 2, n - n // 2) for n in lacks]
    if not isinstance(padding, str):
        pairs, padding = each(padding, axes), 0
        x = F.pad(x, [n for pair in reversed(pairs) for n in pair], WORDS[padding_mode])
    w = torch.flip(w, tuple(range(2, 2 + axes))) if flip else w
    return torch.tanh(getattr(F, f"conv{axes}d")(x, w, b, padding=padding, **options))


def torch_transpose(x, w, b=None, *, flip=False, **options):
    axes = x.ndim - 2
    w = torch.flip(w, tuple(range(2, 2 + axes))) if flip else w
    return torch.tanh(getattr(F, f"conv_transpose{axes}d")(x, w, b, **options))


def torch_cut(x, w, *, padding, stride):
    """The transpose with padding in pairs: what they cut off the whole."""
    y = torch_transpose(x, w, stride=stride)
    return y[(..., *[slice(before, n - after) for n, (before, after) in zip(y.shape[2:], padding)])]


def cases(name, ours, theirs, listed):
    return [
        Case(
            f"{name} {number}: {', '.join(f'{k}={v}' for k, v in options.items())}",
            lambda *args, o=options: ours(*args, activation=np.tanh, **o),
            lambda *args, o=options: theirs(*args, **o),
            shapes,
        )
        for number, (shapes, options) in enumerate(listed)
    ]


LINE, PLANE, SPACE = ((2, 2, 7), (3, 2, 3)), ((1, 2, 5, 6), (3, 2, 2, 3)), ((1, 2, 3, 3, 4), (2, 2, 2, 1, 2))
GROUPED = ((1, 4, 4, 5), (6, 2, 3, 2), (6,))
DEPTHWISE = ((2, 3, 4, 4), (6, 1, 2, 3))
MODES = ("zeros", "reflect", "replicate", "circular")

CONVS = [
    *[
        (shapes, {"stride": stride, "dilation": dilation, "padding": padding})
        for shapes in (LINE, PLANE)
        for stride in (1, 2)
        for dilation in (1, 2)
        for padding in (0, 1)
    ],
    *[(shapes, {"padding": 2, "padding_mode": mode}) for shapes in (LINE, PLANE, SPACE) for mode in MODES],
    *[(shapes, {"padding": "same", "dilation": d}) for shapes in (LINE, PLANE, SPACE) for d in (1, 3)],
    *[(PLANE, {"padding": "same", "padding_mode": mode}) for mode in MODES[1:]],
    *[((*LINE, (3,)), {"padding": ((2, 1),), "padding_mode": mode, "stride": 2}) for mode in MODES],
    (PLANE, {"padding": "valid", "stride": (2, 1)}),
    (PLANE, {"padding": ((1, 0), (2, 3)), "stride": (1, 2), "dilation": (2, 1)}),
    *[(GROUPED, {"groups": 2, "stride": stride, "padding": 1}) for stride in (1, 2)],
    *[(DEPTHWISE, {"groups": 3, "padding": padding}) for padding in (0, 2)],
    *[(shapes, {"flip": True, "padding": 1}) for shapes in (LINE, PLANE, SPACE)],
    (SPACE, {"stride": (2, 1, 1)}),
    (SPACE, {"stride": 2, "padding": (1, 0, 1), "dilation": (1, 2, 1)}),
    (((0, 2, 5), (3, 2, 3), (3,)), {"padding": 1}),
    (((2, 3, 2, 2), (2, 3, 1, 1)), {}),
]

BACK_LINE, BACK_PLANE, BACK_SPACE = (
    ((2, 3, 4), (3, 2, 3)),
    ((1, 3, 3, 2), (3, 2, 2, 3), (2,)),
    ((1, 2, 2, 3, 2), (2, 2, 2, 1, 2)),
)

TRANSPOSES = [
    *[
        (shapes, {"stride": stride, "dilation": dilation, "padding": padding})
        for shapes in (BACK_LINE, BACK_PLANE)
        for stride in (1, 2, 3)
        for dilation in (1, 2)
        for padding in (0, 1)
    ],
    *[
        (shapes, {"stride": 3, "padding": padding, "output_padding": added})
        for shapes in (BACK_LINE, BACK_PLANE)
        for padding, added in ((0, 1), (0, 2), (1, 1), (1, 2))
    ],
    (BACK_LINE, {"stride": 1, "dilation": 3, "output_padding": 2}),
    (BACK_PLANE, {"stride": (1, 2), "dilation": (3, 1), "output_padding": (2, 1), "padding": (1, 0)}),
    *[(((1, 4, 2, 3), (4, 3, 2, 2), (6,)), {"groups": 2, "stride": stride}) for stride in (1, 2)],
    (((2, 3, 3), (3, 2, 2)), {"groups": 3, "stride": 2, "padding": 1, "output_padding": 1}),
    *[(shapes, {"flip": True, "stride": 2}) for shapes in (BACK_LINE, BACK_PLANE, BACK_SPACE)],
    *[(BACK_SPACE, {"stride": stride, "dilation": (1, 2, 1)}) for stride in (1, (2, 1, 2))],
    (BACK_SPACE, {"stride": 2, "padding": (0, 0, 1), "output_padding": (1, 0, 1)}),
    (((0, 3, 4), (3, 2, 3)), {"stride": 2}),
    (((2, 3, 1), (3, 2, 1)), {}),
]

CUTS = [(BACK_LINE, {"padding": ((2, 0),), "stride": 2}), (BACK_PLANE[:2], {"padding": ((0, 1), (2, 1)), "stride": 1})]

CASES = [
    *cases("conv", kn.conv, torch_conv, CONVS),
    *cases("conv_transpose", kn.conv_transpose, torch_transpose, TRANSPOSES),
    *cases("conv_transpose of pairs", kn.conv_transpose, torch_cut, CUTS),
]
