"""Recurrence: the products of a step on BLAS, and one compiled pass over its gates.

Loops are short and touch few arrays each: then LLVM makes vector instructions of them. Cells that are not here are
the reference's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from knetpy.kernels.cpu import floats, read, vecmath
from knetpy.kernels.cpu.blas import one_thread
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference import rnn as reference


@floats(reference.rnn)
def rnn(px, state, wh, bh, *, cell, reverse, lengths):
    """As the reference's."""
    how = _cell(cell)
    if how is None:
        return reference.rnn(px, state, wh, bh, cell=cell, reverse=reverse, lengths=lengths)
    (count, batch, _), size, parts, dtype = px.shape, len(wh), how.parts, px.dtype.type
    px, wh = read(px).reshape(count, batch, parts, size), read(wh, dtype)
    states = np.empty((len(state), count + 1, batch, size), dtype)  # before and after every step
    gates, ph = np.empty((count, how.kept, batch, size), dtype), np.empty((batch, parts * size), dtype)
    states[:, count if reverse else 0] = state
    with one_thread():
        for t in range(count - 1, -1, -1) if reverse else range(count):
            old, new = (t + 1, t) if reverse else (t, t + 1)
            np.matmul(states[0, old], wh, out=ph)
            if bh is not None:
                ph += bh
            how.step(px, ph.reshape(batch, parts, size), states, gates, t, old, new)
            if lengths is not None:
                over = t >= lengths
                states[:, new, over] = states[:, old, over]
    before, after = (states[:, 1:], states[:, :-1]) if reverse else (states[:, :-1], states[:, 1:])
    y = after[0].copy() if lengths is None else np.where(_alive(lengths, count), after[0], dtype(0))
    return y, states[:, 0 if reverse else count].copy(), before.swapaxes(0, 1), gates


@floats(reference.rnn_back)
def rnn_back(dy, dstate, wh, before, gates, *, cell, reverse, lengths):
    """As the reference's."""
    how = _cell(cell)
    if how is None:
        return reference.rnn_back(dy, dstate, wh, before, gates, cell=cell, reverse=reverse, lengths=lengths)
    (count, batch, size), parts, dtype = dy.shape, how.parts, dy.dtype.type
    dy = read(dy if lengths is None else np.where(_alive(lengths, count), dy, 0), dtype)
    h, last, gates = read(before[:, 0]), read(before[:, -1]), read(gates)  # not copied if they come from above
    turned = read(wh.T, dtype)  # a copy, on which BLAS is faster
    dpx = np.empty((count, batch, parts, size), dtype)
    dph = np.empty_like(dpx) if how.apart else dpx  # by the recurrent product
    dstate = np.array(dstate, dtype, order="C")
    product = np.empty((batch, size), dtype)
    with one_thread():
        for t in range(count) if reverse else range(count - 1, -1, -1):
            if lengths is not None:
                over = t >= lengths
                waiting = dstate[:, over]
                dstate[:, over] = 0
            how.back(dy, dstate, last, gates, dpx, dph, t)
            np.matmul(dph[t].reshape(batch, parts * size), turned, out=product)
            dstate[0] += product
            if lengths is not None:
                dstate[:, over] = waiting
        rows = count * batch
        flat = dph.reshape(rows, parts * size)
        dwh = h.reshape(rows, size).T @ flat
    return dpx.reshape(count, batch, parts * size), dstate, dwh, flat.sum(0)


def _alive(lengths, count):
    """Which sequences have which steps, (T, B, 1)."""
    return (np.arange(count)[:, None] < lengths)[..., None]


# -------------------------------------------------------------------------------------------------- the cells
# A step reads px (T, B, G, H) at t, ph (B, G, H) and the state at old; it writes the state at new and gates
# (T, K, B, H) at t. Its derivative reads dy, the last array of the state before and gates, all at t, and dstate, into
# which it writes what goes on to the step before, but for the product's share; it writes dpx and dph, for some cells
# one array.


@jit()
def _lstm(px, ph, states, gates, t, old, new):
    i, f, g, o, squashed = gates[t, 0], gates[t, 1], gates[t, 2], gates[t, 3], gates[t, 4]
    h, before, c = states[0, new], states[1, old], states[1, new]
    _sigmoid_of(px[t], ph, 0, i)
    _sigmoid_of(px[t], ph, 1, f)
    _tanh_of(px[t], ph, 2, g)
    _sigmoid_of(px[t], ph, 3, o)
    for b in range(len(c)):
        for k in range(c.shape[1]):
            c[b, k] = f[b, k] * before[b, k] + i[b, k] * g[b, k]
        for k in range(c.shape[1]):
            squashed[b, k] = vecmath.tanh(c[b, k])
        for k in range(c.shape[1]):
            h[b, k] = o[b, k] * squashed[b, k]


