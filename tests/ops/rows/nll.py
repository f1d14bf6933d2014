"""Losses of classification under softmax."""

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Wrong, own

LABELS = np.array([2, 0])
PLACES = np.array([[2, 0], [1, 1], [0, 2]])
HIDDEN = np.array([2, -1, 0])
WHOLE = np.array([[1, 2, 3], [3, 1, 2]])
WEIGHT = [0.5, 0.0, 2.0]
FOUR = np.array([1.0, 0.25, 2.0, 0.5])


def nll(scores, labels, axis=-1, weight=None, ignore=None, label_smoothing=0.0, reduction="mean"):
    """Every class of every label: what it weighs, times minus its log probability."""
    logs, classes = np.moveaxis(naive.logsoftmax(scores, axis), axis, -1), scores.shape[axis]
    weight = np.ones(classes) if weight is None else weight
    losses, counted = np.zeros(labels.shape, scores.dtype), 0.0
    for place in np.ndindex(*labels.shape):
        if labels[place] == ignore:
            continue
        counted += weight[labels[place]]
        for c in range(classes):
            share = label_smoothing / classes + (1 - label_smoothing) * (c == labels[place])
            w = weight[c] if label_smoothing and c != labels[place] else weight[labels[place]]
            losses[place] -= share * w * logs[(*place, c)]
    return losses if reduction == "none" else losses.sum() / (1 if reduction == "sum" else float(counted) or np.inf)


def cross_entropy(scores, targets, axis=-1, logits=True, weight=None, label_smoothing=0.0, reduction="mean"):
    logs = np.moveaxis(naive.logsoftmax(scores, axis) if logits else np.log(scores), axis, -1)
    targets, classes = np.moveaxis(targets, axis, -1), scores.shape[axis]
    losses = np.zeros(logs.shape[:-1], scores.dtype)
    for place in np.ndindex(*losses.shape):
        for c in range(classes):
            target = (1 - label_smoothing) * targets[(*place, c)] + label_smoothing / classes
            losses[place] -= target * (1 if weight is None else weight[c]) * logs[(*place, c)]
    return losses if reduction == "none" else losses.sum() / (1 if reduction == "sum" else max(losses.size, 1))


def focal(scores, labels, axis=-1, gamma=2.0, logits=True, weight=None, ignore=None, reduction="mean"):
    p = np.moveaxis(naive.softmax(scores, axis) if logits else scores, axis, -1)
    losses = np.zeros(labels.shape, scores.dtype)
    for place in np.ndindex(*labels.shape):
        if labels[place] != ignore:
            at = float(p[(*place, labels[place])])
            losses[place] = -((1 - at) ** gamma) * np.log(at) * (1 if weight is None else weight[labels[place]])
    counted = 1 if reduction == "sum" else max(int((labels != ignore).sum()), 1)
    return losses if reduction == "none" else losses.sum() / counted


def of_probabilities(op):
    """`op` of numbers from 0.1 to 0.85, made from "positive" ones."""
    return lambda x, *rest, **options: op(x / 2 - 0.15, *rest, **options)


def row(name, op, reference, shapes=((2, 3),), domain="any", edges=(), **options):
    return own(name, op, reference, shapes, domain, edges=edges, options=options)


