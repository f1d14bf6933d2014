"""Reductions: sums, products, extremes, moments, norms.

Axes are NumPy's: None for all, a number or a tuple. `max` and `min` split ties evenly; `norm` and `std` have derivative
0 at 0; `prod` is exact with zeros.
"""

import math

import numpy as np

from ..core.primitive import primitive
from ..core.value import bare
from ..devices import maybe
from ..kernels import kernel
from .axes import axes_of, count, refuse, restored, spread
from .complex import conjugated, is_complex
from .half import narrowed, widened
from .masked import chosen, some_mean, some_prod, some_std, some_sum, some_var
from .shape import broadcast_to
from .spelling import spells

_NONE = np._NoValue

_kernel = kernel("reduce", "sum")
LARGE = 1 << 14  # elements: of fewer, NumPy's sum is quick in any layout


def _large(x, axis, dtype):
    """Whether a kernel shall sum: NumPy is slow where the axes that stay lie last in memory."""
    if x.__class__ is not np.ndarray or x.size < LARGE or dtype is not None or x.dtype.char not in "fd":
        return False
    given = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return all([-x.ndim <= a < x.ndim for a in given]) and len({a % x.ndim for a in given}) == len(given)


def _total(x, axis, keepdims):
    axes = axes_of(axis, x.ndim)
    y = _kernel(x, axes)
    return y if keepdims else y.reshape([n for a, n in enumerate(x.shape) if a not in axes])[()]


@primitive(trusted=True, x=lambda dy, x_shape, axis, keepdims: spread(dy, x_shape, axis, keepdims))
def _sum(x, *, axis, dtype, keepdims):
    if _large(x, axis, dtype):
        return _total(x, axis, keepdims)
    if x.__class__ is np.ndarray:  # the method of the ufunc is what np.sum calls
        return np.add.reduce(x, axis=axis, dtype=dtype, keepdims=keepdims)
    return np.sum(x, axis=axis, dtype=dtype, keepdims=keepdims)


@primitive(
    trusted=True,
    x=lambda dy, x_shape, axis, keepdims: spread(_over(dy, count(x_shape, axis)), x_shape, axis, keepdims),
)
def _mean(x, *, axis, dtype, keepdims):
    if _large(x, axis, dtype):
        return _total(x, axis, keepdims) / count(x.shape, axis)
    return np.mean(x, axis=axis, dtype=dtype, keepdims=keepdims)


def _over(dy, count):
    """dy / count, also where float16 cannot count so far."""
    return dy / count if count < 65504 else narrowed(widened(dy) / count, dy.dtype)


@spells(np.sum)
def sum(x, axis=None, dtype=None, out=None, keepdims=False, initial=_NONE, where=_NONE):
    """`np.sum`.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.sum(x, axis=0)[0])(np.ones((2, 2)))
    array([[1., 0.],
           [1., 0.]])
    """
    if out is not None or initial is not _NONE or where is not _NONE:
        return some_sum(x, axis, dtype, out, keepdims, initial, where)
    return _sum(x, axis=axis, dtype=dtype, keepdims=bool(keepdims))


@spells(np.mean)
def mean(x, axis=None, dtype=None, out=None, keepdims=False, *, where=_NONE):
    """`np.mean`."""
    if out is not None or where is not _NONE:
        return some_mean(x, axis, dtype, out, keepdims, where=where)
    return _mean(x, axis=axis, dtype=dtype, keepdims=bool(keepdims))


def _prod_rule(dy, y, x, axis, keepdims):
    dy = spread(dy, x.shape, axis, keepdims)
    if not maybe(~np.isfinite(bare(y)) | (bare(y) == 0)):
        return dy * spread(y, x.shape, axis, keepdims) / x
    axes = axes_of(axis, x.ndim)
    rest = [a for a in range(x.ndim) if a not in axes]
    order = (*rest, *axes)
    moved = np.transpose(x, order)
    others = _others(np.reshape(moved, (*[x.shape[a] for a in rest], math.prod([x.shape[a] for a in axes]))))
    return dy * np.transpose(np.reshape(others, moved.shape), tuple(np.argsort(order)))


