"""NumPy's indexing, and its transpose, which adds into the places that the index names."""

import math
import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.errors import DerivativeError, DtypeError, ShapeError
from ..core.primitive import primitive
from ..core.protocols import serve
from ..core.value import Value, bare, is_tracked
from ..devices import GPU, asarray, on_gpu, zeros
from ..kernels import kernel
from .arguments import axis_of, constant_of, placed
from .spelling import spells

_take_along, _add_along, _add_at = [kernel("scatter", name) for name in ("take_along", "add_along", "add_at")]


@primitive(trusted=True, x=lambda dy, key, x_shape: _put(dy, key=key, shape=x_shape))
def _getitem(x, *, key):
    return x[key]


@primitive(trusted=True, g=lambda dy, key: _getitem(dy, key=key))
def _put(g, *, key, shape):
    """Zeros of `shape` with `g` added at `key`; places that the key repeats accumulate."""
    axis = _axis_taken(key, shape)
    if axis is not None:
        index, n = key[axis] if isinstance(key, tuple) else key, shape[axis]
        index = np.where(index < 0, index + n, index).reshape(1, -1, 1)
        g = g.reshape(math.prod(shape[:axis]), index.size, math.prod(shape[axis + 1 :]))
        return _add_along(g, index, size=n).reshape(shape)
    x = zeros(shape, g)
    if _is_basic(key):
        x[key] = g
    else:
        _add_at(x, key, g)
    return x


def _axis_taken(key, shape):
    """The axis along which a key takes slices by an array of integers, if it is that and does no more."""
    parts = key if isinstance(key, tuple) else (key,)
    last = parts[-1] if parts else None
    some = _is_array(last) and last.dtype.kind in "iu" and 0 not in shape
    if some and all([k.__class__ is slice and k == slice(None) for k in parts[:-1]]):
        return len(parts) - 1
    return None


def _is_basic(key):
    """Whether each element is named at most once for certain: no integer arrays (boolean masks are fine)."""
    parts = key if isinstance(key, tuple) else (key,)
    return not any([_is_array(k) and k.dtype != bool for k in parts])


def _is_array(k):
    return isinstance(k, np.ndarray) or (len(GPU) > 0 and on_gpu(k))


def getitem(x, key):
    """`x[key]` with any of NumPy's keys: slices, ellipsis, newaxis, integer and boolean arrays; repeats accumulate.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: x[[0, 0, 2]].sum())(np.ones(3))
    array([2., 0., 1.])
    """
    key = tuple([_plain(k) for k in key]) if isinstance(key, tuple) else _plain(key)
    return _getitem(x, key=_key_beside(key, x) if GPU else key)


def _key_beside(key, x):
    """A key whose arrays are on the device of x, so that its derivative need not copy them again."""
    if isinstance(key, tuple):
        return tuple([_key_beside(k, x) for k in key])
    return placed("x[key]", "key", key, x) if _is_array(key) else key


def _plain(k):
    if isinstance(k, Value):
        is_tracked(k)
        raise DerivativeError(f"an index must be an integer or boolean array, got {k.dtype} under differentiation")
    if k.__class__ is slice or k.__class__ is int:
        return k
    if isinstance(k, (np.ndarray, np.generic, bool)):
        return k
    if not (isinstance(k, (list, tuple, range)) or hasattr(k, "__array__")):
        return operator.index(k) if hasattr(k, "__index__") else k  # asked once: the derivative asks for the same
    array = asarray(k)
    return array if array.size else array.astype(np.intp)


Value.__getitem__ = getitem


def taken_from(x, numbers):
    """The elements of a vector with these numbers, in their shape."""
    return np.reshape(getitem(x, numbers.reshape(-1)), numbers.shape)  # a flat key has a quick derivative


@spells(np.take)
def take(x, indices, axis=None, out=None, mode="raise"):
    """`np.take`: the elements at `indices` along an axis."""
    if out is not None:
        raise TypeError("np.take: out= is not supported on knetpy values")
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    x = x if x.shape else x[None]  # NumPy takes a number for a vector of one
    if isinstance(axis, bool):
        raise TypeError(f"np.take: axis must be an integer, got {axis}")
    axis = normalize_axis_index(axis, x.ndim)
    indices, n = asarray(indices), x.shape[axis]
    indices = indices.astype(np.intp) if indices.dtype == bool or not indices.size else indices
    if indices.dtype.kind not in "iu":
        raise TypeError(f"np.take: indices must be integers, got {indices.dtype}; write indices.astype(int)")
    if mode == "wrap":
        indices = indices % max(n, 1)
    elif mode == "clip":
        indices = np.clip(indices, 0, n - 1)
    elif mode != "raise":
        raise ValueError(f"np.take: mode must be raise, wrap or clip, got {mode!r}")
    return getitem(x, (slice(None),) * axis + (indices,))


