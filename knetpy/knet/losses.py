"""Knet's losses: labels from 1, of which 0 is passed over; of scores, or of a model and its data."""

import math

import numpy as np

from ..calls import telling, told
from ..core.errors import warn
from ..devices import maybe, surely
from ..ops.arguments import array_of, constant_of, flag, integers
from ..ops.bce import bce as _bce
from ..ops.bce import logistic as _logistic
from ..ops.nll import accuracy as _accuracy
from ..ops.nll import nll as _nll
from ..ops.nll import zeroone as _zeroone
from .ops import axis_of_dims, one_number

MANY = 10  # labels for each class, of which every class has one, but for chances of e**-10


@telling("nll(f(x), labels), or nll(lambda x: predict(w, x), data=batches)")
def nll(scores, labels=None, *, data=None, dims=1, average=True):
    """Negative log likelihood: the mean of -log(softmax(scores)) at the labels, which are from 1, and 0 for none.

    Parameters:
      scores: (..., C), floating, raw; Julia's (C, ...). Or a model, a function from x to scores.
      labels=None: integers from 1 to C, one for each place, in any shape; a label of 0 is passed over. A vector
        of 10 * C or more with all numbers from 0 to C - 1, but no C, is warned of: such labels seem to be from 0.
      data=None: with a model, batches (x, y) that it is computed for; nll(model, data) is the same.
      dims=1: along which of Julia's axes the classes lie: 1 is our last axis, 2 the one before it.
      average=True: False for the pair (total, how many labels count).
    Returns: a scalar, which has a derivative by the scores; 0 where no label counts. Of data a float, NaN there.

    >>> import numpy as np, knetpy as kn
    >>> scores = np.array([[12.2, 2.0, 0.0], [0.3, 21.5, -21.0]])  # of a cat and a dog
    >>> print(f"{kn.knet.nll(scores, [1, 2]):.4e}", kn.knet.nll(scores, [1, 0], average=False)[1])
    2.1100e-05 1
    """
    if callable(scores):
        return _of_data("nll", nll, scores, labels, data, dims, average)
    scores, labels, axis, ignore = _from_one("nll", scores, labels, data, dims)
    if flag("nll", "average", average):
        return _nll(scores, labels, axis, ignore=ignore)
    return _nll(scores, labels, axis, ignore=ignore, reduction="sum"), int((labels >= 0).sum())


@telling("accuracy(f(x), labels), or accuracy(lambda x: predict(w, x), data=batches)")
def accuracy(scores, labels=None, *, data=None, dims=1, average=True):
    """The share of labels, which are from 1, at which the highest score lies.

    Parameters: as for `nll`.
    Returns: a float, NaN if no label counts; with average=False the pair (how many are right, how many labels count).

    >>> import numpy as np, knetpy as kn
    >>> scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    >>> kn.knet.accuracy(scores, [2, 2, 0]), kn.knet.accuracy(scores, [2, 2, 0], average=False)
    (0.5, (1, 2))
    """
    if callable(scores):
        return _of_data("accuracy", accuracy, scores, labels, data, dims, average)
    scores, labels, axis, ignore = _from_one("accuracy", scores, labels, data, dims)
    share, count = _accuracy(scores, labels, axis, ignore=ignore), int((labels >= 0).sum())
    return share if flag("accuracy", "average", average) else (round(share * count) if count else 0, count)


@told
def zeroone(scores, labels=None, *, data=None, dims=1):
    """1 - `accuracy`: the share of labels at which the highest score does not lie.

    Parameters: as for `nll`.
    Returns: a float, NaN if no label counts.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.zeroone(np.array([[0.1, 0.9], [0.8, 0.2]]), [2, 2])
    0.5
    """
    if callable(scores):
        return 1 - _of_data("zeroone", accuracy, scores, labels, data, dims, True)
    scores, labels, axis, ignore = _from_one("zeroone", scores, labels, data, dims)
    return _zeroone(scores, labels, axis, ignore=ignore)


@told
def logistic(scores, labels, *, average=True):
    """The mean of log(1 + exp(-labels * scores)), for labels -1 and 1.

    Parameters:
      scores: a floating array.
      labels: -1 or 1, of its shape.
      average=True: False for the pair (total, how many there are).
    Returns: a scalar, which has a derivative by the scores.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.logistic(np.zeros(2), [1, -1]).round(4), kn.knet.logistic(np.zeros(2), [1, -1], average=False)[1]
    (np.float64(0.6931), 2)
    """
    return _mean_or_total("logistic", _logistic, scores, labels, average)


@told
def bce(scores, labels, *, average=True):
    """Binary cross entropy of raw scores, whose probabilities are `sigm` of them, for labels 0 and 1.

    Parameters: as for `logistic`, with labels 0 or 1.
    Returns: a scalar, which has a derivative by the scores.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.bce(np.array([0.0, 1000.0]), [1, 1]).round(4)
    np.float64(0.3466)
    """
    return _mean_or_total("bce", _bce, scores, labels, average)


def _mean_or_total(name, loss, scores, labels, average):
    if flag(name, "average", average):
        return loss(scores, labels)
    return loss(scores, labels, reduction="sum"), int(np.size(labels))


def _from_one(name, scores, labels, data, dims):
    """The scores, labels from 0 in their shape, the class axis, and which label does not count, if any may be it."""
    if labels is None or data is not None:
        raise TypeError(f"{name}: it takes scores and labels, or a model and data, as {name}(model, data=batches)")
    one_number(name, "dims", dims, (1, 2))
    scores, labels = array_of(name, "scores", scores), integers(name, "labels", constant_of(name, "labels", labels))
    given = labels
    (axis,) = axis_of_dims(name, scores, dims)
    shape = tuple(np.delete(scores.shape, axis).tolist())
    if labels.shape != shape and labels.size == math.prod(shape):
        labels = labels.reshape(shape)
    classes = scores.shape[axis]
    if surely((labels < 0) | (labels > classes)):
        worst = labels.max() if labels.max() > classes else labels.min()
        raise ValueError(f"{name}: labels run from 1 to {classes}, and 0 is passed over; got {worst}")
    _warn_of_zeros(name, given, classes)
    return scores, labels - 1, axis, -1 if maybe(labels == 0) else None


def _warn_of_zeros(name, labels, classes):
    """Warn of labels that seem to be from 0: a long vector of all numbers up to the last class, but never that.

    Where 0 is for the ends of sentences there are mostly rows of labels. Of so many, each class is among them by
    chance, if they are about equally frequent.
    """
    if labels.ndim != 1 or labels.size < MANY * classes or not surely(labels == 0) or (labels == classes).any():
        return
    if len(np.unique(labels)) == classes > 1:
        warn(
            f"{name}: labels hold each number from 0 to {classes - 1} and no {classes}. Knet's are from 1, and 0 is "
            f"passed over: write labels + 1, or take kn.{name}, whose labels are from 0"
        )


def _of_data(name, loss, model, labels, data, dims, average):
    """The mean, or (total, count), over all labels of the batches of data."""
    batches = labels if data is None else data
    if batches is None or hasattr(batches, "shape") or (labels is not None and data is not None):
        raise TypeError(f"{name}: with a model goes its data: {name}(model, data=batches); or {name}(model(x), labels)")
    pairs = [loss(model(x), y, dims=dims, average=False) for x, y in batches]
    total, count = (sum(part) for part in zip(*pairs)) if pairs else (0, 0)
    if not flag(name, "average", average):
        return total, count
    return float(total) / count if count else math.nan
