"""iris, moons, spirals."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.data import iris, moons, spirals


def test_the_irises():
    x, y, names = iris()
    assert x.shape == (150, 4) and x.dtype == np.float32 and y.dtype == np.int64 and np.bincount(y).tolist() == [50] * 3
    means = [x[y == c].mean(0).round(3).tolist() for c in range(3)]  # as Fisher's paper gives them
    expected = [[5.006, 3.428, 1.462, 0.246], [5.936, 2.770, 4.260, 1.326], [6.588, 2.974, 5.552, 2.026]]
    np.testing.assert_allclose(means, expected, atol=2e-6)
    assert names == ("setosa", "versicolor", "virginica") and x.flags.writeable


def test_moons_lie_on_their_circles():
    x, y = moons(201, noise=0, seed=1)
    assert (
        x.shape == (201, 2) and x.dtype == np.float32 and y.dtype == np.int64 and np.bincount(y).tolist() == [101, 100]
    )
    upper, lower = x[y == 0], x[y == 1] - np.float32([1, 0.5])
    for moon, side in ((upper, 1), (lower, -1)):
        assert np.allclose(np.hypot(*moon.T), 1, atol=1e-6) and (side * moon[:, 1] > -1e-6).all()
        assert np.ptp(moon[:, 0]) > 1.8  # all of the half circle


@pytest.mark.parametrize("classes, turns", [(2, 1.0), (3, 2.0), (1, -0.5)])
def test_spirals_wind_round_the_origin(classes, turns):
    x, y = spirals(300, classes=classes, turns=turns, noise=0, seed=1)
    radius = np.hypot(*x.T)
    assert radius.max() <= 1 and np.bincount(y).tolist() == [300 // classes] * classes
    angle = 2 * np.pi * (turns * radius + y / classes)
    assert np.allclose(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), x, atol=1e-5)


@pytest.mark.parametrize("make", [moons, spirals])
def test_what_is_drawn(make):
    kn.seed(0)
    first, second = make(50)[0], make(50)[0]
    kn.seed(0)
    assert (make(50)[0] == first).all() and (first != second).any() and make(0)[0].shape == (0, 2)
    assert (make(50, seed=3)[0] == make(50, seed=3)[0]).all() and (make(50, seed=3)[0] != make(50, seed=4)[0]).any()
    noise = make(4000, seed=3, noise=0.5)[0] - make(4000, seed=3, noise=0)[0]
    assert np.allclose(noise.std(0), 0.5, rtol=0.05) and abs(np.corrcoef(noise.T)[0, 1]) < 0.1


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: moons(-1), ValueError, "moons: n must be at least 0"),
        (lambda: moons(10, noise=-1), ValueError, "moons: noise must be a finite number >= 0"),
        (lambda: moons(10, seed="a"), ValueError, "moons: seed must be an integer from 0"),
        (lambda: spirals(10, classes=0), ValueError, "spirals: classes must be at least 1"),
        (lambda: spirals(10, turns=np.inf), ValueError, "spirals: turns must be a finite number"),
        (lambda: spirals(n_samples=3), TypeError, "did you mean n?"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()