def _others(x):
    """For each element the product of the others along the last axis, by products of pairs: exact at every order."""
    n = x.shape[-1]
    if n < 2:
        return np.ones_like(x)
    if n % 2:
        x = np.concatenate([x, np.ones_like(bare(x)[..., :1])], axis=-1)
    a, b = x[..., 0::2], x[..., 1::2]
    outside = _others(a * b)
    pairs = np.stack([outside * b, outside * a], axis=-1)
    return np.reshape(pairs, x.shape)[..., :n]


@primitive(trusted=True, x=_prod_rule)
def _prod(x, *, axis, dtype, keepdims):
    return np.prod(x, axis=axis, dtype=dtype, keepdims=keepdims)


@spells(np.prod)
def prod(x, axis=None, dtype=None, out=None, keepdims=False, initial=_NONE, where=_NONE):
    """`np.prod`; the derivative is exact where elements are zero.

    >>> import knetpy as kn
    >>> kn.grad(np.prod)(np.array([0.0, 2.0, 3.0]))
    array([6., 0., 0.])
    """
    if out is not None or initial is not _NONE or where is not _NONE:
        return some_prod(x, axis, dtype, out, keepdims, initial, where)
    return _prod(x, axis=axis, dtype=dtype, keepdims=bool(keepdims))


def _extreme_rule(dy, y, x, axis, keepdims):
    hit = (x == restored(bare(y), x.shape, axis, keepdims)) | (x != x)  # NaN beats every number
    ties = hit.sum(axis=axis, keepdims=True).astype(x.dtype)
    return np.where(hit, broadcast_to(restored(dy, x.shape, axis, keepdims) / ties, x.shape), 0)


_max = primitive(lambda x, *, axis, keepdims: np.max(x, axis=axis, keepdims=keepdims), name="max", x=_extreme_rule)
_min = primitive(lambda x, *, axis, keepdims: np.min(x, axis=axis, keepdims=keepdims), name="min", x=_extreme_rule)


@spells(np.max, np.amax)
def max(x, axis=None, out=None, keepdims=False, initial=_NONE, where=_NONE):
    """`np.max`; the cotangent is split evenly among tied elements. NaN counts as the largest."""
    if out is not None or initial is not _NONE or where is not _NONE:
        refuse("max", out=out)
        return chosen(np.max, x, axis, keepdims, initial, where)
    return _max(x, axis=axis, keepdims=bool(keepdims))


@spells(np.min, np.amin)
def min(x, axis=None, out=None, keepdims=False, initial=_NONE, where=_NONE):
    """`np.min`; the cotangent is split evenly among tied elements. NaN counts as the smallest."""
    if out is not None or initial is not _NONE or where is not _NONE:
        refuse("min", out=out)
        return chosen(np.min, x, axis, keepdims, initial, where)
    return _min(x, axis=axis, keepdims=bool(keepdims))


def _centred(x, axis):
    return x - np.mean(x, axis=axis, keepdims=True)


def _var_rule(dy, x, axis, ddof, keepdims):
    free = count(x.shape, axis) - ddof
    return spread(dy, x.shape, axis, keepdims) * conjugated(_centred(x, axis)) * (2 / free if free > 0 else math.nan)


def _std_rule(dy, y, x, axis, ddof, keepdims):
    free = count(x.shape, axis) - ddof
    slope = np.where(y == 0, 0, dy / (np.where(y == 0, 1, y) * free)) if free > 0 else dy * math.nan
    return spread(slope, x.shape, axis, keepdims) * conjugated(_centred(x, axis))


@primitive(trusted=True, x=_var_rule)
def _var(x, *, axis, dtype, ddof, keepdims):
    return np.var(x, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)


@primitive(trusted=True, x=_std_rule)
def _std(x, *, axis, dtype, ddof, keepdims):
    return np.std(x, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)


