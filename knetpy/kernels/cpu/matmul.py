"""Matrix products on the tile, with a bias and an activation at the store.

A is read where it lies, whatever its strides, and B where it lies or packed into panels first. The result is cut into
boxes of rows and panels, the tasks that threads share, and within a box the sum into blocks, so that what tiles read
again is in the cache. How the sum is cut depends on the problem alone, and so does every bit of the result.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from knetpy import settings
from knetpy.kernels.cpu import floats, panels
from knetpy.kernels.cpu.blas import one_thread
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.panels import Packed, address, copier
from knetpy.kernels.cpu.tile import ACCUMULATE, RELU, ROWS, WIDEST, Tiles, run, tiles
from knetpy.kernels.cpu.vectors import BITS, call, lanes
from knetpy.kernels.reference import matmul as reference

Ints = tuple[int, ...]

FLAGS = {None: 0, "relu": RELU}
new = np.empty  # tests poison what it returns
DEPTH = 128  # terms of a block of the sum: a panel of so many rows stays in the first cache, 32 KiB at 512 bits
BLOCK = 1 << 20  # bytes of B that the panels of a task may have in a block of the sum: half a second cache
FAR = 256  # bytes from one term of the sum to the next
THREADED = 1 << 20  # multiply-adds from which on threads share the work
# BLAS serves what is smaller, since finding a plan and addresses takes us 4 us, and starts no threads there: keeping it
# from it would take 5. (100, 128) x (128, 64), 0.8 million: 16 us here, 11 in NumPy, 16 in NumPy held at one thread.
BLAS = 1 << 18


@floats(reference.matmul)
def matmul(a, b, *, bias=None, activation=None):
    """As the reference's, for a and b of one dtype; b may also be what `pack` returns."""
    flags, packed = FLAGS[activation], isinstance(b, Packed)
    a, b = _plain(a), b if packed else _plain(b)
    layout = (b.vectors, b.bits) if packed else b.strides
    plan = _plan((a.dtype, b.dtype), a.shape, a.strides, b.shape, layout, packed, BITS, settings.threads())
    bias = None if bias is None else _row(bias, plan.shape[-1], a.dtype)
    if plan.kernel is None:
        return _finish(_blas(a, b, plan), bias, flags)
    if plan.packs:
        b = panels.pack(b, plan.vectors, plan.bits)
    c = new(plan.shape, a.dtype)
    sums = c if plan.splits == 1 else new((plan.splits, *c.shape), c.dtype)
    finish = (0, 0) if sums is not c else (0 if bias is None else address(bias), flags)
    origin = (address(a), b.address if isinstance(b, Packed) else address(b), address(sums))
    plan.kernel(origin, plan.offsets, *finish, *plan.numbers, plan.table.steps, plan.table.codes)
    return c if sums is c else _finish(np.add.reduce(sums, axis=0, out=c), bias, flags)


def pack(b):
    """Return a copy of b (..., K, N) as `matmul` reads it fastest, for many products with the same b."""
    b = _plain(b)
    return panels.pack(b, _vectors(b.shape[-1], b.dtype.char, BITS), BITS) if b.dtype.char in "fd" else b


def _plain(x: np.ndarray) -> np.ndarray:
    return x if x.flags.aligned and x.dtype.isnative else np.array(x, x.dtype.type)


def _row(bias: np.ndarray, n: int, dtype: np.dtype) -> np.ndarray:
    if bias.shape != (n,):
        raise ValueError(f"a bias of shape {bias.shape} for {n} columns")
    return _plain(np.ascontiguousarray(bias, dtype))


def _finish(c: np.ndarray, bias: np.ndarray | None, flags: int) -> np.ndarray:
    if bias is not None:
        c += bias
    return np.maximum(c, 0, out=c) if flags else c


def _blas(a, b, plan):
    if isinstance(b, Packed):  # of an empty product
        return np.zeros(plan.shape, a.dtype)
    if plan.quiet:
        return np.matmul(a, b)
    with one_thread():
        return np.matmul(a, b)


# ---------------------------------------------------------------------------------------------------- plan


