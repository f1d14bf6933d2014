"""Gradients of scalar functions: `grad`, `value_and_grad`, and `stop_gradient`."""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..core.errors import DerivativeError, KnetpyError, label_of, warn
from ..core.tape import Tape, sweep
from ..core.value import Param, Result, Value, value
from ..journal import Journal
from ..parameters.search import label
from ..tree import children, tree_map
from .boundary import Exit, conjugated, enter, loss_of, scalar
from .gradients import Gradients
from .run import check_argnums, commit, positions, run, watch

Positions = int | tuple[int, ...] | None


def grad(f: Callable, argnums: Positions = None, *misplaced: Any, has_aux: bool = False) -> Callable:
    """The gradient function of the scalar function `f`.

    Parameters:
      f: any callable that returns a real scalar; with has_aux, a pair (scalar, anything).
      argnums=None: None for the params that f touches; a position or a tuple of positions for derivatives by arguments,
        which may be arrays, numbers or nested containers of them. Params are then constants. A layer, a dataclass that
        can be called, is differentiated by its arrays only: its numbers are settings, and have the gradient None.
      has_aux=False: whether the gradient function returns (gradient, aux).
    Returns: a function of f's arguments. With argnums=None it gives `Gradients`, a mapping from each Param touched; if
      f touches no Param, the gradient by the first argument: the first call then runs f twice (with grad(f, 0) it is
      run once). With argnums, gradients with the structure of those arguments. Each gradient has shape and dtype of its
      primal and belongs to the caller.
    Raises: DerivativeError if f does not return a scalar or there is nothing to differentiate by.
    At kinks and ties the convention is that of each function, see its docstring. By a complex z = x + iy the gradient
    is that by x plus i times that by y, as PyTorch's: the direction of steepest ascent.

    >>> import numpy as np, knetpy as kn
    >>> kn.grad(lambda x: x ** 3)(2.0)
    np.float64(12.0)
    >>> kn.grad(lambda x, y: (x * y).sum(), 1)(np.ones(2), np.zeros(2))
    array([1., 1.])
    """
    both = _value_and_grad("grad", f, argnums, misplaced, has_aux)

    def gradient(*args, **kwargs):
        y, g = both(*args, **kwargs)
        return (g, y[1]) if has_aux else g

    return functools.update_wrapper(gradient, f)


def value_and_grad(f: Callable, argnums: Positions = None, *misplaced: Any, has_aux: bool = False) -> Callable:
    """Like `grad`, but the function returns (value, gradient), with has_aux ((value, aux), gradient).

    Parameters and errors: as for `grad`.
    Returns: a function of f's arguments. The value is a scalar of the loss's dtype.

    >>> import numpy as np, knetpy as kn
    >>> kn.value_and_grad(lambda x: x ** 2)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """
    return _value_and_grad("value_and_grad", f, argnums, misplaced, has_aux)


def _value_and_grad(name, f, argnums, misplaced, has_aux):
    check_argnums(name, f, argnums, misplaced)
    if not isinstance(has_aux, (bool, np.bool_)):
        raise TypeError(f"{name}: has_aux must be True or False, got {has_aux!r:.60}")
    if argnums is not None:
        return functools.update_wrapper(lambda *a, **k: _by_arguments(f, a, k, argnums, has_aux)[0], f)
    shown, key = (_touching, f) if isinstance(f, FunctionType) else ({}, None)

    def both(*args, **kwargs):
        touches_params, again, found = shown.get(key), None, None
        if touches_params is not False:
            again = None if touches_params else _Again(args, kwargs)
            found = by_params(f, args, kwargs, has_aux, again=again)
        if found is not None:
            now = True
        else:
            found, now = _by_first(f, args, kwargs, has_aux, again)
        if now is not touches_params:
            shown[key] = now
        return found

    return functools.update_wrapper(both, f)


# Whether a function touches params, as its last call has shown: `grad(loss)` may be written anew at every step.
_touching: WeakKeyDictionary[FunctionType, bool] = WeakKeyDictionary()


class _Again:
    """What a second run of a function needs to be as the first one: the arrays that it may write into, its draws."""

    def __init__(self, args, kwargs):
        self.args, self.kwargs, self.journal = args, kwargs, Journal()
        try:
            if sum(1 for _ in _objects((args, kwargs))) < _MANY:
                copied = tree_map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, (args, kwargs))
                self.args, self.kwargs = copied
        except RecursionError:
            pass  # too deep for tree_map, and so for a derivative


