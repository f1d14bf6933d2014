"""Recurrent layers over whole sequences: rnn, lstm, gru.

A layer in one direction is a product of the whole input with wx, and a recurrence, which is one primitive for each kind
of cell. Inside, time lies first; S arrays, stacked, make up a state: h and c for lstm, h for the others.
"""

import numpy as np

from ..core.value import Value
from .arguments import flags, number, one_of
from .dropout import dropout as dropped
from .recurrence import RECURRENCES
from .rnnweights import check_weights, checked_lengths, first_state, floating

MOST_LAYERS = 10_000  # of one network; making more takes minutes, and then memory is short


def lstm(
    x,
    weights,
    state=None,
    *,
    bidirectional=False,
    dropout=0.0,
    lengths=None,
    layout="knetpy",
    time_major=False,
):
    """Long short-term memory over whole sequences, with any number of layers: returns (y, (h, c)).

    In each layer and at each time, with the input x, the state h, c of the time before, and * elementwise:
        i, f, g, o = the four parts, each of size H, of x @ wx + bx + h @ wh + bh
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g);  h' = sigmoid(o) * tanh(c')
    All h' in order of time are the layer's output, and the input of the next.

    Parameters:
      x: (B, T, I), floating; (T, I) for one sequence without batch.
      weights: a tuple for each layer (and direction: forward, then backward of layer 0, then of layer 1, ...), or just
        one tuple: (wx, wh), (wx, wh, bx) or (wx, wh, bx, bh). wx (I, 4 * H), in later layers (directions * H, 4 * H);
        wh (H, 4 * H); biases (4 * H,), of which only the sum counts. Gates lie in the order i, f, g, o.
      state=None: the first (h, c), each (layers * directions, B, H), layers first; for (T, I) without B. None is zeros.
      bidirectional=False: whether each layer also runs backward in time; its output is [forward, backward].
      dropout=0.0: the probability with which the inputs of layers after the first are dropped in training, see
        `dropout`.
      lengths=None: B integers from 0 to T, how much of each sequence counts: beyond it the state stays as it is and y
        is 0, x is not looked at. The backward direction starts at each sequence's own end.
      layout="knetpy": "torch" takes weights as PyTorch keeps them: (w_ih (4 * H, I), w_hh (4 * H, H), b_ih, b_hh), also
        without brackets, in the order of `torch.nn.LSTM(...).parameters()`, as arrays.
      time_major=False: whether x is (T, B, I), and y likewise.
    Returns: y (B, T, directions * H), or with its axes as x has them; not C-contiguous: in memory time lies first.
      h and c after the last time, each (layers * directions, B, H).
    Raises: ShapeError, DtypeError, TypeError, ValueError, naming what does not fit.
    Derivative: by x, weights and state; 0 by what lies beyond a sequence's length.
    Source: Hochreiter and Schmidhuber, Neural Computation 9, 1997; Gers et al., Neural Computation 12, 2000.

    >>> import numpy as np, knetpy as kn
    >>> x, weights = np.ones((2, 7, 3)), (np.ones((3, 20)), np.ones((5, 20)), np.zeros(20))
    >>> y, (h, c) = kn.lstm(x, weights)
    >>> y.shape, h.shape
    ((2, 7, 5), (1, 2, 5))
    """
    y, h, c = _sequence("lstm", "lstm", x, weights, state, bidirectional, dropout, lengths, layout, time_major)
    return y, (h, c)


def gru(
    x,
    weights,
    state=None,
    *,
    reset="after",
    bidirectional=False,
    dropout=0.0,
    lengths=None,
    layout="knetpy",
    time_major=False,
):
    """Gated recurrent units over whole sequences, with any number of layers: returns (y, h).

    In each layer and at each time, with the input x, the state h of the time before, and * elementwise:
        xr, xz, xn = the three parts, each of size H, of x @ wx + bx;  hr, hz, hn = those of h @ wh + bh
        r, z = sigmoid(xr + hr), sigmoid(xz + hz);  n = tanh(xn + r * hn);  h' = (1 - z) * n + z * h

    Parameters: as for `lstm`, with 3 * H for 4 * H, gates in the order r, z, n, and one array h as state.
      reset="after": "after", as above: r multiplies the recurrent product with its bias, as in PyTorch, cuDNN and Knet.
        "before": r multiplies the state, n = tanh(xn + (r * h) @ whn + bhn) with the third parts of wh and bh, as in
        the paper and Flux's GRUv3.
    Returns: y (B, T, directions * H) and h (layers * directions, B, H), as for `lstm`.
    Raises: ShapeError, DtypeError, TypeError, ValueError, naming what does not fit.
    Derivative: as for `lstm`.
    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014.

    >>> import numpy as np, knetpy as kn
    >>> y, h = kn.gru(np.ones((2, 7, 3)), (np.ones((3, 15)), np.ones((5, 15))), lengths=[7, 4])
    >>> bool((y[1, 3] == h[0, 1]).all()), y[1, 4]
    (True, array([0., 0., 0., 0., 0.]))
    """
    one_of("gru", "reset", reset, ("after", "before"))
    cell = "gru" if reset == "after" else "gru_before"
    y, h = _sequence("gru", cell, x, weights, state, bidirectional, dropout, lengths, layout, time_major)
    return y, h


