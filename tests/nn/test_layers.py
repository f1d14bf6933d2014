"""What layers do where PyTorch has no such layer: as Flux's do, or by their formulas."""

import copy
import dataclasses

import numpy as np
import pytest

import knetpy as kn
from knetpy import nn
from knetpy.nn import (
    Chain,
    Conv,
    Dense,
    Maxout,
    MaxPool,
    PairwiseFusion,
    Parallel,
    SamePad,
    Scale,
    SkipConnection,
    WeightNorm,
    activations,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3)).astype("f4")


def test_pairwise_fusion_is_flux():
    """y1 = layer1(x1), then y_i = layer_i(connection(y_(i-1), x_i)); the connection comes before the layer."""
    a, b, c = Dense(3, 3), Dense(3, 3), Dense(3, 3)
    fusion, xs = PairwiseFusion(np.add, a, b, c), [X, X * 2, X - 1]
    y1 = a(xs[0])
    y2 = b(y1 + xs[1])
    y3 = c(y2 + xs[2])
    for found in (fusion(*xs), fusion(tuple(xs))):
        assert len(found) == 3 and all(np.array_equal(y, z) for y, z in zip(found, (y1, y2, y3)))
    assert all(np.array_equal(y, z) for y, z in zip(fusion(X), fusion(X, X, X)))
    with pytest.raises(ValueError, match="PairwiseFusion: it has 3 branches and was called with 2 inputs"):
        fusion(X, X)


def test_maxout_is_the_largest_and_its_gradient_goes_there():
    layer = Maxout(lambda: Dense(3, 2), 4)
    ys = np.stack([part(X) for part in layer])
    np.testing.assert_array_equal(layer(X), ys.max(0))
    g = kn.grad(lambda: layer(X).sum())()
    largest = ys.argmax(0)
    for n, part in enumerate(layer):
        np.testing.assert_array_equal(g[part.bias], (largest == n).sum(0))
    assert len(layer) == 4 and kn.nn.count(layer) == 32


