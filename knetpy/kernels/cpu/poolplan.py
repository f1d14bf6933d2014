"""Which elements a window meets: for each place of the result along an axis, where they begin and how many they are.

Forward, a place of y meets elements of x; back, a place of x meets those of y under whose window it lies. Either way
these are as far apart everywhere, and so are the taps of the window (numbered in row-major order) that meet them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from knetpy.kernels.cpu import Ints, Threes, threes
from knetpy.kernels.cpu.poolcode import code
from knetpy.kernels.reference import places
from knetpy.kernels.reference.pool import tap_dtype

CHUNK = 1 << 14  # elements of operand or result, whichever has more, that a thread takes at a time
THREADED = 1 << 17  # elements from which on threads share the work
LONG = 1 << 13  # elements along an axis for which tables are too large to be kept
UNROLLED = 16  # elements under a window that code goes through without loops, at most


class Window(NamedTuple):
    """In three spatial axes: the sizes of x and y, and how the window moves."""

    x: Threes
    y: Threes
    window: Threes
    stride: Threes
    before: Threes
    dilation: Threes


class Plan(NamedTuple):
    """What a launch needs: a routine and its table, how the operand lies in memory, the shape of the result."""

    entry: int
    table: np.ndarray
    rows: int  # of the result
    chunk: int  # rows that a thread takes at a time
    threads: bool  # whether it is worth while to have them
    source: Ints  # the strides of the operand as kernels take it
    dtype: type
    shape: Ints  # of the result, its channels last
    order: Ints  # of its axes, that the channels come second
    divisor: np.ndarray | None  # of y or of dy, if it is not the same at all places of y


def plan_of(kind, dtype, shape, *how) -> Plan:
    """The plan for an operand of this shape; `how` holds what `_plan` asks for besides."""
    return (_plan if max(shape) < LONG else _plan.__wrapped__)(kind, dtype, shape, *how)


@lru_cache(maxsize=256)
def _plan(kind, dtype, shape, window, stride, padding, dilation, back=None, counted=None):
    """For x of this shape, or for y if it goes `back` to x of that spatial size.

    kind, dtype: as for `code`. counted: of "mean", the padding that counts; None if only sums are wanted.
    """
    n, c, *spatial = shape
    w = _window_of(spatial if back is None else back, window, stride, padding, dilation)
    divisor = _divisor(w, counted)
    one = divisor.item() if divisor.size == 1 else 0  # of all places
    if kind == "mean":
        exact = math.frexp(one)[0] == 0.5  # a power of two
        kind = "sum" if one < 2 else "scaled" if exact or back is not None else "mean"
    result, axes = w.y if back is None else w.x, len(spatial)
    np.empty((n, *result, c), dtype)  # raises if there is too little memory for it, before a table takes more
    table, met = _table(w, c, back is not None, one)
    elements = c * max(math.prod(w.x), math.prod(w.y))
    rows = n * result[0] * result[1] if c else 0
    strides = np.dtype(dtype).itemsize * np.cumprod([1, c, *spatial[::-1]])[::-1]
    order = (0, axes + 1, *range(1, axes + 1))
    return Plan(
        code(kind, dtype, np.dtype(tap_dtype(window)).itemsize, met),
        table,
        rows,
        max(1, rows * CHUNK // max(1, n * elements)),
        n * elements >= THREADED,
        tuple([int(strides[i]) for i in order]),
        np.dtype(dtype).type,
        (n, *result[3 - axes :], c),
        order,
        None if one else divisor.astype(dtype),
    )


def _window_of(size, window, stride, padding, dilation):
    x, k, t, d = threes(size, 1), threes(window, 1), threes(stride, 1), threes(dilation, 1)
    before, after = (threes(ends, 0) for ends in zip(*padding))
    y = places([sum(padded) for padded in zip(before, x, after)], k, t, d)
    return Window(x, y, k, t, before, d)


def _table(w, channels, back, divisor):
    """The numbers that a routine reads, and how many elements are met along each axis if as many everywhere, else 0."""
    source, result = (w.y, w.x) if back else (w.x, w.y)
    numbers, entries, met, pitch, tap = [channels, math.prod(source) * channels, divisor], [], [], channels, 1
    for axis in (2, 1, 0):
        first, taps, counts, step, tap_step = (_met_back if back else _met)(*[of[axis] for of in w])
        numbers += [result[axis], step * pitch, tap_step * tap, 3 * sum(map(len, entries))]
        entries.append(np.stack([first * pitch, taps * tap, counts], 1))
        met.insert(0, int(counts[0]) if (counts == counts[0]).all() else 0)
        pitch, tap = pitch * source[axis], tap * w.window[axis]
    table = np.concatenate([numbers, *map(np.ravel, entries)]).astype(np.int64)
    return table, tuple(met) if 0 < math.prod(met) <= UNROLLED else (0, 0, 0)


def _divisor(w, counted):
    """The divisors of means: of each place of y how many elements of x lie under it, or of its padding as `counted`."""
    if counted is None:
        return np.ones(1, int)
    total = np.array(1)
    for *along, before, after in zip(*w, *(threes(ends, 0) for ends in zip(*counted))):
        x, y, window, stride, pad, dilation = along
        counts = _met(x + before + after, y, window, stride, pad - before, dilation)[2]
        total = np.multiply.outer(total, counts)
    return total.flat[:1] if (total == total.flat[0]).all() else total.reshape(w.y[3 - len(counted) :])


def _met(x, y, window, stride, before, dilation):
    """Of each place of y along an axis: the first element of x and its tap, how many are met; their distances."""
    start = np.arange(y) * stride - before
    first = -(np.minimum(start, 0) // dilation)
    last = np.minimum((x - 1 - start) // dilation, window - 1)
    return start + first * dilation, first, last - first + 1, dilation, 1


def _met_back(x, y, window, stride, before, dilation):
    """Of each place of x: elements of y lie o * stride + tap * dilation = place + before away."""
    common = math.gcd(stride, dilation)
    step = stride // common  # from tap to tap
    reach = np.arange(x) + before
    least = np.maximum(-((stride * (y - 1) - reach) // dilation), 0)
    first = reach // common * pow(dilation // common, -1, step) % step  # of the taps that meet y, by their remainder
    first = least + (first - least) % step
    counts = np.maximum((np.minimum(reach // dilation, window - 1) - first) // step + 1, 0)
    counts = np.where(reach % common == 0, counts, 0)
    return (reach - first * dilation) // stride, first, counts, -(dilation // common), step
