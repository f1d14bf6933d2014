"""The kernels of attention: the reference against literals, and what serves against the same."""

import tracemalloc
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import attention as reference
from tests.kernels.backends import WHY_NOT, Served, backends, needs_numba, same_everywhere

served = Served("attention")
BACKENDS = backends(reference, served)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
nan, inf = np.nan, np.inf
PLAIN = {"mask": None, "causal": False, "scale": 1.0}
V = [[1, 0], [0, 4]]  # its rows show the weights


def arrays(dtype, *given):
    return [x if x is None else np.array(x, dtype) for x in given]


def close(ours, wanted, dtype):
    np.testing.assert_allclose(ours, wanted, rtol=1e-12 if dtype is np.float64 else 1e-6)
    assert ours.dtype == dtype


@BACKENDS
@DTYPES
@pytest.mark.parametrize(
    "q, k, bias, options, y, top, total",
    [
        ([[0]], [[1], [2]], None, {}, [[0.5, 2]], [[0]], [[2]]),
        ([[1]], [[0], [log(3)]], None, {}, [[0.25, 3]], [[log(3)]], [[4 / 3]]),
        ([[1]], [[0], [log(3)]], None, {"scale": 2.0}, [[0.1, 3.6]], [[2 * log(3)]], [[10 / 9]]),
        ([[1]], [[0], [5]], [[0, log(3) - 5]], {}, [[0.25, 3]], [[log(3)]], [[4 / 3]]),
        ([[1], [1]], [[0], [5]], None, {"causal": True}, [[1, 0], [1 / (1 + exp(5)), 4 / (1 + exp(-5))]],
         [[0], [5]], [[1], [1 + exp(-5)]]),
        ([[1], [1]], [[3], [5]], None, {"mask": [[False, True], [False, False]]}, [[0, 4], [0, 0]],
         [[5], [-inf]], [[1], [0]]),
        ([[1]], [[3], [5]], [-inf, 0], {}, [[0, 4]], [[5]], [[1]]),
        ([[1]], [[3], [5]], -inf, {}, [[0, 0]], [[-inf]], [[0]]),
        ([[1]], [[3], [5]], [inf, 0], {}, [[1, 0]], [[inf]], [[1]]),
        ([[100]], [[100], [-100]], None, {}, [[1, 0]], [[1e4]], [[1]]),
    ],
)  # fmt: skip
def test_attention_by_hand(backend, dtype, q, k, bias, options, y, top, total):
    q, k, v, bias = arrays(dtype, q, k, V, bias)
    options = {**PLAIN, **options}
    options["mask"] = options["mask"] and np.array(options["mask"])
    for ours, wanted in zip(backend.attention(q, k, v, bias, **options), (y, top, total)):
        close(ours, wanted, dtype)


@BACKENDS
@DTYPES
@pytest.mark.parametrize(
    "q, k, bias, options, dq, dk, dv, dbias",
    [  # the weights are 1/2 each, so the scores get (+-) 1/4 of the difference of dy @ v.T
        ([[0]], [[1], [2]], [[0, 0]], {}, [[-0.75 + 1.5]], [[0], [0]], [[0.5, 0.5], [0.5, 0.5]], [[-0.75, 0.75]]),
        ([[0]], [[1], [2]], None, {"scale": 2.0}, [[1.5]], [[0], [0]], [[0.5, 0.5], [0.5, 0.5]], None),
        ([[2]], [[1], [1]], 0, {}, [[0]], [[-1.5], [1.5]], [[0.5, 0.5], [0.5, 0.5]], 0),
        ([[2]], [[1], [1]], [0, 0], {"mask": [[True, False]]}, [[0]], [[0], [0]], [[1, 1], [0, 0]], [0, 0]),
        ([[2]], [[1], [1]], [-inf, -inf], {}, [[0]], [[0], [0]], [[0, 0], [0, 0]], [0, 0]),
        ([[2]], [[1], [1]], None, {"causal": True}, [[0]], [[0], [0]], [[1, 1], [0, 0]], None),
        ([[[0]], [[0]]], [[1], [2]], [[0, 0]], {}, [[[0.75]], [[0.75]]], [[0], [0]], [[1, 1], [1, 1]], [[-1.5, 1.5]]),
    ],
)
def test_attention_dx_by_hand(backend, dtype, q, k, bias, options, dq, dk, dv, dbias):
    q, k, v, bias = arrays(dtype, q, k, V, bias)
    options = {**PLAIN, **options}
    options["mask"] = options["mask"] and np.array(options["mask"])
    y, top, total = backend.attention(q, k, v, bias, **options)
    found = backend.attention_dx(np.ones_like(y), y, q, k, v, bias, top, total, **options)
    for ours, wanted in zip(found, (dq, dk, dv, dbias), strict=True):
        if wanted is None:
            assert ours is None
        else:
            close(ours, wanted, dtype)


