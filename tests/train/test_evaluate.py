"""evaluate and predict."""

import math

import numpy as np
import pytest

import knetpy as kn
from knetpy.train import Accuracy, Confusion

X, Y = np.random.default_rng(1).normal(size=(23, 4)).astype(np.float32), np.arange(23) % 3
W = kn.param(4, 3)


def model(x):
    return x @ W


def test_evaluate_is_the_metric_of_all():
    data = kn.minibatch(X, Y, 5, partial=True)
    assert kn.evaluate(model, data, Accuracy()) == kn.accuracy(model(X), Y)
    assert np.isclose(kn.evaluate(model, data, kn.nll), kn.nll(model(X), Y), rtol=1e-6)
    found = kn.evaluate(model, data, {"top": Accuracy(), "loss": kn.nll, "matrix": Confusion()})
    assert found["top"] == kn.accuracy(model(X), Y) and found["matrix"].sum() == 23
    assert kn.evaluate(model, data, {}) == {}


def test_evaluate_starts_anew_each_time():
    metric = Accuracy()
    metric.update(np.eye(3), [0, 1, 2])
    assert kn.evaluate(model, [(X, Y)], metric) == kn.evaluate(model, [(X, Y)], metric) == kn.accuracy(model(X), Y)
    assert math.isnan(kn.evaluate(model, [], metric))


def test_models_of_several_arguments():
    assert kn.evaluate(lambda a, b: a + b, [(np.ones(2), np.ones(2), np.zeros(2))], kn.mse) == 4.0


def test_they_leave_the_training_mode_alone():
    modes = []

    def note(x):
        modes.append(kn.training())
        return x

    for _ in range(2):
        kn.evaluate(note, [(X, Y)], lambda scores, labels: 0.0)
        kn.predict(note, X, 20)
    with kn.training(True):
        kn.evaluate(note, [(X, Y)], lambda scores, labels: 0.0)
        kn.predict(note, X, 20)
        assert kn.training()
    assert modes == [False] * 6 + [True] * 3


@pytest.mark.parametrize("size", [1, 5, 23, 100])
def test_predict_is_the_model_of_all(size):
    assert np.allclose(kn.predict(model, X, size), model(X), atol=1e-6)
    assert type(kn.predict(model, X, size)) is np.ndarray


def test_predict_converts_as_minibatch_does():
    assert kn.predict(model, X.astype(float)).dtype == np.float32
    assert kn.predict(lambda x: x, np.arange(7), 3).tolist() == list(range(7))


def test_predict_of_containers():
    found = kn.predict(lambda x: {"a": x, "b": (x[:, 0], model(x))}, X, 6)
    assert np.array_equal(found["a"], X) and np.array_equal(found["b"][0], X[:, 0]) and found["b"][1].shape == (23, 3)


def test_predict_of_nothing():
    assert kn.predict(model, X[:0]).shape == (0, 3)
    assert kn.predict(lambda a, b: a + b, (X[:0], X[:0])).shape == (0, 4)


@pytest.mark.parametrize("size", [5, 100])
def test_predict_of_tuples_and_dicts(size):
    def both(x, n):
        seen.append(len(n))
        assert x.dtype == np.float32 and n.dtype == np.int64
        return x[:, 0] * n

    seen, right = [], X[:, 0] * np.arange(23)
    assert np.allclose(kn.predict(both, (X.astype(float), np.arange(23)), size), right)
    assert seen == [5, 5, 5, 5, 3] if size == 5 else seen == [23]
    named = {"x": X.astype(float), "n": list(range(23))}
    assert np.allclose(kn.predict(lambda batch: both(**batch), named, size), right)
    assert (kn.predict(lambda x: x, (X,), size) == X).all()


def test_predict_of_batches():
    right, loader = model(X), lambda data, **options: kn.DataLoader(data, 5, partial=True, **options)
    for data in (kn.minibatch(X, 5, partial=True), loader(X), loader((X,)), (X[i : i + 9] for i in range(0, 23, 9))):
        assert np.allclose(kn.predict(model, data), right, atol=1e-6)
    assert np.allclose(kn.predict(lambda batch: model(batch["x"]), loader({"x": X})), right, atol=1e-6)
    assert (kn.predict(lambda a, b: a[:, 0] + b, loader((X, Y))) == X[:, 0] + Y).all()
    assert kn.predict(lambda texts: np.array([len(t) for t in texts]), loader(["a", "bb"] * 3)).tolist() == [1, 2] * 3
    with pytest.warns(UserWarning, match="predict: 3 instances are left out"):
        assert kn.predict(model, kn.DataLoader(X, 5)).shape == (20, 3)


