"""Reductions of some elements: NumPy's options where=, initial= and mean=."""

from functools import cache

import numpy as np

from ..core.errors import DtypeError
from ..core.primitive import primitive
from ..core.value import bare
from .axes import count, refuse, restored
from .half import narrowed, widened
from .shape import broadcast_to
from .spelling import recorded

_NONE = np._NoValue


@cache
def _choice(function):
    """A choice of the largest or smallest with options, `function` being NumPy's."""

    def choose(x, *, axis, keepdims, initial, where):
        return function(x, axis=axis, keepdims=keepdims, initial=initial, where=where)

    def rule(dy, y, x, axis, keepdims, initial, where):
        hit = x == restored(bare(y), x.shape, axis, keepdims)
        if function in (np.max, np.min):
            hit = hit | (x != x)  # NaN beats every number; the others know none
        hit = hit if where is True else hit & where
        ties = hit.sum(axis=axis, keepdims=True) + restored(initial == bare(y), x.shape, axis, keepdims)
        share = restored(dy, x.shape, axis, keepdims) / np.maximum(ties, 1).astype(x.dtype)
        return np.where(hit, broadcast_to(share, x.shape), 0)

    return primitive(choose, name=function.__name__, x=rule)


def chosen(function, x, axis, keepdims, initial, where):
    """`function`, which chooses largest or smallest elements, with NumPy's options initial= and where=."""
    initial = _NONE if initial is None else initial
    return _choice(function)(x, axis=axis, keepdims=bool(keepdims), initial=initial, where=mask_of(where))


def mask_of(where):
    """NumPy's option where= as True or a boolean array."""
    if where is _NONE or where is True:
        return True
    mask = np.asarray(where) if isinstance(where, (list, tuple, bool)) else bare(where)
    if mask.dtype != bool:
        raise DtypeError(f"where= must be boolean, got {mask.dtype}; write where.astype(bool)")
    return mask


def picked(x, where, other):
    """x where the mask holds, `other` elsewhere."""
    return x if where is True else np.where(np.broadcast_to(where, x.shape), x, other)


def _begun(ufunc, y, initial):
    """y and the value that a reduction began with."""
    if initial is _NONE or initial is None:
        return y
    return ufunc(y, initial.astype(y.dtype) if hasattr(initial, "dtype") else y.dtype.type(initial))


def _counted(x, axis, keepdims, where):
    """Of how many elements a mean is."""
    if where is True:
        return x.dtype.type(count(x.shape, axis))
    return np.broadcast_to(where, x.shape).sum(axis=axis, keepdims=keepdims).astype(x.dtype)


@recorded(np.sum)
def some_sum(x, axis, dtype, out, keepdims, initial, where):
    """`np.sum` with options."""
    refuse("sum", out=out)
    x = picked(x, mask_of(where), 0)
    return _begun(np.add, np.sum(x, axis=axis, dtype=dtype, keepdims=keepdims), initial)


@recorded(np.prod)
def some_prod(x, axis, dtype, out, keepdims, initial, where):
    """`np.prod` with options."""
    refuse("prod", out=out)
    x = picked(x, mask_of(where), 1)
    return _begun(np.multiply, np.prod(x, axis=axis, dtype=dtype, keepdims=keepdims), initial)


@recorded(np.mean)
def some_mean(x, axis, dtype, out, keepdims, *, where):
    """`np.mean` with options."""
    refuse("mean", out=out)
    where, x = mask_of(where), x if dtype is None else x.astype(dtype)
    wide = widened(x)
    y = np.sum(picked(wide, where, 0), axis=axis, keepdims=keepdims) / _counted(wide, axis, keepdims, where)
    return narrowed(y, x.dtype)


@recorded(np.var)
def some_var(x, axis, dtype, out, ddof, keepdims, *, where, mean):
    """`np.var` with options."""
    refuse("var", out=out)
    where, x = mask_of(where), x if dtype is None else x.astype(dtype)
    wide = widened(x)
    if mean is _NONE:
        mean = np.sum(picked(wide, where, 0), axis=axis, keepdims=True) / _counted(wide, axis, True, where)
    apart = picked(wide - mean, where, 0)
    free = np.maximum(_counted(apart, axis, keepdims, where) - apart.dtype.type(ddof), 0)
    y = np.sum(apart * apart, axis=axis, keepdims=keepdims) / free
    return narrowed(y, np.result_type(x.dtype, getattr(mean, "dtype", x.dtype)))


@recorded(np.std)
def some_std(x, axis, dtype, out, ddof, keepdims, *, where, mean):
    """`np.std` with options."""
    refuse("std", out=out)
    y = some_var(x, axis, dtype, None, ddof, keepdims, where=where, mean=mean)
    zero = bare(y) == 0
    return np.where(zero, 0, np.sqrt(np.where(zero, 1, y)))[()]
