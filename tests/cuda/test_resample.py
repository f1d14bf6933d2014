"""resample and grid on the GPU: what drawn calls do not show."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.cuda import resample as cuda
from tests.cuda.record import recorded
from tests.cuda.test_kernels import agrees

F8 = np.dtype("f8")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape, axis", [((300,), 0), ((3, 5, 200), 1), ((7, 2, 3), 0), ((2, 0, 3), 0)], ids=str)
def test_rows_of_any_length(shape, axis):
    n, starts = shape[axis], np.array([0, 2, 2, 5, 6])
    columns, weights = RNG.integers(0, n, 6), RNG.standard_normal(6)
    x = RNG.standard_normal(shape)
    assert agrees("resample", "resample", (x, starts, columns, weights), {"axis": axis}, F8)
    assert agrees("resample", "resample", (x, starts[:1], columns, weights), {"axis": axis}, F8)
    y = kernel("resample", "resample")(kn.gpu(x.astype("f2")), starts, columns, weights, axis=axis)  # a CPU's matrix
    exact = kernel("resample", "resample")(x, starts, columns, weights, axis=axis)
    assert y.dtype == np.float16 and y.shape == exact.shape
    np.testing.assert_allclose(kn.cpu(y), exact, atol=1e-2)


def test_what_nobody_names_is_not_looked_at():
    x = np.array([np.nan, 2.0, np.inf])
    given = x, np.array([0, 0, 1]), np.array([1]), np.array([3.0])
    assert kn.cpu(kernel("resample", "resample")(*kn.gpu(given), axis=0)).tolist() == [0, 6]


def test_a_matrix_of_the_cpu_is_copied_once(monkeypatch):
    cuda._kept.cache_clear()
    x, parts = kn.gpu(np.arange(6.0)), (np.array([0, 1, 3]), np.array([5, 0, 1]), np.array([1.0, 2.0, 3.0]))
    resample = kernel("resample", "resample")
    for _ in range(3):
        assert kn.cpu(resample(x, *[part.copy() for part in parts], axis=0)).tolist() == [5, 3]
    assert cuda._kept.cache_info()[:2] == (6, 3)  # found, made
    assert kn.cpu(resample(x.astype("f4"), *parts, axis=0)).tolist() == [5, 3]
    assert cuda._kept.cache_info().misses == 4  # weights of another dtype
    parts[2][0] = 10
    assert kn.cpu(resample(x, *parts, axis=0)).tolist() == [50, 3]
    monkeypatch.setattr(cuda, "KEPT", 8)
    assert kn.cpu(resample(x, *parts, axis=0)).tolist() == [50, 3]
    assert cuda._kept.cache_info().misses == 5


@pytest.mark.parametrize(
    "N, C, P, T", [(2, 19, 5, 4), (1, 8, 300, 4), (3, 1, 1, 2), (0, 3, 2, 4), (2, 0, 3, 4), (2, 3, 0, 4)]
)
def test_blends(N, C, P, T):
    x, weights, dy = RNG.standard_normal((N, C, 3, 2)), RNG.standard_normal((N, P, T)), RNG.standard_normal((N, C, P))
    index = RNG.integers(-1, 6, (N, P, T))
    assert agrees("grid", "blend", (x, weights, index), {}, F8)
    assert agrees("grid", "blend_dw", (dy, x, index), {}, F8)
    assert agrees("grid", "blend_dx", (dy, weights, index), {"size": (3, 2)}, F8)
    half = [a.astype("f2") for a in (x, weights, dy)]
    assert kernel("grid", "blend")(*kn.gpu((*half[:2], index))).dtype == np.float16


def test_positions_out_of_range_count_as_nothing():
    x, weights, index = np.ones((1, 1, 2)), np.ones((1, 2, 3)), np.array([[[0, 2, -5], [1, 2**62, -(2**62)]]])
    assert kn.cpu(kernel("grid", "blend")(*kn.gpu((x, weights, index)))).tolist() == [[[1, 1]]]
    dy = np.ones((1, 1, 2))
    assert kn.cpu(kernel("grid", "blend_dw")(*kn.gpu((dy, x, index)))).tolist() == [[[1, 0, 0], [1, 0, 0]]]
    assert kn.cpu(kernel("grid", "blend_dx")(*kn.gpu((dy, weights, index)), size=(2,))).tolist() == [[[1, 1]]]


def test_requests_are_coalesced():
    x, index = RNG.standard_normal((2, 32, 64)).astype("f4"), RNG.integers(0, 32, 16)
    given = x, np.arange(17), index, np.ones(16, "f4")
    with recorded(trace=50000) as launches:
        kernel("resample", "resample")(*kn.gpu(given), axis=1)
    ((_, stats),) = launches
    assert stats.idle_blocks == 0 and all([r.cost <= r.ideal for r in stats.requests()])
