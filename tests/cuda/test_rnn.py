"""rnn on the GPU: what drawn calls do not show."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.reference.rnn import CELLS
from tests.cuda.record import recorded
from tests.cuda.test_kernels import agrees

F8 = np.dtype("f8")
GATES = {"lstm": 4, "gru": 3, "gru_before": 3, "rnn_tanh": 1, "rnn_relu": 1}


def problem(cell, steps=3, batch=5, H=7, inputs=4, dtype="f8"):
    rng, states = np.random.default_rng(H), 2 if cell == "lstm" else 1
    wide = GATES[cell] * H
    arrays = rng.standard_normal((steps, batch, inputs)), rng.standard_normal((states, batch, H))
    weights = rng.standard_normal((H, wide)), rng.standard_normal(wide) if cell == "gru" else None
    inputs = {"wx": rng.standard_normal((inputs, wide)), "bx": rng.standard_normal(wide)}
    given = [None if a is None else a.astype(dtype) for a in (*arrays, *weights)]
    return given, {name: a.astype(dtype) for name, a in inputs.items()}


@pytest.mark.parametrize("lengths", [None, [3, 0, 2, 1, 3]], ids=["all", "lengths"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", GATES)
def test_every_cell(cell, reverse, lengths):
    (x, state, wh, bh), inputs = problem(cell)
    options = {"cell": cell, "reverse": reverse, "lengths": None if lengths is None else np.array(lengths, "i4")}
    assert agrees("rnn", "rnn", (x, state, wh, bh), {**options, **inputs}, F8)
    assert agrees("rnn", "rnn", (x, state, wh, None), {**options, "wx": inputs["wx"]}, F8)
    px = x @ inputs["wx"]
    assert agrees("rnn", "rnn", (px, state, wh, bh), options, F8)
    y, _, before, gates = kernel("rnn", "rnn")(px, state, wh, bh, **options)
    dy, dstate = np.cos(y) + 0.1, np.sin(state) - 0.2
    assert agrees("rnn", "rnn_back", (dy, dstate, wh, before, gates), options, F8)


@pytest.mark.parametrize("sizes", [(0, 5, 7, 4), (3, 0, 7, 4), (3, 5, 0, 4), (3, 5, 7, 0), (1, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_before"])
def test_nothing_and_one(cell, sizes):
    (x, state, wh, bh), inputs = problem(cell, *sizes)
    options = {"cell": cell, "reverse": False, "lengths": None}
    assert agrees("rnn", "rnn", (x, state, wh, bh), {**options, **inputs}, F8)
    before, gates = np.ones((sizes[0], *state.shape)), np.ones((sizes[0], CELLS[cell].kept, *sizes[1:3]))
    assert agrees("rnn", "rnn_back", (np.ones((sizes[0], *sizes[1:3])), state, wh, before, gates), options, F8)


@np.errstate(invalid="ignore")
@pytest.mark.parametrize("cell", GATES)
def test_what_is_infinite_in_a_sequence_stays_there(cell):
    """Also where it has ended: 0 times Inf would be NaN."""
    (x, state, wh, bh), inputs = problem(cell)
    lengths = np.array([3, 0, 2, 1, 0])
    options = {"cell": cell, "reverse": False, "lengths": lengths}
    px = x @ inputs["wx"]
    _, _, before, gates = kernel("rnn", "rnn")(px, state, wh, bh, **options)
    wrong = wh.copy()
    wrong[0, 0] = np.inf
    dy = np.ones((3, 5, 7))
    _, dstate, *_ = kernel("rnn", "rnn_back")(*kn.gpu((dy, state, wrong, before, gates)), **kn.gpu(options))
    np.testing.assert_array_equal(kn.cpu(dstate)[:, lengths == 0], state[:, lengths == 0])
    dy[:, 0], px[:, 0], gates[:, :, 1] = np.nan, np.nan, np.nan
    dpx, dstate, *_ = kernel("rnn", "rnn_back")(*kn.gpu((dy, state, wh, before, gates)), **kn.gpu(options))
    assert np.isnan(kn.cpu(dpx)[:, 0]).any() and np.isfinite(kn.cpu(dpx)[:, 1:]).all()
    y, last, *_ = kernel("rnn", "rnn")(*kn.gpu((px, state, wh, bh)), **kn.gpu(options))
    assert np.isnan(kn.cpu(y)[:, 0]).all() and np.isfinite(kn.cpu(y)[:, 1:]).all() and not kn.cpu(y)[0, 1].any()
    np.testing.assert_array_equal(kn.cpu(last)[:, 1], state[:, 1])


@np.errstate(over="ignore", invalid="ignore")
@pytest.mark.parametrize("cell", ["lstm", "gru_before"])
def test_gates_far_from_zero(cell):
    (x, state, wh, bh), _ = problem(cell, H=2, inputs=2 * GATES[cell], dtype="f4")
    options = {"cell": cell, "reverse": False, "lengths": None}
    for value in (1e3, -1e3, np.inf, -np.inf):
        assert agrees("rnn", "rnn", (np.full_like(x, value), state, wh, bh), options, np.dtype("f4"))


def test_float16():
    (x, state, wh, bh), inputs = problem("gru")
    options = {"cell": "gru", "reverse": False, "lengths": None}
    exact = kernel("rnn", "rnn")(x, state, wh, bh, **options, **inputs)
    half = [a.astype("f2") for a in (x, state, wh, bh)]
    more = {name: a.astype("f2") for name, a in inputs.items()}
    found = kn.cpu(kernel("rnn", "rnn")(*kn.gpu(half), **options, **kn.gpu(more)))
    for y, e in zip(found, exact):
        assert y.dtype == np.float16
        np.testing.assert_allclose(y, e, atol=3e-2)
    back = kernel("rnn", "rnn_back")(*kn.gpu((half[0][..., [0] * 7], half[1], half[2], *found[2:])), **options)
    assert [a.dtype for a in back] == [np.float16] * 4


def test_a_model_learns_as_on_the_cpu():
    kn.seed(0)
    x, results = np.random.default_rng(0).standard_normal((4, 3, 5)).astype("f4"), []
    w = [np.random.default_rng(n).standard_normal(s).astype("f4") for n, s in enumerate([(5, 24), (24,), (6, 24)])]
    state = np.zeros((2, 3, 6), "f4")

    def loss(wx, bx, wh, x, state):
        from knetpy.ops.recurrence import RECURRENCES

        y, last = RECURRENCES["lstm"](x, wx, bx, state, wh, None, reverse=False, lengths=None, constant=True)
        return np.sum(y * y) + np.sum(last)

    for place in (kn.cpu, kn.gpu):
        results.append(kn.cpu(kn.grad(loss, (0, 1, 2))(*place((*w, x, state)))))
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", GATES)
def test_a_step_moves_little_and_together(cell):
    (x, state, wh, bh), inputs = problem(cell, steps=2, batch=2, H=64, dtype="f4")
    options, plane = {"cell": cell, "reverse": False, "lengths": None}, 2 * 64 * 4
    with recorded(trace=100000) as launches:
        _, _, before, gates = kernel("rnn", "rnn")(*kn.gpu((x @ inputs["wx"], state, wh, bh)), **options)
        kernel("rnn", "rnn_back")(kn.gpu(np.ones((2, 2, 64), "f4")), *kn.gpu((state, wh)), before, gates, **options)
    # products, states, y and gates, and for gru the bias, which neighbours read again
    least = {
        "lstm": 8 + 1 + 2 + 1 + 5,
        "gru": 6 + 1 + 1 + 1 + 4 + 3,
        "plain": 2 + 1 + 1 + 1,
        "lstm_back": 1 + 3 + 1 + 5 + 4,
    }
    for name, stats in launches:
        assert stats.idle_blocks == 0 and all([r.cost <= 4 for r in stats.requests()]), name  # sectors
        moved = (stats.global_read_bytes + stats.global_write_bytes) / plane
        assert moved <= least.get(name.split("<")[0], 99), name
