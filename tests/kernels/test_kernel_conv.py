"""The convolution kernels: the reference against literals, Numba's against the reference."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import knetpy.settings
from knetpy.kernels import dispatch, kernel
from knetpy.kernels.reference import conv as reference

NAMES = ("conv", "conv_dx", "conv_dw")
served = SimpleNamespace(**{name: kernel("conv", name) for name in NAMES})
needs_numba = pytest.mark.skipif(bool(dispatch._no_numba()), reason=dispatch._no_numba())
BACKENDS = pytest.mark.parametrize("backend", [reference, served], ids=["reference", "served"])
PLAIN = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
STRIDED = {**PLAIN, "stride": (2,), "padding": ((1, 0),)}
DILATED = {**PLAIN, "dilation": (2,)}
GROUPED = {**PLAIN, "groups": 2}
SQUARE = {"stride": (1, 1), "padding": ((0, 1), (1, 0)), "dilation": (1, 1), "groups": 1}


def array(*values):
    return np.array(values, np.float64)


@BACKENDS
@pytest.mark.parametrize(
    "x, w, options, y",
    [
        ([[1, 2, 3, 4]], [[[1, 0, -1]]], PLAIN, [[-2, -2]]),
        ([[1, 2, 3, 4]], [[[1, 2]]], STRIDED, [[2, 8]]),
        ([[1, 2, 3, 4]], [[[1, 1]]], DILATED, [[4, 6]]),
        ([[1, 2], [3, 4]], [[[10]], [[100]]], GROUPED, [[10, 20], [300, 400]]),
        ([[1, 2], [3, 4]], [[[10], [1]]], PLAIN, [[13, 24]]),
        ([[[1, 2], [3, 4]]], [[[[1, 10], [100, 1000]]]], SQUARE, [[[3010, 4321], [30, 43]]]),
    ],
)
def test_conv_by_hand(backend, x, w, options, y):
    np.testing.assert_array_equal(backend.conv(array(x), array(*w), **options), array(y))


@BACKENDS
@pytest.mark.parametrize(
    "dy, w, size, options, dx",
    [
        ([[1, 10]], [[[1, 2, 3]]], (4,), PLAIN, [[1, 12, 23, 30]]),
        ([[1, 10]], [[[1, 2]]], (4,), STRIDED, [[2, 10, 20, 0]]),
        ([[1, 10]], [[[1, 2]]], (4,), DILATED, [[1, 10, 2, 20]]),
        ([[1, 2], [3, 4]], [[[10]], [[100]]], (2,), GROUPED, [[10, 20], [300, 400]]),
        ([[[1, 0], [0, 1]]], [[[[1, 10], [100, 1000]]]], (2, 2), SQUARE, [[[10, 0], [1001, 10]]]),
    ],
)
def test_conv_dx_by_hand(backend, dy, w, size, options, dx):
    np.testing.assert_array_equal(backend.conv_dx(array(dy), array(*w), size=size, **options), array(dx))


@BACKENDS
@pytest.mark.parametrize(
    "x, dy, window, options, dw",
    [
        ([[[1, 2, 3, 4]]], [[[1, 10]]], (3,), PLAIN, [[[21, 32, 43]]]),
        ([[[1, 2, 3, 4]]], [[[1, 10]]], (2,), STRIDED, [[[20, 31]]]),
        ([[[1, 2, 3, 4]]], [[[1, 10]]], (2,), DILATED, [[[21, 43]]]),
        ([[[1, 2], [3, 4]]], [[[1, 10], [1, 10]]], (1,), GROUPED, [[[21]], [[43]]]),
        ([[[1, 2]], [[3, 4]]], [[[1, 10]], [[100, 1000]]], (1,), PLAIN, [[[4321]]]),
    ],
)
def test_conv_dw_by_hand(backend, x, dy, window, options, dw):
    np.testing.assert_array_equal(backend.conv_dw(array(*x), array(*dy), window=window, **options), array(*dw))


def few():
    return st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(1, 3))


def many():
    """Enough channels for whole vectors, and for what is left of one."""
    return st.tuples(st.integers(1, 2), st.integers(1, 40), st.integers(1, 40) | st.integers(60, 70))


def depthwise():
    return st.tuples(st.integers(1, 40), st.just(1), st.just(1))


@st.composite
def problems(draw):
    """x, w, dy and options; how the arrays lie in memory is drawn too."""
    axes = draw(st.integers(1, 3))

    def per_axis(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    n, groups, depth, outputs = (
        draw(st.integers(0, 3)),
        *draw(st.sampled_from([few, many, depthwise]).flatmap(lambda k: k())),
    )
    window, stride, dilation = per_axis(1, 3), per_axis(1, 3), per_axis(1, 2)
    padding = tuple(zip(per_axis(0, 2), per_axis(0, 2)))
    reach = [d * (k - 1) + 1 - sum(p) for d, k, p in zip(dilation, window, padding)]
    extras = (*(draw(st.integers(0, 4)) for _ in range(axes - 1)), draw(st.integers(0, 4) | st.integers(5, 30)))
    size = tuple(max(1, r) + extra for r, extra in zip(reach, extras))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))

    def normal(shape):
        return lay(rng.normal(size=shape).astype(dtype), draw(st.sampled_from(LAYOUTS)))

    x, w = normal((n, depth * groups, *size)), normal((outputs * groups, depth, *window))
    dy = normal(reference.conv(x, w, **options).shape)
    return x, w, dy, options


LAYOUTS = ["C", "channels last", "strided", "reversed", "locked", "swapped", "unaligned"]


def lay(x, layout):
    """The same array, differently in memory."""
    if layout == "channels last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    if layout == "strided":
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if layout == "reversed":
        return x[..., ::-1].copy()[..., ::-1]
    if layout == "locked":
        x.flags.writeable = False
    if layout == "swapped":
        return x.astype(x.dtype.newbyteorder())
    if layout == "unaligned":
        bytes_ = np.zeros(x.nbytes + 1, np.uint8)
        moved = bytes_[1:].view(x.dtype).reshape(x.shape)
        moved[...] = x
        return moved
    return x


def same(ours, theirs, dtype):
    tolerance = 1e-4 if dtype.itemsize == 4 else 1e-11
    assert ours.dtype == theirs.dtype.newbyteorder("=")
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@needs_numba
@pytest.mark.parametrize("path", ["tile", "patches"])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(problem=problems())
def test_served_as_the_reference(path, problem):
    with by(path):
        served_as_the_reference(*problem)


@contextmanager
def by(path):
    """Everything that can be on the tile is, in small tasks; or nothing is. Outputs are poisoned."""
    from knetpy.kernels.cpu import conv, convtile

    limits = {"WEIGHTS": 10**9, "NARROW": 0} if path == "tile" else {"WEIGHTS": 0}
    small = {"PIXELS": 30, "LINE": 20, "DEPTH": 50, "THREADED": 0, "new": poisoned}
    with pytest.MonkeyPatch.context() as patch:
        for module, values in ((conv, limits), (convtile, small)):
            for name, value in values.items():
                patch.setattr(module, name, value)
        convtile._plan.cache_clear()
        yield
    convtile._plan.cache_clear()


def poisoned(shape, dtype):
    return np.full(shape, np.nan, dtype)


def served_as_the_reference(x, w, dy, options):
    size, window = x.shape[2:], w.shape[2:]
    y, dx = served.conv(x, w, **options), served.conv_dx(dy, w, size=size, **options)
    assert np.moveaxis(y, 1, -1).flags.c_contiguous and np.moveaxis(dx, 1, -1).flags.c_contiguous
    same(y, reference.conv(x, w, **options), x.dtype)
    same(dx, reference.conv_dx(dy, w, size=size, **options), x.dtype)
    dw = served.conv_dw(x, dy, window=window, **options)
    same(dw, reference.conv_dw(x, dy, window=window, **options), x.dtype)


@BACKENDS
@settings(max_examples=50, deadline=None, derandomize=True)
@given(problem=problems())
def test_transposes(backend, problem):
    x, w, dy, options = problem
    size, window = x.shape[2:], w.shape[2:]
    product = np.vdot(backend.conv(x, w, **options), dy)
    same(product, np.vdot(x, backend.conv_dx(dy, w, size=size, **options)), product.dtype)
    same(product, np.vdot(w, backend.conv_dw(x, dy, window=window, **options)), product.dtype)


@pytest.fixture
def large():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 4, 9, 8)), rng.normal(size=(6, 2, 3, 2))
    options = {"stride": (2, 1), "padding": ((1, 2), (0, 1)), "dilation": (1, 2), "groups": 2}
    return x, w, rng.normal(size=reference.conv(x, w, **options).shape), options


def all_three(x, w, dy, options):
    return (
        served.conv(x, w, **options),
        served.conv_dx(dy, w, size=x.shape[2:], **options),
        served.conv_dw(x, dy, window=w.shape[2:], **options),
    )


def first_two(x, w, dy, options):
    return served.conv(x, w, **options), served.conv_dx(dy, w, size=x.shape[2:], **options)


def test_chunks(large, monkeypatch):
    cpu = pytest.importorskip("knetpy.kernels.cpu.conv")
    whole = all_three(*large)
    for size in (1, 1000, 5000):
        monkeypatch.setattr(cpu, "BUFFER", size)
        for ours, theirs in zip(all_three(*large), whole):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_thread_count_changes_nothing(large, monkeypatch, dtype):
    x, w, dy, options = large
    arrays = [a.astype(dtype) for a in (x, w, dy)]
    results = []
    for threads in (1, 2):
        monkeypatch.setattr(knetpy.settings, "threads", lambda threads=threads: threads)
        results.append(all_three(*arrays, options))
    for one, two in zip(*results):
        assert one.tobytes() == two.tobytes()


@needs_numba
@pytest.mark.parametrize(
    "shape, window, groups, padding",
    [
        ((5, 20, 13, 30), (70, 20, 3, 3), 1, 1),
        ((26, 64, 4, 4), (40, 64, 3, 3), 1, 1),
        ((30, 16, 12, 12), (32, 16, 5, 5), 1, 0),
        ((3, 40, 20, 20), (40, 1, 7, 7), 40, 3),
        ((2, 36, 9, 250), (24, 9, 3, 3), 4, 2),
    ],
)
def test_whole_tasks(shape, window, groups, padding):
    """Problems of many tiles and tasks, by one and two threads, and by four callers at once."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=shape).astype(np.float32), rng.normal(size=window).astype(np.float32)
    options = {**SQUARE, "padding": ((padding, padding),) * 2, "groups": groups}
    dy = rng.normal(size=reference.conv(x, w, **options).shape).astype(np.float32)
    before, results = knetpy.settings.threads(), []
    try:
        for threads in (1, 2):
            knetpy.settings.set_threads(threads)
            results.append(first_two(x, w, dy, options))
    finally:
        knetpy.settings.set_threads(before)
    with ThreadPoolExecutor(4) as pool:
        results += [f.result() for f in [pool.submit(first_two, x, w, dy, options) for _ in range(4)]]
    for result in results[1:]:
        assert [a.tobytes() for a in result] == [a.tobytes() for a in results[0]]
    same(results[0][0], reference.conv(x, w, **options), x.dtype)
    same(results[0][1], reference.conv_dx(dy, w, size=x.shape[2:], **options), x.dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.complex128, np.int64])
def test_other_dtypes_are_the_references(large, dtype):
    x, w, dy, options = large
    x, w, dy = ((10 * a).astype(dtype) for a in (x, w, dy))
    size, window = x.shape[2:], w.shape[2:]
    theirs = (
        reference.conv(x, w, **options),
        reference.conv_dx(dy, w, size=size, **options),
        reference.conv_dw(x, dy, window=window, **options),
    )
    for one, two in zip(all_three(x, w, dy, options), theirs):
        assert one.dtype == dtype
        np.testing.assert_array_equal(one, two)


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.conv")
    x = np.random.default_rng(0).normal(size=(2, 2, 4))
    for layout in LAYOUTS:
        for dtype in (np.float32, np.float64):
            a = lay(x.astype(dtype), layout)
            options = {**PLAIN, "stride": (np.int32(1),)}
            served.conv_dx(served.conv(a, a, **options), a, size=(np.int16(4),), **options)
    assert len(cpu._gather.signatures) == len(cpu._scatter.signatures) == 2
