"""Making params, finding those that an object or a function uses, and `model`, which remembers those it makes."""

import dis
import functools
import os
import sys
import threading
import types
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..settings import recall
from . import init
from .errors import PACKAGE, DtypeError, ShapeError, place, warn
from .trace import active
from .tree import children
from .value import Param, Result, Swept, bare


def param(*shape_or_array: Any, init: Callable = init.xavier_uniform, dtype: Any = None) -> Param:
    """Make a `Param`: an array whose gradient is wanted.

    Parameters:
      an array: copied, its floating dtype kept; lists and Python numbers become float32.
      or sizes: `param(784, 10)` draws from `init`; `param(5)` is a vector of 5, `param(5.0)` a float32 scalar.
      init: function of the sizes and `dtype=`, by default `xavier_uniform`.
      dtype: a floating dtype; by default the array's, or float32.
    Raises: DtypeError for integers, booleans and complex numbers, with the `.astype` to write.

    >>> import knetpy as kn
    >>> kn.param([[1, 2], [3, 4]]).dtype, kn.param(3, 2).shape
    (dtype('float32'), (3, 2))
    """
    given = shape_or_array
    sizes = bool(given) and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in given)
    if len(given) == 1 and isinstance(given[0], tuple) and _is_shape(given[0]):
        raise TypeError(
            f"param({given[0]}): write param({', '.join(map(str, given[0]))}) for a shape of these sizes, "
            f"or param({list(given[0])}) for these values"
        )
    if not sizes and len(given) != 1:
        raise TypeError("param takes one array, or sizes: param(784, 10)")
    if sizes and any(n < 0 for n in given):
        raise ShapeError(f"param: sizes must not be negative, got {given}")
    if isinstance(given[0], Result):
        raise TypeError("param of a value being differentiated would cut the derivative; write param(kn.value(r))")
    shape = tuple(map(int, given)) if sizes else np.shape(bare(given[0]))
    make = (lambda: _drawn(init, shape, dtype)) if sizes else (lambda: _copied(given[0], dtype))
    return recall(lambda: _remembered(make, shape))


def param0(*shape: int, dtype: Any = None) -> Param:
    """A `Param` of zeros: `param0(10)`; the same as `param(10, init=kn.init.zeros)`.

    >>> import knetpy as kn
    >>> kn.param0(3).value
    array([0., 0., 0.], dtype=float32)
    """
    return param(*shape, init=init.zeros, dtype=dtype)


def _is_shape(x):
    return len(x) > 0 and all(isinstance(n, int) and not isinstance(n, bool) for n in x)


def _drawn(draw, shape, dtype):
    return Param(np.array(draw(*shape, dtype=_floating(dtype or np.float32, "param"))))


def _copied(data, dtype):
    data = bare(data)
    plain = not hasattr(data, "dtype")
    array = np.asarray(data)
    if plain and array.dtype.kind in "iuf":
        array = array.astype(np.float32)
    return Param(np.array(array, dtype=_floating(dtype or array.dtype, "param"), subok=False, order="C"))


def _floating(dtype, what):
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise DtypeError(
            f"{what}: dtype {dtype} has no gradient; write .astype(np.float32) (or another floating dtype)"
        )
    return dtype.newbyteorder("=")


# Params made inside a model -------------------------------------------------------------------------------------

_call: ContextVar = ContextVar("model call", default=None)


class model:
    """Let a function make its params inside: `@kn.model` remembers them from call to call.

    A param is known by the chain of call sites from the function to `param` and by the how-manieth visit of that
    chain in
    this call. New ones may appear at any call; another shape at the same place raises. Models inside own their params;
    calling one model twice shares them. `kn.params(f)` finds them.

    >>> import knetpy as kn
    >>> @kn.model
    ... def f(x):
    ...     return x @ kn.param(3, 2) + kn.param0(2)
    >>> f(np.ones((1, 3), "f4")).shape, len(kn.params(f))
    ((1, 2), 2)
    """

    def __init__(self, function: Callable):
        if not callable(function):
            raise TypeError(f"model needs a function, got {type(function).__name__}")
        self.__name__ = type(function).__name__
        functools.update_wrapper(self, function)
        self.function = function
        self.made: dict = {}  # (call sites, visit) -> Param

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call: tuple = (self, {})
        token = _call.set(call)
        try:
            y = self.function(*args, **kwargs)
        finally:
            _call.reset(token)
        return _in_call(call, y) if isinstance(y, types.GeneratorType) else y

    def __get__(self, owner, kind=None):
        if owner is None:
            return self
        if not hasattr(owner, "__dict__"):
            raise TypeError(f"@kn.model on a method keeps the params in the instance: {kind.__name__} needs a __dict__")
        bound = model(types.MethodType(self.function, owner))
        bound.made = owner.__dict__.setdefault(_MADE, {}).setdefault(self.__name__, {})
        return bound

    def __repr__(self):
        return f"<model {self.__name__} with {len(self.made)} params of its own>"


