"""kn.scipy.linalg: values are SciPy's, derivatives agree with differences in all modes, twice."""

import zlib

import numpy as np
import pytest

import knetpy as kn
from tests.ops.checker import check_first, check_second, same

sla = pytest.importorskip("scipy.linalg")


def apart(x):
    n = x.shape[-1]
    return x * 0.3 + (np.eye(n) * np.arange(2.0, 2 + 2 * n, 2)).astype(x.dtype)


def positive(x):
    return x @ np.swapaxes(x, -1, -2) * 0.3 + np.eye(x.shape[-1], dtype=x.dtype)


def symmetric(x):
    return apart((x + np.swapaxes(x, -1, -2)) / 2)


def squares(parts):
    return [np.square(p) for p in parts]


def thin(parts):
    """Without the columns of an orthogonal matrix that are any basis of the rest."""
    return [p[..., :3] for p in parts]


S, B = (3, 3), (2, 3, 3)
CASES = {
    "solve": (lambda la, a, b: la.solve(apart(a), b), S, (3, 2)),
    "solve vector": (lambda la, a, b: la.solve(apart(a), b, assume_a="gen"), S, (3,)),
    "cho_solve stack by one vector": (lambda la, a, b: la.cho_solve(la.cho_factor(positive(a)), b), B, (3,)),
    "solve stack": (lambda la, a, b: la.solve(apart(a), b), B, (3, 2)),
    "solve transposed": (lambda la, a, b: la.solve(apart(a), b, transposed=True), S, (3,)),
    "solve upper": (lambda la, a, b: la.solve(np.triu(apart(a)), b, assume_a="upper triangular"), S, (3, 2)),
    "solve lower": (lambda la, a, b: la.solve(np.tril(apart(a)), b, assume_a="lower triangular"), S, (3, 2)),
    "solve diagonal": (lambda la, a, b: la.solve(np.diag(np.diag(apart(a))), b, assume_a="diagonal"), S, (3, 2)),
    "solve tridiagonal": (
        lambda la, a, b: la.solve(np.triu(np.tril(apart(a), 1), -1), b, assume_a="tridiagonal"), (4, 4), (4, 2),
    ),
    **{
        f"solve {assume} {lower}": (
            lambda la, a, b, s=assume, low=lower: la.solve(symmetric(a), b, assume_a=s, lower=low), S, (3, 2),
        )
        for assume in ("pos", "sym", "her") for lower in (False, True)
    },
    **{
        f"solve_triangular {trans} {lower} {unit}": (
            lambda la, a, b, t=trans, low=lower, u=unit: la.solve_triangular(
                apart(a), b, trans=t, lower=low, unit_diagonal=u
            ), S, (3,),
        )
        for trans in (0, 1, 2, "N", "T", "C") for lower in (False, True) for unit in (False, True)
    },
    "solve_triangular stack": (lambda la, a, b: la.solve_triangular(apart(a), b), B, (3, 2)),
    "solve_banded": (lambda la, a, b: la.solve_banded((1, 2), a + np.array([[0], [0], [9], [0]]), b), (4, 5), (5, 2)),
    "solve_banded lower": (lambda la, a, b: la.solve_banded((1, 0), a + np.array([[9], [0]]), b), (2, 5), (5,)),
    "solve_toeplitz": (lambda la, a, b, c: la.solve_toeplitz((a + [9, 0, 0, 0], c), b), (4,), (4,), (4,)),
    "cholesky": (lambda la, a: la.cholesky(positive(a)), S),
    "cholesky lower": (lambda la, a: la.cholesky(positive(a), lower=True), B),
    "cho_solve": (lambda la, a, b: la.cho_solve(la.cho_factor(positive(a)), b), S, (3,)),
    "cho_solve lower": (lambda la, a, b: la.cho_solve(la.cho_factor(positive(a), True), b), S, (3, 2)),
    **{
        f"{name} {len(shape)}": (lambda la, a, f=name: getattr(la, f)(apart(a) * 0.3), shape)
        for name in ("expm", "logm", "cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm", "sqrtm") for shape in (S, B)
    },
    "solve_sylvester": (lambda la, a, b, c: la.solve_sylvester(apart(a), apart(b), c), S, (2, 2), (3, 2)),
    "solve_continuous_lyapunov": (lambda la, a, b: la.solve_continuous_lyapunov(apart(a), b), S, S),
    "solve_lyapunov": (lambda la, a, b: la.solve_lyapunov(apart(a), b), S, S),
    "solve_discrete_lyapunov": (lambda la, a, b: la.solve_discrete_lyapunov(a * 0.2, b), S, S),
    "solve_discrete_lyapunov bilinear": (
        lambda la, a, b: la.solve_discrete_lyapunov(a * 0.2, b, "bilinear"), S, S,
    ),
    "lstsq": (lambda la, a, b: la.lstsq(a, b), (4, 3), (4, 2)),
    "lstsq vector": (lambda la, a, b: la.lstsq(a, b), (4, 3), (4,)),
    "qr": (lambda la, a: thin(la.qr(a)), (4, 3)),
    "qr economic": (lambda la, a: list(la.qr(a, mode="economic")), (4, 3)),
    "qr r": (lambda la, a: list(la.qr(a, mode="r")), (4, 3)),
    "svd": (lambda la, a: squares(la.svd(a, full_matrices=False)), (4, 3)),
    "svd values": (lambda la, a: la.svd(a, compute_uv=False), (4, 3)),
    "svdvals": (lambda la, a: la.svdvals(a), (4, 3)),
    "eigh": (lambda la, a: squares(la.eigh(symmetric(a))), S),
    "eigh upper": (lambda la, a: squares(la.eigh(symmetric(a), lower=False, subset_by_index=[1, 2])), S),
    "eigh by b": (lambda la, a, b: squares(la.eigh(symmetric(a), positive(b))), S, S),
    "eigh by b upper": (lambda la, a, b: squares(la.eigh(symmetric(a), positive(b), lower=False)), S, S),
    "eigvalsh": (lambda la, a, b: la.eigvalsh(symmetric(a), positive(b)), S, S),
    "eig": (lambda la, a: [np.abs(part) ** 2 for part in la.eig(positive(a))], S),
    "eigvals": (lambda la, a: np.abs(la.eigvals(apart(a))), S),
    "inv": (lambda la, a: la.inv(apart(a)), S),
    "inv pos": (lambda la, a: la.inv(positive(a), assume_a="pos"), B),
    "det": (lambda la, a: la.det(a), B),
    "pinv": (lambda la, a: la.pinv(a), (4, 3)),
    "pinv atol": (lambda la, a: la.pinv(a, atol=1e-3, return_rank=True)[0], (4, 3)),
    "norm": (lambda la, a: la.norm(a, "nuc"), (4, 3)),
    "block_diag": (lambda la, a, b, c: la.block_diag(a, b, 2.0, c), (2, 2), (3,), (1, 2)),
    "toeplitz": (lambda la, a, b: la.toeplitz(a, b), (3,), (4,)),
    "toeplitz column": (lambda la, a: la.toeplitz(a), (3,)),
    "hankel": (lambda la, a, b: la.hankel(a, b), (3,), (4,)),
    "hankel column": (lambda la, a: la.hankel(a), (3,)),
    "circulant": (lambda la, a: la.circulant(a), (4,)),
    "solve_toeplitz of one vector": (lambda la, a, b: la.solve_toeplitz(a + [5, 0, 0], b), (3,), (3,)),
    "companion": (lambda la, a: la.companion(a + [5, 0, 0]), (3,)),
}  # fmt: skip
COMPLEX = {
    "solve": lambda la, a, b: la.solve(apart(a.real) + 1j * a.imag, b),
    "solve her": lambda la, a, b: la.solve(a @ a.conj().T + np.eye(3), b, assume_a="her"),
    "solve_triangular C": lambda la, a, b: la.solve_triangular(a + 3 * np.eye(3), b, trans="C"),
    "cho_solve": lambda la, a, b: la.cho_solve(la.cho_factor(a @ a.conj().T + np.eye(3)), b),
    "expm": lambda la, a, b: la.expm(a * 0.3) @ b,
    "logm": lambda la, a, b: la.logm(a * 0.3 + 2 * np.eye(3)) @ b,
    "sqrtm": lambda la, a, b: la.sqrtm(a * 0.3 + 2 * np.eye(3)),
    "solve_sylvester": lambda la, a, b: la.solve_sylvester(a + 3 * np.eye(3), a + 5 * np.eye(3), b),
    "solve_continuous_lyapunov": lambda la, a, b: la.solve_continuous_lyapunov(a + 3 * np.eye(3), b),
    "solve_discrete_lyapunov": lambda la, a, b: la.solve_discrete_lyapunov(a * 0.2, b),
    "eigvalsh": lambda la, a, b: la.eigvalsh(a + a.conj().T, b @ b.conj().T + np.eye(3)),
    "toeplitz": lambda la, a, b: la.toeplitz(a[0]) * b,
}


