"""Attention and rotary positions."""

import math

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong, own

MASK = np.array([[True, False, True], [False, False, False]])
PLAIN = ((2, 2), (3, 2), (3, 2))
QKV = ((1, 2, 2), (1, 3, 2), (1, 3, 2))  # one axis more than needed: if all keys are equal, dq is mere rounding
BATCH = ((2, 2, 2), (2, 3, 2), (2, 3, 2))


def attention(q, k, v, mask=None, bias=None, causal=False, scale=None, heads=None, return_weights=False):
    """One query after the other, in Python's floats."""
    dtype, E = q.dtype, v.shape[-1]
    if heads:
        q, k, v = [np.moveaxis(x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads), -2, -3) for x in (q, k, v)]
    if q.ndim > 3:
        k, v = [x if x.shape[-3] == 1 else np.repeat(x, q.shape[-3] // x.shape[-3], axis=-3) for x in (k, v)]
    leading, (L, D), S = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2]), q.shape[-2:], k.shape[-2]
    q, k, v = [np.broadcast_to(x, (*leading, *x.shape[-2:])) for x in (q, k, v)]
    mask = np.broadcast_to(True if mask is None else mask, (*leading, L, S))
    bias = np.broadcast_to(0.0 if bias is None else bias, (*leading, L, S))
    scale = (D or 1) ** -0.5 if scale is None else scale
    weights, y = np.zeros((*leading, L, S)), np.zeros((*leading, L, v.shape[-1]))
    for *n, i in np.ndindex(*leading, L):
        n = tuple(n)
        seen = [j for j in range(S) if mask[(*n, i, j)] and not (causal and j > i)]
        e = {j: scale * sum(float(a) * float(b) for a, b in zip(q[n][i], k[n][j])) + bias[(*n, i, j)] for j in seen}
        top = max(e.values(), default=0.0)
        e = {j: math.exp(s - top) if s != top else 1.0 for j, s in e.items()}
        for j, w in e.items():
            weights[(*n, i, j)] = w / math.fsum(e.values())
            y[n][i] += weights[(*n, i, j)] * v[n][j]
    if heads:
        y = np.moveaxis(y, -3, -2).reshape(*y.shape[:-3], L, E)
    return (y.astype(dtype), weights.astype(dtype)) if return_weights else y.astype(dtype)


def rope(x, positions=None, base=10000.0, interleaved=False, offset=0):
    y, half = np.zeros(x.shape), x.shape[-1] // 2
    positions = np.broadcast_to(np.arange(x.shape[-2]) if positions is None else positions, x.shape[:-1])
    for place in np.ndindex(*x.shape[:-1]):
        for i in range(half):
            a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + half)
            angle = (positions[place] + offset) * base ** (-i / half)
            turned = complex(x[place][a], x[place][b]) * complex(math.cos(angle), math.sin(angle))
            y[place][a], y[place][b] = turned.real, turned.imag
    return y.astype(x.dtype)


def biased(f, **options):
    return lambda q, k, v, bias: f(q, k, v, bias=bias, **options)


def dropped(q, k, v):
    kn.seed(1)  # every call drops the same
    with kn.training(True):
        return kn.attention(q, k, v, dropout=0.25)


KEPT = kn.random.uniform((1, kn.random.DROPOUT, 0), (1, 2, 3), np.float32) >= 0.25


def naive_dropped(q, k, v):
    weights = attention(q, k, v, return_weights=True)[1]
    return (np.where(KEPT, weights, 0) @ v / 0.75).astype(q.dtype)


