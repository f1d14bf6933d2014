"""The short paths: a call under a single tape.

They do what `tell` and `Tape.observe` do, decided beforehand: `unary` and `binary` for ops whose rules return the shape
and dtype of the operand, `any_number` for others of one output. An idle trace (`Trace()`) switches them off.
"""

import sys

from ..arrays import PLAIN
from .errors import outside, users
from .rules import ARRAY, Spec, spec
from .tape import pull_one, pull_two
from .trace import active, sole_steps
from .value import Param, Result, Value, serial

_getframe = sys._getframe
_new = object.__new__


def unary(op, record, tell, depth):
    """The short path for one operand; `depth` is how many frames out its caller is."""
    kernel, (rule,), options = op.kernel, op.declared.values(), len(op.signature.attrs)
    rule, keep_y, (keep_x,), reuses = rule

    def call(x, **attrs):
        given, kind, uid = x, x.__class__, None
        if kind is Result or kind is Param:
            steps, uid = sole_steps(), x.uid
            if steps is None or (uid not in steps and not active()[0].follows(x)):
                return record(x, **attrs)
            x = x.value
        if len(attrs) != options:
            _, attrs = op.complete((x,), attrs)
        try:
            y = kernel(x, **attrs)
        except Exception as failure:
            op.explain(failure, (x,), attrs)
            raise
        if uid is None:
            return y
        dtype = getattr(y, "dtype", object)
        if x.dtype is not dtype and x.dtype != dtype:
            return tell(op, (given,), (x,), attrs, y)
        if attrs:
            active()[0].hold.all(attrs.values())
        frame = _getframe(depth)
        if frame.f_code.co_filename not in users:
            frame = outside(frame)
        out = _new(Result)
        out.value = y
        out.uid = new = serial()
        if keep_x != ARRAY:
            x = Spec(x.shape, x.dtype) if keep_x else None
        if reuses:
            attrs = {**attrs, "out": None}
        steps[new] = pull_one, rule, y if keep_y else None, x, uid, attrs, op, frame.f_code, frame.f_lasti
        return out

    return call


def binary(op, record, tell, depth):
    """The short path for two operands."""
    kernel, rules, elementwise = op.kernel, list(op.declared.values()), op.elementwise
    ra, rb = [rule.call for rule in rules]
    of_a, of_b = [(rule.reads_y, *rule.reads) for rule in rules]  # how much each rule reads of y, a, b
    reads = None, of_a, of_b, tuple(map(max, of_a, of_b))  # by which operands are followed

    def call(a, b):
        kind = a.__class__
        if kind is Result or kind is Param:
            x, ua = a.value, a.uid
        else:
            x, ua = a, None
        kind = b.__class__
        if kind is Result or kind is Param:
            z, ub = b.value, b.uid
        else:
            z, ub = b, None
        if ua is not None or ub is not None:
            steps = sole_steps()
            if (
                steps is None
                or (ua is not None and ua not in steps and not active()[0].follows(a))
                or (ub is not None and ub not in steps and not active()[0].follows(b))
                or not ((ua is not None or a.__class__ in PLAIN) and (ub is not None or kind in PLAIN))
            ):
                return record(a, b)
        try:
            y = kernel(x, z)
        except Exception as failure:
            op.explain(failure, (x, z), {})
            raise
        if ua is ub is None:
            return y
        dtype = getattr(y, "dtype", object)
        if (ua is not None and x.dtype is not dtype) or (ub is not None and z.dtype is not dtype):
            if (ua is not None and x.dtype != dtype) or (ub is not None and z.dtype != dtype):
                return tell(op, (a, b), (x, z), {}, y)  # which warns, and returns each cotangent in its own dtype
        shape = y.shape if elementwise else None
        sx = x.shape if elementwise and ua is not None and x.shape != shape else None
        sz = z.shape if elementwise and ub is not None and z.shape != shape else None
        ky, kx, kz = reads[(ua is not None) + 2 * (ub is not None)]
        if kx != ARRAY:
            x = spec(x) if kx else None
        elif ua is None:
            x = active()[0].hold(x)
        if kz != ARRAY:
            z = spec(z) if kz else None
        elif ub is None:
            z = active()[0].hold(z)
        frame = _getframe(depth)
        if frame.f_code.co_filename not in users:
            frame = outside(frame)
        out = _new(Result)
        out.value = y
        out.uid = new = serial()
        steps[new] = pull_two, ra, rb, y if ky else None, x, z, ua, ub, sx, sz, op, frame.f_code, frame.f_lasti
        return out

    return call


def any_number(op, record, tell, depth):
    """The path for any number of operands, with options, saved values and rules that are checked."""
    count, wanted = len(op.signature.operands), len(op.signature.attrs)

    def call(*args, **attrs):
        steps = sole_steps()
        if steps is None or len(args) != count or len(attrs) != wanted:
            return record(*args, **attrs)
        tape, seen, uids, followed = active()[0], [], [], False
        for x in args:
            kind, uid = x.__class__, None
            if kind is Result or kind is Param:
                uid, followed = x.uid, True
                if uid not in steps and not tape.follows(x):
                    return record(*args, **attrs)
                x = x.value
            elif kind not in PLAIN:
                return record(*args, **attrs)
            seen.append(x)
            uids.append(uid)
        if not followed or any([isinstance(option, Value) for option in attrs.values()]):
            return record(*args, **attrs)
        if op.composed is not None and not tape.raw:
            return op.composed(*args, **attrs)
        y, saved = op.evaluate(seen, attrs)
        dtype = getattr(y, "dtype", object)
        for x, uid in zip(seen, uids):
            if uid is not None and x.dtype is not dtype and x.dtype != dtype:
                return tell(op, args, seen, saved, y)  # which warns, and makes constants of integers
        uids = op.ruled(uids)
        if uids.count(None) == count:
            return y
        step = tape.step(op, args, seen, uids, saved, attrs.values(), y)
        frame = _getframe(depth)
        if frame.f_code.co_filename not in users:
            frame = outside(frame)
        out = _new(Result)
        out.value = y
        out.uid = new = serial()
        steps[new] = *step, frame.f_code, frame.f_lasti
        return out

    return call
