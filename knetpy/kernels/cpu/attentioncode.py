"""What happens to a block of scores between the products of attention: row by row, in vector code.

A block has so many rows of scores, `pitch` bytes apart, whose memory goes on to the end of the last vector. Of `width`
columns row r sees the first `seen + r * step`; for the others it gets zeros. A row may have a bias and a mask (bytes,
which are read in whole vectors), each with its own bytes from row to row. `scale` is a double as an int64.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from knetpy.kernels.cpu.codegen.expcode import Code
from knetpy.kernels.cpu.codegen.vectors import BITS, I32, I64, Vectors, routine

BIAS, MASK, DBIAS = 1, 2, 4  # kinds of rows: a sum of what they have


@cache
def soften(kind: int, dtype: str, bits: int = BITS) -> int:
    """Return the address of the routine that makes scores the numerators of a softmax whose rows come in blocks.

    Its arguments: scores, rows, pitch, seen, step, width, scale, bias, its row, mask, its row, top and total (the
    largest score so far and the sum of numerators, an element for each row), y and its row (what was summed with the
    former numerators, and is scaled down when `top` rises), columns of y, whether this is the first block.
    """
    return routine(f"soften-{kind}{dtype}{bits}", 17, lambda b, *given: _Rows(b, dtype, bits).soften(kind, *given))


@cache
def slope(kind: int, dtype: str, bits: int = BITS) -> int:
    """Return the address of the routine that makes scores weights, and the cotangents of weights those of scores.

    Its arguments: scores, cotangents, rows, the pitch of both, seen, step, width, scale (with which the cotangents are
    multiplied in the end), bias, its row, mask, its row, top, total, the sums of weight * cotangent (an element for
    each row), dbias, to which the cotangents are added, and its row.
    """
    return routine(f"slope-{kind}{dtype}{bits}", 17, lambda b, *given: _Rows(b, dtype, bits).slope(kind, *given))


@cache
def divide(dtype: str, bits: int = BITS) -> int:
    """Return the address of the routine that divides rows of y by their totals: rows, total, y, its row, columns."""
    return routine(f"divide-{dtype}{bits}", 5, lambda b, *given: _Rows(b, dtype, bits).divide(*given))


@cache
def dots(dtype: str, bits: int = BITS) -> int:
    """Return the address of the routine for the dot products of rows: rows, columns, x, its row, y, its row, sums."""
    return routine(f"dots-{dtype}{bits}", 7, lambda b, *given: _Rows(b, dtype, bits).dots(*given))


class _Rows(Vectors):
    """Writes the code of these routines."""

    def __init__(self, builder: Any, dtype: str, bits: int):
        super().__init__(builder, dtype, bits)
        self.dtype = dtype
        self.code = Code(builder, self.vector)
        self.lowest = self.constant(-math.inf)

    # ------------------------------------------------------------------------------------------------ routines

    def soften(
        self, kind, scores, rows, pitch, seen, step, width, scale, bias, bias_row, mask, mask_row, top, total, y, y_row,
        columns, first,
    ):  # fmt: skip
        b, scale, first = self.b, self.number(scale), self.b.icmp_unsigned("!=", first, I64(0))
        with cgutils.for_range(b, rows) as loop:
            row, shown, lead, held, total_at, top_at = self.places(
                loop.index, (scores, pitch), (mask, mask_row), (bias, bias_row), (y, y_row), (total, self.align),
                (top, self.align),
            )  # fmt: skip
            count = self.visible(loop.index, seen, step, width)
            most = self.variable(self.lowest)
            for j, part in self.parts(count):
                x = self.seen(self.load_at(row, j), scale, kind, lead, shown, j, part)
                self.store_at(x, row, j)
                self.b.store(self.larger(x, b.load(most)), most)
            before = b.select(first, self.lowest, self.broadcast(top_at))
            peak = self.larger(before, self.across(self.larger, b.load(most)))
            shift, sums = self.finite(peak), self.variable(self.zero)
            for j in self.whole(I64(0), count):
                e = self.weight(self.load_at(row, j), shift)
                self.store_at(e, row, j)
                b.store(b.fadd(e, b.load(sums)), sums)
            self.clear(row, count, width)
            whole = self.variable(b.select(first, self.zero, self.broadcast(total_at)))
            risen = b.and_(b.not_(first), b.fcmp_unordered("!=", self.lane(before), self.lane(peak)))
            with b.if_then(risen):
                factor = self.exp(b.fsub(before, peak))
                b.store(b.fmul(b.load(whole), factor), whole)
                self.multiply(held, columns, factor)
            self.store_lane(peak, top_at)
            self.store_lane(b.fadd(b.load(whole), self.across(b.fadd, b.load(sums))), total_at)

    def slope(
        self, kind, scores, cotangents, rows, pitch, seen, step, width, scale, bias, bias_row, mask, mask_row, top,
        total, sums, dbias, dbias_row,
    ):  # fmt: skip
        b, scale = self.b, self.number(scale)
        with cgutils.for_range(b, rows) as loop:
            row, other, shown, lead, added, top_at, total_at, sum_at = self.places(
                loop.index, (scores, pitch), (cotangents, pitch), (mask, mask_row), (bias, bias_row),
                (dbias, dbias_row), (top, self.align), (total, self.align), (sums, self.align),
            )  # fmt: skip
            count = self.visible(loop.index, seen, step, width)
            shift, factor = self.finite(self.broadcast(top_at)), self.inverse(self.broadcast(total_at))
            mean = self.broadcast(sum_at)
            for j, part in self.parts(count):
                x = self.seen(self.load_at(row, j), scale, kind, lead, shown, j, part)
                p = b.fmul(self.weight(x, shift), factor)
                d = b.fmul(p, b.fsub(self.load_at(other, j), mean))
                if part is not None:
                    p, d = b.select(part, p, self.zero), b.select(part, d, self.zero)
                self.store_at(p, row, j)
                self.store_at(b.fmul(d, scale), other, j)
                if kind & DBIAS:
                    self.store_at(b.fadd(d, self.load_at(added, j, part)), added, j, part)
            self.clear(row, count, width)
            self.clear(other, count, width)

    def divide(self, rows, total, y, y_row, columns):
        with cgutils.for_range(self.b, rows) as loop:
            row, total_at = self.places(loop.index, (y, y_row), (total, self.align))
            self.multiply(row, columns, self.inverse(self.broadcast(total_at)))

    def dots(self, rows, columns, x, x_row, y, y_row, sums):
        b = self.b
        with cgutils.for_range(b, rows) as loop:
            x_at, y_at, sum_at = self.places(loop.index, (x, x_row), (y, y_row), (sums, self.align))
            sums_of_lanes = self.variable(self.zero)
            for j, part in self.parts(columns):
                products = self.load_at(x_at, j, part), self.load_at(y_at, j, part)
                b.store(self.multiply_add(*products, b.load(sums_of_lanes)), sums_of_lanes)
            self.store_lane(self.across(b.fadd, b.load(sums_of_lanes)), sum_at)

    # ------------------------------------------------------------------------------------- what they are made of

    def seen(self, x, scale, kind, bias, mask, j, part):
        """The scores of a vector, with -Inf where the row sees nothing."""
        x = self.b.fmul(x, scale)
        if kind & BIAS:
            x = self.b.fadd(x, self.load_at(bias, j, part))
        if kind & MASK:
            x = self.b.select(self.shown(mask, j), x, self.lowest)
        return x if part is None else self.b.select(part, x, self.lowest)

    def shown(self, mask, j):
        kind = ir.VectorType(ir.IntType(8), self.lanes)
        place = self.b.bitcast(self.at(mask, 1, j), kind.as_pointer())
        return self.b.icmp_unsigned("!=", self.b.load(place, align=1), ir.Constant(kind, [0] * self.lanes))

    def weight(self, x, shift):
        """exp(x - shift), 1 where both are Inf."""
        return self.exp(self.b.select(self.b.fcmp_ordered("==", x, shift), self.zero, self.b.fsub(x, shift)))

    def exp(self, x):
        """e to the power x <= 0."""
        return self.code.exp_below(x)

    def larger(self, x, y):
        """The larger of both; y if either is NaN."""
        return self.b.select(self.b.fcmp_ordered(">", x, y), x, y)

    def finite(self, top):
        """What is taken off scores whose largest is `top`: 0 where that is -Inf, all being so."""
        return self.b.select(self.b.fcmp_ordered("==", top, self.lowest), self.zero, top)

    def inverse(self, total):
        """1 / total; 1 of 0."""
        one = self.constant(1.0)
        return self.b.fdiv(one, self.b.select(self.b.fcmp_ordered("==", total, self.zero), one, total))

    def across(self, operation, x):
        """x with, in every lane, the result of an operation on all lanes."""
        step = 1
        while step < self.lanes:
            x = operation(x, self.select(x, x, [i ^ step for i in range(self.lanes)]))
            step *= 2
        return x

    def multiply(self, row, columns, factor):
        for j, part in self.parts(columns):
            self.store_at(self.b.fmul(self.load_at(row, j, part), factor), row, j, part)

    def clear(self, row, count, width):
        """Zeros in the vectors that `width` elements have beyond those of `count`."""
        lanes = I64(self.lanes)
        beyond = self.b.mul(self.b.sdiv(self.b.add(count, I64(self.lanes - 1)), lanes), lanes)
        for j in self.whole(beyond, width):
            self.store_at(self.zero, row, j)

    def visible(self, row, seen, step, width):
        """How many of `width` columns a row sees."""
        count = self.b.add(seen, self.b.mul(step, row))
        count = self.b.select(self.b.icmp_signed("<", count, width), count, width)
        return self.b.select(self.b.icmp_signed(">", count, I64(0)), count, I64(0))

    def whole(self, start, stop):
        """Write what is done with whole vectors, as many as it takes: yields their first elements."""
        with cgutils.for_range_slice(self.b, start, stop, I64(self.lanes)) as (j, _):
            yield j

    def places(self, row, *operands):
        """Where the row with this number begins in each of (address, bytes from row to row)."""
        return [self.at(self.address(address), stride, row) for address, stride in operands]

    def load_at(self, row, j, mask=None):
        return self.load(self.at(row, self.align, j), mask=mask)

    def store_at(self, value, row, j, mask=None):
        self.store(value, self.at(row, self.align, j), mask=mask)

    def store_lane(self, value, place):
        self.b.store(self.lane(value), self.b.bitcast(place, self.element.as_pointer()), align=self.align)

    def lane(self, value):
        return self.b.extract_element(value, I32(0))

    def variable(self, value):
        place = cgutils.alloca_once(self.b, self.vector)
        self.b.store(value, place)
        return place

    def number(self, double):
        """Copies of the number that an int64 has the bits of."""
        x = self.b.bitcast(double, ir.DoubleType())
        return self.copies(x if self.dtype == "d" else self.b.fptrunc(x, self.element))
