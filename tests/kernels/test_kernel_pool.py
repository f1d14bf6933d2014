"""The pooling kernels: the reference against literals, Numba's against the reference."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import knetpy.settings
from knetpy.kernels import dispatch, kernel
from knetpy.kernels.reference import pool as reference

NAMES = ("maxpool", "take", "put", "meanpool", "meanpool_dx")
served = SimpleNamespace(**{name: kernel("pool", name) for name in NAMES})
needs_numba = pytest.mark.skipif(bool(dispatch._no_numba()), reason=dispatch._no_numba())
BACKENDS = pytest.mark.parametrize("backend", [reference, served], ids=["reference", "served"])
nan, inf = np.nan, np.inf


def image(values, dtype=np.float64):
    """One image of one channel."""
    return np.array([[values]], dtype)


def sliding(window, stride, *padding, dilation=None):
    none = ((0, 0),) * len(window)
    return {"window": window, "stride": stride, "padding": padding or none, "dilation": dilation or (1,) * len(window)}


@BACKENDS
@pytest.mark.parametrize(
    "x, options, y, index",
    [
        ([3, 1, 4, 1, 5, 9], sliding((2,), (2,)), [3, 4, 9], [0, 2, 5]),
        ([2, 2, 1, 2], sliding((3,), (1,)), [2, 2], [0, 1]),
        ([1, nan, 5, nan], sliding((4,), (1,)), [nan], [1]),
        ([nan, 1, nan], sliding((2,), (1,)), [nan, nan], [0, 2]),
        ([-inf, -1], sliding((2,), (2,), (1, 1)), [-inf, -1], [0, 1]),
        ([[1, 2], [3, 4]], sliding((2, 1), (1, 1)), [[3, 4]], [[2, 3]]),
        ([[4, 2], [3, 4]], sliding((2, 2), (2, 2)), [[4]], [[0]]),
        ([3, 1, 4, 1, 5, 9], sliding((2,), (1,), dilation=(3,)), [3, 5, 9], [0, 4, 5]),
        ([7, 1, 4, 1], sliding((2,), (1,), (2, 1), dilation=(3,)), [1, 4, 7, 1], [1, 2, 0, 1]),
    ],
)
def test_maxpool_by_hand(backend, x, options, y, index):
    ours, places = backend.maxpool(image(x), **options)
    np.testing.assert_array_equal(ours, image(y))
    np.testing.assert_array_equal(places, image(index))
    assert places.dtype == np.int64


@BACKENDS
@pytest.mark.parametrize(
    "x, index, y",
    [
        ([10, 20, 30], [2, 0], [30, 10]),
        ([10, 20, 30], [1, 1, 1, 1], [20, 20, 20, 20]),
        ([[10, 20], [30, 40]], [[3], [1]], [[40], [20]]),
    ],
)
def test_take_by_hand(backend, x, index, y):
    np.testing.assert_array_equal(backend.take(image(x), image(index, np.int64)), image(y))


@BACKENDS
@pytest.mark.parametrize(
    "dy, index, size, dx",
    [
        ([1, 2], [2, 0], (3,), [2, 0, 1]),
        ([1, 2, 3], [1, 1, 0], (3,), [3, 3, 0]),
        ([[1], [2]], [[3], [1]], (2, 2), [[0, 2], [0, 1]]),
    ],
)
def test_put_by_hand(backend, dy, index, size, dx):
    np.testing.assert_array_equal(backend.put(image(dy), image(index, np.int64), size=size), image(dx))


@BACKENDS
@pytest.mark.parametrize(
    "x, options, counted, y",
    [
        ([1, 2, 3, 4], sliding((2,), (2,)), ((0, 0),), [1.5, 3.5]),
        ([1, 2, 3, 4], sliding((2,), (2,), (1, 1)), ((1, 1),), [0.5, 2.5, 2]),
        ([1, 2, 3, 4], sliding((2,), (2,), (1, 1)), ((0, 0),), [1, 2.5, 4]),
        ([1, 2, 3, 4], sliding((2,), (2,), (1, 1)), ((0, 1),), [1, 2.5, 2]),
        ([1, 2, 3, 4], sliding((2,), (2,), (1, 1)), None, [1, 5, 4]),
        ([1, 2, 3, 4], sliding((2,), (1,), dilation=(2,)), ((0, 0),), [2, 3]),
        ([1, 2, 3, 4], sliding((2,), (2,), (1, 1), dilation=(3,)), ((0, 1),), [3, 1]),
        ([[1, 2], [3, 6]], sliding((2, 2), (1, 1), (0, 0), (1, 0)), ((0, 0), (0, 0)), [[2, 3]]),
    ],
)
def test_meanpool_by_hand(backend, x, options, counted, y):
    np.testing.assert_array_equal(backend.meanpool(image(x), **options, counted=counted), image(y))


@BACKENDS
@pytest.mark.parametrize(
    "dy, size, options, counted, dx",
    [
        ([2, 4], (4,), sliding((2,), (2,)), ((0, 0),), [1, 1, 2, 2]),
        ([2, 4], (3,), sliding((2,), (1,)), ((0, 0),), [1, 3, 2]),
        ([2, 4, 6], (4,), sliding((2,), (2,), (1, 1)), ((1, 1),), [1, 2, 2, 3]),
        ([2, 4, 6], (4,), sliding((2,), (2,), (1, 1)), ((0, 0),), [2, 2, 2, 6]),
        ([2, 4, 6], (4,), sliding((2,), (2,), (1, 1)), None, [2, 4, 4, 6]),
        ([2, 4], (4,), sliding((2,), (1,), dilation=(2,)), ((0, 0),), [1, 2, 1, 2]),
    ],
)
def test_meanpool_dx_by_hand(backend, dy, size, options, counted, dx):
    ours = backend.meanpool_dx(image(dy), size=size, **options, counted=counted)
    np.testing.assert_array_equal(ours, image(dx))


@st.composite
def problems(draw):
    """x and the options of maxpool; ties, NaN and infinities are frequent, no window is all padding."""
    axes = draw(st.integers(1, 3))

    def per_axis(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    window, stride, dilation = per_axis(1, 3), per_axis(1, 3), per_axis(1, 3)
    padding = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in window)
    size = tuple(d * (k - 1) + 1 + extra for k, d, extra in zip(window, dilation, per_axis(0, 4)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = [-inf, -2.5, 0, 1, 7, nan, inf] if draw(st.booleans()) else rng.normal(size=99)
    shape = (draw(st.integers(0, 3)), draw(st.integers(0, 18)), *size)
    x = rng.choice(values, size=shape).astype(draw(st.sampled_from([np.float32, np.float64])))
    if draw(st.booleans()):
        x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    if draw(st.booleans()):
        x = np.repeat(x, 2, axis=2)[:, :, ::2]
    return x, {"window": window, "stride": stride, "padding": padding, "dilation": dilation}


def countings(padding):
    """What may be counted: of the padding none, all, or what was there before it was made larger; or nothing."""
    return [None, ((0, 0),) * len(padding), padding, tuple((b, a // 2) for b, a in padding)]


def same(ours, theirs):
    tolerance = 1e-5 if theirs.dtype.itemsize == 4 else 1e-12
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@needs_numba
@settings(max_examples=100, deadline=None, derandomize=True)
@given(problems())
def test_served_as_the_reference(problem):
    x, options = problem
    y, index = reference.maxpool(x, **options)
    dy = np.random.default_rng(0).normal(size=y.shape).astype(x.dtype)
    ours = served.maxpool(x, **options)
    assert all(np.moveaxis(a, 1, -1).flags.c_contiguous for a in ours)
    np.testing.assert_array_equal(ours[0], y)
    np.testing.assert_array_equal(ours[1], index)
    np.testing.assert_array_equal(served.take(x, index), y)
    same(served.put(dy, index, size=x.shape[2:]), reference.put(dy, index, size=x.shape[2:]))
    x = np.nan_to_num(x, posinf=9, neginf=-9)
    for counted in countings(options["padding"]):
        more = {**options, "counted": counted}
        same(served.meanpool(x, **more), reference.meanpool(x, **more))
        ours, theirs = (b.meanpool_dx(dy, size=x.shape[2:], **more) for b in (served, reference))
        same(ours, theirs)


@BACKENDS
@settings(max_examples=50, deadline=None, derandomize=True)
@given(problem=problems(), kind=st.integers(0, 3))
def test_transposes(backend, problem, kind):
    x, options = problem
    size = x.shape[2:]
    x = np.nan_to_num(x, posinf=9, neginf=-9).astype(np.float64)
    y, index = backend.maxpool(x, **options)
    dy = np.random.default_rng(0).normal(size=y.shape)
    same(np.vdot(y, dy), np.vdot(x, backend.put(dy, index, size=size)))
    options["counted"] = countings(options["padding"])[kind]
    y, dx = backend.meanpool(x, **options), backend.meanpool_dx(dy, size=size, **options)
    same(np.vdot(y, dy), np.vdot(x, dx))


def all_of_them(x, options, backend=served):
    y, index = backend.maxpool(x, **options)
    taken, put = backend.take(x, index), backend.put(y, index, size=x.shape[2:])
    mean = backend.meanpool(x, **options, counted=((0, 0),) * (x.ndim - 2))
    spread = backend.meanpool_dx(y, size=x.shape[2:], **options, counted=((0, 0),) * (x.ndim - 2))
    return y, index, taken, put, mean, spread


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_thread_count_changes_nothing(monkeypatch, dtype):
    x = np.random.default_rng(0).normal(size=(5, 19, 9, 8)).astype(dtype)
    results = []
    for threads in (1, 2):
        monkeypatch.setattr(knetpy.settings, "threads", lambda threads=threads: threads)
        results.append(all_of_them(x, sliding((3, 2), (2, 1), (1, 2), (1, 0), dilation=(1, 3))))
    for one, two in zip(*results):
        assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_dtypes_are_the_references(dtype):
    x = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(dtype)
    options = sliding((2,), (2,), (1, 0))
    for ours, theirs in zip(all_of_them(x, options), all_of_them(x, options, reference)):
        assert ours.dtype in (dtype, np.int64)
        np.testing.assert_array_equal(ours, theirs)


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.pool")
    for dtype in (np.float32, np.float64):
        x = np.ones((2, 3, 4, 5), dtype)
        locked = x.copy()
        locked.flags.writeable = False
        for a in (x, locked, x[..., ::2], x.transpose(0, 3, 1, 2), x.astype(x.dtype.newbyteorder())):
            all_of_them(a, sliding((np.int32(2), 2), (1, np.int16(1))))
            _, index = served.maxpool(a, **sliding((2, 2), (1, 1)))
            served.put(served.take(a, index.astype(np.int32)), index.astype(np.uint8), size=a.shape[2:])
    for name in ("_max", "_take", "_put", "_mean", "_spread"):
        assert len(getattr(cpu, name).signatures) == 2, name
