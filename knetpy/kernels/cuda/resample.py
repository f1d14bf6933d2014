"""A sparse matrix along one axis: launches of resample.cu."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

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
    widened,
)

KEPT = 1 << 20  # bytes up to which a part of a matrix stays on the device for the next call
_run = Module("resample", instances("resample<{T}>", T=("float", "double")))


@widened
def resample(x, starts, columns, weights, *, axis):
    """Launch as the reference computes; the matrix may also be the CPU's."""
    x, starts, columns, weights = dense(x), _there(starts, "i8"), _there(columns, "i8"), _there(weights, x.dtype.str)
    (before, N, after), R = (x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]), len(starts) - 1
    y, B = empty((*before, R, *after), x.dtype), math.prod(after)
    if y.size:
        rows, lanes = math.prod(before) * R, lanes_of(B)
        given = x, starts, columns, weights, y, rows, R, N, B, lanes
        _run(f"resample<{C[x.dtype.char]}>", blocks_for(rows, THREADS // lanes), THREADS, *given)
    return y


def _there(part: Any, dtype: str) -> Any:
    """A part of the matrix on the device, which waits for no copy if the same numbers have been there before."""
    if isinstance(part, np.ndarray) and part.nbytes <= KEPT:
        return _kept(part.tobytes(), part.dtype.str, dtype, cupy().cuda.Device().id)
    return dense(cupy().asarray(part, dtype))


@lru_cache(maxsize=128)
def _kept(numbers: bytes, given: str, dtype: str, device: int) -> Any:
    return cupy().asarray(np.frombuffer(numbers, given).astype(dtype))
