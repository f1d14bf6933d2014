"""Products and matrices."""

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong, own


def linear(x, w, bias=None, transpose_w=False, activation=None):
    w = w.T if transpose_w else w
    y = np.array([[sum([a * b for a, b in zip(row, column)], x.dtype.type(0)) for column in w.T]
                  for row in x.reshape(-1, x.shape[-1])], x.dtype)  # fmt: skip
    y = y.reshape(*x.shape[:-1], w.shape[1])
    y = y if bias is None else y + bias
    return y if activation is None else activation(y)


def bilinear(x1, x2, w, bias=None):
    y = [[sum([a * m * b for a, row in zip(u, matrix) for m, b in zip(row, v)], x1.dtype.type(0)) for matrix in w]
         for u, v in zip(x1.reshape(-1, w.shape[1]), x2.reshape(-1, w.shape[2]))]  # fmt: skip
    y = np.array(y, x1.dtype).reshape(*x1.shape[:-1], len(w))
    return y if bias is None else y + bias


def bmm(a, b, transpose_a=False, transpose_b=False):
    a, b = np.swapaxes(a, -1, -2) if transpose_a else a, np.swapaxes(b, -1, -2) if transpose_b else b
    return np.einsum("...ik,...kj->...ij", a, b)


X23 = ((2, 3), (3, 2))

ROWS = [
    Row("mat", kn.mat, kn.mat, ((2, 3, 2),), reference=lambda x: x.reshape(2, 6)),
    Row("mat 2", kn.mat, lambda x: kn.mat(x, dims=2), ((2, 3, 2),), reference=lambda x: x.reshape(6, 2)),
    Row("mat none", kn.mat, kn.mat, ((0, 3, 2),), reference=lambda x: x.reshape(0, 6)),
    *[
        own(f"bmm {name}", kn.bmm, bmm, shapes, options=options, edges=edges)
        for name, shapes, options, edges in (
            ("", ((2, 2, 3), (2, 3, 2)), {}, (((0, 2, 3), (0, 3, 1)), ((2, 0, 3), (2, 3, 2)), ((2, 1, 0), (2, 0, 1)))),
            ("transpose a", ((2, 3, 2), (2, 3, 2)), {"transpose_a": True}, ()),
            ("transpose b", ((2, 2, 3), (2, 2, 3)), {"transpose_b": True}, ()),
            ("transpose both", ((2, 3, 2), (2, 2, 3)), {"transpose_a": True, "transpose_b": True}, ()),
            ("one to many", ((1, 2, 3), (2, 3, 2)), {}, (((1, 2, 3), (0, 3, 2)),)),
            ("axes", ((2, 1, 2, 3), (1, 2, 3, 1)), {}, ()),
        )
    ],
    *[
        own(f"linear {name}", kn.linear, linear, shapes, options=options, edges=edges)
        for name, shapes, options, edges in (
            ("", X23, {}, (((0, 3), (3, 2)), ((2, 3), (3, 0)), ((1, 1), (1, 1)))),
            ("bias", (*X23, (2,)), {}, ()),
            ("vector", ((3,), (3, 2), (2,)), {}, ()),
            ("axes", ((2, 2, 3), (3, 2), (2,)), {}, (((2, 0, 3), (3, 2), (2,)),)),
            ("transposed", ((2, 3), (4, 3), (4,)), {"transpose_w": True}, ()),
            ("activation", (*X23, (2,)), {"activation": np.tanh}, ()),
        )
    ],
    own("linear no inputs", kn.linear, lambda x, w: np.zeros((2, 2), x.dtype), ((2, 0), (0, 2))),
    *[
        own(f"bilinear {name}", kn.bilinear, bilinear, shapes, edges=edges)
        for name, shapes, edges in (
            ("", ((2, 3), (2, 2), (2, 3, 2)), (((0, 3), (0, 2), (2, 3, 2)), ((1, 1), (1, 1), (1, 1, 1)))),
            ("bias", ((2, 3), (2, 2), (2, 3, 2), (2,)), ()),
            ("vectors", ((3,), (2,), (2, 3, 2), (2,)), ()),
            ("axes", ((2, 1, 2), (2, 1, 3), (1, 2, 3)), ()),
        )
    ],
]  # fmt: skip

WRONG = [
    Wrong("mat words", lambda a: kn.mat(a, dims="a"), ((2, 3),), ValueError, ("mat: dims", "'a'"), True),
    Wrong("mat", lambda a: kn.mat(a, dims=3), ((2, 3),), kn.ShapeError, ("mat", "(2, 3)", "3"), True),
    Wrong("bmm axes", kn.bmm, ((2, 3), (3, 2)), kn.ShapeError, ("(2, 3)", "(3, 2)", "a @ b"), True),
    Wrong("bmm batch", kn.bmm, ((2, 2, 3), (3, 3, 2)), kn.ShapeError, ("leading", "(2, 2, 3)", "(3, 3, 2)"), True),
    Wrong("bmm inner", kn.bmm, ((2, 2, 3), (2, 2, 3)), kn.ShapeError, ("3 and 2", "transpose_b="), True),
    Wrong("bmm inner transposed", lambda a, b: kn.bmm(a, b, transpose_a=True), ((2, 2, 3), (2, 3, 2)), kn.ShapeError,
          ("axis 1 of a", "2 and 3"), True),
    Wrong("linear inner", kn.linear, ((2, 4), (3, 2)), kn.ShapeError, ("I = 3", "(2, 4) has 4", "kn.mat"), True),
    Wrong("linear transposed", kn.linear, ((2, 4), (3, 4)), kn.ShapeError, ("transpose_w=True",), True),
    Wrong("linear w", kn.linear, ((2, 3), (3,)), kn.ShapeError, ("(2, 3)", "(3,)", "matrix"), True),
    Wrong("linear scalar", kn.linear, ((), (1, 1)), kn.ShapeError, ("()", "(1, 1)"), True),
    Wrong("linear bias", kn.linear, ((2, 3), (3, 2), (3,)), kn.ShapeError, ("(2,)", "(3,)"), True),
    Wrong("linear bias column", kn.linear, ((2, 3), (3, 2), (2, 1)), kn.ShapeError, ("(2,)", "(2, 1)"), True),
    Wrong("linear activation", lambda x, w: kn.linear(x, w, activation="relu"), X23, TypeError,
          ("kn.relu", "'relu'"), True),
    Wrong("bilinear sizes", kn.bilinear, ((2, 3), (2, 3), (1, 3, 2)), kn.ShapeError, ("(1, 3, 2)",), True),
    Wrong("bilinear leading", kn.bilinear, ((1, 3), (2, 2), (1, 3, 2)), kn.ShapeError, ("leading", "(1, 3)"), True),
    Wrong("bilinear bias", kn.bilinear, ((2, 3), (2, 2), (1, 3, 2), (2,)), kn.ShapeError, ("(1,)", "(2,)"), True),
]  # fmt: skip

A = np.ones((1, 2, 2))

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "bmm": (lambda: kn.bmm(A, A.astype("f4")), ("bmm: a has dtype float64", "b has float32")),
    "linear": (lambda: kn.linear(A[0].astype(int), A[0]), ("linear: x has dtype int64", "x.astype(np.float32)")),
    "linear bias": (lambda: kn.linear(A[0], A[0], np.ones(2, "f4")), ("bias has float32",)),
    "bilinear": (lambda: kn.bilinear(A[0], A[0], A.astype("f4")), ("w has float32",)),
}
