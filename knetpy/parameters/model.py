"""`model`: a function that makes its params inside and remembers them."""

import functools
import os
import sys
import threading
import types
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ..core.errors import PACKAGE, ShapeError, place, warn
from ..core.trace import active
from ..core.value import Displayed
from ..journal import recall

_call: ContextVar = ContextVar("model call", default=None)


class model(Displayed):
    """Let a function make its params inside: `@kn.model` remembers them from call to call.

    A param is known by the chain of call sites from the function to `param`, and by how often that chain was gone
    through before in this call. New ones may appear at any call; another shape at the same place raises. Models inside
    own their params; calling one model twice shares them. On a method, each instance has its own. `kn.params(f)` finds
    them. `kn.Moments` made inside are remembered in the same way.

    Parameters:
      function: any function or method.

    >>> import numpy as np, knetpy as kn
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
        call: tuple = (self, {}, set(), _call.get())
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
        bound.made = owner.__dict__.setdefault(MADE, {}).setdefault(self.__name__, {})
        return bound

    def __repr__(self):
        n = len(self.made)
        return f"<model {self.__name__} with {n} param{'s' * (n != 1)} of its own>"


MADE = "_params_made"  # where an instance keeps what its methods made: {method: {place: Param}}


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


def remembered(make, shape=None, name="param", kind="Param"):
    """`make()` at its first visit in a model call, what it made then at later ones; outside of models just `make()`.

    What was made must have this shape, unless that is None; `name` and `kind` are what messages call it.
    """
    call = _call.get()
    if call is None:
        if any(trace.derives for trace in active()):
            warn(
                f"{name} inside a function being differentiated makes new {kind} at every call; write @kn.model above "
                f"the function, or make the {kind} outside"
            )
        return make()
    owner, visits, *_ = call
    chain = _call_sites()
    visits[chain] = nth = visits.get(chain, 0) + 1
    with _making:  # two threads at their first call must get the same
        found = owner.made.get((chain, nth))
        if found is None:
            found = owner.made[chain, nth] = make()
    if shape is not None and found.shape != shape:
        raise ShapeError(
            f"{owner!r}: param at {place(*chain[0])} had shape {found.shape} before and has {shape} now; "
            "a param's place in the code and visit fix its shape"
        )
    return found


def constructed(layer: Any, name: str) -> None:
    """A layer was constructed that will make its params at its first call; see `made_inside`."""
    call = _call.get()
    if call is not None:
        call[2].add(id(layer))
    elif any(trace.derives for trace in active()):
        warn(
            f"{name} inside a function being differentiated makes new Param at every call; write @kn.model above "
            "the function, or make the layer outside"
        )


def made_inside(layer: Any) -> bool:
    """Whether a layer was constructed in the model call that runs, or in one around it, which remembers its params.

    A layer from outside lives longer than the call, so that no layer from inside has its id.
    """
    call = _call.get()
    while call is not None and id(layer) not in call[2]:
        call = call[3]
    return call is not None


_OURS = (*[PACKAGE + name + os.sep for name in ("core", "parameters", "transforms")], recall.__code__.co_filename)
_making = threading.RLock()


def _call_sites():
    """(code, instruction) of each frame from the caller of `param` out to the innermost model call."""
    frame, sites = sys._getframe(1), []
    while frame is not None and frame.f_code not in (model.__call__.__code__, _in_call.__code__):
        if not frame.f_code.co_filename.startswith(_OURS):  # what of our own lies between differs from run to run
            sites.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(sites)
