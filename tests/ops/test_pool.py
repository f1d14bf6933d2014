"""Pooling and resizing: indices, ties, NaN and Inf, padding by name. All literals."""

import warnings

import numpy as np
import pytest

import knetpy as kn
from tests.ops.checker import check_first, check_second

nan, inf = np.nan, np.inf


def line(*values, dtype=np.float64):
    return np.array([[values]], dtype)


def slope(f, x):
    """The gradient of the sum of f, in a run in which every warning is an error."""
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        found = kn.grad(lambda x: np.sum(f(x)), 0)(x)
        np.testing.assert_allclose(kn.jvp(lambda x: np.sum(f(x)), (x,), (np.ones_like(x),))[1], found.sum())
    return found[0, 0]


# ----------------------------------------------------------------------------------------------- indices


def test_indices_are_positions_in_the_flattened_image():
    x = np.array([[[[1.0, 9.0, 2.0], [3.0, 4.0, 8.0], [7.0, 5.0, 6.0]]]])
    y, index = kn.pool(x, 2, stride=1, return_indices=True)
    np.testing.assert_array_equal(y[0, 0], [[9, 9], [7, 8]])
    np.testing.assert_array_equal(index[0, 0], [[1, 1], [6, 5]])
    assert index.dtype == np.int64 and y.shape == index.shape
    y, index = kn.adaptive_pool(x, 2, mode="max", return_indices=True)
    np.testing.assert_array_equal(index[0, 0], [[1, 1], [6, 5]])
    np.testing.assert_array_equal(y, x.reshape(-1)[index])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: kn.pool(x, 3, stride=1, padding=1, return_indices=True)[0],
        lambda x: kn.adaptive_pool(x, (2, 3), mode="max", return_indices=True)[0],
        lambda x: there_and_back(x),
        lambda x: kn.pool(kn.upsample(x, 2, mode="linear"), 3, padding="same", mode="lp"),
    ],
)
def test_derivatives_with_indices(f):
    x = np.random.default_rng(0).permutation(40).reshape(1, 2, 5, 4) * 0.3 - 4.1
    check_first(f, [x], np.random.default_rng(1))
    check_second(f, [x], np.random.default_rng(2))


def there_and_back(x):
    y, index = kn.pool(x, 3, stride=2, padding=1, return_indices=True)
    return kn.unpool(y, 3, stride=2, padding=1, indices=index, size=x.shape[2:])


def test_unpool_undoes_pool():
    x = line(1.0, 5.0, 7.0, 2.0, 3.0)
    y, index = kn.pool(x, return_indices=True)
    np.testing.assert_array_equal(kn.unpool(y, indices=index, size=5), line(0, 5, 7, 0, 0))
    for mode in ("max", "mean", "mean_valid"):
        for how in ({"window": 2}, {"window": 2, "stride": 3}, {"window": 4}):
            np.testing.assert_array_equal(kn.pool(kn.unpool(x, **how), mode=mode, **how), x)
    padded = {"window": 4, "padding": (1,)}
    np.testing.assert_array_equal(kn.pool(kn.unpool(x, **padded), mode="mean_valid", **padded), x)


def test_of_several_at_one_index_the_last_stays():
    x, index = line(1.0, 2.0, 3.0), [[[1, 0, 1]]]
    np.testing.assert_array_equal(kn.unpool(x, 1, indices=index), line(2, 3, 0))
    np.testing.assert_array_equal(slope(lambda x: kn.unpool(x, 1, indices=index), x), [0, 1, 1])


def test_nobody_changes_indices_after_their_check():
    index = np.zeros((1, 1, 2), int)
    view = index[:]

    def f(x):
        y = kn.unpool(x, indices=index)
        view[...] = 2**40
        return np.sum(y * y)

    np.testing.assert_array_equal(kn.grad(f, 0)(line(1.0, 2.0)), line(0, 4))


def test_ties_go_to_the_first():
    for f in (lambda x: kn.adaptive_pool(x, 2, mode="max"), lambda x: kn.pool(x, 2, stride=1, dilation=2)):
        np.testing.assert_array_equal(slope(f, line(1, 1, 1)), [1, 1, 0] if f(line(1, 1, 1)).size == 2 else [1, 0, 0])
    x = np.array([[[[0.0, 5.0, 5.0], [5.0, 5.0, 0.0], [0.0, 0.0, 0.0]]]])
    _, index = kn.adaptive_pool(x, 2, mode="max", return_indices=True)
    np.testing.assert_array_equal(index[0, 0], [[1, 1], [3, 4]])


