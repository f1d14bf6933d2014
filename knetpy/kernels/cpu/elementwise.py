"""Loops over elements, in the order in which they lie in memory, in chunks that threads share.

A loop is a function of addresses and counts. LLVM turns it into vector instructions; one driver serves the loops of all
functions and dtypes, and compiling for one more takes a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import prange, types
from numba.extending import intrinsic

from knetpy.kernels.cpu import floats
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.vectors import BITS, call, compiled_address

CHUNK = 1 << 15  # elements that a thread takes at a time; as few are computed without threads
SMALL = 512  # elements: as few go through some steps of NumPy's before a launch is prepared
new = np.empty_like  # tests poison what it returns


class Loops(NamedTuple):
    """A loop for each dtype: it takes the addresses of a, b, y and a table, and how many elements they and it have."""

    single: Any
    double: Any

    def entry(self, dtype: np.dtype) -> int:
        """The address of the code of the loop for that dtype."""
        return _entry(self.single if dtype.char == "f" else self.double)


class Mapping(NamedTuple):
    """The loops of a mapping, and those that write over a: LLVM vectorises such a loop only if it knows that a is y."""

    apart: Loops
    over: Loops


@cache
def _entry(loop: Any) -> int:
    return compiled_address(loop, (types.int64,) * 6)


def _pointer(kind: types.Type) -> Any:
    @intrinsic
    def pointer(typing, address):
        def generate(context, builder, signature, values):
            set.add(builder.function.attributes, f'"prefer-vector-width"="{BITS}"')  # LLVM would stop at 256
            return builder.inttoptr(values[0], context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(address), generate

    return pointer


_POINTERS = {"single": _pointer(types.float32), "double": _pointer(types.float64)}


def loops(make: Callable, *functions: Callable) -> Loops:
    """The loops whose code `make(pointer, *functions)` returns; `pointer` makes addresses point to elements."""
    key = "-".join([f"{f.__module__}.{f.__qualname__}" for f in (make, *functions)])
    return Loops(*[jit(f"{key}-{kind}")(make(pointer, *functions)) for kind, pointer in _POINTERS.items()])


def mapping(f: Callable) -> Mapping:
    """The loops of y = f(a, b)."""
    return Mapping(loops(_mapping, f), loops(_mapping_over, f))


def _mapping(pointer, f):
    def loop(a, b, y, _, count, __):
        a, b, y = pointer(a), pointer(b), pointer(y)
        for i in range(count):
            y[i] = f(a[i], b[i])

    return loop


def _mapping_over(pointer, f):
    def loop(_, b, y, __, count, ___):
        b, y = pointer(b), pointer(y)
        for i in range(count):
            y[i] = f(y[i], b[i])

    return loop


def mapping_at(f: Callable) -> Mapping:
    """The loops of y = f(a, b, p) for parameters p, three numbers."""
    return Mapping(loops(_mapping_at, f), loops(_mapping_at_over, f))


def _mapping_at(pointer, f):
    def loop(a, b, y, table, count, _):
        a, b, y, p = pointer(a), pointer(b), pointer(y), pointer(table)
        p = p[0], p[1], p[2]
        for i in range(count):
            y[i] = f(a[i], b[i], p)

    return loop


def _mapping_at_over(pointer, f):
    def loop(_, b, y, table, count, __):
        b, y, p = pointer(b), pointer(y), pointer(table)
        p = p[0], p[1], p[2]
        for i in range(count):
            y[i] = f(y[i], b[i], p)

    return loop


def served(reference: Callable, mapping: Mapping, quick: int = 1) -> Callable:
    """Return the launcher of a mapping: a function of x and its parameters, or one named `..._dx` of dy, x and them.

    quick: NumPy is sooner ready with fewer than so many times SMALL elements; 0 where it takes many steps.
    """
    operands = 2 if reference.__name__.endswith("_dx") else 1

    @floats(reference)
    def launcher(*args, out=None):
        if args[0].size < quick * SMALL:
            return reference(*args)
        return each(mapping, *args[:operands], at=args[operands:], out=out)

    launcher.__name__ = launcher.__qualname__ = reference.__name__
    launcher.__doc__ = reference.__doc__
    launcher.loops = mapping.apart  # type: ignore[attr-defined]  # what it runs
    return launcher


def each(mapping: Mapping, *operands: np.ndarray, at: tuple = (), out: np.ndarray | None = None) -> np.ndarray:
    """Return what a mapping makes of each element of x, or of each of dy and of x; `at`: its parameters.

    out: None, or dy, if it may be overwritten; it has no gaps.
    """
    x = operands[-1]
    if out is not None and out.strides == x.strides and out.dtype == x.dtype and out.flags.aligned:
        loop, a, b, y = mapping.over, out, x, out
    else:
        loop, y = mapping.apart, new(x, x.dtype.type, subok=False)
        b = laid_as(y, x)
        a = b if len(operands) == 1 else laid_as(y, operands[0])
    launch(loop, a, b, y, np.array((*at, 0, 0)[:3], y.dtype) if at else None)
    return y


def laid_as(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x with its elements in memory as they are in y, which has no gaps; a copy only if it has to be one."""
    if isinstance(x, np.ndarray) and x.shape == y.shape and x.dtype == y.dtype and x.flags.aligned:
        if x.strides == y.strides or x.flags.c_contiguous and y.flags.c_contiguous:
            return x
    copy = np.empty_like(y)
    copy[...] = x
    return copy


def launch(
    loop: Loops, a: np.ndarray, b: np.ndarray, y: np.ndarray, table: Any = None, chunk: int = CHUNK, width: int = 0
) -> None:
    """Run a loop over arrays without gaps that are all laid out alike.

    table: writable, one row for all chunks or one for each; by default there is none. Loops get its width, or `width`.
    """
    run, step = _run if a.size > chunk else _run.serial, 0
    first, to = _locked(a), _bytes(y)
    second, more = first if b is a else _locked(b), to if table is None else _bytes(table)
    if table is not None and table.ndim > 1:
        step, width = table.strides[0] * (len(table) > 1), width or table.shape[-1]
    run(loop.entry(a.dtype), first, second, to, more, a.itemsize, a.size, chunk, step, width)


def _bytes(x):
    return x.ravel("K").view(np.uint8)


def _locked(x):
    """Bytes that the loop only reads, whether or not it could write them: Numba would compile for both kinds."""
    flat = _bytes(x)
    flat.setflags(write=False)
    return flat


@jit(parallel=True)
def _run(loop, a, b, y, table, size, count, chunk, step, width):
    places = a.ctypes.data, b.ctypes.data, y.ctypes.data, table.ctypes.data
    for k in prange((count + chunk - 1) // chunk):
        at = k * chunk * size
        more = min(chunk, count - k * chunk)
        call(loop, (places[0] + at, places[1] + at, places[2] + at, places[3] + k * step, more, width))
