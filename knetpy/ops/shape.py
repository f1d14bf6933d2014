"""Moves that change only where elements lie: reshape, transpose, concatenate, tile, pad and their kin."""

import operator

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive, serve
from ..core.tape import unbroadcast
from ..core.value import METHODS, bare


@primitive(x=lambda dy, x_shape: _reshape(dy, shape=x_shape))
def _reshape(x, *, shape):
    return np.reshape(x, shape)


def _sizes(shape):
    """Sizes given as several numbers, or as one tuple or list."""
    return shape[0] if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape


def reshape(x, *shape, order="C", copy=None, **newshape):
    """`np.reshape` and `x.reshape`: sizes as a tuple or one by one, one of them -1; order "C" or "F".

    >>> import knetpy as kn
    >>> kn.grad(lambda x: x.reshape(2, -1)[0].sum())(np.ones(4))
    array([1., 1., 0., 0.])
    """
    if len(shape) == 2 and isinstance(shape[1], str):  # np.reshape(x, shape, "F")
        shape, order = shape[:1], shape[1]
    shape = _sizes(shape) if shape else next(iter(newshape.values()))
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (operator.index(shape),)
    if order == "F":
        return transpose(_reshape(transpose(x), shape=shape[::-1]))
    return _reshape(x, shape=shape)


def ravel(x, order="C"):
    """`np.ravel` and `x.flatten()`: one axis with all elements."""
    return reshape(x, -1, order=order)


@primitive(x=lambda dy, axes: _transpose(dy, axes=None if axes is None else tuple(np.argsort(axes))))
def _transpose(x, *, axes):
    return np.transpose(x, axes)


def transpose(x, *axes):
    """`np.transpose` and `x.transpose`: axes as a tuple or one by one; none reverses them."""
    axes = None if not axes or axes[0] is None else tuple(_sizes(axes))
    return _transpose(x, axes=None if axes is None else tuple([a % len(axes) for a in axes]))


def _permuted(move, x, *how):
    """`x` with its axes in the order that NumPy's `move` gives: it is asked about an array whose axis i has size i."""
    numbers = np.broadcast_to(np.zeros(()), tuple(range(len(np.shape(x)))))
    return _transpose(x, axes=move(numbers, *how).shape)


def swapaxes(x, axis1, axis2):
    """`np.swapaxes`."""
    return _permuted(np.swapaxes, x, axis1, axis2)


def moveaxis(x, source, destination):
    """`np.moveaxis`."""
    return _permuted(np.moveaxis, x, source, destination)


def rollaxis(x, axis, start=0):
    """`np.rollaxis`."""
    return _permuted(np.rollaxis, x, axis, start)


def squeeze(x, axis=None):
    """`np.squeeze`."""
    return _reshape(x, shape=np.squeeze(_like(x), axis).shape)


def expand_dims(x, axis):
    """`np.expand_dims`."""
    return _reshape(x, shape=np.expand_dims(_like(x), axis).shape)


def _like(x):
    """An array of the shape of `x` without memory: NumPy checks axes and works out shapes on it."""
    return np.broadcast_to(np.zeros(()), np.shape(bare(x)))


@primitive(x=lambda dy, x_shape: unbroadcast(dy, x_shape))
def _broadcast_to(x, *, shape):
    return np.broadcast_to(x, shape)


def broadcast_to(x, shape, subok=False):
    """`np.broadcast_to`: stretched without copying; the derivative sums over what was stretched."""
    shape = tuple(shape) if hasattr(shape, "__len__") else (operator.index(shape),)
    return x if np.shape(x) == shape else _broadcast_to(x, shape=shape)


def broadcast_arrays(*arrays, subok=False):
    """`np.broadcast_arrays`."""
    shape = np.broadcast_shapes(*[np.shape(a) for a in arrays])
    return tuple([broadcast_to(a, shape) for a in arrays])


def _part(dy, arrays, i, axis):
    start = sum([np.shape(a)[axis] for a in arrays[:i]])
    return dy[(slice(None),) * axis + (slice(start, start + arrays[i].shape[axis]),)]


@primitive(arrays=_part)
def _concatenate(*arrays, axis):
    return np.concatenate(arrays, axis)


def concatenate(arrays, axis=0, out=None, dtype=None, casting="same_kind"):
    """`np.concatenate`; axis=None flattens first.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: (np.concatenate([x, 2 * x]) * np.arange(4.0)).sum())(np.ones(2))
    array([4., 7.])
    """
    if out is not None:
        raise TypeError("np.concatenate: out= is not supported on knetpy values")
    arrays = [a if hasattr(a, "dtype") else np.asarray(a) for a in arrays]
    if axis is None:
        arrays, axis = [ravel(a) for a in arrays], 0
    y = _concatenate(*arrays, axis=axis % (arrays[0].ndim or 1) if arrays else axis)
    return y if dtype is None else y.astype(dtype)


def stack(arrays, axis=0, out=None, **options):
    """`np.stack`."""
    arrays = [a if hasattr(a, "dtype") else np.asarray(a) for a in arrays]
    shapes = sorted({a.shape for a in arrays})
    if len(shapes) > 1:
        raise ShapeError(f"stack: all arrays must have one shape, got {' and '.join(map(str, shapes))}")
    return concatenate([expand_dims(a, axis) for a in arrays], axis, out, **options)


def vstack(arrays, **options):
    """`np.vstack`."""
    return concatenate([atleast_2d(a) for a in arrays], 0, **options)


