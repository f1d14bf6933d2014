"""The transforms: functions in, functions out."""

import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..settings import default_training, is_replaying, restore_training
from .boundary import Exit, enter, loss_of, scalar
from .errors import DerivativeError, KnetpyError, place
from .gradients import Gradients, Record
from .params import label
from .rules import spec
from .tape import Tape, sweep
from .trace import Trace, active, tracing
from .tree import leaves, tree_map
from .value import Param, Result, Value, bare, norm, value

Positions = int | tuple[int, ...] | None


def run(f, args, kwargs, trace, training):
    """`f(*args, **kwargs)` with `trace` innermost; of nested transforms the outermost decides the training mode."""
    mode = default_training(training)
    try:
        with tracing(*active(), trace):
            return f(*args, **kwargs)
    except ValueError as failure:
        if "read-only" in str(failure) and trace.hold:
            failure.args = (f"{failure}; if a derivative needs this array, write into a copy or once it is taken",)
        elif isinstance(failure.__cause__, DerivativeError):  # array[i] = r
            failure.args = (f"{failure} {failure.__cause__}; np.stack builds an array of values",)
        raise
    finally:
        restore_training(mode)


def defer(write: Callable[[], Any]) -> None:
    """Make the side effect `write()` once, when the outermost transform has succeeded; at once outside of transforms.

    For running moments and counters. A replayed computation (`checkpoint`) makes none, a failed transform neither.

    >>> import knetpy as kn
    >>> count = []
    >>> def loss(x):
    ...     kn.defer(lambda: count.append(1))
    ...     return x * x
    >>> kn.hessian(loss)(3.0), count
    (np.float64(2.0), [1])
    """
    if is_replaying():
        return
    deriving = [trace for trace in active() if trace.derives]
    if deriving:
        deriving[-1].writes.append(write)
    else:
        write()


def commit(trace):
    """`trace` has succeeded: hand its deferred side effects to the trace outside it, or make them if there is none."""
    for write in trace.writes:
        defer(write)


def check_callable(f, name, example="{}(f)(x)"):
    """`f`, or the error of the transform `name` that it is nothing to call."""
    if isinstance(f, Mapping):
        f()  # Gradients say what happened: the name `grad` was overwritten
    if not callable(f):
        raise TypeError(f"{name} takes a function, got {type(f).__name__}; write {example.format(name)}")
    return f


def grad(f: Callable, argnums: Positions = None, *misplaced: Any, has_aux: bool = False) -> Callable:
    """The gradient function of the scalar function `f`.

    Parameters:
      f: any callable that returns a real scalar; with has_aux, a pair (scalar, anything).
      argnums: None for the params that f touches; a position or a tuple of positions for derivatives by arguments,
        which may be arrays, numbers or nested containers of them. Params are then constants.
      has_aux: whether the gradient function returns (gradient, aux).
    Returns: a function of f's arguments. With argnums=None it gives `Gradients`, a mapping from each Param touched; if
      f touches no Param, the gradient by the first argument. With argnums, gradients with the structure of those
      arguments. Each gradient has shape and dtype of its primal and belongs to the caller.
    Raises: DerivativeError if f does not return a scalar or there is nothing to differentiate by.
    At kinks and ties the convention is that of each function, see its docstring.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: x ** 3)(2.0)
    np.float64(12.0)
    >>> kn.grad(lambda x, y: (x * y).sum(), 1)(np.ones(2), np.zeros(2))
    array([1., 1.])
    """
    both = value_and_grad(f, argnums, *misplaced, has_aux=has_aux, _name="grad")

    def gradient(*args, **kwargs):
        y, g = both(*args, **kwargs)
        return (g, y[1]) if has_aux else g

    return functools.update_wrapper(gradient, f)


