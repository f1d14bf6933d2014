"""Arrays in batches, epoch after epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..calls import telling
from ..core.value import Displayed
from ..devices import asarray, beside, on_gpu
from ..ops.arguments import count_of, flags
from ..random import SHUFFLE, as_dtype, permutation, take
from .sources import taken_from


@telling(
    "minibatch(x, y, 50), and options by name, such as shuffle=True",
    batch_size="batchsize",
    drop_last="partial, its opposite",
    xsize="x.reshape(-1, 1, 28, 28)",
    ysize="y.reshape(-1, 1)",
)
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

    Parameters:
      x, y=None: arrays or what NumPy makes arrays of; their first axis counts the instances. To have batches of
        another shape, give `x.reshape(-1, 1, 28, 28)`, which copies nothing.
      batchsize=None: how many instances each batch has; it must be given, after y or in the place of y.
      shuffle=False: whether every epoch has a new order, which `kn.seed` determines.
      partial=False: whether a last batch that is shorter comes too; else it is left out.
      xtype=None: the dtype of x in batches. None makes float32 of floating-point x, and of uint8 x of three or more
        axes (images; their values are not scaled); other x, such as indices, keeps its own.
      ytype=None: the dtype of y in batches. None makes float32 of floating-point y, so that a loss has one dtype;
        other y, such as labels, keeps its own.
    Arrays on a GPU are cut there, each on its own device; the order of an epoch is copied to it once.
    Returns: an iterable whose `len()` is the number of batches. A loop over it is one epoch, and it may be looped over
      any number of times. A batch is a tuple (x, y), or x alone if there is no y, of fresh C-contiguous arrays, which
      the loop's body may keep and change.
    Raises: ValueError if x and y have different lengths or there are fewer than `batchsize` instances, so that no batch
      would come; TypeError if `batchsize` is missing or not an integer.

    >>> import numpy as np, knetpy as kn
    >>> data = kn.minibatch(np.zeros((5, 3)), [0, 1, 2, 3, 4], 2, partial=True)
    >>> len(data), [y.tolist() for x, y in data]
    (3, [[0, 1], [2, 3], [4]])
    """
    if batchsize is None and isinstance(y, int | np.integer):
        y, batchsize = None, y  # minibatch(x, 50)
    if isinstance(x, tuple) and any(isinstance(part, np.ndarray) for part in x):
        raise TypeError(
            "minibatch: x is a tuple of arrays; write minibatch(x, y, 50), or for other parts kn.DataLoader((x, y), 50)"
        )
    if batchsize is None:
        raise TypeError("minibatch: batchsize is missing; write minibatch(x, y, 50), or minibatch(x, 50) without y")
    x = instances("minibatch", "x", x)
    y = None if y is None else instances("minibatch", "y", y)
    if y is not None and len(x) != len(y):
        raise ValueError(
            f"minibatch: x has {len(x)} instances (axis 0 of {x.shape}) but y has {len(y)} (axis 0 of {y.shape})"
        )
    shuffle, partial = flags("minibatch", shuffle=shuffle, partial=partial)
    batchsize = _checked_batchsize(batchsize, len(x), partial)
    if xtype is None:
        pixels = x.dtype == np.uint8 and x.ndim >= 3
        xtype = np.float32 if x.dtype.kind == "f" or pixels else x.dtype
    else:
        xtype = as_dtype("minibatch", xtype, option="xtype")
    if ytype is not None:
        ytype = as_dtype("minibatch", ytype, option="ytype")
    elif y is not None and y.dtype.kind == "f":
        ytype = np.dtype(np.float32)
    return Minibatches(x, y, batchsize, shuffle, partial, np.dtype(xtype), ytype)


class Minibatches(Displayed):
    """What `minibatch` returns; its attributes are the arguments, arrays not yet converted: x, y, batchsize ...

    >>> import numpy as np, knetpy as kn
    >>> kn.minibatch(np.zeros((6, 2)), 3)
    minibatch(x (6, 2), 3): 2 batches
    """

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
        orders = [beside(order, array) for array in (self.x, self.y)]
        for at in range(0, len(self) * self.batchsize, self.batchsize):
            of_x, of_y = [order[at : at + self.batchsize] for order in orders]
            x = _rows(self.x, of_x, self.xtype)
            yield x if self.y is None else (x, _rows(self.y, of_y, self.ytype))

    def __repr__(self) -> str:
        y = "" if self.y is None else f", y {self.y.shape}"
        options = "".join(f", {name}=True" for name in ("shuffle", "partial") if getattr(self, name))
        return f"minibatch(x {self.x.shape}{y}, {self.batchsize}{options}): {len(self)} batches"


def _rows(array: np.ndarray, indices: np.ndarray, dtype: Any) -> np.ndarray:
    rows = array[indices] if on_gpu(array) else taken_from(array, indices)
    return rows if dtype is None else rows.astype(dtype, copy=False)


def instances(name: str, operand: str, data: Any) -> np.ndarray:
    """An operand as an array whose first axis counts the instances."""
    try:
        array = asarray(data)
    except (ValueError, TypeError, RuntimeError) as error:  # such as a list of unequally long ones
        raise ValueError(
            f"{name}: {operand} cannot be made an array: {error}; instances of unequal lengths go through kn.DataLoader"
        ) from error
    if array.ndim == 0:
        raise TypeError(f"{name}: {operand} must be an array of instances, got {type(data).__name__}")
    return array


def _checked_batchsize(given: Any, n: int, partial: bool) -> int:
    batchsize = count_of("minibatch", "batchsize", given, 1)
    if batchsize > n and not partial:
        raise ValueError(
            f"minibatch: batchsize is {batchsize} but x has {n} instances, and as a last incomplete batch is "
            f"left out there would be none; pass partial=True to have one of {n}"
        )
    return batchsize