def random(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def check(name, f, args):
    theirs = f(sla, *args)
    theirs = list(theirs) if isinstance(theirs, (list, tuple)) else theirs
    wanted = theirs if isinstance(theirs, list) else [theirs]
    inside = kn.vjp(lambda *xs: f(kn.scipy.linalg, *xs), *args)[0]
    for found, y in zip(inside if isinstance(theirs, list) else [inside], wanted):
        np.testing.assert_allclose(found, y, atol=1e-10)
    check_first(lambda *xs: f(kn.scipy.linalg, *xs), args, random(name))
    check_second(lambda *xs: f(kn.scipy.linalg, *xs), args, random(name))


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, *shapes = CASES[name]
    args = [random(name).normal(size=shape) for shape in shapes]
    check(name, f, args)
    same(f(kn.scipy.linalg, *args), f(sla, *args))  # on plain arrays they are SciPy's own


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:logm result may be inaccurate:RuntimeWarning")
def test_float32(name):
    f, *shapes = CASES[name]
    args = [random(name).normal(size=shape) for shape in shapes]

    def loss(*xs):
        found = f(kn.scipy.linalg, *xs)
        parts = found if isinstance(found, (list, tuple)) else [found]
        return sum([np.sum(np.cos(part)) for part in parts if part.dtype.kind == "f"])

    small = kn.grad(loss, 0)(*[a.astype(np.float32) for a in args])
    assert small.dtype == np.float32 and np.isfinite(small).all()


@pytest.mark.parametrize("name", COMPLEX)
def test_complex(name):
    args = [random(name).normal(size=S) for _ in range(4)]
    f = COMPLEX[name]
    check(name, lambda la, a, b, c, d: f(la, a + 1j * b, c + 1j * d), args)


def test_third_derivatives_of_expm():
    """d3/dt3 of expm(t a) at t = 0 is a @ a @ a."""
    a = random("third").normal(size=S)
    derivative = lambda t: kn.scipy.linalg.expm(t * a)
    for _ in range(3):
        derivative = (lambda f: lambda t: kn.jvp(f, (t,), (1.0,))[1])(derivative)
    np.testing.assert_allclose(derivative(0.0), a @ a @ a, atol=1e-10)
    loss = kn.grad(kn.grad(kn.grad(lambda t: kn.scipy.linalg.expm(t * a)[0, 1])))
    assert loss(0.0) == pytest.approx((a @ a @ a)[0, 1])


def test_derivatives_of_functions_of_matrices_keep_their_digits():
    """Whatever the size of the cotangent."""
    a, g = random("scale").normal(size=S), random("g").normal(size=S)
    wanted = sla.expm_frechet(a.T, g, compute_expm=False)
    for size in (1e-30, 1.0, 1e30):
        found = kn.vjp(kn.scipy.linalg.expm, a)[1](g * size)[0]
        np.testing.assert_allclose(found, wanted * size, rtol=1e-12)
    assert (kn.vjp(kn.scipy.linalg.expm, a)[1](g * 0)[0] == 0).all()


def test_logarithms_of_real_matrices_with_negative_eigenvalues():
    x = np.array([[-1.0, 2.0, 0.0], [0.0, -2.0, 0.3], [0.1, 0.0, 3.0]])
    for part in (np.real, np.imag):
        for check_order in (check_first, check_second):
            check_order(lambda x, part=part: part(kn.scipy.linalg.logm(x)), [x], random("logm"))


def test_errors_name_the_function():
    with pytest.raises(np.linalg.LinAlgError, match=r"cholesky of \(2, 2\)"):
        kn.grad(lambda a: kn.scipy.linalg.cholesky(a).sum(), 0)(-np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match=r"solve_triangular of \(2, 2\) and \(2, 1\)"):
        kn.grad(lambda a: kn.scipy.linalg.solve_triangular(a, np.ones(2)).sum(), 0)(np.zeros((2, 2)))
    with pytest.raises(TypeError, match="scipy.linalg.qr: pivoting= as given has no derivative rule"):
        kn.grad(lambda a: kn.scipy.linalg.qr(a, pivoting=True)[0].sum(), 0)(np.eye(2))
    for name in ("null_space", "orth", "lu", "signm", "schur", "polar"):
        with pytest.raises(kn.DerivativeError, match=rf"scipy.linalg.{name}: .*kn.value"):
            kn.grad(lambda a, f=name: getattr(kn.scipy.linalg, f)(a)[0].sum(), 0)(np.eye(2))
    np.testing.assert_array_equal(kn.scipy.linalg.null_space(np.ones((2, 2))), sla.null_space(np.ones((2, 2))))
    assert kn.scipy.linalg.LinAlgError is np.linalg.LinAlgError
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        kn.scipy.linalg.nothing
