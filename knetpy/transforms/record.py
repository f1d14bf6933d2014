"""`tape`: gradients together with a row for every step of the computation."""

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..arrays import norm
from ..core.errors import label_of, place
from ..core.rules import spec
from ..core.trace import Trace, active, tracing
from ..core.value import bare
from .grad import by_params
from .gradients import Record
from .run import check_callable


class Step(NamedTuple):
    """One recorded call, as `tape` shows it."""

    op: str
    line: str
    shape: tuple
    bytes: int
    norm: float | None


class _Log(Trace):
    """Notes every call of the forward pass, and in the sweep which of them got a cotangent."""

    def __init__(self):
        super().__init__()
        self.calls, self.norms, self.sweeping = {}, {}, False

    def observe(self, call, depth):
        if not self.sweeping:
            shape, dtype = spec(call.outs[0])
            line = place(call.frame.f_code, call.frame.f_lasti)
            self.calls[call.outs[0].uid] = Step(call.op.name, line, shape, math.prod(shape) * dtype.itemsize, None)
        return False

    def watch(self, uid, step, dy, dxs):
        if self.sweeping:  # not in the sweep of a gradient inside
            self.norms[uid] = norm(bare(dy[0] if isinstance(dy, tuple) else dy))

    def steps_swept(self):
        return [step._replace(norm=self.norms.get(uid)) for uid, step in self.calls.items()]


def _check_takes_none(f):
    try:
        inspect.signature(f).bind()
    except ValueError:
        pass  # a function that does not tell
    except TypeError as misfit:
        name = label_of(f)
        raise TypeError(f"tape takes a function and its arguments: write tape({name}, x); {name}: {misfit}") from None


def tape(f: Callable, *args: Any, **kwargs: Any) -> Record:
    """Run `f(*args)`, take its gradients and keep a row for every step: Knet's `@diff`.

    Parameters:
      f: any callable that returns a real scalar.
      *args, **kwargs: its arguments, which are constants.
    Returns: a `Record` J: `value(J)` is the loss, `J[p]` the gradient of a Param, `params(J)` the params touched,
      `J.steps` the calls with op, user line, shape, bytes and norm of the cotangent. It prints and displays as a table.
    Raises: DerivativeError if f does not return a real scalar.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> J = kn.tape(lambda x: (w * x).sum(), np.array([3.0, 4.0], "f4"))
    >>> kn.value(J), J[w], [s.op for s in J.steps]
    (np.float32(11.0), array([3., 4.], dtype=float32), ['multiply', 'sum'])
    """
    check_callable(f, "tape", "{}(f, x)")
    if not (args or kwargs):
        _check_takes_none(f)
    log = _Log()
    with tracing(*active(), log):
        y, gradients = by_params(f, args, kwargs, False, log)
    return Record(y, gradients, log.steps_swept())
