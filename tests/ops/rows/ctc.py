"""Connectionist temporal classification: the sum over all alignments, one by one."""

import math
from itertools import groupby, product

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Row, Wrong

LABELS = np.array([[1, 2], [2, 2]])
LONG = np.array([[0, 2, 0, 1], [1, 1, 2, 9]])


def spelled(path, blank):
    return [c for c, _ in groupby(path) if c != blank]


def ctc(scores, labels, lengths=None, label_lengths=None, blank=0, reduction="mean"):
    """-log of the sum of the probabilities of all paths that spell the labels."""
    p, (n, steps, classes) = naive.softmax(scores).astype(float), scores.shape
    lengths = [steps] * n if lengths is None else lengths
    label_lengths = [labels.shape[1]] * n if label_lengths is None else label_lengths
    losses = []
    for i in range(n):
        paths = [path for path in product(range(classes), repeat=lengths[i])
                 if spelled(path, blank % classes) == list(labels[i][: label_lengths[i]])]  # fmt: skip
        total = math.fsum(math.prod(p[i, t, c] for t, c in enumerate(path)) for path in paths)
        losses.append(-math.log(total) if total else math.inf)
    losses = np.array(losses, scores.dtype)
    if reduction == "mean":
        return (losses / np.maximum(label_lengths, 1).astype(scores.dtype)).sum() / n
    return losses if reduction == "none" else losses.sum()


def row(name, shape, labels, **options):
    return Row(name, kn.ctc, lambda x: kn.ctc(x, labels, **options), (shape,), exact=False,
               reference=lambda x: ctc(x, np.array(labels), **options))  # fmt: skip


ROWS = [
    row("ctc", (2, 4, 3), LABELS),
    row("ctc none", (2, 4, 3), LABELS, reduction="none"),
    row("ctc sum", (2, 4, 3), LABELS, reduction="sum"),
    row("ctc lengths", (2, 5, 3), LABELS, lengths=[3, 5], label_lengths=[2, 1], reduction="none"),
    row("ctc blank", (2, 4, 3), [[0, 1], [1, 1]], blank=-1),
    row("ctc blank between", (2, 5, 4), LONG, blank=3, label_lengths=[4, 3]),
    row("ctc no labels", (2, 3, 2), np.zeros((2, 0), int), reduction="sum"),
    row("ctc no time", (2, 2, 3), LABELS, lengths=[0, 2], label_lengths=[0, 1]),
    row("ctc one time", (1, 1, 3), [[2]]),
    Row("ctc one", kn.ctc, lambda x: kn.ctc(x, [1, 2]), ((4, 3),), exact=False,
        reference=lambda x: ctc(x[None], np.array([[1, 2]]))),
    Row("ctc one none", kn.ctc, lambda x: kn.ctc(x, [1, 2], lengths=3, label_lengths=2, reduction="none"), ((4, 3),),
        exact=False, reference=lambda x: ctc(x[None], np.array([[1, 2]]), [3], reduction="none")[0]),
    Row("ctc time_major", kn.ctc, lambda x: kn.ctc(x, LABELS, time_major=True), ((4, 2, 3),), exact=False,
        reference=lambda x: ctc(np.swapaxes(x, 0, 1), LABELS)),
    Row("ctc one after the other", kn.ctc, lambda x: kn.ctc(x, [1, 2, 1], label_lengths=[1, 2], reduction="none"),
        ((2, 4, 3),), exact=False,
        reference=lambda x: ctc(x, np.array([[1, 0], [2, 1]]), label_lengths=[1, 2], reduction="none")),
    Row("ctc zero_infinity", kn.ctc, lambda x: kn.ctc(x, [[1, 2], [2, 2]], zero_infinity=True, reduction="none"),
        ((2, 2, 3),), exact=False,
        reference=lambda x: np.array([ctc(x[:1], LABELS[:1], reduction="sum"), 0], x.dtype)),
]  # fmt: skip

SHAPE = ((2, 4, 3),)
WRONG = [
    Wrong("ctc axes", lambda a: kn.ctc(a, [1]), ((3,),), kn.ShapeError, ("ctc", "(N, T, C)", "(3,)"), True),
    Wrong("ctc labels", lambda a: kn.ctc(a, [1, 2]), SHAPE, kn.ShapeError, ("(2, L)", "(2,)", "label_lengths"), True),
    Wrong("ctc labels of three", lambda a: kn.ctc(a, [[1], [1], [1]]), SHAPE, kn.ShapeError, ("(3, 1)",), True),
    Wrong("ctc labels dtype", lambda a: kn.ctc(a, [[1.0], [2.0]]), SHAPE, kn.DtypeError, ("labels", "float64"), True),
    Wrong("ctc range", lambda a: kn.ctc(a, [[1], [3]]), SHAPE, ValueError, ("label 3", "0 to 2"), True),
    Wrong("ctc negative", lambda a: kn.ctc(a, [[1], [-1]]), SHAPE, ValueError, ("label -1", "label_lengths"), True),
    Wrong("ctc blank label", lambda a: kn.ctc(a, [[1], [0]]), SHAPE, ValueError, ("label 0", "blank"), True),
    Wrong("ctc blank", lambda a: kn.ctc(a, LABELS, blank=3), SHAPE, ValueError, ("blank", "3 classes"), True),
    Wrong("ctc lengths", lambda a: kn.ctc(a, LABELS, lengths=[5, 4]), SHAPE, ValueError,
          ("lengths", "T = 4", "5"), True),
    Wrong("ctc lengths shape", lambda a: kn.ctc(a, LABELS, lengths=[4]), SHAPE, kn.ShapeError, ("(2,)", "(1,)"), True),
    Wrong("ctc label_lengths", lambda a: kn.ctc(a, LABELS, label_lengths=[-1, 2]), SHAPE, ValueError,
          ("label_lengths", "L = 2", "-1"), True),
    Wrong("ctc sum of label_lengths", lambda a: kn.ctc(a, [1, 2, 1], label_lengths=[1, 1]), SHAPE, kn.ShapeError,
          ("add up to 2", "3 labels"), True),
    Wrong("ctc reduction", lambda a: kn.ctc(a, LABELS, reduction="all"), SHAPE, ValueError, ("'all'",), True),
]  # fmt: skip

DTYPES = {"ctc": (lambda: kn.ctc(np.ones((2, 4, 3), int), LABELS), ("ctc", "scores has dtype int64", "astype"))}
