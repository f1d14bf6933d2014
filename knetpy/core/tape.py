"""Reverse mode: a tape remembers each step, with just what its rules read, and a sweep takes it back."""

from sys import getrefcount

import numpy as np

from .errors import MutationError, NonFiniteError, ShapeError, place, warn
from .rules import ARRAY, spec
from .trace import Trace, active
from .value import NUMPY, Param, Value

LEAF = None  # stands in the table for a value that the derivative is taken by, or that a later entry makes

# Every kind of step ends with op, code, lasti: which function was called, and where in the user's code.
_UNARY, _BINARY = 8, 12  # the lengths of the steps that the short paths of `primitive` write
_DOUBLE = np.dtype(np.float64)
_LARGE = 1 << 14  # bytes: smaller arrays are sooner made than reused


class Tape(Trace):
    """Reverse mode. `steps` maps the serial number of each followed value to the step that made it, in call order.

    A tape for params follows every Param that a call touches; a tape for arguments sees none of them.
    """

    derives = True

    def __init__(self, params=True, raw=True):
        super().__init__()
        self.steps = {}
        self.sees_params, self.raw = params, raw
        self.touched = {}  # serial number -> (Param, its version when first touched)
        self.warned = False

    def follows(self, x):
        if x.uid in self.steps:
            return True
        if x.__class__ is not Param:
            return False
        self.touched.setdefault(x.uid, (x, x.version))
        if self.sees_params:
            self.steps[x.uid] = LEAF
        return self.sees_params

    def end(self):
        super().end()
        self.steps.clear()
        self.sees_params = False

    def leaf(self, x):
        """Follow the Value `x` from here on."""
        self.steps[x.uid] = LEAF

    def observe(self, call, depth):
        op, args, attrs, seen = call.op, call.args, call.attrs, call.seen
        call.uids = uids = op.ruled(call.uids)
        if all([u is None for u in uids]):
            return False
        keep_y, amounts = op.plan(uids)
        kept, specs = [], []
        for a, s, u, amount in zip(args, seen, uids, amounts):
            specs.append(None if u is None else (s.shape, s.dtype))
            if amount == ARRAY:
                kept.append(s if isinstance(a, Value) else self.hold(s))  # what a Value holds nobody can write
            else:
                kept.append(spec(s) if amount else None)
        self.hold.all(call.options())
        first, *others = call.outs
        if first.value.dtype is _DOUBLE and not self.warned:
            self._warn_of_promotion(call)
        outs = [(out.uid, spec(out)) for out in call.outs] if others else None
        frame = call.frame
        y = call.y if keep_y else None
        self.steps[first.uid] = y, kept, uids, specs, attrs, outs, op, frame.f_code, frame.f_lasti
        for out in others:
            self.steps[out.uid] = LEAF
        return True

    def check_unchanged(self, names):
        """Raise if a Param was written since this tape met it; `names(p)` is how the user knows it."""
        for p, version in self.touched.values():
            if p.version != version:
                raise MutationError(
                    f"{names(p)} was changed in place between the recording and its derivative; take the gradient "
                    "first, then update"
                )

    def _warn_of_promotion(self, call):
        small = [a for a in call.args if a.__class__ is Param and a.dtype == np.float32]
        if small and any(hasattr(a, "dtype") and a.dtype == np.float64 for a in call.args):
            self.warned, p = True, small[0]
            warn(
                f"{call.op.name}: a float32 Param of shape {p.shape} meets float64, so everything after it is float64 "
                "and slow; write x.astype(np.float32), or make the Param from a float64 array"
            )


