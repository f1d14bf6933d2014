"""Recurrent layers: rnn, lstm, gru."""

import math

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong

# ------------------------------------------------------------------------- naive: one sequence and one number at a time


def _sigmoid(v):
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


def _product(v, w, column):
    return math.fsum(v[k] * w[k][column] for k in range(len(v)))


def _lstm_step(x, h, c, wx, wh, bx, bh):
    p = [_product(x, wx, k) + bx[k] + _product(h, wh, k) + bh[k] for k in range(4 * len(h))]
    i, f, g, o = [p[n : n + len(h)] for n in range(0, len(p), len(h) or 1)]
    c = [_sigmoid(f[k]) * c[k] + _sigmoid(i[k]) * math.tanh(g[k]) for k in range(len(h))]
    return [_sigmoid(o[k]) * math.tanh(c[k]) for k in range(len(h))], c


def _gru_step(x, h, c, wx, wh, bx, bh, reset="after"):
    size = len(h)
    p = [_product(x, wx, k) + bx[k] for k in range(3 * size)]
    r = [_sigmoid(p[k] + _product(h, wh, k) + bh[k]) for k in range(size)]
    z = [_sigmoid(p[k] + _product(h, wh, k) + bh[k]) for k in range(size, 2 * size)]
    rest = []
    for k in range(size):
        column = 2 * size + k
        if reset == "after":
            inner = r[k] * (_product(h, wh, column) + bh[column])
        else:
            inner = _product([r[j] * h[j] for j in range(size)], wh, column) + bh[column]
        n = math.tanh(p[column] + inner)
        rest.append((1 - z[k]) * n + z[k] * h[k])
    return rest, c


def _rnn_step(x, h, c, wx, wh, bx, bh, nonlinearity="tanh"):
    squash = math.tanh if nonlinearity == "tanh" else lambda v: max(v, 0.0)
    return [squash(_product(x, wx, k) + bx[k] + _product(h, wh, k) + bh[k]) for k in range(len(h))], c


STEPS = {kn.lstm: (_lstm_step, 4), kn.gru: (_gru_step, 3), kn.rnn: (_rnn_step, 1)}


def _one_direction(step, xs, group, h, c, backward):
    """Outputs of one sequence xs, its last h and c."""
    wx, wh = group[:2]
    zeros = [0.0] * wh.shape[1]
    bx, bh = [*group[2:], zeros, zeros][:2]
    ys = []
    for x in xs[::-1] if backward else xs:
        h, c = step(x, h, c, wx, wh, bx, bh)
        ys.append(h)
    return ys[::-1] if backward else ys, h, c


def naive(op, x, groups, states, bidirectional=False, lengths=None, layout="knetpy", time_major=False, **cell):
    """What op(x, groups, states, ...) returns, as a flat list."""
    if x.ndim == 2:
        found = naive(op, x[None], groups, [s[:, None] for s in states], bidirectional, layout=layout, **cell)
        return [found[0][0], *[s[:, 0] for s in found[1:]]]
    if time_major:
        x = np.swapaxes(x, 0, 1)
    if layout == "torch":
        groups = [(g[0].T, g[1].T, *g[2:]) for g in groups]
    directions, size = 1 + bidirectional, groups[0][1].shape[0]
    states = [*states, *[np.zeros((len(groups), len(x), size))] * 2][:2]
    y = np.zeros((len(x), x.shape[1], directions * size), x.dtype)
    last = [np.array(s, x.dtype) for s in states]
    for b in range(len(x)):
        xs = list(x[b][: x.shape[1] if lengths is None else lengths[b]])
        for k in range(0, len(groups), directions):
            sides = []
            for d in range(directions):
                h, c = [s[k + d, b] for s in states]
                ys, h, c = _one_direction(lambda *a: STEPS[op][0](*a, **cell), xs, groups[k + d], h, c, d)
                sides.append(ys)
                last[0][k + d, b], last[1][k + d, b] = h, c
            xs = [np.concatenate([np.array(part) for part in parts]) for parts in zip(*sides)]
        y[b, : len(xs)] = np.reshape(xs, (len(xs), -1)) if xs else 0
    return [np.swapaxes(y, 0, 1) if time_major else y, *last[: 2 if op is kn.lstm else 1]]


# ------------------------------------------------------------------------------------------------------------ the rows


def shapes_of(op, x, size, layers=1, biases=2, state=False, batch=2, **options):
    """Shapes of x, of all weights, of the states."""
    directions, wide = 1 + options.get("bidirectional", False), size * STEPS[op][1]
    shapes = [x]
    for k in range(layers * directions):
        features = x[-1] if k < directions else size * directions
        two = [(features, wide), (size, wide)]
        shapes += [s[::-1] for s in two] if options.get("layout") == "torch" else two
        shapes += [(wide,)] * biases
    states = (2 if op is kn.lstm else 1) * state
    return (*shapes, *[(layers * directions, *[batch] * (len(x) == 3), size)] * states)


