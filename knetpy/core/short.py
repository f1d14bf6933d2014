"""The short paths: a call under a single tape.

They do what `tell` and `Tape.observe` do, with everything that can be known beforehand decided here. `unary` and
`binary` are for ops whose rules are known to return the operand's shape and dtype, `any_number` for every other op of
one output. An idle trace (`Trace()`) beside the tape switches them off.
"""

import sys

from .errors import outside, users
from .rules import ARRAY, Spec, spec
from .trace import active, sole_steps
from .value import Param, Result, Value, serial

_getframe = sys._getframe
_new = object.__new__


def unary(op, record, tell, depth):
    """The short path for one operand; `depth` is how many frames out its caller is."""
    kernel, (rule,), options = op.kernel, op.declared.values(), len(op.signature.attrs)
    rule, keep_y, (keep_x,), reuses = rule

    def call(x, **attrs):
        kind = x.__class__
        if kind is not Result and kind is not Param:
            return record(x, **attrs) if attrs else untracked(x)
        steps, uid = sole_steps(), x.uid
        if steps is None or (uid not in steps and not active()[0].follows(x)):
            return record(x, **attrs)
        if len(attrs) != options:
            (x,), attrs = op.complete((x,), attrs)
        r, x = x, x.value
        if attrs:
            y = op.evaluate((x,), attrs)[0]
            active()[0].hold.all(attrs.values())
        else:
            y = untracked(x)
        if getattr(y, "dtype", None) is not x.dtype:
            return tell(op, (r,), (x,), attrs, y)
        frame = _getframe(depth)
        code = frame.f_code
        if code.co_filename not in users:
            frame = outside(frame)
            code = frame.f_code
        out = _new(Result)
        out.value = y
        out.uid = new = serial()
        if keep_x != ARRAY:
            x = Spec(x.shape, x.dtype) if keep_x else None
        if reuses:
            attrs = {**attrs, "out": None}
        steps[new] = rule, y if keep_y else None, x, uid, attrs, op, code, frame.f_lasti
        return out

    def untracked(x):
        try:
            return kernel(x)
        except Exception as failure:
            op.explain(failure, (x,), {})
            raise

    return call


def binary(op, record, tell, depth):
    """The short path for two operands."""
    kernel, rules, elementwise = op.kernel, list(op.declared.values()), op.elementwise
    ra, rb = [rule.call for rule in rules]
    reads_y = [r.reads_y for r in rules]
    (a_of_a, b_of_a), (a_of_b, b_of_b) = [r.reads for r in rules]
    keep_y, keep_a, keep_b = any(reads_y), max(a_of_a, a_of_b), max(b_of_a, b_of_b)  # if both operands are followed

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
        if ua is ub is None:
            return untracked(a, b)
        steps = sole_steps()
        if (
            steps is None
            or (ua is not None and ua not in steps and not active()[0].follows(a))
            or (ub is not None and ub not in steps and not active()[0].follows(b))
        ):
            return record(a, b)
        y = untracked(x, z)
        dtype = getattr(y, "dtype", None)
        if (ua is not None and x.dtype is not dtype) or (ub is not None and z.dtype is not dtype):
            return tell(op, (a, b), (x, z), {}, y)  # which warns, and returns each cotangent in its own dtype
        sx = sz = None
        if ub is None:
            shape = x.shape
            if elementwise and shape != y.shape:
                sx = shape
            ky, kx, kz = reads_y[0], a_of_a, b_of_a
            if kz == ARRAY:
                z = active()[0].hold(z)
        elif ua is None:
            shape = z.shape
            if elementwise and shape != y.shape:
                sz = shape
            ky, kx, kz = reads_y[1], a_of_b, b_of_b
            if kx == ARRAY:
                x = active()[0].hold(x)
        else:
            shape = x.shape
            if elementwise and shape != z.shape:
                sx, sz = shape, z.shape
            ky, kx, kz = keep_y, keep_a, keep_b
        if kx != ARRAY:
            x = spec(x) if kx else None
        if kz != ARRAY:
            z = spec(z) if kz else None
        frame = _getframe(depth)
        code = frame.f_code
        if code.co_filename not in users:
            frame = outside(frame)
            code = frame.f_code
        out = _new(Result)
        out.value = y
        out.uid = new = serial()
        steps[new] = ra, rb, y if ky else None, x, z, ua, ub, sx, sz, op, code, frame.f_lasti
        return out

    def untracked(a, b):
        try:
            return kernel(a, b)
        except Exception as failure:
            op.explain(failure, (a, b), {})
            raise

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
            elif kind is list:
                return record(*args, **attrs)
            seen.append(x)
            uids.append(uid)
        if not followed:
            return record(*args, **attrs)
        options = attrs.values()
        for option in options:
            if isinstance(option, Value):
                return record(*args, **attrs)
        if op.composed is not None and not tape.raw:
            return op.composed(*args, **attrs)
        y, attrs = op.evaluate(seen, attrs)
        dtype, uids = getattr(y, "dtype", None), op.ruled(uids)
        specs = [None if uid is None else Spec(x.shape, x.dtype) for x, uid in zip(seen, uids)]
        for x in specs:
            if x is not None and x.dtype is not dtype:
                return tell(op, args, seen, attrs, y)  # which warns, and makes constants of integers
        if uids.count(None) == count:
            return y
        keep_y, amounts = op.plan(uids)
        for i, uid in enumerate(uids):
            x, amount = seen[i], amounts[i]
            if amount != ARRAY:
                seen[i] = spec(x) if amount else None
            elif uid is None:
                seen[i] = tape.hold(x)
        tape.hold.all(options)
        frame = _getframe(depth)
        code = frame.f_code
        if code.co_filename not in users:
            frame = outside(frame)
            code = frame.f_code
        out = _new(Result)
        out.value = y
        out.uid = new = serial()
        steps[new] = y if keep_y else None, seen, uids, specs, attrs, None, op, code, frame.f_lasti
        return out

    return call
