"""Recurrence over a sequence: what is left of a recurrent layer when the products of its input are known.

A cell is a step and the step's derivative; one loop over time serves them all. T is time, B the batch, H the size of
h, G the number of gates; S arrays make up a state: (h, c) for lstm, (h,) for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from knetpy.kernels.reference.activation import sigmoid
from knetpy.kernels.reference.matmul import matmul


def rnn(
    px: np.ndarray,
    state: np.ndarray,
    wh: np.ndarray,
    bh: np.ndarray | None,
    *,
    cell: str,
    reverse: bool,
    lengths: np.ndarray | None,
    wx: np.ndarray | None = None,
    bx: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return y (T, B, H), the last state (S, B, H), and for the derivative: the state before each step (T, S, B, H),
    what the step has computed (T, K, B, H).

    px (T, B, G*H) is the input times its weights plus bias; given those, wx (I, G*H) and bx (G*H,) or None, it is the
    input itself, (T, B, I). state (S, B, H) the first state; wh (H, G*H); bh (G*H,),
    the bias of the recurrent product, is for the cell gru only, which alone cannot do with it in px. With `reverse`
    time runs backwards. Steps beyond a sequence's length (B,) leave its state as it is and give y = 0.
    """
    if wx is not None:
        px = matmul(px, wx, bias=bx)
    (step, _, count, _), last = CELLS[cell], list(state)
    size = px.shape[1], len(wh)
    y = np.zeros((len(px), *size), px.dtype, like=px)
    before = np.zeros((len(px), *state.shape), px.dtype, like=px)
    gates = np.zeros((len(px), count, *size), px.dtype, like=px)
    for t in _times(len(px), reverse):
        before[t] = np.stack(last)
        new, kept = step(px[t], last, wh, bh)
        gates[t], alive = np.stack(kept), _alive(lengths, t, px)
        y[t] = np.where(alive, new[0], 0)
        last = _chosen(alive, new, last)
    return y, np.stack(last), before, gates


def rnn_back(
    dy: np.ndarray,
    dstate: np.ndarray,
    wh: np.ndarray,
    before: np.ndarray,
    gates: np.ndarray,
    *,
    cell: str,
    reverse: bool,
    lengths: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the derivatives by px, the first state, wh and bh from those by y and the last state.

    That by bh is None but for the cell gru.
    """
    (_, back, _, fed), dlast = CELLS[cell], list(dstate)
    dpx = np.zeros((*dy.shape[:2], wh.shape[1]), dy.dtype, like=dy)
    dph = np.zeros_like(dpx)  # by the recurrent product
    for t in _times(len(dy), not reverse):
        alive = _alive(lengths, t, dy)
        dnew = [np.where(alive, d, 0) for d in dlast]
        dnew[0] += np.where(alive, dy[t], 0)
        dpx[t], dph[t], dbefore = back(dnew, before[t], gates[t], wh)
        dlast = _chosen(alive, dbefore, dlast)
    inputs = fed(before[:, 0], gates)
    columns = np.split(dph, len(inputs), axis=2)
    dwh = [_matrix(h).T @ _matrix(d) for h, d in zip(inputs, columns)]
    return dpx, np.stack(dlast), np.concatenate(dwh, axis=1), dph.sum((0, 1)) if cell == "gru" else None


def _times(count: int, reverse: bool) -> range:
    return range(count - 1, -1, -1) if reverse else range(count)


def _alive(lengths: np.ndarray | None, t: int, like: np.ndarray) -> np.ndarray:
    """Which sequences have a step t, (B, 1) or for all of them (1, 1)."""
    return np.ones_like(like, bool, shape=(1, 1)) if lengths is None else (lengths > t)[:, None]


def _chosen(alive: np.ndarray, new: Sequence[np.ndarray], old: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The new state of the sequences that are alive, the old one of the others."""
    return [np.where(alive, n, o) for n, o in zip(new, old)]


def _matrix(x: np.ndarray) -> np.ndarray:
    """(T, B, H) -> (T*B, H)"""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _parts(p: np.ndarray, count: int) -> list[np.ndarray]:
    """(B, count*H) -> count times (B, H)"""
    return np.split(p, count, axis=1)


# -------------------------------------------------------------------------------------------------- the cells
# A step takes (px, state, wh, bh) to the new state and what its derivative reads. That takes (derivative by the new
# state, state, what was kept, wh) to those by px, by the recurrent product, by the state. A product's own derivative by
# wh is taken for all steps at once, so a cell also tells what was multiplied by wh: one array, or one for each gate.


def _lstm(px, state, wh, bh):
    h, c = state
    i, f, g, o = _parts(px + h @ wh, 4)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * c + i * g
    squashed = np.tanh(c)
    return (o * squashed, c), (i, f, g, o, squashed)


def _lstm_back(dnew, state, kept, wh):
    (dh, dc), (_, c), (i, f, g, o, squashed) = dnew, state, kept
    dc = dc + dh * o * (1 - squashed * squashed)
    di, df, dg, do = dc * g, dc * c, dc * i, dh * squashed
    dp = np.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)], axis=1)
    return dp, dp, (dp @ wh.T, dc * f)


