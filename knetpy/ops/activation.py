"""Activations: elementwise functions, each declared with its derivative, and the gated units made of them.

They take arrays of any shape and keep floating dtypes. NaN stays NaN, Inf gives the limit, of derivatives too. At kinks
the derivative is PyTorch's. A parameter that is a number is a constant: an array that can be learned is refused there.
"""

import math
from functools import partial

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import primitive
from ..kernels import kernel
from ..random import DROPOUT, take, uniform
from ..settings import training
from .arguments import as_floating, axis_of, constant_of, number


def activation(**rules):
    """Declare an elementwise function of x, with its derivative."""
    return lambda kernel: primitive(
        kernel, elementwise=True, trusted=True, check=partial(_check, kernel.__name__.lstrip("_")), **rules
    )


def _check(name, x, *_, **options):
    """Explain why a function that works on all numbers has failed."""
    x = constant_of(name, "x", x)
    if x.dtype.kind not in "fiub":
        raise DtypeError(f"{name}: x has dtype {x.dtype}; write x.astype(np.float32)")


def served(name):
    """The kernel of that name, of one operand or of dy and another one; integers become floating, as in NumPy."""
    serve = kernel("activation", name)

    def call(*args):
        x = args[-1]
        if x.__class__ is np.ndarray and x.ndim and x.dtype.kind == "f":
            return serve(*args)
        _check(name, x)
        *dy, x = map(np.asarray, args)
        return serve(*dy, x if x.dtype.kind == "f" else x.astype(np.result_type(x, np.float16)))[()]

    return call


def near(x, reach=1000):
    """x cut off at -reach and reach, for a factor that another one has made 0 by there: Inf * 0 would be NaN."""
    return np.clip(x, -reach, reach)


# ------------------------------------------------------------------------------------------ pieces of straight lines


