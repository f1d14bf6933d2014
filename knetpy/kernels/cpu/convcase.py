"""What a convolution or its input gradient is to the tile: places, taps and phases; and which way suits it best.

The input gradient takes the pixels of dx in phases: those that lie as far from the last multiple of the stride meet the
same taps, so that each phase is a convolution of dy of stride 1 with those taps in reverse.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from knetpy.kernels.cpu import Threes, convtile, convwinograd, threes
from knetpy.kernels.cpu.codegen.vectors import lanes
from knetpy.kernels.cpu.convnarrow import Line, Spreading, together
from knetpy.kernels.cpu.convplan import Axis, Phase, Problem, cut
from knetpy.kernels.cpu.convweights import Packing, Reading


class How(NamedTuple):
    """How problems of one geometry are computed."""

    like: np.ndarray  # of the shape of the result, and its channels last in memory, but with no memory of its own
    last: tuple[int, ...]  # the order of axes that puts channels last
    convolve: Any = None  # a function of the plan and addresses; None if the result has no elements
    plan: Any = None
    packing: Any = None  # Packing or Spreading
    pixels: int = 1  # of a row of the product


@lru_cache(maxsize=256)
def forward(x_shape, w_shape, stride, padding, dilation, groups, dtype, bits, exact=False) -> How:
    """How to compute conv, where every place of y meets all taps; exact: term by term, with no others."""
    window, (filters, depth) = threes(w_shape[2:], 1), w_shape[:2]
    steps = threes(stride, 1), threes(dilation, 1), *(threes(ends, 0) for ends in zip(*padding))
    axes = []
    for s, k, t, d, b, a in zip(threes(x_shape[2:], 1), window, *steps):
        axes.append(Axis((b + s + a - d * (k - 1) - 1) // t + 1, k, t, d, b))
    out = threes((x.places for x in axes), 1)
    case = _Case(x_shape, out, window, groups, depth, filters // groups, False, dtype, bits)
    w = axes[2]

    def line(q: int) -> Line:
        meets = [[(k, j * w.stride + k * w.dilation - w.before) for k in range(w.taps)] for j in range(q)]
        return Line(q, w.places, q * w.stride, meets)

    return case.how([[(axis, range(axis.taps))] for axis in axes], line, 1, exact)


@lru_cache(maxsize=256)
def backward(dy_shape, w_shape, dx_size, stride, padding, dilation, groups, dtype, bits, exact=False) -> How:
    """How to compute conv_dx, phase by phase along each axis; exact: term by term, with no others."""
    window, (filters, depth), out = threes(w_shape[2:], 1), w_shape[:2], threes(dx_size, 1)
    before, _ = (threes(ends, 0) for ends in zip(*padding))
    each = [_phases(*axis) for axis in zip(window, out, threes(stride, 1), before, threes(dilation, 1))]
    case = _Case(dy_shape, out, window, groups, filters // groups, depth, True, dtype, bits)
    _, _, step = threes(stride, 1)
    *_, apart = threes(dilation, 1)

    def line(q: int) -> Line:
        reads = [[(k, j + before[2] - k * apart) for k in range(window[2])] for j in range(q)]
        meets = [[(k, at // step) for k, at in pixel if at % step == 0] for pixel in reads]
        return Line(q, out[2], q // step, meets)

    return case.how(each, line, step, exact)


def _phases(window: int, size: int, stride: int, before: int, dilation: int) -> list[tuple[Axis, list[int]]]:
    """The phases of an axis of dx, and the taps of the window that each meets: every tap has its phase."""
    found = []
    for first in sorted({*range(min(stride, size)), *[(k * dilation - before) % stride for k in range(window)]}):
        taps = [k for k in range(window) if (first + before - k * dilation) % stride == 0][::-1]
        apart = (taps[0] - taps[1]) * dilation // stride if len(taps) > 1 else 1
        start = (taps[0] * dilation - first - before) // stride if taps else 0
        found.append((Axis(len(range(first, size, stride)), len(taps), 1, apart, start, first, stride), taps))
    return found


class _Case(NamedTuple):
    """A convolution or the transpose of one: what is read has `depth` channels in a group, the result `columns`."""

    shape: tuple[int, ...]  # of what is read, (N, C, *S)
    out: Threes
    window: Threes
    groups: int
    depth: int
    columns: int
    transposed: bool  # whether w is (groups * depth, columns, *window) and not (groups * columns, depth, *window)
    dtype: str
    bits: int

    def how(self, each: list, line: Callable[[int], Line], step: int, exact: bool) -> How:
        """The best way. each: for each axis its phases and the taps of w that they meet; line, step: see _narrow."""
        axes = len(self.shape)
        shape = (self.shape[0], *self.out[5 - axes :], self.groups * self.columns)
        strides = np.cumprod((1, *shape[:0:-1]))[::-1] * np.dtype(self.dtype).itemsize
        np.empty(shape, self.dtype)  # raises where there is no memory for it, which to plan for would take long
        like = as_strided(np.empty(1, self.dtype), shape, strides, writeable=False)
        how = How(like.transpose(0, axes - 1, *range(1, axes - 1)), (0, *range(2, axes), 1))
        if 0 in shape:
            return how
        problem, weights = self._plain(each)
        kind = self.dtype, self.bits
        if problem.channelwise:
            how = how._replace(convolve=convtile.convolve, plan=convtile.plan(problem, *kind))
            return how._replace(packing=Spreading(self._square(each, lanes(*kind)), 1, *kind))
        best = cut(problem, *kind)
        if not exact and convwinograd.suits(problem, self.dtype):
            how = how._replace(convolve=convwinograd.convolve, plan=convwinograd.plan(problem, best.vectors, *kind))
            return how._replace(packing=Packing(weights, best.vectors, *kind))
        narrow = None if exact or self.groups > 1 else self._narrow(each[:2], line, step, best.cost)
        if narrow is None:
            how = how._replace(convolve=convtile.convolve, plan=convtile.plan(problem, *kind))
            return how._replace(packing=Packing(weights, best.vectors, *kind))
        problem, pixels, index = narrow
        how = how._replace(convolve=convtile.convolve, plan=convtile.plan(problem, *kind), pixels=pixels)
        return how._replace(packing=Spreading(index, how.plan.vectors, *kind))

    def _plain(self, each: list) -> tuple[Problem, Reading]:
        """Pixel by pixel: the problem, and how w is read."""
        several = self.groups > 1 and self.depth <= lanes(self.dtype, self.bits) // 2
        square = self.depth if several and self.depth == self.columns else 0
        groups, depth, columns = (1, 1, self.groups * self.depth) if square else self[3:6]
        rows_of, phases, row, size = np.zeros(self.window, np.int64), [], 0, math.prod(self.window)
        for chosen in product(*each):
            axes, taps = zip(*chosen)
            counts = [len(t) for t in taps]
            rows_of[np.ix_(*taps)] = row + np.arange(math.prod(counts)).reshape(counts) * depth
            phases.append(Phase(axes, row, columns))
            row += math.prod(counts) * depth
        problem, rows, outer = self._problem(phases, row, groups, depth, columns, square), rows_of.reshape(-1), depth
        strides = (depth * columns * size, size, columns * size)  # of w as (depth, columns, taps)
        if not self.transposed:  # (columns, depth, taps)
            outer, rows = 1, (rows + np.arange(depth)[:, None]).reshape(-1)
            strides = (depth * columns * size, depth * size, 0)
        return problem, Reading(groups, columns, row, outer, rows, strides)

    def _square(self, each: list, lane: int) -> np.ndarray:
        """The number of the element of w at each place of the panels of square groups, or -1: see convtile._Square."""
        d, width = self.depth, lane // self.depth * self.depth
        w = np.arange(self.groups * d * d * math.prod(self.window)).reshape(self.groups, d, d, *self.window)
        w = w if self.transposed else w.swapaxes(1, 2)  # group, channel read, channel written
        i, q = np.ogrid[:d, :d]
        w = w[:, q, (q + i) % d].transpose(3, 4, 5, 1, 0, 2)
        taps = [[t for _, t in chosen] for chosen in product(*each)]
        rows = np.concatenate([w[np.ix_(*t)].reshape(-1, self.groups * d) for t in taps])
        found = np.full((len(rows), -(-self.groups * d // width), lane), -1)
        for j, panel in enumerate(found.swapaxes(0, 1)):
            part = rows[:, j * width : (j + 1) * width]
            panel[:, : part.shape[1]] = part
        return found.reshape(len(rows), -1)

    def _narrow(self, planes: list, line: Callable[[int], Line], step: int, least: float) -> tuple | None:
        """Several pixels at once, if that costs less: the problem, how many pixels, the elements of w in the panels.

        planes: the phases of the other axes; line: makes the axis for a number of pixels, a multiple of `step`.
        """
        best = None
        for q in together(self.columns, step, self.window[2], self.out[2], self.dtype, self.bits):
            along = line(q)
            phases, row = [], 0
            for chosen in product(*planes):
                axes, taps = zip(*chosen)
                phases += [Phase((*axes, axis), row, pixels * self.columns) for axis, pixels in along.phases()]
                row += len(taps[0]) * len(taps[1]) * along.terms * self.depth
            problem = self._problem(phases, row, 1, self.depth, q * self.columns)
            cost = cut(problem, self.dtype, self.bits).cost
            if cost < least:
                best, least = (problem, q, self._index(planes, along.taps)), cost
        return best

    def _index(self, planes: list, line: np.ndarray) -> np.ndarray:
        """The number of the element of w at each place of the panels, or -1."""
        kinds = (self.depth, self.columns) if self.transposed else (self.columns, self.depth)
        w = np.arange(math.prod(kinds + self.window)).reshape(*kinds, *self.window)
        w = w.transpose(2, 3, 4, 0, 1) if self.transposed else w.transpose(2, 3, 4, 1, 0)
        rows = []
        for (_, d), (_, h) in product(*planes):
            found = np.where(line[..., None, None] >= 0, w[np.ix_(d, h)][:, :, line], -1)
            rows.append(found.swapaxes(3, 4).reshape(-1, line.shape[1] * self.columns))
        return np.concatenate(rows)

    def _problem(self, phases: list, rows: int, groups: int, depth: int, columns: int, square: int = 0) -> Problem:
        size, item = threes(self.shape[2:], 1), np.dtype(self.dtype).itemsize
        pixel = self.shape[1] * item
        strides = (math.prod(size) * pixel, size[1] * size[2] * pixel, size[2] * pixel, pixel, item)
        used = tuple([phase for phase in phases if min(axis.places for axis in phase.axes)])
        what = (groups, depth, columns, rows, square, used)
        return Problem(self.shape[0], size, strides, self.out, self.groups * self.columns, *what)
