"""Bias and activation in one pass over memory.

Kernels see rows of channels. As there may be few of them, several rows are read as one, for which the bias is repeated.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from knetpy.kernels.cpu import floats
from knetpy.kernels.cpu.codegen import curves
from knetpy.kernels.cpu.elementwise import launch, loops
from knetpy.kernels.cpu.reduce import column_chunk, sum
from knetpy.kernels.reference import bias as reference

new = np.empty  # tests poison what it returns
LANES = 256  # elements of what is read as one row, if there are so many channels or fewer


def _forward(pointer, f):
    def loop(x, _, y, table, count, width):
        x, y, bias = pointer(x), pointer(y), pointer(table)
        for start in range(0, count, width):
            for j in range(min(width, count - start)):
                y[start + j] = f(bias[j], x[start + j] + bias[j])

    return loop


def _back(pointer, slope, by_operand, over):
    def loop(dy, kept, dz, table, count, width):
        kept, dz, sums = pointer(kept), pointer(dz), pointer(table)
        dy = dz if over else pointer(dy)
        for start in range(0, count, width):
            for j in range(min(width, count - start)):
                g = slope(dy[start + j], kept[start + j] + sums[width + j] if by_operand else kept[start + j])
                dz[start + j] = g
                sums[j] += g

    return loop


def _backs(over):
    """By the name of the activation; over: dz is written over dy."""
    return {
        f: loops(_back, slope, by_operand=f in reference.BY_OPERAND, over=over) for f, slope in curves.SLOPES.items()
    }


FORWARD = {name: loops(_forward, f) for name, f in curves.FUNCTIONS.items()}
BACK, BACK_OVER = _backs(over=False), _backs(over=True)


@floats(reference.forward)
def forward(x, bias, activation, *, axis=-1):
    """As the reference's, which serves where the channels do not lie last in memory."""
    order, back = _orders(x.ndim, axis)
    rows = x.transpose(order)
    if not _readable(rows):
        return reference.forward(x, bias, activation, axis=axis)
    y = new(rows.shape, x.dtype)
    if y.size:
        table = _repeated(bias, x.dtype).reshape(1, -1)
        launch(FORWARD[activation], rows, rows, y, table, column_chunk(table.size))
    return y.transpose(back)


@floats(reference.back)
def back(dy, kept, activation, bias=None, *, axis=-1, out=None):
    """As the reference's, which serves where the channels do not lie last; chunks are added in their order.

    out: None, or dy if it may be overwritten.
    """
    order, back = _orders(dy.ndim, axis)
    if activation is None:
        return dy, sum(dy, order[:-1]).reshape(-1)
    rows = kept.transpose(order)
    if not (_readable(rows) and rows.size and dy.dtype == kept.dtype):
        return reference.back(dy, kept, activation, bias, axis=axis)
    channels = rows.shape[-1]
    width = channels * _fold(channels)
    chunk = column_chunk(width)
    by_operand = activation in reference.BY_OPERAND
    table = np.zeros((-(-rows.size // chunk), 2 if by_operand else 1, width), rows.dtype)
    if by_operand and bias is not None:
        table[:, 1] = _repeated(bias, rows.dtype).reshape(-1)
    given = dy.transpose(order)
    if out is None and given.flags.c_contiguous:
        dz = new(rows.shape, rows.dtype)
        launch(BACK[activation], given, rows, dz, table, chunk)
    else:  # a copy is our own
        dz = np.ascontiguousarray(given)
        launch(BACK_OVER[activation], dz, rows, dz, table, chunk)
    sums = table[0, 0] if len(table) == 1 else table[:, 0].sum(0, np.float64)
    sums = sums.reshape(-1, channels).sum(0, np.float64)
    return dz.transpose(back), sums.astype(rows.dtype)


def _repeated(bias, dtype):
    table = np.empty((_fold(bias.size), bias.size), dtype)
    table[:] = bias
    return table


def _fold(channels):
    """How many rows are read as one."""
    return max(1, LANES // channels)


def _readable(rows):
    return rows.flags.c_contiguous and rows.flags.aligned and rows.dtype.isnative


@lru_cache
def _orders(ndim, axis):
    """The axes with that one last, and the way back."""
    axis %= ndim
    order = (*[a for a in range(ndim) if a != axis], axis)
    return order, tuple(np.argsort(order).tolist())
