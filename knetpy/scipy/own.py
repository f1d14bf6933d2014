"""How our versions of SciPy's functions are declared: they are called for values being differentiated, else SciPy's."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..core.errors import DerivativeError
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
    for x in tracked(*trees):
        raise DerivativeError(
            f"{name}: {what} has no derivative, and {kind_of(x)} of shape {x.shape} was passed; if it needs none, pass "
            "kn.value(x)"
        )


def no_rule(name: str, original: Callable) -> Callable:
    """A function of SciPy's without derivative, which refuses values that one is being taken through."""

    def call(*args, **options):
        constant(name, "this function", args, options)
        return original(*stripped(list(args)), **stripped(options))

    call.__name__, call.__doc__ = name.rpartition(".")[2], original.__doc__
    return call


def double(x: Any) -> Any:
    """A number, list or array in double precision, in which SciPy's distributions compute."""
    if isinstance(x, Value):
        return x if x.dtype == np.float64 else x.astype(np.float64)
    return np.asarray(np.stack(x) if tracked(x) else x, np.float64)
