"""`scipy.stats` for values being differentiated: densities and tails of distributions. Other names are SciPy's own.

Derivatives are of every order, by x and by all parameters, by loc and scale too; by a shape of `t`, `gamma`, `chi2` or
`beta` also those of their tails. See `norm` for what the methods take.
"""

import math
from typing import Any

import numpy as np
from scipy import special as sc
from scipy import stats as _st

from .distribution import Counts, Distribution
from .multivariate import dirichlet as dirichlet
from .multivariate import multinomial as multinomial
from .multivariate import multivariate_normal as multivariate_normal
from .own import no_rule

_LOG_ROOT_2PI, _LOG_PI, _LOG_2 = math.log(2 * math.pi) / 2, math.log(math.pi), math.log(2)


def __getattr__(name: str) -> Any:
    found = getattr(_st, name)
    if not callable(found) or isinstance(found, type):
        return found
    function = hasattr(found, "__name__")  # a distribution has none
    return (no_rule if function else _without_rules)(f"scipy.stats.{name}", found)


class _without_rules:
    """A distribution of SciPy's none of whose methods has a derivative."""

    def __init__(self, name: str, original: Any):
        self._name, self._original = name, original

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._original, name)
        return no_rule(f"{self._name}.{name}", found) if callable(found) else found

    def __call__(self, *args: Any, **options: Any) -> Any:
        return no_rule(self._name, self._original)(*args, **options)


# ------------------------------------------------------------------------------------- on the whole line


def _normal(z):
    return -z * z / 2 - _LOG_ROOT_2PI


def _students(z, df):
    normal = np.isinf(df)
    some = np.where(normal, 1.0, df)
    student = -sc.betaln(some / 2, 0.5) - np.log(some) / 2 - (some + 1) / 2 * np.log1p(z * z / some)
    return np.where(normal, _normal(z), student)


norm = Distribution(
    _st.norm,
    _normal,
    cdf=sc.ndtr,
    sf=lambda z: sc.ndtr(-z),
    logcdf=sc.log_ndtr,
    logsf=lambda z: sc.log_ndtr(-z),
)
t = Distribution(_st.t, _students, cdf=lambda z, df: sc.stdtr(df, z), sf=lambda z, df: sc.stdtr(df, -z))
laplace = Distribution(
    _st.laplace,
    lambda z: -abs(z) - _LOG_2,
    cdf=lambda z: np.where(z > 0, 1 - np.exp(-abs(z)) / 2, np.exp(-abs(z)) / 2),
    sf=lambda z: np.where(z > 0, np.exp(-abs(z)) / 2, 1 - np.exp(-abs(z)) / 2),
)
logistic = Distribution(
    _st.logistic,
    lambda z: sc.log_expit(z) + sc.log_expit(-z),
    cdf=sc.expit,
    sf=lambda z: sc.expit(-z),
    logcdf=sc.log_expit,
    logsf=lambda z: sc.log_expit(-z),
)
cauchy = Distribution(
    _st.cauchy,
    lambda z: -np.log1p(z * z) - _LOG_PI,
    cdf=lambda z: np.arctan2(1, -z) / math.pi,
    sf=lambda z: np.arctan2(1, z) / math.pi,
)
gumbel_r = Distribution(
    _st.gumbel_r,
    lambda z: -z - np.exp(-z),
    logcdf=lambda z: -np.exp(-z),
    sf=lambda z: -np.expm1(-np.exp(-z)),
)
gumbel_l = Distribution(
    _st.gumbel_l,
    lambda z: z - np.exp(z),
    cdf=lambda z: -np.expm1(-np.exp(z)),
    logcdf=lambda z: np.log1p(-np.exp(-np.exp(z))),
    logsf=lambda z: -np.exp(z),
)

# ------------------------------------------------------------------------------------- on half of the line, or less


def _log_normal(z, s):
    return _normal(np.log(z) / s) - np.log(s * z)


