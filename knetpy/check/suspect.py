"""Which primitive is to blame for a wrong derivative: each call is checked by itself."""

from ..core.errors import KnetpyError, place
from ..core.primitive import Primitive
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
            followed = [isinstance(a, Value) and a.dtype.kind in "fc" for a in call.args]
            attrs = {k: v for k, v in call.attrs.items() if k in call.op.signature.attrs}
            line = place(call.frame.f_code, call.frame.f_lasti)
            seen = [a.value if isinstance(a, Value) else a for a in call.args]
            self.calls.append((call.op, followed, seen, attrs, line))
        return False


def suspect(point, wrong):
    """A sentence on the first call whose own derivatives `wrong(Point)` finds wrong, else None."""
    calls = _Calls()
    with tracing(*active(), calls):
        gradients(point.loss, point.at())
    for op, followed, seen, attrs, line in calls.calls:
        try:
            found = any(followed) and wrong(_alone(op, followed, seen, attrs))
        except KnetpyError:
            continue
        if found:
            return f"the primitive {op.name} is wrong by itself, in {_part(op, followed, *found)}, called at {line}"
    return None


def _part(op, followed, order, number, mode):
    """Which part of a declaration gave the wrong derivative, as far as that can be told."""
    if op.jvp and mode == "forward":
        return "its jvp"
    names = op.signature.operands
    if op.vjp:
        rule = "its vjp"
    elif order > 1 and len(names) > 1:
        rule = "its rules"  # a second derivative takes several
    else:
        operand = 0 if op.signature.variadic or number is None else [n for n, f in enumerate(followed) if f][number]
        rule = f"its rule for {names[operand]}"
    return " or ".join([rule, *[name for name in ("jvp", "composed") if getattr(op, name)]])


def _alone(op, followed, seen, attrs):
    """One call as a function of the operands that were followed."""

    def alone(*xs):
        given = iter(xs)
        return op.call(*[next(given) if f else s for f, s in zip(followed, seen)], **attrs)

    return Point(alone, tuple([s for f, s in zip(followed, seen) if f]))
