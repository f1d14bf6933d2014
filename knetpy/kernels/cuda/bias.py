"""Bias and activation in one pass over memory, and back: launches of bias.cu."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from knetpy.kernels.cuda.launch import ROWS, SHORT, C, Module, blocks_for, dense, empty, instances, tasks, widened
from knetpy.kernels.cuda.reduce import sum as total
from knetpy.kernels.reference import bias as reference
from knetpy.kernels.reference import reusing

_NAMES = [name for name in reference.ACTIVATIONS if name]
_run = Module(
    "bias",
    [
        *instances("forward<curve::{f}, {T}>", f=["identity", *_NAMES], T=("float", "double")),
        *instances("back_{k}<curve::{f}_dx, {T}>", k=("rows", "columns"), f=_NAMES, T=("float", "double")),
        *instances("totals<{T}>", T=("float", "double")),
    ],
    "sums.h",
    "curves.h",
)


@widened
def forward(x, bias, activation, *, axis=-1):
    """Launch as the reference computes."""
    if x.dtype.char not in "fd":
        return reference.forward(x, bias, activation, axis=axis)
    x, bias = dense(x), dense(bias.astype(x.dtype, copy=False))
    y = empty(x.shape, x.dtype)
    if x.size:
        _, channels, inner = _seen(x.shape, axis)
        kernel = f"forward<curve::{activation or 'identity'}, {C[x.dtype.char]}>"
        _run(kernel, blocks_for(x.size, 256 * (16 // x.itemsize)), 256, x, bias, y, x.size, channels, inner,
             x.dtype.type(reference.SLOPE))  # fmt: skip
    return y


@reusing
@widened
def back(dy, kept, activation, bias=None, *, axis=-1):
    """Launch as the reference computes."""
    if activation is None:
        return dy, total(dy, [a for a in range(dy.ndim) if a != axis % dy.ndim]).reshape(-1)
    if dy.dtype.char not in "fd" or kept.dtype != dy.dtype or kept.shape != dy.shape or not dy.size:
        return reference.back(dy, kept, activation, bias, axis=axis)
    images, channels, inner = _seen(dy.shape, axis)
    T, slope = C[dy.dtype.char], dy.dtype.type(reference.SLOPE)
    bias = bias if activation in reference.BY_OPERAND else None
    bias = None if bias is None else dense(bias.astype(dy.dtype, copy=False))
    dz, dbias = empty(dy.shape, dy.dtype), empty(channels, dy.dtype)
    given = dense(dy), dense(kept), bias, dz
    if inner < SHORT:
        n, items, width = blocks_for(images, ROWS), inner, channels * inner
        sums = empty((n, width), np.float64)
        _run(f"back_columns<curve::{activation}_dx, {T}>", blocks_for(width, 32) * n, 256, *given, sums, images, width,
             inner, slope)  # fmt: skip
    else:
        n, (team, blocks, items) = images, tasks(images * channels, inner)
        sums = empty((images * channels, items), np.float64)
        _run(f"back_rows<curve::{activation}_dx, {T}>", blocks, 256, *given, sums, images * channels, channels, inner,
             items, team, slope)  # fmt: skip
    _run(f"totals<{T}>", blocks_for(channels, 32), 256, sums, dbias, n, channels, items)
    return dz, dbias


def _seen(shape: Any, axis: int) -> tuple[int, int, int]:
    """Images, channels, and how many neighbours share one."""
    axis %= len(shape)
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
