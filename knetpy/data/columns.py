"""Tables of numbers in text files, such as the housing data of many a first lesson."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..calls import telling
from ..files import file_named
from ..ops.arguments import count_of, real, whole
from .bounded import MOST, DataFileError
from .fields import Numbers, fields_of, is_beyond, is_number
from .text import read_text


class Columns(NamedTuple):
    """What `kn.data.read_csv` returns: x (N, F), y (N,) or None, and the names of the columns of x.

    >>> import knetpy as kn
    >>> kn.data.Columns([[1.0, 2.0]], [3.0], ("rooms", "age")).names
    ('rooms', 'age')
    """

    x: np.ndarray
    y: np.ndarray | None
    names: tuple[str, ...]


@telling(
    "read_csv(path, target), and options by name",
    sep="delimiter",
    na_values="missing",
    usecols="leave, its opposite",
    header="none of it: the first line is one if it has texts",
)
def read_csv(
    path: Any,
    target: Any = -1,
    *,
    leave: Any = (),
    classes: Mapping | None = None,
    missing: float | None = None,
    delimiter: str | None = None,
    limit: int = MOST,
) -> Columns:
    """A table of numbers in a text file, one instance a line: comma- or space-separated, with or without a header.

    Parameters:
      path: of the file, plain or gzipped.
      target=-1: the column to predict, by its name or its number, which becomes y; None leaves all in x.
      leave=(): columns to leave out, whatever they hold: a name or number, or a tuple of such.
      classes=None: what texts in columns mean: a dict from the name or number of a column to its texts in order, which
        become 0, 1, 2 ..., as `{"river": ("no", "yes")}`.
      missing=None: the number that stands for an empty field, and for nan, na, n/a, null, none, ? and -; often np.nan.
        None refuses them.
      delimiter=None: what stands between numbers; None is the first of comma, semicolon and tab that the first line
        has, else any spaces.
      limit=2**30: how many bytes are read at most, unpacked.
    Returns: a named tuple: x (N, F) float32; y (N,) float32, or int64 if it is one of classes; and the names of the
      columns of x, which are their numbers in the file if the first line is no header. Numbers are rounded to float32,
      which has 7 digits: 16777217 becomes 16777216. inf is infinite.
    Raises: kn.data.DataFileError, a ValueError, that tells the line if it has something else than numbers, one that is
      beyond float32 or has underscores, or not as many as the others; ValueError if there is no such column, TypeError
      for arguments of the wrong kind, FileNotFoundError if there is no file.

    >>> import os, tempfile, knetpy as kn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "housing.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("rooms,street,river,price\\n6,Elm,no,24\\n7,Oak,yes,21.5\\n")
    ...     x, y, names = kn.data.read_csv(path, "price", leave="street", classes={"river": ("no", "yes")})
    >>> x.tolist(), y.tolist(), names
    ([[6.0, 0.0], [7.0, 1.0]], [24.0, 21.5], ('rooms', 'river'))
    """
    path, limit = file_named("read_csv", path), count_of("read_csv", "limit", limit)
    if not (delimiter is None or isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in "\n\r"):
        raise ValueError(f"read_csv: delimiter must be None or one character, got {delimiter!r}")
    left, texts = list(leave) if isinstance(leave, tuple | list) else [leave], _texts(classes)
    content = read_text(path, limit=limit)
    first = next(fields_of(path, content, delimiter), (0, []))[1]
    if not first:
        raise DataFileError(f"{path} has no line of numbers")
    header = _is_header(first, left, texts)
    names = tuple([field.strip() for field in first] if header else map(str, range(len(first))))
    at = None if target is None else _column("target", target, names)
    gone = {_column("leave", one, names) for one in left}
    known = {_column("classes", one, names): found for one, found in texts.items()}
    if at in gone:
        raise ValueError(f"read_csv: target is column {target!r}, which leave leaves out")
    kept = [i for i in range(len(names)) if i not in gone]
    lines = partial(fields_of, path, content, delimiter, int(header))
    table = Numbers(path, lines, names, kept, known, _filler(missing)).table()
    inputs = [place for place, i in enumerate(kept) if i != at]
    x, own = (table if at is None else table[:, inputs]), tuple(names[kept[place]] for place in inputs)
    return Columns(x, None if at is None else _target(path, table[:, kept.index(at)], at in known), own)


def _filler(missing: Any) -> float | None:
    """The number that stands for a missing one, None if there may be none missing."""
    if missing is None:
        return None
    found = real("read_csv", "missing", missing)
    if is_beyond(found):
        raise ValueError(f"read_csv: missing must be a number that float32 can hold, such as np.nan, got {missing!r}")
    return found


def _target(path: Any, y: np.ndarray, labels: bool) -> np.ndarray:
    if not labels:
        return y.copy()
    none = int(np.sum(~np.isfinite(y)))
    if none:
        raise DataFileError(f"{path} has no class in {none} lines; pass missing=-1 to read_csv and ignore=-1 to kn.nll")
    return y.astype(np.int64)


def _texts(classes: Any) -> dict[Any, tuple[str, ...]]:
    """What each column's texts are, of those that have texts."""
    given = {} if classes is None else classes
    if not isinstance(given, Mapping):
        raise TypeError(
            f"read_csv: classes must be a dict from columns to their texts, as {{'river': ('no', 'yes')}}, got "
            f"{type(classes).__name__}"
        )
    for column, texts in given.items():
        if not isinstance(texts, tuple | list) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"read_csv: classes of column {column!r} must be a tuple of texts, got {texts!r:.40}")
        if len(set(texts)) < len(texts):
            raise ValueError(f"read_csv: classes of column {column!r} must be all different, got {texts!r:.80}")
    return {column: tuple(texts) for column, texts in given.items()}


def _is_header(first: list[str], left: list, texts: dict[Any, tuple[str, ...]]) -> bool:
    """Whether the first line has texts where there should be numbers."""
    known = {_number(one, len(first)): found for one, found in texts.items()}
    gone = {_number(one, len(first)) for one in left}
    return not all(is_number(field, known.get(i)) for i, field in enumerate(first) if i not in gone)


def _number(column: Any, count: int) -> int | None:
    at = int(column) if isinstance(column, str) and column.isdecimal() else whole(column)
    return None if at is None or not -count <= at < count else at % count


def _column(option: str, given: Any, names: tuple[str, ...]) -> int:
    at = whole(given)
    name = given if isinstance(given, str) else None
    if names.count(name) > 1:
        raise ValueError(f"read_csv: {names.count(name)} columns are called {given!r}; give {option} by its number")
    if name in names:
        return names.index(name)
    if at is None or not -len(names) <= at < len(names):
        raise ValueError(
            f"read_csv: {option} must be one of {', '.join(names)}, or its number, got {reprlib.repr(given)}"
        )
    return at % len(names)
