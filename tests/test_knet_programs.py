"""Programs of Knet's, translated line by line: what they reach says that names, defaults and axes go together."""

import numpy as np

from knetpy import knet
from knetpy.knet import (
    RNN,
    accuracy,
    adam,
    conv4,
    converge,
    cycle,
    grad,
    mat,
    minibatch,
    nll,
    optimizers,
    param,
    param0,
    pool,
    progress,
    relu,
    take,
    update,
    xavier,
)


def test_housing():
    """examples/housing-linreg: it comes down to the noise of the prices, and Knet's 22.9 is about that of Boston."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((506, 13))
    y = x @ rng.standard_normal((13, 1)) * 3 + 22.5 + rng.standard_normal((506, 1)) * 4.7

    def predict(w, x):
        return x @ w[0] + w[1]

    def loss(w, x, y):
        return np.sum((y - predict(w, x)) ** 2) / len(x)

    lossgradient = grad(loss)
    w = [0.1 * rng.standard_normal((13, 1)), 0.1 * rng.standard_normal((1, 1))]
    assert loss(w, x, y) > 500
    for _ in range(20):
        g = lossgradient(w, x, y)
        update(w, g, lr=0.1)
    design = np.c_[x, np.ones(506)]
    least = np.mean((y - design @ np.linalg.lstsq(design, y)[0]) ** 2)
    assert least < loss(w, x, y) < 1.15 * least


def test_lenet():
    """examples/lenet: weights in a list, pairs of windows and biases. Here of bars that lie or stand."""
    rng = np.random.default_rng(0)
    y = 1 + np.arange(400) % 2
    x = rng.standard_normal((400, 1, 12, 12)).astype("f4") / 4
    for image, label, at in zip(x, y, rng.integers(2, 10, 400)):
        image[0, at, 2:10] += 1.0 * (label == 1)
        image[0, 2:10, at] += 1.0 * (label == 2)

    def predict(w, x):
        n = len(w) - 4
        for i in range(0, n, 2):
            x = pool(relu(conv4(w[i], x, padding=0) + w[i + 1]))
        x = mat(x)
        for i in range(n, len(w) - 2, 2):
            x = relu(x @ w[i] + w[i + 1])
        return x @ w[-2] + w[-1]

    def loss(w, x, ygold):
        return nll(predict(w, x), ygold)

    knet.setseed(1)
    sizes = [(6, 1, 5, 5), (1, 6, 1, 1), (96, 20), (1, 20), (20, 2), (1, 2)]
    w = [np.zeros(size, "f4") if i % 2 else xavier(*size) for i, size in enumerate(sizes)]
    dtrn, dtst = minibatch(x[:320], y[:320], 20), minibatch(x[320:], y[320:], 20)
    lossgradient, opts = grad(loss), optimizers(w, knet.Adam, lr=0.01)
    assert accuracy(lambda x: predict(w, x), data=dtst) < 0.8
    for _ in range(3):
        for a, b in dtrn:
            update(w, lossgradient(w, a, b), opts)
    assert accuracy(lambda x: predict(w, x), data=dtst) > 0.95


class Embed:
    def __init__(self, vocab, embed):
        self.w = param(vocab, embed)

    def __call__(self, x):
        return self.w[x - 1]


class Linear:
    def __init__(self, inputs, outputs):
        self.w, self.b = param(inputs, outputs), param0(outputs)

    def __call__(self, x):
        return mat(x, dims=1) @ self.w + self.b


class Chain:
    def __init__(self, *layers):
        self.layers = layers

    def __call__(self, x, y=None):
        for layer in self.layers:
            x = layer(x)
        return x if y is None else nll(x, y)


def test_characters():
    """tutorial/80.charlm: a state that is kept from batch to batch, perplexities every so often until they converge."""
    text = "the cat sat. a dog ran. " * 250
    chars = sorted(set(text))
    ids = np.array([1 + chars.index(c) for c in text], np.uint8)
    rows = ids[: len(ids) // 10 * 10].reshape(10, -1)
    data = [(x.T, y.T) for x, y in minibatch(rows[:, :-1].T, rows[:, 1:].T, 20)]  # (B, T); minibatch counts the first

    knet.setseed(1)
    model = Chain(Embed(len(chars), 8), RNN(8, 24, h=0, c=0), Linear(24, len(chars)))

    def perplexity():
        return np.exp(np.mean([model(x, y) for x, y in data[:3]]))

    before = perplexity()
    assert 0.5 * len(chars) < before < 2 * len(chars)
    a = adam(model, take(cycle(data), 400), lr=0.02)
    b = (perplexity() for step, _ in enumerate(a, 1) if step % 20 == 0)
    reached = list(progress(lambda p: p.currval, converge(b, alpha=0.1)))
    assert 2 < len(reached) <= 20 and reached[-1] < 1.1

    model.layers[1].h = model.layers[1].c = 0
    x, said = ids[0], chars[ids[0] - 1]
    for _ in range(30):
        x = 1 + np.argmax(model(np.array([x])))
        said += chars[x - 1]
    assert said in text