@BACKENDS
@DTYPES
@pytest.mark.parametrize(
    "x, cos, sin, interleaved, y",
    [
        ([[1, 2]], [[0]], [[1]], False, [[-2, 1]]),
        ([[1, 2]], [[0.6]], [[0.8]], True, [[0.6 - 1.6, 1.2 + 0.8]]),
        ([[1, 2, 3, 4]], [[0, -1]], [[1, 0]], False, [[-3, -2, 1, -4]]),
        ([[1, 2, 3, 4]], [[0, -1]], [[1, 0]], True, [[-2, 1, -3, -4]]),
        ([[[1, 2]], [[3, 4]]], [[0]], [[1]], False, [[[-2, 1]], [[-4, 3]]]),
        (np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0)), False, np.zeros((2, 0))),
    ],
)
def test_rotate_by_hand(backend, dtype, x, cos, sin, interleaved, y):
    close(backend.rotate(*arrays(dtype, x, cos, sin), interleaved=interleaved), y, dtype)


@BACKENDS
def test_leading_axes_broadcast(backend):
    """As if every operand had been stretched; what was stretched is summed."""
    rng = np.random.default_rng(0)
    shapes = (2, 1, 3, 2), (4, 5, 2), (1, 4, 5, 3), (4, 1, 5)
    given = [rng.normal(size=s) for s in shapes]
    whole = [np.broadcast_to(x, (2, 4, *n)).copy() for x, n in zip(given, ((3, 2), (5, 2), (5, 3), (3, 5)))]
    (y, *saved), (wanted, *stretched) = backend.attention(*given, **PLAIN), backend.attention(*whole, **PLAIN)
    np.testing.assert_allclose(y, wanted, rtol=1e-12)
    dy = rng.normal(size=y.shape)
    for ours, theirs in zip(
        backend.attention_dx(dy, y, *given, *saved, **PLAIN),
        backend.attention_dx(dy, y, *whole, *stretched, **PLAIN),
    ):
        theirs = theirs.reshape(2, 4, *theirs.shape[-2:])
        summed = theirs.sum(axis=tuple(range(4 - ours.ndim)))
        axes = tuple(i for i, n in enumerate(ours.shape) if n < summed.shape[i])
        np.testing.assert_allclose(ours, summed.sum(axis=axes, keepdims=True), rtol=1e-12, atol=1e-14)


# ------------------------------------------------------------------------------------- the compiled kernels


LAYOUTS = {  # a matrix (..., rows, columns) with its elements elsewhere in memory
    "C": lambda x: x,
    "heads inside": lambda x: x if x.ndim < 3 else np.ascontiguousarray(x.swapaxes(-2, -3)).swapaxes(-2, -3),
    "packed": lambda x: np.stack([x * 0, x, x * 0], -2)[..., 1, :],
    "turned": lambda x: np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2),
    "reversed": lambda x: x[..., ::-1, :].copy()[..., ::-1, :],
    "unaligned": lambda x: unaligned(x),
    "swapped": lambda x: x.astype(x.dtype.newbyteorder()),
}
LEADS = [((),) * 3, ((2,),) * 3, ((2, 3),) * 3, ((2, 3), (2, 1), (3,)), ((1, 2), (3, 1), ()), ((), (2,), (2,))]
SIZES = [1, 3, 16, 40, 64, 70, 130, 200]  # blocks are of 64 queries and of 64 or 128 keys, groups of 16
WIDTHS = [(1, 1), (32, 32), (7, 33), (70, 20)]
TERMS = ["none", "row", "column", "one", "matrix", "all"]  # shapes of a bias or a mask


