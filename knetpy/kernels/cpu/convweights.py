"""The weights of a convolution in panels: the rows of a panel are the terms of a sum, taps and the channels of each.

A compiled routine reads w (O, C/groups, taps) once and writes each vector of the panels once.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import prange
from numba.core import cgutils

from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.panels import _least, _transposed, address, copier
from knetpy.kernels.cpu.vectors import I64, Vectors, call, lanes, routine

new = np.empty  # tests poison what it returns
THREADED = 1 << 18  # elements from which on threads share the work


class Reading(NamedTuple):
    """How w is read: as matrices, each `outer` times, some elements of every column at a time.

    groups, columns: how many matrices there are, of how many columns; rows: of a panel; targets: element i of time m
    goes to the row `targets[i] + m`; strides: elements of w from matrix to matrix, column to column, time to time.
    """

    groups: int
    columns: int
    rows: int
    outer: int
    targets: np.ndarray
    strides: tuple[int, int, int]


class Packing:
    """Puts weights in panels."""

    def __init__(self, w: Reading, vectors: int, dtype: str, bits: int):
        size, lane = np.dtype(dtype).itemsize, lanes(dtype, bits)
        row, width = vectors * lane * size, vectors * lane
        flips = len(w.targets) > 1 or w.strides[1] != 1
        self.bytes = w.groups * -(-w.columns // width) * w.rows * row
        self.copier = _turner(dtype, bits) if flips else copier("copy", dtype, bits)
        self.kernel = _pack if w.groups * w.columns * w.rows >= THREADED else _pack.serial
        self.targets = np.asarray(w.targets, np.int64) * row
        steps = [n * size for n in w.strides]
        self.numbers = (w.groups, w.columns, width, lane, size, row, w.rows * row, w.outer, *steps, flips)

    def pack(self, w: np.ndarray) -> tuple[int, np.ndarray]:
        """The address of the panels, and the memory that they lie in."""
        memory = new(self.bytes + 64, np.uint8)
        panels = address(memory) + 63 & -64
        self.kernel(address(w), panels, self.copier, self.targets, self.numbers)
        return panels, memory


@jit(parallel=True)
def _pack(w, panels, code, targets, numbers):
    """Panel by panel, as many columns at a time as a vector holds."""
    groups, columns, width, lanes, size, row, panel, outer, matrix, column, time, flips = numbers
    each = (columns + width - 1) // width
    table = targets.ctypes.data
    for task in prange(groups * each):
        first = task % each * width
        for j in range(first, min(first + width, columns), lanes):
            count = min(lanes, columns - j)
            source = w + task // each * matrix + j * column
            target = panels + task * panel + (j - first) * size
            if flips:
                for m in range(outer):
                    call(code, (len(targets), count, source + m * time, column, target + m * row, table))
            else:
                call(code, (outer, count, source, time, target + targets[0], row))


@cache
def _turner(dtype: str, bits: int) -> int:
    """The routine that turns K elements of each of a few columns to rows, which go where a table says.

    Its arguments: K, the number of columns, the source and its stride from column to column, the target, the table.
    """
    return routine(f"turn-{dtype}{bits}", 6, lambda builder, *given: _turn(Vectors(builder, dtype, bits), *given))


def _turn(v, K, columns, source, stride, target, table):
    """Square blocks of lanes x lanes, transposed in registers."""
    source, target, shown = v.address(source), v.address(target), v.below(columns)
    table = v.b.inttoptr(table, ir.IntType(64).as_pointer())
    last = v.b.sub(columns, I64(1))
    starts = [v.at(source, stride, _least(v, I64(j), last)) for j in range(v.lanes)]

    def put(value, k):
        v.store(value, v.b.gep(target, [v.b.load(v.b.gep(table, [k]))]), mask=shown)

    whole = v.b.mul(v.b.sdiv(K, I64(v.lanes)), I64(v.lanes))
    with cgutils.for_range_slice(v.b, I64(0), whole, I64(v.lanes), inc=True) as (k, _):
        for i, value in enumerate(_transposed(v, [v.load(v.at(s, v.align, k)) for s in starts])):
            put(value, v.b.add(k, I64(i)))
    left = v.b.sub(K, whole)
    with v.b.if_then(v.b.icmp_signed(">", left, I64(0))):
        part = v.below(left)
        block = [v.load(v.at(s, v.align, whole), mask=part) for s in starts]
        for i, value in enumerate(_transposed(v, block)):
            with v.b.if_then(v.b.icmp_signed(">", left, I64(i))):
                put(value, v.b.add(whole, I64(i)))