_MADE = "_params_made"  # where an instance keeps what its methods made: {method: {place: Param}}


def _in_call(call, generator):
    """The generator, each of its steps within the model call that made it."""
    while True:
        token = _call.set(call)
        try:
            y = next(generator)
        except StopIteration as stop:
            return stop.value
        finally:
            _call.reset(token)
        yield y


def _remembered(make, shape):
    call = _call.get()
    if call is None:
        if any(trace.derives for trace in active()):
            warn(
                "param inside a function being differentiated makes a new Param at every call; write @kn.model above "
                "the function, or make the Param outside"
            )
        return make()
    owner, visits = call
    chain = _call_sites()
    visits[chain] = nth = visits.get(chain, 0) + 1
    with _making:  # two threads at their first call must get the same
        found = owner.made.get((chain, nth))
        if found is None:
            found = owner.made[chain, nth] = make()
    if found.shape != shape:
        raise ShapeError(
            f"{owner!r}: param at {place(*chain[0])} had shape {found.shape} before and has {shape} now; "
            "a param's place in the code and visit fix its shape"
        )
    return found


_OURS = (os.path.dirname(__file__) + os.sep, recall.__code__.co_filename)
_making = threading.RLock()


def _call_sites():
    """(code, instruction) of each frame from the caller of `param` out to the innermost model call."""
    frame, sites = sys._getframe(1), []
    while frame is not None and frame.f_code not in (model.__call__.__code__, _in_call.__code__):
        if not frame.f_code.co_filename.startswith(_OURS):  # what of our own lies between differs from run to run
            sites.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(sites)


# Finding params -------------------------------------------------------------------------------------------------


def params(*objects: Any) -> list[Param]:
    """All Params that the objects hold or their code uses, in order of first use, each once.

    Looks into containers, dataclasses, object attributes, bound methods, partials and functions: their closures,
    defaults,
    and the globals and functions that their code loads. Not into modules and classes.

    >>> import knetpy as kn
    >>> w = [kn.param(2, 3), kn.param0(3)]
    >>> [p.shape for p in kn.params(lambda x: x @ w[0] + w[1])]
    [(2, 3), (3,)]
    """
    return list(named_params(*objects).values())


def named_params(*objects: Any, **named: Any) -> dict[str, Param]:
    """{path: Param} in order of first use; a path reads as in the user's code, `w[0]` or `model.w[2]`.

    Objects given by name have that name in front.

    >>> import knetpy as kn
    >>> w = {"in": kn.param(2, 3), "out": kn.param(3, 1)}
    >>> list(kn.named_params(w))
    ["['in']", "['out']"]
    """
    return _Search().over(objects, named)


class _Search:
    """One walk over objects and code; names what it finds by the path that led there first."""

    def __init__(self):
        self.found, self.seen, self.kept = {}, set(), []

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
        if -id(x) in self.seen:
            return
        self.seen.add(-id(x))  # serial numbers are positive
        self.kept.append(x)  # an id may not be used again while the walk goes on
        nodes = children(x)
        if nodes is None:
            self._object(x, path, owner)
        for step, child in nodes or ():
            self.visit(child, path + step if path else step.removeprefix("."), owner)

    def _free(self, path, owner):
        """`path`, made different from those already taken by the function it was found in, or a number."""
        names = [path or "param", f"{owner}.{path}" if owner else path]
        names += [f"{names[-1]}#{n}" for n in range(2, len(self.found) + 3)]
        return next(name for name in names if name and name not in self.found)

    def _object(self, x, path, owner):
        if isinstance(x, model):
            for n, p in enumerate(x.made.values()):
                self.visit(p, f"{x.__name__}.param[{n}]", owner)
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
        for method, made in held.pop(_MADE, {}).items():
            for n, p in enumerate(made.values()):
                self.visit(p, f"{path}.{method}.param[{n}]".removeprefix("."), owner)
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