@activation(x=lambda dy, y: np.where(y <= 0, 0, dy))
def relu(x):
    """max(x, 0), elementwise; NaN stays NaN. The derivative is 0 at 0.

    >>> import knetpy as kn
    >>> kn.relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return np.maximum(x, 0)


@activation(x=lambda dy, x, low, high: np.where((x <= low) | (x >= high), 0, dy))
def _hardtanh(x, *, low, high):
    return np.clip(x, low, high)


def hardtanh(x, low=-1.0, high=1.0):
    """x cut off at the numbers `low` and `high`, elementwise. The derivative is 0 at both, where `np.clip` has 1.

    Raises: ValueError when low > high.

    >>> import knetpy as kn
    >>> kn.hardtanh(np.array([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    low, high = _ordered("hardtanh", low=low, high=high)
    return _hardtanh(x, low=low, high=high)


def relu6(x):
    """min(max(x, 0), 6), elementwise. The derivative is 0 at 0 and at 6.

    >>> import knetpy as kn
    >>> kn.relu6(np.array([-1.0, 2.0, 8.0]))
    array([0., 2., 6.])
    """
    return _hardtanh(x, low=0.0, high=6.0)


@activation(x=lambda dy, x: np.where((x <= -3) | (x >= 3), 0, dy / 6))
def hardsigmoid(x):
    """(x + 3) / 6 cut off at 0 and 1, elementwise: a sigmoid of straight lines. The derivative is 0 at -3 and at 3.

    >>> import knetpy as kn
    >>> kn.hardsigmoid(np.array([-3.0, 0.0, 3.0]))
    array([0. , 0.5, 1. ])
    """
    return (np.clip(x, -3, 3) + 3) / 6


@activation(x=lambda dy, x: np.where(x <= -3, 0, np.where(x >= 3, dy, dy * (near(x, 3) / 3 + 0.5))))
def hardswish(x):
    """x * hardsigmoid(x), elementwise. The derivative is 0 at -3 and 1 at 3.

    Source: Howard et al., "Searching for MobileNetV3", 2019.

    >>> import knetpy as kn
    >>> kn.hardswish(np.array([-3.0, 1.5, 3.0]))
    array([-0.   ,  1.125,  3.   ])
    """
    return np.maximum(x, -3) * hardsigmoid(x)


@activation(x=lambda dy, x, slope: np.where(x > 0, dy, dy * slope))
def _leakyrelu(x, *, slope):
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


def leakyrelu(x, slope=0.01):
    """x where x > 0, and slope * x elsewhere. The derivative is `slope` at 0; `prelu` learns it.

    >>> import knetpy as kn
    >>> kn.leakyrelu(np.array([-1.0, 2.0]), 0.1)
    array([-0.1,  2. ])
    """
    return _leakyrelu(x, slope=number("leakyrelu", "slope", slope))


@activation(
    x=lambda dy, x, slope: np.where(x > 0, dy, dy * slope),
    slope=lambda dy, x: np.where(x > 0, 0, dy * x),
)
def _prelu(x, slope):
    return np.where(x > 0, x, slope * x)


def prelu(x, slope):
    """x where x > 0, and slope * x elsewhere, with a slope that can be learned: one, or one for each channel.

    Parameters: x, floating array (N, C, ...) or of any shape; slope, array of the same dtype: one number, or C of
      them, for axis 1 of x. A Python number takes the dtype of x.
    Returns: array of the shape and dtype of x. The derivative by x is the slope at 0.
    Raises: ShapeError for another number of slopes, DtypeError.
    Source: He et al., "Delving deep into rectifiers", 2015.

    >>> import knetpy as kn
    >>> kn.prelu(np.array([[-1.0, -1.0], [2.0, 3.0]]), np.array([0.1, 0.2]))
    array([[-0.1, -0.2],
           [ 2. ,  3. ]])
    """
    (x,) = as_floating("prelu", x=x)
    slope = np.asarray(slope, x.dtype) if isinstance(slope, (int, float)) else slope
    x, slope = as_floating("prelu", x=x, slope=slope)
    channels, axes = x.shape[1] if len(x.shape) > 1 else 1, len(x.shape)
    if slope.shape not in ((), (1,), (channels,)):
        raise ShapeError(
            f"prelu: slope has shape {slope.shape}, but x of shape {x.shape} takes one slope"
            + (f", or {channels}, one for each channel (axis 1); pass kn.param0({channels})" if axes > 1 else "")
        )
    return _prelu(x, np.reshape(slope, (-1,) + (1,) * (axes - 2) if axes > 1 else ()))


def _slopes(x, lower, upper, position):
    """A random number for each element of x: no mask is kept, the derivative draws them again."""
    return lower + (upper - lower) * uniform(position, x.shape, np.float32).astype(x.dtype)


@activation(
    x=lambda dy, x, lower, upper, position: np.where(x > 0, dy, dy * _slopes(x, lower, upper, position)),
)
def _rrelu(x, *, lower, upper, position):
    return np.where(x > 0, x, x * _slopes(x, lower, upper, position))


def rrelu(x, lower=1 / 8, upper=1 / 3):
    """leakyrelu with slopes drawn anew from `lower` to `upper` for each element in training mode; else with their mean.

    Parameters: x, floating array of any shape; lower and upper, numbers.
    Returns: array of the shape and dtype of x. The slopes come from `kn.random`'s dropout stream.
    Raises: ValueError when lower > upper, DtypeError for integers.
    Source: Xu et al., "Empirical evaluation of rectified activations in convolution network", 2015.

    >>> import knetpy as kn
    >>> kn.rrelu(np.array([-1.0, 2.0]), 0.1, 0.3)
    array([-0.2,  2. ])
    """
    (x,) = as_floating("rrelu", x=x)
    lower, upper = _ordered("rrelu", lower=lower, upper=upper)
    if not training():
        return _leakyrelu(x, slope=(lower + upper) / 2)
    return _rrelu(x, lower=lower, upper=upper, position=take(DROPOUT))


@activation(x=lambda dy, x, threshold: np.where(x <= threshold, 0, dy))
def _threshold(x, *, threshold, value):
    return np.where(np.less_equal(x, threshold), value, x)[()]


def threshold(x, threshold, value):
    """x where it is above the number `threshold`, and the number `value` elsewhere, with derivative 0.

    >>> import knetpy as kn
    >>> kn.threshold(np.array([0.5, 2.0]), 1.0, -7.0)
    array([-7.,  2.])
    """
    threshold, value = number("threshold", "threshold", threshold), number("threshold", "value", value)
    return _threshold(x, threshold=threshold, value=value)


def trelu(x, theta=1.0):
    """x where it is above the number `theta`, and 0 elsewhere, with derivative 0.

    Source: Konda, Memisevic, Krueger, "Zero-bias autoencoders and the benefits of co-adapting features", 2014.

    >>> import knetpy as kn
    >>> kn.trelu(np.array([0.5, 2.0]))
    array([0., 2.])
    """
    return _threshold(x, threshold=number("trelu", "theta", theta), value=0.0)


@activation(x=lambda dy, x, width: np.where(np.abs(x) <= width, 0, dy))
def _softshrink(x, *, width):
    return x - np.clip(x, -width, width)


def softshrink(x, width=0.5):
    """x moved towards 0 by `width`, and 0 where |x| <= width, with derivative 0.

    >>> import knetpy as kn
    >>> kn.softshrink(np.array([-2.0, 0.25, 1.0]))
    array([-1.5,  0. ,  0.5])
    """
    return _softshrink(x, width=number("softshrink", "width", width, 0))


@activation(x=lambda dy, x, width: np.where(np.abs(x) <= width, 0, dy))
def _hardshrink(x, *, width):
    return np.where(np.abs(x) <= width, 0, x)[()]


def hardshrink(x, width=0.5):
    """x, and 0 where |x| <= width, with derivative 0.

    >>> import knetpy as kn
    >>> kn.hardshrink(np.array([-2.0, 0.25, 1.0]))
    array([-2.,  0.,  1.])
    """
    return _hardshrink(x, width=number("hardshrink", "width", width, 0))


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


@activation(x=lambda dy, x: dy * sigmoid(-x))
def logsigmoid(x):
    """log(sigmoid(x)), elementwise, without overflow or loss of precision.

    >>> import knetpy as kn
    >>> kn.logsigmoid(np.array([-1000.0, 1000.0]))
    array([-1000.,     0.])
    """
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


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


@activation(x=lambda dy, x, beta: dy * sigmoid(beta * x))
def _softplus(x, *, beta):
    return np.maximum(x, 0) + np.log1p(np.exp(-beta * np.abs(x))) / beta


def softplus(x, beta=1.0):
    """log(1 + exp(beta * x)) / beta, elementwise, without overflow: the larger beta > 0, the closer to relu.

    Unlike PyTorch's it is nowhere replaced by x.

    >>> import knetpy as kn
    >>> kn.softplus(np.array([0.0, 10000.0]))
    array([6.93147181e-01, 1.00000000e+04])
    """
    return _softplus(x, beta=number("softplus", "beta", beta, above=0))


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


@activation(x=lambda dy, x, low, high, rate: dy * np.where(x > 0, high, low * rate * np.exp(-relu(-x) * rate)))
def _elu(x, *, low, high, rate):
    """high * x above 0, and low * (exp(rate * x) - 1) below."""
    return high * np.maximum(x, 0) + low * np.expm1(rate * np.minimum(x, 0))


def elu(x, alpha=1.0):
    """x where x > 0, and alpha * (exp(x) - 1) elsewhere. The derivative is `alpha` at 0.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear units
      (ELUs)", 2015.

    >>> import knetpy as kn
    >>> kn.elu(np.array([-np.inf, 2.0]))
    array([-1.,  2.])
    """
    return _elu(x, low=number("elu", "alpha", alpha), high=1.0, rate=1.0)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(x):
    """1.0507 * elu(x, 1.6733): keeps mean 0 and variance 1 through layers; `alpha_dropout` goes with it.

    Source: Klambauer et al., "Self-normalizing neural networks", 2017.

    >>> import knetpy as kn
    >>> kn.selu(np.array([-np.inf, 1.0]))
    array([-1.75809934,  1.05070099])
    """
    return _elu(x, low=SELU_SCALE * SELU_ALPHA, high=SELU_SCALE, rate=1.0)


def celu(x, alpha=1.0):
    """x where x > 0, and alpha * (exp(x / alpha) - 1) elsewhere: elu with derivative 1 at 0; alpha > 0.

    Source: Barron, "Continuously differentiable exponential linear units", 2017.

    >>> import knetpy as kn
    >>> kn.celu(np.array([-np.inf, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    alpha = number("celu", "alpha", alpha, above=0)
    return _elu(x, low=alpha, high=1.0, rate=1 / alpha)


# ------------------------------------------------------------------------------ x times a gate that opens from 0 to 1


_silu, _silu_dx, _gelu_exact, _gelu_dx = map(served, ("silu", "silu_dx", "gelu", "gelu_dx"))


def _silu_curve(x):
    """The second derivative of silu."""
    opened, closed = sigmoid(x), sigmoid(-x)
    return opened * closed * (2 + near(x) * (closed - opened))


@activation(g=lambda dy, x: _silu_slope(dy, x), x=lambda dy, g, x: dy * g * _silu_curve(x))
def _silu_slope(g, x):
    """g times the derivative of silu at x."""
    return _silu_dx(g, x)


@activation(x=lambda dy, x: _silu_slope(dy, x))
def silu(x):
    """x * sigmoid(x), elementwise; also known as swish.

    Source: Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units for neural network function approximation", 2017.

    >>> import knetpy as kn
    >>> kn.silu(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """
    return _silu(x)


@activation(x=lambda dy, x: _silu_slope(dy, 1.702 * near(x)))
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


@activation(g=lambda dy, x: _gelu_slope(dy, x), x=lambda dy, g, x: dy * g * _gelu_curve(x))
def _gelu_slope(g, x):
    """g times the derivative of gelu at x."""
    return _gelu_dx(g, x)


@activation(x=lambda dy, x: _gelu_slope(dy, x))
def _gelu(x):
    return _gelu_exact(x)


CUBIC = 0.044715  # tanh(sqrt(2 / pi) * (x + CUBIC * x^3)) is nearly erf(x / sqrt(2))


def _cubic(x):
    return math.sqrt(8 / math.pi) * (x + CUBIC * x * x * x)


def _gelu_tanh_slope(dy, x):
    x = near(x, 25)
    u, slope = _cubic(x), math.sqrt(8 / math.pi) * (1 + 3 * CUBIC * x * x)
    return dy * sigmoid(u) * (1 + x * slope * sigmoid(-u))


@activation(x=_gelu_tanh_slope)
def _gelu_tanh(x):
    return np.maximum(x, -25) * sigmoid(_cubic(near(x, 25)))  # (1 + tanh(u)) / 2 = sigmoid(2 * u)


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
    return _gelu_tanh(x) if approximate else _gelu(x)


def _mish_slope(dy, x):
    gate = np.tanh(_softplus(x, beta=1.0))
    return dy * (gate + near(x) * (1 - gate * gate) * sigmoid(x))


@activation(x=_mish_slope)
def mish(x):
    """x * tanh(softplus(x)), elementwise.

    Source: Misra, "Mish: a self regularized non-monotonic activation function", 2019.

    >>> import knetpy as kn
    >>> kn.mish(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """
    return np.maximum(x, -1000) * np.tanh(_softplus(x, beta=1.0))


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


def _ordered(name, **options):
    """Two numbers, the lower one first."""
    (low, a), (high, b) = [(option, number(name, option, given)) for option, given in options.items()]
    if a > b:
        raise ValueError(f"{name}: {low}={a} is above {high}={b}; exchange them")
    return a, b
