"""Sets: the values are elements of what was given, and the derivative goes to the first in memory of equal ones.

Numbers, counts and inverses are constants.
"""

import numpy as np

from ..core.value import bare
from .index import getitem
from .join import concatenate
from .shape import ravel
from .spelling import spells


@spells(np.unique)
def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, **options):
    """`np.unique`; the derivative goes to the first of equal elements, or of equal slices along an axis.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.unique(x).sum())(np.array([2.0, 1.0, 2.0]))
    array([1., 1., 0.])
    """
    _, first, *others = np.unique(bare(ar), True, return_inverse, return_counts, axis, **options)
    values = getitem(ravel(ar), first) if axis is None else np.take(ar, first, axis)
    found = (values, *[first] * bool(return_index), *others)
    return found if len(found) > 1 else values


def _kin(function):
    """`np.unique_all` and its like: by namedtuples, all of whose parts but the values are constants.

    What NumPy found keeps its order, which without a need for more it does not promise to be a sorted one.
    """

    @spells(function)
    def call(x, /):
        found = function(bare(x))
        values = found.values if isinstance(found, tuple) else found
        alike, first = np.unique(bare(x), return_index=True, equal_nan=False)
        taken = getitem(ravel(x), first[np.minimum(np.searchsorted(alike, values), len(first) - 1)])
        return taken if values is found else found._replace(values=taken)

    return call


for _name in ("unique_all", "unique_counts", "unique_inverse", "unique_values"):
    _kin(getattr(np, _name))


def _distinct(x, assume_unique):
    return ravel(x if hasattr(x, "dtype") else np.asarray(x)) if assume_unique else np.unique(x)


@spells(np.intersect1d)
def intersect1d(ar1, ar2, assume_unique=False, return_indices=False):
    """`np.intersect1d`; the derivative goes to ar1."""
    both, first, second = np.intersect1d(bare(ar1), bare(ar2), assume_unique, return_indices=True)
    values = ravel(ar1)[first].astype(both.dtype)
    return (values, first, second) if return_indices else values


@spells(np.setdiff1d)
def setdiff1d(ar1, ar2, assume_unique=False):
    """`np.setdiff1d`."""
    ar1 = _distinct(ar1, assume_unique)
    return ar1[np.isin(bare(ar1), bare(ar2), assume_unique=assume_unique, invert=True)]


@spells(np.union1d)
def union1d(ar1, ar2):
    """`np.union1d`; the derivative by what is in both goes to ar1."""
    return np.unique(concatenate([ar1, ar2], axis=None))


@spells(np.setxor1d)
def setxor1d(ar1, ar2, assume_unique=False):
    """`np.setxor1d`."""
    both = np.sort(concatenate([_distinct(ar1, assume_unique), _distinct(ar2, assume_unique)]))
    apart = np.concatenate([[True], bare(both)[1:] != bare(both)[:-1], [True]])
    return both[apart[1:] & apart[:-1]] if both.size else both
