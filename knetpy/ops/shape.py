"""Moves of the elements of one array: reshape, transpose, broadcast_to, tile, flip and their kin."""

import math
import operator
import sys

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.errors import MutationError, ShapeError, called_by, outside
from ..core.primitive import primitive
from ..core.protocols import serve
from ..core.tape import unbroadcast
from ..core.value import METHODS, Param, Value, bare, is_tracked, kind_of
from .arguments import MOST
from .spelling import spells


@primitive(trusted=True, x=lambda dy, x_shape: _reshape(dy, shape=x_shape))
def _reshape(x, *, shape):
    if -1 in shape and 0 in x.shape and 0 in shape:  # NumPy refuses; that many elements has each of no examples
        known = math.prod([n for n in shape if n > 0])
        shape = [math.prod([n for n in x.shape if n]) // known if n == -1 else n for n in shape]
    return np.reshape(x, shape)


def _sizes(shape):
    """Sizes given as several numbers, or as one number, tuple, list or array."""
    if len(shape) == 1 and (isinstance(shape[0], (tuple, list)) or getattr(shape[0], "ndim", 0)):
        shape = shape[0]
    return tuple([operator.index(n) for n in shape])


def reshape(x, *sizes, order="C", copy=None, shape=None):
    """`np.reshape` and `x.reshape`: sizes as a tuple or one by one, one of them -1; order "C" or "F".

    >>> import knetpy as kn
    >>> kn.grad(lambda x: x.reshape(2, -1)[0].sum())(np.ones(4))
    array([1., 1., 0., 0.])
    """
    if x.__class__ is np.ndarray and order == "C" and sizes and sizes[-1].__class__ is not str:
        return x.reshape(*sizes)
    if len(sizes) == 2 and isinstance(sizes[1], str):  # np.reshape(x, shape, "F")
        sizes, order = sizes[:1], sizes[1]
    shape = _sizes(sizes if shape is None else (shape,))
    if order == "C" or _order(x, order) == "C":
        return _reshape(x, shape=shape)
    return transpose(_reshape(transpose(x), shape=shape[::-1]))


def _order(x, order):
    """`order` as "C" or "F"; "A" and "K" ask how x lies in memory."""
    if order in ("C", "F"):
        return order
    if order not in ("A", "K"):
        raise ValueError(f"order must be C, F, A or K, got {order!r}")
    flags = bare(x).flags
    if order == "K" and not flags.forc:
        raise ValueError(
            'ravel: order="K" has no derivative rule in knetpy for an array that is not contiguous; use "C" or "F"'
        )
    return "F" if flags.fnc else "C"


@spells(np.ravel)
def ravel(x, order="C"):
    """`np.ravel` and `x.flatten()`: one axis with all elements."""
    return reshape(x if hasattr(x, "flags") else np.asarray(x), -1, order=order)


def along(vector, x, axis):
    """A vector in the shape in which it lies along that axis of x."""
    ndim = len(x.shape)
    return np.reshape(vector, tuple([-1 if a == axis % ndim else 1 for a in range(ndim)]))


@primitive(trusted=True, x=lambda dy, axes: _transpose(dy, axes=None if axes is None else tuple(np.argsort(axes))))
def _transpose(x, *, axes):
    return np.transpose(x, axes)


def transpose(x, *order, axes=None):
    """`np.transpose` and `x.transpose`: axes as a tuple or one by one; none reverses them."""
    if x.__class__ is np.ndarray and axes is None:
        return x.transpose(*order)
    order = order if axes is None else (axes,)
    if not order or order[0] is None:
        return _transpose(x, axes=None)
    ndim = len(np.shape(bare(x)))
    return _transpose(x, axes=tuple([normalize_axis_index(a, ndim) for a in _sizes(order)]))


def _permuted(move, x, *how):
    """`x` with its axes in the order that NumPy's `move` gives: it is asked about an array whose axis i has size i."""
    numbers = np.broadcast_to(np.zeros(()), tuple(range(len(np.shape(x)))))
    return _transpose(x, axes=move(numbers, *how).shape)


@spells(np.swapaxes)
def swapaxes(x, axis1, axis2):
    """`np.swapaxes`."""
    return _permuted(np.swapaxes, x, axis1, axis2)


@spells(np.moveaxis)
def moveaxis(x, source, destination):
    """`np.moveaxis`."""
    return _permuted(np.moveaxis, x, source, destination)


@spells(np.rollaxis)
def rollaxis(x, axis, start=0):
    """`np.rollaxis`."""
    return _permuted(np.rollaxis, x, axis, start)


@spells(np.squeeze)
def squeeze(x, axis=None):
    """`np.squeeze`."""
    return _reshape(x, shape=np.squeeze(_like(x), axis).shape)


@spells(np.expand_dims)
def expand_dims(x, axis):
    """`np.expand_dims`."""
    return _reshape(x, shape=np.expand_dims(_like(x), axis).shape)


def _like(x):
    """An array of the shape of `x` without memory: NumPy checks axes and works out shapes on it."""
    return np.broadcast_to(np.zeros(()), np.shape(bare(x)))


def _check_broadcast_to(x, shape):
    raise ShapeError(
        f"broadcast_to: x of shape {np.shape(x)} cannot become {shape}; counted from the last, each axis must agree "
        "or be 1: reshape x, or insert an axis with x[:, None]"
    )


@primitive(check=_check_broadcast_to, x=lambda dy, x_shape: unbroadcast(dy, x_shape))
def _broadcast_to(x, *, shape):
    return np.broadcast_to(x, shape)


@spells(np.broadcast_to)
def broadcast_to(x, shape, subok=False):
    """`np.broadcast_to`: stretched without copying; the derivative sums over what was stretched."""
    shape = tuple(shape) if hasattr(shape, "__len__") else (operator.index(shape),)
    return x if np.shape(x) == shape and x.__class__ is not Param else _broadcast_to(x, shape=shape)


@spells(np.full_like)
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, **options):
    """`np.full_like`; there is a derivative by `fill_value`."""
    if not isinstance(fill_value, Value):
        return np.full_like(bare(a), fill_value, dtype, order, subok, shape, **options)
    filled = broadcast_to(fill_value, np.shape(a) if shape is None else shape)
    return filled.astype(a.dtype if dtype is None else dtype)


