"""unfold and fold on the GPU: what drawn calls do not show."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from tests.cuda.record import recorded
from tests.cuda.test_kernels import agrees

F4, F8 = np.dtype("f4"), np.dtype("f8")
RNG = np.random.default_rng(0)


def sliding(window, stride, padding, dilation):
    return {"window": window, "stride": stride, "padding": padding, "dilation": dilation}


def both_ways(shape, how, dtype=F8):
    x = RNG.standard_normal(shape).astype(dtype)
    columns = kernel("fold", "unfold")(x, **how)
    assert agrees("fold", "unfold", (x,), how, dtype)
    dy = RNG.standard_normal(columns.shape).astype(dtype)
    assert agrees("fold", "fold", (dy,), {**how, "size": shape[2:]}, dtype)


CASES = {
    "several blocks": ((3, 5, 9, 40), sliding((3, 2), (1, 1), ((1, 1), (0, 2)), (1, 1))),
    "each element at several places": ((1, 2, 300), sliding((7,), (2,), ((3, 5),), (3,))),
    "gaps between windows": ((2, 3, 8, 9, 7), sliding((1, 2, 1), (3, 4, 2), ((0, 0), (1, 1), (2, 3)), (1, 2, 1))),
    "padding wider than the image": ((2, 2, 1, 2), sliding((3, 4), (2, 1), ((4, 5), (6, 3)), (2, 2))),
    "nothing but padding": ((2, 2, 0), sliding((2,), (1,), ((2, 1),), (1,))),
    "no image": ((0, 2, 4), sliding((2,), (1,), ((0, 0),), (1,))),
    "no channel": ((2, 0, 4), sliding((2,), (1,), ((0, 0),), (1,))),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
def test_values(case, dtype):
    both_ways(*CASES[case], dtype)


def test_strides_and_half_precision():
    how = sliding((2, 3), (1, 2), ((1, 0), (1, 1)), (1, 1))
    x = RNG.integers(-4, 4, (4, 6, 5, 8))
    turned = x.transpose(1, 0, 3, 2)[::2]
    exact = kernel("fold", "unfold")(turned.astype("f8"), **how)
    back = kernel("fold", "fold")(exact, **how, size=turned.shape[2:])
    for dtype in ("f2", "f4"):
        there = kn.gpu(x.astype(dtype)).transpose(1, 0, 3, 2)[::2]
        columns = kernel("fold", "unfold")(there, **how)
        image = kernel("fold", "fold")(columns, **how, size=turned.shape[2:])
        assert columns.dtype == image.dtype == dtype
        np.testing.assert_array_equal(kn.cpu(columns), exact)
        np.testing.assert_array_equal(kn.cpu(image), back)


def test_infinite_elements_stay_under_their_windows():
    x = np.zeros((1, 1, 6, 6), "f4")
    x[0, 0, 2, 3], x[0, 0, 5, 5] = np.nan, np.inf
    how = sliding((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    columns = kernel("fold", "unfold")(kn.gpu(x), **how)
    image = kernel("fold", "fold")(columns, **how, size=(6, 6))
    np.testing.assert_array_equal(kn.cpu(columns), kernel("fold", "unfold")(x, **how))
    assert np.isnan(kn.cpu(image)).sum() == 1 and np.isinf(kn.cpu(image)).sum() == 1


def test_elements_are_moved_once_and_together():
    how = sliding((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    x = kn.gpu(np.ones((2, 2, 32, 32), F4))
    with recorded(trace=100000, warps=1) as launches:
        columns = kernel("fold", "unfold")(x, **how)
        kernel("fold", "fold")(columns, **how, size=(32, 32))
    (_, unfold), (_, fold) = launches
    assert unfold.global_write_bytes == columns.nbytes and unfold.global_read_bytes <= 9 * x.nbytes  # of the cache
    assert fold.global_write_bytes == x.nbytes and fold.global_read_bytes <= columns.nbytes
    assert unfold.idle_blocks == fold.idle_blocks == 0
    assert all([r.cost <= r.ideal + 1 for r in unfold.requests()])  # rows begin within a sector
