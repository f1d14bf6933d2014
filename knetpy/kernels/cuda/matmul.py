"""The matrix product: cuBLAS's, and launches of matmul.cu in steps that are captured, where CuPy refuses to call it."""

from __future__ import annotations

from math import prod

import numpy as np

from knetpy.devices import cupy
from knetpy.graphs import alike, capture
from knetpy.kernels.cuda.launch import C, Module, blocks_for, empty, instances, widened

_run = Module("matmul", instances("product<{T}>", T=("float", "double")), "tiles.h")
SIDE = {"float": (64, 64), "double": (64, 256)}  # of a tile, and threads of a block


def matmul(a, b, *, bias=None, activation=None):
    """Launch as the reference computes."""
    y = product(a, b)
    y = y if bias is None else y + bias
    return cupy().maximum(y, 0) if activation == "relu" else y


def product(a, b):
    """Return `a @ b` of two arrays of at least two axes."""
    dtype = np.result_type(a.dtype, b.dtype)
    if not (capture() or alike()) or dtype.char not in "efd":  # integers are multiplied by a kernel of CuPy's
        return cupy().matmul(a, b)
    return _product(a.astype(dtype, copy=False), b.astype(dtype, copy=False))


@widened
def _product(a, b):
    (m, k), n, T = a.shape[-2:], b.shape[-1], C[a.dtype.char]
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y, count = empty((*lead, m, n), a.dtype), prod(lead)
    if not y.size:
        return y
    (a, *of_a), (b, *of_b) = _strided(a, lead), _strided(b, lead)
    side, threads = SIDE[T]
    _run(f"product<{T}>", count * blocks_for(m, side) * blocks_for(n, side), threads, a, b, y, m, n, k, *of_a, *of_b)
    return y


def _strided(x, lead):
    """An array in C order, and in elements of it how far products, rows and columns of x are apart."""
    if prod(x.shape[:-2]) > 1:
        x = cupy().ascontiguousarray(cupy().broadcast_to(x, (*lead, *x.shape[-2:])))
    rows, columns = x.shape[-2:]
    each = rows * columns if prod(x.shape[:-2]) > 1 else 0
    if x.T.flags.c_contiguous and not x.flags.c_contiguous:
        return x.T, each, 1, rows
    return cupy().ascontiguousarray(x), each, columns, 1