def value_and_grad(
    f: Callable, argnums: Positions = None, *misplaced: Any, has_aux: bool = False, _name: str = "value_and_grad"
) -> Callable:
    """Like `grad`, but the function returns (value, gradient), with has_aux ((value, aux), gradient).

    The value is a scalar of the loss's dtype. Raises: as `grad`.

    >>> import knetpy as kn
    >>> kn.value_and_grad(lambda x: x ** 2)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """
    check_argnums(_name, f, argnums, misplaced)
    touches_params = True  # until a call shows that f is a function of its arguments alone

    def both(*args, **kwargs):
        nonlocal touches_params
        if argnums is not None:
            return _by_arguments(f, args, kwargs, argnums, has_aux)[0]
        if touches_params:
            found = by_params(f, args, kwargs, has_aux)
            if found is not None:
                return found
        if not args:
            found = None if touches_params else by_params(f, args, kwargs, has_aux)
            if found is None:
                raise DerivativeError(f"{label_of(f)} touched no param and was given no argument to differentiate by")
            return found
        try:
            found, met_params = _by_arguments(f, args, kwargs, 0, has_aux, f"{label_of(f)} touched no param, and ")
        except KnetpyError:  # a remembered function may touch params by now; the user's own exceptions pass at once
            found, met_params = None if touches_params else by_params(f, args, kwargs, has_aux), False
            if found is None:
                raise
            return found
        touches_params = met_params
        return by_params(f, args, kwargs, has_aux) if met_params else found

    return functools.update_wrapper(both, f)


def check_argnums(name, f, argnums, misplaced):
    """Raise unless the transform `name` was given a function and, if anything else, positions."""
    check_callable(f, name)
    if misplaced or not (argnums is None or _is_position(argnums)):
        raise TypeError(
            f"{name} takes a function and returns one: write {name}({label_of(f)})(x, y). The second argument, if any, "
            "is a position or a tuple of positions"
        )


def _is_position(argnums):
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    return all(hasattr(n, "__index__") and not isinstance(n, (bool, np.ndarray, Value)) for n in numbers)


def positions(argnums, args, f):
    """The argument positions that `argnums` names, each once and within the call."""
    found = []
    for n in argnums if isinstance(argnums, tuple) else (argnums,):
        n = operator.index(n)
        if not -len(args) <= n < len(args):
            raise TypeError(
                f"argnums {n} is out of range: {label_of(f)} was called with {len(args)} positional arguments"
            )
        found.append(n % len(args))
    if len(set(found)) < len(found):
        raise TypeError(f"argnums {argnums} names an argument of {label_of(f)} twice")
    return found


def label_of(f):
    """The name of a function, for messages."""
    return getattr(f, "__name__", type(f).__name__)


def _split(y, f, has_aux):
    if not has_aux:
        return y, None
    if not isinstance(y, tuple) or len(y) != 2:
        raise DerivativeError(f"{label_of(f)} must return a pair (loss, aux) with has_aux=True")
    return y


def _swept(tape, y, f):
    """Cotangents of what `tape` follows, from the scalar y."""
    tape.check_unchanged(lambda p: label(p, f))
    if not (isinstance(y, Value) and tape.follows(y)):
        return {}
    return sweep(tape.steps, {y.uid: np.ones_like(y.value)}, watch())


def watch():
    """What the active traces want to be told in a sweep; None if nothing."""
    watching = [trace.watch for trace in active() if trace.watch is not None]
    if len(watching) < 2:
        return watching[0] if watching else None
    return lambda *told: [tell(*told) for tell in watching]


def by_params(f, args, kwargs, has_aux, log=None):
    """((value, aux) or value, Gradients), or None if f touched no param; a `log` of the steps takes even that."""
    tape = Tape()
    try:
        y, aux = _split(run(f, args, kwargs, tape, training=True), f, has_aux)
        if not (tape.touched or log or isinstance(y, Param)):
            return None
        y = loss_of(y, f)
        if isinstance(y, Value):
            tape.follows(y)  # a Param that f returned is touched thereby
        if log:
            log.sweeping = True
        found, out = _swept(tape, y, f), Exit()
        held = {uid: p for uid, (p, _) in tape.touched.items()}
        arrays = {uid: out.gradient(found.get(uid), p) for uid, p in held.items()}
        unused = [p for uid, p in held.items() if uid not in found]
        gradients = Gradients(held, arrays, unused, f, _with_params(f, args))
        y = (scalar(y), out.tree(aux)) if has_aux else scalar(y)
    finally:
        tape.end()
    commit(tape)
    return y, gradients


