"""Images whose channels lie second in memory, turned over so that they lie last: squares of vectors, in registers."""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.cpu.codegen.panels import address, copier
from knetpy.kernels.cpu.codegen.vectors import call, lanes
from knetpy.kernels.cpu.threads import portion, threaded

new = np.empty  # tests poison what it returns
PLACES = 128  # that a task turns over, for all channels
THREADED = 1 << 16  # elements from which on threads share the work


def dense(x: np.ndarray) -> np.ndarray:
    """Return images (N, *S, C) in C order; a copy only if they are not."""
    if x.flags.c_contiguous:
        return x
    planes = x.transpose(0, -1, *range(1, x.ndim - 1))
    plain = planes.flags.c_contiguous and x.flags.aligned and x.dtype.isnative and x.dtype.char in "fd"
    if not plain or not x.size:
        return np.ascontiguousarray(x)
    y, kind = new(x.shape, x.dtype), x.dtype.char
    run = _turn if x.size >= THREADED else _turn.serial
    run(
        address(x),
        address(y),
        len(x),
        math.prod(x.shape[1:-1]),
        x.shape[-1],
        x.itemsize,
        lanes(kind),
        copier("flip", kind),
    )
    return y


@threaded
def _turn(rank, x, y, images, places, channels, size, lanes, code):
    """Some places of an image at a time, for as many channels as a vector holds."""
    each = (places + PLACES - 1) // PLACES
    for task in portion(rank, images * each):
        n, first = task // each, task % each * PLACES
        source, target = x + (n * channels * places + first) * size, y + (n * places + first) * channels * size
        for c in range(0, channels, lanes):
            some, plane = min(lanes, channels - c), places * size
            call(
                code, (min(PLACES, places - first), some, source + c * plane, plane, target + c * size, channels * size)
            )
