"""`tape`: gradients together with a row for every step of the computation."""

import dataclasses
import math
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from ..arrays import norm
from ..core.errors import PACKAGE, label_of, place
from ..core.rules import spec
from ..core.trace import Trace, active, tracing
from ..core.value import Param, Value, bare
from .grad import by_params
from .gradients import Record
from .run import check_callable, misfit


class Step(NamedTuple):
    """One recorded call, as `tape` shows it."""

    op: str
    line: str
    shape: tuple
    bytes: int
    norm: float | None  # of the cotangent
    inputs: tuple = ()  # for each operand the number of the step that made it, a Param, or the text of another array
    functions: tuple = ()  # (name, number of its call) of the functions and layers that the call was made in, from f on
    forward: float = 0.0  # seconds since the step before, the user's own Python between them included
    backward: float | None = None  # the same of the sweep


class _Log(Trace):
    """Notes every call of the forward pass, and in the sweep which of them got a cotangent."""

    def __init__(self):
        super().__init__()
        self.calls, self.swept, self.sweeping = {}, {}, False
        self.numbers, self.callers = {}, Callers()
        self.since = perf_counter()

    def observe(self, call, depth):
        if not self.sweeping:
            seconds = perf_counter() - self.since
            shape, dtype = spec(call.outs[0])
            line = place(call.frame.f_code, call.frame.f_lasti)
            inputs = tuple([found for x in call.args if (found := self.origin(x)) is not None])
            self.numbers.update(dict.fromkeys([out.uid for out in call.outs], len(self.calls)))
            self.calls[call.outs[0].uid] = Step(
                call.op.name, line, shape, math.prod(shape) * dtype.itemsize, None, inputs, self.callers.now(), seconds
            )
            self.since = perf_counter()
        return False

    def origin(self, x):
        """Where an operand comes from, see `Step.inputs`; None of a number."""
        if isinstance(x, Value) and x.uid in self.numbers:
            return self.numbers[x.uid]
        return x if isinstance(x, Param) else f"{x.shape} {x.dtype}" if hasattr(x, "dtype") and x.shape else None

    def watch(self, uid, step, dy, dxs):
        if self.sweeping:  # not in the sweep of a gradient inside
            seconds = perf_counter() - self.since
            self.swept[uid] = {"norm": norm(bare(dy[0] if isinstance(dy, tuple) else dy)), "backward": seconds}
            self.since = perf_counter()

    def sweep_begins(self):
        self.sweeping, self.since = True, perf_counter()
        self.callers.forget()

    def steps_swept(self):
        return [step._replace(**self.swept.get(uid, {})) for uid, step in self.calls.items()]


class Callers:
    """Tells of the functions that run, by the frames: the user's, and those of layers."""

    def __init__(self):
        self.last, self.count = [], 0  # [(frame, its name, number)] of the step before, outermost first

    def now(self):
        """((name, number), ...) of those that run inside of `tape`; a number stands for one run of a function."""
        frames, frame = [], sys._getframe(1)
        while frame is not None and frame.f_code is not tape.__code__:
            frames += [frame] if self.name(frame) else []
            frame = frame.f_back
        frames.reverse()
        # A frame of the last step that still runs is among these, and as it was kept, no other has its place in memory.
        known = {id(f): (name, number) for f, name, number in self.last}
        self.last = []
        for f in frames:
            if id(f) not in known:
                self.count += 1
                known[id(f)] = self.name(f), self.count
            self.last.append((f, *known[id(f)]))
        return tuple([(name, number) for _, name, number in self.last])

    def forget(self):
        self.last = []

    @staticmethod
    def name(frame):
        """How a picture calls a function; empty of what is no function of the user's and no layer."""
        code = frame.f_code
        if code.co_name == "__call__" and "self" in frame.f_locals:
            owner = type(frame.f_locals["self"])
            return owner.__name__ if not code.co_filename.startswith(PACKAGE) or _is_layer(owner) else ""
        if code.co_filename.startswith(PACKAGE) or (code.co_name[0] == "<" and code.co_name != "<lambda>"):
            return ""
        return code.co_name


def _is_layer(kind):
    return kind.__module__.startswith(f"{__name__.partition('.')[0]}.nn.") and dataclasses.is_dataclass(kind)


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
    if not (args or kwargs) and (why := misfit(f)):
        name = label_of(f)
        raise TypeError(f"tape takes a function and its arguments: write tape({name}, x); {name}: {why}")
    log = _Log()
    with tracing(*active(), log):
        y, gradients = by_params(f, args, kwargs, False, log)
    return Record(y, gradients, log.steps_swept())
