"""Dropout: keep where the uniform number at the element's position is at least p."""

from __future__ import annotations

import numpy as np

from knetpy.devices import beside
from knetpy.random import uniform


def dropout(x: np.ndarray, p: float, mask_shape: tuple[int, ...], seed: int, stream: int, call: int) -> np.ndarray:
    """Return `x` with elements zeroed with probability p and the others divided by 1 - p.

    `mask_shape` is that of x, or has 1 for axes along which one number decides for all elements.
    """
    kept = uniform((seed, stream, call), mask_shape, np.float32) >= p
    return np.where(beside(kept, x), x / x.dtype.type(1 - p if p < 1 else 1), x.dtype.type(0))
