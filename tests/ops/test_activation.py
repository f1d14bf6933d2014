"""Activations far out, at infinity, at their kinks and for NaN; those that draw; masks of the softmax family."""

import numpy as np
import pytest

import knetpy as kn
from tests.ops.checker import quiet

inf, nan = np.inf, np.nan
half, third = 1 / 2, 1 / 3
LOW, HIGH = -1.7580993408473766, 1.0507009873554805  # selu(-Inf) and selu'(Inf)

# On the left and on the right: (value at infinity or None for x plus `shift`, slope, shift).
FLAT = (0, 0)
LINE = (None, 1, 0)
LIMITS = {
    "relu": (FLAT, LINE),
    "relu6": (FLAT, (6, 0)),
    "hardtanh": ((-1, 0), (1, 0)),
    "hardsigmoid": (FLAT, (1, 0)),
    "hardswish": (FLAT, LINE),
    "leakyrelu": ((None, 0.01, 0), LINE),
    "rrelu": ((None, (1 / 8 + third) / 2, 0), LINE),
    "trelu": (FLAT, LINE),
    "softshrink": ((None, 1, half), (None, 1, -half)),
    "hardshrink": (LINE, LINE),
    "sigmoid": (FLAT, (1, 0)),
    "logsigmoid": (LINE, FLAT),
    "softsign": ((-1, 0), (1, 0)),
    "tanhshrink": ((None, 1, 1), (None, 1, -1)),
    "erf": ((-1, 0), (1, 0)),
    "erfc": ((2, 0), FLAT),
    "softplus": (FLAT, LINE),
    "logcosh": ((None, -1, -np.log(2)), (None, 1, -np.log(2))),
    "squareplus": (FLAT, LINE),
    "sparseplus": (FLAT, LINE),
    "elu": ((-1, 0), LINE),
    "selu": ((LOW, 0), (None, HIGH, 0)),
    "celu": ((-1, 0), LINE),
    "silu": (FLAT, LINE),
    "gelu": (FLAT, LINE),
    "gelu_tanh": (FLAT, LINE),
    "gelu_sigmoid": (FLAT, LINE),
    "mish": (FLAT, LINE),
    "lisht": ((None, -1, 0), LINE),
}


def function(name):
    return (lambda x: kn.gelu(x, approximate=True)) if name == "gelu_tanh" else getattr(kn, name)


def slopes(f):
    """The derivative of an elementwise function, for each element (a sum might be Inf - Inf)."""

    def of(x):
        y, pullback = kn.vjp(f, x)
        return pullback(np.ones(y.shape, y.dtype))[0]

    return of


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("side", [0, 1], ids=["left", "right"])
def test_far_out(name, side, dtype):
    """Values and two derivatives at 1e4 and at infinity, without a warning."""
    f, (at_infinity, slope, *shift) = function(name), LIMITS[name][side]
    far = 6e4 if dtype is np.float16 else 1e4  # twice 6e4 is no float16
    x = np.array([far, inf] if side else [-far, -inf], dtype)
    wanted = x.astype(float) * slope + shift if at_infinity is None else [at_infinity] * 2
    found = [f(x), slopes(f)(x), kn.jvp(f, (x,), (np.ones_like(x),))[1], slopes(slopes(f))(x)]
    for y, expected in zip(found, (wanted, slope, slope, 0)):
        np.testing.assert_allclose(y, expected, rtol=1e-3, atol=4e-4)  # softsign and squareplus are not there at 1e4
        assert y.dtype == dtype


@pytest.mark.parametrize("name", [*LIMITS, "threshold"])
def test_nan_stays_nan(name):
    f = (lambda x: kn.threshold(x, 1.0, 2.0)) if name == "threshold" else function(name)
    assert np.isnan(f(np.array([nan, 1.0]))).tolist() == [True, False]
    assert kn.grad(lambda x: np.sum(f(x)), 0)(np.array([nan])).shape == (1,)


@pytest.mark.parametrize("name", LIMITS)
def test_numbers_and_lists(name):
    """A number gives a number; lists and integers are taken as NumPy takes them."""
    f = function(name)
    assert isinstance(f(np.float32(0.7)), np.float32) or f(np.float32(0.7)).dtype == np.float32
    with quiet():
        np.testing.assert_allclose(np.asarray(f([2.0, -1.0]), float), f(np.array([2.0, -1.0])), rtol=1e-6)


