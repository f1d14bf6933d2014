"""The same numbers laid out in memory in other ways."""

import numpy as np


def fortran(a):
    return np.array(a, order="F")


def channels_last(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if a.ndim > 2 else a


def backwards(a):
    return np.flip(np.flip(a).copy()) if a.ndim else a


def strided(a):
    """Every second place of an array that is NaN elsewhere, of integers 7."""
    between = np.nan if a.dtype.kind == "f" else 7
    wide, places = np.full([2 * n for n in a.shape], between, a.dtype), (*[slice(None, None, 2)] * a.ndim, ...)
    wide[places] = a
    return wide[places]


def locked(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:]
    view = raw.view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def swapped(a):
    """The other order of bytes."""
    return a.astype(a.dtype.newbyteorder())
