"""Sorting. Of equal elements the one that comes first also comes first in the result, and has its derivative."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.value import bare, plain
from ..devices import on_host
from .index import along_axis
from .shape import ravel
from .spelling import spells


def in_order(x, axis):
    """The numbers by which a bare array is sorted along an axis: equal elements keep their order, NaN come last."""
    return np.argsort(x, axis=axis, kind="stable")


@spells(np.sort)
def sort(a, axis=-1, kind=None, order=None, *, stable=None):
    """`np.sort`; of equal elements the first is first.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: (np.sort(x) * [1, 2, 3]).sum())(np.array([3.0, 1.0, 2.0]))
    array([3., 1., 2.])
    """
    np.sort(np.empty(0, a.dtype), kind=kind, order=order, stable=stable)  # NumPy checks the options
    if axis is None:
        a, axis = ravel(a), 0
    axis = normalize_axis_index(axis, a.ndim)
    return along_axis(a, in_order(bare(a), axis), axis)


@spells(np.partition)
def partition(a, kth, axis=-1, kind="introselect", order=None):
    """`np.partition`: the same elements in the same places; of equal ones the first is first."""
    if axis is None:
        a, axis = ravel(a), 0
    axis, x = normalize_axis_index(axis, a.ndim), bare(a)
    kth = plain(kth, "the argument kth= of np.partition") if hasattr(kth, "uid") else kth
    found = on_host(np.partition)(x, kth, axis, kind, order)
    place = np.argsort(in_order(found, axis), axis)  # of the k-th smallest: the k-th
    return along_axis(a, np.take_along_axis(in_order(x, axis), place, axis), axis)


@spells(np.sort_complex)
def sort_complex(a):
    """`np.sort_complex`: sorted by real parts, then by imaginary ones, and made complex."""
    return sort(a).astype({"F": "F", "g": "G", "G": "G"}.get(a.dtype.char, "D"))