def _gru(px, state, wh, bh):
    (h,) = state
    xr, xz, xn = _parts(px, 3)
    hr, hz, hn = _parts(h @ wh if bh is None else h @ wh + bh, 3)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = np.tanh(xn + r * hn)
    return (n + z * (h - n),), (r, z, n, hn)


def _gru_back(dnew, state, kept, wh):
    (dh,), (h,), (r, z, n, hn) = dnew, state, kept
    dn = dh * (1 - z) * (1 - n * n)
    dr, dz = dn * hn * r * (1 - r), dh * (h - n) * z * (1 - z)
    dph = np.concatenate([dr, dz, dn * r], axis=1)
    return np.concatenate([dr, dz, dn], axis=1), dph, (dph @ wh.T + dh * z,)


def _gru_before(px, state, wh, bh):
    (h,) = state
    gates = 2 * h.shape[1]
    r, z = _parts(sigmoid(px[:, :gates] + h @ wh[:, :gates]), 2)
    n = np.tanh(px[:, gates:] + (r * h) @ wh[:, gates:])
    return (n + z * (h - n),), (r, z, n)


def _gru_before_back(dnew, state, kept, wh):
    (dh,), (h,), (r, z, n) = dnew, state, kept
    gates = 2 * h.shape[1]
    dn = dh * (1 - z) * (1 - n * n)
    dfed = dn @ wh[:, gates:].T  # by r * h
    dr, dz = dfed * h * r * (1 - r), dh * (h - n) * z * (1 - z)
    dp = np.concatenate([dr, dz, dn], axis=1)
    return dp, dp, (dp[:, :gates] @ wh[:, :gates].T + dfed * r + dh * z,)


def _rnn_tanh(px, state, wh, bh):
    h = np.tanh(px + state[0] @ wh)
    return (h,), (h,)


def _rnn_tanh_back(dnew, state, kept, wh):
    dp = dnew[0] * (1 - kept[0] * kept[0])
    return dp, dp, (dp @ wh.T,)


def _rnn_relu(px, state, wh, bh):
    h = np.maximum(px + state[0] @ wh, 0)
    return (h,), (h,)


def _rnn_relu_back(dnew, state, kept, wh):
    dp = np.where(kept[0] <= 0, 0, dnew[0])
    return dp, dp, (dp @ wh.T,)


class Cell(NamedTuple):
    """A step, its derivative, and what they need to know of each other."""

    step: Callable
    back: Callable
    kept: int  # how many arrays (B, H) a step keeps for its derivative
    fed: Callable = lambda h, kept: (h,)  # what is multiplied by wh, from all h and all that was kept


CELLS = {
    "lstm": Cell(_lstm, _lstm_back, 5),
    "gru": Cell(_gru, _gru_back, 4),
    "gru_before": Cell(_gru_before, _gru_before_back, 3, lambda h, kept: (h, h, kept[:, 0] * h)),
    "rnn_tanh": Cell(_rnn_tanh, _rnn_tanh_back, 1),
    "rnn_relu": Cell(_rnn_relu, _rnn_relu_back, 1),
}
