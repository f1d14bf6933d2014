"""Products and matrices."""

import knetpy as kn
from tests.ops.row import Row, Wrong

ROWS = [
    Row("mat", kn.mat, kn.mat, ((2, 3, 2),), reference=lambda x: x.reshape(2, 6)),
    Row("mat 2", kn.mat, lambda x: kn.mat(x, dims=2), ((2, 3, 2),), reference=lambda x: x.reshape(6, 2)),
    Row("mat none", kn.mat, kn.mat, ((0, 3, 2),), reference=lambda x: x.reshape(0, 6)),
]  # fmt: skip

WRONG = [
    Wrong("mat", lambda a: kn.mat(a, dims=3), ((2, 3),), kn.ShapeError, ("mat", "(2, 3)", "3"), True),
]  # fmt: skip
