"""Layers that drop elements in training: Dropout, AlphaDropout."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ..ops.arguments import number, several
from ..ops.dropout import alpha_dropout, dropout
from ..settings import training, whole
from .layer import call_of, changed, choice


@dataclass(eq=False, repr=False)
class Dropout:
    """In training, zero each element with probability p and scale the others; see `kn.dropout`.

    Parameters:
      p=0.5: a number from 0 to 1.
      axis=None: along which axes elements are dropped independently; (0, 1) drops whole channels of images.
      active=None: whether to drop; None asks `kn.training()`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.Dropout(0.4)(np.ones(3))
    array([1., 1., 1.])
    """

    p: float = 0.5
    axis: Any = None
    active: bool | None = None

    def __post_init__(self) -> None:
        self.p, self.active = number("Dropout", "p", self.p, 0, 1), choice("Dropout", "active", self.active)
        for axis in self.axis if several(self.axis) else () if self.axis is None else (self.axis,):
            if whole(axis) is None:
                raise TypeError(f"Dropout: axis must be an integer, a tuple of them or None, got {self.axis!r:.60}")

    def __call__(self, x: Any) -> Any:
        with nullcontext() if self.active is None else training(self.active):
            return dropout(x, self.p, axis=self.axis)

    def __repr__(self) -> str:
        return call_of("Dropout", f"{self.p:g}", **changed(axis=(self.axis, None), active=(self.active, None)))


@dataclass(eq=False, repr=False)
class AlphaDropout:
    """Dropout that keeps mean and variance of what selu gives; see `kn.alpha_dropout`.

    Parameters:
      p=0.5: a number from 0 to 1; 1 gives zeros.
      active=None: whether to drop; None asks `kn.training()`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.AlphaDropout(0.4)(np.ones(3))
    array([1., 1., 1.])
    """

    p: float = 0.5
    active: bool | None = None

    def __post_init__(self) -> None:
        self.p, self.active = number("AlphaDropout", "p", self.p, 0, 1), choice("AlphaDropout", "active", self.active)

    def __call__(self, x: Any) -> Any:
        with nullcontext() if self.active is None else training(self.active):
            return alpha_dropout(x, self.p)

    def __repr__(self) -> str:
        return call_of("AlphaDropout", f"{self.p:g}", **changed(active=(self.active, None)))