def _copyto(dst, src, casting="same_kind", where=True):
    """`np.copyto`: what it writes into a plain array has no derivative."""
    for x in (dst, src, where):
        if isinstance(x, Value) and is_tracked(x):
            name = called_by(outside(sys._getframe(1)))
            raise MutationError(
                f"np.copyto{f', which {name} of a plain array calls,' if name else ''} would write {kind_of(x)} of "
                f"shape {x.shape} in place; write np.broadcast_to(r, shape) to fill an array, np.where to choose"
            )
    np.copyto(bare(dst), bare(src), casting, bare(where))


@spells(np.broadcast_arrays)
def broadcast_arrays(*arrays, subok=False):
    """`np.broadcast_arrays`."""
    shape = np.broadcast_shapes(*[np.shape(a) for a in arrays])
    return tuple([broadcast_to(a, shape) for a in arrays])


def _atleast(function, arrays):
    raised = [np.reshape(a, function(_like(a)).shape) for a in arrays]
    return raised[0] if len(raised) == 1 else tuple(raised)


@spells(np.atleast_1d)
def atleast_1d(*arrays):
    """`np.atleast_1d`."""
    return _atleast(np.atleast_1d, arrays)


@spells(np.atleast_2d)
def atleast_2d(*arrays):
    """`np.atleast_2d`."""
    return _atleast(np.atleast_2d, arrays)


@spells(np.atleast_3d)
def atleast_3d(*arrays):
    """`np.atleast_3d`."""
    return _atleast(np.atleast_3d, arrays)


@spells(np.tile)
def tile(x, reps):
    """`np.tile`."""
    reps = tuple([operator.index(n) for n in reps]) if hasattr(reps, "__len__") else (operator.index(reps),)
    shape = np.shape(x)
    shape, reps = (1,) * (len(reps) - len(shape)) + shape, (1,) * (len(shape) - len(reps)) + reps
    between = [n for pair in zip([1] * len(shape), shape) for n in pair]
    stretched = [n for pair in zip(reps, shape) for n in pair]
    return np.reshape(broadcast_to(np.reshape(x, between), stretched), [r * n for r, n in zip(reps, shape)])


@spells(np.repeat)
def repeat(x, repeats, axis=None):
    """`np.repeat`."""
    if axis is None:
        x, axis = ravel(x), 0
    axis = normalize_axis_index(axis, x.ndim)
    if np.max(repeats, initial=0) > MOST:  # NumPy would write beyond its memory
        raise ValueError(f"repeat: repeats must be at most {MOST}, got {np.max(repeats)}")
    return x[(slice(None),) * axis + (np.repeat(np.arange(x.shape[axis]), repeats),)]


@spells(np.flip)
def flip(x, axis=None):
    """`np.flip`."""
    ndim = len(np.shape(x))
    axes = range(ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = {normalize_axis_index(a, ndim) for a in axes}
    return x[tuple([slice(None, None, -1) if i in axes else slice(None) for i in range(ndim)])]


@spells(np.fliplr)
def fliplr(x):
    """`np.fliplr`."""
    return flip(x, 1)


@spells(np.flipud)
def flipud(x):
    """`np.flipud`."""
    return flip(x, 0)


@primitive(trusted=True, x=lambda dy, shift, axis: roll(dy, _negative(shift), axis))
def _roll(x, *, shift, axis):
    return np.roll(x, shift, axis)


def _negative(shift):
    return tuple([-s for s in shift]) if isinstance(shift, tuple) else -shift


@spells(np.roll)
def roll(x, shift, axis=None):
    """`np.roll`."""
    shift = tuple(shift) if isinstance(shift, list) else shift
    return _roll(x, shift=shift, axis=axis)


serve(np.copyto, _copyto)
serve(np.reshape, reshape)
serve(np.transpose, transpose)
serve(np.permute_dims, transpose)
serve(np.matrix_transpose, lambda x: swapaxes(x, -1, -2))
METHODS["flatten"] = lambda x, order="C": np.copy(ravel(x, order))  # never a view, as NumPy's
