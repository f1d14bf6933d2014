"""Few channels in the result: a row of the product is several pixels, so that vectors are not mostly idle.

q neighbouring pixels of a line, with all their channels, are the columns of one sum, over all places along the line
that any of them meets. Where one of them does not meet such a place its weight is 0: more products, but in a few
vectors full of them. Such a 0 times Inf or NaN is NaN, in pixels that should not see it: whoever finds NaN in the
result has to compute it again, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from knetpy.kernels.cpu.codegen.panels import address
from knetpy.kernels.cpu.codegen.vectors import lanes
from knetpy.kernels.cpu.convplan import Axis
from knetpy.kernels.cpu.convweights import new

LONGEST = 64  # taps of a line: more meet most of the line anyway


def together(channels: int, stride: int, window: int, size: int, dtype: str, bits: int) -> list[int]:
    """The numbers of pixels that may be one row: as many as fill a vector, or half of it, or two."""
    lane = lanes(dtype, bits)
    if channels > lane // 2 or window > LONGEST:
        return []
    most = [room // channels // stride * stride for room in (lane // 2, lane, 2 * lane)]
    return sorted({min(q, size // stride * stride) for q in most} - {0, 1})


class Line:
    """The axis of a line whose places are q pixels each: its phases and, for each pixel, the tap at each term."""

    def __init__(self, q: int, size: int, stride: int, meets: list[list[tuple[int, int]]]):
        """size: pixels of the line; stride: from place to place, in what is read; meets: for each pixel, pairs
        of a tap and where it reads, in place 0."""
        reads = [at for pixel in meets for _, at in pixel] or [0]
        low, self.terms = min(reads), max(reads) - min(reads) + 1
        self.q, self.size, self.stride, self.low = q, size, stride, low
        self.taps = np.full((self.terms, q), -1)
        for j, pixel in enumerate(meets):
            for tap, at in pixel:
                self.taps[at - low, j] = tap

    def phases(self) -> Iterator[tuple[Axis, int]]:
        """The places, and how many pixels each is: the last one may be less than q."""
        whole, rest = divmod(self.size, self.q)
        if whole:
            yield Axis(whole, self.terms, self.stride, 1, -self.low, 0, self.q), self.q
        if rest:
            yield Axis(1, self.terms, self.stride, 1, -self.low - whole * self.stride, whole * self.q, self.q), rest


class Spreading:
    """Weights in panels of which each element is one of w's, or 0."""

    def __init__(self, index: np.ndarray, vectors: int, dtype: str, bits: int):
        """index: (rows, columns) numbers of elements of w, or -1, the number of a zero after them."""
        width = vectors * lanes(dtype, bits)
        rows, columns = index.shape
        panels = -(-columns // width)
        padded = np.full((rows, panels * width), -1, np.int64)
        padded[:, :columns] = index
        self.index = np.ascontiguousarray(padded.reshape(rows, panels, width).swapaxes(0, 1)).reshape(-1)

    def pack(self, w: np.ndarray) -> tuple[int, np.ndarray]:
        """The address of the panels, and the memory that they lie in."""
        memory = new(self.index.size + 64 // w.itemsize, w.dtype)
        start = -address(memory) % 64 // w.itemsize
        panels = memory[start : start + self.index.size]
        np.take(np.append(w, w.dtype.type(0)), self.index, out=panels, mode="wrap")
        return address(panels), memory
