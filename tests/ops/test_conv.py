"""Convolution with what ends a layer: bias and activation where the sums are stored."""

import numpy as np
import pytest

import knetpy as kn

RNG = np.random.default_rng(0)
X, W, B = (RNG.normal(size=shape) for shape in ((2, 3, 6, 5), (4, 3, 3, 3), (4,)))
HOW = {"stride": 2, "padding": 1}


def apart(x, w, bias, activation):
    y = kn.conv(x, w, **HOW) + np.reshape(bias, (-1, 1, 1))
    return y if activation is None else activation(y)


@pytest.mark.parametrize("activation", [None, kn.relu])
def test_a_pullback_serves_every_cotangent(activation):
    y, back = kn.vjp(lambda *args: kn.conv(*args, **HOW, activation=activation), X, W, B)
    expected, plainly = kn.vjp(lambda *args: apart(*args, activation), X, W, B)
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    for seed in range(3):
        dy = np.random.default_rng(seed).normal(size=y.shape)
        for ours, theirs in zip(back(dy), plainly(dy)):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("activation", [None, kn.relu])
def test_half_precision(activation):
    x, w, b = (a.astype(np.float16) for a in (X, W, B))
    y = kn.conv(x, w, b, activation=activation)
    expected = kn.conv(*(a.astype(np.float32) for a in (x, w, b)), activation=activation)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, expected, rtol=2e-3, atol=1e-3)
