"""Dropout."""

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong

LOW = -1.7580993408473766  # selu(-Inf)


def again(op, training=True, **options):
    """`op` dropping the same at every call."""

    def call(x):
        kn.seed(1)
        with kn.training(training):
            return op(x, 0.25, **options)

    return call


def kept(*shape):
    return kn.random.uniform((1, kn.random.DROPOUT, 0), shape, np.float32) >= 0.25


def dropped(*shape):
    return lambda x: np.where(kept(*shape), x / x.dtype.type(0.75), 0)


def alpha_dropped(*shape):
    scale = (0.75 * (1 + 0.25 * LOW**2)) ** -0.5
    return lambda x: np.where(kept(*shape), x, x.dtype.type(LOW)) * scale - 0.25 * LOW * scale


WHOLE = np.array([[1, 2, 3], [3, 1, 2]])
IMAGES = ((2, 3, 2, 1),)

ROWS = [
    *[Row(f"{op.__name__} off", op, lambda x, op=op: again(op, False)(x * 2), ((2, 3),), reference=lambda x: x * 2)
      for op in (kn.dropout, kn.alpha_dropout)],
    Row("dropout", kn.dropout, again(kn.dropout), ((2, 3),), reference=dropped(2, 3), exact=False),
    Row("dropout images", kn.dropout, again(kn.dropout, axis=(0, 1)), IMAGES, reference=dropped(2, 3, 1, 1),
        edges=(((0, 3, 2, 1),),)),
    Row("dropout last", kn.dropout, again(kn.dropout, axis=-1), ((2, 3),), reference=dropped(1, 3)),
    Row("dropout all", kn.dropout, again(kn.dropout, axis=()), ((2, 3),), reference=dropped(1, 1)),
    Row("alpha_dropout", kn.alpha_dropout, again(kn.alpha_dropout), ((2, 3),), reference=alpha_dropped(2, 3),
        exact=False),
    Row("alpha_dropout images", kn.alpha_dropout, again(kn.alpha_dropout, axis=(0, 1)), IMAGES,
        reference=alpha_dropped(2, 3, 1, 1), exact=False),
]  # fmt: skip

WRONG = [
    *[Wrong(f"{f.__name__} p", lambda a, f=f: f(a, 1.5), ((2, 3),), ValueError, (f.__name__, "p", "1.5"), True)
      for f in (kn.dropout, kn.alpha_dropout)],
    Wrong("dropout p word", lambda a: kn.dropout(a, "half"), ((2, 3),), TypeError, ("dropout: p", "'half'"), True),
    Wrong("dropout axes", lambda a: kn.dropout(a, axis=(0, 2)), ((2, 3),), np.exceptions.AxisError,
          ("dropout", "axis 2", "(2, 3)"), True),
    Wrong("dropout axes twice", lambda a: kn.dropout(a, axis=(0, -2)), ((2, 3),), ValueError, ("dropout", "twice"),
          True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "dropout": (lambda: kn.dropout(WHOLE), ("dropout: x has dtype int64", "x.astype(np.float32)")),
    "alpha_dropout": (lambda: kn.alpha_dropout(WHOLE), ("alpha_dropout: x has dtype int64",)),
}  # fmt: skip
