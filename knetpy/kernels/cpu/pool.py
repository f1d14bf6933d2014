"""Pooling. Kernels go over the places of their result, row by row; the channels lie last in memory."""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.cpu import channels_last, channels_second, floats, threes
from knetpy.kernels.cpu.codegen.panels import address_at, place
from knetpy.kernels.cpu.codegen.vectors import call
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.poolplan import THREADED, Plan, plan_of
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import pool as reference

new = np.empty  # tests poison what it returns
BLOCK = 32  # channels that a thread takes at a time where elements are found by index


# ------------------------------------------------------------------------------------------ under windows


@floats(reference.largest)
def largest(x, *, window, stride, padding, dilation):
    """As the reference's, but the channels of y lie last in memory."""
    plan = plan_of("max", x.dtype.char, x.shape, window, stride, padding, dilation)
    return _launch(plan, x)


@floats(reference.maxpool)
def maxpool(x, *, window, stride, padding, dilation):
    """As the reference's, but the channels of both results lie last in memory."""
    plan = plan_of("argmax", x.dtype.char, x.shape, window, stride, padding, dilation)
    taps = new(plan.shape, reference.tap_dtype(window))
    return _launch(plan, x, taps), taps.transpose(plan.order)


@floats(reference.pick)
def pick(x, taps, *, window, stride, padding, dilation):
    """As the reference's, but the channels of y lie last in memory."""
    plan = plan_of("pick", x.dtype.char, x.shape, window, stride, padding, dilation)
    return _launch(plan, x, channels_last(taps))


@floats(reference.spread)
def spread(dy, taps, *, size, window, stride, padding, dilation):
    """As the reference's, but the channels of dx lie last in memory."""
    plan = plan_of("spread", dy.dtype.char, dy.shape, window, stride, padding, dilation, size)
    return _launch(plan, dy, channels_last(taps))


@floats(reference.meanpool)
def meanpool(x, *, window, stride, padding, dilation, counted):
    """As the reference's, but the channels of y lie last in memory."""
    plan = plan_of("mean", x.dtype.char, x.shape, window, stride, padding, dilation, None, counted)
    y = _launch(plan, x)
    return y if plan.divisor is None else np.divide(y, plan.divisor, out=y)


@floats(reference.meanpool_dx)
def meanpool_dx(dy, *, size, window, stride, padding, dilation, counted):
    """As the reference's, but the channels of dx lie last in memory."""
    plan = plan_of("mean", dy.dtype.char, dy.shape, window, stride, padding, dilation, size, counted)
    return _launch(plan, dy if plan.divisor is None else dy / plan.divisor)


def _launch(plan: Plan, x: np.ndarray, taps: np.ndarray | None = None) -> np.ndarray:
    """Run the plan's routine over all rows of its result, and return that as users see it."""
    if x.strides != plan.source or not (x.flags.aligned and x.dtype.isnative):
        x = channels_last(x, plan.dtype)
    y: np.ndarray = new(plan.shape, plan.dtype)
    run = _run if plan.threads else _run.serial
    run(plan.entry, place(plan.table), place(x), place(y), place(y if taps is None else taps), plan.rows, plan.chunk)
    return y.transpose(plan.order)


@threaded
def _run(rank, entry, table, x, y, taps, rows, chunk):
    table = address_at(table)
    for k in portion(rank, (rows + chunk - 1) // chunk):
        call(entry, (table, x, y, taps, k * chunk, min(rows, (k + 1) * chunk)))


# ------------------------------------------------------------------------------------------ by index


@floats(reference.take)
def take(x, index):
    """As the reference's, but the channels of y lie last in memory."""
    places = channels_last(index, np.int64)
    y = new(places.shape, x.dtype.type)
    _by_index(_take, channels_last(x), places, y)
    return channels_second(y, index.ndim - 2)


@floats(reference.put)
def put(dy, index, *, size):
    """As the reference's, but the channels of dx lie last in memory."""
    dx = new((len(dy), *threes(size, 1), dy.shape[1]), dy.dtype.type)
    _by_index(_put, channels_last(dy), channels_last(index, np.int64), dx)
    return channels_second(dx, len(size))


def _by_index(kernel, x, places, y):
    """Run it over arrays (N, S, C)."""
    run = kernel if max(x.size, y.size) >= THREADED else kernel.serial
    run(*[a.reshape(len(a), math.prod(a.shape[1:4]), a.shape[4]) for a in (x, places, y)])


@threaded
def _take(rank, x, index, y):
    for task in portion(rank, len(y) * _blocks(y)):
        n, first, last = _block(task, y)
        for p in range(y.shape[1]):
            for c in range(first, last):
                y[n, p, c] = x[n, index[n, p, c], c]


@threaded
def _put(rank, dy, index, dx):
    for task in portion(rank, len(dx) * _blocks(dx)):
        n, first, last = _block(task, dx)
        for p in range(dx.shape[1]):
            for c in range(first, last):
                dx[n, p, c] = 0
        for p in range(dy.shape[1]):
            for c in range(first, last):
                dx[n, index[n, p, c], c] += dy[n, p, c]


@jit(inline="always")
def _blocks(y):
    return (y.shape[2] + BLOCK - 1) // BLOCK


@jit(inline="always")
def _block(task, y):
    """The image of a task, its first channel, and that before which it ends."""
    n, first = task // _blocks(y), task % _blocks(y) * BLOCK
    return n, first, min(first + BLOCK, y.shape[2])
