"""Many instances to one batch: stacked, or padded where their lengths differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.arguments import whole
from ..random import as_dtype
from ..tree import tree_map


def collate(instances: Sequence, *, pad: Any = None, dtype: Any = np.float32) -> Any:
    """One batch of instances: a tree like each of them, whose arrays have one axis more, the first.

    Arrays and numbers are stacked to arrays; texts, None and other objects become a list. `kn.data.DataLoader` does
    this by default; `collate=functools.partial(kn.data.collate, pad=0)` pads.

    Parameters:
      instances: a sequence of at least one; each is an array, a number, or a tuple, list, dict or dataclass of such;
        all have one structure.
      pad=None: None demands equal shapes; with a number, arrays whose first axes differ are filled up with it to the
        longest, as by `batchseq`.
      dtype=np.float32: of floating-point numbers; None keeps theirs. Other numbers keep their own.
    Returns: the tree of arrays and lists, all fresh.
    Raises: ValueError if there is no instance, shapes differ or a dtype cannot hold pad; TypeError if structures
      differ.

    >>> import numpy as np, knetpy as kn
    >>> kn.data.collate([([1, 2], "a"), ([3, 4], "b")])
    ([array([1, 3]), array([2, 4])], ['a', 'b'])
    >>> kn.data.collate([np.array([1, 2]), np.array([3])], pad=0)
    array([[1, 2], [3, 0]])
    """
    if not hasattr(instances, "__len__") or not hasattr(instances, "__getitem__"):
        raise TypeError(f"collate: instances must be a sequence, got {type(instances).__name__}")
    if len(instances) == 0:
        raise ValueError("collate: instances must be at least one, got none")
    dtype = None if dtype is None else as_dtype("collate", dtype)
    try:
        return _joined(instances, pad, dtype)
    except TypeError as error:
        raise TypeError(f"collate: instances must have one structure; {error}") from None


def batchseq(
    sequences: Sequence, pad: Any = 0, *, longest: int | None = None, multiple: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of different lengths as one array, filled up at their ends, and their lengths.

    Parameters:
      sequences: a sequence of at least one; each is an array or a list whose first axis is time, (T, ...); the other
        axes agree.
      pad=0: the number that stands after the end of the shorter ones, which their dtype must be able to hold.
      longest=None: cut what is longer than this; None cuts nothing.
      multiple=1: the length of the batch is the next multiple of this number.
    Returns: array (N, T, ...) of the common dtype of all, and an int64 array (N,) of the lengths.
    Raises: ValueError if there is no sequence, the other axes differ or the dtype cannot hold pad, as that of integers
      cannot hold 0.5 or NaN; TypeError if one has no axis.

    >>> import knetpy as kn
    >>> x, lengths = kn.data.batchseq([[1, 2, 3], [4]])
    >>> x.tolist(), lengths.tolist()
    ([[1, 2, 3], [4, 0, 0]], [3, 1])
    """
    most, step = whole(longest), whole(multiple)
    if not hasattr(sequences, "__iter__"):
        raise TypeError(f"batchseq: sequences must be a sequence of arrays or lists, got {type(sequences).__name__}")
    if step is None or step < 1 or (longest is not None and (most is None or most < 1)):
        option, given = ("multiple", multiple) if step is None or step < 1 else ("longest", longest)
        raise ValueError(f"batchseq: {option} must be an integer >= 1, got {given!r}")
    arrays = [np.asarray(sequence) for sequence in sequences]
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise (TypeError if arrays else ValueError)(
            "batchseq: sequences must be at least one array or list with an axis"
        )
    arrays = [array[:most] for array in arrays]
    return _padded("batchseq", arrays, pad, step), np.array([len(array) for array in arrays])


def _padded(name: str, arrays: Sequence[np.ndarray], pad: Any, multiple: int = 1) -> np.ndarray:
    rests = {array.shape[1:] for array in arrays}
    if len(rests) > 1:
        one, other = list(rests)[:2]
        raise ValueError(f"{name}: sequences may differ in length only, but have the further axes {one} and {other}")
    length = -(-max(len(array) for array in arrays) // multiple) * multiple
    dtype = np.result_type(*[array.dtype for array in arrays if len(array)] or [arrays[0].dtype])
    batch = np.full((len(arrays), length, *rests.pop()), filling(name, "pad", pad, dtype), dtype)
    for row, array in zip(batch, arrays):
        row[: len(array)] = array
    return batch


def filling(name: str, option: str, given: Any, dtype: np.dtype) -> Any:
    """A number that is to stand among others of a dtype, which must have it: NumPy would cut it off or wrap it."""
    if dtype.kind not in "biufc":
        return given
    found = np.asarray(given)
    if found.shape == () and found.dtype.kind in "biufc" and (found.dtype.kind != "c" or dtype.kind == "c"):
        with np.errstate(all="ignore"):
            cast = found.astype(dtype)
        if np.isfinite(cast) == np.isfinite(found) if dtype.kind in "fc" else cast == found:
            return cast
    way = "pass another, or arrays of floating-point numbers" if dtype.kind in "biu" else "pass another"
    raise ValueError(f"{name}: {option} must be a number that {dtype} can hold, got {given!r:.40}; {way}")


def _joined(instances: Sequence, pad: Any, dtype: np.dtype | None) -> Any:
    first = instances[0]
    if type(first) is tuple and all([type(one) is tuple and len(one) == len(first) for one in instances]):
        return tuple([_joined(column, pad, dtype) for column in zip(*instances)])  # the usual case, quickly
    return tree_map(lambda *leaves: _stacked(leaves, pad, dtype), *instances)


def _stacked(leaves: tuple, pad: Any, dtype: np.dtype | None) -> Any:
    first = leaves[0]
    if not isinstance(first, np.ndarray | np.generic | int | float | complex) and not hasattr(first, "__array__"):
        return list(leaves)
    arrays = [np.asarray(leaf) for leaf in leaves]
    dtypes = {array.dtype for array in arrays}
    if not all([found.kind in "biufcmM" for found in dtypes]):
        return list(leaves)
    shapes = {array.shape for array in arrays}
    if len(shapes) == 1:
        batch = np.empty((len(arrays), *shapes.pop()), np.result_type(*dtypes))
        for i, array in enumerate(arrays):  # half of np.stack's time
            batch[i] = array
    elif pad is not None and arrays[0].ndim:
        batch = _padded("collate", arrays, pad)
    else:
        one, other = sorted(shapes)[:2]
        raise ValueError(
            f"collate: instances of shapes {one} and {other} do not stack; make them equal in prepare, or fill them up "
            "with collate=functools.partial(kn.data.collate, pad=0)"
        )
    return batch.astype(dtype, copy=False) if dtype is not None and batch.dtype.kind == "f" else batch
