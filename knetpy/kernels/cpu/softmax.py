"""Softmax, a few passes over one row or block of rows after the other, and what nll shares with it.

A row is what one softmax runs over. Kernels see an array as (outer, classes, inner): a row lies together where `inner`
is 1, else its elements are `inner` apart. `softmaxcode.py` has the passes.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from knetpy.kernels.cpu import flat, floats
from knetpy.kernels.cpu.codegen.vectors import call
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.softmaxcode import ALONG, BESIDE, code
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import softmax as reference

new = np.empty  # tests poison what it returns
BLOCK = 1 << 13  # elements of a block, if a row has no more
NEAR = 16  # where fewer rows than this lie side by side, they are copied to lie one after the other
THREADED = 1 << 15  # elements from which on threads share the work


@floats(reference.softmax)
def softmax(x, *, axis, mask=None):
    """As the reference's, which serves what has a mask."""
    return _serve("softmax", x, None, axis) if mask is None else reference.softmax(x, axis=axis, mask=mask)


@floats(reference.logsoftmax)
def logsoftmax(x, *, axis, mask=None):
    """As the reference's, which serves what has a mask."""
    return _serve("logsoftmax", x, None, axis) if mask is None else reference.logsoftmax(x, axis=axis, mask=mask)


@floats(reference.softmax_dx)
def softmax_dx(dy, p, *, axis):
    """As the reference's."""
    return _serve("softmax_dx", p, dy, axis)


@floats(reference.logsoftmax_dx)
def logsoftmax_dx(dy, logs, *, axis):
    """As the reference's."""
    return _serve("logsoftmax_dx", logs, dy, axis)


def _serve(kind, x, dy, axis):
    rows = plan(x.shape, x.strides, axis)
    source = rows.flat(x)
    y = new(x.size, source.dtype)
    kernel = _rows if x.size >= THREADED else _rows.serial
    kernel(rows.code(kind, x), source, source if dy is None else rows.flat(dy, source.dtype.type), y, *rows.sizes)
    return rows.shaped(y)


class Rows(NamedTuple):
    """How the rows of an array are laid out for kernels."""

    order: tuple[int, ...] | None  # the axes as they lie in memory, or None if they are in order
    back: tuple[int, ...]
    shape: tuple[int, ...]  # in that order
    sizes: tuple[int, int, int, int]  # outer, classes, inner; rows in a block

    def code(self, kind, x):
        """The address of that routine for these rows of x."""
        return code(kind, ALONG if self.sizes[2] == 1 else BESIDE, x.dtype.char)

    def flat(self, x, dtype=None):
        """Return all elements of x, of the array's shape or with size 1 along the rows, as kernels read them."""
        return flat(x if self.order is None else x.transpose(self.order), dtype)

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
    block = block if inner == 1 else -(-block // NEAR) * NEAR
    outer = math.prod(shape[a] for a in every if a not in axes) // max(inner, 1)
    sizes = (outer, classes, inner, block)
    return Rows(None if order == every else order, back, tuple(shape[a] for a in order), sizes)


def _in_order(shape, strides):
    """Whether memory is in C order, but for steps between elements."""
    steps = [step for size, step in zip(shape, strides) if size > 1]
    return steps == sorted(steps, reverse=True)


# -------------------------------------------------------------------------------------------------- kernels


@threaded
def _rows(rank, code, x, dy, y, outer, classes, inner, block):
    places = x.ctypes.data, dy.ctypes.data, y.ctypes.data
    for task in portion(rank, tasks(outer, inner, block)):
        _, start, count = place(task, outer, classes, inner, block)
        at = start * y.itemsize
        call(code, (places[0] + at, places[1] + at, places[2] + at, 0, 0, count, classes, inner))


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
