"""Images sampled at the points of a grid: elements are gathered at computed positions and weighted."""

import math

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.value import bare
from ..devices import beside
from ..kernels import kernel
from .arguments import as_floating, flag, one_of, per_axis, several
from .half import narrowed, widened
from .resize import cubic_weights

_forward, _dx, _dw = [kernel("grid", name) for name in ("blend", "blend_dx", "blend_dw")]

# Each is linear in both operands, and the derivatives of each are the other two. g is a cotangent that is an operand.
_blend = primitive(
    lambda x, weights, *, index: _forward(x, weights, index),
    name="grid_sample",
    x=lambda dy, x_shape, weights, index: _blend_dx(dy, weights, index=index, size=x_shape[2:]),
    weights=lambda dy, x, index: _blend_dw(dy, x, index=index),
)
_blend_dx = primitive(
    lambda g, weights, *, index, size: _dx(g, weights, index, size=size),
    name="grid_sample_dx",
    g=lambda dy, weights, index: _blend(dy, weights, index=index),
    weights=lambda dy, g, index: _blend_dw(g, dy, index=index),
)
_blend_dw = primitive(
    lambda g, x, *, index: _dw(g, x, index),
    name="grid_sample_dw",
    g=lambda dy, x, index: _blend(x, dy, index=index),
    x=lambda dy, g, x_shape, index: _blend_dx(g, dy, index=index, size=x_shape[2:]),
)


def grid_sample(x, grid, *, mode="bilinear", padding_mode="zeros", align_corners=False):
    """The values of an image at given points, interpolated.

    Parameters:
      x: (N, C, H, W) or (N, C, D, H, W), floating.
      grid: (N, *So, 2) or (N, *So, 3) of the same dtype, with as many axes as x: at each place of the result the point
        (x, y) or (x, y, z), where -1 and 1 are the outer edges of the image, or with align_corners the centres of its
        outermost elements; x counts along the last axis.
      mode="bilinear": "bilinear" (in every axis), "nearest" (halves to the even element), or "bicubic" (a = -3/4, two
        axes only).
      padding_mode="zeros": what lies outside: "zeros", "border" (the nearest element of x), "reflection" (x mirrored).
      align_corners=False: whether -1 and 1 are the centres of the outermost elements, not their edges.
    Returns: (N, C, *So).
    Raises: ShapeError, DtypeError, ValueError, naming what does not fit.
    Derivative: by x and grid. At the centres of elements, where there are two slopes, the one to the elements after;
      0 by points that "border" has moved. A point with a NaN gives NaN (PyTorch: NaN, 0 or an element, by mode), an
      infinite one what lies there, but NaN by "reflection".

    >>> import numpy as np, knetpy as kn
    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> kn.grid_sample(x, np.array([[[[0.0, 0.0], [0.5, -0.5], [9.0, 9.0]]]]))
    array([[[[1.5, 1. , 0. ]]]])
    """
    x, grid = as_floating("grid_sample", x=x, grid=grid)
    one_of("grid_sample", "mode", mode, ("bilinear", "nearest", "bicubic"))
    one_of("grid_sample", "padding_mode", padding_mode, ("zeros", "border", "reflection"))
    align_corners = flag("grid_sample", "align_corners", align_corners)
    size = _checked_grid(x.shape, grid.shape, mode)
    dtype, x, grid = x.dtype, widened(x), widened(grid)
    how = (mode, padding_mode, align_corners)
    places = [_pixels(grid[..., -1 - a], n, align_corners) for a, n in enumerate(size)]
    index, weights = _joined([_taps(at, n, *how) for at, n in zip(places, size)], size)
    y = _blend(x, weights, index=index)
    return narrowed(np.reshape(y, (*x.shape[:2], *grid.shape[1:-1])), dtype)


