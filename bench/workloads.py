"""The models that are timed, each written once against a side: an object that makes layers and knows operations.

A workload is a function of a side and of sizes. Every side draws the same numbers in the same order, so that the
initial weights and the data are the same on all of them. `sides.py` says what each library calls a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass
class Task:
    """What a step works on: with labels its loss is nll(forward(x), y), without them the sum of forward(x)."""

    forward: Callable
    x: np.ndarray
    y: np.ndarray | None = None
    train: bool = True  # a step of Adam; else just forward(x)


def mlp(side, batch=100, sizes=(784, 128, 64, 10)):
    last = len(sizes) - 2
    layers = [side.dense(i, n, "relu" if k < last else None) for k, (i, n) in enumerate(zip(sizes, sizes[1:]))]

    def forward(x):
        for layer in layers:
            x = layer(x)
        return x

    return Task(forward, side.normal(batch, sizes[0]), side.integers(sizes[-1], batch))


def lenet(side, batch=128, channels=(16, 32), size=28, train=True):
    a, b = channels
    end = ((size - 4) // 2 - 4) // 2
    first, second = side.conv(1, a, 5, relu=True), side.conv(a, b, 5, relu=True)
    scores = side.dense(b * end * end, 10)

    def forward(x):
        return scores(side.flat(side.pool(second(side.pool(first(x))))))

    return Task(forward, side.normal(batch, 1, size, size), side.integers(10, batch), train)


def infer1(side, batch=1, channels=(16, 32), size=28):
    return lenet(side, batch, channels, size, train=False)


def vgg(side, batch=32, channels=(64, 128), size=32):
    a, b = channels
    layers = [side.conv(i, n, 3, padding=1, relu=True) for i, n in ((3, a), (a, a), (a, b), (b, b))]
    scores = side.dense(b * (size // 4) ** 2, 10)

    def forward(x):
        x = side.pool(layers[1](layers[0](x)))
        x = side.pool(layers[3](layers[2](x)))
        return scores(side.flat(x))

    return Task(forward, side.normal(batch, 3, size, size), side.integers(10, batch))


def resnet20(side, batch=64, channels=16, size=32, blocks=3):
    """The network for CIFAR of He et al., 2016, section 4.2; shortcuts are 1x1 convolutions where sizes change."""

    def convnorm(i, n, window, stride=1, relu=False):
        conv = side.conv(i, n, window, stride=stride, padding=window // 2, bias=False)
        norm = side.batchnorm(n, relu)
        return lambda x, *residual: norm(conv(x), *residual)

    def block(i, n, stride):
        first, second = convnorm(i, n, 3, stride, relu=True), convnorm(n, n, 3, relu=True)
        shortcut = convnorm(i, n, 1, stride) if (i, stride) != (n, 1) else lambda x: x
        return lambda x: second(first(x), shortcut(x))

    layers, i = [convnorm(3, channels, 3, relu=True)], channels
    for stage in range(3):
        for k in range(blocks):
            n = channels << stage
            layers.append(block(i, n, 2 if stage and not k else 1))
            i = n
    scores = side.dense(i, 10)

    def forward(x):
        for layer in layers:
            x = layer(x)
        return scores(side.places_mean(x))

    return Task(forward, side.normal(batch, 3, size, size), side.integers(10, batch))


def charlstm(side, batch=32, time=50, vocabulary=64, width=128, hidden=256):
    table = side.embedding(vocabulary, width)
    recur, scores = side.lstm(width, hidden), side.dense(hidden, vocabulary)

    def forward(x):
        return scores(recur(table(x)))

    return Task(forward, side.integers(vocabulary, batch, time), side.integers(vocabulary, batch, time))


def gpt(side, batch=32, time=64, vocabulary=64, width=128, heads=4, blocks=4):
    def block():
        norm, qkv, project = side.layernorm(width), side.dense(width, 3 * width), side.dense(width, width)
        norm2, up, down = side.layernorm(width), side.dense(width, 4 * width, "gelu"), side.dense(4 * width, width)

        def forward(x):
            x = x + project(side.attention(qkv(norm(x)), heads))
            return x + down(up(norm2(x)))

        return forward

    table, places = side.embedding(vocabulary, width), side.bias(time, width)
    layers = [block() for _ in range(blocks)]
    norm, scores = side.layernorm(width), side.dense(width, vocabulary)

    def forward(x):
        x = table(x) + places()
        for layer in layers:
            x = layer(x)
        return scores(norm(x))

    return Task(forward, side.integers(vocabulary, batch, time), side.integers(vocabulary, batch, time))


def tinyops(side, steps=50, size=16):
    w = side.bias(size, scale=0.5)

    def forward(x):
        h, wt = x, w()
        for _ in range(steps):
            h = side.tanh(h * wt + x)
        return h

    return Task(forward, side.normal(size))


def matmul(side, size=1024):
    """The yardstick, not a workload of the table: how fast the machine multiplies."""
    return Task(side.dense(size, size), side.normal(size, size), train=False)


WORKLOADS = {f.__name__: f for f in (mlp, lenet, vgg, resnet20, charlstm, gpt, tinyops, infer1, matmul)}
SIZES = {  # beside the usual ones, which are the defaults
    "usual": {},
    "other": {
        "mlp": dict(batch=120, sizes=(500, 100, 50, 7)),
        "lenet": dict(batch=100, channels=(20, 40)),
        "vgg": dict(batch=20, channels=(37, 75), size=36),
        "resnet20": dict(batch=50, channels=17, size=28),
        "charlstm": dict(batch=20, time=35, vocabulary=83, width=100, hidden=200),
        "gpt": dict(batch=20, time=50, vocabulary=83, width=96, heads=3),
        "tinyops": dict(size=33),
        "infer1": dict(channels=(20, 40)),
    },
    "tiny": {
        "mlp": dict(batch=3, sizes=(5, 4, 3)),
        "lenet": dict(batch=2, channels=(2, 3), size=16),
        "vgg": dict(batch=2, channels=(2, 3), size=8),
        "resnet20": dict(batch=2, channels=2, size=8, blocks=1),
        "charlstm": dict(batch=2, time=3, vocabulary=5, width=4, hidden=3),
        "gpt": dict(batch=2, time=3, vocabulary=5, width=4, heads=2, blocks=1),
        "tinyops": dict(steps=2, size=3),
        "infer1": dict(channels=(2, 3), size=16),
    },
}
