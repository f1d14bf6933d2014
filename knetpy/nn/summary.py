"""`summary`: a table of a model's layers, what they return and what they cost."""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..arrays import size_of
from ..core.value import Param
from ..ops.arguments import count_of
from ..parameters.search import params
from ..tree import children, leaves, rebuild
from .layer import attributes, is_array, is_layer
from .printing import brief
from .shapes import Outline, as_shape_of, restored, run_empty


class Row(NamedTuple):
    """One call of a layer."""

    path: str
    layer: str
    output: Any  # its shape, or a list of shapes
    parameters: int  # of it and its parts
    bytes: int  # of these parameters
    operations: float
    depth: int


class Summary:
    """What kn.nn.summary returns: rows (one for each call of a layer), the totals parameters, bytes and operations.

    It prints as a table, and as html in a notebook.

    >>> import knetpy as kn
    >>> kn.nn.summary(kn.nn.Dense(3, 2), (None, 3)).parameters
    8
    """

    def __init__(self, rows: list[Row], operations: float, parameters: int, bytes: int):
        self.rows, self.operations, self.parameters, self.bytes = rows, operations, parameters, bytes

    def _cells(self) -> list[list[str]]:
        return [
            [
                "  " * row.depth + f"{row.path}  {row.layer}".strip(),
                _shapes(row.output),
                f"{row.parameters:_}" if row.parameters else "",
                _count(row.operations),
                size_of(row.bytes) if row.bytes else "",
            ]
            for row in self.rows
        ]

    def _total(self) -> str:
        return f"{self.parameters:_} parameters, {size_of(self.bytes)}; {_count(self.operations)} for one example"

    def __repr__(self) -> str:
        cells = [list(_HEAD), *self._cells()]
        widths = [max(len(row[k]) for row in cells) for k in range(len(_HEAD))]
        lines = [
            "  ".join(
                [f"{row[0]:{widths[0]}}", f"{row[1]:{widths[1]}}", *[f"{c:>{w}}" for c, w in zip(row[2:], widths[2:])]]
            )
            for row in cells
        ]
        return "\n".join([line.rstrip() for line in lines] + [self._total()])

    def _repr_html_(self) -> str:
        def line(tag: str, row: Iterable[str]) -> str:  # texts to the left, else the depth of a layer is not seen
            styles = [f"white-space:pre;text-align:{'left' if k < 2 else 'right'}" for k in range(len(_HEAD))]
            cells = [f"<{tag} style='{style}'>{html.escape(cell)}</{tag}>" for style, cell in zip(styles, row)]
            return f"<tr>{''.join(cells)}</tr>"

        body = "".join([line("td", row) for row in self._cells()])
        head = line("th", _HEAD)
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table><p>{html.escape(self._total())}</p>"


_HEAD = ("layer", "output", "parameters", "operations", "memory")


def _shapes(output: Any) -> str:
    return ", ".join(map(str, output)) if isinstance(output, list) else str(output)


def _count(n: float) -> str:
    """A number of operations for reading."""
    for unit in ("", "K", "M", "G"):
        if n < 1000:
            return f"{n:.1f} {unit}FLOP" if unit else f"{n:.0f} FLOP" if n else ""
        n /= 1000
    return f"{n:,.1f} TFLOP"


