"""Finding the Params that an object holds or a function uses, each with its path in the user's code."""

import dis
import functools
import itertools
import sys
import types
from collections import deque
from typing import Any

import numpy as np

from ..core.errors import PACKAGE
from ..core.value import Param, Swept
from ..tree import children
from .model import MADE, model


def params(*objects: Any) -> list[Param]:
    """All Params that the objects hold or their code uses, in order of first use, each once.

    Looks into containers, dataclasses, attributes of objects and their classes, bound methods, partials and functions:
    their closures, defaults, and the globals and functions that their code loads. Not into modules.

    Parameters:
      *objects: anything; what cannot hold a Param gives none.
    Returns: a list.

    >>> import knetpy as kn
    >>> w = [kn.param(2, 3), kn.param0(3)]
    >>> [p.shape for p in kn.params(lambda x: x @ w[0] + w[1])]
    [(2, 3), (3,)]
    """
    return list(named_params(*objects).values())


def named_params(*objects: Any, **named: Any) -> dict[str, Param]:
    """{path: Param} in order of first use; a path reads as in the user's code, `w[0]` or `model.w[2]`.

    Parameters:
      *objects: what `params` looks into.
      **named: likewise; their names stand in front of their paths.
    Returns: a dict; a Param that is found twice has its first path.

    >>> import knetpy as kn
    >>> w = {"in": kn.param(2, 3), "out": kn.param(3, 1)}
    >>> list(kn.named_params(w))
    ["['in']", "['out']"]
    """
    return Search().over(objects, named)


class Search:
    """One walk over objects and code; names Params, and what else it looks for, by the path that led there first."""

    def __init__(self, *others):
        self.found, self.seen, self.kept = {}, set(), []
        self.others = others  # classes whose instances are looked for as well

    def over(self, objects, named):
        for path, x in (*[("", x) for x in objects], *named.items()):
            self.visit(x, path, "")
        return self.found

    def visit(self, x, path, owner):
        if isinstance(x, Param):
            if x.uid not in self.seen:
                self.seen.add(x.uid)
                self.found[self._free(path, owner)] = x
            return
        if x is None or isinstance(
            x, (str, bytes, int, float, complex, np.ndarray, np.generic, type, types.ModuleType)
        ):
            return
        if -id(x) in self.seen or (isinstance(x, list) and _BARE.issuperset(map(type, x))):  # a long history of losses
            return
        self.seen.add(-id(x))  # serial numbers are positive
        self.kept.append(x)  # an id may not be used again while the walk goes on
        if isinstance(x, self.others):
            self.found[self._free(path, owner)] = x
            return
        nodes = children(x)
        if nodes is None:
            self._object(x, path, owner)
        for step, child in nodes or ():
            self.visit(child, path + step if path else step.removeprefix("."), owner)

    def _made(self, made, path, owner):
        """Visit what a model's function made, each kind with numbers of its own."""
        for kind in (Param, *self.others):
            for n, x in enumerate([x for x in made.values() if isinstance(x, kind)]):
                self.visit(x, f"{path}.{kind.__name__.lower()}[{n}]".removeprefix("."), owner)

    def _free(self, path, owner):
        """`path`, made different from those already taken by the function it was found in, or a number."""
        longer = f"{owner}.{path}" if owner else path
        names = itertools.chain((path or "param", longer), (f"{longer}#{n}" for n in itertools.count(2)))
        return next(name for name in names if name and name not in self.found)

    def _object(self, x, path, owner):
        if isinstance(x, model):
            self._made(x.made, x.__name__, owner)
            self.visit(x.function, path, owner)
        elif isinstance(x, functools.partial):
            for part in (x.func, x.args, x.keywords):
                self.visit(part, path, owner)
        elif isinstance(x, types.MethodType):
            self.visit(x.__self__, path, owner)
            self.visit(x.__func__, path, owner)
        elif isinstance(x, types.FunctionType):
            self._function(x)
        else:
            self.visit(getattr(x, "__wrapped__", None), path, owner)  # functools.lru_cache and its kin
            self._attributes(x, path, owner)

    def _attributes(self, x, path, owner):
        if isinstance(x, (set, frozenset, deque, Swept)):
            for n, child in enumerate(x):
                self.visit(child, f"{path}[{n}]", owner)
        if type(x).__module__.partition(".")[0] in _FOREIGN and not isinstance(x, types.SimpleNamespace):
            return
        slots = [n for kind in type(x).__mro__ for n in _names(getattr(kind, "__slots__", ())) if hasattr(x, n)]
        held = {**{n: getattr(x, n) for n in slots}, **getattr(x, "__dict__", {})}
        for kind in reversed(type(x).__mro__):  # params of the class itself
            held |= {n: c for n, c in vars(kind).items() if isinstance(c, (Param, list, tuple, dict)) and n not in held}
        for method, made in held.pop(MADE, {}).items():
            self._made(made, f"{path}.{method}", owner)
        for name, child in held.items():
            self.visit(child, f"{path}.{name}" if path else name, owner)
        method = type(x).__dict__.get("__call__")
        if isinstance(method, (types.FunctionType, model)):
            self.visit(getattr(method, "function", method), path, owner)

    def _function(self, f):
        self.visit(getattr(f, "__wrapped__", None), "", f.__name__)  # grad(f), checkpoint(f)
        if f.__code__.co_filename.startswith(PACKAGE) or (f.__module__ or "").partition(".")[0] in _LIBRARIES:
            return
        cells = dict(zip(f.__code__.co_freevars, f.__closure__ or ()))
        for name in _loads(f.__code__):
            if name in cells:
                self._cell(cells[name], name, f.__name__)
            elif name in f.__globals__:
                self.visit(f.__globals__[name], name, f.__name__)
        defaults = f.__code__.co_varnames[: f.__code__.co_argcount][-len(f.__defaults__ or ()) or 1 :]
        for name, x in [*zip(defaults, f.__defaults__ or ()), *(f.__kwdefaults__ or {}).items()]:
            self.visit(x, name, f.__name__)

    def _cell(self, cell, name, owner):
        try:
            self.visit(cell.cell_contents, name, owner)
        except ValueError:
            pass  # not filled yet: a function that is still being defined


_BARE = frozenset((int, float, bool, str, type(None), np.float32, np.float64))
_FOREIGN = frozenset((*sys.stdlib_module_names, "numpy", "cupy", "numba", "scipy", "matplotlib", "pandas"))
_FOREIGN -= {"__main__"}
_LIBRARIES = _FOREIGN - {"builtins"}  # which is where functions made by exec say that they come from


def _names(slots):
    return (slots,) if isinstance(slots, str) else slots


@functools.lru_cache(maxsize=1024)
def _loads(code):
    """Names of globals and closure variables in the order in which the code, lambdas inside included, loads them."""
    names = []
    for instruction in dis.get_instructions(code):
        if instruction.opname in (
            "LOAD_GLOBAL",
            "LOAD_NAME",
            "LOAD_DEREF",
            "LOAD_CLASSDEREF",
            "LOAD_FROM_DICT_OR_DEREF",
        ):
            names.append(instruction.argval)
        elif isinstance(instruction.argval, types.CodeType):
            names.extend(_loads(instruction.argval))
    return [name for name in dict.fromkeys(names) if name not in code.co_cellvars]  # those are its own variables


def label(p, *objects):
    """How the user knows a Param: by its path in the objects if it has one, with its shape."""
    for path, found in named_params(*objects).items():
        if found is p:
            return f"param {path} of shape {p.shape}"
    return f"a param of shape {p.shape}"
