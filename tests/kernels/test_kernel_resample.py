"""The kernel of sparse matrices along an axis: the reference against literals, Numba's against the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import resample as reference
from tests.kernels.backends import WHY_NOT, Served, backends, needs_numba, same_everywhere

served = Served("resample")
BACKENDS = backends(reference, served)
nan = np.nan


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize(
    "x, starts, columns, weights, axis, y",
    [
        ([1, 2, 4], [0, 2, 3], [0, 2, 1], [0.5, 0.25, 3], 0, [1.5, 6]),
        ([1, nan], [0, 1, 1, 2], [0, 0], [1, 2], 0, [1, 0, 2]),
        ([[1, 2], [10, 20]], [0, 2], [0, 1], [1, 1], 0, [[11, 22]]),
        ([[1, 2], [10, 20]], [0, 2], [0, 1], [1, 1], 1, [[3], [30]]),
        (np.zeros((0, 2)), [0, 1], [1], [1], 1, np.zeros((0, 1))),
    ],
)
def test_by_hand(backend, dtype, x, starts, columns, weights, axis, y):
    x, weights = np.array(x, dtype), np.array(weights, dtype)
    ours = backend.resample(x, np.array(starts), np.array(columns), weights, axis=axis)
    np.testing.assert_array_equal(ours, np.array(y, dtype), strict=True)


@st.composite
def problems(draw):
    """x in any order of memory, an axis of it, and a sparse matrix in which rows may be empty."""
    axes = draw(st.integers(1, 4))
    shape = [draw(st.sampled_from([1, 2, 5, 19])) for _ in range(axes)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    order = draw(st.permutations(range(axes)))
    x = rng.normal(size=[shape[a] for a in order]).astype(draw(st.sampled_from([np.float32, np.float64])))
    x = x.transpose(np.argsort(order))
    axis = draw(st.integers(0, axes - 1))
    starts = np.cumsum([0, *draw(st.lists(st.integers(0, 4), min_size=1, max_size=9))])
    return x, starts, rng.integers(0, shape[axis], starts[-1]), rng.normal(size=starts[-1]).astype(x.dtype), axis


@needs_numba
@settings(max_examples=80, deadline=None, derandomize=True)
@given(problems())
def test_served_as_the_reference(problem):
    *given, axis = problem
    cpu = pytest.importorskip("knetpy.kernels.cpu.resample")
    cpu.new = lambda shape, dtype: np.full(shape, nan, dtype)
    try:
        ours = served.resample(*given, axis=axis)
    finally:
        cpu.new = np.empty
    theirs = reference.resample(*given, axis=axis)
    tolerance = 16 * np.finfo(theirs.dtype).eps
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_memory_order_threads_and_callers():
    rng = np.random.default_rng(0)
    x = np.moveaxis(rng.normal(size=(8, 30, 20, 16)).astype(np.float32), -1, 1)
    starts, columns = np.arange(0, 122, 2), rng.integers(0, 20, 120)
    y = same_everywhere(lambda: served.resample(x, starts, columns, np.full(120, 0.1), axis=3))
    if not WHY_NOT:
        assert np.moveaxis(y, 1, -1).flags.c_contiguous


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.resample")
    table = np.array([0, 1], np.int32), np.array([0], np.uint8), np.ones(1)
    for dtype in (np.float32, np.float64):
        x = np.ones((2, 3, 4), dtype)
        for a in (x, x.T, x[..., ::-1], x.astype(x.dtype.newbyteorder())):
            served.resample(a, *table, axis=1)
    assert len(cpu._resample.signatures) == 2
