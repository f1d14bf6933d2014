"""The kernels of nll against literals, Numba's against the reference, the derivative against differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import nll as reference
from tests.kernels.backends import Served, backends, layouts, needs_numba, poisoned, same_everywhere

served = Served("nll")
BACKENDS = backends(reference, served)
log, inf, nan = np.log, np.inf, np.nan


def column(values):
    return np.array(values)[:, None]


@BACKENDS
@pytest.mark.parametrize(
    "scores, labels, options, losses, p",
    [
        ([[0, 0]], [1], {}, [log(2)], [[0.5, 0.5]]),
        ([[0, log(3)], [1e4, -1e4]], [0, 1], {}, [log(4), 2e4], [[0.25, 0.75], [1, 0]]),
        ([[inf, 0], [-inf, 0]], [0, 1], {}, [0, 0], [[1, 0], [0, 1]]),
        ([[-inf, 0]], [0], {}, [inf], [[0, 1]]),
        ([[0, log(3)]], [0], {"weight": np.array([2.0, 5])}, [2 * log(4)], [[0.25, 0.75]]),
        ([[0, log(3)]], [0], {"smoothing": 0.5}, [0.75 * log(4) + 0.25 * log(4 / 3)], [[0.25, 0.75]]),
        ([[0, 0]], [0], {"smoothing": 1.0, "weight": np.array([2.0, 4])}, [3 * log(2)], [[0.5, 0.5]]),
        ([[0, -inf]], [0], {"smoothing": 0.5, "weight": np.array([1.0, 0])}, [0], [[1, 0]]),
        ([[0, -inf]], [0], {"smoothing": 0.5}, [inf], [[1, 0]]),
        ([[-inf, -inf], [inf, inf]], [0, 1], {}, [log(2), log(2)], [[0.5, 0.5], [0.5, 0.5]]),
        ([[0, nan], [0, 0], [nan, inf]], [0, 0, 1], {}, [nan, log(2), nan], [[nan, nan], [0.5, 0.5], [nan, nan]]),
    ],
)  # fmt: skip
def test_nll_by_hand(backend, scores, labels, options, losses, p):
    ours, kept = backend.nll(np.array(scores, float), column(labels), axis=1, **options)
    np.testing.assert_allclose(ours, column(losses), rtol=1e-14)
    np.testing.assert_allclose(kept, p, rtol=1e-14)


@BACKENDS
@pytest.mark.parametrize(
    "dy, p, labels, options, dx",
    [
        ([1], [[0.25, 0.75]], [0], {}, [[-0.75, 0.75]]),
        ([2, 0], [[0.25, 0.75], [1, 0]], [1, 1], {}, [[0.5, -0.5], [0, 0]]),
        ([1], [[0.25, 0.75]], [0], {"weight": np.array([2.0, 5])}, [[-1.5, 1.5]]),
        ([2], [[0.25, 0.75]], [0], {"smoothing": 0.5}, [[-1, 1]]),
        ([1], [[0.25, 0.75]], [0], {"smoothing": 1.0, "weight": np.array([2.0, 4])}, [[-0.25, 0.25]]),
    ],
)
def test_nll_dx_by_hand(backend, dy, p, labels, options, dx):
    ours = backend.nll_dx(column(dy), np.array(p, float), column(labels), axis=1, **options)
    np.testing.assert_allclose(ours, dx, rtol=1e-14)


@BACKENDS
@pytest.mark.parametrize("weight", [None, [0.5, 0.0, 2.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_derivative_is_that_of_the_loss(backend, weight, smoothing, dtype):
    rng, step = np.random.default_rng(0), 1e-5
    scores, labels = rng.normal(size=(2, 3, 2)).astype(dtype), rng.integers(0, 3, (2, 1, 2))
    options = {"axis": 1, "smoothing": smoothing, "weight": None if weight is None else np.array(weight, dtype)}
    losses, p = backend.nll(scores, labels, **options)
    dy, v = rng.normal(size=losses.shape).astype(dtype), rng.normal(size=scores.shape)
    dx = backend.nll_dx(dy, p, labels, **options)
    assert losses.dtype == p.dtype == dx.dtype == dtype
    exact = {**options, "weight": None if weight is None else np.array(weight)}
    up, down = (np.sum(dy * reference.nll(scores + k * v, labels, **exact)[0]) for k in (step, -step))
    np.testing.assert_allclose(np.sum(dx * v), (up - down) / (2 * step), rtol=1e-5 if dtype == np.float32 else 1e-8)


@st.composite
def problems(draw):
    """Scores, labels and options: rows that lie together, side by side or apart; infinities and NaN now and then."""
    shape = draw(st.sampled_from([(5, 10), (3, 70), (1, 1), (0, 4), (2, 3000), (2, 5, 4, 7), (3, 2, 40), (0, 3, 2)]))
    axis = draw(st.integers(0, len(shape) - 1))
    if not shape[axis]:
        axis = 1
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    scores = rng.normal(size=shape) * draw(st.sampled_from([1, 30]))
    if draw(st.booleans()):
        scores[rng.random(shape) < 0.1] = draw(st.sampled_from([-inf, inf, nan]))
    scores = laid(draw, scores.astype(draw(st.sampled_from([np.float32, np.float64]))))
    labels = rng.integers(0, shape[axis], [1 if i == axis else n for i, n in enumerate(shape)])
    labels = labels.astype(draw(st.sampled_from([np.int64, np.int32, np.uint8]))) if shape[axis] < 256 else labels
    weight = rng.choice([0, 0.5, 2], shape[axis]).astype(scores.dtype) if draw(st.booleans()) else None
    return scores, labels, {"axis": axis, "weight": weight, "smoothing": draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))}


def laid(draw, x):
    """The same numbers in another memory layout."""
    how = draw(st.integers(0, 4))
    if how == 1:
        return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    if how == 2:
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if how == 3:
        return np.asfortranarray(x)
    return x.astype(x.dtype.newbyteorder()) if how == 4 else x


def same(ours, theirs):
    tolerance = 2e-6 if theirs.dtype.itemsize == 4 else 1e-14
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=10 * tolerance, atol=tolerance)


@needs_numba
@settings(max_examples=150, deadline=None, derandomize=True)
@given(problems())
def test_served_as_the_reference(problem):
    scores, labels, options = problem
    with np.errstate(invalid="ignore"):
        losses, p = reference.nll(scores, labels, **options)
    for ours, theirs in zip(served.nll(scores, labels, **options), (losses, p)):
        same(ours, theirs)
    dy = np.random.default_rng(0).normal(size=labels.shape).astype(p.dtype)
    same(served.nll_dx(dy, p, labels, **options), reference.nll_dx(dy, p, labels, **options))
    one = np.full((1,) * p.ndim, 0.75, p.dtype)  # for all of them
    same(served.nll_dx(one, p, labels, **options), reference.nll_dx(np.full_like(dy, 0.75), p, labels, **options))


@needs_numba
def test_everything_is_written(monkeypatch):
    cpu = pytest.importorskip("knetpy.kernels.cpu.nll")
    monkeypatch.setattr(cpu, "new", poisoned)
    for shape, axis in (((5, 10), 1), ((3, 5000), 1), ((2, 3, 130), 1), ((700, 7), 0)):
        scores, labels = np.zeros(shape), np.zeros([1 if i == axis else n for i, n in enumerate(shape)], int)
        losses, p = served.nll(scores, labels, axis=axis)
        dx = served.nll_dx(losses, p, labels, axis=axis)
        assert np.isfinite(losses).all() and np.isfinite(p).all() and np.isfinite(dx).all()


def large(dtype, shape=(40, 33, 50), axis=1):
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=shape).astype(dtype), rng.integers(0, shape[axis], (shape[0], 1, shape[2]))
    options = {"axis": axis, "weight": rng.random(shape[axis]).astype(dtype), "smoothing": 0.1}
    losses, p = served.nll(scores, labels, **options)
    return losses, p, served.nll_dx(losses, p, labels, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_callers_change_no_bit(dtype):
    same_everywhere(lambda: large(dtype))


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_dtypes_are_the_references(dtype):
    scores, labels = np.arange(6).reshape(2, 3).astype(dtype), column([0, 2])
    for ours, theirs in zip(served.nll(scores, labels, axis=1), reference.nll(scores, labels, axis=1)):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, theirs)


@needs_numba
@pytest.mark.parametrize("label", [-1, 3, 2**62])
def test_a_label_that_became_wrong_gives_nan(label):
    losses, p = served.nll(np.zeros((2, 3)), column([label, 1]), axis=1)
    np.testing.assert_allclose(losses, column([nan, log(3)]))
    dx = served.nll_dx(np.ones((2, 1)), p, column([label, 1]), axis=1)
    assert np.isnan(dx[0]).all() and np.isfinite(dx[1]).all()


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.nll")
    for dtype in (np.float32, np.float64):
        x = np.ones((2, 3, 20), dtype)
        for a in layouts(x):
            for options in ({}, {"smoothing": np.float64(0.5)}, {"weight": np.ones(a.shape[1])}):
                labels = np.zeros((len(a), 1, a.shape[2]), np.uint8)
                losses, p = served.nll(a, labels, axis=1, **options)
                served.nll_dx(losses, p, labels, axis=1, **options)
    assert len(cpu._nll.signatures) == len(cpu._nll_dx.signatures) == 2
