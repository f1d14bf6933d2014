"""Activations that are smooth but for a kink at 0: sigmoids, and smooth versions of relu.

All activations, also those of `gated.py` and `piecewise.py`, take arrays of any shape and keep floating dtypes. NaN
stays NaN, Inf gives the limit, of derivatives too. At kinks the derivative is PyTorch's. A parameter that is a number
is a constant: an array that can be learned is refused there.
"""

import math

import numpy as np

from .arguments import as_floating, number
from .curve import activation, curved, near, served

# --------------------------------------------------------------------------------------------------------- sigmoids


_erf, _erfc, _sigmoid, _sigmoid_dx = map(served, ("erf", "erfc", "sigmoid", "sigmoid_dx"))


@activation(g=lambda dy, out: _sigmoid_slope(dy, out), out=lambda dy, g, out: dy * g * (1 - 2 * out))
def _sigmoid_slope(g, out):
    """g times the derivative of sigmoid where its value is `out`."""
    return _sigmoid_dx(g, out)


@activation(x=lambda dy, y: _sigmoid_slope(dy, y))
def sigmoid(x):
    """1 / (1 + exp(-x)), elementwise, without overflow for any x.

    Parameters:
      x: array of any shape, floating if there is to be a derivative.
    Returns: array of the shape of x, and of its dtype where that is floating. NaN stays NaN, Inf gives the limit.
    Raises: DtypeError for what is no number; TypeError, ValueError for a parameter that is no number or out of range.
    Derivative: of every order; the first and the second give the limit where x is infinite.

    >>> import numpy as np, knetpy as kn
    >>> kn.sigmoid(np.array([-1000.0, 0.0]))
    array([0. , 0.5])
    """
    return _sigmoid(x)


def peak(x):
    """The derivative of sigmoid, right to its last digits also far out."""
    return sigmoid(x) * sigmoid(-x)


_logsigmoid = curved("logsigmoid", x=lambda dy, g, x: -dy * g * peak(x))


def logsigmoid(x):
    """log(sigmoid(x)), elementwise, without overflow or loss of precision.

    Parameters, returns, errors and derivative: as for `sigmoid`.

    >>> import numpy as np, knetpy as kn
    >>> kn.logsigmoid(np.array([-1000.0, 1000.0]))
    array([-1000.,     0.])
    """
    return _logsigmoid(x, at=())


@activation(x=lambda dy, x: dy / (1 + np.abs(x)) / (1 + np.abs(x)))
def softsign(x):
    """x / (1 + |x|), elementwise: from -1 to 1.

    Parameters, returns, errors and derivative: as for `sigmoid`.

    >>> import numpy as np, knetpy as kn
    >>> kn.softsign(np.array([1.0, -np.inf]))
    array([ 0.5, -1. ])
    """
    (x,) = as_floating("softsign", x=x)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(x), np.sign(x), x / (1 + np.abs(x)))[()]


@activation(x=lambda dy, x: dy * np.square(np.tanh(x)))
def tanhshrink(x):
    """x - tanh(x), elementwise.

    Parameters, returns, errors and derivative: as for `sigmoid`.

    >>> import numpy as np, knetpy as kn
    >>> kn.tanhshrink(np.array([0.0, 100.0]))
    array([ 0., 99.])
    """
    (x,) = as_floating("tanhshrink", x=x)
    return x - np.tanh(x)


def bell(x):
    """exp(-x * x); far out it is 0 and so are its derivatives."""
    x = near(x, 30)
    return np.exp(-x * x)


@activation(x=lambda dy, x: dy * bell(x) * (2 / math.sqrt(math.pi)))
def erf(x):
    """The error function, elementwise: 2 / sqrt(pi) times the integral of exp(-t * t) from 0 to x.

    Parameters, returns, errors and derivative: as for `sigmoid`. It is right to about 2 units in the last place.

    >>> import numpy as np, knetpy as kn
    >>> kn.erf(np.array([-np.inf, 0.0, 0.5]))
    array([-1.        ,  0.        ,  0.52049988])
    """
    return _erf(x)


@activation(x=lambda dy, x: dy * bell(x) * (-2 / math.sqrt(math.pi)))
def erfc(x):
    """1 - erf(x), elementwise, with full relative precision also where that is tiny.

    Parameters, returns, errors and derivative: as for `sigmoid`.

    >>> import numpy as np, knetpy as kn
    >>> kn.erfc(np.array([0.0, 10.0]))
    array([1.00000000e+00, 2.08848758e-45])
    """
    return _erfc(x)


# -------------------------------------------------------------------------------------------- smooth versions of relu


_softplus = curved("softplus", x=lambda dy, g, x, at: dy * g * (at[0] * peak(at[0] * x)))


