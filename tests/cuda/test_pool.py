"""Pooling on the GPU: windows of every kind, ties and special values exactly as the reference, no bytes moved twice."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.reference import pool as reference
from tests.cuda.launches import recorded

inf, nan = np.inf, np.nan


def drawn(seed, dtype):
    """x and the options of maxpool; no window is all padding."""
    rng = np.random.default_rng(seed)
    axes = 1 + seed % 3
    window, stride, dilation = rng.integers(1, 5, (3, axes)).tolist()
    padding = tuple([tuple(rng.integers(0, k, 2).tolist()) for k in window])
    size = tuple([d * (k - 1) + 1 + int(rng.integers(0, 7)) for k, d in zip(window, dilation)])
    values = [-inf, -2.5, 0, 1, 7, nan, inf] if seed % 2 else rng.normal(size=99)
    x = rng.choice(values, size=(int(rng.integers(1, 4)), int(rng.integers(1, 6)), *size)).astype(dtype)
    how = {"window": window, "stride": stride, "dilation": dilation}
    return x, {**{k: tuple(v) for k, v in how.items()}, "padding": padding}


def served(name, *args, **options):
    return kn.cpu(kernel("pool", name)(*kn.gpu(args), **options))


def same(ours, theirs, dtype):
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    tolerance = 1e-3 if dtype == "f2" else 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("seed", range(48))
def test_windows(seed, order):
    dtype = ("f4", "f8", "f4", "f2")[seed % 4]
    x, how = drawn(seed, dtype)
    size, (y, taps) = x.shape[2:], reference.maxpool(x, **how)
    ours, met = served("maxpool", x, **how)
    np.testing.assert_array_equal(ours, y)
    np.testing.assert_array_equal(met, taps)
    assert met.dtype == taps.dtype and ours.dtype == x.dtype
    np.testing.assert_array_equal(served("largest", x, **how), y)
    index = reference.positions(taps, size=size, **how)
    found = served("positions", taps, size=size, **how)
    np.testing.assert_array_equal(found, index)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(served("take", x, index), y)
    np.testing.assert_array_equal(served("pick", x, taps, **how), y)
    rng = np.random.default_rng(seed)
    dy, anywhere = rng.normal(size=y.shape).astype(dtype), rng.integers(0, np.prod(how["window"]), y.shape)
    anywhere = anywhere.astype(taps.dtype)
    same(served("pick", x, anywhere, **how), reference.pick(x, anywhere, **how), dtype)
    for best in (taps, anywhere):
        same(served("spread", dy, best, size=size, **how), reference.spread(dy, best, size=size, **how), dtype)
    same(served("put", dy, index, size=size), reference.put(dy, index, size=size), dtype)
    x = np.nan_to_num(x, posinf=9, neginf=-9)
    pads = how["padding"]
    for counted in (None, ((0, 0),) * len(pads), pads, tuple([(b, a // 2) for b, a in pads])):
        same(served("meanpool", x, counted=counted, **how), reference.meanpool(x, counted=counted, **how), dtype)
        ours = served("meanpool_dx", dy, size=size, counted=counted, **how)
        same(ours, reference.meanpool_dx(dy, size=size, counted=counted, **how), dtype)


def test_many_taps_and_padding_alone():
    x = np.random.default_rng(0).normal(size=(2, 3, 300)).astype("f4")
    how = {"window": (257,), "stride": (3,), "padding": ((0, 0),), "dilation": (1,)}
    (y, taps), (ours, met) = reference.maxpool(x, **how), served("maxpool", x, **how)
    assert met.dtype == np.int32
    np.testing.assert_array_equal(ours, y)
    np.testing.assert_array_equal(met, taps)
    np.testing.assert_array_equal(served("pick", x, taps, **how), y)
    same(served("spread", y, taps, size=(300,), **how), reference.spread(y, taps, size=(300,), **how), "f4")
    index = reference.positions(taps, size=(300,), **how)
    np.testing.assert_array_equal(served("positions", taps, size=(300,), **how), index)
    how = {"window": (1,), "stride": (1,), "padding": ((1, 2),), "dilation": (1,)}  # as fuzzing may ask for
    (y, taps), (ours, met) = reference.maxpool(x, **how), served("maxpool", x, **how)
    np.testing.assert_array_equal(ours, y)
    np.testing.assert_array_equal(met, taps)
    np.testing.assert_array_equal(served("pick", x, taps, **how), y)


def test_many_of_one_place_are_added_in_their_order():
    rng = np.random.default_rng(0)
    index = rng.integers(0, 5, (2, 3, 40, 20)).astype("i4")
    dy = (rng.normal(size=index.shape) * 10.0 ** rng.integers(-6, 6, index.shape)).astype("f4")
    ours = served("put", dy, index, size=(2, 3))
    np.testing.assert_array_equal(ours, reference.put(dy, index, size=(2, 3)))


def test_strides_empty_and_other_dtypes():
    x = np.random.default_rng(0).normal(size=(4, 3, 8, 9)).astype("f4")
    how = {"window": (2, 3), "stride": (2, 1), "padding": ((1, 0), (0, 1)), "dilation": (1, 1)}
    there, here = kn.gpu(x)[::2, :, ::-1].transpose(0, 1, 3, 2), x[::2, :, ::-1].transpose(0, 1, 3, 2)
    y, taps = kernel("pool", "maxpool")(there, **how)
    exact, exact_taps = reference.maxpool(here, **how)
    np.testing.assert_array_equal(kn.cpu(y), exact)
    np.testing.assert_array_equal(kn.cpu(taps), exact_taps)
    turned = kernel("pool", "spread")(y[:, ::-1], taps[:, ::-1], size=here.shape[2:], **how)
    same(kn.cpu(turned), reference.spread(exact[:, ::-1], exact_taps[:, ::-1], size=here.shape[2:], **how), "f4")
    none = np.empty((0, 3, 8, 9), "f4")
    (y, taps), counted = reference.maxpool(none, **how), {**how, "counted": how["padding"]}
    assert [a.shape for a in served("maxpool", none, **how)] == [y.shape, taps.shape]
    assert served("meanpool", none, **counted).shape == y.shape
    for name, more in (("spread", (taps,)), ("meanpool_dx", ())):
        options = counted if name == "meanpool_dx" else how
        assert served(name, y, *more, size=(8, 9), **options).shape == none.shape
    assert served("put", y, taps.astype("i8"), size=(8, 9)).shape == none.shape
    assert served("take", none, taps.astype("i8")).shape == served("pick", none, taps, **how).shape == y.shape
    assert served("positions", taps, size=(8, 9), **how).shape == y.shape
    with pytest.raises(KeyError):
        served("positions", exact_taps.astype("i2"), size=(8, 9), **how)


HOW = {"window": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
COUNTED = {**HOW, "counted": ((0, 0), (0, 0))}


def test_bytes_are_moved_once():
    x = kn.gpu(np.random.default_rng(0).normal(size=(2, 4, 32, 32)).astype("f4"))
    size = x.shape[2:]
    with recorded() as launches:
        y, taps = kernel("pool", "maxpool")(x, **HOW)
        kernel("pool", "largest")(x, **HOW)
        kernel("pool", "spread")(y, taps, size=size, **HOW)
        kernel("pool", "meanpool")(x, **COUNTED)
        kernel("pool", "meanpool_dx")(y, size=size, **COUNTED)
        kernel("pool", "take")(x, kernel("pool", "positions")(taps, size=size, **HOW))
    both = x.nbytes + y.nbytes
    for launch, most in zip(
        launches, (both + taps.nbytes, both, both + taps.nbytes, both, both, 9 * taps.nbytes, None)
    ):
        assert launch.stats.idle_blocks == 0, launch.name
        assert most is None or launch.moved <= most, launch.name
        assert launch.wasteful(2) == [] or launch.name.startswith("take"), launch.name  # two neighbours for each of y
