"""The kernels of grid_sample: the reference against literals, Numba's against the reference, each as a derivative."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import grid as reference
from tests.kernels.backends import Served, backends, needs_numba, poisoned, same_everywhere

served = Served("grid")
BACKENDS = backends(reference, served)
nan, inf = np.nan, np.inf


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_by_hand(backend, dtype):
    x = np.array([[[[1, 2], [3, 4]], [[10, 20], [30, 40]]]], dtype)
    weights, index = np.array([[[1, 2], [3, 5], [7, nan]]], dtype), np.array([[[0, 3], [1, -1], [-1, -1]]])
    y = backend.blend(x, weights, index)
    np.testing.assert_array_equal(y, np.array([[[9, 6, nan], [90, 60, nan]]], dtype), strict=True)
    dy = np.array([[[1, 2, 0], [3, 4, 0]]], dtype)
    dx = backend.blend_dx(dy, weights, index, size=(2, 2))
    np.testing.assert_array_equal(dx, np.array([[[[1, 6], [0, 2]], [[3, 12], [0, 6]]]], dtype), strict=True)
    dw = backend.blend_dw(dy, x, index)
    np.testing.assert_array_equal(dw, np.array([[[31, 124], [84, 0], [0, 0]]], dtype), strict=True)


@st.composite
def problems(draw):
    """x with its channels last or first, or with steps; weights; an index that is partly outside."""
    size = tuple(draw(st.integers(1, 5)) for _ in range(draw(st.integers(1, 3))))
    n, c, p, t = (draw(st.integers(low, high)) for low, high in ((0, 3), (0, 18), (0, 7), (1, 8)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = np.moveaxis(rng.normal(size=(n, *size, c)).astype(draw(st.sampled_from([np.float32, np.float64]))), -1, 1)
    x = [x, x.copy(), np.repeat(x, 2, axis=-1)[..., ::2]][draw(st.integers(0, 2))]
    index = rng.integers(-1, np.prod(size), (n, p, t))
    return x, rng.normal(size=index.shape).astype(x.dtype), index


def all_of_them(x, weights, index, backend):
    y = backend.blend(x, weights, index)
    return y, backend.blend_dx(y, weights, index, size=x.shape[2:]), backend.blend_dw(y, x, index)


@needs_numba
@settings(max_examples=80, deadline=None, derandomize=True)
@given(problems())
def test_served_as_the_reference(problem):
    for ours, theirs in zip(*[all_of_them(*problem, backend) for backend in (served, reference)]):
        tolerance = 64 * np.finfo(theirs.dtype).eps
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.max(np.abs(theirs), initial=1))


def large(dtype):
    rng = np.random.default_rng(0)
    x = np.moveaxis(rng.normal(size=(5, 20, 20, 19)).astype(dtype), -1, 1)
    index = rng.integers(-1, 400, (5, 300, 4))
    return x, rng.normal(size=index.shape).astype(dtype), index


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_callers_change_no_bit(dtype):
    same_everywhere(lambda: all_of_them(*large(dtype), served))


@needs_numba
def test_everything_is_written(monkeypatch):
    cpu = pytest.importorskip("knetpy.kernels.cpu.grid")
    wanted = all_of_them(*large(np.float32), served)
    monkeypatch.setattr(cpu, "new", poisoned)
    for a, b in zip(all_of_them(*large(np.float32), served), wanted):
        np.testing.assert_array_equal(a, b)


@needs_numba
def test_positions_that_have_changed_stay_within_the_image():
    x, index = np.ones((1, 2, 3)), np.array([[[9, -7]]])
    y, dx, dw = all_of_them(x, np.ones((1, 1, 2)), index, served)
    assert not y.any() and not dx.any() and not dw.any()


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.grid")
    for dtype in (np.float32, np.float64):
        x, weights, index = large(dtype)
        for a in (x, x.copy(), x[..., ::2], x.astype(x.dtype.newbyteorder())):
            for i in (index % 9, (index % 9).astype(np.int32)):
                all_of_them(a, weights, i, served)
    for driver in (cpu._blend, cpu._put, cpu._dots):
        assert len(driver.signatures) == 2
