"""The convolution kernels: the reference against literals, Numba's against the reference."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import conv as reference
from tests.kernels.backends import Served, backends, needs_numba, per_axis, poisoned, same_everywhere

served = Served("conv")
BACKENDS = backends(reference, served)
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


@BACKENDS
@pytest.mark.parametrize("size, stride", [((70, 60), (50, 50)), ((5, 9), (10**6, 10**9)), ((1, 9), (1, 10**9))])
def test_conv_dx_of_strides_beyond_the_size(backend, size, stride):
    how = {**SQUARE, "stride": stride, "padding": ((0, 0), (0, 0))}
    dy, w = (
        np.arange(1.0, 5).reshape(1, 1, 2, 2)[:, :, : -(-size[0] // 50), : -(-size[1] // 50)],
        np.full((1, 1, 1, 2), 3.0),
    )
    expected = np.zeros((1, 1, *size))
    for i, j in np.ndindex(*dy.shape[2:]):
        expected[0, 0, i * 50, j * 50 : j * 50 + 2] = 3 * dy[0, 0, i, j]
    np.testing.assert_array_equal(backend.conv_dx(dy, w, size=size, **how), expected)


INF, NAN = np.inf, np.nan


@BACKENDS
def test_padding_is_no_part_of_a_sum(backend):
    how = {**PLAIN, "padding": ((1, 1),)}
    np.testing.assert_array_equal(backend.conv(array([[2, 3]]), array([[INF, 1, NAN]]), **how), [[[NAN, INF]]])
    np.testing.assert_array_equal(backend.conv(array([[2, 3]]), array([[1, 10, INF]]), **how), [[[INF, 32]]])
    dx = backend.conv_dx(array([[1, 2]]), array([[1, INF]]), size=(3,), **PLAIN)
    np.testing.assert_array_equal(dx, [[[1, INF, INF]]])


@BACKENDS
@pytest.mark.parametrize("bias", [None, [1, -9]])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_bias_and_activation_by_hand(backend, bias, activation):
    x, w = array([[1, -2, NAN]]), array([[3]], [[2]])
    y = backend.conv(x, w, None if bias is None else np.array(bias, np.float64), **PLAIN, activation=activation)
    expected = array([[3, -6, NAN], [2, -4, NAN]]) + (0 if bias is None else np.reshape(bias, (2, 1)))
    np.testing.assert_array_equal(y, np.maximum(expected, 0) if activation else expected)


def few():
    return st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(1, 3))


def many():
    """Enough channels for whole vectors, and for what is left of one."""
    return st.tuples(st.integers(1, 2), st.integers(1, 40), st.integers(1, 40) | st.integers(60, 70))


def depthwise():
    return st.tuples(st.integers(1, 40), st.just(1), st.just(1))


def square():
    """Several groups in a vector, and groups that are too large for that."""
    return st.tuples(st.integers(2, 20), st.integers(2, 9)).map(lambda s: (*s, s[1]))


@st.composite
def problems(draw):
    """x, w, dy and options; how the arrays lie in memory is drawn too."""
    axes = draw(st.integers(1, 3))
    each = per_axis(draw, axes)
    kinds = st.sampled_from([few, many, depthwise, square]).flatmap(lambda kind: kind())
    n, (groups, depth, outputs) = draw(st.integers(0, 3)), draw(kinds)
    window, stride, dilation = each(1, 3), each(1, 3), each(1, 2)
    padding = tuple(zip(each(0, 2), each(0, 2)))
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
@pytest.mark.parametrize("bits", [None, 128, 256])
@settings(max_examples=80, deadline=None, derandomize=True)
@given(problem=problems())
def test_served_as_the_reference(bits, problem):
    with small_tasks(bits):
        served_as_the_reference(*problem)


@contextmanager
def small_tasks(bits=None):
    """Every limit is small, and outputs are poisoned. bits: of a vector, if not what the machine has."""
    from knetpy.kernels.cpu import conv, convcase, convplan, convtile, convweights, convwinograd

    limits = {convplan: {"PIXELS": 30, "LINE": 20, "BLOCK": 4000}, convtile: {"THREADED": 0}}
    limits |= {
        convweights: {"THREADED": 0, "new": poisoned},
        conv: {"new": poisoned, "new_like": poisoned_like, "BITS": bits or conv.BITS},
    }
    limits[convwinograd] = {"CHANNELS": 1, "SAVED": -(10**9), "ROOM": 5000, "new": poisoned}
    with pytest.MonkeyPatch.context() as patch:
        for module, values in limits.items():
            for name, value in values.items():
                patch.setattr(module, name, value)
        convcase.forward.cache_clear(), convcase.backward.cache_clear()
        yield
    convcase.forward.cache_clear(), convcase.backward.cache_clear()


def poisoned_like(a):
    y = np.empty_like(a)
    y.fill(np.nan)
    return y


def served_as_the_reference(x, w, dy, options):
    size, window = x.shape[2:], w.shape[2:]
    y, dx = served.conv(x, w, **options), served.conv_dx(dy, w, size=size, **options)
    for a in (y, dx):
        assert np.moveaxis(a, 1, -1).flags.c_contiguous and a.flags.owndata
    same(y, reference.conv(x, w, **options), x.dtype)
    same(dx, reference.conv_dx(dy, w, size=size, **options), x.dtype)
    dw = served.conv_dw(x, dy, window=window, **options)
    same(dw, reference.conv_dw(x, dy, window=window, **options), x.dtype)


@st.composite
def squares(draw):
    """Problems that Winograd's products serve."""
    few = st.integers(1, 7) | st.integers(14, 20)
    n, c, o, h, w = draw(st.tuples(st.integers(1, 4), few, few, st.integers(1, 11), st.integers(1, 11)))
    pads = draw(st.tuples(*[st.integers(0, 4)] * 4))
    padding = ((max(pads[0], 3 - h), pads[1]), (max(pads[2], 3 - w), pads[3]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x, weights = (rng.normal(size=shape).astype(np.float32) for shape in ((n, c, h, w), (o, c, 3, 3)))
    return x, weights, {**SQUARE, "padding": padding}


@needs_numba
@pytest.mark.parametrize("bits", [None, 256])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(problem=squares(), relu=st.booleans(), special=st.sampled_from([None, INF, -INF, NAN]))
def test_winograd(bits, problem, relu, special):
    """One value that is not finite reaches what it reaches in the reference."""
    from knetpy.kernels.cpu import conv, convcase, convwinograd

    x, w, options = problem
    bias = np.linspace(-1, 1, len(w)).astype(np.float32)
    dy = np.cos(np.arange(np.prod(reference.conv(x, w, **options).shape), dtype=np.float32))
    dy = dy.reshape(reference.conv(x, w, **options).shape)
    if special is not None:
        x[-1, 0, 0, -1] = dy[0, -1, -1, 0] = special
    with small_tasks(bits), np.errstate(invalid="ignore"):
        more = {**options, "activation": "relu" if relu else None}
        same(served.conv(x, w, bias, **more), reference.conv(x, w, bias, **more), x.dtype)
        size = x.shape[2:]
        same(served.conv_dx(dy, w, size=size, **options), reference.conv_dx(dy, w, size=size, **options), x.dtype)
        how = convcase.forward(x.shape, w.shape, *options.values(), "f", bits or conv.BITS)
        assert how.convolve is convwinograd.convolve


@needs_numba
def test_winograd_is_as_precise_as_it_says():
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 128, 16, 16), (64, 128, 3, 3)))
    options = {**SQUARE, "padding": ((1, 1), (1, 1))}
    exact = reference.conv(x.astype(np.float64), w.astype(np.float64), **options)
    error = np.abs(served.conv(x, w, **options) - exact)
    assert error.max() < 4e-6 * np.abs(exact).max()
    assert np.sqrt(np.mean(error**2)) < 1.5e-6 * np.sqrt(np.mean(exact**2))


