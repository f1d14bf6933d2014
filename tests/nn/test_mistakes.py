"""What newcomers do wrong ends in one clear sentence, that names the layer or the function and a way out."""

import numpy as np
import pytest

import knetpy as kn
from knetpy import nn
from knetpy.nn import BatchNorm, Chain, Conv, Dense, LayerNorm, MaxPool, Scale, SkipConnection, flatten

X = np.random.default_rng(0).random((6, 1, 8, 8)).astype("f4")
ROWS, LABELS = X.reshape(6, 64), np.arange(6) % 3


def mlp():
    return Chain(Dense(64, 16, kn.relu), Dense(16, 3))


def cnn():
    return Chain(Conv(1, 4, 3), MaxPool(2), flatten, Dense(36, 3))


def fit(model, x, y):
    return list(kn.minimize(lambda x, y: kn.nll(model(x), y), [(x, y)], kn.SGD()))


def twice(layer, first, second):
    layer(first)
    layer(second)


def gradients_of(model):
    return kn.grad(lambda: kn.nll(model(ROWS), LABELS))()


def saving():
    kn.grad(lambda x: (kn.save("never", x), x.sum())[1], 0)(ROWS)


def without_gpu(do):
    if kn.has_gpu():
        pytest.skip("there is one")
    do()


