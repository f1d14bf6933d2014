"""Focal losses: cross entropy in which what is classified well already counts little (Lin et al. 2017)."""

import numpy as np

from ..core.primitive import primitive
from .arguments import as_floating, axis_of, flag, number
from .bce import yes_or_no
from .index import take_along_axis
from .labels import check_probabilities, class_labels, class_weights, warn_of_probabilities, whole_labels
from .limits import weighted
from .nll import _nll
from .reduction import over_labels, reduced
from .softmax import _softmax


def _focal_slope(dy, loss, gamma):
    """dy * (q ** gamma + gamma * q ** (gamma - 1) * p * loss), and its limits: 0 where q is 0, 1 where p is."""
    infinite = np.isinf(loss)
    limit = infinite if gamma.is_integer() else infinite | np.equal(loss, 0)
    loss = np.where(limit, 1, loss)
    p, q = np.exp(-loss), -np.expm1(-loss)
    return dy * np.where(limit, infinite, q**gamma + q ** (gamma - 1) * p * loss * gamma)


@primitive(name="focal", elementwise=True, trusted=True, loss=_focal_slope)
def _softened(loss, *, gamma):
    """loss * q ** gamma, where loss = -log(p) and q = 1 - p; gamma is not 0."""
    return loss * (-np.expm1(-loss)) ** gamma


def _focal(losses, gamma, weight):
    losses = _softened(losses, gamma=gamma) if gamma else losses
    return losses if weight is None else weighted(weight, losses)


def focal(scores, labels, axis=-1, *, gamma=2.0, logits=True, weight=None, ignore=None, reduction="mean"):
    """-weight * (1 - p) ** gamma * log(p), where p is the label's probability, softmax(scores) at the label.

    Parameters:
      scores, labels, axis=-1, ignore=None: as for `nll`.
      gamma=2.0: 0 or more: how little counts what has a high probability already; with 0 it is `nll`.
      logits=True: whether scores are raw; else they are probabilities.
      weight=None: one constant weight for each class (the paper's alpha), 0 or more.
      reduction="mean": "mean" over the labels that count (by their number, whatever the weights), "sum" or "none".
    Returns: a scalar, or an array of the labels' shape.
    Raises: DtypeError, ShapeError, ValueError. Warns when raw scores come out of softmax.
    Derivative: by scores.
    Source: Lin et al. (2017), Focal loss for dense object detection.

    >>> import numpy as np, knetpy as kn
    >>> kn.focal(np.array([[0.0, 0.0], [0.0, 1000.0]]), [0, 1], reduction="none")
    array([0.1732868, 0.       ])
    """
    name = "focal"
    (scores,) = as_floating(name, scores=scores)
    axis = axis_of(name, "scores", scores, axis)
    labels = class_labels(name, scores, labels, axis, ignore)
    gamma, weight = number(name, "gamma", gamma, 0), class_weights(name, weight, scores, axis)
    counts = None if ignore is None else labels != ignore
    picked = np.expand_dims(labels if counts is None else np.where(counts, labels, 0), axis)
    if flag("focal", "logits", logits):
        warn_of_probabilities(name, scores, _softmax)
        seen = None if counts is None else np.expand_dims(counts, axis)
        losses = _nll(scores, labels=picked, axis=axis, weight=None, smoothing=0.0, counts=seen)
    else:
        check_probabilities(name, scores)
        with np.errstate(divide="ignore"):
            losses = -np.log(take_along_axis(scores, picked, axis))
    losses = _focal(losses, gamma, None if weight is None else weight[picked])
    return over_labels(name, losses, axis, counts, None, reduction)


def binary_focal(scores, labels, *, gamma=2.0, alpha=None, logits=True, reduction="mean"):
    """`bce` times (1 - p) ** gamma, where p is the probability of the label: sigmoid(scores), or 1 minus it.

    Parameters:
      scores: floating array.
      labels: 0 or 1, of the shape of scores, constants.
      gamma=2.0: 0 or more; with 0 it is `bce`.
      alpha=None: from 0 to 1: the factor of the losses with label 1, where those with label 0 have 1 - alpha; None for
        neither.
      logits=True: whether scores are raw; else they are probabilities.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or an array of the shape of scores.
    Raises: DtypeError, ShapeError, ValueError. Warns when raw scores come out of sigmoid.
    Derivative: by scores.
    Source: Lin et al. (2017), Focal loss for dense object detection.

    >>> import numpy as np, knetpy as kn
    >>> kn.binary_focal(np.array([0.0, 1000.0]), [0, 1], reduction="none")
    array([0.1732868, 0.       ])
    """
    name = "binary_focal"
    (scores,) = as_floating(name, scores=scores)
    labels = whole_labels(name, labels, scores.shape, (0, 1), scores=scores)
    gamma = number(name, "gamma", gamma, 0)
    if alpha is not None:
        alpha = number(name, "alpha", alpha, 0, 1)
        alpha = np.where(labels > 0, alpha, 1 - alpha).astype(scores.dtype)
    return reduced(name, _focal(yes_or_no(name, scores, labels, logits), gamma, alpha), reduction)
