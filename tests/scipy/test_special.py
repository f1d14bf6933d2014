"""kn.scipy.special: what is no ufunc there. Its ufuncs are rows of the table of ops."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import special as theirs

import knetpy as kn

ours = kn.scipy.special
A = np.random.default_rng(0).normal(size=(2, 3, 4))
B = np.array([[0.5], [0.0], [1.5]])


def same(found, expected):
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("how", [{}, {"axis": 1}, {"axis": (1, 2), "keepdims": True}])
@pytest.mark.parametrize("b", [None, B, -B, 2.0])
def test_logsumexp(how, b):
    signed = b is not None and np.min(b) < 0
    f = lambda a: ours.logsumexp(a, b=b, return_sign=signed, **how)
    wanted = theirs.logsumexp(A, b=b, return_sign=signed, **how)
    found = kn.vjp(lambda a: f(a)[0] if signed else f(a), A)[0]
    same(found, wanted[0] if signed else wanted)
    if signed:
        np.testing.assert_array_equal(kn.vjp(lambda a: f(a)[0] * 0 + f(a)[1], A)[0], wanted[1])
    kn.gradcheck(lambda a: np.sum(f(a)[0] if signed else f(a)), A, order=2)


def test_logsumexp_by_its_factors():
    kn.gradcheck(lambda a, b: np.sum(ours.logsumexp(a, 1, b)), A, B + 1, order=2)
    assert kn.grad(lambda b: ours.logsumexp(A, b=b), 0)(B)[1] != 0
    y, g = kn.value_and_grad(lambda a: ours.logsumexp(a, b=[1.0, 0.0]), 0)(np.array([1e3, 1e5]))
    assert y == 1e3 and g.tolist() == [1, 0]
    y, g = kn.value_and_grad(lambda a: ours.logsumexp(a, b=[0.0, 0.0]), 0)(np.zeros(2))
    assert y == -np.inf and g.tolist() == [0, 0]
    assert kn.grad(ours.logsumexp, 0)(2.0) == 1


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
def test_softmax(axis):
    for name in ("softmax", "log_softmax"):
        f = getattr(ours, name)
        np.testing.assert_allclose(kn.vjp(lambda a, f=f: f(a, axis), A)[0], getattr(theirs, name)(A, axis), rtol=1e-13)
        np.testing.assert_array_equal(f(kn.param(A), axis), getattr(theirs, name)(A, axis))
        kn.gradcheck(lambda a, f=f: np.sum(f(a, axis) ** 2), A, order=2)


def test_multigammaln_and_polygamma():
    a = np.array([[1.5, 2.5, 3.0]])
    same(kn.vjp(lambda a: ours.multigammaln(a, 3), a)[0], theirs.multigammaln(a, 3))
    kn.gradcheck(lambda a: np.sum(ours.multigammaln(a, 3)), a, order=2)
    with pytest.raises(ValueError, match="not met"):
        kn.vjp(lambda a: ours.multigammaln(a, 3), a - 1)
    for x in (a, a.astype(np.float32)):
        same(kn.vjp(lambda a: ours.polygamma([0, 1, 2], a), x)[0], theirs.polygamma([0, 1, 2], x))
    kn.gradcheck(lambda a: np.sum(ours.polygamma([0, 1, 2], a)), a, order=2)
    with pytest.raises(kn.DerivativeError, match=r"polygamma: n has no derivative"):
        kn.vjp(lambda n: ours.polygamma(n, a), 1.0)


def test_other_names_are_scipys():
    assert ours.gammaln is theirs.gammaln and "gammaln" in dir(ours) and "logsumexp" in dir(ours)
    assert kn.grad(lambda q: ours.zeta(2.0, q), 0)(1.0) == pytest.approx(-2 * theirs.zeta(3.0))
    with pytest.raises(kn.DerivativeError, match=r"scipy\.special\.lambertw"):
        kn.vjp(ours.lambertw, 1.0)
    assert ours.lambertw(kn.param(1.0)) == theirs.lambertw(np.float32(1))
    with pytest.raises(AttributeError, match="no attribute 'gamm'"):
        ours.gamm


@pytest.mark.parametrize("name", ["polygamma", "logsumexp", "softmax", "multigammaln"])
def test_scipys_own_spelling_leads_to_ours(name):
    f = getattr(theirs, name)
    with pytest.raises(kn.DerivativeError, match=rf"made by scipy\.special\.{name}.*kn\.scipy has"):
        kn.vjp(lambda x: f(2, x) if name == "polygamma" else f(x, 1) if name == "multigammaln" else f(x), A)


@pytest.mark.parametrize(
    "ufunc, edges",
    [
        (theirs.entr, {0.0: np.inf, -1.0: 0.0}),
        (theirs.rgamma, {0.0: np.nan}),
        (theirs.erfcx, {1e8: -1 / np.sqrt(np.pi) / 1e16, np.inf: 0.0}),
        (theirs.dawsn, {1e8: -0.5e-16, 0.0: 1.0}),
        (theirs.log_ndtr, {-1e4: 1e4, 40.0: 0.0, np.inf: 0.0}),
        (theirs.exprel, {0.0: 0.5, -np.inf: 0.0, np.inf: np.inf}),
        (theirs.expit, {-np.inf: 0.0, np.inf: 0.0}),
        (theirs.log_expit, {-np.inf: 1.0, np.inf: 0.0}),
        (theirs.i0e, {0.0: 0.0}),
        (lambda x: theirs.xlogy(x, 0.0), {0.0: 0.0}),
        (lambda x: theirs.xlogy(0.0, x), {0.0: 0.0}),
        (lambda a: theirs.gammainc(a, 0.0), {2.0: 0.0}),
        (lambda a: theirs.gammainc(a, np.inf), {2.0: 0.0}),
        (lambda a: theirs.gammainc(a, 1.0), {-2.0: np.nan}),
        (lambda a: theirs.gammaincc(a, 60.0), {5.0: 1.318513780411369e-20}),
        (lambda a: theirs.betainc(a, 2.0, 0.0), {2.0: 0.0}),
        (lambda a: theirs.betainc(a, 300.0, 0.63), {500.0: -0.010430150349741684}),
        (lambda a: theirs.stdtr(a, 0.0), {2.0: 0.0}),
    ],
)
def test_edges(ufunc, edges):
    for x, slope in edges.items():
        with np.errstate(all="ignore"):
            g = kn.grad(ufunc, 0)(x)
        np.testing.assert_allclose(g, slope, rtol=2e-8, atol=1e-300)


def test_complex_arguments():
    z = np.array([0.5 + 0.7j, 1.5 - 0.3j])
    for f in (theirs.gamma, theirs.loggamma, theirs.erf, theirs.wofz, lambda z: theirs.jv(1.5, z), theirs.spence):
        slope = (f(z + 1e-5) - f(z - 1e-5)) / 2e-5
        np.testing.assert_allclose(kn.grad(lambda z, f=f: np.sum(np.real(f(z))), 0)(z), np.conj(slope), rtol=1e-7)
    with pytest.raises(kn.DerivativeError, match="no polygamma of complex"):
        kn.grad(lambda z: np.sum(np.real(theirs.psi(z))), 0)(z)
    for f in (lambda z: theirs.ive(1.5, z), lambda z: theirs.jve(1.5, z), lambda z: kn.scipy.special.logsumexp(z)):
        kn.gradcheck(lambda z, f=f: np.sum(np.real(f(z)) + np.imag(f(z)) ** 2), z)
    with pytest.raises(kn.DtypeError, match="real numbers only, got complex128"):
        kn.grad(lambda z: np.real(np.sum(kn.scipy.stats.norm.logpdf(z))), 0)(z)


LATE = """
import numpy as np
import knetpy as kn
try:
    kn.grad(lambda x: np.roots(x).sum(), 0)(np.ones(2))  # all late families are asked for it, before SciPy is there
except kn.DerivativeError:
    pass
import sys
assert "scipy" not in sys.modules and "scipy" in kn.__all__ and kn.scipy.__doc__
from scipy import special
print(kn.grad(special.gammaln, 0)(1.0))
"""
MISSING = """
import sys
sys.modules["scipy"] = None
import knetpy as kn
for name in ("special", "stats", "signal", "linalg"):
    try:
        getattr(kn.scipy, name)
    except ImportError as error:
        print(error)
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scipy_may_be_imported_after_knetpy():
    assert float(run(LATE)) == pytest.approx(-0.5772156649015329)


def test_without_scipy_the_extra_is_named():
    assert run(MISSING).count('pip install "knetpy[scipy]"') == 4
