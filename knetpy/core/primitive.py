"""`primitive`: the one path that every recorded call takes.

A call is evaluated once, and then every active trace (a tape, a dual, a watch) is told, outermost first. A trace keeps
its own table, so there are no boxes in boxes. What a trace keeps of an operand is a Value only if a trace outside it
follows that operand, else the bare array; that alone gives every nesting its right meaning.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..arrays import refuse_more
from ..devices import listed
from .errors import DerivativeError, DtypeError, explain_broadcasting, explain_device, explained_by
from .protocols import serve
from .rules import adapt, signature_of
from .short import any_number, binary, unary
from .trace import Call, active
from .value import Param, Result, Value, is_tracked, plain


class Primitive:
    """The declaration behind a differentiable function: its kernel, its rules and what they read."""

    def __init__(self, kernel, name, outputs, saves, check, rules, vjp, through, jvp, composed, elementwise):
        self.name = name = name or getattr(kernel, "__name__", "").lstrip("_")
        if not name:
            raise TypeError(f"primitive: a {type(kernel).__name__} has no name of its own; pass name=")
        self.kernel, self.outputs, self.composed, self.check = kernel, outputs, composed, check
        self.elementwise = elementwise or (isinstance(kernel, np.ufunc) and kernel.signature is None)
        self.signature = signature_of(kernel, tuple(rules), saves)
        if isinstance(kernel, np.ufunc) and len(rules) != kernel.nin and not (vjp or jvp):
            raise TypeError(
                f"primitive {name}: a ufunc of {kernel.nin} operands needs a rule for each, or operand=None for none"
            )
        unknown = set(rules) - set(self.signature.operands)
        if unknown:
            raise TypeError(f"primitive {name}: a rule for {unknown.pop()!r}, which is no operand of {name}")
        says = f"primitive {name}: its rule for {{}}".format
        given = [(n, rules[n]) for n in self.signature.operands if n in rules]
        self.declared = {n: None if rule is None else adapt(rule, says(n), self.signature) for n, rule in given}
        self.vjp = vjp and adapt(vjp, f"primitive {name}: its vjp", self.signature)
        tangents = tuple(f"d{n}" for n in self.signature.operands)
        self.jvp = jvp and adapt(jvp, f"primitive {name}: its jvp", self.signature, first=tangents)
        self.all_ruled = bool(vjp) or all(self.declared.get(n) for n in self.signature.operands)
        self.through = through and adapt(through, f"primitive {name}: its through", self.signature)
        self.reuses = any(r.reuses for r in [self.vjp, self.through, *self.declared.values()] if r)
        self.plans, self.orders = {}, {}
        self.call: Callable | None = None  # the function that users call

    def short_path(self, trusted):
        """The short path that can serve a call; None for the general one."""
        s = self.signature
        if s.variadic or self.outputs > 1:
            return None
        simple = trusted and not (s.saves or self.composed or self.vjp or self.through)
        if not simple or not len(s.operands) == s.required == len(self.declared) or not all(self.declared.values()):
            return any_number
        return unary if s.required == 1 else binary if s.required == 2 and not s.attrs else any_number

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
            if self.signature.variadic:
                rules = rules[:1]  # that of all operands, of which there may be thousands
            rules += [self.through] if self.through else []
            reads = [r.reads * len(followed) if self.signature.variadic else r.reads for r in rules]
            self.plans[followed] = any(r.reads_y for r in rules), [max(amounts) for amounts in zip(*reads)]
        return self.plans[followed]

    def order(self, followed):
        """[(operand, its rule, which of (y, *operands) no rule after it reads)], from the last operand; before them the
        same for `through`, whose operand is None."""
        key = tuple(followed)
        if key not in self.orders:
            rows, read = [], set()  # by the rules of the operands so far
            for i, name in enumerate(self.signature.operands):
                if key[i] and (rule := self.declared.get(name)):
                    rows.append((i, rule, [n for n in range(len(key) + 1) if n not in read]))
                    read.update([n for n, amount in enumerate((rule.reads_y, *rule.reads)) if amount])
            rows.append((None, self.through, [n for n in range(len(key) + 1) if n not in read]))
            self.orders[key] = rows[::-1]
        return self.orders[key]

    def lost_at_second_order(self, attrs):
        """Whether a rule reads saved numbers, through which nothing can be differentiated."""
        return any(getattr(attrs[name], "dtype", np.dtype(bool)).kind in "fc" for name in self.signature.saves)

    def complete(self, args, attrs):
        """(operands, attrs) of a call that gave operands by name or left some to their defaults."""
        s = self.signature
        if len(args) == len(s.operands) and attrs.keys() | s.defaults.keys() == set(s.attrs):
            return args, {**s.defaults, **attrs}
        try:
            bound = s.written.bind(*args, **attrs)
        except TypeError as failure:
            raise TypeError(f"{self.name}{s.written}: {failure}") from None
        bound.apply_defaults()
        return list(bound.args), bound.kwargs

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
        """Raise in the user's terms what made the kernel fail, or add to its own message what it was given."""
        if self.check is not None:
            explained_by(self.check, args, attrs)
        explain_device(failure, self.name, self.signature.operands, args)
        shapes = [np.shape(a) for a in args if a is not None]
        if isinstance(failure, ValueError) and (self.elementwise or isinstance(self.kernel, np.ufunc)):
            explain_broadcasting(self.name, shapes)
        if type(failure) in (ValueError, IndexError) and len(failure.args) == 1:
            of = "an operand" if len(shapes) == 1 else "operands"
            failure.args = (f"{self.name} of {of} of shape {' and '.join(map(str, shapes))}: {failure}",)


