"""Whole slices by number: gather takes them, scatter combines those that meet in one place."""

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import primitive
from ..core.value import bare
from ..devices import beside, host, on_gpu
from ..kernels import kernel
from ..random import as_dtype
from .arguments import array_of, as_floating, axis_among, axis_of, integers, one_of, per_axis, placed
from .embed import add_rows, places, rows_of

_kernel, _add_at = kernel("scatter", "extreme"), kernel("scatter", "add_at")


def gather(x, index, axis=0):
    """Slices of x at integer indices along an axis: `np.take`, without negative indices; NNlib's gather.

    `take_along_axis` (PyTorch's torch.gather) takes single elements instead: there the index has the shape of x.

    Parameters:
      x: array with at least one axis; floating, if there is to be a derivative.
      index: integers from 0 to x.shape[axis] - 1, of any shape; on a GPU they are not checked.
      axis=0: by default the first.
    Returns: x.shape with the axis replaced by index.shape.
    Raises: IndexError for an index out of range, DtypeError, AxisError.
    Derivative: `scatter` with mode="add": slices that are named repeatedly add up.

    >>> import numpy as np, knetpy as kn
    >>> kn.gather(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), [2, 0], axis=1)
    array([[3., 1.],
           [6., 4.]])
    """
    x = array_of("gather", "x", x)
    if x.dtype.kind == "V":
        raise DtypeError(f"gather: x has dtype {x.dtype}, which is no number; np.take takes such")
    axis = axis_of("gather", "x", x, axis)
    n = x.shape[axis]
    index = places("gather", "index", index, n, f"x {tuple(x.shape)} has size {n} along axis {axis}")
    index = placed("gather", "index", index, x)
    if index.ndim + x.ndim > 65:
        raise ShapeError(
            f"gather: slices of x {tuple(x.shape)} for an index of {index.ndim} axes: too many axes, over 64"
        )
    if axis == 0:
        return rows_of(x, index)
    y = rows_of(np.moveaxis(x, axis, 0), index)
    return np.moveaxis(y, tuple(range(index.ndim)), tuple(range(axis, axis + index.ndim)))


def scatter(src, index, *, axis=0, size=None, mode="add", init=None):
    """Combine the slices of src that have equal indices: the transpose of `gather`; NNlib's scatter.

    Slice src[n] along the axes of the index goes into place index[n] of the result.

    Parameters:
      src: floating; from `axis` on, its axes are those of index: (*before, *index.shape, *after).
      index: integers from 0 to size - 1, of any shape; on a GPU they are not checked.
      axis=0: the axis of the result that the index counts along.
      size=None: of the result along axis, by default the largest index + 1, for which a GPU is waited for, as it is
        for mode="mul".
      mode="add": "add", "mul", "max", "min" or "mean".
      init=None: (*before, size, *after), of the dtype of src: one more slice for each place; in a mean it counts as
        one.
    Returns: (*before, size, *after). Where no slice goes: 0 for add and mean, 1 for mul, -Inf for max, Inf for min.
    Raises: IndexError for an index out of range, ShapeError, DtypeError, ValueError, AxisError.
    Derivative: by src and init; exact with zeros for mul; of max and min, split evenly among tied elements.

    >>> import numpy as np, knetpy as kn
    >>> kn.scatter(np.array([1.0, 2.0, 3.0]), [0, 2, 0])
    array([4., 0., 2.])
    >>> kn.scatter(np.array([1.0, 2.0, 3.0]), [0, 2, 0], mode="max", init=np.zeros(3))
    array([3., 0., 2.])
    """
    one_of("scatter", "mode", mode, tuple(_MODES))
    src, init = as_floating("scatter", src=src, init=init, optional=("init",))
    index = integers("scatter", "index", index)
    axis, rest = _checked(src.shape, index.shape, axis)
    size = _checked_size(index, axis, rest, size, init)
    places("scatter", "index", index, size, f"the result has size {size} along axis {axis}")
    src, index = _rows(src, axis, index.ndim), index.reshape(-1)
    index = host(index) if mode == "mul" else placed("scatter", "index", index, src, "src")  # sizes depend on it
    if init is not None:
        src = np.concatenate([_rows(init, axis, 1), src])
        index = np.concatenate([np.arange(size, like=index), index])
    y = _MODES[mode](src, index, size)
    return y if axis == 0 else np.moveaxis(y, 0, axis)


def _rows(src, axis, axes):
    """src with the `axes` axes from `axis` on made one, and that the first."""
    shape = src.shape
    src = np.reshape(src, (*shape[:axis], int(np.prod(shape[axis : axis + axes])), *shape[axis + axes :]))
    return src if axis == 0 else np.moveaxis(src, axis, 0)


def _mean(src, index, size):
    counts = np.maximum(_counts(index, size), 1).astype(src.dtype)
    return add_rows(src, index, size) / counts.reshape(-1, *[1] * (src.ndim - 1))


