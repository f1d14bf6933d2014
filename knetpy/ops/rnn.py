"""Recurrent layers over whole sequences: rnn, lstm, gru.

A layer in one direction is a product of the whole input with wx, and a recurrence, which is one primitive for each kind
of cell. Inside, time lies first; S arrays, stacked, make up a state: h and c for lstm, h for the others.
"""

import numpy as np

from ..core.errors import ShapeError
from ..core.value import Value, bare
from .arguments import as_floating, lengths_of, number, one_of
from .dropout import dropout as dropped
from .recurrence import RECURRENCES


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
      x: (B, T, I), floating; (T, B, I) with time_major=True; (T, I) for one sequence without batch.
      weights: a tuple for each layer (and direction: forward, then backward of layer 0, then of layer 1, ...), or just
        one tuple: (wx, wh), (wx, wh, bx) or (wx, wh, bx, bh). wx (I, 4 * H), in later layers (directions * H, 4 * H);
        wh (H, 4 * H); biases (4 * H,), of which only the sum counts. Gates lie in the order i, f, g, o.
      state: the first (h, c), each (layers * directions, B, H), layers first; for (T, I) without B. None is zeros.
      bidirectional: whether each layer also runs backward in time; its output is [forward, backward].
      dropout: the probability with which the inputs of layers after the first are dropped in training, see `dropout`.
      lengths: B integers from 0 to T, how much of each sequence counts: beyond it the state stays as it is and y is 0,
        x is not looked at. The backward direction starts at each sequence's own end.
      layout: "torch" takes weights as PyTorch keeps them: (w_ih (4 * H, I), w_hh (4 * H, H), b_ih, b_hh), also without
        brackets, in the order of `torch.nn.LSTM(...).parameters()`, as arrays.
    Returns: y (B, T, directions * H), or with its axes as x has them; not C-contiguous: in memory time lies first.
      h and c after the last time, each (layers * directions, B, H).
    Raises: ShapeError, DtypeError, TypeError, ValueError, naming what does not fit.
    Source: Hochreiter and Schmidhuber, Neural Computation 9, 1997; Gers et al., Neural Computation 12, 2000.

    >>> import knetpy as kn
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
      reset: "after", as above: r multiplies the recurrent product with its bias, as in PyTorch, cuDNN and Knet.
        "before": r multiplies the state, n = tanh(xn + (r * h) @ whn + bhn) with the third parts of wh and bh, as in
        the paper and Flux's GRUv3.
    Returns: y (B, T, directions * H) and h (layers * directions, B, H), as for `lstm`.
    Raises: ShapeError, DtypeError, TypeError, ValueError, naming what does not fit.
    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014.

    >>> import knetpy as kn
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
      nonlinearity: "tanh" or "relu".
    Returns: y (B, T, directions * H) and h (layers * directions, B, H), as for `lstm`.
    Raises: ShapeError, DtypeError, TypeError, ValueError, naming what does not fit.
    Derivative: that of relu is 0 at 0.
    Source: Elman, "Finding Structure in Time", Cognitive Science 14, 1990.

    >>> import knetpy as kn
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
    directions = 2 if bidirectional else 1
    x, groups, states = _floating(name, x, weights, state)
    size = _check_weights(name, x, groups, directions, layout)
    ndim = len(x.shape)
    x = x[:, None] if ndim == 2 else x if time_major else np.swapaxes(x, 0, 1)
    state = _first_state(name, x, states, (len(groups), x.shape[1], size), ndim)
    lengths = _checked_lengths(name, x, lengths, ndim)
    dropout = number(name, "dropout", dropout, 0, 1)
    if lengths is not None:  # what lies beyond may be anything, also NaN
        x = np.where((np.arange(x.shape[0])[:, None] < lengths)[:, :, None], x, 0)
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


# ------------------------------------------------------------------------------------------------------ the arguments

_GATES = {"lstm": 4, "gru": 3, "rnn": 1}
_NAMES = {"knetpy": ("wx", "wh", "bx", "bh"), "torch": ("w_ih", "w_hh", "b_ih", "b_hh")}


def _floating(name, x, weights, state):
    """x, weights as [[(what the user calls it, array), ...] of each layer and direction], the arrays of the state."""
    groups, states = _grouped(name, weights), _states(name, state)
    named = [pair for group in groups for pair in group] + states
    x, *arrays = as_floating(name, x=x, **dict(named))
    if len(x.shape) not in (2, 3):
        raise ShapeError(f"{name}: x must be (B, T, I), or (T, I) for one sequence, got {x.shape}")
    arrays = iter(arrays)
    return x, [[(path, next(arrays)) for path, _ in group] for group in groups], list(arrays)


def _grouped(name, weights):
    if not isinstance(weights, (list, tuple)) or not weights:
        raise TypeError(
            f"{name}: weights must be a tuple (wx, wh, bx) of arrays, or a list of such, one for each layer and "
            f"direction, got {'an empty' if isinstance(weights, (list, tuple)) else 'a'} {type(weights).__name__}"
        )
    if any(isinstance(group, (list, tuple)) for group in weights):
        pairs = [(f"weights[{k}]", w) for k, w in enumerate(weights)]
        groups = [
            [(f"{path}[{i}]", w) for i, w in enumerate(group)] if isinstance(group, (list, tuple)) else [(path, group)]
            for path, group in pairs
        ]
    else:
        groups = _by_axes([(f"weights[{i}]", w) for i, w in enumerate(weights)])
    for group in groups:
        _check_group(name, group)
    return groups


