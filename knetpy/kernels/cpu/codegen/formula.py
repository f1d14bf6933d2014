"""From a formula for one element to vector code."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from llvmlite import ir

from knetpy.kernels.cpu.codegen.vectors import BITS, I64, Vectors, routine
from knetpy.kernels.formula import Formula

DOUBLE = ir.DoubleType()
# Where NumPy's C API has the address of the elements in an array's object: to ask for it in Python takes ten times
# as long as reading it.
DATA = object.__basicsize__


def compiled(formula: Formula, arrays: int, dtype: str, bits: int = BITS) -> int:
    """Return the address of a routine (row, numbers, start, count) for elements of `dtype`, "f" or "d".

    row: address of what `id` says of `arrays` arrays, the first arguments of the formula; numbers: address of float64
    numbers, the others. Of the elements from `start` on, `count` are computed; results go to all arrays but the
    second.
    """

    def write(builder, row, numbers, start, count):
        v = _Elementwise(builder, dtype, bits)
        objects = [v.read(row, n) for n in range(arrays)]
        places = [v.at(v.address(v.read(array, DATA // 8)), v.align, start) for array in objects]
        scalars = [v.copies(v.number(numbers, n)) for n in range(formula.arguments - arrays)]
        for at, mask in v.parts(count):
            v.compute(formula, places, scalars, at, mask)

    key = sha256(repr(formula).encode()).hexdigest()[:16]
    return routine(f"{key}-{arrays}{dtype}{bits}", 4, write, fastmath=False)


class _Elementwise(Vectors):
    def compute(self, formula: Formula, places: list, scalars: list, at: Any, mask: Any) -> None:
        """One vector of elements from `at` on, or those of it that the mask shows."""
        places = [self.at(place, self.align, at) for place in places]
        values = [self.load(place, mask=mask) for place in places] + scalars
        for name, *operands in formula.instructions:
            known = [values[x] if isinstance(x, int) else self.constant(x) for x in operands]
            values.append(INSTRUCTIONS[name](self, *known))
        for place, result in zip([places[0], *places[2:]], formula.results):
            self.store(values[result], place, mask=mask)

    def read(self, address: Any, n: int, kind: Any = I64) -> Any:
        """The n-th of the numbers of 8 bytes at an address."""
        return self.b.load(self.b.bitcast(self.at(self.address(address), 8, n), kind.as_pointer()))

    def number(self, address: Any, n: int) -> Any:
        """The n-th of the float64 numbers at an address, in the dtype of the vectors."""
        number = self.read(address, n, DOUBLE)
        return number if self.element == DOUBLE else self.b.fptrunc(number, self.element)

    def call(self, name: str, x: Any) -> Any:
        """LLVM's function `name` of each element."""
        return self.b.call(self.declare(name, self.vector, [self.vector]), [x])

    def larger(self, x: Any, y: Any, sign: str) -> Any:
        """x where it is the larger (">=") or smaller ("<=") one or NaN, else y."""
        first = self.b.or_(self.b.fcmp_ordered(sign, x, y), self.b.fcmp_unordered("uno", x, x))
        return self.b.select(first, x, y)

    def sign(self, x: Any) -> Any:
        """-1, 0, 1 or NaN."""
        positive, negative, zero = (self.b.fcmp_ordered(sign, x, self.zero) for sign in (">", "<", "=="))
        rest = self.b.select(negative, self.constant(-1.0), self.b.select(zero, self.zero, x))
        return self.b.select(positive, self.constant(1.0), rest)


INSTRUCTIONS: dict[str, Callable] = {
    "add": lambda v, x, y: v.b.fadd(x, y),
    "subtract": lambda v, x, y: v.b.fsub(x, y),
    "multiply": lambda v, x, y: v.b.fmul(x, y),
    "divide": lambda v, x, y: v.b.fdiv(x, y),
    "negative": lambda v, x: v.b.fneg(x),
    "square": lambda v, x: v.b.fmul(x, x),
    "sqrt": lambda v, x: v.call("sqrt", x),
    "absolute": lambda v, x: v.call("fabs", x),
    "maximum": lambda v, x, y: v.larger(x, y, ">="),
    "minimum": lambda v, x, y: v.larger(x, y, "<="),
    "sign": lambda v, x: v.sign(x),
}