def _counts(index, size):
    """How often each number occurs."""
    if not on_gpu(index):
        return np.bincount(index, minlength=size)
    counts = np.zeros(size, np.int32, like=index)
    _add_at(counts, index, np.ones_like(index, np.int32))
    return counts


def _product(src, index, size):
    """Products of pairs, of pairs of those and so on: nothing is divided by, so zeros are exact at every order."""
    src, counts = rows_of(src, np.argsort(index, kind="stable")), _counts(index, size)
    while counts.max(initial=1) > 1:
        starts, pairs = np.cumsum(counts) - counts, (counts + 1) // 2
        place = np.repeat(np.arange(size), pairs)
        first = starts[place] + 2 * (np.arange(len(place)) - (np.cumsum(pairs) - pairs)[place])
        alone = first + 1 == (starts + counts)[place]
        src, counts = rows_of(src, first) * _or_ones(src, np.where(alone, -1, first + 1)), pairs
    return _or_ones(src, np.where(counts > 0, np.cumsum(counts) - 1, -1))


def _or_ones(src, index):
    """The rows of src, ones for -1."""
    nothing = beside((index < 0).reshape(-1, *[1] * (src.ndim - 1)), src)
    return np.where(nothing, 1, rows_of(src, index))


def _extreme_rule(dy, y, src, index, size):
    hit = (src == rows_of(bare(y), index)) | (src != src)  # NaN beats every number
    ties = add_rows(hit.astype(y.dtype), index, size)
    return np.where(hit, rows_of(dy / np.maximum(ties, 1), index), 0)


_extreme = primitive(
    lambda src, *, index, size, largest: _kernel(src, index, size=size, largest=largest),
    name="scatter",
    trusted=True,
    src=_extreme_rule,
)

_MODES = {
    "add": add_rows,
    "mul": _product,
    "max": lambda src, index, size: _extreme(src, index=index, size=size, largest=True),
    "min": lambda src, index, size: _extreme(src, index=index, size=size, largest=False),
    "mean": _mean,
}


def _checked(src, index, axis):
    """(axis counted from 0, the shape of the result with an empty axis there)"""
    ndim = max(len(src) - len(index) + 1, 1)
    axis = axis_among("scatter", axis, ndim, f"a result of {ndim} axes (src {src}, index {index})")
    if src[axis : axis + len(index)] != index:
        raise ShapeError(
            f"scatter: src has shape {src} and index {index}; from axis {axis} on, the axes of src must be those of "
            "index, then come the axes of one slice"
        )
    return axis, (*src[:axis], 0, *src[axis + len(index) :])


def _most(index):
    """The largest of some integers from 0, -1 of none; a GPU is waited for."""
    return int(index.max()) if index.size else -1


def _checked_size(index, axis, rest, size, init):
    """The size of the result along `axis`, by the option, by init or by the indices."""
    if size is not None:
        (size,) = per_axis("scatter", "size", size, 1, 0)
    if init is None:
        return _most(index) + 1 if size is None else size
    known = init.shape[axis] if size is None and axis < len(init.shape) else size
    wanted = (*rest[:axis], known, *rest[axis + 1 :])
    if tuple(init.shape) != wanted:
        shape = str(wanted).replace("None", "size")
        raise ShapeError(f"scatter: init must have the shape of the result, {shape}, got {tuple(init.shape)}")
    return known


def onehot(labels, classes=None, *, axis=-1, dtype=np.float32):
    """1 at the label and 0 elsewhere, along a new axis for the classes. A constant: it has no derivative.

    Parameters:
      labels: integers from 0 to classes - 1, of any shape.
      classes=None: how many there are, by default the largest label + 1, for which a GPU is waited for.
      axis=-1: where in the result the classes lie, by default last. dtype=np.float32: of the result, by default
        float32.
    Returns: labels.shape with an axis of size classes inserted.
    Raises: ValueError for a label out of range, DtypeError, AxisError.

    >>> import knetpy as kn
    >>> kn.onehot([2, 0])
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels, dtype = integers("onehot", "labels", labels), as_dtype("onehot", dtype)
    if classes is None:
        classes = _most(labels) + 1
    (classes,) = per_axis("onehot", "classes", classes, 1, 0)
    labels = places("onehot", "labels", labels, classes, f"there are {classes} classes", ValueError)
    ndim = labels.ndim + 1
    if ndim > 64:
        raise ShapeError(f"onehot: labels have {labels.ndim} axes, and the result one more than arrays can have")
    axis = axis_among("onehot", axis, ndim, f"a result of {ndim} axes")
    return (
        np.expand_dims(labels, axis) == np.arange(classes, like=labels).reshape(-1, *[1] * (ndim - axis - 1))
    ).astype(dtype)
