"""Convolution and its transposes: matrix products with the patches of the image that the window meets.

The work goes in chunks of output pixels, fixed by the problem alone, so that the matrix of patches stays
small and no result depends on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import prange

from knetpy.kernels.cpu import channels_last, channels_second, floats, threes
from knetpy.kernels.cpu.blas import one_thread
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference import conv as reference

BUFFER = 8 << 20  # bytes of patches at a time: few parallel launches, each of which may wait for a busy core

Threes = tuple[int, int, int]


@floats(reference.conv)
@one_thread()
def conv(x, w, *, stride, padding, dilation, groups):
    """As the reference's, but the channels of y lie last in memory."""
    plan = _plan(x.shape, w.shape, stride, padding, dilation, groups)
    x, axes = channels_last(x), x.ndim - 2
    y = np.empty((len(x), *plan.out, len(w)), x.dtype)
    pixels, weights = _by_group(y, plan), _weights(w, plan).swapaxes(1, 2)
    for start, stop, patches in _chunks(plan, x.dtype):
        _gather(x, patches, start, plan.out, *plan.steps)
        np.matmul(_matrices(patches, plan), weights, out=pixels[:, start:stop])
    return channels_second(y, axes)


@floats(reference.conv_dx)
@one_thread()
def conv_dx(dy, w, *, size, stride, padding, dilation, groups):
    """As the reference's, but the channels of dx lie last in memory."""
    channels = w.shape[1] * groups
    plan = _plan((len(dy), channels, *size), w.shape, stride, padding, dilation, groups)
    dx = np.zeros((len(dy), *threes(size, 1), channels), dy.dtype.type)
    pixels, weights = _by_group(channels_last(dy), plan), _weights(w, plan)
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
