"""Windows over up to three axes, as the kernels of windows.h take them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from knetpy.kernels.reference import Ints, Pairs, places

_AXIS = np.dtype([(name, "i4") for name in ("x", "y", "window", "stride", "before", "dilation", "common", "period",
                                            "inverse", "low", "high")])  # fmt: skip


@lru_cache(maxsize=1024)
def window_of(
    size: Ints, window: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs | None = None
) -> Any:
    """(the window as kernels of windows.h take it, the spatial size of y)."""
    out = places([n + b + a for n, (b, a) in zip(size, padding)], window, stride, dilation)
    rows = [(1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1)] * (3 - len(size))
    for n, o, k, s, (before, _), d, (low, high) in zip(
        size, out, window, stride, padding, dilation, counted or padding
    ):
        s, d = int(s), int(d)
        common = math.gcd(s, d)
        inverse = pow(d // common, -1, s // common) if s > common else 1
        rows.append((n, o, k, s, before, d, common, s // common, inverse, -low, n + high))
    return np.array([tuple(rows)], [(name, _AXIS) for name in "dhw"]), out
