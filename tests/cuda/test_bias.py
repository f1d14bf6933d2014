"""Bias and activation, and sums, on the GPU: arrangements and sizes that draws do not reach."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.reference import bias as reference
from knetpy.kernels.reference import reduce as sums
from tests.cuda.launches import recorded

inf, nan = np.inf, np.nan
SHAPES = [
    *[((700, 5), 1), ((33, 70), -1), ((5, 3, 4, 7), 1), ((3, 2, 40), 1), ((6, 5, 2), 1), ((6, 4, 3), 1)],
    *[((2, 3, 1100), 1), ((1, 2, 9000), 1), ((70,), 0), ((4, 3, 5), 0)],
]
EPS = {"f4": 2e-6, "f8": 1e-14, "f2": 3e-3}


def agrees(y, exact, dtype):
    assert y.dtype == np.dtype(dtype) and y.shape == exact.shape
    np.testing.assert_allclose(y, exact, rtol=0, atol=EPS[dtype] * np.abs(exact).max(initial=1))


def given(shape, axis, dtype):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, *shape)).astype(dtype)
    return np.where(np.abs(x) < 1e-2, 1, x).astype(dtype), dy, rng.normal(size=shape[axis]).astype(dtype)


@pytest.mark.parametrize("shape, axis", SHAPES)
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_bias(shape, axis, activation, order):
    for dtype in ("f4", "f8", "f2") if activation in (None, "relu", "gelu") else ("f4",):
        x, dy, bias = given(shape, axis, dtype)
        wide = [a.astype("f8") for a in (x, dy, bias)]
        y = kernel("bias", "forward")(*kn.gpu((x, bias)), activation, axis=axis)
        exact = reference.forward(wide[0], wide[2], activation, axis=axis)
        agrees(kn.cpu(y), exact, dtype)
        for extra in (bias, None):
            ours = kernel("bias", "back")(*kn.gpu((dy, x)), activation, kn.gpu(extra), axis=axis)
            theirs = reference.back(wide[1], wide[0], activation, None if extra is None else wide[2], axis=axis)
            for a, b in zip(kn.cpu(ours), theirs):
                agrees(a, b, dtype)


def test_special_values_strides_and_empty_arrays():
    x = np.array([[-inf, inf, nan]]).repeat(300, 0).astype("f4")
    for activation in reference.ACTIVATIONS:
        y = kn.cpu(kernel("bias", "forward")(*kn.gpu((x, np.zeros(3, "f4"))), activation))
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(y, reference.forward(x, np.zeros(3, "f4"), activation))
            ours = kn.cpu(kernel("bias", "back")(*kn.gpu((x, x)), activation))
            for a, b in zip(ours, reference.back(x, x, activation)):
                np.testing.assert_array_equal(a, b)
    x, dy, bias = given((6, 4, 8), 1, "f4")
    there, slopes = kn.gpu(x)[::2, :, ::-1], kn.gpu(dy).transpose(0, 1, 2)[::2]
    y = kernel("bias", "forward")(there, kn.gpu(bias), "tanh", axis=1)
    agrees(kn.cpu(y), reference.forward(x[::2, :, ::-1], bias, "tanh", axis=1), "f4")
    ours = kernel("bias", "back")(slopes, there, "tanh", axis=1, out=slopes)
    for a, b in zip(kn.cpu(ours), reference.back(dy[::2], x[::2, :, ::-1], "tanh", axis=1)):
        agrees(a, b, "f4")
    none = kn.gpu(np.empty((0, 3), "f4"))
    assert kernel("bias", "forward")(none, kn.gpu(bias[:3]), "relu").shape == (0, 3)
    dz, dbias = kn.cpu(kernel("bias", "back")(none, none, "relu"))
    assert dz.shape == (0, 3) and dbias.tolist() == [0, 0, 0]


SUMS = {
    "row": ((3, 1000), (1,)),
    "long row": ((3, 1500), (1,)),
    "row in parts": ((2, 20000), (-1,)),
    "all": ((7, 11, 13), (0, 1, 2)),
    "column": ((300, 40), (0,)),
    "columns in parts": ((3, 600, 70), (1,)),
    "few columns": ((4096, 3), (0,)),
    "very few columns": ((2, 515, 2), (1,)),
    "first and last": ((5, 40, 6), (0, 2)),
    "every other": ((3, 4, 5, 6, 7), (0, 2, 4)),
    "nothing": ((4, 5), ()),
    "of size one": ((4, 1, 5), (1,)),
    "a single number": ((1, 1), (0, 1)),
    "empty": ((0, 5), (0,)),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums(name, order):
    shape, axes = SUMS[name]
    x = np.random.default_rng(0).normal(size=shape)
    for dtype in EPS:
        there = kn.gpu(x.astype(dtype))
        y = kernel("reduce", "sum")(there, axes)
        assert y is not there
        exact = sums.sum(x.astype(dtype).astype("f8"), axes)
        assert y.dtype == np.dtype(dtype) and y.shape == exact.shape
        scale = np.sqrt(x.size / max(1, exact.size)) + 1
        np.testing.assert_allclose(kn.cpu(y), exact, rtol=0, atol=EPS[dtype] * scale)
    y = kernel("reduce", "sum")(kn.gpu(np.arange(6).reshape(2, 3)), (0,))
    assert kn.cpu(y).tolist() == [[3, 5, 7]]


def test_sums_of_many_keep_their_digits_and_stay_their_own():
    x = np.full((1, 200_000), 0.1, "f4")
    x[0, 7] = 1e4
    exact = x.astype("f8").sum()
    for shape, axes in (((1, 200_000), (1,)), ((200_000, 1), (0,)), ((2000, 100), (0, 1))):
        y = kn.cpu(kernel("reduce", "sum")(kn.gpu(x.reshape(shape)), axes))
        np.testing.assert_allclose(y, exact, rtol=1e-6)
    x = kn.gpu(np.ones((4, 5), "f4"))
    y = kernel("reduce", "sum")(x, ())
    y[...] = 0
    assert kn.cpu(x).min() == 1
    x = np.ones((40, 50), "f4")
    x[3, 4], x[5, 6], x[7, 6] = nan, inf, -inf
    for axes in ((0,), (1,), (0, 1)):
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(kn.cpu(kernel("reduce", "sum")(kn.gpu(x), axes)), sums.sum(x, axes))


CALLS = {  # what is called, and how often it must move x or what is as large
    "forward": (lambda x: kernel("bias", "forward")(x, x[0, :, 0].copy(), "gelu", axis=1), (20, 8, 64), 2),
    "back by rows": (lambda x: kernel("bias", "back")(x, x, "relu", axis=1), (20, 8, 64), 2),
    "back by long rows": (lambda x: kernel("bias", "back")(x, x, "relu", axis=1), (2, 2, 4096), 2),
    "back by columns": (lambda x: kernel("bias", "back")(x, x, "relu", axis=1), (600, 8, 4), 2),
    "rows": (lambda x: kernel("reduce", "sum")(x, (2,)), (4, 10, 512), 1),
    "columns": (lambda x: kernel("reduce", "sum")(x, (1,)), (2, 300, 64), 1),
    "few columns": (lambda x: kernel("reduce", "sum")(x, (0, 1)), (4, 2048, 2), 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_bytes_are_moved_once_and_together(name):
    call, shape, times = CALLS[name]
    x = kn.gpu(np.ones(shape, "f4"))
    with recorded() as launches:
        call(x)
    assert sum(launch.moved for launch in launches) <= 1.1 * times * x.nbytes
    for launch in launches:
        assert launch.stats.idle_blocks == 0
        if launch.moved > x.nbytes / 2:
            assert launch.wasteful() == [], launch.name
