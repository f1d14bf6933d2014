"""`%load_ext knetpy`: the magics `%%tape` and `%grad` of IPython."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from keyword import iskeyword
from typing import Any

from ..core.errors import DerivativeError
from ..core.value import Result, value
from ..transforms.grad import grad
from ..transforms.gradients import Record
from ..transforms.record import tape
from ..tree import leaves, tree_map
from .callgraph import graph
from .pieces import Html, cut, escape, folded
from .svg import EXTRA
from .tables import record

NAMES = re.compile(r"\s*([^\W\d]\w*(?:\s*,\s*[^\W\d]\w*)*)\s*:(?!=)(.*)", re.DOTALL)


def load(shell: Any) -> None:
    """Give the magics to an IPython shell; what `%load_ext knetpy` calls.

    >>> from IPython.core.interactiveshell import InteractiveShell
    >>> shell = InteractiveShell()
    >>> load(shell)
    >>> _ = shell.run_cell("import knetpy as kn; w = kn.param([1.0, 2.0])", silent=True)
    >>> shell.run_line_magic("grad", "(w * w).sum()")
    param  shape  dtype    norm
    w      (2,)   float32  4.472
    """
    shell.register_magic_function(lambda line, cell: _tape(shell, line, cell), "cell", "tape")
    shell.register_magic_function(lambda line: _grad(shell, line), "line", "grad")


def _tape(shell: Any, line: str, cell: str) -> Taped:
    """%%tape [name]: run a cell whose last line is a loss, and show what it computed: time, bytes, gradients, graph.

    Names that the cell gives are kept, as plain arrays. With a name, as in `%%tape J`, the tape is kept under it.
    """
    name = line.strip()
    if name and not is_name(name):
        raise SyntaxError(f"%%tape takes one name to keep the tape under, as in %%tape J, got {name!r}")
    space = shell.user_ns
    run, last = _compiled(shell, cell)

    def body() -> Any:
        exec(run, space)
        return eval(last, space)

    used = dict.fromkeys(run.co_names + last.co_names)
    names = [key for key in used if key.isidentifier() and key != "get_ipython"]  # by this anything could be found
    body.__name__ = "the cell"  # as messages call it
    body.__wrapped__ = eval(f"lambda: [{', '.join(names)}]", space)  # type: ignore[attr-defined]  # names params
    try:
        made = tape(body)
    finally:
        for key, found in list(space.items()):
            if key[:1] != "_" and (bare := _bare(found)) is not found:
                space[key] = bare
    if name:
        space[name] = made
    return Taped(made)


def _compiled(shell: Any, cell: str) -> tuple[Any, Any]:
    """The code of a cell but its last expression, and that of this one; errors tell the cell's own lines."""
    cell = shell.transform_cell(cell)
    file = _cached(shell, cell)
    tree = ast.parse(cell, file)
    last = tree.body.pop() if tree.body else None
    if not isinstance(last, ast.Expr):
        raise SyntaxError("%%tape: the last line of the cell must be the loss, such as `loss(x, y)`")
    return compile(tree, file, "exec"), compile(ast.Expression(last.value), file, "eval")


def _cached(shell: Any, source: str) -> str:
    """The file name under which messages find the lines of a source, as those of the cell that runs."""
    numbers, frame = shell.compile._filename_map, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename not in numbers:
        frame = frame.f_back
    return shell.compile.cache(source, numbers.get(frame.f_code.co_filename, shell.execution_count))


def _bare(x: Any) -> Any:
    """What a name of the cell stands for without values that have ended with the tape."""
    if isinstance(x, Result):
        return value(x)
    if isinstance(x, (list, tuple, dict)) and any(isinstance(leaf, Result) for _, leaf in leaves(x)):
        return tree_map(lambda leaf: value(leaf) if isinstance(leaf, Result) else leaf, x)
    return x


def is_name(text: str) -> bool:
    """Whether something can be kept under it."""
    return text.isidentifier() and not iskeyword(text)


class Taped:
    """What `%%tape` shows."""

    def __init__(self, made: Record):
        self.tape = made

    def __repr__(self) -> str:
        return repr(self.tape)

    def _repr_html_(self) -> str:
        return record(self.tape, by_op_open=True) + (self._picture() if self.tape.steps else "")

    def _picture(self) -> Html:
        if not find_spec("pygraphviz"):
            return Html(f"<div>for the graph: {escape(EXTRA)}</div>")
        try:
            return folded("graph", Html(graph(self.tape)._repr_html_()), begin_open=True)
        except Exception as reason:  # of a Graphviz that does not run; the tables are there all the same
            return Html(f"<div>no graph: {escape(reason)}</div>")


def _grad(shell: Any, line: str) -> Any:
    """%grad expression: its gradients by the params that it touches, as in `%grad loss(x, y)`.

    `%grad x, y: expression` takes the derivatives by these names of arrays instead.
    """
    names, expression = [], line.strip()
    if named := NAMES.fullmatch(expression):
        names, expression = [name.strip() for name in named[1].split(",")], named[2].strip()
    if not expression or not all(map(is_name, names)):
        raise SyntaxError("%grad takes a loss, as in %grad loss(x, y), or by names: %grad x, y: np.sum(x * y)")
    missing = [name for name in names if name not in shell.user_ns]
    if missing:
        raise NameError(f"%grad: name {missing[0]!r} is not defined")
    source = f"lambda {', '.join(names)}: (\n{expression}\n)"
    f = eval(compile(source, _cached(shell, source), "eval"), shell.user_ns)
    f.__name__ = cut(expression, 60)  # as messages call it
    if not names:
        return _by_params(f)
    found = grad(f, tuple(range(len(names))))(*[shell.user_ns[name] for name in names])
    return found[0] if len(names) == 1 else dict(zip(names, found))


def _by_params(f: Callable[[], Any]) -> Any:
    try:
        return grad(f)()
    except DerivativeError as failure:
        if "touched no param" in str(failure):
            failure.args = (f"%grad: {f.__name__} touched no param; by arrays of these names write %grad x, y: ...",)
        raise
