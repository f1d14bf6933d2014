"""Tables of numbers in text files, such as the housing data of many a first lesson."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..files import file_named
from ..ops.arguments import count_of, whole
from .bounded import MOST, DataFileError
from .text import read_text

MISSING = {"", "na", "n/a", "nan", "?", "null", "none", "-"}  # what stands for a number, and makes no line a header


class Columns(NamedTuple):
    """What `kn.data.read_csv` returns: x (N, F), y (N,) or None, and the names of the columns of x.

    >>> import knetpy as kn
    >>> kn.data.Columns([[1.0, 2.0]], [3.0], ("rooms", "age")).names
    ('rooms', 'age')
    """

    x: np.ndarray
    y: np.ndarray | None
    names: tuple[str, ...]


def read_csv(path: Any, target: Any = -1, *, delimiter: str | None = None, limit: int = MOST) -> Columns:
    """A table of numbers in a text file, one instance a line: comma- or space-separated, with or without a header.

    Parameters:
      path: of the file, plain or gzipped.
      target=-1: the column to predict, by its name or its number, which becomes y; None leaves all in x.
      delimiter=None: what stands between numbers; None is the first of comma, semicolon and tab that the first line
        has, else any spaces.
      limit=2**30: how many bytes are read at most, unpacked.
    Returns: a named tuple: x (N, F) and y (N,) float32, and the names of the columns of x, which are their numbers if
      the first line is no header.
    Raises: kn.data.DataFileError, a ValueError, that tells the line if it has something else than numbers or as many as
      the others; ValueError if there is no such column, FileNotFoundError if there is no file.

    >>> import os, tempfile, knetpy as kn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "housing.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("rooms,age,price\\n6,65,24\\n7,79,21.5\\n")
    ...     x, y, names = kn.data.read_csv(path, "price")
    >>> x.tolist(), y.tolist(), names
    ([[6.0, 65.0], [7.0, 79.0]], [24.0, 21.5], ('rooms', 'age'))
    """
    path, limit = file_named("read_csv", path), count_of("read_csv", "limit", limit)
    if not (delimiter is None or isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in "\n\r"):
        raise ValueError(f"read_csv: delimiter must be None or one character, got {delimiter!r}")
    lines = _fields(path, read_text(path, limit=limit), delimiter)
    number, first = next(lines, (0, []))
    header = not all(_is_number(field) or field.strip().lower() in MISSING for field in first)
    names = tuple(field.strip() for field in first) if header else tuple(str(i) for i in range(len(first)))
    rows = [] if header else [_numbers(path, number, first, names)]
    rows += [_numbers(path, number, fields, names) for number, fields in lines]
    if not rows or not names:
        raise DataFileError(f"{path} has no line of numbers")
    with np.errstate(over="ignore"):  # beyond 3.4e38 they are infinite
        table = np.array(rows, np.float32)
    if target is None:
        return Columns(table, None, names)
    column = _column(target, names)
    return Columns(np.delete(table, column, axis=1), table[:, column].copy(), names[:column] + names[column + 1 :])


def _fields(path: Any, text: str, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """The number of each line that is not empty, and its fields."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if delimiter is None:
        delimiter = next((mark for mark in ",;\t" if mark in first), None)
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, line.split() if delimiter is None else next(csv.reader([line], delimiter=delimiter))
            except csv.Error as error:
                raise DataFileError(f"{path}, line {number}: {error}") from None


def _numbers(path: Any, line: int, fields: list[str], names: tuple[str, ...]) -> list[float]:
    if len(fields) != len(names):
        raise DataFileError(f"{path}, line {line}: {len(fields)} fields, where the first line has {len(names)}")
    for name, field in zip(names, fields):
        if not _is_number(field):
            raise DataFileError(
                f"{path}, line {line}, column {name}: {field!r:.40} is no number; write nan where none is"
            )
    return [float(field) for field in fields]


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _column(target: Any, names: tuple[str, ...]) -> int:
    at = whole(target)
    if at is None and names.count(target) > 1:
        raise ValueError(f"read_csv: {names.count(target)} columns are called {target!r}; give target by its number")
    if at is None and target in names:
        return names.index(target)
    if at is None or not -len(names) <= at < len(names):
        raise ValueError(f"read_csv: target must be one of {', '.join(names)}, or its number, got {target!r}")
    return at % len(names)
