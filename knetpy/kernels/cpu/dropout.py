"""Dropout without a mask in memory, if x allows it: each element's random number is computed where it is needed.

`knetpy.random` is the specification. A number below p drops its element. It is made of the upper 24 bits of a word,
so that comparing it with p is comparing the word with a whole number.
"""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from knetpy.kernels.cpu import floats, read
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import dropout as reference

THREADED = 2**18  # elements from which on threads share the work
CHUNK = 2048  # elements; whole blocks of four

LOW, HALF = uint64(0xFFFFFFFF), uint64(32)
LEFT, RIGHT = uint64(0xD2511F53), uint64(0xCD9E8D57)
WEYL_LEFT, WEYL_RIGHT = uint64(0x9E3779B9), uint64(0xBB67AE85)


@floats(reference.dropout)
def dropout(x, p, mask_shape, seed, stream, call):
    """As the reference's, for p a Python number; with a mask of its shape, C-contiguous x needs none in memory."""
    scale = x.dtype.type(1 - p if p < 1 else 1)
    least = math.ceil(float(np.float32(p)) * 2**24) << 8  # the smallest word that keeps an element
    draw = np.array([seed & 0xFFFFFFFF, seed >> 32, call & 0xFFFFFFFF, stream | call >> 32 << 8, least], np.uint64)
    if x.flags.c_contiguous and tuple(mask_shape) == x.shape:
        y = np.empty(x.shape, x.dtype.type)
        _launch(read(x).reshape(-1), draw, scale, y.reshape(-1))
        return y
    kept = np.empty(mask_shape, np.float32)
    _launch(read(np.ones(kept.size, np.float32)), draw, np.float32(1), kept.reshape(-1))
    return np.where(kept != 0, x / scale, x.dtype.type(0))


def _launch(x, draw, scale, y):
    (_dropout if y.size >= THREADED else _dropout.serial)(x, draw, scale, y)


@threaded
def _dropout(rank, x, draw, scale, y):
    for chunk in portion(rank, (len(x) + CHUNK - 1) // CHUNK):
        at, end = chunk * CHUNK, min(len(x), (chunk + 1) * CHUNK)
        _drop(x[at:end], draw, uint64(at // 4), scale, y[at:end])


@jit()
def _drop(x, draw, first, scale, y):
    """A chunk of y, whose first element has the first number of the block `first`."""
    words = _philox(first, (len(x) + 3) // 4, draw)
    least, zero = draw[4], y.dtype.type(0)
    for i in range(len(x)):
        y[i] = x[i] / scale if words[i] >= least else zero


@jit()
def _philox(first, count, draw):
    """The words of `count` blocks from `first` on. Round by round: this way the loops become vector instructions."""
    state = np.empty((4, CHUNK // 4), np.uint64)
    c0, c1, c2, c3 = state[0], state[1], state[2], state[3]
    for b in range(count):
        block = first + uint64(b)
        c0[b], c1[b], c2[b], c3[b] = block & LOW, block >> HALF, draw[2], draw[3]
    k0, k1 = draw[0], draw[1]
    for _ in range(10):
        for b in range(count):
            # all are of 32 bits, but LLVM has to see that the factors are
            left, right = (c0[b] & LOW) * LEFT, (c2[b] & LOW) * RIGHT
            c0[b], c1[b] = (right >> HALF) ^ c1[b] ^ k0, right & LOW
            c2[b], c3[b] = (left >> HALF) ^ c3[b] ^ k1, left & LOW
        k0, k1 = (k0 + WEYL_LEFT) & LOW, (k1 + WEYL_RIGHT) & LOW
    words = np.empty(CHUNK, np.uint32)
    for b in range(count):
        words[4 * b], words[4 * b + 1], words[4 * b + 2], words[4 * b + 3] = c0[b], c1[b], c2[b], c3[b]
    return words
