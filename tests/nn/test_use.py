"""Models of layers are trained, saved, copied, moved and written as functions."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import knetpy as kn
from knetpy.nn import (
    GRU,
    LSTM,
    BatchNorm,
    Chain,
    Conv,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    MaxPool,
    Parallel,
    SkipConnection,
    TransformerBlock,
    WeightNorm,
    flatten,
)

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.normal(size=(12, 1, 8, 8)).astype("f4"), np.arange(12) % 3
TOKENS = RNG.integers(0, 7, (12, 5))


@dataclass
class Block:
    """A layer of the user's own, with layers and a Param in it."""

    inner: Callable
    gain: kn.Param

    def __call__(self, x):
        return x + self.gain * self.inner(x)


@dataclass(slots=True)
class Slotted:
    """One with slots."""

    inner: Callable
    gain: kn.Param

    def __call__(self, x):
        return self.gain * self.inner(x)


def slotted():
    return Chain(flatten, Slotted(Dense(16, kn.relu), kn.param(1.0)), Slotted(WeightNorm(Dense(16, 3)), kn.param(2.0)))


def cnn():
    return Chain(Conv(4, 3), BatchNorm(kn.relu), MaxPool(2), Dropout(0.1), flatten, Dense(3))


def mlp():
    own = Block(Chain(Dense(16, 16), np.tanh), kn.param(0.5))
    return Chain(flatten, Dense(64, 16, kn.relu), own, SkipConnection(Dense(16)), LayerNorm(), Dense(3))


def named():
    return Chain(rows=flatten, hidden=WeightNorm(Dense(64, 16, kn.relu)), scores=Dense(16, 3))


def shared():
    layer = Dense(64)
    return Chain(flatten, layer, kn.relu, layer, Dense(3))


def recurrent():
    return Chain(Embedding(7, 6), LSTM(5), GRU(5, bidirectional=True), lambda y: y.mean(1), Dense(3))


def transformer():
    return Chain(Embedding(7, 6), TransformerBlock(6, 2, causal=True), lambda y: y.mean(1), Dense(3))


def branches():
    return Chain(Parallel(lambda a, b: np.concatenate([a, b], 1), Conv(2, 3), Conv(3, 3)), flatten, Dense(3))


MODELS = {make.__name__: make for make in (cnn, mlp, named, shared, recurrent, transformer, branches, slotted)}
every = pytest.mark.parametrize("name", MODELS)


def data_of(name):
    return TOKENS if name in ("recurrent", "transformer") else IMAGES


def fit(model, x, steps, opt=None):
    data = [(x, LABELS)] * steps
    return [float(v) for v in kn.minimize(lambda x, y: kn.nll(model(x), y), data, opt or kn.Adam(lr=0.01))]


def trained(name, steps=20):
    kn.seed(1)
    model = MODELS[name]()
    return model, fit(model, data_of(name), steps)


def same(a, b, x):
    assert [p.shape for p in kn.params(a)] == [p.shape for p in kn.params(b)]
    np.testing.assert_array_equal(a(x), b(x))


@every
def test_it_learns(name):
    model, losses = trained(name, 60)
    assert losses[-1] < 0.6 * losses[0]
    assert kn.nn.outputsize(model, (None, *data_of(name).shape[1:]), dtype=data_of(name).dtype) == (None, 3)


@every
def test_saved_and_loaded_into_one_that_is_not_sized(name, tmp_path):
    model, _ = trained(name)
    kn.save(tmp_path / "model", model)
    new = MODELS[name]()
    assert kn.load(tmp_path / "model", new) is new
    same(model, new, data_of(name))
    fit(new, data_of(name), 1)  # it can be trained on


@every
def test_training_goes_on_from_a_save_with_the_optimizer(name, tmp_path):
    kn.seed(2)
    (model, opt), x = (kn.nn.init_from(MODELS[name](), data_of(name)), kn.Adam(lr=0.01)), data_of(name)
    fit(model, x, 3, opt)
    kn.save(tmp_path / "all", {"model": model, "opt": opt, "random": kn.random})
    wanted = fit(model, x, 3, opt)
    new = {"model": kn.nn.init_from(MODELS[name](), x), "opt": kn.Adam(lr=0.01), "random": kn.random}
    kn.load(tmp_path / "all", new)
    assert fit(new["model"], x, 3, new["opt"]) == wanted


@every
def test_the_state_goes_into_another(name):
    model, _ = trained(name)
    new = kn.nn.init_from(MODELS[name](), data_of(name))
    kn.load_state(new, kn.state(model))
    same(model, new, data_of(name))


