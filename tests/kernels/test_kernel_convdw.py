"""The weight gradient on the tile: against the reference, by every kind of rows, vector width and cut of the sum."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from knetpy.kernels import kernel
from knetpy.kernels.reference import conv as reference
from tests.kernels.backends import WHY_NOT, per_axis, poisoned, same_everywhere

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

from knetpy.kernels.cpu import convdw, convdwplan

served = kernel("conv", "conv_dw")


def arrays(n, c, size, o, window, options, dtype, seed=0):
    """x and dy; and the reference's result in float64."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, c, *size)).astype(dtype)
    w = np.zeros((o, c // options["groups"], *window), dtype)
    dy = rng.normal(size=reference.conv(x, w, **options).shape).astype(dtype)
    return x, dy, reference.conv_dw(x.astype(np.float64), dy.astype(np.float64), window=window, **options)


def plain(axes, groups=1, stride=1, padding=0, dilation=1):
    ends = padding if isinstance(padding, tuple) else (padding, padding)
    return {"stride": (stride,) * axes, "padding": (ends,) * axes, "dilation": (dilation,) * axes, "groups": groups}


def same(ours, theirs, dtype):
    assert ours.dtype == dtype and ours.flags.c_contiguous and ours.flags.owndata and ours.flags.writeable
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@st.composite
def problems(draw):
    """Sizes and options; most have few channels, some enough for several panels."""
    axes = draw(st.integers(1, 3))
    each = per_axis(draw, axes)
    few, many = st.integers(1, 6), st.integers(1, 40) | st.integers(60, 70)
    one = st.just(1)
    kinds = [(one, few, many), (one, many, few), (one, many, many), (few, few, few), (st.integers(2, 40), one, one)]
    groups, depth, filters = (draw(number) for number in draw(st.sampled_from(kinds)))
    window, stride, dilation = each(1, 4), each(1, 3), each(1, 2)
    padding = tuple(zip(each(0, 3), each(0, 3)))
    reach = [d * (k - 1) + 1 - sum(p) for d, k, p in zip(dilation, window, padding)]
    size = tuple(max(1, r) + draw(st.integers(0, 9)) for r in reach)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return draw(st.integers(1, 5)), depth * groups, size, filters * groups, window, options


SMALL = {"BLOCK": 2048, "TERMS": 10, "SHORT": 4, "CHUNK": 1, "TASKS": 3, "BUFFER": 1 << 13, "ROWS": 2}


@pytest.mark.parametrize("cut", ["small", "usual"])
@pytest.mark.parametrize("bits", [bits for bits in (128, 256, 512) if bits <= convdw.BITS])
@effort(max_examples=30, deadline=None, derandomize=True)
@given(problem=problems(), dtype=st.sampled_from([np.float32, np.float64]), last=st.booleans(), seed=st.integers(0, 9))
def test_as_the_reference(cut, bits, problem, dtype, last, seed):
    x, dy, expected = arrays(*problem, dtype, seed)
    if last:
        x, dy = (np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, dy))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (SMALL if cut == "small" else {}).items():
            patch.setattr(convdwplan, name, value)
        for name, value in {"THREADED": 0, "BITS": bits, "new": poisoned}.items():
            patch.setattr(convdw, name, value)
        convdwplan.plan_of.cache_clear()
        ours = served(x, dy, window=problem[4], **problem[5])
    convdwplan.plan_of.cache_clear()
    same(ours, expected, dtype)


LARGE = [
    (7, 3, (40, 33), 70, (5, 3), plain(2, padding=(1, 2), stride=2)),
    (5, 1, (28, 28), 16, (5, 5), plain(2)),
    (26, 64, (4, 4), 40, (3, 3), plain(2, padding=1)),
    (2, 520, (7, 7), 130, (1, 1), plain(2)),
    (3, 40, (40, 20), 40, (7, 7), plain(2, groups=40, padding=3)),
    (9, 24, (16, 15), 36, (3, 3), plain(2, groups=6, padding=1, dilation=2)),
    (2, 9, (700,), 20, (5,), plain(1, padding=2)),
    (3, 70, (20, 20), 3, (3, 3), plain(2, padding=1)),
    (2, 16, (9, 10, 11), 33, (3, 3, 3), plain(3, padding=1)),
]


@pytest.mark.parametrize("problem", LARGE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_nothing(problem, dtype):
    """Problems of many tasks, by one and two threads, and by eight callers at once."""
    x, dy, expected = arrays(*problem, dtype)

    result = same_everywhere(lambda: served(x, dy, window=problem[4], **problem[5]))
    same(result, expected, dtype)


def test_few_callers_share_nothing():
    """Callers with problems of their own."""
    problems = [arrays(*problem, np.float32) for problem in LARGE]
    with ThreadPoolExecutor(8) as pool:
        work = [
            pool.submit(served, x, dy, window=problem[4], **problem[5])
            for (x, dy, _), problem in zip(4 * problems, 4 * LARGE)
        ]
        for future, (_, _, expected) in zip(work, 4 * problems):
            same(future.result(), expected, np.float32)


@pytest.mark.parametrize("groups, c, o", [(1, 16, 16), (1, 2, 16), (1, 33, 4), (16, 16, 16), (4, 16, 16)])
def test_what_is_not_finite_goes_where_it_is_met(groups, c, o):
    """An infinite pixel of dy, in the corner, meets x and the padding; only what meets x is tested."""
    options = plain(2, padding=1, groups=groups)
    x, dy, expected = arrays(2, c, (5, 6), o, (3, 3), options, np.float64)
    dy[1, 3, 0, 0] = np.inf
    ours = served(x, dy, window=(3, 3), **options)
    assert not np.isfinite(ours[3, :, 1:, 1:]).any()
    others = np.arange(o) != 3
    np.testing.assert_allclose(ours[others], expected[others], rtol=1e-11, atol=1e-11)
    dy[1, 3, 0, 0], x[0, c - 1, 2, 2] = 0, np.nan
    ours = served(x, dy, window=(3, 3), **options)
    assert np.isnan(ours[o - 1, -1]).all() and np.isnan(ours).sum() == 9 * o // groups


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("groups", [1, 3])
def test_cotangents_repeated_along_an_axis(groups, axis):
    """As sums over an axis of y give them: with a stride of 0, which is nothing to step by."""
    options = plain(2, groups=groups)
    for dtype in (np.float32, np.float64):
        x, dy, _ = arrays(2, 6, (9, 11), 9, (3, 2), options, dtype)
        dy = np.broadcast_to(dy.take([0], axis), dy.shape)
        ours = served(x, dy, window=(3, 2), **options)
        same(ours, reference.conv_dw(x, dy.copy(), window=(3, 2), **options), dtype)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_empty(axes):
    options = plain(axes, padding=1)
    for n, c, o in [(0, 3, 4), (2, 0, 4), (2, 3, 0)]:
        x, dy = np.ones((n, c, *(4,) * axes), "f"), np.ones((n, o, *(4,) * axes), "f")
        dw = served(x, dy, window=(3,) * axes, **options)
        assert dw.shape == (o, c, *(3,) * axes) and not dw.any()


def test_long_sums_keep_their_accuracy():
    """A million terms of about one size, in float32: one long sum would be wrong by 1e-3."""
    x = np.full((4, 1, 512, 512), 0.1, np.float32)
    for channels in (1, 16):
        dy = np.broadcast_to(np.float32(0.3), (4, channels, 512, 512))
        dw = served(x, dy, window=(1, 1), **plain(2))
        np.testing.assert_allclose(dw, np.float64(np.float32(0.1)) * np.float32(0.3) * 2**20, rtol=2e-5)


def test_one_signature():
    for dtype in (np.float32, np.float64):
        for problem in LARGE:
            x, dy, _ = arrays(*problem, dtype)
            x.flags.writeable = False
            served(x, dy[..., ::-1], window=problem[4], **problem[5])
    assert len(convdw._weigh.signatures) == 1 and len(convdw._finish.signatures) == 2
