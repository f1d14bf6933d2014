"""Which primitive is to blame for a wrong derivative: each call is checked by itself."""

from ..core.errors import KnetpyError, place
from ..core.primitive import Primitive, _recorder
from ..core.trace import Trace, active, tracing
from ..core.value import Value
from .derivatives import gradients
from .point import Point


class _Calls(Trace):
    """Keeps the calls of the user's function."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def observe(self, call, depth):
        if isinstance(call.op, Primitive):
            followed = [isinstance(a, Value) and a.dtype.kind == "f" for a in call.args]
            attrs = {k: v for k, v in call.attrs.items() if k in call.op.signature.attrs}
            line = place(call.frame.f_code, call.frame.f_lasti)
            seen = [a.value if isinstance(a, Value) else a for a in call.args]
            self.calls.append((call.op, followed, seen, attrs, line))
        return False


def suspect(point, check):
    """A sentence on the first call whose own derivatives `check(Point)` finds wrong, else None."""
    calls = _Calls()
    with tracing(*active(), calls):
        gradients(point.loss, point.at())
    for op, followed, seen, attrs, line in calls.calls:
        try:
            if any(followed):
                check(_alone(op, followed, seen, attrs))
        except KnetpyError as failure:
            if getattr(failure, "kind", None) == "wrong":
                return f"the primitive {op.name} is wrong by itself, called at {line}"
    return None


def _alone(op, followed, seen, attrs):
    """One call as a function of the operands that were followed."""
    call = _recorder(op)

    def alone(*xs):
        given = iter(xs)
        return call(*[next(given) if f else s for f, s in zip(followed, seen)], **attrs)

    return Point(alone, tuple([s for f, s in zip(followed, seen) if f]))
