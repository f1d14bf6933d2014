"""Blends of elements of an image, with the channels last: each image is one task."""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.cpu import channels_last, channels_second, floats, read, threes
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import grid as reference

THREADED = 1 << 14  # elements from which on threads share the work
new = np.empty  # tests poison what it returns


@floats(reference.blend)
def blend(x, weights, index):
    """As the reference's, but the channels of y lie last in memory."""
    x, weights, index = _flat(x), read(weights, x.dtype.type), read(index, np.int64)
    y = new((len(x), index.shape[1], x.shape[2]), x.dtype)
    (_blend if y.size >= THREADED else _blend.serial)(x, weights, index, y)
    return y.transpose(0, 2, 1)


@floats(reference.blend_dx)
def blend_dx(dy, weights, index, *, size):
    """As the reference's, but the channels of dx lie last in memory."""
    dy, weights, index = _flat(dy), read(weights, dy.dtype.type), read(index, np.int64)
    dx = np.zeros((len(dy), math.prod(size), dy.shape[2]), dy.dtype)
    (_put if dy.size >= THREADED else _put.serial)(dy, weights, index, dx)
    return channels_second(dx.reshape(len(dx), *threes(size, 1), dx.shape[2]), len(size))


@floats(reference.blend_dw)
def blend_dw(dy, x, index):
    """As the reference's."""
    dy, x, index = _flat(dy), _flat(x, dy.dtype.type), read(index, np.int64)
    dw = new(index.shape, dy.dtype)
    (_dots if dy.size >= THREADED else _dots.serial)(dy, x, index, dw)
    return dw


def _flat(x, dtype=None):
    """Images (N, C, *S) as (N, prod(S), C)."""
    x = channels_last(x, dtype)
    return x.reshape(len(x), math.prod(x.shape[1:4]), x.shape[4])


@threaded
def _blend(rank, x, weights, index, y):
    for n in portion(rank, len(y)):
        for p in range(y.shape[1]):
            for c in range(y.shape[2]):
                y[n, p, c] = 0
            for t in range(index.shape[2]):
                at, weight = index[n, p, t], weights[n, p, t]
                if 0 <= at < x.shape[1]:
                    for c in range(y.shape[2]):
                        y[n, p, c] += weight * x[n, at, c]
                elif weight != weight:
                    for c in range(y.shape[2]):
                        y[n, p, c] = weight


@threaded
def _put(rank, dy, weights, index, dx):
    for n in portion(rank, len(dy)):
        for p in range(dy.shape[1]):
            for t in range(index.shape[2]):
                at, weight = index[n, p, t], weights[n, p, t]
                if 0 <= at < dx.shape[1]:
                    for c in range(dy.shape[2]):
                        dx[n, at, c] += weight * dy[n, p, c]


@threaded
def _dots(rank, dy, x, index, dw):
    for n in portion(rank, len(dy)):
        for p in range(dw.shape[1]):
            for t in range(dw.shape[2]):
                at = index[n, p, t]
                dw[n, p, t] = _dot(dy[n, p], x[n, at]) if 0 <= at < x.shape[1] else 0


@jit(fastmath={"contract", "reassoc", "nsz"})
def _dot(a, b):
    total = a.dtype.type(0)
    for c in range(len(a)):
        total += a[c] * b[c]
    return total
