"""Batches made ahead, by threads or by spawned processes, in the order in which they were asked for."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..settings import set_threads
from .sources import LoaderError, told

PATIENCE = 2  # seconds that a worker has to finish a batch after Ctrl-C


def ahead(
    make: Callable[[Any], Any], tasks: Iterable, workers: int, processes: Processes | None, prefetch: int
) -> Generator[Any, None, None]:
    """`make(task)` of each task in order. Closing it early leaves no thread, and no process that works on."""
    if workers == 0:
        yield from map(make, tasks)
    elif processes is None:
        with ThreadPoolExecutor(workers, "knetpy-loader") as pool:
            try:
                yield from _pooled(pool, make, tasks, prefetch, deque())
            finally:
                pool.shutdown(cancel_futures=True)
    else:
        pending: deque = deque()
        with processes.lent(make, workers, pending) as pool:
            yield from _pooled(pool, _work, tasks, prefetch, pending)


def _pooled(
    pool: Executor, make: Callable[[Any], Any], tasks: Iterable, prefetch: int, pending: deque
) -> Generator[Any, None, None]:
    try:
        for task in tasks:
            with _ctrl_c_later():
                pending.append(pool.submit(make, task))
            if len(pending) > prefetch:
                yield _first(pending)
        while pending:
            yield _first(pending)
    except BrokenExecutor as error:
        raise LoaderError(
            "DataLoader: a worker process ended before its batch was made: it ran out of memory, was killed, or could "
            'not start; a script that uses processes must do its work under `if __name__ == "__main__":`'
        ) from error


def _first(pending: deque) -> Any:
    """The result of the first that is pending, which it is until then."""
    try:
        result = pending[0].result()
        pending.popleft()
        return result
    except (LoaderError, BrokenExecutor):
        raise
    except Exception as error:  # what a process could not send back
        raise LoaderError(f"DataLoader: a batch did not come back from its process: {told(error)}") from error


# ------------------------------------------------------------------------------------------------ in processes


@contextmanager
def _ctrl_c_later() -> Generator[None, None, None]:
    """What is started here never sees Ctrl-C, which is for the process that trains; it comes to that one afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Processes:
    """The worker processes of one loader, which wait from one loop over it to the next.

    They end with the loader, with the program, and where a loop failed. A loop has them for itself; another one at the
    same time has processes of its own.
    """

    def __init__(self) -> None:
        self.waiting: Pool | None = None
        _all.add(self)

    def __reduce__(self) -> tuple:
        return Processes, ()  # a copy of a loader has none

    @contextmanager
    def lent(self, make: Callable[[Any], Any], workers: int, pending: deque) -> Generator[Executor, None, None]:
        """Processes that have what `make` is now; new ones if it was another when the last loop began.

        `pending` is what they are asked to do.
        """
        pickled = _pickled(make)
        pool, self.waiting = self.waiting, None
        if pool is not None and not (pickled == pool.pickled and pool.lives()):
            pool.executor.shutdown()
            pool = None
        pool = pool or Pool(pickled, workers)
        try:
            yield pool.executor
        except GeneratorExit:  # the loop was left early, and what is under way is waited for by the next
            for future in pending:
                future.cancel()
            self._keep(pool)
            raise
        except Exception:
            pool.executor.shutdown(cancel_futures=True)
            raise
        except BaseException:
            pool.end(pending)
            raise
        self._keep(pool)

    def _keep(self, pool: Pool) -> None:
        if self.waiting is None:
            self.waiting = pool
        else:
            pool.executor.shutdown()


_all: weakref.WeakSet[Processes] = weakref.WeakSet()
_of_the_parent: list = []


def _forget() -> None:
    """In a copy of this process that somebody forked: the workers are not its own, and are not ended by it."""
    for processes in _all:
        _of_the_parent.append(processes.waiting)
        processes.waiting = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class Pool:
    """Processes that have `pickled`; never forked: a copy of a process whose threads compute may wait for them forever.

    What is written to `stop` ends them, whatever they do. They have both of its ends, so that nothing else does.
    """

    def __init__(self, pickled: bytes, workers: int) -> None:
        import multiprocessing  # only here: it takes a while
        from concurrent.futures import ProcessPoolExecutor

        self.pickled = pickled
        spawn = multiprocessing.get_context("spawn")
        stopped, self.stop = spawn.Pipe(duplex=False)
        self.executor = ProcessPoolExecutor(workers, spawn, _begin, (pickled, stopped, self.stop))

    def lives(self) -> bool:
        """Whether no process of it has ended meanwhile, as far as is known."""
        try:
            with _ctrl_c_later():
                self.executor.submit(int)
        except BrokenExecutor:
            return False
        return True

    def end(self, pending: deque) -> None:
        """End them after Ctrl-C: soon, as one may hang, but not while it may be sending what it has made."""
        until = time.monotonic() + PATIENCE
        self.executor.shutdown(wait=False, cancel_futures=True)
        try:
            while not all(future.done() for future in pending) and time.monotonic() < until:
                time.sleep(0.01)
        finally:  # also when Ctrl-C comes once more
            if not all(future.done() for future in pending):
                self.stop.send_bytes(b"stop")


def _pickled(make: Callable[[Any], Any]) -> bytes:
    try:
        return pickle.dumps(make, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise TypeError(
            f"DataLoader: data, prepare and collate cannot be sent to a process: {told(error)}; take functions that "
            "are defined in a file, not lambdas or inner ones, or threads with processes=False"
        ) from error


_make: Callable[[Any], Any]  # of a worker process


def _begin(pickled: bytes, stopped: Any, stop: Any) -> None:
    global _make
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_threads(1)
    threading.Thread(target=_end_when_stopped, args=(stopped, stop), daemon=True).start()
    try:
        _make = pickle.loads(pickled)
    except Exception as error:
        _make = _Refusal(
            f"DataLoader: a worker process cannot load data, prepare or collate: {told(error)}; functions and classes "
            "must be defined in a file that can be imported, not in a notebook or at a prompt"
        )


def _end_when_stopped(stopped: Any, stop: Any) -> None:
    """End with the parent, too: one that is killed tells its workers nothing, and they would wait for work for ever.

    `stop` is held here, or `stopped` would seem to be written to when the parent lets go of its end.
    """
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel, stopped])
        os._exit(1)


class _Refusal:
    def __init__(self, message: str):
        self.message = message

    def __call__(self, task: Any) -> None:
        raise LoaderError(self.message)


def _work(task: Any) -> Any:
    return _make(task)
