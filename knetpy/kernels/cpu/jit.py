"""Compile kernels with Numba, keep them on disk, launch them on threads.

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
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Lock, Timer
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

from knetpy import settings
from knetpy.kernels.dispatch import caller

config: Any = numba.config

PATIENCE = 2.0  # seconds of compiling after which the wait is explained


def jit(key: str = "", *, parallel: bool = False, **options: Any) -> Callable[[Callable], Any]:
    """Decorate a kernel: `numba.njit` with the cache and the clock of this module.

    key: what a factory made this function for ("8x2-float32"): functions of one name must differ in it.
    parallel: loops over `prange` run on `settings.threads()` threads; only for kernels called from Python. The others
        have no wrapper for calls from Python before there is one: it takes half of the time that a small one takes.
    options: Numba's. Unless they say otherwise, division by zero gives inf or NaN, and of all fast math only
        contraction (a*b + c rounded once) is allowed.
    """
    common = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True, "no_cfunc_wrapper": True}
    options = {**common, **options}

    def decorate(function: Callable) -> Any:
        return (Threaded if parallel else _inner)(function, key, options)

    return decorate


def _compiled(function: Callable, key: str, options: dict[str, Any]) -> Any:
    dispatcher = numba.njit(**options)(function)
    dispatcher._cache = _Cache(f"{function.__module__}.{function.__qualname__}-{key}")
    clock.kernels.add(dispatcher)
    return dispatcher


def _inner(function: Callable, key: str, options: dict[str, Any]) -> Any:
    """A kernel that other kernels call, without the wrapper for Python. If Python calls it, it gets one."""
    dispatcher = _compiled(function, key, {**options, "no_cpython_wrapper": True})
    outer = cache(lambda: _compiled(function, f"{key}-outer", options))

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


# -------------------------------------------------------------------------------------------------- threads

_forked = False  # OpenMP's threads do not survive a fork, and it aborts the child that tries to use them
_turn = Lock()


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_all: list[Threaded] = []


def complete() -> None:
    """Compile for threads whatever kernel has been compiled for one thread, and the other way round."""
    for kernel in _all:
        for types in kernel.signatures:
            kernel.serial.compile(types)
            kernel.threaded.compile(types)


class Threaded:
    """A kernel with a parallel loop; `serial` is the same kernel for one thread and for life after a fork."""

    def __init__(self, function: Callable, key: str, options: dict[str, Any]):
        self.__name__ = function.__name__
        self.serial = _compiled(function, f"{key}-serial", options)
        self.threaded = _compiled(function, f"{key}-threaded", {**options, "parallel": True})
        _all.append(self)

    @property
    def signatures(self) -> list[tuple]:
        """The types of arguments compiled for so far."""
        return list({**self.serial.overloads, **self.threaded.overloads})

    def __call__(self, *args: Any) -> Any:
        threads = 1 if _forked else min(settings.threads(), config.NUMBA_NUM_THREADS)
        if threads == 1:
            return self.serial(*args)
        with _team():
            users = numba.get_num_threads()  # per Python thread, and the user's own kernels go by it
            if users == threads:
                return self.threaded(*args)
            numba.set_num_threads(threads)
            try:
                return self.threaded(*args)
            finally:
                numba.set_num_threads(users)


@cache
def _team() -> AbstractContextManager:
    """Start Numba's threads and return what to hold during a launch: its own pool serves one caller only."""
    if config.THREADING_LAYER == "default" and "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
        # Numba would try tbb first, which is far slower
        config.THREADING_LAYER_PRIORITY = ["omp", "workqueue", "tbb"]
    numba.get_num_threads()
    return _turn if numba.threading_layer() == "workqueue" else nullcontext()


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
