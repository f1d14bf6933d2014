"""Dropout."""

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong


def _dropout(x, training):
    kn.seed(1)  # every call drops the same
    with kn.training(training):
        return kn.dropout(x, 0.25)


KEPT = kn.random.uniform((1, kn.random.DROPOUT, 0), (2, 3), np.float32) >= 0.25
WHOLE = np.array([[1, 2, 3], [3, 1, 2]])

ROWS = [
    Row("dropout off", kn.dropout, lambda x: _dropout(x * 2, False), ((2, 3),), reference=lambda x: x * 2),
    Row("dropout", kn.dropout, lambda x: _dropout(x, True), ((2, 3),),
        reference=lambda x: np.where(KEPT, x / x.dtype.type(0.75), 0)),
]  # fmt: skip

WRONG = [
    Wrong("dropout p", lambda a: kn.dropout(a, 1.5), ((2, 3),), ValueError, ("dropout", "1.5"), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "dropout": (lambda: kn.dropout(WHOLE), ("dropout: x has dtype int64", "x.astype(np.float32)")),
}  # fmt: skip
