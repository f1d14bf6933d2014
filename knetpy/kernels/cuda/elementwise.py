"""What activation and piecewise share: a kernel for each function, which is named as the reference names it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from knetpy.kernels.cuda.launch import C, Module, blocks_for, dense, empty, widened

THREADS, PACK = 256, 16  # of a block; bytes that each reads at once


def module(family: str, reference: Any, names: tuple[str, ...]) -> tuple[Module, list[Callable]]:
    """The kernels of a family, and what launches each."""
    kernels = [f"{_kernel(name)}<curve::{name}, {T}>" for name in names for T in ("float", "double")]
    run = Module(family, kernels, "curves.h", "elementwise.h")
    return run, [_serve(run, getattr(reference, name)) for name in names]


def _kernel(name: str) -> str:
    return "slope_of" if name.endswith("_dx") else "curve_of"


def _serve(run: Module, reference: Callable) -> Callable:
    name = reference.__name__
    operands = 2 if name.endswith("_dx") else 1

    @wraps(reference)
    @widened
    def serve(*args: Any, out: Any = None) -> Any:
        arrays, numbers = args[:operands], args[operands:]
        x = arrays[-1]
        if x.dtype.char not in "fd" or any([a.dtype != x.dtype or a.shape != x.shape for a in arrays]):
            return reference(*args)
        arrays = tuple([dense(a) for a in arrays])
        y = empty(x.shape, x.dtype)
        if x.size:
            given = [x.dtype.type(number) for number in (*numbers, 0, 0, 0)[:3]]
            kernel = f"{_kernel(name)}<curve::{name}, {C[x.dtype.char]}>"
            run(kernel, blocks_for(x.size, THREADS * PACK // x.itemsize), THREADS, *arrays, y, x.size, *given)
        return y

    return serve
