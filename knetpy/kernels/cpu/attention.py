"""Attention on the tile: the arrays as the drivers of `attentiontile` take them, and how a problem is cut into tasks.

A task is a range of queries, or of keys in the derivative, of one product of the batch. Which tasks there are depends
on the problem alone, and so does every bit of the result.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from knetpy.kernels.cpu import Ints, floats
from knetpy.kernels.cpu.attentioncode import BIAS, DBIAS, MASK, divide, dots, slope, soften
from knetpy.kernels.cpu.attentiontile import GROUP, KEYS, QUERIES, Problem, attend, attend_dx
from knetpy.kernels.cpu.codegen.panels import address, copier
from knetpy.kernels.cpu.codegen.tile import WIDEST, Tiles, tiles
from knetpy.kernels.cpu.codegen.vectors import BITS, lanes
from knetpy.kernels.reference import attention as reference

new = np.empty  # tests poison what it returns
TASKS = 8  # at least, of no less than PART queries or keys each
PART = 256
THREADED = 1 << 18  # multiply-adds from which on threads share the work


@floats(reference.attention)
def attention(q, k, v, bias, *, mask, causal, scale):
    """As the reference's; the memory of y has the order of q's."""
    plan = _plan(q.shape, k.shape, v.shape, q.dtype.char, causal, BITS)
    if plan is None:
        return reference.attention(q, k, v, bias, mask=mask, causal=causal, scale=scale)
    q, k, v, bias, mask = _rows(q), _rows(k), _rows(v), _bias(bias, plan), _mask(mask, plan)
    y, (top, total) = _like(q, (*plan.lead, q.shape[-2], v.shape[-1])), new((2, *plan.lead, q.shape[-2], 1), q.dtype)
    places, strides = _places(plan.lead, (q, k, v, y, bias, mask, top, total))
    problem = _problem(plan.sizes, plan.parts[0], plan.vectors, causal, scale, _kind(bias, mask), False)
    (attend if plan.threaded else attend.serial)(places, strides, problem, *plan.tables)
    return y, top, total


@floats(reference.attention_dx)
def attention_dx(dy, y, q, k, v, bias, top, total, *, mask, causal, scale, learned=True):
    """As the reference's; the memory of dq, dk and dv has the order of q, k and v."""
    plan = _plan(q.shape, k.shape, v.shape, q.dtype.char, causal, BITS)
    if plan is None:
        given = (dy, y, q, k, v, bias, top, total)
        return reference.attention_dx(*given, mask=mask, causal=causal, scale=scale, learned=learned)
    shapes = [None if x is None else x.shape for x in (q, k, v, bias)]
    top, total = [np.ascontiguousarray(x) for x in (top, total)]
    dy, y, q, k, v = [_rows(x) for x in (dy, y, q, k, v)]
    bias, mask = _bias(bias, plan), _mask(mask, plan)
    dq, dk, dv = _side_by_side(q, k, v) or [_like(x, (*plan.lead, *x.shape[-2:])) for x in (q, k, v)]
    dbias = np.zeros(bias.shape, q.dtype) if learned and bias is not None else None
    parts = -(-k.shape[-2] // plan.parts[1])  # of the keys, each of which has a dq of its own
    dqs = dq[None] if parts == 1 else np.zeros((parts, *dq.shape), q.dtype)
    places, strides = _places(plan.lead, (q, k, v, y, bias, mask, top, total, dy, dqs[0], dk, dv, dbias))
    kind = _kind(bias, mask) + (0 if dbias is None else DBIAS)
    problem = _problem(plan.sizes, plan.parts[1], plan.vectors, causal, scale, kind, True)
    turns = _turns(places[:, -1], dbias is not None)
    kernel = attend_dx if plan.threaded else attend_dx.serial
    kernel(places, *turns, dqs.strides[0], strides, problem, *plan.tables)
    if parts > 1:
        np.add.reduce(dqs, axis=0, out=dq)
    return tuple([None if d is None else reference.summed(d, s) for d, s in zip((dq, dk, dv, dbias), shapes)])


# ----------------------------------------------------------------------------------------------- arrays


def _rows(x: np.ndarray) -> np.ndarray:
    """x with rows that are contiguous and aligned; a copy only if it has to be one."""
    fits = x.strides[-1] == x.itemsize and x.flags.aligned and x.dtype.isnative
    return x if fits else np.array(x, x.dtype.type, order="C")


def _like(x: np.ndarray, shape: Ints) -> np.ndarray:
    """A new array whose axes but the last lie in memory in the order of those of x, if it has as many."""
    if x.ndim < len(shape):
        return new(shape, x.dtype)
    order, back = _order(x.strides)
    return new(tuple([shape[axis] for axis in order]), x.dtype).transpose(back)


def _side_by_side(*xs: np.ndarray) -> list[np.ndarray] | None:
    """New arrays laid out as xs are, if those are parts of one projection: what was split need not be joined again."""
    first, second, third = map(address, xs)
    if len({(x.shape, x.strides) for x in xs}) > 1 or not 0 < second - first == third - second:
        return None
    layout = _parts(xs[0].shape, xs[0].strides, second - first)
    if layout is None:
        return None
    shape, around, back = layout
    memory = new(shape, xs[0].dtype)
    return [memory[(*around, n)].transpose(back) for n in range(len(xs))]


@lru_cache(maxsize=1024)
def _parts(shape: Ints, strides: Ints, step: int) -> tuple[Ints, tuple, list[int]] | None:
    """How three arrays `step` bytes apart lie in one: its shape, the axes before that of the parts, the way back."""
    order, back = _order(strides)
    for n in range(1, len(order)):
        inner = [(shape[axis], strides[axis]) for axis in order[n:]]
        dense = all(stride == below[0] * below[1] for (_, stride), below in zip(inner, inner[1:]))
        if dense and inner[0][0] * inner[0][1] == step and strides[order[n - 1]] == 3 * step:
            return (*[shape[axis] for axis in order[:n]], 3, *[size for size, _ in inner]), (slice(None),) * n, back
    return None


@lru_cache(maxsize=1024)
def _order(strides: Ints) -> tuple[list[int], list[int]]:
    """The axes in the order of memory, but the last one last, and how to undo it."""
    axes = range(len(strides))
    order = [*sorted(axes[:-1], key=lambda axis: -abs(strides[axis])), axes[-1]]
    return order, [order.index(axis) for axis in axes]


def _bias(bias: np.ndarray | None, plan: _Plan) -> np.ndarray | None:
    """(..., L or 1, S) with contiguous rows."""
    return None if bias is None else _rows(_stretched(bias, plan.sizes[1]))


def _mask(mask: np.ndarray | None, plan: _Plan) -> np.ndarray | None:
    """(..., L or 1, S); whole vectors may be read of each row."""
    if mask is None:
        return None
    mask, more = _stretched(mask, plan.sizes[1]), -plan.sizes[1] % plan.sizes[5]
    if not more:
        return _rows(mask)
    padded = np.zeros((*mask.shape[:-1], mask.shape[-1] + more), bool)  # np.pad's rows need not be contiguous
    padded[..., : mask.shape[-1]] = mask
    return padded[..., : mask.shape[-1]]


def _stretched(x: np.ndarray, columns: int) -> np.ndarray:
    x = x.reshape((1,) * (2 - x.ndim) + x.shape)
    return x if x.shape[-1] == columns else np.broadcast_to(x, (*x.shape[:-1], columns))


def _kind(bias: np.ndarray | None, mask: np.ndarray | None) -> int:
    return (0 if bias is None else BIAS) + (0 if mask is None else MASK)


def _places(lead: Ints, operands: tuple) -> tuple[np.ndarray, Ints]:
    """Where each operand begins in each product of the batch (products, operands), and its bytes from row to row.

    Both are 0 for None.
    """
    begin = np.array([0 if x is None else address(x) for x in operands])
    offsets, rows = _offsets(lead, tuple([None if x is None else (x.shape, x.strides) for x in operands]))
    return offsets + begin, rows


@lru_cache(maxsize=1024)
def _offsets(lead: Ints, layouts: tuple) -> tuple[np.ndarray, Ints]:
    """Bytes from the first matrix of each operand to that of each product of the batch, and those from row to row."""
    found = np.zeros((*lead, len(layouts)), np.int64)
    for n, (shape, strides) in [(n, layout) for n, layout in enumerate(layouts) if layout]:
        for axis, (size, stride) in enumerate(zip(shape[-3::-1], strides[-3::-1])):
            if size > 1:
                found[..., n] += (np.arange(size) * stride).reshape(-1, *[1] * axis)
    rows = [0 if layout is None or layout[0][-2] == 1 else layout[1][-2] for layout in layouts]
    return found.reshape(-1, len(layouts)), tuple(rows)


def _turns(dbias: np.ndarray, learned: bool) -> tuple[np.ndarray, np.ndarray]:
    """The products of the batch in turns, and where each turn begins and the last ends.

    Those that add to the same dbias are of one turn, which one thread does in order.
    """
    if not learned:
        every = np.arange(len(dbias) + 1)
        return every, every
    order = np.argsort(dbias, kind="stable")
    new_one = np.diff(dbias[order], prepend=-1, append=-1) != 0
    return order, np.flatnonzero(new_one)


# ------------------------------------------------------------------------------------------------- plan


class _Plan(NamedTuple):
    """What is the same for all problems of the same shapes."""

    lead: Ints  # the leading axes of y
    sizes: Ints  # the first eight of Problem
    parts: Ints  # queries of a task; keys of one of the derivative
    vectors: tuple  # what routines are made for: the dtype and the bits of a vector
    threaded: bool
    tables: tuple  # steps and codes of tiles


@lru_cache(maxsize=1024)
def _plan(q: Ints, k: Ints, v: Ints, dtype: str, causal: bool, bits: int) -> _Plan | None:
    """The plan, or None: the reference is to do it."""
    lead = np.broadcast_shapes(q[:-2], k[:-2], v[:-2])
    (L, D), (S, E), products, size = q[-2:], v[-2:], math.prod(lead), np.dtype(dtype).itemsize
    if not products * L * S * D * E:
        return None
    lane, block, table = lanes(dtype, bits), KEYS // size, tiles(WIDEST, dtype, bits)
    _provide(table, (L, S, D, E), block, causal)
    parts, threaded = (_part(L, products, QUERIES), _part(S, products, block)), products * L * S * (D + E) >= THREADED
    return _Plan(
        lead, (L, S, D, E, size, lane, WIDEST * lane, block), parts, (dtype, bits), threaded, (table.steps, table.codes)
    )


@lru_cache(maxsize=1024)
def _problem(sizes: Ints, part: int, vectors: tuple, causal: bool, scale: float, kind: int, back: bool) -> Problem:
    """What drivers are told: those of the derivative if `back`. kind: of the rows of scores."""
    routines = {"flips": copier("flip", *vectors)}
    if back:
        routines |= {"slopes": slope(kind, *vectors), "dots": dots(*vectors)}
    else:
        routines |= {"softens": soften(kind, *vectors), "divides": divide(*vectors)}
    numbers = *sizes, part, int(causal), int(np.float64(scale).view(np.int64))
    return Problem(*numbers, **routines)


def _part(size: int, products: int, block: int) -> int:
    parts = max(1, min(-(-TASKS // products), size // PART))
    return -(-size // (parts * block)) * block


def _provide(table: Tiles, sizes: Ints, block: int, causal: bool) -> None:
    """Have the tiles compiled that blocks of these sizes need."""
    L, S, D, E = sizes
    heights = _pieces(L, QUERIES) | _pieces(S, block)
    widths = _pieces(S, block)
    if causal:
        heights |= _pieces(L, GROUP) | _pieces(S, GROUP)
        widths |= set(range(GROUP, min(S, block), GROUP))
    table.provide_all(heights, {D, E, *widths})


def _pieces(size: int, most: int) -> set[int]:
    """The sizes of the pieces that `size` is cut into, of `most` but for the last."""
    return {min(size, most), size % most} - {0}
