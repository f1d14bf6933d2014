"""Convolutions of 3x3 windows by Winograd's products: fewer multiply-adds, for a few additions and digits more.

Lavin & Gray, Fast algorithms for convolutional neural networks (2016): a square of m x m pixels of y is
A' [(G w G') * (B' x B)] A, with products element by element in the middle; summed over channels, each of the
(m + 2)^2 elements is a product of matrices (squares, channels) x (channels, filters), which the tile computes.

Infinity less infinity is NaN, in pixels that should not see any: where a result is not finite the caller has to compute
it again without this.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from knetpy.kernels.cpu.codegen.panels import address
from knetpy.kernels.cpu.codegen.tile import ACCUMULATE, Tiles, tiles, walk
from knetpy.kernels.cpu.codegen.vectors import I64, Vectors, call, lanes, routine
from knetpy.kernels.cpu.convplan import Problem
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.threads import portion, threaded

new = np.empty  # tests poison what it returns
CHANNELS = 32  # at least; of fewer, transforming takes longer than what it saves
SAVED = 3000  # products, at least, for each weight: it has to be transformed too
ROOM = 5 << 16  # bytes of what a task transforms: the second cache holds it beside the weights
SQUARES = 30  # of a task, at least, if the second cache does not hold the weights
DEPTH = 128  # terms of a block of the sum

M = 4  # squares of y are M x M pixels
SIDE = M + 2  # what they meet is SIDE x SIDE
POINTS = SIDE * SIDE

# What the weights, x and the products are multiplied with, from both sides: interpolation at 0, +-3/4, +-3/2 and
# infinity, where errors grow four times less than at 0, +-1, +-2. For normal x and w of 32 to 512 channels the error
# has a root mean square below 1.5e-6 of that of y, and is at most 4e-6 of the largest y; the plain sum's: 3e-7, 4e-7.
MATRICES = (
    [[64 / 81, 0, 0], [-128 / 243, -32 / 81, -8 / 27], [-128 / 243, 32 / 81, -8 / 27], [32 / 243, 16 / 81, 8 / 27],
     [32 / 243, -16 / 81, 8 / 27], [0, 0, 1]],
    [[81 / 64, 0, -45 / 16, 0, 1, 0], [0, -27 / 16, -9 / 4, 3 / 4, 1, 0], [0, 27 / 16, -9 / 4, -3 / 4, 1, 0],
     [0, -27 / 32, -9 / 16, 3 / 2, 1, 0], [0, 27 / 32, -9 / 16, -3 / 2, 1, 0], [0, 81 / 64, 0, -45 / 16, 0, 1]],
    [[1, 1, 1, 1, 1, 0], [0, 3 / 4, -3 / 4, 3 / 2, -3 / 2, 0], [0, 9 / 16, 9 / 16, 9 / 4, 9 / 4, 0],
     [0, 27 / 64, -27 / 64, 27 / 8, -27 / 8, 1]],
)  # fmt: skip


def suits(p: Problem, dtype: str) -> bool:
    """Whether this is quicker: it is for float32 of many channels, where enough pixels share the weights."""
    axes = p.phases[0].axes
    if dtype != "f" or len(p.phases) * p.groups > 1 or p.channelwise or min(p.depth, p.columns) < CHANNELS:
        return False
    if [a.taps for a in axes] != [1, 3, 3] or any(max(a.stride, a.dilation, a.step) > 1 for a in axes[1:]):
        return False
    saved = 9 * axes[1].places * axes[2].places - POINTS * -(-axes[1].places // M) * -(-axes[2].places // M)
    return p.size[0] == p.out[0] == 1 and axes[0].before == 0 and saved * p.images >= SAVED


class Plan(NamedTuple):
    """How problems of one geometry are computed."""

    numbers: tuple[int, ...]
    tasks: int
    transformers: tuple[int, int, int]
    table: Tiles
    bytes: int  # of the transformed weights
    panels: int


def plan(p: Problem, vectors: int, dtype: str, bits: int) -> Plan:
    """Decide how to compute a problem that `suits`; vectors: of a panel of the weights."""
    (_, h, w), size, lane = p.phases[0].axes, np.dtype(dtype).itemsize, lanes(dtype, bits)
    down, across = -(-h.places // M), -(-w.places // M)
    squares = p.images * down * across
    pitches = [(-(-n // lane) * lane * size) | 64 for n in (p.depth, p.columns)]
    row, panels = vectors * lane * size, -(-p.columns // (vectors * lane))
    weights = POINTS * panels * p.depth * row
    most = max(SQUARES if weights > 1 << 20 else 12, ROOM // (POINTS * sum(pitches)))
    tasks = -(-squares // most)
    most, table = -(-squares // tasks), tiles(vectors, dtype, bits)
    table.provide_all({most, squares % most}, [p.columns])
    pixel = p.channels * size
    numbers: tuple[int, ...] = (squares, most, down, across, *p.size[1:], h.places, w.places, h.before, w.before)
    numbers += (p.strides[0], *p.strides[2:4], p.out[1] * p.out[2] * pixel, p.out[2] * pixel, pixel)
    numbers += (p.depth, p.columns, *pitches, panels, row, lane, size)
    codes = (_transformer(0, dtype, bits), _transformer(1, dtype, bits), _transformer(2, dtype, bits))
    return Plan(numbers, tasks, codes, table, weights, panels)


def convolve(plan: Plan, x: int, weights: int, y: int, start: int, flags: int) -> bool:
    """Convolve, as convtile's; return whether all of the result is finite."""
    memory, checks = new(plan.bytes + 64, np.uint8), np.zeros((plan.tasks, 16), np.float32)
    points = address(memory) + 63 & -64
    rest = (plan.numbers, plan.transformers, plan.table.steps, plan.table.codes)
    _winograd(plan.panels, True, (weights, 0, points, 0, 0, 0), *rest)
    _winograd(plan.tasks, False, (x, points, y, start, flags, address(checks)), *rest)
    del memory  # it had to live until now
    return not np.isnan(checks).any()


