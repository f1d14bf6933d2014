"""Cells of recurrent layers: loops over the elements of one sequence's state at one time, compiled for each dtype.

A step reads px, ph and the state before, and writes the state after and what it keeps; in bytes, `state` lies between
the arrays of a state, `plane` between those that it keeps, `row` between gates. Its derivative reads dy, dstate, the
last array of the state before, and what was kept; it writes dpx, dph and into dstate what goes on to the step before,
but for the product's share. Short loops over few arrays become vector code.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from knetpy.kernels.cpu.codegen import vecmath
from knetpy.kernels.cpu.codegen.curves import SLOPES
from knetpy.kernels.cpu.codegen.vecmath import one, zero
from knetpy.kernels.cpu.elementwise import loops
from knetpy.kernels.cpu.jit import jit


def _lstm(pointer):
    def step(px, ph, before, after, kept, state, plane, row, size):
        i, f, g, o = pointer(kept), pointer(kept + plane), pointer(kept + 2 * plane), pointer(kept + 3 * plane)
        squashed, old, c, h = pointer(kept + 4 * plane), pointer(before + state), pointer(after + state), pointer(after)
        xi, xf, xg, xo = pointer(px), pointer(px + row), pointer(px + 2 * row), pointer(px + 3 * row)
        pi, pf, pg, po = pointer(ph), pointer(ph + row), pointer(ph + 2 * row), pointer(ph + 3 * row)
        for k in range(size):
            i[k] = vecmath.sigmoid(xi[k] + pi[k])
        for k in range(size):
            f[k] = vecmath.sigmoid(xf[k] + pf[k])
        for k in range(size):
            g[k] = vecmath.tanh(xg[k] + pg[k])
        for k in range(size):
            o[k] = vecmath.sigmoid(xo[k] + po[k])
        for k in range(size):
            c[k] = f[k] * old[k] + i[k] * g[k]
        for k in range(size):
            squashed[k] = vecmath.tanh(c[k])
        for k in range(size):
            h[k] = o[k] * squashed[k]

    return step


def _lstm_back(pointer):
    def back(dy, dstate, before, kept, dpx, dph, plane, row, size):
        i, f, g, o = pointer(kept), pointer(kept + plane), pointer(kept + 2 * plane), pointer(kept + 3 * plane)
        squashed, c, dy = pointer(kept + 4 * plane), pointer(before), pointer(dy)
        dh, dc = pointer(dstate), pointer(dstate + plane)
        di, df, dg, do = pointer(dpx), pointer(dpx + row), pointer(dpx + 2 * row), pointer(dpx + 3 * row)
        for k in range(size):
            dh[k] += dy[k]
        for k in range(size):
            dc[k] += dh[k] * o[k] * (one(dc[k]) - squashed[k] * squashed[k])
        for k in range(size):
            do[k] = dh[k] * squashed[k] * o[k] * (one(o[k]) - o[k])
        for k in range(size):
            di[k] = dc[k] * g[k] * i[k] * (one(i[k]) - i[k])
        for k in range(size):
            dg[k] = dc[k] * i[k] * (one(g[k]) - g[k] * g[k])
        for k in range(size):
            df[k] = dc[k] * c[k] * f[k] * (one(f[k]) - f[k])
        for k in range(size):
            dc[k] *= f[k]
        for k in range(size):
            dh[k] = zero(dh[k])

    return back


def _gru(pointer):
    def step(px, ph, before, after, kept, state, plane, row, size):
        r, z, n, fed = pointer(kept), pointer(kept + plane), pointer(kept + 2 * plane), pointer(kept + 3 * plane)
        old, h = pointer(before), pointer(after)
        xr, xz, xn = pointer(px), pointer(px + row), pointer(px + 2 * row)
        pr, pz, pn = pointer(ph), pointer(ph + row), pointer(ph + 2 * row)
        for k in range(size):
            r[k] = vecmath.sigmoid(xr[k] + pr[k])
        for k in range(size):
            z[k] = vecmath.sigmoid(xz[k] + pz[k])
        for k in range(size):
            fed[k] = pn[k]
        for k in range(size):
            n[k] = vecmath.tanh(xn[k] + r[k] * pn[k])
        for k in range(size):
            h[k] = n[k] + z[k] * (old[k] - n[k])

    return step


def _gru_back(pointer):
    def back(dy, dstate, before, kept, dpx, dph, plane, row, size):
        r, z, n, fed = pointer(kept), pointer(kept + plane), pointer(kept + 2 * plane), pointer(kept + 3 * plane)
        h, dy, dh = pointer(before), pointer(dy), pointer(dstate)
        xr, xz, xn = pointer(dpx), pointer(dpx + row), pointer(dpx + 2 * row)
        pr, pz, pn = pointer(dph), pointer(dph + row), pointer(dph + 2 * row)
        for k in range(size):
            dh[k] += dy[k]
        for k in range(size):
            xn[k] = dh[k] * (one(z[k]) - z[k]) * (one(n[k]) - n[k] * n[k])
        for k in range(size):
            xr[k] = xn[k] * fed[k] * r[k] * (one(r[k]) - r[k])
        for k in range(size):
            xz[k] = dh[k] * (h[k] - n[k]) * z[k] * (one(z[k]) - z[k])
        for k in range(size):
            pr[k] = xr[k]
        for k in range(size):
            pz[k] = xz[k]
        for k in range(size):
            pn[k] = xn[k] * r[k]
        for k in range(size):
            dh[k] *= z[k]

    return back


def _plain(pointer, f):
    def step(px, ph, before, after, kept, state, plane, row, size):
        x, p, h, y = pointer(px), pointer(ph), pointer(after), pointer(kept)
        for k in range(size):
            y[k] = f(x[k], p[k])
        for k in range(size):
            h[k] = y[k]

    return step


def _plain_back(pointer, slope):
    def back(dy, dstate, before, kept, dpx, dph, plane, row, size):
        dy, dh, y, dx = pointer(dy), pointer(dstate), pointer(kept), pointer(dpx)
        for k in range(size):
            dx[k] = slope(dh[k] + dy[k], y[k])
        for k in range(size):
            dh[k] = zero(dh[k])

    return back


@jit(forceinline=True)
def _tanh_of_sum(x, p):
    return vecmath.tanh(x + p)


@jit(forceinline=True)
def _relu_of_sum(x, p):
    return zero(x) if x + p <= zero(x) else x + p


def _add(pointer):
    def add(x, y, size):
        x, y = pointer(x), pointer(y)
        for k in range(size):
            y[k] += x[k]

    return add


def _by_dtype(make, *functions):
    single, double = loops(make, *functions)
    return {"f": single, "d": double}


class Cell(NamedTuple):
    """A step and its derivative, by dtype; how many arrays (B, H) it keeps for that; whether dph is not dpx."""

    step: Any
    back: Any
    kept: int
    apart: bool = False


ADD = _by_dtype(_add)
CELLS = {
    "lstm": Cell(_by_dtype(_lstm), _by_dtype(_lstm_back), 5),
    "gru": Cell(_by_dtype(_gru), _by_dtype(_gru_back), 4, apart=True),
    "rnn_tanh": Cell(_by_dtype(_plain, _tanh_of_sum), _by_dtype(_plain_back, SLOPES["tanh"]), 1),
    "rnn_relu": Cell(_by_dtype(_plain, _relu_of_sum), _by_dtype(_plain_back, SLOPES["relu"]), 1),
}
