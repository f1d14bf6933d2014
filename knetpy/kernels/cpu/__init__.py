"""Numba kernels, and what their launchers do to arrays first.

Numba compiles once per type of its arguments, and the type of an array includes its dtype, layout,
alignment and whether it is writable. So launchers hand kernels their inputs C-contiguous, aligned, in
native byte order and read-only (an array that a derivative still needs is locked, and must not be copied
for that), their outputs fresh. Images have their channels last and three spatial axes: one code path serves
one, two and three.

Which file is which layer, from the top down; a file that begins with the name of a family is that family's alone:

    launchers    activation attention bias conv dropout embed grid matmul nll norm optim piecewise pool reduce
                 resample rnn scatter softmax: the functions that `dispatch` finds; families that need little
                 more have all of it there
    plans        convcase convplan convnarrow convdwplan poolplan: how a problem is cut, decided in Python, once
                 for each geometry
    drivers      attentiontile convtile convwinograd convweights convdw normrows normcolumns: loops over tasks,
                 shared by threads, that call routines by their addresses
    routines     attentioncode normcode poolcode softmaxcode rnncells: what is done with a row or a block
    elementwise  loops over elements, for activation, piecewise, bias, reduce and rnn
    codegen/     what routines are made of: vectors, tiles, panels, exponentials; it has a map of its own
    arrays       this file; layout: channels last; memory: what is freed stays; blas: held at one thread
    threads      kernels whose tasks threads share
    jit          compiles, and keeps what it compiled on disk
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps

import numpy as np

from knetpy.kernels.cpu.layout import dense
from knetpy.kernels.cpu.memory import keep_freed

Ints = tuple[int, ...]
Threes = tuple[int, int, int]

keep_freed()
conversions = 0  # inputs copied because their channels were not last in memory


def floats(reference: Callable) -> Callable[[Callable], Callable]:
    """Decorate the launcher of a kernel for float32 and float64; `reference` serves every other dtype."""

    def decorate(launcher: Callable) -> Callable:
        declined: set[str] = set()

        @wraps(launcher)
        def serve(x, *args, **options):
            if x.dtype.char in "fd":
                return launcher(x, *args, **options)
            declined.add(x.dtype.name)
            return reference(x, *args, **options)

        serve.declined = declined  # type: ignore[attr-defined]  # for kernels.status()
        return serve

    return decorate


def read(x: np.ndarray, dtype: type | None = None) -> np.ndarray:
    """Return `x` as kernels take their inputs; a copy only if it has to be one."""
    x = np.ascontiguousarray(x, dtype or x.dtype.type)
    view = x.view() if x.flags.aligned else x.copy()
    view.flags.writeable = False
    return view


def flat(x: np.ndarray, dtype: type | None = None) -> np.ndarray:
    """Return the elements of `x` in C order as `read` does, in one axis."""
    x = np.ascontiguousarray(x, dtype or x.dtype.type).reshape(-1)
    x = x if x.flags.aligned else x.copy()
    x.flags.writeable = False
    return x


def channels_last(x: np.ndarray, dtype: type | None = None) -> np.ndarray:
    """Return images (N, C, *S) as kernels read them, (N, D, H, W, C); channels-last memory is not copied."""
    global conversions
    n, c, *size = x.shape
    x = x.transpose(0, *range(2, x.ndim), 1)
    conversions += not x.flags.c_contiguous
    return read(dense(x), dtype).reshape(n, *threes(size, 1), c)


def channels_second(x: np.ndarray, axes: int) -> np.ndarray:
    """Return a kernel's output (N, D, H, W, C) as users see it: a view (N, C, *S), S of length `axes`."""
    x = x.reshape(x.shape[0], *x.shape[4 - axes : 4], x.shape[4])
    return x.transpose(0, axes + 1, *range(1, axes + 1))


def threes(values: Iterable[int], fill: int) -> Threes:
    """Return a Python int for each of three spatial axes: `fill` for the leading ones that `values` lacks."""
    values = tuple(map(int, values))
    return (fill,) * (3 - len(values)) + values  # type: ignore[return-value]
