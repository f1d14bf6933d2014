"""Normalisation: elements minus their mean, over their standard deviation, in groups.

A group is what lies along `axes` of x; its statistics have size 1 there. They are float64 however x is
stored: a float32 mean of 10000 would be off by a thousandth, which is much if the elements differ by 1.
float16 is computed in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from knetpy.kernels.reference import reusing

Ints = Sequence[int]


def norm(
    x: np.ndarray,
    scale: np.ndarray | None,
    bias: np.ndarray | None,
    residual: np.ndarray | None = None,
    *,
    axes: Ints,
    eps: float,
    centred: bool = True,
    relu: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return y = (x - mean) / sqrt(var + eps) * scale + bias + residual, the mean and the (biased) variance of groups.

    scale, bias and residual broadcast against x; None leaves them out. If not `centred`, 0 stands for the mean, and
    the variance is the mean square. With `relu`, negative elements of y become 0.
    """
    z = x.astype(_working(x), copy=False)
    with np.errstate(all="ignore"):  # infinite elements make NaN
        mean = _mean(z, axes)
        if not centred:
            mean = np.zeros_like(mean)
        elif z.dtype == mean.dtype:
            mean = mean + np.nan_to_num(_mean(z - mean, axes))  # what rounding left: equal elements are their mean
        d = _minus(z, mean)
        var = _mean(d * d, axes)
        y = fixed(x, scale, bias, mean, var, eps=eps)
        y = y if residual is None else y + residual
    return np.maximum(y, 0) if relu else y, mean, var


def fixed(
    x: np.ndarray, scale: np.ndarray | None, bias: np.ndarray | None, mean: np.ndarray, var: np.ndarray, *, eps: float
) -> np.ndarray:
    """Return (x - mean) / sqrt(var + eps) * scale + bias for given statistics, which are float64 or better."""
    z = x.astype(_working(x), copy=False)
    with np.errstate(all="ignore"):  # so does a variance of 0 with eps=0
        y = _minus(z, mean) * _factor(var, eps, z.dtype)
        y = y if scale is None else y * scale
        y = y if bias is None else y + bias
    return y.astype(x.dtype, copy=False)


@reusing
def norm_dx(
    dy: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    scale: np.ndarray | None,
    bias: np.ndarray | None = None,
    y: np.ndarray | None = None,
    *,
    axes: Ints,
    affine: Ints | None,
    eps: float,
    centred: bool = True,
    relu: bool = False,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return the derivatives by x, scale, bias and residual.

    Those by scale and bias have the shape `affine`, None leaves them out. With `relu`, y tells what it lets through;
    without a residual y may be left out, as it can be computed from x; nor is there a derivative by the residual then.
    """
    if relu:
        seen = fixed(x, scale, bias, mean, var, eps=eps) if y is None else y
        dy = np.where(seen <= 0, dy.dtype.type(0), dy)
    g, factor = dy.astype(_working(x), copy=False), _factor(var, eps, _working(x))
    n = _minus(x.astype(g.dtype, copy=False), mean) * factor
    dscale = dbias = None
    if affine is not None:
        over = tuple(a for a, size in enumerate(affine) if size == 1)
        dscale = np.sum(g * n, over, np.float64, keepdims=True).astype(x.dtype)
        dbias = np.sum(g, over, np.float64, keepdims=True).astype(x.dtype)
    g = g if scale is None else g * scale
    dx = g - n * _mean(g * n, axes).astype(g.dtype)
    if centred:
        dx -= _mean(g, axes).astype(g.dtype)
    dx *= factor
    return dx.astype(x.dtype, copy=False), dscale, dbias, None if y is None else dy


def _working(x: np.ndarray) -> np.dtype:
    """The dtype to compute in."""
    return np.promote_types(x.dtype, np.float32)


def _mean(x: np.ndarray, axes: Ints) -> np.ndarray:
    """The mean of each group, in float64 or better; of no elements 0."""
    count = math.prod(x.shape[a] for a in axes)
    return np.sum(x, tuple(axes), np.promote_types(x.dtype, np.float64), keepdims=True) / max(count, 1)


def _minus(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """x - mean in the dtype of x: the mean is taken off in two parts, as one number of that dtype is too coarse."""
    high = mean.astype(x.dtype)
    return x - high if x.dtype == mean.dtype else (x - high) - (mean - high).astype(x.dtype)


def _factor(var: np.ndarray, eps: float, dtype: np.dtype) -> np.ndarray:
    return (1 / np.sqrt(var + eps)).astype(dtype)
