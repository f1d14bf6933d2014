"""Knet's spelling: the numbers of Knet's own documentation and tutorials, and its formulas written out in NumPy."""

import copy
import inspect

import numpy as np
import pytest

import knetpy as kn
from knetpy import knet
from knetpy.knet import conv4, deconv4, nll, pool, unpool


def close(found, wanted, rtol=1e-6, **options):
    np.testing.assert_allclose(found, wanted, rtol=rtol, **options)


def draw(*shape, seed=0, dtype=float):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def julia(*sizes):
    """Julia's reshape([1.0:n...], sizes), with its axes as we have them: the memory is the same."""
    return np.arange(1.0, 1 + np.prod(sizes)).reshape(sizes[::-1])


# --------------------------------------------------------------------- tutorial/50.cnn.ipynb, its outputs


def test_convolution_in_one_dimension():
    w, x = julia(3, 1, 1, 1), julia(7, 1, 1, 1)
    assert conv4(w, x).ravel().tolist() == [10, 16, 22, 28, 34]
    assert conv4(w, x, padding=(0, 1)).ravel().tolist() == [4, 10, 16, 22, 28, 34, 32]
    assert conv4(w, x, padding=(0, 1), stride=3).ravel().tolist() == [4, 22, 32]
    assert conv4(w, x, mode=1).ravel().tolist() == [14, 20, 26, 32, 38]


def test_convolution_in_two_dimensions():
    y = conv4(julia(2, 2, 1, 1), julia(3, 3, 1, 1))
    assert y[0, 0].T.tolist() == [[23, 53], [33, 63]]
    y = conv4(julia(2, 2, 2, 3), julia(3, 3, 2, 1))
    wanted = [[[328, 436], [364, 472]], [[808, 1108], [908, 1208]], [[1288, 1780], [1452, 1944]]]
    assert y[0].transpose(0, 2, 1).tolist() == wanted


def test_pooling():
    x = julia(6, 1, 1, 1)
    assert pool(x, window=(1, 2)).ravel().tolist() == [2, 4, 6]
    assert pool(x, window=(1, 3)).ravel().tolist() == [3, 6]
    assert pool(x, window=(1, 2), padding=(0, 1)).ravel().tolist() == [1, 3, 5, 6]
    assert pool(julia(10, 1, 1, 1), window=(1, 2), stride=4).ravel().tolist() == [2, 6, 10]
    assert pool(x, window=(1, 2), padding=(0, 1), mode=2).ravel().tolist() == [1, 2.5, 4.5, 6]
    assert pool(julia(4, 4, 2, 1))[0].transpose(0, 2, 1).tolist() == [[[6, 14], [8, 16]], [[22, 30], [24, 32]]]


# -------------------------------------------------------------------------------------------- operators


@pytest.mark.parametrize("mode", [0, 1])
def test_deconv4_is_the_transpose_of_conv4(mode):
    w, x = draw(4, 3, 2, 3), draw(2, 3, 7, 6, seed=1)
    how = {"padding": 1, "stride": 2, "mode": mode, "alpha": 3}
    dy = draw(*conv4(w, x, **how).shape, seed=2)
    dx = deconv4(w, dy, **how)
    close(np.sum(dx * x[:, :, :6, :5]), np.sum(dy * conv4(w, x[:, :, :6, :5], **how)))
    close(conv4(w, x, alpha=2), 2 * kn.conv(x, w, flip=True))
    assert conv4(draw(4, 1, 2, 2), draw(1, 2, 5, 5), group=2).shape == (1, 4, 4, 4)


@pytest.mark.parametrize("mode", range(4))
@pytest.mark.parametrize("how", [{}, {"padding": 1, "window": 3}, {"alpha": 4.0}], ids=str)
def test_pool_undoes_unpool(mode, how):
    x = np.abs(draw(2, 3, 4, 5)) + 1
    y = unpool(x, mode=mode, **how)
    close(pool(y, mode=mode, **how), x)
    assert kn.gradcheck(lambda x: unpool(x, mode=mode, **how), x, order=1)


def test_nan_in_pool():
    x = np.array([[[1.0, np.nan, 3.0, 2.0]]])
    assert np.isnan(pool(x)[0, 0, 0])
    assert pool(x, maxpoolingNanOpt=0)[0, 0].tolist() == [1, 3]


def test_mat_has_the_shapes_of_its_documentation():
    x = np.zeros((3, 2, 8, 8))  # Julia's (8, 8, 2, 3)
    sizes = {None: (128, 3), 4: (384, 1), 2: (64, 6), 1: (8, 48), 0: (1, 384)}
    assert {dims: knet.mat(x, dims=dims).shape[::-1] for dims in sizes} == sizes


def test_bmm_and_elementwise():
    a, b = draw(2, 3, 4), draw(2, 5, 4, seed=1)
    close(knet.bmm(a, b, transB=True), a @ b.swapaxes(1, 2))
    close(knet.bmm(a, b.transpose(0, 2, 1)), a @ b.swapaxes(1, 2))
    x = draw(7)
    close(knet.sigm(x), 1 / (1 + np.exp(-x)))
    close(knet.relu(x), np.maximum(x, 0))
    close(knet.elu(x), np.where(x > 0, x, np.exp(x) - 1))
    close(knet.selu(x), 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543778 * (np.exp(x) - 1)))
    close(knet.invx(x), 1 / x)
    assert knet.tanh is np.tanh and kn.gradcheck(knet.invx, x + 3)


