"""Softmax in blocks of rows that stay in the cache, and what nll shares with it.

A row is what one softmax runs over. Kernels see an array as (outer, classes, inner): a row lies together where `inner`
is 1, else its elements are `inner` apart. Either way blocks of rows are copied to a buffer, where they lie together.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from knetpy.kernels.cpu import floats
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.vecmath import exp
from knetpy.kernels.reference import softmax as reference

new = np.empty  # tests poison what it returns
BLOCK = 2048  # elements of a block, if a row has no more
NEAR = 16  # where fewer rows than this lie side by side, they are copied to lie one after the other
THREADED = 1 << 15  # elements from which on threads share the work

SOFTMAX, LOGSOFTMAX, SOFTMAX_DX, LOGSOFTMAX_DX = range(4)


@floats(reference.softmax)
def softmax(x, *, axis, mask=None):
    """As the reference's, which serves what has a mask."""
    return _serve(SOFTMAX, x, x, axis) if mask is None else reference.softmax(x, axis=axis, mask=mask)


@floats(reference.logsoftmax)
def logsoftmax(x, *, axis, mask=None):
    """As the reference's, which serves what has a mask."""
    return _serve(LOGSOFTMAX, x, x, axis) if mask is None else reference.logsoftmax(x, axis=axis, mask=mask)


@floats(reference.softmax_dx)
def softmax_dx(dy, p, *, axis):
    """As the reference's, which serves where rows lie side by side: it copies less."""
    rows = plan(p.shape, p.strides, axis)
    return reference.softmax_dx(dy, p, axis=axis) if rows.inner > 1 else _serve(SOFTMAX_DX, p, dy, axis)


@floats(reference.logsoftmax_dx)
def logsoftmax_dx(dy, logs, *, axis):
    """As the reference's, which serves where rows lie side by side: it copies less."""
    rows = plan(logs.shape, logs.strides, axis)
    return reference.logsoftmax_dx(dy, logs, axis=axis) if rows.inner > 1 else _serve(LOGSOFTMAX_DX, logs, dy, axis)


def _serve(kind, x, dy, axis):
    rows = plan(x.shape, x.strides, axis)
    source = rows.flat(x)
    y = new(x.size, source.dtype)
    kernel = _rows if x.size >= THREADED else _rows.serial
    kernel(kind, source, source if dy is x else rows.flat(dy, source.dtype), y, *rows.sizes)
    return rows.shaped(y)


class Rows(NamedTuple):
    """How the rows of an array are laid out for kernels."""

    order: tuple[int, ...] | None  # the axes as they lie in memory, or None if they are in order
    back: tuple[int, ...]
    shape: tuple[int, ...]  # in that order
    sizes: tuple[int, int, int, int]  # outer, classes, inner; rows in a block

    @property
    def inner(self):
        return self.sizes[2]

    def flat(self, x, dtype=None):
        """Return all elements of x, of the array's shape or with size 1 along the rows, as kernels read them."""
        x = x if self.order is None else x.transpose(self.order)
        x = np.ascontiguousarray(x, dtype or x.dtype.type).reshape(-1)
        x = x if x.flags.aligned else x.copy()
        x.flags.writeable = False
        return x

    def shaped(self, y, along=None):
        """Return a kernel's output in the array's shape; `along`: the axis along which it has size 1."""
        shape = self.shape
        if along is not None:
            shape = tuple([1 if axis == along else size for axis, size in zip(self.order or self.back, shape)])
        y = y.reshape(shape)
        return y if self.order is None else y.transpose(self.back)


