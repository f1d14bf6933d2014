"""NumPy's elementwise functions: each with its derivative, or declared to have none.

At kinks and ties the derivative is PyTorch's: `maximum` and `minimum` split ties evenly and pass it to NaN, `abs` has 0
at 0, `clip` 1 at its bounds, `sqrt` inf at 0, `x ** 0` 0 everywhere. Where PyTorch has NaN, `hypot` has 0 at 0, 0, and
`logaddexp` of the same infinity twice shares evenly, as `norm` and `logsumexp` do.
"""

import math

import numpy as np

from ..core.primitive import constant, primitive
from ..core.protocols import serve
from ..core.value import METHODS
from .activation import sigmoid
from .axes import refuse
from .complex import conjugated, is_complex
from .curve import served, slope_of
from .spelling import spells

LARGE = 1 << 12  # elements: of fewer, several steps of NumPy's take no longer than a kernel


def _ufunc(kernel, *also, **rules):
    return primitive(kernel, numpy=(kernel, *also), elementwise=True, **rules)


add = _ufunc(np.add, a=lambda dy: dy, b=lambda dy: dy)
subtract = _ufunc(np.subtract, a=lambda dy: dy, b=lambda dy: -dy)
multiply = _ufunc(np.multiply, a=lambda dy, b: dy * b, b=lambda dy, a: dy * a)
divide = _ufunc(np.true_divide, a=lambda dy, b: dy / b, b=lambda dy, y, b: -dy * y / b)
remainder = _ufunc(np.remainder, a=lambda dy: dy, b=lambda dy, a, b: -dy * np.floor_divide(a, b))
fmod = _ufunc(np.fmod, a=lambda dy: dy, b=lambda dy, a, b: -dy * np.trunc(a / b))


def _power_of_base(dy, a, b):
    if isinstance(b, (int, float, complex)):
        return dy * 0 if b == 0 else dy if b == 1 else dy * a * 2 if b == 2 else dy * (b * a ** (b - 1))
    one = dy.dtype.type(1)  # booleans and bytes are made floating by it, nothing is made wider
    return np.where(b == 0, 0, dy * (b * a ** np.where(b == 0, one, b - one)))


def _power_of_exponent(dy, y, a, b):
    flat = (a == 0) & (b >= 0)  # 0 ** b is 0 for every b > 0: no slope, though log(0) is infinite
    return np.where(flat, 0, dy * y * np.log(np.where(flat, dy.dtype.type(1), a)))  # a typed 1: a may be a mere number


power = _ufunc(np.power, a=_power_of_base, b=_power_of_exponent)
float_power = _ufunc(np.float_power, a=_power_of_base, b=_power_of_exponent)


def _height(x):
    """The root of 1 - x * x; of complex x on the side of the cut that the sign of its imaginary part, a zero, tells."""
    return np.sqrt(-(x * x - 1) if x.dtype.kind == "c" else 1 - x * x)


positive = _ufunc(np.positive, x=lambda dy: dy)
negative = _ufunc(np.negative, x=lambda dy: -dy)
absolute = _ufunc(np.absolute, x=lambda dy, x: dy * conjugated(np.sign(x)))
fabs = _ufunc(np.fabs, x=lambda dy, x: dy * np.sign(x))
conjugate = _ufunc(np.conjugate, x=lambda dy: conjugated(dy))
square = _ufunc(np.square, x=lambda dy, x: dy * x * 2)
reciprocal = _ufunc(np.reciprocal, x=lambda dy, y: -dy * y * y)
sqrt = _ufunc(np.sqrt, x=lambda dy, y: dy / (y * 2))
cbrt = _ufunc(np.cbrt, x=lambda dy, y: dy / (y * y * 3))
exp = _ufunc(np.exp, x=lambda dy, y: dy * y)
exp2 = _ufunc(np.exp2, x=lambda dy, y: dy * y * math.log(2))
expm1 = _ufunc(np.expm1, x=lambda dy, y: dy * (y + 1))
log = _ufunc(np.log, x=lambda dy, x: dy / x)
log2 = _ufunc(np.log2, x=lambda dy, x: dy / (x * math.log(2)))
log10 = _ufunc(np.log10, x=lambda dy, x: dy / (x * math.log(10)))
log1p = _ufunc(np.log1p, x=lambda dy, x: dy / (x + 1))
sin = _ufunc(np.sin, x=lambda dy, x: dy * np.cos(x))
cos = _ufunc(np.cos, x=lambda dy, x: -dy * np.sin(x))
tan = _ufunc(np.tan, x=lambda dy, y: dy * (y * y + 1))
arcsin = _ufunc(np.arcsin, x=lambda dy, x: dy / _height(x))
arccos = _ufunc(np.arccos, x=lambda dy, x: -dy / _height(x))
arctan = _ufunc(np.arctan, x=lambda dy, x: dy / (x * x + 1))
sinh = _ufunc(np.sinh, x=lambda dy, x: dy * np.cosh(x))
cosh = _ufunc(np.cosh, x=lambda dy, x: dy * np.sinh(x))
_tanh_slope = slope_of("tanh_dx", served("tanh_dx"), x=lambda dy, g, x: -2 * dy * g * x)  # x: the value of tanh
tanh = _ufunc(np.tanh, x=lambda dy, y: dy * (1 - y * y) if y.size < LARGE or is_complex(y) else _tanh_slope(dy, y))
arcsinh = _ufunc(np.arcsinh, x=lambda dy, x: dy / np.sqrt(x * x + 1))
arccosh = _ufunc(np.arccosh, x=lambda dy, x: dy / (np.sqrt(x - 1) * np.sqrt(x + 1)))  # of complex x, too
arctanh = _ufunc(np.arctanh, x=lambda dy, x: dy / (1 - x * x))
degrees = _ufunc(np.degrees, x=lambda dy: dy * (180 / math.pi))
radians = _ufunc(np.radians, x=lambda dy: dy * (math.pi / 180))
rad2deg = _ufunc(np.rad2deg, x=lambda dy: dy * (180 / math.pi))
deg2rad = _ufunc(np.deg2rad, x=lambda dy: dy * (math.pi / 180))


