"""Convolution: the product itself, its input gradient and its weight gradient are each other's derivatives.

The input gradient is also a function of its own, the transposed convolution.
"""

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..kernels import kernel
from .arguments import MOST, as_floating, flag, memo, one_of, per_axis
from .bias import check_activation, check_bias, finished
from .pad import pad
from .piecewise import relu
from .shape import along
from .window import window_fits, window_padding

_forward, _dx, _dw = [kernel("conv", name) for name in ("conv", "conv_dx", "conv_dw")]
_back = kernel("bias", "back")

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

# With a bias, and with relu: added and applied where the sums are stored, in no pass of their own.


def _plain(x, w, bias, *, how):
    return _conv(x, w, how=how) + along(bias, x, 1)


_biased = primitive(
    lambda x, w, bias, *, how: _forward(x, w, bias, **how),
    name="conv",
    composed=_plain,
    x=lambda dy, w, x_shape, how: _dx(dy, w, size=x_shape[2:], **how),
    w=lambda dy, x, w_shape, how: _dw(x, dy, window=w_shape[2:], **how),
    bias=lambda dy: _back(dy, None, None, axis=1)[1],
)
_rectified = primitive(
    lambda x, w, bias, *, how: _forward(x, w, bias, **how, activation="relu"),
    name="conv",
    composed=lambda x, w, bias, *, how: relu(_plain(x, w, bias, how=how)),
    through=lambda dy, y, out: _back(dy, y, "relu", axis=1, out=out),  # (cotangent of the sums, of the bias)
    x=lambda dy, w, x_shape, how: _dx(dy[0], w, size=x_shape[2:], **how),
    w=lambda dy, x, w_shape, how: _dw(x, dy[0], window=w_shape[2:], **how),
    bias=lambda dy: dy[1],
)

PADDINGS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # np.pad's words


def conv(
    x,
    w,
    bias=None,
    *,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    padding_mode="zeros",
    flip=False,
    activation=None,
):
    """Convolution as neural networks mean it (cross-correlation) over 1, 2 or 3 spatial axes.

    Parameters:
      x: (N, C, *S), floating. w: (O, C / groups, *K) of the same dtype. bias=None: (O,) or None.
      stride=1, dilation=1: a number, or one for each spatial axis.
      padding=0: what is added around x: a number, one for each axis, or a (before, after) pair for each axis; "valid"
        for none; "same" for So = ceil(S / stride), where an odd element is added after x.
      groups=1: channels are split into this many groups that do not see each other; groups=C is a depthwise
        convolution.
      padding_mode="zeros": what the padding holds: "zeros"; "reflect", x mirrored at its outermost elements (padding <
        S); "replicate", the outermost elements; "circular", the other end of x (padding <= S).
      flip=False: whether the window is flipped along its spatial axes, which makes it a true convolution.
      activation=None: a function of an array such as kn.relu, applied last; None for none.
    Returns: (N, O, *So) with So = (S + before + after - dilation * (K - 1) - 1) // stride + 1. Not C-contiguous: the
      channels lie last in memory. float16 is summed in float32.
    Raises: ShapeError, DtypeError, ValueError, TypeError, naming what does not fit.
    Derivative: by x, w and bias; at kinks that of the activation.

    >>> import numpy as np, knetpy as kn
    >>> kn.conv(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), padding="same")
    array([[[[4., 4., 2.],
             [4., 4., 2.],
             [2., 2., 1.]]]])
    """
    x, w, bias = _operands("conv", x, w, bias, flip, activation)
    check_bias("conv", bias, w.shape[0], "output channel")
    one_of("conv", "padding_mode", padding_mode, PADDINGS)
    how = _geometry(x.shape, w.shape, stride, padding, dilation, groups)
    if padding_mode != "zeros" and any(map(any, how["padding"])):
        _check_mode(x.shape, how["padding"], padding_mode)
        x = pad(x, ((0, 0), (0, 0), *how["padding"]), PADDINGS[padding_mode])
        how = {**how, "padding": ((0, 0),) * len(how["padding"])}
    w = _window(w, flip)
    if bias is None:
        return finished(_conv(x, w, how=how), None, activation, 1)
    if activation is None:
        return _biased(x, w, bias, how=how)
    if activation is relu:
        return _rectified(x, w, bias, how=how)
    return finished(_conv(x, w, how=how), bias, activation, 1)


