"""Compile kernels with Numba and keep them on disk.

Numba's `cache=True` never hits for a function made by a factory that closes over an intrinsic or another
kernel (their pickles differ in every process), serves stale code when a callee in another file has changed,
and lets two processes that compile at the same time mix up their files. Here one folder, named by a hash of
every kernel source and of the versions, holds them all: one file for each function, types of arguments and
CPU.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Timer
from time import perf_counter
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.event import Event, Listener, register
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from knetpy.kernels.dispatch import caller

PATIENCE = 2.0  # seconds of compiling after which the wait is explained


# Division by zero gives inf or NaN, and of all fast math only contraction (a*b + c rounded once) is allowed.
OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract"},
    "nogil": True,
    "no_cfunc_wrapper": True,
}


def jit(key: str = "", **options: Any) -> Callable[[Callable], Any]:
    """Decorate a kernel that other kernels call: `numba.njit` with the cache and the clock of this module.

    It has no wrapper for calls from Python before there is one: that takes half of the time that a small one takes.
    For kernels that threads share see `threads.py`.

    key: what a factory made this function for ("8x2-float32"): functions of one name must differ in it.
    options: Numba's, instead of those in OPTIONS.
    """
    return lambda function: _inner(function, f"{name_of(function)}-{key}", {**OPTIONS, **options})


def name_of(function: Callable) -> str:
    """What the cache calls a function that no factory made."""
    return f"{function.__module__}.{function.__qualname__}"


def compiled(function: Callable, name: str, options: dict[str, Any]) -> Any:
    """Numba's dispatcher of a function, with the cache, under that name, and the clock of this module."""
    dispatcher = numba.njit(**options)(function)
    dispatcher._cache = _Cache(name)
    clock.kernels.add(dispatcher)
    return dispatcher


def _inner(function: Callable, name: str, options: dict[str, Any]) -> Any:
    """A kernel that other kernels call, without the wrapper for Python. If Python calls it, it gets one."""
    dispatcher = compiled(function, name, {**options, "no_cpython_wrapper": True})
    outer = cache(lambda: compiled(function, f"{name}-outer", options))

    def add_overload(result: Any) -> None:  # for kernels; what serves calls from Python must not know of it
        dispatcher.overloads[tuple(result.signature.args)] = result

    def compile_for_args(*args: Any) -> Any:  # asked at a call from Python with types that it does not know
        entry = outer()._compile_for_args(*args)
        for result in list(outer().overloads.values()):
            if result.entry_point is entry:
                Dispatcher.add_overload(dispatcher, result)
        return entry

    dispatcher.add_overload, dispatcher._compile_for_args = add_overload, compile_for_args
    return dispatcher


# ---------------------------------------------------------------------------------------------------- cache


@cache
def folder() -> Path:
    """Return where compiled kernels are kept; OSError if there is no such place."""
    here = Path(__file__).parent
    sources = [*sorted(here.rglob("*.py")), here.parents[1] / "__init__.py"]  # the last has the package's version
    versions = f"{numba.__version__} {llvmlite.__version__} {np.__version__} {sys.version}".encode()
    stamp = sha256(versions + b"".join([path.read_bytes() for path in sources]))  # from a zip file they cannot be read
    place = _root() / stamp.hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    return place


def _root() -> Path:
    """The folder that the user named, or that is usual for such things."""
    try:
        return Path(os.environ.get("KNETPY_CACHE_DIR") or "~/.cache/knetpy").expanduser()
    except RuntimeError as homeless:
        raise OSError(str(homeless)) from None


@cache
def tell(line: str) -> None:
    """Write a line for the user, once."""
    print(f"knetpy: {line}", file=sys.stderr)


class _Cache(NullCache):
    """What a dispatcher asks before it compiles, and tells after."""

    def __init__(self, name: str):
        self.name = name

    def _path(self, types: tuple, target: Any) -> Path:
        key = sha256(repr((self.name, types, target.codegen().magic_tuple())).encode()).hexdigest()
        return folder() / f"{key[:32]}.kernel"

    def load_overload(self, types: tuple, target: Any) -> CompileResult | None:
        rtsys.initialize(target)  # all that code without its types needs of what takes long to import
        try:
            found = CompileResult._rebuild(target, *pickle.loads(self._path(types, target).read_bytes()))
        except Exception:  # not there, or damaged: it is compiled again and written over
            return None
        clock.loaded.add(caller())
        return found

    def save_overload(self, types: tuple, result: Any) -> None:
        if result.library.has_dynamic_globals:
            return  # addresses of this process
        try:
            path = self._path(types, result.target_context)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(dumps(result._reduce()))
                file.close()
                os.replace(file.name, path)  # at once: nobody reads half a file
        except OSError as failure:
            tell(
                f"compiled kernels cannot be kept{_in_root()} ({failure.strerror or failure}), so every process "
                "compiles them; KNETPY_CACHE_DIR can name another folder"
            )


def _in_root() -> str:
    with suppress(OSError):  # there is no home
        return f" in {_root()}"
    return ""


# ---------------------------------------------------------------------------------------------------- clock


class _Clock(Listener):
    """Counts the seconds that each function of `dispatch` spends compiling kernels.

    Numba compiles under a lock, so that one count of what is under way serves all threads.
    """

    def __init__(self) -> None:
        self.kernels: set[Dispatcher] = set()  # ours, not the user's
        self.seconds: defaultdict[str, float] = defaultdict(float)  # by "family.name", "" for calls from elsewhere
        self.loaded: set[str] = set()  # those that loaded a kernel from the cache
        self._running = 0
        self._since = 0.0
        self._collects = False
        self._timer: Timer | None = None
        self._patient = True

    @property
    def total(self) -> float:
        return sum(list(self.seconds.values()))

    def on_start(self, event: Event) -> None:
        if event.data["dispatcher"] in self.kernels:
            self._running += 1
            if self._running == 1:
                self._since, self._collects = perf_counter(), gc.isenabled()
                gc.disable()  # compiling makes many objects; to go through them all takes a tenth of the time
                if self._patient:
                    self._timer = Timer(max(0.0, PATIENCE - self.total), self._explain)
                    self._timer.daemon = True
                    self._timer.start()

    def on_end(self, event: Event) -> None:
        if event.data["dispatcher"] in self.kernels:
            self._running -= 1
            if not self._running:
                self.seconds[caller()] += perf_counter() - self._since
                if self._collects:
                    gc.enable()
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None

    def _explain(self) -> None:
        self._patient = False
        kept = ""
        with suppress(OSError):
            kept = f", once: kept in {folder()}" if os.access(folder(), os.W_OK) else ""
        tell(f"compiling kernels{kept}")


clock = _Clock()
register("numba:compile", clock)