def primitive(
    kernel: Callable | None = None,
    *,
    numpy: Any = None,
    name: str | None = None,
    outputs: int = 1,
    saves: Sequence[str] = (),
    check: Callable | None = None,
    vjp: Callable | None = None,
    through: Callable | None = None,
    jvp: Callable | None = None,
    composed: Callable | None = None,
    elementwise: bool = False,
    trusted: bool = False,
    **rules: Callable | None,
) -> Any:
    """Make a function of arrays differentiable, with a rule for each operand written beside it.

    Parameters:
      kernel=None: the function, on bare arrays: positional parameters are operands, keyword-only ones options; none is
        named y, dy or i. Without it, `primitive(...)` is a decorator.
      **rules: for each operand, its cotangent from the cotangent `dy` of the output. A rule asks by parameter name for
        what it reads (`dy`, `y`, operands, `<operand>_shape`, `<operand>_dtype`, options, saved values; `i`: which of
        `*operands`; dy as out, if it may be overwritten); what none reads is not kept. Written with NumPy or
        knetpy functions, it gives every order and forward mode.
        `operand=None` declares that there is no derivative by that operand.
      vjp=None: instead of rules, one function that returns a tuple with the cotangents of all operands (None for none).
      through=None: asks as a rule does; what it returns takes the place of dy in the rules: what they have in common.
      jvp=None: the tangent of the output; asks for tangents as `d<operand>` (zeros of a constant). By default forward
        mode transposes the rules.
      outputs=1: their number; with more than one, `y` and `dy` are tuples in the rules.
      saves=(): names of further arrays that the kernel returns after its outputs, for the rules only; with
        floating ones second derivatives need `composed`.
      composed=None: the same function written with differentiable ones, recorded for higher orders and forward mode.
        The rules then serve a single tape and may work on bare arrays (fused kernels).
      numpy=None: the NumPy function (or several) that calls this one for knetpy values. name=None: for messages, by
        default the name of the function.
      check=None: called with the operands when the kernel has failed, to raise a better message.
      elementwise=False: the output is the operands broadcast together; cotangents are summed back.
      trusted=False: do not check that rules return the shape and dtype of their operand; for ops whose tests do.

    Returns: the differentiable function; on plain arrays it just calls the kernel.
    Raises: TypeError when a rule asks for a name that does not exist.

    >>> import knetpy as kn
    >>> cube = kn.primitive(lambda x: x ** 3, x=lambda dy, x: dy * 3 * x ** 2)
    >>> kn.grad(cube)(2.0), kn.grad(kn.grad(cube))(2.0)
    (np.float64(12.0), np.float64(12.0))
    """
    if kernel is None:
        options: dict[str, Any] = dict(numpy=numpy, name=name, outputs=outputs, saves=saves, check=check, **rules)
        options |= dict(vjp=vjp, through=through, jvp=jvp, composed=composed, elementwise=elementwise, trusted=trusted)
        return partial(primitive, **options)
    _check_kernel("primitive", kernel)
    op = Primitive(kernel, name, outputs, tuple(saves), check, rules, vjp, through, jvp, composed, elementwise)
    return _function(op, trusted or isinstance(kernel, np.ufunc), numpy)


def _check_kernel(name, kernel):
    if not callable(kernel):
        raise TypeError(f"{name}: the kernel must be a function of arrays, got {type(kernel).__name__}")