@jit()
def _lstm_back(dy, dstate, cs, gates, dpx, dph, t):
    i, f, g, o, squashed = gates[t, 0], gates[t, 1], gates[t, 2], gates[t, 3], gates[t, 4]
    dh, dc, c, dp, dh_new, one = dstate[0], dstate[1], cs[t], dpx[t], dy[t], dy.dtype.type(1)
    for b in range(len(dh)):
        for k in range(dh.shape[1]):
            dh[b, k] += dh_new[b, k]
        for k in range(dh.shape[1]):
            dc[b, k] += dh[b, k] * o[b, k] * (one - squashed[b, k] * squashed[b, k])
        for k in range(dh.shape[1]):
            dp[b, 0, k] = dc[b, k] * g[b, k] * i[b, k] * (one - i[b, k])
        for k in range(dh.shape[1]):
            dp[b, 1, k] = dc[b, k] * c[b, k] * f[b, k] * (one - f[b, k])
        for k in range(dh.shape[1]):
            dp[b, 2, k] = dc[b, k] * i[b, k] * (one - g[b, k] * g[b, k])
        for k in range(dh.shape[1]):
            dp[b, 3, k] = dh[b, k] * squashed[b, k] * o[b, k] * (one - o[b, k])
        for k in range(dh.shape[1]):
            dc[b, k] *= f[b, k]
        dh[b] = 0


@jit()
def _gru(px, ph, states, gates, t, old, new):
    r, z, n, fed = gates[t, 0], gates[t, 1], gates[t, 2], gates[t, 3]
    h, before = states[0, new], states[0, old]
    _sigmoid_of(px[t], ph, 0, r)
    _sigmoid_of(px[t], ph, 1, z)
    for b in range(len(h)):
        for k in range(h.shape[1]):
            fed[b, k] = ph[b, 2, k]
        for k in range(h.shape[1]):
            n[b, k] = px[t, b, 2, k] + r[b, k] * ph[b, 2, k]
        for k in range(h.shape[1]):
            n[b, k] = vecmath.tanh(n[b, k])
        for k in range(h.shape[1]):
            h[b, k] = n[b, k] + z[b, k] * (before[b, k] - n[b, k])


@jit()
def _gru_back(dy, dstate, hs, gates, dpx, dph, t):
    r, z, n, fed = gates[t, 0], gates[t, 1], gates[t, 2], gates[t, 3]
    dh, h, dx, dp, dh_new, one = dstate[0], hs[t], dpx[t], dph[t], dy[t], dy.dtype.type(1)
    for b in range(len(dh)):
        for k in range(dh.shape[1]):
            dh[b, k] += dh_new[b, k]
        for k in range(dh.shape[1]):
            dx[b, 2, k] = dh[b, k] * (one - z[b, k]) * (one - n[b, k] * n[b, k])
        for k in range(dh.shape[1]):
            dx[b, 0, k] = dx[b, 2, k] * fed[b, k] * r[b, k] * (one - r[b, k])
        for k in range(dh.shape[1]):
            dx[b, 1, k] = dh[b, k] * (h[b, k] - n[b, k]) * z[b, k] * (one - z[b, k])
        for k in range(dh.shape[1]):
            dp[b, 0, k] = dx[b, 0, k]
            dp[b, 1, k] = dx[b, 1, k]
        for k in range(dh.shape[1]):
            dp[b, 2, k] = dx[b, 2, k] * r[b, k]
        for k in range(dh.shape[1]):
            dh[b, k] *= z[b, k]


@jit()
def _rnn_tanh(px, ph, states, gates, t, old, new):
    kept, h = gates[t, 0], states[0, new]
    _tanh_of(px[t], ph, 0, kept)
    for b in range(len(h)):
        for k in range(h.shape[1]):  # an assignment of all would take seconds to compile
            h[b, k] = kept[b, k]


@jit()
def _rnn_tanh_back(dy, dstate, hs, gates, dpx, dph, t):
    dh, kept, one = dstate[0], gates[t, 0], dy.dtype.type(1)
    for b in range(len(dh)):
        for k in range(dh.shape[1]):
            dpx[t, b, 0, k] = (dh[b, k] + dy[t, b, k]) * (one - kept[b, k] * kept[b, k])
        dh[b] = 0


class Cell(NamedTuple):
    """A step, its derivative, how many arrays (B, H) it keeps for that, how many gates, whether dph is not dpx."""

    step: Any
    back: Any
    kept: int
    parts: int
    apart: bool = False


def _cell(name: str) -> Cell | None:
    """The cell of this name, if it is here. It is a function so that status() finds what launchers use."""
    cells = {
        "lstm": Cell(_lstm, _lstm_back, 5, 4),
        "gru": Cell(_gru, _gru_back, 4, 3, apart=True),
        "rnn_tanh": Cell(_rnn_tanh, _rnn_tanh_back, 1, 1),
    }
    return cells.get(name)


# --------------------------------------------------------------------------------------------------- functions


@jit()
def _sigmoid_of(px, ph, part, y):
    for b in range(len(y)):
        for k in range(y.shape[1]):
            y[b, k] = vecmath.sigmoid(px[b, part, k] + ph[b, part, k])


@jit()
def _tanh_of(px, ph, part, y):
    for b in range(len(y)):
        for k in range(y.shape[1]):
            y[b, k] = vecmath.tanh(px[b, part, k] + ph[b, part, k])
