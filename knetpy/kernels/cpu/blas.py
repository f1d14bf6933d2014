"""BLAS held at one thread around our own products.

Its threads go on spinning for a while after a product, and two pools that spin against each other make a kernel of
microseconds take milliseconds (measured: a training step of a small network took 200 ms instead of 80).
"""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from functools import cache
from typing import Any

_guard = threading.Lock()
_users = 0  # how many threads are inside a block; the first sets the limit, the last gives it back
_before: list[int] = []


@cache
def _libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return [c for c in ThreadpoolController().lib_controllers if c.user_api == "blas"]


class one_thread(ContextDecorator):
    """`with one_thread():` or `@one_thread()`: products run on one BLAS thread, and then as before."""

    def __enter__(self) -> None:
        global _users, _before
        with _guard:
            if not _users:
                _before = [library.get_num_threads() for library in _libraries()]
                for library in _libraries():
                    library.set_num_threads(1)
            _users += 1

    def __exit__(self, *exception: object) -> None:
        global _users
        with _guard:
            _users -= 1
            if not _users:
                for library, threads in zip(_libraries(), _before):
                    library.set_num_threads(threads)
