"""Reverse mode: a tape remembers each step, with just what its rules read, and a sweep takes it back.

A rule is the transpose of the derivative under the pairing Re(sum(dy * dx)), without a conjugate, so that a rule of an
analytic function is the same for complex numbers. Transforms conjugate what enters and leaves.
"""

from sys import getrefcount

import numpy as np

from ..devices import filled
from .errors import MutationError, ShapeError, explain_derivative, warn
from .rules import ARRAY, Spec, spec
from .trace import Trace, active
from .value import NUMPY, Param, Result

LEAF = None  # stands in the table for a value that the derivative is taken by, or that a later entry makes

_DOUBLE = np.dtype(np.float64), np.dtype(np.complex128)
_LARGE = 1 << 14  # bytes: smaller arrays are sooner made than reused


class Tape(Trace):
    """Reverse mode. `steps` maps the serial number of each followed value to the step that made it, in call order.

    A tape for params follows every Param that a call touches; a tape for arguments sees none of them.
    """

    derives = True

    def __init__(self, params=True, raw=True):
        super().__init__()
        self.steps, self.sees_params, self.raw, self.warned = {}, params, raw, False
        self.touched = {}  # serial number -> (Param, its version when first touched)

    def follows(self, x):
        if x.uid in self.steps:
            return True
        if x.__class__ is not Param:
            return False
        self.touched.setdefault(x.uid, (x, x.version))
        if follow := self.sees_params and not x.frozen:
            self.steps[x.uid] = LEAF
        return follow

    def end(self):
        super().end()
        self.steps.clear()
        self.sees_params = False

    def leaf(self, x):
        """Follow the Value `x` from here on."""
        self.steps[x.uid] = LEAF

    def observe(self, call, depth):
        op = call.op
        uids = call.uids = op.ruled(call.uids)
        if uids.count(None) == len(uids):
            return False
        first, *others = call.outs
        if first.value.dtype in _DOUBLE and not self.warned:
            self._warn_of_promotion(call)
        outs = [(out.uid, spec(out)) for out in call.outs] if others else None
        step = self.step(op, call.args, call.seen, uids, call.attrs, call.options(), call.y, outs)
        self.steps[first.uid] = *step, call.frame.f_code, call.frame.f_lasti
        for out in others:
            self.steps[out.uid] = LEAF
        return True

    def step(self, op, args, seen, uids, attrs, options, y, outs=None):
        """What a sweep needs of a call, see `_pulled`; what it keeps of the caller's arrays is locked."""
        keep_y, amounts = op.plan(uids)
        held, specs = [y if keep_y else None], []
        for x, s, uid, amount in zip(args, seen, uids, amounts):
            specs.append(None if uid is None else Spec(s.shape, s.dtype))
            if amount == ARRAY:  # nobody can write what a Value holds
                held.append(s if x.__class__ is Result or x.__class__ is Param else self.hold(s))
            else:
                held.append(spec(s) if amount else None)
        self.hold.all(options)
        return _pulled, held, uids, specs, attrs, outs, op

    def steps_again(self):
        """A copy of `steps` for a sweep that is not the last one."""
        general = {uid: s for uid, s in self.steps.items() if s is not LEAF and s[0] is _pulled}
        return {**self.steps, **{uid: (pull, [*held], *rest) for uid, (pull, held, *rest) in general.items()}}

    def check_unchanged(self, names):
        """Raise if a Param was written since this tape met it; `names(p)` is how the user knows it."""
        for p, version in self.touched.values():
            if p.version != version:
                raise MutationError(
                    f"{names(p)} was changed in place between the recording and its derivative; take the gradient "
                    "first, then update"
                )

    def _warn_of_promotion(self, call):
        small = [a for a in call.args if a.__class__ is Param and a.dtype in (np.float32, np.complex64)]
        large = [a.dtype for a in call.args if hasattr(a, "dtype") and a.dtype in _DOUBLE]
        if small and large:
            self.warned, p, wide = True, small[0], large[0]
            warn(
                f"{call.op.name}: a {p.dtype} Param of shape {p.shape} meets {wide}, so all that follows is in double "
                f"precision and slow; write x.astype(np.{'complex64' if wide.kind == 'c' else 'float32'}), or make the "
                f"Param from a {wide} array"
            )