def grouped(args, layers, biases, **options):
    """x, weights in brackets, the states."""
    count, each = layers * (1 + options.get("bidirectional", False)), 2 + biases
    x, *rest = args
    return x, [tuple(rest[k * each : (k + 1) * each]) for k in range(count)], rest[count * each :]


def row(name, op, x=(2, 3, 2), size=2, layers=1, biases=2, state=False, edges=(), **options):
    how = {"layers": layers, "biases": biases, "state": state, **options}

    def ours(*args):
        x, groups, states = grouped(args, layers, biases, **options)
        first = (tuple(states) if op is kn.lstm else states[0]) if states else None
        y, last = op(x, groups, first, **options)
        return [y, *last] if op is kn.lstm else [y, last]

    def theirs(*args):
        return naive(op, *grouped(args, layers, biases, **options), **options)

    shapes = shapes_of(op, x, size, **how)
    edges = tuple([shapes_of(op, edge, size, **how, batch=batch) for edge, batch in edges])
    return Row(f"{op.__name__} {name}", op, ours, shapes, reference=theirs, exact=False, edges=edges)


EMPTY = (((2, 0, 2), 2), ((0, 3, 2), 0), ((1, 1, 1), 1), ((2, 2, 0), 2))  # no time, no batch, ones, no features

ROWS = [
    row("without bias", kn.lstm, biases=0, edges=EMPTY),
    row("one bias", kn.lstm, biases=1),
    row("state", kn.lstm, state=True, edges=EMPTY),
    row("two layers", kn.lstm, layers=2, size=3, state=True),
    row("bidirectional", kn.lstm, bidirectional=True),
    row("lengths", kn.lstm, bidirectional=True, layers=2, state=True, biases=1, lengths=[1, 3]),
    row("length 0", kn.lstm, lengths=np.array([2, 0]), state=True),
    row("time first", kn.lstm, x=(3, 2, 2), time_major=True, lengths=[3, 2]),
    row("one sequence", kn.lstm, x=(3, 2), layers=2, state=True),
    row("torch", kn.lstm, size=3, layers=2, biases=2, layout="torch"),
    row("without bias", kn.gru, biases=0, edges=EMPTY),
    row("one bias", kn.gru, biases=1),
    row("state", kn.gru, state=True, edges=EMPTY),
    row("all", kn.gru, bidirectional=True, layers=2, state=True, lengths=[3, 1]),
    row("torch", kn.gru, x=(3, 2), size=3, layout="torch", bidirectional=True),
    row("before", kn.gru, state=True, reset="before", edges=EMPTY),
    row("before, without bias", kn.gru, biases=0, reset="before"),
    row("before, all", kn.gru, bidirectional=True, layers=2, state=True, lengths=[1, 2], reset="before"),
    row("without bias", kn.rnn, biases=0, edges=EMPTY),
    row("state", kn.rnn, state=True, biases=1, edges=EMPTY),
    row("all", kn.rnn, bidirectional=True, layers=2, state=True, lengths=[3, 1]),
    row("relu", kn.rnn, state=True, layers=2, nonlinearity="relu"),
    row("relu, lengths", kn.rnn, x=(3, 2, 2), time_major=True, lengths=[0, 2], nonlinearity="relu"),
    row("torch", kn.rnn, size=3, layout="torch", bidirectional=True),
]


# ------------------------------------------------------------------------------------------------------- wrong calls


def _lstm(weights, **options):
    return lambda x: kn.lstm(x, weights, **options)


def _ones(*shapes):
    return tuple(np.ones(shape) for shape in shapes)


FIVE, GRU = _ones((3, 20), (5, 20)), _ones((3, 15), (5, 15))
X = ((2, 7, 3),)
ZEROS = np.zeros((1, 2, 5))

