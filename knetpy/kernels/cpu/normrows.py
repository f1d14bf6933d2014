"""Normalisation where neighbours in memory belong to one group, which is so many pieces of so many neighbours.

sizes: (count, stride in x, stride in scale) of outer groups, inner groups, pieces and neighbours. A group is read again
while it is near. Its sums are those of x minus its first element: they lose nothing to a large mean.
"""

from __future__ import annotations

import numpy as np

from knetpy.kernels.cpu.codegen.vectors import call
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.normcode import BIAS, GAIN, HIGH, LOW, PRODUCT, SHIFT, SLOPE, TOTAL
from knetpy.kernels.cpu.normcolumns import CENTRED, GIVEN, THREADED, moments, slopes
from knetpy.kernels.cpu.threads import portion, threaded

TASKS, SHARE = 64, 1 << 12  # at most so many shares of the groups, of at least so many elements
ORIGIN, FACTOR = 8, 9  # what else is known of a group beside the numbers of `normcode`


def forward(*given):
    """Put the statistics, unless they are given, into mean and var, and the result into y."""
    (_rows if given[2].size >= THREADED else _rows.serial)(*given)


def backward(*given):
    """Put the derivative by x into dx, those by bias and scale into sums.

    These are of each piece, or with a scale for each neighbour, of as many parts of all groups as there is room for.
    """
    (_rows_dx if given[2].size >= THREADED else _rows_dx.serial)(*given)


@threaded
def _rows(rank, sums, result, x, more, scale, bias, y, mean, var, eps, mode, sizes):
    tasks = max(1, min(TASKS, x.size // SHARE, len(mean)))
    for task in portion(rank, tasks):
        first, stop = task * len(mean) // tasks, (task + 1) * len(mean) // tasks
        _forward(sums, result, x, more, scale, bias, y, mean, var, eps, mode, sizes, first, stop)


@threaded
def _rows_dx(rank, dx_sums, last, dy, x, y, scale, bias, mean, var, kept, dx, sums, eps, centred, sizes):
    tasks = sums.shape[1] if sizes[3, 2] else max(1, min(TASKS, x.size // SHARE, len(mean)))
    for task in portion(rank, tasks):
        first, stop = task * len(mean) // tasks, (task + 1) * len(mean) // tasks
        _backward(
            dx_sums, last, dy, x, y, scale, bias, mean, var, kept, dx, sums, eps, centred, sizes, task, first, stop
        )


# Below, addresses are asked for once, and functions are not given arrays, not even such as Numba takes into the loop:
# either costs atomic counts of references, up to as much as the work. So what is known of a group is put down in place.


@jit()
def _forward(sums, result, x, more, scale, bias, y, mean, var, eps, mode, sizes, first, stop):
    known, pieces, length, size = np.zeros(10), sizes[2, 0], sizes[3, 0], x.itemsize
    x_at, more_at, y_at, cell = x.ctypes.data, more.ctypes.data, y.ctypes.data, known.ctypes.data
    scale_at, bias_at = scale.ctypes.data, bias.ctypes.data
    inner, x_outer, x_inner, x_step = sizes[1, 0], sizes[0, 1], sizes[1, 1], sizes[2, 1]
    outer, inner_step, step, vector = sizes[0, 2], sizes[1, 2], sizes[2, 2], sizes[3, 2] > 0
    for g in range(first, stop):
        start, own = _place(g, inner, x_outer, x_inner), _place(g, inner, outer, inner_step)
        if mode != GIVEN:
            known[TOTAL] = known[PRODUCT] = 0.0
            known[ORIGIN] = x[start] if mode == CENTRED and np.isfinite(x[start]) else 0.0
            for p in range(pieces):
                at = x_at + (start + p * x_step) * size
                out = (cell + 8 * TOTAL, cell + 8 * PRODUCT)
                call(sums, (at, 0, 0, 0, length, length, cell + 8 * ORIGIN, 0, 0, *out))
            mean[g], var[g] = moments(known[ORIGIN], known[TOTAL], known[PRODUCT], pieces * length, mode)
        known[HIGH], known[FACTOR] = x.dtype.type(mean[g]), 1 / np.sqrt(var[g] + eps)
        known[LOW], known[GAIN] = mean[g] - known[HIGH], known[FACTOR]
        for p in range(pieces):
            at, there = (start + p * x_step) * size, own + p * step
            if not vector:
                known[GAIN], known[BIAS] = known[FACTOR] * scale[there], bias[there]
            beside = (scale_at + there * size, bias_at + there * size)
            call(result, (x_at + at, more_at + at, y_at + at, 0, length, length, cell, *beside, 0, 0))


@jit()
def _backward(dx_sums, last, dy, x, y, scale, bias, mean, var, kept, dx, sums, eps, centred, sizes, part, first, stop):
    known, pieces, length, size = np.zeros(10), sizes[2, 0], sizes[3, 0], x.itemsize
    dy_at, x_at, y_at, kept_at, dx_at = dy.ctypes.data, x.ctypes.data, y.ctypes.data, kept.ctypes.data, dx.ctypes.data
    scale_at, bias_at, sums_at, cell = scale.ctypes.data, bias.ctypes.data, sums.ctypes.data, known.ctypes.data
    inner, x_outer, x_inner, x_step = sizes[1, 0], sizes[0, 1], sizes[1, 1], sizes[2, 1]
    outer, inner_step, step, vector = sizes[0, 2], sizes[1, 2], sizes[2, 2], sizes[3, 2] > 0
    given_at = kept_at if kept.size else dy_at
    for g in range(first, stop):
        start, own = _place(g, inner, x_outer, x_inner), _place(g, inner, outer, inner_step)
        known[HIGH], known[FACTOR] = x.dtype.type(mean[g]), 1 / np.sqrt(var[g] + eps)
        known[LOW], known[GAIN] = mean[g] - known[HIGH], known[FACTOR]
        total = product = 0.0  # of scale * dy, and of scale * dy * (x - mean)
        for p in range(pieces):
            at, there = (start + p * x_step) * size, own + p * step
            if not vector:
                known[GAIN], known[BIAS] = known[FACTOR] * scale[there], bias[there]
            known[TOTAL] = known[PRODUCT] = 0.0
            out = sums_at + (part * sums.shape[2] + there) * 8 if vector else 0
            seen = (dy_at + at, x_at + at, y_at + at, kept_at + at, length, length, cell)
            beside = (scale_at + there * size, bias_at + there * size)
            call(dx_sums, (*seen, *beside, out, out + 8 * sums.shape[1] * sums.shape[2]))
            factor = 1.0
            if not vector:
                sums[0, g, p], sums[1, g, p] = known[TOTAL], known[PRODUCT] * known[FACTOR]
                factor = scale[there]
            total, product = total + factor * known[TOTAL], product + factor * known[PRODUCT]
        known[SLOPE], known[SHIFT] = slopes(total, product, known[FACTOR], pieces * length, centred)
        for p in range(pieces):
            at, there = (start + p * x_step) * size, own + p * step
            if not vector:
                known[GAIN], known[BIAS] = known[FACTOR] * scale[there], bias[there]
            beside = (scale_at + there * size, bias_at + there * size)
            call(last, (given_at + at, x_at + at, dx_at + at, 0, length, length, cell, *beside, 0, 0))


@jit(forceinline=True)
def _place(g, inner, outer_step, inner_step):
    """Where group number g begins."""
    return g // inner * outer_step + g % inner * inner_step
