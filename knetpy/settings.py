"""What holds for the whole program or for the computation under way: threads, training mode, replay.

Everything per computation lives in a `ContextVar`, so every thread and every asyncio task has its own. This
module imports nothing of knetpy: any other module may ask it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, TypeVar, overload

T = TypeVar("T")

# ------------------------------------------------------------------------------------------------- threads

_threads: int | None = None  # None until somebody asks, so that a bad environment variable cannot break the import


def threads() -> int:
    """Number of threads that kernels use, in every Python thread of this process.

    Until `set_threads` is called it is the environment variable `KNETPY_NUM_THREADS`, else the number of CPUs
    that this process may run on.

    Raises `ValueError` if `KNETPY_NUM_THREADS` is set to anything but a whole number of at least 1.

    >>> import knetpy.settings as settings
    >>> settings.threads() >= 1
    True
    """
    if _threads is None:
        set_threads(_default_threads())
    return _threads  # type: ignore[return-value]  # set on the line above


def set_threads(n: int) -> None:
    """Let kernels use `n` threads from now on, in every Python thread. Results do not depend on `n`.

    Raises `TypeError` if `n` is not an integer, `ValueError` if it is less than 1.

    >>> import knetpy.settings as settings
    >>> before = settings.threads()
    >>> settings.set_threads(2)
    >>> settings.threads()
    2
    >>> settings.set_threads(before)
    """
    global _threads
    if isinstance(n, bool) or not hasattr(n, "__index__"):  # __index__: NumPy's integers are as good as Python's
        raise TypeError(f"set_threads: n must be an integer, got {n!r} of type {type(n).__name__}")
    if n.__index__() < 1:
        raise ValueError(f"set_threads: n must be at least 1, got {n}")
    _threads = n.__index__()


def _default_threads() -> int:
    wanted = os.environ.get("KNETPY_NUM_THREADS", "").strip()
    if not wanted:
        # a container or a batch system often grants fewer CPUs than the machine has
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ValueError(f"the environment variable KNETPY_NUM_THREADS must be a whole number from 1, got {wanted!r}")
    return int(wanted)


# ------------------------------------------------------------------------------------------- training mode

_training: ContextVar[bool | None] = ContextVar("knetpy_training", default=None)  # None: nobody has decided
_overridden: ContextVar[tuple | None] = ContextVar("knetpy_overridden", default=None)  # (flag before, the rest)


class _Override:
    """`with training(flag):`. It keeps nothing itself: one object serves nested blocks and many threads."""

    def __init__(self, flag: bool):
        self.flag = flag

    def __repr__(self) -> str:
        return f"training({self.flag}), which holds inside a block: with kn.training({self.flag}): ..."

    def __enter__(self) -> None:
        _overridden.set((_training.get(), _overridden.get()))
        _training.set(self.flag)

    def __exit__(self, *exception: object) -> None:
        before, rest = _overridden.get()  # type: ignore[misc]  # __enter__ has set it
        _training.set(before)
        _overridden.set(rest)


@overload
def training() -> bool: ...
@overload
def training(flag: bool) -> _Override: ...
def training(flag: bool | None = None) -> bool | _Override:
    """Whether the model runs in training mode (dropout drops, batch statistics are used and remembered).

    `training()` is true while `grad`, `value_and_grad`, `tape` or a step of a training loop runs, and false
    everywhere else; of nested transforms the outermost decides. `with training(True):` and `with
    training(False):` override that within the block, in this thread or task only. Such an object may be
    entered again, also nested.

    Raises `TypeError` if `flag` is given and is neither True nor False.

    >>> from knetpy.settings import training
    >>> training()
    False
    >>> with training(True):
    ...     training()
    True
    """
    if flag is None:
        return _training.get() is True
    if not isinstance(flag, bool):
        raise TypeError(f"training: flag must be True or False, got {flag!r}")
    return _Override(flag)


def default_training(flag: bool) -> Token | None:
    """Set training mode unless somebody outside has; give the result to `restore_training`.

    For transforms, which do this on every call: two operations instead of a context manager.
    """
    return _training.set(flag) if _training.get() is None else None


def restore_training(token: Token | None) -> None:
    """Undo `default_training`, in the thread or task that called it."""
    if token is not None:
        _training.reset(token)


# -------------------------------------------------------------------------------------------------- replay

_journal: ContextVar[_Pass | None] = ContextVar("knetpy_journal", default=None)


def recall(make: Callable[[], T]) -> T:
    """Return `make()`, or, in a computation that runs again, what it returned the first time.

    For everything that a second run of the same function must see again and that is not a function of its
    arguments: random positions, params made on the way. `make` may itself call `recall`.

    >>> from knetpy.settings import Journal, recall
    >>> numbers, journal = iter(range(10)), Journal()
    >>> with journal.recording():
    ...     recall(lambda: next(numbers)), recall(lambda: next(numbers))
    (0, 1)
    >>> with journal.replaying():
    ...     recall(lambda: next(numbers)), recall(lambda: next(numbers))
    (0, 1)
    """
    current = _journal.get()
    return make() if current is None else current.recall(make)


def is_replaying() -> bool:
    """Whether this computation has run before, so that its side effects have been made already.

    True also in a recording inside a replay: the outer function's first run has made the inner one's side
    effects.
    """
    current = _journal.get()
    return current is not None and current.again


class Journal:
    """What `recall` returned while a function ran, to be returned again whenever it is run again.

    Journals nest: an inner one that records takes what it writes from the enclosing one, which therefore sees
    everything once, in order, whether it is recording itself or replaying.
    """

    def __init__(self) -> None:
        self._entries: list[Any] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While this is open, `recall` writes down what it returns, after what was written before."""
        with _passing(_Recording(self._entries, _journal.get())):
            yield

    @contextmanager
    def replaying(self) -> Iterator[None]:
        """While this is open, `recall` returns what was written, from the start; many may be open at once.

        Raises `RuntimeError` in the `recall` that finds nothing more: the function did not repeat itself.
        """
        with _passing(_Replay(self._entries)):
            yield


class _Recording:
    def __init__(self, entries: list[Any], outer: _Pass | None):
        self.entries, self.outer = entries, outer
        self.again: bool = outer is not None and outer.again

    def recall(self, make: Callable[[], T]) -> T:
        # `make` runs under no journal: a replay does not call it, so what it recalls must have no entry
        if self.outer is not None:
            result = self.outer.recall(make)
        else:
            with _passing(None):
                result = make()
        self.entries.append(result)
        return result


class _Replay:
    again = True

    def __init__(self, entries: list[Any]):
        self.entries = entries
        self.at = 0  # of this replay only: others of the same journal have their own

    def recall(self, make: Callable[[], T]) -> T:
        if self.at == len(self.entries):
            raise RuntimeError(
                f"the function behaved differently on replay: on its first run it drew random numbers or "
                f"made params {len(self.entries)} times, now more often; it must not depend on anything else "
                f"than its arguments"
            )
        self.at += 1
        return self.entries[self.at - 1]


_Pass = _Recording | _Replay


@contextmanager
def _passing(current: _Pass | None) -> Iterator[None]:
    token = _journal.set(current)
    try:
        yield
    finally:
        _journal.reset(token)
