"""Losses of yes or no, for each element by itself."""

import numpy as np

from ..core.primitive import primitive
from .activation import sigmoid
from .arguments import as_floating, axis_of, flag
from .labels import (
    alike,
    check_probabilities,
    class_weights,
    element_weights,
    soft_labels,
    warn_of_probabilities,
    whole_labels,
)
from .limits import weighted
from .reduction import reduced
from .shape import along


@primitive(
    elementwise=True,
    trusted=True,
    scores=lambda dy, scores, labels: dy * (sigmoid(scores) - labels),
    labels=lambda dy, scores: -weighted(dy, scores),
)
def _bce(scores, labels):
    """-labels * log(sigmoid(scores)) - (1 - labels) * log(sigmoid(-scores)), without overflow."""
    size = np.abs(scores)
    return np.log1p(np.exp(-size)) + weighted(np.where(scores > 0, 1 - labels, labels), size)


def _floored_logs(p):
    """log(p) and log(1 - p), but at least -100."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)


def _bce_by_label(dy, p):
    yes, no = _floored_logs(p)
    return dy * (no - yes)


def _bce_slope(dy, p, labels):
    least = max(1e-12, float(np.finfo(p.dtype).tiny))
    return dy * ((p - labels) / np.maximum((1 - p) * p, least))


@primitive(
    elementwise=True,
    trusted=True,
    p=_bce_slope,
    labels=_bce_by_label,
)
def _bce_of_probabilities(p, labels):
    yes, no = _floored_logs(p)
    return -labels * yes - (1 - labels) * no


def bce(scores, labels, *, logits=True, weight=None, pos_weight=None, reduction="mean"):
    """Binary cross entropy: -labels * log(p) - (1 - labels) * log(1 - p), where p = sigmoid(scores).

    Parameters:
      scores: floating array.
      labels: 0 or 1, or between, of the shape of scores; integer, boolean, or floating of the dtype of scores.
      logits=True: whether scores are raw; else they are probabilities from 0 to 1, whose logarithms count as at least
        -100.
      weight=None: constant factors of the losses, 0 or more, that broadcast to the shape of scores.
      pos_weight=None: constant factors of the first of the two terms, as weight; for raw scores only.
      reduction="mean": "mean" (of the weighted losses, by their number), "sum" or "none".
    Returns: a scalar, or an array of the shape of scores.
    Raises: DtypeError, ShapeError, ValueError. Warns when raw scores come out of sigmoid.
    Derivative: by scores and floating labels. Of probabilities: that by p divides by p * (1 - p), at least 1e-12; that
      by labels takes the logarithms as they count (PyTorch has Inf at 0 and 1).

    >>> import numpy as np, knetpy as kn
    >>> kn.bce(np.array([0.0, 1000.0]), [1, 1], reduction="none")
    array([0.69314718, 0.        ])
    """
    (scores,) = as_floating("bce", scores=scores)
    labels = soft_labels("bce", "labels", labels, scores=scores)
    weight = element_weights("bce", "weight", weight, scores)
    pos_weight = element_weights("bce", "pos_weight", pos_weight, scores)
    losses = yes_or_no("bce", scores, labels, logits, pos_weight)
    return reduced("bce", losses if weight is None else weighted(weight, losses), reduction)


def yes_or_no(name, scores, labels, logits, pos_weight=None):
    """The losses of `bce`."""
    if flag(name, "logits", logits):
        warn_of_probabilities(name, scores, sigmoid)
        if pos_weight is None:
            return _bce(scores, labels)
        yes, no = np.logaddexp(0, -scores), np.logaddexp(0, scores)
        return weighted(labels * pos_weight, yes) + weighted(1 - labels, no)
    if pos_weight is not None:
        raise ValueError(f"{name}: pos_weight needs raw scores, logits=True; of probabilities use weight")
    check_probabilities(name, scores)
    return _bce_of_probabilities(scores, labels)


def logistic(scores, labels, *, reduction="mean"):
    """log(1 + exp(-labels * scores)), without overflow: `bce` for labels -1 and 1.

    Parameters:
      scores: floating array.
      labels: -1 or 1, of the shape of scores, constants.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or an array of the shape of scores.
    Raises: DtypeError, ShapeError, ValueError.
    Derivative: by scores.

    >>> import numpy as np, knetpy as kn
    >>> kn.logistic(np.array([0.0, 1000.0]), [1, -1], reduction="none")
    array([6.93147181e-01, 1.00000000e+03])
    """
    (scores,) = alike("logistic", scores=scores)
    labels = whole_labels("logistic", labels, scores.shape, (-1, 1), scores=scores)
    return reduced("logistic", np.logaddexp(0, scores * -labels), reduction)


def multilabel_soft_margin(scores, labels, axis=-1, *, weight=None, reduction="mean"):
    """`bce` of raw scores, averaged over the classes along `axis`.

    Parameters:
      scores, labels: as for `bce`, one class along `axis` each.
      axis=-1: the class axis, by default the last.
      weight=None: one constant weight for each class, 0 or more.
      reduction="mean": "mean", "sum" or "none", over all but the class axis.
    Returns: a scalar, or an array of the shape without `axis`.
    Raises: DtypeError, ShapeError, ValueError, AxisError.
    Derivative: by scores and labels.

    >>> import numpy as np, knetpy as kn
    >>> kn.multilabel_soft_margin(np.array([[0.0, 100.0, -100.0]]), [[0, 1, 0]], reduction="none")
    array([0.23104906])
    """
    name = "multilabel_soft_margin"
    (scores,) = alike(name, scores=scores)
    labels = soft_labels(name, "labels", labels, scores=scores)
    axis = axis_of(name, "scores", scores, axis)
    weight = class_weights(name, weight, scores, axis)
    losses = yes_or_no(name, scores, labels, True)
    if weight is not None:
        losses = weighted(along(weight, scores, axis), losses)
    return reduced(name, np.sum(losses, axis=axis) / max(scores.shape[axis], 1), reduction)
