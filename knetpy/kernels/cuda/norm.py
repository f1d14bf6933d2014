"""Normalisation: launches of norm.cu, for groups that are short rows; longer ones and several rows are normlong's."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from knetpy.kernels.cuda import normlong
from knetpy.kernels.cuda.launch import SHORT, C, Module, blocks_for, dense, empty, widened
from knetpy.kernels.reference import norm as reference
from knetpy.kernels.reference import reusing

# How many elements of a row so many threads may keep each: for the derivative in float64 registers suffice for fewer.
TEAMS = ((8, 32), (4, 256), (16, 256), (16, 512))
TEAMS_OF_DOUBLE = ((8, 32), (4, 256), (8, 256), (8, 512))
AGAIN = 32  # rows of each scale, at least, that a block adds up
_run = Module(
    "norm",
    [
        *[f"rows<{T}, {n}, {team}>" for T in ("float", "double") for n, team in TEAMS],
        *[f"rows_dx<float, {n}, {team}>" for n, team in TEAMS],
        *[f"rows_dx<double, {n}, {team}>" for n, team in TEAMS_OF_DOUBLE],
    ],
    "sums.h",
    "norm.h",
)  # fmt: skip


class Plan(NamedTuple):
    """How kernels see x: rows of `size` neighbours, as norm.h describes it."""

    order: tuple[int, ...]  # of the axes of x
    shape: tuple[int, ...]  # of x in that order
    rows: int
    size: int
    groups: int
    period: int
    per: int
    run: int

    @property
    def where(self) -> tuple[int, ...]:
        """What kernels take."""
        return self.size, self.groups, self.period, self.per, self.run

    def flat(self, x: Any, dtype: Any) -> Any:
        """The elements of an array with the axes of x, or None."""
        if x is None:
            return None
        return dense(x.astype(dtype, copy=False).transpose(self.order)).reshape(-1)

    def back(self, x: Any, shape: tuple[int, ...]) -> Any:
        """An array of that shape from its elements in the order of the plan."""
        inner = [shape[a] for a in self.order]
        return dense(x.reshape(inner).transpose(np.argsort(self.order).tolist()))


@lru_cache(maxsize=1024)
def plan(shape: tuple[int, ...], axes: tuple[int, ...], affine: tuple[int, ...] | None) -> Plan:
    """Rows, or rows of channels; axes of any other order are brought into that of rows."""
    reduced = {range(len(shape))[a] for a in axes}
    kinds = [(a in reduced, affine is not None and affine[a] != 1) for a in range(len(shape))]
    merged: list[list] = []
    for kind, n in zip(kinds, shape):
        if merged and merged[-1][0] == kind:
            merged[-1][1] *= n
        elif n != 1:
            merged.append([kind, n])
    if len(merged) in (2, 3) and [kind[0] for kind, _ in merged] == [True, False, True][: len(merged)]:
        inner = merged[2][1] if len(merged) == 3 else 1
        channels = merged[1][1]
        if not (merged[0][0][1] or merged[-1][0][1] and len(merged) == 3) and (affine is None or merged[1][0][1]):
            rows = merged[0][1] * channels
            return Plan(tuple(range(len(shape))), shape, rows, inner, channels, channels, 1, inner)
    rank = {(False, False): 0, (False, True): 1, (True, True): 2, (True, False): 3}
    order = tuple(sorted(range(len(shape)), key=lambda a: 0 if shape[a] == 1 else rank[kinds[a]]))
    others, period, per, run = [math.prod([n for n, k in zip(shape, kinds) if rank[k] == r]) for r in range(4)]
    rows = others * period
    return Plan(order, tuple([shape[a] for a in order]), rows, per * run, rows, period, per, run)


def _served(x: Any, scale: Any, bias: Any) -> bool:
    """Whether there are kernels: not for other dtypes, no elements, or (no caller has them) two affine shapes."""
    return x.dtype.char in "fd" and x.size > 0 and (scale is None or bias is None or scale.shape == bias.shape)


def _affine(scale: Any, bias: Any) -> tuple[int, ...] | None:
    """Their shape."""
    like = bias if scale is None else scale
    return None if like is None else like.shape


def _team(size: int, T: str, dx: str = "") -> tuple[int, int] | None:
    """(elements of each thread, threads) for a row of that size; None if it is too long."""
    teams = TEAMS_OF_DOUBLE if dx and T == "double" else TEAMS
    return next(((n, team) for n, team in teams if size <= n * team), None)


@widened
def norm(x, scale, bias, residual=None, *, axes, eps, centred=True, relu=False):
    """Launch as the reference computes."""
    if not _served(x, scale, bias):
        return reference.norm(x, scale, bias, residual, axes=axes, eps=eps, centred=centred, relu=relu)
    p, T = plan(x.shape, tuple(axes), _affine(scale, bias)), C[x.dtype.char]
    if residual is not None and residual.shape != x.shape:
        residual = np.broadcast_to(residual, x.shape)
    x_, scale, bias, residual = [p.flat(a, x.dtype) for a in (x, scale, bias, residual)]
    y, mean, var = empty(x_.shape, x.dtype), empty(p.groups, np.float64), empty(p.groups, np.float64)
    team = _team(p.size, T) if p.groups == p.rows else None
    if team:
        name, threads = "rows<{}, {}, {}>".format(T, *team), max(256, team[1])
        _run(name, blocks_for(p.rows, threads // team[1]), threads, x_, residual, scale, bias, y, mean, var, p.rows,
             p.size, p.period, p.per, p.run, np.float64(eps), int(centred), int(relu))  # fmt: skip
    else:
        normlong.statistics(p, x_, mean, var, centred)
        normlong.apply(p, x_, residual, scale, bias, y, mean, var, eps, relu)
    stats = tuple([1 if a in {range(x.ndim)[b] for b in axes} else n for a, n in enumerate(x.shape)])
    return p.back(y, x.shape), p.back(mean, stats), p.back(var, stats)


@widened
def fixed(x, scale, bias, mean, var, *, eps):
    """Launch as the reference computes."""
    if not _served(x, scale, bias) or mean.shape != var.shape or mean.ndim != x.ndim:
        return reference.fixed(x, scale, bias, mean, var, eps=eps)
    p = plan(x.shape, tuple([a for a, n in enumerate(mean.shape) if n == 1]), _affine(scale, bias))
    x_, scale, bias = [p.flat(a, x.dtype) for a in (x, scale, bias)]
    y = empty(x_.shape, x.dtype)
    normlong.apply(p, x_, None, scale, bias, y, *[p.flat(a, np.float64) for a in (mean, var)], eps, False)
    return p.back(y, x.shape)


@reusing
@widened
def norm_dx(dy, x, mean, var, scale, bias=None, y=None, *, axes, affine, eps, centred=True, relu=False):
    """Launch as the reference computes."""
    given = _affine(scale, bias)
    like = given if affine is None else tuple(affine)
    p = plan(x.shape, tuple(axes), like) if _served(x, scale, bias) and given in (None, like) else None
    if p is None:
        how = {"axes": axes, "affine": affine, "eps": eps, "centred": centred, "relu": relu}
        return reference.norm_dx(dy, x, mean, var, scale, bias, y, **how)
    dy_, x_, y_, scale, bias = [p.flat(a, x.dtype) for a in (dy, x, y if relu else None, scale, bias)]
    mean, var = [p.flat(a, np.float64) for a in (mean, var)]
    dx, dresidual = empty(x_.shape, x.dtype), None if y_ is None else empty(x_.shape, x.dtype)
    sums = [None if affine is None else empty(p.period * p.per, x.dtype) for _ in range(2)]
    arrays = dy_, y_, x_, mean, var, scale, bias, dx, dresidual
    team = _team(p.size, C[x.dtype.char], "_dx") if p.groups == p.rows and (like is None or p.run < SHORT) else None
    if team:
        _short_back(p, team, arrays, sums, eps, centred, relu)
    else:
        normlong.back(p, arrays, sums, eps, centred, relu)
    dscale, dbias = [None if a is None else p.back(a, tuple(affine)) for a in sums]
    passed = dy if dresidual is None else p.back(dresidual, x.shape)
    return p.back(dx, x.shape), dscale, dbias, None if y is None else passed


def _short_back(p, team, arrays, sums, eps, centred, relu):
    per_thread, size = team
    threads = max(256, size)
    T, rows = C[arrays[2].dtype.char], p.rows // p.period
    parts = min(blocks_for(rows, threads // size), max(1, rows // AGAIN))
    partial = None if sums[0] is None else empty((2, parts, p.period, p.size), arrays[2].dtype)
    _run(f"rows_dx<{T}, {per_thread}, {size}>", parts * p.period, threads, *arrays, partial, rows, p.size, p.period,
         p.per, p.run, np.float64(eps), int(centred), int(relu))  # fmt: skip
    if partial is not None:
        normlong.totals(partial, None, sums, parts, p.period * p.per, p.run, 1, p.run, 1)
