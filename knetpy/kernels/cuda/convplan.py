"""How a convolution is laid out as a product of matrices: tables for conv.cu, made once for each geometry.

Three spatial axes, the leading ones of size 1. Along each of them a place of the window meets, at each of its taps, a
coordinate of what is read; and the sums of the place are put to a coordinate of the result.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from knetpy.devices import cupy

BITS = 30  # of a word say what a pixel lacks
NEVER = -(2**31)  # the last bit: every pixel lacks it
DEPTH = 32  # terms are padded to a multiple of it, which is one of the terms that a kernel takes at a time
MOST = 2**31  # elements of an image, of weights, and pixels are numbered in 32 bits; a GPU could hardly hold more
Ints = tuple[int, ...]


class Axis(NamedTuple):
    """Places along one axis, and what they meet."""

    taps: tuple[tuple[int, int], ...]  # (index in the window, the coordinate that it meets at place 0)
    size: int  # of the coordinates that there are
    places: int
    step: int  # from a place to the next, in coordinates
    start: int  # where the first place is put
    stride: int  # from there to the next

    def leaves(self, offset: int) -> bool:
        """Whether a tap is beside the array at some place."""
        return offset < 0 or offset + (self.places - 1) * self.step >= self.size

    def pieces(self, most: int) -> list[Axis]:
        """The axis with some of its taps at a time, of which at most so many leave the array."""
        pieces, crowd = [[]], 0  # type: tuple[list, int]
        for tap in self.taps:
            if self.leaves(tap[1]) and crowd == most:
                pieces.append([])
                crowd = 0
            crowd += self.leaves(tap[1])
            pieces[-1].append(tap)
        return [self._replace(taps=tuple(taps)) for taps in pieces]


Phase = tuple[Axis, ...]


def threes(values: Sequence[int], fill: int) -> Ints:
    """A number for each of three axes: `fill` for the leading ones."""
    return (fill,) * (3 - len(values)) + tuple(map(int, values))


def forward(size: Ints, out: Ints, window: Ints, stride: Ints, before: Ints, dilation: Ints) -> list[Phase]:
    """What each place of the window meets in x."""
    axes = zip(size, out, window, stride, before, dilation)
    return [tuple([Axis(tuple([(j, j * d - b) for j in range(k)]), s, o, t, 0, 1) for s, o, k, t, b, d in axes])]


def backward(size: Ints, out: Ints, window: Ints, stride: Ints, before: Ints, dilation: Ints) -> list[Phase]:
    """Which places of the window meet each element of x, by the remainders of its coordinates by the stride."""
    axes = zip(size, out, window, stride, before, dilation)
    return list(itertools.product(*[[_remainder(r, *axis) for r in range(min(axis[3], axis[0]))] for axis in axes]))


def _remainder(r: int, size: int, out: int, window: int, stride: int, before: int, dilation: int) -> Axis:
    meets = [(j, r + before - j * dilation) for j in range(window)]
    taps = tuple([(j, at // stride) for j, at in meets if at % stride == 0])
    return Axis(taps, out, -(-(size - r) // stride), 1, r, stride)


@dataclass(frozen=True)
class Tables:
    """What one launch reads, on the device."""

    phases: Any
    rows: Any
    terms: Any  # which weight each row has, as an offset into those of an output
    places: Any
    tiles: int  # of pixels
    valid: int  # terms of the first phase
    beside: bool  # whether any tap leaves the array


class Layout(NamedTuple):
    """What is read, what is made, and the weights between."""

    phases: tuple[Phase, ...]
    images: int
    channels: int  # that are read for each output
    size: Ints  # of an image that is read
    out: Ints  # of an image that is made
    window: Ints
    per_channel: int  # how far apart the weights of neighbouring channels lie


class Geometry(NamedTuple):
    """Of a convolution, in three spatial axes: x of `size` -> y of `out`."""

    images: int
    groups: int
    channels: int  # of x, in a group
    outputs: int  # of y, in a group
    size: Ints
    out: Ints
    window: Ints
    stride: Ints
    before: Ints  # padding
    dilation: Ints

    @property
    def large(self) -> bool:
        """Whether something has more elements than kernels can number."""
        c, o, taps, size, out = self.channels, self.outputs, *map(math.prod, (self.window, self.size, self.out))
        counted = size * c * self.groups, out * o * self.groups, o * c * taps * self.groups
        return max(*counted, self.images * size, self.images * out) >= MOST

    @property
    def product(self) -> bool:
        """Whether it is one of matrices: each pixel meets itself."""
        return self.size == self.out and self.groups == 1 == max(*self.window, *self.stride) and not any(self.before)

    def layout(self, back: bool) -> Layout:
        """What a gradient by x (back) or a convolution reads and makes."""
        cut = (self.size, self.out, self.window, self.stride, self.before, self.dilation)
        taps = math.prod(self.window)
        if back:
            phases, channels, step = backward(*cut), self.outputs, self.channels * taps
            return Layout(tuple(phases), self.images, channels, self.out, self.size, self.window, step)
        return Layout(tuple(forward(*cut)), self.images, self.channels, self.size, self.out, self.window, taps)


def geometry(x, w, size, out, stride, padding, dilation, groups) -> Geometry:
    """The geometry of a convolution from x (N, C, *size) to (N, O, *out); x and w are shapes."""
    before = threes([first for first, _ in padding], 0)
    size, out, window, stride, dilation = [threes(a, 1) for a in (size, out, w[2:], stride, dilation)]
    return Geometry(x[0], groups, w[1], w[0] // groups, size, out, window, stride, before, dilation)


@lru_cache(maxsize=512)
def tables(layout: Layout, wide: int, device: int) -> tuple[Tables, ...]:
    """The tables of as many launches as it takes, which add up, for tiles of so many pixels, on a device."""
    pieces = [_cut(phase) for phase in layout.phases]
    return tuple([
        _tables(layout, [cut[i] for cut in pieces if i < len(cut)], wide) for i in range(max(map(len, pieces)))
    ])  # fmt: skip


def _cut(phase: Phase) -> list[Phase]:
    """The phase in as many pieces as it takes for a word to hold a bit for each tap that leaves the array."""
    crowds = [sum([axis.leaves(at) for _, at in axis.taps]) for axis in phase]
    if sum(crowds) <= BITS:
        return [phase]
    most = BITS // sum(map(bool, crowds))
    return list(itertools.product(*[axis.pieces(most) for axis in phase]))


def _tables(layout: Layout, phases: list[Phase], wide: int) -> Tables:
    records: list[list[int]] = []
    rows: list[np.ndarray] = []
    places: list[np.ndarray] = []
    tiles = 0
    for phase in phases:
        line, needs = _places(layout, phase)
        start = sum([len(part) for part in places])
        valid = layout.channels * math.prod([len(axis.taps) for axis in phase])
        first = sum([len(part) for part in rows])
        records.append([tiles, valid, first, *map(len, line), start, start + len(line[0])])
        rows.append(_rows(layout, phase, needs))
        places += line
        tiles += -(-layout.images * math.prod(map(len, line)) // wide)
    rows.append(_unused(2 * DEPTH))  # what is read ahead
    records.append([tiles, *[0] * 6])
    row = np.concatenate(rows)
    beside = bool(np.any(row[:, 1] & ~NEVER))
    where = np.concatenate(places)
    return Tables(_put(records), _put(row[:, :2]), _put(row[:, 2]), _put(where), tiles, records[0][1], beside)


def _put(table: Any) -> Any:
    """On the device, in 32 bits; offsets of what is beside the array may wrap, as they are not used."""
    return cupy().asarray(np.ascontiguousarray(np.asarray(table, "i8").astype("i4")))


def _places(layout: Layout, phase: Phase) -> tuple[list[np.ndarray], list[list[int]]]:
    """Rows of (base, lacks, target, 0) for each line of pixels and each place along it; the bits that the taps need."""
    found, needs, bit = [], [], 0
    for a, axis in enumerate(phase):
        q = np.arange(axis.places)
        base, target = q * axis.step, axis.start + q * axis.stride
        lacks, need = np.full_like(q, NEVER), []
        for _, offset in axis.taps:
            need.append(1 << bit if axis.leaves(offset) else 0)
            lacks |= np.where((base + offset >= 0) & (base + offset < axis.size), 0, need[-1])
            bit += axis.leaves(offset)
        base, target = base * math.prod(layout.size[a + 1 :]), target * math.prod(layout.out[a + 1 :])
        found.append(np.stack([base, lacks, target, 0 * q], 1))
        needs.append(need)
    plane, line, place = found
    both = plane[:, None] + line
    both[..., 1] = plane[:, None, 1] | line[:, 1]
    return [both.reshape(-1, 4), place], needs


def _rows(layout: Layout, phase: Phase, needs: list[list[int]]) -> np.ndarray:
    """A row of (offset, need, weight) for each channel and tap."""
    channel = np.arange(layout.channels)
    row = np.stack([channel * math.prod(layout.size), 0 * channel, channel * layout.per_channel], 1)
    for a, axis in enumerate(phase):
        inner = math.prod(layout.size[a + 1 :]), 1, math.prod(layout.window[a + 1 :])
        tap = [(at * inner[0], need, j * inner[2]) for (j, at), need in zip(axis.taps, needs[a])]
        row = (row[:, None] + np.array(tap, "i8").reshape(1, -1, 3)).reshape(-1, 3)  # no bit is in two needs: + is |
    return np.concatenate([row, _unused(-len(row) % DEPTH)])


def _unused(n: int) -> np.ndarray:
    return np.tile(np.array([0, NEVER, -1]), (n, 1))
