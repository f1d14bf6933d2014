"""Attention and rotary positions at their limits, and what they must have in common with other functions."""

import numpy as np
import pytest

import knetpy as kn
from tests.ops.checker import quiet

nan, inf = np.nan, np.inf
RNG = np.random.default_rng(0)
Q, K, V = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 5, 4)), RNG.normal(size=(2, 5, 3))


def squares(f):
    """A curved scalar function of what f returns."""
    return lambda *args: np.sum(f(*args) ** 2)


def derivatives(f, *args):
    """All first and second derivatives of a scalar function along ones, in every mix of the modes."""
    places, ones = tuple(range(len(args))), tuple(np.ones_like(a) for a in args)

    def along(*args):
        return sum(np.sum(g) for g in kn.grad(f, places)(*args))

    def forward(*args):
        return kn.jvp(f, args, ones)[1]

    return [
        *kn.grad(f, places)(*args),
        *kn.vjp(f, *args)[1](1.0),
        forward(*args),
        *kn.grad(along, places)(*args),
        *kn.grad(forward, places)(*args),
        kn.jvp(along, args, ones)[1],
        kn.jvp(forward, args, ones)[1],
    ]


def finite(f, *args):
    """Derivatives of all kinds are finite, in every floating dtype, and nothing complains."""
    for dtype in (np.float64, np.float32):
        found = derivatives(f, *[np.array(a, dtype) for a in args])
        assert all(np.isfinite(g).all() for g in found)
        assert all(g.dtype == dtype for g in found)
    return found


HIDDEN = np.array([[True, False, True, True, False], [False] * 5, [False, True, True, True, True]])


@pytest.mark.parametrize("weights", [False, True])
def test_a_query_that_sees_nothing(weights):
    def f(q, k, v):
        y = kn.attention(q, k, v, mask=HIDDEN, return_weights=weights)
        return y[0] if weights else y

    assert (f(Q, K, V)[:, 1] == 0).all()
    finite(squares(f), Q, K, V)
    dq = kn.grad(squares(f), 0)(Q, K, V)
    assert (dq[:, 1] == 0).all() and (dq[:, 0] != 0).all()


def test_no_keys():
    y, weights = kn.attention(Q, K[:, :0], V[:, :0], return_weights=True)
    assert (y == 0).all() and y.shape == (2, 3, 3) and weights.shape == (2, 3, 0)
    finite(squares(kn.attention), Q, K[:, :0], V[:, :0])


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 5), (5,)])
def test_bias_of_minus_infinity_hides(shape):
    bias = np.where(np.broadcast_to(HIDDEN, (2, 3, 5))[(0,) * (3 - len(shape))], 0.5, -inf)
    if len(shape) == 3:
        bias = np.where(HIDDEN, 0.5, -inf) + np.zeros((2, 1, 1))
    mask = bias > 0

    def by_bias(q, k, v, bias):
        return kn.attention(q, k, v, bias=bias)

    def by_mask(q, k, v, bias):
        return kn.attention(q, k, v, mask=mask)

    for ours, wanted in zip(
        derivatives(squares(by_bias), Q, K, V, bias)[:3], derivatives(squares(by_mask), Q, K, V, bias)[:3]
    ):
        np.testing.assert_allclose(ours, wanted, rtol=1e-10, atol=1e-12)
    finite(squares(by_bias), Q, K, V, bias)
    assert (kn.grad(squares(by_bias), 3)(Q, K, V, bias)[~mask] == 0).all()


def test_large_scores():
    """At scores of 1e4 the weights are 0 and 1 and no derivative overflows."""
    found = kn.attention(Q * 1e4, K, V)
    best = (Q @ K.mT).argmax(-1)
    np.testing.assert_allclose(found, np.take_along_axis(V, best[..., None], 1), rtol=1e-12)
    finite(squares(kn.attention), Q * 1e4, K, V)
    finite(lambda q, k, v, b: squares(kn.attention)(q + b, k, v), Q * 1e2, K * 1e2, V, np.zeros(4))


