"""Elements by number along one axis, their transpose, and extremes of slices that meet in one place.

The op has checked the numbers, but its caller may have changed them since: no kernel leaves its arrays.
"""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.cpu import embed, floats, read
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import scatter as reference

THREADED = 1 << 16  # elements from which on threads share the work
COLUMNS = 64  # that a thread takes at a time
new = np.empty  # tests poison what it returns


@floats(reference.take_along)
def take_along(x, index):
    """As the reference's."""
    x, index = read(x), read(index, np.int64)
    y = new((len(x), index.shape[1], x.shape[2]), x.dtype.type)
    (_take if y.size >= THREADED else _take.serial)(x, index, y)
    return y


@floats(reference.add_along)
def add_along(dy, index, *, size):
    """As the reference's, to the bit."""
    if len(dy) == 1 and index.shape[2] == 1:
        return embed.embed_dw(dy[0], index.reshape(-1), rows=size)[None]
    dy, index = read(dy), read(index, np.int64)
    dx = np.zeros((len(dy), size, dy.shape[2]), dy.dtype.type)
    (_add if dy.size >= THREADED else _add.serial)(dy, index, dx)
    return dx


@floats(reference.extreme)
def extreme(src, index, *, size, largest):
    """As the reference's."""
    y = np.full((size, *src.shape[1:]), -np.inf if largest else np.inf, src.dtype.type)
    width = math.prod(y.shape[1:])
    flat = read(src).reshape(len(src), width)
    columns = COLUMNS if flat.size >= THREADED else max(1, width)
    kernel = _extreme if flat.size >= THREADED else _extreme.serial
    kernel(flat, read(index, np.int64), y.reshape(size, width), bool(largest), columns)
    return y


@threaded
def _take(rank, x, index, y):
    for a in portion(rank, len(y)):
        _take_slice(x, index, y, a)


@threaded
def _add(rank, dy, index, dx):
    for a in portion(rank, len(dy)):
        _add_slice(dy, index, dx, a)


@threaded
def _extreme(rank, src, index, y, largest, columns):
    for chunk in portion(rank, (y.shape[1] + columns - 1) // columns):
        _extreme_columns(src, index, y, largest, chunk * columns, min(y.shape[1], (chunk + 1) * columns))


@jit()
def _take_slice(x, index, y, a):
    here = min(a, len(index) - 1)
    for m in range(y.shape[1]):
        if index.shape[2] == 1:
            n = min(max(index[here, m, 0], 0), x.shape[1] - 1)
            for b in range(y.shape[2]):
                y[a, m, b] = x[a, n, b]
        else:
            for b in range(y.shape[2]):
                y[a, m, b] = x[a, min(max(index[here, m, b], 0), x.shape[1] - 1), b]


@jit()
def _add_slice(dy, index, dx, a):
    here = min(a, len(index) - 1)
    for m in range(dy.shape[1]):
        if index.shape[2] == 1:
            n = index[here, m, 0]
            if 0 <= n < dx.shape[1]:
                for b in range(dy.shape[2]):
                    dx[a, n, b] += dy[a, m, b]
        else:
            for b in range(dy.shape[2]):
                n = index[here, m, b]
                if 0 <= n < dx.shape[1]:
                    dx[a, n, b] += dy[a, m, b]


@jit()
def _extreme_columns(src, index, y, largest, start, stop):
    for m in range(len(src)):
        n = index[m]
        if 0 <= n < len(y):
            for c in range(start, stop):
                old, more = y[n, c], src[m, c]
                better = more > old if largest else more < old
                y[n, c] = more if (better or more != more) and old == old else old
