"""Histograms: counts and edges are constants, sums of weights have a derivative by the weights."""

import numpy as np

from ..core.primitive import primitive
from ..core.value import Value, bare
from ..devices import beside, host, on_host
from .spelling import spells


def _cells(columns, edges):
    """For each sample the number of the bin where it was counted, in C order; one more than there are for none."""
    cell, inside = 0, True
    for x, e in zip(columns, edges):
        at = np.searchsorted(e, x, "right") - (x == e[-1]) - 1  # the last bin has both its edges
        cell, inside = cell * (len(e) - 1) + at, inside & (at >= 0) & (at < len(e) - 1)
    return np.where(inside, cell, np.prod([len(e) - 1 for e in edges]))


def _taken(dy, cells):
    """What each weight met: the number of its cell, 0 for those that were not counted."""
    return np.concatenate([np.reshape(dy, -1), np.zeros(1, dy.dtype, like=bare(dy))])[cells]


@primitive(name="histogram", trusted=True, weights=lambda dy, cells: _taken(dy, cells))
def _histogram(weights, *, count, cells):
    return count(weights)


def _weighed(columns, weights, count, density):
    """(the histogram, its edges) of columns of samples; `count(weights)` is NumPy's function for them."""
    counts, edges = count(bare(weights))
    several = isinstance(edges, (list, tuple))
    edges = edges if several else [edges]
    if isinstance(weights, Value):
        cells = _cells([*map(host, columns)], [*map(host, edges)]).reshape(weights.shape)
        counts = _histogram(weights, count=lambda w: count(w)[0], cells=beside(cells, weights))
    if density:
        counts = _density(counts, edges, several)
    return counts, edges if several else edges[0]


def _density(counts, edges, several):
    """Counts by the widths of the bins and their sum, in NumPy's order."""
    total = counts.sum()
    for i, e in enumerate(edges):
        shape = [-1 if k == i else 1 for k in range(len(edges))]
        counts = counts / np.reshape(np.diff(e) if several else np.diff(e).astype(float), shape)
    return counts / total


@spells(np.histogram)
def histogram(a, bins=10, range=None, density=None, weights=None):
    """`np.histogram`; there is a derivative by weights.

    >>> import knetpy as kn
    >>> kn.grad(lambda w: np.histogram([0.5, 2.5], 3, (0, 3), weights=w)[0][2])(np.ones(2))
    array([0., 1.])
    """
    x, bins, range = bare(a), _plain(bins), _plain(range)
    return _weighed([np.ravel(x)], weights, lambda w: on_host(np.histogram)(x, bins, range, weights=w), density)


@spells(np.histogramdd)
def histogramdd(sample, bins=10, range=None, density=None, weights=None):
    """`np.histogramdd`; there is a derivative by weights."""
    x, bins, range = _plain(sample), _plain(bins), _plain(range)
    x = x if hasattr(x, "shape") else np.atleast_2d(x).T
    return _weighed(x.T, weights, lambda w: on_host(np.histogramdd)(x, bins, range, weights=w), density)


@spells(np.histogram2d)
def histogram2d(x, y, bins=10, range=None, density=None, weights=None):
    """`np.histogram2d`; there is a derivative by weights."""
    if len(x) != len(y):
        raise ValueError(f"histogram2d: x and y must have the same length, got {len(x)} and {len(y)}")
    bins = _plain(bins)
    bins = bins if not hasattr(bins, "__len__") or len(bins) in (1, 2) else [np.asarray(bins)] * 2
    counts, edges = histogramdd([x, y], bins, range, density, weights)
    return counts, *edges


def _plain(x):
    """Bins or samples, in lists or not, without what is recorded of them: they are piecewise constant."""
    return [_plain(v) for v in x] if isinstance(x, (list, tuple)) else bare(x)
