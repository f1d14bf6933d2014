"""kn.scipy.stats: densities and tails have SciPy's values, and derivatives of two orders by everything."""

import numpy as np
import pytest
from scipy import stats as theirs

import knetpy as kn

ours = kn.scipy.stats
TAILS = ("cdf", "logcdf", "sf", "logsf")
LINE = np.concatenate([np.linspace(-2, 6, 17), [0.25, 0.75, 1.5, np.nan]])
SHAPES = {
    **dict.fromkeys(
        ("norm", "laplace", "logistic", "cauchy", "gumbel_r", "gumbel_l", "expon", "rayleigh", "halfnorm", "uniform"),
        (),
    ),
    **dict.fromkeys(("t", "gamma", "chi2", "invgamma", "weibull_min", "lognorm", "pareto"), (1.7,)),
    **dict.fromkeys(("beta", "f"), (1.7, 2.3)),
}
COUNTS = {"poisson": (1.7,), "bernoulli": (0.3,), "geom": (0.3,), "binom": (6.0, 0.3), "nbinom": (2.5, 0.3)}
INCOMPLETE = ("t", "gamma", "chi2", "invgamma", "beta", "f")  # whose tails have series; twice in the table of ops
CASES = [(name, method) for name in SHAPES for method in ("pdf", "logpdf", *TAILS)]
WHOLE = [(name, method) for name in COUNTS for method in ("pmf", "logpmf", *TAILS)]


def same(found, expected):
    found = np.asarray(found)
    assert (found.shape, found.dtype) == (np.shape(expected), np.float64)
    np.testing.assert_allclose(found, expected, rtol=2e-12, atol=1e-300)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name, method", CASES)
@pytest.mark.parametrize("loc, scale", [(0.0, 1.0), (0.25, 1.75), (0.0, -1.0)])
def test_values_on_the_line(name, method, loc, scale):
    x, shapes = LINE, [np.full(LINE.shape, s) for s in SHAPES[name]]
    for s in shapes:
        s[3] = -1  # which no shape may be
    x = x.copy()
    x[4] = x[4] if loc else 0.1  # borders of a support, where SciPy's densities are of various opinions
    args = (*shapes, loc, scale)
    f, wanted = getattr(getattr(ours, name), method), getattr(getattr(theirs, name), method)(x, *args)
    same(kn.vjp(f, x, *args)[0], wanted)
    same(kn.vjp(lambda *a: f(x, *a[:-2], scale=a[-1], loc=a[-2]), *args)[0], wanted)
    np.testing.assert_array_equal(f(kn.param(x), *args), wanted)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name, method", WHOLE)
@pytest.mark.parametrize("loc", [0, 1])
def test_values_on_whole_numbers(name, method, loc):
    k, shapes = np.array([-1, 0, 1, 2, 3, 10, 1.5, np.nan]), COUNTS[name]
    f, wanted = getattr(getattr(ours, name), method), getattr(getattr(theirs, name), method)(k, *shapes, loc)
    same(kn.vjp(lambda *a: f(k, *shapes[:-1], *a, loc), shapes[-1])[0], wanted)


@pytest.mark.parametrize("name, method", CASES)
def test_derivatives_on_the_line(name, method):
    x = np.array([0.6, 0.8]) + (name == "pareto")
    args = [np.array([s, s + 0.6]) for s in SHAPES[name]] + [np.array([0.1, -0.2]), np.array([1.2, 1.1])]
    f = getattr(getattr(ours, name), method)
    kn.gradcheck(lambda *a: np.sum(f(*a)), x, *args, order=1 if name in INCOMPLETE and "pdf" not in method else 2)


@pytest.mark.parametrize("name, method", WHOLE)
def test_derivatives_by_shapes(name, method):
    k, shapes = (np.array([0.0, 0.0]) if name == "bernoulli" else np.array([1.0, 2.0])), COUNTS[name]
    f = getattr(getattr(ours, name), method)
    kn.gradcheck(lambda a: np.sum(f(k, *shapes[:-1], a)), np.array([shapes[-1], shapes[-1] * 1.2]), order=2)


def test_students_t_of_very_many_degrees_of_freedom():
    for df in (1e3, np.inf):
        g = kn.grad(lambda x, df=df: ours.t.logpdf(x, df), 0)(0.5)
        assert g == pytest.approx(-0.5, rel=2e-3 if df < np.inf else 1e-12)


def test_arguments():
    g = kn.grad(lambda m: ours.norm(m, scale=2.0).logpdf(1.0), 0)(0.0)
    assert g == 0.25
    p = kn.param([1.0, 2.0])
    assert kn.grad(lambda: np.sum(ours.norm.logpdf([0.0, 0.0], p, 1)))()[p].dtype == np.float32
    assert ours.norm(0, 1).rvs(3, random_state=0).shape == ours.norm.rvs(size=3, random_state=0).shape
    assert ours.genextreme.pdf(kn.param(1.0), 0.5) == theirs.genextreme.pdf(np.float32(1), 0.5)
    assert ours.wishart.logpdf(2.0, 3, 1.0) == theirs.wishart.logpdf(2.0, 3, 1.0) and callable(ours.wishart(3, 1.0).pdf)
    assert repr(ours.norm) == "kn.scipy.stats.norm" and ours.norm.parameters == ["loc", "scale"]


