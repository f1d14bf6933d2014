"""Iterators over training: one step for each item of data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..core.errors import DerivativeError, NonFiniteError, label_of, warn
from ..ops.arguments import flag
from ..optim import Adam, update
from ..optim.optimizer import Optimizer, checked_optimizer
from ..transforms.grad import by_params
from .arguments import function_of, is_iterable
from .signals import Skip, Stop


def minimize(
    loss: Callable,
    data: Iterable,
    opt: Optimizer | None = None,
    *,
    params: Any = None,
    before: Callable | None = None,
    check_finite: bool = False,
) -> Minimize:
    """An iterable that makes a training step for each item of `data` and yields its loss.

    Parameters:
      loss: a function that returns a real scalar; called as loss(*item) for a tuple, else as loss(item).
      data: batches, for instance `kn.minibatch(x, y, 50)`. A loop over it is an epoch; `kn.train.repeat(data, 10)` has
        ten.
      opt=None: the optimizer, by default a new `kn.Adam()`. `opt.lr = ...` in the loop takes effect at the next step.
      params=None: what to train, as for `kn.update`; by default every Param that loss touches.
      before=None: a function called as before(loss, gradients) at each step, before the update. It may
        change the gradients, g[p] *= 0.5; it may raise `kn.train.Skip`, to leave this step out, or `kn.train.Stop`, to
        end the loop, as the loss function may.
      check_finite=False: raise at a loss or a gradient with NaN or Inf, before the update.
    Returns: an iterable of NumPy scalars of the loss's dtype, with the `len()` of data; a step that was left out yields
      none, and counts in its attribute skipped. Each loop over it trains on, with the state that the optimizer has
      reached. The training mode is on within a step, never in the body of the loop. A break, an exception and Ctrl-C
      leave params and state as the last whole step left them.
    Raises: TypeError for arguments of the wrong kind, DerivativeError if loss touches no Param or is no real scalar,
      NonFiniteError if that is checked.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([0.0])
    >>> def loss(x, y):
    ...     return np.mean((x @ w - y) ** 2)
    >>> batch = np.ones((4, 1), "f4"), np.ones(4, "f4")
    >>> [float(value) for value in kn.minimize(loss, [batch, batch], kn.SGD(lr=0.25))]
    [1.0, 0.25]
    """
    if not callable(loss):
        raise TypeError(
            f"minimize: loss must be a function, got {type(loss).__name__}; write minimize(loss, data), not loss(x, y)"
        )
    if isinstance(data, tuple) and data and all(hasattr(part, "shape") for part in data):
        raise TypeError(
            "minimize: data is a tuple of arrays; write [(x, y)] if it is one batch, kn.minibatch(x, y, 50) to cut it"
        )
    if not is_iterable(data):
        raise TypeError(f"minimize: data must be an iterable of batches, got {type(data).__name__}")
    if hasattr(opt, "shape"):
        raise TypeError(
            "minimize: opt is an array; arrays go into data: minimize(loss, [(x, y)], opt) for one batch, "
            "minimize(loss, kn.minibatch(x, y, 50), opt) for many"
        )
    if before is not None:
        function_of("minimize", "before", before, "def before(loss, gradients): ...")
        if isinstance(before, type):
            raise TypeError(f"minimize: before must be a function, which may raise {before.__name__}, not a class")
    opt = Adam() if opt is None else checked_optimizer(opt, "minimize")
    return Minimize(loss, data, opt, params, before, flag("minimize", "check_finite", check_finite))


class Minimize:
    """What `minimize` returns; its attributes are the arguments, and `skipped`, how many steps were left out."""

    def __init__(
        self,
        loss: Callable,
        data: Iterable,
        opt: Optimizer,
        params: Any = None,
        before: Callable | None = None,
        check_finite: bool = False,
    ):
        self.loss, self.data, self.opt, self.params = loss, data, opt, params
        self.before, self.check_finite, self.skipped = before, check_finite, 0

    def __len__(self) -> int:
        return len(self.data)  # type: ignore[arg-type]  # without a length it raises, as it should

    def __iter__(self) -> Iterator[np.generic]:
        first = True
        for item in self.data:
            args = item if isinstance(item, tuple) else (item,)
            if first:
                check_takes(self.loss, args)
            first = False
            try:
                value = self.step(*args)
            except Skip:
                self.skipped += 1
                continue
            except Stop:
                return
            yield value
        if first and iter(self.data) is self.data:
            warn("minimize: data gave nothing; an iterator can be gone through only once, a list or kn.minibatch again")

    def step(self, *args: Any) -> np.generic:
        """Make one step on these arguments of the loss function, and return the loss before it."""
        found = by_params(self.loss, args, {}, has_aux=False, before=self._update)
        if found is None:
            raise DerivativeError(
                f"minimize: {label_of(self.loss)} touched no Param, so there is nothing to change; make the weights "
                "with kn.param and use them in the loss (kn.value(w) and w.value are constants)"
            )
        return found[0]

    def _update(self, value: Any, grads: Any) -> None:
        """Before the running moments of the model are written: what leaves out the update leaves them out, too."""
        if self.check_finite and not np.isfinite(value):
            raise NonFiniteError(
                f"minimize: {label_of(self.loss)} returned {value}; nothing was changed. kn.check_nonfinite() finds "
                "where it comes from"
            )
        if self.before:
            self.before(value, grads)
        update(grads if self.params is None else self.params, grads, self.opt, check_finite=self.check_finite)

    def __repr__(self) -> str:
        return f"minimize({label_of(self.loss)}, {self.data!r:.60}, {self.opt!r}), which trains while you loop over it"


def check_takes(loss: Callable, args: tuple) -> None:
    """Raise if `loss` cannot be called with an item of data."""
    try:
        inspect.signature(loss).bind(*args)
    except ValueError:
        pass  # a function that does not tell
    except TypeError as misfit:
        kinds = "(" + ", ".join(type(a).__name__ for a in args) + ("," if len(args) == 1 else "") + ")"
        raise TypeError(
            f"minimize: {label_of(loss)} cannot be called with an item of data, {kinds}: {misfit}. A tuple (x, y) is "
            "passed as two arguments, anything else, lists too, as one"
        ) from None
