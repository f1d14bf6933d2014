"""Loops over elements, in the order in which they lie in memory, in chunks that threads share.

A loop is a function of addresses and counts. LLVM turns it into vector instructions; one driver serves the loops of all
functions and dtypes, and compiling for one more takes a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from knetpy.kernels.cpu import floats
from knetpy.kernels.cpu.codegen.panels import address_at, place
from knetpy.kernels.cpu.codegen.vectors import BITS, call, compiled_address
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.threads import portion, threaded

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


def loops(make: Callable, *functions: Callable, **choices: bool) -> Loops:
    """The loops whose code `make(pointer, *functions, **choices)` returns; `pointer` makes addresses point to elements.

    choices: constants of the code, so that what is not chosen is not there.
    """
    key = "-".join(
        [*[f"{f.__module__}.{f.__qualname__}" for f in (make, *functions)], *[n for n in choices if choices[n]]]
    )
    return Loops(*[jit(f"{key}-{kind}")(make(point, *functions, **choices)) for kind, point in _POINTERS.items()])


def mapping(f: Callable) -> Mapping:
    """The loops of y = f(a, b)."""
    return Mapping(loops(_mapping, f, over=False), loops(_mapping, f, over=True))


def _mapping(pointer, f, over):
    def loop(a, b, y, _, count, __):
        b, y = pointer(b), pointer(y)
        a = y if over else pointer(a)
        for i in range(count):
            y[i] = f(a[i], b[i])

    return loop


def mapping_at(f: Callable) -> Mapping:
    """The loops of y = f(a, b, p) for parameters p, three numbers."""
    return Mapping(loops(_mapping_at, f, over=False), loops(_mapping_at, f, over=True))


def _mapping_at(pointer, f, over):
    def loop(a, b, y, table, count, _):
        b, y, p = pointer(b), pointer(y), pointer(table)
        a, p = y if over else pointer(a), (p[0], p[1], p[2])
        for i in range(count):
            y[i] = f(a[i], b[i], p)

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
    if out is not None and out.strides == x.strides and out.dtype == x.dtype and out.flags.aligned and _ascends(x):
        loop, a, b, y = mapping.over, out, x, out
    else:
        loop, y = mapping.apart, new(x, x.dtype.type, subok=False)
        b = laid_as(y, x)
        a = b if len(operands) == 1 else laid_as(y, operands[0])
    launch(loop, a, b, y, np.array((*at, 0, 0)[:3], y.dtype) if at else None)
    return y


def _ascends(x):
    """Whether the first element of x is the first in memory."""
    return min(x.strides, default=0) >= 0


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
    if table is not None and table.ndim > 1:
        step, width = table.strides[0] * (len(table) > 1), width or table.shape[-1]
    more = place(y if table is None else table)
    run(loop.entry(a.dtype), place(a), place(b), place(y), more, a.itemsize, a.size, chunk, step, width)


@threaded
def _run(rank, loop, a, b, y, table, size, count, chunk, step, width):
    """a, b, y, table: see `place`; size: bytes of an element; count: of elements; step: bytes from table to table."""
    places = address_at(a), address_at(b), address_at(y), address_at(table)
    for k in portion(rank, (count + chunk - 1) // chunk):
        at = k * chunk * size
        more = min(chunk, count - k * chunk)
        call(loop, (places[0] + at, places[1] + at, places[2] + at, places[3] + k * step, more, width))
