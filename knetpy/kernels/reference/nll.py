"""Negative log likelihood of labels under softmax, with the softmax that its derivative reads.

The loss of a place is the sum over classes of share * -log(softmax), and these are the shares: of the label's class
(1 - smoothing) * weight of that class, and of every class in addition smoothing / classes * its weight.
"""

from __future__ import annotations

import numpy as np

from knetpy.kernels.reference import summing
from knetpy.kernels.reference.softmax import shifted


@summing
def nll(
    scores: np.ndarray, labels: np.ndarray, *, axis: int, weight: np.ndarray | None = None, smoothing: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return (losses, softmax of scores along `axis`); labels and losses have size 1 there, weight is a vector."""
    z = shifted(scores, axis)
    e = np.exp(z)
    total = e.sum(axis, keepdims=True)
    if weight is None and not smoothing:
        return np.log(total) - np.take_along_axis(z, labels, axis), e / total
    share = shares(labels, scores, axis, weight, smoothing)
    minus_log = np.log(total) - z
    minus_log = np.where((share == 0) & (minus_log == np.inf), 0, minus_log)  # what has no share may be infinite
    return (share * minus_log).sum(axis, keepdims=True), e / total


@summing
def nll_dx(
    dy: np.ndarray,
    p: np.ndarray,
    labels: np.ndarray,
    *,
    axis: int,
    weight: np.ndarray | None = None,
    smoothing: float = 0.0,
) -> np.ndarray:
    """Return the derivative by the scores: dy times (softmax p times the sum of all shares, minus each share).

    dy has the shape of the losses, or size 1 along every axis.
    """
    if weight is None and not smoothing:
        dx = np.where(dy == 0, dy, p * dy)  # of a place that does not count p may be NaN
        np.put_along_axis(dx, labels, np.take_along_axis(dx, labels, axis) - dy, axis)
        return dx
    share = shares(labels, p, axis, weight, smoothing)
    return np.where(dy == 0, dy, dy * (p * share.sum(axis, keepdims=True) - share))


def shares(labels: np.ndarray, like: np.ndarray, axis: int, weight: np.ndarray | None, smoothing: float) -> np.ndarray:
    """Return how much of -log(softmax) of each class is in the loss of each place, in the shape of `like`."""
    classes = like.shape[axis]
    weight = np.ones_like(like, shape=(classes,)) if weight is None else weight
    along = weight.reshape([classes if i == axis else 1 for i in range(like.ndim)])
    share = np.broadcast_to(along * (smoothing / classes), like.shape).copy()
    at = np.take_along_axis(share, labels, axis) + weight[labels] * (1 - smoothing)
    np.put_along_axis(share, labels, at, axis)
    return share
