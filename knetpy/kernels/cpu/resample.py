"""A sparse matrix applied along one axis of x, which is read in the order of its memory."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from knetpy.kernels.cpu import floats, read
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import resample as reference

THREADED = 1 << 15  # elements from which on threads share the work
new = np.empty  # tests poison what it returns


@floats(reference.resample)
def resample(x, starts, columns, weights, *, axis):
    """As the reference's; the memory order of y is that of x."""
    order, back, here = _order(x.shape, x.strides, axis)
    x = read(x.transpose(order))
    before, after = x.shape[:here], x.shape[here + 1 :]
    y = new((*before, len(starts) - 1, *after), x.dtype.type)
    outer, inner = math.prod(before), math.prod(after)
    table = read(starts, np.int64), read(columns, np.int64), read(weights, x.dtype.type)
    kernel = _resample if y.size >= THREADED else _resample.serial
    kernel(x.reshape(outer, x.shape[here], inner), *table, y.reshape(outer, len(starts) - 1, inner))
    return y.transpose(back)


@lru_cache(maxsize=256)
def _order(shape, strides, axis):
    """The axes in the order of memory, how to undo it, and where the axis is among them."""
    order = tuple(sorted(range(len(shape)), key=lambda a: -abs(strides[a])))
    return order, tuple(np.argsort(order).tolist()), order.index(axis)


@threaded
def _resample(rank, x, starts, columns, weights, y):
    for a in portion(rank, len(x)):
        for row in range(y.shape[1]):
            if y.shape[2] == 1:  # without memory between the sums
                total = y.dtype.type(0)
                for k in range(starts[row], starts[row + 1]):
                    total += weights[k] * x[a, columns[k], 0]
                y[a, row, 0] = total
                continue
            for b in range(y.shape[2]):
                y[a, row, b] = 0
            for k in range(starts[row], starts[row + 1]):
                column, weight = columns[k], weights[k]
                for b in range(y.shape[2]):
                    y[a, row, b] += weight * x[a, column, b]