KINKS = {  # f, x, PyTorch's gradient there; second derivative if it is not 0
    "relu6": (kn.relu6, [0, 6, 3], [0, 0, 1]),
    "hardtanh": (kn.hardtanh, [-1, 0, 1], [0, 1, 0]),
    "hardsigmoid": (kn.hardsigmoid, [-3, 0, 3], [0, 1 / 6, 0]),
    "hardswish": (kn.hardswish, [-3, 0, 3], [0, half, 1], [0, third, 0]),
    "leakyrelu": (kn.leakyrelu, [0, -0.0, 1], [0.01, 0.01, 1]),
    "rrelu": (lambda x: kn.rrelu(x, 0.1, 0.1), [0, 1], [0.1, 1]),
    "prelu": (lambda x: kn.prelu(x, np.float64(0.2)), [0, 1], [0.2, 1]),
    "prelu slope": (lambda slope: kn.prelu(np.array([0.0, -2.0, 3.0]), slope), 0.2, -2),
    "trelu": (kn.trelu, [1, 2], [0, 1]),
    "threshold": (lambda x: kn.threshold(x, -1.0, 5.0), [-1, 0], [0, 1]),
    "softshrink": (kn.softshrink, [-half, 0, half, 1], [0, 0, 0, 1]),
    "hardshrink": (kn.hardshrink, [-half, 0, half, 1], [0, 0, 0, 1]),
    "softsign": (kn.softsign, [0, 1], [1, 0.25], [0, -0.25]),
    "elu": (lambda x: kn.elu(x, 0.5), [0, -0.0, 1], [half, half, 1]),
    "selu": (kn.selu, [0, 1], [-LOW, HIGH]),
    "celu": (lambda x: kn.celu(x, 0.5), [0, 1], [1, 1]),
    "sparseplus": (kn.sparseplus, [-2, 0, 2], [0, half, 1], [0, half, 0]),
    "reglu": (lambda x: kn.reglu(x), [3, 0], [0, 0]),
    "sparsemax": (lambda x: kn.sparsemax(x)[0], [0, 0, -1], [half, -half, 0]),
}


@pytest.mark.parametrize("name", KINKS)
def test_kink(name):
    f, x, wanted, *second = KINKS[name]
    x = np.array(x, float)
    slope = kn.grad(lambda x: np.sum(f(x)), 0)
    np.testing.assert_allclose(slope(x), wanted, rtol=1e-12)
    curvature = kn.grad(lambda x: np.sum(slope(x)), 0)(x)
    np.testing.assert_allclose(curvature, second[0] if second else np.zeros(x.shape), rtol=1e-12)


def test_no_digits_are_lost():
    """In the tails and near 0, where 1 - y or log(y) would have none left."""
    near = np.array([1e-9])
    np.testing.assert_allclose(kn.logcosh(near), 5e-19, rtol=1e-12)
    np.testing.assert_allclose(kn.logsigmoid(np.array([40.0])), -4.248354255291589e-18, rtol=1e-12)
    np.testing.assert_allclose(kn.softplus(np.array([-40.0])), 4.248354255291589e-18, rtol=1e-12)
    np.testing.assert_allclose(kn.squareplus(np.array([-1e8])), 1e-8, rtol=1e-12)
    np.testing.assert_allclose(kn.gelu(np.array([-10.0])), -7.619853024160525e-23, rtol=1e-12)
    np.testing.assert_allclose(kn.grad(kn.elu, 0)(-40.0), 4.248354255291589e-18, rtol=1e-12)


# ------------------------------------------------------------------------------------------------ what is drawn


def test_rrelu_draws_the_same_in_the_derivative():
    x, seen = np.full((40, 50), -1.0, np.float32), []

    def loss(x):
        y = kn.rrelu(x, 0.2, 0.6)
        seen.append(kn.value(y))
        return np.sum(y)

    g = kn.grad(loss, 0)(x)
    np.testing.assert_array_equal(g, -seen[0])
    assert 0.2 <= g.min() < 0.21 and 0.59 < g.max() <= 0.6 and g.dtype == np.float32


def dropped(op, x, p, **options):
    with kn.training(True):
        return op(x, p, **options)


