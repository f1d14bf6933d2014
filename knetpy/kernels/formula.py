"""A formula for one element, told by its instructions: what code is made of it for the CPU and for the GPU.

A formula is a function of arrays that is written with operators and NumPy's functions. Called with arrays it computes;
called with `Term`s it tells its instructions, which are compiled as they stand: no product is contracted with a sum,
so that all give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# The ufuncs that a formula may call, by name: what an operator stands for, and these.
KNOWN = frozenset(
    ("absolute", "add", "divide", "maximum", "minimum", "multiply", "negative", "sign", "sqrt", "square", "subtract")
)


class Formula(NamedTuple):
    """What a formula does: values are counted from the arguments on, then one for each instruction."""

    arguments: int
    instructions: tuple[tuple, ...]  # (name of the ufunc, operands: the number of a value, or a constant as a float)
    results: tuple[int, ...]


class Term(np.lib.mixins.NDArrayOperatorsMixin):
    """A value of a formula that is being recorded."""

    def __init__(self, instructions: list, number: int):
        self.instructions, self.number = instructions, number

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        known = all(type(x) in (Term, float, int) for x in operands) and ufunc.__name__ in KNOWN
        if method != "__call__" or options or not known:
            return NotImplemented  # NumPy raises a TypeError that names the function
        numbers = [x.number if isinstance(x, Term) else float(x) for x in operands]
        self.instructions.append((ufunc.__name__, *numbers))
        return Term(self.instructions, len(self.instructions) - 1)


def record(formula: Callable, arguments: int, results: int) -> Formula:
    """Return what a formula does with so many arguments; TypeError if it does what no instruction is known for."""
    instructions: list[tuple] = [()] * arguments
    terms = formula(*[Term(instructions, n) for n in range(arguments)])
    if [type(x) for x in terms] != [Term] * results:
        raise TypeError(f"it must return {results} arrays")
    return Formula(arguments, tuple(instructions[arguments:]), tuple(x.number for x in terms))
