"""Arrays in batches, epoch after epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..random import SHUFFLE, permutation, take


def minibatch(
    x: Any,
    y: Any = None,
    batchsize: int | None = None,
    *,
    shuffle: bool = False,
    partial: bool = False,
    xtype: Any = None,
    ytype: Any = None,
) -> Minibatches:
    """An iterable over batches of `x` and `y`: `minibatch(x, y, 50)`, or of `x` alone: `minibatch(x, 50)`.

    `x` and `y` are arrays or what NumPy makes arrays of; their first axis counts the instances, of which each
    batch has `batchsize`. A loop over it is one epoch and it may be looped over any number of times. Each
    batch is a tuple (x, y), or x alone if there is no y, of fresh C-contiguous arrays, which the loop's body
    may keep and change.

    With `shuffle` every epoch has a new order, which `knetpy.seed` determines. A last batch that would be
    shorter is left out, with `partial` it is there. `len()` is the number of batches.

    Floating-point x comes as float32, and so does uint8 x of three or more axes (images; their values are not
    scaled); `xtype` asks for another dtype. Other x, such as indices, and all y keep theirs unless `ytype` is
    given.

    Raises `ValueError` if x and y have different lengths or if no batch would come because there are fewer
    than `batchsize` instances, and `TypeError` if `batchsize` is missing or not an integer.

    >>> import numpy as np
    >>> from knetpy.data import minibatch
    >>> data = minibatch(np.zeros((5, 3)), [0, 1, 2, 3, 4], 2, partial=True)
    >>> len(data), [y.tolist() for x, y in data]
    (3, [[0, 1], [2, 3], [4]])
    """
    if batchsize is None and isinstance(y, int | np.integer):
        y, batchsize = None, y  # minibatch(x, 50)
    if batchsize is None:
        raise TypeError("minibatch: batchsize is missing; write minibatch(x, y, 50), or minibatch(x, 50) without y")
    x = _instances("x", x)
    y = None if y is None else _instances("y", y)
    if y is not None and len(x) != len(y):
        raise ValueError(
            f"minibatch: x has {len(x)} instances (axis 0 of {x.shape}) but y has {len(y)} (axis 0 of {y.shape})"
        )
    _check_batchsize(batchsize, len(x), partial)
    if xtype is None:
        pixels = x.dtype == np.uint8 and x.ndim >= 3
        xtype = np.float32 if x.dtype.kind == "f" or pixels else x.dtype
    ytype = None if ytype is None else np.dtype(ytype)
    return Minibatches(x, y, int(batchsize), shuffle, partial, np.dtype(xtype), ytype)


class Minibatches:
    """What `minibatch` returns. Its attributes are the arguments, arrays not yet converted."""

    def __init__(self, x, y, batchsize, shuffle, partial, xtype, ytype):
        self.x, self.y, self.batchsize = x, y, batchsize
        self.shuffle, self.partial = shuffle, partial
        self.xtype, self.ytype = xtype, ytype

    def __len__(self) -> int:
        whole, rest = divmod(len(self.x), self.batchsize)
        return whole + (self.partial and rest > 0)

    def __iter__(self) -> Iterator[Any]:
        # the order is drawn here, not at the first batch: two epochs begun in turn have their orders in turn
        n = len(self.x)
        return self._epoch(permutation(take(SHUFFLE), n) if self.shuffle else np.arange(n))

    def _epoch(self, order: np.ndarray) -> Iterator[Any]:
        for at in range(0, len(self) * self.batchsize, self.batchsize):
            batch = order[at : at + self.batchsize]
            x = _rows(self.x, batch, self.xtype)
            yield x if self.y is None else (x, _rows(self.y, batch, self.ytype))

    def __repr__(self) -> str:
        y = "" if self.y is None else f", y {self.y.shape}"
        options = "".join(f", {name}=True" for name in ("shuffle", "partial") if getattr(self, name))
        return f"minibatch(x {self.x.shape}{y}, {self.batchsize}{options}): {len(self)} batches"


def _rows(array: np.ndarray, indices: np.ndarray, dtype: Any) -> np.ndarray:
    rows = array.take(indices, axis=0)  # take, unlike indexing, returns C order whatever the array's order
    return rows if dtype is None else rows.astype(dtype, copy=False)


def _instances(name: str, data: Any) -> np.ndarray:
    try:
        array = np.asarray(data)
    except ValueError as error:  # a list of unequally long ones
        raise ValueError(f"minibatch: {name} cannot be made an array: {error}") from error
    if array.ndim == 0:
        raise TypeError(f"minibatch: {name} must be an array of instances, got {type(data).__name__}")
    return array


def _check_batchsize(batchsize: Any, n: int, partial: bool) -> None:
    if isinstance(batchsize, bool) or not isinstance(batchsize, int | np.integer):
        raise TypeError(f"minibatch: batchsize must be an integer, got {type(batchsize).__name__}")
    if batchsize < 1:
        raise ValueError(f"minibatch: batchsize must be at least 1, got {batchsize}")
    if batchsize > n and not partial:
        raise ValueError(
            f"minibatch: batchsize is {batchsize} but x has {n} instances, and as a last incomplete batch is "
            f"left out there would be none; pass partial=True to have one of {n}"
        )
