"""The softmax family."""

import math

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Row, Wrong, own

X23 = ((2, 3),)
WHOLE = np.array([[1, 2, 3], [3, 1, 2]])
MASK = np.array([[True, False, True], [False, False, True]])
NOBODY = np.array([[True, False, True], [False, False, False]])  # in the second row
COLUMNS = np.array([[True, False, True], [True, True, False]])
SHARED = np.array([True, False, True])
FAMILY = (kn.softmax, kn.logsoftmax, kn.logsumexp, kn.softmin)
CLASSES = (kn.gumbel_softmax, kn.sparsemax)  # these take one axis


def masked(op, nothing):
    """The naive function of those elements of each row that take part; `nothing` for the others."""
    reduces = op is naive.logsumexp

    def naively(x, mask, axis=-1):
        x, mask = np.moveaxis(x, axis, -1), np.moveaxis(np.broadcast_to(mask, x.shape), axis, -1)
        y = np.full(x.shape[:-1] if reduces else x.shape, nothing, x.dtype)
        for row in np.ndindex(*x.shape[:-1]):
            if mask[row].any():
                y[row if reduces else (*row, mask[row])] = op(x[row][mask[row]])
        return y if reduces else np.moveaxis(y, -1, axis)

    return naively


def softmin(x, axis=-1):
    return naive.softmax(-x, axis)


MASKED = (
    (kn.softmax, masked(naive.softmax, 0)),
    (kn.softmin, masked(softmin, 0)),
    (kn.logsumexp, masked(naive.logsumexp, -np.inf)),
)


def sparsemax(row):
    """By bisection for what must be taken from each so that the rest sums to 1."""
    low, high = min(row) - 1, max(row)
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if math.fsum(max(v - level, 0) for v in row) > 1 else (low, level)
    return [max(v - high, 0) for v in row]


def gumbel(x, **options):
    kn.seed(1)  # every call draws the same
    return kn.gumbel_softmax(x, **options)


NOISE = -np.log(-np.log(kn.random.uniform((1, kn.random.DROPOUT, 0), (2, 3), np.float64) + 2.0**-54))

ROWS = [
    *[
        own(f"{op.__name__} {axis}", op, reference, shapes, options={"axis": axis})
        for op, reference in zip(FAMILY, (naive.softmax, naive.logsoftmax, naive.logsumexp, softmin))
        for axis, shapes in ((-1, X23), (0, X23), (1, ((2, 3, 2),)), ((0, -1), ((2, 3, 2),)), (None, X23))
    ],
    *[
        own(op.__name__, op, reference, X23, edges=(((0, 3),), ((2, 0),), ((2, 1),), ((1, 1),)))
        for op, reference in zip(FAMILY, (naive.softmax, naive.logsoftmax, naive.logsumexp, softmin))
    ],
    own("logsumexp kept", kn.logsumexp, naive.logsumexp, ((2, 3),), options={"axis": 0, "keepdims": True}),
    *[
        own(f"{op.__name__} {name}", op, reference, X23, options=options)
        for op, reference in MASKED
        for name, options in (
            ("mask", {"mask": MASK}),
            ("shared mask", {"mask": SHARED}),
            ("mask of columns", {"mask": COLUMNS, "axis": 0}),
        )
    ],
    *[own(f"{op.__name__} nobody", op, reference, X23, options={"mask": NOBODY}) for op, reference in MASKED[:2]],
    Row("logsumexp nobody", kn.logsumexp, lambda x: kn.logsumexp(x, mask=NOBODY)[:1], X23, exact=False,
        reference=lambda x: naive.logsumexp(x[:1, [0, 2]])),
    Row("logsoftmax mask", kn.logsoftmax, lambda x: kn.logsoftmax(x, mask=MASK)[MASK], X23, exact=False,
        reference=lambda x: masked(naive.logsoftmax, -np.inf)(x, MASK)[MASK]),
    own("sparsemax", kn.sparsemax, naive.along(sparsemax), X23, edges=(((0, 3),), ((2, 0),), ((2, 1),))),
    own("sparsemax near", kn.sparsemax, naive.along(sparsemax), ((2, 4),), "unit"),
    own("sparsemax 0", kn.sparsemax, naive.along(sparsemax), ((2, 3),), options={"axis": 0}),
    Row("gumbel_softmax", kn.gumbel_softmax, gumbel, X23, exact=False, edges=(((0, 3),), ((2, 0),), ((2, 1),)),
        reference=lambda x: naive.softmax(x + NOISE.astype(x.dtype))),
    Row("gumbel_softmax 0", kn.gumbel_softmax, lambda x: gumbel(x, axis=0, temperature=0.5), X23, exact=False,
        reference=lambda x: naive.softmax((x + NOISE.astype(x.dtype)) * 2, 0)),
]  # fmt: skip

WRONG = [
    *[
        Wrong(f"{f.__name__} axis", lambda a, f=f: f(a, axis=2), ((2, 3),), np.exceptions.AxisError,
              (f.__name__, "axis 2", "(2, 3)"), True)
        for f in FAMILY + CLASSES
    ],
    *[
        Wrong(f"{f.__name__} scalar", f, ((),), np.exceptions.AxisError, (f.__name__, "axis -1", "()"), True)
        for f in FAMILY + CLASSES
    ],
    *[
        Wrong(f"{f.__name__} mask", lambda a, f=f: f(a, mask=np.ones((3, 2), bool)), ((2, 3),), kn.ShapeError,
              (f.__name__, "mask", "(3, 2)", "(2, 3)"), True)
        for f in FAMILY
    ],
    Wrong("softmax larger mask", lambda a: kn.softmax(a, mask=np.ones((2, 3), bool)), ((3,),), kn.ShapeError,
          ("softmax", "mask", "(2, 3)", "(3,)"), True),
    Wrong("softmax added mask", lambda a: kn.softmax(a, mask=np.ones((2, 3))), ((2, 3),), kn.DtypeError,
          ("softmax", "mask", "float64", "astype(bool)"), True),
    Wrong("gumbel_softmax cold", lambda a: kn.gumbel_softmax(a, temperature=0), ((2, 3),), ValueError,
          ("gumbel_softmax", "temperature", "> 0"), True),
    Wrong("gumbel_softmax axes", lambda a: kn.gumbel_softmax(a, (0, 1)), ((2, 3),), TypeError,
          ("gumbel_softmax", "axis", "(0, 1)"), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "softmax": (lambda: kn.softmax(WHOLE), ("softmax: x has dtype int64", "x.astype(np.float32)")),
    "logsoftmax": (lambda: kn.logsoftmax(WHOLE), ("logsoftmax: x has dtype int64",)),
    "logsumexp": (lambda: kn.logsumexp(WHOLE > 1), ("logsumexp: x has dtype bool",)),
    "softmin": (lambda: kn.softmin(WHOLE), ("softmin: x has dtype int64",)),
    "gumbel_softmax": (lambda: kn.gumbel_softmax(WHOLE), ("gumbel_softmax: x has dtype int64",)),
    "sparsemax": (lambda: kn.sparsemax(WHOLE), ("sparsemax: x has dtype int64",)),
}  # fmt: skip