@threaded
def _winograd(rank, tasks, weighs, origin, numbers, transformers, steps, codes):
    """All of the weights, or all of x: one kernel, as each takes long to compile."""
    for task in portion(rank, tasks):
        if weighs:
            _weigh(task, origin, numbers, transformers)
        else:
            _task(task, origin, numbers, transformers, steps, codes)


@jit()
def _weigh(panel, origin, numbers, transformers):
    """Transform a panel of the weights: taps become points."""
    depth, panels, row, size = numbers[16], numbers[20], numbers[21], numbers[23]
    sources, targets, slab = np.empty(9, np.int64), np.empty(POINTS, np.int64), depth * row
    for i in range(9):
        sources[i] = origin[0] + (panel * 9 + i) * slab
    for i in range(POINTS):
        targets[i] = origin[2] + (i * panels + panel) * slab
    call(transformers[0], (sources.ctypes.data, targets.ctypes.data, slab // size, 0, 0, 0))
    return len(sources) + len(targets)  # so long they live


@jit()
def _task(task, origin, numbers, transformers, steps, codes):
    """Transform some squares of x, multiply, transform what becomes of them to y."""
    squares, most, down, across, height, width, out_h, out_w, before_h, before_w = numbers[:10]
    x_image, x_line, x_pixel, y_image, y_line, y_pixel = numbers[10:16]
    depth, columns, x_pitch, y_pitch = numbers[16:20]
    first = task * most
    count = min(most, squares - first)
    room = np.empty(POINTS * most * (x_pitch + y_pitch) + x_pitch + y_pitch + 64, np.uint8)
    v = room.ctypes.data + 63 & -64
    product = v + POINTS * most * x_pitch
    zeros = product + POINTS * most * y_pitch
    unseen = zeros + x_pitch
    room[zeros - room.ctypes.data : unseen - room.ctypes.data] = 0
    inside, beside = np.empty(POINTS, np.int64), np.empty(POINTS, np.int64)
    sources, targets = inside.ctypes.data, beside.ctypes.data
    for i in range(count):
        n, h, w = _place(first + i, down, across)
        for j in range(POINTS):
            line, pixel = h + j // SIDE - before_h, w + j % SIDE - before_w
            seen = 0 <= line < height and 0 <= pixel < width
            inside[j] = origin[0] + n * x_image + line * x_line + pixel * x_pixel if seen else zeros
            beside[j] = v + (j * most + i) * x_pitch
        call(transformers[1], (sources, targets, depth, 0, 0, 0))
    _multiply(origin[1], v, product, count, numbers, steps, codes)
    for i in range(count):
        n, h, w = _place(first + i, down, across)
        for j in range(POINTS):
            inside[j] = product + (j * most + i) * y_pitch
        for j in range(M * M):
            line, pixel = h + j // M, w + j % M
            seen = line < out_h and pixel < out_w
            beside[j] = origin[2] + n * y_image + line * y_line + pixel * y_pixel if seen else unseen
        call(transformers[2], (sources, targets, columns, origin[3], origin[4], origin[5] + task * 64))
    return room.size  # so long it lives


@jit()
def _place(square, down, across):
    return square // (down * across), square // across % down * M, square % across * M


@jit()
def _multiply(u, v, product, count, numbers, steps, codes):
    """Point by point, panel by panel, block by block of the sum, tile by tile."""
    most, (depth, columns, x_pitch, y_pitch, panels, row, lane, size) = numbers[1], numbers[16:24]
    width = row // size
    for point in range(POINTS):
        for panel in range(panels):
            some = min(width, columns - panel * width)
            for k in range(0, depth, DEPTH):
                b, terms = u + ((point * panels + panel) * depth + k) * row, min(DEPTH, depth - k)
                a, c = v + point * most * x_pitch + k * size, product + point * most * y_pitch + panel * row
                from_, by, to, flags = (a, (0, size, x_pitch)), (b, (0, row)), (c, y_pitch), ACCUMULATE if k else 0
                walk(count, some, lane, steps, codes, (1, terms), from_, by, to, 0, flags)


# ------------------------------------------------------------------------------------------------- routines


@cache
def _transformer(which: int, dtype: str, bits: int) -> int:
    """The routine that multiplies squares of vectors with a matrix from both sides: of weights, x or products.

    Its arguments: tables of the addresses that it reads and writes; how many elements there are at each; and, for
    products, a row to add or 0, flags, and where to add NaN for each element that is not finite.
    """

    def write(builder: Any, *given: Any) -> None:
        _Transform(builder, dtype, bits).write(MATRICES[which], which == 2, *given)

    return routine(f"winograd-{which}{dtype}{bits}", 6, write)


class _Transform(Vectors):
    def write(self, matrix, last, sources, targets, count, start, flags, check):
        table = ir.IntType(64).as_pointer()
        sources, targets = (self.b.inttoptr(t, table) for t in (sources, targets))
        n = len(matrix[0])
        size = I64(self.lanes)
        with cgutils.for_range_slice(self.b, I64(0), count, size, inc=True) as (first, _):
            mask = self.below(self.b.sub(count, first))

            def at(address):
                return self.at(self.address(address), self.align, first)

            def entry(table, i):
                return at(self.b.load(self.b.gep(table, [I64(i)])))

            square = [[self.load(entry(sources, i * n + j), mask=mask) for j in range(n)] for i in range(n)]
            columns = [[self.combine(row, column) for row in matrix] for column in zip(*square)]
            found = [self.combine(row, line) for line in zip(*columns) for row in matrix]
            if last:
                found = self.finish(found, at, start, flags, check, mask)
            for i, value in enumerate(found):
                self.store(value, entry(targets, i), mask=mask)

    def combine(self, factors, values):
        """The sum of values times numbers."""
        total = None
        for factor, x in zip(factors, values):
            if factor and total is None:
                total = x if factor == 1 else self.b.fmul(self.constant(factor), x)
            elif factor in (1, -1):
                total = (self.b.fadd if factor == 1 else self.b.fsub)(total, x)
            elif factor:
                total = self.multiply_add(self.constant(factor), x, total)
        return total

    def finish(self, found, at, start, flags, check, mask):
        """Mark what is not finite; add, rectify."""
        check = self.address(check)
        bad = self.load(check)
        for x in found:
            bad = self.b.fadd(bad, self.b.fsub(x, x))
        self.store(bad, check)
        with self.b.if_else(self.b.icmp_unsigned("!=", start, I64(0))) as (some, none):
            with some:
                row = self.load(at(start), mask=mask)
                after = self.b.block
            with none:
                before = self.b.block
        added = self.b.phi(self.vector)
        added.add_incoming(row, after)
        added.add_incoming(self.zero, before)
        floor = self.b.select(self.b.icmp_unsigned("!=", flags, I64(0)), self.zero, self.constant(-math.inf))
        sums = [self.b.fadd(x, added) for x in found]
        return [self.b.select(self.b.fcmp_ordered(">", floor, x), floor, x) for x in sums]
