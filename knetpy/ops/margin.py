"""Losses that ask scores to keep a margin."""

import numpy as np

from ..devices import surely
from .arguments import axis_of, integers, number, placed, same_shapes
from .index import take_along_axis
from .labels import alike, class_labels, class_weights, whole_labels
from .limits import weighted
from .piecewise import relu
from .reduction import reduced
from .shape import along


def hinge(scores, labels, *, reduction="mean"):
    """max(0, 1 - labels * scores).

    Parameters, returns and errors: as for `logistic`.
    Derivative: by scores; 0 where the loss just reaches 0.

    >>> import numpy as np, knetpy as kn
    >>> kn.hinge(np.array([0.5, 3.0, 2.0]), [1, 1, -1], reduction="none")
    array([0.5, 0. , 3. ])
    """
    return reduced("hinge", _shortfall("hinge", scores, labels), reduction)


def squared_hinge(scores, labels, *, reduction="mean"):
    """max(0, 1 - labels * scores) ** 2.

    Parameters, returns and errors: as for `logistic`.
    Derivative: by scores; 0 where the loss just reaches 0.

    >>> import numpy as np, knetpy as kn
    >>> kn.squared_hinge(np.array([0.5, 3.0, 2.0]), [1, 1, -1], reduction="none")
    array([0.25, 0.  , 9.  ])
    """
    return reduced("squared_hinge", np.square(_shortfall("squared_hinge", scores, labels)), reduction)


def _shortfall(name, scores, labels):
    (scores,) = alike(name, scores=scores)
    return relu(1 - scores * whole_labels(name, labels, scores.shape, (-1, 1), scores=scores))


def multi_margin(scores, labels, axis=-1, *, p=1, margin=1.0, weight=None, reduction="mean"):
    """Sum over the wrong classes of max(0, margin + their score - the label's score) ** p, divided by the number of
    classes.

    Parameters:
      scores, labels, axis=-1: as for `nll`.
      p=1: 1 or 2.
      margin=1.0: any number.
      weight=None: one constant weight for each class, 0 or more: a loss is multiplied with that of its label.
      reduction="mean": "mean" (by the number of labels, whatever the weights), "sum" or "none".
    Returns: a scalar, or an array of the labels' shape.
    Raises: DtypeError, ShapeError, ValueError.
    Derivative: 0 where a score just keeps the margin.

    >>> import numpy as np, knetpy as kn
    >>> kn.multi_margin(np.array([[0.5, 1.0, -3.0, 0.0]]), [1], reduction="none")
    array([0.125])
    """
    name = "multi_margin"
    (scores,) = alike(name, scores=scores)
    axis = axis_of(name, "scores", scores, axis)
    labels = np.expand_dims(class_labels(name, scores, labels, axis, hint=""), axis)
    if number(name, "p", p) not in (1, 2):
        raise ValueError(f"{name}: p must be 1 or 2, got {p!r}")
    margin, weight = number(name, "margin", margin), class_weights(name, weight, scores, axis)
    classes = scores.shape[axis]
    wrong = along(np.arange(classes, like=labels), scores, axis) != labels
    with np.errstate(invalid="ignore"):  # Inf - Inf at the label itself
        excess = relu(np.where(wrong, scores - take_along_axis(scores, labels, axis) + margin, 0))
    losses = np.sum(excess if p == 1 else np.square(excess), axis=axis) / classes
    return reduced(name, losses if weight is None else weighted(weight[np.squeeze(labels, axis)], losses), reduction)


def multilabel_margin(scores, labels, axis=-1, *, reduction="mean"):
    """Sum over the classes that are labels and those that are not of max(0, 1 - score of the label + score of the
    other), divided by the number of classes.

    Parameters:
      scores: floating array, classes along `axis`.
      labels: integer array of the shape of scores: along `axis` the labels, then -1 and anything; one that stands there
        twice counts twice. Takes memory for the square of the number of classes.
      axis=-1: the class axis, by default the last.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or an array of the shape without `axis`.
    Raises: DtypeError, ShapeError, ValueError, AxisError.
    Derivative: 0 where a score just keeps the margin.

    >>> import numpy as np, knetpy as kn
    >>> kn.multilabel_margin(np.array([[0.1, 0.2, 0.4, 0.8]]), [[3, 0, -1, -1]], reduction="none")
    array([0.85])
    """
    name = "multilabel_margin"
    (scores,) = alike(name, scores=scores)
    axis, labels = axis_of(name, "scores", scores, axis), integers(name, "labels", labels)
    same_shapes(name, scores=scores, labels=labels)
    scores, labels = np.moveaxis(scores, axis, -1), np.moveaxis(labels, axis, -1)
    classes = labels.shape[-1]
    bad = (labels < -1) | (labels >= classes)
    if surely(bad):
        raise ValueError(
            f"{name}: label {labels[bad][0]} is out of range: there are {classes} classes, labels run from 0 to "
            f"{classes - 1}, and -1 ends them"
        )
    labels = placed(name, "labels", labels, scores, "scores")
    named = np.cumsum(labels < 0, axis=-1) == 0
    labels = np.where(named, labels, np.maximum(labels[..., :1], 0))
    other = np.ones_like(labels, bool)
    np.put_along_axis(other, labels, False, -1)  # the first label stands for what ends them; without it no pair counts
    pairs = named[..., :, None] & other[..., None, :]
    picked = take_along_axis(scores, labels, -1)
    with np.errstate(invalid="ignore"):
        excess = relu(np.where(pairs, 1 - picked[..., :, None] + scores[..., None, :], 0))
    return reduced(name, np.sum(excess, axis=(-2, -1)) / max(classes, 1), reduction)
