"""Products large enough for the kernels, as rows of the table are not: the same as NumPy's, of whatever operands."""

import warnings

import numpy as np
import pytest

import knetpy as kn

RNG = np.random.default_rng(0)


def normal(*shape, dtype="d"):
    return RNG.normal(size=shape).astype(dtype)


SUMS = [
    ("ij,jk->ik", (30, 40), (40, 50)),
    ("ij,jk->ki", (30, 40), (40, 50)),
    ("bqd,bkd->bqk", (4, 20, 30), (4, 25, 30)),
    ("bhqd,bhkd->qbhk", (2, 3, 20, 30), (2, 3, 25, 30)),
    ("ijk,kjl->li", (10, 20, 30), (30, 20, 9)),
    ("i,i->", (20000,), (20000,)),
    ("ij,j->i", (100, 200), (200,)),
    ("ij,jk->ik", (3000, 1), (40, 50)),  # an axis of length 1 is stretched: not a product of matrices
    ("ijl,jk->ik", (30, 40, 9), (40, 50)),  # l is summed alone
    ("ij,kl->ijkl", (10, 12), (11, 13)),
]


@pytest.mark.parametrize("letters, of_a, of_b", SUMS)
def test_einsum(letters, of_a, of_b):
    a, b = normal(*of_a), normal(*of_b)
    p, q = kn.param(a), kn.param(b)
    y = np.einsum(letters, a, b)
    np.testing.assert_allclose(np.einsum(letters, p, q), y, rtol=1e-11, atol=1e-11)
    dy, da, db = normal(*y.shape), normal(*of_a), normal(*of_b)
    g = kn.grad(lambda: (np.einsum(letters, p, q) * dy).sum())()
    slope = np.vdot(np.einsum(letters, da, b) + np.einsum(letters, a, db), dy)
    np.testing.assert_allclose(np.vdot(g[p], da) + np.vdot(g[q], db), slope, rtol=1e-9)


PLAIN = [
    (normal(60, 70, dtype="f4"), normal(70, 80)),
    (normal(60, 70), RNG.integers(-9, 9, (70, 80))),
    (RNG.integers(-9, 9, (60, 70)), RNG.integers(-9, 9, (70, 80))),
    (normal(60, 70) + 1j, normal(70, 80)),
    (np.array(RNG.integers(-9, 9, (30, 30)), object), np.array(RNG.integers(-9, 9, (30, 30)), object)),
    (normal(60, 70), normal(70, 80).astype(">f8")),
    (normal(60, 70)[::-1, ::-1], np.broadcast_to(normal(70, 1), (70, 80))),
    (normal(3, 1, 60, 70), normal(4, 70, 80)),
    (normal(0, 7000), normal(7000, 80)),
    (normal(200, 100), normal(100, 1)),
]


@pytest.mark.parametrize("a, b", PLAIN)
def test_matmul_outside_transforms_is_numpys(a, b):
    ours, theirs = kn.ops.matmul._matmul(a, b), np.matmul(a, b)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    if theirs.dtype == object:
        assert (ours == theirs).all()
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_subclasses_are_numpys():
    a = normal(100, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix(a)
    assert isinstance(kn.ops.matmul._matmul(matrix, a), np.matrix)
    assert isinstance(kn.ops.matmul._matmul(a, np.ma.array(a)), np.ma.MaskedArray)


def test_what_does_not_fit_is_told_in_the_users_words():
    with pytest.raises(kn.ShapeError, match="100 columns"):
        normal(90, 100) @ kn.param(normal(99, 80))


@pytest.mark.parametrize("activation", [None, kn.relu, np.tanh, kn.gelu])
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("transpose_w", [False, True])
def test_linear(activation, dtype, transpose_w):
    x, w, bias = normal(6, 20, 70, dtype=dtype), normal(70, 90, dtype=dtype), normal(90, dtype=dtype)
    arrays = [kn.param(v) for v in (x, w.T.copy() if transpose_w else w, bias)]
    dy = normal(6, 20, 90, dtype=dtype)

    def fused():
        y = kn.linear(*arrays, activation=activation, transpose_w=transpose_w)
        return (y * dy).sum()

    def plain():
        p, q, b = arrays
        y = p @ (q.T if transpose_w else q) + b
        return ((y if activation is None else activation(y)) * dy).sum()

    ours, theirs = kn.grad(fused)(), kn.grad(plain)()
    tolerance = {"f": 2e-5, "d": 1e-12}[dtype]
    for p in arrays:
        np.testing.assert_allclose(ours[p], theirs[p], rtol=tolerance, atol=100 * tolerance)
    by_data = kn.grad(lambda w: (kn.linear(x, w, bias, activation=activation) * dy).sum(), 0)(w)
    np.testing.assert_allclose(
        by_data, theirs[arrays[1]].T if transpose_w else theirs[arrays[1]], 1e-3, 100 * tolerance
    )


def test_polyfit_has_a_derivative_by_everything():
    """Of a constant x the coefficients are computed as sums of y, else as np.linalg.lstsq does."""
    x, y, w = np.sort(normal(5)), normal(5), np.abs(normal(5)) + 0.5
    for args in ((x, y), (x, y, w)):
        kn.gradcheck(lambda x, y, w=None: np.sum(np.polyfit(x, y, 2, w=w) ** 2), *args, order=2)
    np.testing.assert_allclose(kn.vjp(lambda x: np.polyfit(x, y, 2), x)[0], np.polyfit(x, y, 2), rtol=1e-10)
