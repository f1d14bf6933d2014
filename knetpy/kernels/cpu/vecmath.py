"""Scalar functions for the inner loops of kernels: LLVM turns such a loop into vector instructions.

They are compiled into the loop (`forceinline`), or it would stay as it is. One source serves float32 and float64:
`number` and `polynomial` make constants of the type of their argument. No function branches; infinities and NaN come
out right by themselves. Largest errors found, in units in the last place of float32 and of float64: exp 1.05 and 1.02,
sigmoid 2.4 and 1.8, tanh below 3, erf 1.2 and 1.0, erfc 4.5 and 4.5 where it is no denormal number.
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
    return exp_of_sum(_HIGHEST(x) if x > _HIGHEST(x) else x, zero(x))


@jit(forceinline=True)
def exp_of_sum(x, low):
    """e to the power x + low, as if the sum were exact, for |low| < 1 and an x within the range of exp."""
    shifted, less = _reduced(x, low)
    return _by_power_of_2(one(x) + less, shifted)


@jit(forceinline=True)
def _reduced(x, low):
    """n + _ROUND and exp(r) - 1 of x + low = n log(2) + r."""
    shifted = (x + low) * _BY_LN2(x) + _ROUND(x)
    n = shifted - _ROUND(x)
    r = ((x - n * _LN2_HIGH(x)) + low) - n * _LN2_LOW(x)
    return shifted, r + r * r * _EXP(r)


@intrinsic
def _by_power_of_2(typing, y, shifted):
    """y 2^n, for n + _ROUND; in two steps, since 2^n itself may be too large or too small a number."""
    bits, digits = (32, 23) if y == types.float32 else (64, 52)

    def generate(context, builder, signature, values):
        y, shifted = values
        whole = ir.IntType(bits)
        unit = 2 ** (bits - digits - 2) - 1  # the exponent of 1
        n = builder.sub(builder.bitcast(shifted, whole), whole(((unit + digits) << digits) + (1 << (digits - 1))))
        first = builder.ashr(n, whole(1))
        for part in (first, builder.sub(n, first)):
            power = builder.shl(builder.add(part, whole(unit)), whole(digits))
            y = builder.fmul(y, builder.bitcast(power, y.type))
        return y

    return y(y, shifted), generate


@jit(forceinline=True)
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    e = exp(-abs(x))
    return (one(x) if x >= zero(x) else e) / (one(x) + e)


@jit(forceinline=True)
def tanh(x):
    """The hyperbolic tangent, of exp(-2 |x|) - 1, whose own last digits are right where it is small."""
    far = -two(x) * abs(x)
    shifted, less = _reduced(_LOWEST(x) if far < _LOWEST(x) else far, zero(x))
    power = _by_power_of_2(one(x), shifted)
    e = power * less + (power - one(x))
    y = e / (e + two(x))
    return -y if x >= zero(x) else y


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
_COARSE = number(1.5 * 2**17, 1.5 * 2**42)  # added to x and taken off again, it leaves few digits
_FAR, _FAR_NORMAL = number(10.3, 27.5), number(14.5, 39.0)  # from here on erfc, and the normal density, are 0
_ROOT_HALF = number(math.sqrt(1 / 2))


@jit(forceinline=True)
def erf(x):
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    size = abs(x)
    far = one(x) - _far_erfc(size)
    return _near_erf(x) if size < one(x) else (-far if x < zero(x) else far)


@jit(forceinline=True)
def erfc(x):
    """1 - erf(x), with its full relative precision also where it is tiny."""
    size = abs(x)
    far = _far_erfc(size)
    return one(x) - _near_erf(x) if size < half(x) else (two(x) - far if x < zero(x) else far)


@jit(forceinline=True)
def _near_erf(x):
    return x + x * _ERF(x * x)


@jit(forceinline=True)
def _far_erfc(x):
    x = _FAR(x) if x > _FAR(x) else x
    return _tail(x, _bell(x, one(x)))


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
    """exp(-factor x^2): in two parts, the square of one is exact; digits lost in x^2 would be lost in the result."""
    high = (x + _COARSE(x)) - _COARSE(x)
    return exp_of_sum(-factor * (high * high), factor * ((high - x) * (high + x)))


@jit(forceinline=True)
def _tail(x, bell):
    """erfc(x) from 0 on, for exp(-x^2)."""
    middle = _MIDDLE(x)
    return bell * _SCALED((middle - x) / (middle + x)) / (middle + x)
