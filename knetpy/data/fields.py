"""The lines of a table in a text file, and the numbers that they hold."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .bounded import DataFileError

# what stands for a number, and makes no line a header
MISSING = {"", "na", "n/a", "nan", "+nan", "-nan", "?", "null", "none", "-"}
SHOWN = 12  # texts of a column that a message lists
BEYOND = 2.0**128 - 2.0**103  # from here on float32 is infinite


def fields_of(path: Any, content: str, delimiter: str | None, skip: int = 0) -> Iterator[tuple[int, list[str]]]:
    """The number of each line that is not empty, but for the first `skip`, and its fields."""
    lines = content.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if delimiter is None:
        delimiter = next((mark for mark in ",;\t" if mark in first), None)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        skip -= 1
        if skip < 0:
            try:
                yield number, line.split() if delimiter is None else next(csv.reader([line], delimiter=delimiter))
            except csv.Error as error:
                raise DataFileError(f"{path}, line {number}: {error}") from None


def is_number(field: str, texts: tuple[str, ...] | None = None) -> bool:
    """Whether a field can stand in a line of data: a number, what stands for a missing one, or one of these texts."""
    return is_missing(field) or (_is_float(field) if texts is None else field.strip() in texts)


def is_missing(field: str) -> bool:
    """Whether a field says that there is no number."""
    return field.strip().lower() in MISSING


def is_beyond(number: float) -> bool:
    """Whether a number is finite, but not as float32."""
    return BEYOND <= abs(number) < math.inf


def _float(field: str) -> float:
    """The number that a field holds; raises ValueError if it has none, or one that float32 would make another."""
    number = float(field)
    if abs(number) < BEYOND and "_" not in field:
        return number
    if number != number or "_" in field or "inf" not in field.lower():  # float reads 1_0 as 10, and 1e999 as infinity
        raise ValueError
    return number


def _is_float(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


class Numbers:
    """How fields become numbers: those of the columns that are kept, by what their texts mean."""

    def __init__(self, path: Any, lines: Callable, names: tuple, kept: list[int], texts: dict, filler: float | None):
        self.path, self.lines, self.names, self.texts, self.filler = path, lines, names, texts, filler
        self.makers: list[tuple[int, Callable[[str], float]]] = [(i, self._maker(i)) for i in kept]

    def table(self) -> np.ndarray:
        """All lines, (N, columns) float32."""
        rows = [self._row(number, fields) for number, fields in self.lines()]
        if not rows:
            raise DataFileError(f"{self.path} has no line of numbers")
        return np.array(rows, np.float32)

    def _maker(self, column: int) -> Callable[[str], float]:
        """The function from a field of a column to its number, which raises ValueError or KeyError if it has none."""
        make: Callable[[str], float] = _float
        if column in self.texts:
            known = {text: float(i) for i, text in enumerate(self.texts[column])}
            make = lambda field: known[field.strip()]
        filler = self.filler
        if filler is None:
            return make
        own = self.texts.get(column, ())
        return lambda field: filler if is_missing(field) and field.strip() not in own else make(field)

    def _row(self, line: int, fields: list[str]) -> list[float]:
        if len(fields) != len(self.names):
            raise DataFileError(
                f"{self.path}, line {line}: {len(fields)} fields, where the first line has {len(self.names)}"
            )
        row = []
        for column, make in self.makers:
            try:
                row.append(make(fields[column]))
            except (ValueError, KeyError):
                reason = self._reason(column, fields[column])
                where = f"{self.path}, line {line}, column {self.names[column]}"
                raise DataFileError(f"{where}: {fields[column]!r:.40} {reason}") from None
        return row

    def _reason(self, column: int, field: str) -> str:
        """What is wrong with a field, and what to do."""
        if column in self.texts:
            known = ", ".join(map(repr, self.texts[column][:SHOWN]))
            return f"is none of its classes {known}{', ...' * (len(self.texts[column]) > SHOWN)}"
        if is_missing(field):
            return "is no number; pass missing=np.nan, or what number is to stand for it"
        if _is_float(field):
            return (
                "has an underscore; write its digits alone"
                if "_" in field
                else "is beyond float32, whose largest is 3.4e38"
            )
        name = self.names[column] if self.names.count(self.names[column]) == 1 else column
        texts = self._texts(column)
        shown = ", ".join(map(repr, texts[:SHOWN])) + "," * (len(texts) == 1) + ", ..." * (len(texts) > SHOWN)
        way = f"pass leave={name!r} to leave this column out, or classes={{{name!r}: ({shown})}} to number its texts"
        return f"is no number; {way if texts else 'leave the field empty and pass missing=np.nan'}"

    def _texts(self, column: int) -> list[str]:
        """The different texts of a column that has no numbers."""
        found = set()
        for _, fields in self.lines():
            field = fields[column].strip() if column < len(fields) else ""
            if not is_missing(field):
                if _is_float(field):
                    return []
                found.add(field)
        return sorted(found)
