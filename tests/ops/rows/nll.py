"""Losses and scores of classification."""

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Wrong, own

LABELS = np.array([2, 0])
PLACES = np.array([[2, 0], [1, 1], [0, 2]])
HIDDEN = np.array([2, -1, 0])
WHOLE = np.array([[1, 2, 3], [3, 1, 2]])

ROWS = [
    own("nll", kn.nll, naive.nll, ((2, 3),), options={"labels": LABELS}),
    own("nll sum", kn.nll, naive.nll, ((2, 3),), options={"labels": LABELS, "reduction": "sum"}),
    own("nll none", kn.nll, naive.nll, ((2, 3),), options={"labels": LABELS, "reduction": "none"}),
    own("nll axis", kn.nll, naive.nll, ((3, 4, 2),), options={"labels": PLACES, "axis": 1}),
    own("nll axis 0", kn.nll, naive.nll, ((3, 2),), options={"labels": LABELS, "axis": 0}),
    own("nll ignore", kn.nll, naive.nll, ((3, 3),), options={"labels": HIDDEN, "ignore": -1}),
    own("nll ignore none", kn.nll, naive.nll, ((3, 3),), options={"labels": HIDDEN, "ignore": -1, "reduction": "none"}),
    own("nll ignore all", kn.nll, naive.nll, ((2, 3),), options={"labels": LABELS * 0, "ignore": 0}),
    own("nll one", kn.nll, naive.nll, ((3,),), options={"labels": np.array(1)}),
]  # fmt: skip

WRONG = [
    Wrong("nll labels", lambda a: kn.nll(a, [0, 1, 2]), ((2, 3),), kn.ShapeError,
          ("nll", "(2, 3)", "(2,)", "(3,)"), True),
    Wrong("nll range", lambda a: kn.nll(a, [0, 3]), ((2, 3),), ValueError, ("label 3", "3 classes", "ignore="), True),
    Wrong("nll negative", lambda a: kn.nll(a, [0, -1]), ((2, 3),), ValueError, ("label -1",), True),
    Wrong("nll dtype", lambda a: kn.nll(a, [0.0, 1.0]), ((2, 3),), kn.DtypeError,
          ("labels", "float64", "astype"), True),
    Wrong("nll axis", lambda a: kn.nll(a, [0, 1], axis=2), ((2, 3),), np.exceptions.AxisError,
          ("axis 2", "(2, 3)"), True),
    Wrong("nll reduction", lambda a: kn.nll(a, [0, 1], reduction="avg"), ((2, 3),), ValueError,
          ("'avg'", "mean"), True),
    Wrong("accuracy", lambda a: kn.accuracy(a, [0]), ((2, 3),), kn.ShapeError, ("accuracy", "(2,)", "(1,)"), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "nll": (lambda: kn.nll(WHOLE, LABELS), ("nll: scores has dtype int64", "scores.astype(np.float32)")),
}  # fmt: skip
