"""NumPy kernels, written to be read: the specification of all others, and what serves when those cannot.

They serve a GPU's arrays too, where there is no kernel: NumPy's functions hand those to CuPy. So what a kernel makes it
makes like an operand (np.zeros(..., like=x)), tables of NumPy's are copied beside it, and what CuPy lacks is not used.

A window slides over the spatial axes of x (N, C, *S). What conv and pool share is which elements of the
padded x each tap of the window (each of its positions) meets while the window takes its places: a strided
slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps

import numpy as np

Ints = Sequence[int]
Pairs = Sequence[tuple[int, int]]


def reusing(kernel: Callable) -> Callable:
    """Decorate a kernel that is offered `out`, memory where it may write its result: here it never does."""

    @wraps(kernel)
    def serve(*args, out=None, **options):
        return kernel(*args, **options)

    return serve


def summing(kernel: Callable) -> Callable:
    """Decorate a kernel that sums: float16 goes through it as float32, since its own sums end at 2048 ones."""

    @wraps(kernel)
    def serve(x, *args, **options):
        if x.dtype.char != "e":
            return kernel(x, *args, **options)
        wide = [a.astype(np.float32) if a.dtype.char == "e" else a for a in (x, *args)]
        y = kernel(*wide, **options)
        return tuple([a.astype(np.float16) for a in y]) if isinstance(y, tuple) else y.astype(np.float16)

    return serve


def numbered(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the images (N, 1, 1) and of the channels (1, C, 1) of x (N, C, ...), beside it."""
    n, c = x.shape[:2]
    return np.arange(n, like=x).reshape(n, 1, 1), np.arange(c, like=x).reshape(1, c, 1)


def pad(x: np.ndarray, padding: Pairs, value: float = 0) -> np.ndarray:
    """Return `x` with (before, after) elements of `value` added to each of its last axes."""
    leading = [(0, 0)] * (x.ndim - len(padding))
    return np.pad(x, leading + list(padding), constant_values=value)


def unpad(x: np.ndarray, padding: Pairs) -> np.ndarray:
    """Return `x` without what `pad` adds."""
    sizes = x.shape[x.ndim - len(padding) :]
    inner: tuple = (..., *(slice(before, size - after) for size, (before, after) in zip(sizes, padding)))
    return x[inner]


def places(size: Ints, window: Ints, stride: Ints, dilation: Ints) -> tuple[int, ...]:
    """Return how many places the window takes along each axis: the spatial size So of the result."""
    return tuple((s - d * (k - 1) - 1) // t + 1 for s, k, t, d in zip(size, window, stride, dilation))


def taps(size: Ints, window: Ints, stride: Ints, dilation: Ints) -> Iterator[tuple[tuple, tuple]]:
    """Yield each tap and the index of what it meets in an array (..., *size): an array (..., *So)."""
    steps = list(zip(dilation, stride, places(size, window, stride, dilation)))
    for tap in np.ndindex(*window):
        starts = [(i * d, t, o) for i, (d, t, o) in zip(tap, steps)]
        yield tap, (..., *(slice(first, first + t * (o - 1) + 1, t) for first, t, o in starts))
