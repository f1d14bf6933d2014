"""Journals: what a computation that runs again must be given again, such as its random numbers.

The journal in use lives in a `ContextVar`, so every thread and every asyncio task has its own. This module imports
nothing of knetpy: any other module may ask it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

_journal: ContextVar[_Pass | None] = ContextVar("knetpy_journal", default=None)


def recall(make: Callable[[], T]) -> T:
    """Return `make()`, or, in a computation that runs again, what it returned the first time.

    For everything that a second run of the same function must see again and that is not a function of its
    arguments: random positions, params made on the way. `make` may itself call `recall`.

    >>> from knetpy.journal import Journal, recall
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

    @contextmanager
    def retrying(self) -> Iterator[None]:
        """As `replaying`, where the first run came to nothing: side effects are made now, and a `recall` that finds
        nothing more goes on as it would have.
        """
        with _passing(_Retry(self._entries, _journal.get())):
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


class _Retry:
    def __init__(self, entries: list[Any], outer: _Pass | None):
        self.entries, self.outer = iter(list(entries)), outer
        self.again: bool = outer is not None and outer.again

    def recall(self, make: Callable[[], T]) -> T:
        for entry in self.entries:
            return entry
        return make() if self.outer is None else self.outer.recall(make)


_Pass = _Recording | _Replay | _Retry


@contextmanager
def _passing(current: _Pass | None) -> Iterator[None]:
    token = _journal.set(current)
    try:
        yield
    finally:
        _journal.reset(token)