def test_evaluate_of_dicts():
    data, inputs = kn.DataLoader({"x": X, "y": Y}, 5, partial=True), []

    def named(batch):
        inputs.append(list(batch))
        return model(batch["x"])

    assert kn.evaluate(named, data, Accuracy(), target="y") == kn.accuracy(model(X), Y) and inputs == [["x"]] * 5
    assert kn.evaluate(lambda b: b[0], [{0: X[:, 0], 1: X[:, 1]}], kn.mse, target=1) == kn.mse(X[:, 0], X[:, 1])


@pytest.mark.parametrize("make", [kn.minibatch, lambda x, y, n, **o: kn.data.DataLoader((x, y), n, **o)])
def test_what_is_left_out_is_said(make, recwarn):
    kn.evaluate(model, make(X, Y, 5, partial=True), Accuracy())
    kn.evaluate(model, make(X, Y, 23), Accuracy())
    assert not recwarn
    with pytest.warns(UserWarning, match=r"evaluate: 3 instances are left out, .* with partial=True"):
        kn.evaluate(model, make(X, Y, 5), Accuracy())
    with pytest.warns(UserWarning, match="evaluate: 1 instance is left out"):
        kn.evaluate(model, make(X, Y, 11), Accuracy())


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: kn.evaluate(model(X), [(X, Y)], Accuracy()), TypeError, "evaluate: model must be a function"),
        (lambda: kn.evaluate(model, X, Accuracy()), TypeError, "evaluate: data must be an iterable of batches"),
        (lambda: kn.evaluate(model, (X, Y), Accuracy()), TypeError, "an item of data must be a tuple.*got ndarray"),
        (lambda: kn.evaluate(model, [(X,)], Accuracy()), TypeError, "got a tuple of 1"),
        (lambda: kn.evaluate(model, [{"x": X, "y": Y}], Accuracy()), TypeError, "a dict of 'x', 'y'; .*target=\"y\""),
        (lambda: kn.evaluate(model, [{"x": X}], Accuracy(), target="y"), ValueError, "target must be one of 'x', got"),
        (lambda: kn.evaluate(model, [(X, Y)], Accuracy(), target="y"), TypeError, "target is for items that are dicts"),
        (lambda: kn.evaluate(model, [(X, Y)], Accuracy), TypeError, "is the class Accuracy; make one"),
        (lambda: kn.evaluate(model, [(X, Y)], "accuracy"), TypeError, "evaluate: metric must be .*got str"),
        (lambda: kn.evaluate(model, [(X, Y)], metrics=Accuracy()), TypeError, "did you mean metric"),
        (lambda: kn.predict(model(X), X), TypeError, "predict: model must be a function"),
        (lambda: kn.predict(model, (X, Y[:9])), ValueError, r"instances, but x\[0\] has 23, x\[1\] has 9"),
        (lambda: kn.predict(model, {}), ValueError, "instances, but there are none"),
        (lambda: kn.predict(model, {"x": 3}), TypeError, r"predict: x\['x'\] must be an array of instances, got int"),
        (lambda: kn.predict(model, iter([])), ValueError, "predict: x gave no batch"),
        (lambda: kn.predict(lambda a, b: a[:9], (X, X)), ValueError, "predict: .*one row for each of the 23"),
        (lambda: kn.predict(model, 3), TypeError, "predict: x must be an array of instances, got int"),
        (lambda: kn.predict(model, X, 0), ValueError, "predict: batchsize must be at least 1"),
        (lambda: kn.predict(lambda x: x.sum(), X), ValueError, "predict: .*one row for each of the 23"),
        (lambda: kn.predict(lambda x: [x, x.T], X), ValueError, r"got shape \(4, 23\) at \[1\]"),
    ],
)
def test_mistakes(call, error, words):
    with pytest.raises(error, match=words):
        call()
