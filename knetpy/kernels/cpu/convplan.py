"""How a convolution is cut for the tile: panels of channels, tasks, regions of y, blocks of the sum.

y is cut into regions whose pixels meet x with the same taps: taps that fall beside x are left out of their sums. The
pixels of a region are the rows of tiles, along a line, down the lines or through the images, whichever suits them. The
sum is cut into blocks whose weights stay in the first cache while all pixels of a task pass over them. All of this
depends on the problem alone, so that no bit of the result depends on the number of threads.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from knetpy.kernels.cpu import Threes
from knetpy.kernels.cpu.codegen.tile import WIDEST, Tiles, cost, cycles
from knetpy.kernels.cpu.codegen.vectors import lanes

BLOCK = 36 << 10  # bytes of the weights of a block of the sum
PIXELS = 256  # of a task, at least, where there are so many: weights that are not in the cache are read once for them
TASKS = 8  # at least, if parts of the channels are tasks of their own
SQUARE = (12, 8, 6, 4, 3, 2, 1)  # rows of tiles for square groups: with 16 and 14 depthwise took 1.6 times as long
LINE = 240  # pixels of a line in one task, at most


class Axis(NamedTuple):
    """One axis: place p, at `first + p * step` of y, meets tap t at `p * stride + t * dilation - before`."""

    places: int
    taps: int
    stride: int
    dilation: int
    before: int
    first: int = 0
    step: int = 1

    def met(self, place: int, size: int) -> tuple[int, int]:
        """The taps, from the first to before the last, that meet x at a place."""
        at = place * self.stride - self.before
        low, high = max(0, -(at // self.dilation)), min(self.taps, (size - 1 - at) // self.dilation + 1)
        return (low, high) if low < high else (0, 0)


class Phase(NamedTuple):
    """Places of y whose sums have the same terms."""

    axes: tuple[Axis, Axis, Axis]
    row: int  # of a panel where the weights of its first term lie
    columns: int  # of the result in a group


class Problem(NamedTuple):
    """A convolution of x (images, *size, channels), anywhere in memory, to y (images, *out, channels), in C order."""

    images: int
    size: Threes
    strides: tuple[int, ...]  # of x, in bytes
    out: Threes
    channels: int  # of y
    groups: int
    depth: int  # terms of a tap
    columns: int  # of the result in a group
    rows: int  # of a panel
    channelwise: int  # 0; or the channels of x and of y in a small group: all of these are one here, one term a tap
    phases: tuple[Phase, ...]


class Launch(NamedTuple):
    """The arguments of _convolve for one phase."""

    numbers: np.ndarray
    places: np.ndarray  # (places + 1): number of the first region
    regions: np.ndarray  # (regions, 13): see _task
    blocks: np.ndarray  # (blocks, 8): see _task
    panels: np.ndarray  # (panels, 4): bytes to where A, B and C begin; columns


class Cut(NamedTuple):
    """How the phases of a problem are cut."""

    cost: float  # the cycles that an image takes, about, for each channel of x
    vectors: int  # of a panel
    parts: tuple[Threes, ...]  # images, lines and pixels of a task
    places: tuple[list, ...]  # the regions of each task, of one image


def cut(p: Problem, dtype: str, bits: int) -> Cut:
    """Return the cheapest of the cuts that come into question."""
    lane = lanes(dtype, bits)
    widths = [1] if p.channelwise else range(min(-(-p.columns // lane), WIDEST), 0, -1)
    options = [[(part, list(_regions_of(p, phase, part))) for part in _parts(p, phase)] for phase in p.phases]
    cuts = []
    for vectors in widths:
        costs, chosen = 0.0, []
        for phase, parts in zip(p.phases, options):
            prices = [_price(p, phase, part, places, vectors, lane, bits) for part, places in parts]
            costs += min(prices)
            chosen.append(parts[prices.index(min(prices))])
        cuts.append(Cut(costs, vectors, *zip(*chosen)))
    return min(cuts, key=lambda cut: cut.cost)


def launches(p: Problem, cut: Cut, table: Tiles, dtype: str, bits: int) -> list[Launch]:
    """Write the tables for each phase, and have the tiles compiled that they need."""
    size, lane = np.dtype(dtype).itemsize, lanes(dtype, bits)
    width, row, found = _width(p, cut.vectors, lane), max(1, p.channelwise) * cut.vectors * lane * size, []
    for phase, (images, _, _), places in zip(p.phases, cut.parts, cut.places):
        turns = [_turn(p, images, region, cut.vectors, bits) for place in places for region in place]
        regions = [region for place in places for region in place]
        counts = {(region.pixels, region.lines, images)[turn] for region, turn in zip(regions, turns)}
        table.provide_all(counts | {p.images % images if 2 in turns else 0}, [phase.columns])
        rows = [_row(p, phase, region, turn, size) for region, turn in zip(regions, turns)]
        starts = np.cumsum([0, *map(len, places)])
        blocks, sums = _blocks_of(p, phase, row)
        panels = _panels_of(p, phase, width, row, size)
        shares = min(len(panels), -(-TASKS // (-(-p.images // images) * len(places))))
        share = -(-len(panels) // shares)
        numbers = (p.images, images, -(-len(panels) // share), share, *_steps(p, phase, size), *sums, lane)
        found.append(Launch(*[np.array(t, np.int64) for t in (numbers, starts, rows, blocks, panels)]))
    return found


def work(p: Problem, cut: Cut) -> int:
    """Return how many multiply-adds a problem is."""
    met = sum(r.lines * r.pixels * r.terms for places in cut.places for place in places for r in place)
    return met * p.images * p.groups * p.depth * p.columns * max(1, p.channelwise)


def square_rows(rows: int, square: int, bits: int) -> int:
    """Return how many of `rows` rows the first tile takes where groups are square: as many as registers allow."""
    registers = 32 if bits == 512 else 16
    return next(r for r in SQUARE if r <= rows and r * square + min(r, square) < registers)


def _width(p: Problem, vectors: int, lane: int) -> int:
    """The columns of a panel: whole groups, where they are square."""
    return lane // p.channelwise * p.channelwise if p.channelwise else vectors * lane


def _steps(p: Problem, phase: Phase, size: int) -> tuple[int, ...]:
    """Bytes from image to image, line to line, pixel to pixel of x and of y."""
    (_, h, w), pixel = phase.axes, p.channels * size
    x = (p.strides[0], h.stride * p.strides[2], w.stride * p.strides[3])
    return (*x, math.prod(p.out) * pixel, h.step * p.out[2] * pixel, w.step * pixel)


class _Region(NamedTuple):
    """Places of one plane whose pixels meet x with the same taps."""

    place: Threes  # the first
    lines: int
    pixels: int
    taps: tuple[tuple[int, int], ...]  # along each axis, the first and that before which they end

    @property
    def terms(self) -> int:
        return math.prod(high - low for low, high in self.taps)


def _parts(p: Problem, phase: Phase) -> list[Threes]:
    """Images, lines and pixels of a task that come into question: equal parts, as far as they can be."""
    _, h, w = phase.axes
    pixels = _equal(w.places, LINE)
    lines = _equal(h.places, -(-PIXELS // pixels))
    if (lines, pixels) != (h.places, w.places):
        found = [(1, lines, pixels)]
    else:
        found = [(_equal(p.images, -(-PIXELS // (lines * pixels))), lines, pixels)]
    images = min(12, p.images // 4)  # at least four tasks, for threads
    if h.places * w.places <= 4 * PIXELS and images > max(3, found[0][0]):  # rows that are images fill every tile
        found.append((_equal(p.images, images), h.places, w.places))
    return found


def _equal(count: int, most: int) -> int:
    """The size of equal parts of at most that size."""
    return -(-count // -(-count // most))


def _regions_of(p: Problem, phase: Phase, part: Threes) -> Iterator[list[_Region]]:
    """The regions of each task, of one image."""
    pieces = (_pieces(a, n, m) for a, n, m in zip(phase.axes, p.size, (1, *part[1:])))
    for plane, lines, pixels in product(*pieces):
        yield [_Region((d[0], h[0], w[0]), h[1], w[1], (d[2], h[2], w[2])) for d, h, w in product(plane, lines, pixels)]


def _pieces(axis: Axis, size: int, part: int) -> list[list[tuple[int, int, tuple[int, int]]]]:
    """For each part of an axis, its pieces that meet the same taps: the first place, the length, the taps."""
    edges = _edges(axis, size)
    found = []
    for start in range(0, axis.places, part):
        stop = min(start + part, axis.places)
        ends = [start, *edges[bisect_right(edges, start) : bisect_left(edges, stop)], stop]
        found.append([(low, high - low, axis.met(low, size)) for low, high in pairwise(ends)])
    return found


def _edges(axis: Axis, size: int) -> list[int]:
    """The places from which on other taps are met than before, in order."""
    first = [axis.before - tap * axis.dilation for tap in range(axis.taps)]  # the elements of x from there on
    return sorted({-(-(at + end) // axis.stride) for at in first for end in (0, size)})


def _turn(p: Problem, images: int, region: _Region, vectors: int, bits: int) -> int:
    """Which axis the rows of tiles go along: 0 pixels, 1 lines, 2 images."""
    counts = (region.pixels, region.lines, images)
    return min(range(3), key=lambda turn: _cost(counts[turn], vectors, p.channelwise, bits) / counts[turn])


def _cost(rows: int, vectors: int, square: int, bits: int) -> float:
    """The cycles that so many rows of a panel take for a term."""
    if not square:
        return cost(rows, vectors, bits)
    most = square_rows(rows, square, bits)
    many, rest = divmod(rows, most)
    return many * cycles(most, square) + (_cost(rest, vectors, square, bits) if rest else 0)


def _price(p: Problem, phase: Phase, part: Threes, places: list, vectors: int, lane: int, bits: int) -> float:
    """The cycles for one image and term of a tap, about."""
    whole, rest = divmod(-(-phase.columns // lane), vectors)
    total = 0.0
    for region in [region for place in places for region in place]:
        turn = _turn(p, part[0], region, vectors, bits)
        rows = (region.pixels, region.lines, part[0])[turn]
        once = whole * _cost(rows, vectors, p.channelwise, bits) + (cost(rows, rest, bits) if rest else 0)
        total += once * region.lines * region.pixels / rows * region.terms
    return total


def _merges(p: Problem, phase: Phase) -> bool:
    """Whether the taps of a line and their channels are one sum: there is one stride for both."""
    w = phase.axes[2]
    return p.depth == 1 or w.taps == 1 or w.dilation * p.strides[3] == p.depth * p.strides[4]


def _row(p: Problem, phase: Phase, region: _Region, turn: int, size: int) -> tuple[int, ...]:
    pixel = p.channels * size
    steps = (p.out[1] * p.out[2] * pixel, p.out[2] * pixel, pixel)
    a = sum((n * x.stride - x.before) * s for n, x, s in zip(region.place, phase.axes, p.strides[1:]))
    c = sum((n * x.step + x.first) * s for n, x, s in zip(region.place, phase.axes, steps))
    d, h, w = region.taps
    met = (*d, 0, 1, *h, w[0] * p.depth, w[1] * p.depth) if _merges(p, phase) else (*d, *h, *w, 0, p.depth)
    return a, c, region.lines, region.pixels, turn, *met


def _blocks_of(p: Problem, phase: Phase, row: int) -> tuple[list[tuple[int, ...]], tuple[int, int, int, int]]:
    """The blocks of the sum, and the strides of both sums of a tile: ao, ai, bo, bi.

    row: bytes from one term to the next in B.
    """
    (d, da), (h, ha), (w, wa) = ((x.taps, x.dilation * s) for x, s in zip(phase.axes, p.strides[1:]))
    if _merges(p, phase):
        outer, (KO, ao), (KI, ai) = ((d, da), (1, 0)), (h, ha), (w * p.depth, wa if p.depth == 1 else p.strides[4])
    else:
        outer, (KO, ao), (KI, ai) = ((d, da), (h, ha)), (w, wa), (p.depth, p.strides[4])
    depth = max(1, BLOCK // row)
    inner = _equal(KI, depth) if KI else 1
    together = _equal(KO, max(1, depth // KI)) if KO * KI else 1
    blocks: list[tuple[int, ...]] = []
    for i, j in product(range(outer[0][0]), range(outer[1][0])):
        for o, k in product(range(0, KO, together), range(0, KI, inner)):
            term = ((i * outer[1][0] + j) * KO + o) * KI + k
            at = i * outer[0][1] + j * outer[1][1] + o * ao + k * ai
            blocks.append((min(together, KO - o), min(inner, KI - k), at, term * row, i, j, o, k))
    return blocks or [(0,) * 8], (ao, ai, KI * row, row)


def _panels_of(p: Problem, phase: Phase, width: int, row: int, size: int) -> list[tuple[int, ...]]:
    each = -(-p.columns // width)
    found: list[tuple[int, ...]] = []
    for group, j in product(range(p.groups), range(-(-phase.columns // width))):
        a = (group * p.depth + (j * width if p.channelwise else 0)) * p.strides[4]
        b = ((group * each + j) * p.rows + phase.row) * row
        found.append((a, b, (group * p.columns + j * width) * size, min(width, phase.columns - j * width)))
    return found
