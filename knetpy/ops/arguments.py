"""What ops ask of their arguments: one floating dtype, integers for each axis, words from a list."""

import math
import reprlib
from functools import lru_cache

import numpy as np

from ..core.errors import DtypeError, ShapeError, refuse_mixed
from ..core.value import Param, Result, Value, bare, plain
from ..devices import GPU, asarray, beside, on_gpu, surely
from ..settings import whole as whole

MOST = 2**31 - 1  # sizes beyond it would overflow in compiled kernels
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_NUMBERS = (int, float, np.integer, np.floating)
_NO_NUMBERS = (bool, np.timedelta64)  # although they are instances of these
_ARRAYS = {np.ndarray, np.float16, np.float32, np.float64, Param, Result}  # classes that need no closer look
_PLAIN = {int, str, bool, type(None)}  # of options


def as_floating(name, *, optional=(), **arrays):
    """The operands as arrays of one floating dtype; knetpy's own functions never promote. Optional ones may be None."""
    values = list(arrays.values())
    dtype = getattr(values[0], "dtype", None)
    if (
        (dtype is _FLOAT32 or dtype is _FLOAT64)
        and not GPU
        and all(
            [a.dtype is dtype if a.__class__ in _ARRAYS else a is None and k in optional for k, a in arrays.items()]
        )
    ):
        return values  # the usual case, quickly
    given = {k: a for k, a in arrays.items() if a is not None or k not in optional}
    if len(given) < len(arrays):
        known = dict(zip(given, as_floating(name, **given)))
        return [known.get(k) for k in arrays]
    found = {k: a if a.__class__ in _ARRAYS else array_of(name, k, a) for k, a in arrays.items()}
    for k, a in found.items():
        if a.dtype.kind != "f":
            scaled = " (of images / 255; of a DataLoader's batches in prepare=)" if a.dtype == np.uint8 else ""
            way = f"np.real({k}) or np.abs({k})" if a.dtype.kind == "c" else f"{k}.astype(np.float32){scaled}"
            raise DtypeError(f"{name}: {k} has dtype {a.dtype}; write {way}")
        if not a.dtype.isnative:
            found[k] = a.astype(a.dtype.char)
    if GPU:
        refuse_mixed(name, list(found), [bare(a) for a in found.values()])
    (first, a), *others = found.items()
    for k, b in others:
        if a.dtype != b.dtype:
            # Half numbers are what is stored, to be computed with in more digits; of the others the fewest are meant.
            size = {n: x.dtype.itemsize for n, x in ((first, a), (k, b))}
            odd, to = (min, max) if min(size.values()) == 2 else (max, min)
            odd, to = odd(size, key=size.__getitem__), to(size, key=size.__getitem__)
            raise DtypeError(
                f"{name}: {first} has dtype {a.dtype} and {k} has {b.dtype}; write {odd}.astype(np.{found[to].dtype})"
                + (", or make the Param of such an array" if isinstance(found[odd], Param) else "")
            )
    return list(found.values())


def array_of(name, operand, given):
    """What has one of NumPy's dtypes as it is, numbers and lists of them as a float32 array."""
    _refuse_subclass(name, operand, given)
    if isinstance(given, (np.ndarray, np.generic, Value)) or on_gpu(given):
        return np.asarray(given) if isinstance(given, np.ndarray) else given  # without its subclass
    if given is None or hasattr(given, "dtype"):  # such as a tensor of PyTorch or a series of pandas
        kind = "None" if given is None else f"a {type(given).__module__}.{type(given).__qualname__}"
        raise TypeError(
            f"{name}: {operand} must be an array, got {kind}" + "; np.asarray may convert it" * (given is not None)
        )
    array = constant_of(name, operand, given)
    if array.dtype.kind not in "fiub":  # NumPy would read the words, and make NaN of None
        raise TypeError(f"{name}: {operand} must be an array or numbers in lists, got {_short(given)}")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def constant_of(name, operand, given):
    """A constant operand as an array of any dtype, of NumPy or where it is on a GPU."""
    if given.__class__ is np.ndarray:  # the usual case, quickly
        return given
    _refuse_subclass(name, operand, given)
    try:
        return asarray(bare(given))
    except (TypeError, ValueError, RuntimeError) as reason:
        raise TypeError(f"{name}: {operand} must be an array or numbers in lists: {reason}") from None


def placed(name, operand, table, x, of="x"):
    """A constant operand (or None) where the bare or recorded array x is, which messages call `of`.

    What the user gave on the CPU is copied to the GPU of x; the other way round it is refused.
    """
    if table is None or not GPU:
        return table
    x = bare(x)
    refuse_mixed(name, (of, operand), (x, None if on_gpu(x) else table))
    return beside(table, x)


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
    dtype = getattr(x, "dtype", None)
    return dtype.kind if isinstance(dtype, np.dtype) else "O"


def stretches(shape, whole):
    """Whether an array of this shape broadcasts to the shape `whole`."""
    try:
        return np.broadcast_shapes(shape, whole) == tuple(whole)
    except (ValueError, RuntimeError):  # RuntimeError: too many axes for it
        return False


