"""Scalar functions for the inner loops of kernels: LLVM turns such a loop into vector instructions.

They are compiled into the loop (`forceinline`), or it would stay as it is. One source serves float32 and float64:
`number` and `polynomial` make constants of the type of their argument. No function branches; infinities and NaN come
out right by themselves. Largest errors in units in the last place, of all numbers of float32 and of many of float64:
exp 1.0 and 0.9, sigmoid 1.5 and 1.4, tanh 1.99 and 1.97, erf 1.1 and 1.0; where no part of it is a denormal number,
erfc 5.0 and 5.1, gelu 5.3 and 4.3, and silu, x * sigmoid(x), 2.4 and 2.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numba.extending import intrinsic

from knetpy.kernels.cpu.codegen.expcode import LIFT, Code, stretched
from knetpy.kernels.cpu.jit import jit


def written(write: Callable) -> Any:
    """Return the function of one number whose instructions `write(code, x)` writes."""

    @intrinsic
    def function(typing, x):
        def generate(context, builder, signature, values):
            return write(Code(builder, values[0].type), values[0])

        return x(x), generate

    return function


def number(single: float, double: float | None = None) -> Any:
    """Return f with f(x), in a kernel, a constant of the type of x: `single` for float32, `double` for float64."""
    return polynomial((single,), (single if double is None else double,))


def polynomial(single: Sequence[float], double: Sequence[float]) -> Any:
    """Return f with f(x), in a kernel, the polynomial with these coefficients, from the highest power down."""
    return written(lambda code, x: code.polynomial((single, double)[code.double], x))


def rational(up: Sequence, down: Sequence) -> Any:
    """Return f with f(x), in a kernel, the quotient of two polynomials; of each, those for float32 and float64."""

    def write(code, x):
        square = code.b.fmul(x, x)
        return code.b.fdiv(*[code.polynomial_by_square(part[code.double], x, square) for part in (up, down)])

    return written(write)


zero, half, one, two = number(0.0), number(0.5), number(1.0), number(2.0)


# ------------------------------------------------------------------------------------------------------ exp


exp = written(Code.exp)
expm1_below = written(Code.expm1_below)
_half_less = written(lambda code, x: code.expm1_below(x, -2.0))
exp_of_minus = written(lambda code, x: code.exp_below(x, -1.0))  # from x = 0 on


@intrinsic
def _signed(typing, x, y):
    """|x| with the sign of y."""
    return x(x, y), lambda context, builder, signature, values: Code(builder, values[0].type).copysign(*values)


@jit(forceinline=True)
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    e = exp_of_minus(abs(x))
    return _quotient(one(x) if x >= zero(x) else e, e)


@jit(forceinline=True)
def sigmoids(x):
    """sigmoid(x) and sigmoid(-x): each has its last digits where it is small."""
    e = exp_of_minus(abs(x))
    large = one(x) / (one(x) + e)
    small = large * e
    return (large, small) if x >= zero(x) else (small, large)


@jit(forceinline=True)
def tanh(x):
    """The hyperbolic tangent, of (1 - exp(-2 |x|)) / 2, whose own last digits are right where it is small."""
    e = _half_less(abs(x))
    return _signed(_quotient(e, -e), x)


@jit(forceinline=True)
def _quotient(x, y):
    """x / (1 + y), for a sum from 1/2 to 2 that is not rounded before it divides."""
    inverse = one(x) / (one(x) + y)
    z = x * inverse
    return z + ((x - z) - y * z) * inverse


_LOG = polynomial(  # (atanh(s) / s - 1) / s^2 by s^2, up to s = 1 / 3
    (0.11612165, 0.108532876, 0.142961785, 0.199998528, 0.333333343),
    (
        *(0.08082022805971766, 0.04400369243072337, 0.06000536404795356, 0.06657072104827468),
        *(0.07692785032479312, 0.09090894718066429, 0.11111111358713932, 0.1428571428355438),
        *(0.20000000000007292, 0.3333333333333333),
    ),
)


@jit(forceinline=True)
def log1p_unit(x):
    """log(1 + x) from x = 0 to 1: it is 2 atanh(x / (2 + x))."""
    s = x / (x + two(x))
    square = s * s
    s += s
    return s + s * square * _LOG(square)


# ---------------------------------------------------------------------------------------- the error function

_ERF = polynomial(  # erf(x) / x - 1 by x^2, up to x = 1
    (7.87587487e-05, -0.00080168643, 0.00518908724, -0.0268542115, 0.112835944, -0.37612626, 0.128379166),
    (
        *(5.957176147748911e-11, -1.1372848856791674e-09, 1.4659775274047436e-08, -1.6350312701054695e-07),
        *(1.6461000484121368e-06, -1.4925595266831182e-05, 0.0001205533111164271, -0.000854832698083379),
        *(0.0052239776248180145, -0.026866170645076792, 0.11283791670954879, -0.3761263890318375, 0.1283791670955126),
    ),
)


def _lowered(pair, factor):
    """Two polynomials times a factor and 2^-LIFT."""
    return [[c * factor * 2.0**-lift for c in coefficients] for coefficients, lift in zip(pair, LIFT)]


# exp(x^2 / 2) erfc(x / sqrt(2)) as far as that is not 0: numerator and denominator
_UP = (
    (0.008187247440218925, 0.08098871260881424, 0.36568883061408997, 0.8756011724472046, 1.0),
    (
        *(2.7761689723869622e-06, 7.46147475048078e-05, 0.0009820009143678738, 0.008186655908384058),
        *(0.04728249580416244, 0.19552143001824526, 0.5789376430438994, 1.1884723576461156),
        *(1.550008836703599, 1.0),
    ),
)
_DOWN = (
    (0.010261071845889091, 0.10151081532239914, 0.46843287348747253, 1.2009333372116089, 1.6734861135482788, 1.0),
    (
        *(3.479411820679384e-06, 9.351571789789474e-05, 0.0012342350408517278, 0.010353967294136575),
        *(0.06048361766599239, 0.25512318090798514, 0.7824240785613314, 1.7149892895238006),
        *(2.5618202499278233, 2.347893397506454, 1.0),
    ),
)
# exp(x^2) erfc(x): in float32 by itself, so that coefficients are rounded well
_UP_ERFC = (
    (0.032770849764347076, 0.22919195890426636, 0.7316451072692871, 1.2385562658309937, 1.0),
    stretched(_UP[1], math.sqrt(2)),
)
_DOWN_ERFC = (
    (0.058084141463041306, 0.4062580466270447, 1.3254237174987793, 2.4024384021759033, 2.3669357299804688, 1.0),
    stretched(_DOWN[1], math.sqrt(2)),
)
_FAR, _FAR_NORMAL = number(10.3, 27.5), number(14.6, 39.0)  # from here on erfc, and the normal density, are 0
_PEAK = number(*[2.0**-lift / math.sqrt(2 * math.pi) for lift in LIFT])  # of the normal density, as `_bell` has it
_bell = written(lambda code, x: code.bell(x, -1.0))
_normal_bell = written(lambda code, x: code.bell(x, -0.5))
_rough_bell = written(lambda code, x: code.lifted(code.b.fmul(x, x), factor=-1.0))
_under_bell = rational(_lowered(_UP_ERFC, 1.0), _DOWN_ERFC)
_under_normal_bell = rational(_lowered(_UP, 0.5), _DOWN)


@jit(forceinline=True)
def erf(x):
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    size = abs(x)
    size = _FAR(x) if size > _FAR(x) else size
    far = one(x) - _rough_bell(size) * _under_bell(size)
    return _near_erf(x) if size < one(x) else _signed(far, x)


@jit(forceinline=True)
def erfc(x):
    """1 - erf(x), with its full relative precision also where it is tiny."""
    size = abs(x)
    size = _FAR(x) if size > _FAR(x) else size
    far = _bell(size) * _under_bell(size)
    return one(x) - _near_erf(x) if size < half(x) else (two(x) - far if x < zero(x) else far)


@jit(forceinline=True)
def _near_erf(x):
    return x + x * _ERF(x * x)


@jit(forceinline=True)
def gelu(x):
    """x times the share of the standard normal distribution that lies below x: max(x, 0) minus the tail's |x|."""
    size = abs(x)
    size = _FAR_NORMAL(x) if size > _FAR_NORMAL(x) else size
    tail = _normal_bell(size) * _under_normal_bell(size)
    return (zero(x) if x < zero(x) else x) - size * tail


@jit(forceinline=True)
def gelu_slope(x):
    """The derivative of gelu: of its tail below 0, 1 minus that above."""
    size = abs(x)
    size = _FAR_NORMAL(x) if size > _FAR_NORMAL(x) else size
    tail = _normal_bell(size) * (_under_normal_bell(size) - size * _PEAK(x))
    return one(x) - tail if x > zero(x) else tail
