"""What does the call of a layer cost over that of the function in it? On small arrays, without and with a derivative.

    python bench/layers.py [--rounds 300]

The two sides alternate in one process on one thread; the bar is on the difference of the least times of each.
"""

import argparse
from time import perf_counter

import numpy as np

import knetpy as kn
from knetpy import nn

BAR = 1.5  # microseconds
CALLS = 20


def pairs():
    """(name, layer, the same by functions, x) of each kind of layer."""
    rng = np.random.default_rng(0)
    x, images, times = [rng.standard_normal(s).astype("f4") for s in ((4, 8), (2, 3, 6, 6), (2, 3, 8))]
    d, c, b, n = nn.Dense(8, 8, kn.relu), nn.Conv(3, 4, 3), nn.BatchNorm(3), nn.LayerNorm(8)
    e, r, g = nn.Embedding(5, 4), nn.LSTM(8, 4), nn.GroupNorm(3, 3)
    weights, s = [tuple([w for w in group if w is not None]) for group in r.weights], nn.Scale(8)
    yield "Dense", d, lambda x: kn.linear(x, d.weight, d.bias, activation=kn.relu), x
    yield "Conv", c, lambda x: kn.conv(x, c.weight, c.bias), images
    yield "BatchNorm", b, lambda x: kn.batchnorm(x, b.moments, b.scale, b.bias), images
    yield "LayerNorm", n, lambda x: kn.layernorm(x, n.scale, n.bias), x
    yield "GroupNorm", g, lambda x: kn.groupnorm(x, 3, g.scale, g.bias), images
    yield "Scale", s, lambda x: x * s.scale + s.bias, x
    yield "Embedding", e, lambda i: kn.embed(e.weight, i), np.array([1, 2])
    yield "LSTM", r, lambda x: kn.lstm(x, weights)[0], times
    yield "MaxPool", nn.MaxPool(2), lambda x: kn.pool(x, 2), images
    yield "Dropout", nn.Dropout(0.5), lambda x: kn.dropout(x, 0.5), x
    yield "flatten", nn.flatten, kn.mat, images
    yield "Chain, a layer of it", nn.Chain(*[np.tanh] * 10), _ten_times, x


def _ten_times(x):
    for _ in range(10):
        x = np.tanh(x)
    return x


def gradient(f, x):
    """A function that takes a derivative through f."""
    p, find = kn.param(1.0), kn.grad(lambda: np.sum(f(x)) * p)
    return lambda _: find()


def extra(layer, bare, x, rounds):
    """Microseconds by which a call of the layer takes longer than that of the function: the least of each in turns."""
    found = []
    for _ in range(rounds):
        begin = perf_counter()
        for _ in range(CALLS):
            layer(x)
        between = perf_counter()
        for _ in range(CALLS):
            bare(x)
        found.append((between - begin, perf_counter() - between))
    of_layer, of_function = map(min, zip(*found))
    return (of_layer - of_function) / CALLS * 1e6


def main(rounds=300):
    """Print microseconds beyond the function; returns them by layer, (called plainly, within a gradient)."""
    found = {}
    for name, layer, bare, x in pairs():
        share = 10 if isinstance(layer, nn.Chain) else 1
        sides = [(layer, bare), (gradient(layer, x), gradient(bare, x))]
        for f, g in sides:
            assert np.allclose(np.asarray(f(x)) if f is layer else 0, np.asarray(g(x)) if f is layer else 0)
        found[name] = tuple([extra(f, g, x, rounds) / share for f, g in sides])
        print(f"{name}: {found[name][0]:+.2f} us, within a gradient {found[name][1]:+.2f} us (bar {BAR})")
    return found


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=300)
    main(options.parse_args().rounds)