def sweep(steps, cotangents, watch=None):
    """Take `cotangents`, by serial number, back through `steps`; returns those of the leaves.

    A step is (pull, ..., op, code, lasti): how cotangents are taken through it, which function was called, and where in
    the user's code. Both dicts are consumed, step by step, and no name here outlives its step, so that memory is given
    back on the way. `watch(uid, step, dy, dxs)` is told of every step that has a cotangent, and what became of it. Runs
    under whatever traces are active: those outside the tape.
    """
    take, reuse, step = cotangents.pop, not active() and watch is None, None
    try:
        with np.errstate(all="ignore"):  # infinite slopes are answers here, not accidents
            while steps:
                uid, step = steps.popitem()
                if step is LEAF:
                    continue
                pull, dy = step[0], take(uid, None)
                if pull is _pulled:
                    dy = _together(step, dy, take)
                if dy is None:
                    continue
                if watch is None:
                    pull(step, dy, cotangents, reuse)
                else:
                    found = {}
                    pull(step, dy, found, False)
                    watch(uid, step, dy, list(found.values()))
                    for uid, dx in found.items():
                        cotangents[uid] = take(uid) + dx if uid in cotangents else dx
    except Exception as failure:
        if step is not LEAF:
            explain_derivative(failure, step[-3].name, *step[-2:])
        raise
    return cotangents


# Three kinds of steps. Each adds the cotangents of its operands, by serial number, to what is known; that of its output
# it may overwrite if `reuse` and nobody else has it.


def pull_one(step, dy, cotangents, reuse):
    """A step of `short.unary`."""
    _, rule, y, x, uid, attrs, _, _, _ = step
    if reuse and "out" in attrs and _lone(dy, 2):
        attrs = {**attrs, "out": dy}
    dx = rule(dy, y, x, **attrs)
    old = cotangents.pop(uid, None)
    cotangents[uid] = dx if old is None else _sum(old, dx)


def pull_two(step, dy, cotangents, reuse):
    """A step of `short.binary`."""
    _, rule_a, rule_b, y, a, b, of_a, of_b, shape_a, shape_b, _, _, _ = step
    if of_a is not None:
        dx = rule_a(dy, y, a, b)
        if shape_a is not None:
            dx = unbroadcast(dx, shape_a)
        old = cotangents.pop(of_a, None)
        cotangents[of_a] = dx if old is None else _sum(old, dx)
    if of_b is not None:
        dx = rule_b(dy, y, a, b)
        if shape_b is not None:
            dx = unbroadcast(dx, shape_b)
        old = cotangents.pop(of_b, None)
        cotangents[of_b] = dx if old is None else _sum(old, dx)


def _pulled(step, dy, cotangents, reuse):
    """A step of `Tape.step`."""
    _, held, uids, specs, attrs, _, op, _, _ = step
    out = dy if reuse and op.reuses and _lone(dy, 2) else None
    found = pull(op, dy, held, specs, attrs, out)
    for uid in reversed(uids):
        dx = found.pop()
        if dx is not None:
            old = cotangents.pop(uid, None)
            cotangents[uid] = dx if old is None else _sum(old, dx)


def _together(step, dy, take):
    """The cotangents of all outputs, zeros where there is none; None if there is none at all."""
    outs = step[5]
    if outs is None:
        return dy
    dys = [dy] + [take(uid, None) for uid, _ in outs[1:]]
    return filled(dys, [like for _, like in outs])


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
        found, rows = [None] * len(specs), op.order([s is not None for s in specs])
        for i, rule, spent in rows:
            if i is not None:
                found[i] = _asked(rule, dy, held, attrs, out if i == rows[-1][0] else None)
            elif rule is not None:
                dy, out = _asked(rule, dy, held, attrs, out), None
            for n in spent:
                held[n] = None
    return [None if s is None or dx is None else _match(op, dx, s) for dx, s in zip(found, specs)]


def _asked(rule, dy, held, attrs, out):
    if out is None or not rule.reuses:
        return rule.call(dy, *held, **attrs)
    return rule.call(dy, *held, **attrs, out=out)


def _match(op, dx, like):
    """The cotangent in the operand's own shape and dtype: what broadcasting stretched is summed, and of a real operand
    of a complex function it is the real part."""
    shape, dtype = like
    if dx.__class__ is np.ndarray and dx.dtype is dtype and dx.shape == shape:
        return dx
    if not hasattr(dx, "dtype"):
        dx = np.asarray(dx)
    if dx.shape != shape:
        if not op.elementwise:
            raise ShapeError(
                f"a rule of {op.name} gave a cotangent of shape {dx.shape} for an operand of shape {shape}; sum it "
                "over where the operand was used again, or pass elementwise=True if operands are broadcast"
            )
        dx = unbroadcast(dx, shape)
    if dx.dtype.kind == "c" and dtype.kind != "c":
        dx = NUMPY[np.real](dx)
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