def unaligned(x):
    bytes_ = np.empty(x.nbytes + 1, np.uint8)
    y = bytes_[1:].view(x.dtype).reshape(x.shape)
    y[...] = x
    return y


@pytest.fixture
def poisoned(monkeypatch):
    """Every output is NaN where the kernel writes nothing."""
    if not WHY_NOT:
        from knetpy.kernels.cpu import attention as cpu

        monkeypatch.setattr(cpu, "new", lambda shape, dtype: np.full(shape, np.nan, dtype))
        return cpu


@st.composite
def problems(draw):
    """(q, k, v, bias, options) in float64."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    leads, causal = draw(st.sampled_from(LEADS)), draw(st.booleans())
    L, S, D, E = draw(st.sampled_from(SIZES)), draw(st.sampled_from(SIZES)), *draw(st.sampled_from(WIDTHS))
    q, k, v = [rng.normal(size=(*lead, *n)) for lead, n in zip(leads, ((L, D), (S, D), (S, E)))]
    lead = np.broadcast_shapes(*leads)
    shapes = {"row": (S,), "column": (*lead, L, 1), "one": (), "matrix": (L, S), "all": (*lead, L, S)}
    bias, mask = draw(st.sampled_from(TERMS)), draw(st.sampled_from(TERMS))
    bias = None if bias == "none" else np.asarray(rng.normal(size=shapes[bias]))
    mask = None if mask == "none" else np.asarray(rng.random(shapes[mask]) < 0.7)
    return q, k, v, bias, {"mask": mask, "causal": causal, "scale": draw(st.sampled_from([D**-0.5, -0.3]))}


def everything(backend, q, k, v, bias, options, seed=0):
    """(y, dq, dk, dv, dbias)"""
    y, top, total = backend.attention(q, k, v, bias, **options)
    dy = np.random.default_rng(seed).normal(size=y.shape).astype(q.dtype)
    found = backend.attention_dx(dy, y, q, k, v, bias, top, total, **options)
    return y, *[np.zeros(0) if d is None else d for d in found]


@needs_numba
@pytest.mark.parametrize("bits", [128, 256, 512])
def test_served_as_the_reference(monkeypatch, poisoned, bits):
    if bits > poisoned.BITS:
        pytest.skip("wider than this machine's vectors")
    monkeypatch.setattr(poisoned, "BITS", bits)

    @settings(deadline=None, max_examples=25)
    @given(problems(), st.sampled_from([np.float32, np.float64]), st.lists(st.sampled_from([*LAYOUTS]), min_size=3))
    def check(problem, dtype, layouts):
        *arrays, options = problem
        wanted = everything(reference, *arrays, options)
        q, k, v, bias = [x if x is None else x.astype(dtype) for x in arrays]
        q, k, v = [LAYOUTS[layout](x) for x, layout in zip((q, k, v), layouts)]
        for ours, theirs in zip(everything(poisoned, q, k, v, bias, options), wanted):
            close = 1e-4 if dtype is np.float32 else 1e-12
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=close, atol=close * max(1, np.abs(theirs).max(initial=0)))

    check()


@needs_numba
def test_a_bias_that_learns_nothing_gets_nothing(poisoned):
    q = k = v = np.ones((2, 3))
    y, *saved = poisoned.attention(q, k, v, np.zeros(2), **PLAIN)
    for backend in (poisoned, reference):
        *_, dbias = backend.attention_dx(y, y, q, k, v, np.zeros(2), *saved, **PLAIN, learned=False)
        assert dbias is None


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_thread_count_changes_nothing(monkeypatch, poisoned, dtype):
    """Also for several parts of the keys of one product, and for products that share a bias."""
    rng = np.random.default_rng(0)
    problems = []
    for lead, T, shape in (((2, 3), 90, (90,)), ((1, 2), 600, (1, 1, 600))):
        q, k, v, bias = [rng.normal(size=s).astype(dtype) for s in ((*lead, T, 8),) * 3 + (shape,)]
        for causal in (False, True):
            problems += [(q, k, v, b, {"mask": None, "causal": causal, "scale": 0.3}) for b in (None, bias)]

    found = same_everywhere(lambda: [everything(poisoned, *problem) for problem in problems])
    for results, problem in zip(found, problems):
        for ours, theirs in zip(results, everything(reference, *problem)):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


@needs_numba
@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("where", ["q", "k", "v", "dy"])
def test_special_values(poisoned, value, where):
    """What is not finite is so in the same places as in the reference (NaN or Inf may depend on rounding)."""
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(2, 70, 5)) for name in ("q", "k", "v", "dy")}
    x[where][1, 66, 2] = value
    results = []
    for backend in (poisoned, reference):
        with np.errstate(all="ignore"):
            y, *saved = backend.attention(x["q"], x["k"], x["v"], None, **PLAIN)
            results.append((y, *backend.attention_dx(x["dy"], y, x["q"], x["k"], x["v"], None, *saved, **PLAIN)[:3]))
    for ours, theirs in zip(*results):
        finite = np.isfinite(theirs)
        np.testing.assert_array_equal(np.isfinite(ours), finite)
        np.testing.assert_allclose(ours[finite], theirs[finite], rtol=1e-9, atol=1e-12)


@needs_numba
def test_one_signature():
    from knetpy.kernels.cpu import attention as cpu

    for dtype in (np.float32, np.float64):
        for bias in (None, np.ones(5, dtype)):
            for mask in (None, np.ones((4, 1), bool)):
                q, k, v = np.ones((4, 8), dtype), np.ones((2, 5, 8), dtype), np.ones((5, 3), dtype)
                q.flags.writeable = False
                options = {"mask": mask, "causal": bool(mask is None), "scale": np.float32(1)}
                everything(cpu, q, k[:, ::-1], v, bias, options)
    assert len(cpu.attend.signatures) == len(cpu.attend_dx.signatures) == 1


@needs_numba
def test_the_scores_are_never_whole_in_memory(poisoned):
    T, D = 1024, 8
    q = np.ones((2, T, D), np.float32)
    tracemalloc.start()
    try:
        everything(poisoned, q, q, q, None, {**PLAIN, "causal": True})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * T * T * 4 / 8


def test_the_order_of_memory_is_kept():
    """So heads that were split are merged without a copy."""
    q = np.ones((2, 5, 3, 4), np.float32).swapaxes(1, 2)
    y, *saved = served.attention(q, q, q, None, **PLAIN)
    if not WHY_NOT:
        for x in (y, *served.attention_dx(y, y, q, q, q, None, *saved, **PLAIN)[:3]):
            assert x.strides == q.strides


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_dtypes_are_the_references(dtype):
    q = np.arange(6).reshape(2, 3).astype(dtype) / 8
    for ours, theirs in zip(everything(served, q, q, q, None, PLAIN), everything(reference, q, q, q, None, PLAIN)):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@needs_numba
def test_the_derivatives_of_a_split_projection_are_one_piece_of_memory():
    heads, size = 2, 16
    whole = np.random.default_rng(0).standard_normal((3, 5, 3, heads, size), np.float32)
    q, k, v = [whole[:, :, n].swapaxes(1, 2) for n in range(3)]
    options = {"mask": None, "causal": True, "scale": 0.25}
    y, *sums = served.attention(q, k, v, None, **options)
    dq, dk, dv, _ = served.attention_dx(np.ones_like(y), y, q, k, v, None, *sums, **options)
    assert dq.base is dk.base is dv.base and dq.base.shape == whole.shape
    apart = [np.ascontiguousarray(x) for x in (q, k, v)]
    expected = served.attention_dx(np.ones_like(y), y, *apart, None, *sums, **options)
    for n, (found, wanted) in enumerate(zip((dq, dk, dv), expected)):
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(dq.base[:, :, n].swapaxes(1, 2), wanted)
