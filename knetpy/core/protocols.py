"""How NumPy reaches our values: its functions and methods, its operators, its two protocols.

`serve` fills the tables; a function that is in none of them is an error that names it. What becomes of the methods and
options of ufuncs is told by `knetpy.ops.ufuncs`.
"""

import inspect
import operator

import numpy as np

from ..tree import tree_map
from .errors import DerivativeError, numpy_name, refuse_mixed
from .trace import active
from .value import METHODS, NUMPY, UFUNC, WRITES, Param, Value, bare, found, is_tracked, kind_of

OPERATORS = {
    np.add: "add",
    np.subtract: "sub",
    np.multiply: "mul",
    np.true_divide: "truediv",
    np.floor_divide: "floordiv",
    np.remainder: "mod",
    np.power: "pow",
    np.matmul: "matmul",
    np.negative: "neg",
    np.positive: "pos",
    np.absolute: "abs",
}
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "xor")


def serve(functions, op, through_numpy=None):
    """Let `op` answer for one or several NumPy functions, their operators and array methods of the same name.

    `through_numpy` is the same op for calls that come by NumPy's protocols, one frame further from the user.
    """
    for function in functions if isinstance(functions, tuple) else (functions,):
        NUMPY[function] = through_numpy or op
        if function in OPERATORS:
            _install(function, op)
        name = function.__name__
        if getattr(np, name, None) is function and hasattr(np.ndarray, name) and name not in WRITES:
            METHODS[name] = op  # np.linalg.trace is another one


def _install(ufunc, op):
    """Make `op` the operator that stands for `ufunc`; called once for each, by `primitive`."""
    name = OPERATORS[ufunc]
    setattr(Value, f"__{name}__", op)
    if ufunc.nin == 2:
        setattr(Value, f"__r{name}__", lambda self, other: op(other, self))


def _array_ufunc(self, ufunc, method, *args, **options):
    if options or method != "__call__":
        return found(UFUNC, method)(ufunc, *args, **options)
    if op := NUMPY.get(ufunc) or found(NUMPY, ufunc):
        return op(*args)
    return no_rule(ufunc, args, options)


def _array_function(self, function, types, args, options):
    op = found(NUMPY, function)
    if op is None:
        return no_rule(function, args, options)
    if not args:  # NumPy names its first parameter in many ways (a, ary, arr...); ours are positional
        name = next(iter(inspect.signature(function).parameters))
        args = (options.pop(name),)
    try:
        return op(*args, **options)
    except Exception as ours:
        if active():
            raise
        try:  # without transforms a Param is its array: what only NumPy can do, NumPy does
            return no_rule(function, args, options)
        except Exception:
            raise ours from None


def no_rule(function, args, options):
    """A function of NumPy's on values that nothing follows; an error on others."""
    name = numpy_name(function)
    advice = f"if it needs none, write {name}(kn.value(x)), else declare a rule with kn.primitive"
    return without_rule(function, name, advice, args, options)


def without_rule(call, spelling, advice, args, options):
    """A function of NumPy's without a rule: plain arithmetic on params outside transforms, an error inside."""

    def untracked(x):
        if not isinstance(x, Value):
            return x
        if is_tracked(x):
            raise DerivativeError(
                f"{spelling} has no derivative rule in knetpy, and {kind_of(x)} of shape {x.shape} was passed; {advice}"
            )
        return x.value

    return call(*tree_map(untracked, args), **tree_map(untracked, options))


def _comparison(name):
    compare = getattr(operator, f"__{name}__")

    def method(self, other):
        is_tracked(self)
        return compare(self.value, bare(other))

    method.__name__ = f"__{name}__"
    return method


def _inplace(ufunc, name):
    def method(self, other):
        other = bare(other)
        array = self.writable()
        refuse_mixed(name, ("p", "other"), (array, other))
        ufunc(array, other, out=array, casting="same_kind")
        return self

    method.__name__ = f"__i{name}__"
    return method


Value.__divmod__ = lambda self, other: (self // other, self % other)
Value.__rdivmod__ = lambda self, other: (other // self, other % self)
Value.__array_ufunc__, Value.__array_function__ = _array_ufunc, _array_function
Value.real, Value.imag = property(lambda self: NUMPY[np.real](self)), property(lambda self: NUMPY[np.imag](self))
for _compare in COMPARISONS:
    setattr(Value, f"__{_compare}__", _comparison(_compare))
for _ufunc, _operator in OPERATORS.items():
    if _ufunc.nin == 2 and _ufunc is not np.matmul:
        setattr(Param, f"__i{_operator}__", _inplace(_ufunc, _operator))
# `p @= v` would change p's shape: Python then writes p = p @ v, which is what NumPy's users mean.
