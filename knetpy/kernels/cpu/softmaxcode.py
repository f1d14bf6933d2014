"""The vector code of softmax: routines over rows, each of which one softmax runs over.

ALONG: rows lie one after the other, a vector holds several elements of one. BESIDE: rows lie side by side, a vector
holds one element of several. Either way a row, or a vector of rows, is gone over a few times while it is near.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba.core import cgutils

from knetpy.kernels.cpu.codegen.expcode import LN2_HIGH, LN2_LOW, Code
from knetpy.kernels.cpu.codegen.vectors import BITS, I32, I64, Vectors, routine

ALONG, BESIDE = range(2)

LOG = [2 / (2 * k + 1) for k in range(11)]  # log((1 + s) / (1 - s)) / s, by s^2


@cache
def code(kind: str, layout: int, dtype: str, bits: int = BITS) -> int:
    """The address of a routine (x, dy, y, ends, tops, count, classes, inner) over `count` rows.

    kind: "softmax" and "logsoftmax" of x, into y; "nll", softmax, with the logarithm of each row's sum and its largest
    element in ends and tops; "softmax_dx" and "logsoftmax_dx", of the result x and dy; "scale", x times ends.
    inner: how far the elements of a row are apart, and the rows that lie side by side; unused where they lie along.
    """

    def write(builder, x, dy, y, ends, tops, count, classes, inner):
        rows = _Rows(builder, layout, dtype, bits, classes, inner)
        rows.each(count, [x, dy, y], [ends, tops], getattr(rows, kind))

    return routine(f"{kind}-{layout}{dtype}{bits}", 8, write)


class _Rows(Vectors):
    """Writes what is done with a row, or with a vector of rows."""

    def __init__(self, builder: Any, layout: int, dtype: str, bits: int, classes: Any, inner: Any):
        super().__init__(builder, dtype, bits)
        self.layout, self.classes, self.inner = layout, classes, inner
        self.double = int(dtype == "d")
        self.code = Code(builder, self.vector)

    def each(self, count, arrays, ends, body):
        """Call body(x, dy, y, end, top, mask) for every row or vector of rows."""
        b = self.b
        arrays, ends = [list(map(self.address, places)) for places in (arrays, ends)]

        def one(row, mask):
            apart = self.classes if self.layout == ALONG else I64(1)
            here = [self.at(place, self.align, b.mul(row, apart)) for place in arrays]
            body(*here, *[self.at(place, self.align, row) for place in ends], mask)

        if self.layout == BESIDE:
            for row, mask in self.parts(count):
                one(row, mask)
        else:
            with cgutils.for_range(b, count) as loop:
                one(loop.index, None)

    def sweep(self, mask, body):
        """Call body(offset in bytes, mask) for every vector of a row."""
        b = self.b
        if self.layout == BESIDE:
            with cgutils.for_range(b, self.classes) as loop:
                body(b.mul(loop.index, b.mul(self.inner, I64(self.align))), mask)
        else:
            for first, part in self.parts(self.classes):
                body(b.mul(first, I64(self.align)), part)

    def folded(self, start, mask, value, join):
        """What join makes of value(offset, mask) for all vectors of a row, in every lane."""
        start = self.code.number(start)
        kept = cgutils.alloca_once_value(self.b, start)

        def more(offset, mask):
            found = value(offset, mask)
            if mask is not None and self.layout == ALONG:
                found = self.b.select(mask, found, start)
            self.b.store(join(self.b.load(kept), found), kept)

        self.b.store(start, kept)
        self.sweep(mask, more)
        result, half = self.b.load(kept), self.lanes // 2
        while self.layout == ALONG and half:
            result = join(result, self.select(result, result, [lane ^ half for lane in range(self.lanes)]))
            half //= 2
        return result

    # ------------------------------------------------------------------------------------------- the routines

    def softmax(self, x, dy, y, end, top, mask):
        self._powers(x, y, mask)

    def nll(self, x, dy, y, end, top, mask):
        total, most = self._powers(x, y, mask)
        self._put(self.log(total), end, mask)
        self._put(most, top, mask)

    def logsoftmax(self, x, dy, y, end, top, mask):
        most = self._largest(x, mask)
        log = self.log(self.folded(0, mask, lambda at, m: self.exp(self._shifted(x, at, most, m)), self.b.fadd))
        self.sweep(mask, lambda at, m: self._set(self.b.fsub(self._shifted(x, at, most, m), log), y, at, m))

    def softmax_dx(self, p, dy, y, end, top, mask):
        b, get = self.b, self._get
        mean = self.folded(0, mask, lambda at, m: b.fmul(get(p, at, m), get(dy, at, m)), b.fadd)
        self.sweep(mask, lambda at, m: self._set(b.fmul(get(p, at, m), b.fsub(get(dy, at, m), mean)), y, at, m))

    def logsoftmax_dx(self, logs, dy, y, end, top, mask):
        b, get = self.b, self._get
        total = self.folded(0, mask, lambda at, m: get(dy, at, m), b.fadd)
        less = b.fneg(total)
        self.sweep(
            mask, lambda at, m: self._set(self.multiply_add(self.exp(get(logs, at, m)), less, get(dy, at, m)), y, at, m)
        )

    def scale(self, p, dy, y, end, top, mask):
        factor = self.broadcast(end) if self.layout == ALONG else self.load(end, mask=mask)
        self.sweep(mask, lambda at, m: self._set(self.b.fmul(self._get(p, at, m), factor), y, at, m))

    def _powers(self, x, y, mask):
        """Softmax into y; the sum of the powers and the largest x."""
        most = self._largest(x, mask)

        def power(at, m):
            e = self.exp(self._shifted(x, at, most, m))
            self._set(e, y, at, m)
            return e

        total = self.folded(0, mask, power, self.b.fadd)
        factor = self.b.fdiv(self.code.number(1), total)
        self.sweep(mask, lambda at, m: self._set(self.b.fmul(self._get(y, at, m), factor), y, at, m))
        return total, most

    def _largest(self, x, mask):
        """The largest of a row, but for NaN: that the sum will be NaN is enough."""
        return self.folded(-np.inf, mask, lambda at, m: self._get(x, at, m), self._larger)

    def _larger(self, x, y):
        return self.b.select(self.b.fcmp_ordered(">", y, x), y, x)

    def _shifted(self, x, at, most, mask):
        """x minus the largest, 0 where it is that: so also where that is infinite."""
        x = self._get(x, at, mask)
        return self.b.select(self.b.fcmp_ordered("==", x, most), self.zero, self.b.fsub(x, most))

    def _get(self, x, at, mask):
        return self.load(self.at(x, 1, at), mask=mask)

    def _set(self, value, y, at, mask):
        self.store(value, self.at(y, 1, at), mask=mask)

    def _put(self, value, end, mask):
        """One number for each row."""
        if self.layout == BESIDE:
            self.store(value, end, mask=mask)
        else:
            slot = self.b.bitcast(end, self.element.as_pointer())
            self.b.store(self.b.extract_element(value, I32(0)), slot)

    # -------------------------------------------------------------------------------------------- exp and log

    def exp(self, x):
        """e to the power x <= 0."""
        return self.code.exp_below(x)

    def log(self, x):
        """The natural logarithm of x >= 1: of 2^n (1 + s) / (1 - s) with |s| <= 0.172."""
        b, digits, kind = self.b, (23, 52)[self.double], (np.int32, np.int64)[self.double]
        least = int(np.sqrt(0.5, dtype=(np.float32, np.float64)[self.double]).view(kind))
        bits = b.bitcast(x, self.code.integers)
        n = b.ashr(b.sub(bits, self.code.whole(least)), self.code.whole(digits))
        m = b.bitcast(b.sub(bits, b.shl(n, self.code.whole(digits))), self.vector)
        s = b.fdiv(b.fsub(m, self.code.number(1)), b.fadd(m, self.code.number(1)))
        series = self.code.polynomial(LOG[(5, 11)[self.double] - 1 :: -1], b.fmul(s, s))
        n = b.sitofp(n, self.vector)
        low = self.multiply_add(n, self.code.number(LN2_LOW[self.double]), b.fmul(s, series))
        y = self.multiply_add(n, self.code.number(LN2_HIGH[self.double]), low)
        return b.select(b.fcmp_unordered("uno", x, x), x, y)
