"""`kn.show.graph`: what a tape recorded as a picture, with a box around what each function and layer called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..arrays import size_of
from ..core.value import Param
from ..ops.arguments import count_of
from ..transforms.gradients import Record
from .pieces import Html, cut, folded
from .svg import Picture, needs_graphviz, svg

EASY = 60  # calls in a picture up to which functions are opened unasked
MOST = 100  # nodes of a picture; of more the first and the last
PICTURES = 30  # of functions that are closed, each with its own
LINE = 44  # characters of the user's line in a node
SHARED = 4  # arrows of a Param in a picture; where there were more, it is named in the nodes that use it
WHERE = re.compile(r", in [^:]*: ")  # the box around it says that


def graph(tape: Record, *, depth: int | None = None) -> Graph:
    """Draw what a tape recorded: each call with its op, shape, bytes and the user's line, and where its operands are
    from.

    Functions and layers are boxes around what they called. A closed one is a single node; under the picture it can be
    opened into one of its own.

    Parameters:
      tape: what `kn.tape(f, *args)` returned.
      depth=None: how many levels of functions inside of f are opened; None opens as many as give an easy picture.
    Returns: an object that a notebook displays; `save(path)` writes the picture as SVG, its source is the picture in
      Graphviz's language DOT.
    Raises: ImportError, which says what to install, if Graphviz is missing; TypeError for what is no tape.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param(3, 2)
    >>> def loss(x):
    ...     return np.tanh(x @ w).sum()
    >>> "tanh" in kn.show.graph(kn.tape(loss, np.ones((4, 3), "f4"))).source
    True
    """
    if not isinstance(tape, Record):
        raise TypeError(f"show.graph: tape must be what kn.tape(f, *args) returned, got {type(tape).__name__}")
    needs_graphviz()
    return Graph(tape, None if depth is None else count_of("show.graph", "depth", depth))


class Graph:
    """What `show.graph` returns."""

    def __init__(self, tape: Record, depth: int | None):
        steps = [tuple(step.functions) for step in tape.steps]
        self.root = _common(steps)
        self._recorded = Recorded(tape)
        self._view = View(self._recorded, self.root, depth)

    @property
    def source(self) -> str:
        """The picture in DOT."""
        return self._view.picture.source

    @cached_property
    def svg(self) -> str:
        """The picture as SVG."""
        return svg(self._view.picture)

    def save(self, path: str | Path) -> None:
        """Write the picture as a file of SVG."""
        Path(path).write_text(self.svg.replace("currentColor", "black"), encoding="utf-8")

    def _repr_html_(self) -> str:
        left = [PICTURES]
        return _shown(self._view, self.svg, left) + (
            "" if left[0] >= 0 else f"<div>… and {-left[0]} more functions: see fewer levels, depth=1</div>"
        )

    def __repr__(self) -> str:
        calls = len(self._recorded.tape.steps)
        return f"graph of {calls} calls: displays in a notebook; save('graph.svg') writes it"


def _shown(view: View, picture: str, left: list[int]) -> str:
    """A picture, and under it those of the functions that are closed in it, as long as there are any left."""
    parts = [f'<div style="overflow:auto;max-height:60em">{picture}</div>']
    for path in view.closed:
        left[0] -= 1
        if left[0] >= 0:
            inner = View(view.recorded, path, None)
            title = f"{path[-1][0]}: {_amount(view.recorded, view.closed[path])}"
            parts.append(
                folded(title, Html(f'<div style="padding-left:1.2em">{_shown(inner, svg(inner.picture), left)}</div>'))
            )
    return "".join(parts)


# ------------------------------------------------------------------------------------------ what was recorded

Run = tuple  # the functions that a call was made in: ((name, number of the run), ...)


def _common(paths: Sequence[Run]) -> Run:
    """What all of them begin with."""
    if not paths:
        return ()
    first, last = min(paths), max(paths)  # all that lie between begin as both do
    same = [a == b for a, b in zip(first, last)]
    return first[: (same + [False]).index(False)]


class Recorded:
    """A tape with the names of its params, and which functions use each."""

    def __init__(self, tape: Record):
        self.tape = tape
        self.names = {p.uid: name for name, p in tape.named().items()}
        users: dict[int, list[Run]] = {}
        for step in tape.steps:
            for x in step.inputs:
                if isinstance(x, Param):
                    users.setdefault(x.uid, []).append(step.functions)
        self.home = {uid: _common(paths) for uid, paths in users.items()}  # the innermost function with all its uses


def _amount(recorded: Recorded, calls: Sequence[int]) -> str:
    """How many calls, and of how many bytes."""
    n = len(calls)
    return f"{n} call{'s' * (n != 1)}, {size_of(sum(recorded.tape.steps[i].bytes for i in calls))}"


# ------------------------------------------------------------------------------------------ what is seen of it


class Node(NamedTuple):
    """A node of the picture."""

    path: Run  # of the box that it is in
    lines: tuple[str, ...]
    told: str  # when the mouse is over it
    kind: str  # "call", "function", "param", "array" or "more"


class View:
    """The calls inside of a function as a picture, with functions opened down to a depth."""

    def __init__(self, recorded: Recorded, root: Run, depth: int | None):
        self.recorded, self.root = recorded, root
        steps = recorded.tape.steps
        self.inside = [i for i, step in enumerate(steps) if step.functions[: len(root)] == root]
        self.depth = self._easy_depth() if depth is None else depth
        self.nodes: dict[str, Node] = {}
        self.edges: Counter[tuple[str, str]] = Counter()
        self.closed: dict[Run, list[int]] = {}  # function -> its calls
        self._fill()
        self._shorten()
        self.picture = Picture(len(root), self.nodes, list(self.edges))

    def _easy_depth(self) -> int:
        """As many levels as give an easy picture."""
        deepest = max([len(self.recorded.tape.steps[i].functions) for i in self.inside], default=0) - len(self.root)
        for depth in range(deepest, 0, -1):
            if len({self._place(i, depth) for i in self.inside}) <= EASY:
                return depth
        return 0

    def _place(self, i: int, depth: int) -> Any:
        """Where call i is seen: by its number, or in a function that is closed."""
        functions = self.recorded.tape.steps[i].functions
        end = len(self.root) + depth
        return i if len(functions) <= end else functions[: end + 1]

    def _fill(self) -> None:
        steps, seen = self.recorded.tape.steps, set(self.inside)
        for i in self.inside:
            if isinstance(place := self._place(i, self.depth), tuple):
                self.closed.setdefault(place, []).append(i)
        users = {(x.uid, self._name(i)) for i in self.inside for x in steps[i].inputs if isinstance(x, Param)}
        self.shared = {uid for uid, n in Counter(uid for uid, _ in users).items() if n > SHARED}
        for i in self.inside:
            step, name = steps[i], self._name(i)
            if name not in self.nodes:
                self.nodes[name] = self._call(i) if name == f"s{i}" else self._function(self._place(i, self.depth))
            for n, x in enumerate(step.inputs):
                if (origin := self._origin(x, i, n, name, seen)) and origin != name:
                    self.edges[origin, name] += 1

    def _name(self, i: int) -> str:
        place = self._place(i, self.depth)
        return f"f{place[-1][1]}" if isinstance(place, tuple) else f"s{place}"

    def _origin(self, x: Any, i: int, n: int, name: str, seen: set[int]) -> str | None:
        """The node that an operand comes from, made if need be; None if it is hidden in a closed function."""
        steps = self.recorded.tape.steps
        if isinstance(x, int):
            if x in seen:
                return self._name(x)
            step = steps[x]  # made outside of this picture
            self.nodes.setdefault(f"o{x}", Node(self.root, (step.op, str(step.shape)), step.line, "array"))
            return f"o{x}"
        if isinstance(x, Param):
            home, named = self.recorded.home[x.uid], self.recorded.names.get(x.uid, "param")
            if x.uid in self.shared:
                self._add_line(name, f"with {named} {x.shape}")
                return None
            if name[0] == "f" and home[: len(self.root) + self.depth + 1] == self._place(i, self.depth):
                return None
            home = home[: len(self.root) + self.depth]
            home = home if home[: len(self.root)] == self.root else self.root
            self.nodes.setdefault(f"p{x.uid}", Node(home, (named, str(x.shape)), f"Param {x.dtype}", "param"))
            return f"p{x.uid}"
        if name[0] == "f":
            return None
        self.nodes[f"a{i}_{n}"] = Node(steps[i].functions, (x,), "an array without derivative", "array")
        return f"a{i}_{n}"

    def _add_line(self, name: str, line: str) -> None:
        node = self.nodes[name]
        if line not in node.lines:
            self.nodes[name] = node._replace(lines=(*node.lines, line))

    def _call(self, i: int) -> Node:
        step = self.recorded.tape.steps[i]
        told = [step.line, f"forward {1e3 * step.forward:.3g} ms"]
        if step.norm is not None:
            told.append(f"norm of the gradient {step.norm:.4g}, backward {1e3 * (step.backward or 0):.3g} ms")
        lines = (step.op, f"{step.shape}  {size_of(step.bytes)}", cut(WHERE.sub(": ", step.line, 1), LINE))
        return Node(step.functions, lines, "\n".join(told), "call")

    def _function(self, path: Run) -> Node:
        calls = self.closed[path]
        step = self.recorded.tape.steps[calls[-1]]
        lines = (f"{path[-1][0]} ▸", _amount(self.recorded, calls), f"last: {step.op} {step.shape}")
        return Node(path[:-1], lines, "closed: it has its own picture below", "function")

    def _shorten(self) -> None:
        """Of very many nodes keep the first and the last, and one between them for all others."""
        names = list(self.nodes)
        gone = set(names[MOST // 2 : -MOST // 2]) if len(names) > MOST else set()
        if not gone:
            return
        self.closed = {path: calls for path, calls in self.closed.items() if f"f{path[-1][1]}" not in gone}
        kept = {name: node for name, node in self.nodes.items() if name not in gone}
        more = Node(self.root, (f"… {len(gone):,} more …",), "left out", "more")
        self.nodes = {**dict(list(kept.items())[: MOST // 2]), "more": more, **dict(list(kept.items())[MOST // 2 :])}
        found: Counter[tuple[str, str]] = Counter()
        for a, b in self.edges:
            ends = "more" if a in gone else a, "more" if b in gone else b
            if ends[0] != ends[1]:
                found[ends] += 1
        self.edges = found
