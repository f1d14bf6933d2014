"""Metrics: literals (those of scikit-learn's documentation where they say so), batches, ties, mistakes."""

import math

import numpy as np
import pytest

import knetpy as kn
from knetpy.train import AUC, F1, R2, Accuracy, Confusion, Mean, Metric, Perplexity, Precision, Recall, ZeroOne

RNG = np.random.default_rng(3)
SCORES = RNG.normal(size=(101, 7)).astype(np.float32)
LABELS = RNG.integers(0, 7, 101)
BINARY = np.round(RNG.normal(size=101), 1), RNG.integers(0, 2, 101)


def of(metric, scores, targets, cuts=()):
    """The metric over the batches between the cuts."""
    edges = [0, *cuts, len(targets)]
    for low, high in zip(edges, edges[1:]):
        metric.update(scores[low:high], targets[low:high])
    return metric.result()


ALL = {
    "accuracy": (Accuracy, SCORES, LABELS),
    "top 3": (lambda: Accuracy(3), SCORES, LABELS),
    "zeroone": (ZeroOne, SCORES, LABELS),
    "confusion": (Confusion, SCORES, LABELS),
    "precision": (Precision, SCORES, LABELS),
    "recall": (lambda: Recall("none"), SCORES, LABELS),
    "f1": (lambda: F1("weighted"), SCORES, LABELS),
    "perplexity": (Perplexity, SCORES, LABELS),
    "auc": (AUC, *BINARY),
    "r2": (R2, SCORES, RNG.normal(size=SCORES.shape)),
    "mean": (lambda: Mean(kn.nll), SCORES, LABELS),
}


@pytest.mark.parametrize("which", ALL)
def test_batches_make_no_difference(which):
    make, scores, targets = ALL[which]
    whole = of(make(), scores, targets)
    metric = make()
    parts = of(metric, scores, targets, (1, 1, 40, 100))  # one of them empty
    assert type(whole) is type(parts) is (np.ndarray if np.ndim(whole) else float)
    assert np.allclose(whole, parts, rtol=1e-6, equal_nan=True)
    metric.reset()
    empty = metric.result()
    assert np.size(empty) == 0 or math.isnan(empty)
    assert np.allclose(of(metric, scores, targets), whole, rtol=1e-6)


@pytest.mark.parametrize("which", ALL)
def test_a_failed_update_changes_nothing(which):
    make, scores, targets = ALL[which]
    metric = make()
    before = of(metric, scores, targets)
    with pytest.raises((ValueError, TypeError)):
        metric.update(scores[:5], targets[:3])
    assert np.array_equal(metric.result(), before)


@pytest.mark.parametrize("which", ALL)
def test_it_keeps_nothing_of_the_callers(which):
    make, scores, targets = ALL[which]
    mine, its = scores.copy(), targets.copy()
    metric = make()
    before = np.array(of(metric, mine, its))
    mine[:], its[:] = 0, 0
    result = metric.result()
    assert np.array_equal(result, before)
    if np.ndim(result):
        result[:] = 99
        assert np.array_equal(metric.result(), before)


# ----------------------------------------------------------------------------------------------------- accuracy


def test_accuracy_is_that_of_the_op():
    assert of(Accuracy(), SCORES, LABELS) == kn.accuracy(SCORES, LABELS)
    assert of(ZeroOne(), SCORES, LABELS) == kn.zeroone(SCORES, LABELS)


def test_top_k():
    # scikit-learn's example of top_k_accuracy_score
    scores = np.array([[0.5, 0.2, 0.2], [0.3, 0.4, 0.2], [0.2, 0.4, 0.3], [0.7, 0.2, 0.1]])
    assert of(Accuracy(2), scores, np.array([0, 1, 2, 2])) == 0.75
    assert [of(Accuracy(k), scores, np.array([0, 1, 2, 2])) for k in (1, 3, 9)] == [0.5, 1.0, 1.0]
    assert of(ZeroOne(2), scores, np.array([0, 1, 2, 2])) == 0.25


@pytest.mark.parametrize("k", [1, 2, 3])
def test_ties_and_nan_as_a_stable_sort_has_them(k):
    scores = RNG.integers(0, 3, (200, 5)).astype(float)
    scores[RNG.random(scores.shape) < 0.1] = np.nan
    labels = RNG.integers(0, 5, 200)
    filled = np.where(np.isnan(scores), np.inf, scores)
    top = np.argsort(-filled, axis=1, kind="stable")[:, :k]
    assert of(Accuracy(k), scores, labels) == (top == labels[:, None]).any(1).mean()


