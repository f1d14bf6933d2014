"""Negative log likelihood on top of the passes of softmax.

A row's loss is the sum of its shares times log(sum of exponentials), and for each share its `_cost`: minus the share
times the shifted score. A label that is out of range now, since somebody changed it after the op had looked, gives NaN.
"""

from __future__ import annotations

import numpy as np

from knetpy.kernels.cpu import floats, read
from knetpy.kernels.cpu.codegen.vecmath import zero
from knetpy.kernels.cpu.codegen.vectors import call
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.softmax import THREADED, new, place, plan, tasks
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import nll as reference

_NONE = {char: read(np.empty(0, char)) for char in "fd"}


@floats(reference.nll)
def nll(scores, labels, *, axis, weight=None, smoothing=0.0):
    """As the reference's."""
    rows = plan(scores.shape, scores.strides, axis)
    x, labels = rows.flat(scores), rows.flat(labels, np.int64)
    losses, tops, p = new(labels.size, x.dtype), new(labels.size, x.dtype), new(x.size, x.dtype)
    kernel = _nll if x.size >= THREADED else _nll.serial
    shares = _shares(x.dtype, labels, rows, weight, smoothing)
    kernel(rows.code("nll", x), x, labels, *shares, losses, tops, p, *rows.sizes)
    return rows.shaped(losses, axis % scores.ndim), rows.shaped(p)


@floats(reference.nll_dx)
def nll_dx(dy, p, labels, *, axis, weight=None, smoothing=0.0):
    """As the reference's; dy of size 1 is that of all losses."""
    rows = plan(p.shape, p.strides, axis)
    p, labels = rows.flat(p), rows.flat(labels, np.int64)
    dx, dy, factors = new(p.size, p.dtype), rows.flat(dy, p.dtype.type), new(labels.size, p.dtype)
    kernel = _nll_dx if p.size >= THREADED else _nll_dx.serial
    shares = _shares(p.dtype, labels, rows, weight, smoothing)
    kernel(rows.code("scale", p), p, dy, labels, *shares, factors, dx, *rows.sizes)
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


@threaded
def _nll(rank, code, x, labels, own, each, all_of_each, losses, tops, p, outer, classes, inner, block):
    for task in portion(rank, tasks(outer, inner, block)):
        first, start, count = place(task, outer, classes, inner, block)
        apart, at, end = classes if inner == 1 else 1, start * x.itemsize, first * x.itemsize
        ends = losses.ctypes.data + end, tops.ctypes.data + end
        call(code, (x.ctypes.data + at, 0, p.ctypes.data + at, *ends, count, classes, inner))
        for row in range(count):
            n, label, here, loss = first + row, labels[first + row], start + row * apart, x.dtype.type(0)
            share = own[n] if len(own) else x.dtype.type(1)
            if 0 <= label < classes:
                loss = _cost(x[here + label * inner], tops[n], share)
            else:
                loss = x.dtype.type(np.nan)
            for c in range(len(each)):
                loss += _cost(x[here + c * inner], tops[n], each[c])
            losses[n] = losses[n] * (share + x.dtype.type(all_of_each)) + loss


@threaded
def _nll_dx(rank, code, p, dy, labels, own, each, all_of_each, factors, dx, outer, classes, inner, block):
    step = int(len(dy) > 1)
    for task in portion(rank, tasks(outer, inner, block)):
        first, start, count = place(task, outer, classes, inner, block)
        apart, at = classes if inner == 1 else 1, start * p.itemsize
        for n in range(first, first + count):
            share = own[n] if len(own) else p.dtype.type(1)
            known = 0 <= labels[n] < classes
            factors[n] = dy[n * step] * (share + p.dtype.type(all_of_each)) if known else p.dtype.type(np.nan)
        ends = factors.ctypes.data + first * p.itemsize
        call(code, (p.ctypes.data + at, 0, dx.ctypes.data + at, ends, 0, count, classes, inner))
        for row in range(count):
            n, label, here = first + row, labels[first + row], start + row * apart
            if dy[n * step] == 0:  # of a place that does not count p may be NaN
                for c in range(classes):
                    dx[here + c * inner] = 0
                continue
            if 0 <= label < classes:
                dx[here + label * inner] -= dy[n * step] * (own[n] if len(own) else p.dtype.type(1))
            for c in range(len(each)):
                dx[here + c * inner] -= dy[n * step] * each[c]


@jit(forceinline=True)
def _cost(x, top, share):
    z = zero(x) if x == top else x - top
    return share if share == 0 and z == -np.inf else -share * z  # what has no share may be infinite
