"""One call, drawn: what families draw with, and what arrays look like in memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tests.ops import layouts


@dataclass(frozen=True)
class Draw:
    """One call: ours and theirs on arrays of one dtype; each returns one floating result or several."""

    about: object  # what was drawn, to be printed
    ours: Callable
    theirs: Callable
    arrays: list
    order: int = 2  # how many derivatives are compared
    special: object = True  # whether NaN and Inf give what PyTorch gives; or numbers of the arguments in which they do
    poison: tuple = (np.nan, np.inf, -np.inf)  # which of these do
    ties: bool = True  # whether equal numbers and kinks give it
    slack: float = 1.0  # times the tolerance, where a family loses more digits

    def __str__(self):
        arrays = ", ".join(f"{a.dtype.str}{a.shape} strides {a.strides}" for a in self.arrays)
        return f"{self.about} of {arrays}"


class Dice:
    """What a family draws with. The same seed draws the same."""

    def __init__(self, *seed):
        self.rng = np.random.default_rng(seed)

    def integer(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def chance(self, p):
        return bool(self.rng.random() < p)

    def pick(self, *options):
        return options[self.rng.integers(len(options))]

    def picks(self, count, *options):
        """A pick for each of so many axes; now and then the same for all."""
        return [self.pick(*options)] * count if self.chance(0.3) else [self.pick(*options) for _ in range(count)]

    def size(self, most=40, empty=0.02, one=0.15):
        """The length of an axis: mostly small, sometimes 0 or 1."""
        if self.chance(empty):
            return 0
        return 1 if self.chance(one) else self.integer(1, min(most, 9) if self.chance(0.5) else most)

    def sizes(self, low, high, most=40, empty=0.02):
        """The lengths of `low` to `high` axes."""
        return [self.size(most, empty) for _ in range(self.integer(low, high))]

    def dtype(self):
        return np.dtype(self.pick(np.float32, np.float64))

    def array(self, shape, dtype, scale=1.0):
        return np.array(self.rng.standard_normal(shape) * scale, dtype)


# ------------------------------------------------------------------------------------------- what arrays look like


def permuted(a, dice):
    order = dice.rng.permutation(a.ndim)
    return np.transpose(np.ascontiguousarray(np.transpose(a, order)), np.argsort(order))


def turned(a, dice):
    """Negative strides along some axes."""
    key = (*[slice(None, None, dice.pick(1, -1)) for _ in a.shape], ...)
    return np.ascontiguousarray(a[key])[key]


def stretched(a, dice):
    """One element along some axis, in no memory but its own: other numbers."""
    if not a.size or not a.ndim:
        return a
    axis = dice.integer(0, a.ndim - 1)
    return np.broadcast_to(np.take(a, [0], axis), a.shape)


FIXED = [layouts.channels_last, layouts.strided, layouts.locked, layouts.unaligned]
RANDOM = [permuted, turned, stretched]


def laid(a, dice):
    """The array in a layout that is drawn."""
    how = dice.pick(None, None, *FIXED, *(RANDOM if a.ndim else ()))
    return a if how is None else how(a, dice) if how in RANDOM else how(a)


def poisoned(a, dice, values):
    a = np.array(a)
    for _ in range(dice.integer(1, 2) if a.size else 0):
        a[tuple(dice.rng.integers(n) for n in a.shape)] = dice.pick(*values)
    return a


def dressed(draw, dice):
    """The draw with what is drawn for every family alike; `special` now says whether NaN or Inf is there."""
    arrays, special = list(draw.arrays), bool(draw.special) and dice.chance(0.12)
    if draw.ties and dice.chance(0.15):
        arrays = [np.array(np.round(a * 2) / 2, a.dtype) for a in arrays]
    if special:
        n = dice.pick(*(range(len(arrays)) if draw.special is True else draw.special))
        arrays[n] = poisoned(arrays[n], dice, draw.poison)
    swapped = dice.chance(0.04)
    return replace(draw, arrays=[layouts.swapped(a) if swapped else laid(a, dice) for a in arrays], special=special)


def plain(a, dtype=None):
    return np.array(a, dtype or a.dtype.newbyteorder("="), order="C")
