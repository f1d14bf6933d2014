"""Layers as arguments by which is differentiated, as Flux's `gradient(m -> loss(m), model)`: their numbers stay."""

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import knetpy as kn
from knetpy import nn
from knetpy.nn import GRU, LSTM, BatchNorm, Chain, Conv, Dense, Dropout, LayerNorm, Parallel, WeightNorm
from knetpy.tree import leaves

RNG = np.random.default_rng(0)
ROWS, IMAGES, TIMES = [RNG.normal(size=shape) for shape in ((3, 8), (2, 4, 6, 6), (2, 3, 8))]
MODELS = [
    (Chain(Dense(8, 4, np.tanh), Dropout(0.5), LayerNorm(4)), ROWS),
    (Chain(Conv(4, 4, 3, stride=2, padding=1, groups=2), BatchNorm(4), nn.MaxPool(2), nn.Upsample(2)), IMAGES),
    (Chain(a=nn.ConvTranspose(4, 2, 3), b=nn.GroupNorm(2, 1)), IMAGES),
    (LSTM(8, 3, layers=2, bidirectional=True), TIMES), (GRU(8, 3), TIMES), (nn.Recurrence(nn.RNNCell(8, 3)), TIMES),
    (nn.TransformerBlock(8, 2), TIMES), (Parallel(np.add, WeightNorm(Dense(8, 3)), Dense(8, 3)), ROWS),
    (Chain(nn.Scale(8), nn.RMSNorm(8), nn.Bilinear(8, 2)), ROWS),
]  # fmt: skip
every = pytest.mark.parametrize("model, x", [(nn.cast(model, np.float64), x) for model, x in MODELS])


def arrays(tree):
    return [leaf for _, leaf in leaves(tree) if getattr(leaf, "shape", ())]


def loss(model, x):
    y = model(x)
    return np.sum(np.sin(y[0] if isinstance(y, tuple) else y))


@every
def test_gradients_by_a_layer_are_those_by_its_params(model, x):
    with kn.training(False):
        by_layer, by_params = kn.grad(loss, 0)(model, x), kn.grad(loss)(model, x)
    assert type(by_layer) is type(model)
    for found, p in zip(arrays(by_layer), kn.params(model), strict=True):
        np.testing.assert_allclose(found, by_params[p], rtol=1e-12)


@every
def test_they_update_it(model, x):
    with kn.training(False):
        before, g = loss(model, x), kn.grad(loss, 0)(model, x)
        kn.update(model, g, kn.SGD(lr=1e-4))
        assert loss(model, x) < before


@every
def test_products_and_gradcheck_take_layers(model, x):
    _, pull = kn.vjp(loss, model, x)
    by_layer, _ = pull(1.0)
    _, slope = kn.jvp(loss, (model, x), (by_layer, np.zeros_like(x)))
    np.testing.assert_allclose(slope, sum([np.sum(g * g) for g in arrays(by_layer)]), rtol=1e-9)
    hvp = kn.hvp(loss, (model, x), (by_layer, np.zeros_like(x)))[0]
    by_params = kn.hvp(lambda: loss(model, x), (), dict(zip(kn.params(model), arrays(by_layer))))
    for found, p in zip(arrays(hvp), kn.params(model), strict=True):
        np.testing.assert_allclose(found, by_params[p], rtol=1e-8, atol=1e-10)
    assert kn.gradcheck(loss, model, x, order=1)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_by_a_layer(mode):
    layer = nn.cast(Dense(3, 2, np.tanh), np.float64)
    x = ROWS[:, :3]
    found = kn.jacobian(lambda layer: layer(x), mode=mode)(layer)
    vector, rebuild = nn.destructure(layer)
    wanted = kn.jacobian(lambda v: rebuild(v)(x))(vector)
    whole = np.concatenate([found.weight.reshape(3, 2, 6), found.bias], -1)
    np.testing.assert_allclose(whole, wanted, rtol=1e-12)
    assert found.outputs is found.inputs is None


@dataclass
class Own:
    """A user's layer, with a weight, settings and a table of integers."""

    w: Any
    n: int
    rate: float
    order: Any
    sizes: tuple = (2, 2.5)

    def __call__(self, x):
        return (x @ self.w)[:, self.order][:, : operator.index(self.n)] * self.rate


@dataclass
class Data:
    """No layer, for it is not called: its numbers are variables."""

    w: Any
    b: float


def test_what_are_settings():
    own = Own(np.ones((8, 3)), 2, 0.5, np.array([2, 0, 1]))
    g = kn.grad(lambda own: own(ROWS).sum(), 0)(own)
    assert (g.n, g.rate, g.order, g.sizes) == (None, None, None, (None, None))
    assert g.w[:, 1].tolist() == [0] * 8 and (g.w[:, 2] != 0).all()
    g = kn.grad(lambda d: np.sum(d.w * d.b), 0)(Data(np.ones(3), 2.0))
    assert g.b == 3.0 and g.w.tolist() == [2, 2, 2]
    assert kn.vjp(lambda layer: layer(IMAGES), nn.PixelShuffle(2))[1](np.ones((2, 1, 12, 12)))[0].factor is None
    report = kn.gradcheck(lambda own, x: own(x), own, ROWS)
    assert "argument 0.w (8, 3)" in str(report) and "rate" not in str(report)
