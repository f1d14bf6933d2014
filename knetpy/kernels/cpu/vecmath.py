"""Scalar functions for the inner loops of kernels: LLVM turns such a loop into vector instructions.

They are compiled into the loop (`forceinline`), or it would stay as it is. One source serves float32 and float64:
`number` and `polynomial` make constants of the type of their argument. No function branches; infinities and NaN come
out right by themselves. Largest errors found, in units in the last place of float32 and of float64: exp 1.05 and 1.02,
sigmoid 2.3 and 1.8, tanh 2.5, erf 1.2 and 1.0, erfc 4.1 and 4.5 where it is no denormal number.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from knetpy.kernels.cpu.jit import jit


def number(single: float, double: float | None = None) -> Any:
    """Return f with f(x), in a kernel, a constant of the type of x: `single` for float32, `double` for float64."""
    return polynomial((single,), (single if double is None else double,))


def polynomial(single: tuple[float, ...], double: tuple[float, ...]) -> Any:
    """Return f with f(x), in a kernel, the polynomial with these coefficients, from the highest power down."""

    @intrinsic
    def function(typing, x):
        first, *others = single if x == types.float32 else double

        def generate(context, builder, signature, values):
            kind = values[0].type
            y = ir.Constant(kind, first)
            for coefficient in others:
                y = builder.fmul(y, values[0], flags=["contract"])
                y = builder.fadd(y, ir.Constant(kind, coefficient), flags=["contract"])
            return y

        return x(x), generate

    return function


zero, half, one, two = number(0.0), number(0.5), number(1.0), number(2.0)


# ------------------------------------------------------------------------------------------------------ exp

_LOWEST, _HIGHEST = number(-104.0, -746.0), number(89.0, 710.0)  # beyond: 0 and Inf
_MINUS_ONE = number(-40.0)  # beyond: exp(x) - 1 is -1
_BY_LN2 = number(1 / math.log(2))
_LN2_HIGH = number(0.693145751953125, 0.6931471805592082)  # few digits: its multiples are exact
_LN2_LOW = number(1.428606765330187e-06, 7.371002565167799e-13)
_ROUND = number(1.5 * 2**23, 1.5 * 2**52)  # added to x, its last digit counts ones
_EXP = polynomial(  # (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2
    (0.00139262504, 0.00836323295, 0.0416665524, 0.166665763, 0.5),
    (
        *(2.5100472505694996e-08, 2.7620201591031547e-07, 2.7557268276905696e-06, 2.4801521057868204e-05),
        *(0.00019841269863171557, 0.0013888888917367081, 0.008333333333330039, 0.041666666666623824),
        *(0.16666666666666669, 0.5000000000000001),
    ),
)


@jit(forceinline=True)
def exp(x):
    """e to the power x."""
    x = _LOWEST(x) if x < _LOWEST(x) else x
    shifted, less = _reduced(_HIGHEST(x) if x > _HIGHEST(x) else x, zero(x))
    return _by_power_of_2(one(x) + less, shifted)


@jit(forceinline=True)
def _exp_below(x, low):
    """e to the power x + low, as if the sum were exact, for an x from _LOWEST to 0 and a low within its last digit."""
    shifted, less = _reduced(x, low)
    return _by_small_power(one(x) + less, shifted)


@jit(forceinline=True)
def _reduced(x, low):
    """n + _ROUND and exp(r) - 1 of x + low = n log(2) + r."""
    shifted = x * _BY_LN2(x) + _ROUND(x)
    n = shifted - _ROUND(x)
    r = ((x - n * _LN2_HIGH(x)) + low) - n * _LN2_LOW(x)
    return shifted, r + r * r * _EXP(r)


def _scaling(powers):
    """A function of y and n + _ROUND: y times what `powers(builder, n, power)` returns."""

    @intrinsic
    def scaled(typing, y, shifted):
        bits, digits = (32, 23) if y == types.float32 else (64, 52)

        def generate(context, builder, signature, values):
            y, shifted = values
            whole = ir.IntType(bits)
            unit = 2 ** (bits - digits - 2) - 1  # the exponent of 1

            def power(n, more=0):
                """2 to the power n + more."""
                return builder.bitcast(builder.shl(builder.add(n, whole(unit + more)), whole(digits)), y.type)

            n = builder.sub(builder.bitcast(shifted, whole), whole(((unit + digits) << digits) + (1 << (digits - 1))))
            for factor in powers(builder, n, power):
                y = builder.fmul(y, factor)
            return y

        return y(y, shifted), generate

    return scaled


@_scaling
def _by_power_of_2(builder, n, power):
    """In two steps, since 2^n itself may be too large or too small a number."""
    first = builder.ashr(n, n.type(1))
    return power(first), power(builder.sub(n, first))


@_scaling
def _by_small_power(builder, n, power):
    """For n up to 0: only 2^n may be too small."""
    large = 64 if n.type.width == 32 else 512
    return power(n, large), ir.Constant(power(n).type, 2.0**-large)


@_scaling
def _by_normal_power(builder, n, power):
    """For a 2^n that is a normal number."""
    return (power(n),)


@jit(forceinline=True)
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    e = exp_of_minus(abs(x))
    return (one(x) if x >= zero(x) else e) / (one(x) + e)


@jit(forceinline=True)
def sigmoids(x):
    """sigmoid(x) and sigmoid(-x): each has its last digits where it is small."""
    e = exp_of_minus(abs(x))
    large = one(x) / (one(x) + e)
    small = large * e
    return (large, small) if x >= zero(x) else (small, large)


@jit(forceinline=True)
def exp_of_minus(x):
    """e to the power -x from x = 0 on."""
    x = -_LOWEST(x) if x > -_LOWEST(x) else x
    return _exp_below(-x, zero(x))


@jit(forceinline=True)
def tanh(x):
    """The hyperbolic tangent, of exp(-2 |x|) - 1, whose own last digits are right where it is small."""
    far = -two(x) * abs(x)
    e = expm1_below(far)
    y = e / (e + two(x))
    return -y if x >= zero(x) else y


@jit(forceinline=True)
def expm1_below(x):
    """exp(x) - 1 for x up to 0."""
    shifted, less = _reduced(_MINUS_ONE(x) if x < _MINUS_ONE(x) else x, zero(x))
    power = _by_normal_power(one(x), shifted)
    return power * less + (power - one(x))


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
_MIDDLE = number(3.0, 4.0)
_SCALED = polynomial(  # exp(x^2) erfc(x) (middle + x) by (middle - x) / (middle + x), as far as erfc is not 0
    (
        *(0.000333609147, -0.000498446345, -0.00307859946, -0.00121702871, 0.0268369187),
        *(0.119527169, 0.310466588, 0.590228438, 0.88339448, 1.07400692),
    ),
    (
        *(
            8.931594027409275e-10,
            6.849142850479368e-10,
            -1.5222228416539406e-08,
            -3.4980198848456312e-09,
            1.2405724098798588e-07,
        ),
        *(
            7.910235686032615e-08,
            -8.464139072826046e-07,
            -1.4268958632223825e-06,
            4.694704270339872e-06,
            1.8862140720271332e-05,
        ),
        *(
            -3.6353303651929872e-06,
            -0.00017681318821308878,
            -0.00045505263734578,
            0.00028095893450075346,
            0.006112055648063928,
        ),
        *(0.026370053332490904, 0.07638151490998087, 0.17401093724042926, 0.33085158787798363, 0.5408538313132206),
        *(0.7732087022652375, 0.9765487290808821, 1.095995661000491),
    ),
)
_FAR, _FAR_NORMAL = number(10.3, 27.5), number(14.5, 39.0)  # from here on erfc, and the normal density, are 0
_ROOT_HALF = number(math.sqrt(1 / 2))


@jit(forceinline=True)
def erf(x):
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    size = abs(x)
    size = _FAR(x) if size > _FAR(x) else size
    far = one(x) - _tail(size, _bell(size, one(x)))
    return _near_erf(x) if size < one(x) else (-far if x < zero(x) else far)


@jit(forceinline=True)
def erfc(x):
    """1 - erf(x), with its full relative precision also where it is tiny."""
    size, middle = abs(x), _MIDDLE(x)
    size = _FAR(x) if size > _FAR(x) else size
    far = _bell(size, one(x)) * _SCALED((middle - size) / (middle + size)) / (middle + size)
    return one(x) - _near_erf(x) if size < half(x) else (two(x) - far if x < zero(x) else far)


@jit(forceinline=True)
def _near_erf(x):
    return x + x * _ERF(x * x)


@jit(forceinline=True)
def normal(x):
    """How much of the standard normal distribution lies below x, and exp(-x^2 / 2)."""
    size = abs(x)
    size = _FAR_NORMAL(x) if size > _FAR_NORMAL(x) else size
    bell = _bell(size, half(x))
    tail = half(x) * _tail(size * _ROOT_HALF(x), bell)
    return tail if x < zero(x) else one(x) - tail, bell


@jit(forceinline=True)
def _bell(x, factor):
    """exp(-factor x^2): digits lost in x^2 would be lost in the result."""
    square = x * x
    return _exp_below(-factor * square, -factor * _error_of_square(x, square))


@intrinsic
def _error_of_square(typing, x, square):
    """x^2 - square: what rounding took off."""

    def generate(context, builder, signature, values):
        x, square = values
        return builder.fma(x, x, builder.fneg(square))

    return x(x, square), generate


@jit(forceinline=True)
def _tail(x, bell):
    """erfc(x) from 0 on, for exp(-x^2): as erfc does it, with one division and another unit lost."""
    inverse = one(x) / (_MIDDLE(x) + x)
    return bell * inverse * _SCALED((_MIDDLE(x) - x) * inverse)
