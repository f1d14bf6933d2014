"""Negative log likelihood: one pass over blocks of rows, as softmax goes over them.

A row's loss is cost + mass * log(sum of exponentials): `mass` is the sum of its shares, `cost` that of share times
minus the shifted score. A label that is out of range now, since somebody changed it after the op had looked, gives NaN.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from knetpy.kernels.cpu import floats, read
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.softmax import THREADED, load, new, place, plan, powers, scale, shift, store, tasks, total
from knetpy.kernels.reference import nll as reference

_NONE = {char: read(np.empty(0, char)) for char in "fd"}


@floats(reference.nll)
def nll(scores, labels, *, axis, weight=None, smoothing=0.0):
    """As the reference's."""
    rows = plan(scores.shape, scores.strides, axis)
    x, labels = rows.flat(scores), rows.flat(labels, np.int64)
    losses, p = new(labels.size, x.dtype), new(x.size, x.dtype)
    kernel = _nll if x.size >= THREADED else _nll.serial
    kernel(x, labels, *_shares(x.dtype, labels, rows, weight, smoothing), losses, p, *rows.sizes)
    return rows.shaped(losses, axis % scores.ndim), rows.shaped(p)


@floats(reference.nll_dx)
def nll_dx(dy, p, labels, *, axis, weight=None, smoothing=0.0):
    """As the reference's."""
    rows = plan(p.shape, p.strides, axis)
    p, labels = rows.flat(p), rows.flat(labels, np.int64)
    dx, dy = new(p.size, p.dtype), rows.flat(dy, p.dtype)
    kernel = _nll_dx if p.size >= THREADED else _nll_dx.serial
    kernel(p, dy, labels, *_shares(p.dtype, labels, rows, weight, smoothing), dx, *rows.sizes)
    return rows.shaped(dx)


def _shares(dtype, labels, rows, weight, smoothing):
    """The label's share in each row (nothing: 1), what each class has in every row (nothing: 0), the sum of that."""
    none = _NONE[dtype.char]
    if weight is None and not smoothing:
        return none, none, 0.0
    classes = rows.sizes[1]
    weight = np.ones(classes, dtype) if weight is None else weight
    own, each = (weight * (1 - smoothing))[labels], weight * (smoothing / classes)
    return read(own, dtype.type), read(each, dtype.type) if smoothing else none, float(each.sum())


@jit(parallel=True)
def _nll(x, labels, own, each, all_of_each, losses, p, outer, classes, inner, block):
    for task in prange(tasks(outer, inner, block)):
        first, start, count = place(task, outer, classes, inner, block)
        z, e = np.empty((count, classes), p.dtype), np.empty((count, classes), p.dtype)
        load(x[start:], z, inner)
        shift(z)
        for row in range(count):
            label, share = labels[first + row], own[first + row] if len(own) else p.dtype.type(1)
            losses[first + row] = _cost(z[row, label], share) if 0 <= label < classes else np.nan
            if len(each):
                losses[first + row] += _cost_of_each(z, row, each)
        powers(z, e)
        for row in range(count):
            mass = (own[first + row] if len(own) else p.dtype.type(1)) + p.dtype.type(all_of_each)
            whole = total(e, row)
            losses[first + row] += mass * np.log(whole)
            scale(e, row, 1 / whole)
        store(e, p[start:], inner)


@jit(parallel=True)
def _nll_dx(p, dy, labels, own, each, all_of_each, dx, outer, classes, inner, block):
    for task in prange(tasks(outer, inner, block)):
        first, start, count = place(task, outer, classes, inner, block)
        e = np.empty((count, classes), p.dtype)
        load(p[start:], e, inner)
        for row in range(count):
            label, up = labels[first + row], dy[first + row]
            if not 0 <= label < classes:
                label, up = 0, p.dtype.type(np.nan)
            share = own[first + row] if len(own) else p.dtype.type(1)
            scale(e, row, up * (share + p.dtype.type(all_of_each)))
            e[row, label] -= up * share
            if len(each):
                _take_each(e, row, up, each)
        store(e, dx[start:], inner)


@jit()
def _cost(z, share):
    return share if share == 0 and z == -np.inf else -share * z  # what has no share may be infinite


@jit()
def _cost_of_each(z, row, each):
    cost = z.dtype.type(0)
    for c in range(z.shape[1]):
        cost += _cost(z[row, c], each[c])
    return cost


@jit()
def _take_each(e, row, up, each):
    for c in range(e.shape[1]):
        e[row, c] -= up * each[c]