@pytest.mark.parametrize("op", [kn.dropout, kn.alpha_dropout])
def test_dropout_at_0_and_1(op):
    x = np.array([1.0, -2.0, inf])
    assert dropped(op, x, 0) is x and op(x, 0.9) is x
    np.testing.assert_array_equal(dropped(op, x, 1), [0, 0, 0])


@pytest.mark.parametrize("op", [kn.dropout, kn.alpha_dropout])
def test_dropout_of_channels(op):
    kn.seed(3)
    y = dropped(op, np.ones((20, 30, 4, 5), np.float32), 0.4, axis=(0, 1))
    assert (y == y[:, :, :1, :1]).all() and y.dtype == np.float32
    low, high = y.min(), y.max()
    assert set(np.unique(y)) == {low, high}
    assert 0.3 < (y == low).mean() < 0.5


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_alpha_dropout_keeps_mean_and_variance(p):
    kn.seed(1)
    y = dropped(kn.alpha_dropout, kn.random.randn(200_000, dtype=np.float64), p)
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.03


def test_gumbel_softmax():
    x = np.log(np.array([0.2, 0.3, 0.5]))
    many = np.broadcast_to(x, (20_000, 3))
    kn.seed(5)
    soft = kn.gumbel_softmax(many, temperature=0.5)
    kn.seed(5)
    hard = kn.gumbel_softmax(many, temperature=0.5, hard=True)
    assert set(np.unique(hard)) == {0, 1} and (hard.sum(-1) == 1).all()
    assert (hard.argmax(-1) == soft.argmax(-1)).all()
    np.testing.assert_allclose(hard.mean(0), [0.2, 0.3, 0.5], atol=0.02)


def test_hard_gumbel_softmax_passes_the_derivative_straight_through():
    def gradient(hard):
        kn.seed(2)
        return kn.grad(lambda x: kn.gumbel_softmax(x, hard=hard)[1], 0)(np.array([0.1, 0.2, 0.3]))

    assert np.abs(gradient(False)).min() > 0
    np.testing.assert_array_equal(gradient(True), gradient(False))


# -------------------------------------------------------------------------------------------------- masks


MASK = np.array([[True, False], [False, False]])
SCORES = (
    [[1, 2], [3, 4]],
    [[1e4, -1e4], [1e4, 0]],
    [[-inf, 5], [inf, -inf]],
    [[inf, inf], [nan, inf]],
    [[0, nan], [0, 0]],
)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("x", SCORES, ids=str)
def test_masks(x, dtype):
    """What a mask hides has no influence, and a row that it hides as a whole gets 0 and -Inf; never NaN."""
    x = np.array(x, dtype)
    np.testing.assert_array_equal(kn.softmax(x, mask=MASK), [[1, 0], [0, 0]])
    np.testing.assert_array_equal(kn.softmin(x, mask=MASK), [[1, 0], [0, 0]])
    np.testing.assert_array_equal(kn.logsoftmax(x, mask=MASK), [[0, -inf], [-inf, -inf]])
    np.testing.assert_array_equal(kn.logsumexp(x, mask=MASK), [x[0, 0], -inf])
    for f, wanted in (
        (kn.softmax, [[0, 0], [0, 0]]),
        (kn.softmin, [[0, 0], [0, 0]]),
        (kn.logsoftmax, [[0, 0], [0, 0]]),
        (kn.logsumexp, [[1, 0], [0, 0]]),
    ):
        slope = slopes(lambda x, f=f: f(x, mask=MASK))
        tangent = kn.jvp(lambda x, f=f: f(x, mask=MASK), (x,), (np.ones_like(x),))[1]
        np.testing.assert_array_equal(slope(x), wanted)
        np.testing.assert_array_equal(slopes(slope)(x), np.zeros((2, 2)))
        np.testing.assert_array_equal(tangent, np.sum(wanted, 1) if tangent.ndim == 1 else np.zeros((2, 2)))
        assert slope(x).dtype == tangent.dtype == dtype


def test_a_mask_of_all_changes_nothing():
    x = np.random.default_rng(0).normal(size=(3, 4))
    for f in (kn.softmax, kn.softmin, kn.logsoftmax, kn.logsumexp):
        np.testing.assert_array_equal(f(x, mask=True), f(x))
        np.testing.assert_array_equal(f(x, 0, mask=[[True]]), f(x, 0))
