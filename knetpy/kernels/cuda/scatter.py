"""Elements by number along one axis, and what meets in one place: launches of scatter.cu.

The op has checked the numbers, but on the device they may have changed since: no kernel leaves its arrays. A negative
number takes zeros and adds nothing, one that is too large takes the last element and adds nothing.
"""

from __future__ import annotations

import math
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
    numbers,
    widened,
)

RUN = 32  # as in scatter.cu
SUM, LARGEST, SMALLEST = range(3)
UNITS = {16: "uint4", 8: "unsigned long long", 4: "unsigned", 2: "unsigned short", 1: "unsigned char"}  # by bytes
_run = Module(
    "scatter",
    [
        *instances("take<{U}>", U=tuple(UNITS.values())),
        "find",
        *instances("{k}<{T}, {how}>", k=("chunks", "runs"), T=("float", "double"), how=range(3)),
    ],
)


def take_along(x, index):
    """Launch as the reference computes; of any dtype, as elements are only moved."""
    x, index = dense(x), numbers(index)
    (A, N, B), (lists, M, columns) = x.shape, index.shape
    y = empty((A, M, B), x.dtype)
    if not y.size:
        return y
    if not N:
        return cupy().zeros_like(y)
    size = _unit(x, B if columns == 1 else 1)
    unit, wide = np.dtype(f"u{min(size, 8) if size < 16 else 4}"), B * x.dtype.itemsize // size
    moved = [a.reshape(-1).view(unit) for a in (x, y)]
    lanes = lanes_of(wide)
    given = moved[0], index, moved[1], A * M, M, N, wide, int(lists > 1), int(columns > 1), lanes
    _run(f"take<{UNITS[size]}>", blocks_for(A * M, THREADS // lanes), THREADS, *given)
    return y


@widened
def add_along(dy, index, *, size):
    """Launch as the reference computes, in an order of sums that the numbers alone determine."""
    index = numbers(index)
    if dy.dtype.kind != "c":
        return _met(dy, index, size, SUM)
    index = index if index.shape[2] == 1 else index.repeat(2, 2)
    return _met(dense(dy).view(dy.dtype.char.lower()), index, size, SUM).view(dy.dtype)  # real beside imaginary parts


def add_at(x, key, values):
    """Do as the reference: each place that the key names is numbered, so that `add_along` finds who meets there."""
    if x.dtype.kind in "iu":  # whose sums do not depend on the order, so that atomic operations serve
        import cupyx

        return cupyx.scatter_add(x, key, values)
    index = cupy().arange(x.size).reshape(x.shape)[key]
    values = cupy().broadcast_to(values.astype(x.dtype, copy=False), index.shape)
    x += add_along(values.reshape(1, -1, 1), index.reshape(1, -1, 1), size=x.size).reshape(x.shape)


@widened
def extreme(src, index, *, size, largest):
    """Launch as the reference computes."""
    shape = (size, *src.shape[1:])
    slices = src.reshape(1, len(src), math.prod(shape[1:]))
    return _met(slices, numbers(index).reshape(1, -1, 1), size, LARGEST if largest else SMALLEST).reshape(shape)


def _met(src: Any, index: Any, N: int, how: int) -> Any:
    """y (A, N, B): what of src (A, M, B) has the same index, put together."""
    src, (lists, M, columns), (A, _, B) = dense(src), index.shape, src.shape
    y, kind = empty((A, N, B), src.dtype), f"<{C[src.dtype.char]}, {how}>"
    if not y.size:
        return y
    flat = dense(index.transpose(0, 2, 1))
    flat = flat.reshape(M) if lists * columns == 1 else flat.reshape(lists * columns, M)  # one list is sorted faster
    order = cupy().argsort(flat, axis=-1, kind="stable")
    keys = cupy().take_along_axis(flat, order, -1)
    starts, count = empty((lists * columns, N + 1), np.int64), M // RUN
    _run("find", blocks_for(starts.size, THREADS), THREADS, keys, starts, starts.size, M, N)
    lanes = lanes_of(B)
    options = int(lists > 1), int(columns > 1), lanes
    part = empty((A, count, B), src.dtype) if count else None
    if count:
        blocks = blocks_for(A * count, THREADS // lanes)
        _run(f"chunks{kind}", blocks, THREADS, src, keys, order, part, A * count, M, B, *options)
    blocks = blocks_for(A * N, THREADS // lanes)
    _run(f"runs{kind}", blocks, THREADS, src, order, starts, part, y, A * N, M, N, B, *options)
    return y


def _unit(x: Any, columns: int) -> int:
    """How many bytes can be moved at a time of rows of so many columns, which begin where x does."""
    return math.gcd(16, columns * x.dtype.itemsize, x.data.ptr)
