"""Rows of a table by number, and their transpose. Number -1 stands for nothing: a row of zeros, or one left out."""

from __future__ import annotations

import numpy as np

from knetpy.kernels.reference import summing


def embed(table: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return y (*indices.shape, *D): the rows of table (V, *D)."""
    y = np.zeros((*indices.shape, *table.shape[1:]), table.dtype)
    if len(table):
        np.take(table, indices, axis=0, out=y, mode="clip")
        y[indices < 0] = 0
    return y


@summing
def embed_dw(dy: np.ndarray, indices: np.ndarray, *, rows: int) -> np.ndarray:
    """Return dw (rows, *D): the transpose of `embed`. What meets in one row is added."""
    dw, named = np.zeros((rows, *dy.shape[indices.ndim :]), dy.dtype), indices >= 0
    np.add.at(dw, indices[named], dy[named])
    return dw


def bag_max(table: np.ndarray, indices: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return (bags, D): in which row of table (V, D) each bag has its maxima; -1 if nothing is in it.

    Bag b holds indices[starts[b]:starts[b + 1]]. Of equal elements the first in the bag is taken; NaN beats all.
    """
    chosen = np.full((len(starts), table.shape[1]), -1, np.int64)
    for b, (start, stop) in enumerate(zip(starts, [*starts[1:], len(indices)])):
        rows = indices[start:stop]
        rows = rows[rows >= 0]
        if len(rows):
            chosen[b] = rows[table[rows].argmax(axis=0)]
    return chosen
