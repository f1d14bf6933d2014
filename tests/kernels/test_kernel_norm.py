"""The kernels of normalisation: against literals, and each other."""

from types import SimpleNamespace

import numpy as np
import pytest

from knetpy.kernels import kernel
from knetpy.kernels.reference import norm as reference

served = SimpleNamespace(**{name: kernel("norm", name) for name in ("norm", "fixed", "norm_dx")})
BACKENDS = pytest.mark.parametrize("backend", [reference, served], ids=["reference", "served"])
nan, inf = np.nan, np.inf


def array(values, dtype=np.float64):
    return None if values is None else np.array(values, dtype)


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize(
    "x, scale, bias, how, y, mean, var",
    [
        ([[1, 3]], None, None, {"axes": (1,), "eps": 0}, [[-1, 1]], [[2]], [[1]]),
        ([[1, 3], [5, 5]], None, None, {"axes": (1,), "eps": 0.5625}, [[-0.8, 0.8], [0, 0]], [[2], [5]], [[1], [0]]),
        ([[1, 2], [5, 2]], [[3, 1]], [[0, 7]], {"axes": (0,), "eps": 0}, [[-3, nan], [3, nan]], [[3, 2]], [[4, 0]]),
        ([[0, 8], [0, 8]], [[2], [4]], [[1], [0]], {"axes": (0, 1), "eps": 9},
         [[-0.6, 2.6], [-3.2, 3.2]], [[4]], [[16]]),
        ([[1, 7]], [[2, 1]], None, {"axes": (1,), "eps": 0, "centred": False}, [[0.4, 1.4]], [[0]], [[25]]),
        ([[inf, 1], [1, 3]], None, None, {"axes": (1,), "eps": 0}, [[nan, nan], [-1, 1]], [[inf], [2]], [[nan], [1]]),
        ([[], []], None, None, {"axes": (1,), "eps": 1}, [[], []], [[0], [0]], [[0], [0]]),
    ],
)  # fmt: skip
def test_norm_by_hand(backend, dtype, x, scale, bias, how, y, mean, var):
    ours, *moments = backend.norm(array(x, dtype), array(scale, dtype), array(bias, dtype), **how)
    assert ours.dtype == dtype and [m.dtype for m in moments] == [np.float64] * 2
    np.testing.assert_allclose(ours, array(y), rtol=4 * np.finfo(dtype).eps, atol=1e-15)
    for a, b in zip(moments, (mean, var)):
        np.testing.assert_array_equal(a, array(b))


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize(
    "x, scale, bias, mean, var, eps, y",
    [
        ([[3, 5], [1, 2]], None, None, [[1, 2]], [[4, 9]], 0, [[1, 1], [0, 0]]),
        ([[3], [5]], [[2]], [[-1]], [[1]], [[3]], 1, [[1], [3]]),
        ([[3, 5]], None, [[1, 2]], [[3, 4]], [[0, 0]], 0.25, [[1, 4]]),
        ([[3, inf, nan]], None, None, [[3]], [[0]], 0, [[nan, inf, nan]]),
    ],
)
def test_fixed_by_hand(backend, dtype, x, scale, bias, mean, var, eps, y):
    ours = backend.fixed(array(x, dtype), array(scale, dtype), array(bias, dtype), array(mean), array(var), eps=eps)
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, array(y))


