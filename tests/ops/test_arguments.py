"""What every op asks of its arguments, seen from one op or two."""

import numpy as np
import pytest

import knetpy as kn

X = np.ones((1, 2, 3))


@pytest.mark.parametrize("given", [[None], [[None, 1.0]], ["1", "2"], "abc", [1j], [[1], [2, 3]], [object()], {}])
def test_what_holds_no_numbers_is_no_array(given):
    """NumPy would make NaN of None, and a number of a word."""
    with pytest.raises(TypeError, match="x must be an array"):
        kn.layernorm(given)


@pytest.mark.parametrize("given", [[1, 2], [True, False], [1.5, 1e300], (1, [2.0][0]), np.arange(2.0).tolist()])
def test_numbers_in_lists_are_single(given):
    y = kn.normalise(given, ord=np.inf)
    assert (y.dtype, y.shape) == (np.float32, (2,))


@pytest.mark.parametrize("kind", [int, float, np.int8, np.uint64, np.float16, np.float32, np.float64, np.longdouble])
def test_a_number_is_of_any_real_type(kind):
    np.testing.assert_array_equal(kn.layernorm(X, eps=kind(1)), kn.layernorm(X, eps=1))
    np.testing.assert_array_equal(kn.upsample(X, kind(2)), kn.upsample(X, 2))


@pytest.mark.parametrize("given", [10**400, -(10**400), np.float32(np.inf), np.longdouble(np.nan), -1, np.float16(-1)])
def test_a_number_is_finite_and_within_its_limits(given):
    with pytest.raises(ValueError, match="eps must be a finite number >= 0"):
        kn.layernorm(X, eps=given)


@pytest.mark.parametrize("given", [{1}, {1: 2}, b"a", "1", range(0), np.array(1.0), True, None, [None], 2**31, [[1]]])
def test_one_integer_for_each_axis(given):
    with pytest.raises(ValueError, match="window must be an integer"):
        kn.unfold(X, given)
    for fine in (2, [2], (2,), np.array(2), np.array([2]), np.int8(2)):
        np.testing.assert_array_equal(kn.unfold(X, fine), kn.unfold(X, 2))
