"""Recurrent layers: what the rows of the table do not say."""

import warnings

import numpy as np
import pytest

import knetpy as kn
from tests.ops.checker import check_first, check_second, same, scalar
from tests.ops.rows.rnn import STEPS

OPS = pytest.mark.parametrize("op", STEPS, ids=lambda op: op.__name__)


def drawn(op, inputs=3, size=2, layers=1, biases=2, dtype=np.float64, seed=0):
    """Weights for layers in one direction."""
    rng, wide = np.random.default_rng(seed), size * STEPS[op][1]
    shapes = [[(n, wide), (size, wide), *[(wide,)] * biases] for n in [inputs] + [size] * (layers - 1)]
    return [tuple([rng.normal(size=s).astype(dtype) for s in group]) for group in shapes]


def sequences(*shape, dtype=np.float64):
    return np.random.default_rng(1).normal(size=shape).astype(dtype)


def states_of(op, last):
    return last if op is kn.lstm else (last,)


@OPS
def test_what_lies_beyond_the_length_is_not_looked_at(op):
    x, weights, lengths = sequences(3, 4, 3), drawn(op) * 2, [2, 4, 0]
    clean, dirty = x.copy(), x.copy()
    for b, n in enumerate(lengths):
        clean[b, n:], dirty[b, n:] = 0, [np.nan, np.inf, -np.inf]

    def f(x, w):
        return op(x, w, bidirectional=True, lengths=lengths)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(f(dirty, weights), f(clean, weights))
        same(kn.grad(scalar(f), (0, 1))(dirty, weights), kn.grad(scalar(f), (0, 1))(clean, weights))
    y, last = f(dirty, weights)
    dx = kn.grad(scalar(f), 0)(dirty, weights)
    for b, n in enumerate(lengths):
        assert not y[b, n:].any() and not dx[b, n:].any() and y[b, :n].all() and dx[b, :n].all()
    assert not any(s[:, 2].any() for s in states_of(op, last))


@OPS
def test_a_sequence_with_its_length_is_the_sequence_alone(op):
    x, weights, lengths = sequences(3, 5, 3), drawn(op) * 2, np.array([5, 3, 1])
    y, last = op(x, weights, bidirectional=True, lengths=lengths)
    for b, n in enumerate(lengths):
        alone, end = op(x[b, :n], weights, bidirectional=True)
        same(y[b, :n], alone, exact=False)
        for s, t in zip(states_of(op, last), states_of(op, end)):
            same(s[:, b], t, exact=False)


@OPS
def test_full_lengths_change_nothing(op):
    x, weights = sequences(2, 4, 3), drawn(op)
    same(op(x, weights, lengths=[4, 4]), op(x, weights))


@OPS
def test_the_last_state_goes_on(op):
    """Two halves of a sequence are the whole; that h is the last y."""
    x, weights = sequences(2, 6, 3), drawn(op, layers=2)
    y, last = op(x, weights)
    first, state = op(x[:, :2], weights)
    second, end = op(x[:, 2:], weights, state)
    same(np.concatenate([first, second], 1), y, exact=False)
    same(end, last, exact=False)
    np.testing.assert_array_equal(states_of(op, last)[0][-1], y[:, -1])


@OPS
def test_no_steps_leave_the_state(op):
    weights, parts = drawn(op, layers=2), [sequences(2, 3, 2) for _ in range(1 + (op is kn.lstm))]
    given = tuple(parts) if op is kn.lstm else parts[0]
    y, last = op(np.ones((3, 0, 3)), weights, given)
    assert y.shape == (3, 0, 2)
    same(last, given)
    assert not np.shares_memory(states_of(op, last)[0], parts[0])
    g = kn.grad(lambda s: sum([np.sum(p * p) for p in states_of(op, op(np.ones((3, 0, 3)), weights, s)[1])]), 0)(given)
    same(g, tuple([2 * p for p in parts]) if op is kn.lstm else 2 * parts[0])


@OPS
def test_ways_to_give_weights(op):
    x = sequences(2, 4, 3)
    one, two = drawn(op, size=3), drawn(op, size=3, layers=2)
    same(op(x, one[0]), op(x, one))
    same(op(x, [w for group in two for w in group]), op(x, two))
    same(op(x, tuple([list(group) for group in two])), op(x, two))
    bare = drawn(op, size=3, layers=2, biases=0)
    same(op(x, [w for group in bare for w in group]), op(x, bare))
    turned = [(wx.T, wh.T, *biases) for wx, wh, *biases in two]
    same(op(x, turned, layout="torch"), op(x, two), exact=False)
    params = [tuple([kn.param(w) for w in group]) for group in two]
    same(op(x, params), op(x, two))
    assert len(kn.grad(lambda: np.sum(op(x, params)[0]))()) == 8


