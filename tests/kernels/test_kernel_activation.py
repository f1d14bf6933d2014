"""The kernels of the error function against literals, from 40 digits of mpmath."""

from functools import partial

import numpy as np
import pytest

from knetpy.kernels import kernel
from knetpy.kernels.reference import activation as reference

SERVED = {"reference": partial(getattr, reference), "served": partial(kernel, "activation")}
BACKENDS = pytest.mark.parametrize("backend", SERVED.values(), ids=SERVED)
inf, nan = np.inf, np.nan
ERF = {
    1e-300: 1.1283791670955126e-300,
    1e-09: 1.1283791670955127e-09,
    0.1: 0.1124629160182849,
    0.46875: 0.49261347321793797,
    0.5: 0.5204998778130465,
    -1.0: -0.8427007929497149,
    2.0: 0.9953222650189527,
    -3.5: -0.9999992569016276,
    4.0: 0.9999999845827421,
    4.5: 0.9999999998033839,
    -5.0: -0.9999999999984626,
}
ERFC = {
    1e-09: 0.9999999988716208,
    0.1: 0.887537083981715,
    0.46875: 0.507386526782062,
    0.5: 0.4795001221869535,
    -1.0: 1.8427007929497148,
    2.0: 0.004677734981047266,
    -3.5: 1.9999992569016276,
    4.0: 1.541725790028002e-08,
    4.5: 1.9661604415428876e-10,
    10.0: 2.088487583762545e-45,
    26.0: 5.663192408856143e-296,
}


@BACKENDS
@pytest.mark.parametrize("name, table", [("erf", ERF), ("erfc", ERFC)])
def test_literals(backend, name, table):
    """On all three intervals and at their borders; float64 to 6 units in the last place, the others rounded."""
    x, wanted = np.array(list(table)), np.array(list(table.values()))
    np.testing.assert_allclose(backend(name)(x), wanted, rtol=6 * 2.0**-53)
    for dtype in (np.float32, np.float16):
        with np.errstate(under="ignore"):
            y, there = backend(name)(x.astype(dtype)), np.abs(wanted) > 1e-4
        assert y.dtype == dtype
        slope = 2 / np.sqrt(np.pi) * np.exp(-x * x) * np.abs(x.astype(dtype) - x)  # what rounding x may change
        assert (np.abs(y - wanted) <= 1.01 * slope + np.abs(wanted) * np.finfo(dtype).eps)[there].all()


@BACKENDS
def test_limits(backend):
    x = np.array([-inf, inf, nan, 0.0, -0.0, 30.0, -30.0])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(backend("erf")(x), [-1, 1, nan, 0, 0, 1, -1])
        np.testing.assert_array_equal(backend("erfc")(x), [2, 0, nan, 1, 1, 0, 2])
    assert np.signbit(backend("erf")(x))[3:5].tolist() == [False, True]


@BACKENDS
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3)])
def test_shapes(backend, shape):
    x = np.full(shape, 0.5)
    for name, value in (("erf", ERF[0.5]), ("erfc", ERFC[0.5])):
        np.testing.assert_allclose(backend(name)(x), np.full(shape, value), rtol=1e-15)
    np.testing.assert_array_equal(
        backend("erf")(np.arange(12.0).reshape(3, 4).T), backend("erf")(np.arange(12.0)).reshape(3, 4).T
    )
