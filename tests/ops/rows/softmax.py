"""The softmax family."""

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Wrong, own

X23 = ((2, 3),)
WHOLE = np.array([[1, 2, 3], [3, 1, 2]])

ROWS = [
    *[
        own(f"{op.__name__} {axis}", op, getattr(naive, op.__name__), shapes, options={"axis": axis})
        for op in (kn.softmax, kn.logsoftmax, kn.logsumexp)
        for axis, shapes in ((-1, X23), (0, X23), (1, ((2, 3, 2),)), ((0, -1), ((2, 3, 2),)), (None, X23))
    ],
    *[
        own(op.__name__, op, getattr(naive, op.__name__), X23, edges=(((0, 3),), ((2, 0),), ((2, 1),), ((1, 1),)))
        for op in (kn.softmax, kn.logsoftmax, kn.logsumexp)
    ],
    own("logsumexp kept", kn.logsumexp, naive.logsumexp, ((2, 3),), options={"axis": 0, "keepdims": True}),
]  # fmt: skip

WRONG = [
    *[
        Wrong(f"{f.__name__} axis", lambda a, f=f: f(a, axis=2), ((2, 3),), np.exceptions.AxisError,
              (f.__name__, "axis 2", "(2, 3)"), True)
        for f in (kn.softmax, kn.logsoftmax, kn.logsumexp)
    ],
    *[
        Wrong(f"{f.__name__} scalar", f, ((),), np.exceptions.AxisError, (f.__name__, "axis -1", "()"), True)
        for f in (kn.softmax, kn.logsoftmax, kn.logsumexp)
    ],
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "softmax": (lambda: kn.softmax(WHOLE), ("softmax: x has dtype int64", "x.astype(np.float32)")),
    "logsoftmax": (lambda: kn.logsoftmax(WHOLE), ("logsoftmax: x has dtype int64",)),
    "logsumexp": (lambda: kn.logsumexp(WHOLE > 1), ("logsumexp: x has dtype bool",)),
}  # fmt: skip
