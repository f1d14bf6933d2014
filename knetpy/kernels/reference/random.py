"""Random numbers beside the data that they are for: those of `knetpy.random`, at a position."""

from __future__ import annotations

import numpy as np

from knetpy import random
from knetpy.devices import beside


def uniform(x: np.ndarray, shape: tuple[int, ...], dtype: np.dtype, seed: int, stream: int, call: int) -> np.ndarray:
    """Return numbers from 0 to below 1 of that shape and dtype, on the device of `x`."""
    return beside(random.uniform((seed, stream, call), shape, dtype), x)