def softplus(x, beta=1.0):
    """log(1 + exp(beta * x)) / beta, elementwise, without overflow: the larger beta, the closer to relu.

    Unlike PyTorch's it is nowhere replaced by x.

    Parameters, returns, errors and derivative: as for `sigmoid`; beta=1.0: a number above 0.

    >>> import numpy as np, knetpy as kn
    >>> kn.softplus(np.array([0.0, 10000.0]))
    array([6.93147181e-01, 1.00000000e+04])
    """
    return _softplus(x, at=(number("softplus", "beta", beta, above=0),))


@activation(x=lambda dy, x: dy * np.tanh(x))
def logcosh(x):
    """log(cosh(x)), elementwise, without overflow or loss of precision: x * x / 2 near 0, |x| - log(2) far out.

    Parameters, returns, errors and derivative: as for `sigmoid`.

    >>> import numpy as np, knetpy as kn
    >>> kn.logcosh(np.array([1e-5, 10000.0]))
    array([5.00000000e-11, 9.99930685e+03])
    """
    (x,) = as_floating("logcosh", x=x)
    size = np.abs(x)
    by_sinh = np.log1p(np.square(np.sinh(np.minimum(size, 1)))) / 2
    return np.where(size < 1, by_sinh, size - math.log(2) + np.log1p(np.square(np.exp(-size))))[()]


@activation(x=lambda dy, x, softness: dy * (np.sin(np.arctan(x / math.sqrt(softness))) + 1) / 2)
def _squareplus(x, *, softness):
    (x,) = as_floating("squareplus", x=x)
    return np.maximum(x, 0) + softness / 4 / (np.hypot(x, math.sqrt(softness)) / 2 + np.abs(x) / 2)


def squareplus(x, softness=4.0):
    """(x + sqrt(x * x + softness)) / 2, elementwise, without overflow.

    Parameters, returns, errors and derivative: as for `sigmoid`; softness=4.0: a number above 0.
    Source: Barron, "Squareplus: a softplus-like algebraic rectifier", 2021.

    >>> import numpy as np, knetpy as kn
    >>> kn.squareplus(np.array([0.0, 1.5]))
    array([1., 2.])
    """
    return _squareplus(x, softness=number("squareplus", "softness", softness, above=0))


@activation(x=lambda dy, x: dy * (near(x, 1) + 1) / 2)
def sparseplus(x):
    """0 up to -1, (x + 1)^2 / 4 from there to 1, and x beyond: its derivative is a straight line between 0 and 1.

    Parameters, returns and errors: as for `sigmoid`.

    >>> import numpy as np, knetpy as kn
    >>> kn.sparseplus(np.array([-2.0, 0.0, 3.0]))
    array([0.  , 0.25, 3.  ])
    """
    (x,) = as_floating("sparseplus", x=x)
    return np.where(np.greater_equal(x, 1), x, np.square(near(x, 1) + 1) / 4)[()]


def _elu_curve(x, low, _, rate):
    return np.where(x < 0, low * rate * rate * np.exp(np.minimum(x, 0) * rate), 0)


_elu, _selu, _celu = [  # high * x above 0, and low * (exp(rate * x) - 1) below
    curved("elu", called, x=lambda dy, g, x, at: dy * g * _elu_curve(x, *at)) for called in ("elu", "selu", "celu")
]


def elu(x, alpha=1.0):
    """x where x > 0, and alpha * (exp(x) - 1) elsewhere. The derivative is `alpha` at 0.

    Parameters, returns and errors: as for `sigmoid`; alpha=1.0: a number.
    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear units
      (ELUs)", 2015.

    >>> import numpy as np, knetpy as kn
    >>> kn.elu(np.array([-np.inf, 2.0]))
    array([-1.,  2.])
    """
    return _elu(x, at=(number("elu", "alpha", alpha), 1.0, 1.0))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(x):
    """1.0507 * elu(x, 1.6733): keeps mean 0 and variance 1 through layers; `alpha_dropout` goes with it.

    Parameters, returns and errors: as for `sigmoid`.
    Derivative: that of `elu` by this alpha, times 1.0507: 1.758 at 0.
    Source: Klambauer et al., "Self-normalizing neural networks", 2017.

    >>> import numpy as np, knetpy as kn
    >>> kn.selu(np.array([-np.inf, 1.0]))
    array([-1.75809934,  1.05070099])
    """
    return _selu(x, at=(SELU_SCALE * SELU_ALPHA, SELU_SCALE, 1.0))


def celu(x, alpha=1.0):
    """x where x > 0, and alpha * (exp(x / alpha) - 1) elsewhere: elu with derivative 1 at 0.

    Parameters, returns and errors: as for `sigmoid`; alpha=1.0: a number above 0.
    Source: Barron, "Continuously differentiable exponential linear units", 2017.

    >>> import numpy as np, knetpy as kn
    >>> kn.celu(np.array([-np.inf, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    alpha = number("celu", "alpha", alpha, above=0)
    return _celu(x, at=(alpha, 1.0, 1 / alpha))