def test_axis_and_ignore():
    scores, labels = np.moveaxis(SCORES.reshape(101, 1, 7), 2, 1), LABELS.reshape(101, 1)
    for make in (Accuracy, Perplexity, Confusion, F1):
        assert np.array_equal(of(make(axis=1), scores, labels), of(make(), SCORES, LABELS))
        counts = LABELS != 3
        assert np.allclose(of(make(ignore=3), SCORES, LABELS), of(make(), SCORES[counts], LABELS[counts]))


# ------------------------------------------------------------------------------------------------ confusion and shares


def one_hot(predicted, classes):
    return np.eye(classes)[np.array(predicted)]


def test_confusion():
    # scikit-learn's example of confusion_matrix
    found = of(Confusion(), one_hot([0, 0, 2, 2, 0, 2], 3), np.array([2, 0, 2, 2, 0, 1]))
    assert found.tolist() == [[2, 0, 0], [0, 0, 1], [1, 0, 2]] and found.dtype == np.int64


@pytest.mark.parametrize(
    "make, average, expected",
    [  # scikit-learn's examples
        (Precision, "macro", 0.22222222),
        (Precision, "micro", 0.33333333),
        (Precision, "weighted", 0.22222222),
        (Precision, "none", [0.66666667, 0, 0]),
        (Recall, "macro", 0.33333333),
        (Recall, "micro", 0.33333333),
        (Recall, "weighted", 0.33333333),
        (Recall, "none", [1, 0, 0]),
        (F1, "macro", 0.26666667),
        (F1, "micro", 0.33333333),
        (F1, "weighted", 0.26666667),
        (F1, "none", [0.8, 0, 0]),
    ],
)
def test_shares(make, average, expected):
    scores, labels = one_hot([0, 2, 1, 0, 0, 1], 3), np.array([0, 1, 2, 0, 1, 2])
    assert np.allclose(of(make(average), scores, labels), expected, atol=1e-8)


def test_classes_that_are_nowhere_do_not_count():
    scores, labels = one_hot([0, 2, 1, 0, 0, 1], 5), np.array([0, 1, 2, 0, 1, 2])
    assert np.allclose(of(Precision(), scores, labels), 0.22222222)
    each = of(Precision("none"), scores, labels)
    assert np.isnan(each[3:]).all() and not np.isnan(each[:3]).any()


def test_weights_are_how_often_a_class_occurs():
    scores, labels = one_hot([0, 0, 0, 1], 2), np.array([0, 0, 1, 1])
    assert np.isclose(of(Precision("weighted"), scores[1:], labels[1:]), (1 * 1 / 2 + 2 * 1) / 3)
    assert np.isclose(of(Recall("weighted"), scores[1:], labels[1:]), (1 * 1 + 2 * 1 / 2) / 3)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_two_classes_by_a_threshold(threshold):
    scores, labels = np.array([-1.0, 0.6, 0.4, 0.0, 2.0]), np.array([0, 1, 1, 0, 0])
    assert of(Confusion(threshold=threshold), scores, labels).tolist() == (
        [[2, 1], [0, 2]] if threshold == 0 else [[2, 1], [1, 1]]
    )
    assert np.isclose(of(Precision("none", threshold=0.0), scores, labels)[1], 2 / 3)
    assert np.array_equal(of(Recall(threshold=0.0), scores, labels == 1), of(Recall(threshold=0.0), scores, labels))


# --------------------------------------------------------------------------------------------- perplexity, auc, r2


def test_perplexity():
    scores = np.log(np.array([[0.5, 0.5], [0.25, 0.75]]))
    assert np.isclose(of(Perplexity(), scores, np.array([0, 0])), 8**0.5)
    assert of(Perplexity(), np.array([[0.0, 1e6]]), np.array([0])) == math.inf
    assert np.isclose(of(Perplexity(), SCORES, LABELS), np.exp(kn.nll(SCORES.astype(float), LABELS)), rtol=1e-6)