ROWS = [
    row("nll", kn.nll, nll, labels=LABELS),
    row("nll sum", kn.nll, nll, labels=LABELS, reduction="sum"),
    row("nll none", kn.nll, nll, labels=LABELS, reduction="none"),
    row("nll axis", kn.nll, nll, ((3, 4, 2),), labels=PLACES, axis=1),
    row("nll axis 0", kn.nll, nll, ((3, 2),), labels=LABELS, axis=0),
    row("nll ignore", kn.nll, nll, ((3, 3),), labels=HIDDEN, ignore=-1),
    row("nll ignore none", kn.nll, nll, ((3, 3),), labels=HIDDEN, ignore=-1, reduction="none"),
    row("nll ignore all", kn.nll, nll, labels=LABELS * 0, ignore=0),
    row("nll one", kn.nll, nll, ((3,),), labels=np.array(1)),
    row("nll of none", kn.nll, nll, ((0, 3),), labels=np.zeros(0, int)),
    row("nll weight", kn.nll, nll, labels=LABELS, weight=WEIGHT),
    row("nll weight none", kn.nll, nll, labels=LABELS, weight=WEIGHT, reduction="none"),
    row("nll weight all 0", kn.nll, nll, labels=np.array([1, 1]), weight=WEIGHT),
    row("nll weight axis ignore", kn.nll, nll, ((3, 4, 2),), labels=PLACES, axis=1, weight=FOUR, ignore=2),
    row("nll weight all 0 smoothing", kn.nll, nll, labels=np.array([1, 1]), weight=WEIGHT, label_smoothing=0.5),
    row("nll smoothing", kn.nll, nll, labels=LABELS, label_smoothing=0.25),
    row("nll smoothing all", kn.nll, nll, labels=LABELS, label_smoothing=1, reduction="sum"),
    row("nll smoothing axis", kn.nll, nll, ((3, 4, 2),), labels=PLACES, axis=1, label_smoothing=0.1),
    row("nll smoothing weight", kn.nll, nll, labels=LABELS, label_smoothing=0.3, weight=WEIGHT),
    row("nll smoothing weight ignore", kn.nll, nll, ((3, 3),), labels=HIDDEN, label_smoothing=0.3, weight=WEIGHT,
        ignore=-1, reduction="none"),
    row("nll all options", kn.nll, nll, ((3, 4, 2),), labels=PLACES, axis=-2, label_smoothing=0.3, weight=FOUR,
        ignore=0),
    row("cross_entropy", kn.cross_entropy, cross_entropy, ((2, 3),) * 2, edges=(((0, 3),) * 2, ((1,),) * 2)),
    row("cross_entropy axis", kn.cross_entropy, cross_entropy, ((2, 3, 2),) * 2, axis=1, reduction="none"),
    row("cross_entropy weight", kn.cross_entropy, cross_entropy, ((2, 3),) * 2, weight=WEIGHT),
    row("cross_entropy smoothing", kn.cross_entropy, cross_entropy, ((2, 3),) * 2, label_smoothing=0.2,
        reduction="sum", edges=(((2, 0),) * 2,)),
    row("cross_entropy all options", kn.cross_entropy, cross_entropy, ((3, 2),) * 2, axis=0, weight=WEIGHT,
        label_smoothing=0.2),
    *[own(f"cross_entropy probabilities{name}", of_probabilities(kn.cross_entropy), of_probabilities(cross_entropy),
          ((2, 3),) * 2, "positive", special=False, options={"logits": False, **options})
      for name, options in (("", {}), (" all", dict(weight=WEIGHT, label_smoothing=0.5, reduction="none")))],
    row("focal", kn.focal, focal, labels=LABELS),
    row("focal 0", kn.focal, focal, labels=LABELS, gamma=0),
    row("focal half", kn.focal, focal, labels=LABELS, gamma=0.5, reduction="none"),
    row("focal weight ignore", kn.focal, focal, ((3, 3),), labels=HIDDEN, weight=WEIGHT, ignore=-1),
    row("focal axis", kn.focal, focal, ((3, 4, 2),), labels=PLACES, axis=1, gamma=1.5, reduction="sum"),
    own("focal probabilities", of_probabilities(kn.focal), of_probabilities(focal), ((2, 3),), "positive",
        special=False, options={"labels": LABELS, "logits": False}),
]  # fmt: skip

CONSTANTS = {kn.accuracy: lambda x: kn.accuracy(x, [1, 2]), kn.zeroone: lambda x: kn.zeroone(x, [1, 2])}

