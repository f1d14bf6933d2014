"""Arrangements of arrays: quarter turns, grids, blocks, parts by axis, functions along axes."""

import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.value import Value, bare
from ..devices import listed
from .join import concatenate, split
from .nested import assembled
from .shape import broadcast_arrays, flip, moveaxis, transpose
from .spelling import spells


@spells(np.rot90)
def rot90(m, k=1, axes=(0, 1)):
    """`np.rot90`: turned by k quarters in the plane of two axes."""
    one, other = [normalize_axis_index(a, m.ndim) for a in axes]
    if one == other:
        raise ValueError(f"rot90: the axes must differ, got {tuple(axes)}")
    k = operator.index(k) % 4
    if k % 2 == 0:
        return flip(m, (one, other)) if k else m[:]
    order = list(range(m.ndim))
    order[one], order[other] = other, one
    return transpose(flip(m, other), order) if k == 1 else flip(transpose(m, order), other)


@spells(np.meshgrid)
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """`np.meshgrid`."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f'meshgrid: indexing must be "xy" or "ij", got {indexing!r}')
    axes = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        axes[:2] = 1, 0
    parts = [np.reshape(x, [-1 if i == axis else 1 for i in range(len(xi))]) for x, axis in zip(xi, axes)]
    parts = parts if sparse else broadcast_arrays(*parts)
    return tuple([np.copy(x) for x in parts]) if copy else tuple(parts)


@spells(np.ix_)
def ix_(*args):
    """`np.ix_`: numbers along one axis each; those for indices are plain."""
    for x in args:
        if len(np.shape(x)) != 1:
            raise ValueError(f"ix_: each argument must have one axis, got shape {np.shape(x)}")
    shapes = [tuple([-1 if i == axis else 1 for i in range(len(args))]) for axis in range(len(args))]
    return tuple([np.reshape(x if isinstance(x, Value) else np.ix_(x)[0], n) for x, n in zip(args, shapes)])


@spells(np.block)
def block(arrays):
    """`np.block`: nested lists of arrays, the innermost joined along the last axis.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.block([[x, 2 * x], [x, x]])[0].sum())(np.ones((1, 2)))
    array([[3., 3.]])
    """
    depth, parts = _depth(arrays), _blocks(arrays)
    ndim = max(depth, *[len(np.shape(x)) for x in parts])
    return _joined(arrays, depth, ndim, parts)


def _depth(arrays):
    """How many lists stand around each array, the same number everywhere."""
    if isinstance(arrays, tuple):
        raise TypeError("block: arrays are nested in lists, got a tuple; write [...]")
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(x) for x in arrays}
    if len(depths) != 1:
        raise ValueError("block: no list may be empty, and around all arrays there must be equally many")
    return depths.pop() + 1


def _blocks(arrays):
    return [x for part in arrays for x in _blocks(part)] if isinstance(arrays, list) else [arrays]


def _joined(arrays, depth, ndim, parts):
    if depth:
        return concatenate([_joined(x, depth - 1, ndim, parts) for x in arrays], -depth)
    x = arrays if hasattr(arrays, "dtype") else listed(arrays, parts)
    return np.reshape(x, (1,) * (ndim - len(x.shape)) + x.shape)


def _divider(function, axis_of, least):
    @spells(function)
    def call(ary, indices_or_sections):
        if ary.ndim < least:
            raise ValueError(f"{function.__name__}: x of shape {ary.shape} needs {least} or more axes")
        return split(ary, indices_or_sections, axis_of(ary))


_divider(np.hsplit, lambda x: min(x.ndim, 2) - 1, 1)
_divider(np.vsplit, lambda x: 0, 2)
_divider(np.dsplit, lambda x: 2, 3)


def unstack(x, /, *, axis=0):
    """`np.unstack`: the slices along an axis."""
    if not x.ndim:
        raise ValueError("unstack: x must have an axis, got shape ()")
    return tuple(moveaxis(x, axis, 0))


if hasattr(np, "unstack"):  # NumPy 2.1
    spells(np.unstack)(unstack)


@spells(np.apply_along_axis)
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """`np.apply_along_axis`: the function gets slices that are recorded; its results may be arrays of one shape."""
    axis = normalize_axis_index(axis, arr.ndim)
    moved = moveaxis(arr, axis, -1)
    if not all(moved.shape[:-1]):
        raise ValueError(f"apply_along_axis: arr of shape {arr.shape} has no slices along axis {axis}")
    found = assembled([func1d(moved[i], *args, **kwargs) for i in np.ndindex(moved.shape[:-1])])
    y = np.reshape(found, (*moved.shape[:-1], *found.shape[1:]))
    last, more = arr.ndim - 1, found.ndim - 1
    return transpose(y, (*range(axis), *range(last, last + more), *range(axis, last)))


@spells(np.apply_over_axes)
def apply_over_axes(func, a, axes):
    """`np.apply_over_axes`."""
    y, ndim = a, a.ndim
    for axis in np.atleast_1d(bare(axes)).tolist():
        found = func(y, axis if axis >= 0 else axis + ndim)
        y = found if found.ndim == y.ndim else np.expand_dims(found, axis)
        if y.ndim != ndim:
            raise ValueError(f"apply_over_axes: func made an array of shape {found.shape} of one of {ndim} axes")
    return y
