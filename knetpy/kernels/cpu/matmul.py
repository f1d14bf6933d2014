"""Matrix products on the tile, with a bias and an activation at the store.

A is read where it lies, whatever its strides, and B where it lies or packed into panels first. The result is cut into
boxes of rows and panels, the tasks that threads share, and within a box the sum into blocks, so that what tiles read
again is in the cache. How the sum is cut depends on the problem alone, and so does every bit of the result.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from knetpy import settings
from knetpy.kernels.cpu import Ints, floats
from knetpy.kernels.cpu.blas import one_thread
from knetpy.kernels.cpu.codegen import panels
from knetpy.kernels.cpu.codegen.panels import Packed, address_at, copier, on_stack, place
from knetpy.kernels.cpu.codegen.tile import ACCUMULATE, FLAGS, ROWS, WIDEST, run, tiles
from knetpy.kernels.cpu.codegen.vectors import BITS, call, fetcher, lanes
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import matmul as reference

new = np.empty  # tests poison what it returns
DEPTH = 128  # terms of a block of the sum for which A or B are brought together: a panel of so many is 32 KiB
DEEP = 2 * DEPTH  # of other blocks: panels may come from the second cache, but C is added to less often
FAR = 256  # bytes from one term of the sum to the next
TALL = 384  # rows of a task, at most
STRIP = 1056  # bytes that these rows have, at most, where blocks of A are brought together
ROOM = 64 + DEPTH * (256 + 1088)  # bytes for a panel and, with its pitch, a strip
TASK = 1 << 18  # multiply-adds that a task has at least, if it is made of whole products
THREADED = 1 << 20  # multiply-adds from which on threads share the work
VECTOR = 9216  # elements of a matrix from which on BLAS starts threads for its product with a vector
BLAS = 1 << 17  # BLAS serves what is smaller: its calls cost half of ours, and it starts no threads there


@floats(reference.matmul)
def matmul(a, b, *, bias=None, activation=None):
    """As the reference's, for a and b of one dtype; b may also be what `pack` returns."""
    packed = b.__class__ is Packed
    layout = (b.vectors, b.bits) if packed else b.strides
    plan = plan_of(a.dtype, b.dtype, a.shape, a.strides, b.shape, layout, packed, BITS, settings.threads())
    if plan.kernel is None:
        return _otherwise(a, b, bias, activation, plan)
    right = panels.pack(b, plan.vectors, plan.bits).memory if plan.packs else b.memory if packed else b
    c = new(plan.shape, a.dtype)
    sums, start, flags = c, 0, FLAGS[activation]
    if bias is not None:
        bias = _row(bias, plan.shape[-1], a.dtype)
        start = place(bias)
    if plan.splits > 1:
        sums, start, flags = new((plan.splits, *c.shape), c.dtype), 0, 0
    at = (place(a), place(right), place(sums))
    if plan.kernel(*at, start, flags, plan.numbers, plan.offsets, plan.steps, plan.codes):
        return matmul(_aligned(a), b if packed else _aligned(b), bias=bias, activation=activation)
    return c if sums is c else _finish(np.add.reduce(sums, axis=0, out=c), bias, activation)


def pack(b):
    """Return a copy of b (..., K, N) as `matmul` reads it fastest, for many products with the same b."""
    b = _aligned(b)
    return panels.pack(b, _vectors(b.shape[-1], b.dtype.char, BITS), BITS) if b.dtype.char in "fd" else b


def _aligned(x: np.ndarray) -> np.ndarray:
    return x if x.flags.aligned and x.dtype.isnative else np.array(x, x.dtype.type)


def _row(bias: np.ndarray, n: int, dtype: np.dtype) -> np.ndarray:
    if bias.shape != (n,):
        raise ValueError(f"a bias of shape {bias.shape} for {n} columns")
    return _aligned(np.ascontiguousarray(bias, dtype))