WRONG = [
    Wrong("nll one-hot", lambda a: kn.nll(a, np.eye(3)[:2]), ((2, 3),), kn.DtypeError,
          ("one-hot", "labels.argmax(1)", "cross_entropy"), True),
    Wrong("nll one-hot integers", lambda a: kn.nll(a, np.eye(3, dtype=int)[:2]), ((2, 3),), kn.ShapeError,
          ("(2,)", "(2, 3)", "labels.argmax(1)"), True),
    Wrong("nll column", lambda a: kn.nll(a, [[0], [1]]), ((2, 3),), kn.ShapeError,
          ("(2,)", "(2, 1)", "labels.reshape(2,)"), True),
    Wrong("nll -100", lambda a: kn.nll(a, [0, -100]), ((2, 3),), ValueError, ("ignore=-100",), True),
    Wrong("nll words", lambda a: kn.nll(a, ["a", "b"]), ((2, 3),), kn.DtypeError, ("labels", "np.unique"), True),
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
    Wrong("nll ignore", lambda a: kn.nll(a, [0, 1], ignore=0.5), ((2, 3),), TypeError, ("ignore", "0.5"), True),
    Wrong("nll weight", lambda a: kn.nll(a, [0, 1], weight=[1, 2]), ((2, 3),), kn.ShapeError,
          ("weight", "(3,)", "(2,)", "(2, 3)"), True),
    Wrong("nll weight negative", lambda a: kn.nll(a, [0, 1], weight=[1, -2, 0]), ((2, 3),), ValueError,
          ("weight", "-2"), True),
    Wrong("nll weight words", lambda a: kn.nll(a, [0, 1], weight=["a", "b", "c"]), ((2, 3),), kn.DtypeError,
          ("weight", "numbers"), True),
    Wrong("nll weight followed", lambda a: kn.nll(a, [0, 1], weight=a[0]), ((2, 3),), kn.DerivativeError,
          ("weight= of nll",)),
    Wrong("nll smoothing", lambda a: kn.nll(a, [0, 1], label_smoothing=1.5), ((2, 3),), ValueError,
          ("label_smoothing", ">= 0", "<= 1", "1.5"), True),
    Wrong("nll smoothing NaN", lambda a: kn.nll(a, [0, 1], label_smoothing=np.nan), ((2, 3),), ValueError,
          ("label_smoothing", "nan"), True),
    Wrong("nll smoothing word", lambda a: kn.nll(a, [0, 1], label_smoothing="yes"), ((2, 3),), TypeError,
          ("label_smoothing", "'yes'"), True),
    Wrong("accuracy", lambda a: kn.accuracy(a, [0]), ((2, 3),), kn.ShapeError, ("accuracy", "(2,)", "(1,)"), True),
    Wrong("zeroone", lambda a: kn.zeroone(a, [0, 4]), ((2, 3),), ValueError, ("zeroone", "label 4"), True),
    Wrong("nll no classes", lambda a: kn.nll(a, [0, 0], ignore=0), ((2, 0),), kn.ShapeError,
          ("nll", "(2, 0)", "no classes along axis 1"), True),
    Wrong("focal no classes", lambda a: kn.focal(a, []), ((0, 0),), kn.ShapeError, ("focal", "no classes"), True),
    Wrong("cross_entropy shapes", kn.cross_entropy, ((2, 3), (3,)), kn.ShapeError,
          ("cross_entropy", "(2, 3)", "(3,)"), True),
    Wrong("cross_entropy weight", lambda a: kn.cross_entropy(a, a, axis=0, weight=[1, 1, 1]), ((2, 3),),
          kn.ShapeError, ("weight", "(2,)", "axis 0", "(3,)"), True),
    Wrong("cross_entropy axis", lambda a: kn.cross_entropy(a, a, axis=-3), ((2, 3),), np.exceptions.AxisError,
          ("axis -3",), True),
    Wrong("cross_entropy of no probabilities", lambda a: kn.cross_entropy(-a, a, logits=False), ((2,),), ValueError,
          ("cross_entropy", "from 0 to 1", "-1.0", "logits=True"), True),
    Wrong("focal of no probabilities", lambda a: kn.focal(a + a, 0, logits=False), ((2,),), ValueError,
          ("focal", "from 0 to 1", "2.0"), True),
    Wrong("focal gamma", lambda a: kn.focal(a, [0, 1], gamma=-1), ((2, 3),), ValueError, ("gamma", ">= 0"), True),
    Wrong("focal range", lambda a: kn.focal(a, [0, 3]), ((2, 3),), ValueError, ("focal", "label 3"), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "nll": (lambda: kn.nll(WHOLE, LABELS), ("nll: scores has dtype int64", "scores.astype(np.float32)")),
    "cross_entropy": (lambda: kn.cross_entropy(np.ones((2, 3)), np.ones((2, 3), "f4")),
                      ("cross_entropy", "float64", "float32", "scores.astype(np.float32)")),
    "cross_entropy labels": (lambda: kn.cross_entropy(np.ones((2, 3)), LABELS), ("targets are integers", "nll")),
}  # fmt: skip