def take_along_axis(x, indices, axis=-1):
    """`np.take_along_axis`: one element for each index, matched along the other axes.

    Parameters:
      x: array.
      indices: integers with as many axes as x, which broadcast along the others than `axis`; negative ones count from
        the end. On a GPU they are not checked.
      axis=-1: a number, by default the last axis; None for the flattened x.
    Returns: array of the shape of the indices.
    Raises: IndexError, ValueError, AxisError, as NumPy.
    Derivative: elements that are named repeatedly add up. PyTorch calls it take_along_dim, and torch.gather without
      broadcasting; `gather` takes whole slices instead.

    >>> import numpy as np, knetpy as kn
    >>> x = np.array([[3.0, 1.0], [4.0, 5.0]])
    >>> kn.grad(lambda x: np.take_along_axis(x, x.argmax(1)[:, None], 1).sum())(x)
    array([[1., 0.],
           [0., 1.]])
    """
    x, indices = x if isinstance(x, Value) else constant_of("take_along_axis", "x", x), _indices(indices)
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    axis = axis_of("take_along_axis", "x", x, axis)
    least = _least_along(x.shape, indices, axis)
    indices = placed("take_along_axis", "indices", indices, x)
    if not isinstance(x, Value):
        return np.take_along_axis(x, indices, axis)
    if any([m not in (1, k) for i, (m, k) in enumerate(zip(indices.shape, x.shape)) if i != axis]):
        key = np.ogrid[tuple([slice(k) for k in x.shape])]  # x is stretched
        return getitem(x, tuple([indices if i == axis else k for i, k in enumerate(key)]))
    indices, n = indices.copy(), x.shape[axis]  # kernels trust them: nobody may change them any more
    indices = indices if least >= 0 else np.where(indices < 0, indices + n, indices)
    return _taken(x, index=_three(indices, x.shape, axis), axis=axis)


def _indices(given):
    indices = constant_of("take_along_axis", "indices", given)
    if indices.dtype.kind not in "iu":
        raise IndexError(f"take_along_axis: indices must be integers, got {indices.dtype}; write indices.astype(int)")
    return indices.astype(np.int64, copy=False)


def _least_along(shape, indices, axis):
    """The least of the indices, which must fit the array; those of a GPU are not looked at: it may be negative."""
    if indices.ndim != len(shape):
        raise ValueError(
            f"take_along_axis: indices {indices.shape} and x {shape} must have equally many axes, got "
            f"{indices.ndim} and {len(shape)}; insert one by indices[:, None], or take whole slices with kn.gather"
        )
    if any([m != k and 1 not in (m, k) for i, (m, k) in enumerate(zip(indices.shape, shape)) if i != axis]):
        raise IndexError(
            f"take_along_axis: indices of shape {indices.shape} and x of shape {shape} do not broadcast along the axes "
            f"other than {axis}; each must agree or be 1"
        )
    if on_gpu(indices):
        return -1
    n, (least, most) = shape[axis], (int(indices.min()), int(indices.max())) if indices.size else (0, -1)
    if least < -n or most >= n:  # never of no indices
        raise IndexError(
            f"take_along_axis: index {most if most >= n else least} in indices is out of range: axis {axis} of x "
            f"{shape} has {n} elements"
        )
    return least


def _three(indices, shape, axis):
    """Indices in the three axes that kernels know: those before, the one, those after, of size 1 where all agree."""
    parts = []
    for some in (slice(axis), slice(axis + 1, None)):
        alike = math.prod(indices.shape[some]) == 1
        parts.append(indices.shape[some] if alike else shape[some])
    indices = np.broadcast_to(indices, (*parts[0], indices.shape[axis], *parts[1]))
    return indices.reshape(math.prod(parts[0]), indices.shape[axis], math.prod(parts[1]))


def _as_three(x, axis):
    return x.reshape(math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))


@primitive(
    name="take_along_axis",
    trusted=True,
    x=lambda dy, x_shape, index, axis: _met(dy, index=index, axis=axis, size=x_shape[axis]),
)
def _taken(x, *, index, axis):
    """The elements of x at indices along an axis."""
    y = _take_along(_as_three(x, axis), index)
    return y.reshape(*x.shape[:axis], index.shape[1], *x.shape[axis + 1 :])


def along_axis(x, index, axis):
    """The elements of a value at an index array that fits it, by an op that makes it anew: no copy, no checks."""
    return _taken(x, index=_three(index, x.shape, axis % len(x.shape)), axis=axis % len(x.shape))


def along_transposed(g, index, axis, size):
    """The transpose of `along_axis`: g added up in an array that has `size` elements along that axis."""
    axis %= len(g.shape)
    return _met(g, index=_three(index, (*g.shape[:axis], size, *g.shape[axis + 1 :]), axis), axis=axis, size=size)


@primitive(name="add_along_axis", trusted=True, g=lambda dy, index, axis: _taken(dy, index=index, axis=axis))
def _met(g, *, index, axis, size):
    """The transpose of `_taken`."""
    x = _add_along(_as_three(g, axis), index, size=size)
    return x.reshape(*g.shape[:axis], size, *g.shape[axis + 1 :])


def bincount(x, /, weights=None, minlength=0):
    """`np.bincount`: how often each number occurs, or the sum of its weights, by which there is a derivative."""
    x = asarray(bare(x)) if weights is None else placed("bincount", "x", asarray(bare(x)), weights, "weights")
    x = x.astype(np.intp) if x.dtype == bool else x
    counts = np.bincount(x, minlength=minlength)
    if weights is None:
        return counts
    if weights.dtype.kind == "c":
        raise DtypeError(f"bincount: weights must be real numbers, got {weights.dtype}")
    if weights.shape != x.shape:
        raise ShapeError(f"bincount: x has shape {x.shape} and weights {weights.shape}; they must agree")
    return _put(weights.astype(float), key=x, shape=counts.shape)


serve(np.bincount, bincount)
serve(np.take_along_axis, take_along_axis)
