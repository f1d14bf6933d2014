"""Negative log likelihood of labels under softmax, with the softmax that its derivative reads."""

from __future__ import annotations

import numpy as np


def nll(scores: np.ndarray, labels: np.ndarray, *, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (losses, softmax of scores along `axis`); labels and losses have size 1 there."""
    top = scores.max(axis, keepdims=True)
    with np.errstate(invalid="ignore"):
        z = np.where(scores == top, scores.dtype.type(0), scores - top)  # 0 also where both are infinite: the limit
    e = np.exp(z)
    total = e.sum(axis, keepdims=True)
    return np.log(total) - np.take_along_axis(z, labels, axis), e / total


def nll_dx(dy: np.ndarray, p: np.ndarray, labels: np.ndarray, *, axis: int) -> np.ndarray:
    """Return the derivative by the scores: dy times (softmax p minus 1 at the label)."""
    dx = p * dy
    np.put_along_axis(dx, labels, np.take_along_axis(dx, labels, axis) - dy, axis)
    return dx