def test_infinite_bias_takes_all():
    bias = np.array([0.0, inf, 0.0, inf, -inf])
    found = kn.attention(Q, K, V, bias=bias)
    np.testing.assert_allclose(found, np.broadcast_to(V[:, [1, 3]].mean(1, keepdims=True), found.shape), rtol=1e-12)
    finite(squares(lambda q, k, v, b: kn.attention(q, k, v, bias=b)), Q, K, V, bias)


def test_nan_spreads_along_its_row_only():
    q = Q.copy()
    q[0, 1, 0] = nan
    with quiet():
        y = kn.attention(q, K, V)
    assert np.isnan(y[0, 1]).all() and np.isfinite(np.delete(y.reshape(6, 3), 1, 0)).all()
    k = K.copy()
    k[:, 4] = nan  # hidden keys may hold anything
    y = kn.attention(Q, k, V, mask=np.arange(5) < 4)
    np.testing.assert_allclose(y, kn.attention(Q, K[:, :4], V[:, :4]), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_fused_is_as_composed(dtype):
    args = [x.astype(dtype) for x in (Q, K, V, RNG.normal(size=(3, 1)))]

    def fused(q, k, v, b):
        return kn.attention(q, k, v, bias=b, mask=HIDDEN, causal=True)

    def composed(q, k, v, b):
        return kn.attention(q, k, v, bias=b, mask=HIDDEN, causal=True, return_weights=True)[0]

    ours, theirs = [kn.value_and_grad(squares(f), (0, 1, 2, 3))(*args) for f in (fused, composed)]
    for a, b in zip((ours[0], *ours[1]), (theirs[0], *theirs[1])):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10 if dtype is np.float64 else np.finfo(dtype).eps * 20)


def test_groups_are_repeated_keys():
    q, k, v = RNG.normal(size=(2, 6, 3, 4)), RNG.normal(size=(2, 2, 5, 4)), RNG.normal(size=(2, 2, 5, 3))
    mask, bias = RNG.random((6, 3, 5)) < 0.7, RNG.normal(size=(2, 6, 1, 5))
    f = squares(lambda q, k, v, b: kn.attention(q, k, v, bias=b, mask=mask))
    repeated = [np.repeat(x, 3, axis=1) for x in (k, v)]
    dq, dk, dv, db = kn.grad(f, (0, 1, 2, 3))(q, k, v, bias)
    wanted = kn.grad(f, (0, 1, 2, 3))(q, *repeated, bias)
    for ours, theirs in ((dq, wanted[0]), (db, wanted[3])):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    for ours, theirs in ((dk, wanted[1]), (dv, wanted[2])):
        np.testing.assert_allclose(ours, theirs.reshape(2, 2, 3, *theirs.shape[2:]).sum(2), rtol=1e-10)
    weights = kn.attention(q, k, v, return_weights=True)[1]
    assert weights.shape == (2, 6, 3, 5)
    np.testing.assert_allclose(weights.sum(-1), 1)


def test_heads_are_slices():
    q, k, v = Q, K, RNG.normal(size=(2, 5, 6))
    y, weights = kn.attention(q, k, v, heads=2, return_weights=True)
    parts = [kn.attention(q[..., i : i + 2], k[..., i : i + 2], v[..., j : j + 3]) for i, j in ((0, 0), (2, 3))]
    np.testing.assert_allclose(y, np.concatenate(parts, -1), rtol=1e-12)
    assert weights.shape == (2, 2, 3, 5)


def test_dropout():
    """The weights that are kept grow; nothing is dropped outside of training; the derivative drops the same."""
    q, k, v = np.zeros((20, 4)), np.zeros((50, 4)), np.eye(50)
    np.testing.assert_array_equal(kn.attention(q, k, v, dropout=0.5), kn.attention(q, k, v))
    kn.seed(1)
    with kn.training(True):
        y, weights = kn.attention(q, k, v, dropout=0.25, return_weights=True)
        kn.seed(1)
        np.testing.assert_array_equal(kn.attention(q, k, v, dropout=0.25), y)
    np.testing.assert_array_equal(y, weights)
    assert set(np.unique(weights.round(12))) == {0, round(1 / 50 / 0.75, 12)}
    assert 0.2 < (weights == 0).mean() < 0.3
    kn.seed(1)
    dv = kn.grad(lambda v: np.sum(kn.attention(q, k, v, dropout=0.25)), 0)(v)
    np.testing.assert_allclose(dv, np.broadcast_to(weights.sum(0)[:, None], (50, 50)))