def _with_params(f, args):
    """{name of the parameter: argument} for the arguments that hold Params, which are named by them."""
    names = getattr(getattr(f, "__code__", None), "co_varnames", ())
    held = [(n, a) for n, a in enumerate(args) if any(isinstance(x, Param) for _, x in leaves(a))]
    return {names[n] if n < len(names) else f"argument{n}": a for n, a in held}


def _by_arguments(f, args, kwargs, argnums, has_aux, why=""):
    """(((value, aux) or value, gradients), whether f met a param). `why` begins the error if an argument does not
    do."""
    numbers, tape, new = positions(argnums, args, f), Tape(params=False), list(args)
    try:
        for n in numbers:
            new[n] = enter(args[n], tape, f"{why}argument {n} of {label_of(f)}")
        y, aux = _split(run(f, new, kwargs, tape, training=True), f, has_aux)
        y = loss_of(y, f)
        found, out = _swept(tape, y, f), Exit(args)
        taken = [tree_map(lambda x, r: gradient_of(out, found, x, r), args[n], new[n]) for n in numbers]
        y = (scalar(y), out.tree(aux)) if has_aux else scalar(y)
    finally:
        tape.end()
    if not (why and tape.touched):  # else f is run again by its params
        commit(tape)
    return (y, tuple(taken) if isinstance(argnums, tuple) else taken[0]), bool(tape.touched)


def gradient_of(out, found, primal, renamed):
    """The gradient by one leaf of an argument; None where the leaf is no array or number."""
    if not isinstance(renamed, Result):
        return None
    return out.gradient(found.get(renamed.uid), primal if isinstance(primal, (Value, np.ndarray)) else renamed.value)


class Step(NamedTuple):
    """One recorded call, as `tape` shows it."""

    op: str
    line: str
    shape: tuple
    bytes: int
    norm: float | None


class _Log(Trace):
    """Notes every call of the forward pass, and in the sweep which of them got a cotangent."""

    def __init__(self):
        super().__init__()
        self.calls, self.norms, self.sweeping = {}, {}, False

    def observe(self, call, depth):
        if not self.sweeping:
            shape, dtype = spec(call.outs[0])
            line = place(call.frame.f_code, call.frame.f_lasti)
            self.calls[call.outs[0].uid] = Step(call.op.name, line, shape, math.prod(shape) * dtype.itemsize, None)
        return False

    def watch(self, uid, step, dy, dxs):
        if self.sweeping:  # not in the sweep of a gradient inside
            self.norms[uid] = norm(bare(dy[0] if isinstance(dy, tuple) else dy))

    def steps_swept(self):
        return [step._replace(norm=self.norms.get(uid)) for uid, step in self.calls.items()]


def tape(f: Callable, *args: Any, **kwargs: Any) -> Record:
    """Run `f(*args)`, take its gradients and keep a row for every step: Knet's `@diff`.

    Returns: a `Record` J: `value(J)` is the loss, `J[p]` the gradient of a Param, `params(J)` the params touched,
      `J.steps` the calls with op, user line, shape, bytes and norm of the cotangent. It prints and displays as a table.
    Raises: DerivativeError if f does not return a real scalar.

    >>> import knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> J = kn.tape(lambda x: (w * x).sum(), np.array([3.0, 4.0], "f4"))
    >>> kn.value(J), J[w], [s.op for s in J.steps]
    (np.float32(11.0), array([3., 4.], dtype=float32), ['multiply', 'sum'])
    """
    log = _Log()
    with tracing(*active(), log):
        y, gradients = by_params(check_callable(f, "tape", "{}(f, x)"), args, kwargs, False, log)
    return Record(y, gradients, log.steps_swept())


def stop_gradient(tree: Any) -> Any:
    """The arrays in `tree` without derivative: constants for every transform, read-only.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: x * kn.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree_map(lambda x: value(x) if isinstance(x, Value) else x, tree)