def _otherwise(a, b, bias, activation, plan):
    """What is empty, small or a vector, on BLAS; what is foreign, once it is no more."""
    if plan.foreign:
        return matmul(_aligned(a), b if b.__class__ is Packed else _aligned(b), bias=bias, activation=activation)
    bias = None if bias is None else _row(bias, plan.shape[-1], a.dtype)
    if b.__class__ is Packed:  # of an empty product
        c = np.zeros(plan.shape, a.dtype)
    elif plan.quiet:
        c = np.matmul(a, b)
    else:
        with one_thread():
            c = np.matmul(a, b)
    return _finish(c, bias, activation)


def _finish(c: np.ndarray, bias: np.ndarray | None, activation: str | None) -> np.ndarray:
    if bias is not None:
        c += bias
    return np.maximum(c, 0, out=c) if activation else c


# ---------------------------------------------------------------------------------------------------- plan


class _Plan(NamedTuple):
    """How a product is computed; the same for all arrays of the same shapes and strides."""

    shape: Ints  # of the result
    kernel: Any = None  # _multiply, with threads or without; None: BLAS
    packs: bool = False  # whether B has to be packed now
    vectors: int = 0  # of a panel
    bits: int = 0
    splits: int = 1  # parts of the sum, each with a result of its own, that are added in order
    numbers: Any = None  # see _multiply, as the following
    offsets: Any = None
    steps: Any = None
    codes: Any = None
    foreign: bool = False  # elements are in foreign byte order, or do not lie in steps of their size
    quiet: bool = True  # BLAS starts no threads


