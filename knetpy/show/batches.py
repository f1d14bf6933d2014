"""The tables that a notebook shows for what gives batches: the parts of an instance, and how their values lie."""

from __future__ import annotations

from typing import Any

from ..tree import leaves
from .pieces import Html, escape, histogram, limits, table

COLUMNS = ("part", "instances", "of shape", "dtype", "min", "max", "values")


def minibatches(data: Any) -> str:
    """The html of what `kn.minibatch` returned.

    >>> import numpy as np, knetpy as kn
    >>> "(28, 28)" in minibatches(kn.minibatch(np.zeros((100, 28, 28)), np.zeros(100, int), 50))
    True
    """
    parts = [("x", data.x)] + ([] if data.y is None else [("y", data.y)])
    return f"<div>{escape(repr(data))}</div>{table(COLUMNS, [_of_array(*part) for part in parts])}"


def loader(data: Any) -> str:
    """The html of a `kn.DataLoader`. Nothing is fetched: of sequences and streams it tells what they are.

    >>> import numpy as np, knetpy as kn
    >>> "float32" in loader(kn.DataLoader(np.zeros((100, 3), "f4"), 50))
    True
    """
    named = leaves(getattr(data._source, "columns", None))
    rows = [
        _of_array(path.strip(".[]'\""), column.array)
        if hasattr(column, "array")
        else (path.strip(".[]"), f"{len(column):,}", repr(column), *[""] * 4)
        for path, column in named
        if column is not None
    ]
    return f"<div>{escape(repr(data))}</div>{table(COLUMNS, rows) if rows else Html('')}"


def _of_array(name: str, array: Any) -> tuple[str, ...]:
    told = (name, f"{len(array):,}", str(tuple(array.shape[1:])), str(array.dtype))
    if array.dtype.kind not in "buifc":
        return (*told, "", "", "")
    return (*told, *limits(array), histogram(array))
