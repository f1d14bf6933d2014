"""The vector code of pooling: for each place of the result what the elements met there come to, channel by channel.

A routine goes over rows of places; a plan's table says where the elements lie that each place meets, and which taps of
the window meet them: their numbers from 0 on, in row-major order.
"""

from __future__ import annotations

from functools import cache

from llvmlite import ir
from numba.core import cgutils

from knetpy.kernels.cpu.codegen.vectors import BITS, I32, I64, Vectors, routine

HEADER = 15  # numbers of a plan's table before its entries
TOGETHER = 4  # vectors of channels at a time, if there are so many


@cache
def code(kind: str, dtype: str, taps: int, met: tuple[int, int, int], bits: int = BITS) -> int:
    """Return the address of a routine of (table, places of source, result and taps, first row, row after the last).

    kind: "max"; "argmax", which writes the taps too; "pick", the element at the tap that is known of each place;
    "spread", its transpose: the sum of the elements whose tap this place is; "sum"; "mean"; "scaled", where 1 / divisor
    is a factor, which is faster, and as exact for powers of two. taps: their bytes.
    met: the elements met along each axis where they are as many everywhere, else zeros.
    """

    def write(builder, table, source, result, sides, start, stop):
        _Code(builder, kind, dtype, taps, met, bits).write(table, source, result, sides, start, stop)

    return routine(f"pool-{kind}{dtype}{taps}{met}{bits}", 6, write)


