"""Activations that are smooth but for a kink at 0, and gated units: one half of an axis gated by the other.

They take arrays of any shape and keep floating dtypes. NaN stays NaN, Inf gives the limit, of derivatives too. At kinks
the derivative is PyTorch's. A parameter that is a number is a constant: an array that can be learned is refused there.
"""

import math

import numpy as np

from ..core.errors import ShapeError
from ..kernels.reference.activation import CUBIC
from .arguments import as_floating, axis_of, number
from .curve import activation, curved, near, served, slope_of
from .piecewise import relu

# --------------------------------------------------------------------------------------------------------- sigmoids


_erf, _erfc, _sigmoid, _sigmoid_dx = map(served, ("erf", "erfc", "sigmoid", "sigmoid_dx"))


@activation(g=lambda dy, out: _sigmoid_slope(dy, out), out=lambda dy, g, out: dy * g * (1 - 2 * out))
def _sigmoid_slope(g, out):
    """g times the derivative of sigmoid where its value is `out`."""
    return _sigmoid_dx(g, out)


@activation(x=lambda dy, y: _sigmoid_slope(dy, y))
def sigmoid(x):
    """1 / (1 + exp(-x)), elementwise, without overflow for any x.

    >>> import knetpy as kn
    >>> kn.sigmoid(np.array([-1000.0, 0.0]))
    array([0. , 0.5])
    """
    return _sigmoid(x)


def _peak(x):
    """The derivative of sigmoid, right to its last digits also far out."""
    return sigmoid(x) * sigmoid(-x)


_logsigmoid = curved("logsigmoid", x=lambda dy, g, x: -dy * g * _peak(x))


def logsigmoid(x):
    """log(sigmoid(x)), elementwise, without overflow or loss of precision.

    >>> import knetpy as kn
    >>> kn.logsigmoid(np.array([-1000.0, 1000.0]))
    array([-1000.,     0.])
    """
    return _logsigmoid(x, at=())


@activation(x=lambda dy, x: dy / (1 + np.abs(x)) / (1 + np.abs(x)))
def softsign(x):
    """x / (1 + |x|), elementwise: from -1 to 1.

    >>> import knetpy as kn
    >>> kn.softsign(np.array([1.0, -np.inf]))
    array([ 0.5, -1. ])
    """
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(x), np.sign(x), x / (1 + np.abs(x)))[()]


@activation(x=lambda dy, x: dy * np.square(np.tanh(x)))
def tanhshrink(x):
    """x - tanh(x), elementwise.

    >>> import knetpy as kn
    >>> kn.tanhshrink(np.array([0.0, 100.0]))
    array([ 0., 99.])
    """
    return x - np.tanh(x)


def _bell(x):
    """exp(-x * x); far out it is 0 and so are its derivatives."""
    x = near(x, 30)
    return np.exp(-x * x)


@activation(x=lambda dy, x: dy * _bell(x) * (2 / math.sqrt(math.pi)))
def erf(x):
    """The error function, elementwise: 2 / sqrt(pi) times the integral of exp(-t * t) from 0 to x.

    Returns: array of the shape and dtype of x, to about 2 units in the last place.

    >>> import knetpy as kn
    >>> kn.erf(np.array([-np.inf, 0.0, 0.5]))
    array([-1.        ,  0.        ,  0.52049988])
    """
    return _erf(x)


@activation(x=lambda dy, x: dy * _bell(x) * (-2 / math.sqrt(math.pi)))
def erfc(x):
    """1 - erf(x), elementwise, with full relative precision also where that is tiny.

    >>> import knetpy as kn
    >>> kn.erfc(np.array([0.0, 10.0]))
    array([1.00000000e+00, 2.08848758e-45])
    """
    return _erfc(x)


# -------------------------------------------------------------------------------------------- smooth versions of relu


_softplus = curved("softplus", x=lambda dy, g, x, at: dy * g * (at[0] * _peak(at[0] * x)))


def softplus(x, beta=1.0):
    """log(1 + exp(beta * x)) / beta, elementwise, without overflow: the larger beta > 0, the closer to relu.

    Unlike PyTorch's it is nowhere replaced by x.

    >>> import knetpy as kn
    >>> kn.softplus(np.array([0.0, 10000.0]))
    array([6.93147181e-01, 1.00000000e+04])
    """
    return _softplus(x, at=(number("softplus", "beta", beta, above=0),))


