"""What every transform does: check what it was given, run the function, make its side effects once it has succeeded."""

import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.errors import DerivativeError, label_of
from ..core.trace import activate, active, tracing
from ..journal import is_replaying
from ..settings import decided, default_training, restore_training


def run(f, args, kwargs, trace, training):
    """`f(*args, **kwargs)` with `trace` innermost; of nested transforms the outermost decides the training mode."""
    traces, mode = active(), decided()
    try:
        return _run(f, args, kwargs, trace, training)
    except KeyboardInterrupt:  # Ctrl-C may have interrupted the ends of the blocks within, too
        activate(traces)
        restore_training(mode)
        raise


def _run(f, args, kwargs, trace, training):
    mode = default_training(training)
    try:
        with tracing(*active(), trace):
            return f(*args, **kwargs)
    except ValueError as failure:
        if "read-only" in str(failure) and trace.hold:
            failure.args = (f"{failure}; if a derivative needs this array, write into a copy or once it is taken",)
        elif isinstance(failure.__cause__, DerivativeError):  # array[i] = r
            failure.args = (f"{failure} {failure.__cause__}; kn.array([a, b]) makes one of values",)
        raise
    finally:
        restore_training(mode)


def defer(write: Callable[[], Any]) -> None:
    """Make the side effect `write()` once, when the outermost transform has succeeded; at once outside of transforms.

    For running moments and counters. A replayed computation (`checkpoint`) makes none, a failed transform neither.

    Parameters:
      write: a function without arguments; what it returns is dropped.

    >>> import numpy as np, knetpy as kn
    >>> count = []
    >>> def loss(x):
    ...     kn.defer(lambda: count.append(1))
    ...     return x * x
    >>> kn.hessian(loss)(3.0), count
    (np.float64(2.0), [1])
    """
    if not callable(write):
        raise TypeError(f"defer: write must be a function without arguments, got {type(write).__name__}")
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


def watch():
    """What the active traces want to be told in a sweep; None if nothing."""
    watching = [trace.watch for trace in active() if trace.watch is not None]
    if len(watching) < 2:
        return watching[0] if watching else None
    return lambda *told: [tell(*told) for tell in watching]


def check_callable(f, name, example="{}(f)(x)"):
    """`f`, or the error of the transform `name` that it is nothing to call."""
    if isinstance(f, Mapping) and callable(f):
        f()  # Gradients say what happened: the name `grad` was overwritten
    if not callable(f):
        raise TypeError(f"{name} takes a function, got {type(f).__name__}; write {example.format(name)}")
    return f


def misfit(f, *args):
    """Why a function cannot be called with these arguments; "" if it can be, or does not tell."""
    try:
        inspect.signature(f).bind(*args)
    except ValueError:  # it does not tell
        return ""
    except TypeError as failure:
        return str(failure)
    return ""


def check_argnums(name, f, argnums, misplaced):
    """Raise unless the transform `name` was given a function and, if anything else, positions."""
    check_callable(f, name)
    if misplaced or not ((argnums is None and "grad" in name) or _is_position(argnums)):
        raise TypeError(
            f"{name} takes a function and returns one: write {name}({label_of(f)})(x, y). The second argument, if any, "
            "is a position or a tuple of positions"
        )


def _is_position(argnums):
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    return all(isinstance(n, (int, np.integer)) and not isinstance(n, (bool, np.timedelta64)) for n in numbers)


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