@needs_numba
@settings(max_examples=80, deadline=None, derandomize=True)
@given(problem=problems(), data=st.data())
def test_special_values(problem, data):
    """One Inf or NaN anywhere reaches what it reaches in the reference, and nothing else."""
    x, w, dy, options = problem
    for a in (x, w, dy):
        if a.size and data.draw(st.booleans()):
            a.flags.writeable = True
            a[np.unravel_index(data.draw(st.integers(0, a.size - 1)), a.shape)] = data.draw(
                st.sampled_from([INF, -INF, NAN])
            )
    with small_tasks(), np.errstate(invalid="ignore"):
        y, dx = first_two(x, w, dy, options)
        same(y, reference.conv(x, w, **options), x.dtype)
        same(dx, reference.conv_dx(dy, w, size=x.shape[2:], **options), x.dtype)


@needs_numba
@settings(max_examples=40, deadline=None, derandomize=True)
@given(problem=problems(), relu=st.booleans())
def test_bias_and_activation(problem, relu):
    x, w, _, options = problem
    bias = np.linspace(-1, 1, len(w)).astype(x.dtype)
    options = {**options, "activation": "relu" if relu else None}
    with small_tasks():
        same(served.conv(x, w, bias, **options), reference.conv(x, w, bias, **options), x.dtype)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_callers_change_no_bit(large, dtype):
    *arrays, options = large
    arrays = [a.astype(dtype) for a in arrays]
    same_everywhere(lambda: all_three(*arrays, options))


