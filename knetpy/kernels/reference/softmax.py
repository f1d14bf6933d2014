"""Softmax and its logarithm, and what multiplies with their Jacobians.

`axis` is one axis or a tuple of axes. `mask`, boolean, broadcasts to x: only elements where it is True take part.
"""

from __future__ import annotations

import numpy as np

from knetpy.kernels.reference import summing

Axis = int | tuple[int, ...]


@summing
def softmax(x: np.ndarray, *, axis: Axis, mask: np.ndarray | None = None) -> np.ndarray:
    """Return exp(x) / sum(exp(x)): 0 at what is masked, and where nothing takes part."""
    e, total, _ = powers(x, axis, mask)
    return e / (total if mask is None else np.where(total == 0, total.dtype.type(1), total))


@summing
def logsoftmax(x: np.ndarray, *, axis: Axis, mask: np.ndarray | None = None) -> np.ndarray:
    """Return log(softmax(x)): -Inf at what is masked, and where nothing takes part."""
    _, total, z = powers(x, axis, mask)
    with np.errstate(divide="ignore"):  # of no elements the sum is 0
        return _masked(z - np.log(total), mask, -np.inf)


@summing
def softmax_dx(dy: np.ndarray, p: np.ndarray, *, axis: Axis) -> np.ndarray:
    """Return dy times the Jacobian of softmax, which is symmetric, where the softmax is p."""
    return p * (dy - np.sum(dy * p, axis=axis, keepdims=True))


@summing
def logsoftmax_dx(dy: np.ndarray, logs: np.ndarray, *, axis: Axis) -> np.ndarray:
    """Return dy times the Jacobian of logsoftmax, where that is `logs`."""
    return dy - np.exp(logs) * np.sum(dy, axis=axis, keepdims=True)


def powers(x: np.ndarray, axis: Axis, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return exp(x) up to a common factor, its sum along the axes, and its logarithm."""
    z = shifted(_masked(x, mask, -np.inf), axis)
    e = _masked(np.exp(z), mask, 0)
    return e, np.sum(e, axis=axis, keepdims=True), z


def shifted(x: np.ndarray, axis: Axis) -> np.ndarray:
    """Return x minus its maximum, which becomes 0 also where it is infinite: the limit, instead of Inf - Inf."""
    top = largest(x, axis)
    with np.errstate(invalid="ignore"):
        return np.where(x == top, x.dtype.type(0), x - top)


def largest(x: np.ndarray, axis: Axis) -> np.ndarray:
    """Return the maxima along the axes, which stay with size 1; of no elements -Inf."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    if all([x.shape[a] for a in axes]):
        return np.max(x, axis=axis, keepdims=True)
    empty = {a % x.ndim for a in axes}
    return np.full_like(x, -np.inf, shape=[1 if a in empty else n for a, n in enumerate(x.shape)])


def _masked(x, mask, value):
    """x with `value` where the mask says no."""
    return x if mask is None else np.where(mask, x, x.dtype.type(value))