@activation(x=lambda dy, x: dy * np.tanh(x))
def logcosh(x):
    """log(cosh(x)), elementwise, without overflow or loss of precision: x * x / 2 near 0, |x| - log(2) far out.

    >>> import knetpy as kn
    >>> kn.logcosh(np.array([1e-5, 10000.0]))
    array([5.00000000e-11, 9.99930685e+03])
    """
    size = np.abs(x)
    by_sinh = np.log1p(np.square(np.sinh(np.minimum(size, 1)))) / 2
    return np.where(size < 1, by_sinh, size - math.log(2) + np.log1p(np.square(np.exp(-size))))[()]


@activation(x=lambda dy, x, softness: dy * (np.sin(np.arctan(x / math.sqrt(softness))) + 1) / 2)
def _squareplus(x, *, softness):
    return np.maximum(x, 0) + softness / 4 / (np.hypot(x, math.sqrt(softness)) / 2 + np.abs(x) / 2)


def squareplus(x, softness=4.0):
    """(x + sqrt(x * x + softness)) / 2, elementwise, without overflow; softness > 0.

    Source: Barron, "Squareplus: a softplus-like algebraic rectifier", 2021.

    >>> import knetpy as kn
    >>> kn.squareplus(np.array([0.0, 1.5]))
    array([1., 2.])
    """
    return _squareplus(x, softness=number("squareplus", "softness", softness, above=0))


@activation(x=lambda dy, x: dy * (near(x, 1) + 1) / 2)
def sparseplus(x):
    """0 up to -1, (x + 1)^2 / 4 from there to 1, and x beyond: its derivative is a straight line between 0 and 1.

    >>> import knetpy as kn
    >>> kn.sparseplus(np.array([-2.0, 0.0, 3.0]))
    array([0.  , 0.25, 3.  ])
    """
    return np.where(np.greater_equal(x, 1), x, np.square(near(x, 1) + 1) / 4)[()]


def _elu_curve(x, low, _, rate):
    return np.where(x < 0, low * rate * rate * np.exp(np.minimum(x, 0) * rate), 0)


_elu = curved(
    "elu", x=lambda dy, g, x, at: dy * g * _elu_curve(x, *at)
)  # high * x above 0, and low * (exp(rate * x) - 1) below


def elu(x, alpha=1.0):
    """x where x > 0, and alpha * (exp(x) - 1) elsewhere. The derivative is `alpha` at 0.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear units
      (ELUs)", 2015.

    >>> import knetpy as kn
    >>> kn.elu(np.array([-np.inf, 2.0]))
    array([-1.,  2.])
    """
    return _elu(x, at=(number("elu", "alpha", alpha), 1.0, 1.0))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(x):
    """1.0507 * elu(x, 1.6733): keeps mean 0 and variance 1 through layers; `alpha_dropout` goes with it.

    Source: Klambauer et al., "Self-normalizing neural networks", 2017.

    >>> import knetpy as kn
    >>> kn.selu(np.array([-np.inf, 1.0]))
    array([-1.75809934,  1.05070099])
    """
    return _elu(x, at=(SELU_SCALE * SELU_ALPHA, SELU_SCALE, 1.0))


