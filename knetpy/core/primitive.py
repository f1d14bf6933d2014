"""`primitive`: the one path that every recorded call takes.

A call is evaluated once, and then every active trace (a tape, a dual, a watch) is told, outermost first. A trace keeps
its own table, so there are no boxes in boxes. What a trace keeps of an operand is a Value only if a trace outside it
follows that operand, else the bare array; that alone gives every nesting its right meaning.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .errors import DerivativeError, ShapeError, outside, users
from .lock import Holder
from .rules import ARRAY, Spec, adapt, signature_of
from .value import (
    METHODS,
    NUMPY,
    OPERATORS,
    Param,
    Result,
    Value,
    active,
    install_operator,
    is_tracked,
    serial,
    sole_steps,
)

_getframe = sys._getframe
_new = object.__new__


class Trace:
    """What a transform learns of the calls made while it runs. This one learns nothing; see `Tape` and `Dual`."""

    derives = False  # whether it takes derivatives, so that rules must be recordable for the traces outside it
    raw = False  # whether rules on bare arrays may serve it, if it is the only one that derives
    steps = None  # the table that the short paths write into, if it has one
    watch = None  # called in sweeps as watch(uid, step, cotangent)

    def __init__(self):
        self.hold, self.writes = Holder(), []  # arrays that must not change; side effects to make on success

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
        self.frame = outside(_getframe(2))


class Primitive:
    """The declaration behind a differentiable function: its kernel, its rules and what they read."""

    def __init__(self, kernel, name, outputs, saves, check, rules, vjp, jvp, composed, elementwise):
        self.kernel, self.name, self.outputs = kernel, name, outputs
        self.composed, self.check, self.elementwise = composed, check, elementwise
        self.signature = signature_of(kernel, tuple(rules), saves)
        unknown = set(rules) - set(self.signature.operands)
        if unknown:
            raise TypeError(f"primitive {name}: a rule for {unknown.pop()!r}, which is no operand of {name}")
        says = f"primitive {name}: its rule for {{}}".format
        self.declared = {n: None if rule is None else adapt(rule, says(n), self.signature) for n, rule in rules.items()}
        self.vjp = vjp and adapt(vjp, f"primitive {name}: its vjp", self.signature)
        tangents = tuple(f"d{n}" for n in self.signature.operands)
        self.jvp = jvp and adapt(jvp, f"primitive {name}: its jvp", self.signature, first=tangents)
        self.all_ruled = bool(vjp) or all(self.declared.get(n) for n in self.signature.operands)
        self.plans = {}

    def rule(self, i):
        """The rule for operand `i`; None where it was declared to have no derivative."""
        if self.vjp is not None:
            return self.vjp
        names = self.signature.operands
        name = names[-1 if self.signature.variadic else i]
        if name not in self.declared:
            raise DerivativeError(
                f"{self.name}: argument {name!r} has no derivative rule but depends on what is differentiated; pass "
                f"kn.value({name}), or declare a rule (or {name}=None for none) in the primitive"
            )
        return self.declared[name]

    def ruled(self, uids):
        """`uids` without the operands that were declared to have no derivative."""
        return uids if self.all_ruled else [u if u is None or self.rule(i) else None for i, u in enumerate(uids)]

    def plan(self, uids):
        """(whether y is kept, how much of each operand) when those operands get a gradient whose uid is not None."""
        followed = tuple([u is not None for u in uids])
        if followed not in self.plans:
            rules = [self.vjp] if self.vjp else [self.rule(i) for i, f in enumerate(followed) if f]
            reads = [r.reads * len(followed) if self.signature.variadic else r.reads for r in rules]
            amounts = [max(amount) for amount in zip(*reads)]
            self.plans[followed] = any(r.reads_y for r in rules), amounts
        return self.plans[followed]

    def complete(self, args, attrs):
        """Operands given by name or left to their defaults, put in order; attrs with their defaults."""
        names, given = self.signature.operands, list(args)
        if not self.signature.variadic:
            for name in names[len(args) :]:
                if name in attrs:
                    given.append(attrs[name])
                elif len(given) < self.signature.required:
                    raise TypeError(f"{self.name}: missing argument {name!r}")
                else:
                    given.append(self.kernel.__defaults__[len(given) - self.signature.required])
            if len(args) > len(names):
                raise TypeError(f"{self.name} takes {len(names)} operands, got {len(args)}")
        attrs = {name: v for name, v in attrs.items() if name not in names}
        unknown = attrs.keys() - self.signature.attrs.keys()
        if unknown:
            raise TypeError(f"{self.name} has no argument {unknown.pop()!r}")
        return given, {**self.signature.attrs, **attrs}

    def evaluate(self, args, attrs):
        """(output, attrs with the saved values) of the kernel on bare arrays."""
        try:
            y = self.kernel(*args, **attrs)
        except Exception as failure:
            self.explain(failure, args, attrs)
            raise
        if not self.signature.saves:
            return y, attrs
        saved = dict(zip(self.signature.saves, y[self.outputs :]))
        return y[0] if self.outputs == 1 else tuple(y[: self.outputs]), {**attrs, **saved}

    def explain(self, failure, args, attrs):
        """Raise in the user's terms what made the kernel fail, if we know better than the kernel did."""
        if self.check is not None:
            self.check(*args, **attrs)
        elif isinstance(failure, ValueError) and (self.elementwise or isinstance(self.kernel, np.ufunc)):
            shapes = [np.shape(a) for a in args if a is not None]
            try:
                np.broadcast_shapes(*shapes)
            except ValueError:
                raise ShapeError(
                    f"{self.name}: shapes {' and '.join(map(str, shapes))} do not broadcast; counted from the last, "
                    "each axis must agree or be 1: reshape one, or insert an axis with x[:, None]"
                ) from None


