"""Normalisation in long groups and in groups of several rows: launches of normlong.cu."""

from __future__ import annotations

from typing import Any

import numpy as np

from knetpy.kernels.cuda.launch import ROWS, SHORT, C, Module, blocks_for, empty, instances, tasks

WIDE = 1024  # columns of a block of `tile_sums`, as in normlong.cu
MANY = 1024  # blocks of it that keep a GPU busy: then each takes more rows, so that fewer sums are left
_run = Module(
    "normlong",
    [
        *instances("{k}<{T}, {team}>", k=("row_stats", "row_sums"), T=("float", "double"), team=(32, 256)),
        *instances(
            "{k}<{T}>",
            k=("column_stats", "column_sums", "tile_sums", "finish", "apply", "apply_dx"),
            T=("float", "double"),
        ),
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


def back(p, arrays, sums, eps, centred, relu):
    """Find the derivatives."""
    dy, y, x, mean, var, scale, bias, dx, dresidual = arrays
    T, eps, means = C[x.dtype.char], np.float64(eps), [empty(p.groups, x.dtype) for _ in range(2)]
    sum_up = (
        _columns if p.groups < p.rows and p.size < SHORT else _runs if p.groups < p.rows or p.run >= SHORT else _both
    )
    sum_up(p, T, arrays[:-2], dresidual, sums, means, eps, int(relu))
    if dresidual is not None:
        dy, y, relu = dresidual, None, False
    _run(f"apply_dx<{T}>", blocks_for(x.size, 256 * (16 // x.itemsize)), 256, dy, y, x, mean, var, scale, bias, *means,
         dx, x.size, *p.where, eps, int(centred), int(relu))  # fmt: skip


def _columns(p, T, given, dresidual, sums, means, eps, relu):
    """Of short rows of several images."""
    images, width = p.rows // p.groups, p.groups * p.size
    n = blocks_for(images, ROWS)
    partial = empty((2, n, width), np.float64)
    _run(f"column_sums<{T}>", blocks_for(width, 32) * n, 256, *given, dresidual, partial, images, width, p.size, n, eps,
         relu)  # fmt: skip
    _share(p, partial, given, sums, means, n, n, p.size)


def _runs(p, T, given, dresidual, sums, means, eps, relu):
    """Of neighbours that share a scale."""
    runs, scales = p.rows * p.per, p.period * p.per
    team, blocks, items = tasks(runs, p.run)
    partial = empty((2, runs, items), np.float64)
    _run(f"row_sums<{T}, {team}>", blocks, 256, *given, dresidual, partial, runs, p.run, items, p.groups, p.per, scales,
         eps, relu)  # fmt: skip
    n = runs // scales
    _share(p, partial, given, sums, means, n, n if p.groups < p.rows else 1, items)


def _share(p, partial, given, sums, means, n, over, items):
    """What scale, bias and groups get of sums over what shares a scale."""
    totals(partial, None, sums, n, p.period * p.per, items, 1, items, 1)
    totals(partial, given[5], means, over, p.groups, items * p.per, p.period, items, given[2].size // p.groups)


def _both(p, T, given, dresidual, sums, means, eps, relu):
    """Of long rows with a scale for each few elements, which are read once for groups and scales."""
    parts, count = blocks_for(p.size, WIDE), p.rows // p.period
    each = min(32, max(8, p.rows * parts // MANY))
    chunks = blocks_for(count, each)
    weighted = empty((2, p.rows, parts), np.float64)
    partial = None if sums[0] is None else empty((2, chunks, p.period * p.size), given[2].dtype)
    _run(f"tile_sums<{T}>", parts * p.period * chunks, 256, *given, dresidual, weighted, partial, count, each, p.size,
         parts, p.period, p.per, p.run, eps, relu)  # fmt: skip
    totals(weighted, None, means, 1, p.rows, parts, 1, parts, p.size)
    if partial is not None:
        totals(partial, None, sums, chunks, p.period * p.per, p.run, 1, p.run, 1)


def totals(partial, weights, found, n, columns, items, period, split, divisor):
    """Add partial sums (2, n, columns, items) up, as `gathered` of sums.h does."""
    if found[0] is not None:
        kernel = "totals<{}, {}>".format(*[C[a.dtype.char] for a in (partial, found[0])])
        _run(kernel, blocks_for(columns, 32), 256, partial, weights, *found, n, columns, items, period, split,
             np.float64(divisor))  # fmt: skip