def _by_axes(flat):
    """Arrays without brackets, in groups: two matrices, and the vectors that follow."""
    groups = []
    for path, w in flat:
        if not groups or (len(groups[-1]) > 1 and len(np.shape(bare(w))) != 1):
            groups.append([])
        groups[-1].append((path, w))
    return groups


def _check_group(name, group):
    for path, w in group:
        if not hasattr(getattr(w, "dtype", None), "kind"):
            way = f"; write {path}.detach().numpy()" if hasattr(w, "detach") else ""
            raise TypeError(f"{name}: {path} must be a NumPy array or a Param, got a {type(w).__name__}{way}")
    if not 2 <= len(group) <= 4:
        last = group[-1][1].shape if group else ()
        projects = len(group) in (1, 5) and len(last) == 2 and last[0] > 1  # (1, 4 * H) will be meant for a bias
        raise ValueError(
            f"{name}: each layer and direction takes (wx, wh), (wx, wh, bx) or (wx, wh, bx, bh), matrices and vectors; "
            f"got {', '.join([f'{path} {w.shape}' for path, w in group]) or 'an empty tuple'}"
            + ("; a projection of h (PyTorch's proj_size) is not supported" if projects else "")
        )


def _check_weights(name, x, groups, directions, layout):
    """The size of h; raises unless each weight has the shape that x and this size ask for."""
    one_of(name, "layout", layout, tuple(_NAMES))
    if len(groups) % directions:
        raise ValueError(
            f"{name}: bidirectional=True takes weights for the forward and the backward direction of each layer, an "
            f"even number of tuples, got {len(groups)}"
        )
    gates, size = _GATES[name], _hidden_size(name, groups[0][1], layout)
    for k, group in enumerate(groups):
        layer, backward = divmod(k, directions)
        inputs = size * directions if layer else x.shape[-1]
        why = f"layer {layer} takes the {inputs} outputs of layer {layer - 1}" if layer else f"x is {x.shape}"
        shapes = [(inputs, gates * size), (size, gates * size), (gates * size,), (gates * size,)]
        for (path, w), role, shape in zip(group, _NAMES[layout], shapes):
            wanted = shape[::-1] if layout == "torch" else shape
            if w.shape != wanted:
                of = f"layer {layer}{', backward' if backward else ', forward' if directions == 2 else ''}"
                raise ShapeError(
                    f"{name}: {path} must have shape {wanted}, got {w.shape}: it is {role} of {of}; {why}, h has size "
                    f"{size}, {gates} gate{'s' * (gates > 1)}{_other_layout(layout, w.shape == wanted[::-1] != wanted)}"
                )
    return size


def _hidden_size(name, wh, layout):
    path, w = wh
    gates = _GATES[name]
    shape = w.shape[::-1] if layout == "torch" else w.shape
    if len(shape) != 2 or shape[1] != gates * shape[0]:
        wanted = f"({gates} * H, H)" if layout == "torch" else f"(H, {gates} * H)"
        raise ShapeError(
            f"{name}: {path} is {_NAMES[layout][1]} and must have shape {wanted.replace('1 * ', '')} for some H, got "
            f"{w.shape}{_other_layout(layout, len(shape) == 2 and shape[0] == gates * shape[1])}"
        )
    return shape[0]


def _other_layout(layout, fits):
    other = "knetpy" if layout == "torch" else "torch"
    return f'; it is transposed: write layout="{other}"' if fits else ""


def _states(name, state):
    """[(what the user calls it, array)]: h and c for lstm, h for the others, or nothing."""
    if state is None:
        return []
    pair = isinstance(state, (list, tuple))
    if pair != (name == "lstm") or (pair and len(state) != 2):
        wanted = "a tuple (h, c)" if name == "lstm" else "one array h"
        of = f" of {len(state)}" if pair else ""
        raise TypeError(f"{name}: state must be {wanted}, got a {type(state).__name__}{of}")
    return [(f"state[{i}]", s) for i, s in enumerate(state)] if pair else [("state", state)]


def _first_state(name, x, states, shape, ndim):
    """States as (layers * directions, S, B, H); zeros if none were given."""
    wanted = shape if ndim == 3 else (shape[0], shape[2])
    for s, which in zip(states, ("h", "c")):
        if s.shape != wanted:
            raise ShapeError(
                f"{name}: {which} in state must have shape {wanted}, (layers * directions, "
                f"{'B, ' * (ndim == 3)}H), got {s.shape}"
            )
    if not states:
        return np.zeros((shape[0], 2 if name == "lstm" else 1, *shape[1:]), x.dtype)
    return np.stack([np.reshape(s, shape) for s in states], 1)


def _checked_lengths(name, x, lengths, ndim):
    """The lengths as an array, or None if all are full."""
    if lengths is None:
        return None
    times, batch, _ = x.shape
    if ndim == 2:
        raise ValueError(f"{name}: lengths is for batches; x is one sequence, (T, I): write x[:n]")
    lengths = lengths_of(name, "lengths", lengths, batch, times, "T")
    return None if (lengths == times).all() else lengths
