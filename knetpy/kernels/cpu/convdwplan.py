"""How a weight gradient is computed: what the rows and the vectors of tiles are, and how the sum is cut.

Which rows and vectors is a matter of how full vectors are and how many products each load serves; see `kind_of`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from knetpy.kernels.cpu import Ints, Threes
from knetpy.kernels.cpu.codegen.panels import copier
from knetpy.kernels.cpu.codegen.sumtile import SumTiles, cost, sum_tiles
from knetpy.kernels.cpu.codegen.tile import WIDEST
from knetpy.kernels.cpu.codegen.vectors import fetcher, lanes

BLOCK = 1 << 14  # bytes of dy in a block: it stays in the first cache, beside what tiles read of x
TERMS = 128  # of a block, at most
SHORT = 32  # terms that are too few for a block, if other axes give more
CHUNK = 1024  # terms of a chunk, at least: adding up buffers takes little of the time
TASKS = 8  # at least, where the problem is large enough
BUFFER = 1 << 19  # bytes of dw that a task works on, where it can be cut: it stays in the second cache
ROWS = 24  # of a panel that is cut, at least


class Geometry(NamedTuple):
    """Of a weight gradient, in three spatial axes."""

    window: Threes
    stride: Threes
    before: Threes  # padding
    dilation: Threes
    groups: int


class Arrays(NamedTuple):
    """Shapes and strides in bytes of x (N, D, H, W, C) and dy (N, *out, O)."""

    x: Ints
    x_strides: Ints
    y: Ints
    y_strides: Ints
    dtype: str  # "f" or "d"


@lru_cache(maxsize=1024)
def kind_of(x: Ints, y: Ints, g: Geometry, dtype: str, bits: int) -> str:
    """What the rows of tiles are, for x and dy of these shapes.

    "tap": the channels of x that a tap meets. "line": those that a line of the window meets; for few channels.
    "filter": the channels of y, and those of x fill vectors; for few filters. In the others it is the channels of y
    that do. "channelwise": the taps of a line, and both channels are one, for depthwise convolutions.
    """
    depth, filters, window = x[4] // g.groups, y[4] // g.groups, g.window[2]
    if depth == filters == 1 < g.groups:
        return "channelwise"
    if g.groups > 1:
        return "tap"
    pixels = _axes(Arrays(x, (0,) * 5, y, (0,) * 5, dtype), g, False)[3]
    met = sum(high - low for low, high in map(pixels.met, range(window))) / pixels.out  # taps that are not padding
    price = {"tap": met * _choose(depth, filters, dtype, bits)[0]}
    if window > 1 and (g.dilation[2] == 1 or depth == 1):
        copy = depth * np.dtype(dtype).itemsize / 8 / math.prod(g.window[:2]) if met < window else 0
        price["line"] = _choose(depth * window, filters, dtype, bits)[0] + copy
    price["filter"] = 1.25 * met * _choose(filters, depth, dtype, bits)[0]  # results have a longer way to go
    return min(price, key=lambda kind: price[kind])


def _choose(rows: int, columns: int, dtype: str, bits: int) -> tuple[float, int]:
    """The least cycles that a term of the sum takes, and how many vectors a panel has then."""
    whole = -(-columns // lanes(dtype, bits))

    def price(vectors: int) -> float:
        each, rest = divmod(whole, vectors)
        return each * cost(rows, vectors, bits) + (cost(rows, rest, bits) if rest else 0)

    return min((price(vectors), vectors) for vectors in range(1, min(whole, WIDEST) + 1))


# ------------------------------------------------------------------------------------------- rows and columns


class Panels(NamedTuple):
    """The columns that vectors hold at a time, with all rows or some. Sums lie in buffers as panels do, one by one."""

    table: SumTiles
    panels: np.ndarray  # (_, 5): bytes in x, dy and a buffer; rows for each tap, columns
    parts: np.ndarray  # (_, 4): first elements in a buffer and in dw, columns, rows that lie in one piece in dw
    length: int  # elements of dw from column to column
    row: int  # bytes of a row of a buffer
    steps: tuple[int, int]  # bytes from row to row of tiles: in what they read, and in a buffer
    tap: int  # bytes in a buffer from tap to tap


def _panels(a: Arrays, g: Geometry, kind: str, bits: int) -> Panels:
    size, lane, taps = np.dtype(a.dtype).itemsize, lanes(a.dtype, bits), math.prod(g.window)
    depth, filters = a.x[4] // g.groups, a.y[4] // g.groups
    if kind == "channelwise":
        found = [(c * size, c * size, c * taps * size, 1, min(lane, a.x[4] - c)) for c in range(0, a.x[4], lane)]
        parts = [(c * taps, c * taps, min(lane, a.x[4] - c), taps) for c in range(0, a.x[4], lane)]
        table, row, length = sum_tiles(1, a.dtype, bits, True), lane * size, taps
        steps, tap = (g.dilation[2] * a.x_strides[3], row), row
    elif kind == "filter":
        table = sum_tiles(_choose(filters, depth, a.dtype, bits)[1], a.dtype, bits)
        width, length = table.vectors * lane, taps
        row = width * size
        firsts = [(c, min(width, depth - c)) for c in range(0, depth, width)]
        found = [(c * size, 0, c // width * filters * taps * row, filters, columns) for c, columns in firsts]
        parts = [
            ((c // width * filters + o) * taps * width, (o * depth + c) * taps, columns, taps)
            for c, columns in firsts
            for o in range(filters)
        ]
        steps, tap = (a.y_strides[4], taps * row), row
    else:
        by_tap = kind == "tap"
        together = max(1, min(g.groups, lane // filters, -(-12 // depth)))  # groups side by side in a vector
        rows = together * depth * (1 if by_tap else g.window[2])
        table = sum_tiles(_choose(rows, together * filters, a.dtype, bits)[1], a.dtype, bits)
        row, length = table.vectors * lane * size, depth * taps
        share = max(ROWS, BUFFER // (taps * row)) if by_tap and together == 1 else together * depth
        found, parts = _grouped(g.groups, together, depth, filters, taps, share, a, row // size)
        line = a.x_strides[4] if by_tap or depth > 1 else g.dilation[2] * a.x_strides[3]
        steps, tap = (line, taps * row if by_tap else row), row if by_tap else depth * row
    return Panels(table, np.array(found, np.int64), np.array(parts, np.int64), length, row, steps, tap)


def _grouped(groups: int, together: int, depth: int, filters: int, taps: int, share: int, a: Arrays, width: int):
    """Panels and parts where rows are channels of x.

    Groups that lie side by side meet each other in a buffer; parts are the products of each with itself.
    """
    panels, parts, at = [], [], 0
    bytes_ = width * np.dtype(a.dtype).itemsize
    for group in range(0, groups, together):
        count = min(together, groups - group)
        rows, columns = count * depth, count * filters
        equal = -(-rows // -(-rows // share))
        for o, c in product(range(0, columns, width), range(0, rows, equal)):
            shape = min(equal, rows - c), min(columns - o, width)
            first = (group * depth + c) * a.x_strides[4], (group * filters + o) * a.y_strides[4]
            panels.append((*first, at * bytes_, *shape))
            for i in range(count):
                target = ((group + i) * filters + o) * depth + c
                start = (at + i * depth * taps) * width + i * filters
                each = (shape[1], shape[0]) if count == 1 else (filters, depth)
                parts.append((start, target * taps, each[0], each[1] * taps))
            at += shape[0] * taps
    return panels, parts


# -------------------------------------------------------------------------------------------------- the sum


class _Axis(NamedTuple):
    """One axis of the sum. Strides are in bytes."""

    size: int = 1  # of x
    out: int = 1  # of y
    window: int = 1
    stride: int = 1
    before: int = 0  # padding
    dilation: int = 1
    x: int = 0  # stride of x
    y: int = 0  # stride of y
    taps: int = 1  # from one place of the window to the next
    rows: bool = False  # whether taps are rows of tiles

    def met(self, tap: int) -> tuple[int, int]:
        """The range of places in y from which `tap` meets x and not the padding."""
        start = tap * self.dilation - self.before
        low, high = max(0, -(start // self.stride)), min(self.out, -((start - self.size) // self.stride))
        return low, max(low, high)

    def without_padding(self) -> bool:
        """Whether the window is one element, and meets x from every place in y."""
        return self.window == 1 and self.met(0) == (0, self.out)

    def pieces(self) -> list[Ints]:
        """What there is to do: taps from one number to another, for a range of places in y."""
        met = [self.met(tap) for tap in range(self.window)]
        if not self.rows:
            return [(tap, tap + 1, *ends) for tap, ends in enumerate(met)]
        found: list[Ints] = []
        for low, high in pairwise(sorted({end for ends in met for end in ends})):
            taps = [tap for tap, ends in enumerate(met) if ends[0] <= low and high <= ends[1]]
            found += [(taps[0], taps[-1] + 1, low, high)] if taps else []
        return found or [(0, 1, 0, 0)]


def _axes(a: Arrays, g: Geometry, rows: bool) -> list[_Axis]:
    """Images, planes, lines and pixels; `rows` says whether taps of a line are rows of tiles."""
    _, high, wide = g.window
    geometry = (1, *g.window), (1, *g.stride), (0, *g.before), (1, *g.dilation)
    taps, by_line = (1, high * wide, wide, 1), (False, False, False, rows)
    return [_Axis(*of) for of in zip(a.x, a.y, *geometry, a.x_strides, a.y_strides, taps, by_line)]


def _merged(axes: list[_Axis]) -> list[_Axis]:
    """Without axes of one place; and two that a window of one element meets are one, where memory allows."""
    found: list[_Axis] = []
    for axis in axes:
        if axis.out == axis.window == 1 and not axis.before:
            continue
        if found and found[-1].without_padding() and axis.without_padding():
            last = found[-1]
            if last.x * last.stride == axis.x * axis.stride * axis.out and last.y == axis.y * axis.out:
                count = last.out * axis.out
                found[-1] = _Axis(count, count, x=axis.x * axis.stride, y=axis.y)
                continue
        found.append(axis)
    return found


def _ordered(axes: list[_Axis]) -> list[_Axis]:
    """Four axes; the last two, which tiles cover, are the innermost, or the longest if those are too short."""
    axes = [_Axis()] * (4 - len(axes)) + axes
    if axes[2].out * axes[3].out >= SHORT:
        return axes
    first = sorted(range(4), key=lambda i: axes[i].out)
    return [axes[i] for i in (*sorted(first[:2]), *sorted(first[2:]))]


def _part(axes: list[_Axis], terms: int) -> tuple[int, int]:
    """Lines and pixels of a block: equal parts, as far as they can be."""
    pixels = -(-axes[3].out // -(-axes[3].out // terms))
    lines = min(axes[2].out, max(1, terms // pixels))
    return -(-axes[2].out // -(-axes[2].out // lines)), pixels


def _pieces(axes: list[_Axis], tap: int) -> np.ndarray:
    """The rows of Plan.pieces. tap: bytes from one to the next in a buffer."""
    found = []
    for chosen in product(*(axis.pieces() for axis in axes)):
        source = sum((first * axis.dilation - axis.before) * axis.x for axis, (first, _, _, _) in zip(axes, chosen))
        number = sum(first * axis.taps for axis, (first, _, _, _) in zip(axes, chosen))
        count = math.prod(last - first for first, last, _, _ in chosen)
        found.append((source, number * tap, count, *(end for piece in chosen for end in piece[2:])))
    return np.array(found, np.int64)


# ---------------------------------------------------------------------------------------------------- plan


class Plan(NamedTuple):
    """How problems of one geometry are computed."""

    work: int  # multiply-adds
    chunks: int  # of blocks
    buffer: int  # bytes of one
    numbers: tuple  # arguments of _weigh: see `plan_of`
    pieces: np.ndarray  # (_, 11): bytes in x and a buffer, how many taps are rows, the range of places on each axis
    rows: Panels


@lru_cache(maxsize=1024)
def plan_of(a: Arrays, g: Geometry, kind: str, bits: int) -> Plan:
    """Return the plan for arrays of these shapes and strides."""
    size, lane = np.dtype(a.dtype).itemsize, lanes(a.dtype, bits)
    rows = _panels(a, g, kind, bits)
    axes = _ordered(_merged(_axes(a, g, kind in ("line", "channelwise"))))
    pieces = _pieces(axes, rows.tap)
    counts = {r * n for r in rows.panels[:, 3].tolist() for n in pieces[:, 2].tolist()}
    rows.table.provide_all(counts, set(rows.panels[:, 4].tolist()))
    outs, part = tuple(axis.out for axis in axes), _part(axes, max(1, min(TERMS, BLOCK // rows.row)))
    x_steps, y_steps = tuple(axis.x * axis.stride for axis in axes), tuple(axis.y for axis in axes)
    taps, terms, count = math.prod(g.window), math.prod(outs), len(rows.panels)
    share = min(count, max(1, BUFFER // (int(rows.panels[0, 3]) * taps * rows.row)))
    blocks = outs[0] * outs[1] * -(-outs[2] // part[0]) * -(-outs[3] // part[1])
    chunks = max(1, min(blocks, terms // CHUNK, -(-TASKS // -(-count // share))))
    chunks = 1 << chunks.bit_length() - 1  # an even number: no thread of a few waits long for another
    flips = a.y[4] > 1 and a.y_strides[4] != size
    copy = "" if kind == "filter" else "flip" if flips else "copy" if a.y[4] * size > rows.row else ""
    code, column = copier(copy, a.dtype, bits) if copy else 0, a.y_strides[4] if flips else size
    fetched = [part[0] * steps[2] if part[1] == outs[3] else part[1] * steps[3] for steps in (x_steps, y_steps)]
    in_pieces = a.x[4] == 1 or a.x_strides[4] == size, not flips
    numbers = (
        outs,  # places of y on the four axes of the sum
        x_steps,  # bytes in x from one to the next
        y_steps,  # bytes in dy
        part,  # places of a block on the last two axes
        rows.steps,
        (code, rows.row, column if flips else 0, column),  # copier of dy; bytes of a row there, between columns here
        (size, lane, kind == "filter"),  # of an element, elements of a vector, whether rows are channels of y
        (fetcher(), fetched[0] * in_pieces[0], fetched[1] * in_pieces[1]),  # bytes of x and dy in a block
        (chunks, share),  # panels of a task
    )
    work, buffer = terms * taps * a.x[4] // g.groups * a.y[4], int(rows.panels[:, 3].sum()) * taps * rows.row
    return Plan(work, chunks, buffer, numbers, pieces, rows)
