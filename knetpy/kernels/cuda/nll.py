"""Negative log likelihood of labels under softmax: launches of nll.cu."""

from __future__ import annotations

import math
from typing import Any

from knetpy.kernels.cuda.launch import (
    KEPT_OF_COLUMNS,
    THREADS,
    C,
    Module,
    blocks_for,
    dense,
    empty,
    instances,
    kept_of,
    numbers,
    threads_for,
    widened,
)

LANES = ((8, 4), (32, 4), (32, 16))  # that take a row, and elements of it that each of them may keep
LONG = 256  # threads that take a longer row, back
_run = Module(
    "nll",
    [
        *instances("rows<{T}, {lanes}>", T=("float", "double"), lanes=[f"{a}, {b}" for a, b in LANES]),
        *instances("{k}<{T}>", k=("long_rows", "columns", "rows_dx", "columns_dx"), T=("float", "double")),
    ],
)


@widened
def nll(scores, labels, *, axis, weight=None, smoothing=0.0):
    """Launch as the reference computes; a label out of range gives NaN."""
    x, labels, (count, n, inner) = dense(scores), numbers(labels), _sizes(scores, labels, axis)
    losses, p, kind = empty(labels.shape, x.dtype), empty(x.shape, x.dtype), C[x.dtype.char]
    if not count:
        return losses, p
    given = x, labels, *_shares(x, n, weight, smoothing), losses, p
    if inner > 1:
        kept, shared = kept_of(n, x.itemsize * THREADS, KEPT_OF_COLUMNS)
        blocks = blocks_for(count, THREADS)
        _run(f"columns<{kind}>", blocks, THREADS, *given, count, n, inner, kept, shared=shared)
    elif n <= math.prod(LANES[-1]):
        lanes, per = next((lanes, per) for lanes, per in LANES if n <= lanes * per)
        _run(f"rows<{kind}, {lanes}, {per}>", blocks_for(count, 128 // lanes), 128, *given, count, n)
    else:
        kept, shared = kept_of(n, x.itemsize)
        _run(f"long_rows<{kind}>", count, threads_for(n), *given, n, kept, shared=shared)
    return losses, p


@widened
def nll_dx(dy, p, labels, *, axis, weight=None, smoothing=0.0):
    """Launch as the reference computes; a label out of range gives NaN."""
    p, labels, (count, n, inner) = dense(p), numbers(labels), _sizes(p, labels, axis)
    dx, kind, same = empty(p.shape, p.dtype), C[p.dtype.char], int(dy.size == 1)
    if not p.size:
        return dx
    weight, own, each = _shares(p, n, weight, smoothing)
    whole = weight.sum(keepdims=True) if weight is not None and smoothing else None
    given = dense(dy.astype(p.dtype, copy=False)), p, labels, weight, whole, own, each, dx
    if inner > 1:
        _run(f"columns_dx<{kind}>", blocks_for(count, 128), 128, *given, count, n, inner, same)
    else:
        lanes = next((lanes for lanes, per in LANES if n <= lanes * per), LONG)
        threads = max(128, lanes)
        _run(f"rows_dx<{kind}>", blocks_for(count, threads // lanes), threads, *given, count, n, lanes, same)
    return dx


def _sizes(x: Any, labels: Any, axis: int) -> tuple[int, int, int]:
    """How many rows there are, the classes of each, and how far those lie apart."""
    axis %= x.ndim
    return labels.size, x.shape[axis], math.prod(x.shape[axis + 1 :])


def _shares(x: Any, classes: int, weight: Any, smoothing: float) -> tuple[Any, Any, Any]:
    """The weights, the label's own share and that of every class."""
    kind = x.dtype.type
    weight = None if weight is None else dense(weight.astype(x.dtype, copy=False))
    return weight, kind(1 - smoothing), kind(smoothing / max(classes, 1))
