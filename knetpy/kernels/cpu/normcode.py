"""The vector code of normalisation, under both layouts of it.

A routine goes over `count` elements in lines of `width`, one column for each lane of a line. What it has to know of a
column (numbers HIGH to SHIFT) depends on the layout. With COLUMNS it stands in a table, one vector for each number;
with ROWS each number is one float64 for all columns; with LAYER too, but scale and bias are vectors beside.

x - mean is computed as (x - high) - low: a mean is too fine for one float32.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from knetpy.kernels.cpu.codegen.vectors import BITS, I64, Vectors, routine

COLUMNS, ROWS, LAYER = range(3)
HIGH, LOW, GAIN, BIAS, SLOPE, SHIFT = range(
    6
)  # y = (x - high - low) * gain + bias; dx = dy * gain - (... * slope + shift)
TOTAL, PRODUCT = 6, 7  # where, after these six, the sums of one row go
TOGETHER = 4  # lines or vectors that are added to each other, in the dtype, before they are added to sums


# Every routine takes (a, b, c, d, count, width, table, scale, bias, totals, products): four arrays of elements, as many
# of which it uses as are named below, what it has to know, and where its sums go.


@cache
def sums(layout: int, dtype: str, bits: int = BITS) -> int:
    """Of x: add x - origin, and its square, in float64, to totals and products. The table is the origin in float64.

    COLUMNS: origin, totals and products are vectors, else single numbers.
    """

    def write(builder, x, b, c, d, count, width, origin, scale, bias, totals, squares):
        code = _Sums(builder, layout, dtype, bits)
        x, origin, *out = map(code.v.address, (x, origin, totals, squares))
        start = None if layout == COLUMNS else code.wide.broadcast(origin)

        def add(place, column, mask):
            low = start if start is not None else code.wide.load(code.of(origin, column, 8), mask=mask)
            off = builder.fsub(code.widened(code.v.load(code.of(x, place), mask=mask)), low)
            off = off if mask is None else builder.select(mask, off, code.wide.zero)
            return off, off

        code.add_up(count, width, out, add)

    return _routine(f"sums-{layout}{dtype}{bits}", write)


@cache
def result(layout: int, relu: bool, residual: bool, dtype: str, bits: int = BITS) -> int:
    """Of x, more, y: y = x normalised, plus `more` with residual, under relu."""

    def write(builder, x, more, y, d, count, width, table, scale, bias, *out):
        code = _Code(builder, layout, dtype, bits, width, table, scale, bias)
        x, more, y = map(code.v.address, (x, more, y))

        def make(place, column, mask):
            made = code.normalised(code.off(x, place, column, mask), column, mask)
            if residual:
                made = builder.fadd(made, code.v.load(code.of(more, place), mask=mask))
            if relu:
                made = builder.select(builder.fcmp_ordered("<", made, code.v.zero), code.v.zero, made)
            code.v.store(made, code.of(y, place), mask=mask)

        code.sweep(count, width, lambda at: make(*at))

    return _routine(f"result-{layout}{relu}{residual}{dtype}{bits}", write)


@cache
def dx_sums(layout: int, relu: bool, residual: bool, dtype: str, bits: int = BITS) -> int:
    """Of dy, x, y, kept: add up dy and dy * (x - mean), in float64.

    With relu only the dy that it lets through; with residual they are told by y, and written to `kept`. LAYER: those of
    each column, multiplied by gain, go to totals and products, those of all, multiplied by scale, into the table, where
    ROWS leaves its sums too.
    """

    def write(builder, dy, x, y, kept, count, width, table, scale, bias, totals, products):
        code = _Sums(builder, layout, dtype, bits, width, table, scale, bias)
        dy, x, y, kept, totals, products = map(code.v.address, (dy, x, y, kept, totals, products))

        def add(place, column, mask):
            d = code.off(x, place, column, mask)
            seen = code.v.load(code.of(y, place), mask=mask) if residual else None
            g = code.passed(dy, d, place, column, mask, relu, seen)
            if residual:
                code.v.store(g, code.of(kept, place), mask=mask)
            if layout == LAYER:
                code.into_columns((totals, products), column, mask, [(g, builder.fmul(d, code.numbers[GAIN]))])
                g = builder.fmul(g, code.v.load(code.of(code.scale, column), mask=mask))
            return g, d

        out = (totals, products) if layout == COLUMNS else [code.v.at(code.table, 8, n) for n in (TOTAL, PRODUCT)]
        code.add_up(count, width, out, add)

    return _routine(f"dx-sums-{layout}{relu}{residual}{dtype}{bits}", write)


@cache
def dx(layout: int, relu: bool, dtype: str, bits: int = BITS) -> int:
    """Of dy, x, dx: dx = dy * gain - ((x - mean) * slope + shift)."""

    def write(builder, dy, x, dx, d, count, width, table, scale, bias, *out):
        code = _Code(builder, layout, dtype, bits, width, table, scale, bias)
        dy, x, dx = map(code.v.address, (dy, x, dx))

        def make(place, column, mask):
            d = code.off(x, place, column, mask)
            g = code.passed(dy, d, place, column, mask, relu, None)
            g = code.rounded(builder.fmul(g, code.known(GAIN, column, mask)))  # as its mean is: they may cancel
            slope, shift = (code.known(n, column, mask) for n in (SLOPE, SHIFT))
            made = builder.fsub(g, code.v.multiply_add(d, slope, shift))
            code.v.store(made, code.of(dx, place), mask=mask)

        code.sweep(count, width, lambda at: make(*at))

    return _routine(f"dx-{layout}{relu}{dtype}{bits}", write)


def _routine(key: str, write: Any) -> int:
    return routine(f"norm-{key}", 11, write)


class _Code:
    """What routines are made of. An element has a place, its number among all, and a column, that in its line."""

    def __init__(self, builder, layout, dtype, bits, width=None, table=None, scale=None, bias=None):
        self.b, self.layout = builder, layout
        self.v = Vectors(builder, dtype, bits)
        if table is not None:
            self.width, (self.table, self.scale, self.bias) = width, map(self.v.address, (table, scale, bias))
            self.numbers = [] if layout == COLUMNS else [self.number(n) for n in range(6)]

    def of(self, pointer: Any, i: Any, size: int = 0) -> Any:
        """The address of element i, of so many bytes, by default as many as the dtype has."""
        return self.v.at(pointer, size or self.v.align, i)

    def sweep(self, count, width, body, lines=1, vectors=1):
        """Call body((place, column, mask), ...) with the vectors at one column of `lines` lines or with `vectors`
        neighbours: the last of a line under masks, lines that are left over by themselves."""
        b, step = self.b, I64(self.v.lanes * vectors)
        several = b.mul(width, I64(lines))
        whole = b.sub(count, b.srem(count, several))
        if lines > 1:
            with cgutils.for_range_slice(b, I64(0), whole, several) as (line, _):
                self.along([b.add(line, b.mul(width, I64(n))) for n in range(lines)], width, step, vectors, body)
        with cgutils.for_range_slice(b, whole if lines > 1 else I64(0), count, width) as (line, _):
            left = b.sub(count, line)
            length = b.select(b.icmp_signed("<", left, width), left, width)
            self.along([line], length, step, vectors, body)

    def along(self, lines, length, step, vectors, body):
        """The vectors of lines that begin at these places."""
        b = self.b

        def at(first, tail):
            columns = [b.add(first, I64(k * self.v.lanes)) for k in range(vectors)]
            masks = [self.v.below(b.sub(length, column)) if tail else None for column in columns]
            body(*[(b.add(line, column), column, mask) for line in lines for column, mask in zip(columns, masks)])

        whole = b.sub(length, b.srem(length, step))
        with cgutils.for_range_slice(b, I64(0), whole, step) as (first, _):
            at(first, False)
        with b.if_then(b.icmp_signed("<", whole, length)):
            at(whole, True)

    def number(self, n):
        """Number n of all columns as a vector."""
        x = self.b.load(self.b.bitcast(self.v.at(self.table, 8, n), ir.DoubleType().as_pointer()))
        return self.v.copies(x if self.v.align == 8 else self.b.fptrunc(x, self.v.element))

    def known(self, n, column, mask):
        """Number n of the columns of a vector."""
        if self.layout == COLUMNS:
            place = self.b.add(self.b.mul(self.width, I64(n)), column)
            return self.v.load(self.of(self.table, place), mask=mask)
        if self.layout == LAYER and n == GAIN:
            return self.b.fmul(self.numbers[n], self.v.load(self.of(self.scale, column), mask=mask))
        if self.layout == LAYER and n == BIAS:
            return self.v.load(self.of(self.bias, column), mask=mask)
        return self.numbers[n]

    def off(self, x, place, column, mask):
        """x - mean."""
        high, low = (self.known(n, column, mask) for n in (HIGH, LOW))
        return self.b.fsub(self.b.fsub(self.v.load(self.of(x, place), mask=mask), high), low)

    def rounded(self, x):
        """x, a product that no addition is fused with."""
        return self.b.call(self.v.declare("arithmetic.fence", self.v.vector, [self.v.vector]), [x])

    def normalised(self, d, column, mask):
        gain, bias = (self.known(n, column, mask) for n in (GAIN, BIAS))
        return self.v.multiply_add(d, gain, bias)

    def passed(self, dy, d, place, column, mask, relu, y):
        """What relu lets through of dy, if there is one: told by y if that is given, else y is computed again."""
        dy = self.v.load(self.of(dy, place), mask=mask)
        if not relu:
            return dy
        y = self.normalised(d, column, mask) if y is None else y
        return self.b.select(self.b.fcmp_unordered(">", y, self.v.zero), dy, self.v.zero)


class _Sums(_Code):
    """Sums in float64: vectors of the dtype are of as many lanes as those of float64."""

    def __init__(self, builder, layout, dtype, bits, *of_columns):
        self.wide = Vectors(builder, "d", bits)
        super().__init__(builder, layout, dtype, bits if dtype == "d" else bits // 2, *of_columns)

    def widened(self, x):
        return x if x.type == self.wide.vector else self.b.fpext(x, self.wide.vector)

    def add_up(self, count, width, out, add):
        """Sum up g and g * d of the pairs that add(place, column, mask) returns: for each column, or over all."""
        if self.layout == COLUMNS:
            self.sweep(
                count,
                width,
                lambda *at: self.into_columns(out, *at[0][1:], [add(*a) for a in at]),
                lines=TOGETHER,
            )
            return
        kept = [cgutils.alloca_once_value(self.b, self.wide.zero) for _ in out]

        def keep(*at):
            for place, more in zip(kept, self.together([add(*a) for a in at])):
                self.b.store(self.b.fadd(self.b.load(place), more), place)

        self.sweep(count, width, keep, vectors=TOGETHER)
        for place, pointer in zip(kept, out):
            slot = self.b.bitcast(pointer, ir.DoubleType().as_pointer())
            self.b.store(self.b.fadd(self.b.load(slot), self.across(self.b.load(place))), slot)

    def together(self, pairs):
        """The sums of g and of g * d, in float64; some pairs are added in the dtype that they have."""
        v = self.wide if pairs[0][0].type == self.wide.vector else self.v
        totals, products = [g for g, _ in pairs], []
        for i in range(0, len(pairs), 2):
            more = self.b.fmul(*pairs[i])
            products.append(v.multiply_add(*pairs[i + 1], more) if i + 1 < len(pairs) else more)
        return [self.widened(self.halved(values)) for values in (totals, products)]

    def halved(self, values):
        """The sum of values by pairs."""
        while len(values) > 1:
            values = [self.b.fadd(x, y) for x, y in zip(values[::2], values[1::2])]
        return values[0]

    def into_columns(self, out, column, mask, pairs):
        """Add to the two vectors of sums, one for each column."""
        for pointer, more in zip(out, self.together(pairs)):
            place = self.of(pointer, column, 8)
            self.wide.store(self.b.fadd(self.wide.load(place, mask=mask), more), place, mask=mask)

    def across(self, x):
        """The sum of the lanes, by halves."""
        lanes = list(range(self.wide.lanes))
        while len(lanes) > 1:
            half = len(lanes) // 2
            pattern = [*lanes[half:], *lanes[:half], *range(len(lanes), self.wide.lanes)]
            x = self.b.fadd(x, self.wide.select(x, x, pattern))
            lanes = lanes[:half]
        return self.b.extract_element(x, ir.IntType(32)(0))
