"""Dropout: launches of dropout.cu, which draws each number where it is needed, as `knetpy.random` specifies."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np

from knetpy.devices import cupy
from knetpy.kernels.cuda.launch import C, Module, blocks_for, dense, empty, instances, widened
from knetpy.kernels.cuda.random import drawn

_run = Module("dropout", [*instances("{k}<{T}>", k=("dropout", "masked"), T=("float", "double")), "mask"], "philox.h")


@widened
def dropout(x, p, mask_shape, seed, stream, call):
    """Launch as the reference computes; without a mask in memory, if that has the shape of x."""
    x, T, scale, mask_shape = dense(x), C[x.dtype.char], x.dtype.type(1 - p if p < 1 else 1), tuple(mask_shape)
    least = math.ceil(float(np.float32(p)) * 2**24) << 8  # the smallest word that keeps an element
    draw = *drawn(seed, stream, call), np.uint64(least)
    y = empty(x.shape, x.dtype)
    if not x.size:
        return y
    if mask_shape == x.shape:
        _run(f"dropout<{T}>", blocks_for(x.size, 4 * 256), 256, x, y, x.size, scale, *draw)
        return y
    kept = empty(mask_shape, np.uint8)
    _run("mask", blocks_for(kept.size, 4 * 256), 256, kept, kept.size, *draw)
    own = [(n > 1, m) for n, m in zip(mask_shape, x.shape) if m > 1]
    runs = [(mine, math.prod([m for _, m in found])) for mine, found in groupby(own, lambda axis: axis[0])]
    if sum([mine for mine, _ in runs]) > 1:  # axes with others between them, which hardly anybody asks for
        return cupy().where(kept, x / scale, x.dtype.type(0))
    inner = runs[-1][1] if runs and not runs[-1][0] else 1
    each = 256 * (16 // x.itemsize)
    _run(f"masked<{T}>", blocks_for(x.size, each), 256, x, kept, y, x.size, kept.size, inner, scale)
    return y