@lru_cache(maxsize=1024)
def plan_of(
    dtype, other, a_shape: Ints, a_strides: Ints, b_shape: Ints, layout: Ints, packed: bool, bits: int, threads
):
    """layout: strides of B, or the vectors of a panel and their bits."""
    (m, k), n = a_shape[-2:], b_shape[-1]
    if b_shape[-2] != k or other.type != dtype.type:
        raise ValueError(f"no product of {dtype} {a_shape} and {other} {b_shape}")
    batch = np.broadcast_shapes(a_shape[:-2], b_shape[:-2])
    shape, products, size, char = (*batch, m, n), math.prod(batch), dtype.itemsize, dtype.char
    work = products * m * n * k
    if not work or not packed and (work < BLAS or min(m, n) == 1):
        return _Plan(shape, quiet=min(m, n) > 1 or k * max(m, n) < VECTOR)
    if not (dtype.isnative and other.isnative and _in_steps(a_shape, a_strides, size)):
        return _Plan(shape, foreign=True)
    if not (packed or _in_steps(b_shape, layout, size)):
        return _Plan(shape, foreign=True)
    layout = layout if packed or min(k, n) > 1 else _unit(layout, k, n, size)
    if math.prod(b_shape[:-2]) == 1 and _is_one_axis(a_shape, a_strides):  # one B for all: one product
        m, products, batch, a_shape, a_strides = m * products, 1, (), (m * products, k), a_strides[-2:]
    vectors, bits = layout if packed else (_vectors(n, char, bits), bits)
    width = vectors * lanes(char, bits)
    packs = not packed and (size not in layout[-2:] or layout[-1] == 0)  # neither rows nor columns are one piece
    in_panels = packed or packs
    if in_panels:
        row, panel, b_strides = width * size, k * width * size, _strides(b_shape, -(-n // width) * k * width * size)
    else:
        row, panel, b_strides = layout[-2], width * layout[-1], layout
    gather = _gathering(m, k, width, a_strides[-2:], (size, 0) if in_panels else layout[-2:], in_panels, char, bits)
    depth = -(-k // -(-k // (DEPTH if any(gather) else DEEP)))
    starts = np.arange(0, k, _part(k, -(-m // max(ROWS[bits][vectors])) * -(-n // width), depth))
    at = panels.offsets(a_shape, a_strides), panels.offsets(b_shape, b_strides)
    offsets = _products(*at, batch, starts, k, (a_strides[-1], row, m * n * size))
    rows, group = _box_of(m, n, width, size, len(offsets), gather[0] != 0, threads)
    table = tiles(vectors, char, bits)
    table.provide_all({min(rows, m), m % rows}, [n])
    several = max(1, TASK // (m * n * k)) if rows >= m and group * width >= n else 1
    sizes = (m, n, size, width, lanes(char, bits))
    numbers = (*sizes, *a_strides[-2:], row, panel, n * size, rows, group, depth, several, *gather, fetcher())
    kernel = _multiply if work >= THREADED else _multiply.serial
    pack = (packs, vectors, bits)
    return _Plan(shape, kernel, *pack, len(starts), np.array(numbers, np.int64), offsets, table.steps, table.codes)


def _gathering(m: int, k: int, columns: int, a: Ints, b: Ints, in_panels: bool, dtype: str, bits: int) -> Ints:
    """Copiers that bring blocks of A and of B together before tiles read them, or 0; the stride that B's goes along.

    With a long way from one term of the sum to the next the rows of a block lie in as many pages: worth a copy of A if
    they are many, and of B if several tiles read them. A B that lies column by column has to be turned over.
    """
    size = np.dtype(dtype).itemsize
    copy = copier("copy", dtype, bits)
    first = copy if abs(a[1]) >= FAR and a[0] == size and k > DEPTH else 0
    if in_panels:
        return first, 0, 0
    if b[1] == size:
        return first, copy if m >= 24 and b[0] > columns * size else 0, 0
    return first, copier("flip", dtype, bits), b[1]


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


def _in_steps(shape: Ints, strides: Ints, size: int) -> bool:
    return all(n == 1 or stride % size == 0 for n, stride in zip(shape, strides))


def _is_one_axis(shape: Ints, strides: Ints) -> bool:
    """Whether all axes but the last could be one."""
    long = [i for i, n in enumerate(shape[:-1]) if n > 1 or i == len(shape) - 2]  # strides of others mean nothing
    return all(strides[i] == strides[j] * shape[j] for i, j in pairwise(long))


def _unit(strides: Ints, k: int, n: int, size: int) -> Ints:
    """Strides in which those of axes of length 1, which mean nothing, are such as suit best."""
    return (*strides[:-2], size if k == 1 != n else strides[-2], size if n == 1 else strides[-1])


def _strides(shape: Ints, matrix: int) -> Ints:
    """The strides of the leading axes when matrices of `matrix` bytes follow each other."""
    return tuple(matrix * math.prod(shape[i + 1 : -2]) for i in range(len(shape) - 2))


def _part(k: int, places: int, depth: int) -> int:
    """Terms of a part of the sum. A long sum for few tiles is split into four, for threads; all others are not."""
    return max(depth, -(-k // (4 * depth)) * depth) if places < 32 and k >= 8192 else k


def _box_of(m: int, n: int, width: int, size: int, products: int, strips: bool, threads: int) -> tuple[int, int]:
    """Rows and panels of a task: as many as the cache likes, fewer if there would be too few tasks for all threads."""
    rows, across = STRIP // size if strips else TALL, -(-n // width)
    rows = min(m, -(-m // -(-m // rows) // 12) * 12)
    group = -(-across // -(-threads // (products * -(-m // rows))))
    if m % rows == across % group == products * (m // rows) * (across // group) % threads == 0:
        return rows, group  # tasks of one size, as many for every thread
    wanted = threads if strips or threads == 1 else 4 * threads  # blocks of A are gathered by every task anew
    group = -(-across // -(-wanted // (products * -(-m // rows))))
    lacking = -(-wanted // (products * -(-m // rows) * -(-n // (group * width))))
    return min(rows, -(-rows // (24 * lacking)) * 24), group


# -------------------------------------------------------------------------------------------------- driver

_room = on_stack(ROOM)


@threaded
def _multiply(rank, a, b, c, start, flags, numbers, offsets, steps, codes):
    """All products, task by task; True if an address is none that an element can have.

    a, b, c, start: the places of A, B, C and of the bias, or 0; offsets (products, 4): bytes from the first elements to
    where A, B and C begin, and K; steps, codes: see Tiles. numbers: M, N, bytes of an element, columns of a panel, of a
    vector; the strides of A along rows and the sum; of B along the sum and from panel to panel; of C; rows and panels
    of a task, terms of a block of the sum, products of a task; see _gathering; see fetcher.
    """
    a, b, c, start = address_at(a), address_at(b), address_at(c), address_at(start) if start else 0
    M, N, size, width = numbers[0], numbers[1], numbers[2], numbers[3]
    rows, group, several = numbers[10], numbers[11], numbers[13]
    down, across = (M + rows - 1) // rows, (N + group * width - 1) // (group * width)
    tasks = len(offsets) * down * across
    if (a | b | start) & (size - 1):
        return True
    for turn in portion(rank, (tasks + several - 1) // several):
        for task in range(turn * several, min(tasks, (turn + 1) * several)):
            product = task // (down * across)
            top, left = task // across % down * rows, task % across * group * width
            box = (top, min(top + rows, M), left, min(left + group * width, N))
            at = (a + offsets[product, 0], b + offsets[product, 1], c + offsets[product, 2])
            multiply_box(offsets[product, 3], box, at, start, flags, numbers, steps, codes)
    return False


@jit()
def multiply_box(K, box, at, start, flags, numbers, steps, codes):
    """One task: block by block of the sum, panel by panel, tile by tile."""
    top, bottom, left, right = box
    size, width, lanes, a_row, a_sum = numbers[2], numbers[3], numbers[4], numbers[5], numbers[6]
    b_sum, b_panel, c_stride, depth = numbers[7], numbers[8], numbers[9], numbers[12]
    a_copier, b_copier, flipped, fetch = numbers[14], numbers[15], numbers[16], numbers[17]
    in_rows = a_sum == size and not a_copier  # A is read where it lies, perhaps far away: the next rows are fetched
    pitch, b_row = _pitch((bottom - top) * size), width * size if b_copier else b_sum
    b_room = _room() + 63 & -64
    a_room = b_room + depth * width * size
    for k in range(0, K, depth):
        terms = min(depth, K - k)
        now = (ACCUMULATE if k else 0) + (flags if k + depth >= K else 0)
        a, along_a = at[0] + top * a_row + k * a_sum, (0, a_sum, a_row)
        if a_copier:
            call(a_copier, (terms, bottom - top, a, a_sum, a_room, pitch))
            a, along_a = a_room, (0, pitch, size)
        for j in range(left, right, width):
            b, c = at[1] + j // width * b_panel + k * b_sum, at[2] + top * c_stride + j * size
            begin, columns = 0 if k or not start else start + j * size, min(width, right - j)
            if b_copier:
                _bring(b_copier, terms, columns, b, b_sum, flipped, b_room, b_row, lanes, size)
                b = b_room
            vectors = (columns + lanes - 1) // lanes
            i = top
            while i < bottom:
                rest = min(bottom - i, steps.shape[1] - 1)
                rows = steps[vectors, rest]
                if in_rows and j == left:
                    call(fetch, (a + rows * a_row, a_row, rows, terms * size))
                call(fetch, (c, c_stride, rows, columns * size))
                run(codes[vectors, rest], (1, terms), a, along_a, b, (0, b_row), c, c_stride, begin, now, columns)
                i, a, c = i + rows, a + rows * along_a[2], c + rows * c_stride
            a -= (bottom - top) * along_a[2]


@jit()
def _bring(code, K, columns, source, stride, flipped, target, row, lanes, size):
    """Copy K rows of a panel; those of a B that lies column by column, some columns at a time."""
    if not flipped:
        call(code, (K, columns, source, stride, target, row))
        return
    for j in range(0, columns, lanes):
        call(code, (K, min(lanes, columns - j), source + j * flipped, flipped, target + j * size, row))


@jit()
def _pitch(length):
    """An odd number of cache lines: then rows one under the other do not compete for the same places in the cache."""
    return (length + 63) // 64 * 64 | 64