gamma = Distribution(
    _st.gamma,
    lambda z, a: sc.xlogy(a - 1, z) - z - sc.gammaln(a),
    cdf=lambda z, a: sc.gammainc(a, z),
    sf=lambda z, a: sc.gammaincc(a, z),
)
chi2 = Distribution(
    _st.chi2,
    lambda z, df: sc.xlogy(df / 2 - 1, z) - z / 2 - sc.gammaln(df / 2) - df * (_LOG_2 / 2),
    cdf=lambda z, df: sc.chdtr(df, z),
    sf=lambda z, df: sc.chdtrc(df, z),
)
invgamma = Distribution(
    _st.invgamma,
    lambda z, a: -(a + 1) * np.log(z) - sc.gammaln(a) - 1 / z,
    border=False,
    cdf=lambda z, a: sc.gammaincc(a, 1 / z),
    sf=lambda z, a: sc.gammainc(a, 1 / z),
)
expon = Distribution(_st.expon, lambda z: -z, cdf=lambda z: -np.expm1(-z), sf=lambda z: np.exp(-z), logsf=lambda z: -z)
weibull_min = Distribution(
    _st.weibull_min,
    lambda z, c: np.log(c) + sc.xlogy(c - 1, z) - z**c,
    cdf=lambda z, c: -np.expm1(-(z**c)),
    logcdf=lambda z, c: np.log1p(-np.exp(-(z**c))),
    logsf=lambda z, c: -(z**c),
)
rayleigh = Distribution(
    _st.rayleigh,
    lambda z: np.log(z) - z * z / 2,
    cdf=lambda z: -np.expm1(-z * z / 2),
    logcdf=lambda z: np.log1p(-np.exp(-z * z / 2)),
    logsf=lambda z: -z * z / 2,
)
halfnorm = Distribution(
    _st.halfnorm,
    lambda z: _normal(z) + _LOG_2,
    cdf=lambda z: sc.erf(z / math.sqrt(2)),
    logcdf=lambda z: np.log1p(-sc.erfc(z / math.sqrt(2))),
    sf=lambda z: 2 * sc.ndtr(-z),
    logsf=lambda z: sc.log_ndtr(-z) + _LOG_2,
)
lognorm = Distribution(
    _st.lognorm,
    _log_normal,
    border=False,
    cdf=lambda z, s: sc.ndtr(np.log(z) / s),
    sf=lambda z, s: sc.ndtr(-np.log(z) / s),
    logcdf=lambda z, s: sc.log_ndtr(np.log(z) / s),
    logsf=lambda z, s: sc.log_ndtr(-np.log(z) / s),
)
pareto = Distribution(
    _st.pareto,
    lambda z, b: np.log(b) - (b + 1) * np.log(z),
    cdf=lambda z, b: -np.expm1(-b * np.log(z)),
    logsf=lambda z, b: -b * np.log(z),
)
beta = Distribution(
    _st.beta,
    lambda z, a, b: sc.xlog1py(b - 1, -z) + sc.xlogy(a - 1, z) - sc.betaln(a, b),
    cdf=lambda z, a, b: sc.betainc(a, b, z),
    sf=lambda z, a, b: sc.betaincc(a, b, z),
)
f = Distribution(
    _st.f,
    lambda z, m, n: (
        m / 2 * np.log(m / n) + sc.xlogy(m / 2 - 1, z) - (m + n) / 2 * np.log1p(m * z / n) - sc.betaln(m / 2, n / 2)
    ),
    cdf=lambda z, m, n: sc.fdtr(m, n, z),
    sf=lambda z, m, n: sc.fdtrc(m, n, z),
)
uniform = Distribution(_st.uniform, lambda z: 0 * z, cdf=lambda z: z, sf=lambda z: 1 - z)

# ------------------------------------------------------------------------------------- of whole numbers


def _chosen(n, k):
    """log of n over k."""
    return sc.gammaln(n + 1) - sc.gammaln(k + 1) - sc.gammaln(n - k + 1)


poisson = Counts(
    _st.poisson,
    lambda k, mu: sc.xlogy(k, mu) - sc.gammaln(k + 1) - mu,
    cdf=lambda k, mu: sc.pdtr(k, mu),
    sf=lambda k, mu: sc.pdtrc(k, mu),
)
bernoulli = Counts(
    _st.bernoulli,
    lambda k, p: sc.xlogy(k, p) + sc.xlog1py(1 - k, -p),
    cdf=lambda k, p: 1 - p,
    sf=lambda k, p: p,
)
binom = Counts(
    _st.binom,
    lambda k, n, p: _chosen(n, k) + sc.xlogy(k, p) + sc.xlog1py(n - k, -p),
    cdf=lambda k, n, p: sc.betaincc(k + 1, n - k, p),
    sf=lambda k, n, p: sc.betainc(k + 1, n - k, p),
)
nbinom = Counts(
    _st.nbinom,
    lambda k, n, p: sc.gammaln(n + k) - sc.gammaln(k + 1) - sc.gammaln(n) + n * np.log(p) + sc.xlog1py(k, -p),
    cdf=lambda k, n, p: sc.betainc(n, k + 1, p),
    sf=lambda k, n, p: sc.betaincc(n, k + 1, p),
)
geom = Counts(
    _st.geom,
    lambda k, p: sc.xlog1py(k - 1, -p) + np.log(p),
    cdf=lambda k, p: -np.expm1(np.log1p(-p) * k),
    sf=lambda k, p: np.exp(np.log1p(-p) * k),
    logsf=lambda k, p: np.log1p(-p) * k,
)
