"""What becomes of an array of losses: its mean, its sum, or the array itself."""

import numpy as np

from ..devices import on_gpu
from .arguments import one_of
from .half import narrowed, widened
from .labels import element_weights
from .limits import weighted

REDUCTIONS = ("mean", "sum", "none")


def reduced(name, losses, reduction, total=None):
    """The mean of losses (of none: 0), their sum, or the losses; the mean divides by `total`, or by their number."""
    one_of(name, "reduction", reduction, REDUCTIONS)
    if reduction == "none":
        return losses
    return np.sum(losses) if reduction == "sum" else divided(losses, losses.size if total is None else total)


def divided(losses, total):
    """The sum of losses divided by a number, and 0 if that is 0; float16 is summed in float32, as it overflows soon."""
    wide = widened(losses)
    return narrowed(np.sum(wide) / divisor(total, wide), losses.dtype)


def divisor(total, losses):
    """What a sum of losses is divided by, Inf for 0: a number, or on a GPU, which is not waited for, an array."""
    if not on_gpu(total):
        return float(total) or np.inf
    return np.where(total == 0, np.inf, total).astype(losses.dtype)


def by_weight(name, losses, weight, reduction):
    """What becomes of losses that count by `weight` (None: all alike): the mean divides by the sum of the weights."""
    if weight is None:
        return reduced(name, losses, reduction)
    weight = element_weights(name, "weight", weight, losses)
    total = np.broadcast_to(weight, losses.shape).sum(dtype=float)
    return reduced(name, weighted(weight, losses), reduction, total)


def over_labels(name, losses, axis, counts, weights, reduction):
    """What becomes of losses of size 1 along `axis`, of which only those count where `counts` holds (None: all).

    The mean is their sum divided by the sum of `weights`, one for each label, or by their number where that is None.
    """
    if counts is not None:
        losses = np.where(np.expand_dims(counts, axis), losses, 0)
    one_each = counts if weights is None else weights
    if weights is not None and counts is not None:
        one_each = np.where(counts, weights, 0)
    total = None if one_each is None else np.sum(one_each, dtype=float)
    found = reduced(name, losses, reduction, total)
    return np.squeeze(found, axis) if reduction == "none" else found
