"""Activations."""

import knetpy as kn
from tests.ops import naive
from tests.ops.row import EMPTY, own

ROWS = [
    own("relu", kn.relu, naive.relu, ((2, 3),), "nonzero", elementwise=True, edges=EMPTY),
    own("sigmoid", kn.sigmoid, naive.sigmoid, ((2, 3),), elementwise=True, edges=EMPTY),
]  # fmt: skip