def spec(x):
    """Shape and dtype of an operand of any kind."""
    return Spec(x.shape, x.dtype) if hasattr(x, "dtype") else Spec(np.shape(x), np.result_type(x))


def primitive(
    kernel: Callable | None = None,
    *,
    numpy: Any = None,
    name: str | None = None,
    outputs: int = 1,
    saves: Sequence[str] = (),
    check: Callable | None = None,
    vjp: Callable | None = None,
    jvp: Callable | None = None,
    composed: Callable | None = None,
    elementwise: bool = False,
    trusted: bool = False,
    **rules: Callable | None,
) -> Any:
    """Make a function of arrays differentiable, with a rule for each operand written beside it.

    Parameters:
      kernel: the function, on bare arrays. Its positional parameters are the operands, its keyword-only ones options.
        Without it, `primitive(...)` is a decorator.
      **rules: for each operand, the cotangent of that operand from the cotangent `dy` of the output. A rule asks by
        parameter name for what it reads (`dy`, `y`, operands, `<operand>_shape`, `<operand>_dtype`, options, saved
        values); what no rule reads is not kept. Write it with NumPy or knetpy functions, then every order and forward
        mode follow. `operand=None` declares that there is no derivative by that operand.
      vjp: instead of rules, one function that returns a tuple with the cotangents of all operands (None for none).
      jvp: optional, the tangent of the output; asks for tangents as `d<operand>` (zeros where an operand is constant).
        Without it forward mode transposes the rules.
      outputs: the number of outputs; with more than one, `y` and `dy` are tuples in the rules.
      saves: names of further arrays that the kernel returns after its outputs, for the rules only.
      composed: the same function written with differentiable functions. The rules may then work on bare arrays (fused
        kernels): they serve a single tape, and `composed` is recorded for higher orders and forward mode.
      numpy: the NumPy function (or several) that calls this one for knetpy values.
      check: called with the operands when the kernel has failed, to raise a better message.
      elementwise: the output is the operands broadcast together; cotangents of stretched operands are summed back.
      trusted: do not check that rules return the shape and dtype of their operand; for ops whose tests do.

    Returns: the differentiable function; on plain arrays it just calls the kernel.
    Raises: TypeError when a rule asks for a name that does not exist.

    >>> import knetpy as kn
    >>> cube = kn.primitive(lambda x: x ** 3, x=lambda dy, x: dy * 3 * x ** 2)
    >>> kn.grad(cube)(2.0), kn.grad(kn.grad(cube))(2.0)
    (np.float64(12.0), np.float64(12.0))
    """
    if kernel is None:
        options: dict[str, Any] = dict(numpy=numpy, name=name, outputs=outputs, saves=saves, check=check, **rules)
        options |= dict(vjp=vjp, jvp=jvp, composed=composed, elementwise=elementwise, trusted=trusted)
        return partial(primitive, **options)
    name = name or kernel.__name__.lstrip("_")
    op = Primitive(kernel, name, outputs, tuple(saves), check, rules, vjp, jvp, composed, elementwise)
    call = through_numpy = _recorder(op)
    short = {1: _unary, 2: _binary}.get(op.signature.required)
    if short and (trusted or isinstance(kernel, np.ufunc)) and all(op.declared.values()):
        call, through_numpy = short(op, call, depth=1), short(op, call, depth=2)
    call.__name__ = call.__qualname__ = op.name
    call.__doc__, call.__module__ = kernel.__doc__, getattr(kernel, "__module__", __name__)
    call.primitive = op
    if numpy is not None:
        serve(numpy, call, through_numpy)
    return call


def constant(kernel: Callable | None = None, *, numpy: Any = None, name: str | None = None) -> Any:
    """Declare that a function has no derivative: it works on the bare arrays, and what it returns is plain.

    >>> import knetpy as kn
    >>> rank = kn.constant(lambda x: x.argsort().argsort())
    >>> kn.grad(lambda x: (x * rank(x)).sum())(np.array([3.0, 1.0, 2.0]))
    array([2., 0., 1.])
    """
    if kernel is None:
        return lambda kernel: constant(kernel, numpy=numpy, name=name)

    def call(*args, **attrs):
        return kernel(*[_stripped(a) for a in args], **{k: _stripped(v) for k, v in attrs.items()})

    call.__name__ = name or kernel.__name__
    call.__doc__ = kernel.__doc__
    if numpy is not None:
        serve(numpy, call)
    return call


