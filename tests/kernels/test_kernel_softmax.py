"""The kernels of softmax against literals, and Numba's against the reference."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import softmax as reference
from tests.kernels.backends import Served, backends, layouts, needs_numba, poisoned, same_everywhere

NAMES = ("softmax", "logsoftmax", "softmax_dx", "logsoftmax_dx")
served = Served("softmax")
BACKENDS = backends(reference, served)
log, inf, nan = np.log, np.inf, np.nan
NO = np.array([False, False])


@BACKENDS
@pytest.mark.parametrize(
    "x, options, p",
    [
        ([[0, 0], [0, log(3)]], {"axis": (1,)}, [[0.5, 0.5], [0.25, 0.75]]),
        ([[0, 0], [0, log(3)]], {"axis": 0}, [[0.5, 0.25], [0.5, 0.75]]),
        ([[0, 0], [log(2), 0]], {"axis": (0, 1)}, [[0.2, 0.2], [0.4, 0.2]]),
        ([1e4, -1e4, 1e4], {"axis": -1}, [0.5, 0, 0.5]),
        ([inf, 0, inf], {"axis": 0}, [0.5, 0, 0.5]),
        ([-inf, -inf], {"axis": 0}, [0.5, 0.5]),
        ([-inf, 0], {"axis": 0}, [0, 1]),
        ([[0, nan], [nan, inf], [0, 0]], {"axis": 1}, [[nan, nan], [nan, nan], [0.5, 0.5]]),
        ([0, 5, 0], {"axis": 0, "mask": np.array([True, False, True])}, [0.5, 0, 0.5]),
        ([[0, 5], [0, 0]], {"axis": 1, "mask": NO}, [[0, 0], [0, 0]]),
        (7.0, {"axis": ()}, 1),
        (np.zeros((2, 0)), {"axis": 1}, np.zeros((2, 0))),
    ],
)
def test_softmax_by_hand(backend, x, options, p):
    x, p = np.array(x, float), np.array(p, float)
    with np.errstate(divide="ignore"):
        logs = np.log(p)
    np.testing.assert_allclose(backend.softmax(x, **options), p, rtol=1e-14)
    np.testing.assert_allclose(backend.logsoftmax(x, **options), np.where(x == -1e4, -2e4 - log(2), logs), atol=1e-14)


@BACKENDS
@pytest.mark.parametrize(
    "dy, p, axis, dx, dx_of_log",
    [
        ([[1, 0]], [[0.5, 0.5]], 1, [[0.25, -0.25]], [[0.5, -0.5]]),
        ([[1, 2], [0, 1]], [[0.25, 0.75], [1, 0]], (1,), [[-0.1875, 0.1875], [0, 0]], [[0.25, -0.25], [-1, 1]]),
        ([[4], [0]], [[0.25], [0.75]], 0, [[0.75], [-0.75]], [[3], [-3]]),
    ],
)
def test_derivatives_by_hand(backend, dy, p, axis, dx, dx_of_log):
    dy, p = np.array(dy, float), np.array(p, float)
    with np.errstate(divide="ignore"):
        logs = np.log(p)
    np.testing.assert_allclose(backend.softmax_dx(dy, p, axis=axis), dx, atol=1e-15)
    np.testing.assert_allclose(backend.logsoftmax_dx(dy, logs, axis=axis), dx_of_log, atol=1e-15)


@st.composite
def problems(draw):
    """An array in some memory layout, and axes."""
    shapes = [(5, 10), (3, 70), (1,), (0, 4), (4, 0), (2, 3000), (2, 5, 4, 7), (2, 3, 40), (3, 30, 1, 30), ()]
    shape = draw(st.sampled_from(shapes))
    axes = draw(st.sets(st.integers(0, len(shape) - 1))) if shape else set()
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = np.asarray(rng.normal(size=shape) * draw(st.sampled_from([1, 30])))
    if draw(st.booleans()):
        x[rng.random(shape) < 0.1] = draw(st.sampled_from([-inf, inf, nan]))
    x = x.astype(draw(st.sampled_from([np.float32, np.float64])))
    x = x.transpose(draw(st.permutations(range(len(shape))))).copy(draw(st.sampled_from("CK")))
    x = x.transpose(draw(st.permutations(range(len(shape)))))
    how = draw(st.integers(0, 3))
    if how == 1 and shape:
        x = np.repeat(x, 2, axis=0)[::2]
    if how == 2:
        x = x.astype(x.dtype.newbyteorder())
    return x, tuple(axes)


def same(ours, theirs):
    tolerance = 2e-6 if theirs.dtype.itemsize == 4 else 1e-14
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=10 * tolerance, atol=10 * tolerance)


@needs_numba
@settings(max_examples=200, deadline=None, derandomize=True)
@given(problems())
def test_served_as_the_reference(problem):
    x, axes = problem
    with np.errstate(invalid="ignore"):
        p, logs = (getattr(reference, name)(x, axis=axes) for name in NAMES[:2])
    same(served.softmax(x, axis=axes), p)
    same(served.logsoftmax(x, axis=axes), logs)
    dy = np.random.default_rng(0).normal(size=x.shape).astype(p.dtype)
    same(served.softmax_dx(dy, p, axis=axes), reference.softmax_dx(dy, p, axis=axes))
    same(served.logsoftmax_dx(dy, logs, axis=axes), reference.logsoftmax_dx(dy, logs, axis=axes))


@needs_numba
def test_everything_is_written(monkeypatch):
    cpu = pytest.importorskip("knetpy.kernels.cpu.softmax")
    monkeypatch.setattr(cpu, "new", poisoned)
    for shape, axis in (((5, 10), 1), ((3, 5000), 1), ((2, 3, 130), 1), ((700, 7), 0)):
        assert all(np.isfinite(y).all() for y in all_of_them(np.zeros(shape), axis))


def all_of_them(x, axis, backend=served):
    p, logs = backend.softmax(x, axis=axis), backend.logsoftmax(x, axis=axis)
    return p, logs, backend.softmax_dx(x, p, axis=axis), backend.logsoftmax_dx(x, logs, axis=axis)


@needs_numba
@pytest.mark.parametrize("bits", [128, 256])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_narrow_vectors(bits, dtype, monkeypatch):
    cpu = pytest.importorskip("knetpy.kernels.cpu.softmax")
    monkeypatch.setattr(cpu, "code", partial(cpu.code, bits=bits))
    x = np.random.default_rng(0).normal(size=(7, 21, 19)).astype(dtype) * 10
    x[0, 3, 2], x[1, 1, 1], x[2, :, 3] = inf, nan, -inf
    with np.errstate(invalid="ignore"):
        for axis in (1, 2):
            for ours, theirs in zip(all_of_them(x, axis), all_of_them(x, axis, reference)):
                same(ours, theirs)


@needs_numba
@pytest.mark.parametrize("dtype, tiny", [(np.float32, -103), (np.float64, -744)])
def test_few_digits_are_lost(dtype, tiny):
    x = np.zeros((20000, 2), dtype)
    x[:, 1] = np.linspace(tiny, 0, len(x))
    e = np.exp(x[:, 1].astype(np.longdouble))
    least = 2 * np.finfo(dtype).smallest_subnormal
    np.testing.assert_allclose(served.softmax(x, axis=1)[:, 1], e / (1 + e), rtol=3 * np.finfo(dtype).eps, atol=least)
    sizes = np.arange(1, 1000)
    logs = [served.logsoftmax(np.zeros((1, n), dtype), axis=1)[0, 0] for n in sizes]
    np.testing.assert_allclose(np.negative(logs), np.log(sizes.astype(np.longdouble)), rtol=3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [1, 2])
def test_threads_and_callers_change_no_bit(dtype, axis):
    x = np.random.default_rng(0).normal(size=(40, 33, 50)).astype(dtype)
    same_everywhere(lambda: all_of_them(x, axis))


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_dtypes_are_the_references(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    for ours, theirs in zip(all_of_them(x, 1), all_of_them(x, 1, reference)):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, theirs)


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.softmax")
    for dtype in (np.float32, np.float64):
        x = np.ones((2, 3, 20), dtype)
        for a in layouts(x):
            all_of_them(a, 1), all_of_them(a, (0, 2)), all_of_them(a, (np.int64(1),))
    assert len(cpu._rows.signatures) == 2
