"""Data that lies on a GPU: what cuts it there, and what is said where it does not."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.devices import on_gpu

X, Y = np.arange(22, dtype="f4").reshape(11, 2), np.arange(11)


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"partial": True, "shuffle": True}, {"xtype": "f8"}])
def test_minibatches_are_those_of_the_cpu(options):
    kn.seed(3)
    wanted = [*kn.minibatch(X, Y, 4, **options), *kn.minibatch(X, Y, 4, **options)]
    kn.seed(3)
    data = kn.minibatch(*kn.gpu((X, Y)), 4, **options)
    found = [*data, *data]
    assert len(data) * 2 == len(wanted) == len(found) and "minibatch(x (11, 2), y (11,), 4" in repr(data)
    for (x, y), (x2, y2) in zip(found, wanted, strict=True):
        assert on_gpu(x) and on_gpu(y) and x.dtype == x2.dtype and x.flags.c_contiguous
        np.testing.assert_array_equal(kn.cpu(x), x2)
        np.testing.assert_array_equal(kn.cpu(y), y2)


def test_each_array_stays_on_its_device():
    (x, y), *_ = kn.minibatch(kn.gpu(X), Y, 4)
    assert on_gpu(x) and isinstance(y, np.ndarray)
    x, *_ = kn.minibatch(kn.gpu(X[:, ::-1]), 4, shuffle=True)
    assert on_gpu(x) and x.flags.c_contiguous


def test_batches_belong_to_the_loop():
    x = kn.gpu(X)
    for batch in kn.minibatch(x, 4):
        batch[...] = 0
    np.testing.assert_array_equal(kn.cpu(x), X)


def test_batches_are_cut_without_waiting(monkeypatch):
    from tests.cuda.test_rows import unread

    data = kn.minibatch(*kn.gpu((X, Y)), 4, shuffle=True)
    with unread(monkeypatch):
        assert len(list(data)) == 2


def test_training_from_arrays_of_the_gpu():
    w = kn.gpu(kn.param(2, 3))
    steps = kn.minimize(lambda x, y: kn.nll(x @ w, y), kn.minibatch(*kn.gpu((X, Y % 3)), 4, partial=True), capture=True)
    assert len([*steps, *steps, *steps]) == 9
    scores = kn.predict(lambda x: x @ w, kn.gpu(X), 4)
    assert on_gpu(scores) and scores.shape == (11, 3)


@pytest.mark.parametrize("there", [False, True])
def test_values_of_another_device_are_not_written_into_a_param(there):
    w = kn.param(np.ones((2, 2), "f4"))
    new = np.arange(4, dtype="f4").reshape(2, 2)
    w, new, move = (kn.gpu(w), new, "gpu") if there else (w, kn.gpu(new), "cpu")
    version = w.version
    for key in (..., 0, (slice(None), 1)):
        with pytest.raises(kn.DeviceError, match=rf"write p\[...\] = kn.{move}\(new\)"):
            w[key] = new if key is ... else new[0]
    assert w.version == version and (kn.cpu(w.value) == 1).all()
    w[...] = getattr(kn, move)(new)
    w[0] = np.float32(7)  # a number is of no device
    w[1, 0] = 2
    np.testing.assert_array_equal(kn.cpu(w.value), [[7, 7], [2, 3]])


def test_loaders_take_arrays_of_the_host():
    for make in (kn.DataLoader, lambda x, n: kn.DataLoader({"x": x}, n)):
        with pytest.raises((TypeError, ValueError, kn.DeviceError), match="GPU") as failure:
            list(make(kn.gpu(X), 4))
        assert "kn.minibatch" in str(failure.value) and "kn.cpu" in str(failure.value)
