"""Sums and extremes over axes, which stay with size 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def sum(x: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """Return the sums over these axes."""
    return np.sum(x, axis=tuple(axes), keepdims=True)