def summary(model: Callable, *inputs: Any, dtype: Any = np.float32, depth: int | None = None) -> Summary:
    """What each layer of a model returns, how many parameters it has, and what it costs for one example.

    Nothing of the size of the model or of its results is made. Layers are the dataclasses that are called, and the
    functions in a Chain; calls that a function makes of layers elsewhere count in the totals only.

    Parameters:
      model: a layer, Chain or function.
      *inputs: arrays such as the model is called with, or their shapes, whose first size may be None.
      dtype=np.float32: of the inputs that are given as shapes.
      depth=None: how deep the table goes, 0 for the model itself, 1 for its layers; None is all the way. What is left
        out is counted in the rows of what it is part of.
    Returns: an object that prints as a table, in a notebook as html; it has rows, and the totals parameters, bytes
      and operations. A multiplication and an addition are two operations.
    Raises: ShapeError for what is no shape, TypeError or ValueError for depth; else what the model does.

    >>> import knetpy as kn
    >>> from knetpy.nn import Chain, Dense
    >>> kn.nn.summary(Chain(Dense(784, 64, kn.relu), Dense(64, 10)), (None, 784))
    layer                                output      parameters   operations     memory
    Chain                                (None, 10)      50_890  101.8 KFLOP  198.8 KiB
      layers[0]  Dense(784 => 64, relu)  (None, 64)      50_240  100.5 KFLOP  196.2 KiB
      layers[1]  Dense(64 => 10)         (None, 10)         650    1.3 KFLOP    2.5 KiB
    50_890 parameters, 198.8 KiB; 101.8 KFLOP for one example
    """
    shapes = [as_shape_of("summary", x.shape if is_array(x) else x) for x in inputs]
    dtypes = [x.dtype for x in inputs if is_array(x)] or [dtype]
    if not callable(model):
        raise TypeError(f"summary: model must be a layer or a function, got {model!r:.60}")
    log = _Log(shapes[0][0] if shapes and shapes[0] else None)
    run_empty("summary", _watched(model, "", log, {}), tuple(shapes), dtypes[0], log.trace)
    rows = log.rows if depth is None else [row for row in log.rows if row.depth <= count_of("summary", "depth", depth)]
    return Summary(rows, log.trace.operations, *_totals(log.found))


class _Log:
    """Where layers that are called write their rows."""

    def __init__(self, batch: int | None):
        self.batch, self.trace, self.depth = batch, Outline(), 0
        self.rows: list = []
        self.found: dict = {}  # serial number -> (numbers, bytes) of each Param; Params here would be found again

    def call(self, path: str, layer: Any, args: tuple, options: dict) -> Any:
        place, before = len(self.rows), self.trace.operations
        self.rows.append(None)
        self.depth += 1
        y = layer(*args, **options)
        self.depth -= 1
        own = {p.uid: (p.size, p.size * p.dtype.itemsize) for p in params(layer)}
        self.found |= own
        shapes = [restored(leaf, self.batch, self.trace) for _, leaf in leaves(y) if hasattr(leaf, "shape")]
        name = type(layer).__name__ if any(isinstance(v, _Watched) for _, v in leaves(layer)) else brief(layer)
        output, cost = shapes[0] if len(shapes) == 1 else shapes, self.trace.operations - before
        self.rows[place] = Row(path, name, output, *_totals(own), cost, self.depth)
        return y


def _totals(found: dict) -> tuple[int, int]:
    return sum(n for n, _ in found.values()), sum(b for _, b in found.values())


class _Watched:
    """A layer in the place of another, which it calls, and of which it writes a row."""

    def __init__(self, layer: Any, path: str, log: _Log):
        self.__dict__.update(layer=layer, path=path, log=log)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.log.call(self.path, self.layer, args, options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["layer"], name)

    def __repr__(self) -> str:
        return brief(self.layer)


def _watched(x: Any, path: str, log: _Log, copies: dict[int, Any], listed: bool = True) -> Any:
    """A copy of a model in which layers, and the functions in lists of them, are watched; params are the same.

    copies: of the layers, by id; a layer that stands in the model twice is sized once.
    """
    if is_layer(x):
        if id(x) not in copies:
            new = copies[id(x)] = copy.copy(x)
            parts = {} if hasattr(x, "whole") else attributes(x)  # a WeightNorm shows as one layer
            for name, part in parts.items():
                if not name.startswith("_"):  # settings, such as initialisers
                    part = _watched(part, f"{path}.{name}" if path else name, log, copies, False)
                    object.__setattr__(new, name, part)
        return _Watched(copies[id(x)], path, log)
    if isinstance(x, (list, tuple, dict)) and not hasattr(x, "_fields"):
        return rebuild(x, [_watched(part, path + step, log, copies) for step, part in children(x) or []])
    if listed and callable(x) and not isinstance(x, (type, Param)):
        return _Watched(x, path, log)
    return x
