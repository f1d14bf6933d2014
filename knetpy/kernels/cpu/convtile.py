"""Convolution on the tile, without patches: the window is the sum, pixels of a line of y are the rows.

Channels last, the products of a tile walk through x itself: a tap moves the address where it reads, and so does the
next pixel. What the padding adds is copied, with what it surrounds, into a box just as large as a task reads. The sum
is cut into blocks whose weights stay in the first cache while all pixels of a task pass over them; blocks are the same
for every pixel, so that no bit of the result depends on how y is cut into tasks.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numba.core import cgutils

from knetpy.kernels.cpu import panels
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.panels import address, copier
from knetpy.kernels.cpu.tile import ACCUMULATE, WIDEST, Tiles, _Tile, cost, first_rows, run, tiles
from knetpy.kernels.cpu.vectors import BITS, call, lanes, routine

Threes = tuple[int, int, int]

new = np.empty  # tests poison what it returns
DEPTH = 128  # terms of a block of the sum: a panel of so many rows stays in the first cache, 32 KiB at 512 bits
PIXELS = 256  # of a task, at least, where there are so many: weights that are not in the cache are read once for them
TASKS = 8  # at least, if parts of the channels are tasks of their own
LINE = 240  # pixels of a line in one task, at most
THREADED = 1 << 20  # multiply-adds from which on threads share the work


class Problem(NamedTuple):
    """The geometry of a convolution, in three spatial axes."""

    images: int
    size: Threes  # of x
    window: Threes
    out: Threes  # the spatial size of y
    stride: Threes
    before: Threes  # padding; less than 0: so much of x is not read
    dilation: Threes
    groups: int
    depth: int  # channels of x in a group
    filters: int  # channels of y in a group
    skips: bool  # whether products with the padding, which are 0 or NaN, may be left out


def convolve(x: np.ndarray, weights: np.ndarray, problem: Problem) -> np.ndarray:
    """Return y (N, *out, O), for x (N, *size, C) and weights (groups, taps * depth, filters)."""
    plan = _plan(problem, x.dtype.char, BITS)
    if problem.depth == problem.filters == 1:  # depthwise: one matrix of taps and channels
        weights = weights[:, :, 0].T
    packed = panels.pack(weights, plan.vectors, BITS)
    y = new((problem.images, *problem.out, problem.groups * problem.filters), x.dtype)
    origin = (address(x), packed.address, address(y))
    plan.kernel(origin, *plan.numbers, plan.blocks, plan.panels, plan.table.steps, plan.table.codes)
    return y


# ---------------------------------------------------------------------------------------------------- plan


class _Plan(NamedTuple):
    """How problems of one geometry are computed."""

    kernel: Any  # _convolve, with threads or without
    vectors: int  # of a panel
    blocks: np.ndarray  # (blocks, 6): lengths of both sums, bytes to where A and B begin, numbers of the first terms
    panels: np.ndarray  # (panels, 4): bytes to where A, B and C begin; columns
    numbers: tuple  # the arguments of _convolve between its addresses and its tables
    table: Tiles


@lru_cache(maxsize=1024)
def _plan(p: Problem, dtype: str, bits: int) -> _Plan:
    size, lane, channels = np.dtype(dtype).itemsize, lanes(dtype, bits), p.groups * p.depth
    channelwise = p.depth == p.filters == 1
    groups, filters, depth = (1, channels, 1) if channelwise else (p.groups, p.filters, p.depth)
    skips = p.skips and groups == p.window[0] == p.dilation[2] == 1 < p.out[2] and not channelwise
    skips = skips and p.window[2] * depth > 1
    vectors, turned, part = _choose(p, filters, skips, channelwise, dtype, bits)
    images, lines, pixels = part
    reach = tuple((k - 1) * d + 1 for k, d in zip(p.window, p.dilation))
    box = tuple((n - 1) * s + r for n, s, r in zip((1, lines, pixels), p.stride, reach))
    ends = [(n - 1) * s + r - b for n, s, r, b in zip(p.out, p.stride, reach, p.before)]
    copies = any(b > 0 or end > have for b, end, have in zip(p.before, ends, p.size))
    a_strides = _strides(box if copies else p.size, channels * size)
    if copies:
        a_strides = (a_strides[0] + 63 & -64 | 64, *a_strides[1:])  # images do not compete for places in the cache
    columns = vectors * lane
    table = _channelwise(dtype, bits) if channelwise else tiles(vectors, dtype, bits)
    for rows in {images, p.images % images} if turned else {pixels, p.out[2] % pixels}:
        for left in {min(columns, filters), filters % columns} - {0}:
            table.provide(rows, -(-left // lane))
    axes = [(k, d * s) for k, d, s in zip(p.window, p.dilation, a_strides[1:])]
    blocks, along = _blocks_of([*axes, (depth, size)], columns * size)
    terms = math.prod(p.window) * depth
    a_steps = (p.depth * size, size if channelwise else 0)
    starts = _panels_of(groups, filters, columns, terms * columns * size, a_steps, size)
    tasks: tuple[int, ...] = (-(-p.images // images), p.out[0], -(-p.out[1] // lines), -(-p.out[2] // pixels))
    share = -(-len(starts) // -(-TASKS // math.prod(tasks)))
    tasks += (-(-len(starts) // share),)
    trim = (p.dilation[1], depth if skips and copies else 0)
    copy = copier("copy", dtype, bits) if copies else 0
    image = np.array([p.size, p.before, p.stride, box, (copy, *trim)], np.int64)
    pixel = (channels * size, groups * filters * size)
    numbers = (tasks, (p.images, *p.out), (*part, share), image, a_strides, along, columns * size, pixel, (size, lane))
    work = p.images * math.prod(p.out) * terms * filters * groups
    kernel = _convolve if work >= THREADED else _convolve.serial
    return _Plan(kernel, vectors, blocks, starts, (*numbers, turned), table)


def _part(p: Problem) -> Threes:
    """Images, lines and pixels of a task: equal parts, as far as they can be."""
    pixels = -(-p.out[2] // -(-p.out[2] // LINE))
    lines = min(p.out[1], -(-PIXELS // pixels))
    lines = -(-p.out[1] // -(-p.out[1] // lines))
    images = min(p.images, -(-PIXELS // (lines * pixels))) if (lines, pixels) == p.out[1:] else 1
    return -(-p.images // -(-p.images // images)), lines, pixels


def _strides(size: tuple[int, ...], pixel: int) -> tuple[int, int, int, int]:
    """Bytes from image to image, plane to plane, line to line and pixel to pixel."""
    return math.prod(size) * pixel, size[1] * size[2] * pixel, size[2] * pixel, pixel


def _choose(
    p: Problem, filters: int, skips: bool, channelwise: bool, dtype: str, bits: int
) -> tuple[int, bool, Threes]:
    """How many vectors a panel has, whether rows are images instead of pixels, and the part: for the least cost."""
    whole = 1 if channelwise else -(-filters // lanes(dtype, bits))
    down, across = (_met(p, axis) if skips else 1.0 for axis in (1, 2))

    def price(choice: tuple[int, bool, Threes]) -> float:
        vectors, turned, (images, lines, pixels) = choice
        rows, others = (images, lines * pixels * across) if turned else (pixels, lines * images)
        each, rest = divmod(whole, vectors)
        once = each * cost(rows, vectors, bits) + (cost(rows, rest, bits) if rest else 0)
        return once * others * down / (images * lines * pixels)

    widths = range(min(whole, WIDEST), 0, -1)
    part = _part(p)
    choices = [(v, turned, part) for turned in (False, True) for v in widths]
    if skips and p.out[1] * p.out[2] <= 4 * PIXELS:  # many images, for rows that skip most
        images = -(-p.images // -(-p.images // 12))
        choices += [(v, True, (images, *p.out[1:])) for v in widths]
    return min(choices, key=price)


def _met(p: Problem, axis: int) -> float:
    """Which part of all taps along an axis meets x and not the padding, in all places of the window."""
    taps = np.arange(p.window[axis]) * p.dilation[axis] - p.before[axis]
    at = np.add.outer(np.arange(p.out[axis]) * p.stride[axis], taps)
    return float(((at >= 0) & (at < p.size[axis])).mean())


def _blocks_of(axes: list[tuple[int, int]], row: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The blocks of a sum over axes of (length, stride in A), and the strides in A of the two sums of a tile.

    row: bytes from one term to the next in B.
    """
    merged: list[tuple[int, int]] = []
    for length, stride in axes:
        if length > 1 and merged and merged[-1][1] == length * stride:
            merged[-1] = (merged[-1][0] * length, stride)
        elif length > 1:
            merged.append((length, stride))
    *outer, (KO, ao), (KI, ai) = [(1, 0), (1, 0), *merged]
    starts = np.zeros(1, np.int64)
    for length, stride in outer:
        starts = np.add.outer(starts, np.arange(length) * stride).reshape(-1)
    inner, together = -(-KI // -(-KI // DEPTH)), max(1, DEPTH // KI)
    blocks = []
    for number, start in enumerate(starts):
        for o in range(0, KO, together):
            for i in range(0, KI, inner):
                at = (number * KO + o) * KI + i
                blocks.append((min(together, KO - o), min(inner, KI - i), start + o * ao + i * ai, at * row, o, i))
    return np.array(blocks, np.int64), (ao, ai)


def _panels_of(groups: int, filters: int, columns: int, panel: int, a_steps: tuple[int, int], size: int) -> np.ndarray:
    """The panels of all groups, as _Plan says.

    panel: bytes of one. a_steps: bytes in A from group to group, and from column to column.
    """
    each = -(-filters // columns)
    found = np.empty((groups, each, 4), np.int64)
    group, first = np.arange(groups)[:, None], np.arange(each) * columns
    found[..., 0] = group * a_steps[0] + first * a_steps[1]
    found[..., 1] = (group * each + np.arange(each)) * panel
    found[..., 2] = (group * filters + first) * size
    found[..., 3] = np.minimum(columns, filters - first)
    return found.reshape(-1, 4)


# -------------------------------------------------------------------------------------------------- driver


@jit(parallel=True)
def _convolve(
    origin, tasks, out, part, image, a_strides, along, row, pixel, kind, turned, blocks, panels, steps, codes
):
    """Task by task: some of the panels for a few images, or a few lines of one, or a part of a line.

    origin: addresses of x, the panels and y; tasks: how many there are along images, planes, lines, pixels and panels;
    out: images, planes, lines and pixels of y; part: images, lines, pixels and panels of a task; image: rows of
    three: size of x, padding before, stride, size of a box, and the copier that fills boxes or 0, dilation of lines and
    channels if products with the padding are skipped or 0; a_strides: bytes from image to image, plane
    to plane, line to line, pixel to pixel of what tiles read; along: ao, ai; row: bo of one term; pixel: bytes of one
    of x and of y; kind: bytes of an element, elements of a vector; turned: whether rows of tiles are images; the
    others: see _Plan and Tiles.
    """
    _, planes, down, across, shares = tasks
    for task in prange(tasks[0] * planes * down * across * shares):
        share, place = task % shares * part[3], task // shares
        w, h = place % across * part[2], place // across % down * part[1]
        d, n = place // (across * down) % planes, place // (across * down * planes) * part[0]
        shape = (min(part[0], out[0] - n), min(part[1], out[2] - h), min(part[2], out[3] - w))
        c = origin[2] + (((n * planes + d) * out[2] + h) * out[3] + w) * pixel[1]
        c_line = out[3] * pixel[1]
        c_strides = (planes * out[2] * c_line, c_line, pixel[1])
        chosen = panels[share : share + part[3]]
        source, at = origin[0], (n, d, h, w)
        _task(
            source,
            at,
            shape,
            origin[1],
            c,
            c_strides,
            image,
            a_strides,
            along,
            row,
            pixel[0],
            kind,
            turned,
            blocks,
            chosen,
            steps,
            codes,
        )


@jit()
def _task(
    source, at, shape, b, c, c_strides, image, a_strides, along, row, pixel, kind, turned, blocks, panels, steps, codes
):
    """Panel by panel and block by block, each over all pixels."""
    size, before, stride, box = _three(image[0]), _three(image[1]), _three(image[2]), _three(image[3])
    copier, dilation, depth = _three(image[4])
    n, d, h, w = at[0], at[1] * stride[0] - before[0], at[2] * stride[1] - before[1], at[3] * stride[2] - before[2]
    room = np.zeros(shape[0] * a_strides[0] + 64 if copier else 0, np.uint8)
    if copier:
        a = room.ctypes.data + 63 & -64
        for i in range(shape[0]):
            image_at = source + (n + i) * size[0] * size[1] * size[2] * pixel
            _fill(copier, image_at, size, (d, h, w), a + i * a_strides[0], box, pixel, kind)
    else:
        a = source + n * a_strides[0] + d * a_strides[1] + h * a_strides[2] + w * a_strides[3]
    over = (a_strides[0], stride[1] * a_strides[2], stride[2] * a_strides[3])
    if turned:
        shape, over, c_strides = _turn(shape), _turn(over), _turn(c_strides)
    for p in range(len(panels)):
        a_panel, b_panel, c_panel, columns = panels[p]
        vectors = (columns + kind[1] - 1) // kind[1]
        for block in range(len(blocks)):
            KO, KI, a_block, b_block, o, k = blocks[block]
            flags, a_at, c_at = ACCUMULATE if block else 0, a + a_panel + a_block, c + c_panel
            b_at, b_strides = b + b_panel + b_block, (KI * row, row)
            for i in range(shape[0]):
                for j in range(shape[1]):
                    a_line, c_line = a_at + i * over[0] + j * over[1], c_at + i * c_strides[0] + j * c_strides[1]
                    b_line, sums = b_at, (KO, KI)
                    if depth:
                        o_skip, o_met = _clip(o, KO, h + (i if turned else j) * stride[1], size[1], dilation, 1)
                        k_skip, k_met = 0, KI
                        if turned:
                            k_skip, k_met = _clip(k, KI, w + j * stride[2], size[2], 1, depth)
                        a_line += o_skip * along[0] + k_skip * along[1]
                        b_line += o_skip * b_strides[0] + k_skip * b_strides[1]
                        sums = (o_met, k_met)
                        if block and not o_met * k_met:
                            continue
                    what = sums, (along[0], along[1], over[2]), b_line, b_strides
                    _line(what, shape[2], a_line, c_line, c_strides[2], flags, columns, steps[vectors], codes[vectors])
    return room.size  # so long it lives


@jit()
def _clip(first, count, place, size, dilation, terms):
    """How many of `count` terms from `first` on lie before x, and how many in it.

    terms: to each tap; place: where in x the tap 0 is.
    """
    start = max(first, -(place // dilation) * terms)
    return start - first, max(0, min(first + count, -((place - size) // dilation) * terms) - start)


@jit()
def _three(x):
    return x[0], x[1], x[2]


@jit()
def _turn(x):
    return x[1], x[2], x[0]


@jit()
def _line(what, rows, a, c, c_stride, flags, columns, steps, codes):
    """Tile by tile."""
    sums, a_strides, b, b_strides = what
    i = 0
    while i < rows:
        left = min(rows - i, len(steps) - 1)
        run(
            codes[left],
            sums,
            a + i * a_strides[2],
            a_strides,
            b,
            b_strides,
            c + i * c_stride,
            c_stride,
            0,
            flags,
            columns,
        )
        i += steps[left]


@jit()
def _fill(code, source, size, first, target, box, pixel, kind):
    """Copy what lies in x of the box that begins at place `first`; the rest of the box is zero already."""
    start, stop = max(0, -first[2]), min(box[2], size[2] - first[2])
    length = max(0, stop - start) * pixel // kind[0]
    whole, rest, vector = length // kind[1], length % kind[1], kind[0] * kind[1]
    for i in range(max(0, -first[0]), min(box[0], size[0] - first[0])):
        for j in range(max(0, -first[1]), min(box[1], size[1] - first[1])):
            place = ((first[0] + i) * size[1] + first[1] + j) * size[2] + first[2] + start
            a, b = source + place * pixel, target + ((i * box[1] + j) * box[2] + start) * pixel
            if whole > 0:
                call(code, (whole, kind[1], a, vector, b, vector))
            if rest > 0:
                call(code, (1, rest, a + whole * vector, vector, b + whole * vector, vector))


# ----------------------------------------------------------------------------------------------- depthwise


class _Depthwise(_Tile):
    """A tile of one vector of channels, each of which meets its own weights only: A is read in vectors too."""

    def sum(self, KO, KI, a, ao, ai, ar, b, bo, bi, mask):
        """Both loops of products."""
        with cgutils.for_range(self.b, KO) as outer:
            a_outer, b_outer = self.at(a, ao, outer.index), self.at(b, bo, outer.index)
            fours = [self.at(a_outer, ar, i) for i in range(0, self.rows, 4)]
            with cgutils.for_range(self.b, KI) as inner:
                weights = self.load(self.at(b_outer, bi, inner.index), mask=mask)
                for i in range(self.rows):
                    x = self.load(self.at(self.at(fours[i // 4], ai, inner.index), ar, i % 4), mask=mask)
                    place = self.total[i, 0]
                    self.b.store(self.multiply_add(x, weights, self.b.load(place)), place)


@cache
def _depthwise(rows: int, dtype: str, bits: int) -> int:
    def write(builder: Any, *arguments: Any) -> None:
        _Depthwise(builder, rows, 1, dtype, bits).write(*arguments)

    return routine(f"depthwise-{rows}{dtype}{bits}", 14, write)


class _DepthwiseTiles(Tiles):
    """The same table, of tiles for depthwise convolutions."""

    def provide(self, rows: int, vectors: int) -> None:
        while rows:
            left = min(rows, self.limit)
            if not self.codes[1, left]:
                with self._lock:
                    self.steps[1, left] = step = first_rows(left, 1, self.bits)
                    self.codes[1, left] = _depthwise(step, self.dtype, self.bits)
            rows -= int(self.steps[1, left])


@cache
def _channelwise(dtype: str, bits: int) -> Tiles:
    return _DepthwiseTiles(1, dtype, bits)
