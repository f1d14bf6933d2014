"""Packing: a matrix B (K, N) as panels of columns, whose rows tiles read one right after the other.

Panel p holds columns p * width and on. It is K rows long; every row takes `width` elements and begins at a multiple
of the size of a vector. The last panel is as wide as the others; what lies beyond its columns is never used.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from knetpy.kernels.cpu.codegen.vectors import BITS, I64, Vectors, call, lanes, routine
from knetpy.kernels.cpu.threads import portion, threaded

new = np.empty  # tests poison what it returns
THREADED = 1 << 18  # elements from which on threads share the work


class Packed:
    """Matrices (..., K, N) in panels; `pack` makes them and `matmul` takes them, any number of times."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, vectors: int, bits: int):
        self.shape, self.dtype, self.vectors, self.bits = shape, dtype, vectors, bits
        self.width = vectors * lanes(dtype, bits)
        self.row = self.width * dtype.itemsize  # bytes from row to row
        self.panel = shape[-2] * self.row  # bytes from panel to panel
        self.matrix = -(-shape[-1] // self.width) * self.panel  # bytes from matrix to matrix
        self.count = math.prod(shape[:-2])
        memory = new(self.count * self.matrix + 64, np.uint8)
        self.memory = memory[-address(memory) % 64 :]
        self.address = address(self.memory)


def address(x: np.ndarray) -> int:
    """Return where the first element of `x` lies in memory."""
    return _read(place(x)).value


_read = ctypes.c_ssize_t.from_address


def place(x: np.ndarray) -> int:
    """Return where the address of `x` lies in memory, which a kernel reads with `address_at`.

    NumPy's arrays begin with what all Python objects begin with, and that address. Asking them for it takes 0.8 us, six
    times as long as reading it.
    """
    return id(x) + object.__basicsize__


@intrinsic
def address_at(typing, place):
    """Read, in a kernel, the address at `place`."""

    def generate(context, builder, signature, values):
        return builder.load(builder.inttoptr(values[0], I64.as_pointer()))

    return types.int64(types.int64), generate


def on_stack(count: int) -> Any:
    """Return a function that gives, in a kernel, the address of `count` bytes that are its own until it returns.

    Memory from the allocator may come as pages that the system has yet to provide, in every call.
    """

    @intrinsic
    def room(typing):
        def generate(context, builder, signature, values):
            with builder.goto_entry_block():
                return builder.ptrtoint(builder.alloca(ir.IntType(8), count), I64)

        return types.int64(), generate

    return room


def offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """Return the bytes from the first of the matrices (..., M, N) to each."""
    found = np.zeros((), np.int64)
    for size, stride in zip(shape[:-2], strides):
        found = np.add.outer(found, np.arange(size) * stride)
    return found


def pack(b: np.ndarray, vectors: int, bits: int = BITS) -> Packed:
    """Return matrices (..., K, N) of float32 or float64 in panels of `vectors` vectors."""
    packed = Packed(b.shape, b.dtype, vectors, bits)
    b, kind = _readable(b)
    kernel = _pack if b.size >= THREADED else _pack.serial
    sources = (address(b) + offsets(b.shape, b.strides)).reshape(-1)
    sizes = (*b.shape[-2:], packed.row, lanes(b.dtype, bits), b.itemsize)
    kernel(sources, sizes, b.strides[-2:], packed.address, copier(kind, b.dtype.char, bits), kind == "flip")
    return packed


def _readable(b: np.ndarray) -> tuple[np.ndarray, str]:
    """`b`, or a copy if neither its rows nor its columns are contiguous, and how to read it."""
    (k, n), (row, column) = b.shape[-2:], b.strides[-2:]
    if column == b.itemsize or n == 1:
        return b, "copy"
    if row == b.itemsize or k == 1:
        return b, "flip"
    return np.ascontiguousarray(b), "copy"


@threaded
def _pack(rank, sources, sizes, strides, panels, code, flip):
    """Panel by panel; when turned over, as many columns at a time as a vector holds."""
    K, N, row, lanes, size = sizes
    width = row // size
    each = (N + width - 1) // width
    step = lanes if flip else width
    for task in portion(rank, len(sources) * each):
        first = task % each * width
        for j in range(first, min(first + width, N), step):
            source = sources[task // each] + j * strides[1]
            target = panels + task * K * row + (j - first) * size
            call(code, (K, min(step, N - j), source, strides[1] if flip else strides[0], target, row))


# ------------------------------------------------------------------------------------------------- routines


@cache
def copier(kind: str, dtype: str, bits: int = BITS) -> int:
    """Return the address of the routine that copies K rows of some columns: at most as a vector holds for "flip".

    Its arguments: K, the number of columns, the source and its stride, the target and its stride from row to row. The
    stride of the source is that from row to row ("copy"; rows are contiguous) or from column to column ("flip").
    """
    write = {"copy": _copy, "flip": _flip}[kind]
    return routine(f"{kind}-{dtype}{bits}", 6, lambda builder, *given: write(Vectors(builder, dtype, bits), *given))


def _copy(v, K, columns, source, stride, target, row):
    source, target = v.address(source), v.address(target)
    with cgutils.for_range(v.b, K) as loop:
        from_, to = v.at(source, stride, loop.index), v.at(target, row, loop.index)
        for first, mask in v.parts(columns):
            v.store(v.load(v.at(from_, v.align, first), mask=mask), v.at(to, v.align, first), mask=mask)


def _flip(v, K, columns, source, stride, target, row):
    target, shown = v.address(target), v.below(columns)
    turn_over(v, K, columns, source, stride, lambda value, k: v.store(value, v.at(target, row, k), mask=shown))


def turn_over(v: Vectors, K: Any, columns: Any, source: Any, stride: Any, put: Callable) -> None:
    """Make rows of K elements of each of some columns, at most as a vector holds, and write put(row, its number).

    stride: bytes from column to column. Square blocks of lanes x lanes are transposed in registers.
    """
    b, source, last = v.b, v.address(source), v.b.sub(columns, I64(1))
    starts = [v.at(source, stride, _least(b, I64(j), last)) for j in range(v.lanes)]
    for first, mask in v.parts(K):
        block = [v.load(v.at(start, v.align, first), mask=mask) for start in starts]
        for i, row in enumerate(_transposed(v, block)):
            k = b.add(first, I64(i))
            if mask is None:
                put(row, k)
            else:
                with b.if_then(b.icmp_signed("<", k, K)):
                    put(row, k)


def _transposed(v, rows):
    """The transpose of a square of vectors: blocks of 1, 2, 4... off the diagonal change places."""
    size = 1
    while size < v.lanes:
        low = [lane if not lane & size else v.lanes + lane - size for lane in range(v.lanes)]
        high = [lane + size if not lane & size else v.lanes + lane for lane in range(v.lanes)]
        rows = [
            v.select(rows[i], rows[i + size], low) if not i & size else v.select(rows[i - size], rows[i], high)
            for i in range(v.lanes)
        ]
        size *= 2
    return rows


def _least(b, x, y):
    return b.select(b.icmp_signed("<", x, y), x, y)
