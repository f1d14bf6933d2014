"""Iterators over training: one step for each item of data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..calls import told
from ..core.errors import DerivativeError, NonFiniteError, label_of, warn
from ..devices import on_gpu
from ..interrupts import uninterrupted
from ..ops.arguments import flag
from ..optim import Adam
from ..optim.chain import loss_scaler
from ..optim.optimizer import Optimizer, checked_optimizer
from ..optim.precision import are_finite
from ..optim.update import check_roles, step
from ..transforms.grad import by_params
from ..transforms.run import misfit
from .arguments import function_of, is_iterable
from .capture import Captured, check_capture
from .signals import Skip, Stop

DIVERGED = 1e4  # a loss so many times the first one (or 1, if that is less) is no training any more


@told
def minimize(
    loss: Callable,
    data: Iterable,
    opt: Optimizer | None = None,
    *,
    params: Any = None,
    before: Callable | None = None,
    check_finite: bool = False,
    capture: bool = False,
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
      check_finite=False: raise at a loss or a gradient with NaN or Inf, before the update. With
        `kn.optim.MixedPrecision`, which has its own way with gradients, only at such a loss.
      capture=False: on a GPU, capture a step as a CUDA graph and launch that again for each batch of the same shapes
        and dtypes, after two that are made as usual: one launch for the host, whatever the number of kernels.
        Such a step must not read arrays of the GPU on the host, nor decide anything on it: what Python code in loss has
        computed from other things than its arguments is kept as it was. Settings of the optimizer and its schedules are
        followed, dropout draws anew. Matrix products go to a kernel of knetpy's, since CuPy does not let cuBLAS be
        captured, so results differ in their last digits from those of other steps.
    Returns: an iterable of NumPy scalars of the loss's dtype, with the `len()` of data; a step that was left out yields
      none, and counts in its attribute skipped. A loss on the CPU that is NaN, or far above the first, is warned of
      once. Each loop over it trains on, with the state that the optimizer has reached. The training mode is on within a
      step, never in the body of the loop. A break, an exception and Ctrl-C leave params and state as the last whole
      step left them. The next loop begins with what data gives next: the next epoch of `kn.minibatch` or
      `kn.data.DataLoader`; to go on in the middle of one, `data.restore(data.state())` of a DataLoader before it. The
      batch of a step that was broken off does not come again.
    Raises: TypeError for arguments of the wrong kind, DerivativeError if loss touches no Param or is no real scalar,
      NonFiniteError if that is checked, DeviceError with the reason if a step cannot be captured: params and state are
      then as the step before left them.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([0.0])
    >>> def loss(x, y):
    ...     return np.mean((x @ w - y) ** 2)
    >>> batch = np.ones((4, 1), "f4"), np.ones(4, "f4")
    >>> [float(value) for value in kn.minimize(loss, [batch, batch], kn.SGD(lr=0.25))]
    [1.0, 0.25]
    """
    check_arguments(loss, data, opt, before)
    opt = Adam() if opt is None else checked_optimizer(opt, "minimize")
    check_finite, capture = flag("minimize", "check_finite", check_finite), flag("minimize", "capture", capture)
    if capture:
        check_capture(loss, opt, before, check_finite)
    return Minimize(loss, data, opt, params, before, check_finite, capture)


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
        capture: bool = False,
    ):
        self.loss, self.data, self.opt, self.params = loss, data, opt, params
        self.before, self.check_finite, self.skipped = before, check_finite, 0
        self._captured = Captured(self._made, opt, loss) if capture else None

    def __len__(self) -> int:
        return len(self.data)  # type: ignore[arg-type]  # without a length it raises, as it should

    def __iter__(self) -> Iterator[np.generic]:
        first, limit = True, None
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
            if limit != 0 and not on_gpu(value):  # a GPU is not waited for
                begins = limit is None
                limit = limit or DIVERGED * max(abs(float(value)), 1)
                if not float(value) < limit:
                    warn(self._diverged(value, args, begins))
                    limit = 0  # tells it once
            yield value
        if first and hasattr(self.data, "__next__"):  # an iterator; to ask for one would begin an epoch of a loader
            warn("minimize: data gave nothing; an iterator can be gone through only once, a list or kn.minibatch again")

    def step(self, *args: Any) -> np.generic:
        """Make one step on these arguments of the loss function, and return the loss before it."""
        return self._captured.step(*args) if self._captured else self._made(*args)[0]

    def _made(self, *args: Any) -> tuple[np.generic, Any]:
        """(the loss, the gradients) of a step, which has been made."""
        scaler = loss_scaler(self.opt)
        settle, scale = (self._settle, 1.0) if scaler is None else (partial(self._settle_scaled, scaler), scaler.scale)
        found = by_params(self.loss, args, {}, has_aux=False, settle=settle, scale=scale)
        if found is None:
            raise DerivativeError(
                f"minimize: {label_of(self.loss)} touched no Param, so there is nothing to change; make the weights "
                "with kn.param and use them in the loss (kn.value(w) and w.value are constants)"
            )
        return found

    def _settle(self, value: Any, grads: Any, commit: Callable) -> None:
        """Make the step: the update and then, by `commit`, the running moments of the model, or none of both."""
        self._check(value)
        if self.before:
            self.before(value, grads)
        self._update(grads, commit, self.check_finite)

    def _settle_scaled(self, scaler: Any, value: Any, grads: Any, commit: Callable) -> None:
        """The same along gradients of the loss times a scale; if that was too much, they are all not finite."""
        self._check(value)
        fit = are_finite(map(grads.compact, grads))
        if self.before and fit:
            true = grads.times(1 / scaler.scale)
            self.before(value, true)
            grads = true.times(scaler.scale)
        self._update(grads, commit if fit else skip, False)

    def _update(self, grads: Any, commit: Callable, check_finite: bool) -> None:
        params = grads if self.params is None else self.params
        check_roles(params, grads)
        with uninterrupted():
            step(params, grads, self.opt, check_finite)
            commit()

    def _check(self, value: Any) -> None:
        if self.check_finite and not np.isfinite(value):
            raise NonFiniteError(
                f"minimize: {label_of(self.loss)} returned {value}; nothing was changed. kn.check_nonfinite() finds "
                "where it comes from"
            )

    def _diverged(self, value: Any, args: tuple, begins: bool) -> str:
        """What is wrong if the loss is NaN, or has left all bounds."""
        for n, x in enumerate(args):
            if getattr(getattr(x, "dtype", None), "kind", "") == "f" and not are_finite([x]):
                return f"minimize: the loss is {value:.4g}: argument {n} of {label_of(self.loss)} has NaN or Inf in it"
        if begins:
            return (
                f"minimize: the loss is {value:.4g} from the beginning; kn.check_nonfinite() finds where it comes from"
            )
        rate = f"the learning rate {self.opt.lr:g}" if isinstance(getattr(self.opt, "lr", None), float) else "a step"
        return (
            f"minimize: the loss has become {value:.4g}; {rate} may be too large; check_finite=True stops at NaN, "
            "kn.check_nonfinite() finds where it comes from"
        )

    def __repr__(self) -> str:
        return f"minimize({label_of(self.loss)}, {self.data!r:.60}, {self.opt!r}), which trains while you loop over it"


def check_arguments(loss: Any, data: Any, opt: Any, before: Any) -> None:
    """Raise for what minimize cannot take."""
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
        if misfit(before, None, None):
            watch = "; that of a History is before=history.watch" if hasattr(before, "watch") else ""
            raise TypeError(
                f"minimize: before is called with two arguments, as before(loss, gradients), and {label_of(before)} "
                f"takes others{watch}"
            )


def skip() -> None:
    """Leave out a step."""
    raise Skip


def check_takes(loss: Callable, args: tuple) -> None:
    """Raise if `loss` cannot be called with an item of data."""
    if why := misfit(loss, *args):
        kinds = "(" + ", ".join(type(a).__name__ for a in args) + ("," if len(args) == 1 else "") + ")"
        raise TypeError(
            f"minimize: {label_of(loss)} cannot be called with an item of data, {kinds}: {why}. A tuple (x, y) is "
            "passed as two arguments, anything else, lists too, as one"
        )
