"""NumPy's functions that leave NaN out, and nan_to_num. NaN itself has derivative 0."""

import numpy as np

from ..core.value import bare
from .axes import refuse
from .masked import chosen, mask_of
from .spelling import composes

_NONE = np._NoValue


def _there(name, x, where=_NONE):
    """Which elements count."""
    there, where = ~np.isnan(bare(x)), mask_of(name, where, x)
    return there if where is True else there & where


def _filled(x, number):
    """x with a number in place of NaN."""
    return np.where(np.isnan(bare(x)), number, x)


@composes(np.nansum)
def nansum(x, axis=None, dtype=None, out=None, keepdims=False, initial=_NONE, where=_NONE):
    """`np.nansum`: NaN counts as 0.

    >>> import knetpy as kn
    >>> kn.grad(np.nansum)(np.array([1.0, np.nan, 3.0]))
    array([1., 0., 1.])
    """
    return np.sum(_filled(x, 0), axis, dtype, out, keepdims, initial, where)


@composes(np.nanprod)
def nanprod(x, axis=None, dtype=None, out=None, keepdims=False, initial=_NONE, where=_NONE):
    """`np.nanprod`: NaN counts as 1."""
    return np.prod(_filled(x, 1), axis, dtype, out, keepdims, initial, where)


@composes(np.nanmean)
def nanmean(x, axis=None, dtype=None, out=None, keepdims=False, *, where=_NONE):
    """`np.nanmean`; where nothing but NaN is, NaN, with derivative 0."""
    return np.mean(_filled(x, 0), axis, dtype, out, keepdims, where=_there("nanmean", x, where))


@composes(np.nanvar)
def nanvar(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=_NONE, mean=_NONE, correction=_NONE):
    """`np.nanvar`."""
    return _moment(np.var, x, axis, dtype, out, ddof if correction is _NONE else correction, keepdims, where, mean)


@composes(np.nanstd)
def nanstd(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=_NONE, mean=_NONE, correction=_NONE):
    """`np.nanstd`; its derivative is 0 where it is 0."""
    return _moment(np.std, x, axis, dtype, out, ddof if correction is _NONE else correction, keepdims, where, mean)


def _moment(function, x, axis, dtype, out, ddof, keepdims, where, mean):
    given = {} if mean is _NONE else {"mean": mean}
    return function(
        _filled(x, 0), axis, dtype, out, ddof, keepdims, where=_there(f"nan{function.__name__}", x, where), **given
    )


@composes(np.nanmax)
def nanmax(x, axis=None, out=None, keepdims=False, initial=_NONE, where=_NONE):
    """`np.nanmax`; the cotangent is split evenly among tied elements."""
    refuse("nanmax", out=out)
    return chosen(np.nanmax, x, axis, keepdims, initial, where)


@composes(np.nanmin)
def nanmin(x, axis=None, out=None, keepdims=False, initial=_NONE, where=_NONE):
    """`np.nanmin`; the cotangent is split evenly among tied elements."""
    refuse("nanmin", out=out)
    return chosen(np.nanmin, x, axis, keepdims, initial, where)


@composes(np.nan_to_num)
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """`np.nan_to_num`: the derivative is 1 where a number is left as it is, 0 elsewhere."""
    values = bare(x)
    return np.where(np.isfinite(values), x, np.nan_to_num(values, copy=True, nan=nan, posinf=posinf, neginf=neginf))
