"""The pooling kernels: the reference against literals, Numba's against the reference."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import pool as reference
from tests.kernels.backends import Served, backends, layouts, needs_numba, per_axis, poisoned, same_everywhere

served = Served("pool")
BACKENDS = backends(reference, served)
nan, inf = np.nan, np.inf


def image(values, dtype=np.float64):
    """One image of one channel."""
    return np.array([[values]], dtype)


def sliding(window, stride, *padding, dilation=None):
    none = ((0, 0),) * len(window)
    return {"window": window, "stride": stride, "padding": padding or none, "dilation": dilation or (1,) * len(window)}


@BACKENDS
@pytest.mark.parametrize(
    "x, options, y, taps, index",
    [
        ([3, 1, 4, 1, 5, 9], sliding((2,), (2,)), [3, 4, 9], [0, 0, 1], [0, 2, 5]),
        ([2, 2, 1, 2], sliding((3,), (1,)), [2, 2], [0, 0], [0, 1]),
        ([1, nan, 5, nan], sliding((4,), (1,)), [nan], [1], [1]),
        ([nan, 1, nan], sliding((2,), (1,)), [nan, nan], [0, 1], [0, 2]),
        ([-inf, -1], sliding((2,), (2,), (1, 1)), [-inf, -1], [1, 0], [0, 1]),
        ([[1, 2], [3, 4]], sliding((2, 1), (1, 1)), [[3, 4]], [[1, 1]], [[2, 3]]),
        ([[4, 2], [3, 4]], sliding((2, 2), (2, 2)), [[4]], [[0]], [[0]]),
        ([[1, 2], [5, 4]], sliding((2, 2), (1, 1), (1, 0), (0, 0)), [[2], [5]], [[3], [2]], [[1], [2]]),
        ([3, 1, 4, 1, 5, 9], sliding((2,), (1,), dilation=(3,)), [3, 5, 9], [0, 1, 1], [0, 4, 5]),
        ([7, 1, 4, 1], sliding((2,), (1,), (2, 1), dilation=(3,)), [1, 4, 7, 1], [1, 1, 0, 0], [1, 2, 0, 1]),
    ],
)
def test_maxpool_by_hand(backend, x, options, y, taps, index):
    x = image(x)
    ours, met = backend.maxpool(x, **options)
    np.testing.assert_array_equal(ours, image(y))
    np.testing.assert_array_equal(backend.largest(x, **options), image(y))
    np.testing.assert_array_equal(met, image(taps))
    places = backend.positions(met, size=x.shape[2:], **options)
    np.testing.assert_array_equal(places, image(index))
    assert met.dtype == np.uint8 and places.dtype == np.int64


@BACKENDS
@pytest.mark.parametrize("window, dtype", [((2, 128), np.uint8), ((257,), np.int32)])
def test_numbers_of_taps_take_few_bytes(backend, window, dtype):
    x = np.arange(np.prod(window), dtype=np.float32).reshape(1, 1, *window)
    y, taps = backend.maxpool(x, **sliding(window, window))
    assert taps.dtype == dtype and taps == y == x.size - 1
    dx = backend.spread(y, taps, size=window, **sliding(window, window))
    assert dx.sum() == dx[0, 0].flat[-1] == x.size - 1


@BACKENDS
@pytest.mark.parametrize(
    "x, taps, options, y, dy, dx",
    [
        ([10, 20, 30, 40], [1, 0], sliding((2,), (2,)), [20, 30], [1, 2], [0, 1, 2, 0]),
        ([10, 20, 30], [1, 0], sliding((2,), (1,)), [20, 20], [1, 2], [0, 3, 0]),
        ([10, 20], [1, 0, 0], sliding((2,), (1,), (1, 1)), [10, 10, 20], [1, 2, 4], [3, 4]),
        ([[10, 20], [30, 40]], [[2]], sliding((2, 2), (2, 2)), [[30]], [[7]], [[0, 0], [7, 0]]),
        ([10, 20, 30, 40], [1, 0], sliding((2,), (1,), dilation=(2,)), [30, 20], [1, 2], [0, 2, 1, 0]),
        ([10, 20, 30, 40, 50], [0, 1], sliding((2,), (3,)), [10, 50], [1, 2], [1, 0, 0, 0, 2]),
    ],
)
def test_pick_and_spread_by_hand(backend, x, taps, options, y, dy, dx):
    x, taps = image(x), image(taps, np.uint8)
    np.testing.assert_array_equal(backend.pick(x, taps, **options), image(y))
    np.testing.assert_array_equal(backend.spread(image(dy), taps, size=x.shape[2:], **options), image(dx))


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
    each = per_axis(draw, axes)
    window, stride, dilation = each(1, 3), each(1, 3), each(1, 3)
    padding = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in window)
    size = tuple(d * (k - 1) + 1 + extra for k, d, extra in zip(window, dilation, each(0, 4)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = [-inf, -2.5, 0, 1, 7, nan, inf] if draw(st.booleans()) else rng.normal(size=99)
    channels = draw(st.integers(0, 18) | st.sampled_from([33, 64, 83]))
    shape = (draw(st.integers(0, 3)), channels, *size)
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


@contextmanager
def small_tasks(bits=None):
    """Few elements are many, and outputs are poisoned. bits: of a vector, if not what the machine has."""
    from knetpy.kernels.cpu import pool, poolcode, poolplan

    limits = {
        "CHUNK": 100,
        "THREADED": 0,
        "LONG": 9,
        "UNROLLED": 4,
        "code": partial(poolcode.code, bits=bits or poolcode.BITS),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "new", poisoned)
        for name, value in limits.items():
            patch.setattr(poolplan, name, value)
        poolplan._plan.cache_clear()
        yield
    poolplan._plan.cache_clear()


@needs_numba
@pytest.mark.parametrize("bits", [None, 128, 256])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(problem=problems())
def test_served_as_the_reference(bits, problem):
    with small_tasks(bits):
        as_the_reference(*problem)


def as_the_reference(x, options):
    size, (y, taps) = x.shape[2:], reference.maxpool(x, **options)
    dy = np.random.default_rng(0).normal(size=y.shape).astype(x.dtype)
    index = reference.positions(taps, size=size, **options)
    np.testing.assert_array_equal(reference.take(x, index), y)
    ours = served.maxpool(x, **options)
    assert all(np.moveaxis(a, 1, -1).flags.c_contiguous for a in ours)
    np.testing.assert_array_equal(ours[0], y)
    np.testing.assert_array_equal(ours[1], taps)
    np.testing.assert_array_equal(served.largest(x, **options), y)
    np.testing.assert_array_equal(served.take(x, index), y)
    np.testing.assert_array_equal(served.pick(x, taps, **options), reference.pick(x, taps, **options))
    put = reference.put(dy, index, size=size)
    same(served.put(dy, index, size=size), put)
    for backend in (reference, served):
        same(backend.spread(dy, taps, size=size, **options), put)
    x = np.nan_to_num(x, posinf=9, neginf=-9)
    for counted in countings(options["padding"]):
        more = {**options, "counted": counted}
        same(served.meanpool(x, **more), reference.meanpool(x, **more))
        same(*[b.meanpool_dx(dy, size=size, **more) for b in (served, reference)])


@BACKENDS
@settings(max_examples=50, deadline=None, derandomize=True)
@given(problem=problems(), kind=st.integers(0, 3))
def test_transposes(backend, problem, kind):
    x, options = problem
    size = x.shape[2:]
    x = np.nan_to_num(x, posinf=9, neginf=-9).astype(np.float64)
    y, taps = backend.maxpool(x, **options)
    dy = np.random.default_rng(0).normal(size=y.shape)
    same(np.vdot(y, dy), np.vdot(x, backend.spread(dy, taps, size=size, **options)))
    same(backend.pick(x, taps, **options), y)
    index = backend.positions(taps, size=size, **options)
    same(np.vdot(y, dy), np.vdot(x, backend.put(dy, index, size=size)))
    options["counted"] = countings(options["padding"])[kind]
    y, dx = backend.meanpool(x, **options), backend.meanpool_dx(dy, size=size, **options)
    same(np.vdot(y, dy), np.vdot(x, dx))


def all_of_them(x, options, backend=served):
    size, mean = x.shape[2:], {**options, "counted": ((0, 0),) * (x.ndim - 2)}
    y, taps = backend.maxpool(x, **options)
    index = backend.positions(taps, size=size, **options)
    return (
        *(y, taps, index, backend.largest(x, **options)),
        *(backend.pick(x, taps, **options), backend.spread(y, taps, size=size, **options)),
        *(backend.take(x, index), backend.put(y, index, size=size)),
        *(backend.meanpool(x, **mean), backend.meanpool_dx(y, size=size, **mean)),
    )


CUT = sliding((3, 2), (2, 1), (1, 2), (1, 0), dilation=(1, 3))


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_callers_change_no_bit(dtype):
    x = np.random.default_rng(0).normal(size=(5, 19, 9, 8)).astype(dtype)
    with small_tasks():
        same_everywhere(lambda: all_of_them(x, CUT))


@needs_numba
def test_python_threads_share_nothing():
    xs = [np.random.default_rng(i).normal(size=(2, 5 + i, 9, 8)).astype(np.float32) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        several = list(pool.map(lambda x: all_of_them(x, CUT), xs))
    for x, results in zip(xs, several):
        for ours, alone in zip(results, all_of_them(x, CUT)):
            assert ours.tobytes() == alone.tobytes()


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_dtypes_are_the_references(dtype):
    x = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(dtype)
    options = sliding((2,), (2,), (1, 0))
    for ours, theirs in zip(all_of_them(x, options), all_of_them(x, options, reference)):
        assert ours.dtype in (dtype, np.int64, np.uint8)
        np.testing.assert_array_equal(ours, theirs)


@needs_numba
def test_one_signature_whatever_the_arrays():
    cpu = pytest.importorskip("knetpy.kernels.cpu.pool")
    for dtype in (np.float32, np.float64):
        x = np.ones((2, 3, 4, 5), dtype)
        for a in (*layouts(x), x.transpose(0, 3, 1, 2), unaligned(x)):
            options = sliding((np.int32(2), 2), (1, np.int16(1)))
            for ours, theirs in zip(all_of_them(a, options), all_of_them(a, options, reference)):
                np.testing.assert_array_equal(ours, theirs)
            index = served.positions(served.maxpool(a, **options)[1], size=a.shape[2:], **options)
            served.put(served.take(a, index.astype(np.int32)), index.astype(np.uint8), size=a.shape[2:])
    assert len(cpu._run.signatures) == 1
    for name in ("_take", "_put"):
        assert len(getattr(cpu, name).signatures) == 2, name


def unaligned(x):
    memory = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.transpose(0, 2, 3, 1).shape)
    memory[...] = x.transpose(0, 2, 3, 1)
    return memory.transpose(0, 3, 1, 2)
