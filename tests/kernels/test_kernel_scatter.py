"""The kernels of scatter: the reference against literals, and what serves against the same and the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import scatter as reference
from tests.kernels.backends import Served, backends, needs_numba, same_everywhere

served = Served("scatter")
BACKENDS = backends(reference, served)
nan, inf = np.nan, np.inf


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "src, index, size, largest, smallest",
    [
        ([3, 1, 2], [0, 0, 1], 2, [3, 2], [1, 2]),
        ([3, 1], [2, 2], 4, [-inf, -inf, 3, -inf], [inf, inf, 1, inf]),
        ([[1, 8], [2, 7], [0, 9]], [1, 1, 0], 2, [[0, 9], [2, 8]], [[0, 9], [1, 7]]),
        ([nan, 1, -inf, inf], [0, 0, 1, 1], 2, [nan, inf], [nan, -inf]),
        ([-inf, inf], [0, 1], 2, [-inf, inf], [-inf, inf]),
        ([], [], 1, [-inf], [inf]),
        (np.zeros((2, 0)), [0, 1], 2, np.zeros((2, 0)), np.zeros((2, 0))),
    ],
)
def test_extreme_by_hand(backend, dtype, src, index, size, largest, smallest):
    src, index = np.array(src, dtype), np.array(index, np.int64)
    for flag, wanted in ((True, largest), (False, smallest)):
        ours = backend.extreme(src, index, size=size, largest=flag)
        np.testing.assert_array_equal(ours, np.array(wanted, dtype), strict=True)


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize(
    "x, index, y, back",
    [
        ([[[1], [2], [3]]], [[[2], [0], [2]]], [[[3], [1], [3]]], [[[1], [0], [6]]]),
        ([[[1, 5], [2, 6]]], [[[1], [1]]], [[[2, 6], [2, 6]]], [[[0, 0], [4, 12]]]),
        ([[[1, 5], [2, 6]]], [[[1, 0]]], [[[2, 5]]], [[[0, 5], [2, 0]]]),
        ([[[1], [2]], [[3], [4]]], [[[1], [1]]], [[[2], [2]], [[4], [4]]], [[[0], [4]], [[0], [8]]]),
        ([[[1], [2]], [[3], [4]]], [[[1]], [[0]]], [[[2]], [[3]]], [[[0], [2]], [[3], [0]]]),
        ([[[nan], [2]]], [[[1]]], [[[2]]], [[[0], [2]]]),
        (np.zeros((2, 3, 0)), [[[1]]], np.zeros((2, 1, 0)), np.zeros((2, 3, 0))),
    ],
)
def test_along_by_hand(backend, dtype, x, index, y, back):
    x, index = np.array(x, dtype), np.array(index, np.int64)
    ours = backend.take_along(x, index)
    np.testing.assert_array_equal(ours, np.array(y, dtype), strict=True)
    np.testing.assert_array_equal(backend.add_along(ours, index, size=x.shape[1]), np.array(back, dtype), strict=True)


@st.composite
def problems(draw):
    """x (A, N, B), with steps or transposed, and an index of elements of it, of any shape that it may have."""
    a, n, b, m = (draw(st.sampled_from([1, 2, 3, 17])) for _ in range(4))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(b, n, 2 * a)).T[::2].astype(draw(st.sampled_from([np.float32, np.float64])))
    shape = (draw(st.sampled_from([1, a])), m, draw(st.sampled_from([1, b])))
    return x, rng.integers(0, n, shape).astype(draw(st.sampled_from([np.int64, np.int32])))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems())
def test_along_as_the_reference(problem):
    x, index = problem
    y = reference.take_along(x, index)
    np.testing.assert_array_equal(served.take_along(x, index), y, strict=True)
    ours, theirs = (b.add_along(y, index, size=x.shape[1]) for b in (served, reference))
    np.testing.assert_array_equal(ours, theirs, strict=True)


def large(dtype):
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 40, 90)).astype(dtype), rng.integers(0, 40, (30, 35, 90))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_callers_change_no_bit(dtype):
    x, index = large(dtype)
    rows, numbers = x.reshape(1200, 90), np.arange(1200) * 7 % 50

    def all_of_them():
        y = served.take_along(x, index)
        more = [served.take_along(x, i) for i in (index[:1], index[:, :, :1])]
        extremes = [served.extreme(rows, numbers, size=50, largest=flag) for flag in (True, False)]
        return [y, *more, served.add_along(y, index, size=40), *extremes]

    wanted = same_everywhere(all_of_them, callers=4)
    theirs = [reference.take_along(x, index), reference.extreme(rows, numbers, size=50, largest=True)]
    for a, b in zip((wanted[0], wanted[4]), theirs):
        np.testing.assert_array_equal(a, b)


@needs_numba
def test_numbers_that_have_changed_stay_within_the_arrays():
    x = np.arange(6.0).reshape(1, 3, 2)
    for index in (np.array([[[7], [-2]]]), np.array([[[7, 7], [-2, -2]]])):
        np.testing.assert_array_equal(served.take_along(x, index), x[:, [2, 0]])
        assert not served.add_along(x[:, :2], index, size=3).any()
    assert (served.extreme(x[0], np.array([9, -1, 3]), size=3, largest=True) == -inf).all()


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.scatter")
    for dtype in (np.float32, np.float64):
        x, index = np.ones((2, 3, 4), dtype), np.zeros((2, 5, 4), np.int64)
        for a in (x, x.T.copy().T, x[..., ::-1], x.astype(x.dtype.newbyteorder())):
            for i in (index, index.astype(np.uint8), index[:1]):
                served.add_along(served.take_along(a, i), i, size=3)
            served.extreme(a, np.array([0, 1], np.int32), size=2, largest=np.True_)
    for driver in (cpu._take, cpu._add, cpu._extreme):
        assert len(driver.signatures) == 2
