"""Random numbers: launches of random.cu, which draws each where it is to lie, with the bits that the CPU draws.

The uniform ones only: normal ones go by logarithms and cosines, which are not the same to the bit on every device, so
they, which begin trainings, are drawn on the host.
"""

from __future__ import annotations

from math import prod

import numpy as np

from knetpy.graphs import capture
from knetpy.kernels.cuda.launch import C, Module, blocks_for, empty, instances
from knetpy.kernels.reference import random as reference

_run = Module("random", instances("uniform<{T}>", T=("float", "double")), "philox.h")
_LOW = 0xFFFFFFFF


def uniform(x, shape, dtype, seed, stream, call):
    """Launch as the reference computes."""
    dtype = np.dtype(dtype)
    if dtype.char not in "fd":  # whose digits are cut, not rounded
        return reference.uniform(x, shape, dtype, seed, stream, call)
    y, n = empty(shape, dtype), prod(shape)
    if n:
        _run(
            f"uniform<{C[dtype.char]}>",
            blocks_for(n, 256 * 16 // dtype.itemsize),
            256,
            y,
            n,
            *drawn(seed, stream, call),
        )
    return y


def drawn(seed, stream, call):
    """What kernels take of a position: four words, and where they are in a step that is captured, or None."""
    position, into = (seed, stream, call), capture()
    live = into.words(position, words).array(np.uint32) if into else None
    return *map(np.uint32, words(position)), live


def words(position):
    """The upper words of the counter, and the key, of a position of random numbers."""
    seed, stream, call = position
    return call & _LOW, (stream | call >> 32 << 8) & _LOW, seed & _LOW, seed >> 32
