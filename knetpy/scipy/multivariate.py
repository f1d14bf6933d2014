"""`scipy.stats.multivariate_normal`, `dirichlet` and `multinomial`, for values being differentiated."""

import math
from typing import Any

import numpy as np
from scipy import special as sc
from scipy import stats as _st

from ..core.primitive import primitive
from ..core.value import bare
from .own import constant, double, no_rule, stripped, tracked

# ------------------------------------------------------------------------------------- the normal distribution


def _spectrum(cov):
    """(eigenvalues, eigenvectors, which of them count): SciPy takes those near 0 for 0."""
    values, vectors = np.linalg.eigh(cov)
    return values, vectors, values > 1e6 * np.finfo(values.dtype).eps * np.max(np.abs(values), initial=0)


def _symmetric(dy):
    return (dy + np.swapaxes(dy, -1, -2)) / 2


@primitive(name="scipy.stats.multivariate_normal", cov=lambda dy, y: _symmetric(-np.matmul(np.matmul(y, dy), y)))
def _inverse(cov):
    """The pseudo-inverse of a covariance; its null space does not move."""
    values, vectors, counts = _spectrum(cov)
    return (vectors * np.where(counts, 1 / np.where(counts, values, 1), 0)) @ vectors.T


@primitive(name="scipy.stats.multivariate_normal", cov=lambda dy, cov: dy * _inverse(cov))
def _log_determinant(cov):
    values, _, counts = _spectrum(cov)
    return np.sum(np.log(np.where(counts, values, 1)))


def _moments(mean, cov, allow_singular):
    """(mean of shape (d,), covariance of shape (d, d), its rank), as SciPy reads them; it raises for wrong ones."""
    checked = _st.multivariate_normal(*stripped([mean, cov]), allow_singular=allow_singular)
    size = checked.dim
    cov = double(cov)
    if len(cov.shape) < 2:  # one variance for all, or one for each
        cov = np.eye(size) * (np.reshape(cov, (-1, 1)) if len(cov.shape) else cov)
    mean = np.zeros(size) if mean is None else np.reshape(double(mean), size)
    return mean, np.reshape(cov, (size, size)), checked.cov_object.rank


def _points(x, size):
    """x of shape (..., d)."""
    if not x.shape:
        return np.reshape(x, (1,))
    return np.reshape(x, (-1, 1) if size == 1 else (1, -1)) if len(x.shape) == 1 else x


def _squeezed(y):
    y = np.squeeze(y)
    return y if y.shape else y[()]


class _Multivariate:
    """Several numbers at once. Other names than `pdf` and its like are SciPy's own."""

    def __init__(self, original: Any, name: str, **methods: Any):
        self._original, self._name, self._methods = original, name, methods

    def __repr__(self) -> str:
        return f"kn.{self._name}"

    def __call__(self, *args: Any, **options: Any) -> Any:
        if not tracked(args, options):
            return _Frozen(self, self._original(*stripped(list(args)), **stripped(options)), args, options)
        return _Frozen(self, None, args, options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        original, ours = getattr(self._original, name), self._methods.get(name)
        if ours is None:
            return no_rule(f"{self._name}.{name}", original) if callable(original) else original

        def method(*args, **options):
            if tracked(args, options):
                return ours(*args, **options)
            return original(*stripped(list(args)), **stripped(options))

        method.__name__, method.__doc__ = name, original.__doc__
        return method


class _Frozen:
    def __init__(self, of: _Multivariate, original: Any, args: tuple, options: dict):
        self._of, self._original, self._args, self._options = of, original, args, options

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._of._methods:
            method = getattr(self._of, name)
            return lambda *x: method(*x, *self._args, **self._options)
        if self._original is None:
            constant(f"{self._of._name}.{name}", "a parameter", self._args, self._options)
        return getattr(self._original, name)


def _normal_log(x, mean=None, cov=1, allow_singular=False):
    mean, cov, rank = _moments(mean, cov, allow_singular)
    d = _points(double(x), len(mean)) - mean
    inverse = _inverse(cov)
    if rank < len(mean):  # SciPy: nothing lies beside the subspace
        apart = d - np.matmul(np.matmul(d, inverse), cov)
        outside = np.sqrt(np.sum(bare(apart) ** 2, axis=-1)) > 1e-8
    distance = np.sum(np.matmul(d, inverse) * d, axis=-1)
    y = -0.5 * (rank * math.log(2 * math.pi) + _log_determinant(cov) + distance)
    return _squeezed(np.where(outside, -np.inf, y) if rank < len(mean) else y)


def _normal_entropy(mean=None, cov=1):
    _, cov, rank = _moments(mean, cov, True)
    return 0.5 * (rank * (math.log(2 * math.pi) + 1) + _log_determinant(cov))


multivariate_normal = _Multivariate(
    _st.multivariate_normal,
    "scipy.stats.multivariate_normal",
    logpdf=_normal_log,
    pdf=lambda *args, **options: np.exp(_normal_log(*args, **options)),
    entropy=_normal_entropy,
)

# ------------------------------------------------------------------------------------- shares and counts


def _dirichlet_log(x, alpha):
    _st.dirichlet.logpdf(*stripped([x, alpha]))  # which checks them
    x, alpha = double(x), double(alpha)
    if x.shape[0] == alpha.shape[0] - 1:  # the last share is what is left
        x = np.concatenate([x, np.sum(-x, axis=0, keepdims=True) + 1])
    constant_part = np.sum(sc.gammaln(alpha)) - sc.gammaln(np.sum(alpha))
    weights = np.reshape(alpha, (-1,) + (1,) * (len(x.shape) - 1))
    return _squeezed(np.sum(sc.xlogy(weights - 1, x), axis=0) - constant_part)


dirichlet = _Multivariate(
    _st.dirichlet,
    "scipy.stats.dirichlet",
    logpdf=_dirichlet_log,
    pdf=lambda x, alpha: np.exp(_dirichlet_log(x, alpha)),
)


def _multinomial_log(x, n, p):
    constant("scipy.stats.multinomial.logpmf", "a count", x, n)
    known = _st.multinomial.logpmf(*stripped([x, n, p]))
    x, n, p = double(x), double(n), double(p)
    p = np.concatenate([p[..., :-1], 1 - np.sum(p[..., :-1], axis=-1, keepdims=True)], axis=-1)  # as SciPy adjusts it
    y = sc.gammaln(n + 1) + np.sum(sc.xlogy(x, p) - sc.gammaln(x + 1), axis=-1)
    return np.where(np.isfinite(known), y, known)


multinomial = _Multivariate(
    _st.multinomial,
    "scipy.stats.multinomial",
    logpmf=_multinomial_log,
    pmf=lambda x, n, p: np.exp(_multinomial_log(x, n, p)),
)
