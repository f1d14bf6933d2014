"""Pooling and unpooling."""

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Wrong, own

X = np.ones((1, 1, 3, 3))
TRIPLE = {"window": 3, "stride": 2}
HERE = np.array([[[[0, 3], [9, 6]]], [[[8, 1], [5, 2]]]])  # indices
TWICE = np.array([[[4, 0, 4, 4]]])


def pooled(name, op, reference, shape, options, edges=()):
    return own(name, op, reference, (shape,), "apart", special=False, options=options, edges=edges)


ROWS = [
    *[
        pooled(f"pool {mode} {name}", kn.pool, naive.pool, shape, {"mode": mode, **how}, edges)
        for mode in ("max", "mean", "mean_valid", "lp")
        for name, shape, how, edges in (
            ("1-d", (2, 2, 5), {}, (((0, 2, 4),), ((1, 1, 2),))),
            ("2-d", (2, 2, 4, 5), {}, (((1, 0, 2, 2),), ((1, 1, 2, 2),))),
            ("3-d", (1, 1, 2, 4, 3), {}, ()),
            ("window", (1, 2, 4, 5), {"window": (3, 2)}, ()),
            ("stride", (1, 1, 5, 5), {"window": 3, "stride": 1}, ()),
            ("gaps", (1, 1, 5, 5), {"window": 2, "stride": (3, 2)}, ()),
            ("padding", (1, 1, 4, 3), {**TRIPLE, "padding": 1}, ()),
            ("padding pairs", (1, 1, 3, 3), {"window": 2, "stride": 1, "padding": ((0, 1), (1, 1))}, ()),
            ("window 1", (1, 1, 2, 2), {"window": 1}, ()),
            ("dilation", (1, 1, 5, 4), {"window": 2, "stride": 1, "dilation": (2, 1), "padding": (1, 0)}, ()),
            ("ceil", (1, 1, 4, 5), {**TRIPLE, "padding": 1, "ceil_mode": True}, ()),
            ("all", (1, 2, 6, 7), {"window": (2, 3), "stride": (2, 3), "padding": ((1, 0), (2, 1)), "dilation": (3, 2),
                                   "ceil_mode": True}, ()),
        )
    ],
    *[
        pooled(f"pool lp p={p}", kn.pool, naive.pool, (1, 2, 4, 5), {"mode": "lp", "p": p, "window": 3, "stride": 1})
        for p in (1, 1.5, 3, 4)
    ],
    *[
        pooled(f"{mode} {name}", op, reference, shape, {"mode": mode, **how}, edges)
        for mode in ("max", "mean", "lp")
        for name, op, reference, shape, how, edges in (
            ("global_pool", kn.global_pool, naive.global_pool, (2, 2, 3, 2), {}, (((0, 2, 2),), ((1, 1, 1, 1, 1),))),
            ("global_pool without axes", kn.global_pool, naive.global_pool, (2, 2, 3), {"keepdims": False}, ()),
            ("adaptive_pool", kn.adaptive_pool, naive.adaptive_pool, (1, 2, 5, 4), {"size": 3},
             (((0, 2, 4),), ((1, 1, 1),))),
            ("adaptive_pool even", kn.adaptive_pool, naive.adaptive_pool, (2, 1, 4, 6), {"size": (2, 3)}, ()),
            ("adaptive_pool larger", kn.adaptive_pool, naive.adaptive_pool, (1, 1, 3, 2), {"size": (5, None)}, ()),
            ("adaptive_pool 3-d", kn.adaptive_pool, naive.adaptive_pool, (1, 1, 3, 2, 3), {"size": (2, 1, 2)}, ()),
        )
    ],
    *[
        own(f"unpool {name}", kn.unpool, naive.unpool, (shape,), options=how, edges=edges, special=False)
        for name, shape, how, edges in (
            ("1-d", (2, 2, 3), {}, (((0, 2, 2),), ((1, 1, 1),))),
            ("2-d", (1, 2, 2, 3), {"window": (2, 3)}, ()),
            ("3-d", (1, 1, 2, 1, 2), {}, ()),
            ("overlap", (1, 1, 3, 2), {"window": 3, "stride": 2, "padding": ((1, 0), (0, 2))}, ()),
            ("gaps", (1, 1, 3, 2), {"window": 1, "stride": (2, 3), "size": (6, 5)}, ()),
            ("smaller", (1, 1, 3, 2), {"size": (5, 4)}, ()),
            ("indices", (2, 1, 2, 2), {"indices": HERE, "size": (4, 3)}, ()),
            ("indices twice", (1, 1, 4), {"window": 3, "stride": 1, "indices": TWICE}, ()),
        )
    ],
]  # fmt: skip


def refused(name, f, shape, error, *facts):
    return Wrong(name, f, (shape,), error, facts, True)


