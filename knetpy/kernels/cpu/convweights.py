"""The weights of a convolution in panels: the rows of a panel are the terms of a sum, taps and the channels of each.

A compiled routine reads w (O, C/groups, taps) once and writes each vector of the panels once.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from knetpy.kernels.cpu.codegen.panels import address, copier, turn_over
from knetpy.kernels.cpu.codegen.vectors import I64, Vectors, call, lanes, routine
from knetpy.kernels.cpu.threads import portion, threaded

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


@threaded
def _pack(rank, w, panels, code, targets, numbers):
    """Panel by panel, as many columns at a time as a vector holds."""
    groups, columns, width, lanes, size, row, panel, outer, matrix, column, time, flips = numbers
    each = (columns + width - 1) // width
    table = targets.ctypes.data
    for task in portion(rank, groups * each):
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
    target, table, shown = v.address(target), v.b.inttoptr(table, I64.as_pointer()), v.below(columns)

    def put(row, k):
        v.store(row, v.b.gep(target, [v.b.load(v.b.gep(table, [k]))]), mask=shown)

    turn_over(v, K, columns, source, stride, put)
