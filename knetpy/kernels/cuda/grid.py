"""Blends of elements of an image: launches of grid.cu."""

from __future__ import annotations

import math

from knetpy.kernels.cuda import scatter
from knetpy.kernels.cuda.launch import (
    THREADS,
    C,
    Module,
    blocks_for,
    dense,
    empty,
    instances,
    lanes_of,
    numbers,
    widened,
)

CHANNELS = 8  # as in grid.cu
_run = Module("grid", instances("{k}<{T}>", k=("blend", "blend_dw"), T=("float", "double")))


@widened
def blend(x, weights, index):
    """Launch as the reference computes."""
    x, weights, index = dense(x), dense(weights), numbers(index)
    (N, channels), S, (_, P, terms) = x.shape[:2], math.prod(x.shape[2:]), index.shape
    y = empty((N, channels, P), x.dtype)
    if y.size:
        rows, lanes = N * blocks_for(channels, CHANNELS), lanes_of(P)
        given = x, weights, index, y, rows, channels, S, P, terms, lanes
        _run(f"blend<{C[x.dtype.char]}>", blocks_for(rows, THREADS // lanes), THREADS, *given)
    return y


@widened
def blend_dx(dy, weights, index, *, size):
    """Launch as the reference computes.

    What meets at one position is added by `scatter`, channels last, from an array of every place's every term.
    """
    (N, channels, P), terms, S = dy.shape, index.shape[2], math.prod(size)
    terms_last = dy.transpose(0, 2, 1)[:, :, None] * weights[..., None]
    flat = terms_last.reshape(N, P * terms, channels)
    dx = scatter.add_along(flat, numbers(index).reshape(N, P * terms, 1), size=S)
    return dense(dx.transpose(0, 2, 1)).reshape(N, channels, *size)


@widened
def blend_dw(dy, x, index):
    """Launch as the reference computes."""
    dy, x, index = dense(dy), dense(x), numbers(index)
    dw, (_, P, terms), S = empty(index.shape, dy.dtype), index.shape, math.prod(x.shape[2:])
    if dw.size:
        given = dy, x, index, dw, dw.size, x.shape[1], S, P, terms
        _run(f"blend_dw<{C[dy.dtype.char]}>", blocks_for(dw.size, THREADS), THREADS, *given)
    return dw
