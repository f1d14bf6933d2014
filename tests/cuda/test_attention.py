"""attention on the GPU: what drawn calls do not show."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.cuda import attention as launches_of
from knetpy.kernels.reference import attention as reference
from tests.cuda.record import recorded
from tests.cuda.test_kernels import agrees

F4, F8 = np.dtype("f4"), np.dtype("f8")
inf = np.inf


def problem(lead=(2,), L=5, S=7, D=3, E=4, dtype=F8, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((*lead, *shape)).astype(dtype) for shape in ((L, D), (S, D), (S, E))]


def both(q, k, v, bias=None, mask=None, causal=False, scale=0.3, learned=True):
    """Whether forward and derivative are the reference's."""
    how, dtype = {"mask": mask, "causal": causal, "scale": scale}, q.dtype
    assert agrees("attention", "attention", (q, k, v, bias), how, dtype)
    wide = [None if x is None else x.astype(F8) for x in (q, k, v, bias)]
    y, top, total = [x.astype(dtype) for x in reference.attention(*wide, **how)]
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    given = (dy, y, q, k, v, bias, top, total)
    assert agrees("attention", "attention_dx", given, {**how, "learned": learned}, dtype)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("L, S", [(1, 1), (65, 31), (31, 70), (64, 32), (129, 97)])
def test_sizes_of_several_tiles(L, S, causal, order):
    both(*problem((1,), L, S, 8, 8, F4), causal=causal)


@pytest.mark.parametrize("D, E", [(4, 8), (1, 1), (33, 32), (32, 64), (65, 3), (128, 128), (100, 126)])
def test_sizes_of_heads(D, E):
    both(*problem((1,), 34, 33, D, E, F4))
    served = max(D, E) <= 64
    with recorded() as launches:
        both(*problem((1,), 18, 33, D, E, F8))
    assert bool(launches) == served


@pytest.mark.parametrize(
    "leads",
    [((2, 3), (2, 1), (2, 1)), ((1, 2), (3, 1), (3, 1)), ((), (2,), (1,)), ((2,), (), (2,)), ((), (), ())],
    ids=str,
)
def test_leading_axes_broadcast(leads):
    rng = np.random.default_rng(0)
    q, k, v = [rng.standard_normal((*lead, *s)) for lead, s in zip(leads, [(5, 4), (7, 4), (7, 8)])]
    both(q, k, v)
    both(q, k, v, bias=rng.standard_normal((5, 7)), mask=rng.random((1, 7)) < 0.7)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("L, S", [(5, 7), (1, 7), (5, 1), (18, 35)])
@pytest.mark.parametrize("stretched", range(6))
def test_bias_and_mask_broadcast(L, S, stretched, causal):
    shape = [(L, S), (1, S), (L, 1), (1, 1), (3, 1, L, S), (2, 1, S)][stretched]
    rng = np.random.default_rng(0)
    q, k, v = problem((3, 2) if stretched > 3 else (2,), L, S)
    bias, mask = rng.standard_normal(shape), rng.random(shape) < 0.6
    both(q, k, v, bias=bias, causal=causal)
    both(q, k, v, bias=bias[..., ::-1], mask=mask, causal=causal, learned=False)
    both(q, k, v, mask=mask, causal=causal)


def test_bias_of_one_axis_and_strided_operands():
    rng = np.random.default_rng(0)
    qkv = rng.standard_normal((6, 3, 2, 4)).astype("f4")
    q, k, v = kn.gpu(qkv).transpose(1, 2, 0, 3)
    exact = reference.attention(*qkv.transpose(1, 2, 0, 3), None, mask=None, causal=True, scale=1.0)
    found = kernel("attention", "attention")(q, k, v, None, mask=None, causal=True, scale=1.0)
    for ours, theirs in zip(found, exact):
        np.testing.assert_allclose(kn.cpu(ours), theirs, rtol=1e-5, atol=1e-6)
    both(*problem(L=4), bias=rng.standard_normal(7))


