"""Pooling over windows at random."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops.row import Wrong, own

U = np.array([[[0.1, 0.9], [0.5, 0.3]]])
HOW = {"window": (2, 3), "size": (3, 2), "samples": U}


def naive(x, window, size, samples):
    """Window by window."""
    y = np.zeros((*x.shape[:2], *size), x.dtype)
    for n, c, *at in np.ndindex(y.shape):
        parts = []
        for i, (place, k, m, s) in enumerate(zip(at, window, size, x.shape[2:])):
            step = (s - k) / (m - 1) if m > 1 else 0
            u = samples[n, c, i]
            first = s - k if place == m - 1 else int((place + u) * step) - int(u * step)
            parts.append(range(first, first + k))
        y[(n, c, *at)] = max(x[(n, c, *p)] for p in product(*parts))
    return y


ROWS = [
    own("fractional_pool", kn.fractional_pool, naive, ((1, 2, 7, 6),), "apart", special=False, options=HOW),
    own("fractional_pool 1-d", kn.fractional_pool, naive, ((1, 2, 7),), "apart", special=False,
        options={"window": (2,), "size": (4,), "samples": U[..., :1]}),
    own("fractional_pool 3-d", kn.fractional_pool, naive, ((1, 1, 4, 3, 5),), "apart", special=False,
        options={"window": (2, 1, 3), "size": (2, 2, 1), "samples": np.array([[[0.2, 0.7, 0.0]]])}),
    own("fractional_pool none", kn.fractional_pool, naive, ((0, 2, 4),), special=False,
        options={"window": (2,), "size": (2,), "samples": np.zeros((0, 2, 1))}),
]  # fmt: skip

WRONG = [
    Wrong("fractional_pool size", lambda x: kn.fractional_pool(x, 3, size=4), ((1, 1, 5, 9),), kn.ShapeError,
          ("fractional_pool", "4 windows of 3", "axis 0", "6", "(1, 1, 5, 9)"), True),
    Wrong("fractional_pool both", lambda x: kn.fractional_pool(x, 2, size=2, ratio=0.5), ((1, 1, 9),), ValueError,
          ("size or ratio",), True),
    Wrong("fractional_pool neither", lambda x: kn.fractional_pool(x, 2), ((1, 1, 9),), ValueError,
          ("size or ratio",), True),
    Wrong("fractional_pool ratio", lambda x: kn.fractional_pool(x, 2, ratio=1.5), ((1, 1, 9),), ValueError,
          ("ratio", "1.5"), True),
    Wrong("fractional_pool ratios", lambda x: kn.fractional_pool(x, 2, ratio=(0.5, 0.5)), ((1, 1, 9),), ValueError,
          ("ratio", "1 of them"), True),
    Wrong("fractional_pool samples", lambda x: kn.fractional_pool(x, 2, size=2, samples=U), ((1, 1, 9),), ValueError,
          ("samples", "(1, 1, 1)"), True),
]  # fmt: skip


DTYPES = {
    "fractional_pool": (lambda: kn.fractional_pool(np.ones((1, 1, 4), int), 2, size=2), ("int64", "astype")),
}
