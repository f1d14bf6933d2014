"""Recurrence: products by matmul.py, those of the input for all steps at once, and a launch of rnn.cu for each step.

The state before and after every step is kept once, (S, T + 1, B, H), so that what a product or its derivative reads
lies together. Lengths stay on the device.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from knetpy.devices import cupy
from knetpy.kernels.cuda.launch import THREADS, C, Module, blocks_for, dense, empty, instances, numbers, widened
from knetpy.kernels.cuda.matmul import product as times

_run = Module(
    "rnn",
    [
        *instances("{k}{back}<{T}>", k=("lstm", "gru", "reset", "renew"), back=("", "_back"), T=("float", "double")),
        *instances("{k}<{T}, {flag}>", k=("plain", "plain_back", "arrive"), T=("float", "double"),
                   flag=("false", "true")),
    ],
)  # fmt: skip


@widened
def rnn(px, state, wh, bh, *, cell, reverse, lengths, wx=None, bx=None):
    """Launch as the reference computes."""
    (steps, batch, inputs), (H, wide), how = px.shape, wh.shape, CELLS[cell]
    if wx is not None:
        px = times(dense(px).reshape(steps * batch, inputs), wx).reshape(steps, batch, wide)
    call = _Call(px, wh, bx if wx is not None else None, bh, lengths, how.before)
    states = empty((len(state), steps + 1, batch, H), px.dtype)
    states[:, steps if reverse else 0] = state
    y, gates, px = empty((steps, batch, H), px.dtype), empty((steps, how.kept, batch, H), px.dtype), dense(px)
    for t in range(steps - 1, -1, -1) if reverse else range(steps):
        how.step(call, t, px[t], states[:, t + reverse], states[:, t + 1 - reverse], y[t], gates[t])
    before = states[:, 1:] if reverse else states[:, :-1]
    return y, states[:, 0 if reverse else steps].copy(), before.swapaxes(0, 1), gates


@widened
def rnn_back(dy, dstate, wh, before, gates, *, cell, reverse, lengths):
    """Launch as the reference computes."""
    (steps, batch, H), wide, how = dy.shape, wh.shape[1], CELLS[cell]
    call = _Call(dy, wh, None, None, lengths, how.before)
    h, last, gates, dy = dense(before[:, 0]), dense(before[:, -1]), dense(gates), dense(dy)
    dpx = empty((steps, batch, wide), dy.dtype)
    dph = empty(dpx.shape, dy.dtype) if cell == "gru" else dpx
    dstate, product, came = dstate.copy("C"), None, 0
    for t in range(steps) if reverse else range(steps - 1, -1, -1):
        product = how.back(call, t, came, dy[t], dstate, product, last[t], gates[t], dpx[t], dph[t])
        came = t
    call(f"arrive<{call.kind}, {how.carries}>", dstate, product, call.lengths, came)
    flat, fed = dph.reshape(steps * batch, wide), h.reshape(steps * batch, H).T
    if how.before:  # its third gate is fed with r h
        last_fed = (gates[:, 0] * h).reshape(steps * batch, H).T
        dwh = cupy().concatenate([times(fed, flat[:, : 2 * H]), times(last_fed, flat[:, 2 * H :])], axis=1)
    else:
        dwh = times(fed, flat)
    return dpx, dstate, dwh, flat.sum(axis=0) if cell == "gru" else None


class _Call:
    """What is the same for all steps; called, it launches a kernel on B H threads."""

    def __init__(self, like: Any, wh: Any, bx: Any, bh: Any, lengths: Any, apart: bool):
        H, wide = wh.shape
        self.kind, self.H, self.count = C[like.dtype.char], H, like.shape[1] * H
        parts = (wh[:, : 2 * H], wh[:, 2 * H :]) if apart else (wh,)
        self.wh = [dense(part) for part in parts]
        self.bx, self.bh = [None if b is None else dense(b) for b in (bx, bh)]
        self.lengths = None if lengths is None else numbers(lengths)

    def __call__(self, kernel: str, *args: Any) -> None:
        if self.count:
            _run(kernel, blocks_for(self.count, THREADS), THREADS, *args, self.count, self.H)


# ------------------------------------------------------------------------------------------------------ the cells
# A step takes the products of its input and the state before to the state after, y and the gates. Its derivative takes
# the product by h of the step that `came` before, and returns its own.


def _lstm(call, t, px, old, new, y, gates):
    states = old[0], old[1], new[0], new[1]
    call(f"lstm<{call.kind}>", px, call.bx, times(old[0], call.wh[0]), *states, y, gates, call.lengths, t)


def _lstm_back(call, t, came, dy, dstate, product, c, gates, dpx, dph):
    call(f"lstm_back<{call.kind}>", dy, dstate, product, c, gates, dpx, call.lengths, t, came)
    return times(dpx, call.wh[0].T)


def _gru(call, t, px, old, new, y, gates):
    ph = times(old[0], call.wh[0])
    call(f"gru<{call.kind}>", px, call.bx, ph, call.bh, old[0], new[0], y, gates, call.lengths, t)


def _gru_back(call, t, came, dy, dstate, product, h, gates, dpx, dph):
    call(f"gru_back<{call.kind}>", dy, dstate, product, h, gates, dpx, dph, call.lengths, t, came)
    return times(dph, call.wh[0].T)


def _gru_before(call, t, px, old, new, y, gates):
    fed = empty(old[0].shape, px.dtype)
    call(f"reset<{call.kind}>", px, call.bx, times(old[0], call.wh[0]), old[0], fed, gates)
    ph = times(fed, call.wh[1])
    call(f"renew<{call.kind}>", px, call.bx, ph, old[0], new[0], y, gates, call.lengths, t)


def _gru_before_back(call, t, came, dy, dstate, product, h, gates, dpx, dph):
    dn, drz = empty(dy.shape, dy.dtype), empty((len(dy), 2 * call.H), dy.dtype)
    call(f"renew_back<{call.kind}>", dy, dstate, product, gates, dpx, dn, call.lengths, t, came)
    dfed = times(dn, call.wh[1].T)
    call(f"reset_back<{call.kind}>", dstate, dfed, h, gates, dpx, drz, call.lengths, t)
    return times(drz, call.wh[0].T)


def _plain(relu: str) -> tuple[Any, Any]:
    def step(call, t, px, old, new, y, gates):
        ph = times(old[0], call.wh[0])
        call(f"plain<{call.kind}, {relu}>", px, call.bx, ph, old[0], new[0], y, gates, call.lengths, t)

    def back(call, t, came, dy, dstate, product, h, gates, dpx, dph):
        call(f"plain_back<{call.kind}, {relu}>", dy, dstate, product, gates, dpx, call.lengths, t, came)
        return times(dpx, call.wh[0].T)

    return step, back


class Cell(NamedTuple):
    """A step, its derivative, and what they need to know of each other."""

    step: Any
    back: Any
    kept: int  # how many arrays (B, H) a step keeps for its derivative
    carries: str = "false"  # whether dh has a part beside the product, as C++ writes it
    before: bool = False  # whether the third gate has a product of its own


CELLS = {
    "lstm": Cell(_lstm, _lstm_back, 5),
    "gru": Cell(_gru, _gru_back, 4, "true"),
    "gru_before": Cell(_gru_before, _gru_before_back, 3, "true", True),
    "rnn_tanh": Cell(*_plain("false"), 1),
    "rnn_relu": Cell(*_plain("true"), 1),
}