# ----------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("window, stride, dilation", [(2, 1, 1), (3, 1, 1), (3, 2, 1), (2, 3, 1), (4, 4, 1), (3, 1, 2)])
def test_same_padding(n, window, stride, dilation):
    x = line(*range(1, n + 1))
    how = {"stride": stride, "dilation": dilation}
    missing = max((-(-n // stride) - 1) * stride + dilation * (window - 1) + 1 - n, 0)
    pairs = ((missing // 2, missing - missing // 2),)
    y = kn.pool(x, window, **how, padding="same")
    assert y.shape[2] == -(-n // stride)
    np.testing.assert_array_equal(y, kn.pool(x, window, **how, padding=pairs))


def test_valid_padding():
    np.testing.assert_array_equal(kn.pool(line(1, 2, 3), padding="valid"), line(2))


def test_ceil_mode_by_hand():
    x = line(1.0, 2.0, 3.0, 4.0)
    how = {"stride": 2, "padding": 1, "ceil_mode": True}
    np.testing.assert_array_equal(kn.pool(x, 3, **how), line(2, 4, 4))
    np.testing.assert_array_equal(kn.pool(x, 3, **how, mode="mean"), line(1, 3, 2))
    np.testing.assert_array_equal(kn.pool(x, 3, **how, mode="mean_valid"), line(1.5, 3, 4))
    np.testing.assert_array_equal(kn.pool(line(1.0, 2.0), 3, ceil_mode=True), line(2))


# ------------------------------------------------------------------------------------------- NaN and Inf


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_at_zeros_and_infinities(p, dtype):
    def f(x):
        return kn.pool(x, mode="lp", p=p)

    np.testing.assert_allclose(slope(f, line(0, 0, 0, 3, dtype=dtype)), [0, 0, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(f(line(inf, 1, nan, inf, nan, 1, dtype=dtype)), line(inf, nan, nan))
    x = line(inf, 1, 2, -inf, 3, 0, dtype=dtype)
    np.testing.assert_allclose(f(x), line(inf, inf, 3), rtol=1e-6)
    beside = 1 if p == 1 else 0  # an infinite element
    np.testing.assert_allclose(slope(f, x), [1, beside, beside, -1, 1, 0], rtol=1e-6)
    h = kn.hessian(lambda x: np.sum(f(x)), 0)(line(0, 0, 0, 3, dtype=dtype)).reshape(4, 4)
    assert np.isfinite(h).all() and h.dtype == dtype


def test_what_is_not_finite_stays_where_it_is():
    x = line(1.0, nan, 3.0, 4.0, inf, 6.0)
    np.testing.assert_array_equal(kn.adaptive_pool(x, 4), line(nan, nan, inf, inf))
    y = kn.upsample(x, 2, mode="linear")[0, 0]
    np.testing.assert_array_equal(np.isnan(y), [0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(np.isinf(y), [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0])
    g = slope(lambda x: kn.upsample(x, 2, mode="linear"), x)
    np.testing.assert_array_equal(g, [2, 2, 2, 2, 2, 2])


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("far", [nan, inf, -inf, 1e30, -1e300])
def test_points_far_away(mode, padding_mode, far):
    """NaN gives NaN; what is far away never reads outside of x; no derivative complains."""
    x = np.arange(1.0, 17).reshape(1, 1, 4, 4)
    grid = np.zeros((1, 1, 2, 2))
    grid[0, 0, 0, 0] = far

    def f(x, grid):
        return kn.grid_sample(x, grid, mode=mode, padding_mode=padding_mode)

    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        y, pullback = kn.vjp(f, x, grid)
        dx, dgrid = pullback(np.ones_like(y))
    if np.isnan(far) or (np.isinf(far) and padding_mode == "reflection"):
        assert np.isnan(y[0, 0, 0, 0])
    elif padding_mode == "zeros":
        assert y[0, 0, 0, 0] == 0
    else:
        assert 1 <= y[0, 0, 0, 0] <= 16 and np.isfinite(dgrid).all()
    assert np.isfinite(y[0, 0, 0, 1]) and np.isfinite(dx).all()


# ----------------------------------------------------------------------------------------------- odd sizes


def test_a_grid_of_no_places():
    grid = kn.affine_grid(np.ones((2, 2, 3)), (2, 1, 0, 3))
    assert grid.shape == (2, 0, 3, 2)
    assert kn.grid_sample(np.ones((2, 1, 4, 4)), grid).shape == (2, 1, 0, 3)


@pytest.mark.parametrize("window", [2**21, (2**21, 2**21, 2**22), 2**30])
def test_a_size_beyond_memory_is_refused(window):
    """Its number of elements would be 0 as an int64."""
    x = np.ones((1, 1, 1, 1, 1))
    for indices in (None, np.zeros(x.shape, int)):
        with pytest.raises((ValueError, MemoryError)):
            kn.unpool(x, window, indices=indices)