@spells(np.var)
def var(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=_NONE, mean=_NONE, correction=_NONE):
    """`np.var`, divided by n - ddof; of a single element it is 0 with ddof=0 and NaN with ddof=1."""
    ddof = ddof if correction is _NONE else correction
    if out is not None or where is not _NONE or mean is not _NONE:
        return some_var(x, axis, dtype, out, ddof, keepdims, where=where, mean=mean)
    return _var(x, axis=axis, dtype=dtype, ddof=ddof, keepdims=bool(keepdims))


@spells(np.std)
def std(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=_NONE, mean=_NONE, correction=_NONE):
    """`np.std`, the root of `var`; its derivative is 0 where it is 0."""
    ddof = ddof if correction is _NONE else correction
    if out is not None or where is not _NONE or mean is not _NONE:
        return some_std(x, axis, dtype, out, ddof, keepdims, where=where, mean=mean)
    return _std(x, axis=axis, dtype=dtype, ddof=ddof, keepdims=bool(keepdims))


def _norm_rule(dy, y, x, axis, keepdims):
    slope = np.where(y == 0, 0, dy / np.where(y == 0, 1, y))
    return spread(slope, x.shape, axis, keepdims) * conjugated(x)


@primitive(trusted=True, x=_norm_rule)
def _norm(x, *, axis, keepdims):
    squares = x.real * x.real + x.imag * x.imag if is_complex(x) else x * x
    return np.sqrt(np.sum(squares, axis=axis, keepdims=keepdims))


@spells(np.linalg.norm)
def norm(x, ord=None, axis=None, keepdims=False):
    """`np.linalg.norm`: Euclidean and Frobenius norms and the p-norms of vectors; the 1- and inf-norms of matrices.

    Norms of matrices by singular values (2, -2 and "nuc") too. The derivative is 0 where the norm is 0, and 0 by
    elements and singular values that are 0; the largest or smallest singular values that tie share it evenly.

    >>> import knetpy as kn
    >>> kn.grad(np.linalg.norm)(np.array([3.0, 4.0])), kn.grad(np.linalg.norm)(np.zeros(2))
    (array([0.6, 0.8]), array([0., 0.]))
    """
    ndim = len(np.shape(x))
    axes = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return _norm(x, axis=axes, keepdims=keepdims)
    if len(axes) == 1 and not isinstance(ord, str):
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        summed = axes[0] if abs(ord) == 1 else axes[1]
        return _extreme(sum(np.abs(x), axis=summed, keepdims=True), ord > 0, axes, keepdims)
    if len(axes) == 2 and ord in (2, -2, "nuc"):
        s = np.abs(np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False))
        y = sum(s, axis=-1) if ord == "nuc" else _extreme(s, ord > 0, -1)
        return restored(y, x.shape, axes, False) if keepdims else y
    raise ValueError(f"np.linalg.norm: ord={ord!r} over {len(axes)} axes has no derivative rule in knetpy")


def _vector_norm(x, ord, axes, keepdims):
    if ord in (np.inf, -np.inf):
        return _extreme(np.abs(x), ord > 0, axes, keepdims)
    if ord == 0:
        return np.sum((bare(x) != 0).astype(bare(x).real.dtype), axis=axes, keepdims=keepdims)
    total = sum(_masked_power(np.abs(x), ord), axis=axes, keepdims=keepdims)
    return total if ord == 1 else _masked_power(total, 1 / ord)


def _extreme(sizes, largest, axis, keepdims=False):
    """The largest or smallest of sizes; the largest of none is 0, as in NumPy."""
    none = {} if sizes.size else {"initial": 0}
    return max(sizes, axis=axis, keepdims=keepdims, **none) if largest else min(sizes, axis=axis, keepdims=keepdims)


def _masked_power(x, p):
    """x ** p with derivative 0 where x is 0."""
    zero = bare(x) == 0
    return np.where(zero, bare(x) ** p, np.where(zero, 1, x) ** p) if p != 1 and maybe(zero) else x**p