def _function(op, trusted, numpy):
    """The function that users call, served to NumPy."""
    kernel, call = op.kernel, _recorder(op)
    short, through_numpy = op.short_path(trusted), call
    if short:
        call, through_numpy = short(op, call, tell, depth=1), short(op, call, tell, depth=2)
    call.__name__ = call.__qualname__ = op.name
    call.__doc__, call.__module__ = kernel.__doc__, getattr(kernel, "__module__", __name__)
    call.primitive, op.call = op, call
    if not isinstance(kernel, np.ufunc):
        call.__signature__ = op.signature.written  # for help()
    if numpy is not None:
        serve(numpy, call, through_numpy)
    return call


def constant(kernel: Callable | None = None, *, numpy: Any = None, name: str | None = None) -> Any:
    """Declare that a function has no derivative: it works on the bare arrays, and what it returns is plain.

    Parameters, returns and errors: as for `primitive`.

    >>> import numpy as np, knetpy as kn
    >>> rank = kn.constant(lambda x: x.argsort().argsort())
    >>> kn.grad(lambda x: (x * rank(x)).sum())(np.array([3.0, 1.0, 2.0]))
    array([2., 0., 1.])
    """
    if kernel is None:
        return lambda kernel: constant(kernel, numpy=numpy, name=name)
    _check_kernel("constant", kernel)

    def on_bare(*args, **attrs):
        return kernel(*[_stripped(a) for a in args], **{k: _stripped(v) for k, v in attrs.items()})

    call: Any = on_bare
    call.constant = True
    call.__name__ = str(name or getattr(kernel, "__name__", type(kernel).__name__))
    call.__doc__ = kernel.__doc__
    if numpy is not None:
        serve(numpy, call)
    return call


def _stripped(x):
    if isinstance(x, Value):
        is_tracked(x)  # raises for a Result that escaped
        return x.value
    return type(x)([_stripped(v) for v in x]) if type(x) in (list, tuple) else x


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
        seen, tracked, traced = [], False, active()
        for a in args:
            if a.__class__ is Result or a.__class__ is Param:
                if traced or a.__class__ is Result:
                    tracked = is_tracked(a) or tracked
                a = a.value
            elif a.__class__ is list:
                a = listed(a, args)
            seen.append(a)
        if tracked:
            refuse_more(op.name, seen)
        if tracked and op.composed is not None and not _raw():
            return op.composed(*args, **attrs)
        for name, v in attrs.items():
            if isinstance(v, Value):
                attrs[name] = plain(v, f"the option {name}= of {op.name}")
        y, attrs = op.evaluate(seen, attrs)
        return tell(op, args, seen, attrs, y) if tracked else y

    return record


def _result(op, y):
    """An output as a Result."""
    if not hasattr(y, "dtype"):
        y = np.asarray(y)
    if y.dtype.kind not in "fcbiu":
        raise DtypeError(
            f"{op.name} of a value being differentiated gave {y.dtype}, which has no derivative here: convert operands "
            "with .astype(float)"
        )
    return Result(y)


def _raw():
    """Whether exactly one trace derives and takes rules on bare arrays."""
    deriving = [trace for trace in active() if trace.derives]
    return len(deriving) == 1 and deriving[0].raw


def tell(op, args, seen, attrs, y):
    """Tell every active trace of a call that gave `y` for `args`, whose bare arrays are `seen`; returns what the caller
    gets, a Result if any trace follows it."""
    outs = [_result(op, v) for v in (y if op.outputs > 1 else (y,))]
    followable = [out if out.dtype.kind in "fc" else out.value for out in outs]  # integers and booleans are constants
    if op.outputs == 1 and followable[0] is not outs[0]:
        return y
    call, public, followers = Call(op, args, seen, attrs, y, outs), None, 0
    for depth, trace in enumerate(active()):
        call.uids = [
            a.uid if (a.__class__ is Result or a.__class__ is Param) and trace.follows(a) else None for a in args
        ]
        if trace.observe(call, depth):
            followers += 1
            if followers == 2 and op.lost_at_second_order(attrs):
                raise DerivativeError(
                    f"{op.name} saves {', '.join(op.signature.saves)} for its rules, constants to a second one: "
                    "declare composed= in the primitive, the same function written with differentiable ones"
                )
            # The traces further in keep a Value where this one follows, so that it is told of what they do with it.
            call.y = public = tuple(followable) if op.outputs > 1 else outs[0]
            call.seen = [s if u is None else a for a, s, u in zip(args, call.seen, call.uids)]
    return y if public is None else public
