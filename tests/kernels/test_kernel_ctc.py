"""The kernels of ctc against literals, sums over all paths, and the derivative against differences."""

import math
from itertools import groupby, product

import numpy as np
import pytest

from knetpy.kernels.reference import ctc as reference

log, inf = np.log, np.inf


def run(scores, labels, lengths=None, label_lengths=None, blank=0):
    scores, labels = np.array(scores, float), np.array(labels)
    n, steps, _ = scores.shape
    how = {
        "lengths": np.array([steps] * n if lengths is None else lengths),
        "label_lengths": np.array([labels.shape[1]] * n if label_lengths is None else label_lengths),
        "blank": blank,
    }
    return reference.ctc(scores, labels, **how), labels, how


@pytest.mark.parametrize(
    "steps, labels, loss",
    [
        (1, [1], log(3)),
        (2, [1], log(3)),  # of 9 paths 1 1, 1 0, 0 1
        (2, [1, 2], 2 * log(3)),
        (2, [1, 1], inf),  # needs a blank between
        (3, [1, 1], 3 * log(3)),
        (3, [1, 2], log(27 / 5)),  # 1 1 2, 1 2 2, 0 1 2, 1 0 2, 1 2 0
        (3, [], 3 * log(3)),
        (0, [], 0),
        (0, [1], inf),
    ],
)
def test_even_scores(steps, labels, loss):
    (losses, logs, alpha), _, _ = run(np.ones((1, steps, 3)), np.array([labels], int))
    np.testing.assert_allclose(losses, [loss], rtol=1e-14, atol=1e-15)
    assert logs.shape == (1, steps, 3) and alpha.shape == (1, steps + 1, 2 * len(labels) + 1)


@pytest.mark.parametrize(
    "scores, labels, dx",
    [
        ([[0, 0]], [1], [[0.5, -0.5]]),  # one path: softmax - 1 at its class
        ([[0, 0], [0, 0]], [1], [[0.5 - 1 / 3, 0.5 - 2 / 3]] * 2),  # 1 1, 1 0, 0 1
        ([[0, log(3)], [0, 0]], [], [[-0.75, 0.75], [-0.5, 0.5]]),
        ([[0, 0]], [1, 1], [[0, 0]]),  # impossible
    ],
)
def test_derivative_by_hand(scores, labels, dx):
    found, labels, how = run([scores], np.array([labels], int))
    np.testing.assert_allclose(reference.ctc_dx(np.ones(1), *found, labels, **how), [dx], atol=1e-15)


def test_spaced():
    states, skips = reference.spaced(np.array([[1, 1, 2]]), 0)
    assert states.tolist() == [[0, 1, 0, 1, 0, 2, 0]]
    assert skips.tolist() == [[False, False, False, False, False, True, False]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_all_paths(dtype):
    rng, step = np.random.default_rng(0), 1e-5
    scores, labels = rng.normal(size=(3, 5, 3)), np.array([[0, 0], [1, 0], [1, 1]])
    lengths, label_lengths, dy = [5, 4, 3], [2, 1, 2], np.array([1.0, -2.0, 0.5])
    (losses, logs, alpha), labels, how = run(scores, labels, lengths, label_lengths, blank=2)
    for i in range(3):
        wanted = list(labels[i, : label_lengths[i]])
        p = np.exp(logs[i])
        total = sum(
            math.prod(p[t, c] for t, c in enumerate(path))
            for path in product(range(3), repeat=lengths[i])
            if [c for c, _ in groupby(path) if c != 2] == wanted
        )
        np.testing.assert_allclose(losses[i], -log(total), rtol=1e-12)
    v = rng.normal(size=scores.shape)
    up, down = (dy @ reference.ctc(scores + k * v, labels, **how)[0] for k in (step, -step))
    found = reference.ctc(scores.astype(dtype), labels, **how)
    dx = reference.ctc_dx(dy.astype(dtype), *found, labels, **how)
    assert {x.dtype for x in (*found, dx)} == {np.dtype(dtype)}
    np.testing.assert_allclose(np.sum(dx * v), (up - down) / (2 * step), rtol=1e-4 if dtype == np.float32 else 1e-8)
    assert (dx[1, 4:] == 0).all() and (dx[2, 3:] == 0).all()
