"""Batches on their way to a GPU: the next one is copied while the one before it is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.errors import explaining_gpu, gpu_is_lost
from ..devices import cupy, native
from ..tree import tree_map

AHEAD = 2  # copies whose pinned memory is kept before the oldest is waited for, which has long been done


def transferred(batches: Iterator[Any]) -> Iterator[Any]:
    """The batches with their arrays on the GPU, copied from pinned memory on a stream of their own, one ahead."""
    stream, failure = cupy().cuda.Stream(non_blocking=True), None
    under_way: deque[tuple[Any, list]] = deque()
    begun: list[tuple[Any, Any, list]] = []
    try:
        while failure is None:
            try:
                begun.append(_begin(next(batches), stream))
            except BaseException as reason:  # the end, or what could not be made: the batch before it comes first
                failure = reason
            if len(begun) == 1 + (failure is None):
                yield _arrived(*begun.pop(0), under_way)
    finally:  # what copies under way read and write is given to others as soon as nobody holds it
        _finish(stream)
    if not isinstance(failure, StopIteration):
        raise failure


def _finish(stream: Any) -> None:
    """Wait for the copies of a stream; a GPU that is lost copies nothing any more, which is told where it is used."""
    try:
        stream.synchronize()
    except cupy().cuda.runtime.CUDARuntimeError as failure:
        if not gpu_is_lost(failure):
            raise


def _begin(batch: Any, stream: Any) -> tuple[Any, Any, list]:
    """(the batch on the GPU, the event of its arrival, the pinned memory that it comes from)."""
    import cupyx

    pinned: list = []

    def copied(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        x = native(x)
        pinned.append(cupyx.empty_pinned(x.shape, x.dtype))
        pinned[-1][...] = x
        there = cupy().empty(x.shape, x.dtype)
        # Its memory may be that of an array which kernels under way still read: the copy waits for these.
        stream.wait_event(cupy().cuda.get_current_stream().record())
        there.set(pinned[-1], stream=stream)
        return there

    with explaining_gpu("DataLoader"):
        there = tree_map(copied, batch)
    return there, stream.record(), pinned


def _arrived(batch: Any, event: Any, pinned: list, under_way: deque[tuple[Any, list]]) -> Any:
    """The batch, before which nothing that is launched from now on may start."""
    cupy().cuda.get_current_stream().wait_event(event)
    under_way.append((event, pinned))
    if len(under_way) > AHEAD:
        under_way[0][0].synchronize()  # pinned memory is written anew as soon as nobody holds it
        under_way.popleft()
    return batch
