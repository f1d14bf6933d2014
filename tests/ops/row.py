"""A row of the table of ops: how an op is called, on which arguments, and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """One way to call one op. `f` takes the arguments that derivatives are taken by, of these shapes."""

    name: str
    op: object  # what the row is about: NumPy's function, ".method", "operator", or a function of knetpy
    f: Callable
    shapes: tuple
    domain: str = "any"  # where arguments are drawn from, see `draw`; one for all, or words for each
    reference: Callable | None = None  # of an op of knetpy's own; of NumPy's functions it is `f` on plain arrays
    elementwise: bool = False
    twice: bool = True  # whether a second derivative exists
    exact: bool = True  # whether the value is NumPy's to the last bit
    edges: tuple = ()  # further shapes, empty ones and such of size one, on which value and gradient are taken
    special: bool = True  # whether it takes NaN and Inf


def _apart(rng, shapes):
    """Numbers in random order, 0.15 or more from each other and from 0."""
    count = sum(int(np.prod(s)) for s in shapes)
    numbers = rng.permutation(np.concatenate([np.arange(1, count + 1), -np.arange(1, count + 1)]))[:count] * 0.2
    numbers += rng.uniform(-0.02, 0.02, count)
    return [part.reshape(s) for part, s in zip(np.split(numbers, np.cumsum([int(np.prod(s)) for s in shapes])), shapes)]


def _signed(low, high):
    return lambda rng, shape: rng.uniform(low, high, shape) * rng.choice([-1.0, 1.0], shape)


_DOMAINS = {
    "any": lambda rng, shape: rng.normal(size=shape),
    "positive": lambda rng, shape: rng.uniform(0.5, 2, shape),
    "above1": lambda rng, shape: rng.uniform(1.2, 3, shape),
    "unit": lambda rng, shape: rng.uniform(-0.8, 0.8, shape),
    "chance": lambda rng, shape: rng.uniform(0.1, 0.9, shape),
    "near1": _signed(0.8, 1.2),
    "nonzero": _signed(0.4, 2),
    "dividend": _signed(5.1, 5.4),  # never near a multiple of a divisor
    "divisor": lambda rng, shape: rng.uniform(2.1, 2.3, shape),
}


def draw(row, rng, shapes=None):
    """float64 arguments for a row, in its domain."""
    shapes = row.shapes if shapes is None else shapes
    if row.domain == "apart":
        return [np.array(x) for x in _apart(rng, shapes)]
    words = row.domain.split() if " " in row.domain else [row.domain] * len(shapes)
    return [np.array(_DOMAINS[word](rng, shape)) for word, shape in zip(words, shapes)]


def own(name, op, reference, shapes, domain="any", **options):
    """A row for knetpy's own function `op`, called with options; the naive one takes the same."""
    given = options.pop("options", {})
    return Row(
        name,
        op,
        lambda *xs: op(*xs, **given),
        shapes,
        domain,
        lambda *xs: reference(*xs, **given),
        exact=False,
        **options,
    )


@dataclass(frozen=True)
class Wrong:
    """A call that must be refused, with what the message must say."""

    name: str
    f: Callable
    shapes: tuple
    error: type
    facts: tuple
    plain: bool = False  # whether knetpy also answers for plain arrays


EMPTY = (((0,),), ((2, 0),), ((1, 1),), ((),))  # edges of an elementwise op
