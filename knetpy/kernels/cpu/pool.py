"""Pooling. Each image is one iteration's; the innermost loop runs over the channels, last in memory."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import prange

from knetpy.kernels.cpu import channels_last, channels_second, floats, threes
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference import pool as reference


@floats(reference.maxpool)
def maxpool(x, *, window, stride, padding, dilation):
    """As the reference's, but the channels of both results lie last in memory."""
    x, axes = channels_last(x), x.ndim - 2
    out, steps = _plan(x.shape[1:4], window, stride, padding, dilation)
    y = np.empty((len(x), *out, x.shape[4]), x.dtype)
    index = np.empty(y.shape, np.int64)
    _max(_flat(x), y, index, x.shape[1:4], *steps)
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
def meanpool(x, *, window, stride, padding, dilation, counted):
    """As the reference's, but the channels of y lie last in memory."""
    x, axes = channels_last(x), x.ndim - 2
    out, steps = _plan(x.shape[1:4], window, stride, padding, dilation)
    y = np.empty((len(x), *out, x.shape[4]), x.dtype)
    _mean(_flat(x), y, x.shape[1:4], *steps, _divisors(x.shape[1:4], out, steps, counted))
    return channels_second(y, axes)


@floats(reference.meanpool_dx)
def meanpool_dx(dy, *, size, window, stride, padding, dilation, counted):
    """As the reference's, but the channels of dx lie last in memory."""
    dy, axes, size = channels_last(dy), len(size), threes(size, 1)
    out, steps = _plan(size, window, stride, padding, dilation)
    dx = np.empty((len(dy), *size, dy.shape[4]), dy.dtype)
    _spread(dy, _flat(dx), size, *steps, _divisors(size, out, steps, counted))
    return channels_second(dx, axes)


@lru_cache(maxsize=1024)
def _plan(size, window, stride, padding, dilation):
    """The spatial size of y, and what kernels need: window, stride, padding before and dilation, in three axes."""
    window, stride, dilation = threes(window, 1), threes(stride, 1), threes(dilation, 1)
    before, after = (threes(ends, 0) for ends in zip(*padding))
    out = tuple(
        (s + b + a - d * (k - 1) - 1) // t + 1
        for s, b, a, k, t, d in zip(size, before, after, window, stride, dilation)
    )
    return out, (window, stride, before, dilation)


def _divisors(size, out, steps, counted):
    """The divisors of means as three vectors, whose product is the one at a place."""
    if counted is None:
        return tuple(np.ones(o, np.int64) for o in out)
    return _counts(size, out, *steps, *(threes(ends, 0) for ends in zip(*counted)))


@lru_cache(maxsize=256)
def _counts(size, out, window, stride, before, dilation, low, high):
    return tuple(map(_taps_within, size, out, window, stride, before, dilation, low, high))


def _taps_within(size, out, window, stride, before, dilation, low, high):
    """How many taps of the window lie from -low to before size + high, at each place along one axis."""
    start = np.arange(out) * stride - before
    ends = [-(-(end - start) // dilation) for end in (-low, size + high)]  # the first taps that reach so far
    return np.diff(np.clip(ends, 0, window), axis=0)[0]


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), math.prod(x.shape[1:4]), x.shape[4])


@jit(parallel=True)
def _max(x, y, index, size, window, stride, before, dilation):
    for n in prange(len(x)):
        _max_image(x[n], y[n], index[n], size, window, stride, before, dilation)


@jit(parallel=True)
def _mean(x, y, size, window, stride, before, dilation, counts):
    for n in prange(len(x)):
        _mean_image(x[n], y[n], size, window, stride, before, dilation, counts)


@jit(parallel=True)
def _spread(dy, dx, size, window, stride, before, dilation, counts):
    for n in prange(len(dy)):
        _spread_image(dy[n], dx[n], size, window, stride, before, dilation, counts)


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
def _max_image(x, y, index, size, window, stride, before, dilation):
    for at in np.ndindex(y.shape[:3]):
        (d0, h0, w0), (nd, nh, nw) = _reach(at, size, window, stride, before, dilation)
        best, place, here = y[at], index[at], (d0 * size[1] + h0) * size[2] + w0
        for c in range(len(best)):
            best[c], place[c] = x[here, c], here
        for d in range(nd):
            for h in range(nh):
                row = ((d0 + d * dilation[0]) * size[1] + h0 + h * dilation[1]) * size[2] + w0
                for w in range(nw):
                    _keep_larger(x[row + w * dilation[2]], row + w * dilation[2], best, place)


@jit()
def _keep_larger(seen, here, best, place):
    for c in range(len(seen)):
        # selects, not branches: they become vector instructions; the first NaN stays, the only old != old
        new, old, at = seen[c], best[c], place[c]
        better = (not new <= old) & (old == old)
        best[c] = new if better else old
        place[c] = here if better else at


@jit()
def _mean_image(x, y, size, window, stride, before, dilation, counts):
    for at in np.ndindex(y.shape[:3]):
        (d0, h0, w0), (nd, nh, nw) = _reach(at, size, window, stride, before, dilation)
        total, count = y[at], counts[0][at[0]] * counts[1][at[1]] * counts[2][at[2]]
        for c in range(len(total)):
            total[c] = 0
        for d in range(nd):
            for h in range(nh):
                row = ((d0 + d * dilation[0]) * size[1] + h0 + h * dilation[1]) * size[2] + w0
                for w in range(nw):
                    seen = x[row + w * dilation[2]]
                    for c in range(len(total)):
                        total[c] += seen[c]
        for c in range(len(total)):
            total[c] /= y.dtype.type(count)


@jit()
def _spread_image(dy, dx, size, window, stride, before, dilation, counts):
    dx[:] = 0
    for at in np.ndindex(dy.shape[:3]):
        (d0, h0, w0), (nd, nh, nw) = _reach(at, size, window, stride, before, dilation)
        share, count = dy[at], counts[0][at[0]] * counts[1][at[1]] * counts[2][at[2]]
        for d in range(nd):
            for h in range(nh):
                row = ((d0 + d * dilation[0]) * size[1] + h0 + h * dilation[1]) * size[2] + w0
                for w in range(nw):
                    met = dx[row + w * dilation[2]]
                    for c in range(len(share)):
                        met[c] += share[c] / dx.dtype.type(count)


@jit()
def _reach(at, size, window, stride, before, dilation):
    """The first real element under the window at a place of y, and how many there are, along each axis."""
    d, nd = _span(at[0] * stride[0] - before[0], size[0], window[0], dilation[0])
    h, nh = _span(at[1] * stride[1] - before[1], size[1], window[1], dilation[1])
    w, nw = _span(at[2] * stride[2] - before[2], size[2], window[2], dilation[2])
    return (d, h, w), (nd, nh, nw)


@jit()
def _span(start, size, window, dilation):
    """Of the taps at start, start + dilation ... along one axis the first that meets a real element; how many do."""
    if dilation == 1:  # without divisions, which take longer than a small window
        first = max(start, 0)
        return first, min(start + window, size) - first
    first = start if start >= 0 else start % dilation
    return first, (min(start + (window - 1) * dilation + 1, size) - first + dilation - 1) // dilation
