"""The kernels of folding: the reference against literals, what serves against the reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import fold as reference
from knetpy.kernels.reference import places
from tests.kernels.backends import Served, backends, per_axis

served = Served("fold")
BACKENDS = backends(reference, served)


def sliding(window, stride, padding, dilation):
    return {"window": window, "stride": stride, "padding": padding, "dilation": dilation}


PLAIN = sliding((2,), (1,), ((0, 0),), (1,))
STRIDED = sliding((2,), (2,), ((1, 0),), (1,))
DILATED = sliding((2,), (1,), ((0, 1),), (2,))
SQUARE = sliding((2, 2), (1, 1), ((0, 0), (0, 1)), (1, 1))


@BACKENDS
@pytest.mark.parametrize(
    "x, options, columns",
    [
        ([[1, 2, 3]], PLAIN, [[1, 2], [2, 3]]),
        ([[1, 2], [3, 4]], PLAIN, [[1], [2], [3], [4]]),
        ([[1, 2, 3]], STRIDED, [[0, 2], [1, 3]]),
        ([[1, 2, 3]], DILATED, [[1, 2], [3, 0]]),
        ([[[1, 2], [3, 4]]], SQUARE, [[1, 2], [2, 0], [3, 4], [4, 0]]),
    ],
)
def test_unfold_by_hand(backend, x, options, columns):
    ours = backend.unfold(np.array([x], float), **options)
    np.testing.assert_array_equal(ours, np.array([columns], float))


@BACKENDS
@pytest.mark.parametrize(
    "columns, size, options, x",
    [
        ([[1, 2], [10, 20]], (3,), PLAIN, [[1, 12, 20]]),
        ([[1], [2], [3], [4]], (2,), PLAIN, [[1, 2], [3, 4]]),
        ([[1, 2], [10, 20]], (4,), STRIDED, [[10, 2, 20, 0]]),
        ([[1, 2], [10, 20]], (3,), DILATED, [[1, 2, 10]]),
        ([[1, 2], [10, 20], [100, 200], [1000, 2000]], (2, 2), SQUARE, [[[1, 12], [100, 1200]]]),
    ],
)
def test_fold_by_hand(backend, columns, size, options, x):
    ours = backend.fold(np.array([columns], float), size=size, **options)
    np.testing.assert_array_equal(ours, np.array([x], float))


@st.composite
def problems(draw):
    """The shape of x, and options under which the window fits."""
    axes = draw(st.integers(1, 3))
    each = per_axis(draw, axes)
    window, stride, dilation = each(1, 3), each(1, 3), each(1, 2)
    padding = tuple(zip(each(0, 2), each(0, 2)))
    reach = [d * (k - 1) + 1 - sum(p) for d, k, p in zip(dilation, window, padding)]
    size = tuple(max(1, r) + extra for r, extra in zip(reach, each(0, 3)))
    shape = (draw(st.integers(0, 2)), draw(st.integers(0, 2)), *size)
    return shape, sliding(window, stride, padding, dilation)


@BACKENDS
@settings(max_examples=50, deadline=None, derandomize=True)
@given(problem=problems())
def test_transposes(backend, problem):
    shape, options = problem
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    columns = backend.unfold(x, **options)
    padded = [n + sum(pair) for n, pair in zip(shape[2:], options["padding"])]
    count = math.prod(places(padded, options["window"], options["stride"], options["dilation"]))
    assert columns.shape == (shape[0], shape[1] * math.prod(options["window"]), count)
    dy = rng.normal(size=columns.shape)
    back = backend.fold(dy, size=shape[2:], **options)
    assert back.shape == shape
    np.testing.assert_allclose(np.vdot(columns, dy), np.vdot(x, back), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_dtypes_are_kept(dtype):
    columns = served.unfold(np.ones((1, 1, 3), dtype), **PLAIN)
    assert columns.dtype == served.fold(columns, size=(3,), **PLAIN).dtype == dtype
