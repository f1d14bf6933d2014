"""Losses of classification under softmax, by labels or probabilities; how often the highest score is right."""

import numpy as np

from ..core.errors import DtypeError
from ..core.primitive import primitive
from ..core.value import bare
from ..devices import asarray
from ..kernels import kernel
from .arguments import array_of, as_floating, axis_of, flag, kind, number, one_of
from .half import narrowed, widened
from .index import take_along_axis
from .labels import alike, check_probabilities, class_labels, class_weights, warn_of_probabilities
from .limits import weighted, xlogy
from .reduction import REDUCTIONS, divided, divisor, over_labels, reduced
from .shape import along
from .softmax import _softmax, logsoftmax

_forward, _dx = kernel("nll", "nll"), kernel("nll", "nll_dx")


def _composed(scores, *, labels, axis, weight, smoothing, counts=None):
    if counts is not None:
        scores = np.where(counts, scores, 0)  # what does not count may be NaN
    minus_log = -logsoftmax(scores, axis)
    losses = take_along_axis(minus_log, labels, axis)
    if weight is None and not smoothing:
        return losses
    classes = scores.shape[axis]
    weight = np.ones_like(bare(scores), shape=(classes,)) if weight is None else weight
    losses = weighted(weight[labels] * (1 - smoothing), losses)
    if not smoothing:
        return losses
    even = along(weight * (smoothing / classes), scores, axis)
    return losses + np.sum(weighted(even, minus_log), axis=axis, keepdims=True)


# Labels and losses have size 1 along the class axis.
_nll = primitive(
    lambda scores, *, labels, axis, weight, smoothing, counts: _forward(
        scores, labels, axis=axis, weight=weight, smoothing=smoothing
    ),
    name="nll",
    saves=("p",),
    scores=lambda dy, p, labels, axis, weight, smoothing: _dx(
        dy, p, labels, axis=axis, weight=weight, smoothing=smoothing
    ),
    composed=_composed,
)


def _sum_over(scores, *, labels, axis, weight, smoothing, total):
    """The sum of the losses divided by `total`: one step instead of three, each as long as a small problem takes."""
    losses, p = _forward(scores, labels, axis=axis, weight=weight, smoothing=smoothing)
    return narrowed(widened(losses).sum() / total, losses.dtype), p


_nll_over = primitive(
    _sum_over,
    name="nll",
    saves=("p",),
    trusted=True,
    scores=lambda dy, p, labels, axis, weight, smoothing, total: _dx(
        np.reshape(dy / total, (1,) * p.ndim).astype(p.dtype), p, labels, axis=axis, weight=weight, smoothing=smoothing
    ),
    composed=lambda scores, *, total, **how: divided(_composed(scores, **how), total),
)


def nll(scores, labels, axis=-1, *, weight=None, ignore=None, label_smoothing=0.0, reduction="mean"):
    """Negative log likelihood of integer labels under raw scores: mean of -logsoftmax(scores) at the labels.

    Parameters:
      scores: floating array, one class along `axis` each; raw scores, not probabilities.
      labels: integer array of the shape of scores without `axis`, from 0 to classes - 1. To scores on a GPU they are
        copied; labels that are there already are not checked to be in range.
      axis=-1: the class axis, by default the last.
      weight=None: one constant weight for each class, 0 or more; a loss counts as much as its label's class weighs.
      ignore=None: a label that does not count, not even in the mean; None for none.
      label_smoothing=0.0: the share, from 0 to 1, of each loss that is given to all classes evenly (Szegedy et al.
        2016, section 7); each class's part is multiplied with its own weight.
      reduction="mean": "mean" over the labels that count (0 if none does), "sum", or "none" for the array of losses.
        With weights the mean is the sum divided by the sum of the weights of the labels (0 if that is 0).
    Returns: a scalar, or an array of the labels' shape.
    Raises: DtypeError, ShapeError, ValueError for a label out of range. Warns when the scores come out of softmax.
    Derivative: by scores: softmax(scores) minus 1 at the label, weighed as the loss is.

    >>> import numpy as np, knetpy as kn
    >>> kn.nll(np.array([[0.0, 0.0], [0.0, 1000.0]]), [0, 1])
    np.float64(0.34657359027997264)
    """
    if kind(scores) in "iu" and kind(labels) == "f":
        raise DtypeError("nll: scores are integers and labels are floating: the order is nll(scores, labels)")
    (scores,) = as_floating("nll", scores=scores)
    axis = axis_of("nll", "scores", scores, axis)
    labels = class_labels("nll", scores, labels, axis, ignore)
    one_of("nll", "reduction", reduction, REDUCTIONS)
    smoothing = number("nll", "label_smoothing", label_smoothing, 0, 1)
    weight = class_weights("nll", weight, scores, axis)
    warn_of_probabilities("nll", scores, _softmax)
    counts = None if ignore is None else labels != ignore
    labels = labels if counts is None else np.where(counts, labels, 0)
    one_each = (*labels.shape[:axis], 1, *labels.shape[axis:])
    how = {"labels": labels.reshape(one_each), "axis": axis, "weight": weight, "smoothing": smoothing}
    if counts is None and reduction != "none":
        total = 1 if reduction == "sum" else labels.size if weight is None else weight[labels].sum(dtype=float)
        return _nll_over(scores, **how, total=divisor(total, widened(scores)))
    losses = _nll(scores, **how, counts=None if counts is None else counts.reshape(one_each))
    return over_labels("nll", losses, axis, counts, None if weight is None else weight[labels], reduction)


