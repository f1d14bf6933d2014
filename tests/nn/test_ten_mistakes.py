"""Ten typical mistakes, with layers and with functions, by `minimize` and by hand: each ends in one clear sentence."""

import re
import warnings

import numpy as np
import pytest

import knetpy as kn
from knetpy.nn import Chain, Conv, Dense, MaxPool, flatten

IMAGES = np.random.default_rng(0).random((6, 1, 8, 8)).astype("f4")
ROWS, LABELS = IMAGES.reshape(6, 64), np.arange(6) % 3
HOLED = np.where(np.arange(64) == 3, np.float32(np.nan), ROWS)


def plain_mlp():
    w1, b1, w2, b2 = kn.param(64, 16), kn.param0(16), kn.param(16, 3), kn.param0(3)
    return lambda x: kn.relu(x @ w1 + b1) @ w2 + b2


def plain_cnn(mat=kn.mat):
    w1, b1, w2, b2 = kn.param(4, 1, 3, 3), kn.param0(4), kn.param(36, 3), kn.param0(3)
    return lambda x: mat(kn.pool(kn.relu(kn.conv(x, w1, b1)))) @ w2 + b2


def cnn(flat=flatten):
    return Chain(Conv(1, 4, 3, kn.relu), MaxPool(2), flat, Dense(36, 3))


def mlp():
    return Chain(Dense(64, 16, kn.relu), Dense(16, 3))


def same(x):
    return x


SPELLED = {"layers": (mlp, cnn, lambda: cnn(same)), "functions": (plain_mlp, plain_cnn, lambda: plain_cnn(same))}


def by_minimize(loss, data, opt, model):
    return list(kn.minimize(loss, data, opt))


def by_hand(loss, data, opt, model):
    for x, y in data:
        kn.update(model, kn.grad(loss)(x, y), opt)


spelled = pytest.mark.parametrize("spelling", SPELLED)
trained = pytest.mark.parametrize("train", [by_minimize, by_hand])


def fit(train, model, x, y, steps=1, lr=0.1, loss=kn.nll):
    train(lambda x, y: loss(model(x), y), [(x, y)] * steps, kn.SGD(lr=lr), model)


MISTAKES = {  # which model, x, y, what is said
    "wrong axis": (0, ROWS.T, LABELS, {"layers": "; x.T has 64", "functions": "; they must agree: write a.T"}),
    "no example axis": (1, IMAGES[0], LABELS[0], "; one image is x[None]"),
    "no channel axis": (1, IMAGES[:, 0], LABELS, "; x[:, None] inserts a channel axis"),
    "channels last": (1, np.moveaxis(IMAGES, 1, -1), LABELS, "write np.moveaxis(x, -1, 1)"),
    "labels as floats": (0, ROWS, LABELS * 1.0, "nll: labels must be integers, got float64; write labels.astype(int)"),
    "labels from 1": (0, ROWS, LABELS + 1, "nll: label 3 is out of range: there are 3 classes, labels run from 0 to 2"),
    "labels in a column": (0, ROWS, LABELS[:, None], "write labels.reshape(6,)"),
    "one-hot labels": (0, ROWS, np.eye(3)[LABELS], "are one-hot or probabilities; write labels.argmax(1)"),
    "forgot flatten": (0, IMAGES, LABELS, {"layers": "kn.nn.flatten before the layer", "functions": "write kn.mat(a)"}),
    "forgot flatten after pool": (
        2,
        IMAGES,
        LABELS,
        {"layers": "kn.nn.flatten before", "functions": "write kn.mat(a)"},
    ),
}


@spelled
@trained
@pytest.mark.parametrize("mistake", MISTAKES)
def test_it_is_told_and_nothing_is_changed(mistake, train, spelling):
    which, x, y, words = MISTAKES[mistake]
    model = SPELLED[spelling][which]()
    before = [p.value.copy() for p in kn.params(model)]
    with pytest.raises((ValueError, TypeError)) as told:
        fit(train, model, x, y)
    text = str(told.value)
    assert (words if isinstance(words, str) else words[spelling]) in text and "\n" not in text and len(text) < 250, text
    assert all((a == p.value).all() for a, p in zip(before, kn.params(model), strict=True))