IMAGE = (1, 1, 4, 4)
WRONG = [
    refused("pool axes", kn.pool, (3, 3), kn.ShapeError, "pool", "(3, 3)", "(N, C, *S)"),
    refused("pool window", kn.pool, (1, 1, 1, 1), kn.ShapeError, "window 2", "(1, 1, 1, 1)"),
    refused("pool empty", kn.pool, (1, 1, 0, 4), kn.ShapeError, "(1, 1, 0, 4)", "empty"),
    refused("pool padding", lambda x: kn.pool(x, 2, padding=2), IMAGE, ValueError, "padding", "window 2"),
    refused("pool padding word", lambda x: kn.pool(x, padding="full"), IMAGE, ValueError, "'full'", '"same"'),
    refused("pool padding negative", lambda x: kn.pool(x, padding=-1), IMAGE, ValueError, "padding", "-1"),
    refused("pool mode", lambda x: kn.pool(x, mode="min"), IMAGE, ValueError, "'min'", "mean_valid"),
    refused("pool window float", lambda x: kn.pool(x, 1.5), IMAGE, ValueError, "window", "1.5"),
    refused("pool window 0", lambda x: kn.pool(x, 0), IMAGE, ValueError, "window", "0"),
    refused("pool windows", lambda x: kn.pool(x, (2, 2, 2)), IMAGE, ValueError, "window", "2 of them", "(2, 2, 2)"),
    refused("pool stride", lambda x: kn.pool(x, stride=0), IMAGE, ValueError, "stride", "0"),
    refused("pool dilation", lambda x: kn.pool(x, 3, dilation=2), IMAGE, kn.ShapeError, "window 3", "dilation 2"),
    refused("pool of padding", lambda x: kn.pool(x, 2, dilation=2, padding=1), (1, 1, 1, 5), ValueError,
            "nothing but padding (1, 1) at place 0 along spatial axis 0", "(1, 1, 1, 5)"),
    refused("pool indices of means", lambda x: kn.pool(x, mode="mean", return_indices=True), IMAGE, ValueError,
            "return_indices", "'mean'"),
    refused("pool window set", lambda x: kn.pool(x, {2, 3}), IMAGE, ValueError, "window", "{2, 3}"),
    refused("pool window bytes", lambda x: kn.pool(x, b"ab"), IMAGE, ValueError, "window", "b'ab'"),
    refused("pool ceil_mode", lambda x: kn.pool(x, ceil_mode="no"), IMAGE, TypeError, "ceil_mode", "'no'"),
    refused("pool return_indices", lambda x: kn.pool(x, return_indices=1), IMAGE, TypeError, "return_indices", "1"),
    refused("global_pool keepdims", lambda x: kn.global_pool(x, keepdims=0), IMAGE, TypeError, "keepdims", "got 0"),
    refused("pool p", lambda x: kn.pool(x, mode="lp", p=0), IMAGE, ValueError, "p must be", "0"),
    refused("pool p infinite", lambda x: kn.pool(x, mode="lp", p=np.inf), IMAGE, ValueError, "p must be", "inf"),
    refused("global_pool axes", kn.global_pool, (3, 3), kn.ShapeError, "global_pool", "(3, 3)"),
    refused("global_pool empty", kn.global_pool, (1, 1, 0), kn.ShapeError, "(1, 1, 0)", "empty"),
    refused("global_pool mode", lambda x: kn.global_pool(x, "sum"), IMAGE, ValueError, "'sum'", '"mean"'),
    refused("adaptive_pool size", lambda x: kn.adaptive_pool(x, 0), IMAGE, ValueError, "size", "[0, 0]"),
    refused("adaptive_pool sizes", lambda x: kn.adaptive_pool(x, (1, 2, 3)), IMAGE, ValueError, "2 of them"),
    refused("adaptive_pool size of no axis", lambda x: kn.adaptive_pool(x, np.array(1.5)), IMAGE, ValueError, "1.5"),
    refused("adaptive_pool indices", lambda x: kn.adaptive_pool(x, 2, return_indices=True), IMAGE, ValueError,
            "return_indices", "'mean'"),
    refused("unpool axes", kn.unpool, (3, 3), kn.ShapeError, "unpool", "(3, 3)"),
    refused("unpool padding", lambda x: kn.unpool(x, padding=2), IMAGE, ValueError, "padding (2, 2)", "window 2"),
    refused("unpool padding word", lambda x: kn.unpool(x, padding="same"), IMAGE, ValueError, "'same'"),
    refused("unpool size", lambda x: kn.unpool(x, size=10), IMAGE, ValueError, "size 10", "stride 2", "8"),
    refused("unpool last", lambda x: kn.unpool(x, 2, stride=5, size=15), IMAGE, ValueError, "size 15", "15"),
    refused("unpool indices", lambda x: kn.unpool(x, indices=[0]), IMAGE, kn.ShapeError, "(1, 1, 4, 4)", "(1,)"),
    refused("unpool index", lambda x: kn.unpool(x, indices=[[[0, 6]]]), (1, 1, 2), ValueError, "index 6", "0 to 3"),
    refused("unpool index -1", lambda x: kn.unpool(x, indices=[[[0, -1]]]), (1, 1, 2), ValueError, "-1", "0 to 3"),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "pool": (lambda: kn.pool(X.astype(int)), ("pool: x has dtype int64", "x.astype(np.float32)")),
    "global_pool": (lambda: kn.global_pool(X.astype(int)), ("global_pool: x has dtype int64",)),
    "adaptive_pool": (lambda: kn.adaptive_pool(X.astype(bool), 1), ("adaptive_pool: x has dtype bool",)),
    "unpool": (lambda: kn.unpool(X.astype(int)), ("unpool: x has dtype int64",)),
    "unpool indices": (lambda: kn.unpool(X, indices=X), ("unpool: indices must be integers", "float64")),
}  # fmt: skip
