"""A sparse matrix along one axis: launches of resample.cu."""

from __future__ import annotations

import math

from knetpy.devices import cupy
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

_run = Module("resample", instances("resample<{T}>", T=("float", "double")))


@widened
def resample(x, starts, columns, weights, *, axis):
    """Launch as the reference computes; the matrix may also be the CPU's."""
    x, starts, columns, weights = dense(x), numbers(starts), numbers(columns), cupy().asarray(weights, x.dtype)
    (before, N, after), R = (x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]), len(starts) - 1
    y, B = empty((*before, R, *after), x.dtype), math.prod(after)
    if y.size:
        rows, lanes = math.prod(before) * R, lanes_of(B)
        given = x, starts, columns, dense(weights), y, rows, R, N, B, lanes
        _run(f"resample<{C[x.dtype.char]}>", blocks_for(rows, THREADS // lanes), THREADS, *given)
    return y
