"""Running sums, products and extremes along an axis."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.primitive import primitive
from ..core.value import bare
from ..devices import maybe, on_gpu
from .axes import refuse
from .shape import along
from .spelling import composes, spells


def _backwards(x, axis):
    return np.flip(_cumsum(np.flip(x, axis), axis=axis, dtype=None), axis)


@primitive(trusted=True, x=lambda dy, axis: _backwards(dy, axis))
def _cumsum(x, *, axis, dtype):
    return np.cumsum(x, axis=axis, dtype=dtype)


@spells(np.cumsum)
def cumsum(x, axis=None, dtype=None, out=None):
    """`np.cumsum`; with axis=None of the flattened array."""
    refuse("cumsum", out=out)
    return _cumsum(np.reshape(x, -1), axis=0, dtype=dtype) if axis is None else _cumsum(x, axis=axis, dtype=dtype)


def _cumprod_rule(dy, y, x, axis):
    if not maybe(~np.isfinite(bare(y)) | (bare(y) == 0)):
        return _backwards(dy * y, axis) / x
    dy, y, x = [np.moveaxis(a, axis, 0) for a in (dy, y, x)]
    before = np.concatenate([np.ones_like(bare(y)[:1]), y[:-1]])
    return np.moveaxis(before * _later(dy, x[1:]), 0, axis)


def _later(dy, x):
    """s[i] = dy[i] + x[i] * s[i + 1] along the first axis, by doubling what is known: nothing is divided by."""
    step, n = 1, len(dy)
    while step < n:  # x[i] is the product of `step` elements from i
        dy = np.concatenate([dy[:-step] + x * dy[step:], dy[-step:]])
        x = x[:-step] * x[step:]
        step *= 2
    return dy


@primitive(x=_cumprod_rule)
def _cumprod(x, *, axis, dtype):
    return np.cumprod(x, axis=axis, dtype=dtype)


@spells(np.cumprod)
def cumprod(x, axis=None, dtype=None, out=None):
    """`np.cumprod`; the derivative is exact where elements are zero.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.cumprod(x).sum())(np.array([2.0, 0.0, 3.0]))
    array([1., 8., 0.])
    """
    refuse("cumprod", out=out)
    return _cumprod(np.reshape(x, -1), axis=0, dtype=dtype) if axis is None else _cumprod(x, axis=axis, dtype=dtype)


def _accumulated(ufunc, x, axis):
    """ufunc.accumulate of an extreme, which CuPy has not: there by doubling what is known."""
    if not on_gpu(x):
        return ufunc.accumulate(x, axis)
    x, step = np.moveaxis(x, axis, 0), 1
    while step < len(x):
        x = np.concatenate([x[:step], ufunc(x[step:], x[:-step])])
        step *= 2
    return np.moveaxis(x, 0, axis)


def running(ufunc, x, axis):
    """The largest or smallest element so far, `ufunc` being one of NumPy's four; of equal ones the last, as PyTorch."""
    values = bare(x)
    y = _accumulated(ufunc, values, axis)
    hit = (values == y) | (np.isnan(values) & np.isnan(y))
    places = np.where(hit, along(np.arange(x.shape[axis], like=values), x, axis), 0)
    return np.take_along_axis(x, _accumulated(np.maximum, places, axis), axis)


def _cumulative(x, axis, dtype, include_initial, cumulate, first):
    x = np.atleast_1d(x)
    ndim = len(x.shape)
    if axis is None:
        if ndim > 1:
            raise ValueError(f"np.{cumulate.__name__}: x has {ndim} axes; pass axis=")
        axis = 0
    y, axis = cumulate(x, axis, dtype), normalize_axis_index(axis, ndim)
    if not include_initial:
        return y
    start = np.full_like(bare(y), first, shape=(*y.shape[:axis], 1, *y.shape[axis + 1 :]))
    return np.concatenate([start, y], axis)


@composes(np.nancumsum)
def nancumsum(x, axis=None, dtype=None, out=None):
    """`np.nancumsum`: NaN counts as 0, with derivative 0."""
    return cumsum(np.where(np.isnan(bare(x)), 0, x), axis, dtype, out)


@composes(np.nancumprod)
def nancumprod(x, axis=None, dtype=None, out=None):
    """`np.nancumprod`: NaN counts as 1, with derivative 0."""
    return cumprod(np.where(np.isnan(bare(x)), 1, x), axis, dtype, out)


if hasattr(np, "cumulative_sum"):  # NumPy 2.1

    @composes(np.cumulative_sum)
    def cumulative_sum(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
        """`np.cumulative_sum`, with a zero in front if include_initial."""
        refuse("cumulative_sum", out=out)
        return _cumulative(x, axis, dtype, include_initial, np.cumsum, 0)

    @composes(np.cumulative_prod)
    def cumulative_prod(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
        """`np.cumulative_prod`, with a one in front if include_initial."""
        refuse("cumulative_prod", out=out)
        return _cumulative(x, axis, dtype, include_initial, np.cumprod, 1)
