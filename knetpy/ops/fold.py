"""Folding: the windows of an image as columns, and the sum of columns back into an image, each other's derivative."""

import math

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..kernels import kernel
from .arguments import as_floating, per_axis, several
from .window import spatial_axes, window_fits, window_padding

_columns, _image = kernel("fold", "unfold"), kernel("fold", "fold")

# `how` holds window, stride, padding and dilation.
_unfold = primitive(
    lambda x, *, how: _columns(x, **how),
    name="unfold",
    trusted=True,
    x=lambda dy, x_shape, how: _fold(dy, size=x_shape[2:], how=how),
)
_fold = primitive(
    lambda x, *, size, how: _image(x, size=size, **how),
    name="fold",
    trusted=True,
    x=lambda dy, how: _unfold(dy, how=how),
)


def unfold(x, window, *, stride=1, padding=0, dilation=1):
    """The windows of an image, each as a column: what turns a convolution into a matrix product ("im2col").

    Parameters:
      x: (N, C, *S), floating, with 1, 2 or 3 spatial axes.
      window: its size K, a number or one for each spatial axis. stride=1, dilation=1: likewise.
      padding=0: zeros around x: a number, one for each axis, (before, after) pairs, "same" or "valid", as in conv.
    Returns: (N, C * prod(K), L), L = prod((S + before + after - dilation * (K - 1) - 1) // stride + 1) the number of
      places of the window, in row-major order; the rows go by channel first, then by position in the window.
    Raises: ShapeError, DtypeError, ValueError, naming what does not fit.
    Derivative: `fold` of dy.

    >>> import numpy as np, knetpy as kn
    >>> kn.unfold(np.arange(4.0).reshape(1, 1, 4), 2)
    array([[[0., 1., 2.],
            [1., 2., 3.]]])
    """
    (x,) = as_floating("unfold", x=x)
    spatial_axes("unfold", x.shape)
    return _unfold(x, how=_checked("unfold", x.shape[2:], f"x {x.shape}", window, stride, padding, dilation))


def fold(x, size, window, *, stride=1, padding=0, dilation=1):
    """The sum of columns into an image, each at the place of its window: the transpose of `unfold` ("col2im").

    Parameters:
      x: (N, C * prod(K), L), floating: columns as `unfold` gives them.
      size: the spatial size S of the image, a tuple with one number for each of 1, 2 or 3 axes.
      window, stride=1, padding=0, dilation=1: those of `unfold`.
    Returns: (N, C, *S). Where windows overlap their elements are added; what none of them reaches is 0.
    Raises: ShapeError, DtypeError, ValueError, naming what does not fit.
    Derivative: `unfold` of dy.

    >>> import numpy as np, knetpy as kn
    >>> kn.fold(np.ones((1, 2, 3)), (4,), 2)
    array([[[1., 2., 2., 1.]]])
    """
    (x,) = as_floating("fold", x=x)
    if not several(size) or len(size) not in (1, 2, 3):
        raise ValueError(f"fold: size must be a tuple of 1, 2 or 3 numbers, one for each spatial axis, got {size!r}")
    size = per_axis("fold", "size", size, len(size))
    if len(x.shape) != 3:
        raise ShapeError(f"fold: x must be (N, C * prod(window), places), got {x.shape}; see x[None]")
    how = _checked("fold", size, f"size {size}", window, stride, padding, dilation)
    taps, places = math.prod(how["window"]), math.prod(_places(size, **how))
    if x.shape[1] % taps or x.shape[2] != places:
        raise ShapeError(
            f"fold: x {x.shape} must have a multiple of {taps} rows (axis 1), as many as the window {how['window']} "
            f"has elements, and {places} columns (axis 2), one for each place of the window in the size {size}; pass "
            "the size and options that unfold had"
        )
    return _fold(x, size=size, how=how)


def _checked(name, size, given, window, stride, padding, dilation):
    window, stride, dilation = [
        per_axis(name, option, v, len(size))
        for option, v in (("window", window), ("stride", stride), ("dilation", dilation))
    ]
    padding = window_padding(name, padding, size, window, stride, dilation)
    window_fits(name, size, window, dilation, padding, f"{given}, window {window}")
    return {"window": window, "stride": stride, "padding": padding, "dilation": dilation}


def _places(size, window, stride, padding, dilation):
    room = [n + sum(pads) - d * (k - 1) - 1 for n, pads, d, k in zip(size, padding, dilation, window)]
    return [n // t + 1 for n, t in zip(room, stride)]
