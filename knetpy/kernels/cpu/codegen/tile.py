"""The tile: the one multiply-accumulate routine under every dense product of the CPU backend.

    C[i, j] (+)= start[j] + sum_{o < KO} sum_{q < KI}  A[o*ao + q*ai + i*ar] * B[o*bo + q*bi + j]

for i < rows and j < columns, then the activation. Its rows x vectors accumulators live in registers from the first
product to the last. A is read one scalar at a time, each broadcast to a whole vector, so that all its strides are
free: with the channels last, a matrix product, its transposes, a convolution and both of its gradients are this
loop with different strides. B and C are read and written in whole vectors, the last of them under a mask.

A tile knows its number of rows and of vectors when it is compiled. A problem is cut into panels of columns, as wide
as the widest tile chosen for it, and each panel into tiles of the rows that the table of `tiles` says: so tails
have tiles of their own, and no loop over single elements remains.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import product
from threading import Lock
from typing import Any

import numpy as np
from numba.core import cgutils

from knetpy.kernels.cpu.codegen.vectors import BITS, I64, Vectors, call, lanes, routine
from knetpy.kernels.cpu.jit import jit

ACCUMULATE, RELU = 1, 2  # flags: add to what C holds; the activation
FLAGS = {None: 0, "relu": RELU}  # of activations

# How many rows a tile may have, by the bits of a vector and the number of vectors: as many as leave registers for the
# rest (32 at 512 bits, else 16), and the smaller ones that tails are made of. Of two with as many accumulators the
# wider is better: (2048, 128) x (128, 512) ran at 183 GF/s with 12 x 2, 194 with 14 x 2 and 197 with 6 x 4.
ROWS = {
    512: {1: (16, 14, 12, 8, 6, 4, 2, 1), 2: (12, 8, 6, 4, 2, 1), 3: (8, 4, 2, 1), 4: (6, 4, 2, 1)},
    256: {1: (8, 4, 2, 1), 2: (6, 4, 2, 1), 3: (4, 2, 1), 4: (3, 2, 1)},
    128: {1: (8, 4, 2, 1), 2: (6, 4, 2, 1), 3: (4, 2, 1), 4: (3, 2, 1)},
}
WIDEST = 4  # vectors


@cache
def tile(rows: int, vectors: int, dtype: str, bits: int = BITS) -> int:
    """Return the address of the tile of that shape, compiled now or loaded from the cache if it has to be.

    dtype: "f" or "d", NumPy's characters of float32 and float64.
    """

    def write(builder: Any, *arguments: Any) -> None:
        Tile(builder, rows, vectors, dtype, bits).write(*arguments)

    return routine(f"tile-{rows}x{vectors}{dtype}{bits}", 14, write)


@jit(inline="always")
def run(address, sums, a, a_strides, b, b_strides, c, c_stride, start, flags, columns):
    """Call the tile at `address`, in a driver. Addresses and strides are in bytes, all numbers int64.

    sums: (KO, KI), the lengths of both sums. a, b, c: addresses of the first elements. a_strides: (ao, ai, ar), along
    both sums and the rows. b_strides: (bo, bi). c_stride: along the rows. start: address of a row that every row of the
    sum starts from (a bias), or 0. flags: 0, or a sum of ACCUMULATE and RELU. columns: at most what the vectors hold,
    and more than all of them but one.
    """
    call(address, (*sums, a, *a_strides, b, *b_strides, c, c_stride, start, flags, columns))


@jit(inline="always")
def walk(rows, columns, lanes, steps, codes, sums, a, b, c, start, flags):
    """Run tiles over all rows of a panel, in a driver, as `Tiles` says with `steps` and `codes`.

    a, b, c: address, for the first row, and strides; these and the others are as in `run`. lanes: of a vector.
    """
    vectors, row, (a, along), (b, down), (c, pitch) = (columns + lanes - 1) // lanes, 0, a, b, c
    while row < rows:
        left = min(rows - row, steps.shape[1] - 1)
        here, there = a + row * along[2], c + row * pitch
        rest = (b, *down, there, pitch, start, flags, columns)
        call(codes[vectors, left], (*sums, here, *along, *rest))  # as `run`, which would take Numba longer
        row += steps[vectors, left]


class Tile(Vectors):
    """Writes the code of one tile. Accumulators are variables in memory here; LLVM moves them to registers."""

    def __init__(self, builder: Any, rows: int, vectors: int, dtype: str, bits: int):
        super().__init__(builder, dtype, bits)
        self.rows, self.vectors = rows, vectors
        self.total = {(i, j): cgutils.alloca_once(builder, self.vector) for i in range(rows) for j in range(vectors)}

    def write(self, KO, KI, a, ao, ai, ar, b, bo, bi, c, cr, start, flags, columns):
        """The whole of it: what accumulators start from, the sums, the store."""
        self.mask = self.below(self.b.sub(columns, I64((self.vectors - 1) * self.lanes)))
        a, b, c = map(self.address, (a, b, c))
        self.begin(start)
        if self.bits == 512:  # masked loads cost nothing there
            self.sum(KO, KI, a, ao, ai, ar, b, bo, bi, self.mask)
        else:
            with self.b.if_else(self.b.icmp_signed("==", columns, I64(self.vectors * self.lanes))) as (full, tail):
                with full:
                    self.sum(KO, KI, a, ao, ai, ar, b, bo, bi, None)
                with tail:
                    self.sum(KO, KI, a, ao, ai, ar, b, bo, bi, self.mask)
        with self.b.if_then(self.flag(flags, ACCUMULATE)):
            self.add(c, cr)
        with self.b.if_then(self.flag(flags, RELU)):
            self.relu()
        for (i, j), place in self.total.items():
            self.store(self.b.load(place), self.at(c, cr, i), j, self.mask_of(j, self.mask))

    def begin(self, start):
        """Every row of accumulators starts from the same values, or from zeros."""
        for place in self.total.values():
            self.b.store(self.zero, place)
        with self.b.if_then(self.b.icmp_unsigned("!=", start, I64(0))):
            row = self.address(start)
            values = [self.load(row, j, self.mask_of(j, self.mask)) for j in range(self.vectors)]
            for (_, j), place in self.total.items():
                self.b.store(values[j], place)

    def sum(self, KO, KI, a, ao, ai, ar, b, bo, bi, mask):
        """Both loops of products."""
        with cgutils.for_range(self.b, KO) as outer:
            a_outer, b_outer = self.at(a, ao, outer.index), self.at(b, bo, outer.index)
            # every four rows share an address that moves and strides that do not: few registers
            fours = [self.at(a_outer, ar, i) for i in range(0, self.rows, 4)]
            with cgutils.for_range(self.b, KI) as inner:
                b_row = self.at(b_outer, bi, inner.index)
                values = [self.load(b_row, j, self.mask_of(j, mask)) for j in range(self.vectors)]
                for i in range(self.rows):
                    scalar = self.broadcast(self.at(self.at(fours[i // 4], ai, inner.index), ar, i % 4))
                    for j in range(self.vectors):
                        place = self.total[i, j]
                        self.b.store(self.multiply_add(scalar, values[j], self.b.load(place)), place)

    def add(self, c, cr):
        """What C holds is added at the end: sums of sums lose less than one long sum."""
        for (i, j), place in self.total.items():
            held = self.load(self.at(c, cr, i), j, self.mask_of(j, self.mask))
            self.b.store(self.b.fadd(held, self.b.load(place)), place)

    def relu(self):
        """max(x, 0), and NaN where x is."""
        for place in self.total.values():
            x = self.b.load(place)
            self.b.store(self.b.select(self.b.fcmp_ordered(">", self.zero, x), self.zero, x), place)

    def mask_of(self, j, mask):
        """The mask for vector j: all but the last are whole."""
        return mask if j == self.vectors - 1 else None

    def flag(self, flags, flag):
        return self.b.icmp_unsigned("!=", self.b.and_(flags, I64(flag)), I64(0))


# ----------------------------------------------------------------------------------------- which tiles, where


class Tiles:
    """Which tiles to walk over `rows` rows of panels of up to `vectors` vectors with.

    A driver with r rows left to do in a panel that v vectors cover reads `steps[v, min(r, limit)]`, how many rows to do
    at once, and `codes[v, min(r, limit)]`, the address of the tile that does them.
    """

    def __init__(self, vectors: int, dtype: str, bits: int):
        self.vectors, self.dtype, self.bits = vectors, dtype, bits
        self.limit = most_rows(bits)
        self.steps = np.zeros((vectors + 1, self.limit + 1), np.int64)
        self.codes = np.zeros_like(self.steps)
        self._lock = Lock()

    def provide(self, rows: int, vectors: int) -> None:
        """Have every tile compiled that `rows` rows of a panel of `vectors` vectors need."""
        while rows:
            left = min(rows, self.limit)
            if not self.codes[vectors, left]:
                with self._lock:
                    self.steps[vectors, left] = step = self.first(left, vectors)
                    self.codes[vectors, left] = self.code(step, vectors)
            rows -= int(self.steps[vectors, left])

    def provide_all(self, rows: Iterable[int], columns: Iterable[int]) -> None:
        """The same for each of these numbers of rows, and of columns of a whole result, in panels."""
        lane = lanes(self.dtype, self.bits)
        width = self.vectors * lane
        widths = {part for n in columns for part in (min(n, width), n % width) if part}
        for count, part in product(rows, widths):
            self.provide(count, -(-part // lane))

    def first(self, rows: int, vectors: int) -> int:
        """How many of `rows` rows the first tile takes."""
        return first_rows(rows, vectors, self.bits)

    def code(self, rows: int, vectors: int) -> int:
        """The address of a tile."""
        return tile(rows, vectors, self.dtype, self.bits)


@cache
def tiles(vectors: int, dtype: str, bits: int = BITS) -> Tiles:
    """Return the one table for panels of up to `vectors` vectors."""
    return Tiles(vectors, dtype, bits)


def first_rows(rows: int, vectors: int, bits: int) -> int:
    """Return how many of `rows` rows the first tile takes when all are covered at the least cost."""
    return _cover(rows, vectors, bits)[1]


@cache
def cost(rows: int, vectors: int, bits: int) -> float:
    """Return the cycles that `rows` rows of a panel take for one step of the sum: see `cycles`."""
    limit = most_rows(bits)
    step = first_rows(limit, vectors, bits)
    many = max(0, -(-(rows - limit) // step))  # tiles, of the same rows all
    return many * cycles(step, vectors) + _cover(rows - many * step, vectors, bits)[0]


def most_rows(bits: int) -> int:
    """Return from how many rows left on a driver does as with so many."""
    return 2 * max(ROWS[bits][1])


@cache
def _cover(rows: int, vectors: int, bits: int) -> tuple[float, int]:
    if not rows:
        return 0.0, 0
    choices = [r for r in ROWS[bits][vectors] if r <= rows]  # the most rows first: of equals it wins
    return min(
        ((cycles(r, vectors) + _cover(rows - r, vectors, bits)[0], r) for r in choices), key=lambda choice: choice[0]
    )


def cycles(rows: int, vectors: int) -> float:
    """Two multiply-adds and two loads a cycle, each multiply-add ready after four; and half a cycle for the rest."""
    return max(rows * vectors, rows + vectors, 8) / 2 + 0.5
