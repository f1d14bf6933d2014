"""Convolution: the product itself, its input gradient and its weight gradient are each other's derivatives."""

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..kernels import kernel
from .arguments import as_floating, padding_pairs, per_axis

_forward, _dx, _dw = [kernel("conv", name) for name in ("conv", "conv_dx", "conv_dw")]

# `how` holds stride, padding, dilation and groups; g is a cotangent that is itself an operand.
_conv = primitive(
    lambda x, w, *, how: _forward(x, w, **how),
    name="conv",
    x=lambda dy, w, x_shape, how: _conv_dx(dy, w, size=x_shape[2:], how=how),
    w=lambda dy, x, w_shape, how: _conv_dw(x, dy, window=w_shape[2:], how=how),
)
_conv_dx = primitive(
    lambda g, w, *, size, how: _dx(g, w, size=size, **how),
    name="conv_dx",
    g=lambda dy, w, how: _conv(dy, w, how=how),
    w=lambda dy, g, w_shape, how: _conv_dw(dy, g, window=w_shape[2:], how=how),
)
_conv_dw = primitive(
    lambda x, g, *, window, how: _dw(x, g, window=window, **how),
    name="conv_dw",
    x=lambda dy, g, x_shape, how: _conv_dx(g, dy, size=x_shape[2:], how=how),
    g=lambda dy, x, how: _conv(x, dy, how=how),
)


def conv(x, w, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    """Convolution as neural networks mean it (cross-correlation) over 1, 2 or 3 spatial axes.

    Parameters:
      x: (N, C, *S), floating. w: (O, C / groups, *K) of the same dtype. bias: (O,) or None.
      stride, dilation: a number, or one for each spatial axis.
      padding: zeros around x: a number, one for each axis, or a (before, after) pair for each axis.
      groups: channels are split into this many groups that do not see each other.
    Returns: (N, O, *So) with So = (S + before + after - dilation * (K - 1) - 1) // stride + 1. Not C-contiguous: the
      channels lie last in memory.
    Raises: ShapeError, DtypeError, ValueError, naming what does not fit.

    >>> import knetpy as kn
    >>> kn.conv(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)))
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    x, w = as_floating("conv", x=x, w=w)
    how = _checked(x.shape, w.shape, stride, padding, dilation, groups)
    y = _conv(x, w, how=how)
    if bias is None:
        return y
    (bias, _) = as_floating("conv", bias=bias, x=x)
    if bias.shape != (w.shape[0],):
        raise ShapeError(f"conv: bias must have shape ({w.shape[0]},), one for each output channel, got {bias.shape}")
    return y + np.reshape(bias, (1, -1, *[1] * (len(w.shape) - 2)))


def _checked(x, w, stride, padding, dilation, groups):
    axes = len(x) - 2
    if axes not in (1, 2, 3) or len(w) != len(x):
        raise ShapeError(
            f"conv: x must be (N, C, *S) and w (O, C, *K) with 1, 2 or 3 spatial axes, got {x} and {w}; "
            + (
                "one image is x[None]"
                if len(w) == len(x) + 1 and x[:1] == w[1:2]
                else "x[:, None] inserts a channel axis"
            )
        )
    (groups,) = per_axis("conv", "groups", groups, 1)
    stride, dilation = per_axis("conv", "stride", stride, axes), per_axis("conv", "dilation", dilation, axes)
    padding = padding_pairs("conv", padding, axes)
    if w[1] * groups != x[1]:
        raise ShapeError(
            f"conv: w expects {w[1] * groups} channels (axis 1 of {w}{f', groups={groups}' * (groups > 1)}) but x has "
            f"{x[1]} (axis 1 of {x}); "
            + (
                "if the channels lie last, write np.moveaxis(x, -1, 1), "
                f"else pass w of shape {(w[0], x[1] // groups, *w[2:])}"
                if x[-1] == w[1] * groups
                else f"pass w of shape {(w[0], x[1] // groups, *w[2:])} or groups=..."
            )
        )
    if w[0] % groups:
        raise ShapeError(f"conv: the {w[0]} output channels (axis 0 of w {w}) do not divide into groups={groups}")
    for i in range(axes):
        reach, room = dilation[i] * (w[2 + i] - 1) + 1, x[2 + i] + sum(padding[i])
        if w[2 + i] < 1 or reach > room:
            raise ShapeError(
                f"conv: the window reaches over {reach} along spatial axis {i} (w {w}, dilation {dilation[i]}), the "
                f"padded x has {room} there (x {x}, padding {padding[i]}); pad more or take a smaller window"
            )
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