def _by_first(f, args, kwargs, has_aux, again):
    """(((value, aux) or value, gradient by the first argument), False); by the params after all, and True, if a
    function that touched none at an earlier call does now."""
    none = f"{label_of(f)} touched no param (kn.value(w) and w.value are constants), and "
    if not args and again is None:
        found = by_params(f, args, kwargs, has_aux)
        if found is not None:
            return found, True
    if not args:
        raise DerivativeError(f"{none}was given no argument by position to differentiate by")
    if again is not None:
        args, kwargs = again.args, again.kwargs
    try:
        with again.journal.retrying() if again else nullcontext():
            found, met_params = _by_arguments(f, args, kwargs, 0, has_aux, none)
    except KnetpyError:  # a remembered function may touch params by now; the user's own exceptions pass at once
        found = None if again else by_params(f, args, kwargs, has_aux)
        if found is None:
            raise
        return found, True
    return (by_params(f, args, kwargs, has_aux), True) if met_params else (found, False)


def _split(y, f, has_aux):
    if not has_aux:
        return y, None
    if not isinstance(y, tuple) or len(y) != 2:
        raise DerivativeError(f"{label_of(f)} must return a pair (loss, aux) with has_aux=True")
    return y


def _swept(tape, y, f, scale=1.0):
    """Cotangents of what `tape` follows, from the scalar y, times `scale`."""
    tape.check_unchanged(lambda p: label(p, f))
    if not (isinstance(y, Value) and tape.follows(y)):
        return {}
    seed = np.ones_like(y.value)
    if scale != 1.0:
        with np.errstate(over="ignore"):  # a scale that is too much for half precision makes infinite gradients
            seed = seed * seed.dtype.type(scale)
    return conjugated(sweep(tape.steps, {y.uid: seed}, watch()))


def by_params(f, args, kwargs, has_aux, log=None, again=None, settle=None, scale=1.0):
    """((value, aux) or value, Gradients), or None if f touched no param; a `log` of the steps takes even that.

    again: keeps what a run by the first argument needs, if there is to be one. settle: called as settle(value,
      gradients, commit) when all is known; it calls commit() to make the side effects of the run, or raises and there
      are none. scale: what the gradients are those of, times the value.
    """
    tape = Tape()
    try:
        with again.journal.recording() if again else nullcontext():
            y = run(f, args, kwargs, tape, training=True)
        y, aux = _split(y, f, has_aux)
        if not (tape.touched or log or isinstance(y, Param)):
            return None
        y = loss_of(y, f)
        if isinstance(y, Value):
            tape.follows(y)  # a Param that f returned is touched thereby
        if log:
            log.sweep_begins()
        found, out = _swept(tape, y, f, scale), Exit()
        held = {uid: p for uid, (p, _) in tape.touched.items() if not p.frozen}
        unused = [p for uid, p in held.items() if uid not in found]
        arrays = {uid: out.gradient(found.pop(uid, None), p) for uid, p in held.items()}
        if held and len(unused) == len(held) and not log:
            _warn_of_zeros(f)
        gradients = Gradients(held, arrays, unused, f, _with_params(f, args))
        y = (scalar(y), out.tree(aux)) if has_aux else scalar(y)
    finally:
        tape.end()
    if settle is None:
        commit(tape)
    else:
        settle(y, gradients, functools.partial(commit, tape))
    return y, gradients


def _warn_of_zeros(f):
    warn(
        f"{label_of(f)} depends on none of the params that it touched, so all gradients are zeros: kn.value, "
        "comparisons, argmax and kn.accuracy cut the derivative"
    )


def _with_params(f, args):
    """{name of the parameter: argument} for the arguments that hold Params, which are named by them."""
    names = getattr(getattr(f, "__code__", None), "co_varnames", ())
    held = [(n, a) for n, a in enumerate(args) if any(isinstance(x, Param) for x in _objects(a))]
    return {names[n] if n < len(names) else f"argument{n}": a for n, a in held}


_MANY = 10_000


def _objects(tree):
    """Each object in `tree`, but no more than so many: it may be large, or have itself in it."""
    found = [tree]
    for _ in range(_MANY):
        if not found:
            return
        x = found.pop()
        yield x
        if not (isinstance(x, (list, tuple, dict)) and len(x) > _MANY):
            found += [child for _, child in children(x) or ()]


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
    like = primal if isinstance(primal, (Value, np.ndarray)) else renamed.value
    return out.gradient(found.pop(renamed.uid, None), like)


def stop_gradient(tree: Any) -> Any:
    """The arrays in `tree` without derivative: constants for every transform, read-only.

    Parameters:
      tree: an array, or a nested container of arrays.
    Returns: the same structure; what is no value being differentiated is returned as it is.

    >>> import numpy as np, knetpy as kn
    >>> kn.grad(lambda x: x * kn.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree_map(lambda x: value(x) if isinstance(x, Value) else x, tree)
