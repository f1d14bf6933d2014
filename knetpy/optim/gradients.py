"""What is done to gradients before a rule sees them: clipping, decay, accumulation. Members of a `chain`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..devices import host, on_gpu
from ..graphs import capture
from ..ops.rowsparse import RowSparse
from .layerwise import norm, norm_of_all
from .optimizer import Optimizer
from .settings import AMOUNT, COUNT
from .state import Pairs, readable, working_dtype


class GradientPart(Optimizer):
    """The base of what changes gradients and no params. It says how, for all of them at once (`change`)."""

    moves, place = False, "before"

    def change(self, pairs: Pairs) -> Pairs:
        """The Params or arrays with new gradients, which share no memory with the given ones unless they are those."""
        raise TypeError(f"{type(self).__name__} has no change(self, pairs)")

    def plan(self, pairs: Pairs, path_of: Callable) -> tuple[Pairs, list[Callable]]:
        states, into = [self.state(target) for target, _ in pairs], capture()
        now = self._at(1 + max((state.t for state in states), default=0))
        if into:
            settings = dict(vars(self))
            into.fixed.append(lambda: vars(self) == settings)
        return now.change(pairs), [partial(self._count, states)]


def each(change: Callable, pairs: Pairs, linear: bool = False) -> Pairs:
    """Change the elements of every gradient, where `change` takes zeros to zeros: of some rows only those.

    If it is `linear`, rows that are named twice need not be summed first, for which a GPU would be waited for.
    """
    changed = []
    for w, g in pairs:
        if isinstance(g, RowSparse):
            g = g if on_gpu(g.values) and linear else g.summed()
            changed.append((w, RowSparse(g.shape, g.rows, change(_working(w, g.values)))))
        else:
            changed.append((w, change(_working(w, g))))
    return changed


def _working(w: Any, g: Any) -> Any:
    return g.astype(working_dtype(w), copy=False)


def _dense(g: Any) -> Any:
    return g.dense() if isinstance(g, RowSparse) else g


def _scaled(pairs: Pairs, length: Any, most: float) -> Pairs:
    """The gradients times most / length, if length is more than most or NaN."""
    if on_gpu(length):
        factor = np.where(length <= most, 1.0, most / length)
        return each(lambda g: g * (factor if on_gpu(g) else host(factor)).astype(g.dtype), pairs, linear=True)
    return pairs if length <= most else each(lambda g: g * (most / length), pairs)


def _length(g: Any) -> Any:
    if isinstance(g, RowSparse):
        g = g.dense() if on_gpu(g.values) else g.summed().values
    return norm(g)


class ClipValue(GradientPart):
    """Clip every element of the gradients to between -limit and limit.

    Of an embedding's table on a GPU the number of different rows is waited for.

    Parameters:
      limit: a number of at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([0.0, 0.0])
    >>> kn.update(w, np.array([3, -0.5], "f4"), kn.chain(kn.optim.ClipValue(1.0), kn.SGD(lr=1.0)))
    >>> w.value
    array([-1. ,  0.5], dtype=float32)
    """

    kinds = {"limit": AMOUNT}

    def __init__(self, limit):
        self.limit = limit

    def change(self, pairs):
        """The gradients, clipped."""
        return each(lambda g: np.clip(g, -self.limit, self.limit), pairs)


class ClipNorm(GradientPart):
    """Scale down each array's gradient whose norm, the root of its sum of squares, is above a limit.

    Parameters:
      limit: a number of at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w, b = kn.param([0.0, 0.0]), kn.param([0.0])
    >>> opt = kn.chain(kn.optim.ClipNorm(1.0), kn.SGD(lr=1.0))
    >>> kn.update([w, b], [np.array([3, 4], "f4"), np.array([0.5], "f4")], opt)
    >>> w.value, b.value
    (array([-0.6, -0.8], dtype=float32), array([-0.5], dtype=float32))
    """

    kinds = {"limit": AMOUNT}

    def __init__(self, limit):
        self.limit = limit

    def change(self, pairs):
        """The gradients, each scaled by its own norm."""
        return [scaled for w, g in pairs for scaled in _scaled([(w, g)], _length(g), self.limit)]


class ClipGlobalNorm(GradientPart):
    """Scale down all gradients of an update together if their common norm is above a limit.

    The norm is the root of the sum of all squares, over all arrays, before any of them is used.

    Parameters:
      limit: a number of at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.

    >>> import numpy as np, knetpy as kn
    >>> w, b = kn.param([0.0]), kn.param([0.0])
    >>> opt = kn.chain(kn.optim.ClipGlobalNorm(1.0), kn.SGD(lr=1.0))
    >>> kn.update([w, b], [np.array([3], "f4"), np.array([4], "f4")], opt)
    >>> w.value, b.value
    (array([-0.6], dtype=float32), array([-0.8], dtype=float32))
    """

    kinds = {"limit": AMOUNT}

    def __init__(self, limit):
        self.limit = limit

    def change(self, pairs):
        """The gradients, all scaled by the norm of all."""
        return _scaled(pairs, norm_of_all(_length(g) for _, g in pairs), self.limit)


class _Penalty(GradientPart):
    """Adds to each gradient what a penalty of its params in the loss would: rate * slope(w)."""

    kinds = {"rate": AMOUNT}
    slope: Callable

    def __init__(self, rate):
        self.rate = rate

    def change(self, pairs):
        return [(w, _working(w, _dense(g)) + self.rate * self.slope(_working(w, readable(w)))) for w, g in pairs]


class WeightDecay(_Penalty):
    """Add rate * w to the gradient of w, as a penalty of rate / 2 * sum(w * w) in the loss would: coupled decay.

    What a rule makes of it depends on the rule. Decoupled decay is a setting of `AdamW` and of others, and
    `DecoupledDecay` for any rule. The gradient of an embedding's table becomes dense by it.

    Parameters:
      rate: a number of at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, -2.0])
    >>> kn.update(w, np.zeros(2, "f4"), kn.chain(kn.optim.WeightDecay(0.5), kn.SGD(lr=0.5)))
    >>> w.value
    array([ 0.75, -1.5 ], dtype=float32)
    """

    @staticmethod
    def slope(w):
        return w


class SignDecay(_Penalty):
    """Add rate * sign(w) to the gradient of w, as a penalty of rate * sum(abs(w)) in the loss would.

    Parameters:
      rate: a number of at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, -2.0])
    >>> kn.update(w, np.zeros(2, "f4"), kn.chain(kn.optim.SignDecay(0.5), kn.SGD(lr=0.5)))
    >>> w.value
    array([ 0.75, -1.75], dtype=float32)
    """

    slope = staticmethod(np.sign)


class Accumulate(GradientPart):
    """Let only each `every`-th gradient of an array pass, as the mean of those since the last.

    What follows in the chain sees nothing in between: no step, no decay, no average. The mean of an embedding's table
    is dense.

    Parameters:
      every: an integer of at least 1.
    Raises: TypeError for what is no integer, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param([0.0]), kn.chain(kn.optim.Accumulate(2), kn.SGD(lr=1.0))
    >>> for g in (1.0, 3.0, 5.0):
    ...     kn.update(w, np.array([g], "f4"), opt)
    >>> w.value
    array([-2.], dtype=float32)
    """

    fixed = ("every",)

    kinds = {"every": COUNT}

    def __init__(self, every):
        self.every = every

    def init(self, w):
        return (np.zeros_like(w),)

    def plan(self, pairs: Pairs, path_of: Callable) -> tuple[Pairs, list[Callable]]:
        states = [self.state(target) for target, _ in pairs]
        sums = [state.arrays[0] + _working(w, _dense(g)) for (w, g), state in zip(pairs, states)]

        def write():
            for state, total in zip(states, sums):
                state.arrays[0][...] = 0 if (state.t + 1) % self.every == 0 else total
            self._count(states)

        full = [(state.t + 1) % self.every == 0 for state in states]
        return [(w, total / self.every) for (w, _), total, go in zip(pairs, sums, full) if go], [write]
