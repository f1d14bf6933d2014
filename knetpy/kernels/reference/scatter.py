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
    a, _, b = np.ogrid[: x.shape[0], :1, : x.shape[2]]
    return x[a, index, b]


@summing
def add_along(dy: np.ndarray, index: np.ndarray, *, size: int) -> np.ndarray:
    """Return dx (A, size, B): the transpose of `take_along`. What meets in one place is added."""
    dx = np.zeros((len(dy), size, dy.shape[2]), dy.dtype)
    a, _, b = np.ogrid[: dx.shape[0], :1, : dx.shape[2]]
    np.add.at(dx, (a, index, b), dy)
    return dx


def extreme(src: np.ndarray, index: np.ndarray, *, size: int, largest: bool) -> np.ndarray:
    """Return y (size, *D): the extremes of the src (M, *D) with equal index (M,); NaN beats all.

    Where there is none, y is -Inf (largest) or Inf.
    """
    y = np.full((size, *src.shape[1:]), -np.inf if largest else np.inf, src.dtype)
    with np.errstate(invalid="ignore"):
        (np.maximum if largest else np.minimum).at(y, index, src)
    return y