def test_auc():
    assert of(AUC(), np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])) == 0.75  # scikit-learn's example
    assert of(AUC(), np.zeros(6), np.array([0, 1, 1, 0, 1, 1])) == 0.5
    assert of(AUC(), np.arange(4), np.array([False, False, True, True])) == 1.0
    assert of(AUC(), np.array([-np.inf, 0.0, np.inf]), np.array([0, 1, 1])) == 1.0


def test_auc_is_the_share_of_pairs():
    scores, labels = BINARY
    positive, negative = scores[labels == 1][:, None], scores[labels == 0]
    pairs = (positive > negative) + 0.5 * (positive == negative)
    assert np.isclose(of(AUC(), scores, labels), pairs.mean(), rtol=1e-14)


def test_auc_of_what_cannot_be_ranked():
    assert math.isnan(of(AUC(), np.ones(3), np.ones(3, int)))
    assert math.isnan(of(AUC(), np.array([0.0, np.nan]), np.array([0, 1])))


def test_r2():
    # scikit-learn's examples of r2_score
    assert np.isclose(of(R2(), np.array([2.5, 0, 2, 8]), np.array([3, -0.5, 2, 7])), 0.9486081370449679)
    assert np.isclose(of(R2(), np.array([[0, 2], [-1, 2], [8, -5]]), np.array([[0.5, 1], [-1, 1], [7, -6]])), 0.9368005)
    assert of(R2(), np.array([2.0, 2, 2]), np.array([1.0, 2, 3])) == 0.0
    assert of(R2(), np.array([3.0, 2, 1]), np.array([1.0, 2, 3])) == -3.0
    assert of(R2(), np.array([-2.0, -2, -2]), np.array([-2.0, -2, -2])) == 1.0
    assert of(R2(), np.array([-2.0, -2, -2 + 1e-8]), np.array([-2.0, -2, -2])) == 0.0
    assert math.isnan(of(R2(), np.ones(1), np.ones(1)))


def test_r2_far_from_zero():
    targets = np.arange(1000) + 1e9
    predictions = targets + np.where(np.arange(1000) % 2, 10.0, -10.0)
    assert np.isclose(of(R2(), predictions, targets, range(7, 1000, 7)), 1 - 100 / ((1000**2 - 1) / 12), rtol=1e-9)


def test_the_mean_weighs_batches_by_their_instances():
    assert np.isclose(of(Mean(kn.nll), SCORES, LABELS, (3, 50)), kn.nll(SCORES, LABELS), rtol=1e-6)
    with pytest.raises(TypeError, match="Mean: function must be a function"):
        Mean(3)
    with pytest.raises(ValueError, match="Mean: the function must return a number"):
        Mean(lambda scores, targets: scores).update(SCORES, LABELS)


# -------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: Accuracy(0), ValueError, "Accuracy: k must be at least 1"),
        (lambda: ZeroOne(1.5), TypeError, "ZeroOne: k must be an integer"),
        (lambda: F1("mean"), ValueError, 'F1: average must be one of "macro", "micro", "weighted", "none"'),
        (lambda: Recall(threshold="0.5"), TypeError, "Recall: threshold must be a number"),
        (lambda: Accuracy().update(SCORES, LABELS[:5]), ValueError, "Accuracy: .*labels of shape"),
        (lambda: Accuracy().update(SCORES, LABELS + 1), ValueError, "Accuracy: label 7 is out of range"),
        (lambda: Recall().update(SCORES.astype(complex), LABELS), TypeError, "Recall: scores"),
        (lambda: AUC().update(SCORES, LABELS), ValueError, "AUC: labels must be 0 or 1"),
        (lambda: AUC().update(SCORES[:, :2], LABELS % 2), ValueError, "AUC: scores has shape"),
        (lambda: Recall(threshold=0).update(SCORES, LABELS % 2), ValueError, "Recall: scores has shape"),
        (lambda: R2().update(np.ones(3), np.ones((3, 1))), ValueError, "R2: predictions has shape"),
        (lambda: R2().update(1.0, 1.0), ValueError, r"R2: targets must have shape \(N, ...\)"),
        (lambda: Metric(), TypeError, "abstract"),
    ],
)
def test_mistakes(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_another_number_of_classes():
    metric = Confusion()
    metric.update(SCORES, LABELS)
    with pytest.raises(ValueError, match=r"Confusion: scores of 8 classes after batches of 7; call reset\(\)"):
        metric.update(np.ones((2, 8)), [0, 1])
