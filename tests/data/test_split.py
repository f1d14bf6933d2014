"""split, kfolds, timefolds, onecold."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.data import DataLoader, kfolds, onecold, split, timefolds
from tests.data.loaded import Pair, Squares

X, Y = np.arange(200).reshape(100, 2), np.arange(100) % 4


@pytest.mark.parametrize(
    "sizes, counts",
    [(0.8, (80, 20)), ((0.7, 0.2), (70, 20, 10)), ((0.5, 0.3, 0.2), (50, 30, 20)), (7, (7, 93)), ((1, 99), (1, 99)),
     ([0.1] * 10, [10] * 10), (np.array([10, 20]), (10, 20, 70)), (0.333, (33, 67)), (1.0, (100,)), (100, (100,))],
)  # fmt: skip
@pytest.mark.parametrize("labels", [None, Y])
def test_sizes(sizes, counts, labels):
    parts = split((X, Y), sizes, labels=labels)
    assert [len(y) for _, y in parts] == list(counts)
    assert all((x[:, 0] // 2 % 4 == y).all() for x, y in parts)
    assert sorted(np.concatenate([x[:, 0] for x, _ in parts]).tolist()) == X[:, 0].tolist()


def test_parts_keep_the_order_and_the_kind():
    for data in (X, {"x": X, "y": Y}, Pair(X, list(Y)), Y.tolist()):
        a, b = split(data, 0.5)
        assert type(a) is type(b) is type(data)
    a, b = split(np.arange(50), 0.5)
    assert (np.diff(a) > 0).all() and (np.diff(b) > 0).all() and a.max() > 24
    assert split(np.arange(4.0), 2, shuffle=False)[0].tolist() == [0, 1]
    assert split(np.arange(4.0), 2)[0].dtype == np.float64


def test_seeds():
    assert (split(Y, 0.5, seed=1)[0] == split(Y, 0.5, seed=1)[0]).all()
    a, b = split(np.arange(100), 0.5), split(np.arange(100), 0.5)
    kn.seed(0)
    assert (a[0] == split(np.arange(100), 0.5)[0]).all() and (a[0] != b[0]).any()
    assert (split(np.arange(100), 0.5, seed=1)[0] != split(np.arange(100), 0.5, seed=2)[0]).any()


def test_stratified_parts_have_each_class_in_proportion():
    labels = np.repeat([0, 1, 2], [500, 90, 11])[kn.random.permutation((1, 2, 3), 601)]
    for shuffle in (True, False):
        parts = split(labels, (0.6, 0.3), labels=labels, shuffle=shuffle)
        for part, share in zip(parts, (0.6, 0.3, 0.1), strict=True):
            assert (np.abs(np.bincount(part, minlength=3) - share * np.array([500, 90, 11])) <= 1).all()
    names = np.array(["a", "b"])[Y % 2]
    assert (np.unique(split(names, 0.5, labels=names)[1], return_counts=True)[1] == 25).all()


def test_sequences_are_not_fetched():
    class Forbidden(Squares):
        def __getitem__(self, i):
            raise AssertionError("fetched")

    a, b = split(Forbidden(), 0.25)
    assert len(a) == 5 and len(b) == 15 and repr(a) == "5 of the 20 instances of a Forbidden"
    a, b = split(Squares(), 5, shuffle=False)
    assert [one["y"] for one in a] == [0, 1, 4, 9, 16] and a[1:3][0]["y"] == 1
    assert next(iter(DataLoader(b, 2)))["y"].tolist() == [25, 36]


@pytest.mark.parametrize("k", [2, 3, 7, 100])
def test_folds(k):
    folds = list(kfolds((X, Y), k, seed=1))
    tests = np.concatenate([x[:, 0] for _, (x, _) in folds])
    assert len(folds) == k and sorted(tests.tolist()) == X[:, 0].tolist()
    for (x, y), (xt, yt) in folds:
        assert len(x) + len(xt) == 100 and not set(x[:, 0]) & set(xt[:, 0]) and len(xt) in (100 // k, 100 // k + 1)
        assert len(y) == len(x) and (xt[:, 0] // 2 % 4 == yt).all()


def test_stratified_folds():
    for _, test in kfolds(Y, 5, labels=Y):
        assert np.bincount(test).tolist() == [5, 5, 5, 5]


def test_leaving_p_out():
    for p in (1, 4):
        assert [len(test) for _, test in kfolds(Y, len(Y) // p)] == [p] * (100 // p)


@pytest.mark.parametrize("n, k, longest, gap", [(100, 4, None, 0), (103, 4, 7, 3), (10, 9, None, 0), (7, 2, 100, 1)])
def test_folds_in_time(n, k, longest, gap):
    folds = list(timefolds({"x": np.arange(n)}, k, longest=longest, gap=gap))
    trains, tests = zip(*[(train["x"], test["x"]) for train, test in folds], strict=True)
    assert len(folds) == k and {len(test) for test in tests} == {n // (k + 1)}
    assert np.concatenate(tests).tolist() == list(range(n - k * (n // (k + 1)), n))
    for train, test in zip(trains, tests, strict=True):
        assert train.tolist() == list(range(max(0, test[0] - gap - (longest or n)), test[0] - gap)) and len(train)


@pytest.mark.parametrize("sizes", [0, 101, (50, 51), -0.1, 1.5, (0.5, 0.6), 0.0, 0.001, float("nan"), (50, -10)])
def test_sizes_that_do_not_fit(sizes):
    with pytest.raises(ValueError, match="leave no part empty"):
        split(X, sizes)


def test_mistakes():
    for sizes in ((0.5, 10), "0.5", (), None, True):
        with pytest.raises(TypeError, match="sizes must be fractions"):
            split(X, sizes)
    with pytest.raises(ValueError, match=r"labels must be one for each of the 100 instances, got shape \(99,\)"):
        split(X, 0.5, labels=Y[1:])
    with pytest.raises(TypeError, match=r"must have a length.*list\(data\)"):
        split((i for i in range(3)), 0.5)
    with pytest.raises(ValueError, match="seed must be"):
        split(X, 0.5, seed=-1)
    for k in (1, 101, 2.0):
        with pytest.raises(ValueError, match="k must be an integer from 2 to 100"):
            kfolds(X, k)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: timefolds(X, 0), ValueError, "k must be an integer from 1 to 99, one less than the instances, got 0"),
        (lambda: timefolds(X, 100), ValueError, "k must be an integer from 1 to 99"),
        (lambda: timefolds(X, Y), ValueError, r"write timefolds\(\(x, y\), 5\)"),
        (lambda: timefolds(X, 4, gap=20), ValueError, "gap is 20, but only 20 instances come before the first"),
        (lambda: timefolds(X, 4, gap=-1), ValueError, "gap must be at least 0"),
        (lambda: timefolds(X, 4, longest=0), ValueError, "longest must be at least 1"),
        (lambda: timefolds(X, n_splits=4), TypeError, "no argument 'n_splits'; did you mean k?"),
        (lambda: split(X, 0.5, labels=[[1], [1, 2]]), TypeError, "split: labels must be an array or numbers in lists"),
    ],
)
def test_mistakes_with_folds_in_time(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_onecold():
    labels = np.array([[3, 0], [1, 2]])
    for axis in (0, 1, 2, -1):
        assert (onecold(kn.onehot(labels, 4, axis=axis), axis=axis) == labels).all()
    assert onecold([0.2, 0.7, 0.7]) == 1
    assert onecold([[0, 1], [1, 0]], ["a", "b"]).tolist() == ["b", "a"]
    with pytest.raises(ValueError, match="names are 3 but scores have 2 classes"):
        onecold([0, 1], ["a", "b", "c"])
    with pytest.raises(ValueError, match="must have classes"):
        onecold(np.zeros((3, 0)))
    with pytest.raises(np.exceptions.AxisError, match="onecold: axis -1 is out of range for scores of shape"):
        onecold(1.0)