@pytest.mark.parametrize("dims", [None, 1, 2, (1, 2), [2]], ids=str)
def test_softmax_over_the_axes_of_julia(dims):
    x = draw(2, 3, 4)
    axis = None if dims is None else tuple(-d for d in np.atleast_1d(dims))
    total = np.sum(np.exp(x), axis=axis, keepdims=True)
    close(knet.softmax(x, dims=dims), np.exp(x) / total)
    close(knet.logp(x, dims=dims), x - np.log(total))
    found = knet.logsumexp(x, dims=dims)
    close(found, np.log(total.squeeze() if dims is None else total))
    assert knet.logp is knet.logsoftmax


def test_dropout_drops_in_training_only():
    x = np.ones((50, 50))
    assert (knet.dropout(x, 0.5) == 1).all()
    assert (kn.grad(lambda x: knet.dropout(x, 0.5, drop=False).sum())(x) == 1).all()
    assert set(np.unique(kn.grad(lambda x: knet.dropout(x, 0.5).sum())(x))) == {0, 2}
    before = kn.random.state()
    first, again, other = [knet.dropout(x, 0.3, seed=seed, drop=True) for seed in (1, 1, 2)]
    assert (first == again).all() and not (first == other).all() and kn.random.state() == before
    close((first == 0).mean(), 0.3, rtol=0.1)


# ------------------------------------------------------------------------------------------------ losses


def test_nll_by_its_formula():
    scores = draw(4, 3)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    close(nll(scores, [1, 3, 2, 3]), -np.mean([logs[0, 0], logs[1, 2], logs[2, 1], logs[3, 2]]))
    total, count = nll(scores, [1, 0, 0, 3], average=False)
    close(total, -(logs[0, 0] + logs[3, 2]))
    assert count == 2
    close(nll(scores.T, [1, 0, 0, 3], dims=2), total / 2)
    close(nll(scores, np.array([[1, 3], [2, 3]], np.uint8)), nll(scores, [1, 3, 2, 3]))
    assert (kn.grad(lambda s: nll(s, [1, 0, 0, 3]))(scores)[1:3] == 0).all()


def test_documented_example_of_nll():
    """Knet's documentation says 2.1657e-5, which these rounded scores do not give: log(1 + e^-10.2 + e^-12.2) / 2."""
    scores = np.array([[12.2, 2.0, 0.0], [0.3, 21.5, -21.0]])
    close(nll(scores, [1, 2]), (np.log1p(np.exp(-10.2) + np.exp(-12.2)) + np.log1p(np.exp(-21.2))) / 2)
    close(nll(scores, [1, 2]), 2.1657e-5, rtol=0.03)


def test_labels_from_0_are_warned_of():
    """Each class but the last, and 0: of a vector of many labels they are from 0. Rows of labels may well be masked."""
    scores, labels = draw(40, 4), np.arange(40) % 4
    for f in (nll, knet.accuracy, knet.zeroone):
        with pytest.warns(UserWarning, match=f"{f.__name__}: labels hold each number from 0 to 3 and no 4"):
            f(scores, labels)
        with pytest.warns(UserWarning, match="write labels [+] 1"):
            f(lambda x: x, data=[(scores, labels)])
    nll(scores, labels + 1)
    nll(scores, labels.reshape(10, 4))
    nll(scores[:39], labels[:39])
    nll(scores, np.where(labels == 2, 0, labels))
    nll(scores, np.where(np.arange(40) == 5, 4, labels))
    nll(draw(40, 1), labels * 0)


def test_accuracy_and_zeroone():
    scores = np.array([[3.0, 1, 2], [1, 3, 2], [1, 2, 3], [3, 2, 1]])
    assert knet.accuracy(scores, [1, 1, 3, 0]) == 2 / 3
    assert knet.accuracy(scores, [1, 1, 3, 0], average=False) == (2, 3)
    assert knet.accuracy(scores.T, [1, 1, 3, 0], dims=2) == 2 / 3
    assert knet.zeroone(scores, [1, 1, 3, 0]) == 1 - 2 / 3
    assert np.isnan(knet.accuracy(scores, [0] * 4)) and knet.accuracy(scores, [0] * 4, average=False) == (0, 0)


def test_losses_of_a_model_and_data():
    x, y = draw(10, 3), np.array([1, 2, 3, 0, 1, 2, 3, 0, 1, 2])
    data = knet.minibatch(x, y, 3, partial=True, xtype=float)
    for f in (nll, knet.accuracy, knet.zeroone):
        assert f(lambda x: x, data) == f(lambda x: x, data=data)
        close(f(lambda x: x, data), f(x, y))
    assert nll(lambda x: x, data, average=False)[1] == 8
    assert np.isnan(nll(lambda x: x, data=[]))


