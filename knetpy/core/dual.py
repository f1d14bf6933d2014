"""Forward mode: a dual keeps a tangent beside every value that depends on what is differentiated by."""

import numpy as np

from .errors import ShapeError
from .rules import spec
from .tape import Tape, pull, sweep
from .trace import Trace, active, tracing
from .value import Result


class Dual(Trace):
    """Forward mode. `tangents` maps serial numbers to tangents, which are computed as the calls are made."""

    derives = True

    def __init__(self):
        super().__init__()
        self.tangents = {}

    def follows(self, x):
        return x.uid in self.tangents

    def leaf(self, x, tangent=None):
        """Follow the Value `x` with this tangent, by default zeros."""
        self.tangents[x.uid] = np.zeros_like(x.value) if tangent is None else tangent

    def observe(self, call, depth):
        if not call.op.jvp:
            call.uids = call.op.ruled(call.uids)
        if all([u is None for u in call.uids]):
            return False
        given = [None if u is None else self.tangents[u] for u in call.uids]
        with tracing(*active()[:depth]), np.errstate(all="ignore"):
            found = _declared(call, given) if call.op.jvp else transpose(call, given)
        for out, tangent in zip(call.outs, found):
            self.tangents[out.uid] = np.zeros_like(out.value) if tangent is None else tangent
        return True


def _declared(call, given):
    """The tangents of the outputs by the primitive's own jvp rule."""
    dxs = [np.zeros(*spec(a)) if t is None else t for a, t in zip(call.args, given)]
    if call.op.signature.variadic:
        dxs = [tuple(dxs)]
    found = call.op.jvp.call(*dxs, call.y, *call.seen, **call.attrs)
    if call.op.outputs == 1:
        found = [found]
    elif not isinstance(found, (tuple, list)) or len(found) != call.op.outputs:
        raise TypeError(f"the jvp of {call.op.name} must return one tangent for each of its {call.op.outputs} outputs")
    return [t if t is None else _fitting(t, out, call.op.name) for t, out in zip(found, call.outs)]


def _fitting(tangent, out, name):
    """A tangent in the dtype of its output; the shape must agree."""
    if not hasattr(tangent, "dtype"):
        tangent = np.asarray(tangent)
    if tangent.shape != out.shape:
        raise ShapeError(f"the jvp of {name} gave a tangent of shape {tangent.shape} for an output of {out.shape}")
    return tangent if tangent.dtype == out.dtype else tangent.astype(out.dtype)


def transpose(call, given):
    """The tangents of the outputs from the reverse rules, which are linear in the cotangent.

    They are recorded on a probe in the cotangent's place; sweeping that record back with the tangents gives
    what the probe has to be multiplied by, and that is the tangent of the output.
    """
    probes = [Result(np.ones_like(out.value)) for out in call.outs]
    tape = Tape(params=False, raw=False)
    for probe in probes:
        tape.leaf(probe)
    dy = tuple(probes) if call.op.outputs > 1 else probes[0]
    specs = [None if t is None else spec(a) for a, t in zip(call.args, given)]
    with tracing(*active(), tape):
        dxs = pull(call.op, dy, [call.y, *call.seen], specs, call.attrs)
    seeds: dict = {}
    for dx, t in zip(dxs, given):
        if isinstance(dx, Result) and dx.uid in tape.steps:
            seeds[dx.uid] = t if dx.uid not in seeds else seeds[dx.uid] + t
    try:
        found = sweep(tape.steps, seeds)
    finally:
        tape.hold.release()
    return [found.get(probe.uid) for probe in probes]
