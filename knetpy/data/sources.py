"""What data is: arrays, sequences and trees of both, which have a length, or a stream of instances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.errors import DeviceError, KnetpyError
from ..devices import on_gpu
from ..ops.arguments import constant_of
from ..tree import children, leaves, rebuild, tree_map
from .collate import collate


class Table:
    """Instances 0 to n - 1: an array, a sequence, or a tuple, dict or dataclass of such of one length."""

    def __init__(self, name: str, data: Any, dtype: np.dtype | None):
        self.columns = _columns(name, data, dtype, "")
        named = leaves(self.columns)
        if not named:
            raise ValueError(f"{name}: data is an empty {type(data).__name__}; it must hold an array or a sequence")
        (path, first), *others = named
        for other, column in others:
            if len(column) != len(first):
                raise ValueError(
                    f"{name}: data{path} has {len(first)} instances but data{other} has {len(column)}; "
                    "all parts must have equally many"
                )
        self.n: int = len(first)
        self.is_list = isinstance(data, list)
        self.arrays_only = all(isinstance(column, Rows) for _, column in named)

    def rows(self, indices: np.ndarray) -> Any:
        """These instances as one batch."""
        return tree_map(lambda column: column.rows(indices), self.columns)

    def instance(self, i: int) -> Any:
        """One instance alone."""
        return tree_map(lambda column: column.instance(i), self.columns)

    def part(self, indices: np.ndarray) -> Any:
        """These instances as data of the same kinds."""
        return tree_map(lambda column: column.part(indices), self.columns)

    def __repr__(self) -> str:
        named = leaves(self.columns)
        return ", ".join(f"{path.strip('.[]')} {column!r}".strip() for path, column in named[:4]) + ", ..." * (
            len(named) > 4
        )


class Rows:
    """An array, which gives a batch by one fancy index."""

    def __init__(self, array: np.ndarray, dtype: np.dtype | None):
        self.array, self.dtype = array, dtype if array.dtype.kind == "f" else None

    def __len__(self) -> int:
        return len(self.array)

    def rows(self, indices: np.ndarray) -> np.ndarray:
        taken = taken_from(self.array, indices)
        return taken if self.dtype is None else taken.astype(self.dtype, copy=False)

    def instance(self, i: int) -> Any:
        return self.rows(np.array([i]))[0]

    def part(self, indices: np.ndarray) -> np.ndarray:
        return taken_from(self.array, indices)

    def __repr__(self) -> str:
        return str(self.array.shape)


def taken_from(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """These instances of an array, as a fresh one in C order."""
    if array.flags.c_contiguous:
        return array.take(indices, axis=0)
    return np.ascontiguousarray(array[indices])  # where take would first copy the array, whole


class Items:
    """A sequence, asked for each instance by itself; where it fails the error tells which one."""

    def __init__(self, name: str, sequence: Any, dtype: np.dtype | None, path: str):
        self.name, self.sequence, self.dtype, self.path = name, sequence, dtype, path

    def __len__(self) -> int:
        return len(self.sequence)

    def instance(self, i: int) -> Any:
        try:
            return self.sequence[i]
        except Exception as error:
            raise LoaderError(f"{self.name}: data{self.path}[{i}] failed: {told(error)}") from error

    def rows(self, indices: np.ndarray) -> Any:
        return collate([self.instance(i) for i in indices.tolist()], dtype=self.dtype)

    def part(self, indices: np.ndarray) -> Any:
        if isinstance(self.sequence, list):
            return [self.sequence[i] for i in indices.tolist()]
        return Picked(self.sequence, indices)

    def __repr__(self) -> str:
        return f"{type(self.sequence).__name__} of {len(self)}"


class Picked:
    """Some instances of a sequence, each fetched when it is asked for."""

    def __init__(self, sequence: Any, indices: np.ndarray):
        self.sequence, self.indices = sequence, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return Picked(self.sequence, self.indices[i])
        return self.sequence[int(self.indices[i])]

    def __repr__(self) -> str:
        return f"{len(self)} of the {len(self.sequence)} instances of a {type(self.sequence).__name__}"


class Stream:
    """An iterable without a length: instances in the order in which they come."""

    n = None
    arrays_only = is_list = False

    def __init__(self, name: str, iterable: Any):
        self.name, self.iterable = name, iterable
        self.begun = False

    def __iter__(self) -> Iterator[Any]:
        found = iter(self.iterable)
        if found is self.iterable and self.begun:
            raise TypeError(
                f"{self.name}: data is a {type(found).__name__}, which can be gone through only once; pass a list, or "
                "an object whose __iter__ begins anew"
            )
        self.begun = True
        return self._instances(found)

    def _instances(self, found: Iterator[Any]) -> Iterator[Any]:
        i = 0
        while True:
            try:
                instance = next(found)
            except StopIteration:
                return
            except Exception as error:
                raise LoaderError(f"{self.name}: data failed at instance {i}: {told(error)}") from error
            yield instance
            i += 1

    def __repr__(self) -> str:
        return type(self.iterable).__name__


class LoaderError(KnetpyError, RuntimeError):
    """What a `DataLoader` raises where making a batch failed; it tells which instance, and its cause is what failed."""


def told(error: BaseException) -> str:
    """An exception in a line."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def some(indices: np.ndarray) -> str:
    """Which instances a batch has, in a line."""
    numbers = [str(i) for i in indices.tolist()]
    return ", ".join(numbers if len(numbers) <= 8 else [*numbers[:3], "...", numbers[-1]])


def source(name: str, data: Any, dtype: np.dtype | None) -> Table | Stream:
    """The instances that the caller of a function means."""
    if _is_structure(data) or _is_array(data) or _is_sequence(data):
        return Table(name, data, dtype)
    if hasattr(data, "__iter__") and not isinstance(data, str | bytes):
        return Stream(name, data)
    raise _no_data(name, "", data)


def table(name: str, data: Any, dtype: np.dtype | None = None) -> Table:
    """Data that must have a length."""
    found = source(name, data, dtype)
    if isinstance(found, Stream):
        raise TypeError(f"{name}: data must have a length, got a {found!r}; pass list(data)")
    return found


def _columns(name: str, data: Any, dtype: np.dtype | None, path: str) -> Any:
    if _is_structure(data):
        return rebuild(data, [_columns(name, child, dtype, path + step) for step, child in children(data)])
    if on_gpu(data):
        raise DeviceError(
            f"{name}: data{path} is on the GPU, but batches are put together on the host; write kn.cpu(x), with "
            'device="gpu" to have batches there, or cut it where it is, by kn.minibatch(x, y, 50)'
        )
    if _is_array(data):
        array = constant_of(name, f"data{path}", data)
        if array.ndim:
            return Rows(array, dtype)
    elif _is_sequence(data):
        return Items(name, data, dtype, path)
    raise _no_data(name, path, data)


def _is_structure(data: Any) -> bool:
    """Tuples, dicts and dataclasses are made of parts; lists and whatever else has a length holds instances."""
    return isinstance(data, tuple | dict) or (
        not isinstance(data, list) and not _is_sequence(data) and children(data) is not None
    )


def _is_array(data: Any) -> bool:
    return hasattr(data, "__array__")


def _is_sequence(data: Any) -> bool:
    return hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, str | bytes | dict)


def _no_data(name: str, path: str, data: Any) -> TypeError:
    return TypeError(
        f"{name}: data{path} must be an array, a sequence or an iterable of instances, or a tuple, dict or dataclass "
        f"of arrays and sequences, got {'a text' if isinstance(data, str | bytes) else type(data).__name__}"
    )