def rnn(
    x,
    weights,
    state=None,
    *,
    nonlinearity="tanh",
    bidirectional=False,
    dropout=0.0,
    lengths=None,
    layout="knetpy",
    time_major=False,
):
    """A plain recurrent network over whole sequences, with any number of layers: returns (y, h).

    In each layer and at each time, with the input x and the state h of the time before:
        h' = tanh(x @ wx + bx + h @ wh + bh)

    Parameters: as for `lstm`, with H for 4 * H, and one array h as state.
      nonlinearity="tanh": "tanh" or "relu".
    Returns: y (B, T, directions * H) and h (layers * directions, B, H), as for `lstm`.
    Raises: ShapeError, DtypeError, TypeError, ValueError, naming what does not fit.
    Derivative: by x, weights and state; that of relu is 0 at 0.
    Source: Elman, "Finding Structure in Time", Cognitive Science 14, 1990.

    >>> import numpy as np, knetpy as kn
    >>> kn.rnn(np.ones((3, 1)), (np.eye(1), np.eye(1)), nonlinearity="relu")[0]  # one sequence, its sums
    array([[1.],
           [2.],
           [3.]])
    """
    one_of("rnn", "nonlinearity", nonlinearity, ("tanh", "relu"))
    cell = f"rnn_{nonlinearity}"
    y, h = _sequence("rnn", cell, x, weights, state, bidirectional, dropout, lengths, layout, time_major)
    return y, h


# ------------------------------------------------------------------------------------------------- the whole sequence


def _sequence(name, cell, x, weights, state, bidirectional, dropout, lengths, layout, time_major):
    """[y, h] or [y, h, c] of all layers and directions."""
    bidirectional, time_major = flags(name, bidirectional=bidirectional, time_major=time_major)
    directions = 2 if bidirectional else 1
    x, groups, states = floating(name, x, weights, state)
    size = check_weights(name, x, groups, directions, layout)
    ndim = len(x.shape)
    x = x[:, None] if ndim == 2 else x if time_major else np.swapaxes(x, 0, 1)
    state = first_state(name, x, states, (len(groups), x.shape[1], size), ndim)
    lengths = checked_lengths(name, x, lengths, ndim)
    dropout = number(name, "dropout", dropout, 0, 1)
    if lengths is not None:  # what lies beyond may be anything, also NaN
        x = np.where((np.arange(x.shape[0], like=lengths)[:, None] < lengths)[:, :, None], x, 0)
    layers = [_folded(cell, layout, *[w for _, w in group]) for group in groups]
    y, state = _through(RECURRENCES[cell], x, layers, state, directions, dropout, lengths)
    if ndim == 2:
        return [y[:, 0], *[state[:, k, 0] for k in range(state.shape[1])]]
    return [y if time_major else np.swapaxes(y, 0, 1), *[state[:, k] for k in range(state.shape[1])]]


def _through(recurrence, x, layers, state, directions, dropout, lengths):
    """(outputs of the last layer, last states of all): x (T, B, I), states (layers * directions, S, B, H)."""
    last = []
    for first in range(0, len(layers), directions):
        if first:
            x = dropped(x, dropout)
        outputs = []
        for k in range(first, first + directions):
            wx, wh, bx, bh = layers[k]
            constant = not isinstance(x, Value)
            y, end = recurrence(x, wx, bx, state[k], wh, bh, reverse=k > first, lengths=lengths, constant=constant)
            outputs.append(y)
            last.append(end)
        x = outputs[0] if directions == 1 else np.concatenate(outputs, 2)
    return x, np.stack(last)


def _folded(cell, layout, wx, wh, bx=None, bh=None):
    """The weights of a layer with the matrices as knetpy has them, and one bias where the cell can do with one."""
    if layout == "torch":
        wx, wh = np.transpose(wx), np.transpose(wh)
    return (wx, wh, bx, bh) if bh is None or cell == "gru" else (wx, wh, bx + bh, None)