def affine_grid(theta, size, align_corners=False):
    """The points of `grid_sample` that an affine map gives: theta @ (x, y, 1) at each place of the result.

    Parameters:
      theta: (N, 2, 3), or (N, 3, 4) for three spatial axes, floating.
      size: the shape (N, C, *So) of the result of `grid_sample`.
      align_corners=False: as for `grid_sample`.
    Returns: (N, *So, 2) or (N, *So, 3).
    Raises: ShapeError, DtypeError, ValueError, TypeError, naming what does not fit.
    Derivative: by theta.

    >>> import numpy as np, knetpy as kn
    >>> kn.affine_grid(np.array([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    array([[[[0., 0.],
             [1., 0.]]]])
    """
    (theta,) = as_floating("affine_grid", theta=theta)
    align_corners = flag("affine_grid", "align_corners", align_corners)
    axes = len(size) - 2 if several(size) else 0
    if axes not in (2, 3) or theta.shape[1:] != (axes, axes + 1):
        raise ShapeError(
            "affine_grid: theta must be (N, 2, 3) with a size (N, C, H, W), or (N, 3, 4) with a size (N, C, D, H, W); "
            f"got {theta.shape} and {size}"
        )
    size = per_axis("affine_grid", "size", size, len(size), 0)
    if size[0] != theta.shape[0]:
        raise ShapeError(f"affine_grid: theta {theta.shape} has {theta.shape[0]} maps and size {size} {size[0]} images")
    lines = [_line(n, align_corners) for n in size[2:]]
    points = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(size[2:])], -1).astype(theta.dtype)
    points = beside(points, theta)
    y = np.matmul(np.reshape(points, (math.prod(size[2:]), axes + 1)), np.swapaxes(theta, 1, 2))
    return np.reshape(y, (size[0], *size[2:], axes))


def _checked_grid(x, grid, mode):
    """The spatial size of the shape x; raises for what does not fit."""
    axes = len(x) - 2
    if axes not in (2, 3) or len(grid) != len(x) or grid[-1] != axes or grid[0] != x[0]:
        raise ShapeError(
            "grid_sample: x must be (N, C, H, W) and grid (N, *So, 2), or x (N, C, D, H, W) and grid (N, *So, 3), with "
            f"two or three axes So; got {x} and {grid}"
        )
    if 0 in x[2:]:
        raise ShapeError(f"grid_sample: the spatial axes of x {x} must not be empty")
    if mode == "bicubic" and axes != 2:
        raise ShapeError(f'grid_sample: mode="bicubic" is for two spatial axes, x {x} has {axes}; take "bilinear"')
    return x[2:]


def _pixels(at, n, align_corners):
    """Coordinates from -1 to 1 as positions along an axis of n elements."""
    return (at + 1) * ((n - 1) / 2) if align_corners else ((at + 1) * n - 1) / 2


def _taps(at, n, mode, padding_mode, align_corners):
    """What is taken for positions along one axis: indices, whether they lie inside, and weights, along a last axis."""
    if padding_mode == "reflection":
        at = np.where(np.isinf(bare(at)), np.nan, at)  # an infinite line of mirrors has no end
    elif padding_mode == "zeros" or mode == "bicubic":
        at = np.clip(at, -3, n + 2)  # beyond, nothing changes
    if mode != "bicubic":
        at = _moved_inside(at, n, padding_mode, align_corners)
    first = (np.rint if mode == "nearest" else np.floor)(bare(at))
    if mode == "nearest":
        met, weights = [first], [np.where(np.isnan(first), first, 1)]
    elif mode == "bilinear":
        after = at - first
        met, weights = [first, first + 1], [1 - after, after]
    else:
        met = [_moved_inside(first + k, n, padding_mode, align_corners) for k in range(-1, 3)]
        weights = cubic_weights(at - first)
    met = np.stack(met, -1)
    inside = (met >= 0) & (met < n)
    return np.where(inside, met, 0).astype(np.int64), inside, np.stack(weights, -1)


def _moved_inside(at, n, padding_mode, align_corners):
    if padding_mode == "zeros":
        return at
    if padding_mode == "reflection":
        low, span = (0, n - 1) if align_corners else (-0.5, n)
        at = at - low
        at = np.fmod(np.where(bare(at) < 0, -at, at), 2 * span) if span else at * 0
        at = np.where(bare(at) > span, 2 * span - at, at) + low
    here = bare(at)
    return np.where((here > 0) & (here < n - 1), at, np.clip(here, 0, n - 1))  # no slope at the ends


def _joined(taps, size):
    """The taps of all axes as one (N, places, taps): indices into the flattened size, -1 outside, and weights."""
    index, inside, weights = taps[0]
    for n, (i, within, w) in zip(size[1:], taps[1:]):
        shape = (*index.shape[:-1], index.shape[-1] * i.shape[-1])
        index = np.reshape(index[..., None] * n + i[..., None, :], shape)
        inside = np.reshape(inside[..., None] & within[..., None, :], shape)
        weights = np.reshape(weights[..., None] * w[..., None, :], shape)
    flat = (index.shape[0], math.prod(index.shape[1:-1]), index.shape[-1])
    return np.reshape(np.where(inside, index, -1), flat), np.reshape(weights, flat)


def _line(n, align_corners):
    """The coordinates of n elements along an axis."""
    return np.zeros(1) if n == 1 else np.linspace(-1, 1, n) * (1 if align_corners else (n - 1) / max(n, 1))
