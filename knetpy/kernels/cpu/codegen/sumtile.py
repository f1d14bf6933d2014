"""Tiles for long sums into few rows: as many rows as there are, and enough sums at a time.

A multiply-add is ready four cycles after it began, and two begin in each: fewer than eight accumulators wait for
themselves. Such tiles have several sets, which take turns at the terms of the sum and are added up at its end.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba.core import cgutils

from knetpy.kernels.cpu.codegen.tile import Tile, Tiles, tile
from knetpy.kernels.cpu.codegen.vectors import I64, routine

BUSY = 8  # accumulators
MOST = {512: (24, 12, 8, 6), 256: (12, 6, 4, 3), 128: (12, 6, 4, 3)}  # rows of a tile of one vector, of two and so on
MANY = 24  # rows from which on a tile more costs the same each time


class _Sums(Tile):
    """A tile with several sets of accumulators."""

    def __init__(self, builder: Any, rows: int, vectors: int, dtype: str, bits: int):
        super().__init__(builder, rows, vectors, dtype, bits)
        more = range(-(-BUSY // (rows * vectors)) - 1)
        self.sets = [self.total, *({at: cgutils.alloca_once(builder, self.vector) for at in self.total} for _ in more)]

    def sum(self, KO, KI, a, ao, ai, ar, b, bo, bi, mask):
        """Both loops of products."""
        for accumulators in self.sets[1:]:
            for place in accumulators.values():
                self.b.store(self.zero, place)
        count = I64(len(self.sets))
        whole = self.b.mul(self.b.sdiv(KI, count), count)
        with cgutils.for_range(self.b, KO) as outer:
            a_outer, b_outer = self.at(a, ao, outer.index), self.at(b, bo, outer.index)
            with cgutils.for_range_slice(self.b, I64(0), whole, count, inc=True) as (q, _):
                for number, accumulators in enumerate(self.sets):
                    self.term(accumulators, a_outer, ai, ar, b_outer, bi, self.b.add(q, I64(number)), mask)
            with cgutils.for_range_slice(self.b, whole, KI, I64(1), inc=True) as (q, _):
                self.term(self.total, a_outer, ai, ar, b_outer, bi, q, mask)
        for accumulators in self.sets[1:]:
            for at, place in accumulators.items():
                self.b.store(self.b.fadd(self.b.load(self.total[at]), self.b.load(place)), self.total[at])

    def term(self, accumulators, a, ai, ar, b, bi, q, mask):
        """The products of term q of the inner sum."""
        row = self.at(b, bi, q)
        values = [self.load(row, j, self.mask_of(j, mask)) for j in range(self.vectors)]
        for i in range(self.rows):
            factor = self.factor(self.at(self.at(a, ai, q), ar, i), mask)
            for j in range(self.vectors):
                place = accumulators[i, j]
                self.b.store(self.multiply_add(factor, values[j], self.b.load(place)), place)

    def factor(self, pointer, mask):
        """What a row has of A."""
        return self.broadcast(pointer)


class _Channelwise(_Sums):
    """The same for one vector of channels, each of which meets itself only: A is read in vectors too."""

    def factor(self, pointer, mask):
        return self.load(pointer, mask=mask)


class SumTiles(Tiles):
    """The table of such tiles, and of plain ones where they have accumulators enough."""

    def __init__(self, vectors: int, dtype: str, bits: int, channelwise: bool):
        super().__init__(vectors, dtype, bits)
        self.channelwise = channelwise

    def first(self, rows: int, vectors: int) -> int:
        return _cover(rows, vectors, self.bits)[1]

    def code(self, rows: int, vectors: int) -> int:
        return _code(rows, vectors, self.dtype, self.bits, self.channelwise)


@cache
def sum_tiles(vectors: int, dtype: str, bits: int, channelwise: bool = False) -> SumTiles:
    """Return the one table for panels of up to `vectors` vectors."""
    return SumTiles(vectors, dtype, bits, channelwise)


def cost(rows: int, vectors: int, bits: int) -> float:
    """Return the cycles that `rows` rows of a panel take for one term of the sum."""
    whole = max(0, rows // MANY - 1)
    return whole * _cover(MANY, vectors, bits)[0] + _cover(rows - whole * MANY, vectors, bits)[0]


@cache
def _cover(rows: int, vectors: int, bits: int) -> tuple[float, int]:
    """The cycles, two multiply-adds or loads in each and half a cycle more, and how many rows the first tile has."""
    if not rows:
        return 0.0, 0
    choices = range(min(rows, MOST[bits][vectors - 1]), 0, -1)  # the most rows first: of equals it wins
    cycles = ((max(r * vectors, r + vectors) / 2 + 0.5 + _cover(rows - r, vectors, bits)[0], r) for r in choices)
    return min(cycles, key=lambda choice: choice[0])


@cache
def _code(rows: int, vectors: int, dtype: str, bits: int, channelwise: bool) -> int:
    """The address of a tile."""
    if rows * vectors >= BUSY and not channelwise:
        return tile(rows, vectors, dtype, bits)
    kind = _Channelwise if channelwise else _Sums

    def write(builder: Any, *arguments: Any) -> None:
        kind(builder, rows, vectors, dtype, bits).write(*arguments)

    return routine(f"{kind.__name__}-{rows}x{vectors}{dtype}{bits}", 14, write)
