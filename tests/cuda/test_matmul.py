"""The product of steps that are captured: against the reference, and how it reads memory."""

import numpy as np
import pytest

import knetpy as kn
from knetpy import graphs
from knetpy.kernels.cuda.matmul import product
from tests.cuda.record import recorded, requests

RNG = np.random.default_rng(0)


def drawn(shape, dtype="f4"):
    return RNG.standard_normal(shape).astype(dtype)


def made(a, b):
    with graphs.alike_captured():
        return product(a, b)


SHAPES = {
    "tiny": ((1, 1), (1, 1)),
    "odd": ((65, 9), (9, 67)),
    "one tile": ((64, 8), (8, 64)),
    "deep": ((3, 50), (50, 5)),
    "batch": ((2, 3, 5, 7), (2, 3, 7, 6)),
    "one b": ((4, 5, 7), (7, 6)),
    "one a": ((5, 7), (4, 7, 6)),
    "broadcast": ((2, 1, 5, 7), (3, 7, 6)),
    "no rows": ((0, 7), (7, 6)),
    "no terms": ((3, 0), (0, 6)),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("dtype, tolerance", [("f4", 1e-4), ("f8", 1e-12)])
def test_products(name, dtype, tolerance, order):
    a, b = (drawn(shape, dtype) for shape in SHAPES[name])
    found = made(*kn.gpu((a, b)))
    assert found.dtype == a.dtype
    wanted = np.matmul(a.astype("f8"), b.astype("f8"))
    np.testing.assert_allclose(kn.cpu(found), wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
def test_transposed_matrices_and_views(turned):
    a, b = drawn((70, 20)), drawn((20, 66))
    x, y = (kn.gpu(m.T.copy()).T if name in turned else kn.gpu(m) for name, m in (("a", a), ("b", b)))
    np.testing.assert_allclose(kn.cpu(made(x, y)), a @ b, atol=1e-4)
    np.testing.assert_allclose(kn.cpu(made(x[::2, 1:], y[1:, ::-1])), a[::2, 1:] @ b[1:, ::-1], atol=1e-4)


def test_nan_stays_in_its_row_and_column():
    a, b = np.ones((70, 9), "f4"), np.ones((9, 70), "f4")
    a[3, 8], b[0, 69] = np.nan, np.inf
    np.testing.assert_array_equal(kn.cpu(made(*kn.gpu((a, b)))), a @ b)


def test_half_precision_is_summed_in_single():
    a, b = drawn((5, 300), "f2"), drawn((300, 6), "f2")
    found = made(*kn.gpu((a, b)))
    assert found.dtype == np.float16
    np.testing.assert_allclose(kn.cpu(found), a.astype("f8") @ b.astype("f8"), rtol=1e-3, atol=1e-3)


def test_integers_go_to_cupy_and_others_to_cublas():
    a = kn.gpu(np.arange(4).reshape(2, 2))
    assert made(a, a).dtype == np.int64
    x = kn.gpu(np.ones((2, 2), "f4"))
    with recorded() as launches:
        product(x, x)
    assert launches == []


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
def test_memory_is_read_as_it_lies(dtype, turned):
    a, b = drawn((64, 16), dtype), drawn((16, 64), dtype)
    x, y = (kn.gpu(m.T.copy()).T if name in turned else kn.gpu(m) for name, m in (("a", a), ("b", b)))
    with recorded(trace=1 << 18) as launches:
        made(x, y)
    ((_, stats),) = launches
    assert stats.idle_blocks == 0
    assert [r for r in requests(stats, "global", "read") if r.cost > r.ideal] == []
    assert [r for r in requests(stats, "shared", "write") if r.cost > r.ideal] == []