ROWS = [
    *[
        own(f"attention {name}", kn.attention, attention, shapes, options=options, edges=edges, special=not options)
        for name, shapes, options, edges in (
            ("", QKV, {}, (PLAIN, ((0, 2), (3, 2), (3, 2)), ((2, 2), (0, 2), (0, 2)), ((2, 0), (3, 0), (3, 2)),
                           ((1, 1), (1, 1), (1, 1)), ((0, 2, 2), (0, 3, 2), (0, 3, 1)))),
            ("batch", BATCH, {}, (((0, 2, 2), (1, 3, 2), (1, 3, 2)),)),
            ("mask", QKV, {"mask": MASK}, (PLAIN, ((2, 2), (3, 2), (2, 3, 1)), ((2, 2, 2), (3, 2), (1, 3, 2)))),
            ("mask row", BATCH, {"mask": MASK[0]}, ()),
            ("mask batch", BATCH, {"mask": MASK[:, None]}, ()),
            ("causal", ((1, 3, 2), (1, 3, 2), (1, 3, 1)), {"causal": True}, ()),
            ("causal wide", ((1, 2, 2), (1, 4, 2), (1, 4, 1)), {"causal": True}, ()),
            ("causal tall", ((1, 4, 2), (1, 2, 2), (1, 2, 1)), {"causal": True}, ()),
            ("causal mask", ((1, 3, 2), (1, 3, 2), (1, 3, 1)), {"causal": True, "mask": MASK[0] == MASK[1]}, ()),
            ("scale", QKV, {"scale": 0.3}, ()),
            ("heads", ((2, 2, 4), (2, 3, 4), (2, 3, 2)), {"heads": 2}, ()),
            ("heads mask", ((1, 2, 4), (1, 3, 4), (1, 3, 4)), {"heads": 2, "mask": MASK}, (((2, 4), (3, 4), (3, 2)),)),
            ("weights", QKV, {"return_weights": True, "mask": MASK}, ()),
            ("heads weights", ((1, 2, 4), (1, 3, 4), (1, 3, 2)), {"return_weights": True, "heads": 2}, ()),
            ("one k", ((2, 2, 2), (1, 3, 2), (1, 3, 2)), {}, ()),
            ("one q", ((2, 2), (2, 3, 2), (2, 3, 2)), {}, ()),
            ("more v", ((2, 2), (1, 3, 2), (2, 3, 1)), {"mask": MASK}, ()),
            ("groups", ((1, 4, 2, 2), (1, 2, 3, 2), (1, 2, 3, 1)), {}, ()),
            ("groups mask", ((1, 4, 2, 1), (2, 3, 1), (1, 3, 1)), {"mask": np.arange(24).reshape(4, 2, 3) % 5 > 0}, ()),
            ("groups weights", ((1, 4, 1, 1), (1, 2, 2, 1), (1, 2, 2, 1)), {"return_weights": True}, ()),
        )
    ],
    *[
        Row(f"attention bias {name}", kn.attention, biased(kn.attention, **options), shapes,
            reference=biased(attention, **options), exact=False, special=False)
        for name, shapes, options in (
            ("", (*QKV, (2, 3)), {}),
            ("row", (*QKV, (3,)), {"mask": MASK}),
            ("one", (*QKV, ()), {}),
            ("batch", (*BATCH, (2, 1, 3)), {"causal": True}),
            ("of all", (*BATCH, (2, 3)), {}),
            ("heads", ((1, 2, 4), (1, 3, 4), (1, 3, 2), (1, 2, 1, 3)), {"heads": 2}),
            ("groups", ((1, 4, 2, 1), (1, 2, 2, 1), (1, 2, 2, 1), (4, 1, 2)), {}),
            ("more", ((2, 1), (1, 2, 1), (2, 2, 1), (2, 2, 2)), {}),
        )
    ],
    Row("attention dropout", kn.attention, dropped, QKV, reference=naive_dropped, exact=False),
    *[
        own(f"rope {name}", kn.rope, rope, shapes, options=options, edges=(((0, 2),), ((2, 0),), ((1, 2),)))
        for name, shapes, options in (
            ("", ((3, 4),), {}),
            ("batch", ((2, 3, 4),), {"offset": 2}),
            ("interleaved", ((2, 2, 4),), {"interleaved": True, "base": 10.0}),
            ("positions", ((3, 4),), {"positions": np.array([[0.5]]).reshape(1)}),
        )
    ],
    own("rope batch positions", kn.rope, rope, ((2, 2, 2),), options={"positions": [[3, 1], [0, 2]], "offset": 1}),
]  # fmt: skip


def attend(**options):
    return lambda q, k, v: kn.attention(q, k, v, **options)


