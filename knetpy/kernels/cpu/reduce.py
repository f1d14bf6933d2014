"""Sums over axes of arrays without gaps, in whatever order these lie in memory.

Neighbouring axes that are alike, kept or summed over, are read as one. If the last of them is summed over, rows are;
else as many columns at a time as make the inner loop long. Sums of float32 are float32 as long as they are short.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import numpy as np

from knetpy.kernels.cpu import floats
from knetpy.kernels.cpu.codegen.vecmath import zero
from knetpy.kernels.cpu.elementwise import CHUNK, launch, loops
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference import reduce as reference

LARGE = 1 << 14  # elements: of fewer, NumPy's sum takes no longer than preparing a launch
LONG = 1 << 17  # elements that one thread adds up to columns
LANES = 256  # elements of what is read as one row of columns, if there are so few columns
SHORT, WIDE = 8, 2048  # columns of fewer rows are NumPy's, and so are more columns than that
BLOCK = 1024  # elements of a row that are added in float32


@floats(reference.sum)
def sum(x, axes):
    """As the reference's."""
    plan = _plan(x.shape, x.strides, tuple(axes), x.itemsize) if x.size >= LARGE and x.flags.aligned else None
    if plan is None or not x.dtype.isnative:
        return reference.sum(x, axes)
    flat = x.ravel("K")
    found = _rows(flat, plan.length) if plan.columns is None else _columns(flat, *plan.columns)
    found = found.reshape(plan.shape)
    if plan.rest:
        found = found.sum(plan.rest, np.float64, keepdims=True)
    return found.astype(x.dtype, copy=False).transpose(plan.back)


class _Plan(NamedTuple):
    length: int  # of a row, or
    columns: tuple[int, int, int] | None  # outer groups, rows to add, columns
    shape: tuple[int, ...]  # of what that leaves, in the order of memory
    rest: tuple[int, ...]  # what is still to be summed over
    back: tuple[int, ...]  # the way back from the order of memory


@lru_cache(maxsize=1024)
def _plan(shape, strides, axes, itemsize):
    """How to sum; None if that is better left to NumPy."""
    order = sorted(range(len(shape)), key=lambda a: (-strides[a], -shape[a]))
    step = itemsize
    for a in reversed(order):
        if shape[a] > 1 and strides[a] != step:
            return None  # gaps
        step *= shape[a]
    long = [a for a in order if shape[a] > 1]
    blocks = [(summed, list(group)) for summed, group in groupby(long, axes.__contains__)]
    sizes = [math.prod([shape[a] for a in group]) for _, group in blocks]
    columns, done = None, -1
    if not blocks:
        return None
    if not blocks[-1][0]:
        if len(blocks) < 2 or sizes[-2] < SHORT or sizes[-1] > WIDE:
            return None
        columns, done = (math.prod(sizes[:-2]), *sizes[-2:]), -2
    over = blocks[done][1]
    left = tuple([1 if a in over else shape[a] for a in order])
    rest = tuple([i for i, a in enumerate(order) if a in axes and a not in over and shape[a] > 1])
    return _Plan(sizes[-1], columns, left, rest, tuple(np.argsort(order).tolist()))


# -------------------------------------------------------------------------------------------------- sums of rows


@jit(forceinline=True, fastmath={"contract", "reassoc", "nsz"})  # one plain sum, in any order
def _short_sum(x, start, stop):
    total = zero(x[start])
    for i in range(start, stop):
        total += x[i]
    return total


def _row_sums(pointer):
    def loop(x, _, __, sums, count, width):
        x, sums = pointer(x), pointer(sums)
        for row in range((count + width - 1) // width):
            stop, total = min((row + 1) * width, count), 0.0
            for start in range(row * width, stop, BLOCK):
                total += _short_sum(x, start, min(start + BLOCK, stop))
            sums[row] = total

    return loop


ROW_SUMS = loops(_row_sums)


def _rows(x, length):
    """The sums of rows of that length."""
    if length > CHUNK:
        rows = x.reshape(-1, length)
        return np.array(
            [
                _rows(row[: length // CHUNK * CHUNK], CHUNK).sum(dtype=np.float64)
                + row[length // CHUNK * CHUNK :].sum(dtype=np.float64)
                for row in rows
            ]
        )
    each = CHUNK // length
    sums = np.empty((-(-x.size // (each * length)), each), x.dtype)
    launch(ROW_SUMS, x, x, sums, sums, each * length, length)
    return sums.reshape(-1)[: x.size // length]


# ----------------------------------------------------------------------------------------------- sums of columns


def _column_sums(pointer):
    def loop(x, _, __, sums, count, width):
        x, sums = pointer(x), pointer(sums)
        for start in range(0, count, width):
            for j in range(min(width, count - start)):
                sums[j] += x[start + j]

    return loop


COLUMN_SUMS = loops(_column_sums)


def _columns(x, outer, rows, columns):
    """The sums over `rows` of an array (outer, rows, columns)."""
    if outer > 1 and rows * columns > LONG:
        return np.array([_columns(part, 1, rows, columns) for part in x.reshape(outer, -1)])
    width = columns * max(1, min(LANES // columns, rows // SHORT))
    chunk = rows * columns if outer > 1 else column_chunk(width)
    sums = np.zeros((-(-x.size // chunk), width), x.dtype)
    launch(COLUMN_SUMS, x, x, sums, sums, chunk)
    sums = sums.reshape(outer, -1, columns)
    return sums if sums.shape[1] == 1 else sums.sum(1, np.float64)


def column_chunk(width):
    """How many elements a chunk has whose sums of columns are kept in one row of that width."""
    return max(CHUNK // width, 16) * width