class _Code:
    def __init__(self, builder, kind, dtype, taps, met, bits):
        self.b, self.kind, self.met = builder, kind, met
        self.v = Vectors(builder, dtype, bits)
        self.tap, self.numbers = ir.IntType(8 * taps), ir.VectorType(I32, self.v.lanes)
        self.stored = ir.VectorType(self.tap, self.v.lanes)

    def write(self, table, source, result, sides, start, stop):
        b, v = self.b, self.v
        self.source, self.result, self.sides = [
            v.address(self.number(v.address(a), 0)) for a in (source, result, sides)
        ]
        self.table = v.address(table)
        channels, image, divisor = [self.number(self.table, i) for i in range(3)]
        axes = [_Axis(self, 3 + 4 * i) for i in range(3)]
        self.steps = [(axis.step, axis.tap_step) for axis in axes]
        divisor = b.sitofp(divisor, v.element)
        self.divisor = v.copies(divisor if self.kind == "mean" else b.fdiv(ir.Constant(v.element, 1.0), divisor))
        columns, lines, depths = axes
        with cgutils.for_range_slice(b, start, stop, I64(1)) as (row, _):
            line, above = b.srem(row, lines.length), b.sdiv(row, lines.length)
            here = [depths.at(b.srem(above, depths.length)), lines.at(line)]
            image_at = b.mul(b.sdiv(above, depths.length), image)
            first, tap = [b.add(*[at[i] for at in here]) for i in range(2)]
            first = b.add(first, image_at)
            to = b.mul(b.mul(row, columns.length), channels)
            with cgutils.for_range(b, columns.length) as place:
                more, tap_more, count = columns.at(place.index)
                counts = [count, here[1][2], here[0][2]]
                counts = [fixed or count for fixed, count in zip(self.met[::-1], counts)]
                self.place(
                    b.add(first, more), b.add(tap, tap_more), counts, b.add(to, b.mul(place.index, channels)), channels
                )

    def number(self, pointer, i):
        """Number i of those that lie there."""
        return self.b.load(self.b.bitcast(self.v.at(pointer, 8, i), I64.as_pointer()))

    def place(self, first, tap, counts, to, channels):
        """All channels of one place: those that fill several vectors, those that fill one, the rest under a mask."""
        b, lanes = self.b, self.v.lanes
        done = I64(0)
        for vectors in (TOGETHER, 1):
            step = I64(vectors * lanes)
            until = b.sub(channels, b.srem(channels, step))
            with cgutils.for_range_slice(b, done, until, step) as (c, _):
                self.channels(b.add(first, c), tap, counts, b.add(to, c), vectors, None)
            done = until
        with b.if_then(b.icmp_signed("<", done, channels)):
            mask = self.v.below(b.sub(channels, done))
            self.channels(b.add(first, done), tap, counts, b.add(to, done), 1, mask)

    def channels(self, first, tap, counts, to, vectors, mask):
        """Some vectors of channels of one place: what is met from element `first` and its tap on, into element `to`."""
        start = ir.Constant(self.v.vector, [float("-inf") if "max" in self.kind else 0.0] * self.v.lanes)
        kept = [cgutils.alloca_once_value(self.b, start) for _ in range(vectors)]
        for slot in kept:
            self.b.store(start, slot)
        extra = [None] * vectors
        if self.kind == "argmax":
            extra = [cgutils.alloca_once(self.b, self.numbers) for _ in range(vectors)]
            for slot in extra:
                self.b.store(self.copies(tap), slot)
        elif self.kind == "pick":
            extra = [self.load_taps(to, j, mask) for j in range(vectors)]

        def meet(at, tap):
            number = self.copies(tap) if self.kind in ("argmax", "pick", "spread") else None
            for j in range(vectors):
                self.meet(kept[j], extra[j], at, number, j, mask)

        self.loops(counts, first, tap, meet)
        for j in range(vectors):
            y = self.b.load(kept[j])
            if self.kind in ("mean", "scaled"):
                y = (self.b.fdiv if self.kind == "mean" else self.b.fmul)(y, self.divisor)
            self.v.store(y, self.v.at(self.result, self.v.align, to), j, mask)
            if self.kind == "argmax":
                self.store_taps(self.b.load(extra[j]), to, j, mask)

    def loops(self, counts, at, tap, body, axis=2):
        """Call body(element, tap) for all that are met, the last axis innermost."""
        if axis < 0:
            body(at, tap)
            return
        step, tap_step = self.steps[axis]

        def further(i):
            self.loops(
                counts, self.b.add(at, self.b.mul(step, i)), self.b.add(tap, self.b.mul(tap_step, i)), body, axis - 1
            )

        if isinstance(counts[axis], int):
            for i in range(counts[axis]):
                further(I64(i))
        else:
            with cgutils.for_range(self.b, counts[axis]) as loop:
                further(loop.index)

    def meet(self, slot, extra, at, number, j, mask):
        b, old = self.b, self.b.load(slot)
        seen = self.v.load(self.v.at(self.source, self.v.align, at), j, mask)
        if self.kind in ("max", "argmax"):
            # the first NaN stays, the only old that is not ordered
            better = b.and_(b.fcmp_unordered(">", seen, old), b.fcmp_ordered("ord", old, old))
            if extra is not None:
                b.store(b.select(better, number, b.load(extra)), extra)
            new = b.select(better, seen, old)
        elif self.kind == "pick":
            new = b.select(b.icmp_signed("==", extra, number), seen, old)
        elif self.kind == "spread":
            here = b.icmp_signed("==", self.load_taps(at, j, mask), number)
            new = b.fadd(old, b.select(here, seen, self.v.zero))
        else:
            new = b.fadd(old, seen)
        b.store(new, slot)

    # taps, which are numbers of 32 bits in registers

    def copies(self, tap):
        return self.v.copies(self.b.trunc(tap, I32))

    def load_taps(self, at, j, mask):
        place = self.taps_at(at, j)
        if mask is None:
            taps = self.b.load(place, align=1)
        else:
            zero = ir.Constant(self.stored, [0] * self.v.lanes)
            taps = self.masked("load", self.stored, [place, I32(1), mask, zero])
        return taps if self.stored == self.numbers else self.b.zext(taps, self.numbers)

    def store_taps(self, taps, at, j, mask):
        place = self.taps_at(at, j)
        taps = taps if self.stored == self.numbers else self.b.trunc(taps, self.stored)
        if mask is None:
            self.b.store(taps, place, align=1)
        else:
            self.masked("store", ir.VoidType(), [taps, place, I32(1), mask])

    def taps_at(self, at, j):
        pointer = self.v.at(self.sides, self.tap.width // 8, self.b.add(at, I64(j * self.v.lanes)))
        return self.b.bitcast(pointer, self.stored.as_pointer())

    def masked(self, name, result, values):
        suffix = f"v{self.v.lanes}i{self.tap.width}"
        kind = ir.FunctionType(result, [value.type for value in values])
        function = cgutils.get_or_insert_function(self.b.module, kind, f"llvm.masked.{name}.{suffix}.p0{suffix}")
        return self.b.call(function, values)


class _Axis:
    """What a plan's table says of one axis."""

    def __init__(self, code, header):
        self.code = code
        self.length, self.step, self.tap_step, start = [code.number(code.table, header + i) for i in range(4)]
        self.entries = code.v.at(code.v.at(code.table, 8, HEADER), 8, start)

    def at(self, i):
        """Of place i: the first element met there, its tap, and how many are met."""
        entry = self.code.v.at(self.entries, 24, i)
        return [self.code.number(entry, n) for n in range(3)]