def _over_square(dy, x, a, b):
    """dy * x / (a * a + b * b) without overflow, and 0 at 0, 0."""
    origin = (a == 0) & (b == 0)
    radius = np.hypot(np.where(origin, dy.dtype.type(1), a), b)  # a typed 1: a may be a mere number
    return np.where(origin, 0, dy * (x / radius) / radius)  # and so are its derivatives


def _over_radius(dy, y, x):
    return dy * (x / np.where(y == 0, np.inf, y))  # 0, as are its derivatives


arctan2 = _ufunc(
    np.arctan2, a=lambda dy, a, b: _over_square(dy, b, a, b), b=lambda dy, a, b: _over_square(-dy, a, a, b)
)
hypot = _ufunc(np.hypot, a=lambda dy, y, a: _over_radius(dy, y, a), b=lambda dy, y, b: _over_radius(dy, y, b))


def _share(mine, other, scale=1.0):
    """exp(mine) / (exp(mine) + exp(other)); equal infinities share evenly."""
    return sigmoid(np.where(np.isinf(mine) & (mine == other), 0, mine - other) * scale)


logaddexp = _ufunc(np.logaddexp, a=lambda dy, a, b: dy * _share(a, b), b=lambda dy, a, b: dy * _share(b, a))
logaddexp2 = _ufunc(
    np.logaddexp2,
    a=lambda dy, a, b: dy * _share(a, b, math.log(2)),
    b=lambda dy, a, b: dy * _share(b, a, math.log(2)),
)
copysign = primitive(
    np.copysign,
    numpy=np.copysign,
    elementwise=True,
    a=lambda dy, a, b: dy * np.sign(a) * np.where(np.signbit(b), -1, 1).astype(a.dtype),
    b=None,
)
ldexp = primitive(np.ldexp, numpy=np.ldexp, elementwise=True, a=lambda dy, b: np.ldexp(dy, b), b=None)


def _chosen(dy, mine, other, worse):
    """The share of dy for the operand that was chosen unless `worse(mine, other)`; ties are split evenly."""
    return np.where(mine == other, dy / 2, np.where(worse(mine, other), 0, dy))


def _or_nan(worse):
    """`worse`, and NaN loses to a number."""
    return lambda mine, other: worse(mine, other) | (np.isnan(mine) & ~np.isnan(other))


def _extreme(kernel, worse):
    return _ufunc(kernel, a=lambda dy, a, b: _chosen(dy, a, b, worse), b=lambda dy, a, b: _chosen(dy, b, a, worse))


maximum, minimum = _extreme(np.maximum, np.less), _extreme(np.minimum, np.greater)
fmax, fmin = _extreme(np.fmax, _or_nan(np.less)), _extreme(np.fmin, _or_nan(np.greater))


@primitive(
    elementwise=True,
    condition=None,
    a=lambda dy, condition: np.where(condition, dy, 0),
    b=lambda dy, condition: np.where(condition, 0, dy),
)
def _where(condition, a, b):
    return np.where(condition, a, b)


@spells(np.where)
def where(condition, *choices):
    """`np.where`: elements of the first choice where `condition` holds, of the second elsewhere.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.where(x > 0, x, 0.1 * x).sum())(np.array([-2.0, 3.0]))
    array([0.1, 1. ])
    """
    if len(choices) == 1:
        raise ValueError("where: either both or neither of the two choices must be given")
    return _where(condition, *choices) if choices else np.nonzero(condition)


@primitive(
    elementwise=True,
    x=lambda dy, x, low, high: np.where(_within(x, low, high), dy, 0),
    low=lambda dy, x, low, high: np.where((x < low) & (True if high is None else low < high), dy, 0),
    high=lambda dy, x, low, high: np.where((x > high) | (False if low is None else low > high), dy, 0),
)
def _clip(x, low, high):
    return np.clip(x, low, high)


def _within(x, low, high):
    inside = True if low is None else x >= low
    return inside if high is None else (x <= high) & inside


@spells(np.clip)
def clip(x, a_min=None, a_max=None, out=None, *, min=None, max=None, **options):
    """`np.clip`; the derivative is 1 inside and at the bounds, 0 outside.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.clip(x, 0, 1).sum())(np.array([-1.0, 0.0, 0.5, 2.0]))
    array([0., 1., 1., 0.])
    """
    refuse("clip", out=out, **options)
    return _clip(x, a_min if min is None else min, a_max if max is None else max)


astype = primitive(lambda x, *, dtype: x.astype(dtype), name="astype", x=lambda dy: dy)  # recording gives x's dtype
_copy = primitive(lambda x: np.copy(x), name="copy", x=lambda dy: dy)


def _astype(x, dtype, *args, **options):
    """`x.astype(dtype)`: floating dtypes keep the derivative, others have none."""
    dtype = np.empty(0, x.dtype).astype(dtype, *args, **options).dtype  # NumPy checks the options
    return astype(x, dtype=dtype) if dtype.kind in "fc" else _as_constant(x, dtype=dtype)


_as_constant = constant(lambda x, *, dtype: x.astype(dtype), name="astype")
METHODS["astype"] = _astype
if hasattr(np, "astype"):  # NumPy 2.1
    serve(np.astype, _astype)
serve(np.copy, lambda x, order="K", subok=False: _copy(x))
METHODS["copy"] = lambda x, order="C": _copy(x)
METHODS["conj"] = conjugate
