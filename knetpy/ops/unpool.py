"""Unpooling: the transposes of pooling as functions of their own."""

import math

import numpy as np

from ..core.errors import ShapeError
from ..devices import max_at, maybe, surely
from .arguments import as_floating, integers, per_axis, placed
from .pool import pool_mean_dx, pool_put
from .window import nonempty_axes, padding_pairs


def unpool(x, window=2, *, stride=None, padding=0, indices=None, size=None):
    """An inverse of pooling: each element of x is spread over its place of the window, or put where it came from.

    Parameters:
      x: (N, C, *So), floating, with 1, 2 or 3 spatial axes.
      window=2, stride=None, padding=0: as in `pool`, the padding in numbers.
      indices=None: None, or the positions in the flattened S that `pool` returned with x, integers of the shape of x;
        on a GPU they are not checked.
      size=None: the spatial size S of the result, a number or one for each axis, less than stride away from the
        default, which is (So - 1) * stride + window - before - after.
    Returns: (N, C, *S). Without indices every element is added to all places under its window (Knet's unpool, which is
      the transpose of summing under windows): repeated, where windows do not overlap, with zeros between them if stride
      is larger. So without padding or overlap pool(unpool(x)) == x for maxima and means; with padding for all modes
      but "mean", which counts it. With indices every element is put at its index; of several at one index the last
      in row-major order stays; everything else is 0.
    Raises: ShapeError, DtypeError, ValueError for an index out of range.
    Derivative: 0 by elements that did not stay (PyTorch's max_unpool gives them that of the one that did).

    >>> import numpy as np, knetpy as kn
    >>> kn.unpool(np.array([[[1.0, 2.0]]]))
    array([[[1., 1., 2., 2.]]])
    >>> y, indices = kn.pool(np.array([[[1.0, 5.0, 7.0, 2.0]]]), return_indices=True)
    >>> kn.unpool(y, indices=indices)
    array([[[0., 5., 7., 0.]]])
    """
    (x,) = as_floating("unpool", x=x)
    how, size = _unwindow(x.shape, window, stride, padding, size)
    if indices is None:
        return pool_mean_dx(x, size=size, how={**how, "counted": None})
    indices = _checked_indices(x, indices, size)
    last = _last_at(indices, size)
    return pool_put(np.where(last, x, 0) if maybe(~last) else x, index=indices, size=size)


def _unwindow(x, window, stride, padding, size):
    """(how kernels take the window, the spatial size of the result) for an x of this shape that is to be unpooled."""
    axes = nonempty_axes("unpool", x)
    window = per_axis("unpool", "window", window, axes)
    stride = window if stride is None else per_axis("unpool", "stride", stride, axes)
    padding = padding_pairs("unpool", padding, axes)
    default = [(n - 1) * t + k - sum(pads) for n, k, t, pads in zip(x[2:], window, stride, padding)]
    if size is None and min(default) < 1:
        raise ValueError(f"unpool: of x {x} padding {padding} leaves nothing with window {window} and stride {stride}")
    size = per_axis("unpool", "size", default if size is None else size, axes)
    full = []
    for i, (n, m, k, t, (before, after)) in enumerate(zip(x[2:], size, window, stride, padding)):
        if max(before, after) >= k:
            raise ValueError(
                f"unpool: padding {(before, after)} along spatial axis {i} must be less than the window {k}"
            )
        if abs(m - default[i]) >= t:
            raise ValueError(
                f"unpool: size {m} along spatial axis {i} must be less than the stride {t} away from {default[i]}, "
                f"which x {x} gives with window {k} and padding {(before, after)}"
            )
        last = (n - 1) * t - before  # where the last window begins
        if last >= m:
            raise ValueError(f"unpool: with size {m} along spatial axis {i} the last window would begin at {last}")
        full.append((before, max(after, last + k - m)))
    return {"window": window, "stride": stride, "padding": tuple(full), "dilation": (1,) * axes}, size


def _checked_indices(x, indices, size):
    indices = np.copy(integers("unpool", "indices", indices))  # ours: checked once, kernels trust them
    indices = placed("unpool", "indices", indices, x)
    if indices.shape != x.shape:
        raise ShapeError(f"unpool: indices must have the shape of x, {x.shape}, got {indices.shape}")
    bad = (indices < 0) | (indices >= math.prod(size))
    if surely(bad):
        raise ValueError(
            f"unpool: index {indices[bad][0]} is out of range for size {size}, where indices run from 0 to "
            f"{math.prod(size) - 1}; give the size of what was pooled as size="
        )
    return indices


def _last_at(indices, size):
    """Whether each index is the last of its value, in its image and channel."""
    flat = indices.reshape(*indices.shape[:2], math.prod(indices.shape[2:]))
    here = np.broadcast_to(np.arange(flat.shape[2], like=flat), flat.shape)
    last = np.zeros((*flat.shape[:2], math.prod(size)), np.int32, like=flat)
    images, channels = [np.arange(n, like=flat) for n in flat.shape[:2]]
    max_at(last, (images[:, None, None], channels[:, None], flat), here.astype(np.int32))
    return (np.take_along_axis(last, flat, 2) == here).reshape(indices.shape)
