"""What ops ask of their arguments: one floating dtype, integers for each axis, words from a list."""

import operator
import reprlib
from functools import lru_cache

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.value import Param, Result, Value, bare, plain
from .half import narrowed, widened

_MOST = 2**31 - 1  # sizes beyond it would overflow in compiled kernels
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_NUMBERS = (int, float, np.integer, np.floating)
_ARRAYS = {np.ndarray, np.float16, np.float32, np.float64, Param, Result}  # classes that need no closer look
_PLAIN = {int, str, bool, type(None)}  # of options
REDUCTIONS = ("mean", "sum", "none")  # what becomes of an array of losses


def as_floating(name, **arrays):
    """The operands as arrays of one floating dtype; knetpy's own functions never promote."""
    values = list(arrays.values())
    dtype = getattr(values[0], "dtype", None)
    if (dtype is _FLOAT32 or dtype is _FLOAT64) and all([a.__class__ in _ARRAYS and a.dtype is dtype for a in values]):
        return values  # the usual case, quickly
    found = {k: a if a.__class__ in _ARRAYS else array_of(name, k, a) for k, a in arrays.items()}
    for k, a in found.items():
        if a.dtype.kind != "f":
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


def array_of(name, operand, given):
    """What has one of NumPy's dtypes as it is, numbers and lists of them as a float32 array."""
    _refuse_subclass(name, operand, given)
    if given is None or not isinstance(getattr(given, "dtype", _FLOAT32), np.dtype):
        kind = "None" if given is None else f"a {type(given).__module__}.{type(given).__qualname__}"
        raise TypeError(
            f"{name}: {operand} must be an array, got {kind}" + "; np.asarray may convert it" * (given is not None)
        )
    if hasattr(given, "dtype"):
        return given
    array = constant_of(name, operand, given)
    if array.dtype.kind not in "fiub":  # NumPy would read the words, and make NaN of None
        raise TypeError(f"{name}: {operand} must be an array or numbers in lists, got {_short(given)}")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def constant_of(name, operand, given):
    """A constant operand as a NumPy array of any dtype."""
    if given.__class__ is np.ndarray:  # the usual case, quickly
        return given
    _refuse_subclass(name, operand, given)
    try:
        return np.asarray(bare(given))
    except (TypeError, ValueError, RuntimeError) as reason:
        raise TypeError(f"{name}: {operand} must be an array or numbers in lists: {reason}") from None


def _short(given):
    return reprlib.repr(given)


def numbers_of(name, operand, given, kinds="fiu"):
    """A constant operand of numbers as a NumPy array; raises when a derivative by it is being taken."""
    if isinstance(given, Value):
        given = plain(given, f"the argument {operand}= of {name}")
    array = constant_of(name, operand, given)
    if array.dtype.kind not in kinds:
        raise DtypeError(f"{name}: {operand} must be numbers, got {array.dtype}")
    return array


def _refuse_subclass(name, operand, given):
    if isinstance(given, (np.ma.MaskedArray, np.matrix)):
        raise TypeError(
            f"{name}: {operand} is a {type(given).__name__}, whose mask or own operators would get lost; pass a plain "
            f"array such as np.asarray({operand})"
        )


def kind(x):
    """The letter of a NumPy dtype ("f" of floating ones); "O" if x has none."""
    return getattr(getattr(x, "dtype", None), "kind", "O")


def stretches(shape, whole):
    """Whether an array of this shape broadcasts to the shape `whole`."""
    try:
        return np.broadcast_shapes(shape, whole) == tuple(whole)
    except ValueError:
        return False


def remembered(find):
    """Decorate a function of words, shapes and options: for options of plain numbers and tuples it is asked once."""
    known = lru_cache(maxsize=1024, typed=True)(find)

    def found(*given):
        for option in given:
            if option.__class__ is tuple:
                if not all([n.__class__ is int for n in option]):  # 1.0 and True would be taken for the 1 met before
                    return find(*given)
            elif option.__class__ not in _PLAIN:
                return find(*given)
        return known(*given)

    return found


