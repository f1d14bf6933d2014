"""What follows a rule in a `chain`: averages of the params, and decay of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..arrays import Holder
from ..core.errors import MutationError, warn
from ..core.value import Param
from ..devices import on_gpu
from ..interrupts import uninterrupted
from ..parameters.search import named_params
from .optimizer import Optimizer
from .settings import AMOUNT, COUNT, SHARE
from .state import as_complex
from .update import check_writable


class DecoupledDecay(Optimizer):
    """Take a part of each param off at every step: w -= rate * w, whatever the gradient and the learning rate.

    Parameters:
      rate: a number of at least 0; `AdamW` has its own, which is multiplied by lr.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, -2.0])
    >>> kn.update(w, np.ones(2, "f4"), kn.chain(kn.optim.DecoupledDecay(0.5), kn.SGD(lr=0.25)))
    >>> w.value
    array([ 0.25, -1.25], dtype=float32)
    """

    moves = False

    kinds = {"rate": AMOUNT}

    def __init__(self, rate):
        self.rate = rate

    @staticmethod
    def formula(w, g, rate):
        return (w - rate * w,)

    def numbers(self, t):
        return (self.rate,)


class EMA(Optimizer):
    """Keep a running mean of the params, which is often better than the last of them; it stands after the rule.

    The mean begins at what a param is before its first update. It is float32 for float16.

    Parameters:
      keep=0.999: the weight of the old mean, at least 0, less than 1.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w, ema = kn.param([1.0]), kn.optim.EMA(0.5)
    >>> opt = kn.chain(kn.SGD(lr=1.0), ema)
    >>> for _ in range(2):
    ...     kn.update(w, np.ones(1, "f4"), opt)
    >>> with ema.averaged(w):
    ...     print(w.value)  # of 1, 0 and -1
    [-0.25]
    >>> w.value
    array([-1.], dtype=float32)
    """

    moves, place = False, "after"

    kinds = {"keep": SHARE}

    def __init__(self, keep=0.999):
        self.keep = keep

    def init(self, w):
        return (np.copy(w),)

    @staticmethod
    def formula(w, g, mean, new):
        return w, mean + new * (w - mean)

    def numbers(self, t):
        return (1 - self.keep,)

    def mean(self, w: Any) -> np.ndarray:
        """A copy of the mean of a Param or array in its own dtype; of one that was never updated its value."""
        mean = self.state(w).arrays[0]
        return as_complex(mean, w.dtype) if w.dtype.kind == "c" else mean.astype(w.dtype)

    @contextmanager
    def averaged(self, params_or_model: Any) -> Iterator[None]:
        """Give the Params of a container, function or model their means, until the block ends.

        At its end they have the values of before. In the block nothing can write into them: an update raises a
        MutationError (on a GPU, which has no such lock, the end of the block raises it).
        """
        named = named_params(params_or_model)
        found = list(named.values())
        if found and not any(p.uid in self.states for p in found):
            warn(
                "averaged: this EMA has no mean of any of these params; it takes means in kn.chain(rule, ema), from "
                "the first update on"
            )
        for path, p in named.items():
            check_writable(p, path, "averaged")
        before, means = [p.value.copy() for p in found], [self.mean(p) for p in found]
        _assign(found, means)
        locks, versions = Holder(), [p.version for p in found]
        for p in found:
            locks(p.value.base if isinstance(p.value, np.ndarray) else None)
        try:
            yield
        finally:
            locks.release()
            _assign(found, before)
        written = [p.version > version + 1 and on_gpu(p.value) for p, version in zip(found, versions)]
        changed = [path for path, was in zip(named, written) if was]
        if changed:
            raise MutationError(f"averaged: {changed[0]} was written while its mean stood in its place; that is undone")


def _assign(found: list[Param], values: list[np.ndarray]) -> None:
    with uninterrupted():
        for p, value in zip(found, values):
            p.writable()[...] = value


class Lookahead(Optimizer):
    """Every so many steps, go back to a share of the way they went; it stands after the rule.

    Parameters:
      every=5: an integer of at least 1.
      share=0.5: how much of the way is kept, at least 0, less than 1.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", NeurIPS 2019; the rule keeps its moments.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param([4.0]), kn.chain(kn.SGD(lr=1.0), kn.optim.Lookahead(every=2))
    >>> for _ in range(3):
    ...     kn.update(w, np.ones(1, "f4"), opt)
    ...     print(w.value)
    [3.]
    [3.]
    [2.]
    """

    moves, place = False, "after"

    kinds = {"every": COUNT, "share": SHARE}

    def __init__(self, every=5, share=0.5):
        self.every, self.share = every, share

    def init(self, w):
        return (np.copy(w),)

    def step(self, w, g, state, t):
        if t % self.every == 0:
            (slow,) = state
            slow += self.share * (w - slow)
            w[...] = slow
