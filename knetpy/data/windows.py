"""Stretches of a sequence that overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calls import telling
from ..ops.arguments import count_of
from .minibatch import instances


@telling("windows(x, 24), and step=12 by name", size="length", stride="step")
def windows(x: Any, length: int, *, step: int = 1) -> np.ndarray:
    """All stretches of a sequence of some length, each `step` later than the one before.

    To predict the next value of a series from its last 24, train on `windows(series[:-1], 24)` and `series[24:]`.

    Parameters:
      x: the sequence: an array, or what NumPy makes one of, whose first axis is time, (T, ...).
      length: of each window, from 1 to T.
      step=1: how much later each window begins than the one before.
    Returns: array (N, length, ...), N = (T - length) // step + 1, of x's dtype, lists' being float32 or int64. It is a
      view of x, which takes no memory of its own and cannot be written to; batches of it, as of `kn.minibatch`, are
      copies.
    Raises: ValueError if length or step is out of range, TypeError for what is no integer or no sequence.

    >>> import numpy as np, knetpy as kn
    >>> kn.data.windows(np.arange(6), 3, step=2)
    array([[0, 1, 2],
           [2, 3, 4]])
    """
    given, x = x, instances("windows", "x", x)
    if x.dtype == np.float64 and not hasattr(given, "dtype"):
        x = x.astype(np.float32)
    length, step = count_of("windows", "length", length, 1), count_of("windows", "step", step, 1)
    if length > len(x):
        raise ValueError(f"windows: length is {length} but x has {len(x)} (axis 0 of {x.shape})")
    return np.moveaxis(np.lib.stride_tricks.sliding_window_view(x, length, axis=0), -1, 1)[::step]
