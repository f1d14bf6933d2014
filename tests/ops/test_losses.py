"""Losses where there is no single derivative, at infinities and large scores, in half precision; all literals."""

import warnings

import numpy as np
import pytest

import knetpy as kn
from tests.ops.checker import quiet

inf, nan, half = np.inf, np.nan, 1 / 2
NONE = {"reduction": "none"}
ENDS = [inf, -inf, inf, -inf]


def of(loss, *rest, **options):
    return lambda x: loss(x, *rest, **options)


# what: (losses of x, x, losses, gradient of their sum)
LIMITS = {
    # kinks, as PyTorch's
    "mae": (of(kn.mae, np.zeros(3), **NONE), [-2, 0, 2], [2, 0, 2], [-1, 0, 1]),
    "huber": (of(kn.huber, np.zeros(3), **NONE), [-1, 0, 1], [half, 0, half], [-1, 0, 1]),
    "smooth_l1 0": (of(kn.smooth_l1, np.zeros(2), beta=0, **NONE), [0, 2], [0, 2], [0, 1]),
    "hinge": (of(kn.hinge, [1, 1, -1], **NONE), [1, 0, -1], [0, 1, 0], [0, -1, 0]),
    "squared_hinge": (of(kn.squared_hinge, [1, 1], **NONE), [1, 0], [0, 1], [0, -2]),
    "multi_margin": (of(kn.multi_margin, [0], **NONE), [[1, 0]], [0], [[0, 0]]),
    "multilabel_margin": (of(kn.multilabel_margin, [[0, -1]], **NONE), [[1, 0]], [0], [[0, 0]]),
    "multilabel_margin of none": (of(kn.multilabel_margin, [[-1, 0]], **NONE), [[1, 0]], [0], [[0, 0]]),
    "multilabel_margin twice": (of(kn.multilabel_margin, [[0, 0]], **NONE), [[0, 0]], [1], [[-1, 1]]),
    "margin_ranking": (of(kn.margin_ranking, np.zeros(2), [1, -1], **NONE), [0, 0], [0, 0], [-1, 1]),
    "hinge_embedding": (of(kn.hinge_embedding, [1, -1], **NONE), [1, 1], [1, 0], [1, -1]),
    "contrastive": (of(kn.contrastive, [0, 1, 1], **NONE), [0, 1, 0], [0, 0, 1], [0, 0, -2]),
    "pairwise_distance": (of(kn.pairwise_distance, np.zeros((2, 2)), eps=0), [[0, 0], [3, 4]], [0, 5],
                          [[0, 0], [0.6, 0.8]]),
    "triplet": (lambda x: kn.triplet(x, np.zeros((1, 1)), np.full((1, 1), 3.0), eps=0, **NONE), [[1]], [0], [[2]]),
    "triplet swap at a tie": (
        lambda x: kn.triplet(np.ones((1, 1)), x, np.full((1, 1), 2.0), eps=0, swap=True, margin=2, **NONE),
        [[1]], [1], [[half]]),
    "gaussian_nll raised": (lambda v: kn.gaussian_nll(np.ones(1), np.zeros(1), v, eps=half, **NONE), [0.1],
                            [1 + np.log(half) / 2], [-1]),
    # 0 * log(0)
    "cross_entropy": (of(kn.cross_entropy, np.array([[1.0, 0.0]]), logits=False, **NONE), [[1, 0]], [0], [[-1, 0]]),
    "cross_entropy -Inf": (of(kn.cross_entropy, np.array([[1.0, 0.0]]), **NONE), [[0, -inf]], [0], [[0, 0]]),
    "kl": (of(kn.kl, np.array([[1.0, 0.0]]), **NONE), [[1, 0]], [0], [[-1, 0]]),
    "kl by target": (lambda t: kn.kl(np.array([[1.0, 0.0]]), t, **NONE), [[1, 0]], [0], [[1, 0]]),
    "kl of logarithms": (of(kn.kl, np.array([[0, -inf]]), log=True, log_target=True, **NONE), [[0, -inf]], [0],
                         [[-1, 0]]),
    "poisson": (of(kn.poisson, [0], eps=0, **NONE), [0], [0], [1]),
    "bce of probabilities": (of(kn.bce, [1, 0, 1, 0], logits=False, **NONE), [1, 0, 0, 1], [0, 0, 100, 100],
                             [0, 0, -1e12, 1e12]),
    "msle": (of(kn.msle, np.zeros(1), eps=1, **NONE), [0], [0], [0]),
    # infinite and large scores
    "nll weight 0": (of(kn.nll, [1], weight=[1, 0], **NONE), [[0, -inf]], [0], [[0, 0]]),
    "nll smoothing weight 0": (of(kn.nll, [0], weight=[1, 0], label_smoothing=half, **NONE), [[0, -inf]], [0],
                               [[0, 0]]),
    "nll smoothing": (of(kn.nll, [0], label_smoothing=half, **NONE), [[1e4, -1e4]], [5e3], [[0.25, -0.25]]),
    "bce": (of(kn.bce, [1, 1, 0, 0], **NONE), ENDS, [0, inf, inf, 0], [0, -1, 1, 0]),
    "bce large": (of(kn.bce, [1, 1, 0, 0], **NONE), [1e4, -1e4, 1e4, -1e4], [0, 1e4, 1e4, 0], [0, -1, 1, 0]),
    "bce pos_weight": (of(kn.bce, [1, 1, 0, 0], pos_weight=2, **NONE), ENDS, [0, inf, inf, 0], [0, -2, 1, 0]),
    "bce weight 0": (of(kn.bce, [1], weight=0, **NONE), [-inf], [0], [0]),
    "logistic": (of(kn.logistic, [1, 1, -1, -1], **NONE), ENDS, [0, inf, inf, 0], [0, -1, 1, 0]),
    "hinge Inf": (of(kn.hinge, [1, 1, -1, -1], **NONE), ENDS, [0, inf, inf, 0], [0, -1, 1, 0]),
    "multi_margin Inf": (of(kn.multi_margin, [0, 0], **NONE), [[inf, 0], [0, -inf]], [0, 0], [[0, 0], [0, 0]]),
    "multilabel_soft_margin": (of(kn.multilabel_soft_margin, [[1, 0]], **NONE), [[inf, -inf]], [0], [[0, 0]]),
    "huber Inf": (of(kn.huber, np.zeros(2), **NONE), [inf, -inf], [inf, inf], [1, -1]),
    "poisson Inf": (of(kn.poisson, [0, 1, 1], log=True, **NONE), [-inf, -inf, inf], [0, inf, inf], [0, -1, inf]),
    "contrastive Inf": (of(kn.contrastive, [0, 1], **NONE), [inf, inf], [inf, 0], [inf, 0]),
    **{
        f"binary_focal {g}": (of(kn.binary_focal, [1, 1, 0, 0], gamma=g, **NONE), ENDS, [0, inf, inf, 0], [0, -1, 1, 0])
        for g in (0, 0.5, 1, 1.5, 2)
    },
    **{
        f"focal {g}": (of(kn.focal, [0, 1], gamma=g, **NONE), [[1e4, 0], [0, -inf]], [0, inf], [[0, 0], [1, -1]])
        for g in (0, 0.5, 1, 1.5, 2)
    },
    "ctc": (of(kn.ctc, [[1]], **NONE), [[[0, inf], [0, -inf]]], [0], np.zeros((1, 2, 2))),
    "ctc large": (of(kn.ctc, [[1]], **NONE), [[[0, 1e4], [0, -1e4]]], [0], np.zeros((1, 2, 2))),
    "ctc impossible": (of(kn.ctc, [[1, 1]], **NONE), np.zeros((1, 2, 2)), [inf], np.zeros((1, 2, 2))),
    "ctc impossible for -Inf": (of(kn.ctc, [[1]], **NONE), [[[0, -inf], [0, -inf]]], [inf], np.zeros((1, 2, 2))),
    "ctc zero_infinity": (of(kn.ctc, [[1, 1]], zero_infinity=True, **NONE), np.zeros((1, 2, 2)), [0],
                          np.zeros((1, 2, 2))),
    "ctc without labels": (of(kn.ctc, [[]], **NONE), np.zeros((1, 1, 2)), [np.log(2)], [[[-half, half]]]),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("order", [1, 2], ids=["grad", "vjp"])
def test_limits(name, order):
    """`grad` may take fused kernels, `vjp` takes what they stand for; second derivatives are no NaN either."""
    f, x, losses, gradient = LIMITS[name]
    x = np.array(x, float)
    np.testing.assert_allclose(f(x), losses, rtol=1e-14, atol=1e-14)
    with quiet():  # the sum of infinities
        found = kn.grad(lambda x: np.sum(f(x)), 0)(x) if order == 1 else kn.vjp(f, x)[1](np.ones(np.shape(losses)))[0]
        twice = kn.grad(lambda x: np.sum(kn.grad(lambda x: np.sum(f(x)), 0)(x)), 0)(x)
    np.testing.assert_allclose(found, gradient, rtol=1e-12, atol=1e-14)
    assert not np.isnan(twice).any()


def test_second_derivatives_at_kinks():
    """As PyTorch's: at delta Huber's is 0."""
    for f in (kn.huber, kn.smooth_l1):
        g = kn.grad(lambda x, f=f: np.sum(kn.grad(lambda x: f(x, np.zeros(3), reduction="sum"), 0)(x)), 0)
        assert g(np.array([1.0, 0.5, -1.0])).tolist() == [0, 1, 0]


CALLS = {
    "nll": lambda x: kn.nll(x, [0, 1], weight=[1, 2, 3], label_smoothing=0.1, ignore=1),
    "cross_entropy": lambda x: kn.cross_entropy(x, x, weight=[1, 2, 3], label_smoothing=0.1),
    "bce": lambda x: kn.bce(x, x, weight=2, pos_weight=[1, 2, 3]),
    "bce of probabilities": lambda x: kn.bce(x, x, logits=False),
    "focal": lambda x: kn.focal(x, [0, 1], weight=[1, 2, 3], gamma=1.5),
    "binary_focal": lambda x: kn.binary_focal(x, np.ones((2, 3)), alpha=0.3),
    "logistic": lambda x: kn.logistic(x, np.ones((2, 3), int)),
    "hinge": lambda x: kn.hinge(x, np.ones((2, 3))),
    "multi_margin": lambda x: kn.multi_margin(x, [0, 1], p=2, weight=[1, 2, 3]),
    "multilabel_margin": lambda x: kn.multilabel_margin(x, [[0, 1, -1], [2, -1, -1]]),
    "multilabel_soft_margin": lambda x: kn.multilabel_soft_margin(x, x, weight=[1, 2, 3]),
    "mse": lambda x: kn.mse(x, x * 2),
    "msle": lambda x: kn.msle(x, x * x, eps=1),
    "huber": lambda x: kn.huber(x, x * 2, delta=0.1),
    "smooth_l1": lambda x: kn.smooth_l1(x, x * 2, beta=0.1),
    "kl": lambda x: kn.kl(x, x * 2),
    "poisson": lambda x: kn.poisson(x, x * 4, full=True),
    "gaussian_nll": lambda x: kn.gaussian_nll(x, x * 2, x, full=True),
    "cosine_embedding": lambda x: kn.cosine_embedding(x, x[::-1], [1, -1]),
    "triplet": lambda x: kn.triplet(x, x * 2, x * 0.5, swap=True, p=3),
    "contrastive": lambda x: kn.contrastive(x, [[0, 1, 0], [1, 1, 0]]),
    "margin_ranking": lambda x: kn.margin_ranking(x, x * 2, np.ones((2, 3)), margin=1),
    "hinge_embedding": lambda x: kn.hinge_embedding(x, -np.ones((2, 3))),
    "cosine_similarity": lambda x: kn.cosine_similarity(x, x[::-1])[0],
    "pairwise_distance": lambda x: np.sum(kn.pairwise_distance(x, x * 2, p=3)),
    "dice": lambda x: kn.dice(x, x * 0.5, axis=1),
    "tversky": lambda x: kn.tversky(x, x > 0.5),
    "ctc": lambda x: kn.ctc(x, [1]),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtype_stays(name, dtype):
    x = np.array([[0.125, 0.5, 0.875], [0.75, 0.25, 0.375]], dtype)
    loss, exact = CALLS[name](x), CALLS[name](x.astype(float))
    g = kn.grad(CALLS[name], 0)(x)
    assert loss.dtype == g.dtype == dtype
    np.testing.assert_allclose(loss, exact, rtol=2e-2 if dtype == np.float16 else 1e-5)
    wanted = kn.grad(CALLS[name], 0)(x.astype(float))
    scale = (3e-2 if dtype == np.float16 else 1e-5) * np.abs(wanted).max()
    np.testing.assert_allclose(g, wanted, rtol=0, atol=scale + 1e-7)


@pytest.mark.parametrize("name", CALLS)
def test_nan_stays(name):
    x = np.array([[0.1, nan, 0.9], [0.7, 0.2, 0.4]])
    with quiet():
        assert np.isnan(CALLS[name](x))


def test_nan_stays_where_a_weight_is_0():
    x, t = np.array([[0.5, nan]]), np.array([[1.0, 0.0]])
    with quiet():
        assert np.isnan(kn.nll(x, [1], weight=[1, 0], reduction="sum"))
        assert np.isnan(kn.nll(x, [0], weight=[1, 0], label_smoothing=0.5))
        for f in (kn.cross_entropy, kn.kl, kn.bce, lambda x, t: kn.bce(x, t, weight=t)):
            assert np.isnan(f(x, t))
        assert np.isnan(kn.cross_entropy(x, t, logits=False))


def test_nan_stays_in_ctc_and_its_derivatives_without_a_warning():
    x, f = np.array([[[0.1, nan, 0.9], [0.7, 0.2, 0.4]], np.ones((2, 3))]), lambda x: kn.ctc(x, [[1], [1]], **NONE)
    slope = kn.grad(lambda x: np.sum(f(x)), 0)
    for found in (f(x), slope(x), kn.grad(lambda x: np.sum(slope(x)), 0)(x)):
        assert np.isnan(found[0]).any() and not np.isnan(found[1]).any()


MEANS = {
    "mse": (lambda x: kn.mse(x, x - 1), 1),
    "mse of lists": (lambda x: kn.mse(x, np.full_like(x, 3)), 4),
    "nll": (lambda x: kn.nll(x, np.zeros(len(x), int)), np.log(2)),
    "nll ignore": (lambda x: kn.nll(x, np.arange(len(x)) % 2, ignore=0), np.log(2)),
    "nll weight": (lambda x: kn.nll(x, np.arange(len(x)) % 2, weight=[200, 200]), np.log(2)),
    "bce": (lambda x: kn.bce(x, np.ones_like(x)), np.log1p(np.exp(-1))),
}


@pytest.mark.parametrize("name", MEANS)
def test_means_of_many_halves_are_finite(name):
    """Their sum is beyond the largest float16, 65504."""
    f, wanted = MEANS[name]
    x = np.ones((100000, 2), np.float16)
    loss, gradient = kn.value_and_grad(f, 0)(x)
    assert loss.dtype == gradient.dtype == np.float16
    np.testing.assert_allclose(loss, wanted, rtol=1e-3)


def test_mean_of_none_is_0():
    none = np.zeros((0, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for f in (kn.mse, kn.mae, kn.kl, kn.huber, kn.cross_entropy, kn.bce, kn.poisson, kn.contrastive):
            assert f(none, none) == 0 and kn.grad(f, 0)(none, none).shape == (0, 3)
        for f in (kn.nll, kn.focal, kn.multi_margin):
            assert f(none, []) == 0 and kn.grad(lambda x, f=f: f(x, []), 0)(none).shape == (0, 3)
        assert kn.ctc(np.zeros((0, 2, 3)), np.zeros((0, 1), int)) == 0


def test_one_step_for_each_loss_and_two_for_its_mean():
    x, t = np.full((2, 3), 0.4), np.full((2, 3), 0.5)
    for f in (kn.mse, kn.bce, lambda x, t: kn.nll(x, [0, 1])):
        seen = kn.tape(lambda p, f=f: f(p, t), kn.param(x))
        assert len(seen.steps) <= 3, seen


def test_probabilities_for_raw_scores_warn():
    x = np.zeros((2, 3))
    for f, word in (
        (lambda x: kn.cross_entropy(kn.softmax(x), x), "softmax"),
        (lambda x: kn.focal(kn.softmax(x), [0, 1]), "softmax"),
        (lambda x: kn.bce(kn.sigmoid(x), x), "sigmoid"),
        (lambda x: kn.binary_focal(kn.sigmoid(x), x == 0), "sigmoid"),
    ):
        with pytest.warns(UserWarning, match=f"come out of {word}"):
            kn.grad(f, 0)(x)


def test_ctc_takes_log_probabilities_too():
    x = np.random.default_rng(0).normal(size=(2, 5, 4)) * 3
    labels = [[1, 2], [3, 3]]
    np.testing.assert_allclose(kn.ctc(kn.logsoftmax(x), labels), kn.ctc(x, labels), rtol=1e-13)


def test_ctc_reads_nothing_after_the_ends():
    x, labels = np.random.default_rng(0).normal(size=(2, 5, 4)), np.array([[1, 2, -7], [3, 99, 0]])
    how = dict(lengths=[3, 4], label_lengths=[2, 1])
    y = x.copy()
    y[0, 3:], y[1, 4:] = nan, inf
    assert kn.ctc(x, labels, **how) == kn.ctc(y, labels, **how)
    g, h = (kn.grad(lambda x: kn.ctc(x, labels, **how), 0)(v) for v in (x, y))
    np.testing.assert_array_equal(g, h)


def test_tversky_weighs_what_was_missed_by_beta():
    """As in the paper and in Flux's documentation; Flux's code has it the other way round."""
    mask, missed, vain = np.array([1, 1, 0, 0]), np.array([1.0, 0, 0, 0]), np.array([1.0, 1, 1, 0])
    assert kn.tversky(missed, mask, beta=0.7) == pytest.approx(1 - 2 / 2.7)
    assert kn.tversky(vain, mask, beta=0.7) == pytest.approx(1 - 3 / 3.3)
