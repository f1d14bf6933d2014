"""Losses of yes or no, and losses that ask for a margin."""

import math

import numpy as np

import knetpy as kn
from tests.ops.row import Wrong
from tests.ops.rows.loss import PAIR, pointwise, reduced, row
from tests.ops.rows.nll import of_probabilities

ONE = PAIR[:1]
BITS = np.array([[1, 0, 1], [0, 0, 1]])
SIGNS = 2 * BITS - 1
LABELS, PLACES = np.array([2, 0]), np.array([[2, 0], [1, 1], [0, 2]])
LISTED = np.array([[2, 0, -1], [-1, 1, 1]])
WEIGHT, FOUR = [0.5, 0.0, 2.0], [1.0, 0.25, 2.0, 0.5]
GRID = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 3.0]])


def softplus(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def _bce(x, t, weight=1.0, pos_weight=1.0):
    return weight * (pos_weight * t * softplus(-x) + (1 - t) * softplus(x))


def bce(x, t=None, labels=None, weight=1.0, pos_weight=1.0, reduction="mean"):
    t = labels if t is None else t
    columns = [np.ravel(np.broadcast_to(v, x.shape)) for v in (x, t, weight, pos_weight)]
    losses = np.array([_bce(*map(float, v)) for v in zip(*columns)], x.dtype).reshape(x.shape)
    return reduced(losses, reduction)


def _focal(x, t, gamma=2.0, alpha=None):
    p = 1 / (1 + math.exp(-x if t else x))
    return -((1 - p) ** gamma) * math.log(p) * (1 if alpha is None else alpha if t else 1 - alpha)


def multi_margin(scores, axis=-1, labels=None, p=1, margin=1.0, weight=None, reduction="mean"):
    scores = np.moveaxis(scores, axis, -1)
    losses = np.zeros(labels.shape, scores.dtype)
    for place in np.ndindex(*labels.shape):
        x, at = scores[place].astype(float), labels[place]
        total = sum(max(0, margin - x[at] + v) ** p for c, v in enumerate(x) if c != at)
        losses[place] = total / len(x) * (1 if weight is None else weight[at])
    return reduced(losses, reduction)[()]


def multilabel_margin(scores, axis=-1, labels=None, reduction="mean"):
    scores, labels = np.moveaxis(scores, axis, -1), np.moveaxis(labels, axis, -1)
    losses = np.zeros(labels.shape[:-1], scores.dtype)
    for place in np.ndindex(*losses.shape):
        x, named = scores[place].astype(float), []
        for c in labels[place]:
            if c < 0:
                break
            named.append(c)
        others = [v for c, v in enumerate(x) if c not in named]
        losses[place] = sum(max(0, 1 - x[c] + v) for c in named for v in others) / len(x)
    return reduced(losses, reduction)[()]


def multilabel_soft_margin(scores, labels, axis=-1, weight=None, reduction="mean"):
    losses = np.moveaxis(bce(scores, labels, reduction="none"), axis, -1)
    weight = np.ones(losses.shape[-1]) if weight is None else weight
    return reduced((losses * weight).mean(-1).astype(scores.dtype), reduction)[()]


bce_of_probabilities = pointwise(lambda p, t: -t * math.log(p) - (1 - t) * math.log(1 - p))
logistic = pointwise(lambda x, y: softplus(-x * y))
hinge = pointwise(lambda x, y: max(0, 1 - x * y))
squared_hinge = pointwise(lambda x, y: max(0, 1 - x * y) ** 2)
binary_focal = pointwise(_focal)


ROWS = [
    row("bce", kn.bce, bce, edges=(((0,), (0,)), ((1, 1), (1, 1)), ((), ()))),
    row("bce none", kn.bce, bce, reduction="none", elementwise=True),
    row("bce of integers", kn.bce, bce, ONE, labels=BITS, reduction="sum"),
    row("bce of booleans", kn.bce, bce, ONE, labels=BITS > 0, weight=GRID),
    row("bce pos_weight", kn.bce, bce, pos_weight=2.5),
    row("bce weights", kn.bce, bce, weight=GRID[:, :1], pos_weight=WEIGHT, reduction="none"),
    row("bce probabilities", of_probabilities(kn.bce),
        lambda x, t, logits: of_probabilities(bce_of_probabilities)(x, t), PAIR, "positive", special=False,
        logits=False),
    row("bce probabilities none", of_probabilities(kn.bce),
        lambda x, t, logits, reduction: of_probabilities(bce_of_probabilities)(x, t, reduction=reduction), PAIR,
        "positive", special=False, logits=False, reduction="none"),
    row("logistic", kn.logistic, logistic, ONE, labels=SIGNS),
    row("logistic none", kn.logistic, logistic, ONE, labels=SIGNS.astype(float), reduction="none"),
    row("hinge", kn.hinge, hinge, ONE, labels=SIGNS),
    row("hinge none", kn.hinge, hinge, ONE, labels=SIGNS, reduction="none"),
    row("squared_hinge", kn.squared_hinge, squared_hinge, ONE, labels=SIGNS),
    row("squared_hinge sum", kn.squared_hinge, squared_hinge, ONE, labels=SIGNS, reduction="sum"),
    row("binary_focal", kn.binary_focal, binary_focal, ONE, labels=BITS),
    row("binary_focal alpha", kn.binary_focal, binary_focal, ONE, labels=BITS, alpha=0.25, gamma=0.5, reduction="sum"),
    row("binary_focal 0", kn.binary_focal, binary_focal, ONE, labels=BITS > 0, gamma=0, reduction="none"),
    row("multi_margin", kn.multi_margin, multi_margin, ONE, labels=LABELS),
    row("multi_margin squares", kn.multi_margin, multi_margin, ONE, labels=LABELS, p=2, margin=0.5, weight=WEIGHT),
    row("multi_margin axis", kn.multi_margin, multi_margin, ((3, 4, 2),), labels=PLACES, axis=1, weight=FOUR,
        reduction="none"),
    row("multi_margin one", kn.multi_margin, multi_margin, ((3,),), labels=np.array(1), reduction="sum"),
    row("multilabel_margin", kn.multilabel_margin, multilabel_margin, ONE, labels=LISTED),
    row("multilabel_margin axis", kn.multilabel_margin, multilabel_margin, ONE,
        labels=np.array([[0, 1, -1], [1, 0, 0]]), axis=0, reduction="none"),
    row("multilabel_margin one", kn.multilabel_margin, multilabel_margin, ((3,),), labels=np.array([1, -1, 0]),
        reduction="sum"),
    row("multilabel_soft_margin", kn.multilabel_soft_margin, multilabel_soft_margin),
    row("multilabel_soft_margin axis", kn.multilabel_soft_margin, multilabel_soft_margin, axis=0, weight=[0.5, 2],
        reduction="none"),
]  # fmt: skip

WRONG = [
    Wrong("bce shapes", lambda a: kn.bce(a, [0, 1]), ((2, 1),), kn.ShapeError, ("bce", "(2, 1)", "(2,)"), True),
    Wrong("bce words", lambda a: kn.bce(a, ["yes", "no"]), ((2,),), kn.DtypeError, ("labels", "numbers"), True),
    Wrong("bce range", lambda a: kn.bce(a, [-1, 1]), ((2,),), ValueError, ("labels", "0 to 1", "-1"), True),
    Wrong("bce weight", lambda a: kn.bce(a, [0, 1], weight=np.ones((3, 2))), ((2,),), kn.ShapeError,
          ("weight", "(3, 2)", "(2,)"), True),
    Wrong("bce pos_weight", lambda a: kn.bce(a, [0, 1], pos_weight=-1), ((2,),), ValueError,
          ("pos_weight", "-1"), True),
    Wrong("bce pos_weight of probabilities", lambda a: kn.bce(a, [0, 1], pos_weight=1, logits=False), ((2,),),
          ValueError, ("pos_weight", "logits=True"), True),
    Wrong("bce of no probabilities", lambda a: kn.bce(a * 1.5, [0, 1], logits=False), ((2,),), ValueError,
          ("from 0 to 1", "1.5", "logits=True"), True),
    Wrong("logistic labels", lambda a: kn.logistic(a, [0, 1]), ((2,),), ValueError, ("logistic", "-1 or 1", "0"), True),
    Wrong("hinge shapes", lambda a: kn.hinge(a, [1]), ((2,),), kn.ShapeError, ("hinge", "(2,)", "(1,)"), True),
    Wrong("squared_hinge NaN", lambda a: kn.squared_hinge(a, [1, np.nan]), ((2,),), ValueError, ("nan",), True),
    Wrong("binary_focal labels", lambda a: kn.binary_focal(a, [-1, 1]), ((2,),), ValueError, ("0 or 1", "-1"), True),
    Wrong("binary_focal alpha", lambda a: kn.binary_focal(a, [0, 1], alpha=2), ((2,),), ValueError,
          ("alpha", "<= 1"), True),
    Wrong("multi_margin p", lambda a: kn.multi_margin(a, [0], p=3), ((1, 2),), ValueError, ("p must be 1 or 2",), True),
    Wrong("multi_margin range", lambda a: kn.multi_margin(a, [2]), ((1, 2),), ValueError, ("label 2", "0 to 1"), True),
    Wrong("multilabel_margin shape", lambda a: kn.multilabel_margin(a, [0]), ((1, 2),), kn.ShapeError,
          ("(1, 2)", "(1,)"), True),
    Wrong("multilabel_margin range", lambda a: kn.multilabel_margin(a, [[0, -2]]), ((1, 2),), ValueError,
          ("label -2", "-1 ends"), True),
    Wrong("multilabel_soft_margin weight", lambda a: kn.multilabel_soft_margin(a, a, weight=[1]), ((1, 2),),
          kn.ShapeError, ("weight", "(2,)", "(1,)"), True),
]  # fmt: skip

DTYPES = {
    "bce": (lambda: kn.bce(np.ones(2), np.ones(2, "f4")), ("bce", "scores", "float64", "labels", "float32")),
    "bce of integers": (lambda: kn.bce(np.ones(2, int), np.ones(2)), ("scores has dtype int64", "astype")),
}
