"""Steps of optimizers: every rule is a formula for one element, computed here on whole arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def step(like: np.ndarray, rows: Sequence[tuple], numbers: Sequence[tuple], formula: Callable) -> None:
    """Write formula(w, g, *state, *numbers), a tuple, into w and its state, in place, for each row (w, g, *state).

    like: any of the w: all have its class and dtype. numbers: a tuple of Python numbers for each row. The formula sees
    gradients, states and numbers in the dtype of w, in float32 if that is float16. All is computed before the first
    array is written: a formula that fails has changed nothing.
    """
    dtype, found = np.promote_types(like.dtype, np.float32), []
    for (w, g, *state), values in zip(rows, numbers):
        old = w, *state
        new = formula(w, g.astype(dtype, copy=False), *state, *map(dtype.type, values))
        for array, value in zip(old, new, strict=True):
            moved = value is not array and any(value is other for other in old)  # what it was, not what it becomes
            found.append((array, np.broadcast_to(value.copy() if moved else value, array.shape)))
    for array, value in found:
        array[...] = value
