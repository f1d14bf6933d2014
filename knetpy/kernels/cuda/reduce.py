"""Sums over axes: launches of reduce.cu, one for each run of neighbouring axes, and another where that takes parts."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import numpy as np

from knetpy.kernels.cuda.launch import ROWS, C, Module, blocks_for, dense, empty, instances, tasks, widened
from knetpy.kernels.reference import reduce as reference

NARROW = 32  # columns; of fewer, several rows are read as one
_run = Module(
    "reduce",
    instances("{k}<{In}, {T}>", k=("rows", "columns"), In=("float", "double"), T=("float", "double")),
    "sums.h",
)


@widened
def sum(x, axes):
    """Launch as the reference computes; what is summed again is float64 in between."""
    if x.dtype.char not in "fd" or not x.size:
        return reference.sum(x, axes)
    over = {range(x.ndim)[a] for a in axes}
    long = [a for a in range(x.ndim) if x.shape[a] > 1]
    blocks = [(summed, math.prod([x.shape[a] for a in found])) for summed, found in groupby(long, over.__contains__)]
    y, dtype = dense(x).reshape(-1), x.dtype
    while any([summed for summed, _ in blocks]):
        last = max([k for k, (summed, _) in enumerate(blocks) if summed])  # the others follow
        outer, width = [math.prod([n for _, n in part]) for part in (blocks[:last], blocks[last + 1 :])]
        y = _summed(y, outer, blocks[last][1], width, np.float64 if last > 1 else dtype)
        del blocks[last]
    shape = [1 if a in over else n for a, n in enumerate(x.shape)]
    return y.reshape(shape) if any([x.shape[a] > 1 for a in over]) else y.reshape(shape).copy()


def _summed(x: Any, outer: int, n: int, width: int, dtype: Any) -> Any:
    """The sums over the middle of three axes, flattened."""
    fold = (
        next((f for f in (32, 16, 8, 4, 2) if f * width <= NARROW and n % f == 0 and n > ROWS), 1) if width > 1 else 1
    )
    if fold > 1:
        return _summed(_summed(x, outer, n // fold, fold * width, np.float64), outer, fold, width, dtype)
    team, blocks, parts = tasks(outer, n) if width == 1 else (0, 0, blocks_for(n, ROWS))
    y = empty(outer * parts * width, np.float64 if parts > 1 else dtype)
    types = f"<{C[x.dtype.char]}, {C[y.dtype.char]}>"
    if width == 1:
        _run(f"rows{types}", blocks, 256, x, y, outer, n, parts, team)
    else:
        _run(f"columns{types}", outer * parts * blocks_for(width, 32), 256, x, y, n, width, parts)
    return y if parts == 1 else _summed(y, outer, parts, width, dtype)
