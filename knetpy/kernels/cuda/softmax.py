"""Softmax and its logarithm: launches of softmax.cu."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from knetpy.kernels.cuda.launch import (
    KEPT_OF_COLUMNS,
    THREADS,
    WARPS,
    C,
    Module,
    blocks_for,
    dense,
    empty,
    instances,
    kept_of,
    threads_for,
    widened,
)

PER = (4, 16)  # elements of a row that each lane of a warp may keep
_run = Module(
    "softmax",
    [
        *instances("rows{dx}<{T}, {n}, {log}>", dx=("", "_dx"), T=("float", "double"), n=PER, log=("false", "true")),
        *instances("{k}{dx}<{T}, {log}>", k=("long_rows", "columns"), dx=("", "_dx"), T=("float", "double"),
                   log=("false", "true")),
    ],
)  # fmt: skip


@widened
def softmax(x, *, axis, mask=None):
    """Launch as the reference computes."""
    return _along(axis, "", "false", x, mask)


@widened
def logsoftmax(x, *, axis, mask=None):
    """Launch as the reference computes."""
    return _along(axis, "", "true", x, mask)


@widened
def softmax_dx(dy, p, *, axis):
    """Launch as the reference computes."""
    return _along(axis, "_dx", "false", dy, p)


@widened
def logsoftmax_dx(dy, logs, *, axis):
    """Launch as the reference computes."""
    return _along(axis, "_dx", "true", dy, logs)


def _along(axis: Any, dx: str, log: str, x: Any, other: Any) -> Any:
    """A kernel of x and another array (a mask that stretches to it, or None) along an axis or several."""
    if other is not None and other.shape != x.shape:
        other = np.broadcast_to(other, x.shape)
    if isinstance(axis, tuple):  # which are put last, as one
        axes = tuple([a % x.ndim for a in axis])
        order = [*[a for a in range(x.ndim) if a not in axes], *axes]
        whole = [x.shape[a] for a in order]
        last = [None if a is None else dense(a.transpose(order)).reshape(_rows(whole, len(axes))) for a in (x, other)]
        y = _along(-1, dx, log, *last).reshape(whole)
        return dense(y.transpose(np.argsort(order).tolist()))
    x, other, axis = dense(x), None if other is None else dense(other), axis % x.ndim
    y, n, inner = empty(x.shape, x.dtype), x.shape[axis], math.prod(x.shape[axis + 1 :])
    if not x.size:
        return y
    count, kind = x.size // n, C[x.dtype.char]
    given = (x, other if other is None or dx else other.view(np.uint8), y)
    each = x.itemsize * 2 if dx else x.itemsize + int(other is not None)  # bytes that are kept of an element
    if inner > 1:
        kept, shared = kept_of(n, each * THREADS, KEPT_OF_COLUMNS)
        blocks = blocks_for(count, THREADS)
        _run(f"columns{dx}<{kind}, {log}>", blocks, THREADS, *given, count, n, inner, kept, shared=shared)
    elif n <= 32 * PER[-1]:
        per = next(p for p in PER if n <= 32 * p)
        _run(f"rows{dx}<{kind}, {per}, {log}>", blocks_for(count, WARPS), 32 * WARPS, *given, count, n)
    else:
        kept, shared = kept_of(n, each)
        _run(f"long_rows{dx}<{kind}, {log}>", count, threads_for(n), *given, n, kept, shared=shared)
    return y


def _rows(shape: list[int], last: int) -> tuple[int, int]:
    keep = len(shape) - last
    return math.prod(shape[:keep]), math.prod(shape[keep:])