MISTAKES = {
    "another axis": (lambda: mlp()(ROWS.T), "Dense(64 => 16, relu): x must have 64 features .* x.T has 64"),
    "no example axis": (
        lambda: cnn()(X[0]),
        "Conv(1 => 4, 3x3): x must be (N, 1, *S) .* got (1, 8, 8); one image is x[None]",
    ),
    "no channel axis": (lambda: cnn()(X[:, 0]), "Conv(1 => 4, 3x3): x must be .* x[:, None] inserts a channel axis"),
    "an image without channels": (lambda: cnn()(X[0, 0]), "Conv(1 => 4, 3x3): .* x[None, None] makes a batch of it"),
    "one image to pool": (lambda: MaxPool(2)(X[0]), "MaxPool(2x2): .* got (1, 8, 8); one image is x[None]"),
    "another shape asked for": (
        lambda: nn.outputsize(mlp(), (6, 63)),
        "Dense(64 => 16, relu): .* got (0, 63); outputsize runs the model on 0 examples",
    ),
    "a batch of six": (
        lambda: nn.summary(Chain(lambda x: x.reshape(6, 64)), (6, 1, 8, 8)),
        "reshape .* (0, 1, 8, 8) .* summary runs the model on 0 examples",
    ),
    "one example of many labels": (lambda: fit(mlp(), ROWS[0], LABELS), "nll: scores (3,) .* need labels of shape ()"),
    "channels last": (
        lambda: cnn()(X.transpose(0, 2, 3, 1)),
        "Conv(1 => 4, 3x3): x must have 1 channel on axis 1, .* if the channels lie last, write np.moveaxis",
    ),
    "no flatten": (
        lambda: Chain(Conv(1, 4, 3), MaxPool(2), Dense(36, 3))(X),
        "Dense(36 => 3): x must have 36 features .* kn.nn.flatten before the layer",
    ),
    "no flatten of images": (lambda: mlp()(X), "Dense(64 => 16, relu): .* kn.nn.flatten before the layer"),
    "no flatten, not sized": (
        lambda: fit(Chain(Conv(4, 3), Dense(3)), X, LABELS),
        "nll: scores (6, 4, 6, 3) .* labels",
    ),
    "labels as floats": (lambda: fit(mlp(), ROWS, LABELS * 1.0), "nll: labels must be integers"),
    "labels from 1": (lambda: kn.nll(np.eye(3), [1, 2, 3]), "nll: label 3 .* seem to run from 1: write labels - 1"),
    "labels of one too many": (lambda: fit(mlp(), ROWS, LABELS + 1), "nll: label 3 is out of range"),
    "one-hot labels": (lambda: fit(mlp(), ROWS, np.eye(3)[LABELS]), "nll: .* one-hot .* labels.argmax(1)"),
    "a class": (lambda: Chain(Dense(3, 4), Dense), "Chain: layer 1 must be .* got Dense itself: write Dense(...)"),
    "a class around": (lambda: SkipConnection(Dense), "SkipConnection: .* write Dense(...)"),
    "a number": (lambda: Chain(Dense(3, 4), 3), "Chain: layer 1 must be a layer or a function, got 3"),
    "a list": (lambda: LayerNorm(3)([[1.0, 2, 3]]), "LayerNorm: x must be an array, got list; write np.asarray"),
    "a list to scale": (lambda: Scale(3)([1.0, 2, 3]), "Scale: x must be an array, got list"),
    "a list to flatten": (lambda: flatten([[1.0]]), "flatten: x must be an array, got list"),
    "a list of times": (lambda: nn.GRUCell(2, 3)([1.0, 2.0]), "GRUCell: x must be an array, got list"),
    "a cell among layers": (
        lambda: Chain(nn.GRUCell(4), Dense(3))(ROWS),
        "Dense: x must be an array, got tuple; a cell, and a layer with return_state=True, return (y, state): take the",
    ),
    "a state among layers": (
        lambda: Chain(nn.LSTM(4, return_state=True), LayerNorm(4))(X[:, 0]),
        "LayerNorm: x must be an array, got tuple; a cell, and a layer with return_state=True, return (y, state)",
    ),
    "all times of an encoder": (
        lambda: kn.nll(Chain(nn.LSTM(4), Dense(3))(X[:, 0]), LABELS),
        "nll: scores (6, 8, 3) .* of a sequence take one time, scores[:, -1]",
    ),
    "another layer in place": (
        lambda: mlp().__setitem__(0, Dense(64, 16)),
        "Chain: its layers are not replaced in place; make another, as Chain(*layers[:-1], layer)",
    ),
    "a shape without examples": (
        lambda: nn.outputsize(mlp(), (64,)),
        "Dense(64 => 16, relu): .* got (0,); the first size is that of the examples: write (None, 64)",
    ),
    "double precision": (lambda: mlp()(ROWS.astype(float)), "linear: x has dtype float64 .* x.astype(np.float32)"),
    "double images": (lambda: cnn()(X.astype(float)), "conv: x has dtype float64 .* x.astype(np.float32)"),
    "double times": (lambda: nn.LSTM(8, 3)(X[:, 0].astype(float)), "lstm: x has dtype float64 .* x.astype(np.float32)"),
    "bytes": (lambda: mlp()((ROWS * 255).astype("u1")), "linear: x has dtype uint8; .* / 255"),
    "other features": (lambda: nn.LSTM(9, 3)(X[:, 0]), "LSTM(9 => 3): x must have 9 features on its last axis"),
    "other channels": (lambda: BatchNorm(3)(X), "BatchNorm(3): x must have 3 channels on axis 1, got (6, 1, 8, 8)"),
    "an activation by name": (lambda: Dense(3, 4, "relu"), "Dense: activation must be .* such as kn.relu, got 'relu'"),
    "only an activation by name": (lambda: Dense(3, "relu"), "Dense: activation must be .* got 'relu'"),
    "a name among layers": (lambda: Chain(Dense(3, 4), "relu"), "Chain: layer 1 must be .* a function, got 'relu'"),
    "an unknown option": (lambda: Dense(3, 4, activaton=kn.relu), "Dense has no argument 'activaton'; did you mean"),
    "an initialiser that was called": (lambda: Dense(3, 4, init=kn.init.zeros(3)), "Dense: init must be a function"),
    "sizes by name": (
        lambda: Dense(inputs=3, outputs=4),
        "Dense has no argument 'inputs'; did you mean a size without",
    ),
    "Flux's order": (lambda: Conv((5, 5), 1, 16), "Conv: the window comes last: write Conv(1, 16, (5, 5))"),
    "a matrix for a Conv": (
        lambda: Conv(np.ones((2, 3))),
        "Conv: the weight (outputs, inputs, *window) must have 1, 2 or 3 axes of a window",
    ),
    "sequences to images": (lambda: Conv(8, 4, 5)(X[:, 0]), "Conv(8 => 4, 5x5): .* a window for sequences is (5,)"),
    "sequences to pools": (lambda: MaxPool(2)(X[:, 0]), "MaxPool(2x2): x must be .* a window for sequences is (2,)"),
    "another first call": (
        lambda: twice(Conv(4, 1), X.transpose(0, 2, 3, 1), X),
        "Conv(8 => 4, 1x1): .* axis 1, as at its first call",
    ),
    "other groups": (
        lambda: nn.GroupNorm(4, 2)(X),
        "GroupNorm(4, 2): x must have 4 channels on axis 1, got (6, 1, 8, 8)",
    ),
    "another size": (lambda: nn.RMSNorm(4)(ROWS), "RMSNorm: the last axes of x must be (4,), got x of shape (6, 64)"),
    "np.concatenate": (lambda: nn.Parallel(np.concatenate, flatten), "Parallel: np.concatenate .* lambda *ys: np.conc"),
    "a state of another batch": (
        lambda: nn.GRUCell(64, 3)(ROWS, np.zeros((5, 3), "f4")),
        "GRUCell: the state must be an array (6, 3), got (5, 3)",
    ),
    "half a state": (
        lambda: nn.LSTMCell(64, 3)(ROWS, np.zeros((6, 3), "f4")),
        "LSTMCell: the state must be the pair (h, c), each (6, 3), got (6, 3)",
    ),
    "no cell": (lambda: nn.Recurrence(nn.GRUCell), "Recurrence: cell must be a cell such as"),
    "an axis of the weight": (lambda: nn.WeightNorm(Dense(3, 2), axis=5), "WeightNorm: axis 5 is out of range"),
    "no input": (lambda: mlp()(), "Chain was called without an input"),
    "no shape": (lambda: nn.outputsize(mlp()), "outputsize: the shape of the input is missing; write"),
    "another model's gradients": (
        lambda: kn.update(mlp(), gradients_of(mlp()), kn.SGD()),
        "update: these are gradients of other params.",
    ),
    "a value saved while training": (
        lambda: saving(),
        "save: the tree is a Result; make it a plain array with np.asarray",
    ),
    "a GPU that is none": (lambda: without_gpu(lambda: kn.gpu(mlp())), "gpu: no GPU can be used: "),
    "the device by PyTorch's name": (lambda: kn.default_device("cuda"), 'default_device: name must be "cpu" or "gpu"'),
    "heads": (lambda: nn.MultiHeadAttention(8, 3), "MultiHeadAttention: heads=3 must divide"),
    "too few layers": (lambda: mlp()[5], "Chain has no layer 5; it has 2"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_the_sentence(kind):
    import re

    do, sentence = MISTAKES[kind]
    with pytest.raises((TypeError, ValueError, IndexError, kn.DeviceError)) as told:
        do()
    text = str(told.value)
    assert re.search(re.escape(sentence).replace(r"\ \.\*\ ", ".* ").replace(r"\.\*", ".*"), text), text
    assert len(text) < 360 and "\n" not in text.strip()


def test_an_error_inside_a_chain_tells_which_layer_it_was():
    with pytest.raises(kn.ShapeError) as told:
        Chain(flatten, rows := Dense(64, 16), Dense(15, 3))(X)
    if hasattr(told.value, "__notes__"):  # Python 3.11
        assert "in layer 2 of a Chain, Dense(15 => 3), called with shape (6, 16)" in told.value.__notes__[0]
    assert rows.weight.shape == (64, 16)


def test_a_learning_rate_of_100_is_told():
    kn.seed(0)
    model, losses = mlp(), []
    with pytest.warns(UserWarning) as told:
        for loss in kn.minimize(lambda x, y: kn.mse(model(x), kn.onehot(y, 3)), [(ROWS, LABELS)] * 6, kn.SGD(lr=100)):
            losses.append(loss)
    (warning,) = [w for w in told if "minimize" in str(w.message)]  # once
    assert "the learning rate 100 may be too large" in str(warning.message) and warning.filename == __file__
    assert len(losses) == 6


def test_nan_in_the_data_is_told():
    model, x = mlp(), ROWS.copy()
    x[2, 3] = np.nan
    with pytest.warns(UserWarning, match="minimize: the loss is nan: argument 0 of <lambda> has NaN or Inf in it"):
        fit(model, x, LABELS)
    assert "some not finite" in repr(model)
    with pytest.raises(kn.NonFiniteError), kn.check_nonfinite():
        kn.grad(lambda x: kn.nll(model(x), LABELS))(x)


def test_training_that_goes_well_warns_of_nothing(recwarn):
    rising = kn.param([1.0])
    list(kn.minimize(lambda x: (rising * x).sum(), [-1.0, 900.0, -5000.0], kn.SGD(lr=1e-6)))
    assert not recwarn


def test_two_models_may_share_a_layer():
    layer = Dense(64, 8)
    one, two = Chain(layer, Dense(8, 3)), Chain(layer, Dense(8, 3))
    before = two(ROWS)
    fit(one, ROWS, LABELS)
    assert (two(ROWS) != before).any() and len(kn.params([one, two])) == 6
    with pytest.warns(UserWarning, match="was not touched by the call that gave these gradients"):
        kn.update(two, gradients_of(one), kn.SGD())


def test_saving_while_training_saves_the_last_whole_step(tmp_path):
    model = mlp()
    for _ in kn.minimize(lambda x, y: kn.nll(model(x), y), [(ROWS, LABELS)] * 3, kn.SGD()):
        kn.save(tmp_path / "model", model)
    np.testing.assert_array_equal(kn.load(tmp_path / "model", mlp())(ROWS), model(ROWS))


def test_a_layer_by_its_name_is_an_index():
    with pytest.raises(AttributeError, match=r"^Chain has no attribute 'hidden': write chain\['hidden'\]$"):
        Chain(hidden=Dense(3, 4)).hidden


@pytest.mark.parametrize("name", ["parameters", "to", "eval", "train", "state_dict", "zero_grad", "append", "cuda"])
def test_methods_of_pytorch_lead_to_functions(name):
    with pytest.raises(AttributeError, match=f"^Chain has no attribute '{name}': write "):
        getattr(mlp(), name)


OPTIONS = {
    Conv: [{"stride": 0}, {"padding": -1}, {"padding": "some"}, {"dilation": 0}, {"groups": 3}, {"padding_mode": "x"},
           {"flip": 2}, {"bias": "no"}, {"init": 3}],
    nn.ConvTranspose: [{"stride": 0}, {"output_padding": -1}],
    MaxPool: [{"stride": 0}, {"padding": -1}],
    BatchNorm: [{"eps": -1}, {"momentum": 2}, {"affine": 2}, {"active": 2}, {"track_stats": 2}, {"scale_init": 0}],
    nn.InstanceNorm: [{"eps": -1}, {"momentum": 2}, {"affine": 2}, {"bias_init": np.zeros(4)}],
    LayerNorm: [{"eps": "x"}, {"bias": np.ones(2)}, {"affine": 2}],
    nn.RMSNorm: [{"eps": -1}], nn.Dropout: [{"p": 2}, {"axis": "x"}, {"active": 2}], nn.AlphaDropout: [{"p": -1}],
    nn.LSTM: [{"layers": 0}, {"bidirectional": 2}, {"dropout": 2}, {"bias": np.ones(3)}, {"recurrent_init": 2}],
    nn.MultiHeadAttention: [{"heads": 0}, {"dropout": 2}, {"bias": 2}, {"keys": 0}],
    nn.TransformerBlock: [{"heads": 3}, {"dropout": 2}, {"norm": 2}, {"causal": 2}, {"hidden": 0}],
    nn.Embedding: [{"padding_index": 4}, {"init": 3}], nn.EmbeddingBag: [{"mode": "x"}, {"padding_index": -1}],
    nn.Upsample: [{"mode": "x"}, {"align_corners": 2}],
}  # fmt: skip
SIZES = {Conv: (4, 8, 3), nn.ConvTranspose: (4, 8, 3), MaxPool: (2,), nn.LSTM: (2, 3), nn.MultiHeadAttention: (8,),
         nn.TransformerBlock: (8,), nn.Embedding: (4, 2), nn.EmbeddingBag: (4, 2), nn.Upsample: (2,),
         nn.Dropout: (), nn.AlphaDropout: ()}  # fmt: skip


@pytest.mark.parametrize("kind, wrong", [(kind, wrong) for kind, some in OPTIONS.items() for wrong in some])
def test_options_are_checked_when_a_layer_is_made(kind, wrong):
    with pytest.raises((TypeError, ValueError, IndexError), match=f"^{kind.__name__}: .*{next(iter(wrong))}"):
        kind(*SIZES.get(kind, (4,)), **wrong)


@pytest.mark.parametrize("name", ["conv", "pool", "dropout", "attention", "batchnorm", "softmax"])
def test_functions_are_those_of_knetpy(name):
    with pytest.raises(AttributeError, match=f"^module 'knetpy.nn' has no attribute '{name}': write kn.{name}$"):
        getattr(nn, name)


@pytest.mark.parametrize("name", nn._ELSEWHERE)
def test_names_of_pytorch_lead_to_ours(name):
    with pytest.raises(AttributeError, match=f"'{name}': write "):
        getattr(nn, name)
    hint = nn._ELSEWHERE[name]
    if hint.startswith(("kn.", "np.")):
        assert callable(eval(hint, {"kn": kn, "np": np}))
