"""Streams, the capture of what is done on them, and graphs, for the double of CuPy.

What is done while a stream captures is written down, and done at each launch on the same memory. The capture itself
leaves no numbers: what was there before comes back, what it made is poison. Wrong uses that a device would notice late,
or never, raise here: memory that was given back, copies from host memory that has changed by the time of a launch.
"""

import threading
import weakref
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np


class CUDARuntimeError(RuntimeError):
    """What the driver complains of."""

    __module__ = "cupy_backends.cuda.api.runtime"


_thread = threading.local()


def _streams():
    if not hasattr(_thread, "streams"):
        _thread.streams, _thread.pools = [Stream.null], [None]
    return _thread.streams


def current_stream():
    return _streams()[-1]


def current():
    """The capture that is under way on the current stream, or None."""
    return _streams()[-1].capture


def roots(arrays):
    """The arrays of NumPy's that own the memory of these, by id."""
    found = {}
    for a in arrays:
        while isinstance(a.base, np.ndarray):
            a = a.base
        found[id(a)] = a
    return found


class Capture:
    def __init__(self):
        self.nodes, self.broken, self.loose = [], "", []
        self.before, self.fresh, self.pools = {}, {}, []

    def allocated(self, array):
        """A new array of NumPy's has been made for one of ours."""
        pool = _thread.pools[-1]
        self.fresh[id(array)] = array
        if pool is None:
            self.loose.append(array)
        else:
            self.pools.append(weakref.ref(pool))

    def touch(self, arrays):
        """Remember what is in memory that is about to be used, and may be written."""
        for key, array in roots(arrays).items():
            if key not in self.fresh:
                self.before.setdefault(key, (array, array.copy()))

    def restore(self):
        for array, content in self.before.values():
            writable, array.flags.writeable = array.flags.writeable, True
            array[...] = content
            array.flags.writeable = writable
        for array in self.fresh.values():
            array.view(np.ndarray).reshape(-1, order="A").view(np.uint8)[...] = 0xFF


def wait():
    """Called where the host waits for the device."""
    capture = current()
    if capture:
        capture.broken = "cudaErrorStreamCaptureInvalidated: operation failed due to a previous error during capture"
        raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing")


def unsupported(library):
    if current():
        raise NotImplementedError(f"calling {library} API during stream capture is currently unsupported")


def upload(size):
    """Called where CuPy copies from the host's memory by way of pinned memory."""
    if size:
        _pinned.allocator(size)
        assert not current(), "a copy is captured whose pinned memory will hold something else by the time of a launch"


_pinned = SimpleNamespace(allocator=lambda size: None)


def set_pinned_memory_allocator(allocator=None):
    _pinned.allocator = allocator or (lambda size: None)


class Graph:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("currently this class cannot be initiated by the user")

    @classmethod
    def _of(cls, capture, owners):
        self = cls.__new__(cls)
        self.capture, self.owners = capture, owners
        return self

    def launch(self, stream=None):
        assert not current(), "a graph inside of a graph"
        held = self.capture
        for pool in held.pools:
            assert pool() is not None, "the pool of a graph's memory is gone"
        used = [*[array for array, _ in held.before.values()], *held.loose]
        for array in [array for array in used if array.nbytes]:
            assert self.owners.get(id(array)) is not None, "a graph uses memory that was given back"
        with np.errstate(all="ignore"):
            for node in held.nodes:
                node()


class Stream:
    ptr = 1

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.capture, self.non_blocking = None, non_blocking
        self.ptr = 0 if null else id(self)

    def __enter__(self):
        _streams().append(self)
        return self

    def __exit__(self, *exc):
        _streams().pop()

    def use(self):
        _streams()[-1] = self
        return self

    def synchronize(self):
        wait()

    def record(self, event=None):
        return event or Event()

    def wait_event(self, event):
        pass

    def is_capturing(self):
        return self.capture is not None

    def begin_capture(self, mode=None):
        if self.ptr in (0, 1):
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if self.capture:
            raise CUDARuntimeError("cudaErrorIllegalState: the operation cannot be performed in the present state")
        self.capture = Capture()

    def end_capture(self):
        from . import fakecupy

        if self.capture is None:
            raise CUDARuntimeError("cudaErrorIllegalState: the operation cannot be performed in the present state")
        capture, self.capture = self.capture, None
        capture.restore()
        if capture.broken:
            raise CUDARuntimeError(capture.broken)
        return Graph._of(capture, fakecupy._owners)


Stream.null = Stream(null=True)


class Event:
    def __init__(self, block=False, disable_timing=False, interprocess=False):
        pass

    done = True

    def record(self, stream=None):
        pass

    def synchronize(self):
        wait()


class MemoryPool:
    def __init__(self, allocator=None):
        pass

    def malloc(self, size):
        return None

    def used_bytes(self):
        return 0

    total_bytes = free_bytes = used_bytes

    def free_all_blocks(self, stream=None):
        pass


@contextmanager
def using_allocator(allocator=None):
    _streams()
    _thread.pools.append(getattr(allocator, "__self__", None))
    try:
        yield
    finally:
        _thread.pools.pop()
