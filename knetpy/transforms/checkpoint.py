"""`checkpoint`: keep only what goes into a function, and run it again when its derivative is wanted."""

import functools
from collections.abc import Callable
from typing import Any

from ..core.dual import Dual
from ..core.errors import label_of
from ..core.primitive import tell
from ..core.rules import NOTHING, Rule
from ..core.tape import Tape, sweep
from ..core.trace import Trace, active, tracing
from ..core.value import Result, Value
from ..journal import Journal
from ..settings import training
from ..tree import leaves, tree_map
from .run import check_callable, defer, watch


def checkpoint(f: Callable, *misplaced: Any) -> Callable:
    """A function like f that saves memory: its steps are not recorded, f runs again when a derivative needs them.

    Every Param and every value under differentiation that f touches counts as its input, argument or not. The second
    run sees the training mode and the random numbers of the first, and makes no side effects of its own. Arrays among
    the arguments are locked until then; others that f uses in arithmetic without params must not be changed.

    Parameters:
      f: any function of arrays and containers.
    Returns: a function of the same arguments.
    Raises: RuntimeError in the second run if it gives another number of outputs than the first.

    >>> import numpy as np, knetpy as kn
    >>> kn.grad(kn.checkpoint(lambda x: np.sin(x) * x))(np.float64(0.0))
    np.float64(0.0)
    """
    check_callable(f, "checkpoint")
    if misplaced:
        raise TypeError(f"checkpoint takes a function and returns one: write checkpoint({label_of(f)})(x)")

    @functools.wraps(f)
    def checkpointed(*args, **kwargs):
        if not any(trace.derives for trace in active()):
            return f(*args, **kwargs)
        first, replay = _First(active()), _Replay(f, args, kwargs)
        y = replay.first_run(first, args, kwargs)
        for write in first.writes:
            defer(write)
        return replay.record(y, first)

    return checkpointed


class _First(Trace):
    """Finds out, in the first run, which values of the traces outside a function touches."""

    derives, raw = True, True

    def __init__(self, outer):
        super().__init__()
        self.outer, self.inputs, self.inner = outer, {}, set()

    def follows(self, x):
        if x.uid in self.inner:
            return True
        if any([trace.follows(x) for trace in self.outer]):
            self.inputs[x.uid] = x
            return True
        return False

    def observe(self, call, depth):
        for trace in self.outer:  # the second run reads what this one reads: nobody may change it in between
            trace.hold.all([s for a, s in zip(call.args, call.seen) if not isinstance(a, Value)])
            trace.hold.all(call.options())
        if all(u is None for u in call.op.ruled(call.uids)):
            return False
        self.inner.update(out.uid for out in call.outs)
        return True


class _Replay:
    """One checkpointed call; to the traces it is a primitive with its inputs as operands."""

    elementwise, composed, through, reuses, saves = False, None, None, False, ()

    def __init__(self, f, args, kwargs):
        self.f, self.name = f, label_of(f)
        self.args, self.kwargs = tree_map(lambda x: x, (args, kwargs))  # containers of our own: the caller's may change
        self.training, self.journal = training(), Journal()
        for trace in active():  # what f computes of a bare array with bare arrays, no trace is told
            trace.hold.all([x for _, x in leaves((args, kwargs))])

    def first_run(self, first, args, kwargs):
        watches = [trace for trace in active() if not trace.derives]
        with tracing(*watches, first), self.journal.recording():
            return self.f(*args, **kwargs)

    def record(self, y, first):
        """`y` with its Results followed by the traces outside, by one step of theirs."""
        self.inputs = list(first.inputs.values())
        made = [x for _, x in leaves(y) if x.__class__ is Result and x.uid in first.inner]
        self.outputs = len(made)
        if not made:
            return y
        seen, arrays = [x.value for x in self.inputs], tuple([r.value for r in made])
        outs = tell(self, self.inputs, seen, {}, arrays if len(made) > 1 else arrays[0])
        new = iter(outs if len(made) > 1 else [outs])
        return tree_map(lambda x: next(new) if x.__class__ is Result and x.uid in first.inner else x, y)

    # What the traces ask of a primitive.

    def ruled(self, uids):
        return uids

    def plan(self, uids):
        return False, [NOTHING] * len(uids)  # `self.inputs` keeps them

    def lost_at_second_order(self, attrs):
        return False

    @property
    def signature(self):
        return self

    variadic = True

    @property
    def vjp(self):
        return Rule(self._pull, False, ())

    @property
    def jvp(self):
        return Rule(self._push, False, ())

    def _run(self, trace):
        """The outputs of the second run, with `trace` innermost."""
        args, kwargs = tree_map(lambda x: x, (self.args, self.kwargs))  # f may change containers at every run
        with tracing(*active(), trace), training(self.training), self.journal.replaying():
            y = self.f(*args, **kwargs)
        found = [x for _, x in leaves(y) if x.__class__ is Result and trace.follows(x) and x.uid not in self._names()]
        if len(found) != self.outputs:
            raise RuntimeError(
                f"checkpoint: {self.name} gave {len(found)} differentiable outputs when it ran again, {self.outputs} "
                "before: it must do the same for the same inputs"
            )
        return found

    def _names(self):
        return {x.uid for x in self.inputs}

    def _pull(self, dy, _y, *_kept):
        tape = Tape(params=False)
        for x in self.inputs:
            tape.leaf(x)
        try:
            outs, seeds = self._run(tape), {}
            for out, d in zip(outs, dy if self.outputs > 1 else (dy,)):
                seeds[out.uid] = d if out.uid not in seeds else seeds[out.uid] + d
            found = sweep(tape.steps, seeds, watch())
        finally:
            tape.hold.release()
        return [found.get(x.uid) for x in self.inputs]

    def _push(self, tangents, _y, *_seen):
        dual = Dual()
        dual.tangents.update(zip([x.uid for x in self.inputs], tangents))
        outs = self._run(dual)
        pushed = [dual.tangents[out.uid] for out in outs]
        return pushed if self.outputs > 1 else pushed[0]
