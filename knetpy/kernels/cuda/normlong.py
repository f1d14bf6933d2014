"""Normalisation in long groups and in groups of several rows: launches of normlong.cu."""

from __future__ import annotations

from typing import Any

import numpy as np

from knetpy.kernels.cuda.launch import ROWS, SHORT, C, Module, blocks_for, empty, instances, tasks

_run = Module(
    "normlong",
    [
        *instances("{k}<{T}, {team}>", k=("row_stats", "row_sums"), T=("float", "double"), team=(32, 256)),
        *instances("{k}<{T}>", k=("column_stats", "column_sums", "finish", "apply", "apply_dx"), T=("float", "double")),
        *["totals<double, float>", "totals<double, double>", "totals<float, float>"],
    ],
    "sums.h",
    "norm.h",
)


def statistics(p: Any, x: Any, mean: Any, var: Any, centred: bool) -> None:
    """Find the mean and the variance of groups."""
    T, images = C[x.dtype.char], p.rows // p.groups
    if p.size < SHORT:
        n, items = blocks_for(images, ROWS), p.size
        sums, width = empty((2, n, p.groups * p.size), np.float64), p.groups * p.size
        _run(f"column_stats<{T}>", blocks_for(width, 32) * n, 256, x, sums, images, width, p.size, n, int(centred))
    else:
        n, (kernel, blocks, items) = images, tasks(p.rows, p.size)
        sums = empty((2, p.rows, items), np.float64)
        _run(f"row_stats<{T}, {kernel}>", blocks, 256, x, sums, p.rows, p.size, p.groups, items, int(centred))
    count = np.float64(x.size // p.groups)
    _run(f"finish<{T}>", blocks_for(p.groups, 32), 256, sums, x, mean, var, n, p.groups, items, p.size, count,
         int(centred))  # fmt: skip


def apply(p, x, residual, scale, bias, y, mean, var, eps, relu):
    """Normalise by given statistics."""
    each = 256 * (16 // x.itemsize)
    _run(f"apply<{C[x.dtype.char]}>", blocks_for(x.size, each), 256, x, residual, scale, bias, y, mean, var, x.size,
         *p.where, np.float64(eps), int(relu))  # fmt: skip


def back(p, _, arrays, sums, eps, centred, relu):
    """Find the derivatives."""
    dy, y, x, mean, var, scale, bias, dx, dresidual = arrays
    T, images, eps = C[x.dtype.char], p.rows // p.groups, np.float64(eps)
    scales = p.period * p.per
    if p.groups < p.rows and p.size < SHORT:
        n, items, width = blocks_for(images, ROWS), p.size, p.groups * p.size
        partial = empty((2, n, width), np.float64)
        _run(f"column_sums<{T}>", blocks_for(width, 32) * n, 256, dy, y, x, mean, var, scale, bias, dresidual, partial,
             images, width, p.size, n, eps, int(relu))  # fmt: skip
    else:
        runs = p.rows * p.per
        n, (kernel, blocks, items) = runs // scales, tasks(runs, p.run)
        partial = empty((2, runs, items), np.float64)
        _run(f"row_sums<{T}, {kernel}>", blocks, 256, dy, y, x, mean, var, scale, bias, dresidual, partial, runs, p.run,
             items, p.groups, p.per, scales, eps, int(relu))  # fmt: skip
    totals(partial, None, sums, n, scales, items, 1, items, 1)
    means = [empty(p.groups, x.dtype) for _ in range(2)]
    over = n if p.groups < p.rows else 1
    totals(partial, scale, means, over, p.groups, items * p.per, p.period, items, x.size // p.groups)
    if dresidual is not None:
        dy, y, relu = dresidual, None, False
    _run(f"apply_dx<{T}>", blocks_for(x.size, 256 * (16 // x.itemsize)), 256, dy, y, x, mean, var, scale, bias, *means,
         dx, x.size, *p.where, eps, int(centred), int(relu))  # fmt: skip


def totals(partial, weights, found, n, columns, items, period, split, divisor):
    """Add partial sums (2, n, columns, items) up, as `gathered` of sums.h does."""
    if found[0] is not None:
        kernel = "totals<{}, {}>".format(*[C[a.dtype.char] for a in (partial, found[0])])
        _run(kernel, blocks_for(columns, 32), 256, partial, weights, *found, n, columns, items, period, split,
             np.float64(divisor))  # fmt: skip