WRONG = [
    Wrong("attention axes", attend(), ((2,), (3, 2), (3, 2)), kn.ShapeError, ("(..., L, D)", "(2,)"), True),
    Wrong("attention D", attend(), ((2, 2), (3, 3), (3, 2)), kn.ShapeError, ("2 and 3", "last axes of q and k"), True),
    Wrong("attention S", attend(), ((2, 2), (3, 2), (4, 2)), kn.ShapeError, ("3 and 4", "k and v"), True),
    Wrong("attention batch", attend(), ((2, 2, 2), (3, 3, 2), (3, 3, 2)), kn.ShapeError,
          ("leading axes", "(2, 2, 2)", "(3, 3, 2)"), True),
    Wrong("attention no groups", attend(), ((4, 2, 2), (2, 3, 2), (2, 3, 2)), kn.ShapeError, ("four or more",), True),
    Wrong("attention groups", attend(), ((1, 4, 2, 2), (1, 3, 3, 2), (1, 3, 3, 2)), kn.ShapeError,
          ("multiple", "(1, 4, 2, 2)", "(1, 3, 3, 2)"), True),
    Wrong("attention unlike groups", attend(), ((1, 8, 2, 2), (1, 4, 3, 2), (1, 2, 3, 2)), kn.ShapeError,
          ("(1, 8, 2, 2)",), True),
    Wrong("attention heads", attend(heads=3), PLAIN, kn.ShapeError, ("heads=3", "q (2, 2)"), True),
    Wrong("attention heads v", attend(heads=2), ((2, 2), (3, 2), (3, 3)), kn.ShapeError, ("heads=2", "v (3, 3)"), True),
    Wrong("attention no heads", attend(heads=0), PLAIN, ValueError, ("heads", "0"), True),
    Wrong("attention mask", attend(mask=np.ones((3, 2), bool)), PLAIN, kn.ShapeError,
          ("mask of shape (3, 2)", "(2, 3)"), True),
    Wrong("attention mask axes", attend(mask=np.ones((2, 2, 3), bool)), PLAIN, kn.ShapeError,
          ("mask of shape (2, 2, 3)", "(2, 3)"), True),
    Wrong("attention mask numbers", attend(mask=np.ones((2, 3))), PLAIN, kn.DtypeError, ("boolean", "bias="), True),
    Wrong("attention bias", attend(bias=np.ones((3, 3))), PLAIN, kn.ShapeError, ("bias of shape (3, 3)",), True),
    Wrong("attention scale", attend(scale="a"), PLAIN, TypeError, ("scale", "'a'"), True),
    Wrong("attention dropout", attend(dropout=1.5), PLAIN, ValueError, ("dropout", "1.5"), True),
    Wrong("rope odd", kn.rope, ((2, 3),), kn.ShapeError, ("even", "(2, 3)"), True),
    Wrong("rope axes", kn.rope, ((2,),), kn.ShapeError, ("(..., L, D)", "(2,)"), True),
    Wrong("rope positions", lambda x: kn.rope(x, [0, 1, 2]), ((2, 2),), kn.ShapeError, ("(3,)", "(2,)"), True),
    Wrong("rope words", lambda x: kn.rope(x, ["a"]), ((2, 2),), kn.DtypeError, ("positions", "numbers"), True),
    Wrong("rope base", lambda x: kn.rope(x, base=0), ((2, 2),), ValueError, ("base", "0"), True),
    Wrong("rope offset", lambda x: kn.rope(x, offset="a"), ((2, 2),), TypeError, ("offset", "'a'"), True),
]  # fmt: skip

Q = np.ones((2, 2))

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "attention": (lambda: kn.attention(Q, Q.astype("f4"), Q), ("q has dtype float64", "k has float32", "astype")),
    "attention bias": (lambda: kn.attention(Q, Q, Q, bias=Q.astype("f4")), ("bias has float32",)),
    "attention integers": (lambda: kn.attention(Q, Q.astype(int), Q), ("k has dtype int64", "k.astype(np.float32)")),
    "rope": (lambda: kn.rope(Q.astype(int)), ("rope: x has dtype int64", "x.astype(np.float32)")),
}

CONSTANTS = {kn.causal_mask: lambda x: kn.causal_mask(*x.shape)}
