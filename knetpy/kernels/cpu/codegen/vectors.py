"""Vector code written from Python: how wide the machine's vectors are, and the instructions that routines are made of.

A routine is a function of int64 arguments (addresses, strides in bytes, counts) whose body is LLVM code for vectors
of a given width. It is compiled once, by itself. Kernels get its address as a plain integer and call it through
`call`: one kernel serves every dtype and shape of routine, and what a problem does not need is never compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from knetpy.kernels.cpu.jit import jit

_FEATURES = llvm.get_host_cpu_features()
BITS = 512 if _FEATURES.get("avx512f") else 256 if _FEATURES.get("avx2") else 128

I32, I64, BYTES = ir.IntType(32), ir.IntType(64), ir.IntType(8).as_pointer()
_FLOATS = {"f": ir.FloatType(), "d": ir.DoubleType()}
_kept: list[Any] = []  # compiled code lives as long as its dispatcher


def lanes(dtype: Any, bits: int = BITS) -> int:
    """Return how many elements of `dtype` a vector of `bits` holds."""
    return bits // 8 // np.dtype(dtype).itemsize


def routine(key: str, count: int, write: Callable, **options: Any) -> int:
    """Return the address of a function of `count` int64 arguments whose body `write(builder, *arguments)` writes.

    key: names what `write` writes, for the cache. options: those of `jit`.
    """

    @intrinsic
    def body(typing, arguments):
        def generate(context, builder, signature, values):
            write(builder, *cgutils.unpack_tuple(builder, values[0], count))
            return context.get_dummy_value()

        return types.void(arguments), generate

    @jit(key, **options)
    def function(*arguments):
        body(arguments)

    return compiled_address(function, (types.StarArgUniTuple(types.int64, count),))


def compiled_address(function: Any, kinds: tuple) -> int:
    """Compile a kernel for arguments of these types and return the address of its code."""
    function.compile(kinds)
    (compiled,) = function.overloads.values()
    _kept.append(function)
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


@intrinsic
def call(typing, address, arguments):
    """Call the routine at `address`, in a kernel, with a tuple of int64 arguments."""

    def generate(context, builder, signature, values):
        # Numba's calling convention: status f(return value *, exception **, arguments...); a routine raises nothing
        slot = BYTES.as_pointer()
        kind = ir.FunctionType(I32, [slot, slot] + [I64] * len(arguments))
        unused = cgutils.alloca_once(builder, BYTES)
        function = builder.inttoptr(values[0], kind.as_pointer())
        builder.call(function, [unused, unused, *cgutils.unpack_tuple(builder, values[1], len(arguments))])
        return context.get_dummy_value()

    return types.void(types.int64, arguments), generate


@cache
def fetcher() -> int:
    """Return the address of a routine that asks for rows of memory ahead of use: (address, stride, rows, bytes)."""

    def write(builder: Any, start: Any, stride: Any, rows: Any, count: Any) -> None:
        kind = ir.FunctionType(ir.VoidType(), [BYTES, I32, I32, I32])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        with cgutils.for_range(builder, rows) as row:
            first = builder.add(start, builder.mul(row.index, stride))
            with cgutils.for_range_slice(builder, I64(0), count, I64(64), inc=True) as (at, _):
                place = builder.inttoptr(builder.add(first, at), BYTES)
                builder.call(fetch, [place, I32(0), I32(2), I32(1)])  # to read, into the second cache, data

    return routine("fetch", 4, write)


class Vectors:
    """Writes instructions for vectors of `bits` of one dtype ("f" or "d": NumPy's characters) into a routine."""

    def __init__(self, builder: Any, dtype: str, bits: int):
        self.b, self.bits = builder, bits
        self.lanes, self.align = lanes(dtype, bits), np.dtype(dtype).itemsize
        self.element = _FLOATS[dtype]
        self.vector = ir.VectorType(self.element, self.lanes)
        self.zero = self.constant(0.0)
        self._suffix = f"v{self.lanes}f{8 * self.align}"

    def constant(self, x: float) -> Any:
        """A vector of copies of a Python number."""
        return ir.Constant(self.vector, [float(x)] * self.lanes)

    def parts(self, count: Any) -> Iterator[tuple[Any, Any]]:
        """Write what is done with `count` elements, a vector at a time: yields the first element and a mask or None.

        The body is written twice: in a loop over whole vectors, and under a mask for what is left.
        """
        lanes = I64(self.lanes)
        whole = self.b.sub(count, self.b.srem(count, lanes))
        with cgutils.for_range_slice(self.b, I64(0), whole, lanes) as (first, _):
            yield first, None
        with self.b.if_then(self.b.icmp_signed("<", whole, count)):
            yield whole, self.below(self.b.sub(count, whole))

    def address(self, integer: Any) -> Any:
        """An address as a pointer to bytes."""
        return self.b.inttoptr(integer, BYTES)

    def at(self, pointer: Any, stride: Any, i: Any) -> Any:
        """The address `i` strides of bytes further; each may be a Python int."""
        stride, i = (I64(n) if isinstance(n, int) else n for n in (stride, i))
        return self.b.gep(pointer, [self.b.mul(stride, i)])

    def load(self, pointer: Any, j: int = 0, mask: Any = None) -> Any:
        """The j-th vector from `pointer` on; under a mask, zeros where it is false, and nothing is read there."""
        place = self._place(pointer, j)
        if mask is None:
            return self.b.load(place, align=self.align)
        kinds = [place.type, I32, mask.type, self.vector]
        load = self.declare("masked.load", self.vector, kinds, f".p0{self._suffix}")
        return self.b.call(load, [place, I32(self.align), mask, self.zero])

    def store(self, value: Any, pointer: Any, j: int = 0, mask: Any = None) -> None:
        """Write the j-th vector from `pointer` on; under a mask, only where it is true."""
        place = self._place(pointer, j)
        if mask is None:
            self.b.store(value, place, align=self.align)
        else:
            kinds = [self.vector, place.type, I32, mask.type]
            store = self.declare("masked.store", ir.VoidType(), kinds, f".p0{self._suffix}")
            self.b.call(store, [value, place, I32(self.align), mask])

    def broadcast(self, pointer: Any) -> Any:
        """A vector of copies of the scalar at `pointer`."""
        return self.copies(self.b.load(self.b.bitcast(pointer, self.element.as_pointer()), align=self.align))

    def copies(self, scalar: Any) -> Any:
        """A vector of copies of `scalar`."""
        kind = ir.VectorType(scalar.type, self.lanes)
        first = self.b.insert_element(ir.Constant(kind, ir.Undefined), scalar, I32(0))
        return self.select(first, first, [0] * self.lanes)

    def select(self, x: Any, y: Any, which: list[int]) -> Any:
        """The lanes `which` of x followed by y."""
        return self.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, self.lanes), which))

    def below(self, count: Any) -> Any:
        """The mask of the first `count` lanes."""
        numbers = ir.Constant(ir.VectorType(I32, self.lanes), list(range(self.lanes)))
        return self.b.icmp_signed("<", numbers, self.copies(self.b.trunc(count, I32)))

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """x * y + z: one rounding where the machine has such an instruction, two where it has none."""
        return self.b.call(self.declare("fmuladd", self.vector, [self.vector] * 3), [x, y, z])

    def _place(self, pointer: Any, j: int) -> Any:
        return self.b.bitcast(self.at(pointer, self.bits // 8, j), self.vector.as_pointer())

    def declare(self, name: str, result: Any, arguments: list, pointer: str = "") -> Any:
        """LLVM's function of that name for these vectors; pointer: what follows in its name if it takes an address."""
        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.b.module, kind, f"llvm.{name}.{self._suffix}{pointer}")
