"""Elements by number along one axis, their transpose, and slices that meet in one place: the largest or the smallest.

The sum of such slices is `embed.embed_dw`.
"""

from __future__ import annotations

import numpy as np

from knetpy.devices import add_at, max_at, on_gpu
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
    add_at(dx, (a[:, None, None], index, b), dy)
    return dx


def extreme(src: np.ndarray, index: np.ndarray, *, size: int, largest: bool) -> np.ndarray:
    """Return y (size, *D): the extremes of the src (M, *D) with equal index (M,); NaN beats all.

    Where there is none, y is -Inf (largest) or Inf.
    """
    y = np.full_like(src, -np.inf if largest else np.inf, shape=(size, *src.shape[1:]))
    if on_gpu(src):
        return _extreme_on_gpu(y, src, index, largest)
    with np.errstate(invalid="ignore"):
        (np.maximum if largest else np.minimum).at(y, index, src)
    return y


def _extreme_on_gpu(y, src, index, largest):
    """The same by atomic operations, which pass over NaN and are for float32 and float64."""
    wide = np.promote_types(src.dtype, np.float32)
    best, spoiled = y.astype(wide), np.zeros(y.shape, np.float32, like=src)
    numbers = np.where(src == src, src, y[index]).astype(wide)
    max_at(best, index, numbers, np.maximum if largest else np.minimum)
    add_at(spoiled, index, (src != src).astype(np.float32))
    return np.where(spoiled > 0, np.nan, best).astype(y.dtype)
