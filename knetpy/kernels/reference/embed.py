"""Rows of a table by number, and their transpose. Number -1 stands for nothing: a row of zeros, or one left out."""

from __future__ import annotations

import numpy as np

from knetpy.devices import beside
from knetpy.kernels.reference import summing


def embed(table: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return y (*indices.shape, *D): the rows of table (V, *D)."""
    y = np.zeros((*indices.shape, *table.shape[1:]), table.dtype, like=table)
    if len(table):
        y[...] = np.take(table, np.maximum(indices, 0), axis=0)
        y[indices < 0] = 0
    return y


@summing
def embed_dw(dy: np.ndarray, indices: np.ndarray, *, rows: int) -> np.ndarray:
    """Return dw (rows, *D): the transpose of `embed`. What meets in one row is added."""
    dw = np.zeros((rows + 1, *dy.shape[indices.ndim :]), dy.dtype, like=dy)  # the last takes what is left out
    np.add.at(dw, indices, dy)
    return dw[:-1]


def bag_max(table: np.ndarray, indices: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return (bags, D): in which row of table (V, D) each bag has its maxima; -1 if nothing is in it.

    Bag b holds indices[starts[b]:starts[b + 1]]; starts are NumPy's. Of equal elements the first in the bag is taken;
    NaN beats all.
    """
    counts = np.diff(starts, append=len(indices))
    places = np.arange(max(counts.max(initial=0), 1))  # in a bag
    if not len(starts) or not len(indices):
        return np.full_like(table, -1, np.int64, shape=(len(starts), table.shape[1]))
    inside = beside(places < counts[:, None], table)
    rows = np.where(inside, indices[beside(np.minimum(starts[:, None] + places, len(indices) - 1), table)], -1)
    rows = np.take_along_axis(rows, np.argsort(rows < 0, axis=1, kind="stable"), 1)  # nothing comes last
    seen = np.where((rows < 0)[..., None], table.dtype.type(-np.inf), embed(table, rows))
    return np.take_along_axis(rows, np.argmax(seen, axis=1), 1)
