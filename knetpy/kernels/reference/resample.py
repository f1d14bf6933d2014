"""A sparse matrix applied along one axis."""

from __future__ import annotations

import numpy as np

from knetpy.devices import beside


def resample(x: np.ndarray, starts: np.ndarray, columns: np.ndarray, weights: np.ndarray, *, axis: int) -> np.ndarray:
    """Return y, in which element r along the axis is the sum of weights[k] times element columns[k] of x.

    k runs from starts[r] to before starts[r + 1]; all three are NumPy's, wherever x is. What no k names is not looked
    at, be it NaN or infinite.
    """
    around: tuple = (slice(None),) * axis
    behind = (1,) * (x.ndim - axis - 1)
    y = np.zeros((*x.shape[:axis], len(starts) - 1, *x.shape[axis + 1 :]), x.dtype, like=x)
    counts = np.diff(starts)
    for n in range(counts.max(initial=0)):  # the n-th entries of all rows that have so many
        rows = np.flatnonzero(counts > n)
        entries = starts[rows] + n
        taken = np.take(x, beside(columns[entries], x), axis)
        y[(*around, beside(rows, x))] += taken * beside(weights[entries].reshape(-1, *behind), x)
    return y
