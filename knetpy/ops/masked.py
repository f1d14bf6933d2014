"""Reductions of some elements: NumPy's options where=, initial= and mean=."""

from functools import cache

import numpy as np

from ..core.errors import DtypeError
from ..core.primitive import primitive
from ..core.value import bare
from ..devices import on_gpu
from .arguments import placed
from .axes import axes_of, count, refuse, restored
from .half import narrowed, widened
from .shape import broadcast_to
from .spelling import recorded

_NONE = np._NoValue


@cache
def _choice(function):
    """A choice of the largest or smallest with options, `function` being NumPy's."""

    def choose(x, *, axis, keepdims, initial, where):
        if on_gpu(x):
            return _chosen_on_gpu(function, x, axis, keepdims, initial, where)
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


def _chosen_on_gpu(function, x, axis, keepdims, initial, where):
    """The same of CuPy's functions, which have no such options."""
    largest = function in (np.max, np.nanmax, np.fmax.reduce)
    together, nothing = (np.fmax, -np.inf) if largest else (np.fmin, np.inf)
    if function in (np.max, np.min):
        together, whole = np.maximum if largest else np.minimum, function
    else:
        whole = np.nanmax if largest else np.nanmin
    if initial is _NONE:
        return whole(x, axis=axis, keepdims=keepdims)  # NumPy's refuses a mask then
    x = picked(x, where, nothing)
    if 0 in [x.shape[a] for a in axes_of(axis, x.ndim)]:
        y = np.full_like(x, nothing, shape=np.sum(x, axis=axis, keepdims=keepdims).shape)
    else:
        y = whole(x, axis=axis, keepdims=keepdims)
    return together(y, x.dtype.type(initial))


def chosen(function, x, axis, keepdims, initial, where):
    """`function`, which chooses largest or smallest elements, with NumPy's options initial= and where=."""
    initial = _NONE if initial is None else initial
    name = function.__name__ if function.__name__ != "reduce" else f"{function.__self__.__name__}.reduce"
    mask = mask_of(name, where, x)
    if mask is not True and initial is _NONE:
        raise ValueError(f"np.{name}: of no elements it has no value (no identity); with where= pass initial=")
    return _choice(function)(x, axis=axis, keepdims=bool(keepdims), initial=initial, where=mask)


def mask_of(name, where, x):
    """NumPy's option where= as True or a boolean array beside x."""
    if where is _NONE or where is True:
        return True
    mask = np.asarray(where) if isinstance(where, (list, tuple, bool)) else bare(where)
    if mask.dtype != bool:
        raise DtypeError(f"np.{name}: where= must be boolean, got {mask.dtype}; write where.astype(bool)")
    return placed(f"np.{name}", "where", mask, x)


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
    x = picked(x, mask_of("sum", where, x), 0)
    return _begun(np.add, np.sum(x, axis=axis, dtype=dtype, keepdims=keepdims), initial)


@recorded(np.prod)
def some_prod(x, axis, dtype, out, keepdims, initial, where):
    """`np.prod` with options."""
    refuse("prod", out=out)
    x = picked(x, mask_of("prod", where, x), 1)
    return _begun(np.multiply, np.prod(x, axis=axis, dtype=dtype, keepdims=keepdims), initial)


@recorded(np.mean)
def some_mean(x, axis, dtype, out, keepdims, *, where):
    """`np.mean` with options."""
    refuse("mean", out=out)
    where, x = mask_of("mean", where, x), x if dtype is None else x.astype(dtype)
    wide = widened(x)
    y = np.sum(picked(wide, where, 0), axis=axis, keepdims=keepdims) / _counted(wide, axis, keepdims, where)
    return narrowed(y, x.dtype)


@recorded(np.var)
def some_var(x, axis, dtype, out, ddof, keepdims, *, where, mean):
    """`np.var` with options."""
    refuse("var", out=out)
    where, x = mask_of("var", where, x), x if dtype is None else x.astype(dtype)
    wide, dtype = widened(x), x.dtype if mean is _NONE else np.result_type(x.dtype, getattr(mean, "dtype", x.dtype))
    if mean is _NONE:
        mean = np.sum(picked(wide, where, 0), axis=axis, keepdims=True) / _counted(wide, axis, True, where)
    apart = picked(wide - mean, where, 0)
    squares = np.real(apart * np.conjugate(apart)) if apart.dtype.kind == "c" else apart * apart
    free = np.maximum(_counted(squares, axis, keepdims, where) - squares.dtype.type(ddof), 0)
    y = np.sum(squares, axis=axis, keepdims=keepdims) / free
    return narrowed(y, np.empty(0, dtype).real.dtype)


@recorded(np.std)
def some_std(x, axis, dtype, out, ddof, keepdims, *, where, mean):
    """`np.std` with options."""
    refuse("std", out=out)
    y = some_var(x, axis, dtype, None, ddof, keepdims, where=where, mean=mean)
    zero = bare(y) == 0
    return np.where(zero, 0, np.sqrt(np.where(zero, 1, y)))[()]
