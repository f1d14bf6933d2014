"""`History`: the numbers of a training, as columns over its steps."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import norm
from ..calls import nearest, told_class
from ..core.errors import gpu_is_lost, warn
from ..devices import on_gpu
from ..interrupts import uninterrupted
from ..ops.arguments import count_of, real
from ..ops.rowsparse import RowSparse
from ..optim import layerwise
from ..train.arguments import function_of, iterable_of
from . import curves

LATE = 256  # numbers of a GPU that may wait to be read


@told_class
class History:
    """Records the losses of a training, and what else is asked, every so many steps; plots and exports it.

    `history(losses)` is an iterable of the same losses that records them. The columns are "loss", the mean of the
    losses since the last record; "grad_norm", the norm of all gradients together at the last step, if `watch` is given
    to `minimize`; and those that you name. `history[name]` is an array of what was recorded, `history.steps(name)` of
    the steps at which it was. A notebook shows the newest numbers and, with matplotlib, the curves.

    Parameters:
      every=1: how many steps make a record.
      **columns: by name a function without arguments that returns a number, asked at each record, outside of a step, so
        the training mode is off. `lambda: opt.now("lr")` is that of a learning rate, also by a schedule.
    Raises: TypeError, ValueError for others. A column that fails leaves out the record, and nothing else.

    Attributes:
      step: how many losses there were.
      names: of the columns that have numbers.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param([1.0]), kn.SGD(lr=0.25)
    >>> history = kn.History(lr=lambda: opt.now("lr"))
    >>> for loss in history(kn.minimize(lambda: (w * w).sum(), [()] * 3, opt, before=history.watch)):
    ...     pass
    >>> history["loss"], history["grad_norm"], history.steps("lr")
    (array([1.    , 0.25  , 0.0625]), array([2. , 1. , 0.5]), array([1, 2, 3]))
    """

    def __init__(self, *, every: int = 1, **columns: Callable):
        for name, column in columns.items():
            if not callable(column) and "every" in (near := nearest(name, ["every"])):
                raise TypeError(f"History: {name} is {column!r}{near} is how many steps make a record")
            function_of("History", f"the column {name}", column, f"History({name}=lambda: ...)")
            if name in ("loss", "grad_norm", "step"):
                raise ValueError(f"History: {name} is a column of its own; give yours another name")
        self.every, self.columns = count_of("History", "every", every, least=1), columns
        self.step = self.count = 0
        self.total: Any = 0.0  # of the losses since the last record
        self._gradients: Any = None
        self._values: dict[str, tuple[array, array]] = {}
        self._late: list[tuple[array, int, Any]] = []  # column, place in it, and the number that is on a GPU

    # ------------------------------------------------------------------------------------------- recording

    def __call__(self, losses: Iterable) -> Recorded:
        return Recorded(self, iterable_of("History", "losses", losses))

    def watch(self, loss: Any, gradients: Any) -> None:
        """Remember the norm of the gradients for the next record: `minimize(..., before=history.watch)`."""
        compact = getattr(gradients, "compact", gradients.__getitem__)  # rows of an embedding stay rows
        found = [compact(p) for p in gradients]
        self._gradients = layerwise.norm_of_all([_length(g) for g in found])

    def take(self, loss: Any) -> None:
        """Count a loss, and make a record if it is time; for loops that do not go over `history(losses)`."""
        before = self.step, self.count, self.total
        self.step, self.count, self.total = self.step + 1, self.count + 1, self.total + real("History", "a loss", loss)
        if self.count < self.every:
            return
        found = {"loss": self.total / self.count}
        if self._gradients is not None:
            found["grad_norm"] = self._gradients
        try:
            found.update({name: self._number(name, column()) for name, column in self.columns.items()})
        except BaseException:
            self.step, self.count, self.total = before
            raise
        with uninterrupted():
            self.count, self.total = 0, 0.0  # before `add`, which may record and then fail to write, as TensorBoard's
            self.add(**found)

    def add(self, **values: float) -> None:
        """Record numbers at this step, such as a score that is looked at only once in an epoch."""
        numbers = {name: self._number(name, value) for name, value in values.items()}  # before the first is written
        with uninterrupted():
            for name, number in numbers.items():
                steps, column = self._values.setdefault(name, (array("q"), array("d")))
                steps.append(self.step)
                column.append(math.nan if on_gpu(number) else number)
                if on_gpu(number):
                    self._late.append((column, len(column) - 1, number))
            if len(self._late) >= LATE:
                self._settle()

    def _settle(self) -> None:
        """Read the numbers that are on a GPU still, which has to be waited for."""
        late, self._late = self._late, []
        for k, (column, n, number) in enumerate(late):
            try:
                column[n] = float(number)
            except RuntimeError as failure:
                if not gpu_is_lost(failure):
                    raise
                left = len(late) - k
                warn(f"History: the newest {left} numbers were on the GPU, which has stopped working; they are NaN")
                return

    def _number(self, name: str, value: Any) -> float:
        if callable(value) and not hasattr(value, "dtype"):
            raise TypeError(
                f"History: the column {name} is {value!r}, a function of the step; for its value write "
                f'History({name}=lambda: opt.now("{name}"))'
            )
        return real("History", f"the column {name}", value)

    # ------------------------------------------------------------------------------------------- looking

    @property
    def names(self) -> list[str]:
        """The names of the columns that have numbers."""
        return list(self._values)

    __iter__ = None  # it has columns by name, and no order of its own

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array(self._column(name)[1], np.float64)

    def steps(self, name: str) -> np.ndarray:
        """At which steps the numbers of a column were recorded."""
        return np.array(self._column(name)[0], np.int64)

    def _column(self, name: str) -> tuple[array, array]:
        if name not in self._values:
            raise KeyError(f"History has no column {name!r}; it has {', '.join(self._values) or 'none yet'}")
        self._settle()
        return self._values[name]

    def rows(self) -> Iterator[dict[str, float]]:
        """A dict for each step at which something was recorded, in order: "step", and what was recorded there."""
        self._settle()
        found: dict[int, dict[str, float]] = {}
        for name, (steps, column) in self._values.items():
            for step, value in zip(steps, column):
                found.setdefault(step, {"step": step})[name] = value
        return iter([found[step] for step in sorted(found)])

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw each column over the steps, with matplotlib; save it if there is a path. Returns the Figure."""
        return curves.history_picture(self, path)

    def _repr_html_(self) -> str:
        return curves.html(self)

    def __repr__(self) -> str:
        self._settle()
        newest = ", ".join(f"{name} {column[-1]:.4g}" for name, (_, column) in self._values.items())
        return f"History of {self.step} steps" + (f": {newest}" if newest else "")

    # ------------------------------------------------------------------------------------------- exporting, saves

    def to_csv(self, path: str | Path) -> None:
        """Write the rows as a table in CSV: the column "step", then one for each name, empty where nothing was
        recorded."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, ["step", *self._values])
            table.writeheader()
            table.writerows(self.rows())

    def to_pandas(self) -> Any:
        """A pandas DataFrame of the rows, indexed by step, NaN where nothing was recorded."""
        if not find_spec("pandas"):
            raise ImportError("History.to_pandas needs pandas: pip install 'knetpy[pandas]'")
        from pandas import DataFrame

        return DataFrame(list(self.rows()), columns=["step", *self._values]).set_index("step")

    def state(self) -> dict[str, Any]:
        """All that was recorded, for saves: a dict of numbers and arrays."""
        columns = {name: {"steps": self.steps(name), "values": self[name]} for name in self._values}
        return {"step": self.step, "count": self.count, "total": float(self.total), "columns": columns}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        try:
            columns = {
                name: (array("q", map(int, column["steps"])), array("d", map(float, column["values"])))
                for name, column in state["columns"].items()
            }
            if any(len(steps) != len(values) for steps, values in columns.values()):
                raise ValueError("a column has not as many values as steps")
            counted = int(state["step"]), int(state["count"]), float(state["total"])
        except (KeyError, TypeError, ValueError, AttributeError) as reason:
            raise ValueError(f"History.restore: this is not what state() gave: {reason!r}") from None
        self._values, self._late, (self.step, self.count, self.total) = columns, [], counted


def _length(g: Any) -> Any:
    """The norm of a gradient: a number, or what is on a GPU, which is not waited for."""
    if isinstance(g, RowSparse):
        g = g.dense() if on_gpu(g.values) else g.summed().values
    return layerwise.norm(g) if on_gpu(g) else norm(g)


class Recorded:
    """What `history(losses)` returns."""

    def __init__(self, history: History, losses: Iterable):
        self.history, self.losses = history, losses

    def __len__(self) -> int:
        return len(self.losses)  # type: ignore[arg-type]  # without a length it raises, as it should

    def __iter__(self) -> Iterator[Any]:
        for loss in self.losses:
            self.history.take(loss)
            yield loss

    def __repr__(self) -> str:
        return f"history({self.losses!r})"
