"""Linear algebra: stated conventions where matrices are degenerate, what is refused, what rows cannot tell."""

import numpy as np
import pytest

import knetpy as kn
from tests.ops.checker import check_first, check_second

la = np.linalg


def rng():
    return np.random.default_rng(0)


def matrix(*shape):
    return rng().normal(size=shape)


def of_rank(r, n=4):
    """A matrix of rank r, and with r = 0 zeros."""
    return matrix(n, r) @ matrix(r + 1, n)[1:]


def rotation(n):
    return la.qr(matrix(n, n))[0]


# ------------------------------------------------------------------------------------------------ determinants


def cofactors(x):
    """By minors."""
    n = len(x)
    keep = [[i for i in range(n) if i != k] for k in range(n)]
    minors = [[la.det(x[np.ix_(keep[i], keep[j])]) * (-1) ** (i + j) for j in range(n)] for i in range(n)]
    return np.array(minors).reshape(n, n)


@pytest.mark.parametrize("r", range(5))
def test_det_of_singular_matrices(r):
    x = of_rank(r)
    for matrix_ in (x, np.round(x)):
        found = kn.grad(la.det, 0)(matrix_)
        np.testing.assert_allclose(found, cofactors(matrix_), atol=1e-10 * (1 + np.abs(cofactors(matrix_)).max()))
    check_second(lambda x: la.det(x), [x], rng())


def test_det_of_singular_matrices_in_a_stack():
    stack = np.stack([matrix(3, 3), of_rank(2, 3), np.zeros((3, 3)), np.eye(3)])
    found = kn.grad(lambda x: la.det(x).sum(), 0)(stack)
    np.testing.assert_allclose(found, [cofactors(x) for x in stack], atol=1e-12)
    check_second(la.det, [stack.reshape(2, 2, 3, 3)], rng())


def test_third_derivative_of_det_at_zero():
    """det of 3 x 3 is trilinear in its rows: its only third derivatives are signs of permutations."""
    third = kn.jacobian(kn.hessian(la.det))(np.zeros((3, 3)))
    assert third[0, 0, 1, 1, 2, 2] == pytest.approx(1)
    assert third[0, 1, 1, 0, 2, 2] == pytest.approx(-1)
    assert np.abs(third).sum() == pytest.approx(36)


def test_det_near_singular_keeps_its_digits():
    x = rotation(4) @ np.diag([1.0, 2.0, 1e-9, 3e-13]) @ rotation(4)
    exact = kn.hvp(lambda x: la.det(x @ np.eye(4)), (x,), (np.ones((4, 4)),))[0]
    step = 1e-3
    moved = [cofactors(x + k * step) for k in (-1, 1)]
    np.testing.assert_allclose(exact, (moved[1] - moved[0]) / (2 * step), atol=1e-6)


def test_slogdet_of_singular_matrices_is_nan_for_them_only():
    stack = np.stack([np.eye(2), np.ones((2, 2))])
    found = kn.grad(lambda x: la.slogdet(x)[1][0] + la.slogdet(x)[1][1], 0)(stack)
    np.testing.assert_array_equal(found[0], np.eye(2))
    assert np.isnan(found[1]).all()
    assert (kn.vjp(lambda x: la.slogdet(x).sign, stack)[1](np.ones(2))[0][0] == 0).all()


# --------------------------------------------------------------------------------------- equal eigenvalues


def symmetric(values):
    q = rotation(len(values))
    return q @ np.diag(values) @ q.T


