"""Training of params that are stored in half precision."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..ops.rowsparse import RowSparse
from .chain import Several
from .gradients import each
from .optimizer import Master, Pairs, checked_optimizer, readable, writable
from .settings import COUNT, POSITIVE


class MixedPrecision(Several):
    """Update float16 params by way of float32 masters, from gradients of the loss times a scale that finds its size.

    Small steps would be lost in float16, and small gradients be zero: so the optimizer works on a float32 copy, and
    the loss is multiplied by `opt.scale`. Where a gradient is then not finite, the update changes nothing but the
    scale, which it halves; after `every` updates without that the scale is doubled.

    Parameters:
      opt: the optimizer, or a `chain`; clipping belongs in there, where gradients have their own size again.
      scale=1024.0: what the loss is multiplied by at first, a number above 0.
      every=2000: an integer of at least 1.
    Raises: TypeError for what is no optimizer or number, ValueError for one out of range.

    Params of other dtypes are updated without a copy. A param that was written to has a new master. Micikevicius et
    al., "Mixed precision training", ICLR 2018.

    Attributes:
      good: how many updates have been made since the scale was changed.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param(np.ones(1, "f2")), kn.optim.MixedPrecision(kn.SGD(lr=1e-4))
    >>> for _ in range(10):
    ...     g = kn.grad(lambda: w.sum() * opt.scale)()
    ...     kn.update(w, g, opt)
    >>> w.value  # steps of 1e-4 would not change a float16 of 1
    array([0.999], dtype=float16)
    """

    kinds = {"scale": POSITIVE, "every": COUNT}
    fixed = ("opt",)

    def __init__(self, opt, scale=1024.0, every=2000):
        self.opt, self.scale, self.every = checked_optimizer(opt, "MixedPrecision"), scale, every
        object.__setattr__(self, "good", 0)

    def _inside(self):
        return (self.opt,) if "opt" in vars(self) else ()

    def init(self, w):
        return (np.array(w),)

    def plan(self, pairs: Pairs, path_of: Callable) -> tuple[Pairs, list[Callable]]:
        if not all(np.isfinite(g.values if isinstance(g, RowSparse) else g).all() for _, g in pairs):
            return [], [partial(self._rescale, self.scale / 2)]
        own = each(lambda g: g / self.scale, pairs)
        half = [(target, self.state(target)) for target, _ in own if target.dtype == np.float16]
        masters = {id(target): Master(_followed(target, state.arrays[0]), target) for target, state in half}
        _, writes = self.opt.plan([(masters.get(id(target), target), g) for target, g in own], path_of)

        def write() -> None:
            for target, state in half:
                writable(target)[...] = state.arrays[0]
            self._count([state for _, state in half])
            object.__setattr__(self, "good", self.good + 1)
            if self.good >= self.every:
                self._rescale(self.scale * 2)

        return own, [*writes, write]

    def _rescale(self, scale: float) -> None:
        self.scale = scale
        object.__setattr__(self, "good", 0)

    def __reduce__(self) -> tuple:
        return type(self), (copy.copy(self.opt), self.scale, self.every)


def _followed(target: Any, master: np.ndarray) -> np.ndarray:
    """The master of a Param or array, which follows it where somebody else has written."""
    now = readable(target)
    other = master.astype(now.dtype) != now
    master[other] = now[other]
    return master