class _Plan(NamedTuple):
    """How a product is computed; the same for all arrays of the same shapes and strides."""

    shape: Ints  # of the result
    kernel: Any = None  # _multiply, with threads or without; None: BLAS
    quiet: bool = True  # BLAS starts no threads
    packs: bool = False  # whether B has to be packed now
    vectors: int = 0  # of a panel
    bits: int = 0
    splits: int = 1  # parts of the sum, each with a result of its own, that are added in order
    offsets: np.ndarray | None = None  # (products, 4): bytes from the first elements to where A, B and C begin; K
    numbers: tuple = ()  # the arguments of _multiply between its flags and its tables
    table: Tiles | None = None


@lru_cache(maxsize=1024)
def _plan(dtypes: tuple, a_shape: Ints, a_strides: Ints, b_shape: Ints, layout: Ints, packed: bool, bits: int, threads):
    """layout: strides of B, or the vectors of a panel and their bits."""
    (m, k), n, (dtype, other) = a_shape[-2:], b_shape[-1], dtypes
    if b_shape[-2] != k or other != dtype:
        raise ValueError(f"no product of {dtype} {a_shape} and {other} {b_shape}")
    batch = np.broadcast_shapes(a_shape[:-2], b_shape[:-2])
    shape, products, size, char = (*batch, m, n), math.prod(batch), dtype.itemsize, dtype.char
    work = products * m * n * k
    if not work or not packed and (work < BLAS or min(m, n) == 1):
        return _Plan(shape, quiet=min(m, n) > 1)
    layout = layout if packed or min(k, n) > 1 else _unit(layout, k, n, size)
    if math.prod(b_shape[:-2]) == 1 and _is_one_axis(a_shape, a_strides):  # one B for all: one product
        m, products, batch, a_shape, a_strides = m * products, 1, (), (m * products, k), a_strides[-2:]
    vectors, bits = layout if packed else (_vectors(n, char, bits), bits)
    width = vectors * lanes(char, bits)
    packs = not packed and _pays_to_pack(m, n, layout[-2:], size)
    in_panels = packed or packs
    if in_panels:
        row, panel, b_strides = width * size, k * width * size, _strides(b_shape, -(-n // width) * k * width * size)
    else:
        row, panel, b_strides = layout[-2], width * layout[-1], layout
    scattered = m > 1 and abs(a_strides[-1]) >= FAR
    gather = _gathering(n, a_strides[-2:], (size, 0) if in_panels else layout[-2:], in_panels, char, bits)
    depth = -(-k // -(-k // DEPTH))
    starts = np.arange(0, k, _part(k, -(-m // max(ROWS[bits][vectors])) * -(-n // width), depth))
    at = _offsets(a_shape, a_strides), _offsets(b_shape, b_strides)
    offsets = _products(*at, batch, starts, k, (a_strides[-1], row, m * n * size))
    rows, group = _box_of(m, n, width, size, len(offsets), scattered, threads)
    table = tiles(vectors, char, bits)
    _provide(table, {min(rows, m), m % rows}, {min(n, width), n % width}, lanes(char, bits))
    sizes = (m, n, size, width, lanes(char, bits))
    numbers = (sizes, a_strides[-2:], (row, panel), n * size, (rows, group, depth), gather)
    kernel = _multiply if work >= THREADED else _multiply.serial
    return _Plan(shape, kernel, True, packs, vectors, bits, len(starts), offsets, numbers, table)


def _gathering(n: int, a: Ints, b: Ints, in_panels: bool, dtype: str, bits: int) -> Ints:
    """Copiers that bring blocks of A and of B together before tiles read them, or 0; the stride that B's goes along.

    With a long way from one term of the sum to the next the rows of a block lie in as many pages: worth a copy if more
    than a panel or two read it. A B that lies column by column has to be turned over.
    """
    size = np.dtype(dtype).itemsize
    copies = abs(a[1]) >= FAR and a[0] == size and n > 2 * lanes(dtype, bits)
    copy = copier("copy", dtype, bits) if copies else 0
    if in_panels:
        return copy, 0, 0
    return (copy, copy, 0) if b[1] == size else (copy, copier("flip", dtype, bits), b[1])


def _products(a: np.ndarray, b: np.ndarray, batch: Ints, starts: np.ndarray, k: int, steps: Ints) -> np.ndarray:
    """The rows of _Plan.offsets: for each part of the sum, each matrix of the batch."""
    found = np.empty((len(starts), *batch, 4), np.int64)
    count = found[..., 0].size
    found[..., 2] = np.arange(count).reshape(found.shape[:-1]) * steps[2]
    starts = starts.reshape(-1, *[1] * len(batch))
    found[..., 0], found[..., 1] = a + steps[0] * starts, b + steps[1] * starts
    found[..., 3] = np.diff(starts, axis=0, append=k)
    return found.reshape(-1, 4)


def _vectors(n: int, dtype: str, bits: int) -> int:
    return max(1, min(WIDEST, -(-n // lanes(dtype, bits))))


def _pays_to_pack(m: int, n: int, strides: Ints, size: int) -> bool:
    """Whether B is packed as a whole: many rows will read it, or neither its rows nor its columns are one piece."""
    return m > 256 and (n * size > 128 or strides[1] != size) or size not in strides or strides[1] == 0


def _is_one_axis(shape: Ints, strides: Ints) -> bool:
    """Whether all axes but the last could be one."""
    return all(shape[i] == 1 or strides[i] == strides[i + 1] * shape[i + 1] for i in range(len(shape) - 2))


def _unit(strides: Ints, k: int, n: int, size: int) -> Ints:
    """Strides in which those of axes of length 1, which mean nothing, are such as suit best."""
    return (*strides[:-2], size if k == 1 != n else strides[-2], size if n == 1 else strides[-1])


def _strides(shape: Ints, matrix: int) -> Ints:
    """The strides of the leading axes when matrices of `matrix` bytes follow each other."""
    return tuple(matrix * math.prod(shape[i + 1 : -2]) for i in range(len(shape) - 2))


def _offsets(shape: Ints, strides: Ints) -> np.ndarray:
    """Bytes from the first matrix of (..., M, N) to each."""
    found = np.zeros((), np.int64)
    for count, stride in zip(shape[:-2], strides):
        found = np.add.outer(found, np.arange(count) * stride)
    return found


def _part(k: int, places: int, depth: int) -> int:
    """Terms of a part of the sum. A long sum for few tiles is split into four, for threads; all others are not."""
    return max(depth, -(-k // (4 * depth)) * depth) if places < 32 and k >= 8192 else k


def _box_of(m: int, n: int, width: int, size: int, products: int, scattered: bool, threads: int) -> tuple[int, int]:
    """Rows and panels of a task: as many as the cache likes, fewer if there would be too few tasks for all threads."""
    rows, group = min(m, 576 if scattered else 96), min(-(-n // width), max(1, BLOCK // (DEPTH * width * size)))
    wanted = threads if scattered or threads == 1 else 4 * threads  # blocks of A are gathered by every task anew
    lacking = -(-wanted // (products * -(-m // rows)))
    group = -(-group // lacking)
    lacking = -(-wanted // (products * -(-m // rows) * -(-n // (group * width))))
    return min(rows, -(-rows // (24 * lacking)) * 24), group


def _provide(table: Tiles, rows: set[int], columns: set[int], lanes: int) -> None:
    for count in rows:
        for width in columns - {0}:
            table.provide(count, -(-width // lanes))


# -------------------------------------------------------------------------------------------------- driver


@jit(parallel=True)
def _multiply(origin, offsets, start, flags, sizes, a_strides, b_strides, c_stride, blocks, gather, steps, codes):
    """All products, task by task.

    origin: addresses of A, B and C; offsets: see _Plan; start: the address of the bias, or 0; sizes: M, N, bytes of an
    element, columns of a panel, of a vector; a_strides: along rows and the sum; b_strides: along the sum and from panel
    to panel; blocks: rows and panels of a task, terms of a block of the sum; gather: see _gathering; steps, codes: see
    Tiles.
    """
    M, N, _, width, _ = sizes
    rows, group, depth = blocks
    down, across = (M + rows - 1) // rows, (N + group * width - 1) // (group * width)
    for task in prange(len(offsets) * down * across):
        a, b, c, K = offsets[task // (down * across)]
        top, left = task // across % down * rows, task % across * group * width
        box = (top, min(top + rows, M), left, min(left + group * width, N))
        at = (origin[0] + a, origin[1] + b, origin[2] + c)
        _box(K, box, at, start, flags, sizes, a_strides, b_strides, c_stride, depth, gather, steps, codes)


@jit()
def _box(K, box, at, start, flags, sizes, a_strides, b_strides, c_stride, depth, gather, steps, codes):
    """One task: block by block of the sum."""
    top, bottom, left, right = box
    _, _, size, width, lanes = sizes
    (a_row, a_sum), (b_sum, b_panel) = a_strides, b_strides
    a, b, c = at[0] + top * a_row, at[1] + left // width * b_panel, at[2] + top * c_stride + left * size
    begin = start + left * size if start else 0
    a_copier, b_copier, flipped = gather
    a_pitch, b_pitch = _pitch((bottom - top) * size), _pitch((right - left) * size)
    room = np.empty(64 + depth * (a_pitch + b_pitch) if a_copier + b_copier else 0, np.uint8)
    a_room = room.ctypes.data + 63 & -64
    b_room = a_room + depth * a_pitch
    for k in range(0, K, depth):
        terms = min(depth, K - k)
        now = (ACCUMULATE if k else 0) + (flags if k + depth >= K else 0)
        a_at, a_along, b_at, b_along, b_across = a + k * a_sum, a_sum, b + k * b_sum, b_sum, b_panel
        if a_copier:
            _gather(a_copier, terms, bottom - top, a_at, a_sum, a_room, a_pitch, lanes, size)
            a_at, a_along = a_room, a_pitch
        if b_copier:
            if flipped:
                _flip(b_copier, terms, right - left, b_at, flipped, b_room, b_pitch, lanes, size)
            else:
                _gather(b_copier, terms, right - left, b_at, b_sum, b_room, b_pitch, lanes, size)
            b_at, b_along, b_across = b_room, b_pitch, width * size
        first = 0 if k else begin
        shape, a_strides, b_strides = (terms, bottom - top, right - left), (a_row, a_along), (b_along, b_across)
        _block(shape, a_at, a_strides, b_at, b_strides, c, c_stride, first, now, size, width, lanes, steps, codes)


@jit()
def _block(shape, a, a_strides, b, b_strides, c, c_stride, start, flags, size, width, lanes, steps, codes):
    """A block of the sum: panel by panel, tile by tile."""
    K, M, N = shape
    along_a, along_b = (0, a_strides[1], a_strides[0]), (0, b_strides[0])
    for j in range(0, N, width):
        columns = min(width, N - j)
        vectors = (columns + lanes - 1) // lanes
        panel, begin = b + j // width * b_strides[1], start + j * size if start else 0
        i = 0
        while i < M:
            left = min(M - i, steps.shape[1] - 1)
            from_, to = a + i * a_strides[0], c + i * c_stride + j * size
            run(codes[vectors, left], (1, K), from_, along_a, panel, along_b, to, c_stride, begin, flags, columns)
            i += steps[vectors, left]


@jit()
def _pitch(length):
    """An odd number of cache lines: then rows one under the other do not compete for the same places in the cache."""
    return (length + 63) // 64 * 64 | 64


@jit()
def _gather(code, K, columns, source, stride, target, pitch, lanes, size):
    """Copy K rows one after the other, each from its first element to its last: so memory is read fastest."""
    whole, vector = columns // lanes, lanes * size
    for k in range(K):
        start, to = source + k * stride, target + k * pitch
        call(code, (whole, lanes, start, vector, to, vector))
        if whole * lanes < columns:
            call(code, (1, columns - whole * lanes, start + whole * vector, vector, to + whole * vector, vector))


@jit()
def _flip(code, K, columns, source, stride, target, pitch, lanes, size):
    """Copy `columns` columns, each of which lies in one piece, to K rows."""
    for j in range(0, columns, lanes):
        call(code, (K, min(lanes, columns - j), source + j * stride, stride, target + j * size, pitch))