TIED = [1.0, 1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("f", [lambda w: np.sum(w**3), lambda w: np.sum(np.exp(w)), np.sum], ids=["cube", "exp", "sum"])
def test_symmetric_functions_of_equal_eigenvalues(f):
    """sum(f(w)) has the gradient V f'(w) V*, whatever the basis V."""
    a = symmetric(TIED)
    for x in (a, np.eye(3), np.zeros((3, 3))):
        slope = kn.grad(lambda w: f(w) + 0 * np.sum(w), 0)(la.eigvalsh(x))
        v = la.eigh(x)[1]
        wanted = (v * slope) @ v.T
        for w in (la.eigvalsh, lambda x: la.eigh(x)[0], lambda x: la.eigh(x, "U").eigenvalues):
            np.testing.assert_allclose(kn.grad(lambda x, w=w: f(w(x)), 0)(x), wanted, atol=1e-12)


def test_complex_matrices_with_equal_eigenvalues():
    z = la.qr(matrix(5, 5) + 1j * matrix(5, 5)[::-1])[0]
    a = (z * TIED) @ z.conj().T
    for f in (la.eigvalsh, lambda a: la.eigh(a)[0], la.svdvals, lambda a: la.svd(a).S, lambda a: np.real(la.eig(a)[0])):
        np.testing.assert_allclose(kn.grad(lambda a, f=f: np.sum(f(a) ** 2), 0)(a), 2 * a, atol=1e-10)


def test_projections_onto_the_space_of_equal_eigenvalues():
    """The vectors of equal eigenvalues by the space that they span."""
    a, g = symmetric(TIED), matrix(5, 5)

    def onto(x):
        v = la.eigh(x).eigenvectors[:, :2]
        return np.sum((v @ v.T) * g)

    v, w = la.eigh(a)[1], np.array(TIED)
    first, second = v[:, :2], v[:, 2:]
    inner = first.T @ (g + g.T) @ second / (w[0] - w[-1])
    wanted = first @ inner @ second.T
    np.testing.assert_allclose(kn.grad(onto, 0)(a), (wanted + wanted.T) / 2, atol=1e-10)


def test_second_derivatives_at_equal_eigenvalues_are_nan():
    for f in (la.eigvalsh, la.svdvals, lambda x: la.eigh(x)[0], lambda x: la.svd(x)[1]):
        assert np.isnan(kn.hvp(lambda x, f=f: np.sum(f(x) ** 3), (np.eye(3),), (matrix(3, 3),))[0]).any()
        check_second(lambda x, f=f: f(x @ x.T), [np.diag([1.0, 2.0, 4.0])], rng())


def test_singular_values_that_are_equal_or_zero():
    u, v = rotation(4), rotation(3)
    for s in ([2.0, 2.0, 2.0], [3.0, 3.0, 0.0], [1.0, 0.0, 0.0]):
        x = (u[:, :3] * s) @ v
        for f in (la.svdvals, lambda x: la.svd(x)[1], lambda x: la.svd(x, full_matrices=False).S):
            np.testing.assert_allclose(kn.grad(lambda x, f=f: np.sum(f(x) ** 2), 0)(x), 2 * x, atol=1e-12)
        np.testing.assert_allclose(kn.grad(lambda x: np.sum(product(la.svd(x, False)) ** 2), 0)(x), 2 * x, atol=1e-12)


def product(found):
    return (found.U * found.S) @ found.Vh


def test_norms_of_nothing():
    for ord, axis in ((np.inf, 0), (np.inf, None), (2, None), (1, None)):
        x = np.zeros((0, 3) if ord != 1 else (3, 0))
        y, pullback = kn.vjp(lambda x, o=ord, a=axis: la.norm(x, o, a), x)
        assert (y == 0).all() and pullback(np.ones_like(y))[0].shape == x.shape
    with pytest.raises(ValueError, match="zero-size"):
        kn.vjp(lambda x: la.norm(x, -np.inf), np.zeros(0))


def test_norms_at_zero_and_at_ties():
    for ord in (None, "fro", "nuc", 2):
        assert (kn.grad(lambda x, o=ord: la.norm(x, o), 0)(np.zeros((3, 2))) == 0).all()
    np.testing.assert_allclose(kn.grad(lambda x: la.norm(x, 2), 0)(np.eye(3)), np.eye(3) / 3)
    np.testing.assert_allclose(kn.grad(lambda x: la.norm(x, "nuc"), 0)(np.diag([2.0, 0.0])), np.diag([1.0, 0.0]))


# ------------------------------------------------------------------------------------------------- conventions


@pytest.mark.parametrize("f", [la.cholesky, la.eigvalsh, lambda x: la.eigh(x)[1] ** 2], ids=["chol", "w", "v"])
def test_gradients_by_symmetric_matrices_are_symmetric(f):
    x, c = matrix(4, 4), matrix(4, 4)
    a = x @ x.T + np.eye(4)

    def loss(a):
        return np.sum(f(a) * c)

    g = kn.grad(loss, 0)(a)
    np.testing.assert_array_equal(g, g.T)
    np.testing.assert_allclose(kn.grad(lambda a: loss((a + a.T) / 2), 0)(a), g, atol=1e-12)


def test_orders_of_powers():
    for n in (3, 5, -3):
        for f in (check_first, check_second):
            f(lambda x, n=n: la.matrix_power(x * 0.3 + np.eye(3), n), [matrix(3, 3)], rng())


def test_named_tuples():
    x = matrix(3, 3) + 3 * np.eye(3)
    for f in (la.eigh, la.svd, la.qr, la.slogdet):
        kn.grad(lambda x, f=f: np.sum(f(x)[1]) * (1 if type(f(x)) is type(f(kn.value(x))) else None), 0)(x)
        assert type(kn.vjp(f, x)[0]) is type(f(x))


def test_functions_of_params_outside_of_transforms_are_numpys():
    x = matrix(3, 3)
    spd = x @ x.T + np.eye(3)
    for f in (la.inv, la.det, la.cholesky, la.eigvalsh, la.svdvals, la.pinv, la.cond, la.matrix_rank):
        np.testing.assert_array_equal(f(kn.param(spd)), f(spd))
    for f in (la.eigh, la.svd, la.qr, la.slogdet, lambda a: la.lstsq(a, a[0]), lambda a: la.solve(a, a[0])):
        for found, wanted in zip(f(kn.param(spd)), f(spd)):
            np.testing.assert_array_equal(found, wanted)


def test_what_is_refused():
    x = matrix(3, 3)
    with pytest.raises(ValueError, match="qr.*raw has no derivative rule"):
        kn.grad(lambda x: la.qr(x, "raw")[0].sum(), 0)(x)
    with pytest.raises(la.LinAlgError, match="Singular"):
        kn.grad(lambda x: la.qr(x)[0].sum(), 0)(np.zeros((3, 2)))
    with pytest.raises(la.LinAlgError, match="solve of .*Singular"):
        kn.grad(lambda x: la.solve(x, np.ones(3)).sum(), 0)(np.ones((3, 3)))


def test_cond_of_singular_matrices():
    for p in (None, 2, 1, "fro"):
        value, g = kn.value_and_grad(lambda x, p=p: la.cond(x, p), 0)(np.ones((2, 2)))
        assert value == la.cond(np.ones((2, 2)), p)
        assert g.shape == (2, 2)
