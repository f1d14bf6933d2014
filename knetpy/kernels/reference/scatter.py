"""Elements by number along one axis, their transpose, and slices that meet in one place: the largest or the smallest.

The sum of such slices is `embed.embed_dw`.
"""

from __future__ import annotations

import numpy as np

from knetpy.kernels.reference import summing


def take_along(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return y (A, M, B) with y[a, m, b] = x[a, index[a, m, b], b] of x (A, N, B).

    index has the shape (A, M, B), or size 1 along the first or the last axis: it holds for all of that axis then.
    """
    a, b = np.arange(x.shape[0], like=x), np.arange(x.shape[2], like=x)
    return x[a[:, None, None], index, b]


@summing
def add_along(dy: np.ndarray, index: np.ndarray, *, size: int) -> np.ndarray:
    """Return dx (A, size, B): the transpose of `take_along`. What meets in one place is added."""
    dx = np.zeros((len(dy), size, dy.shape[2]), dy.dtype, like=dy)
    a, b = np.arange(dx.shape[0], like=dx), np.arange(dx.shape[2], like=dx)
    np.add.at(dx, (a[:, None, None], index, b), dy)
    return dx


def add_at(x: np.ndarray, key, values: np.ndarray) -> None:
    """Add values into x at any key of NumPy's, in place; what meets in one place accumulates."""
    np.add.at(x, key, values)


def extreme(src: np.ndarray, index: np.ndarray, *, size: int, largest: bool) -> np.ndarray:
    """Return y (size, *D): the extremes of the src (M, *D) with equal index (M,); NaN beats all.

    Where there is none, y is -Inf (largest) or Inf.
    """
    y = np.full_like(src, -np.inf if largest else np.inf, shape=(size, *src.shape[1:]))
    with np.errstate(invalid="ignore"):
        (np.maximum if largest else np.minimum).at(y, index, src)
    return y
