"""Memory for NumPy's arrays that ends where they end: who goes on dies. Fresh it holds NaN, freed it is gone."""

import ctypes
import mmap
from contextlib import contextmanager

import numpy as np

Pointer, Size = ctypes.c_void_p, ctypes.c_size_t
PAGE = mmap.PAGESIZE
NOTHING, READ, WRITE = 0, 1, 3  # what mprotect allows
SET_HANDLER = 304  # its number in NumPy's C API


class Handler(ctypes.Structure):
    """PyDataMem_Handler of NumPy's C API: where the memory of arrays comes from."""

    _fields_ = [
        *(("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("ctx", Pointer)),
        ("malloc", ctypes.CFUNCTYPE(Pointer, Pointer, Size)),
        ("calloc", ctypes.CFUNCTYPE(Pointer, Pointer, Size, Size)),
        ("realloc", ctypes.CFUNCTYPE(Pointer, Pointer, Pointer, Size)),
        ("free", ctypes.CFUNCTYPE(None, Pointer, Pointer, Size)),
    ]


class Memory:
    """Arrays that lie at the begin or at the end of pages of their own, with a page beyond that must not be touched."""

    def __init__(self, side):
        self.side, self.rooms = side, {}
        self.libc, api = ctypes.CDLL(None, use_errno=True), ctypes.pythonapi
        self.libc.mmap.restype = api.PyCapsule_GetPointer.restype = Pointer
        self.libc.mmap.argtypes = [Pointer, Size, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
        self.libc.mprotect.argtypes, self.libc.munmap.argtypes = [Pointer, Size, ctypes.c_int], [Pointer, Size]
        functions = dict(Handler._fields_)
        mine = [functions[name](getattr(self, name)) for name in ("malloc", "calloc", "realloc", "free")]
        self.handler = Handler(b"guarded", 1, None, *mine)
        api.PyCapsule_New.restype, api.PyCapsule_New.argtypes = ctypes.py_object, [Pointer, ctypes.c_char_p, Pointer]
        self.capsule = api.PyCapsule_New(ctypes.addressof(self.handler), b"mem_handler", None)
        api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        table = api.PyCapsule_GetPointer(np._core._multiarray_umath._ARRAY_API, None)
        table = ctypes.cast(table, ctypes.POINTER(Pointer))
        self.serve = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])

    def malloc(self, _, size):
        room = max(1, -(-size // PAGE)) * PAGE
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        first = self.libc.mmap(None, room + 2 * PAGE, NOTHING, flags, -1, 0) + PAGE
        self.libc.mprotect(first, room, WRITE)
        at = first + room - size if self.side == "end" else first
        ctypes.memset(at, 0xFF, size)
        self.rooms[at] = first, room
        return at

    def calloc(self, _, count, size):
        at = self.malloc(_, count * size)
        return ctypes.memset(at, 0, count * size)

    def realloc(self, _, at, size):
        new = self.malloc(_, size)
        first, room = self.rooms[at]
        ctypes.memmove(new, at, min(size, first + room - at))
        self.free(_, at, 0)
        return new

    def free(self, _, at, size):
        first, room = self.rooms.pop(at)
        self.libc.munmap(first - PAGE, room + 2 * PAGE)

    @contextmanager
    def used(self):
        """In this block NumPy's arrays lie here."""
        before = self.serve(self.capsule)
        yield
        self.serve(before)

    def locked(self, x):
        """A copy of x with the same strides, without memory around it, that nobody can write."""
        span = [(n - 1) * stride for n, stride in zip(x.shape, x.strides)]
        low, high = sum(s for s in span if s < 0), sum(s for s in span if s > 0) + x.itemsize
        memory = np.empty(high - low, np.uint8)
        y = np.ndarray(x.shape, x.dtype, memory, -low, x.strides)
        y[...] = x
        first, room = self.rooms[memory.__array_interface__["data"][0]]
        self.libc.mprotect(first, room, READ)
        y.flags.writeable = False
        return y