@np.errstate(invalid="ignore")
@pytest.mark.parametrize("value", [inf, -inf, np.nan])
def test_scores_that_are_no_numbers(value):
    """Before and after those that are, in the same tile and in others."""
    q, k, v = problem((1,), 6, 70, 4, 4)
    for at in ([0], [69], [1, 2, 33, 40], range(70), range(32), range(32, 70)):
        bias = np.zeros((6, 70))
        bias[2:5][:, list(at)] = value
        both(q, k, v, bias=bias)
        both(q, k, v, bias=bias, mask=np.arange(70) % 3 > 0)


def test_rows_that_see_nothing():
    q, k, v = problem((1,), 40, 40)
    mask = np.ones((40, 40), bool)
    mask[[0, 17, 39]] = False
    both(q, k, v, mask=mask)
    y, top, total = kernel("attention", "attention")(
        *kn.gpu((q, k, v)), None, mask=kn.gpu(mask), causal=True, scale=1.0
    )
    assert not kn.cpu(y)[0, [0, 17, 39]].any() and (kn.cpu(top)[0, [0, 17, 39]] == -inf).all()
    assert kn.cpu(total)[0, :3, 0].tolist()[0] == 0


@np.errstate(invalid="ignore")
def test_what_is_no_number_in_one_matrix_stays_there():
    q, k, v = problem((3,), 33, 35)
    clean = kernel("attention", "attention")(*kn.gpu((q, k, v)), None, mask=None, causal=False, scale=1.0)
    q[1], k[1], v[1] = np.nan, inf, np.nan
    found = kernel("attention", "attention")(*kn.gpu((q, k, v)), None, mask=None, causal=False, scale=1.0)
    given = (kn.gpu(np.ones((3, 33, 4))), found[0], *kn.gpu((q, k, v)), None, *found[1:])
    back = kernel("attention", "attention_dx")(*given, mask=None, causal=False, scale=1.0)
    for x in (*found, *back[:3]):
        assert np.isfinite(kn.cpu(x)[[0, 2]]).all()
    np.testing.assert_array_equal(kn.cpu(found[0])[[0, 2]], kn.cpu(clean[0])[[0, 2]])


def test_values_beyond_the_queries_of_a_tile():
    """A tile is filled with zeros beyond the last query: times Inf they must not count."""
    q, k, v = problem((1,), 3, 5)
    v[0, 4, 0] = inf
    _, top, total = reference.attention(q, k, k, None, mask=np.arange(5) < 4, causal=False, scale=1.0)
    y = np.zeros((1, 3, 4))
    given = (np.zeros_like(y), y, q, k, v[..., ::-1], None, top, total)
    with np.errstate(invalid="ignore"):
        exact = reference.attention_dx(*given, mask=np.arange(5) < 4, causal=False, scale=1.0)
        options = kn.gpu({"mask": np.arange(5) < 4}) | {"causal": False, "scale": 1.0}
        found = kernel("attention", "attention_dx")(*kn.gpu(given[:5]), None, *kn.gpu(given[6:]), **options)
    np.testing.assert_array_equal(np.isnan(kn.cpu(found[1])), np.isnan(exact[1]))


def test_float16_and_nothing():
    half = [x.astype("f2") for x in problem()]
    y, top, total = kernel("attention", "attention")(*kn.gpu(half), None, mask=None, causal=False, scale=0.5)
    exact = reference.attention(*[x.astype(F8) for x in half], None, mask=None, causal=False, scale=0.5)[0]
    assert y.dtype == np.float16
    np.testing.assert_allclose(kn.cpu(y), exact, atol=2e-3)
    given = (y, y, *kn.gpu(half), None, top, total)
    back = kernel("attention", "attention_dx")(*given, mask=None, causal=False, scale=0.5)
    assert [x.dtype for x in back[:3]] == [np.float16] * 3 and back[3] is None
    for sizes in ({"L": 0}, {"S": 0}, {"D": 0}, {"E": 0}, {"lead": (0,)}):
        both(*problem(**sizes), causal=True)


def test_a_gpu_with_little_shared_memory(monkeypatch):
    monkeypatch.setattr(launches_of, "_most_shared", lambda: 64 << 10)
    with recorded() as launches:
        both(*problem(D=64, dtype=F4))
        assert {name.split("<")[0] for name, _ in launches} == {"attend", "contract", "attend_dq", "attend_dkv"}
        launches.clear()
        both(*problem(D=65, dtype=F4))
    assert not launches


