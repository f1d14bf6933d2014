"""What a transform learns of the calls made while it runs, and which transforms are running."""

import sys
from contextvars import ContextVar

from ..arrays import Holder
from .errors import outside

_traces: ContextVar[tuple] = ContextVar("traces", default=())  # outermost first; per thread and per task
_steps: ContextVar[dict | None] = ContextVar("steps", default=None)  # of a tape that is the only active trace
active = _traces.get
sole_steps = _steps.get


def activate(traces):
    """Make exactly these traces active, outermost first."""
    _steps.set(traces[0].steps if len(traces) == 1 else None)
    _traces.set(traces)


class tracing:
    """Makes exactly `traces` active inside the block, outermost first."""

    __slots__ = ("before", "traces")

    def __init__(self, *traces):
        self.before, self.traces = active(), traces

    def __enter__(self):
        activate(self.traces)

    def __exit__(self, *exception):
        activate(self.before)


class Trace:
    """What a transform learns of the calls made while it runs. This one learns nothing; see `Tape` and `Dual`."""

    derives = False  # whether it takes derivatives, so that rules must be recordable for the traces outside it
    raw = False  # whether rules on bare arrays may serve it, if it is the only one that derives
    steps = None  # the table that the short paths write into, if it has one
    watch = None  # called in sweeps as watch(uid, step, dy, dxs), see `sweep`

    def __init__(self):
        self.hold, self.writes = Holder(), []  # arrays that must not change; side effects to make on success

    def end(self):
        """The transform is over; a task that was started inside and still has this trace must not notice it."""
        self.hold.release()
        self.derives = False

    def follows(self, x):
        """Whether the Value `x` depends on what this trace differentiates by."""
        return False

    def observe(self, call, depth):
        """A call was made; return whether its outputs are to be followed."""
        return False


class Call:
    """One evaluated call, as it is told to a trace.

    `uids` are the serial numbers of the operands that the trace follows, None for the others; `seen` is what it may
    keep of the operands, `y` of the output.
    """

    __slots__ = ("args", "attrs", "frame", "op", "outs", "seen", "uids", "y")

    def __init__(self, op, args, seen, attrs, y, outs):
        self.op, self.args, self.seen, self.attrs, self.y, self.outs = op, args, seen, attrs, y, outs
        self.frame = outside(sys._getframe(2))

    def options(self):
        """The options of the call, which may be the user's arrays; what the kernel saved is nobody else's."""
        return [v for name, v in self.attrs.items() if name not in self.op.signature.saves]
