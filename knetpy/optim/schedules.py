"""Schedules: functions of the step that stand for a setting, such as `kn.Adam(lr=kn.schedules.Cosine(1e-3, 10_000))`.

A setting may be any function of one integer: it is asked at every update with the number of updates before it, so with
0 at the first; of arrays that were not updated equally often that is the number of the most updated one. Those here
print, compare, copy and pickle as what they were made of. What they take: learning rates and other numbers of at least
0, steps that are integers of at least 1; TypeError and ValueError for others. Where one of them is followed by another,
that begins with its own step 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..calls import told_class
from ..ops.arguments import flag, number, whole
from .plateau import Plateau

# fmt: off
__all__ = [
    "Constant", "Cosine", "Exponential", "InverseSqrt", "OneCycle", "Piecewise", "Plateau", "Polynomial", "Step",
    "Warmup",
]
# fmt: on

Part = float | Callable[[int], float]  # a number, or a schedule


def _check(schedule: Any, steps: tuple[str, ...] = (), others: tuple[str, ...] = (), **most: float) -> None:
    """Check the fields but `others`: those in `steps` are integers of at least 1, the rest from 0 to their `most`."""
    name = type(schedule).__name__
    for field in [field for field in vars(schedule) if field not in others]:
        given = vars(schedule)[field]
        value = whole(given) if field in steps else number(name, field, given, 0, most.get(field, math.inf))
        if field in steps and (value or 0) < 1:
            way = f"; write int({given!r})" if isinstance(given, float) and given >= 1 else ""
            raise ValueError(f"{name}: {field} must be an integer of at least 1, got {given!r}{way}")
        object.__setattr__(schedule, field, value)  # a number of Python's, of whatever kind was given


def _check_part(name: str, field: str, part: Part) -> None:
    if isinstance(part, type):
        raise TypeError(f"{name}: {field} is the class {part.__name__}; make one, such as {part.__name__}(...)")
    if not callable(part):
        number(name, field, part, 0)


def _at(part: Part, step: int) -> float:
    return part(step) if callable(part) else part


def _between(first: float, last: float, share: float) -> float:
    """Half a cosine wave from `first` to `last`."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


