"""What losses ask of their operands: arrays alike, labels, weights."""

import numpy as np

from ..core.errors import DtypeError, ShapeError, warn
from ..core.trace import active
from ..core.value import Result, bare
from ..devices import asarray, surely
from .arguments import as_floating, axis_of, constant_of, integers, kind, numbers_of, placed, same_shapes, stretches


def alike(name, **arrays):
    """The operands of a loss: arrays of one shape and floating dtype.

    Integers after the first operand, such as counts, are constants and take its dtype.
    """
    (first, x), *others = arrays.items()
    if kind(x) == "f":
        arrays = {first: x} | {
            k: placed(name, k, a.astype(x.dtype), x, first) if kind(a) in "iu" else a for k, a in others
        }
    found = as_floating(name, **arrays)
    same_shapes(name, **dict(zip(arrays, found)))
    return found


def class_labels(name, scores, labels, axis, ignore=None, hint="; mask others with ignore="):
    """Labels of the classes along an axis of scores, as integers from 0, beside scores; `ignore` may be among them."""
    shape, axis, given = scores.shape, axis_of(name, "scores", scores, axis), constant_of(name, "labels", labels)
    if given.dtype.kind in "fb" and given.shape == shape and given.size:
        raise DtypeError(
            f"{name}: labels {given.shape} of {given.dtype} are one-hot or probabilities; write "
            f"labels.argmax({axis}), or take cross_entropy"
        )
    labels = integers(name, "labels", given)
    if not shape[axis]:
        raise ShapeError(f"{name}: scores {shape} have no classes along axis {axis}")
    expected = shape[:axis] + shape[axis + 1 :]
    if labels.shape != expected:
        raise ShapeError(
            f"{name}: scores {shape} with classes along axis {axis} need labels of shape {expected}, got {labels.shape}"
            + _way_out(labels.shape, shape, axis)
        )
    if not (ignore is None or isinstance(ignore, (int, np.integer))):
        raise TypeError(f"{name}: ignore must be a label, an integer, or None, got {ignore!r}")
    bad = labels.view(np.uint64) >= shape[axis]  # as negative ones are, too
    if ignore is not None:
        bad &= labels != ignore
    if surely(bad):
        first = labels[bad][0]
        way = f"{hint}{first if hint.endswith('=') else ''}"
        if surely(labels.min() == 1) and surely(labels.max() == shape[axis]):
            way = "; these seem to run from 1: write labels - 1"
        raise ValueError(
            f"{name}: label {first} is out of range: there are {shape[axis]} classes, labels run from 0 to "
            f"{shape[axis] - 1}{way}"
        )
    return placed(name, "labels", labels, scores, "scores")


def _way_out(labels, scores, axis):
    """What to write for labels of the wrong shape."""
    expected = scores[:axis] + scores[axis + 1 :]
    if labels == scores:
        return f"; of one-hot labels write labels.argmax({axis})"
    if labels in ((*expected, 1), (*scores[:axis], 1, *scores[axis + 1 :])):
        return "; write labels.reshape" + (str(expected).replace(" ", "") if expected else "(())")
    if len(scores) > 2 and labels == scores[:1]:
        return (
            f"; one label for each example needs scores ({labels[0]}, classes): of a sequence take one time, "
            "scores[:, -1], of images write kn.mat before the last layer"
        )
    return "".join(f"; write axis={a}" for a in range(len(scores)) if labels == scores[:a] + scores[a + 1 :])


def class_weights(name, weight, scores, axis):
    """One constant weight for each class, as a vector of the dtype of scores; None stays None."""
    if weight is None:
        return None
    weight, classes = _constant(name, "weight", weight, scores), scores.shape[axis]
    if weight.shape != (classes,):
        raise ShapeError(
            f"{name}: weight must have shape ({classes},), one for each class along axis {axis % len(scores.shape)} of "
            f"scores {scores.shape}, got {weight.shape}"
        )
    return weight


def element_weights(name, option, weight, scores):
    """Constant weights that broadcast to the shape of scores, in its dtype; None stays None."""
    if weight is None:
        return None
    weight = _constant(name, option, weight, scores)
    if not stretches(weight.shape, scores.shape):
        raise ShapeError(f"{name}: {option} of shape {weight.shape} does not broadcast to the shape {scores.shape}")
    return weight


def _constant(name, option, given, scores):
    given = numbers_of(name, option, given)
    if surely(~(given >= 0)):
        raise ValueError(f"{name}: {option} must be 0 or more, got {given[~(given >= 0)].flat[0]}")
    return placed(name, option, given.astype(scores.dtype), scores, "scores")


def soft_labels(name, operand, given, most=1, **scores):
    """An operand of the shape of scores: floating ones of its dtype stay what they are, others become it.

    Integers must lie from 0 to `most`.
    """
    ((first, x),) = scores.items()
    if kind(given) == "f":
        _, given = as_floating(name, **scores, **{operand: given})
    else:
        given = numbers_of(name, operand, given, "fiub")
        bad = (given < 0) | (given > most)
        if given.dtype.kind in "iu" and surely(bad):
            raise ValueError(f"{name}: {operand} must be from 0 to {most}, got {given[bad].flat[0]}")
        given = placed(name, operand, given.astype(x.dtype), x, first)
    same_shapes(name, **{first: x, operand: given})
    return given


def whole_labels(name, given, shape, values, **like):
    """Constant labels of a shape that can only be one of two values, of the dtype and on the device of an operand."""
    ((first, x),) = like.items()
    given = numbers_of(name, "labels", given, "fiub")
    if given.shape != tuple(shape):
        raise ShapeError(f"{name}: labels must have shape {tuple(shape)}, got {given.shape}")
    bad = (given != values[0]) & (given != values[1])
    if surely(bad):
        way = {(-1, 1): "2 * labels - 1 makes them of 0 and 1", (0, 1): "(labels + 1) / 2 makes them of -1 and 1"}
        raise ValueError(f"{name}: labels must be {values[0]} or {values[1]}, got {given[bad].flat[0]}; {way[values]}")
    return placed(name, "labels", given.astype(x.dtype), x, first)


def check_probabilities(name, scores):
    """Raise for scores that are to be probabilities and are not."""
    p = asarray(bare(scores))
    outside = (p < 0) | (p > 1)
    if surely(outside):
        raise ValueError(
            f"{name}: with logits=False scores are probabilities from 0 to 1, got {p[outside].flat[0]}; leave "
            "logits=True for raw scores"
        )


def warn_of_probabilities(name, scores, maker):
    """Warn when raw scores come out of what turns scores into probabilities."""
    if not isinstance(scores, Result):
        return
    for trace in active():
        step = (trace.steps or {}).get(scores.uid)
        if step is not None and step[-3] is maker.primitive:
            of = maker.__name__.lstrip("_")
            warn(f"{name} takes raw scores, but these come out of {of}: leave {of} out, {name} applies it itself")
            return
