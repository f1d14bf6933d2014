"""Steps on a GPU that are captured as a CUDA graph and launched again: what of such a step depends on the host.

A graph is the launches of a step with the addresses and numbers that they had. A number that is another one each time
is therefore read from memory that is written before each launch (`Numbers`); what the host does beside the launches,
such as counting updates, is done again after each of them.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .devices import cupy, on_gpu

ROOM, APART = 1 << 16, 16  # bytes for all numbers of a graph, and between the beginnings of two groups of them

_capture: ContextVar[Capture | None] = ContextVar("knetpy_capture", default=None)
capture = _capture.get  # what the step under way is captured into; None nearly always
_alike: ContextVar[bool] = ContextVar("knetpy_alike", default=False)
alike = _alike.get  # whether eager steps must compute as captured ones do


class Refused(Exception):
    """A step cannot be captured; its text is the reason."""


class Unready(Refused):
    """A step cannot be captured yet: it makes what only a first step should make, such as the state of an optimizer."""


class Numbers:
    """Numbers for a kernel that are others at each launch of a graph: `first` at the first, then what `ask` gives."""

    def __init__(self, into: Capture, first: tuple, ask: Callable[[], tuple]):
        self.into, self.next, self.ask, self.count = into, first, ask, len(first)
        self.places: dict[np.dtype, slice] = {}

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator:
        raise self.into.refuse("an update of float16 arrays, or of arrays with gaps, has its numbers from the host")

    def array(self, dtype: Any) -> Any:
        """Where they lie on the GPU, in that dtype."""
        dtype = np.dtype(dtype)
        if dtype not in self.places:
            self.places[dtype] = self.into.place(self.count * dtype.itemsize)
        return self.into.there[self.places[dtype]].view(dtype)


class Capture:
    """A step that is captured, then launched again and again.

    Attributes:
      again: what the host does at each launch, after it.
      fixed: functions that say whether the graph still fits: whether arrays are where they were, and settings the same.
    """

    def __init__(self) -> None:
        self.pool, self.graph, self.reason = cupy().cuda.MemoryPool(), None, ""
        self.there, self.here, self.used = cupy().zeros(ROOM, np.uint8), np.zeros(ROOM, np.uint8), 0
        self.numbers: list[Numbers] = []
        self.draws: dict[tuple, Callable[[], tuple]] = {}  # by position: what gives those of further launches
        self.of_draws: dict[tuple, Numbers] = {}
        self.again: list[Callable[[], Any]] = []
        self.fixed: list[Callable[[], bool]] = []
        self.kept: list[Any] = []  # references to what launches were given

    # ------------------------------------------------------------------------ what a step under way tells

    def refuse(self, reason: str) -> Refused:
        """The exception to raise; the reason is remembered, in case that the step catches it."""
        self.reason = self.reason or reason
        return Refused(reason)

    def unready(self, what: str) -> Unready:
        """The same where an eager step is needed once more."""
        self.reason = self.reason or f"each step makes {what} anew"
        return Unready(self.reason)

    def changing(self, first: tuple, ask: Callable[[], tuple]) -> Numbers:
        """Numbers that are `first` at the first launch, and at each further one what `ask()` gives by then."""
        self.numbers.append(Numbers(self, first, ask))
        return self.numbers[-1]

    def drawn(self, position: tuple, ask: Callable[[], tuple]) -> None:
        """Tell of random numbers; a further launch has those of the position that `ask` gives then."""
        self.draws[position] = ask

    def words(self, position: tuple, words_of: Callable[[tuple], tuple]) -> Numbers:
        """The words of the position of random numbers, for the kernel that draws them."""
        if position not in self.of_draws:
            ask = self.draws[position]
            self.of_draws[position] = self.changing(words_of(position), lambda: words_of(ask()))
        return self.of_draws[position]

    def keep(self, arrays: Any) -> None:
        """Tell of arrays that a launch was given: what outlives the step, such as tables, must outlive the graph."""
        self.kept += [weakref.ref(a if a.base is None else a.base) for a in arrays if on_gpu(a)]

    def place(self, size: int) -> slice:
        """Room for so many bytes of numbers."""
        begin, self.used = self.used, self.used + -(-size // APART) * APART
        if self.used > ROOM:
            raise self.refuse("it has more random draws and optimizers' numbers than a graph has room for")
        return slice(begin, begin + size)

    # ------------------------------------------------------------------------------------------ the graph

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """In this block nothing runs on the GPU: the launches are written down."""
        cuda, token = cupy().cuda, _capture.set(self)
        stream = cuda.Stream(non_blocking=True)
        try:
            # Memory of a pool of its own, which nobody else is given while the graph lives.
            with _no_copies(self), cuda.using_allocator(self.pool.malloc), stream:
                stream.begin_capture()
                try:
                    yield
                except BaseException:
                    self._end(stream)
                    raise
                self.graph = self._end(stream, failing=True)
        finally:
            _capture.reset(token)
        self.kept = [array for array in [reference() for reference in self.kept] if array is not None]
        if len(self.of_draws) < len(self.draws):
            raise self.refuse("it has random numbers that are drawn on the host, as kn.random's are")
        if self.reason:
            raise Refused(self.reason)

    def _end(self, stream: Any, failing: bool = False) -> Any:
        try:
            return stream.end_capture()
        except cupy().cuda.runtime.CUDARuntimeError as failure:
            if failing:
                raise self.refuse(self.reason or f"CUDA says: {failure}") from failure
            return None  # what invalidated the capture is on its way up

    def fits(self) -> bool:
        """Whether a launch would do what the step would."""
        return all([same() for same in self.fixed])

    def launch(self) -> None:
        """Run the step on the GPU, which is not waited for, and do the host's part of it."""
        for group in self.numbers:
            values, group.next = group.next or group.ask(), ()
            for dtype, place in group.places.items():
                self.here[place].view(dtype)[...] = values
        if self.used:
            self.there[: self.used].set(self.here[: self.used])
        self.graph.launch()  # type: ignore[attr-defined]  # it has been captured
        for do in self.again:
            do()


@contextmanager
def alike_captured() -> Iterator[None]:
    """In this block steps compute as captured ones do, to the bit."""
    token = _alike.set(True)
    try:
        yield
    finally:
        _alike.reset(token)


@contextmanager
def _no_copies(into: Capture) -> Iterator[None]:
    """Refuse copies from the host in this thread.

    CuPy would capture them: from pinned memory that holds something else by the time of a launch.
    """
    cuda, pool, thread = cupy().cuda, cupy().get_default_pinned_memory_pool(), threading.get_ident()

    def allocate(size: int) -> Any:
        if threading.get_ident() == thread:
            raise into.refuse("it copies an array of the host to the GPU; make that once, with kn.gpu(array)")
        return pool.malloc(size)

    cuda.set_pinned_memory_allocator(allocate)
    try:
        yield
    finally:
        cuda.set_pinned_memory_allocator(pool.malloc)
