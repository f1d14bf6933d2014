"""What loops and their tools ask of their arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def is_iterable(x: Any) -> bool:
    """Whether there is anything to go through; arrays without axes, although they look so, have nothing."""
    goes = getattr(type(x), "__iter__", getattr(type(x), "__getitem__", None)) is not None
    return goes and getattr(x, "shape", None) != ()


def iterable_of(name: str, operand: str, given: Any, *, again: bool = False) -> Iterable:
    """An operand that can be gone through; with `again` more than once."""
    if not is_iterable(given):
        around = (
            "history(kn.minimize(loss, data))" if hasattr(given, "watch") else "kn.minimize(loss, data), or around data"
        )
        raise TypeError(
            f"{name}: {operand} must be an iterable, got {type(given).__name__}; write {name}(...) around {around}"
        )
    if again and hasattr(given, "__next__"):
        raise TypeError(
            f"{name}: {operand} is a {type(given).__name__}, which can be gone through only once; pass a list, or "
            "kn.minibatch(x, y, 50)"
        )
    return given


def function_of(name: str, operand: str, given: Any, example: str) -> Callable:
    """An operand that can be called."""
    if not callable(given):
        raise TypeError(f"{name}: {operand} must be a function, got {type(given).__name__}; write {example}")
    return given
