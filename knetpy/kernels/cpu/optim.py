"""Steps of optimizers: one pass over value, gradient and state of all arrays, in one call."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from knetpy.kernels.cpu import floats
from knetpy.kernels.cpu.codegen.formula import compiled
from knetpy.kernels.cpu.codegen.vectors import call
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.formula import record
from knetpy.kernels.reference import optim as reference

CHUNK = 1 << 14  # elements that a thread takes at a time
FEW = 1 << 17  # elements that one thread updates sooner than several start


@floats(reference.step)
def step(like, rows, numbers, formula):
    """As the reference's, which serves arrays with gaps and formulas that know functions without vector code."""
    routine = _routine(formula, len(rows[0]), len(numbers[0]), like.dtype.char) if like.dtype.isnative else 0
    arrays = [array for row in rows for array in row]  # which holds them until the call has returned
    if not _dense(arrays):
        rows = [(w, g.copy(), *state) for w, g, *state in rows]
        arrays = [array for row in rows for array in row]
    if routine and _dense(arrays):
        sizes = np.array([row[0].size for row in rows], np.int64)
        run = _run.serial if sum(sizes) < FEW else _run
        run(routine, sizes, np.array(list(map(id, arrays)), np.int64), np.array(numbers, np.float64))
    else:
        reference.step(like, rows, numbers, formula)


def _dense(arrays):
    return all([array.flags.carray for array in arrays])


@lru_cache(maxsize=256)
def _routine(formula: Callable, arrays: int, numbers: int, dtype: str) -> int:
    """The address of the code for a formula, 0 if there cannot be any."""
    try:
        return compiled(record(formula, arrays + numbers, arrays - 1), arrays, dtype)
    except TypeError as unknown:
        step.declined.add(f"{formula.__qualname__} ({unknown})")  # type: ignore[attr-defined]  # see `floats`
        return 0


@threaded
def _run(rank, routine, sizes, objects, numbers):
    """sizes: the number of elements of each row's arrays; objects: what `id` says of them."""
    ends, end = np.empty(len(sizes), np.int64), 0  # of the chunks of each row
    for row in range(len(sizes)):
        end += (sizes[row] + CHUNK - 1) // CHUNK
        ends[row] = end
    for chunk in portion(rank, end):
        row = 0
        while ends[row] <= chunk:
            row += 1
        start = (chunk - (ends[row - 1] if row else 0)) * CHUNK
        arrays = objects.ctypes.data + 8 * row * (len(objects) // len(sizes))
        values = numbers.ctypes.data + 8 * row * numbers.shape[1]
        call(routine, (arrays, values, start, min(CHUNK, sizes[row] - start)))