def cross_entropy(scores, targets, axis=-1, *, logits=True, weight=None, label_smoothing=0.0, reduction="mean"):
    """Cross entropy of target probabilities: -sum(targets * logsoftmax(scores)) over the classes.

    Parameters:
      scores: floating array, classes along `axis`.
      targets: probabilities of the shape and dtype of scores. For integer labels see `nll`.
      axis=-1: the class axis, by default the last.
      logits=True: whether scores are raw; else they are probabilities.
      weight=None: one constant weight for each class, 0 or more.
      label_smoothing=0.0: the share, from 0 to 1, of each target that is given to all classes evenly.
      reduction="mean": "mean" over all but the class axis (whatever the weights), "sum", or "none" for an array of the
        shape without `axis`.
    Returns: a scalar or an array.
    Raises: DtypeError, ShapeError, ValueError, AxisError. Warns when raw scores come out of softmax.
    Derivative: by scores and targets. 0 * log(0) is 0; where the target is 0 the derivative by a probability is 0.

    >>> import numpy as np, knetpy as kn
    >>> kn.cross_entropy(np.array([[0.5, 0.5]]), np.array([[0.0, 1.0]]), logits=False)
    np.float64(0.6931471805599453)
    """
    name = "cross_entropy"
    if kind(targets) in "iu":
        raise DtypeError(f"{name}: targets are integers; for labels use nll, for probabilities targets.astype(...)")
    scores, targets = alike(name, scores=scores, targets=targets)
    axis = axis_of(name, "scores", scores, axis)
    smoothing = number(name, "label_smoothing", label_smoothing, 0, 1)
    weight = class_weights(name, weight, scores, axis)
    if smoothing:
        targets = targets * (1 - smoothing) + smoothing / max(scores.shape[axis], 1)
    if weight is not None:
        targets = targets * along(weight, scores, axis)
    if flag(name, "logits", logits):
        warn_of_probabilities(name, scores, _softmax)
        logs = weighted(targets, logsoftmax(scores, axis))
    else:
        check_probabilities(name, scores)
        logs = xlogy(targets, scores)
    return reduced(name, -np.sum(logs, axis=axis), reduction)


def accuracy(scores, labels, axis=-1, *, ignore=None):
    """The share of labels at which the highest score lies; the first of tied scores counts.

    Parameters: as for `nll`.
    Returns: a Python float; NaN if no label counts. It has no derivative.
    Raises: as for `nll`.

    >>> import numpy as np, knetpy as kn
    >>> kn.accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), [1, 1])
    0.5
    """
    return _share_right("accuracy", scores, labels, axis, ignore)


def zeroone(scores, labels, axis=-1, *, ignore=None):
    """The share of labels at which the highest score does not lie: 1 - `accuracy`.

    Parameters: as for `nll`.
    Returns: a Python float; NaN if no label counts. It has no derivative.
    Raises: as for `nll`.

    >>> import numpy as np, knetpy as kn
    >>> kn.zeroone(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]), [1, 1, 1, 0])
    0.25
    """
    return 1 - _share_right("zeroone", scores, labels, axis, ignore)


def _share_right(name, scores, labels, axis, ignore):
    scores = asarray(bare(array_of(name, "scores", scores)))
    if scores.dtype.kind not in "fiub":
        raise DtypeError(f"{name}: scores must be numbers, got {scores.dtype}")
    axis = axis_of(name, "scores", scores, axis)
    labels = class_labels(name, scores, labels, axis, ignore)
    counts = np.ones_like(labels, bool) if ignore is None else labels != ignore
    right, count = float(((scores.argmax(axis) == labels) & counts).sum()), int(counts.sum())
    return right / count if count else float("nan")
