"""The recurrence of a recurrent layer over time: one primitive for each kind of cell.

Time lies first; S arrays, stacked, make up a state: h and c for lstm, h for the others.
"""

from functools import cache, partial

import numpy as np

from ..core.primitive import primitive
from ..kernels import kernel
from .activation import sigmoid
from .linear import dense
from .matmul import _matmul
from .piecewise import relu

_forward, _back, _sums = kernel("rnn", "rnn"), kernel("rnn", "rnn_back"), kernel("bias", "back")

# ------------------------------------------------------------------------------ the cells, in differentiable functions
# Each takes (px, state, wh, bh) to the new state: px is x @ wx with its bias, a state is a list of arrays.


def _parts(p, count):
    return np.split(p, count, axis=1)


def _lstm(px, state, wh, bh):
    h, c = state
    i, f, g, o = _parts(px + h @ wh, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


def _gru(px, state, wh, bh):
    (h,), size = state, wh.shape[0] * 2
    ph = h @ wh if bh is None else h @ wh + bh
    r, z = _parts(sigmoid(px[:, :size] + ph[:, :size]), 2)
    n = np.tanh(px[:, size:] + r * ph[:, size:])
    return [n + z * (h - n)]


def _gru_before(px, state, wh, bh):
    (h,), size = state, wh.shape[0] * 2
    r, z = _parts(sigmoid(px[:, :size] + h @ wh[:, :size]), 2)
    n = np.tanh(px[:, size:] + (r * h) @ wh[:, size:])
    return [n + z * (h - n)]


def _plain(squash, px, state, wh, bh):
    return [squash(px + state[0] @ wh)]


# ------------------------------------------------------------------------------------------------------ the recurrence


@cache
def _steps(count):
    """Functions that take an array apart along its first axis, `count` long, and put it together: each other's
    derivatives. Slices would have derivatives of full size, one for each step."""
    apart = primitive(lambda x: tuple(x), name="steps", outputs=count, x=lambda dy: together(*dy))
    together = primitive(lambda *parts: np.stack(parts), name="stack", vjp=lambda dy: apart(dy))
    return apart, together


def _composed(step, x, wx, bx, state, wh, bh, *, reverse, lengths, constant):
    """The recurrence as a loop over time in differentiable functions: (y, last state)."""
    count, batch, size = x.shape
    px = dense(np.reshape(x, (count * batch, size)), wx, bx, activation=None)
    px = np.reshape(px, (count, batch, wx.shape[1]))
    if not count:
        return px[:, :, : wh.shape[0]], state
    apart, together = _steps(count) if count > 1 else (lambda px: px, lambda y: y[None])
    inputs, state, ys = apart(px), [state[k] for k in range(state.shape[0])], [None] * count
    for t in range(count - 1, -1, -1) if reverse else range(count):
        alive = None if lengths is None else (t < lengths)[:, None]
        new = step(inputs[t], state, wh, bh)
        state = [_chosen(alive, a, b) for a, b in zip(new, state)]
        ys[t] = _chosen(alive, new[0], 0)
    return together(*ys), np.stack(state)


def _chosen(alive, a, b):
    return a if alive is None else np.where(alive, a, b)


def _recurrence(name, cell, step):
    """The primitive (x, wx, bx, state, wh, bh) -> (y, last state) of one kind of cell; its arrays are the kernel's.

    A constant x gets no derivative.
    """

    def forward(x, wx, bx, state, wh, bh, *, reverse, lengths, constant):
        return _forward(x, state, wh, bh, wx=wx, bx=bx, cell=cell, reverse=reverse, lengths=lengths)

    def back(dy, x, wx, wh, before, gates, reverse, lengths, constant):
        dpx, dstate, dwh, dbh = _back(*dy, wh, before, gates, cell=cell, reverse=reverse, lengths=lengths)
        count, batch, size = x.shape
        dpx = dpx.reshape(count * batch, wx.shape[1])
        dx = None if constant else _matmul(dpx, wx.T).reshape(x.shape)
        return dx, _matmul(x.reshape(count * batch, size).T, dpx), _sums(dpx, None, None)[1], dstate, dwh, dbh

    saves = ("before", "gates")
    return primitive(forward, name=name, outputs=2, saves=saves, vjp=back, composed=partial(_composed, step))


RECURRENCES = {
    "lstm": _recurrence("lstm", "lstm", _lstm),
    "gru": _recurrence("gru", "gru", _gru),
    "gru_before": _recurrence("gru", "gru_before", _gru_before),
    "rnn_tanh": _recurrence("rnn", "rnn_tanh", partial(_plain, np.tanh)),
    "rnn_relu": _recurrence("rnn", "rnn_relu", partial(_plain, relu)),
}
