"""Convolution and its transposes: on the tile, or as matrix products with the patches that the window meets.

The tile serves conv, and conv_dx at stride 1. What goes by patches goes in chunks of output pixels, fixed by the
problem alone, so that the matrix of patches stays small and no result depends on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import prange

from knetpy.kernels.cpu import channels_last, channels_second, floats, read, threes
from knetpy.kernels.cpu.blas import one_thread
from knetpy.kernels.cpu.convtile import Problem, convolve
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference import conv as reference

BUFFER = 8 << 20  # bytes of patches at a time: few parallel launches, each of which may wait for a busy core
WEIGHTS = 256  # for each pixel, at most, if the tile is to convolve: putting more in order takes longer than it saves
NARROW = 4  # channels of dx that are too few for the tile: most of each vector would be idle

Threes = tuple[int, int, int]


@floats(reference.conv)
def conv(x, w, *, stride, padding, dilation, groups):
    """As the reference's, but the channels of y lie last in memory."""
    plan = _plan(x.shape, w.shape, stride, padding, dilation, groups)
    x, axes = channels_last(x), x.ndim - 2
    if _on_tile(plan, x, w):
        kinds = (groups, plan.depth, len(w) // groups)
        problem = Problem(len(x), x.shape[1:4], plan.window, plan.out, *plan.steps, *kinds, skips=False)
        return channels_second(convolve(x, _weights(read(w), plan).swapaxes(1, 2), problem), axes)
    y = np.empty((len(x), *plan.out, len(w)), x.dtype)
    pixels, weights = _by_group(y, plan), _weights(w, plan).swapaxes(1, 2)
    with one_thread():
        for start, stop, patches in _chunks(plan, x.dtype):
            _gather(x, patches, start, plan.out, *plan.steps)
            np.matmul(_matrices(patches, plan), weights, out=pixels[:, start:stop])
    return channels_second(y, axes)


@floats(reference.conv_dx)
def conv_dx(dy, w, *, size, stride, padding, dilation, groups):
    """As the reference's, but the channels of dx lie last in memory."""
    channels = w.shape[1] * groups
    plan = _plan((len(dy), channels, *size), w.shape, stride, padding, dilation, groups)
    if _dx_is_conv(plan, size, w) and _on_tile(plan, dy, w):
        return channels_second(_dx_on_tile(channels_last(dy), w, threes(size, 1), plan), len(size))
    dx = np.zeros((len(dy), *threes(size, 1), channels), dy.dtype.type)
    pixels, weights = _by_group(channels_last(dy), plan), _weights(w, plan)
    with one_thread():
        for start, stop, patches in _chunks(plan, dx.dtype):
            np.matmul(pixels[:, start:stop], weights, out=_matrices(patches, plan))
            _scatter(dx, patches, start, plan.out, *plan.steps)
    return channels_second(dx, len(size))


@floats(reference.conv_dw)
@one_thread()
def conv_dw(x, dy, *, window, stride, padding, dilation, groups):
    """As the reference's."""
    shape = (dy.shape[1], x.shape[1] // groups, *window)
    plan = _plan(x.shape, shape, stride, padding, dilation, groups)
    x, pixels = channels_last(x), _by_group(channels_last(dy), plan)
    dw = np.zeros((groups, shape[0] // groups, math.prod(window) * shape[1]), x.dtype)
    for start, stop, patches in _chunks(plan, x.dtype):
        _gather(x, patches, start, plan.out, *plan.steps)
        dw += pixels[:, start:stop].swapaxes(1, 2) @ _matrices(patches, plan)
    dw = dw.reshape(shape[0], math.prod(window), shape[1])
    return np.ascontiguousarray(dw.swapaxes(1, 2)).reshape(shape)


class _Plan(NamedTuple):
    """The geometry of a convolution, in three spatial axes."""

    images: int
    window: Threes
    out: Threes  # the spatial size of y
    steps: tuple[Threes, Threes, Threes]  # stride, padding before, dilation
    groups: int
    depth: int  # channels of x in a group


def _plan(x_shape, w_shape, stride, padding, dilation, groups) -> _Plan:
    size, window = threes(x_shape[2:], 1), threes(w_shape[2:], 1)
    stride, dilation = threes(stride, 1), threes(dilation, 1)
    before, after = (threes(ends, 0) for ends in zip(*padding))
    padded = [b + s + a for s, b, a in zip(size, before, after)]
    out = tuple((s - d * (k - 1) - 1) // t + 1 for s, k, t, d in zip(padded, window, stride, dilation))
    return _Plan(x_shape[0], window, out, (stride, before, dilation), groups, w_shape[1])


def _chunks(plan: _Plan, dtype: np.dtype) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield ranges of output pixels and a buffer (pixel, group, *window, channel) for their patches."""
    patch = (plan.groups, *plan.window, plan.depth)
    pixels = plan.images * math.prod(plan.out)
    step = max(1, BUFFER // max(1, math.prod(patch) * dtype.itemsize))
    buffer = np.empty((min(step, pixels), *patch), dtype)
    for start in range(0, pixels, step):
        stop = min(start + step, pixels)
        yield start, stop, buffer[: stop - start]


def _matrices(patches: np.ndarray, plan: _Plan) -> np.ndarray:
    """A matrix (pixel, tap and channel) for each group."""
    return patches.reshape(len(patches), plan.groups, math.prod(plan.window) * plan.depth).swapaxes(0, 1)


def _by_group(y: np.ndarray, plan: _Plan) -> np.ndarray:
    """A matrix (pixel, channel) for each group."""
    return y.reshape(plan.images * math.prod(plan.out), plan.groups, y.shape[4] // plan.groups).swapaxes(0, 1)


def _weights(w: np.ndarray, plan: _Plan) -> np.ndarray:
    """A matrix (channel of y, tap and channel of x) for each group."""
    taps = math.prod(plan.window)
    w = w.reshape(len(w), plan.depth, taps).swapaxes(1, 2)
    return w.reshape(plan.groups, len(w) // plan.groups, taps * plan.depth)


def _flipped(w: np.ndarray, plan: _Plan) -> np.ndarray:
    """A matrix (tap and channel of y, channel of x) for each group; taps in reverse."""
    w = w.reshape(plan.groups, len(w) // plan.groups, plan.depth, math.prod(plan.window))[..., ::-1]
    return w.transpose(0, 3, 1, 2).reshape(plan.groups, -1, plan.depth)


def _on_tile(plan: _Plan, x: np.ndarray, w: np.ndarray) -> bool:
    """Whether there is anything to do, and enough pixels for the weights, which the tile takes in another order."""
    return bool(x.size) and 0 < w.size <= WEIGHTS * plan.images * math.prod(plan.out)


def _dx_is_conv(plan: _Plan, size: tuple, w: np.ndarray) -> bool:
    """Whether dx is a convolution that suits the tile: of stride 1, with channels for its vectors or depthwise."""
    enough = plan.depth > NARROW or plan.depth == len(w) // plan.groups == 1 < plan.groups
    return plan.steps[0] == (1, 1, 1) and enough and 0 not in size


def _dx_on_tile(dy: np.ndarray, w: np.ndarray, size: Threes, plan: _Plan) -> np.ndarray:
    """At stride 1 dx is a convolution of dy, padded, with flipped weights; its padding is not a part of any sum."""
    one, before, dilation = plan.steps
    before = threes(((k - 1) * d - b for k, d, b in zip(plan.window, dilation, before)), 0)
    kinds = (plan.groups, len(w) // plan.groups, plan.depth)
    problem = Problem(plan.images, plan.out, plan.window, size, one, before, dilation, *kinds, skips=True)
    return convolve(dy, _flipped(read(w), plan), problem)


@jit(parallel=True)
def _gather(x, patches, start, out, stride, before, dilation):
    """Copy the patches of the output pixels from number `start` on."""
    for row in prange(len(patches)):
        _gather_patch(x, patches[row], start + row, out, stride, before, dilation)


@jit(parallel=True)
def _scatter(dx, patches, start, out, stride, before, dilation):
    """Add the patches of the output pixels from number `start` on to the places they come from: by image."""
    pixels = out[0] * out[1] * out[2]
    stop = start + len(patches)
    for image in prange(start // pixels, (stop - 1) // pixels + 1):
        for pixel in range(max(start, image * pixels), min(stop, (image + 1) * pixels)):
            _add_patch(dx, patches[pixel - start], pixel, out, stride, before, dilation)


@jit()
def _gather_patch(x, patch, pixel, out, stride, before, dilation):
    image, corner = _place(pixel, out, stride, before)
    groups, depth = patch.shape[0], patch.shape[4]
    for i in range(patch.shape[1]):
        for j in range(patch.shape[2]):
            for k in range(patch.shape[3]):
                d = corner[0] + i * dilation[0]
                h = corner[1] + j * dilation[1]
                w = corner[2] + k * dilation[2]
                if 0 <= d < x.shape[1] and 0 <= h < x.shape[2] and 0 <= w < x.shape[3]:
                    for g in range(groups):
                        for c in range(depth):
                            patch[g, i, j, k, c] = x[image, d, h, w, g * depth + c]
                else:
                    patch[:, i, j, k] = 0


@jit()
def _add_patch(dx, patch, pixel, out, stride, before, dilation):
    image, corner = _place(pixel, out, stride, before)
    groups, depth = patch.shape[0], patch.shape[4]
    for i in range(patch.shape[1]):
        for j in range(patch.shape[2]):
            for k in range(patch.shape[3]):
                d = corner[0] + i * dilation[0]
                h = corner[1] + j * dilation[1]
                w = corner[2] + k * dilation[2]
                if 0 <= d < dx.shape[1] and 0 <= h < dx.shape[2] and 0 <= w < dx.shape[3]:
                    for g in range(groups):
                        for c in range(depth):
                            dx[image, d, h, w, g * depth + c] += patch[g, i, j, k, c]


@jit()
def _place(pixel, out, stride, before):
    """The image of an output pixel, and the corner of its window in it."""
    row, w = divmod(pixel, out[2])
    plane, h = divmod(row, out[1])
    image, d = divmod(plane, out[0])
    corner = (d * stride[0] - before[0], h * stride[1] - before[1], w * stride[2] - before[2])
    return image, corner
