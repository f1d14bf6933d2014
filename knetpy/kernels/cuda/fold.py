"""Folding: launches of fold.cu."""

from __future__ import annotations

import math

from knetpy.kernels.cuda.launch import C, Module, blocks_for, dense, empty, instances, widened
from knetpy.kernels.cuda.windows import window_of

_run = Module("fold", instances("{k}<{T}>", k=("unfold", "fold"), T=("float", "double")), "windows.h")


@widened
def unfold(x, **how):
    """Launch as the reference computes."""
    (N, channels), (of, out) = x.shape[:2], window_of(x.shape[2:], **how)
    columns = empty((N, channels * math.prod(how["window"]), math.prod(out)), x.dtype)
    if columns.size:
        n = N * channels * math.prod(out)
        _run(f"unfold<{C[x.dtype.char]}>", blocks_for(n, 256), 256, dense(x), columns, n, of)
    return columns


@widened
def fold(columns, *, size, **how):
    """Launch as the reference computes."""
    x = empty((len(columns), columns.shape[1] // math.prod(how["window"]), *size), columns.dtype)
    if x.size:
        tasks = x.size // size[-1] * blocks_for(size[-1], 16 // x.itemsize)
        _run(f"fold<{C[x.dtype.char]}>", blocks_for(tasks, 256), 256, dense(columns), x, tasks,
             window_of(tuple(size), **how)[0])  # fmt: skip
    return x