@pytest.mark.parametrize("size, stride, window, dilation", [(7, 1, 3, 1), (8, 2, 3, 1), (9, 2, 4, 1), (9, 1, 3, 2)])
def test_same_pad_keeps_the_size_by_the_stride(size, stride, window, dilation):
    x = np.ones((1, 2, size, size), "f4")
    layer = Conv(2, 3, window, stride=stride, padding=SamePad(), dilation=dilation)
    assert layer(x).shape[2:] == (-(-size // stride),) * 2
    assert Conv(2, 3, window, padding=SamePad).window == (window,) * 2  # the class itself, as Flux writes it


def test_same_pad_of_an_even_window_puts_the_odd_one_first():
    x = np.arange(1.0, 5, dtype="f4").reshape(1, 1, 4)
    layer = Conv(1, 1, (2,), padding=SamePad(), bias=False, init=kn.init.ones)
    assert layer(x).tolist() == [[[1, 3, 5, 7]]]
    assert Conv(1, 1, (2,), padding="same", bias=False, init=kn.init.ones)(x).tolist() == [[[3, 5, 7, 4]]]
    assert MaxPool((2,), stride=1, padding=SamePad())(x).tolist() == [[[1, 2, 3, 4]]]


def test_scale():
    layer = Scale(5, 3, np.tanh)
    layer.scale[...] = RNG.normal(size=(5, 3))
    layer.bias[...] = 0.5
    np.testing.assert_allclose(layer(X), np.tanh(X * layer.scale.value + 0.5), rtol=1e-6)
    assert Scale(3, bias=False).bias is None and Scale(3, bias=[1.0, 2, 3])(X * 0)[0].tolist() == [1, 2, 3]
    with pytest.raises(kn.ShapeError, match=r"Scale: the last axes of x must be \(3,\)"):
        Scale(3)(X[:, :1])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_gruv3_is_the_cell_of_the_paper():
    """The reset gate multiplies the state before the product; GRU multiplies the product."""
    layer, cell = nn.GRUv3(3, 4), nn.GRUv3Cell(3, 4)
    for w, v in zip(kn.params(layer), kn.params(cell), strict=True):
        w[...] = RNG.normal(size=w.shape)
        v[...] = w.value
    wx, wh, bx, _ = [None if w is None else w.value for w in layer.weights[0]]
    h, ys = np.zeros((1, 4), "f4"), []
    for x in X:
        p = x @ wx + bx
        r, z = sigmoid(p[:4] + h @ wh[:, :4]), sigmoid(p[4:8] + h @ wh[:, 4:8])
        h = (1 - z) * np.tanh(p[8:] + (r * h) @ wh[:, 8:]) + z * h
        ys.append(h[0])
    np.testing.assert_allclose(layer(X), ys, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(nn.Recurrence(cell)(X), ys, rtol=1e-5, atol=1e-6)
    assert np.abs(layer(X) - nn.GRU(3, 4)(X)).max() > 0


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "GRUv3", "RNN"])
def test_a_cell_over_a_sequence_is_its_layer(kind):
    cell, layer = getattr(nn, kind + "Cell")(4), getattr(nn, kind)(4, return_state=True)
    x = RNG.normal(size=(2, 5, 3)).astype("f4")
    for w, v in zip(kn.params(nn.init_from(cell, x[:, 0])), kn.params(nn.init_from(layer, x)), strict=True):
        v[...] = w.value
    (ys, last), (wanted, state) = nn.Recurrence(cell, return_state=True)(x), layer(x)
    np.testing.assert_allclose(ys, wanted, rtol=1e-5, atol=1e-6)
    pairs = zip(last, state) if kind == "LSTM" else [(last, state)]
    assert all(np.allclose(a, b[0], atol=1e-6) for a, b in pairs)
    zero = nn.initialstates(cell, 2)
    assert np.array_equal(cell(x[:, 0], zero)[0], cell(x[:, 0])[0])


@pytest.mark.parametrize("make, x", [(lambda: Dense(3, 4), X), (lambda: Conv(2, 4, 3), RNG.normal(size=(1, 2, 5, 5)))])
def test_weight_norm_is_direction_and_length(make, x):
    layer, x = make(), x.astype("f4")
    y, norm = layer(x), WeightNorm(layer)
    np.testing.assert_allclose(norm(x), y, rtol=1e-5, atol=1e-6)
    assert {id(p) for p in kn.params(norm)} == {id(norm.v), id(norm.g), id(layer.bias)}
    norm.v[...] = norm.v.value * 3  # its length does not count
    np.testing.assert_allclose(norm(x), y, rtol=1e-5, atol=1e-6)
    norm.g[...] = norm.g.value * 2
    np.testing.assert_allclose(norm(x), 2 * y, rtol=1e-5, atol=1e-6)  # biases begin with 0
    plain = nn.remove_weight_norms(Chain(norm, kn.relu))[0]
    np.testing.assert_allclose(plain(x), norm(x), rtol=1e-5, atol=1e-6)
    assert type(plain) is type(layer) and len(kn.params(plain)) == 2


def test_weight_norm_needs_a_weight():
    with pytest.raises(TypeError, match="WeightNorm: Dense.* made at the first call"):
        WeightNorm(Dense(3))
    with pytest.raises(TypeError, match="WeightNorm: .* a Param named 'weights'"):
        WeightNorm(Dense(3, 2), "weights")


def test_parallel_is_flux():
    both = Parallel(np.add, a=Dense(3, 2), b=Dense(4, 2))
    a, b = X, np.ones((5, 4), "f4")
    np.testing.assert_array_equal(both(a, b), both["a"](a) + both["b"](b))
    np.testing.assert_array_equal(both((a, b)), both(a, b))
    three = Parallel(np.multiply, np.sin, np.cos, np.tanh)
    np.testing.assert_array_equal(three(X), np.sin(X) * np.cos(X) * np.tanh(X))
    with pytest.raises(ValueError, match="Parallel: it has 2 branches and was called with 3 inputs"):
        both(a, b, b)


def test_skip_connection_gets_the_result_first():
    assert SkipConnection(lambda x: x * 3, np.subtract)(2.0) == 4.0
    assert SkipConnection([np.square, np.negative])(3.0) == -6.0


def test_branches_may_come_in_a_dict():
    assert SkipConnection({"a": np.square, "b": np.negative})(3.0) == -6.0
    assert Maxout({"a": np.negative, "b": np.square})(3.0) == 9.0


def test_chains_are_indexed_named_joined():
    chain = Chain(a=Dense(3, 4), b=np.tanh, c=Dense(4, 2))
    assert chain["a"] is chain[0] and len(chain) == 3 and list(chain[:2].layers) == ["a", "b"]
    np.testing.assert_array_equal(chain[1:](chain[0](X)), chain(X))
    ys = activations(chain, X)
    assert [y.shape for y in ys] == [(5, 4), (5, 4), (5, 2)] and np.array_equal(ys[-1], chain(X))
    assert Chain([np.sin, np.cos])(0.5) == np.cos(np.sin(0.5)) and Chain()(X) is X


def test_dropout_layers_follow_the_training_mode_and_their_own():
    x = np.ones(1000, "f4")
    for layer in (nn.Dropout(0.5), nn.AlphaDropout(0.5)):
        assert np.array_equal(layer(x), x)
        with kn.training(True):
            assert not np.array_equal(layer(x), x)
            layer.active = False
            assert np.array_equal(layer(x), x)
        layer.active = True
        assert not np.array_equal(layer(x), x)
    with kn.training(True):
        whole = nn.Dropout(0.5, axis=(0, 1))(np.ones((4, 50, 3, 3), "f4"))
    assert all(len(np.unique(channel)) == 1 for channel in whole.reshape(200, 9))


def test_group_norm_of_one_group_and_of_all():
    x = RNG.normal(size=(2, 4, 5)).astype("f4")
    np.testing.assert_allclose(nn.GroupNorm(4, 4)(x), nn.InstanceNorm(4)(x), rtol=1e-5, atol=1e-6)


def test_parts_of_a_group_are_a_group_of_its_kind():
    for group in (Parallel(np.add, np.sin, np.cos, np.tan), nn.PairwiseFusion(np.add, np.sin, np.cos, np.tan)):
        part = group[1:]
        assert type(part) is type(group) and part.connection is np.add and tuple(part) == (np.cos, np.tan)
        assert group[-1] is np.tan and len(group) == 3
    named = nn.Maxout(np.sin, np.cos)[:1]
    assert named(0.5) == np.sin(0.5)
    with pytest.raises(IndexError, match="Maxout has no layer 5; it has 2"):
        nn.Maxout(np.sin, np.cos)[5]


def test_a_name_that_a_group_lacks_is_a_key():
    with pytest.raises(KeyError, match="Chain has no layer 'tail'; it has head"):
        nn.Chain(head=np.sin)["tail"]


def test_conv_of_weight_and_bias():
    x, w, b = RNG.normal(size=(2, 4, 5)), RNG.normal(size=(6, 2, 3)), np.arange(6.0)
    layer = Conv(w, b, kn.relu, groups=2)
    np.testing.assert_array_equal(layer(x), kn.relu(kn.conv(x, w, b, groups=2)))
    assert repr(layer) == "Conv(4 => 6, 3, relu, groups=2)" and Conv(w).bias.dtype == float
    back = nn.ConvTranspose(w, groups=2, stride=2)
    assert (back.inputs, back.outputs, back.window) == (6, 4, (3,)) and Conv(w, bias=False).bias is None
    p = kn.param(6, 2, 3)
    assert Conv(p).weight is p and Dense(np.ones((3, 2)))(np.ones((1, 3))).dtype == float


def test_dense_of_weight_and_bias():
    w, b = RNG.normal(size=(3, 2)).astype("f4"), np.array([1, 2], "f4")
    for layer in (Dense(w, b), Dense(w, bias=b), Dense(w, b, None)):
        np.testing.assert_allclose(layer(X[:, :3]), X[:, :3] @ w + b, rtol=1e-5)
    assert (Dense(w, b, kn.relu)(X[:, :3]) >= 0).all() and Dense(w, kn.relu).activation is kn.relu
    b = kn.param(2)
    assert Dense(w, b).bias is b


def test_embedding_of_one_hot_rows():
    for options in ({}, {"padding_index": 1}):
        layer, labels = nn.Embedding(5, 3, **options), np.array([[0, 4], [1, 2]])
        rows = kn.onehot(labels, 5)
        np.testing.assert_array_equal(layer(rows), layer(labels))
        g = kn.grad(lambda x, layer: np.square(1 + layer(x)).sum())
        np.testing.assert_allclose(g(rows, layer)[layer.weight], g(labels, layer)[layer.weight], rtol=1e-5)


def test_bags_as_lists_of_lists():
    layer = nn.EmbeddingBag(5, 3)
    np.testing.assert_array_equal(layer([[0, 4], [1], [2, 3, 3]]), layer([0, 4, 1, 2, 3, 3], [0, 2, 3]))
    np.testing.assert_array_equal(layer([[0, 4], [1, 2]]), layer(np.array([[0, 4], [1, 2]])))
    assert layer([[], [1]]).shape == (2, 3)


def test_layers_print_as_they_are_written():
    for layer in (
        nn.BatchNorm(3, kn.relu, momentum=0.5), nn.BatchNorm(3, track_stats=False), nn.BatchNorm(3, momentum=None),
        nn.InstanceNorm(3, track_stats=True), nn.Dropout(0.3, axis=1), nn.AlphaDropout(0.3), nn.Upsample(2),
        nn.Upsample((2, 3), "bilinear"), nn.Upsample(size=(4, 4)), nn.LayerNorm(3, bias=False), nn.Scale(3),
    ):  # fmt: skip
        again = eval(repr(layer), {**vars(nn), "relu": kn.relu})
        assert repr(again) == repr(layer) and type(again) is type(layer)
    assert repr(nn.Recurrence(nn.GRUCell(3, 2))) == "Recurrence(GRUCell(3 => 2))"
    assert repr(nn.LSTM(3, 2, return_state=True)) == "LSTM(3 => 2, return_state=True)"


def test_sizes_of_axes_in_a_tuple():
    assert nn.LayerNorm((4, 3)).scale.shape == nn.Scale((4, 3)).scale.shape == nn.RMSNorm((4, 3)).scale.shape == (4, 3)


@pytest.mark.parametrize(
    "layer",
    [
        Dense(3, 2, kn.relu), Dense(2), Conv(4, 3, padding="same"), nn.BatchNorm(3), nn.LSTM(3, 2, layers=2), Scale(3),
        nn.GRUCell(2), Chain(Dense(3, 2), np.tanh), Chain(a=Dense(3, 2)), Parallel(np.add, a=np.sin, b=np.cos),
        SkipConnection(np.sin), WeightNorm(Dense(3, 2)), nn.MultiHeadAttention(4, 2), nn.TransformerBlock(4, 2),
        nn.Embedding(4, 2), nn.Dropout(0.3), MaxPool(2),
    ],
)  # fmt: skip
def test_layers_are_replaced_as_dataclasses_are(layer):
    other = dataclasses.replace(layer)
    assert type(other) is type(layer) and repr(other) == repr(layer) and other is not layer
    assert all(p is q for p, q in zip(kn.params(other), kn.params(layer), strict=True))


def test_a_replaced_activation():
    layer = Dense(3, 2)
    other = dataclasses.replace(layer, activation=kn.relu)
    np.testing.assert_array_equal(other(X), kn.relu(layer(X)))
    assert dataclasses.replace(Chain(np.sin), layers=[np.cos])(0.0) == 1.0
    with pytest.raises(TypeError, match="Dense has no argument 'inputs'"):
        Dense(inputs=3, outputs=2)


@pytest.mark.parametrize(
    "layer, wrong, right",
    [
        (Conv(4, 3), (1, 8, 8), (6, 1, 8, 8)), (Conv(4, 3), (6, 8, 8, 1), (6, 1, 8, 8)),
        (nn.ConvTranspose(4, 3), (8, 8), (6, 1, 8, 8)), (nn.LSTM(4), (8,), (6, 7, 3)),
        (nn.GRU(4), (6, 1, 7, 3), (7, 3)),
    ],
)  # fmt: skip
def test_a_first_call_that_fails_leaves_the_layer_as_it_was(layer, wrong, right):
    before = repr(layer)
    with pytest.raises(kn.ShapeError):
        layer(np.ones(wrong, "f4"))
    assert repr(layer) == before and not kn.params(layer)
    layer(np.ones(right, "f4"))


def test_a_bias_that_was_given_stays_when_a_first_call_fails():
    layer = Dense(2, bias=[1.0, 2.0])
    bias = layer.bias
    with pytest.raises(kn.DtypeError):
        layer(np.ones((5, 3), int))
    assert layer.bias is bias and layer.weight is None
    assert layer(X).shape == (5, 2)


@pytest.mark.parametrize(
    "layer",
    [
        SkipConnection(Dense(3, 1)),
        Parallel(np.add, Dense(3, 1), Dense(3, 4)),
        nn.PairwiseFusion(np.add, Dense(3, 1), np.sin),
    ],
)
def test_a_sum_stretches_nothing(layer):
    kind = type(layer).__name__
    with pytest.raises(kn.ShapeError, match=rf"^{kind}: np.add would stretch one of \(5, 1\) and .* write lambda a, b"):
        layer(X)
    other = dataclasses.replace(layer, connection=lambda a, b: a + b)
    assert np.ndim(other(X)[-1]) and SkipConnection(Dense(3, 1), np.multiply)(X).shape == (5, 3)


@pytest.mark.parametrize("kind", [nn.BatchNorm, nn.InstanceNorm])
def test_what_norms_by_channels_begin_with(kind):
    x = RNG.normal(size=(2, 4, 5)).astype("f4")
    for layer in (kind(4, affine=True), kind(affine=True)):
        layer(x)
        assert layer.scale.value.tolist() == [1] * 4 and layer.bias.value.tolist() == [0] * 4
    for sizes in ((4,), ()):
        layer = kind(*sizes, affine=True, scale_init=kn.init.zeros, bias_init=kn.init.ones)
        np.testing.assert_array_equal(layer(x), np.ones_like(x))
        assert copy.deepcopy(layer).scale.shape == dataclasses.replace(layer).scale.shape == (4,)
