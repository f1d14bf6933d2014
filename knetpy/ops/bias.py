"""What ends a layer: a bias for each channel, then an activation, in one pass over memory."""

import math
from functools import partial

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..kernels import kernel
from ..kernels.reference.bias import BY_OPERAND
from .activation import sigmoid
from .elementwise import tanh
from .gated import gelu, silu
from .piecewise import leakyrelu, relu
from .shape import along

_forward, _back = kernel("bias", "forward"), kernel("bias", "back")

FUNCTIONS = {
    None: lambda x: x,
    "relu": relu,
    "leakyrelu": leakyrelu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "silu": silu,
    "gelu": gelu,
    "gelu_tanh": partial(gelu, approximate=True),
}
_NAMES = {f: name for name, f in FUNCTIONS.items() if name} | {np.tanh: "tanh"}


def check_bias(name, bias, size, each):
    """Raise unless a bias, where there is one, has so many elements; `each` tells in messages what each is for."""
    if bias is not None and bias.shape != (size,):
        raise ShapeError(
            f"{name}: bias must have shape ({size},), one for each {each}, got {bias.shape}; "
            + ("write np.reshape(bias, -1)" if math.prod(bias.shape) == size else f"see kn.param0({size})")
        )


def check_activation(name, activation):
    """Raise for an option that is neither a function nor None."""
    if activation is not None and not callable(activation):
        raise TypeError(
            f"{name}: activation must be a function of an array, such as kn.relu, or None, got {activation!r}"
        )


def kernel_of(activation):
    """The name under which kernels know an activation, None for none; raises KeyError for one that they do not know."""
    if isinstance(activation, partial) and activation.func is gelu and not activation.args:
        return "gelu_tanh" if activation.keywords == {"approximate": True} else _NAMES[activation]
    return None if activation is None else _NAMES[activation]


def _composed(x, bias, *, activation, axis):
    return FUNCTIONS[activation](x + along(bias, x, axis))


def _declared(vjp):
    return primitive(
        lambda x, bias, *, activation, axis: _forward(x, bias, activation, axis=axis),
        name="bias",
        composed=_composed,
        vjp=vjp,
    )


# Three, as each keeps for its derivative just what that reads.
_add = _declared(lambda dy, axis: _back(dy, None, None, axis=axis))
_by_value = _declared(lambda dy, y, activation, axis, out: _back(dy, y, activation, axis=axis, out=out))
_by_operand = _declared(lambda dy, x, bias, activation, axis, out: _back(dy, x, activation, bias, axis=axis, out=out))


def finished(x, bias, activation, axis):
    """activation(x + bias) with bias (C,) along that axis of x, both checked; bias and activation may be None."""
    if bias is None:
        return x if activation is None else activation(x)
    try:
        name, last = kernel_of(activation), None
    except (KeyError, TypeError):  # TypeError: what has no hash
        name, last = None, activation
    fused = _add if name is None else _by_operand if name in BY_OPERAND else _by_value
    y = fused(x, bias, activation=name, axis=axis)
    return y if last is None else last(y)