WRONG = [
    Wrong("lstm wx", lambda x: kn.lstm(x, _ones((4, 20), (5, 20))), X, kn.ShapeError,
          ("lstm: weights[0] must have shape (3, 20), got (4, 20)", "wx of layer 0", "x is (2, 7, 3)"), True),
    Wrong("lstm layer 1", _lstm([FIVE, _ones((4, 20), (5, 20))]), X, kn.ShapeError,
          ("weights[1][0] must have shape (5, 20), got (4, 20)", "layer 1 takes the 5 outputs of layer 0"), True),
    Wrong("lstm backward", _lstm([FIVE, _ones((3, 20), (4, 20))], bidirectional=True), X, kn.ShapeError,
          ("weights[1][1] must have shape (5, 20), got (4, 20)", "wh of layer 0, backward"), True),
    Wrong("lstm flat", _lstm([*FIVE, np.ones(20), *_ones((5, 20), (5, 20), (19,))]), X, kn.ShapeError,
          ("weights[5] must have shape (20,), got (19,)", "bx of layer 1"), True),
    Wrong("lstm wh", _lstm(_ones((3, 20), (5, 15))), X, kn.ShapeError,
          ("weights[1] is wh", "(H, 4 * H)", "(5, 15)"), True),
    Wrong("lstm transposed", _lstm(_ones((20, 3), (20, 5))), X, kn.ShapeError,
          ("(20, 5)", 'write layout="torch"'), True),
    Wrong("lstm not transposed", _lstm(FIVE, layout="torch"), X, kn.ShapeError,
          ("w_hh", "(5, 20)", 'write layout="knetpy"'), True),
    Wrong("rnn transposed", lambda x: kn.rnn(x, _ones((5, 3), (5, 5))), X, kn.ShapeError,
          ("(3, 5)", "(5, 3)", 'write layout="torch"'), True),
    Wrong("lstm layout", _lstm(FIVE, layout="keras"), X, ValueError, ("layout", "'keras'", '"torch"'), True),
    Wrong("lstm of gru's weights", _lstm(GRU), X, kn.ShapeError, ("(H, 4 * H)", "(5, 15)"), True),
    Wrong("gru transposed", lambda x: kn.gru(x, _ones((15, 3), (15, 5))), X, kn.ShapeError, ('layout="torch"',), True),
    Wrong("lstm odd", _lstm([FIVE] * 3, bidirectional=True), X, ValueError, ("even number", "3"), True),
    Wrong("lstm projection", _lstm([(*FIVE, *_ones((20,), (20,), (5, 2)))]), X, ValueError,
          ("weights[0][4] (5, 2)", "proj_size"), True),
    Wrong("lstm one array", _lstm([FIVE[:1]]), X, ValueError, ("(wx, wh)", "got weights[0][0] (3, 20)"), True),
    Wrong("lstm an array", _lstm(FIVE[0]), X, TypeError, ("weights", "(wx, wh, bx)"), True),
    Wrong("lstm nothing", _lstm([]), X, TypeError, ("weights", "an empty list"), True),
    Wrong("lstm None", _lstm((*FIVE, None)), X, TypeError, ("weights[2]", "NoneType"), True),
    Wrong("lstm half in brackets", _lstm([FIVE, FIVE[0]]), X, ValueError, ("got weights[1] (3, 20)",), True),
    Wrong("lstm axes", _lstm(FIVE), ((7,),), kn.ShapeError, ("(B, T, I)", "(T, I)", "(7,)"), True),
    Wrong("lstm state", _lstm(FIVE, state=ZEROS), X, TypeError, ("(h, c)", "ndarray"), True),
    Wrong("gru state", lambda x: kn.gru(x, GRU, (ZEROS, ZEROS)), X, TypeError, ("one array h", "tuple"), True),
    Wrong("lstm state's shape", _lstm(FIVE, state=(ZEROS, ZEROS[:, :1])), X, kn.ShapeError,
          ("c in state", "(1, 2, 5)", "(layers * directions, B, H)", "(1, 1, 5)"), True),
    Wrong("lstm state without batch", _lstm(FIVE, state=(ZEROS[0], ZEROS[0])), ((7, 3),), kn.ShapeError,
          ("h in state", "(1, 5)", "(layers * directions, H)", "(2, 5)"), True),
    Wrong("lstm lengths", _lstm(FIVE, lengths=[1, 2, 3]), X, kn.ShapeError, ("lengths", "(2,)", "(3,)"), True),
    Wrong("lstm lengths long", _lstm(FIVE, lengths=[1, 8]), X, ValueError, ("0 to T = 7", "got 8"), True),
    Wrong("lstm lengths floating", _lstm(FIVE, lengths=[1.0, 2.0]), X, kn.DtypeError, ("lengths", "float64"), True),
    Wrong("lstm lengths of one", _lstm(FIVE, lengths=[1]), ((7, 3),), ValueError, ("lengths", "x[:n]"), True),
    Wrong("lstm dropout", _lstm(FIVE, dropout=2), X, ValueError, ("dropout", "2"), True),
    Wrong("lstm dropout word", _lstm(FIVE, dropout="half"), X, TypeError, ("lstm: dropout", "'half'"), True),
    Wrong("lstm state number", _lstm(FIVE, state=1), X, TypeError, ("lstm: state", "(h, c)", "int"), True),
    Wrong("gru reset", lambda x: kn.gru(x, GRU, reset="never"), X, ValueError, ("reset", '"before"', "'never'"), True),
    Wrong("rnn nonlinearity", lambda x: kn.rnn(x, _ones((3, 5), (5, 5)), nonlinearity="sine"), X, ValueError,
          ("nonlinearity", '"tanh"', "'sine'"), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "lstm": (lambda: kn.lstm(np.ones((2, 7, 3), "f4"), FIVE), ("x has dtype float32", "weights[0] has float64")),
    "gru integers": (lambda: kn.gru(np.ones((2, 7, 3), int), GRU), ("gru: x has dtype int64", "astype(np.float32)")),
    "lstm state": (lambda: kn.lstm(np.ones((2, 7, 3)), FIVE, (ZEROS, ZEROS.astype("f4"))), ("state[1] has float32",)),
}
