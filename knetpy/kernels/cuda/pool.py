"""Pooling: launches of pool.cu, all in gather form: no two threads add to one element."""

from __future__ import annotations

import math

import numpy as np

from knetpy.devices import cupy
from knetpy.kernels.cuda.launch import C, Module, blocks_for, dense, empty, instances, widened
from knetpy.kernels.cuda.windows import window_of
from knetpy.kernels.reference import pool as reference

TAPS = {"B": "unsigned char", "i": "int"}  # C's name of the dtype of taps
_run = Module(
    "pool",
    [
        *instances("{k}<{T}, {tap}>", k=("maxpool", "pick", "spread"), T=("float", "double"), tap=list(TAPS.values())),
        *instances("positions<{tap}>", tap=list(TAPS.values())),
        *instances("{k}<{T}>", k=("meanpool", "meanpool_dx", "take", "put"), T=("float", "double")),
    ],
    "windows.h",
)


@widened
def largest(x, **how):
    """Launch as the reference computes."""
    return _maxima(x, how, False)[0]


@widened
def maxpool(x, **how):
    """Launch as the reference computes."""
    return _maxima(x, how, True)


def _maxima(x, how, wanted):
    (of, out), taps = window_of(x.shape[2:], **how), np.dtype(reference.tap_dtype(how["window"]))
    y = empty((*x.shape[:2], *out), x.dtype)
    best = empty(y.shape, taps) if wanted else None
    _each(f"maxpool<{C[x.dtype.char]}, {TAPS[taps.char]}>", y.size, dense(x), y, best, y.size, of)
    return y, best


@widened
def pick(x, best, **how):
    """Launch as the reference computes."""
    y, best = empty(best.shape, x.dtype), dense(best)
    kernel = f"pick<{C[x.dtype.char]}, {TAPS[best.dtype.char]}>"
    _each(kernel, y.size, dense(x), best, y, y.size, window_of(x.shape[2:], **how)[0])
    return y


def positions(best, *, size, **how):
    """Launch as the reference computes."""
    y, best = empty(best.shape, np.int64), dense(best)
    _each(f"positions<{TAPS[best.dtype.char]}>", y.size, best, y, y.size, window_of(tuple(size), **how)[0])
    return y


@widened
def spread(dy, best, *, size, **how):
    """Launch as the reference computes."""
    best = dense(best)
    kernel = f"spread<{C[dy.dtype.char]}, {TAPS[best.dtype.char]}>"
    return _back(kernel, dy, size, best, of=window_of(tuple(size), **how)[0])


@widened
def meanpool(x, *, counted, **how):
    """Launch as the reference computes."""
    of, out = window_of(x.shape[2:], **how, counted=counted)
    y = empty((*x.shape[:2], *out), x.dtype)
    _each(f"meanpool<{C[x.dtype.char]}>", y.size, dense(x), y, y.size, int(counted is not None), of)
    return y


@widened
def meanpool_dx(dy, *, size, counted, **how):
    """Launch as the reference computes."""
    of = window_of(tuple(size), **how, counted=counted)[0]
    return _back(f"meanpool_dx<{C[dy.dtype.char]}>", dy, size, flags=(int(counted is not None),), of=of)


@widened
def take(x, index):
    """Launch as the reference computes."""
    y, index = empty(index.shape, x.dtype), dense(index.astype(np.int64, copy=False))
    _each(f"take<{C[x.dtype.char]}>", y.size, dense(x), index, y, y.size, *[math.prod(a.shape[2:]) for a in (y, x)])
    return y


@widened
def put(dy, index, *, size):
    """Launch as the reference computes."""
    xp, planes = cupy(), dy.shape[0] * dy.shape[1]
    dx = xp.zeros((*dy.shape[:2], *size), dy.dtype)
    if dy.size:
        first = xp.arange(planes).reshape(planes, 1) * math.prod(size)
        keys = (index.reshape(planes, -1).astype(np.int64, copy=False) + first).reshape(-1)
        order = xp.argsort(keys, kind="stable")
        _each(f"put<{C[dy.dtype.char]}>", dy.size, dense(dy), keys[order], order, dx, dy.size)
    return dx


def _each(kernel, n, *given):
    """Launch with a thread for each of n, if there are any."""
    if n:
        _run(kernel, blocks_for(n, 256), 256, *given)


def _back(kernel, dy, size, *best, flags=(), of):
    """dx, of which a thread makes a pack."""
    dx = empty((*dy.shape[:2], *size), dy.dtype)
    tasks = dx.size // size[-1] * blocks_for(size[-1], 16 // dx.itemsize)
    _each(kernel, tasks, dense(dy), *best, dx, tasks, *flags, of)
    return dx
