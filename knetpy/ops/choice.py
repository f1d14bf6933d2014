"""Choices by conditions and indices, and elements taken out of an array or put into a new one."""

import operator
from functools import reduce

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.errors import ShapeError
from ..core.value import METHODS, Value, bare, plain
from ..devices import asarray, host
from .arguments import MOST, placed
from .axes import refuse
from .index import getitem, taken_from
from .join import concatenate
from .shape import broadcast_to, ravel
from .spelling import spells


def _constant(name, option, given):
    """An argument by which there is no derivative."""
    return plain(given, f"the argument {option}= of np.{name}") if isinstance(given, Value) else given


@spells(np.select)
def select(condlist, choicelist, default=0):
    """`np.select`: of the first condition that holds, the choice; else the default."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(f"select: {len(condlist)} conditions and {len(choicelist)} choices; each needs its own")
    conditions = [asarray(bare(c)) for c in condlist]
    for i, c in enumerate(conditions):
        if c.dtype != bool:
            raise TypeError(f"select: condlist[{i}] must be booleans, got {c.dtype}")
    choices, dtype = _common([*choicelist, default])
    shape = np.broadcast_shapes(*[c.shape for c in conditions], *[np.shape(c) for c in choices])
    y = choices.pop()
    for c, choice in zip(conditions[::-1], choices[::-1]):
        y = np.where(c, choice, y)
    y = y if y.dtype == dtype else y.astype(dtype)
    return broadcast_to(y, shape)


def _common(choices):
    """Choices, as arrays but for numbers whose dtype depends on that of the others, and the dtype of them all."""
    numbers = (int, float, complex)
    choices = [c if type(c) in numbers or hasattr(c, "dtype") else np.asarray(c) for c in choices]
    return choices, np.result_type(*[c if type(c) in numbers else c.dtype for c in choices])


@spells(np.piecewise)
def piecewise(x, condlist, funclist, *args, **kw):
    """`np.piecewise`: each function of the elements where its condition holds; the last that holds decides.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.piecewise(x, [x < 0], [0.0, lambda x: x * x]).sum())(np.array([-1.0, 2.0]))
    array([0., 4.])
    """
    conditions = _conditions(x, condlist, len(funclist))
    y = np.zeros_like(x)
    for mask, function in zip(conditions, funclist):
        part = x[mask]
        if not part.size:
            continue
        part = function(part, *args, **kw) if callable(function) else function
        y = _placed(part, mask, y, x)
    return y


def _conditions(x, condlist, count):
    """The masks, one for each function; without one for the last it holds where no other does."""
    if not getattr(condlist, "shape", True) or (
        not isinstance(condlist[0], list) and not np.shape(condlist[0]) and x.ndim
    ):
        condlist = [condlist]
    masks = [np.broadcast_to(asarray(bare(c)).astype(bool), x.shape) for c in condlist]
    if len(masks) == count - 1:
        masks.append(~reduce(np.logical_or, masks))
    if len(masks) != count:
        raise ValueError(f"piecewise: {len(masks)} conditions need as many functions or one more, got {count}")
    return masks


def _placed(part, mask, y, x):
    """y with `part` where the mask holds."""
    number = np.cumsum(mask).reshape(mask.shape) - 1  # of each element in its part
    if np.shape(part):
        part = getitem(part, np.where(mask, number, 0)) if isinstance(part, Value) else asarray(part)[number * mask]
    y = np.where(mask, part, y)
    return y if y.dtype == x.dtype else y.astype(x.dtype)


@spells(np.choose)
def choose(a, choices, out=None, mode="raise"):
    """`np.choose`: of the choices, which broadcast, element by element the one with the number in a."""
    refuse("choose", out=out)
    a, count = asarray(_constant("choose", "a", a)), len(choices)
    if a.dtype.kind not in "biu":
        raise TypeError(f"choose: a must be integers, got {a.dtype}; write a.astype(int)")
    if mode == "raise" and ((a < 0) | (a >= count)).any():
        raise ValueError(f"choose: a must be from 0 to {count - 1}, the number of the last choice")
    a = a % count if mode == "wrap" else np.clip(a, 0, count - 1)
    choices, dtype = _common(choices)
    a, y = placed("choose", "a", a, next((c for c in choices if isinstance(c, Value)), a), "choices"), choices[-1]
    for i in range(count - 2, -1, -1):
        y = np.where(a == i, choices[i], y)
    y = broadcast_to(y, np.broadcast_shapes(a.shape, *[np.shape(c) for c in choices]))
    return y if y.dtype == dtype else y.astype(dtype)


@spells(np.compress)
def compress(condition, a, axis=None, out=None):
    """`np.compress`: the slices along an axis where the condition, which may be shorter, holds."""
    refuse("compress", out=out)
    condition = asarray(_constant("compress", "condition", condition)).astype(bool)
    if condition.ndim != 1:
        raise ShapeError(f"compress: condition must have one axis, got shape {condition.shape}; see np.extract")
    return np.take(a, np.flatnonzero(condition), axis)


METHODS["compress"] = lambda x, condition, axis=None, out=None: compress(condition, x, axis, out)
del METHODS["choose"]  # of integers only


@spells(np.extract)
def extract(condition, arr):
    """`np.extract`: all elements where the condition holds."""
    return np.take(ravel(arr), np.flatnonzero(bare(condition)))


@spells(np.append)
def append(arr, values, axis=None):
    """`np.append`."""
    return concatenate([arr, values], axis)


@spells(np.delete)
def delete(arr, obj, axis=None):
    """`np.delete`."""
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = normalize_axis_index(axis, arr.ndim)
    return np.take(arr, np.delete(np.arange(arr.shape[axis]), _constant("delete", "obj", obj)), axis)


@spells(np.insert)
def insert(arr, obj, values, axis=None):
    """`np.insert`; there is a derivative by arr and by values, which get the dtype of arr.

    >>> import knetpy as kn
    >>> kn.grad(lambda v: np.insert(np.ones(2), [0, 2], v).sum(), 0)(1.5)
    np.float64(2.0)
    """
    arr, values = [x if hasattr(x, "dtype") else np.asarray(x) for x in (arr, values)]
    obj = _constant("insert", "obj", obj)
    if axis is None:
        arr = ravel(arr)
    numbers = [np.arange(x.size).reshape(x.shape) for x in (arr, values)]
    moved = np.insert(numbers[0], obj, numbers[1] + arr.size, axis)  # NumPy arranges the numbers of the elements
    return taken_from(concatenate([ravel(arr), ravel(values).astype(arr.dtype)]), moved)


@spells(np.resize)
def resize(a, new_shape):
    """`np.resize`: the elements, repeated as often as needed, in a new shape."""
    shape = tuple(new_shape) if hasattr(new_shape, "__len__") else (operator.index(new_shape),)
    if any([n < 0 for n in shape]):
        raise ValueError(f"resize: no size may be negative, got {shape}")
    count, size = int(np.prod(shape, dtype=object)), len(ravel(a))
    if count > MOST:
        raise ValueError(f"resize: {shape} is too large for any memory")
    if not count or not size:
        return np.zeros_like(bare(a), shape=shape)
    return taken_from(ravel(a), (np.arange(count) % size).reshape(shape))


@spells(np.trim_zeros)
def trim_zeros(filt, trim="fb", axis=None):
    """`np.trim_zeros`: without the zeros at the ends."""
    here = host(asarray(bare(filt)))
    more = {} if axis is None else {"axis": axis}  # which NumPy knows since 2.2
    if not here.any():
        return filt[tuple([slice(0, n) for n in np.trim_zeros(here, trim, **more).shape])]
    parts = [np.trim_zeros(here, side, **more).shape if side in trim.lower() else here.shape for side in "fb"]
    np.trim_zeros(here[:0], trim)  # NumPy checks the word
    return filt[tuple([slice(n - first, last) for n, first, last in zip(here.shape, *parts)])]
