"""What optimizers remember of Params and arrays, whose it is, and how an update is taken back."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.value import Param
from ..devices import moved, on_gpu

Pairs = list[tuple[Any, Any]]  # each Param, array or Master with its gradient


class State:
    """What an optimizer remembers about one Param or array: `arrays`, and `t`, how often it was updated."""

    __slots__ = ("arrays", "key", "owner", "t")

    def __init__(self, optimizer: Any, key: Any, owner: Any, arrays: tuple):
        self.t, self.key, self.arrays = 0, key, arrays
        self.owner = weakref.ref(owner, dropping(optimizer, "states", key))

    def follow(self, w: Any) -> None:
        """Move what is remembered to where the bare array `w` is by now."""
        there = "gpu" if on_gpu(w) else "cpu"
        self.arrays = tuple([a if on_gpu(a) == on_gpu(w) else moved(a, there) for a in self.arrays])


def dropping(optimizer: Any, table: str, key: Any) -> Any:
    """What is called when an owner dies. It must not hold the optimizer, which holds the table, which holds it."""
    optimizer = weakref.ref(optimizer)

    def drop(_: Any) -> None:
        alive = optimizer()
        if alive is not None:
            getattr(alive, table).pop(key, None)

    return drop


class Master(NamedTuple):
    """An array of more digits that stands for a Param or array; what is remembered, is remembered about that."""

    array: Any
    target: Any

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype


def readable(target: Any) -> Any:
    """The bare array of a Param, or of what stands for one; of complex numbers as real ones."""
    if isinstance(target, Param):
        return as_reals(target.value)
    return target.array if isinstance(target, Master) else as_reals(target)


def writable(target: Any) -> Any:
    """The same, to be written at once."""
    return as_reals(target.writable()) if isinstance(target, Param) else readable(target)


def as_reals(x: Any) -> Any:
    """A view of complex numbers as pairs of real ones, along a new last axis; what is real as it is.

    So all rules take complex params: real and imaginary parts are numbers of their own, as PyTorch's.
    """
    return x[..., None].view(x.real.dtype) if x.dtype.kind == "c" else x


def as_complex(x: Any, dtype: np.dtype) -> Any:
    """The complex array of that dtype, made of pairs of real numbers."""
    return x.copy().view(dtype)[..., 0]


def identity(target: Any) -> tuple[Any, Any]:
    """(key of the state, owner of the state): it lives as long as its owner.

    For a Param its serial number; for an array its place in memory, so that another view of the same finds the state.
    """
    if isinstance(target, Param):
        return target.uid, target
    if isinstance(target, Master):
        return identity(target.target)
    owner = target
    while isinstance(getattr(owner, "base", None), type(target)):
        owner = owner.base
    begin = target.ctypes.data if isinstance(target, np.ndarray) else target.data.ptr
    return (id(owner), begin, target.shape, target.strides), owner


def working_dtype(w: Any) -> np.dtype:
    """The dtype that gradients, moments and steps of `w` have: at least float32; of complex numbers that of parts."""
    dtype = w.dtype if w.dtype.kind == "f" else np.empty(0, w.dtype).real.dtype
    return np.promote_types(dtype, np.float32)


def undoing(opt: Any, pairs: Pairs) -> Callable[[], None]:
    """A function that takes back what an update has changed so far: arrays, states and settings are as they are now."""
    values = [(target, readable(target).copy()) for target, _ in pairs]
    keys = [identity(target)[0] for target, _ in pairs]
    rules = [opt]
    for rule in rules:  # which grows while it is gone through
        rules += rule.inside()
    states = [(rule, key, rule.states.get(key)) for rule in rules for key in keys]
    remembered = [(state, state.t, [array.copy() for array in state.arrays]) for *_, state in states if state]
    settings = [(rule, {name: x for name, x in vars(rule).items() if name in rule.settings}) for rule in rules]

    def undo() -> None:
        for target, before in values:
            writable(target)[...] = before
        for state, t, arrays in remembered:
            state.t = t
            for array, before in zip(state.arrays, arrays):
                array[...] = before
        for rule, key, state in states:
            if state is None:
                rule.states.pop(key, None)
        for rule, before in settings:
            vars(rule).update(before)

    return undo
