"""The recurrence kernels: the reference against literals, what is served against the reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import rnn as reference
from tests.kernels.backends import WHY_NOT, Served, backends, needs_numba, same_everywhere

served = Served("rnn")
BACKENDS = backends(reference, served)
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
    assert (ours[-1] is None) == (theirs[-1] is None) == (cell != "gru")  # the derivative by bh
    for a, b in zip(filled(ours), filled(theirs)):
        assert (a.dtype, a.shape) == (dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert not np.shares_memory(ours[1], args[1])


def both_ways(backend, args, how):
    """All results of a pass forward and of one back."""
    forward = backend.rnn(*args, **how)
    rng = np.random.default_rng(2)
    dy, dlast = [rng.normal(size=a.shape).astype(a.dtype) for a in forward[:2]]
    return filled((*forward, *backend.rnn_back(dy, dlast, args[2], *forward[2:], **how)))


def filled(results):
    """Without the None where there is no bias."""
    return [a for a in results if a is not None]


@st.composite
def problems(draw):
    """Arguments and options of any cell; arrays in any layout, sequences of any lengths."""
    cell, dtype = draw(st.sampled_from(list(GATES))), draw(st.sampled_from([np.float32, np.float64]))
    times, batch, size = draw(st.integers(0, 5)), draw(st.integers(0, 5)), draw(st.sampled_from([0, 1, 3, 8, 16, 37]))
    args = problem(cell, times, batch, size, dtype)
    if draw(st.booleans()):
        args = [None if a is None else np.asfortranarray(a) for a in args]
    if draw(st.booleans()):
        args = [None if a is None else np.repeat(a, 2, axis=-1)[..., ::2] for a in args]
    if cell == "gru" and draw(st.booleans()):
        args = [*args[:3], None]
    lengths = draw(st.none() | st.lists(st.integers(0, times), min_size=batch, max_size=batch))
    if lengths is not None:
        lengths = np.array(lengths, np.int64)
    return args, {"cell": cell, "reverse": draw(st.booleans()), "lengths": lengths}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(problems())
def test_drawn_as_the_reference(drawn):
    for a, b in zip(both_ways(served, *drawn), both_ways(reference, *drawn)):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        tolerance = 100 * np.finfo(b.dtype).eps  # a few digits of each step, which later ones multiply
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, abs(b).max(initial=0)))


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("with_bias", [False, True])
def test_an_input_is_multiplied(cell, dtype, with_bias):
    """As if its product with wx, plus bx, had been given."""
    _, *args = problem(cell, 4, 40, 17, dtype)
    rng, how = np.random.default_rng(3), options(cell, True, [1, 4] * 20)
    x, wx = (rng.normal(size=s).astype(dtype) for s in ((4, 40, 9), (9, args[1].shape[1])))
    bx = rng.normal(size=wx.shape[1]).astype(dtype) if with_bias else None
    px = x @ wx if bx is None else x @ wx + bx
    for backend in (reference, served):
        for a, b in zip(backend.rnn(x, *args, **how, wx=wx, bx=bx), reference.rnn(px, *args, **how)):
            np.testing.assert_allclose(a, b, rtol=1e-4 if dtype is np.float32 else 1e-12, atol=1e-5)


def gate(name, x):
    """sigmoid(x) from the first gate of an lstm, or tanh(x) from its third."""
    px = np.zeros((1, 1, 4, len(x)), x.dtype)
    px[0, 0, {"sigmoid": 0, "tanh": 2}[name]] = x
    none = np.zeros((2, 1, len(x)), x.dtype), np.zeros((len(x), 4 * len(x)), x.dtype)
    gates = served.rnn(px.reshape(1, 1, -1), *none, None, **options("lstm"))[3]
    return gates[0, {"sigmoid": 0, "tanh": 2}[name], 0]


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_error_of_the_gates_functions(dtype):
    """At most 3 units in the last place."""
    near = np.linspace(-20, 20, 1201)
    small = np.logspace(-20, 0, 200)
    for x in np.array_split(np.concatenate([near, small, -small]).astype(dtype), 8):
        exact = x.astype(np.longdouble)
        for name, wanted in (("sigmoid", 1 / (1 + np.exp(-exact))), ("tanh", np.tanh(exact))):
            error = abs(gate(name, x) - wanted) / np.spacing(abs(wanted).astype(dtype))
            assert error.max() <= 3, name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits_of_the_gates_functions(dtype):
    x = np.array([-np.inf, -1e4, 0, 1e4, np.inf, np.nan], dtype)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(gate("sigmoid", x), [0, 0, 0.5, 1, 1, np.nan])
        np.testing.assert_array_equal(gate("tanh", x), [-1, -1, 0, 1, 1, np.nan])


@pytest.mark.parametrize("cell", GATES)
def test_nan_and_infinity_as_the_reference(cell):
    args, how = problem(cell, 4, 3, 5), options(cell)
    for value in (np.nan, np.inf, -np.inf):
        args[0][1, 1, -1] = value
        with np.errstate(invalid="ignore"):
            for a, b in zip(both_ways(served, args, how), both_ways(reference, args, how)):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
def test_threads_change_no_bit_and_calls_may_be_concurrent(monkeypatch, cell):
    if not WHY_NOT:
        monkeypatch.setattr("knetpy.kernels.cpu.rnn.THREADED", 0)
    args, how = problem(cell, 6, 7, 33, np.float32), options(cell)
    same_everywhere(lambda: both_ways(served, args, how), (1, 2, 3))


@needs_numba
def test_one_signature():
    """For all dtypes, layouts and options: kernels see addresses."""
    cpu = pytest.importorskip("knetpy.kernels.cpu.rnn")
    for dtype in (np.float32, np.float64):
        args = problem("lstm", dtype=dtype)
        for layout in (np.asarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=-1)[..., ::2]):
            both_ways(served, [a if a is None else layout(a) for a in args], options("lstm", lengths=[1, 2, 3]))
            both_ways(served, [a if a is None else layout(a) for a in args], options("lstm", reverse=True))
    assert len(cpu._forward.signatures) == len(cpu._back.signatures) == 1


@needs_numba
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("lengths", [None, [2, 4, 0]])
def test_all_of_the_results_is_written(monkeypatch, cell, lengths):
    args, how, empty = problem(cell), options(cell, True, lengths), np.empty
    wanted = both_ways(served, args, how)  # compiled before np.empty is another
    monkeypatch.setattr(np, "empty", lambda *args: np.full_like(empty(*args), np.nan))
    for a, b in zip(both_ways(served, args, how), wanted):
        np.testing.assert_array_equal(a, b)
        assert not np.isnan(b).any()
