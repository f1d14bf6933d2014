"""Pooling."""

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Wrong, own

X = np.ones((1, 1, 3, 3))

ROWS = [
    *[
        own(f"pool {mode} {name}", kn.pool, naive.pool, shapes, "apart", special=False,
            options={"mode": mode, **how}, edges=edges)
        for mode in ("max", "mean", "mean_valid")
        for name, shapes, how, edges in (
            ("1-d", ((2, 2, 5),), {}, (((0, 2, 4),), ((1, 1, 2),))),
            ("2-d", ((2, 2, 4, 5),), {}, (((1, 0, 2, 2),), ((1, 1, 2, 2),))),
            ("3-d", ((1, 1, 2, 4, 3),), {}, ()),
            ("window", ((1, 2, 4, 5),), {"window": (3, 2)}, ()),
            ("stride", ((1, 1, 5, 5),), {"window": 3, "stride": 1}, ()),
            ("gaps", ((1, 1, 5, 5),), {"window": 2, "stride": (3, 2)}, ()),
            ("padding", ((1, 1, 4, 3),), {"window": 3, "stride": 2, "padding": 1}, ()),
            ("padding pairs", ((1, 1, 3, 3),), {"window": 2, "stride": 1, "padding": ((0, 1), (1, 1))}, ()),
            ("window 1", ((1, 1, 2, 2),), {"window": 1}, ()),
        )
    ],
]  # fmt: skip

WRONG = [
    Wrong("pool axes", kn.pool, ((3, 3),), kn.ShapeError, ("pool", "(3, 3)", "(N, C, *S)"), True),
    Wrong("pool window", kn.pool, ((1, 1, 1, 1),), kn.ShapeError, ("window 2", "(1, 1, 1, 1)"), True),
    Wrong("pool padding", lambda x: kn.pool(x, 2, padding=2), ((1, 1, 4, 4),), ValueError,
          ("padding", "window 2"), True),
    Wrong("pool mode", lambda x: kn.pool(x, mode="min"), ((1, 1, 4, 4),), ValueError, ("'min'", "mean_valid"), True),
    Wrong("pool window float", lambda x: kn.pool(x, 1.5), ((1, 1, 4, 4),), ValueError, ("window", "1.5"), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "pool": (lambda: kn.pool(X.astype(int)), ("pool: x has dtype int64", "x.astype(np.float32)")),
}  # fmt: skip
