"""Losses and scores of classification."""

import numpy as np

from ..core.errors import DtypeError, ShapeError, warn
from ..core.primitive import primitive
from ..core.trace import active
from ..core.value import Result, bare
from ..kernels import kernel
from .arguments import REDUCTIONS, as_floating, axis_of, integers, one_of
from .index import take_along_axis
from .softmax import _softmax, logsoftmax

_forward, _dx = kernel("nll", "nll"), kernel("nll", "nll_dx")

# Labels and losses have size 1 along the class axis.
_nll = primitive(
    lambda scores, *, labels, axis: _forward(scores, labels, axis=axis),
    name="nll",
    saves=("p",),
    scores=lambda dy, p, labels, axis: _dx(dy, p, labels, axis=axis),
    composed=lambda scores, *, labels, axis: -take_along_axis(logsoftmax(scores, axis), labels, axis),
)


def nll(scores, labels, axis=-1, *, ignore=None, reduction="mean"):
    """Negative log likelihood of integer labels under raw scores: mean of -logsoftmax(scores) at the labels.

    Parameters:
      scores: floating array, one class along `axis` each; raw scores, not probabilities.
      labels: integer array of the shape of scores without `axis`, from 0 to classes - 1.
      axis: the class axis, by default the last.
      ignore: a label that does not count, not even in the mean; None for none.
      reduction: "mean" over the labels that count (0 if none does), "sum", or "none" for the array of losses.
    Returns: a scalar, or an array of the labels' shape.
    Raises: DtypeError, ShapeError, ValueError for a label out of range. Warns when the scores come out of softmax.

    >>> import knetpy as kn
    >>> kn.nll(np.array([[0.0, 0.0], [0.0, 1000.0]]), [0, 1])
    np.float64(0.34657359027997264)
    """
    if np.asarray(bare(scores)).dtype.kind in "iu" and np.asarray(bare(labels)).dtype.kind == "f":
        raise DtypeError("nll: scores are integers and labels are floating: the order is nll(scores, labels)")
    (scores,) = as_floating("nll", scores=scores)
    labels = _checked_labels("nll", scores, labels, axis, ignore)
    one_of("nll", "reduction", reduction, REDUCTIONS)
    _warn_of_probabilities(scores)
    axis = axis % len(scores.shape)
    counts = np.ones(labels.shape, bool) if ignore is None else labels != ignore
    picked = np.expand_dims(np.where(counts, labels, 0), axis)
    losses = _nll(scores, labels=picked, axis=axis)
    if ignore is not None:
        losses = np.where(np.expand_dims(counts, axis), losses, 0)
    if reduction == "none":
        return np.squeeze(losses, axis)
    total = np.sum(losses)
    return total if reduction == "sum" else total / max(int(counts.sum()), 1)


def accuracy(scores, labels, axis=-1, *, ignore=None):
    """The share of labels at which the highest score lies, a Python float; the first of tied scores counts.

    Parameters: as for `nll`. No label that counts gives NaN. Has no derivative.

    >>> import knetpy as kn
    >>> kn.accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), [1, 1])
    0.5
    """
    scores = bare(scores if hasattr(scores, "dtype") else np.asarray(scores))
    labels = _checked_labels("accuracy", scores, labels, axis, ignore)
    counts = np.ones(labels.shape, bool) if ignore is None else labels != ignore
    return float((scores.argmax(axis) == labels)[counts].mean()) if counts.any() else float("nan")


def _checked_labels(name, scores, labels, axis, ignore):
    shape, axis, labels = scores.shape, axis_of(name, "scores", scores, axis), integers(name, "labels", labels)
    expected = shape[:axis] + shape[axis + 1 :]
    if labels.shape != expected:
        raise ShapeError(
            f"{name}: scores {shape} with classes along axis {axis} need labels of shape {expected}, got {labels.shape}"
            + "".join(f"; write axis={a}" for a in range(len(shape)) if labels.shape == shape[:a] + shape[a + 1 :])
        )
    bad = (labels < 0) | (labels >= shape[axis])
    if ignore is not None:
        bad &= labels != ignore
    if bad.any():
        raise ValueError(
            f"{name}: label {labels[bad][0]} is out of range: there are {shape[axis]} classes, labels run from 0 to "
            f"{shape[axis] - 1}; mask others with ignore="
        )
    return labels


def _warn_of_probabilities(scores):
    if not isinstance(scores, Result):
        return
    for trace in active():
        step = (trace.steps or {}).get(scores.uid)
        if step is not None and step[-3] is _softmax.primitive:
            warn("nll takes raw scores, but these come out of softmax: leave softmax out, nll applies it itself")
            return
