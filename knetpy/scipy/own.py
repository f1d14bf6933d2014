"""How our versions of SciPy's functions are declared: they are called for values being differentiated, else SciPy's."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..core.errors import DerivativeError, DtypeError
from ..core.value import Value, bare, is_tracked, kind_of
from ..tree import leaves, tree_map


def tracked(*trees: Any) -> list[Value]:
    """The values among arguments, also in lists, that a derivative is being taken through."""
    return [x for tree in trees for _, x in leaves(tree) if isinstance(x, Value) and is_tracked(x)]


def stripped(tree: Any) -> Any:
    """Arguments with bare arrays in the place of Params."""
    return tree_map(bare, tree)


def like(original: Callable) -> Callable:
    """Decorate our version of a function of SciPy's, which takes the same arguments."""

    def declare(ours: Callable) -> Callable:
        @wraps(ours)
        def call(*args, **options):
            if tracked(args, options):
                return ours(*args, **options)
            return original(*stripped(list(args)), **stripped(options))

        return call

    return declare


def constant(name: str, what: str, *trees: Any) -> None:
    """Raise for values being differentiated where there is no derivative; `what` tells what they were given as."""
    _refuse(f"{name}: {what} has no derivative", trees)


def _refuse(why: str, trees: tuple) -> None:
    for x in tracked(*trees):
        raise DerivativeError(
            f"{why}, and {kind_of(x)} of shape {x.shape} was passed; if it needs none, pass kn.value(x)"
        )


def no_rule(name: str, original: Callable) -> Callable:
    """A function of SciPy's without rule, which refuses values that a derivative is being taken through."""

    def call(*args, **options):
        _refuse(f"{name}: knetpy has no derivative rule for it", (args, options))
        return original(*stripped(list(args)), **stripped(options))

    call.__name__, call.__doc__ = name.rpartition(".")[2], original.__doc__
    return call


def double(x: Any) -> Any:
    """A number, list or array in double precision, in which SciPy's distributions compute."""
    x = x if isinstance(x, Value) else np.stack(x) if tracked(x) else np.asarray(x)
    if x.dtype.kind == "c":
        raise DtypeError(f"scipy.stats: knetpy differentiates distributions of real numbers only, got {x.dtype}")
    return x if x.dtype == np.float64 else x.astype(np.float64)
