"""How layers print: nested, each with its number of parameters, as Flux prints them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import size_of
from ..core.value import DISPLAYS, Param
from ..devices import host
from ..parameters.search import params
from ..tree import children
from .layer import is_layer, spelled, unsized


def brief(layer: Any) -> str:
    """A layer or function on one line."""
    if type(layer).__repr__ is object.__repr__ and not hasattr(layer, "__name__"):  # it tells no more than an address
        return type(layer).__name__
    try:
        first, more, _ = spelled(layer).partition("\n")
    except Exception:  # of the user's own __repr__; the note of another error, or the display of a model, goes on
        return f"<{type(layer).__name__} whose repr fails>"
    return f"{type(layer).__name__}(...)" if more else first.partition("  #")[0]


def sublayers(layer: Any) -> list[tuple[str, Any]] | None:
    """[(name = or nothing, layer)] of what a layer shows as its parts; None of one that shows itself on one line."""
    nested = children(layer) if is_layer(layer) else None
    parts = [(step[1:], part) for step, part in nested or [] if not isinstance(part, Param)]
    if type(layer).__repr__ is not printed and not (nested and layer.__dataclass_params__.repr and _any_layer(parts)):
        return None
    found: list = []
    for name, part in parts:
        if isinstance(part, dict):
            found += [(f"{k} = ", v) for k, v in part.items()]
        elif isinstance(part, (list, tuple)):
            found += [("", v) for v in part]
        elif callable(part):
            found.append(("" if name in ("layer", "connection") else f"{name} = ", part))
    return found


def _any_layer(parts: list) -> bool:
    return any(is_layer(v) or isinstance(v, (list, tuple, dict)) and _any_layer(children(v) or []) for _, v in parts)


def printed(layer: Any) -> str:
    """A layer with its parts, a line each, and what they come to."""
    rows = _rows(layer, 0, "", "")
    last, _ = rows.pop()
    width = max([len(text) for text, note in rows if note], default=0)
    lines = [f"{text:{width}}  # {note}" if note else text for text, note in rows]
    return "\n".join([*lines, f"{last}  # {total(layer)}"])


def displayed(layer: Any) -> str | None:
    """A layer as html, once `knetpy.show` has registered a display for layers."""
    display = DISPLAYS.get(__name__)
    return display(layer) if display else None


def _rows(layer: Any, depth: int, name: str, comma: str) -> list[tuple[str, str]]:
    """[(text, note)] of the lines."""
    indent, parts = "  " * depth, sublayers(layer)
    if parts is None:
        return [(f"{indent}{name}{brief(layer)}{comma}", _count(layer))]
    inside = [row for key, part in parts for row in _rows(part, depth + 1, key, ",")]
    own = [part for _, part in children(layer) or [] if isinstance(part, Param)]
    note = f"{_parameters(own)} of its own" if own else ""
    return [(f"{indent}{name}{type(layer).__name__}(", note), *inside, (f"{indent}){comma}", "")]


def _count(layer: Any) -> str:
    if is_layer(layer) and unsized(layer) and "?" in brief(layer):
        return "sized at the first call"
    found = _own(layer)
    if not found:
        return ""
    return f"{_parameters(found)}{_frozen(found)}{_flaws(found)}"


def _parameters(found: list[Param]) -> str:
    n = sum(p.size for p in found)
    return f"{n:_} parameter{'s' * (n != 1)}"


def _own(layer: Any) -> list[Param]:
    return params(layer) if not isinstance(layer, (np.ufunc, type)) else []


def _frozen(found: list[Param]) -> str:
    frozen = sum(p.size for p in found if p.frozen)
    return "" if not frozen else ", frozen" if frozen == sum(p.size for p in found) else f", {frozen:_} frozen"


def _flaws(found: list[Param]) -> str:
    """What is odd about the values, without making anything of the size of a large one."""
    bad = [p for p in found if p.size and not np.isfinite(host(p.value.sum(dtype=np.float64)))]
    return ", some not finite" if bad else ""


def count(*models: Any) -> int:
    """How many parameters a model has, each Param counted once.

    Parameters:
      *models: layers, Params, containers of them, functions: all `kn.params` of them.
    Returns: an int; what is sized at a first call that has not been counts as nothing.

    >>> import knetpy as kn
    >>> kn.nn.count(kn.nn.Dense(3, 2))
    8
    """
    return sum(p.size for p in params(*models))


def total(layer: Any) -> str:
    """Of all params of a layer: how many arrays, numbers and bytes."""
    found = _own(layer)
    bytes_ = sum(p.size * p.dtype.itemsize for p in found)
    arrays = f"{len(found)} array{'s' * (len(found) != 1)}"
    return f"{arrays}, {_parameters(found)}{_frozen(found)}, {size_of(bytes_)}"
