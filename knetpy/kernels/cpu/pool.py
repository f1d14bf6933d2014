"""Pooling. Each image is one iteration's; the innermost loop runs over the channels, last in memory."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from knetpy.kernels.cpu import channels_last, channels_second, floats, threes
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference import pool as reference


@floats(reference.maxpool)
def maxpool(x, *, window, stride, padding):
    """As the reference's, but the channels of both results lie last in memory."""
    x, axes = channels_last(x), x.ndim - 2
    out, steps = _plan(x.shape[1:4], window, stride, padding)
    y = np.empty((len(x), *out, x.shape[4]), x.dtype)
    index = np.empty(y.shape, np.int64)
    _max(x, y, index, *steps)
    return channels_second(y, axes), channels_second(index, axes)


@floats(reference.take)
def take(x, index):
    """As the reference's, but the channels of y lie last in memory."""
    x, places, axes = channels_last(x), channels_last(index, np.int64), index.ndim - 2
    y = np.empty(places.shape, x.dtype)
    _take(_flat(x), _flat(places), _flat(y))
    return channels_second(y, axes)


@floats(reference.put)
def put(dy, index, *, size):
    """As the reference's, but the channels of dx lie last in memory."""
    dy, places = channels_last(dy), channels_last(index, np.int64)
    dx = np.empty((len(dy), *threes(size, 1), dy.shape[4]), dy.dtype)
    _put(_flat(dy), _flat(places), _flat(dx))
    return channels_second(dx, len(size))


@floats(reference.meanpool)
def meanpool(x, *, window, stride, padding, count_padding):
    """As the reference's, but the channels of y lie last in memory."""
    x, axes = channels_last(x), x.ndim - 2
    out, steps = _plan(x.shape[1:4], window, stride, padding)
    y = np.empty((len(x), *out, x.shape[4]), x.dtype)
    _mean(x, y, *steps, bool(count_padding))
    return channels_second(y, axes)


@floats(reference.meanpool_dx)
def meanpool_dx(dy, *, size, window, stride, padding, count_padding):
    """As the reference's, but the channels of dx lie last in memory."""
    dy = channels_last(dy)
    _, steps = _plan(threes(size, 1), window, stride, padding)
    dx = np.empty((len(dy), *threes(size, 1), dy.shape[4]), dy.dtype)
    _spread(dy, dx, *steps, bool(count_padding))
    return channels_second(dx, len(size))


def _plan(size, window, stride, padding):
    """The spatial size of y, and what kernels need: window, stride and padding before, in three axes."""
    window, stride = threes(window, 1), threes(stride, 1)
    before, after = (threes(ends, 0) for ends in zip(*padding))
    out = tuple((s + b + a - k) // t + 1 for s, b, a, k, t in zip(size, before, after, window, stride))
    return out, (window, stride, before)


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), math.prod(x.shape[1:4]), x.shape[4])


@jit(parallel=True)
def _max(x, y, index, window, stride, before):
    for n in prange(len(x)):
        _max_image(x[n], y[n], index[n], window, stride, before)


@jit(parallel=True)
def _mean(x, y, window, stride, before, count_padding):
    for n in prange(len(x)):
        _mean_image(x[n], y[n], window, stride, before, count_padding)


@jit(parallel=True)
def _spread(dy, dx, window, stride, before, count_padding):
    for n in prange(len(dy)):
        _spread_image(dy[n], dx[n], window, stride, before, count_padding)


@jit(parallel=True)
def _take(x, index, y):
    for n in prange(len(x)):
        for p in range(index.shape[1]):
            for c in range(index.shape[2]):
                y[n, p, c] = x[n, index[n, p, c], c]


@jit(parallel=True)
def _put(dy, index, dx):
    for n in prange(len(dy)):
        dx[n] = 0
        for p in range(index.shape[1]):
            for c in range(index.shape[2]):
                dx[n, index[n, p, c], c] += dy[n, p, c]


@jit()
def _max_image(x, y, index, window, stride, before):
    for at in np.ndindex(y.shape[:3]):
        (d0, h0, w0), (d1, h1, w1) = _reach(at, x.shape, window, stride, before)
        best, place = y[at], index[at]
        for c in range(len(best)):
            best[c], place[c] = x[d0, h0, w0, c], (d0 * x.shape[1] + h0) * x.shape[2] + w0
        for d in range(d0, d1):
            for h in range(h0, h1):
                for w in range(w0, w1):
                    _keep_larger(x[d, h, w], (d * x.shape[1] + h) * x.shape[2] + w, best, place)


@jit()
def _keep_larger(seen, here, best, place):
    for c in range(len(seen)):
        # selects, not branches: they become vector instructions; the first NaN stays, the only old != old
        new, old, at = seen[c], best[c], place[c]
        better = (not new <= old) & (old == old)
        best[c] = new if better else old
        place[c] = here if better else at


@jit()
def _mean_image(x, y, window, stride, before, count_padding):
    for at in np.ndindex(y.shape[:3]):
        (d0, h0, w0), (d1, h1, w1) = _reach(at, x.shape, window, stride, before)
        total = y[at]
        for c in range(len(total)):
            total[c] = 0
        for d in range(d0, d1):
            for h in range(h0, h1):
                for w in range(w0, w1):
                    for c in range(len(total)):
                        total[c] += x[d, h, w, c]
        count = window[0] * window[1] * window[2] if count_padding else (d1 - d0) * (h1 - h0) * (w1 - w0)
        for c in range(len(total)):
            total[c] /= y.dtype.type(count)


@jit()
def _spread_image(dy, dx, window, stride, before, count_padding):
    dx[:] = 0
    for at in np.ndindex(dy.shape[:3]):
        (d0, h0, w0), (d1, h1, w1) = _reach(at, dx.shape, window, stride, before)
        count = window[0] * window[1] * window[2] if count_padding else (d1 - d0) * (h1 - h0) * (w1 - w0)
        for d in range(d0, d1):
            for h in range(h0, h1):
                for w in range(w0, w1):
                    for c in range(dy.shape[3]):
                        dx[d, h, w, c] += dy[at][c] / dx.dtype.type(count)


@jit()
def _reach(at, size, window, stride, before):
    """The first real element under the window at a place of y, and the end of the real elements."""
    d, h, w = at[0] * stride[0] - before[0], at[1] * stride[1] - before[1], at[2] * stride[2] - before[2]
    first = (max(d, 0), max(h, 0), max(w, 0))
    end = (min(d + window[0], size[0]), min(h + window[1], size[1]), min(w + window[2], size[2]))
    return first, end
