"""A learning rate that goes by the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..calls import told_class
from ..ops.arguments import count_of, number, real
from .optimizer import Optimizer, checked_optimizer


@told_class
@dataclass
class Plateau:
    """Lowers the learning rate of an optimizer when a loss has stopped falling; call it with the loss of each epoch.

    Parameters:
      opt: the optimizer; its lr is a number.
      factor=0.1: what lr is multiplied by, less than 1.
      patience=10: how many losses in a row may be no better than the best before them.
      threshold=1e-4: a loss is better if it is below the best by this share of it, from 0 to 1.
      cooldown=0: for how many losses after a change none counts as no better.
      least=0.0: lr is not lowered below it.
    Raises: TypeError, ValueError for others. A loss that is NaN is no better;
      a score that should rise is passed as -score.

    Attributes:
      best, waited, resting: the best loss, how many since were no better, and how many are left of the cooldown.

    >>> import knetpy as kn
    >>> opt = kn.SGD(lr=1.0)
    >>> plateau = kn.schedules.Plateau(opt, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     plateau(loss)
    >>> opt.lr
    0.5
    """

    opt: Optimizer
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    least: float = 0.0
    best: float = field(default=math.inf, init=False)
    waited: int = field(default=0, init=False)
    resting: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        checked_optimizer(self.opt, "Plateau")
        for name, most in (("factor", 1), ("threshold", 1), ("least", math.inf)):
            number("Plateau", name, getattr(self, name), 0, most)
        for name in ("patience", "cooldown"):
            count_of("Plateau", name, getattr(self, name))

    def __call__(self, loss: float) -> None:
        loss, lr = real("Plateau", "the loss", loss), self.opt.lr  # without one it says so
        if not isinstance(lr, float):
            raise TypeError(f"Plateau: the lr of {type(self.opt).__name__} must be a number to be lowered, got {lr!r}")
        better = loss < self.best - self.threshold * abs(self.best) if self.best < math.inf else loss < math.inf
        self.best, self.waited = (loss, 0) if better else (self.best, self.waited + 1)
        if self.resting:
            self.resting, self.waited = self.resting - 1, 0
        if self.waited > self.patience:
            self.opt.lr = min(lr, max(lr * self.factor, self.least))
            self.resting, self.waited = self.cooldown, 0
