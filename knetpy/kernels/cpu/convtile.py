"""Convolution on the tile, without patches or padding: taps and channels are the sum, pixels of y are the rows.

The products of a tile walk through x itself: a tap moves the address where it reads, and so does the next pixel.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from numba.core import cgutils

from knetpy.kernels.cpu.codegen.tile import ACCUMULATE, Tile, Tiles, tiles, walk
from knetpy.kernels.cpu.codegen.vectors import routine
from knetpy.kernels.cpu.convplan import Launch, Problem, cut, launches, square_rows, work
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.threads import portion, threaded

THREADED = 1 << 20  # multiply-adds from which on threads share the work


class Plan(NamedTuple):
    """How problems of one geometry are computed."""

    cost: float  # see Cut
    vectors: int  # of a panel
    table: Tiles
    kernel: Any  # _convolve, with threads or without
    launches: list[Launch]


def plan(p: Problem, dtype: str, bits: int) -> Plan:
    """Decide how to compute a problem, and have the tiles compiled that this needs."""
    chosen = cut(p, dtype, bits)
    table = _squares(p.channelwise, dtype, bits) if p.channelwise else tiles(chosen.vectors, dtype, bits)
    kernel = _convolve if work(p, chosen) >= THREADED else _convolve.serial
    return Plan(chosen.cost, chosen.vectors, table, kernel, launches(p, chosen, table, dtype, bits))


def convolve(plan: Plan, x: int, weights: int, y: int, start: int, flags: int) -> bool:
    """Convolve; x, weights (in panels) and y are addresses, as is start, of a row that is added to all pixels, or 0."""
    for launch in plan.launches:
        plan.kernel((x, weights, y, start, flags), *launch, plan.table.steps, plan.table.codes)
    return True


# -------------------------------------------------------------------------------------------------- driver


@threaded
def _convolve(rank, origin, numbers, places, regions, blocks, panels, steps, codes):
    """Task by task: some of the panels, for one place of a few images.

    origin: addresses of x, the panels, y and start, flags; numbers: images, images, shares and panels of a task; bytes
    from image to image, line to line, pixel to pixel of x and of y; ao, ai, bo, bi; elements of a vector; the others:
    see Launch and Tiles.
    """
    images, most, shares, share = numbers[0], numbers[1], numbers[2], numbers[3]
    count = len(places) - 1
    for task in portion(rank, (images + most - 1) // most * count * shares):
        first, place, n = task % shares * share, task // shares % count, task // (shares * count) * most
        what = (n, min(n + most, images), places[place], places[place + 1], first, min(first + share, len(panels)))
        _task(what, origin, numbers, regions, blocks, panels, steps, codes)


@jit()
def _task(what, origin, numbers, regions, blocks, panels, steps, codes):
    """Panel by panel and block by block, each over all pixels.

    regions: bytes to where A and C begin; lines and pixels; what rows of tiles are (0 pixels, 1 lines, 2 images); the
    taps met along both outer sums and both of a tile, from each first to before each last. blocks: lengths of both sums
    of a tile; bytes to where A and B begin; numbers of the taps of the outer sums, of the first terms of both.
    """
    n, stop, first, last, low, high = what
    images, lanes = stop - n, numbers[14]
    a_image, a_line, a_pixel = numbers[4], numbers[5], numbers[6]
    c_image, c_line, c_pixel = numbers[7], numbers[8], numbers[9]
    ao, ai, bo, bi = numbers[10], numbers[11], numbers[12], numbers[13]
    x, y = origin[0] + n * a_image, origin[2] + n * c_image
    for p in range(low, high):
        columns = panels[p, 3]
        begin = origin[3] + panels[p, 2] if origin[3] else 0
        for k in range(len(blocks)):
            flags = (ACCUMULATE if k else 0) + (origin[4] if k == len(blocks) - 1 else 0)
            for r in range(first, last):
                o, o_met = _met(blocks[k, 6], blocks[k, 0], regions[r, 9], regions[r, 10])
                q, q_met = _met(blocks[k, 7], blocks[k, 1], regions[r, 11], regions[r, 12])
                inside = regions[r, 5] <= blocks[k, 4] < regions[r, 6] and regions[r, 7] <= blocks[k, 5] < regions[r, 8]
                sums = (o_met, q_met) if inside else (0, 0)
                if flags == ACCUMULATE and sums[0] * sums[1] == 0:
                    continue
                a = x + panels[p, 0] + blocks[k, 2] + regions[r, 0] + o * ao + q * ai
                b = origin[1] + panels[p, 1] + blocks[k, 3] + o * bo + q * bi
                c = y + panels[p, 2] + regions[r, 1]
                shape, a_steps = (images, regions[r, 2], regions[r, 3]), (a_image, a_line, a_pixel)
                c_steps = (c_image, c_line, c_pixel)
                for _ in range((3 - regions[r, 4]) % 3):
                    shape, a_steps, c_steps = _turned(shape), _turned(a_steps), _turned(c_steps)
                for i in range(shape[0]):
                    for j in range(shape[1]):
                        a_row, c_row = a + i * a_steps[0] + j * a_steps[1], c + i * c_steps[0] + j * c_steps[1]
                        from_, by, to = (a_row, (ao, ai, a_steps[2])), (b, (bo, bi)), (c_row, c_steps[2])
                        start = 0 if k else begin
                        walk(shape[2], columns, lanes, steps, codes, sums, from_, by, to, start, flags)


@jit()
def _met(first, count, low, high):
    """Of `count` terms from `first` on, how many come before `low`, and how many lie from there to before `high`."""
    skipped = max(0, low - first)
    return skipped, max(0, min(count, high - first) - skipped)


@jit()
def _turned(x):
    return x[1], x[2], x[0]


# ------------------------------------------------------------------------------------------- square groups


class _Square(Tile):
    """A tile of as many square groups, of `depth` channels of x and of y, as lie in one vector; depth 1: depthwise.

    A is read in vectors too. Sum i of a row has in lane q, of channel q of x, its products for column (q + i) % depth
    of the group, so that no product is wasted; only at the end the sums are turned to their columns and added.
    """

    def __init__(self, builder: Any, rows: int, depth: int, dtype: str, bits: int):
        super().__init__(builder, rows, 1, dtype, bits)
        self.depth = depth
        self.turned = {(r, i): cgutils.alloca_once(builder, self.vector) for r in range(rows) for i in range(1, depth)}

    def sum(self, KO, KI, a, ao, ai, ar, b, bo, bi, mask):
        """Both loops of products."""
        for place in self.turned.values():
            self.b.store(self.zero, place)
        sums = {**self.total, **self.turned}
        with cgutils.for_range(self.b, KO) as outer:
            a_outer, b_outer = self.at(a, ao, outer.index), self.at(b, bo, outer.index)
            fours = [self.at(a_outer, ar, i) for i in range(0, self.rows, 4)]
            with cgutils.for_range(self.b, KI) as inner:
                b_row = self.at(b_outer, bi, inner.index)
                weights = [self.load(b_row, i) for i in range(self.depth)]
                for r in range(self.rows):
                    x = self.load(self.at(self.at(fours[r // 4], ai, inner.index), ar, r % 4), mask=mask)
                    for i, w in enumerate(weights):
                        self.b.store(self.multiply_add(x, w, self.b.load(sums[r, i])), sums[r, i])
        for (r, i), place in self.turned.items():
            of = [min(q - q % self.depth + (q - i) % self.depth, self.lanes - 1) for q in range(self.lanes)]
            part = self.b.load(place)
            self.b.store(self.b.fadd(self.b.load(self.total[r, 0]), self.select(part, part, of)), self.total[r, 0])


@cache
def _square(rows: int, depth: int, dtype: str, bits: int) -> int:
    def write(builder: Any, *arguments: Any) -> None:
        _Square(builder, rows, depth, dtype, bits).write(*arguments)

    return routine(f"square-{rows}x{depth}{dtype}{bits}", 14, write)


class _SquareTiles(Tiles):
    """The same table, of tiles for square groups."""

    def __init__(self, depth: int, dtype: str, bits: int):
        super().__init__(1, dtype, bits)
        self.depth = depth

    def first(self, rows: int, vectors: int) -> int:
        return square_rows(rows, self.depth, self.bits)

    def code(self, rows: int, vectors: int) -> int:
        return _square(rows, self.depth, self.dtype, self.bits)


@cache
def _squares(depth: int, dtype: str, bits: int) -> Tiles:
    return _SquareTiles(depth, dtype, bits)
