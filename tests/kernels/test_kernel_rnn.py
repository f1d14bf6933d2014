"""The recurrence kernels: the reference against literals, what is served against the reference."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from knetpy.kernels import kernel
from knetpy.kernels.reference import rnn as reference

served = SimpleNamespace(rnn=kernel("rnn", "rnn"), rnn_back=kernel("rnn", "rnn_back"))
BACKENDS = pytest.mark.parametrize("backend", [reference, served], ids=["reference", "served"])
GATES = {"lstm": 4, "gru": 3, "gru_before": 3, "rnn_tanh": 1, "rnn_relu": 1}


def steps(*rows):
    """px of one sequence: one row of gates for each time."""
    return np.array(rows, float)[:, None, :]


def start(*numbers):
    """A state of one sequence with H = 1."""
    return np.array(numbers, float)[:, None, None]


def options(cell, reverse=False, lengths=None):
    return {"cell": cell, "reverse": reverse, "lengths": None if lengths is None else np.array(lengths)}


BIG = 1e3  # opens a gate; -BIG shuts it

FORWARD = [
    # h' = max(px + 2 h, 0)
    (steps([1], [2], [-9]), start(1), [[2.0]], None, options("rnn_relu"), [3, 8, 7], [7]),
    (steps([1], [2], [-9]), start(1), [[2.0]], None, options("rnn_relu", True), [5, 2, 0], [5]),
    (steps([1], [2], [-9]), start(1), [[2.0]], None, options("rnn_relu", lengths=[2]), [3, 8, 0], [8]),
    (steps([1], [2], [-9]), start(1), [[2.0]], None, options("rnn_relu", True, [2]), [9, 4, 0], [9]),
    (steps([1], [2]), start(3), [[2.0]], None, options("rnn_relu", lengths=[0]), [0, 0], [3]),
    (steps([0], [math.atanh(0.25)]), start(0.5), [[0.0]], None, options("rnn_tanh"), [0, 0.25], [0.25]),
    (steps([0]), start(math.atanh(0.5)), [[1.0]], None, options("rnn_tanh"), [0.5], [0.5]),
    # i, f, g, o: keep c and show it; take g in; all gates half open
    (steps([-BIG, BIG, 0, BIG]), start(0, 0.5), [[0.0] * 4], None, options("lstm"), [math.tanh(0.5)],
     [math.tanh(0.5), 0.5]),
    (steps([BIG, -BIG, BIG, BIG]), start(9, 9), [[0.0] * 4], None, options("lstm"), [math.tanh(1)], [math.tanh(1), 1]),
    (steps([0, 0, 0, 0], [0, 0, 0, 0]), start(0, 4), [[0.0] * 4], None, options("lstm"),
     [math.tanh(2) / 2, math.tanh(1) / 2], [math.tanh(1) / 2, 1]),
    # r, z, n: z open keeps h; r half open halves the recurrent product, bias included
    (steps([0, BIG, 0]), start(0.5), [[0.0, 0, 1]], None, options("gru"), [0.5], [0.5]),
    (steps([0, -BIG, 0]), start(0.5), [[0.0, 0, 2]], [0.0, 0, 3], options("gru"), [math.tanh(2)], [math.tanh(2)]),
    (steps([-BIG, 0, 1]), start(0.5), [[0.0, 0, 2]], [0.0, 0, 3], options("gru"), [(math.tanh(1) + 0.5) / 2],
     [(math.tanh(1) + 0.5) / 2]),
    (steps([0, -BIG, 1]), start(0.5), [[0.0, 0, 2]], None, options("gru_before"), [math.tanh(1.5)], [math.tanh(1.5)]),
    (steps([-BIG, 0, 1]), start(0.5), [[0.0, 0, 2]], None, options("gru_before"), [(math.tanh(1) + 0.5) / 2],
     [(math.tanh(1) + 0.5) / 2]),
    (steps([BIG, 0, 0]), start(0), [[1.0, 1, 1]], None, options("gru_before", True), [0], [0]),
]  # fmt: skip


@BACKENDS
@pytest.mark.parametrize("px, state, wh, bh, how, y, last", FORWARD)
def test_forward_by_hand(backend, px, state, wh, bh, how, y, last):
    found = backend.rnn(px, state, np.array(wh), None if bh is None else np.array(bh), **how)
    np.testing.assert_allclose(found[0].ravel(), y, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(found[1].ravel(), last, rtol=1e-14, atol=1e-14)


def test_reset_before_multiplies_what_is_mixed():
    """With H = 2, r = (1, 0): only the first part of h goes into both of n."""
    px = steps([BIG, -BIG, -BIG, -BIG, 0, 0])
    wh = np.zeros((2, 6))
    wh[:, 4:] = [[1, 2], [30, 40]]
    y = reference.rnn(px, np.array([[[0.25, 0.5]]]), wh, None, **options("gru_before"))[0]
    np.testing.assert_allclose(y.ravel(), np.tanh([0.25, 0.5]), rtol=1e-14)


BACK = [
    # h' = px + 2 h while positive: the derivative by h after two steps is 4, by wh 3 (h before the second) + 2 * 1
    (steps([1], [2]), start(1), [[2.0]], options("rnn_relu"), [0, 1], [0], [2, 1], [4], [5]),
    (steps([1], [2]), start(1), [[2.0]], options("rnn_relu"), [1, 0], [1], [3, 1], [6], [6]),
    (steps([1], [2]), start(1), [[2.0]], options("rnn_relu", True), [1, 0], [0], [1, 2], [4], [6]),
    (steps([1], [2]), start(1), [[2.0]], options("rnn_relu", lengths=[1]), [1, 7], [1], [2, 0], [4], [2]),
    (steps([1], [-9]), start(1), [[2.0]], options("rnn_relu"), [0, 1], [1], [0, 0], [0], [0]),
    (steps([0]), start(math.atanh(0.5)), [[1.0]], options("rnn_tanh"), [1], [1], [1.5], [1.5], [1.5 * math.atanh(0.5)]),
    # only c, kept for a step: its derivative comes back through f = 1/2, to f's gate as c f (1 - f)
    (steps([0, 0, 0, 0]), start(0, 4), [[0.0] * 4], options("lstm"), [0], [0, 1], [0, 1, 0.5, 0], [0, 0.5], [0] * 4),
    (steps([0, 0, 0, 0]), start(2, 0), [[0.0] * 4], options("lstm"), [1], [0, 0], [0, 0, 0.25, 0], [0, 0.25],
     [0, 0, 0.5, 0]),
    (steps([0, 0, 0, 0]), start(0, 0), [[1.0, 2, 3, 4]], options("lstm"), [0], [0, 1], [0, 0, 0.5, 0], [1.5, 0.5],
     [0] * 4),
    # n = 0, so h' = z h: z = 1/2, and n's slope is 1 - z
    (steps([0, 0, 0]), start(4), [[0.0, 0, 0]], options("gru"), [1], [0], [0, 1, 0.5], [0.5], [0, 4, 1]),
    (steps([0, 0, 0]), start(4), [[0.0, 0, 0]], options("gru_before"), [1], [0], [0, 1, 0.5], [0.5], [0, 4, 1]),
    (steps([0, BIG, 0]), start(4), [[0.0, 0, 3]], options("gru"), [1], [1], [0, 0, 0], [2], [0, 0, 0]),
]  # fmt: skip


@BACKENDS
@pytest.mark.parametrize("px, state, wh, how, dy, dlast, dpx, dstate, dwh", BACK)
def test_back_by_hand(backend, px, state, wh, how, dy, dlast, dpx, dstate, dwh):
    wh = np.array(wh)
    _, _, before, gates = backend.rnn(px, state, wh, None, **how)
    found = backend.rnn_back(np.reshape(dy, (-1, 1, 1)) * 1.0, start(*dlast), wh, before, gates, **how)
    for ours, wanted in zip(found, (dpx, dstate, dwh)):
        np.testing.assert_allclose(ours.ravel(), wanted, rtol=1e-13, atol=1e-14)


def problem(cell, times=4, batch=3, size=2, dtype=np.float64):
    rng, count = np.random.default_rng(0), 2 if cell == "lstm" else 1
    shapes = (times, batch, GATES[cell] * size), (count, batch, size), (size, GATES[cell] * size)
    px, state, wh = [rng.normal(size=s).astype(dtype) for s in shapes]
    return px, state, wh, rng.normal(size=wh.shape[1]).astype(dtype) if cell == "gru" else None


@BACKENDS
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [2, 4, 0]])
def test_back_is_the_derivative(backend, cell, reverse, lengths):
    """Along a random direction, against differences."""
    args, how = problem(cell), options(cell, reverse, lengths)
    rng = np.random.default_rng(1)
    v = [None if a is None else rng.normal(size=a.shape) for a in args]
    y, last, before, gates = backend.rnn(*args, **how)
    dy, dlast = rng.normal(size=y.shape), rng.normal(size=last.shape)

    def loss(step):
        y, last, *_ = backend.rnn(*[a if a is None else a + step * d for a, d in zip(args, v)], **how)
        return np.vdot(y, dy) + np.vdot(last, dlast)

    found = backend.rnn_back(dy, dlast, args[2], before, gates, **how)
    slope = sum(np.vdot(g, d) for g, d in zip(found, v) if d is not None)
    wanted = (loss(-2e-4) - 8 * loss(-1e-4) + 8 * loss(1e-4) - loss(2e-4)) / 12e-4
    np.testing.assert_allclose(slope, wanted, rtol=1e-9)


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("shape", [(0, 3, 2), (4, 0, 2), (4, 3, 0), (1, 1, 1), (5, 7, 9)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_served_as_the_reference(cell, shape, dtype):
    args, how = problem(cell, *shape, dtype=dtype), options(cell, True, [1] * shape[1] if shape[0] else None)
    ours, theirs = (b.rnn(*args, **how) for b in (served, reference))
    dy, dlast = np.ones_like(theirs[0]), np.ones_like(theirs[1])
    ours += served.rnn_back(dy, dlast, args[2], *ours[2:], **how)
    theirs += reference.rnn_back(dy, dlast, args[2], *theirs[2:], **how)
    for a, b in zip(ours, theirs):
        assert (a.dtype, a.shape) == (dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert not np.shares_memory(ours[1], args[1])
