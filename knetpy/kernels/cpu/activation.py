"""Activations and their slopes: loops over elements in the order in which they lie in memory.

A loop takes addresses and a count, so that one driver with threads serves the loops of all functions: compiling for
one more takes a sixth of a second. LLVM turns them into vector instructions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import prange, types
from numba.extending import intrinsic

from knetpy.kernels.cpu import floats, vecmath
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.vecmath import number, one
from knetpy.kernels.cpu.vectors import BITS, call, compiled_address
from knetpy.kernels.reference import activation as reference

CHUNK = 1 << 14  # elements that a thread takes at a time; as few are computed without threads
SMALL = 1 << 12  # NumPy's three products of fewer elements take no longer than preparing a launch
new = np.empty_like  # tests poison what it returns


def _each(single: Any, double: Any, x: np.ndarray, dy: np.ndarray | None = None) -> np.ndarray:
    """Return what a loop, `single` for float32, makes of each element of x, and of dy if it takes that too."""
    y = new(x, x.dtype.type, subok=False)
    inputs = [_laid_as(y, a).ravel("K") for a in (x if dy is None else dy, x)]
    for flat in inputs:
        flat.flags.writeable = False  # or Numba would compile for both kinds
    run = _run if y.size > CHUNK else _run.serial
    run(_entry(double if y.itemsize == 8 else single), *inputs, y.ravel("K"))
    return y


def _laid_as(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x with its elements in memory as they are in y, which has no gaps; a copy only if it has to be one."""
    if isinstance(x, np.ndarray) and x.shape == y.shape and x.dtype == y.dtype and x.flags.aligned:
        if x.strides == y.strides or x.flags.c_contiguous and y.flags.c_contiguous:
            return x
    copy = np.empty_like(y)
    copy[...] = x
    return copy


@jit(parallel=True)
def _run(loop, dy, x, y):
    count, places = y.size, (dy.ctypes.data, x.ctypes.data, y.ctypes.data)
    for chunk in prange(-(-count // CHUNK)):
        start = chunk * CHUNK
        at = start * y.itemsize
        call(loop, (places[0] + at, places[1] + at, places[2] + at, min(CHUNK, count - start)))


@cache
def _entry(loop: Any) -> int:
    """The address of the code of a loop."""
    return compiled_address(loop, (types.int64,) * 4)


def _pointer(kind: types.Type) -> Any:
    @intrinsic
    def pointer(typing, address):
        def generate(context, builder, signature, values):
            set.add(builder.function.attributes, f'"prefer-vector-width"="{BITS}"')  # LLVM would stop at 256
            return builder.inttoptr(values[0], context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(address), generate

    return pointer


_POINTERS = {"single": _pointer(types.float32), "double": _pointer(types.float64)}


def _loops(f: Callable) -> list[Any]:
    """The loops of y = f(dy, x) for float32 and for float64."""

    def make(kind, pointer):
        @jit(f"{f.__name__}-{kind}")
        def loop(dy, x, y, count):
            dy, x, y = pointer(dy), pointer(x), pointer(y)
            for i in range(count):
                y[i] = f(dy[i], x[i])

        return loop

    return [make(*item) for item in _POINTERS.items()]


# ---------------------------------------------------------------------------- what becomes of one element


@jit(forceinline=True)
def _erf(_, x):
    return vecmath.erf(x)


@jit(forceinline=True)
def _erfc(_, x):
    return vecmath.erfc(x)


@jit(forceinline=True)
def _sigmoid(_, x):
    return vecmath.sigmoid(x)


@jit(forceinline=True)
def _sigmoid_dx(dy, y):
    return dy * y * (one(y) - y)


_REACH_SILU, _REACH_GELU = number(1000.0), number(40.0)  # further out the gate is 0 or 1, and x must not be infinite
_PEAK = number(1 / math.sqrt(2 * math.pi))  # of the normal density


@jit(forceinline=True)
def _silu(_, x):
    x = -_REACH_SILU(x) if x < -_REACH_SILU(x) else x
    return x * vecmath.sigmoid(x)


@jit(forceinline=True)
def _silu_dx(dy, x):
    gate = vecmath.sigmoid(x)
    return dy * gate * (one(x) + _near(x, _REACH_SILU(x)) * vecmath.sigmoid(-x))


@jit(forceinline=True)
def _gelu(_, x):
    x = -_REACH_GELU(x) if x < -_REACH_GELU(x) else x
    share, _bell = vecmath.normal(x)
    return x * share


@jit(forceinline=True)
def _gelu_dx(dy, x):
    share, bell = vecmath.normal(x)
    return dy * (share + _near(x, _REACH_GELU(x)) * bell * _PEAK(x))


@jit(forceinline=True)
def _near(x, reach):
    x = -reach if x < -reach else x
    return reach if x > reach else x


# --------------------------------------------------------------------------------------------- launchers

_erf_f, _erf_d = _loops(_erf)
_erfc_f, _erfc_d = _loops(_erfc)
_sigmoid_f, _sigmoid_d = _loops(_sigmoid)
_sigmoid_dx_f, _sigmoid_dx_d = _loops(_sigmoid_dx)
_silu_f, _silu_d = _loops(_silu)
_silu_dx_f, _silu_dx_d = _loops(_silu_dx)
_gelu_f, _gelu_d = _loops(_gelu)
_gelu_dx_f, _gelu_dx_d = _loops(_gelu_dx)


@floats(reference.erf)
def erf(x):
    """As the reference's."""
    return _each(_erf_f, _erf_d, x)


@floats(reference.erfc)
def erfc(x):
    """As the reference's."""
    return _each(_erfc_f, _erfc_d, x)


@floats(reference.sigmoid)
def sigmoid(x):
    """As the reference's."""
    return _each(_sigmoid_f, _sigmoid_d, x)


@floats(reference.sigmoid_dx)
def sigmoid_dx(dy, y):
    """As the reference's."""
    return _each(_sigmoid_dx_f, _sigmoid_dx_d, y, dy) if y.size > SMALL else reference.sigmoid_dx(dy, y)


@floats(reference.silu)
def silu(x):
    """As the reference's."""
    return _each(_silu_f, _silu_d, x)


@floats(reference.silu_dx)
def silu_dx(dy, x):
    """As the reference's."""
    return _each(_silu_dx_f, _silu_dx_d, x, dy)


@floats(reference.gelu)
def gelu(x):
    """As the reference's, with smaller errors where it is tiny."""
    return _each(_gelu_f, _gelu_d, x)


@floats(reference.gelu_dx)
def gelu_dx(dy, x):
    """As the reference's."""
    return _each(_gelu_dx_f, _gelu_dx_d, x, dy)