@told_class
@dataclass(frozen=True)
class Constant:
    """The same at every step; a number says it as well.

    Parameters:
      lr: a number of at least 0.

    >>> import knetpy as kn
    >>> kn.schedules.Constant(0.1)(1000)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, step: int) -> float:
        return self.lr


@told_class
@dataclass(frozen=True)
class Step:
    """Multiplied by a factor after every so many steps: lr * factor ** (step // every).

    Parameters:
      lr: the first one; every: how many steps each holds.
      factor=0.1: at least 0.

    >>> import knetpy as kn
    >>> [kn.schedules.Step(1.0, every=2, factor=0.5)(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _check(self, ("every",))

    def __call__(self, step: int) -> float:
        return self.lr * self.factor ** (step // self.every)


@told_class
@dataclass(frozen=True)
class Exponential:
    """Multiplied at every step: lr * factor ** (step / steps).

    Parameters:
      lr: the first one; factor: from 0 to 1, what `steps` steps multiply it by.
      steps=1: an integer of at least 1.

    >>> import knetpy as kn
    >>> kn.schedules.Exponential(1.0, 0.25, steps=100)(50)
    0.5
    """

    lr: float
    factor: float
    steps: int = 1

    def __post_init__(self) -> None:
        _check(self, ("steps",), factor=1)

    def __call__(self, step: int) -> float:
        return self.lr * self.factor ** (step / self.steps)


@told_class
@dataclass(frozen=True)
class Cosine:
    """Half a cosine wave from lr to end, once or again and again.

    Parameters:
      lr: the first one; steps: the length of the wave.
      end=0.0: where it ends, and stays.
      restarts=False: begin again at lr instead.
      growth=1: an integer of at least 1; each wave after a restart is so many times as long as the one before.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    >>> import knetpy as kn
    >>> [round(kn.schedules.Cosine(1.0, 4)(step), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    >>> [round(kn.schedules.Cosine(1.0, 2, restarts=True, growth=2)(step), 3) for step in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    lr: float
    steps: int
    end: float = 0.0
    restarts: bool = False
    growth: int = 1

    def __post_init__(self) -> None:
        flag("Cosine", "restarts", self.restarts)
        _check(self, ("steps", "growth"), ("restarts",))

    def __call__(self, step: int) -> float:
        length = self.steps
        if not self.restarts:
            step = min(step, length)
        elif self.growth == 1:
            step %= length
        else:
            while step >= length:
                step, length = step - length, length * self.growth
        return _between(self.lr, self.end, step / length)


@told_class
@dataclass(frozen=True)
class Warmup:
    """Linear from a small start to where another schedule begins, then that.

    Parameters:
      steps: how many steps it takes; at the step of this number the other begins.
      then: a number or a schedule.
      start=0.0: what share of it the first step has, from 0 to 1.

    >>> import knetpy as kn
    >>> [kn.schedules.Warmup(4, then=1.0)(step) for step in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    >>> kn.Adam(lr=kn.schedules.Warmup(500, then=kn.schedules.Cosine(1e-3, 9500))).lr(500)
    0.001
    """

    steps: int
    then: Part
    start: float = 0.0

    def __post_init__(self) -> None:
        _check(self, ("steps",), ("then",), start=1)
        _check_part("Warmup", "then", self.then)

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return _at(self.then, step - self.steps)
        return _at(self.then, 0) * (self.start + (1 - self.start) * step / self.steps)


@told_class
@dataclass(frozen=True)
class OneCycle:
    """Up to lr by half a cosine wave, then down to almost nothing by another.

    Parameters:
      lr: the highest one; steps: of all of it, the last one stays.
      warmup=0.3: the share of the steps that goes up, from 0 to 1.
      start=0.04, end=4e-6: the shares of lr at both ends.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018;
    in PyTorch's form, which leaves the momentum alone here.

    >>> import knetpy as kn
    >>> [round(kn.schedules.OneCycle(1.0, 11)(step), 3) for step in (0, 2, 3, 10)]
    [0.04, 0.96, 0.98, 0.0]
    """

    lr: float
    steps: int
    warmup: float = 0.3
    start: float = 0.04
    end: float = 4e-6

    def __post_init__(self) -> None:
        _check(self, ("steps",), warmup=1)

    def __call__(self, step: int) -> float:
        top, last = max(self.warmup * self.steps - 1, 0), self.steps - 1
        step = min(step, last)
        if step <= top:
            return self.lr * _between(self.start, 1, step / top if top else 1)
        return self.lr * _between(1, self.end, (step - top) / (last - top) if last > top else 1)


@told_class
@dataclass(frozen=True)
class Polynomial:
    """From lr to end along a power of what is left: end + (lr - end) * (1 - step / steps) ** power.

    Parameters:
      lr: the first one; steps: how many it takes to the end, where it stays.
      power=1.0: 1 is a straight line.
      end=0.0: the last one.

    >>> import knetpy as kn
    >>> [kn.schedules.Polynomial(1.0, 4, power=2)(step) for step in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    lr: float
    steps: int
    power: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        _check(self, ("steps",))

    def __call__(self, step: int) -> float:
        return self.end + (self.lr - self.end) * (1 - min(step / self.steps, 1)) ** self.power


@told_class
@dataclass(frozen=True)
class InverseSqrt:
    """Linear up to lr at update number warmup, then falling as one over the root of the number.

    Parameters:
      lr: the highest one.
      warmup=1: the number of the update that has it, an integer of at least 1.

    Vaswani et al., "Attention is all you need", NeurIPS 2017, section 5.3, where lr is 1 / sqrt(512 * warmup).

    >>> import knetpy as kn
    >>> [kn.schedules.InverseSqrt(1.0, warmup=4)(step) for step in (0, 1, 2, 3, 15)]
    [0.25, 0.5, 0.75, 1.0, 0.5]
    """

    lr: float
    warmup: int = 1

    def __post_init__(self) -> None:
        _check(self, ("warmup",))

    def __call__(self, step: int) -> float:
        return self.lr * min((step + 1) / self.warmup, math.sqrt(self.warmup / (step + 1)))


@told_class
@dataclass(frozen=True)
class Piecewise:
    """One number or schedule after the other.

    Parameters:
      lr: the first one; later: a dict from steps to the number or schedule that holds from this step on.

    >>> import knetpy as kn
    >>> [kn.schedules.Piecewise(0.1, {2: 0.01, 4: 0.001})(step) for step in range(6)]
    [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    """

    lr: Part
    later: Mapping[int, Part]

    def __post_init__(self) -> None:
        if not isinstance(self.later, Mapping) or any((whole(step) or 0) < 1 for step in self.later):
            raise TypeError(f"Piecewise: later must be a dict from steps of at least 1, got {self.later!r}")
        for part in (self.lr, *self.later.values()):
            _check_part("Piecewise", "a part", part)

    def __call__(self, step: int) -> float:
        begun = max((begin for begin in self.later if begin <= step), default=0)
        return _at(self.later[begun] if begun else self.lr, step - begun)
