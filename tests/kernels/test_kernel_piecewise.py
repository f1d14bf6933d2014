"""The kernels of straight pieces: both backends against literals, Numba's against the reference."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings

from knetpy.kernels import kernel
from knetpy.kernels.reference import piecewise as reference
from tests.kernels.backends import WHY_NOT, arrays, needs_numba, same_everywhere

SERVED = {"reference": partial(getattr, reference), "served": partial(kernel, "piecewise")}
if not WHY_NOT:
    from knetpy.kernels.cpu import elementwise, piecewise
BACKENDS = pytest.mark.parametrize("backend", SERVED.values(), ids=SERVED)
inf, nan = np.inf, np.nan

X = [-inf, -3, -1, -0.5, 0, 0.5, 1, 3, inf, nan]
AT = {  # the numbers that follow x
    "hardtanh": (-1.0, 0.5),
    "leakyrelu": (0.25,),
    "threshold": (0.5, -7.0),
    "softshrink": (0.5,),
    "hardshrink": (0.5,),
    "shrink": (0.5,),
}
VALUES = {
    "relu": [0, 0, 0, 0, 0, 0.5, 1, 3, inf, nan],
    "hardtanh": [-1, -1, -1, -0.5, 0, 0.5, 0.5, 0.5, 0.5, nan],
    "hardsigmoid": [0, 0, 2 / 6, 2.5 / 6, 0.5, 3.5 / 6, 4 / 6, 1, 1, nan],
    "hardswish": [0, 0, -2 / 6, -1.25 / 6, 0, 1.75 / 6, 4 / 6, 3, inf, nan],
    "leakyrelu": [-inf, -0.75, -0.25, -0.125, 0, 0.5, 1, 3, inf, nan],
    "threshold": [-7, -7, -7, -7, -7, -7, 1, 3, inf, nan],
    "softshrink": [-inf, -2.5, -0.5, 0, 0, 0, 0.5, 2.5, inf, nan],
    "hardshrink": [-inf, -3, -1, 0, 0, 0, 1, 3, inf, nan],
}
SLOPES = {  # those of relu by its value; NaN has that of the piece which no comparison excludes
    "relu_dx": [0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
    "hardtanh_dx": [0, 0, 0, 1, 1, 0, 0, 0, 0, 1],
    "hardsigmoid_dx": [0, 0, *[1 / 6] * 5, 0, 0, 1 / 6],
    "hardswish_dx": [0, 0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1, 1, nan],
    "leakyrelu_dx": [*[0.25] * 5, 1, 1, 1, 1, 0.25],
    "threshold_dx": [0, 0, 0, 0, 0, 0, 1, 1, 1, 1],
    "shrink_dx": [1, 1, 1, 0, 0, 0, 1, 1, 1, 1],
}


def call(backend, name, x, dy=None):
    dy = x if dy is None else dy
    return backend(name)(*((dy, x) if name.endswith("_dx") else (x,)), *AT.get(name.removesuffix("_dx"), ()))


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("size", [1, 2000])
@pytest.mark.parametrize("name", [*VALUES, *SLOPES])
def test_by_hand(backend, dtype, size, name):
    x, dy = np.repeat(X, size).astype(dtype), np.full(10 * size, 2, dtype)
    wanted = VALUES[name] if name in VALUES else 2 * np.array(SLOPES[name])
    with np.errstate(all="raise"):
        y = call(backend, name, x, dy)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, np.repeat(wanted, size), rtol=2 * np.finfo(dtype).eps)


@BACKENDS
@pytest.mark.parametrize("name", SLOPES)
def test_no_slope_of_an_infinite_cotangent(backend, name):
    """Where the slope is 0 the product is 0, not NaN."""
    dy = np.full(2000, inf)
    flat = [i for i, slope in enumerate(SLOPES[name]) if slope == 0]
    for i in flat:
        assert (call(backend, name, np.full(2000, float(X[i])), dy) == 0).all()


def everything(x, backend=SERVED["served"]):
    dy = np.linspace(-1, 1, x.size, dtype=x.dtype).reshape(x.shape)
    return [call(backend, name, x, dy) for name in (*VALUES, *SLOPES)]


@needs_numba
@settings(max_examples=100, deadline=None, derandomize=True)
@given(arrays())
def test_served_as_the_reference(x):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elementwise, "SMALL", 0)
        patch.setattr(elementwise, "new", lambda *args, **options: np.full_like(args[0], 7, *args[1:], **options))
        ours = everything(x)
    with np.errstate(invalid="ignore"):
        theirs = everything(x, SERVED["reference"])
    for y, wanted in zip(ours, theirs):
        assert y.dtype == x.dtype.newbyteorder("=") and y.shape == x.shape
        np.testing.assert_allclose(y, wanted, rtol=4 * np.finfo(y.dtype).eps, atol=np.finfo(y.dtype).eps)


@needs_numba
def test_dense_memory_keeps_its_order():
    x = np.zeros((4, 20, 30, 3), np.float32).transpose(0, 3, 1, 2)
    assert all(y.strides == x.strides for y in everything(x))


@needs_numba
@pytest.mark.parametrize("name", SLOPES)
def test_written_over_dy(name):
    x, dy = np.random.default_rng(0).normal(size=(2, 300, 211)).astype(np.float32)
    wanted = call(SERVED["served"], name, x, dy).copy()
    assert SERVED["served"](name)(dy, x, *AT.get(name.removesuffix("_dx"), ()), out=dy) is dy
    assert dy.tobytes() == wanted.tobytes()


@needs_numba
def test_threads_and_callers_change_no_bit():
    x = np.random.default_rng(0).normal(size=100_003).astype(np.float32)
    same_everywhere(lambda: everything(x))


@needs_numba
def test_one_signature_for_each_loop():
    for dtype in (np.float32, np.float64):
        x = np.ones((30, 700), dtype)
        for a in (x, x.T, x[:, ::2], x.astype(x.dtype.newbyteorder())):
            everything(a)
    loops = [loop for name in (*VALUES, *SLOPES) for loop in getattr(piecewise, name).loops]
    assert {len(loop.overloads) for loop in loops} - {0} == {1}  # 0: served by another one's code
