"""The exponential and what it is made of, as LLVM instructions for one number or for a vector of them.

One source serves float32 and float64, the loops that LLVM turns into vector instructions (`vecmath`) and the routines
that are written for vectors (`Vectors`).
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba.core import cgutils

# For float32 and float64.
LOWEST = -104.0, -746.0  # below, exp is 0
HIGHEST = 89.0, 710.0  # above, it is Inf
MINUS_ONE = -40.0, -40.0  # below, exp(x) - 1 is -1
LN2_HIGH = 0.693145751953125, 0.6931471805592082  # few digits: its multiples are exact
LN2_LOW = 1.428606765330187e-06, 7.371002565167799e-13
ROUND = 1.5 * 2**23, 1.5 * 2**52  # added to x, its last digit counts ones
LIFT = 64, 512  # exp(x) * 2^LIFT is no denormal number where exp(x) is not 0
EXP = (  # (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2
    (0.00139262504, 0.00836323295, 0.0416665524, 0.166665763, 0.5),
    (
        *(2.5100472505694996e-08, 2.7620201591031547e-07, 2.7557268276905696e-06, 2.4801521057868204e-05),
        *(0.00019841269863171557, 0.0013888888917367081, 0.008333333333330039, 0.041666666666623824),
        *(0.16666666666666669, 0.5000000000000001),
    ),
)


def stretched(coefficients: Any, factor: float) -> list[float]:
    """The polynomial with these coefficients, from the highest power down, of factor * x."""
    return [c * factor**k for k, c in zip(reversed(range(len(coefficients))), coefficients)]


class Code:
    """Writes instructions for numbers of one type: float, double or a vector of either."""

    def __init__(self, builder: Any, kind: Any):
        self.b, self.kind = builder, kind
        self.lanes = getattr(kind, "count", 0)
        element = kind.element if self.lanes else kind
        self.double = int(element == ir.DoubleType())
        self.bits, self.digits = ((32, 23), (64, 52))[self.double]
        self.unit = 2 ** (self.bits - self.digits - 2) - 1  # the exponent of 1
        whole = ir.IntType(self.bits)
        self.integers = ir.VectorType(whole, self.lanes) if self.lanes else whole

    def number(self, value: float) -> Any:
        return self._constant(self.kind, float(value))

    def whole(self, value: int) -> Any:
        return self._constant(self.integers, value)

    def _constant(self, kind, value):
        return ir.Constant(kind, [value] * self.lanes if self.lanes else value)

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """x * y + z: one rounding where the machine has such an instruction, two where it has none."""
        return self.b.call(self._declare("fmuladd", 3), [x, y, z])

    def _declare(self, name, operands):
        suffix = f"v{self.lanes}f{self.bits}" if self.lanes else f"f{self.bits}"
        kind = ir.FunctionType(self.kind, [self.kind] * operands)
        return cgutils.get_or_insert_function(self.b.module, kind, f"llvm.{name}.{suffix}")

    def polynomial(self, coefficients: Any, x: Any) -> Any:
        """The polynomial with these coefficients, from the highest power down."""
        y = self.number(coefficients[0])
        for coefficient in coefficients[1:]:
            y = self.multiply_add(y, x, self.number(coefficient))
        return y

    def polynomial_by_square(self, coefficients: Any, x: Any, square: Any) -> Any:
        """The same, even and odd powers by themselves: errors of both halves of a quotient cancel."""
        odd, even = (self.polynomial(coefficients[-k::-2][::-1], square) for k in (2, 1))
        return self.multiply_add(odd, x, even)

    def cut(self, x: Any, low: float | None, high: float | None) -> Any:
        """x, no smaller than `low` and no larger than `high`."""
        for sign, bound in (("<", low), (">", high)):
            if bound is not None:
                bound = self.number(bound)
                x = self.b.select(self.b.fcmp_ordered(sign, x, bound), bound, x)
        return x

    def copysign(self, x: Any, y: Any) -> Any:
        """|x| with the sign of y."""
        return self.b.call(self._declare("copysign", 2), [x, y])

    # ------------------------------------------------------------------------------------------------ exp

    def exp(self, x: Any) -> Any:
        """e to the power x."""
        b = self.b
        shifted, r = self._reduced(self.cut(x, LOWEST[self.double], HIGHEST[self.double]), 2 * self.unit)
        n = b.and_(b.bitcast(shifted, self.integers), self.whole(4 * self.unit + 3))
        half = b.lshr(n, self.whole(1))  # in two steps, since 2^n itself may be too large or too small a number
        return b.fmul(b.fmul(self._near(r), self._power(half)), self._power(b.sub(n, half)))

    def exp_below(self, x: Any, factor: float = 1.0) -> Any:
        """e to the power factor * x <= 0; factor: 1, or minus a power of 2."""
        return self.b.fmul(
            self.lifted(self._above(x, LOWEST, factor), None, factor), self.number(2.0 ** -LIFT[self.double])
        )

    def lifted(self, x: Any, low: Any = None, factor: float = 1.0) -> Any:
        """e to the power factor * (x + low) from LOWEST to 0, as if the sum were exact, times 2^LIFT."""
        shifted, r = self._reduced(x, self.unit + LIFT[self.double], low, factor)
        return self.b.fmul(self._near(r, factor), self._power(self.b.bitcast(shifted, self.integers)))

    def expm1_below(self, x: Any, factor: float = 1.0) -> Any:
        """(exp(factor * x) - 1) / factor where factor * x <= 0; factor as above."""
        shifted, r = self._reduced(self._above(x, MINUS_ONE, factor), self.unit, None, factor)
        falling = [factor * c for c in stretched(EXP[self.double], factor)]
        less = self.multiply_add(self.b.fmul(r, r), self.polynomial(falling, r), r)
        power, inverse = self._power(self.b.bitcast(shifted, self.integers)), self.number(1 / factor)
        return self.multiply_add(power, less, self.multiply_add(power, inverse, self.number(-1 / factor)))

    def _above(self, x, pair, factor):
        """x, cut off where factor * x is the one of these bounds."""
        bound = pair[self.double] / factor
        return self.cut(x, bound, None) if factor > 0 else self.cut(x, None, bound)

    def _reduced(self, x, more, low=None, factor=1.0):
        """A number whose last digits are n + more, and r, of factor * (x + low) = n log(2) + factor * r."""
        shift, by_log = self.number(ROUND[self.double] + more), self.number(factor / math.log(2))
        shifted = self.multiply_add(x, by_log, shift)
        n = self.b.fsub(shifted, shift)
        minus_high, minus_low = (self.number(-part[self.double] / factor) for part in (LN2_HIGH, LN2_LOW))
        r = self.multiply_add(n, minus_high, x)
        if low is None:
            return shifted, self.multiply_add(n, minus_low, r)
        return shifted, self.b.fadd(r, self.multiply_add(n, minus_low, low))

    def _near(self, r, factor=1.0):
        """exp(factor * r) near 1."""
        return self.polynomial(stretched((*EXP[self.double], 1.0, 1.0), factor), r)

    def _power(self, n):
        """2 to a power: n, with the exponent of 1 added to it, in the last digits."""
        return self.b.bitcast(self.b.shl(n, self.whole(self.digits)), self.kind)

    def bell(self, x: Any, factor: float) -> Any:
        """exp(factor * x^2) * 2^LIFT: digits lost in x^2 would be lost in the result."""
        square = self.b.fmul(x, x)
        return self.lifted(square, self.b.fma(x, x, self.b.fneg(square)), factor)
