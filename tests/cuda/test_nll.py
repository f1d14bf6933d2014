"""nll on the GPU: what drawn calls do not show."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from tests.cuda.record import recorded
from tests.cuda.test_kernels import agrees

F4, F8 = np.dtype("f4"), np.dtype("f8")
SHAPES = [
    ((5, 3), 1),
    ((3, 40), 1),
    ((2, 513), 1),
    ((2, 1500), 1),
    ((1, 16300), 1),
    ((3, 7, 50), 1),
    ((2, 60, 9), 1),
    ((130, 1), 1),
    ((4, 3, 1), 0),
]


def problem(shape, axis, dtype=F8, scale=1.0):
    rng = np.random.default_rng(len(shape) + shape[axis])
    like = [1 if a == axis % len(shape) else n for a, n in enumerate(shape)]
    scores = (rng.standard_normal(shape) * scale).astype(dtype)
    return scores, rng.integers(0, shape[axis], like), rng.standard_normal(like).astype(dtype)


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape, axis", SHAPES, ids=str)
def test_every_arrangement(shape, axis, weighed, smoothing):
    scores, labels, dy = problem(shape, axis, scale=20)
    weight = np.random.default_rng(1).choice([0, 0.5, 2], shape[axis]) if weighed else None
    options = {"axis": axis, "weight": weight, "smoothing": smoothing}
    assert agrees("nll", "nll", (scores, labels), options, F8)
    dy.reshape(-1)[0] = 0
    p = np.exp(-np.abs(scores))
    assert agrees("nll", "nll_dx", (dy, p, labels), options, F8)
    assert agrees("nll", "nll_dx", (np.full((1,) * dy.ndim, 0.25), p, labels), options, F8)


@pytest.mark.parametrize("shape, axis", SHAPES, ids=str)
def test_infinite_scores(shape, axis):
    scores, labels, dy = problem(shape, axis)
    rng = np.random.default_rng(0)
    weight = rng.choice([0.0, 1.0], shape[axis])
    for value in (-np.inf, np.inf, np.nan):
        bad = np.where(rng.random(shape) < 0.2, value, scores)
        for options in ({}, {"weight": weight}, {"weight": weight, "smoothing": 0.5}):
            with np.errstate(invalid="ignore"):
                assert agrees("nll", "nll", (bad, labels), {"axis": axis, **options}, F8)
    p = np.where(dy == dy.reshape(-1)[0], np.nan, np.abs(scores))
    assert agrees("nll", "nll_dx", (np.where(dy == dy.reshape(-1)[0], 0, dy), p, labels), {"axis": axis}, F8)
    with np.errstate(invalid="ignore"):
        everything = np.full(shape, -np.inf)
        assert agrees("nll", "nll", (everything, labels), {"axis": axis}, F8)


@pytest.mark.parametrize("options", [{}, {"weight": True}, {"smoothing": 0.1}], ids=str)
@pytest.mark.parametrize("shape, axis", SHAPES, ids=str)
def test_a_label_out_of_range_gives_nan_and_reads_nothing_else(shape, axis, options):
    scores, labels, dy = problem(shape, axis)
    if options.get("weight"):
        options = {"weight": kn.gpu(np.ones(shape[axis]))}
    for wrong in (-1, shape[axis], -(2**62), 2**62):
        changed = labels.copy()
        changed.reshape(-1)[-1] = wrong
        given = kn.gpu((scores, changed))
        losses, p = kn.cpu(kernel("nll", "nll")(*given, axis=axis, **options))
        assert np.isnan(losses.reshape(-1)).tolist() == [False] * (labels.size - 1) + [True]
        assert np.isfinite(p).all()
        dx = kn.cpu(kernel("nll", "nll_dx")(*kn.gpu((dy, scores, changed)), axis=axis, **options))
        rows = np.moveaxis(dx, axis, -1).reshape(-1, shape[axis])
        assert np.isnan(rows[-1]).all() and np.isfinite(rows[:-1]).all()


def test_float16_and_narrow_labels():
    scores, labels, dy = problem((5, 7), 1)
    weight = np.arange(7.0)
    half = [a.astype("f2") for a in (scores, weight, dy)]
    exact = kn.cpu(kernel("nll", "nll")(*kn.gpu((scores, labels)), axis=1, weight=kn.gpu(weight)))
    losses, p = kn.cpu(kernel("nll", "nll")(*kn.gpu((half[0], labels.astype("u1"))), axis=1, weight=kn.gpu(half[1])))
    assert losses.dtype == p.dtype == np.float16
    np.testing.assert_allclose(losses, exact[0], rtol=5e-3, atol=5e-3)
    np.testing.assert_allclose(p, exact[1], rtol=5e-3, atol=5e-3)
    assert kernel("nll", "nll_dx")(*kn.gpu((half[2], half[0], labels)), axis=1).dtype == np.float16


@pytest.mark.parametrize("shape", [(0, 4), (0, 3, 2), (2, 3, 0)], ids=str)
def test_nothing(shape):
    scores, labels = np.zeros(shape), np.zeros((shape[0], 1, *shape[2:]), int)
    losses, p = kernel("nll", "nll")(*kn.gpu((scores, labels)), axis=1)
    assert (losses.shape, p.shape) == (labels.shape, shape)
    assert kernel("nll", "nll_dx")(*kn.gpu((labels * 1.0, scores, labels)), axis=1).shape == shape


@pytest.mark.parametrize("shape, axis", [((64, 10), 1), ((16, 100), 1), ((3, 10000), 1), ((2, 5, 128), 1)], ids=str)
def test_scores_are_moved_once(shape, axis):
    scores, labels, dy = kn.gpu(problem(shape, axis, F4))
    with recorded() as launches:
        _, p = kernel("nll", "nll")(scores, labels, axis=axis)
        kernel("nll", "nll_dx")(dy, p, labels, axis=axis)
    size = scores.nbytes
    for (name, stats), again in zip(launches, (1, 0), strict=True):
        rows = dy.size * (1024 if "long" in name or "dx" in name else 32) * (8 + 4)  # at most, and read together
        assert stats.idle_blocks == 0 and size <= stats.global_read_bytes <= size + rows
        assert stats.global_write_bytes == size + again * dy.nbytes


@pytest.mark.parametrize("shape", [(8, 32), (4, 128), (2, 1024), (2, 4, 128)], ids=str)
def test_requests_are_coalesced(shape):
    scores, labels, dy = kn.gpu(problem(shape, 1, F4))
    with recorded(trace=100000) as launches:
        _, p = kernel("nll", "nll")(scores, labels, axis=1)
        kernel("nll", "nll_dx")(dy, p, labels, axis=1)
    for name, stats in launches:
        for r in stats.requests():
            assert r.space == "shared" or r.cost <= r.ideal, (name, r)


def test_an_axis_from_the_end():
    scores, labels, _ = problem((3, 5, 4), 1)
    assert agrees("nll", "nll", (scores, labels), {"axis": -2}, F8)