def sweep(steps, cotangents, watch=None):
    """Take `cotangents`, by serial number, back through `steps`; returns those of the leaves.

    Both dicts are consumed, step by step, and no name here outlives its step, so that memory is given back on the way.
    `watch(uid, step, dy, dxs)` is told of every step that has a cotangent, and what became of it. Runs under whatever
    traces are active: those outside the tape.
    """
    pop, take, reuse = steps.popitem, cotangents.pop, not active()
    step = None
    try:
        with np.errstate(all="ignore"):  # infinite slopes are answers here, not accidents
            while steps:
                uid, step = pop()
                if step is LEAF:
                    continue
                dy = take(uid, None)
                if watch is not None:
                    _watched(uid, step, dy, cotangents, watch)
                elif len(step) == _BINARY:
                    if dy is None:
                        continue
                    ra, rb, y, a, b, ua, ub, sa, sb, _, _, _ = step
                    if ua is not None:
                        dx = ra(dy, y, a, b)
                        if sa is not None:
                            dx = unbroadcast(dx, sa)
                        old = take(ua, None)
                        cotangents[ua] = dx if old is None else _sum(old, dx)
                    if ub is not None:
                        dx = rb(dy, y, a, b)
                        if sb is not None:
                            dx = unbroadcast(dx, sb)
                        old = take(ub, None)
                        cotangents[ub] = dx if old is None else _sum(old, dx)
                    y = a = b = dx = old = None
                elif len(step) == _UNARY:
                    if dy is None:
                        continue
                    rule, y, a, ua, attrs, _, _, _ = step
                    if attrs:
                        if reuse and "out" in attrs and _lone(dy, 1):
                            attrs = {**attrs, "out": dy}
                        dx, attrs = rule(dy, y, a, **attrs), None
                    else:
                        dx = rule(dy, y, a)
                    old = take(ua, None)
                    cotangents[ua] = dx if old is None else _sum(old, dx)
                    y = a = dx = old = None
                else:
                    rest, step = [*step], step[-3:]  # of which only the message below has need
                    _add(_general(rest, dy, cotangents, reuse)[1], cotangents)
    except Exception as failure:
        if step is not LEAF and hasattr(failure, "add_note") and not isinstance(failure, NonFiniteError):  # Python 3.11
            failure.add_note(f"in the derivative of {step[-3].name}, called at {place(step[-2], step[-1])}")
        raise
    return cotangents


def _add(found, cotangents):
    """Enter what was found, [(serial number, cotangent)], from the last."""
    while found:
        u, dx = found.pop()
        old = cotangents.pop(u, None)
        cotangents[u] = dx if old is None else _sum(old, dx)


def _sum(old, dx):
    """old + dx, in the memory of one of them if nobody else has it."""
    if old.__class__ is dx.__class__ is np.ndarray and old.nbytes >= _LARGE:
        if old.shape == dx.shape and old.dtype == dx.dtype:
            if _lone(old, 2):
                return np.add(old, dx, out=old)
            if _lone(dx, 2):
                return np.add(old, dx, out=dx)
    return old + dx


def _lone(x, names):
    """Whether `x` is an array without gaps whose memory nobody has but `names` (1 or 2) local variables.

    Python counts who has an array, and an array counts with the views of its memory.
    """
    if x.__class__ is not np.ndarray or getrefcount(x) != _COUNTS[names] or not x.flags.writeable:
        return False
    owner = x.base
    if owner is None:
        return x.flags.owndata
    return (
        owner.__class__ is np.ndarray
        and getrefcount(owner) == _COUNTS[0]
        and owner.flags.owndata
        and owner.nbytes == x.nbytes
    )


def _counts():
    """What getrefcount says in `_lone`: of who owns an array's memory, of an array that 1 or 2 variables have."""

    def of_owner(x):
        owner = x.base
        return getrefcount(owner)

    def by_one(x):
        return getrefcount(x)

    def by_two(x):
        return by_one(x)

    x = np.zeros(1)
    return of_owner(np.zeros(1)[:]), by_one(x), by_two(x)


_COUNTS = _counts()


def _general(rest, dy, cotangents, reuse):
    """(cotangent of the outputs, [(serial number, cotangent) of each operand, from the last]) for a step of the general
    kind, as a list, which is consumed."""
    y, kept, uids, specs, attrs, outs, op, _, _ = rest
    held = [y, *kept]
    y = kept = rest[:] = ()
    out = dy if reuse and op.reuses and _lone(dy, 2) else None
    if outs is not None:
        dys = [dy] + [cotangents.pop(uid, None) for uid, _ in outs[1:]]
        dy = None if all(d is None for d in dys) else _filled(dys, [like for _, like in outs])
    if dy is None:
        return None, []
    found = pull(op, dy, held, specs, attrs, out)
    return dy, [(u, dx) for u, dx in zip(reversed(uids), reversed(found)) if dx is not None]


