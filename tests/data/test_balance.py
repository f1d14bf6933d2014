"""oversample, undersample, windows."""

import tracemalloc

import numpy as np
import pytest

import knetpy as kn
from knetpy.data import minibatch, oversample, undersample, windows

COUNTS = np.array([50, 7, 1, 20])
Y = np.repeat(np.arange(4), COUNTS)[kn.random.permutation((1, 2, 3), 78)]
X = np.arange(78)


@pytest.mark.parametrize("share, sizes", [(1.0, [50, 50, 50, 50]), (0.5, [50, 25, 25, 25]), (0.2, [50, 10, 10, 20])])
@pytest.mark.parametrize("shuffle", [True, False])
def test_rare_classes_become_frequent(share, sizes, shuffle):
    x, y = oversample((X, Y), Y, share=share, shuffle=shuffle)
    assert np.bincount(y).tolist() == sizes and (Y[x] == y).all() and (np.diff(x) >= 0).all()
    copies = np.bincount(x)
    for c in range(4):  # evenly, and none is lost
        assert copies[Y == c].min() >= 1 and np.ptp(copies[Y == c]) <= 1
    if not shuffle:
        assert (np.diff(copies[Y == 1]) <= 0).all()


@pytest.mark.parametrize("shuffle", [True, False])
def test_frequent_classes_become_rare(shuffle):
    labels = np.array(["a", "b", "c", "d"])[Y]
    kept, y = undersample((X, Y), labels, shuffle=shuffle)
    assert np.bincount(y).tolist() == [1, 1, 1, 1] and len(set(kept)) == 4 and (Y[kept] == y).all()
    kept = undersample(X, Y == 0, shuffle=shuffle)
    assert np.bincount(Y[kept] == 0).tolist() == [28, 28]
    if not shuffle:
        assert (kept[Y[kept] == 0] == X[Y == 0][:28]).all()


@pytest.mark.parametrize("f", [oversample, undersample])
def test_what_is_drawn(f):
    two = Y < 1
    assert (f(X, two, seed=3) == f(X, two, seed=3)).all() and (f(X, two, seed=3) != f(X, two, seed=4)).any()
    kn.seed(0)
    first, second = f(X, two), f(X, two)
    kn.seed(0)
    assert (first == f(X, two)).all() and (first != second).any()
    assert type(f({"a": X, "b": list(Y)}, Y)["b"]) is list and f(X, X).tolist() == X.tolist()


@pytest.mark.parametrize("length, step", [(1, 1), (3, 1), (4, 3), (10, 1), (2, 20)])
@pytest.mark.parametrize("rest", [(), (2,), (2, 3)])
def test_windows(length, step, rest):
    x = np.random.default_rng(0).normal(size=(10, *rest))
    found = windows(x, length, step=step)
    assert (found == np.stack([x[i : i + length] for i in range(0, 11 - length, step)])).all()
    assert found.shape == ((10 - length) // step + 1, length, *rest)
    assert not found.flags.writeable and np.shares_memory(found, x)


def test_batches_of_windows_take_no_more_memory_than_themselves():
    series = np.arange(100_000, dtype=np.float32)
    tracemalloc.start()
    try:
        data = minibatch(windows(series[:-1], 100), series[100:], 10, shuffle=True)
        for (x, y), _ in zip(data, range(3)):
            assert (x[:, -1] + 1 == y).all() and x.flags.c_contiguous and x.flags.writeable
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000  # all windows would be 40 MB


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: oversample(X, Y, share=0), ValueError, "oversample: share must be a finite number <= 1 and > 0"),
        (lambda: oversample(X, Y, share=2), ValueError, "oversample: share must be"),
        (lambda: oversample(X, Y[1:]), ValueError, r"oversample: labels must be one for each of the 78 instances, got"),
        (lambda: oversample(X), TypeError, "oversample: labels is missing"),
        (lambda: undersample(X, Y, Y), TypeError, r"write undersample\(\(x, y\), y\)"),
        (lambda: undersample([], []), ValueError, "undersample: data has no instance"),
        (lambda: undersample(X, Y, shuffle=1), TypeError, "shuffle must be True or False"),
        (lambda: undersample(X, Y, seed=-1), ValueError, "undersample: seed must be an integer from 0"),
        (lambda: undersample(X, Y, random_state=1), TypeError, "did you mean seed?"),
        (lambda: windows(X, 79), ValueError, r"windows: length is 79 but x has 78 \(axis 0 of \(78,\)\)"),
        (lambda: windows(X, 0), ValueError, "windows: length must be at least 1"),
        (lambda: windows(X, 3, step=0), ValueError, "windows: step must be at least 1"),
        (lambda: windows(X, 2.0), TypeError, "windows: length must be an integer, got float"),
        (lambda: windows(3, 1), TypeError, "windows: x must be an array of instances, got int"),
        (lambda: windows(X, 3, stride=2), TypeError, "did you mean step?"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()
