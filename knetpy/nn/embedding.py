"""Layers that look up: Embedding, EmbeddingBag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.value import Param
from ..ops.arguments import one_of, per_axis, several
from ..ops.embed import embed, embedding_bag
from ..ops.linear import linear
from ..parameters import init as inits
from .layer import call_of, changed, grow, initialiser, size, told, weight_of

_INTEGER = np.dtype(int)


@dataclass(eq=False, repr=False)
class Embedding:
    """The rows of a table at integer indices; see `kn.embed`.

    Parameters:
      *sizes: (V, D): V rows of D numbers. Or a weight (V, D), which is copied unless it is a Param.
      init=None: of the table, such as kn.init.xavier_uniform; None for the standard normal.
      padding_index=None: the row with this number begins with zeros and gets no gradient.
    Attributes: weight (V, D).
    Returns: when called with integers of any shape: (*shape, D); with one-hot rows (..., V), floating: (..., D).
    Raises: TypeError, ValueError; when called IndexError for an index out of range.

    >>> import knetpy as kn
    >>> kn.nn.Embedding(1000, 16)([[1, 5, 999]]).shape
    (1, 3, 16)
    """

    weight: Param
    padding_index: int | None

    def __init__(self, *sizes: Any, init: Callable | None = None, padding_index: int | None = None):
        _construct(self, sizes, init)
        self.padding_index = _padding_index(self, padding_index)
        own = padding_index is not None and not isinstance(sizes[0], Param)
        if own and self.weight.value.strides[0]:  # in an `outline` there is no row to write
            self.weight[padding_index] = 0

    def __call__(self, indices: Any) -> Any:
        if getattr(indices, "dtype", _INTEGER).kind == "f" and indices.shape[-1:] == self.weight.shape[:1]:  # one-hot
            pad = self.padding_index
            return linear(indices if pad is None else indices * (np.arange(indices.shape[-1]) != pad), self.weight)
        return embed(self.weight, indices, padding_index=self.padding_index)

    def __repr__(self) -> str:
        return call_of("Embedding", _sizes(self), **changed(padding_index=(self.padding_index, None)))


def _construct(layer: Any, sizes: tuple, init: Callable | None) -> None:
    name = type(layer).__name__
    sizes, layer.weight = weight_of(name, sizes, "(V, D)")
    (rows, columns), _ = told(name, sizes, None, "(V, D)", 2, 2)
    grow(
        layer,
        weight=(
            (size(name, "V", rows), size(name, "D", columns)),
            initialiser(name, _normal if init is None else init),
        ),
    )


def _padding_index(layer: Any, n: Any) -> int | None:
    if n is None:
        return None
    name, rows = type(layer).__name__, layer.weight.shape[0]
    (n,) = per_axis(name, "padding_index", n, 1, 0)
    if n >= rows:
        raise IndexError(f"{name}: padding_index {n} is out of range: the table has {rows} rows")
    return n


def _normal(*shape: int, dtype: Any) -> Any:
    return inits.gaussian(*shape, std=1, dtype=dtype)


def _sizes(layer: Any) -> str:
    return " => ".join(map(str, layer.weight.shape))


@dataclass(eq=False, repr=False)
class EmbeddingBag:
    """The mean, sum or maximum of the rows of a table in each bag of indices; see `kn.embedding_bag`.

    Parameters:
      *sizes, init=None, padding_index=None: as for `Embedding`.
      mode="mean": "mean", "sum" or "max".
    Attributes: weight (V, D).
    Returns: when called with indices (B, N), with a list of B lists, or with (M,) and offsets (B,): (B, D).
    Raises: TypeError, ValueError; when called those of `kn.embedding_bag`.

    >>> import knetpy as kn
    >>> kn.nn.EmbeddingBag(1000, 16)([1, 5, 999], [0, 1]).shape
    (2, 16)
    """

    weight: Param
    mode: str
    padding_index: int | None

    def __init__(self, *sizes: Any, mode: str = "mean", init: Callable | None = None, padding_index: int | None = None):
        _construct(self, sizes, init)
        one_of("EmbeddingBag", "mode", mode, ("mean", "sum", "max"))
        self.mode, self.padding_index = mode, _padding_index(self, padding_index)

    def __call__(self, indices: Any, offsets: Any = None, weights: Any = None) -> Any:
        if offsets is None and weights is None and isinstance(indices, (list, tuple)) and all(map(several, indices)):
            offsets = np.cumsum([0, *map(len, indices)])[:-1]
            indices = np.concatenate([np.asarray(bag, int) if not len(bag) else np.asarray(bag) for bag in indices])
        how = dict(mode=self.mode, weights=weights, padding_index=self.padding_index)
        return embedding_bag(self.weight, indices, offsets, **how)

    def __repr__(self) -> str:
        options = changed(mode=(self.mode, "mean"), padding_index=(self.padding_index, None))
        return call_of("EmbeddingBag", _sizes(self), **options)
