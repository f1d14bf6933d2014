"""The kernels of nll against literals and, for all options, the derivative against differences."""

import numpy as np
import pytest

from knetpy.kernels.reference import nll as reference

log, inf = np.log, np.inf


def column(values):
    return np.array(values)[:, None]


@pytest.mark.parametrize(
    "scores, labels, options, losses, p",
    [
        ([[0, 0]], [1], {}, [log(2)], [[0.5, 0.5]]),
        ([[0, log(3)], [1e4, -1e4]], [0, 1], {}, [log(4), 2e4], [[0.25, 0.75], [1, 0]]),
        ([[inf, 0], [-inf, 0]], [0, 1], {}, [0, 0], [[1, 0], [0, 1]]),
        ([[-inf, 0]], [0], {}, [inf], [[0, 1]]),
        ([[0, log(3)]], [0], {"weight": np.array([2.0, 5])}, [2 * log(4)], [[0.25, 0.75]]),
        ([[0, log(3)]], [0], {"smoothing": 0.5}, [0.75 * log(4) + 0.25 * log(4 / 3)], [[0.25, 0.75]]),
        ([[0, 0]], [0], {"smoothing": 1.0, "weight": np.array([2.0, 4])}, [3 * log(2)], [[0.5, 0.5]]),
        ([[0, -inf]], [0], {"smoothing": 0.5, "weight": np.array([1.0, 0])}, [0], [[1, 0]]),
        ([[0, -inf]], [0], {"smoothing": 0.5}, [inf], [[1, 0]]),
    ],
)  # fmt: skip
def test_nll_by_hand(scores, labels, options, losses, p):
    ours, kept = reference.nll(np.array(scores, float), column(labels), axis=1, **options)
    np.testing.assert_allclose(ours, column(losses), rtol=1e-14)
    np.testing.assert_allclose(kept, p, rtol=1e-14)


@pytest.mark.parametrize(
    "dy, p, labels, options, dx",
    [
        ([1], [[0.25, 0.75]], [0], {}, [[-0.75, 0.75]]),
        ([2, 0], [[0.25, 0.75], [1, 0]], [1, 1], {}, [[0.5, -0.5], [0, 0]]),
        ([1], [[0.25, 0.75]], [0], {"weight": np.array([2.0, 5])}, [[-1.5, 1.5]]),
        ([2], [[0.25, 0.75]], [0], {"smoothing": 0.5}, [[-1, 1]]),
        ([1], [[0.25, 0.75]], [0], {"smoothing": 1.0, "weight": np.array([2.0, 4])}, [[-0.25, 0.25]]),
    ],
)
def test_nll_dx_by_hand(dy, p, labels, options, dx):
    ours = reference.nll_dx(column(dy), np.array(p, float), column(labels), axis=1, **options)
    np.testing.assert_allclose(ours, dx, rtol=1e-14)


@pytest.mark.parametrize("weight", [None, [0.5, 0.0, 2.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_derivative_is_that_of_the_loss(weight, smoothing, dtype):
    rng, step = np.random.default_rng(0), 1e-5
    scores, labels = rng.normal(size=(2, 3, 2)).astype(dtype), rng.integers(0, 3, (2, 1, 2))
    options = {"axis": 1, "smoothing": smoothing, "weight": None if weight is None else np.array(weight, dtype)}
    losses, p = reference.nll(scores, labels, **options)
    dy, v = rng.normal(size=losses.shape).astype(dtype), rng.normal(size=scores.shape)
    dx = reference.nll_dx(dy, p, labels, **options)
    assert losses.dtype == p.dtype == dx.dtype == dtype
    exact = {**options, "weight": None if weight is None else np.array(weight)}
    up, down = (np.sum(dy * reference.nll(scores + k * v, labels, **exact)[0]) for k in (step, -step))
    np.testing.assert_allclose(np.sum(dx * v), (up - down) / (2 * step), rtol=1e-5 if dtype == np.float32 else 1e-8)