@lru_cache(maxsize=256)
def plan(shape, strides, axis):
    """Return the layout of an array's rows: as they lie in memory if that will do, else copied one after the other."""
    axes = sorted(a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,)))
    every, classes = tuple(range(len(shape))), math.prod(shape[a] for a in axes)
    inner = math.prod(shape[axes[-1] + 1 :]) if axes else 1
    order = (*(a for a in every if a not in axes), *axes)
    together = not axes or axes[-1] - axes[0] + 1 == len(axes)
    if together and inner >= NEAR and _in_order(shape, strides):
        order = every
    else:
        inner = 1
    back = tuple(sorted(every, key=order.__getitem__))
    block = max(1, BLOCK // max(classes, 1))
    outer = math.prod(shape[a] for a in every if a not in axes) // max(inner, 1)
    sizes = (outer, classes, inner, block)
    return Rows(None if order == every else order, back, tuple(shape[a] for a in order), sizes)


def _in_order(shape, strides):
    """Whether memory is in C order, but for steps between elements."""
    steps = [step for size, step in zip(shape, strides) if size > 1]
    return steps == sorted(steps, reverse=True)


# -------------------------------------------------------------------------------------------------- kernels


# Loops run from 0 on: where an index might be negative, Numba's code for that keeps them from using vectors. A row is
# passed as (array, number): a view of it costs as much as the work on ten classes.


@jit(parallel=True)
def _rows(kind, x, dy, y, outer, classes, inner, block):
    for task in prange(tasks(outer, inner, block)):
        _, start, count = place(task, outer, classes, inner, block)
        e, more = np.empty((count, classes), y.dtype), np.empty((count, classes), y.dtype)
        load(x[start:], e, inner)
        if kind == SOFTMAX_DX:
            load(dy[start:], more, inner)
            for row in range(count):
                _softmax_dx(e, more, row, _dot(e, more, row))
            store(e, y[start:], inner)
            continue
        if kind != LOGSOFTMAX_DX:
            shift(e)
        powers(e, more)
        if kind == LOGSOFTMAX_DX:
            load(dy[start:], e, inner)
        for row in range(count):
            if kind == SOFTMAX:
                scale(more, row, 1 / total(more, row))
            elif kind == LOGSOFTMAX:
                _subtract(e, row, np.log(total(more, row)))
            else:
                _logsoftmax_dx(e, more, row, total(e, row))
        store(more if kind == SOFTMAX else e, y[start:], inner)


@jit()
def tasks(outer, inner, block):
    """How many blocks of rows there are."""
    return (outer + block - 1) // block if inner == 1 else outer * ((inner + block - 1) // block)


@jit()
def place(task, outer, classes, inner, block):
    """The number of a block's first row, where that starts, and how many rows there are in the block."""
    if inner == 1:
        first = task * block
        return first, first * classes, min(block, outer - first)
    each = (inner + block - 1) // block
    group, first = task // each, task % each * block
    return group * inner + first, group * classes * inner + first, min(block, inner - first)


@jit()
def load(x, e, inner):
    """Copy rows, as they lie from the start of x on, to e."""
    if inner == 1:
        flat = e.reshape(-1)
        for i in range(len(flat)):
            flat[i] = x[i]
    else:
        for c in range(e.shape[1]):
            seen = x[c * inner :]
            for row in range(e.shape[0]):
                e[row, c] = seen[row]


@jit()
def store(e, y, inner):
    """Copy rows from e to where they lie in y."""
    if inner == 1:
        flat = e.reshape(-1)
        for i in range(len(flat)):
            y[i] = flat[i]
    else:
        for c in range(e.shape[1]):
            met = y[c * inner :]
            for row in range(e.shape[0]):
                met[row] = e[row, c]


@jit()
def shift(e):
    """Take its maximum off each row; the maximum becomes 0 also where it is infinite."""
    for row in range(e.shape[0]):
        best = _rank(e.dtype.type(-np.inf))
        for i in range(e.shape[1]):
            best = max(best, _rank(e[row, i]))
        top = _ranked(best)
        for i in range(e.shape[1]):
            e[row, i] = e.dtype.type(0) if e[row, i] == top else e[row, i] - top


@intrinsic
def _rank(typing, x):
    """An integer that is the larger, the larger x is: vectors of these are compared without regard to NaN.

    NaN comes above Inf or below -Inf; either way the sum of the exponentials of its row will be NaN.
    """
    bits = 32 if x == types.float32 else 64

    def generate(context, builder, signature, values):
        return _reflected(builder, builder.bitcast(values[0], ir.IntType(bits)))

    return types.Integer.from_bitwidth(bits, signed=True)(x), generate


@intrinsic
def _ranked(typing, rank):
    """The number of that rank."""
    kind, x = (ir.FloatType(), types.float32) if rank == types.int32 else (ir.DoubleType(), types.float64)

    def generate(context, builder, signature, values):
        return builder.bitcast(_reflected(builder, values[0]), kind)

    return x(rank), generate


def _reflected(builder, n):
    """Bits of floats as integers, negative ones in the opposite order; twice, it gives n again."""
    sign = builder.ashr(n, n.type(n.type.width - 1))
    return builder.xor(n, builder.lshr(sign, n.type(1)))


@jit()
def powers(z, e):
    """Put exp(z) into e, another array: a loop whose input may overlap its output would not use vectors."""
    seen, made = z.reshape(-1), e.reshape(-1)
    for i in range(len(seen)):
        made[i] = exp(seen[i])


@jit(fastmath={"contract", "reassoc"})
def total(e, row):
    """The sum of a row, in any order."""
    result = e.dtype.type(0)
    for i in range(e.shape[1]):
        result += e[row, i]
    return result


@jit(fastmath={"contract", "reassoc"})
def _dot(e, dy, row):
    result = e.dtype.type(0)
    for i in range(e.shape[1]):
        result += e[row, i] * dy[row, i]
    return result


@jit()
def scale(e, row, factor):
    """Multiply a row."""
    for i in range(e.shape[1]):
        e[row, i] *= factor


@jit()
def _subtract(z, row, log):
    for i in range(z.shape[1]):
        z[row, i] -= log


@jit()
def _softmax_dx(p, dy, row, mean):
    for i in range(p.shape[1]):
        p[row, i] *= dy[row, i] - mean


@jit()
def _logsoftmax_dx(dy, p, row, whole):
    for i in range(p.shape[1]):
        dy[row, i] -= p[row, i] * whole