@BACKENDS
@pytest.mark.parametrize(
    "dy, x, mean, var, scale, how, dx, dscale, dbias",
    [
        # Of two elements the difference is fixed when eps = 0: nothing moves.
        ([[1, 0]], [[1, 3]], [[2]], [[1]], None, {"axes": (1,), "affine": None, "eps": 0}, [[0, 0]], None, None),
        # y = -+1 / sqrt(1 + 3) there; dx = (dy - mean(dy) - n * mean(dy * n)) / 2 with n = -+0.5.
        ([[1, 0]], [[1, 3]], [[2]], [[1]], None, {"axes": (1,), "affine": None, "eps": 3},
         [[0.1875, -0.1875]], None, None),
        ([[1, 0], [2, 5]], [[1, 3], [4, 2]], [[2], [3]], [[1], [1]], [[1, 0]],
         {"axes": (1,), "affine": (1, 2), "eps": 3}, [[0.1875, -0.1875], [0.375, -0.375]], [[0.5, -2.5]], [[3, 5]]),
        ([[1, 2]], [[3, 1]], [[0]], [[5]], [[2, 1]], {"axes": (1,), "affine": (1, 2), "eps": 4, "centred": False},
         [[0.2222222222222222, 0.5185185185185185]], [[1, 0.6666666666666666]], [[1, 2]]),
        ([[1], [2]], [[7], [7]], [[7]], [[0]], None, {"axes": (0,), "affine": (2, 1), "eps": 0.25}, [[-1], [1]],
         [[0], [0]], [[1], [2]]),
    ],
)  # fmt: skip
def test_norm_dx_by_hand(backend, dy, x, mean, var, scale, how, dx, dscale, dbias):
    found = backend.norm_dx(array(dy), array(x), array(mean), array(var), array(scale), **how)
    for a, b in zip(found, (dx, dscale, dbias)):
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(a, array(b), rtol=1e-14, atol=1e-15)


@BACKENDS
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("axes", [(0,), (1, 3), (0, 2, 3), (3,)])
def test_derivative_as_by_differences(backend, axes, centred):
    rng = np.random.default_rng(0)
    affine = (1, 3, 1, 4)
    x, dy, v = rng.normal(size=(3, 2, 3, 2, 4))
    scale, bias, dscale, dbias = rng.normal(size=(4, *affine))
    how = {"axes": axes, "eps": 0.1, "centred": centred}
    _, mean, var = backend.norm(x, scale, bias, **how)
    found = backend.norm_dx(dy, x, mean, var, scale, affine=affine, **how)

    def loss(step):
        y, _, _ = backend.norm(x + step * v, scale + step * dscale, bias + step * dbias, **how)
        return np.vdot(y, dy)

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    np.testing.assert_allclose(sum(np.vdot(a, b) for a, b in zip(found, (v, dscale, dbias))), slope, rtol=1e-8)


@BACKENDS
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-11)])
def test_a_large_mean_costs_no_digits(backend, dtype, tolerance):
    x = (1e4 + np.random.default_rng(0).normal(size=(300, 5))).astype(dtype)
    for axes in ((0,), (1,), (0, 1)):
        y, mean, var = backend.norm(x, None, None, axes=axes, eps=1e-5)
        wide = x.astype(np.longdouble)
        exact = wide - wide.mean(axes, keepdims=True)
        variance = (exact**2).mean(axes, keepdims=True)
        np.testing.assert_allclose(y, exact / np.sqrt(variance + 1e-5), atol=tolerance, rtol=tolerance)
        np.testing.assert_allclose(mean, wide.mean(axes, keepdims=True), rtol=1e-15)
        np.testing.assert_allclose(var, variance, rtol=tolerance)


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("c", [0.1, 1e4 / 3, -7.7e-5])
def test_equal_elements_are_exactly_their_mean(backend, dtype, c):
    x = np.full((7, 1001), c, dtype)
    y, mean, var = backend.norm(x, None, None, axes=(0, 1), eps=1e-5)
    assert (y == 0).all() and mean.item() == x[0, 0] and var.item() == 0
    dx, _, _ = backend.norm_dx(x, x, mean, var, None, axes=(0, 1), affine=None, eps=1e-5)
    np.testing.assert_allclose(dx, 0, atol=1e-2 * abs(c))


@BACKENDS
def test_memory_order_is_kept(backend):
    x = np.moveaxis(np.random.default_rng(0).normal(size=(2, 4, 5, 3)), -1, 1)
    y, mean, var = backend.norm(x, None, None, axes=(0, 2, 3), eps=1e-5)
    dx, _, _ = backend.norm_dx(x, x, mean, var, None, axes=(0, 2, 3), affine=None, eps=1e-5)
    assert y.strides == dx.strides == x.strides