@every
def test_copies_are_models_of_their_own(name):
    model, _ = trained(name)
    before = model(data_of(name))
    other = copy.deepcopy(model)
    same(model, other, data_of(name))
    fit(other, data_of(name), 3)
    np.testing.assert_array_equal(model(data_of(name)), before)
    assert not {p.uid for p in kn.params(model)} & {p.uid for p in kn.params(other)}


@pytest.mark.parametrize("name", ["cnn", "mlp", "named", "shared", "slotted"])  # no functions of this file in them
def test_pickled(name):
    model, _ = trained(name)
    same(model, pickle.loads(pickle.dumps(model)), data_of(name))


@every
def test_a_vector_of_all_weights(name):
    kn.seed(1)
    model, x = kn.nn.init_from(MODELS[name](), data_of(name)), data_of(name)

    def loss(m):
        return kn.nll(m(x), LABELS)

    vector, rebuild = kn.nn.destructure(model)
    assert vector.shape == (kn.nn.count(model),)
    with kn.training(False):
        g = kn.grad(lambda: loss(model))()
        by_vector = kn.grad(lambda v: loss(rebuild(v)), 0)(vector)
    wanted = np.concatenate([g[p].ravel() for p in kn.params(model)])
    np.testing.assert_allclose(by_vector, wanted, rtol=1e-5, atol=1e-6)


@every
def test_cast(name):
    model, _ = trained(name)
    x = data_of(name)
    large = kn.nn.cast(model, np.float64)
    assert {p.dtype for p in kn.params(large)} == {np.dtype(np.float64)}
    y = large(x.astype(np.float64) if x.dtype.kind == "f" else x)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, model(x), rtol=1e-4, atol=1e-4)
    assert len(kn.params(large)) == len(kn.params(model))  # what is shared stays so


@every
def test_frozen_layers_stay(name):
    model, _ = trained(name, 3)
    first = next(layer for layer in model if kn.params(layer))
    kn.nn.freeze(first)
    before, others = [p.value.copy() for p in kn.params(first)], [p for p in kn.params(model) if not p.frozen]
    values = [p.value.copy() for p in others]
    fit(model, data_of(name), 3)
    assert all((a == b.value).all() for a, b in zip(before, kn.params(first)))
    assert all((a != b.value).any() for a, b in zip(values, others))
    kn.nn.thaw(model)
    fit(model, data_of(name), 1)
    assert any((a != b.value).any() for a, b in zip(before, kn.params(first)))


def test_running_moments_are_saved_and_used(tmp_path):
    model, _ = trained("cnn")
    moments = model[1].moments
    assert moments.count == 20
    kn.save(tmp_path / "model", model)
    new = kn.load(tmp_path / "model", cnn())[1].moments
    assert new.count == 20
    np.testing.assert_array_equal(new.mean, moments.mean)


def test_a_shared_layer_has_one_set_of_params():
    model, _ = trained("shared")
    assert len(kn.params(model)) == 4 and model[1] is model[3]
    other = copy.deepcopy(model)
    assert other[1] is other[3]


def test_layers_made_inside_a_model_function_are_remembered():
    @kn.model
    def model(x):
        for n in (8, 4):
            x = Conv(n, 3, kn.relu)(x)
        x = BatchNorm()(x)
        return Dense(3)(LSTM(5)(flatten(x)[:, None])[:, 0])

    losses = fit(model, IMAGES, 60)
    assert losses[-1] < 0.6 * losses[0] and len(kn.params(model)) == 4 + 2 + 3 + 2
    np.testing.assert_array_equal(model(IMAGES), model(IMAGES))


def test_layers_from_outside_are_not_those_of_a_model_function():
    layer = Dense(3)
    model = kn.model(lambda x: layer(flatten(x)))
    model(IMAGES)
    assert model.made == {} and list(kn.named_params(layer)) == ["weight", "bias"]


def test_layers_made_for_an_inner_model_function_are_remembered():
    inner = kn.model(lambda layer, x: layer(x))
    outer = kn.model(lambda x: inner(Dense(3), flatten(x)))
    np.testing.assert_array_equal(outer(IMAGES), outer(IMAGES))


def test_a_layer_made_anew_at_each_call_of_a_loss_warns():
    with pytest.warns(UserWarning, match="Dense inside a function .* @kn.model"):
        kn.grad(lambda x: kn.nll(Dense(3)(flatten(x)), LABELS))(IMAGES)


def test_second_derivatives_go_through_layers():
    model = kn.nn.cast(Chain(Dense(3, 4, np.tanh), LayerNorm(4), Dense(4, 1)), np.float64)
    x = RNG.normal(size=(2, 3))
    assert kn.gradcheck(lambda x: model(x).sum(), x, order=2)


def test_weight_norms_are_removed_from_a_dataclass_with_slots():
    model = kn.nn.init_from(slotted(), IMAGES)
    np.testing.assert_allclose(kn.nn.remove_weight_norms(model)(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-6)
