"""Compile kernels with Numba, keep them on disk, launch them on threads.

Numba's `cache=True` never hits for a function made by a factory that closes over an intrinsic or another
kernel (their pickles differ in every process), serves stale code when a callee in another file has changed,
and lets two processes that compile at the same time mix up their files. Here one folder, named by a hash of
every kernel source and of the versions, holds them all: one file for each function, types of arguments and
CPU.
"""

from __future__ import annotations

import inspect
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Lock, Timer
from time import perf_counter
from typing import Any

import numba
import numpy as np
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.event import Event, Listener, register
from numba.core.serialize import dumps

from knetpy import settings

config: Any = numba.config

PATIENCE = 2.0  # seconds of compiling after which the wait is explained


def jit(key: str = "", *, parallel: bool = False, **options: Any) -> Callable[[Callable], Any]:
    """Decorate a kernel: `numba.njit` with the cache and the clock of this module.

    key: what a factory made this function for ("8x2-float32"): functions of one name must differ in it.
    parallel: loops over `prange` run on `settings.threads()` threads; only for kernels called from Python.
    options: Numba's. Unless they say otherwise, division by zero gives inf or NaN, and of all fast math only
        contraction (a*b + c rounded once) is allowed.
    """
    options = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True, **options}

    def decorate(function: Callable) -> Any:
        return Threaded(function, key, options) if parallel else _compiled(function, key, options)

    return decorate


def _compiled(function: Callable, key: str, options: dict[str, Any]) -> Dispatcher:
    dispatcher = numba.njit(**options)(function)
    if folder() is not None:
        dispatcher._cache = _Cache(f"{function.__module__}.{function.__qualname__}-{key}")
    clock.seconds[dispatcher] = 0.0
    return dispatcher


# -------------------------------------------------------------------------------------------------- threads

_forked = False  # OpenMP's threads do not survive a fork, and it aborts the child that tries to use them
_turn = Lock()


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Threaded:
    """A kernel with a parallel loop; `serial` is the same kernel for one thread and for life after a fork."""

    def __init__(self, function: Callable, key: str, options: dict[str, Any]):
        self.__name__ = function.__name__
        self.serial = _compiled(function, f"{key}-serial", options)
        self.threaded = _compiled(function, f"{key}-threaded", {**options, "parallel": True})

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
def folder() -> Path | None:
    """Return where compiled kernels are kept, or None if nothing can be written there."""
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.rglob("*.py")))
    versions = f"{numba.__version__} {np.__version__} {sys.version}".encode()
    try:
        root = os.environ.get("KNETPY_CACHE_DIR") or Path.home() / ".cache" / "knetpy"
        place = Path(root) / sha256(versions + sources).hexdigest()[:16]
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return place
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None


class _Cache(NullCache):
    """What a dispatcher asks before it compiles, and tells after."""

    def __init__(self, name: str):
        self.name = name

    def _path(self, types: tuple, target: Any) -> Path:
        key = sha256(repr((self.name, types, target.codegen().magic_tuple())).encode()).hexdigest()
        return folder() / f"{key[:32]}.kernel"  # type: ignore[operator]  # there is one, or this would not exist

    def load_overload(self, types: tuple, target: Any) -> CompileResult | None:
        target.refresh()
        try:
            return CompileResult._rebuild(target, *pickle.loads(self._path(types, target).read_bytes()))
        except Exception:  # not there, or damaged: it is compiled again and written over
            return None

    def save_overload(self, types: tuple, result: Any) -> None:
        if result.library.has_dynamic_globals:
            return  # addresses of this process
        path = self._path(types, result.target_context)
        with suppress(OSError), tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(dumps(result._reduce()))
            file.close()
            os.replace(file.name, path)  # at once: nobody reads half a file


# ---------------------------------------------------------------------------------------------------- clock


class _Clock(Listener):
    """Counts the seconds that each kernel spends compiling, without those of the kernels that it calls.

    Numba compiles under a lock, so that one stack serves all threads.
    """

    def __init__(self) -> None:
        self.seconds: dict[Dispatcher, float] = {}
        self._running: list[Dispatcher] = []
        self._since = 0.0
        self._timer: Timer | None = None
        self._patient = True

    @property
    def total(self) -> float:
        return sum(list(self.seconds.values()))

    def on_start(self, event: Event) -> None:
        kernel = event.data["dispatcher"]
        if kernel in self.seconds:
            self._lap()
            self._running.append(kernel)
            if self._patient and self._timer is None:
                self._timer = Timer(max(0.0, PATIENCE - self.total), self._explain)
                self._timer.daemon = True
                self._timer.start()

    def on_end(self, event: Event) -> None:
        if event.data["dispatcher"] in self.seconds:
            self._lap()
            self._running.pop()
            if self._timer is not None and not self._running:
                self._timer.cancel()
                self._timer = None

    def _lap(self) -> None:
        now = perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def _explain(self) -> None:
        self._patient = False
        kept = folder()
        then = f"kept in {kept}" if kept else "KNETPY_CACHE_DIR can name a folder to keep them in"
        print(f"knetpy: compiling kernels, once: {then}", file=sys.stderr)


clock = _Clock()
register("numba:compile", clock)


def state(launcher: Callable) -> tuple[str, float]:
    """Return the state of the kernels that a launcher uses and the seconds spent compiling, for status()."""
    kernels = set(_used(launcher, set()))
    seconds = sum(clock.seconds[kernel] for kernel in kernels)
    hits = any(kernel.stats.cache_hits for kernel in kernels)
    states = ["compiled"] if seconds else ["cached"] if hits else []
    declined = getattr(launcher, "declined", None)
    if declined:
        states.append(f"reference for {', '.join(sorted(declined))}")
    return "; ".join(states) or "not compiled", seconds


def _used(thing: Any, seen: set) -> Iterator[Dispatcher]:
    """Yield the kernels that the code of a launcher or kernel names, theirs, and the kernel itself."""
    if not str(getattr(thing, "__module__", "")).startswith(__package__) or thing in seen:
        return
    seen.add(thing)
    if isinstance(thing, Threaded):
        yield from _used(thing.serial, seen)
        yield from _used(thing.threaded, seen)
    if isinstance(thing, Dispatcher):
        yield thing
    function = inspect.unwrap(getattr(thing, "py_func", thing))
    if inspect.isfunction(function):
        for name in function.__code__.co_names:
            yield from _used(function.__globals__.get(name), seen)