def test_memory_is_met_together():
    """Shared memory without conflicts of banks, and of global memory no more sectors than the elements need."""
    q, k, v = kn.gpu(problem((1,), 64, 40, 32, 32, F4))
    with recorded(trace=60000, warps=1) as launches:
        y, top, total = kernel("attention", "attention")(q, k, v, None, mask=None, causal=False, scale=1.0)
        kernel("attention", "attention_dx")(y, y, q, k, v, None, top, total, mask=None, causal=False, scale=1.0)
    for name, stats in launches:
        assert stats.idle_blocks == 0
        shared = [r for r in stats.requests() if r.space == "shared"]
        assert all([r.cost == r.ideal for r in shared]), name
        assert all([r.cost <= max(r.ideal, 4) for r in stats.requests() if r.space == "global"]), name
    assert {name.split("<")[0] for name, _ in launches} == {"attend", "contract", "attend_dq", "attend_dkv"}


def test_values_and_keys_are_read_once_for_each_block_of_queries():
    q, k, v = kn.gpu(problem((1,), 128, 64, 32, 32, F4))
    with recorded() as launches:
        kernel("attention", "attention")(q, k, v, None, mask=None, causal=False, scale=1.0)
        kernel("attention", "attention")(q, k[:, :32], v[:, :32], None, mask=None, causal=True, scale=1.0)
    (_, stats), _ = launches
    assert stats.global_read_bytes <= q.nbytes + 2 * (k.nbytes + v.nbytes) + 2 * 128 * 3 * 8
    assert stats.global_write_bytes == q.nbytes + 2 * 128 * 4


def test_operands_that_begin_between_vectors():
    flat = np.random.default_rng(0).standard_normal(41).astype("f4")
    x, there = flat[1:].reshape(1, 10, 4), kn.gpu(flat)[1:].reshape(1, 10, 4)
    exact = reference.attention(x, x, x, None, mask=None, causal=False, scale=1.0)
    found = kernel("attention", "attention")(there, there, there, None, mask=None, causal=False, scale=1.0)
    given = (there, *found[:1], there, there, there, None, *found[1:])
    back = kernel("attention", "attention_dx")(*given, mask=None, causal=False, scale=1.0)
    theirs = reference.attention_dx(x, exact[0], x, x, x, None, *exact[1:], mask=None, causal=False, scale=1.0)
    for ours, right in zip((*found, *back[:3]), (*exact, *theirs)):
        np.testing.assert_allclose(kn.cpu(ours), right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("tables", [(6,), (5, 6), (1, 5, 6), (3, 1, 6), (2, 3, 5, 6), (2, 1, 1, 6), (1, 6)], ids=str)
def test_rotations(tables, interleaved):
    rng = np.random.default_rng(0)
    x, (cos, sin) = rng.standard_normal((2, 3, 5, 12)), rng.standard_normal((2, *tables))
    assert agrees("attention", "rotate", (x, cos, sin), {"interleaved": interleaved}, F8)
    half = kernel("attention", "rotate")(kn.gpu(x.astype("f2")), cos, sin, interleaved=interleaved)
    assert half.dtype == np.float16


def test_rotations_of_long_rows_and_of_nothing():
    rng = np.random.default_rng(0)
    x, (cos, sin) = rng.standard_normal((9, 600)), rng.standard_normal((2, 9, 300))
    assert agrees("attention", "rotate", (x, cos, sin), {"interleaved": False}, F8)
    assert kernel("attention", "rotate")(*kn.gpu((x[:0], cos[:0], sin[:0])), interleaved=True).shape == (0, 600)
    with recorded(trace=50000) as launches:
        kernel("attention", "rotate")(*kn.gpu((x[:, :64].astype("f4"), cos[:, :32], sin[:, :32])), interleaved=False)
    ((_, stats),) = launches
    assert stats.idle_blocks == 0 and all([r.cost <= r.ideal for r in stats.requests()])