def _watched(uid, step, dy, cotangents, watch):
    """One step of any kind, told to `watch`."""
    if len(step) == _BINARY:
        ra, rb, y, a, b, ua, ub, sa, sb, _, _, _ = step
        found = (
            [] if dy is None else [(u, r(dy, y, a, b), s) for u, r, s in ((ub, rb, sb), (ua, ra, sa)) if u is not None]
        )
        found = [(u, dx if s is None else unbroadcast(dx, s)) for u, dx, s in found]
    elif len(step) == _UNARY:
        rule, y, a, ua, attrs, _, _, _ = step
        found = [] if dy is None else [(ua, rule(dy, y, a, **attrs))]
    else:
        dy, found = _general([*step], dy, cotangents, False)
    if dy is not None:
        watch(uid, step, dy, [dx for _, dx in reversed(found)])
    _add(found, cotangents)


def _filled(parts, likes):
    return tuple(np.zeros(s.shape, s.dtype) if d is None else d for d, s in zip(parts, likes))


def pull(op, dy, held, specs, attrs, out=None):
    """Cotangents of the operands that have a spec, None for the others and where the rule gives none.

    held: y and what is kept of the operands. Rules run from the last, by which weights come before data, and what none
      of those to come reads is given back: with the weights of a layer done, its input makes room for its cotangent.
    out: None, or the array in dy if it may be overwritten.
    """
    if op.vjp is not None:
        found = _asked(op.vjp, dy, held, attrs, out)
        if not isinstance(found, (tuple, list)) or len(found) != len(specs):
            raise TypeError(f"the vjp of {op.name} must return one cotangent for each of its {len(specs)} operands")
    elif op.signature.variadic:
        found = [s and op.rule(i).call(dy, *held, **attrs, i=i) for i, s in enumerate(specs)]
    else:
        found, rules = [None] * len(specs), op.rules()
        spent, order = op.order([s is not None for s in specs])
        if op.through is not None:
            dy, out = _asked(op.through, dy, held, attrs, out), None
            _drop(held, spent)
        for i, spent in order:
            if rules[i] is not None:
                found[i] = _asked(rules[i], dy, held, attrs, out if i == order[-1][0] else None)
            _drop(held, spent)
    return [None if s is None or dx is None else _match(op, dx, s) for dx, s in zip(found, specs)]


def _asked(rule, dy, held, attrs, out):
    if out is None or not rule.reuses:
        return rule.call(dy, *held, **attrs)
    return rule.call(dy, *held, **attrs, out=out)


def _drop(held, spent):
    for n in spent:
        held[n] = None


def _match(op, dx, like):
    """The cotangent in the operand's own shape and dtype: what broadcasting stretched is summed."""
    shape, dtype = like
    if dx.__class__ is np.ndarray and dx.dtype is dtype and dx.shape == shape:
        return dx
    if not hasattr(dx, "dtype"):
        dx = np.asarray(dx)
    if dx.shape != shape:
        if not op.elementwise:
            raise ShapeError(
                f"a rule of {op.name} gave a cotangent of shape {dx.shape} for an operand of shape {shape}"
            )
        dx = unbroadcast(dx, shape)
    return dx if dx.dtype is dtype or dx.dtype == dtype else dx.astype(dtype)


def unbroadcast(dx, shape):
    """Sum `dx` over the axes along which an operand of `shape` was stretched."""
    if dx.shape == shape:
        return dx
    total, extra = NUMPY[np.sum], len(dx.shape) - len(shape)
    if extra > 0:
        dx = total(dx, axis=tuple(range(extra)))
    stretched = tuple([i for i, n in enumerate(shape) if n == 1 and dx.shape[i] != 1])
    return total(dx, axis=stretched, keepdims=True) if stretched else dx
