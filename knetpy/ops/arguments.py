"""What ops ask of their arguments: one floating dtype, integers for each axis, words from a list."""

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.value import bare

REDUCTIONS = ("mean", "sum", "none")  # what becomes of an array of losses


def as_floating(name, **arrays):
    """The operands as arrays of one floating dtype; knetpy's own functions never promote."""
    found = {k: a if hasattr(a, "dtype") else np.asarray(a, np.float32) for k, a in arrays.items()}
    for k, a in found.items():
        if a.dtype.kind != "f":
            raise DtypeError(f"{name}: {k} has dtype {a.dtype}; write {k}.astype(np.float32)")
    (first, a), *others = found.items()
    for k, b in others:
        if a.dtype != b.dtype:
            raise DtypeError(
                f"{name}: {first} has dtype {a.dtype} and {k} has {b.dtype}; write {first}.astype({k}.dtype) or the "
                "reverse"
            )
    return list(found.values())


def per_axis(name, option, given, axes, least=1):
    """An option given as one number or one for each spatial axis, as a tuple of ints of at least `least`."""
    numbers = tuple(given) if hasattr(given, "__len__") else (given,) * axes
    if len(numbers) != axes or not all(hasattr(n, "__index__") and n.__index__() >= least for n in numbers):
        raise ValueError(f"{name}: {option} must be an integer >= {least}, or {axes} of them, got {given!r}")
    return tuple([n.__index__() for n in numbers])


def padding_pairs(name, given, axes):
    """Padding as a (before, after) pair for each spatial axis."""
    if isinstance(given, str):
        raise ValueError(f"{name}: padding={given!r} is no number; for the same size at stride 1 write (K - 1) // 2")
    if hasattr(given, "__len__") and len(given) == axes and all([hasattr(p, "__len__") for p in given]):
        return tuple([per_axis(name, "padding", p, 2, 0) for p in given])
    return tuple([(p, p) for p in per_axis(name, "padding", given, axes, 0)])


def one_of(name, option, given, words):
    """Raise unless an option is one of the words that it may be."""
    if not isinstance(given, str) or given not in words:
        allowed = ", ".join(f'"{word}"' for word in words)
        raise ValueError(f"{name}: {option} must be one of {allowed}, got {given!r}")


def axis_of(name, operand, x, axis):
    """An axis of x, counted from 0."""
    ndim = len(x.shape)
    if not hasattr(axis, "__index__"):
        raise TypeError(f"{name}: an axis must be an integer, got {axis!r}")
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(f"{name}: axis {axis} is out of range for {operand} of shape {x.shape}")
    return axis.__index__() % ndim


def axes_of(name, operand, x, axis):
    """One axis, a tuple of them or None for all, as a tuple of axes of x counted from 0, none twice."""
    if axis is None:
        return tuple(range(len(x.shape)))
    axes = tuple([axis_of(name, operand, x, a) for a in (axis if isinstance(axis, (tuple, list)) else (axis,))])
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis of {operand} {x.shape} twice")
    return axes


def integers(name, operand, given):
    """An operand of whole numbers, as a plain int64 array."""
    array = np.asarray(bare(given))
    if array.dtype.kind not in "iu" and array.size:
        raise DtypeError(f"{name}: {operand} must be integers, got {array.dtype}; write {operand}.astype(int)")
    return array.astype(np.int64, copy=False)


def same_shapes(name, **arrays):
    """Raise unless all operands have one shape: knetpy's own functions never broadcast data against data."""
    (first, a), *others = arrays.items()
    for k, b in others:
        if a.shape != b.shape:
            raise ShapeError(f"{name}: {first} has shape {a.shape} and {k} has {b.shape}; they must be equal")


def reduced(losses, reduction):
    """The mean of losses (of none: 0), their sum, or the losses themselves."""
    if reduction == "none":
        return losses
    return np.sum(losses) if reduction == "sum" else np.sum(losses) / max(losses.size, 1)