@OPS
def test_a_tensor_of_pytorch_is_refused_in_plain_words(op):
    class Tensor:
        shape, dtype, detach = (3, 4), "torch.float32", None

    with pytest.raises(TypeError, match=r"weights\[0\]\.detach\(\)\.numpy\(\)"):
        op(np.ones((2, 4, 3)), [Tensor()] * 4)


@OPS
def test_dropout_between_layers(op):
    x, weights, ones = sequences(2, 4, 3), drawn(op, layers=2), np.ones((4, 2, 2))
    same(op(x, weights, dropout=0.5), op(x, weights))  # not in training
    with kn.training(True):
        kn.seed(3)
        y, last = op(x, weights, dropout=0.5)
        kn.seed(3)
        mask = np.swapaxes(kn.dropout(ones, 0.5), 0, 1)
        same(op(x, weights[:1], dropout=0.5), op(x, weights[:1]))  # nothing before the first, nothing after the last
    assert set(np.unique(mask)) == {0, 2}
    middle, first = op(x, weights[:1])
    wanted, second = op(middle * mask, weights[1:])
    same(y, wanted, exact=False)
    for s, a, b in zip(states_of(op, last), states_of(op, first), states_of(op, second)):
        same(s, np.concatenate([a, b]), exact=False)


@OPS
def test_dropout_has_derivatives(op):
    x, weights = sequences(1, 2, 3), drawn(op, layers=2)

    def f(x, wx):
        kn.seed(3)
        with kn.training(True):
            return op(x, [(wx, *weights[0][1:]), weights[1]], dropout=0.3)[0]

    check_first(f, [x, weights[0][0]], np.random.default_rng(0))
    check_second(f, [x, weights[0][0]], np.random.default_rng(0))


@OPS
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
def test_dtypes_stay(op, dtype):
    x, weights = sequences(2, 4, 3, dtype=dtype), drawn(op, layers=2, dtype=dtype)
    y, last = op(x, weights, lengths=[2, 4])
    assert {a.dtype for a in (y, *states_of(op, last))} == {np.dtype(dtype)}
    g = kn.grad(lambda x: np.sum(op(x, weights, lengths=[2, 4])[0]), 0)(x)
    second = kn.grad(lambda x: np.sum(kn.grad(lambda x: np.sum(op(x, weights)[0]), 0)(x)), 0)(x)
    assert g.dtype == second.dtype == dtype


@OPS
def test_scores_of_any_size(op):
    """Gates that are shut or open wide: no NaN, no warning, no slope."""
    options = {"nonlinearity": "tanh"} if op is kn.rnn else {}
    x, weights = sequences(2, 4, 3) * 1e4, drawn(op)
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        y, g = kn.value_and_grad(lambda x: np.sum(op(x, weights, **options)[0]), 0)(x)
    assert np.isfinite(y) and np.isfinite(g).all()


@OPS
def test_a_nan_stays_in_its_sequence(op):
    x = sequences(2, 4, 3)
    x[1, 2, 0] = np.nan
    y, last = op(x, drawn(op))
    assert np.isfinite(y[0]).all() and np.isfinite(y[1, :2]).all() and np.isnan(y[1, 2:]).all()
    assert all(np.isnan(s[:, 1]).all() and np.isfinite(s[:, 0]).all() for s in states_of(op, last))


def test_relu_has_no_slope_at_zero():
    x, weights = np.zeros((1, 2, 1)), (np.ones((1, 1)), np.ones((1, 1)))
    f = scalar(lambda x: kn.rnn(x, weights, nonlinearity="relu"))
    assert not kn.grad(f, 0)(x).any() and not kn.vjp(f, x)[1](1.0)[0].any()


def test_the_tape_knows_the_layers_by_name():
    x, weights = sequences(2, 4, 3), drawn(kn.lstm, layers=2)
    assert repr(kn.tape(lambda x: np.sum(kn.lstm(x, weights)[0]), kn.param(x))).count("lstm") >= 2