def per_axis(name, option, given, axes, least=1):
    """An option given as one number or one for each spatial axis, as a tuple of ints of at least `least`."""
    if given.__class__ is int and least <= given <= _MOST:  # the usual case, quickly
        return (given,) * axes
    numbers = tuple(given) if several(given) else (given,) * axes
    if len(numbers) != axes or not all([_is_whole(n, least) for n in numbers]):
        limit = f"<= {_MOST}" if any([_is_whole(n, _MOST, np.inf) for n in numbers]) else f">= {least}"
        each = f", or {axes} of them" * (axes > 1)
        raise ValueError(f"{name}: {option} must be an integer {limit}{each}, got {given!r}")
    return tuple([n.__index__() for n in numbers])


def several(given):
    """Whether an option is given as one for each axis: a tuple, a list or an array that has an axis."""
    return isinstance(given, (tuple, list)) or getattr(given, "shape", ()) != ()


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
        if several(given) and len(given) == axes and all([several(p) for p in given]):
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
    try:
        found = float(given)
    except OverflowError:
        found = np.inf
    if not (least <= found <= most and above < found and abs(found) < np.inf):
        limits = [f">= {least}"] * (least > -np.inf) + [f"<= {most}"] * (most < np.inf)
        limits += [f"> {above}"] * (above > -np.inf)
        raise ValueError(f"{name}: {option} must be a finite number {' and '.join(limits)}".rstrip() + f", got {given}")
    return found


def flag(name, option, given):
    """An option that is True or False."""
    if not isinstance(given, (bool, np.bool_)):
        raise TypeError(f"{name}: {option} must be True or False, got {_short(given)}")
    return bool(given)


def one_of(name, option, given, words):
    """Raise unless an option is one of the words that it may be."""
    if not isinstance(given, str) or given not in words:
        allowed = ", ".join(f'"{word}"' for word in words)
        raise ValueError(f"{name}: {option} must be one of {allowed}, got {given!r}")


def axis_of(name, operand, x, axis):
    """An axis of x, counted from 0."""
    ndim = len(x.shape)
    if axis.__class__ is int and -ndim <= axis < ndim:  # the usual case, quickly
        return axis % ndim
    return axis_among(name, axis, ndim, f"{operand} of shape {x.shape}")


def axis_among(name, axis, ndim, of):
    """One of `ndim` axes, counted from 0; `of` tells in messages whose they are."""
    if not _is_whole(axis, -np.inf, np.inf):
        raise TypeError(f"{name}: an axis must be an integer, got {axis!r}")
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(f"{name}: axis {axis} is out of range for {of}")
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
    array = constant_of(name, operand, given)
    if array.dtype.kind not in "iu" and array.size:
        way = (
            f"write {operand}.astype(int)"
            if array.dtype.kind in "fb"
            else f"np.unique({operand}, return_inverse=True)[1] numbers them"
        )
        raise DtypeError(f"{name}: {operand} must be integers, got {array.dtype}; {way}")
    return array.astype(np.int64, copy=False)


def lengths_of(name, option, given, count, most, what):
    """How much of each of `count` sequences counts: integers from 0 to `most`, which messages call `what`.

    Of a single sequence it may be a number.
    """
    found = integers(name, option, given)
    if count == 1 and not found.shape:
        found = found[None]
    if found.shape != (count,):
        raise ShapeError(f"{name}: {option} must have shape ({count},), one for each sequence, got {found.shape}")
    bad = found[(found < 0) | (found > most)]
    if bad.size:
        raise ValueError(f"{name}: {option} must be from 0 to {what} = {most}, got {bad[0]}")
    return found


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
    return np.sum(losses) if reduction == "sum" else divided(losses, losses.size)


def divided(losses, total):
    """The sum of losses divided by a number, and 0 if that is 0; float16 is summed in float32, as it overflows soon."""
    return narrowed(np.sum(widened(losses)) / (float(total) or np.inf), losses.dtype)


def alike(name, reduction, **arrays):
    """The operands of a loss: arrays of one shape and floating dtype; raises also for an unknown reduction.

    Integers after the first operand, such as counts, are constants and take its dtype.
    """
    one_of(name, "reduction", reduction, REDUCTIONS)
    (first, x), *others = arrays.items()
    if kind(x) == "f":
        arrays = {first: x} | {k: a.astype(x.dtype) if kind(a) in "iu" else a for k, a in others}
    found = as_floating(name, **arrays)
    same_shapes(name, **dict(zip(arrays, found)))
    return found
