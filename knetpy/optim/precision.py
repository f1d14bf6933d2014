"""Training of params that are stored in half precision."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from ..core.errors import NonFiniteError
from ..ops.rowsparse import RowSparse
from .chain import Several, loss_scaler
from .gradients import each
from .optimizer import checked_optimizer
from .settings import COUNT, NATURAL, POSITIVE
from .state import Master, Pairs, readable, writable

LEAST, MOST = 2.0**-30, 2.0**100  # scales beyond which another cannot help


class MixedPrecision(Several):
    """Update float16 params by way of float32 masters, from gradients of the loss times a scale that finds its size.

    Small steps would be lost in float16, and small gradients be zero: so the optimizer works on a float32 copy, and
    takes the gradients of the loss times `opt.scale`. `kn.minimize` makes them such by itself: its loss function, the
    losses that come and what its before= sees are without the scale. Who calls `grad` multiplies the loss, as below.

    Where a gradient is not finite, the update changes nothing but the scale, which it halves; after `every` updates
    without that the scale is doubled.

    Parameters:
      opt: the optimizer, a `chain` or `Choose`; clipping belongs in there, where gradients have their own size again.
      scale=1024.0: what the loss is multiplied by at first, a number above 0.
      every=2000: after how many updates the scale is doubled, an integer of at least 1.
      good=0: how many updates have been made since the scale was changed, an integer of at least 0.
    Raises: TypeError for what is no optimizer or number, ValueError for one out of range.

    Params of other dtypes are updated without a copy. A param that was written to has a new master. Micikevicius et
    al., "Mixed precision training", ICLR 2018.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param(np.ones(1, "f2")), kn.optim.MixedPrecision(kn.SGD(lr=1e-4))
    >>> for _ in range(10):
    ...     g = kn.grad(lambda: w.sum() * opt.scale)()
    ...     kn.update(w, g, opt)
    >>> w.value  # steps of 1e-4 would not change a float16 of 1
    array([0.999], dtype=float16)
    """

    kinds = {"scale": POSITIVE, "every": COUNT, "good": NATURAL}
    fixed = ("opt",)
    rescales = True

    def __init__(self, opt, scale=1024.0, every=2000, good=0):
        self.opt, self.scale, self.every, self.good = checked_optimizer(opt, "MixedPrecision"), scale, every, good
        if loss_scaler(opt):
            raise ValueError("MixedPrecision: there is one in it; the scale of the loss is one number")
        if not opt.moves:
            raise TypeError(
                f"MixedPrecision: {type(opt).__name__} moves no params by itself; write kn.chain, of a rule too"
            )

    def inside(self):
        """The optimizer."""
        return (self.opt,) if "opt" in vars(self) else ()

    def named_inside(self):
        """The same by what the user writes."""
        return {"opt": self.opt} if "opt" in vars(self) else {}

    def init(self, w):
        return (np.copy(w),)

    def plan(self, pairs: Pairs, path_of: Callable) -> tuple[Pairs, list[Callable]]:
        if not are_finite(g for _, g in pairs):
            if self.scale < LEAST:
                raise NonFiniteError(
                    f"MixedPrecision: the gradients are not finite, although the loss was multiplied by {self.scale} "
                    "only, so the loss or the params are not; kn.check_nonfinite() finds where it comes from"
                )
            return [], [partial(self._rescale, self.scale / 2)]
        own = each(lambda g: g / self.scale, pairs)
        half = [(target, self.state(target)) for target, _ in own if target.dtype == np.float16]
        masters = {id(target): Master(_followed(target, state.arrays[0]), target) for target, state in half}
        _, writes = self.opt.plan([(masters.get(id(target), target), g) for target, g in own], path_of)

        def write() -> None:
            for target, state in half:
                writable(target)[...] = state.arrays[0]
            self._count([state for _, state in half])
            self.good += 1
            if self.good >= self.every:
                self._rescale(min(self.scale * 2, MOST))

        return own, [*writes, write]

    def _rescale(self, scale: float) -> None:
        self.scale, self.good = scale, 0

    def __reduce__(self) -> tuple:
        return type(self), (copy.copy(self.opt), self.scale, self.every, self.good)


def are_finite(gradients: Iterable[Any]) -> bool:
    """Whether there is no NaN and no Inf in any of the gradients."""
    return all(np.isfinite(g.values if isinstance(g, RowSparse) else g).all() for g in gradients)


def _followed(target: Any, master: np.ndarray) -> np.ndarray:
    """The master of a Param or array, which follows it where somebody else has written."""
    now = readable(target)
    np.copyto(master, now, where=master.astype(now.dtype) != now)
    return master
