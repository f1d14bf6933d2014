"""What reductions have in common: the axes that they reduce, and the options that they do not take."""

import math

import numpy as np

from ..core.errors import MutationError
from ..core.value import Value, kind_of
from .shape import broadcast_to

_NONE = np._NoValue


def refuse(name, **options):
    """Raise for NumPy options that knetpy's functions do not take."""
    for option, v in options.items():
        if option == "out" and isinstance(v, Value):
            raise MutationError(f"np.{name}(..., out=...) would write into {kind_of(v)}; use what it returns")
        if v is not None and v is not _NONE and not (option == "where" and v is True):
            raise TypeError(f"np.{name}: {option}= is not supported on knetpy values; see np.where for masks")


def axes_of(axis, ndim):
    """Axes as a tuple of numbers from 0."""
    if axis is None:
        return tuple(range(ndim))
    return tuple([a % ndim if ndim else a for a in (axis if isinstance(axis, tuple) else (axis,))])


def restored(y, shape, axis, keepdims):
    """`y` with the reduced axes of `shape` back as axes of size 1."""
    if keepdims or not shape:
        return y
    axes = axes_of(axis, len(shape))
    return np.reshape(y, tuple([1 if i in axes else n for i, n in enumerate(shape)]))


def spread(dy, shape, axis, keepdims):
    """`dy` of what was reduced, for each element of what it was reduced from."""
    return broadcast_to(restored(dy, shape, axis, keepdims), shape)


def count(shape, axis):
    """How many elements are reduced to one."""
    return math.prod([shape[a] for a in axes_of(axis, len(shape))])