TOO_LARGE = [
    (by_minimize, "minimize: the loss has become .* the learning rate 100 may be too large"),
    (by_hand, "update: the gradients have NaN .* a smaller learning rate than 100; "),
]
HOLE = [
    (by_minimize, "minimize: the loss is nan: argument 0 of <lambda> has NaN"),
    (by_hand, "update: the gradients have NaN or Inf .*: look for NaN in the data"),
]


@spelled
@pytest.mark.parametrize("train, words", TOO_LARGE)
def test_a_learning_rate_of_100(train, words, spelling):
    kn.seed(0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        fit(train, SPELLED[spelling][0](), ROWS, kn.onehot(LABELS, 3), 40, 100, kn.mse)
    (one,) = [w for w in told if w.category is UserWarning]
    assert re.match(words, str(one.message)) and one.filename == __file__


@spelled
@pytest.mark.parametrize("train, words", HOLE)
def test_nan_in_the_data(train, words, spelling):
    with pytest.warns(UserWarning, match=words) as told:
        fit(train, SPELLED[spelling][0](), HOLED, LABELS)
    assert [w.filename for w in told] == [__file__]


@spelled
def test_an_update_can_refuse_it(spelling):
    model = SPELLED[spelling][0]()
    g = kn.grad(lambda: kn.nll(model(HOLED), LABELS))()
    with pytest.raises(kn.NonFiniteError, match="update: the gradient of .* nothing was changed"):
        kn.update(model, g, kn.SGD(), check_finite=True)
    assert np.isfinite(model(ROWS)).all()


def test_gradients_of_plain_arrays_are_looked_at_too():
    w = [np.ones((64, 3), "f4"), np.zeros(3, "f4")]
    g = kn.grad(lambda w, x, y: kn.nll(x @ w[0] + w[1], y))(w, HOLED, LABELS)
    with pytest.warns(UserWarning, match="^update: the gradients have NaN or Inf in them"):
        kn.update(w, g, kn.SGD())


def test_an_overflow_of_a_scaled_loss_is_none(recwarn):
    w = kn.param(np.ones(3, "f2"))
    kn.update(w, {w: np.full(3, np.inf, "f4")}, kn.optim.MixedPrecision(kn.SGD()))
    assert not recwarn and np.isfinite(w.value).all()


@spelled
@pytest.mark.parametrize("what", [lambda model: model, kn.params])
def test_another_models_gradients(what, spelling):
    one, two = SPELLED[spelling][0](), SPELLED[spelling][0]()
    g = kn.grad(lambda: kn.nll(one(ROWS), LABELS))()
    with pytest.raises(ValueError, match="^update: these are gradients of other params. .* Pass the params, or"):
        kn.update(what(two), g, kn.SGD())


@trained
def test_two_models_may_share_params(train):
    w, other = kn.param(64, 3), Dense(64, 3)
    for one, two in ((lambda x: x @ w, lambda x: kn.relu(x @ w)), (Chain(other), Chain(other, kn.relu))):
        before = two(ROWS)
        fit(train, one, ROWS, LABELS)
        assert (two(ROWS) != before).any() and len(kn.params([one, two])) == len(kn.params(one))


@spelled
def test_saving_while_training(tmp_path, spelling):
    model, again = SPELLED[spelling][0](), SPELLED[spelling][0]()

    def loss(x, y):
        kn.save(tmp_path / "model", kn.params(model))  # between two steps, as far as the params are concerned
        return kn.nll(model(x), y)

    before = model(ROWS)
    fit(by_hand, model, ROWS, LABELS, loss=lambda scores, y: loss(ROWS, y))
    kn.load(tmp_path / "model", kn.params(again))
    np.testing.assert_array_equal(again(ROWS), before)
    with pytest.raises(TypeError, match=r"^save: \['scores'\] is a Result; make it a plain array"):
        kn.grad(lambda: kn.save(tmp_path / "model", {"scores": model(ROWS)}))()


@spelled
@pytest.mark.skipif(kn.has_gpu(), reason="there is one")
def test_a_device_that_is_not_there(spelling):
    with pytest.raises(kn.DeviceError, match="^gpu: no GPU can be used: "):
        kn.gpu(SPELLED[spelling][0]())
