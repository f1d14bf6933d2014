"""Rows of a table by number: those are slices along the first axis, as `scatter` takes and adds them; embed.cu's bags.

A number beyond the table, which somebody changed after the op had looked, reads its last row and adds nothing.
"""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.cuda import scatter
from knetpy.kernels.cuda.launch import (
    THREADS,
    C,
    Module,
    blocks_for,
    dense,
    empty,
    instances,
    lanes_of,
    numbers,
    widened,
)

_run = Module("embed", instances("bag_max<{T}>", T=("float", "double")))


def embed(table, indices):
    """Launch as the reference computes; of any dtype, as elements are only moved."""
    rows = table.reshape(1, len(table), math.prod(table.shape[1:]))
    y = scatter.take_along(rows, numbers(indices).reshape(1, -1, 1))
    return y.reshape(*indices.shape, *table.shape[1:])


def embed_dw(dy, indices, *, rows):
    """Launch as the reference computes, in an order of sums that the numbers alone determine."""
    shape = dy.shape[indices.ndim :]
    slices = dy.reshape(1, indices.size, math.prod(shape))
    return scatter.add_along(slices, numbers(indices).reshape(1, -1, 1), size=rows).reshape(rows, *shape)


@widened
def bag_max(table, indices, starts):
    """Launch as the reference computes; a table of float16 is read through one of float32."""
    table, indices, starts, (V, D) = dense(table), numbers(indices), numbers(starts), table.shape
    chosen, lanes = empty((len(starts), D), np.int64), lanes_of(D)
    if chosen.size:
        blocks, sizes = blocks_for(len(starts), THREADS // lanes), (len(starts), indices.size, V, D, lanes)
        _run(f"bag_max<{C[table.dtype.char]}>", blocks, THREADS, table, indices, starts, chosen, *sizes)
    return chosen