def test_causal_mask():
    assert kn.causal_mask(2, 3).tolist() == [[True, False, False], [True, True, False]]
    assert kn.causal_mask(0).shape == (0, 0)
    for L, S in ((3, 3), (2, 5), (3, 2)):
        q, k, v = Q[:, :L], K[:, :S], V[:, :S]
        np.testing.assert_array_equal(
            kn.attention(q, k, v, causal=True), kn.attention(q, k, v, mask=kn.causal_mask(L, S))
        )
    for wrong in (-1, 2.5, None, "a"):
        with pytest.raises(ValueError, match="causal_mask: L"):
            kn.causal_mask(wrong)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rope_is_a_rotation(interleaved):
    """Lengths stay, and a product of a query and a key depends on the difference of their places alone."""
    q, k = RNG.normal(size=(2, 1, 6))
    y = kn.rope(np.repeat(q, 7, 0), interleaved=interleaved)
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), np.linalg.norm(q))
    products = [
        kn.rope(q, [m], interleaved=interleaved) @ kn.rope(k, [m + 3], interleaved=interleaved).T for m in (0, 5, -2.5)
    ]
    np.testing.assert_allclose(np.ravel(products), products[0].item())
    back = kn.vjp(lambda x: kn.rope(x, interleaved=interleaved), y)[1](y)[0]
    np.testing.assert_allclose(kn.rope(back, interleaved=interleaved), y)
    np.testing.assert_array_equal(kn.rope(y, offset=2), kn.rope(y, np.arange(7) + 2))


def test_rope_far_away_is_exact_in_float32():
    """Angles are taken in float64: position 100000 is as exact as position 1."""
    x = np.ones((1, 4))
    found = kn.rope(x.astype(np.float32), [100_000])
    np.testing.assert_allclose(found, kn.rope(x, [100_000]), rtol=1e-6, atol=1e-6)


def test_with_heads_a_mask_of_as_many_axes_as_q_is_for_all_heads_of_its_example():
    rng = np.random.default_rng(0)
    q, mask, bias = rng.normal(size=(2, 3, 4)), rng.random((2, 1, 3)) > 0.4, rng.normal(size=(2, 3, 3))
    for options in ({"mask": mask}, {"bias": bias}, {"mask": mask, "bias": bias}):
        each = {k: v[:, None] for k, v in options.items()}
        np.testing.assert_array_equal(kn.attention(q, q, q, heads=2, **options), kn.attention(q, q, q, heads=2, **each))
        for n in range(2):
            alone = kn.attention(q[n], q[n], q[n], heads=2, **{k: v[n] for k, v in options.items()})
            np.testing.assert_allclose(kn.attention(q, q, q, heads=2, **options)[n], alone, atol=1e-15)


def test_a_split_projection_has_the_derivative_of_its_slices():
    w, x = kn.param(np.linspace(-1, 1, 8 * 24).reshape(8, 24)), np.linspace(-2, 1, 80).reshape(2, 5, 8)

    def loss(cut):
        q, k, v = cut(x @ w)
        return np.sum(kn.attention(q, k, v, heads=2, causal=True) * x)

    whole = kn.grad(loss)(lambda qkv: np.split(qkv, 3, axis=-1))[w]
    sliced = kn.grad(loss)(lambda qkv: [qkv[..., 8 * n : 8 * n + 8] for n in range(3)])[w]
    np.testing.assert_allclose(whole, sliced, rtol=1e-12)
    assert whole.flags.owndata and np.abs(whole).max() > 1
