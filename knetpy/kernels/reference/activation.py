"""Activations with a fused kernel, and their derivatives; the error function, which NumPy lacks, and its complement.

These are computed by rational approximations on three intervals. Source: Cody, "Rational Chebyshev approximations for
the error function", Mathematics of Computation 23, 1969, tables II to IV: coefficients from the highest power down. The
relative error in float64 is about 2 units in the last place.
"""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.reference import reusing

Polynomials = tuple[tuple[float, ...], tuple[float, ...]]  # of the numerator and of the denominator

NEAR: Polynomials = (  # erf(x) / x by x^2, up to x = 0.46875
    (0.185777706184603153, 3.16112374387056560, 113.864154151050156, 377.485237685302021, 3209.37758913846947),
    (1, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062),
)
MIDDLE: Polynomials = (  # erfc(x) exp(x^2) by x, up to x = 4
    (
        *(2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295, 298.635138197400131),
        *(881.952221241769090, 1712.04761263407058, 2051.07837782607147, 1230.33935479799725),
    ),
    (
        *(1, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019),
        *(3290.79923573345963, 4362.61909014324716, 3439.36767414372164, 1230.33935480374942),
    ),
)
FAR: Polynomials = (  # (1 / sqrt(pi) - erfc(x) exp(x^2) x) x^2 by 1 / x^2, beyond
    (
        *(0.0163153871373020978, 0.305326634961232344, 0.360344899949804439, 0.125781726111229246),
        *(0.0160837851487422766, 0.000658749161529837803),
    ),
    (1, 2.56852019228982242, 1.87295284992346047, 0.527905102951428413, 0.0605183413124413191, 0.00233520497626869185),
)
SMALL = 0.46875  # up to which the first of them serves
ZERO = 27.5  # from here on erfc is 0 in float64


def erf(x: np.ndarray) -> np.ndarray:
    """Return 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    z = x.astype(np.float64)
    return np.where(np.abs(z) > SMALL, np.copysign(1 - _tail(np.abs(z)), z), _near(z)).astype(x.dtype)


def erfc(x: np.ndarray) -> np.ndarray:
    """Return 1 - erf(x), with full relative precision also where it is tiny."""
    z = x.astype(np.float64)
    tail = _tail(np.abs(z))
    return np.where(np.abs(z) > SMALL, np.where(z < 0, 2 - tail, tail), 1 - _near(z)).astype(x.dtype)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x))."""
    e = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), 1, e) / (1 + e)


@reusing
def sigmoid_dx(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy times the slope of sigmoid where its value is y."""
    return dy * y * (1 - y)


@reusing
def tanh_dx(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy times the slope of tanh where its value is y."""
    return dy * (1 - y * y)


def logsigmoid(x: np.ndarray) -> np.ndarray:
    """Return log(sigmoid(x))."""
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


@reusing
def logsigmoid_dx(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy times the slope of logsigmoid at x."""
    return dy * sigmoid(-x)


def softplus(x: np.ndarray, beta: float) -> np.ndarray:
    """Return log(1 + exp(beta x)) / beta."""
    return np.maximum(x, 0) + np.log1p(np.exp(-beta * np.abs(x))) / beta


@reusing
def softplus_dx(dy: np.ndarray, x: np.ndarray, beta: float) -> np.ndarray:
    """Return dy times the slope of softplus at x."""
    return dy * sigmoid(beta * x)


def elu(x: np.ndarray, low: float, high: float, rate: float) -> np.ndarray:
    """Return high x above 0, low (exp(rate x) - 1) elsewhere."""
    return high * np.maximum(x, 0) + low * np.expm1(rate * np.minimum(x, 0))


@reusing
def elu_dx(dy: np.ndarray, x: np.ndarray, low: float, high: float, rate: float) -> np.ndarray:
    """Return dy times the slope of elu at x."""
    return dy * np.where(x > 0, high, low * rate * np.exp(np.minimum(x, 0) * rate))


def silu(x: np.ndarray) -> np.ndarray:
    """Return x sigmoid(x)."""
    x = np.maximum(x, -1000)
    return x * sigmoid(x)


@reusing
def silu_dx(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy times the slope of silu at x."""
    return dy * (sigmoid(x) * (1 + np.clip(x, -1000, 1000) * sigmoid(-x)))


def gelu(x: np.ndarray) -> np.ndarray:
    """Return x times the share of the standard normal distribution below x."""
    x = np.maximum(x, -40)
    return x * _normal_share(x)


@reusing
def gelu_dx(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy times the slope of gelu at x."""
    x = np.clip(x, -40, 40)
    return dy * (_normal_share(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


CUBIC = 0.044715  # tanh(sqrt(2 / pi) * (x + CUBIC * x^3)) is nearly erf(x / sqrt(2))


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """Return gelu's older form by tanh."""
    return np.maximum(x, -25) * sigmoid(_cubic(np.clip(x, -25, 25)))  # (1 + tanh(u)) / 2 = sigmoid(2 * u)


@reusing
def gelu_tanh_dx(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy times the slope of gelu_tanh at x."""
    x = np.clip(x, -25, 25)
    u, slope = _cubic(x), math.sqrt(8 / math.pi) * (1 + 3 * CUBIC * x * x)
    return dy * sigmoid(u) * (1 + x * slope * sigmoid(-u))


def _cubic(x):
    return math.sqrt(8 / math.pi) * (x + CUBIC * x * x * x)


def mish(x: np.ndarray) -> np.ndarray:
    """Return x tanh(softplus(x))."""
    return np.maximum(x, -1000) * np.tanh(softplus(x, 1.0))


@reusing
def mish_dx(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy times the slope of mish at x."""
    gate = np.tanh(softplus(x, 1.0))
    return dy * (gate + np.clip(x, -1000, 1000) * (1 - gate * gate) * sigmoid(x))


def _normal_share(x):
    return erfc(-math.sqrt(1 / 2) * x) * 0.5


def _near(x):
    """erf(x) from -SMALL to SMALL, as x and a smaller correction: fewer roundings count."""
    above, below = NEAR
    x = np.clip(x, -SMALL, SMALL)
    return x + x * _ratio(([a - b for a, b in zip(above, below)], below), x * x)


def _tail(x):
    """erfc(x) from SMALL on."""
    x = np.clip(x, SMALL, ZERO)
    scaled = np.where(x > 4, _beyond(np.maximum(x, 4)), _ratio(MIDDLE, x))
    coarse = np.trunc(16 * x) / 16  # its square is exact, as that of x is not: no digits are lost in exp
    return scaled * np.exp(-coarse * coarse) * np.exp(-(x - coarse) * (x + coarse))


def _beyond(x):
    """erfc(x) exp(x^2) from 4 on."""
    square = 1 / (x * x)
    return (1 / np.sqrt(np.pi) - square * _ratio(FAR, square)) / x


def _ratio(polynomials, x):
    above, below = [_polynomial(coefficients, x) for coefficients in polynomials]
    return above / below


def _polynomial(coefficients, x):
    y = coefficients[0]
    for c in coefficients[1:]:
        y = y * x + c
    return y
