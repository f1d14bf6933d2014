"""Batches made ahead, by threads or by spawned processes, in the order in which they were asked for."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..settings import set_threads
from .sources import LoaderError, told


def ahead(
    make: Callable[[Any], Any], tasks: Iterable, workers: int, processes: bool, prefetch: int
) -> Generator[Any, None, None]:
    """`make(task)` of each task in order. Closing it early waits for what runs, and leaves no thread or process."""
    if workers == 0:
        return (make(task) for task in tasks)
    if not processes:
        return _pooled(ThreadPoolExecutor(workers, "knetpy-loader"), make, tasks, prefetch)
    return _pooled(_spawned(make, workers), _work, tasks, prefetch)


def _pooled(pool: Executor, make: Callable[[Any], Any], tasks: Iterable, prefetch: int) -> Generator[Any, None, None]:
    pending: deque = deque()
    try:
        for task in tasks:
            with _ctrl_c_later():
                pending.append(pool.submit(make, task))
            if len(pending) > prefetch:
                yield _result(pending.popleft())
        while pending:
            yield _result(pending.popleft())
    except BrokenExecutor as error:
        raise LoaderError(
            "DataLoader: a worker process ended before its batch was made: it ran out of memory, was killed, or could "
            'not start; a script that uses processes must do its work under `if __name__ == "__main__":`'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Any) -> Any:
    try:
        return future.result()
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


def _spawned(make: Callable[[Any], Any], workers: int) -> Executor:
    """Never forked: a copy of a process whose threads compute may wait for them for ever."""
    import multiprocessing  # only here: it takes a while
    from concurrent.futures import ProcessPoolExecutor

    try:
        pickled = pickle.dumps(make, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise TypeError(
            f"DataLoader: data, prepare and collate cannot be sent to a process: {told(error)}; take functions that "
            "are defined in a file, not lambdas or inner ones, or threads with processes=False"
        ) from error
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (pickled,))


_make: Callable[[Any], Any]  # of a worker process


def _begin(pickled: bytes) -> None:
    global _make
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_threads(1)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        _make = pickle.loads(pickled)
    except Exception as error:
        _make = _Refusal(
            f"DataLoader: a worker process cannot load data, prepare or collate: {told(error)}; functions and classes "
            "must be defined in a file that can be imported, not in a notebook or at a prompt"
        )


def _end_with_the_parent() -> None:
    """A process that is killed tells its workers nothing, and they would wait for work for ever."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Refusal:
    def __init__(self, message: str):
        self.message = message

    def __call__(self, task: Any) -> None:
        raise LoaderError(self.message)


def _work(task: Any) -> Any:
    return _make(task)
