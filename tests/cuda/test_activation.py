"""Activations on the GPU: every function at every kind of number, any size and place in memory, each read once."""

import inspect

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.cuda import activation, piecewise
from knetpy.kernels.reference import activation as curves
from knetpy.kernels.reference import piecewise as pieces
from tests.cuda.launches import recorded

inf, nan = np.inf, np.nan
NUMBERS = {
    "softplus": (1.5,),
    "elu": (0.7, 1.2, 0.9),
    "hardtanh": (-1.0, 0.5),
    "leakyrelu": (0.25,),
    "threshold": (0.5, -7.0),
    "softshrink": (0.5,),
    "hardshrink": (0.5,),
    "shrink": (0.5,),
}
NAMES = [(family, name) for family, there in (("activation", activation), ("piecewise", piecewise))
         for name in there._NAMES]  # fmt: skip
POINTS = [-inf, -1e4, -1001, -45, -40, -26, -25, -9, -3, -1.5, -1, -0.5, -0.1, -1e-3, -0.0]
X = np.array([*POINTS, *[-x for x in POINTS], nan, *np.linspace(-6, 6, 400)])


def numbers(name):
    return NUMBERS.get(name.removesuffix("_dx"), ())


def specified(family, name):
    return getattr({"activation": curves, "piecewise": pieces}[family], name)


def test_all_of_the_reference_are_there():
    for reference, served in ((curves, activation), (pieces, piecewise)):
        functions = [name for name, f in inspect.getmembers(reference, inspect.isfunction) if not name.startswith("_")]
        assert sorted(served._NAMES) == sorted(set(functions) - {"reusing"})


@pytest.mark.parametrize("family, name", NAMES)
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
def test_functions_at_all_kinds_of_numbers(family, name, dtype):
    x = X.astype(dtype)
    arrays = (np.resize([2, -0.75], x.shape).astype(dtype), x) if name.endswith("_dx") else (x,)
    with np.errstate(all="ignore"):
        wide = np.longdouble if dtype == "f8" else np.float64
        wanted = specified(family, name)(*[a.astype(wide if "erf" not in name else "f8") for a in arrays],
                                         *numbers(name))  # fmt: skip
        y = kn.cpu(kernel(family, name)(*kn.gpu(arrays), *numbers(name)))
        assert y.dtype == x.dtype and y.shape == x.shape
        wanted = wanted.astype(dtype).astype("f8")
    np.testing.assert_array_equal(np.isnan(y), np.isnan(wanted))
    np.testing.assert_array_equal(y == inf, wanted == inf)
    # what comes out of a cancellation is exact beside what went into it
    np.testing.assert_allclose(y, wanted, rtol=16 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


def test_tiny_values_keep_their_digits():
    x = np.float32([-5, -9, -12])
    for name in ("erfc", "sigmoid", "softplus", "gelu", "silu"):
        x_ = -x[:2] if name == "erfc" else x if name != "gelu" else x[:2]
        wanted = specified("activation", name)(x_.astype("f8"), *numbers(name))
        y = kn.cpu(kernel("activation", name)(kn.gpu(x_), *numbers(name)))
        np.testing.assert_allclose(y, wanted, rtol=2e-5, err_msg=name)  # erfc(9 / sqrt(2)): x^2 is rounded


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 1023, 1024, 1025, 4096])
def test_sizes_and_places(n, dtype, order):
    x, dy = np.random.default_rng(n).normal(size=(2, n + 3)).astype(dtype)
    for start in (0, 1, 2, 3):  # in the middle of a pack, too
        there, slopes = kn.gpu(x)[start : start + n], kn.gpu(dy)[3 - start : 3 - start + n]
        y = kn.cpu(kernel("piecewise", "hardshrink")(there, 0.5))
        np.testing.assert_array_equal(y, pieces.hardshrink(x[start : start + n], 0.5))
        y = kn.cpu(kernel("piecewise", "leakyrelu_dx")(slopes, there, 0.25))
        np.testing.assert_array_equal(y, pieces.leakyrelu_dx(dy[3 - start :][:n], x[start:][:n], 0.25))


def test_strides_shapes_and_other_dtypes():
    x, dy = np.random.default_rng(0).normal(size=(2, 6, 5, 4)).astype("f4")
    for there, here in ((kn.gpu(x)[::2, ::-1], x[::2, ::-1]), (kn.gpu(x).transpose(2, 0, 1), x.transpose(2, 0, 1))):
        np.testing.assert_array_equal(kn.cpu(kernel("piecewise", "relu")(there)), pieces.relu(here))
    y = kernel("piecewise", "relu_dx")(kn.gpu(dy[:1]), kn.gpu(x))  # shapes that broadcast
    np.testing.assert_array_equal(kn.cpu(y), pieces.relu_dx(dy[:1], x))
    y = kernel("piecewise", "relu_dx")(kn.gpu(dy.astype("f8")), kn.gpu(x), out=None)
    assert y.dtype == np.float64
    assert kn.cpu(kernel("piecewise", "relu")(kn.gpu(np.array([-1, 2])))).tolist() == [0, 2]
    assert kernel("activation", "gelu")(kn.gpu(np.float32(1)[None])[0]).shape == ()


def test_packs_are_read_and_written_as_one():
    x = kn.gpu(np.ones(4000, "f4"))
    with recorded() as launches:
        kernel("activation", "gelu")(x)
        kernel("activation", "gelu_dx")(x, x)
        kernel("piecewise", "relu")(x.astype("f8"))
    for launch, arrays, size in zip(launches, (2, 2, 2), (4, 4, 8)):
        stats = launch.stats
        assert stats.idle_blocks == 0 and launch.moved == arrays * 4000 * size and launch.wasteful() == []
        assert (stats.trace["size"] == 16).all()