def celu(x, alpha=1.0):
    """x where x > 0, and alpha * (exp(x / alpha) - 1) elsewhere: elu with derivative 1 at 0; alpha > 0.

    Source: Barron, "Continuously differentiable exponential linear units", 2017.

    >>> import knetpy as kn
    >>> kn.celu(np.array([-np.inf, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    alpha = number("celu", "alpha", alpha, above=0)
    return _elu(x, at=(alpha, 1.0, 1 / alpha))


# ------------------------------------------------------------------------------ x times a gate that opens from 0 to 1


def _silu_curve(x):
    """The second derivative of silu."""
    opened, closed = sigmoid(x), sigmoid(-x)
    return opened * closed * (2 + near(x) * (closed - opened))


_silu_forward, _silu_slope = (
    served("silu"),
    slope_of("silu_dx", served("silu_dx"), x=lambda dy, g, x: dy * g * _silu_curve(x)),
)


@activation(x=lambda dy, x: _silu_slope(dy, x, at=()))
def silu(x):
    """x * sigmoid(x), elementwise; also known as swish.

    Source: Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units for neural network function approximation", 2017.

    >>> import knetpy as kn
    >>> kn.silu(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """
    return _silu_forward(x)


@activation(x=lambda dy, x: _silu_slope(dy, 1.702 * near(x), at=()))
def gelu_sigmoid(x):
    """x * sigmoid(1.702 * x), elementwise: the fast approximation of gelu.

    Source: Hendrycks, Gimpel, "Gaussian error linear units (GELUs)", 2016.

    >>> import knetpy as kn
    >>> kn.gelu_sigmoid(np.array([0.0, 1.0]))
    array([0.        , 0.84579577])
    """
    return np.maximum(x, -1000) * sigmoid(1.702 * near(x))


def _gelu_curve(x):
    """The second derivative of gelu."""
    return _bell(math.sqrt(1 / 2) * x) * (2 - np.square(near(x, 40))) / math.sqrt(2 * math.pi)


_gelu = curved("gelu", x=lambda dy, g, x: dy * g * _gelu_curve(x))


def _gelu_tanh_curve(x):
    x = near(x, 25)
    u = math.sqrt(8 / math.pi) * (x + CUBIC * x * x * x)  # the value is x * sigmoid(u)
    slope, curve = math.sqrt(8 / math.pi) * (1 + 3 * CUBIC * x * x), math.sqrt(8 / math.pi) * 6 * CUBIC * x
    return _peak(u) * slope * (2 + x * slope * (sigmoid(-u) - sigmoid(u))) + _peak(u) * x * curve


_gelu_tanh = curved("gelu_tanh", x=lambda dy, g, x: dy * g * _gelu_tanh_curve(x))


def gelu(x, approximate=False):
    """x times the share of a standard normal distribution below x, elementwise.

    Parameters: approximate, False for the exact function, by erfc; True for the older form by tanh, which BERT and
      GPT-2 use and which differs by 5e-4 at most.
    Source: Hendrycks, Gimpel, "Gaussian error linear units (GELUs)", 2016.

    >>> import knetpy as kn
    >>> kn.gelu(np.array([0.0, 1.0])), kn.gelu(np.array([0.0, 1.0]), approximate=True)
    (array([0.        , 0.84134475]), array([0.        , 0.84119199]))
    """
    if not isinstance(approximate, bool):
        raise TypeError(f"gelu: approximate must be True (the form by tanh) or False (exact), got {approximate!r}")
    return (_gelu_tanh if approximate else _gelu)(x, at=())


def _mish_curve(x):
    gate = np.tanh(_softplus(x, at=(1.0,)))
    opening = (1 - gate * gate) * sigmoid(x)
    return opening * (2 + near(x) * (sigmoid(-x) - 2 * gate * sigmoid(x)))


_mish = curved("mish", x=lambda dy, g, x: dy * g * _mish_curve(x))


def mish(x):
    """x * tanh(softplus(x)), elementwise.

    Source: Misra, "Mish: a self regularized non-monotonic activation function", 2019.

    >>> import knetpy as kn
    >>> kn.mish(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """
    return _mish(x, at=())


@activation(x=lambda dy, x: dy * (np.tanh(x) + near(x) * (1 - np.square(np.tanh(x)))))
def lisht(x):
    """x * tanh(x), elementwise.

    Source: Roy et al., "LiSHT: non-parametric linearly scaled hyperbolic tangent activation function", 2019.

    >>> import knetpy as kn
    >>> kn.lisht(np.array([-1000.0, 0.0]))
    array([1000.,    0.])
    """
    return x * np.tanh(x)


# ------------------------------------------------------------------------------- one half of an axis gated by the other


def glu(x, axis=-1):
    """The first half of x along `axis` times the sigmoid of the second: the second is the gate, here and in its kin.

    Parameters: x, floating array whose size along `axis` is even.
    Returns: array of the dtype of x, with half its size along `axis`.
    Raises: ShapeError for an odd size, AxisError, DtypeError.
    Source: Dauphin et al., "Language modeling with gated convolutional networks", 2016.

    >>> import knetpy as kn
    >>> kn.glu(np.array([2.0, 3.0, 0.0, 1000.0]))
    array([1., 3.])
    """
    return _gated("glu", sigmoid, x, axis)


def geglu(x, axis=-1):
    """The first half of x along `axis` times gelu of the second; otherwise as `glu`.

    Source: Shazeer, "GLU variants improve transformer", 2020, also of `swiglu` and `reglu`.

    >>> import knetpy as kn
    >>> kn.geglu(np.array([2.0, 3.0, 0.0, 100.0]))
    array([  0., 300.])
    """
    return _gated("geglu", gelu, x, axis)


def swiglu(x, axis=-1):
    """The first half of x along `axis` times silu of the second; otherwise as `glu`.

    >>> import knetpy as kn
    >>> kn.swiglu(np.array([2.0, 3.0, 0.0, 100.0]))
    array([  0., 300.])
    """
    return _gated("swiglu", silu, x, axis)


def reglu(x, axis=-1):
    """The first half of x along `axis` times relu of the second; otherwise as `glu`.

    >>> import knetpy as kn
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