def test_losses_of_yes_and_no():
    s, y = draw(6), np.array([1, -1, 1, 1, -1, -1])
    close(knet.logistic(s, y), np.mean(np.log1p(np.exp(-y * s))))
    close(knet.bce(s, (y + 1) // 2), knet.logistic(s, y))
    total, count = knet.bce(s, (y + 1) // 2, average=False)
    close(total / count, knet.logistic(s, y))
    close(knet.logistic(np.array([1e4]), np.array([-1])), 1e4)


# ------------------------------------------------------------------------------------- batch normalisation


def test_batchnorm_keeps_the_biased_variance():
    moments, params = knet.bnmoments(), np.r_[1.5, 2.0, -1.0, 1.0]
    x, mean, var = None, np.zeros(2), np.ones(2)
    for step in range(3):
        x = draw(4, 2, 3, 3, seed=step)
        y = knet.batchnorm(x, moments, params, training=True)
        m, v = x.mean((0, 2, 3)), x.var((0, 2, 3))
        mean, var = 0.9 * mean + 0.1 * m, 0.9 * var + 0.1 * v
        wide = (slice(None), None, None)
        close(y, (x - m[wide]) / np.sqrt(v + 1e-5)[wide] * params[:2][wide] + params[2:][wide], atol=1e-12)
    close(moments.mean, mean)
    close(moments.var, var)
    close(knet.batchnorm(x, moments), (x - mean[wide]) / np.sqrt(var + 1e-5)[wide])
    assert copy.deepcopy(moments).biased and not kn.Moments().biased


def test_batchnorm_trains_only_inside_of_a_gradient():
    moments, p = knet.bnmoments(mean=np.zeros(2, "f4"), var=np.ones(2, "f4")), knet.param(knet.bnparams(2))
    x = draw(5, 2, dtype="f4")
    knet.batchnorm(x, moments, p)
    assert moments.count == 0
    g = kn.grad(lambda: (knet.batchnorm(x, moments, p) ** 2).sum())()
    assert moments.count == 1 and g[p].shape == (4,)
    with pytest.raises(TypeError, match="outside of training it needs moments"):
        knet.batchnorm(x)


# ------------------------------------------------------------------------------------- recurrent networks


def sigm(x):
    return 1 / (1 + np.exp(-x))


def by_hand(r, x, layer=1, backward=False, h=0.0, c=0.0):
    """The outputs of one layer and direction, x (B, T, I), by the formulas of Knet's documentation."""

    def part(id, par):
        return knet.rnnparam(r, layer, id, par)

    gates, kind, ys = {"lstm": 4, "gru": 3}.get(r.rnnType, 1), r.rnnType, []
    h, ids = np.zeros((len(x), r.hiddenSize)) + h, range(1, gates + 1)
    for t in reversed(range(x.shape[1])) if backward else range(x.shape[1]):
        xs, hs = (
            [rows if matrix is None else rows @ matrix for matrix in matrices]
            for rows, matrices in ((x[:, t], [part(k, 1) for k in ids]), (h, [part(gates + k, 1) for k in ids]))
        )
        xs, hs = [[a + part(k + n, 2) for a, k in zip(sums, ids)] for n, sums in ((0, xs), (gates, hs))]
        if kind == "lstm":
            i, f, n, o = [act(a + b) for act, a, b in zip((sigm, sigm, np.tanh, sigm), xs, hs)]
            c = f * c + i * n
            h = o * np.tanh(c)
        elif kind == "gru":
            reset, i = sigm(xs[0] + hs[0]), sigm(xs[1] + hs[1])
            h = (1 - i) * np.tanh(xs[2] + reset * hs[2]) + i * h
        else:
            h = (np.tanh if kind == "tanh" else kn.relu)(xs[0] + hs[0])
        ys.append(h)
    return np.stack(ys[::-1] if backward else ys, 1)


def made(*args, **options):
    return knet.RNN(*args, atype=float, binit=kn.init.gaussian, **options)


@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh", "relu"])
@pytest.mark.parametrize("skip", [False, True])
def test_recurrent_layers_by_their_formulas(kind, skip):
    kn.seed(3)
    r, x = made(5, 5, rnnType=kind, skipInput=skip), draw(2, 4, 5)
    close(r(x), by_hand(r, x))
    two, x = made(5, 5, rnnType=kind, numLayers=2, skipInput=skip), draw(2, 4, 5)
    close(two(x), by_hand(two, by_hand(two, x), layer=2))
    both = made(5, 5, rnnType=kind, bidirectional=True, skipInput=skip)
    close(both(x), np.concatenate([by_hand(both, x), by_hand(both, x, 2, backward=True)], 2))
    assert kn.gradcheck(lambda x: r(x), x, order=1)
    assert knet.rnnparam(r, 1, 1, 1) is None if skip else knet.rnnparam(r, 1, 1, 1).shape == (5, 5)


def test_axes_of_x_and_of_y():
    r, x = made(3, 5), draw(2, 4, 3)
    assert r(x).shape == (2, 4, 5)
    close(r(x[:, 0]), r(x)[:, 0])
    close(r(x[0, 0]), r(x)[0, 0])


def test_what_a_state_of_none_and_0_means():
    x = draw(2, 4, 3)
    r = made(3, 5)
    once = r(x)
    assert r.h is None and r.c is None
    close(r(x), once)
    r.h = r.c = 0
    close(r(x), once)
    close(r.h[0], once[:, -1])
    assert abs(r(x) - once).max() > 0.01
    halves, r2 = [], copy.deepcopy(r)
    r.h = r.c = r2.h = r2.c = 0
    halves = [r(x[:, :2]), r(x[:, 2:])]
    close(np.concatenate(halves, 1), r2(x))
    close(r.c, r2.c)
    r.h, r.c = r2.h, r2.c
    close(r(x), r2(x))


def test_states_inside_of_a_loss():
    """Two calls in one loss are one longer sequence, to the gradient too; after it the state is a plain array."""
    x = draw(2, 4, 3)
    r, whole = made(3, 5, h=0, c=0), None
    whole = copy.deepcopy(r)

    def loss():
        r(x[:, :2])
        return (r(x[:, 2:]) ** 2).sum()

    g = kn.grad(loss)()
    wanted = kn.grad(lambda: (whole(x)[:, 2:] ** 2).sum())()
    for a, b in zip(r.w[0], whole.w[0]):
        close(g[a], wanted[b])
    assert type(r.h) is np.ndarray
    close(r.h, whole.h)
    for value in kn.minimize(lambda x: (r(x) ** 2).sum(), [x, x, x], kn.SGD(0.01)):
        assert type(r.c) is np.ndarray and np.isfinite(value)


def test_a_state_goes_from_one_network_to_the_other():
    encoder, decoder, x = made(3, 5, h=0, c=0), made(3, 5), draw(2, 4, 3)

    def loss():
        encoder.h = encoder.c = 0
        encoder(x)
        decoder.h, decoder.c = encoder.h, encoder.c
        return decoder(x).sum()

    g = kn.grad(loss)()
    wanted = kn.grad(lambda: kn.lstm(x, decoder.w, kn.lstm(x, encoder.w)[1])[0].sum())()
    for w in encoder.w[0] + decoder.w[0]:
        close(g[w], wanted[w], atol=1e-12)


def test_a_failed_loss_leaves_the_state_alone():
    r, x = made(3, 5, h=0, c=0), draw(2, 4, 3)
    r(x)
    before = r.h

    def loss():
        r(x)
        raise KeyError

    with pytest.raises(KeyError):
        kn.grad(loss)()
    assert r.h is before
    r(x)


def test_a_param_as_state_is_learnt():
    h = kn.param(np.zeros((1, 2, 5)))
    r, x = made(3, 5, rnnType="tanh", h=h), draw(2, 4, 3)
    assert any(p is h for p in kn.params(r))
    g = kn.grad(lambda: r(x).sum())()
    assert abs(g[h]).max() > 0 and type(r.h) is np.ndarray


def test_a_state_cannot_be_replayed():
    r, x = made(3, 5, h=0, c=0), draw(2, 4, 3)
    with pytest.raises(TypeError, match="checkpoint"):
        kn.grad(lambda: kn.checkpoint(lambda: r(x).sum())())()
    with pytest.raises(TypeError, match="gradcheck"):
        kn.gradcheck(lambda x: r(x), x)
    r.h = r.c = None
    kn.grad(lambda: kn.checkpoint(lambda: r(x).sum())())()


@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh", "relu"])
def test_states_of_every_layer_and_direction(kind):
    """What begins each, and what each ends with, lie in the order of rnnparam's layers."""
    r, x = made(5, 5, rnnType=kind, numLayers=2, bidirectional=True), draw(2, 4, 5)
    h, c = draw(4, 2, 5, seed=1), draw(4, 2, 5, seed=2) if kind == "lstm" else None
    y, hy, cy, _ = knet.rnnforw(r, r.w, x, h, c)
    for layer in (1, 3):
        c0, c1 = (c[layer - 1], c[layer]) if kind == "lstm" else (0.0, 0.0)
        there = by_hand(r, x, layer, h=h[layer - 1], c=c0)
        back = by_hand(r, x, layer + 1, backward=True, h=h[layer], c=c1)
        close(hy[layer - 1], there[:, -1])
        close(hy[layer], back[:, 0])
        x = np.concatenate([there, back], 2)
    close(y, x)
    assert (cy is None) == (kind != "lstm")


def test_params_of_a_network():
    r = knet.RNN(3, 5, numLayers=2, bidirectional=True)
    shapes = [w.shape for w in knet.rnnparams(r)]
    assert len(shapes) == 2 * 4 * 8 and shapes[:8] == [(3, 5)] * 4 + [(5, 5)] * 4
    assert shapes[16:20] == [(10, 5)] * 4 and set(shapes[32:]) == {(5,)}
    assert sum(p.size for p in kn.params(r)) == sum(np.prod(s) for s in shapes)
    for layer in range(1, 5):
        assert [knet.rnnparam(r, layer, id, 2).mean() for id in range(1, 9)] == [0, 1, 0, 0] * 2
    assert abs(knet.rnnparam(r, 1, 1, 1)).max() <= np.sqrt(6 / 8)
    assert repr(r) == "LSTM(input=3,hidden=5,bidirectional,layers=2)"
    assert repr(knet.RNN(3, 3, rnnType="relu", dropout=0.5, skipInput=True)) == (
        "RNNRELU(input=3,hidden=3,dropout=0.5,skipinput)"
    )
    assert repr(made(3, 5)) == "LSTM(input=3,hidden=5,float64)"


def test_dropout_of_a_network_begins_at_its_input():
    r = made(3, 5, dropout=1.0, rnnType="tanh")
    x = draw(2, 4, 3)
    dropped = kn.value(kn.tape(lambda: r(x)[0, 0, 0]))
    close(dropped, r(np.zeros_like(x))[0, 0, 0])
    assert r(x)[0, 0, 0] != dropped


def test_weights_as_arguments():
    x = draw(2, 4, 3)
    r, w = knet.rnninit(3, 5, atype=float)
    y, hy, cy, _ = knet.rnnforw(r, w, x)
    close(y, r(x))
    assert hy is None and cy is None
    _, hy, cy, _ = knet.rnnforw(r, w, x[:, :2], hy=True, cy=True)
    close(knet.rnnforw(r, w, x[:, 2:], hy, cy)[0], y[:, 2:])
    assert kn.gradcheck(lambda w: knet.rnnforw(r, w, x)[0], w, order=1)
    assert knet.rnnforw(r, w, x[0, 0])[0].shape == (5,)


# ----------------------------------------------------------------------------------------------- optimizers

DEFAULTS = {
    "SGD": {"lr": 0.1},
    "Momentum": {"lr": 0.05, "gamma": 0.95},
    "Nesterov": {"lr": 0.05, "gamma": 0.95},
    "Adagrad": {"lr": 0.05, "eps": 1e-6},
    "Rmsprop": {"lr": 0.01, "rho": 0.9, "eps": 1e-6},
    "Adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6},
    "Adam": {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
}


def formulas(rule, w, g, s, t, lr, gamma=0.0, rho=0.0, eps=0.0, beta1=0.0, beta2=0.0):
    """One step of Knet's, as its documentation has it; s is what is remembered, at first zeros."""
    if rule == "SGD":
        return w - lr * g
    if rule == "Momentum":
        s["v"] = gamma * s["v"] - lr * g
        return w + s["v"]
    if rule == "Nesterov":
        w = w - gamma * s["v"]
        s["v"] = gamma * s["v"] - lr * g
        return w + (1 + gamma) * s["v"]
    if rule == "Adagrad":
        s["G"] = s["G"] + g**2
        return w - lr * g / np.sqrt(s["G"] + eps)
    if rule == "Rmsprop":
        s["G"] = rho * s["G"] + (1 - rho) * g**2
        return w - lr * g / np.sqrt(s["G"] + eps)
    if rule == "Adadelta":
        s["G"] = rho * s["G"] + (1 - rho) * g**2
        step = np.sqrt(s["v"] + eps) * g / np.sqrt(s["G"] + eps)
        s["v"] = rho * s["v"] + (1 - rho) * step**2
        return w - lr * step
    s["v"] = beta1 * s["v"] + (1 - beta1) * g
    s["G"] = beta2 * s["G"] + (1 - beta2) * g**2
    return w - lr / (np.sqrt(s["G"] / (1 - beta2**t)) + eps) * s["v"] / (1 - beta1**t)


@pytest.mark.parametrize("gclip", [0, 0.5])
@pytest.mark.parametrize("rule", DEFAULTS)
def test_rules_by_their_formulas(rule, gclip):
    opt, w, state = getattr(knet, rule)(gclip=gclip), draw(4, 3), {"v": 0.0, "G": 0.0}
    p, small = w.copy(), np.zeros(2)
    for t in range(1, 6):
        g = draw(4, 3, seed=t)
        knet.update([p, small], [g, np.full(2, 1e-3)], opt)  # each is clipped by itself
        length = np.linalg.norm(g)
        w = formulas(rule, w, g * min(1, gclip / length) if gclip else g, state, t, **DEFAULTS[rule])
        close(p, w, rtol=1e-12)
    assert abs(small).min() > 0


@pytest.mark.parametrize("rule", DEFAULTS)
def test_defaults_of_rules_and_their_iterators(rule):
    opt, iterator = getattr(knet, rule), getattr(knet, rule.lower())
    wanted = {**DEFAULTS[rule], "gclip": 0}
    assert {k: p.default for k, p in inspect.signature(opt).parameters.items()} == wanted
    given = inspect.signature(iterator).parameters.items()
    assert {k: p.default for k, p in given if k not in ("f", "data", "params")} == wanted
    made, w = iterator(lambda x: x, [], lr=0.5, gclip=2), kn.param([1.0])
    assert made.opt.lr == 0.5 and made.opt.gclip == 2 and type(made.opt) is opt
    assert repr(copy.copy(made.opt)) == repr(made.opt)
    first, second = iterator(lambda x: (w * x).sum(), [2.0, 2.0])
    assert first == 2 > second
    frozen = kn.param([1.0])
    for _ in iterator(lambda x: (w * frozen * x).sum(), [2.0], params=[w]):
        pass
    assert frozen.value == 1


def test_update_takes_what_knet_takes():
    w = [np.ones(2), (np.ones(1), {"b": np.ones(3)})]
    g = [np.ones(2), (np.ones(1), {"b": None})]
    knet.update(w, g)
    close(w[0], 0.9)
    knet.update(w, g, lr=1.0, gclip=1.0)
    close(w[0], 0.9 - 1 / np.sqrt(2))
    opts = knet.optimizers(w, knet.Momentum, lr=0.5)
    for _ in range(2):
        knet.update(w, g, opts)
    close(w[1][0], -0.1 - 0.5 - 0.975)
    assert (w[1][1]["b"] == 1).all() and len(opts[0].states) == 1
    p = kn.param([1.0])
    knet.update(p, None)
    assert p.version == 0
    with pytest.raises(TypeError, match="update: w, g and p must have one structure"):
        knet.update(w, g, [knet.SGD()])


@pytest.mark.parametrize("rule", DEFAULTS)
def test_mistakes_in_iterators_are_told_in_their_words(rule):
    name = rule.lower()
    iterator = getattr(knet, name)
    with pytest.raises(TypeError, match=f"{name}: f must be a function, got int; write {name}"):
        iterator(1, [])
    with pytest.raises(TypeError, match=f"{name}: data must be an iterable"):
        iterator(np.sum, 1)
    with pytest.raises(ValueError, match=f"{name}: lr must be at least 0"):
        iterator(np.sum, [], lr=-1)


# ----------------------------------------------------------------------------------- gradients, data, search


def test_documented_example_of_diff():
    x = knet.Param(np.array([1.0, 2, 3]))
    y = knet.diff(lambda: (x * x).sum())
    assert knet.value(y) == 14 and knet.params(y) == [x]
    assert knet.grad(y, x).tolist() == [2, 4, 6]
    assert knet.grad(y, knet.param(3)) is None
    assert knet.grad(lambda x: (x * x).sum())(np.array([1.0, 2, 3])).tolist() == [2, 4, 6]
    assert knet.gradloss(lambda x, y: (x * y).sum(), 2)(np.ones(2), np.full(2, 3.0))[0].tolist() == [1, 1]


def test_the_older_style():
    """Weights in a list, grad of the loss by its first argument, update! for all."""
    x, y = draw(20, 3), draw(20, 1, seed=1)
    w = [np.zeros((3, 1)), np.zeros(1)]

    def loss(w, x, y):
        return np.mean((x @ w[0] + w[1] - y) ** 2)

    gradient, before = knet.grad(loss), loss(w, x, y)
    for _ in range(50):
        knet.update(w, gradient(w, x, y), lr=0.2)
    close(loss(w, x, y), np.mean((np.c_[x, np.ones(20)] @ np.linalg.lstsq(np.c_[x, np.ones(20)], y)[0] - y) ** 2), 1e-3)
    assert loss(w, x, y) < before


def test_params_of_lists():
    w = knet.Param([1, 2, 3])
    assert w.dtype == np.float32 and knet.grad(knet.diff(lambda: (w * w).sum()), w).tolist() == [2, 4, 6]
    assert knet.Param(np.array([1.0])).dtype == float and "norm=3.742" in repr(w)


def test_arguments_are_counted_from_1():
    x = np.ones(2)
    for f, name in ((knet.grad, "grad"), (knet.gradloss, "gradloss")):
        assert f(lambda a, b, c=1.0: (a * b * c).sum(), 2).__name__ == ("<lambda>" if f is knet.grad else "gradient")
        with pytest.raises(TypeError, match=f"{name}: argnum is 3, but <lambda> got 2 arguments by position"):
            f(lambda a, b: (a * b).sum(), 3)(x, x)


def test_gcheck_checks_params():
    w = knet.param(draw(3), atype=float)
    wrong = kn.primitive(lambda x: x**3, name="cube", x=lambda dy, x: dy * 2 * x**2)
    assert knet.gcheck(lambda x, k=1: (w * x).sum() * k, draw(3), kw={"k": 2}) is True
    assert knet.gcheck(lambda: wrong(w).sum()) is False


def test_minibatch_and_what_goes_around_it():
    x, y = np.arange(20).reshape(5, 4), np.arange(1, 6)
    data = knet.minibatch(x, y, 2, xsize=(-1, 1, 2, 2), ysize=(5, 1), xtype=np.float64)
    assert len(data) == 2 and [(a.shape, a.dtype, b.shape) for a, b in data] == [((2, 1, 2, 2), float, (2, 1))] * 2
    assert len(list(knet.repeat(data, 3))) == 6 and len(list(knet.take(knet.cycle(data), 5))) == 5
    assert [a.shape for a in knet.minibatch(x, 3, partial=True)] == [(3, 4), (2, 4)]
    epochs = [np.concatenate([b for _, b in knet.minibatch(x, y, 1, shuffle=True)]) for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == y.tolist()


def test_params_and_their_values():
    assert knet.param(np.array([1, 2])).dtype == np.float32 and knet.param0(2, 3).shape == (2, 3)
    assert knet.param(4, 3, atype=np.float64).dtype == np.float64
    assert abs(knet.param(30, 20).value).max() <= np.sqrt(6 / 50)
    knet.setseed(1)
    first = knet.param(5, init=knet.gaussian).value
    knet.setseed(1)
    assert (knet.param(5, init=knet.gaussian).value == first).all()


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_bilinear_by_its_formula(factor):
    size, center = 2 * factor - factor % 2, factor - 1 if factor % 2 else factor - 0.5
    line = 1 - abs(np.arange(size) - center) / factor
    w = knet.bilinear(np.float64, factor, factor, 2, 2)
    close(w[1, 1], np.outer(line, line))
    assert (w[0, 1] == 0).all()
    x = np.ones((1, 2, 6, 6))
    close(deconv4(w, x, stride=factor, padding=factor // 2)[..., factor:-factor, factor:-factor], 1)


def test_progress_with_a_message(monkeypatch):
    """As in Knet's notebook 80: the message is asked of the first and the last item, and of every so many."""
    from knetpy.knet import loops

    shown = []

    class Bar:
        disable = False

        def __init__(self, *_):
            pass

        __enter__ = lambda self: self
        __exit__ = update = lambda *_: None

        def set_postfix_str(self, text, refresh=True):
            shown.append(text)

    monkeypatch.setattr(loops, "bar", Bar)
    items = knet.progress(lambda p: f"{p.curriter}: {p.currval}", "abcdefgh", steps=3)
    assert len(items) == 8 and "".join(items) == "abcdefgh"
    assert shown == ["1: a", "4: d", "7: g", "8: h"]
    shown.clear()
    assert "".join(items) == "abcdefgh" and len(shown) == 4
    clock = iter(range(0, 100, 4))
    monkeypatch.setattr(loops, "time", lambda: next(clock) / 10)
    shown.clear()
    list(knet.progress(lambda p: p.currval, [1, 2, 3, 4, 5], seconds=0.7))
    assert shown == ["1", "3", "5"]
    Bar.disable = True
    shown.clear()
    assert list(knet.progress(lambda p: 1 / 0, [1, 2])) == [1, 2] and not shown
    assert list(knet.progress([1, 2])) == [1, 2]


def test_converge_and_search():
    w = kn.param([3.0])
    losses = list(knet.converge(knet.sgd(lambda x: ((w - x) ** 2).sum(), knet.cycle([1.0]), lr=0.1)))
    assert losses[-1] < 1e-3
    assert knet.goldensection(lambda x: (x[0] - 1) ** 2, 1, dxmin=1e-3)[0] < 1e-4
    assert knet.hyperband(lambda: 1.0, lambda config, n: 1 / n)[1] == 27


# --------------------------------------------------------------------------------------------- what is told

MISTAKES = {
    "conv4: mode must be 0 or 1, got 2": lambda: conv4(draw(1, 1, 2), draw(1, 1, 4), mode=2),
    "conv4: w expects 3 channels": lambda: conv4(draw(4, 3, 2, 2), draw(1, 2, 5, 5)),
    "or group=": lambda: conv4(draw(4, 3, 2, 2), draw(1, 2, 5, 5)),
    "deconv4: stride must be an integer": lambda: deconv4(draw(1, 1, 2), draw(1, 1, 4), stride="a"),
    "pool: mode must be 0 or 1 or 2 or 3, got 'max'": lambda: pool(draw(1, 1, 4), mode="max"),
    "unpool: alpha must not be 0": lambda: unpool(draw(1, 1, 4), alpha=0),
    "mat: dims must be from 0 to 2": lambda: knet.mat(draw(2, 3), dims=3),
    "bmm: A and B must have equally many axes": lambda: knet.bmm(draw(2, 3), draw(2, 3, 4)),
    "see transA= and transB=": lambda: knet.bmm(draw(2, 3, 4), draw(2, 3, 4)),
    "softmax: dims must be from 1, the last axis, to 2": lambda: knet.softmax(draw(2, 3), dims=0),
    "nll: labels run from 1 to 3, and 0 is passed over; got 4": lambda: nll(draw(2, 3), [1, 4]),
    "nll: labels run from 1 to 3, and 0 is passed over; got -1": lambda: nll(draw(2, 3), [1, -1]),
    "accuracy: labels must be integers": lambda: knet.accuracy(draw(2, 3), [1.0, 2.0]),
    "nll: dims must be 1 or 2, got 3": lambda: nll(draw(2, 3), [1, 2], dims=3),
    "nll: with a model goes its data": lambda: nll(lambda x: x, draw(2, 3)),
    "nll: it takes scores and labels, or a model": lambda: nll(draw(2, 3), data=[]),
    "dropout: seed must be at least 0": lambda: knet.dropout(draw(3), 0.5, seed=-1),
    "batchnorm: params must be a vector": lambda: knet.batchnorm(draw(3, 2), params=draw(2), training=True),
    "bnmoments has no argument 'meaninit'": lambda: knet.bnmoments(meaninit=np.zeros),
    "bnmoments: momentum must be": lambda: knet.bnmoments(momentum=2),
    'RNN: rnnType must be one of "relu", "tanh", "lstm", "gru", got': lambda: knet.RNN(3, 5, rnnType=":lstm"),
    "RNN: with skipInput=True inputSize must be hiddenSize, got 3 and 5": lambda: knet.RNN(3, 5, skipInput=True),
    "RNN has no argument 'batchSize'": lambda: knet.RNN(3, 5, batchSize=2),
    "RNN: atype must be float16, float32 or float64, got int64": lambda: knet.RNN(3, 5, atype=int),
    "RNN: winit must be a function of the sizes and dtype=": lambda: knet.RNN(3, 5, winit=3),
    "RNN: finit must be a function of the sizes and dtype=": lambda: knet.RNN(3, 5, finit=1),
    "did you mean kn.lstm(x, r.w, lengths=...)? It takes x": lambda: knet.RNN(3, 5)(draw(2, 3), batchSizes=[1, 1]),
    "rnninit: hiddenSize is missing": lambda: knet.rnninit(3),
    "rnninit: dropout must be": lambda: knet.rnninit(3, 5, dropout=2),
    "RNN: x must be (I,), (B, I) or (B, T, I) with I = 3, got (2, 4)": lambda: knet.RNN(3, 5)(draw(2, 4)),
    "RNN: h must be None, 0 or (layers, B, hiddenSize) = (1, 2, 5), got (3, 5)": lambda: knet.RNN(
        3, 5, h=draw(3, 5), atype=float
    )(draw(2, 3)),
    "rnnparam: id must be from 1 to 8": lambda: knet.rnnparam(knet.RNN(3, 5), 1, 9, 1),
    "rnnparams: r must be an RNN": lambda: knet.rnnparams(1),
    "Adam has no setting 'beta'": lambda: knet.Adam(beta=1),
    "SGD: gclip must be at least 0": lambda: knet.SGD(gclip=-1),
    "sgd has no argument 'learning_rate'": lambda: knet.sgd(np.sum, [], learning_rate=1),
    "optimizers: otype must be the class of a rule": lambda: knet.optimizers([draw(2)], knet.Adam()),
    "accuracy(lambda x: predict(w, x), data=batches)": lambda: knet.accuracy([], [], np.dot),
    "sigm: x must be an array": lambda: knet.sigm("a"),
    "setseed: n must be an integer": lambda: knet.setseed("a"),
    "diff: @diff f(x) is diff(f, x)": lambda: knet.diff(1.0),
    "write grad(f)(x, y)": lambda: knet.grad(np.dot, 1.0, 2.0),
    "grad: argnum must be an integer from 1, got ndarray; the": lambda: knet.grad(np.sum, draw(3)),
    "gradloss: f must be a function, got int": lambda: knet.gradloss(1),
    "grad: with what diff returned goes a Param, grad(J, w)": lambda: knet.grad(knet.diff(knet.param(1).sum)),
    "gcheck: f must be a function": lambda: knet.gcheck(1),
    "update: p must be an optimizer, such as Adam(), or a container of them like w, got the class SGD": lambda: (
        knet.update([draw(2)], [draw(2)], knet.SGD)
    ),
    "update: p must be an optimizer, such as Adam(), or a container of them like w, got 3": lambda: knet.update(
        [draw(2)], [draw(2)], 3
    ),
    "J = diff(loss, x, y), then update(model, J); grad(loss) is by an argument; got ndarray": lambda: knet.update(
        np.sum, draw(2)
    ),
    "progress: it takes a function and an iterable": lambda: knet.progress([1], np.sum),
    "progress: steps must be at least 0": lambda: knet.progress(np.sum, [1], steps=-1),
    "an optimizer remembers its state by Param": lambda: knet.param(1).opt,
    "grad: argnum must be at least 1, got 0": lambda: knet.grad(np.sum, 0),
    "gcheck: rtol must be": lambda: knet.gcheck(np.sum, rtol=-1),
    "minibatch: xsize (-1, 7) does not fit x of shape (4, 6)": lambda: knet.minibatch(draw(4, 6), 2, xsize=(-1, 7)),
    "minibatch: ytype and ysize are for y, and there is none": lambda: knet.minibatch(draw(4, 6), 2, ysize=(2, 3)),
    "Param takes a bare array; kn.param(p) makes": lambda: knet.Param(knet.param(2)),
    "write kn.update(w, g, opt)": lambda: knet.Param(draw(2), knet.Adam()),
    "bilinear: fw and fh must be equal": lambda: knet.bilinear(float, 2, 3, 1, 1),
    "kn.knet has no KnetArray: write kn.gpu(x)": lambda: knet.KnetArray,
    "kn.knet has no takenth: write a loop over enumerate": lambda: knet.takenth,
    "kn.knet has no ncycle: write repeat(data, epochs)": lambda: knet.ncycle,
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_told_in_names_of_knet(message):
    with pytest.raises((TypeError, ValueError, AttributeError)) as error:
        MISTAKES[message]()
    assert message in str(error.value)


def test_all_names_of_knet():
    for name in knet.__all__:
        assert callable(getattr(knet, name))
    assert kn.knet is knet and "knet" in kn.__all__
