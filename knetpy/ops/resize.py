"""Resizing of images: a sparse matrix along each axis."""

import functools
import math

import numpy as np

from ..core.errors import ShapeError
from .arguments import as_floating, check_room, flag, one_of, per_axis
from .pool import adaptive_pool
from .resample import Table, resample
from .window import nonempty_axes, numbers_per_axis

_AXES = {"linear": (1, 2, 3), "bilinear": (2,), "trilinear": (3,), "bicubic": (2,)}
MODES = ("nearest", "nearest_exact", *_AXES, "area")


def upsample(x, scale=None, *, size=None, mode="nearest", align_corners=False, antialias=False):
    """An image resized, up or down, as PyTorch's interpolate does it.

    Parameters:
      x: (N, C, *S), floating, with 1, 2 or 3 spatial axes, none of them empty.
      scale=None: how many times larger, a number or one for each spatial axis; or
      size=None: the new spatial size, likewise. One of the two must be given.
      mode="nearest": "nearest" (element floor(i * S / So)), "nearest_exact" (floor((i + 1 / 2) * S / So)), "linear" (in
        every axis; "bilinear" and "trilinear" are its names for two and three axes), "bicubic" (Keys' cubic with a =
        -3/4, two axes), "area" (as `adaptive_pool`).
      align_corners=False: for linear and bicubic modes, whether the centres of the outermost elements stay where they
        are; otherwise the outer edges of these elements do.
      antialias=False: for linear and bicubic modes, whether each element of a smaller image is a mean over all that it
        stands for, as Pillow's; then a = -1/2 for "bicubic".
    Returns: (N, C, *So), So = size or floor(S * scale). With `scale` positions are computed from it, not from So / S.
      PyTorch at times takes a `scale` by which an axis keeps its length, or doubles it, for exactly 1 or 2; here only
      the linear and antialiased modes copy an axis that keeps its length. Elements of weight 0 are left out, be they
      NaN or infinite (PyTorch multiplies by 0, and gets NaN).
    Raises: ShapeError, DtypeError, ValueError, TypeError, naming what does not fit.
    Derivative: by x.

    >>> import numpy as np, knetpy as kn
    >>> kn.upsample(np.array([[[1.0, 3.0]]]), 2), kn.upsample(np.array([[[1.0, 3.0]]]), 2, mode="linear")
    (array([[[1., 1., 3., 3.]]]), array([[[1. , 1.5, 2.5, 3. ]]]))
    """
    (x,) = as_floating("upsample", x=x)
    one_of("upsample", "mode", mode, MODES)
    size, scales = _sizes(x.shape, scale, size)
    align_corners, antialias = [
        flag("upsample", option, v) for option, v in (("align_corners", align_corners), ("antialias", antialias))
    ]
    smooth = mode in _AXES
    if smooth and len(size) not in _AXES[mode]:
        raise ShapeError(f'upsample: mode="{mode}" is for {_AXES[mode][0]} spatial axes, x {x.shape} has {len(size)}')
    if (align_corners or antialias) and not smooth:
        raise ValueError(
            f'upsample: align_corners and antialias are for linear and bicubic modes, not for mode="{mode}"'
        )
    if mode == "area":
        return adaptive_pool(x, size)
    check_room("upsample", x, size)
    kind = (mode if mode in ("nearest", "nearest_exact", "bicubic") else "linear", align_corners, antialias)
    for axis, (n_out, factor) in enumerate(zip(size, scales), 2):
        x = resample(x, axis=axis, table=_table(x.shape[axis], n_out, factor, *kind))
    return x


def _sizes(x, scale, size):
    """(the new size, the scale that the user gave) for each spatial axis of the shape x."""
    axes = nonempty_axes("upsample", x)
    if (scale is None) == (size is None):
        raise ValueError(f"upsample: give scale or size, one of the two; got scale={scale} and size={size}")
    if size is not None:
        return per_axis("upsample", "size", size, axes), (None,) * axes
    scales = numbers_per_axis("upsample", "scale", scale, axes, above=0)
    new = [n * f for n, f in zip(x[2:], scales)]
    if not 1 <= min(new) <= max(new) < 2**31:
        raise ValueError(
            f"upsample: scale={scale!r} would make of x {x} the size {new}; each must be from 1 to 2**31 - 1"
        )
    return tuple(map(math.floor, new)), scales


@functools.lru_cache(maxsize=256)
def _table(n, n_out, factor, kind, align_corners, antialias):
    """What is taken of n elements for each of n_out, as a table."""
    if align_corners:
        step = (n - 1) / (n_out - 1) if n_out > 1 else 0.0
    else:
        step = 1 / factor if factor else n / n_out
    if kind.startswith("nearest"):
        columns, weights = _nearest(n, n_out, step, kind == "nearest_exact"), np.ones((n_out, 1))
    elif n_out == n and (antialias or kind == "linear"):  # a copy, as PyTorch's, also where the scale is not quite 1
        columns, weights = np.arange(n)[:, None], np.ones((n, 1))
    elif antialias:
        columns, weights = _filtered(n, n_out, step, kind)
    else:
        at = np.arange(n_out) * step if align_corners else (np.arange(n_out) + 0.5) * step - 0.5
        columns, weights = _cubic(n, at) if kind == "bicubic" else _linear(n, at)
    rows = np.broadcast_to(np.arange(n_out)[:, None], columns.shape)
    used = weights != 0
    return Table(n_out, n, rows[used], columns[used], weights[used])


def _nearest(n, n_out, step, exact):
    """The column for each row."""
    columns = np.floor((np.arange(n_out) + 0.5 * exact) * step).astype(np.intp)
    return np.minimum(columns, n - 1)[:, None]


def _linear(n, at):
    """Columns and weights of the two elements around each position, of the last ones outside of them."""
    at = np.clip(at, 0, n - 1)
    first = np.floor(at).astype(np.intp)
    after = at - first
    return np.stack([first, np.minimum(first + 1, n - 1)], 1), np.stack([1 - after, after], 1)


def _cubic(n, at):
    """Columns and weights of the four elements around each position, the last ones repeated outside."""
    first = np.floor(at).astype(np.intp)
    return np.clip(first[:, None] + np.arange(-1, 3), 0, n - 1), np.stack(cubic_weights(at - first), 1)


def _filtered(n, n_out, step, kind):
    """Columns and weights of all elements under a hat or a cubic as wide as the distance of two results."""
    wide, a = max(step, 1.0), -0.5
    reach = (2 if kind == "bicubic" else 1) * wide
    at = (np.arange(n_out) + 0.5) * step
    first, stop = np.maximum((at - reach + 0.5).astype(np.intp), 0), np.minimum((at + reach + 0.5).astype(np.intp), n)
    columns = first[:, None] + np.arange(np.max(stop - first))
    away = np.abs(columns - at[:, None] + 0.5) / wide
    if kind == "bicubic":
        weights = np.where(away < 1, _near(away, a), np.where(away < 2, _far(away, a), 0))
    else:
        weights = np.maximum(1 - away, 0)
    weights = np.where(columns < stop[:, None], weights, 0)
    return columns, weights / weights.sum(1, keepdims=True)


def cubic_weights(t, a=-0.75):
    """Keys' weights of four neighbours for a position t after the second one: near(d) for d < 1, far(d) for d < 2."""
    return [_far(t + 1, a), _near(t, a), _near(1 - t, a), _far(2 - t, a)]


def _near(d, a):
    return ((a + 2) * d - (a + 3)) * d * d + 1


def _far(d, a):
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