def conv_transpose(
    x,
    w,
    bias=None,
    *,
    stride=1,
    padding=0,
    output_padding=0,
    dilation=1,
    groups=1,
    flip=False,
    activation=None,
):
    """Transposed convolution: each element of x adds the window, scaled by it, to the place that conv read it from.

    It is the derivative of `conv` by its input, of which x is the cotangent and w the same window.

    Parameters:
      x: (N, C, *S), floating. w: (C, O / groups, *K) of the same dtype. bias=None: (O,) or None.
      stride=1, dilation=1: how far apart the elements of x, and those of the window, go; a number or one for each axis.
      padding=0: what is cut off the result: a number, one for each axis, or a (before, after) pair for each axis;
        "valid" for none; "same" for So = S * stride, the transpose of conv with padding="same" on an input of that
        size.
      output_padding=0: elements added after each axis, a number or one for each axis, less than stride or dilation: the
        sizes of conv's input that give the same S differ by it.
      groups=1, flip=False, activation=None: as conv's.
    Returns: (N, O, *So) with So = (S - 1) * stride - before - after + dilation * (K - 1) + 1 + output_padding. Not
      C-contiguous: the channels lie last in memory.
    Raises: ShapeError, DtypeError, ValueError, TypeError, naming what does not fit.
    Derivative: by x, w and bias; at kinks that of the activation.

    >>> import numpy as np, knetpy as kn
    >>> kn.conv_transpose(np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 3.0]]]), stride=2)
    array([[[ 1.,  2., 13., 20., 30.]]])
    """
    x, w, bias = _operands("conv_transpose", x, w, bias, flip, activation)
    stride, dilation, (groups,) = _steps("conv_transpose", len(x.shape) - 2, stride, dilation, groups)
    _check_transposed_channels(x.shape, w.shape, groups)
    check_bias("conv_transpose", bias, w.shape[1] * groups, "output channel")
    output_padding = per_axis("conv_transpose", "output_padding", output_padding, len(stride), 0)
    padding, added = _transposed_padding(x.shape[2:], w.shape[2:], stride, padding, output_padding, dilation)
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = _transposed(x, _window(w, flip), added, how)
    return finished(y, bias, activation, 1)


@memo
def _geometry(x, w, stride, padding, dilation, groups):
    """The options of conv as kernels take them, checked for x and w of these shapes."""
    stride, dilation, (groups,) = _steps("conv", len(x) - 2, stride, dilation, groups)
    _check_channels(x, w, groups)
    padding = window_padding("conv", padding, x[2:], w[2:], stride, dilation)
    window_fits("conv", x[2:], w[2:], dilation, padding, f"x {x}, w {w}")
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def _transposed_padding(size, window, stride, padding, output_padding, dilation):
    """(pairs of what is cut off, numbers of what is added after)"""
    for i, (o, t, d) in enumerate(zip(output_padding, stride, dilation)):
        if o >= max(t, d):
            raise ValueError(
                f"conv_transpose: output_padding {o} along spatial axis {i} must be less than the stride {t} or the "
                f"dilation {d}; enlarge the result with kn.pad"
            )
    if not isinstance(padding, str) or padding != "same":
        return window_padding("conv_transpose", padding, size, window, stride, dilation), output_padding
    if any(output_padding):
        raise ValueError(
            f'conv_transpose: padding="same" leaves no choice of output_padding, got {output_padding}; leave it out'
        )
    large = [s * t for s, t in zip(size, stride)]
    padding = window_padding("conv_transpose", padding, large, window, stride, dilation)
    return padding, tuple([max(t - d * (k - 1) - 1, 0) for t, k, d in zip(stride, window, dilation)])


