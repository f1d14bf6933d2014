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


MISTAKES = {
    "another axis": (lambda: mlp()(ROWS.T), "Dense(64 => 16, relu): x must have 64 features .* x.T has 64"),
    "no example axis": (lambda: cnn()(X[0]), "conv: x must be .* one image is x[None]"),
    "no channel axis": (lambda: cnn()(X[:, 0]), "conv: x must be .* x[:, None] inserts a channel axis"),
    "one example of many labels": (lambda: fit(mlp(), ROWS[0], LABELS), "nll: scores (3,) .* need labels of shape ()"),
    "channels last": (lambda: cnn()(X.transpose(0, 2, 3, 1)), "conv: .* if the channels lie last, write np.moveaxis"),
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
    "labels of one too many": (lambda: fit(mlp(), ROWS, LABELS + 1), "nll: label 3 is out of range"),
    "one-hot labels": (lambda: fit(mlp(), ROWS, np.eye(3)[LABELS]), "nll: .* one-hot .* labels.argmax(1)"),
    "a class": (lambda: Chain(Dense(3, 4), Dense), "Chain: layer 1 must be .* got Dense itself: write Dense(...)"),
    "a class around": (lambda: SkipConnection(Dense), "SkipConnection: .* write Dense(...)"),
    "a number": (lambda: Chain(Dense(3, 4), 3), "Chain: layer 1 must be a layer or a function, got 3"),
    "a list": (lambda: LayerNorm(3)([[1.0, 2, 3]]), "LayerNorm: x must be an array, got list; write np.asarray"),
    "a list to scale": (lambda: Scale(3)([1.0, 2, 3]), "Scale: x must be an array, got list"),
    "a list to flatten": (lambda: flatten([[1.0]]), "flatten: x must be an array, got list"),
    "a list of times": (lambda: nn.GRUCell(2, 3)([1.0, 2.0]), "GRUCell: x must be an array, got list"),
    "double precision": (lambda: mlp()(ROWS.astype(float)), "linear: x has dtype float64 .* x.astype(np.float32)"),
    "double images": (lambda: cnn()(X.astype(float)), "conv: x has dtype float64 .* x.astype(np.float32)"),
    "double times": (lambda: nn.LSTM(8, 3)(X[:, 0].astype(float)), "lstm: x has dtype float64 .* x.astype(np.float32)"),
    "bytes": (lambda: mlp()((ROWS * 255).astype("u1")), "linear: x has dtype uint8; .* / 255"),
    "other features": (lambda: nn.LSTM(9, 3)(X[:, 0]), "LSTM(9 => 3): x must have 9 features on its last axis"),
    "other channels": (lambda: BatchNorm(3)(X), "batchnorm: scale must have shape (1,), .* got (3,)"),
    "an activation by name": (lambda: Dense(3, 4, "relu"), "Dense takes .* got Dense(3, 4, 'relu')"),
    "an unknown option": (lambda: Dense(3, 4, activaton=kn.relu), "Dense has no argument 'activaton'; did you mean"),
    "an initialiser that was called": (lambda: Dense(3, 4, init=kn.init.zeros(3)), "Dense: init must be a function"),
    "heads": (lambda: nn.MultiHeadAttention(8, 3), "MultiHeadAttention: heads=3 must divide"),
    "no such layer": (lambda: Chain(a=Dense(3, 4))["b"], "Chain has no layer 'b'; it has a"),
    "too few layers": (lambda: mlp()[5], "Chain has no layer 5; it has 2"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_the_sentence(kind):
    import re

    do, sentence = MISTAKES[kind]
    with pytest.raises((TypeError, ValueError, IndexError)) as told:
        do()
    text = str(told.value)
    assert re.search(re.escape(sentence).replace(r"\ \.\*\ ", ".* ").replace(r"\.\*", ".*"), text), text
    assert len(text) < 250 and "\n" not in text.strip()


def test_an_error_inside_a_chain_tells_which_layer_it_was():
    with pytest.raises(kn.ShapeError) as told:
        Chain(flatten, rows := Dense(64, 16), Dense(15, 3))(X)
    if hasattr(told.value, "__notes__"):  # Python 3.11
        assert "in layer 2 of a Chain, Dense(15 => 3), called with shape (6, 16)" in told.value.__notes__[0]
    assert rows.weight.shape == (64, 16)


OPTIONS = {
    Conv: [{"stride": 0}, {"padding": -1}, {"padding": "some"}, {"dilation": 0}, {"groups": 3}, {"padding_mode": "x"},
           {"flip": 2}, {"bias": "no"}, {"init": 3}],
    nn.ConvTranspose: [{"stride": 0}, {"output_padding": -1}],
    MaxPool: [{"stride": 0}, {"padding": -1}],
    BatchNorm: [{"eps": -1}, {"momentum": 2}, {"affine": 2}, {"active": 2}, {"track_stats": 2}],
    nn.InstanceNorm: [{"eps": -1}, {"momentum": 2}, {"affine": 2}],
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


@pytest.mark.parametrize("name", nn._ELSEWHERE)
def test_names_of_pytorch_lead_to_ours(name):
    with pytest.raises(AttributeError, match=f"'{name}': write "):
        getattr(nn, name)
    hint = nn._ELSEWHERE[name]
    if hint.startswith(("kn.", "np.")):
        assert callable(eval(hint, {"kn": kn, "np": np}))
