"""Arrays joined, and one cut into parts: concatenate, stack, split and their kin."""

from functools import cache
from itertools import accumulate

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.value import Value, plain
from .nested import assembled
from .shape import atleast_1d, atleast_2d, atleast_3d, expand_dims, ravel
from .spelling import spells


def _check_concatenate(*arrays, axis):
    first, *others = shapes = [np.shape(a) for a in arrays]
    for shape in others:
        if len(shape) != len(first) or any(m != n for i, (m, n) in enumerate(zip(first, shape)) if i != axis):
            raise ShapeError(
                f"concatenate: shapes {' and '.join(map(str, shapes))} must agree but for axis {axis}, along which "
                "they are joined; np.stack makes a new axis"
            )


def _part(dy, i, axis, cuts):
    """What of dy belongs to part i."""
    return dy[(slice(None),) * axis + (slice(cuts[i], cuts[i + 1]),)]


def _cuts(parts, axis):
    """Where the parts meet."""
    return list(accumulate([x.shape[axis] for x in parts], initial=0))


@primitive(
    saves=("cuts",),
    check=_check_concatenate,
    arrays=_part,
)
def _concatenate(*arrays, axis):
    return np.concatenate(arrays, axis), _cuts(arrays, axis)


def _arrays(parts):
    """Parts that are to be joined, lists and numbers as arrays beside the others."""
    return [a if hasattr(a, "dtype") else assembled(a, parts) for a in parts]


@spells(np.concatenate, np.concat)
def concatenate(arrays, axis=0, out=None, dtype=None, casting="same_kind"):
    """`np.concatenate`; axis=None flattens first.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: (np.concatenate([x, 2 * x]) * np.arange(4.0)).sum())(np.ones(2))
    array([4., 7.])
    """
    if out is not None:
        raise TypeError("np.concatenate: out= is not supported on knetpy values")
    arrays = _arrays(arrays)
    if axis is None:
        arrays, axis = [ravel(a) for a in arrays], 0
    if arrays and arrays[0].ndim:
        axis = normalize_axis_index(axis, arrays[0].ndim)
    y = _concatenate(*arrays, axis=axis)
    return y if dtype is None else y.astype(dtype, casting=casting)


@spells(np.stack)
def stack(arrays, axis=0, out=None, **options):
    """`np.stack`."""
    arrays = _arrays(arrays)
    shapes = sorted({a.shape for a in arrays})
    if len(shapes) > 1:
        raise ShapeError(f"stack: all arrays must have one shape, got {' and '.join(map(str, shapes))}")
    return concatenate([expand_dims(a, axis) for a in arrays], axis, out, **options)


@spells(np.vstack)
def vstack(arrays, **options):
    """`np.vstack`."""
    return concatenate([atleast_2d(a) for a in _arrays(arrays)], 0, **options)


@spells(np.hstack)
def hstack(arrays, **options):
    """`np.hstack`."""
    arrays = [atleast_1d(a) for a in _arrays(arrays)]
    return concatenate(arrays, 0 if arrays[0].ndim == 1 else 1, **options)


@spells(np.dstack)
def dstack(arrays):
    """`np.dstack`."""
    return concatenate([atleast_3d(a) for a in _arrays(arrays)], 2)


@spells(np.column_stack)
def column_stack(arrays):
    """`np.column_stack`."""
    return concatenate([np.reshape(a, (-1, 1)) if np.ndim(a) < 2 else a for a in _arrays(arrays)], 1)


@spells(np.array_split)
def array_split(x, indices_or_sections, axis=0):
    """`np.array_split`: parts of nearly equal size, as slices of x."""
    return _split(np.array_split, x, indices_or_sections, axis)


@spells(np.split)
def split(x, indices_or_sections, axis=0):
    """`np.split`: parts of equal size, or cut at the given indices.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.split(x, 2)[0].sum())(np.ones(4))
    array([1., 1., 0., 0.])
    """
    return _split(np.split, x, indices_or_sections, axis)


def _split(function, x, indices_or_sections, axis):
    axis = normalize_axis_index(axis, len(np.shape(x)))
    if isinstance(indices_or_sections, Value):
        indices_or_sections = plain(indices_or_sections, f"np.{function.__name__} by the numbers")
    parts = function(np.arange(np.shape(x)[axis]), indices_or_sections)
    ends = np.cumsum([len(p) for p in parts]).tolist()
    whole = ends[-1] == np.shape(x)[axis] and all(p[0] == end - len(p) for p, end in zip(parts, ends) if len(p))
    if whole and len(parts) > 1:
        return list(_cut(len(parts))(x, places=tuple(ends[:-1]), axis=axis))
    around = (slice(None),) * axis  # parts may overlap
    return [x[(*around, slice(p[0], p[-1] + 1) if len(p) else slice(0, 0))] for p in parts]


@cache
def _cut(count):
    """A function that cuts x into so many parts, whose cotangents are joined at once."""
    return primitive(
        lambda x, *, places, axis: tuple(np.split(x, places, axis)),
        name="split",
        outputs=count,
        trusted=True,
        x=lambda dy, axis: _joined(*dy, axis=axis),
    )


@primitive(
    name="concatenate",
    saves=("cuts",),
    parts=_part,
)
def _joined(*parts, axis):
    """The parts joined; if they lie side by side in memory, as kernels may have left them, the whole is there."""
    cuts, first = _cuts(parts, axis), parts[0]
    if first.__class__ is not np.ndarray:
        return np.concatenate(parts, axis), cuts
    begin, step = first.__array_interface__["data"][0], first.strides[axis]
    for x, cut in zip(parts, cuts):
        alike = x.base is first.base is not None and x.strides == first.strides and x.dtype == first.dtype
        if not alike or step <= 0 or x.__array_interface__["data"][0] != begin + cut * step:
            return np.concatenate(parts, axis), cuts
    shape = (*first.shape[:axis], cuts[-1], *first.shape[axis + 1 :])
    return np.lib.stride_tricks.as_strided(first, shape, first.strides), cuts