@pytest.mark.parametrize(
    "call, error, facts",
    [
        (lambda x: ours.norm.rvs(x), kn.DerivativeError, "scipy.stats.norm.rvs"),
        (lambda x: ours.norm(x).mean(), kn.DerivativeError, "scipy.stats.norm.mean"),
        (lambda x: ours.genextreme.pdf(x, 0.5), kn.DerivativeError, "scipy.stats.genextreme.pdf"),
        (lambda x: ours.multivariate_t.pdf([x, x], [0, 0]), kn.DerivativeError, "scipy.stats.multivariate_t.pdf"),
        (lambda x: ours.skew(x), kn.DerivativeError, "scipy.stats.skew"),
        (lambda x: ours.poisson.pmf(x, 2.0), kn.DerivativeError, "scipy.stats.poisson.pmf: a count"),
        (lambda x: ours.gamma.pdf(x), TypeError, "takes x, a, loc, scale; it needs a"),
        (lambda x: ours.norm.pdf(x, mean=1), TypeError, "it has no place for mean"),
        (lambda x: ours.norm.pdf(x, 1, 2, 3), TypeError, "got too many"),
        (lambda x: ours.binom.logpmf(1, x, 0.5) + theirs.norm.pdf(x), kn.DerivativeError, "made by .*scipy.stats"),
    ],
)
def test_refusals(call, error, facts):
    with pytest.raises(error, match=facts):
        kn.vjp(call, 3.0)


# ------------------------------------------------------------------------------------------------ of several numbers

RNG = np.random.default_rng(0)
X, MEAN, ROOT = RNG.normal(size=(3, 4)), RNG.normal(size=4), RNG.normal(size=(4, 4))
COVARIANCES = {
    "matrix": ROOT @ ROOT.T + np.eye(4),
    "variances": np.array([1.0, 2.0, 3.0, 4.0]),
    "variance": np.array(2.5),
}


@pytest.mark.parametrize("kind", COVARIANCES)
@pytest.mark.parametrize("method", ["pdf", "logpdf"])
def test_multivariate_normal(kind, method):
    cov = COVARIANCES[kind]
    f, original = getattr(ours.multivariate_normal, method), getattr(theirs.multivariate_normal, method)
    for x in (X, X[0], np.stack([X, X])):
        y = kn.vjp(f, x, MEAN, cov)[0]
        same(y, original(x, MEAN, cov))
    loss = lambda x, mean, c: np.sum(f(x, mean, (c + c.T) / 2))
    kn.gradcheck(loss, X, MEAN, cov, order=2)


def test_multivariate_normal_of_one_number_and_of_a_plane():
    assert kn.grad(lambda v: ours.multivariate_normal.logpdf(1.5, 0.0, v), 0)(2.0) == 0.03125
    plane = np.diag([1.0, 2.0, 0.0])
    inside, beside = np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.5, 1.0])
    for x in (inside, beside):
        y = kn.vjp(lambda x: ours.multivariate_normal.logpdf(x, None, plane, allow_singular=True), x)[0]
        assert y == theirs.multivariate_normal.logpdf(x, None, plane, allow_singular=True)
    for cov, message in ((plane, "singular"), (-np.eye(3), "positive semidefinite")):
        with pytest.raises((ValueError, np.linalg.LinAlgError), match=message):
            kn.vjp(lambda c: ours.multivariate_normal.logpdf(inside, None, c), cov)


def test_multivariate_normal_frozen_and_its_entropy():
    cov = COVARIANCES["matrix"]
    frozen = kn.grad(lambda c: np.sum(ours.multivariate_normal(MEAN, c).logpdf(X)), 0)(cov)
    np.testing.assert_array_equal(
        frozen, kn.grad(lambda c: np.sum(ours.multivariate_normal.logpdf(X, MEAN, c)), 0)(cov)
    )
    assert ours.multivariate_normal(MEAN, cov).rvs(2, random_state=0).shape == (2, 4)
    y, g = kn.value_and_grad(lambda c: ours.multivariate_normal.entropy(MEAN, c), 0)(cov)
    assert y == pytest.approx(theirs.multivariate_normal.entropy(MEAN, cov))
    np.testing.assert_allclose(g, np.linalg.inv(cov) / 2)
    with pytest.raises(kn.DerivativeError, match=r"multivariate_normal\.rvs"):
        kn.vjp(lambda c: ours.multivariate_normal.rvs(MEAN, c), cov)


def test_shares_and_counts():
    alpha, x = np.array([1.5, 2.0, 3.0]), np.array([0.2, 0.3, 0.5])
    for given in (x, x[:2], np.stack([x, x[::-1]], axis=1)):
        same(kn.vjp(ours.dirichlet.logpdf, given, alpha)[0], theirs.dirichlet.logpdf(given, alpha))
    kn.gradcheck(lambda x, a: ours.dirichlet.pdf(x / np.sum(x), a), x, alpha, order=2)
    same(kn.vjp(lambda p: ours.multinomial.pmf([1, 2, 3], 6, p), x)[0], theirs.multinomial.pmf([1, 2, 3], 6, x))
    kn.gradcheck(lambda p: ours.multinomial.logpmf([1, 2, 3], 6, p / np.sum(p)), x, order=2)
    with pytest.raises(ValueError, match="simplex"):
        kn.vjp(ours.dirichlet.logpdf, x * 2, alpha)
