"""What ops ask of their arguments: one floating dtype, integers for each axis, words from a list."""

import operator

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.value import Param, bare

_MOST = 2**31 - 1  # sizes beyond it would overflow in compiled kernels
_FLOAT32 = np.dtype(np.float32)
_NUMBERS = (int, float, np.integer, np.floating)
REDUCTIONS = ("mean", "sum", "none")  # what becomes of an array of losses


def as_floating(name, **arrays):
    """The operands as arrays of one floating dtype; knetpy's own functions never promote."""
    found = {k: a if hasattr(a, "dtype") else _array(name, k, a) for k, a in arrays.items()}
    for k, a in found.items():
        if getattr(a.dtype, "kind", "") != "f":
            _array(name, k, a)
            raise DtypeError(f"{name}: {k} has dtype {a.dtype}; write {k}.astype(np.float32)")
    (first, a), *others = found.items()
    for k, b in others:
        if a.dtype != b.dtype:
            wide, narrow = (first, b) if a.dtype.itemsize >= b.dtype.itemsize else (k, a)
            raise DtypeError(
                f"{name}: {first} has dtype {a.dtype} and {k} has {b.dtype}; write {wide}.astype(np.{narrow.dtype})"
                + (", or make the Param of such an array" if isinstance(found[wide], Param) else "")
            )
    return list(found.values())


def _array(name, operand, given):
    """Numbers and lists of them as a float32 array; raises for what is no array of NumPy's kind."""
    if given is None or not isinstance(getattr(given, "dtype", _FLOAT32), np.dtype):
        kind = "None" if given is None else f"a {type(given).__module__}.{type(given).__qualname__}"
        raise TypeError(
            f"{name}: {operand} must be an array, got {kind}" + "; np.asarray may convert it" * (given is not None)
        )
    if hasattr(given, "dtype"):
        return given
    try:
        return np.asarray(given, np.float32)
    except (TypeError, ValueError) as reason:
        raise TypeError(f"{name}: {operand} must be an array or numbers in lists: {reason}") from None


def per_axis(name, option, given, axes, least=1):
    """An option given as one number or one for each spatial axis, as a tuple of ints of at least `least`."""
    if given.__class__ is int and least <= given <= _MOST:  # the usual case, quickly
        return (given,) * axes
    numbers = tuple(given) if _several(given) else (given,) * axes
    if len(numbers) != axes or not all([_is_whole(n, least) for n in numbers]):
        limit = f"<= {_MOST}" if any([_is_whole(n, _MOST, np.inf) for n in numbers]) else f">= {least}"
        each = f", or {axes} of them" * (axes > 1)
        raise ValueError(f"{name}: {option} must be an integer {limit}{each}, got {given!r}")
    return tuple([n.__index__() for n in numbers])


def _several(given):
    return hasattr(given, "__len__") and getattr(given, "shape", None) != ()


def _is_whole(n, least, most=_MOST):
    try:
        return least <= operator.index(n) <= most and not isinstance(n, bool)
    except TypeError:
        return False


def padding_pairs(name, given, axes):
    """Padding as a (before, after) pair for each spatial axis."""
    if isinstance(given, str):
        raise ValueError(f"{name}: padding={given!r} is no number; for the same size at stride 1 write (K - 1) // 2")
    try:
        if _several(given) and len(given) == axes and all([_several(p) for p in given]):
            return tuple([per_axis(name, "padding", p, 2, 0) for p in given])
        return tuple([(p, p) for p in per_axis(name, "padding", given, axes, 0)])
    except ValueError:
        raise ValueError(
            f"{name}: padding must be an integer >= 0, one for each of the {axes} spatial axes, or a (before, after) "
            f"pair for each, got {given!r}"
        ) from None


def window_padding(name, given, size, window, stride, dilation):
    """Padding as pairs. Of "same" so much that a window takes ceil(size / stride) places, the odd one of it after."""
    if not isinstance(given, str):
        return padding_pairs(name, given, len(size))
    if given not in ("same", "valid"):
        raise ValueError(
            f'{name}: padding must be "same", "valid", an integer >= 0 or one for each axis, got {given!r}'
        )
    if given == "valid":
        return ((0, 0),) * len(size)
    lacks = [(-(-s // t) - 1) * t + d * (k - 1) + 1 - s for s, k, t, d in zip(size, window, stride, dilation)]
    return tuple([(n // 2, n - n // 2) for n in [max(n, 0) for n in lacks]])


def window_fits(name, size, window, dilation, padding, given):
    """Raise unless the window lies within the padded spatial size; `given` tells the user what was given."""
    for i, (n, k, d, pads) in enumerate(zip(size, window, dilation, padding)):
        reach, room = d * (k - 1) + 1, n + sum(pads)
        if k < 1:
            raise ShapeError(f"{name}: the window has size 0 along spatial axis {i} ({given}); it must be at least 1")
        if reach > room:
            raise ShapeError(
                f"{name}: the window reaches over {reach} along spatial axis {i}, which has {room} with its padding "
                f"({given}, dilation {d}, padding {pads}); pad more or take a smaller window"
            )


def number(name, option, given, least=-np.inf, most=np.inf, *, above=-np.inf):
    """An option that is one number from `least` to `most` and above `above`, as a float; infinite ones are refused."""
    if given.__class__ is not float and (isinstance(given, bool) or not isinstance(given, _NUMBERS)):
        raise TypeError(f"{name}: {option} must be a number, got {given!r}")
    if not (least <= given <= most and above < given and abs(given) < np.inf):
        limits = [f">= {least}"] * (least > -np.inf) + [f"<= {most}"] * (most < np.inf)
        limits += [f"> {above}"] * (above > -np.inf)
        raise ValueError(f"{name}: {option} must be a finite number {' and '.join(limits)}".rstrip() + f", got {given}")
    return float(given)


def one_of(name, option, given, words):
    """Raise unless an option is one of the words that it may be."""
    if not isinstance(given, str) or given not in words:
        allowed = ", ".join(f'"{word}"' for word in words)
        raise ValueError(f"{name}: {option} must be one of {allowed}, got {given!r}")


def axis_of(name, operand, x, axis):
    """An axis of x, counted from 0."""
    ndim = len(x.shape)
    if not hasattr(axis, "__index__") or getattr(axis, "shape", ()):
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


def alike(name, reduction, **arrays):
    """The operands of a loss: arrays of one shape and floating dtype; raises also for an unknown reduction."""
    one_of(name, "reduction", reduction, REDUCTIONS)
    found = as_floating(name, **arrays)
    same_shapes(name, **dict(zip(arrays, found)))
    return found