def hstack(arrays, **options):
    """`np.hstack`."""
    arrays = [atleast_1d(a) for a in arrays]
    return concatenate(arrays, 0 if arrays[0].ndim == 1 else 1, **options)


def dstack(arrays):
    """`np.dstack`."""
    return concatenate([atleast_3d(a) for a in arrays], 2)


def column_stack(arrays):
    """`np.column_stack`."""
    return concatenate([np.reshape(a, (-1, 1)) if np.ndim(a) < 2 else a for a in arrays], 1)


def _atleast(function, arrays):
    raised = [np.reshape(a, function(_like(a)).shape) for a in arrays]
    return raised[0] if len(raised) == 1 else tuple(raised)


def atleast_1d(*arrays):
    """`np.atleast_1d`."""
    return _atleast(np.atleast_1d, arrays)


def atleast_2d(*arrays):
    """`np.atleast_2d`."""
    return _atleast(np.atleast_2d, arrays)


def atleast_3d(*arrays):
    """`np.atleast_3d`."""
    return _atleast(np.atleast_3d, arrays)


def array_split(x, indices_or_sections, axis=0):
    """`np.array_split`: parts of nearly equal size, as slices of x."""
    return _split(np.array_split, x, indices_or_sections, axis)


def split(x, indices_or_sections, axis=0):
    """`np.split`: parts of equal size, or cut at the given indices.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.split(x, 2)[0].sum())(np.ones(4))
    array([1., 1., 0., 0.])
    """
    return _split(np.split, x, indices_or_sections, axis)


def _split(function, x, indices_or_sections, axis):
    axis = axis % (len(np.shape(x)) or 1)
    parts = function(np.arange(np.shape(x)[axis]), indices_or_sections)
    around = (slice(None),) * axis
    return [x[(*around, slice(p[0], p[-1] + 1) if len(p) else slice(0, 0))] for p in parts]


def tile(x, reps):
    """`np.tile`."""
    reps = tuple(reps) if hasattr(reps, "__len__") else (reps,)
    shape = np.shape(x)
    shape, reps = (1,) * (len(reps) - len(shape)) + shape, (1,) * (len(shape) - len(reps)) + reps
    between = [n for pair in zip([1] * len(shape), shape) for n in pair]
    stretched = [n for pair in zip(reps, shape) for n in pair]
    return np.reshape(broadcast_to(np.reshape(x, between), stretched), [r * n for r, n in zip(reps, shape)])


def repeat(x, repeats, axis=None):
    """`np.repeat`."""
    if axis is None:
        x, axis = ravel(x), 0
    axis = axis % x.ndim
    return x[(slice(None),) * axis + (np.repeat(np.arange(x.shape[axis]), repeats),)]


def flip(x, axis=None):
    """`np.flip`."""
    ndim = len(np.shape(x))
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = {np.lib.array_utils.normalize_axis_index(a, ndim) for a in axes}
    return x[tuple([slice(None, None, -1) if i in axes else slice(None) for i in range(ndim)])]


def fliplr(x):
    """`np.fliplr`."""
    return flip(x, 1)


def flipud(x):
    """`np.flipud`."""
    return flip(x, 0)


@primitive(x=lambda dy, shift, axis: roll(dy, _negative(shift), axis))
def _roll(x, *, shift, axis):
    return np.roll(x, shift, axis)


def _negative(shift):
    return tuple([-s for s in shift]) if isinstance(shift, tuple) else -shift


def roll(x, shift, axis=None):
    """`np.roll`."""
    return _roll(x, shift=shift, axis=axis)


@primitive(x=lambda dy, x_shape, width: dy[tuple([slice(b, b + n) for (b, _), n in zip(width, x_shape)])])
def _pad(x, *, width, value):
    return np.pad(x, width, constant_values=value)


def pad(x, pad_width, mode="constant", *, constant_values=0, reflect_type="even"):
    """`np.pad` in the modes constant, edge, reflect, symmetric and wrap.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: (np.pad(x, 1, mode="edge") * np.arange(4.0)).sum())(np.ones(2))
    array([1., 5.])
    """
    ndim = len(np.shape(x))
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, pad_width.get(i - ndim, (0, 0))) for i in range(ndim)]
        pad_width = [w if isinstance(w, tuple) else (w, w) for w in pad_width]
    width = tuple([tuple(map(int, w)) for w in np.broadcast_to(pad_width, (ndim, 2))])
    if mode == "constant" and np.ndim(constant_values) == 0:
        return _pad(x, width=width, value=constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap") or reflect_type != "even":
        raise ValueError(
            f"np.pad: mode={mode!r} has no derivative rule in knetpy; use constant (one value), edge, reflect, symmetric or wrap"
        )
    for axis, w in enumerate(width):
        if w != (0, 0):
            x = x[(slice(None),) * axis + (np.pad(np.arange(x.shape[axis]), w, mode=mode),)]
    return x


for _op in (
    reshape, ravel, transpose, swapaxes, moveaxis, rollaxis, squeeze, expand_dims, broadcast_to, broadcast_arrays,
    concatenate, stack, vstack, hstack, dstack, column_stack, atleast_1d, atleast_2d, atleast_3d, array_split, split,
    tile, repeat, flip, fliplr, flipud, roll, pad,
):  # fmt: skip
    serve(getattr(np, _op.__name__), _op)
serve(np.permute_dims, transpose)
serve(np.concat, concatenate)
serve(np.matrix_transpose, lambda x: swapaxes(x, -1, -2))
METHODS["flatten"] = ravel