def _stripped(x):
    if isinstance(x, Value):
        is_tracked(x)  # raises for a Result that escaped
        return x.value
    return type(x)([_stripped(v) for v in x]) if type(x) in (list, tuple) else x


def serve(functions, op, through_numpy=None):
    """Let `op` answer for one or several NumPy functions, their operators and array methods of the same name.

    `through_numpy` is the same op for calls that come by NumPy's protocols, one frame further from the user.
    """
    for function in functions if isinstance(functions, tuple) else (functions,):
        NUMPY[function] = through_numpy or op
        if function in OPERATORS:
            install_operator(function, op)
        if hasattr(np.ndarray, function.__name__):
            METHODS[function.__name__] = op


def _recorder(op):
    """The general path: any number of operands and outputs, options, any depth of nesting."""
    count, options, variadic = len(op.signature.operands), len(op.signature.attrs), op.signature.variadic

    def record(*args, **attrs):
        if len(attrs) != options or (len(args) != count and not variadic):
            args, attrs = op.complete(args, attrs)
        for a in args:
            if a.__class__ is Result or a.__class__ is Param:
                return on_values(args, attrs)
        return op.evaluate(args, attrs)[0]

    def on_values(args, attrs):
        seen, tracked = [], False
        for a in args:
            if a.__class__ is Result or a.__class__ is Param:
                tracked = is_tracked(a) or tracked
                a = a.value
            elif a.__class__ is list:
                a = np.asarray(a)
            seen.append(a)
        if tracked and op.composed is not None and not _raw():
            return op.composed(*args, **attrs)
        y, attrs = op.evaluate(seen, attrs)
        return tell(op, args, seen, attrs, y) if tracked else y

    return record


def _raw():
    """Whether exactly one trace derives and takes rules on bare arrays."""
    deriving = [trace for trace in active() if trace.derives]
    return len(deriving) == 1 and deriving[0].raw


def tell(op, args, seen, attrs, y):
    """Tell every active trace of a call that gave `y` for `args`, whose bare arrays are `seen`; returns what the caller
    gets, a Result if any trace follows it."""
    outs = [Result(v) for v in y] if op.outputs > 1 else [Result(y)]
    call, public = Call(op, args, seen, attrs, y, outs), None
    for depth, trace in enumerate(active()):
        call.uids = [
            a.uid if (a.__class__ is Result or a.__class__ is Param) and trace.follows(a) else None for a in args
        ]
        if trace.observe(call, depth):
            # The traces further in keep a Value where this one follows, so that it is told of what they do with it.
            call.y = public = tuple(outs) if op.outputs > 1 else outs[0]
            call.seen = [s if u is None else a for a, s, u in zip(args, call.seen, call.uids)]
    return y if public is None else public


# The two short paths: a call of one or two operands under a single tape, of an op whose rules are known to return the
# operand's shape and dtype. They do what `tell` and `Tape.observe` do, with everything that can be known beforehand
# decided here. An idle trace (`Trace()`) beside the tape switches them off.


def _unary(op, record, depth):
    """The short path for one operand; `depth` is how many frames out its caller is."""
    kernel, (rule,) = op.kernel, op.declared.values()
    rule, keep_y, (keep_x,) = rule

    def call(x, **attrs):
        kind = x.__class__
        if kind is not Result and kind is not Param:
            return record(x, **attrs) if attrs else kernel(x)
        steps, uid = sole_steps(), x.uid
        if steps is None or (uid not in steps and not active()[0].follows(x)):
            return record(x, **attrs)
        r, x = x, x.value
        if attrs:
            y = op.evaluate((x,), attrs)[0]
            active()[0].hold.all(attrs.values())
        else:
            y = kernel(x)
        if y.dtype is not x.dtype:
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
        steps[new] = rule, y if keep_y else None, x, uid, attrs, op, code, frame.f_lasti
        return out

    return call


def _binary(op, record, depth):
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
        dtype = y.dtype
        if (ua is not None and x.dtype is not dtype) or (ub is not None and z.dtype is not dtype):
            return tell(op, (a, b), (x, z), {}, y)  # which warns, and returns each cotangent in its own dtype
        sx = sz = None
        if ub is None:
            shape = x.shape
            if elementwise and shape != y.shape:
                sx = shape
            ky, kx, kz = reads_y[0], a_of_a, b_of_a
            if kz:
                z = active()[0].hold(z)
        elif ua is None:
            shape = z.shape
            if elementwise and shape != y.shape:
                sz = shape
            ky, kx, kz = reads_y[1], a_of_b, b_of_b
            if kx:
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
