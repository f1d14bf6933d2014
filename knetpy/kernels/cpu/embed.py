"""Rows of a table by number, and their transpose: serial for few elements, else in chunks that the problem fixes.

The op has checked the indices, but its caller may have changed them since: a number beyond the table reads its last
row, as in the reference, and adds nothing. No kernel leaves its arrays.
"""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.cpu import floats, read
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import embed as reference

THREADED = 2**20  # elements from which on threads share the work
ROWS, COLUMNS = 256, 64  # of a chunk: rows that are looked up, columns that are added up


@floats(reference.embed)
def embed(table, indices):
    """As the reference's."""
    numbers, shape = read(indices, np.int64).reshape(-1), table.shape[1:]
    y, width = np.empty((*indices.shape, *shape), table.dtype.type), math.prod(shape)
    lookup = _embed if y.size >= THREADED else _embed.serial
    if y.size:  # a table without memory of its own, whose shape is all that is asked for, is not copied
        lookup(read(table).reshape(len(table), width), numbers, y.reshape(numbers.size, width))
    return y


@floats(reference.embed_dw)
def embed_dw(dy, indices, *, rows):
    """As the reference's, to the bit: what meets in one row is added in the order of indices."""
    numbers, shape = read(indices, np.int64).reshape(-1), dy.shape[indices.ndim :]
    dw, width = np.zeros((rows, *shape), dy.dtype.type), math.prod(shape)  # large ones come from the system as zeros
    add, columns = (_embed_dw, COLUMNS) if dy.size >= THREADED else (_embed_dw.serial, max(1, width))
    add(read(dy).reshape(numbers.size, width), numbers, dw.reshape(rows, width), columns)
    return dw


@threaded
def _embed(rank, table, numbers, y):
    for chunk in portion(rank, (len(y) + ROWS - 1) // ROWS):
        _copy_rows(table, numbers, y, chunk * ROWS, min(len(y), (chunk + 1) * ROWS))


@threaded
def _embed_dw(rank, dy, numbers, dw, columns):
    width = dw.shape[1]
    for chunk in portion(rank, (width + columns - 1) // columns):
        _add_columns(dy, numbers, dw, chunk * columns, min(width, (chunk + 1) * columns))


@jit()
def _copy_rows(table, numbers, y, start, stop):
    for n in range(start, stop):
        row = min(numbers[n], len(table) - 1)
        if row < 0:
            y[n] = 0
        else:
            for c in range(y.shape[1]):
                y[n, c] = table[row, c]


@jit()
def _add_columns(dy, numbers, dw, start, stop):
    for n in range(len(dy)):
        row = numbers[n]
        if 0 <= row < len(dw):
            if stop - start == 1:  # a slice takes longer than one element
                dw[row, start] += dy[n, start]
                continue
            total, more = dw[row, start:stop], dy[n, start:stop]
            for c in range(len(more)):
                total[c] += more[c]
