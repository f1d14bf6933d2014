"""Sums over axes: both backends against literals, Numba's against sums of float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import knetpy as kn
import knetpy.settings
from knetpy.kernels import kernel
from knetpy.kernels.reference import reduce as reference
from tests.kernels.backends import WHY_NOT, needs_numba, same_everywhere

SERVED = {"reference": reference.sum, "served": kernel("reduce", "sum")}
if not WHY_NOT:
    from knetpy.kernels.cpu import elementwise, reduce
BACKENDS = pytest.mark.parametrize("backend", SERVED.values(), ids=SERVED)


@BACKENDS
@pytest.mark.parametrize("size", [1, 100])
def test_by_hand(backend, size):
    """Of 0, 1, 2 in a row, 10 more in the next; as few as NumPy adds, and as many as do not."""
    x = np.repeat(np.add.outer([0.0, 10.0], [0.0, 1.0, 2.0])[None], 100 * size, 0)
    np.testing.assert_array_equal(backend(x, (2,)), np.broadcast_to([[[3.0], [33.0]]], (100 * size, 2, 1)))
    np.testing.assert_array_equal(backend(x, (0,)), 100 * size * np.array([[[0, 1, 2], [10, 11, 12]]]))
    np.testing.assert_array_equal(backend(x, (0, 2)), 100 * size * np.array([[[3], [33]]]))
    np.testing.assert_array_equal(backend(x, (1,)), np.broadcast_to([[[10.0, 12, 14]]], (100 * size, 1, 3)))
    assert backend(x, (0, 1, 2)) == 3600 * size and backend(x, (0, 1, 2)).shape == (1, 1, 1)


@st.composite
def problems(draw):
    """An array whose axes lie in memory in any order, sometimes with gaps, and axes to sum over."""
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 9, 20, 33, 150]), min_size=1, max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    order = rng.permutation(len(shape))
    dtype = draw(st.sampled_from(["<f4", "<f8", ">f4"]))
    while np.prod(shape) > 300_000:
        shape = shape[1:]
        order = rng.permutation(len(shape))
    x = (rng.normal(size=shape) + 0.3).transpose(order).astype(dtype, order="C").transpose(np.argsort(order))
    kind = draw(st.sampled_from(["dense", "dense", "gaps", "reversed", "locked", "stretched"]))
    if kind == "gaps":
        x = np.repeat(x, 2, axis=-1)[..., ::2]
    elif kind == "reversed":
        x = x[::-1]
    elif kind == "locked":
        x.flags.writeable = False
    elif kind == "stretched":
        x = np.broadcast_to(x[:1], x.shape)
    axes = draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    return x, tuple(sorted(axes))


@needs_numba
@settings(max_examples=250, deadline=None, derandomize=True)
@given(problems())
def test_served_as_the_reference(problem):
    x, axes = problem
    with pytest.MonkeyPatch.context() as patch:
        for name, few in (("LARGE", 0), ("LONG", 500), ("WIDE", 40), ("CHUNK", 300), ("LANES", 32), ("SHORT", 3)):
            patch.setattr(reduce, name, few)
        reduce._plan.cache_clear()
        y = SERVED["served"](x, axes)
    reduce._plan.cache_clear()
    wanted = np.add.reduce(x, axis=axes, dtype=np.float64, keepdims=True)
    scale = np.add.reduce(np.abs(x), axis=axes, dtype=np.float64, keepdims=True)
    assert y.dtype.char == x.dtype.char and y.shape == wanted.shape
    assert (np.abs(y - wanted) <= (2e-6 if x.itemsize == 4 else 1e-14) * scale).all()


SHAPES = [((40, 30, 20, 16), (0, 1, 2)), ((40, 30, 20, 16), (1, 2)), ((30, 70_000), (1,)), ((3, 8, 30_000), (0, 2))]


def everything(dtype):
    rng = np.random.default_rng(0)
    return [SERVED["served"](rng.normal(size=shape).astype(dtype), axes) for shape, axes in SHAPES]


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_callers_change_no_bit(dtype):
    same_everywhere(lambda: everything(dtype))


@BACKENDS
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_nan_and_inf(backend, axes):
    x = np.ones((400, 300), np.float32)
    for value in (np.inf, -np.inf, np.nan):
        x[7, 5] = value
        with np.errstate(invalid="ignore"):
            y = backend(x, axes)
        assert (~np.isfinite(y)).sum() == 1 and np.isnan(y).any() == np.isnan(value)
    x[7, 5], x[7, 9], x[11, 5] = np.inf, -np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(backend(x, axes)).any()


@needs_numba
def test_sums_of_many():
    """A float32 running sum would be off by a hundredth."""
    x = np.full((5_000_000, 4), 1.1, np.float32)
    for axes, count in (((0,), 5_000_000), ((0, 1), 20_000_000)):
        np.testing.assert_allclose(SERVED["served"](x, axes), count * np.float64(x[0, 0]), rtol=1e-6)


@needs_numba
def test_one_signature():
    everything(np.float32), everything(np.float64)
    assert len(elementwise._run.signatures) == 1
    assert all(len(loop.overloads) == 1 for loop in (*reduce.ROW_SUMS, *reduce.COLUMN_SUMS))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_sums_and_means(dtype):
    """NumPy's axes, shapes, dtypes and refusals, and the sums of what broadcasting stretched."""
    rng = np.random.default_rng(0)
    p, x = kn.param(rng.normal(size=(1, 20, 1, 1)).astype(dtype)), rng.normal(size=(30, 20, 9, 8)).astype(dtype)
    for axis in (None, -1, 1, (0, -1), (2, 3), (0, 2, 3), np.int64(0), ()):
        for keepdims in (False, True):
            for f in (np.sum, np.mean):
                inside = kn.vjp(lambda x, f=f, axis=axis, k=keepdims: f(x, axis=axis, keepdims=k), x)[0]
                wanted = f(x.astype(np.float64), axis=axis, keepdims=keepdims)
                assert type(inside) is type(f(x, axis=axis, keepdims=keepdims)) and inside.dtype == dtype
                np.testing.assert_allclose(inside, wanted, rtol=1e-4, atol=1e-4)
    for axis in (4, -5, (0, 0), (1, -3)):
        with pytest.raises((np.exceptions.AxisError, ValueError)):
            kn.vjp(lambda x, axis=axis: np.sum(x, axis=axis), x)
    g = kn.grad(lambda x: np.sum((x + p) * x))(x)[p]
    np.testing.assert_allclose(g, x.sum((0, 2, 3), np.float64, keepdims=True), rtol=1e-4, atol=1e-3)
