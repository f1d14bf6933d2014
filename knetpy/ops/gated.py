"""Activations that are x times a gate that opens from 0 to 1, and units: one half of an axis gated by the other."""

import math

import numpy as np

from ..core.errors import ShapeError
from ..kernels.reference.activation import CUBIC
from .activation import _softplus, bell, peak, sigmoid
from .arguments import as_floating, axis_of, flag
from .curve import activation, curved, near, served, slope_of
from .piecewise import relu


def _silu_curve(x):
    """The second derivative of silu."""
    opened, closed = sigmoid(x), sigmoid(-x)
    return opened * closed * (2 + near(x) * (closed - opened))


_silu_forward = served("silu")
_silu_slope = slope_of("silu_dx", served("silu_dx"), x=lambda dy, g, x: dy * g * _silu_curve(x))


@activation(x=lambda dy, x: _silu_slope(dy, x, at=()))
def silu(x):
    """x * sigmoid(x), elementwise; also known as swish.

    Parameters, returns, errors and derivative: as for `sigmoid`.
    Source: Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units for neural network function approximation", 2017.

    >>> import numpy as np, knetpy as kn
    >>> kn.silu(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """
    return _silu_forward(x)


@activation(x=lambda dy, x: _silu_slope(dy, 1.702 * near(x), at=()))
def gelu_sigmoid(x):
    """x * sigmoid(1.702 * x), elementwise: the fast approximation of gelu.

    Parameters, returns, errors and derivative: as for `sigmoid`.
    Source: Hendrycks, Gimpel, "Gaussian error linear units (GELUs)", 2016.

    >>> import numpy as np, knetpy as kn
    >>> kn.gelu_sigmoid(np.array([0.0, 1.0]))
    array([0.        , 0.84579577])
    """
    (x,) = as_floating("gelu_sigmoid", x=x)
    return np.maximum(x, -1000) * sigmoid(1.702 * near(x))


def _gelu_curve(x):
    """The second derivative of gelu."""
    return bell(math.sqrt(1 / 2) * x) * (2 - np.square(near(x, 40))) / math.sqrt(2 * math.pi)


_gelu = curved("gelu", x=lambda dy, g, x: dy * g * _gelu_curve(x))


def _gelu_tanh_curve(x):
    x = near(x, 25)
    u = math.sqrt(8 / math.pi) * (x + CUBIC * x * x * x)  # the value is x * sigmoid(u)
    slope, curve = math.sqrt(8 / math.pi) * (1 + 3 * CUBIC * x * x), math.sqrt(8 / math.pi) * 6 * CUBIC * x
    return peak(u) * slope * (2 + x * slope * (sigmoid(-u) - sigmoid(u))) + peak(u) * x * curve


_gelu_tanh = curved("gelu_tanh", "gelu", x=lambda dy, g, x: dy * g * _gelu_tanh_curve(x))


def gelu(x, approximate=False):
    """x times the share of a standard normal distribution below x, elementwise.

    Parameters, returns, errors and derivative: as for `sigmoid`;
      approximate=False: True for the older form by tanh, which BERT and GPT-2 use and which differs by 5e-4 at most.
    Source: Hendrycks, Gimpel, "Gaussian error linear units (GELUs)", 2016.

    >>> import numpy as np, knetpy as kn
    >>> kn.gelu(np.array([0.0, 1.0])), kn.gelu(np.array([0.0, 1.0]), approximate=True)
    (array([0.        , 0.84134475]), array([0.        , 0.84119199]))
    """
    return (_gelu_tanh if flag("gelu", "approximate", approximate) else _gelu)(x, at=())


def _mish_curve(x):
    gate = np.tanh(_softplus(x, at=(1.0,)))
    opening = (1 - gate * gate) * sigmoid(x)
    return opening * (2 + near(x) * (sigmoid(-x) - 2 * gate * sigmoid(x)))


_mish = curved("mish", x=lambda dy, g, x: dy * g * _mish_curve(x))


def mish(x):
    """x * tanh(softplus(x)), elementwise.

    Parameters, returns, errors and derivative: as for `sigmoid`.
    Source: Misra, "Mish: a self regularized non-monotonic activation function", 2019.

    >>> import numpy as np, knetpy as kn
    >>> kn.mish(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """
    return _mish(x, at=())


@activation(x=lambda dy, x: dy * (np.tanh(x) + near(x) * (1 - np.square(np.tanh(x)))))
def lisht(x):
    """x * tanh(x), elementwise.

    Parameters, returns, errors and derivative: as for `sigmoid`.
    Source: Roy et al., "LiSHT: non-parametric linearly scaled hyperbolic tangent activation function", 2019.

    >>> import numpy as np, knetpy as kn
    >>> kn.lisht(np.array([-1000.0, 0.0]))
    array([1000.,    0.])
    """
    (x,) = as_floating("lisht", x=x)
    return x * np.tanh(x)


# ------------------------------------------------------------------------------- one half of an axis gated by the other


def glu(x, axis=-1):
    """The first half of x along `axis` times the sigmoid of the second: the second is the gate, here and in its kin.

    Parameters:
      x: floating array whose size along `axis` is even.
      axis=-1: a number, by default the last axis.
    Returns: array of the dtype of x, with half its size along `axis`.
    Raises: ShapeError for an odd size, AxisError, DtypeError.
    Derivative: by both halves; that of the gate at kinks and where it is infinite.
    Source: Dauphin et al., "Language modeling with gated convolutional networks", 2016.

    >>> import numpy as np, knetpy as kn
    >>> kn.glu(np.array([2.0, 3.0, 0.0, 1000.0]))
    array([1., 3.])
    """
    return _gated("glu", sigmoid, x, axis)


def geglu(x, axis=-1):
    """The first half of x along `axis` times gelu of the second.

    Parameters, returns, errors and derivative: as for `glu`.
    Source: Shazeer, "GLU variants improve transformer", 2020, also of `swiglu` and `reglu`.

    >>> import numpy as np, knetpy as kn
    >>> kn.geglu(np.array([2.0, 3.0, 0.0, 100.0]))
    array([  0., 300.])
    """
    return _gated("geglu", gelu, x, axis)


def swiglu(x, axis=-1):
    """The first half of x along `axis` times silu of the second.

    Parameters, returns, errors and derivative: as for `glu`.

    >>> import numpy as np, knetpy as kn
    >>> kn.swiglu(np.array([2.0, 3.0, 0.0, 100.0]))
    array([  0., 300.])
    """
    return _gated("swiglu", silu, x, axis)


def reglu(x, axis=-1):
    """The first half of x along `axis` times relu of the second.

    Parameters, returns, errors and derivative: as for `glu`.

    >>> import numpy as np, knetpy as kn
    >>> kn.reglu(np.array([2.0, 3.0, -1.0, 100.0]))
    array([  0., 300.])
    """
    return _gated("reglu", relu, x, axis)


def _gated(name, gate, x, axis):
    (x,) = as_floating(name, x=x)
    axis = axis_of(name, "x", x, axis)
    if x.shape[axis] % 2:
        raise ShapeError(
            f"{name}: axis {axis} of x {x.shape} has {x.shape[axis]} elements, which do not make two halves: values "
            "and their gates"
        )
    values, gates = np.split(x, 2, axis)
    return values * gate(gates)
