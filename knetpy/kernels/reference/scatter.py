"""Slices that meet in one place: the largest or the smallest of them; their sum is `embed.embed_dw`."""

from __future__ import annotations

import numpy as np


def extreme(src: np.ndarray, index: np.ndarray, *, size: int, largest: bool) -> np.ndarray:
    """Return y (size, *D): the extremes of the src (M, *D) with equal index (M,); NaN beats all.

    Where there is none, y is -Inf (largest) or Inf.
    """
    y = np.full((size, *src.shape[1:]), -np.inf if largest else np.inf, src.dtype)
    with np.errstate(invalid="ignore"):
        (np.maximum if largest else np.minimum).at(y, index, src)
    return y