def _transposed(x, w, added, how):
    """conv's input gradient of the size that results when so many elements are added after each axis."""
    size, window, stride, padding = x.shape[2:], w.shape[2:], how["stride"], how["padding"]
    full = [(s - 1) * t + d * (k - 1) + 1 for s, k, t, d in zip(size, window, stride, how["dilation"])]
    out = tuple([n - sum(pads) + o for n, pads, o in zip(full, padding, added)])
    if min(size) < 1 or min(window) < 1 or min(out) < 1:
        raise ShapeError(
            f"conv_transpose: x {x.shape}, w {w.shape} and padding {padding} give a result of spatial size {out}; the "
            "spatial sizes of x, of the window and of the result must be at least 1: make padding smaller"
        )
    if max(full) > MOST:
        raise ShapeError(
            f"conv_transpose: x {x.shape} and w {w.shape} give a result of spatial size {out}, more than {MOST} along "
            "an axis; make stride or dilation smaller"
        )
    if all([o < after + t for o, (_, after), t in zip(added, padding, stride)]):
        cut = tuple([(before, max(after - o, 0)) for (before, after), o in zip(padding, added)])
        return _conv_dx(x, w, size=out, how={**how, "padding": cut})
    y = _conv_dx(x, w, size=tuple(full), how={**how, "padding": ((0, 0),) * len(full)})
    y = pad(y, ((0, 0), (0, 0), *[(0, o) for o in added]))  # more than conv's window would leave unread
    return y[(..., *[slice(before, before + n) for (before, _), n in zip(padding, out)])]


def _window(w, flip):
    return w[(..., *[slice(None, None, -1)] * (len(w.shape) - 2))] if flip else w


def _operands(name, x, w, bias, flip, activation):
    """x, w and bias as arrays of one dtype, x and w with as many axes as each other."""
    flag(name, "flip", flip)
    check_activation(name, activation)
    x, w, bias = as_floating(name, x=x, w=w, bias=bias, optional=("bias",))
    if len(x.shape) not in (3, 4, 5) or len(w.shape) != len(x.shape):
        channels = "(C, O, *K)" if name == "conv_transpose" else "(O, C, *K)"
        one = len(w.shape) == len(x.shape) + 1
        raise ShapeError(
            f"{name}: x must be (N, C, *S) and w {channels} with 1, 2 or 3 spatial axes, got {x.shape} and {w.shape}; "
            + ("one image is x[None]" if one and x.shape[:1] == w.shape[1:2] else "x[:, None] inserts a channel axis")
        )
    return x, w, bias


def _steps(name, axes, stride, dilation, groups):
    steps = [per_axis(name, option, v, axes) for option, v in (("stride", stride), ("dilation", dilation))]
    return *steps, per_axis(name, "groups", groups, 1)


def _check_channels(x, w, groups):
    if x[1] % groups or w[0] % groups:
        raise ShapeError(
            f"conv: the {x[1]} channels of x {x} and the {w[0]} output channels (axis 0 of w {w}) must divide into "
            f"groups={groups}; take a divisor of both"
        )
    if w[1] * groups != x[1]:
        wanted = (w[0], x[1] // groups, *w[2:])
        raise ShapeError(
            f"conv: w expects {w[1] * groups} channels (axis 1 of {w}{f', groups={groups}' * (groups > 1)}) but x has "
            f"{x[1]} (axis 1 of {x}); "
            + (
                f"if the channels lie last, write np.moveaxis(x, -1, 1), else pass w of shape {wanted}"
                if x[-1] == w[1] * groups
                else f"pass w of shape {wanted} or groups=..."
            )
        )


def _check_transposed_channels(x, w, groups):
    if w[0] != x[1]:
        raise ShapeError(
            f"conv_transpose: w expects {w[0]} channels (axis 0 of {w}) but x has {x[1]} (axis 1 of {x}); "
            + (
                "w is (C, O, *K) here: write np.swapaxes(w, 0, 1)"
                if w[1] == x[1]
                else f"pass w of shape {(x[1], *w[1:])}"
            )
        )
    if x[1] % groups:
        raise ShapeError(
            f"conv_transpose: the {x[1]} channels of x {x} and w {w} do not divide into groups={groups}; take a divisor"
        )


def _check_mode(x, padding, mode):
    for i, (n, pads) in enumerate(zip(x[2:], padding)):
        most = {"reflect": n - 1, "circular": n, "replicate": max(pads) if n else 0}[mode]
        if max(pads) > most:
            raise ShapeError(
                f'conv: padding {pads} along spatial axis {i} is more than the {most} that padding_mode="{mode}" can '
                f'take from x {x}; pad less, or take "{"zeros" if mode == "replicate" else "replicate"}"'
            )
