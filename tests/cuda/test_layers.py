"""Models of layers on the GPU give what they give on the CPU."""

import copy

import numpy as np
import pytest

import knetpy as kn
from knetpy.devices import on_gpu
from tests.cuda.test_training import agree
from tests.nn.test_use import LABELS, MODELS, data_of, fit


@pytest.mark.parametrize("name", ["cnn", "mlp", "named", "recurrent"])
def test_models(name):
    kn.seed(1)
    model, x = kn.nn.init_from(MODELS[name](), data_of(name)), data_of(name)
    for layer in model:
        if isinstance(layer, kn.nn.Dropout):
            layer.active = False
    there = kn.gpu(copy.deepcopy(model))
    assert all(on_gpu(p.value) for p in kn.params(there)) and not any(on_gpu(p.value) for p in kn.params(model))
    wanted, found = fit(model, x, 2, kn.SGD()), fit(there, kn.gpu(x), 2, kn.SGD())
    agree([found], [wanted], 1e-4)
    agree([kn.cpu(there(kn.gpu(x)))], [model(x)], 1e-3)
    state = kn.state(there)
    assert all(isinstance(a, np.ndarray) for a in state.values())
    kn.load_state(there, kn.state(model))
    agree([kn.cpu(there(kn.gpu(x)))], [model(x)], 1e-4)


def test_layers_are_sized_where_their_input_is():
    model = kn.nn.init_from(MODELS["cnn"](), kn.gpu(data_of("cnn")))
    assert all(on_gpu(p.value) for p in kn.params(model))
    vector, rebuild = kn.nn.destructure(model)
    assert on_gpu(vector) and rebuild(vector)(kn.gpu(data_of("cnn"))).shape == (len(LABELS), 3)


def test_a_model_function_makes_layers_where_its_input_is():
    model = kn.model(lambda x: kn.nn.Dense(3)(kn.nn.flatten(x)))
    x = kn.gpu(data_of("cnn"))
    model(x)
    assert len(kn.params(model)) == 2 and all(on_gpu(p.value) for p in kn.params(model))


def test_a_model_on_the_other_device_says_so():
    model = kn.gpu(kn.nn.Dense(64, 3))
    with pytest.raises(kn.DeviceError, match="on the GPU"):
        model(data_of("cnn").reshape(12, 64))