@needs_numba
@pytest.mark.parametrize(
    "shape, window, groups, padding",
    [
        ((5, 20, 13, 30), (70, 20, 3, 3), 1, 1),
        ((26, 64, 4, 4), (40, 64, 3, 3), 1, 1),
        ((30, 16, 12, 12), (32, 16, 5, 5), 1, 0),
        ((3, 40, 20, 20), (40, 1, 7, 7), 40, 3),
        ((2, 36, 9, 250), (24, 9, 3, 3), 4, 2),
        ((4, 128, 28, 28), (128, 4, 3, 3), 32, 1),
        ((9, 40, 13, 14), (36, 40, 3, 3), 1, 1),
    ],
)
def test_whole_tasks(shape, window, groups, padding):
    """Problems of many tiles and tasks, by one and two threads, and by four callers at once."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=shape).astype(np.float32), rng.normal(size=window).astype(np.float32)
    options = {**SQUARE, "padding": ((padding, padding),) * 2, "groups": groups}
    dy = rng.normal(size=reference.conv(x, w, **options).shape).astype(np.float32)
    results = same_everywhere(lambda: first_two(x, w, dy, options), callers=4)
    same(results[0], reference.conv(x, w, **options), x.dtype)
    same(results[1], reference.conv_dx(dy, w, size=x.shape[2:], **options), x.dtype)


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
def test_one_signature():
    from knetpy.kernels.cpu import convtile, convweights

    x = np.random.default_rng(0).normal(size=(2, 2, 4))
    for layout in LAYOUTS:
        for dtype in (np.float32, np.float64):
            a = lay(x.astype(dtype), layout)
            options = {**PLAIN, "stride": (np.int32(1),)}
            served.conv_dx(served.conv(a, a, a[0, :, 0].copy(), **options), a, size=(np.int16(4),), **options)
    assert len(convtile._convolve.signatures) == len(convweights._pack.signatures) == 1


@pytest.mark.parametrize(
    "shape, window", [((2, 3, 1500), (5, 3, 3)), ((1, 2, 3, 2100), (3, 2, 2, 5)), ((1, 20, 1100), (20, 1, 3))]
)
def test_lines_longer_than_any_block(shape, window):
    x, w = (np.random.default_rng(0).standard_normal(s, np.float32) for s in (shape, window))
    axes = len(shape) - 2
    options = {
        "stride": (1,) * axes,
        "padding": ((1, 1),) * axes,
        "dilation": (1,) * axes,
        "groups": shape[1] // window[1],
    }
    np.testing.assert_allclose(served.conv(x, w, **options), reference.conv(x, w, **options), rtol=1e-4, atol=1e-5)