def check_room(name, x, size):
    """Raise if no memory holds images x of this new size, before tables are made for it."""
    if math.prod(x.shape[:2]) * math.prod(size) > MOST * 64:
        raise ShapeError(f"{name}: x {tuple(x.shape)} in the size {tuple(size)} is too large for any memory")


def count_of(name, option, given, least=0, most=None):
    """An option that is an integer of at least `least`, and at most `most` if there is such a limit."""
    found = whole(given)
    if found is None:
        raise TypeError(f"{name}: {option} must be an integer, got {type(given).__name__}")
    if found < least:
        raise ValueError(f"{name}: {option} must be at least {least}, got {found}")
    if most is not None and found > most:
        raise ValueError(f"{name}: {option} must be at most {most}, got {found}")
    return found


def memo(find):
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
    if given.__class__ is int and least <= given <= MOST:  # the usual case, quickly
        return (given,) * axes
    numbers = tuple([whole(n) for n in given]) if several(given) else (whole(given),) * axes
    if len(numbers) != axes or not all([n is not None and least <= n <= MOST for n in numbers]):
        limit = f"<= {MOST}" if any([n is not None and n > MOST for n in numbers]) else f">= {least}"
        each = f", or {axes} of them" * (axes > 1)
        raise ValueError(f"{name}: {option} must be an integer {limit}{each}, got {_short(given)}")
    return numbers


def several(given):
    """Whether an option is given as one for each axis: a tuple, a list or an array that has an axis."""
    return isinstance(given, (tuple, list)) or (isinstance(given, np.ndarray) and given.ndim > 0)


def number(name, option, given, least=-np.inf, most=np.inf, *, above=-np.inf):
    """An option that is one number from `least` to `most` and above `above`, as a float; infinite ones are refused."""
    if given.__class__ is not float and (isinstance(given, _NO_NUMBERS) or not isinstance(given, _NUMBERS)):
        raise TypeError(f"{name}: {option} must be a number, got {_short(given)}")
    try:
        found = float(given)
    except OverflowError:
        found = np.inf
    if not (least <= found <= most and above < found and abs(found) < np.inf):
        limits = [f">= {least}"] * (least > -np.inf) + [f"<= {most}"] * (most < np.inf)
        limits += [f"> {above}"] * (above > -np.inf)
        raise ValueError(f"{name}: {option} must be a finite number {' and '.join(limits)}".rstrip() + f", got {given}")
    return found


def real(name, what, given):
    """A result that is one real number, also NaN or infinite, as a float; arrays without axes are such.

    One of a GPU stays there, as float64: it is read when it is needed.
    """
    if on_gpu(given) and given.shape == () and given.dtype.kind in "fiub":
        return given.astype(np.float64)
    found = np.asarray(bare(given)) if isinstance(given, (np.ndarray, Value)) else given
    if isinstance(found, np.ndarray) and found.shape == () and found.dtype.kind in "fiub":
        return float(found)
    if isinstance(given, (bool, np.bool_, *_NUMBERS)) and not isinstance(given, np.timedelta64):
        return float(given)
    raise TypeError(f"{name}: {what} must be a number, got {_short(given)}")


def flag(name, option, given):
    """An option that is True or False."""
    if not isinstance(given, (bool, np.bool_)):
        raise TypeError(f"{name}: {option} must be True or False, got {_short(given)}")
    return bool(given)


def flags(name, **options):
    """Options that are True or False, in order."""
    return [flag(name, option, given) for option, given in options.items()]


def one_of(name, option, given, words):
    """Raise unless an option is one of the words that it may be."""
    if not isinstance(given, str) or given not in words:
        allowed = ", ".join(f'"{word}"' for word in words)
        raise ValueError(f"{name}: {option} must be one of {allowed}, got {_short(given)}")


def axis_of(name, operand, x, axis):
    """An axis of x, counted from 0."""
    ndim = len(x.shape)
    if axis.__class__ is int and -ndim <= axis < ndim:  # the usual case, quickly
        return axis % ndim
    return axis_among(name, axis, ndim, f"{operand} of shape {x.shape}")


def axis_among(name, axis, ndim, of):
    """One of `ndim` axes, counted from 0; `of` tells in messages whose they are."""
    found = whole(axis)
    if found is None:
        raise TypeError(f"{name}: an axis must be an integer, got {_short(axis)}")
    if not -ndim <= found < ndim:
        raise np.exceptions.AxisError(f"{name}: axis {found} is out of range for {of}")
    return found % ndim


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
    bad = (found < 0) | (found > most)
    if surely(bad):
        raise ValueError(f"{name}: {option} must be from 0 to {what} = {most}, got {found[bad][0]}")
    return found


def same_shapes(name, **arrays):
    """Raise unless all operands have one shape: knetpy's own functions never broadcast data against data."""
    (first, a), *others = arrays.items()
    for k, b in others:
        if a.shape != b.shape:
            way = f": write {k}.reshape({a.shape})" if math.prod(a.shape) == math.prod(b.shape) else ""
            raise ShapeError(f"{name}: {first} has shape {a.shape} and {k} has {b.shape}; they must be equal{way}")
