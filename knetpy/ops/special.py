"""`scipy.special`: gamma, zeta, error and logistic functions, entropies, exponentials and logarithms, elliptic and
hypergeometric functions, polynomials. Imported when `scipy.special` has been.

Derivatives are of every order, with the dtype of their operand. Where a function has a pole or leaves its domain they
are NaN or infinite, as it is; `entr`, `rel_entr`, `kl_div` and `xlogy` have the limit at the border of theirs.
The slope of `huber` is continuous. `rgamma` has NaN at its zeros 0, -1, ..., where its rule meets poles.
"""

import math

import numpy as np
from scipy import special as sc

from ..core.errors import DerivativeError
from .ofscipy import flat, rules, ufunc_behind

_ROOT_PI = math.sqrt(math.pi)
_ROOT_2PI = math.sqrt(2 * math.pi)

# ------------------------------------------------------------------------------------- gamma, beta, zeta

zeta = ufunc_behind(lambda q: sc.zeta(2.0, q))  # of Hurwitz; sc.zeta itself is no ufunc
rules(zeta, "s q", q=lambda dy, s, q: -dy * s * sc.zeta(s + 1, q))


def _trigamma(x):
    if x.dtype.kind == "c":
        raise DerivativeError(f"scipy.special.psi has a derivative for real arguments only, got {x.dtype}")
    return sc.zeta(2, x)


rules(sc.psi, x=lambda dy, x: dy * _trigamma(x))
rules(sc.gamma, x=lambda dy, y, x: dy * y * sc.psi(x))
rules(sc.gammaln, x=lambda dy, x: dy * sc.psi(x))
rules(sc.loggamma, x=lambda dy, x: dy * sc.psi(x))
rules(sc.rgamma, x=lambda dy, y, x: -dy * y * sc.psi(x))
flat(sc.gammasgn)
rules(
    sc.beta,
    "a b",
    a=lambda dy, y, a, b: dy * y * (sc.psi(a) - sc.psi(a + b)),
    b=lambda dy, y, a, b: dy * y * (sc.psi(b) - sc.psi(a + b)),
)
rules(
    sc.betaln,
    "a b",
    a=lambda dy, a, b: dy * (sc.psi(a) - sc.psi(a + b)),
    b=lambda dy, a, b: dy * (sc.psi(b) - sc.psi(a + b)),
)
rules(
    sc.binom,
    "n k",
    n=lambda dy, y, n, k: dy * y * (sc.psi(n + 1) - sc.psi(n - k + 1)),
    k=lambda dy, y, n, k: dy * y * (sc.psi(n - k + 1) - sc.psi(k + 1)),
)
rules(
    sc.poch,
    "z m",
    z=lambda dy, y, z, m: dy * y * (sc.psi(z + m) - sc.psi(z)),
    m=lambda dy, y, z, m: dy * y * sc.psi(z + m),
)

# ------------------------------------------------------------------------------------- error functions


def _asymptotic(x, sign):
    """1 + sign * 3 / (2 x**2) + 15 / (2 x**2)**2 + ...: what erfcx and dawsn have far out, where 1 - 2xy cancels."""
    z, total = sign / (2 * x * x), 0
    for k in (15, 13, 11, 9, 7, 5, 3):
        total = (total + 1) * z * k
    return total + 1


def _far(x):
    """(whether |x| is large, x with 1 in the place of the others)."""
    far = abs(x) > 30
    return far, np.where(far, x, np.ones_like(x))


def _erfcx_slope(dy, y, x):
    far, large = _far(np.where(x > 0, x, 0))
    return dy * np.where(far, -_asymptotic(large, -1) / (large * large * _ROOT_PI), 2 * x * y - 2 / _ROOT_PI)


def _dawsn_slope(dy, y, x):
    far, large = _far(x)
    return dy * np.where(far, -_asymptotic(large, 1) / (2 * large * large), 1 - 2 * x * y)


def _mills(x):
    """The slope of log_ndtr, without overflow or cancellation."""
    return math.sqrt(2 / math.pi) / sc.erfcx(-x / math.sqrt(2))


rules(sc.erf, x=lambda dy, x: dy * (2 / _ROOT_PI) * np.exp(-x * x))
rules(sc.erfc, x=lambda dy, x: -dy * (2 / _ROOT_PI) * np.exp(-x * x))
rules(sc.erfi, x=lambda dy, x: dy * (2 / _ROOT_PI) * np.exp(x * x))
rules(sc.erfcx, x=_erfcx_slope)
rules(sc.dawsn, x=_dawsn_slope)
rules(sc.wofz, x=lambda dy, y, x: dy * (2j / _ROOT_PI - 2 * x * y))
rules(sc.erfinv, x=lambda dy, y: dy * (_ROOT_PI / 2) * np.exp(y * y))
rules(sc.erfcinv, x=lambda dy, y: -dy * (_ROOT_PI / 2) * np.exp(y * y))
rules(sc.ndtr, x=lambda dy, x: dy * np.exp(-x * x / 2) / _ROOT_2PI)
rules(sc.log_ndtr, x=lambda dy, x: dy * _mills(x))
rules(sc.ndtri, x=lambda dy, y: dy * _ROOT_2PI * np.exp(y * y / 2))
rules(sc.ndtri_exp, x=lambda dy, y: dy / _mills(y))
rules(
    sc.owens_t,
    "h a",
    h=lambda dy, h, a: -dy * np.exp(-h * h / 2) * sc.erf(a * h / math.sqrt(2)) / (2 * _ROOT_2PI),
    a=lambda dy, h, a: dy * np.exp(-h * h * (1 + a * a) / 2) / (2 * math.pi * (1 + a * a)),
)
rules(
    sc.fresnel,
    outputs=2,
    x=lambda dy, x: dy[0] * np.sin(math.pi / 2 * x * x) + dy[1] * np.cos(math.pi / 2 * x * x),
)

# ------------------------------------------------------------------------------------- logistic functions, entropies

rules(sc.expit, x=lambda dy, y, x: dy * y * sc.expit(-x))
rules(sc.log_expit, x=lambda dy, x: dy * sc.expit(-x))
rules(sc.logit, x=lambda dy, x: dy / (x * (1 - x)))


def _times_log(dy, log, a, b):
    """The derivative of a log(b) by a, where log is log(b): 0 where both are 0, the term that is left out."""
    return np.where((a == 0) & (b <= 0), 0, dy * log)


def _ratio(a, b):
    """a / b, and 0 where both are 0."""
    none = (a == 0) & (b == 0)
    return np.where(none, 0, a / np.where(none, np.ones_like(b), b))


def _where_defined(dy, a, b):
    return np.where((a >= 0) & (b >= 0), dy, 0)


rules(sc.xlogy, "a b", a=lambda dy, a, b: _times_log(dy, np.log(b), a, b), b=lambda dy, a, b: dy * _ratio(a, b))
rules(
    sc.xlog1py,
    "a b",
    a=lambda dy, a, b: _times_log(dy, np.log1p(b), a, b + 1),
    b=lambda dy, a, b: dy * _ratio(a, b + 1),
)
rules(sc.entr, x=lambda dy, x: np.where(x < 0, 0, -dy * (np.log(x) + 1)))
rules(
    sc.rel_entr,
    "a b",
    a=lambda dy, a, b: _where_defined(dy, a, b) * (np.log(a / b) + 1),
    b=lambda dy, a, b: -_where_defined(dy, a, b) * _ratio(a, b),
)
rules(
    sc.kl_div,
    "a b",
    a=lambda dy, a, b: _where_defined(dy, a, b) * np.log(a / b),
    b=lambda dy, a, b: _where_defined(dy, a, b) * (1 - _ratio(a, b)),
)
rules(
    sc.huber,
    "delta r",
    delta=lambda dy, delta, r: dy * np.maximum(abs(r) - delta, 0),
    r=lambda dy, delta, r: dy * np.clip(r, -delta, delta),
)
rules(
    sc.pseudo_huber,
    "delta r",
    delta=lambda dy, delta, r: dy * (2 * delta * _curve(delta, r) - (r / delta) * r / (_curve(delta, r) + 1)),
    r=lambda dy, delta, r: dy * r / (_curve(delta, r) + 1),
)


def _curve(delta, r):
    """sqrt(1 + (r / delta)**2) - 1."""
    square = (r / delta) * (r / delta)
    return square / (np.sqrt(1 + square) + 1)


# ------------------------------------------------------------------------------------- exponentials, logarithms

_LOG2, _LOG10, _DEGREE = math.log(2), math.log(10), math.pi / 180


def _exprel_slope(x):
    """(exp(x) (x - 1) + 1) / x**2, without cancellation or overflow before it is due."""
    small = abs(x) < 1
    near, far = np.where(small, x, 0), np.where(small, 1, x)
    factor = 1 / np.clip(far, -750, 1e30)
    return np.where(small, sc.hyp1f1(2.0, 3.0, near) / 2, np.exp(far) * factor * (1 - factor) + 1 / (far * far))


def _over_x(f, sign, x):
    """sin(x) / x (sign -1) or sinh(x) / x, smooth at 0."""
    small = abs(x) < 1
    near, far = np.where(small, x, 0), np.where(small, 1, x)
    return np.where(small, sc.hyp0f1(1.5, sign * near * near / 4), f(far) / far)


def _expn_before(n, x):
    """The exponential integral of order n - 1."""
    return np.where(n == 0, np.exp(-x) * (1 + x) / (x * x), sc.expn(np.maximum(n - 1, 0), x))


rules(sc.cbrt, x=lambda dy, y: dy / (y * y * 3))
rules(sc.exp2, x=lambda dy, y: dy * y * _LOG2)
rules(sc.exp10, x=lambda dy, y: dy * y * _LOG10)
rules(sc.expm1, x=lambda dy, y: dy * (y + 1))
rules(sc.log1p, x=lambda dy, x: dy / (x + 1))
rules(sc.cosm1, x=lambda dy, x: -dy * np.sin(x))
rules(sc.sindg, x=lambda dy, x: dy * sc.cosdg(x) * _DEGREE)
rules(sc.cosdg, x=lambda dy, x: -dy * sc.sindg(x) * _DEGREE)
rules(sc.tandg, x=lambda dy, y: dy * (y * y + 1) * _DEGREE)
rules(sc.cotdg, x=lambda dy, y: -dy * (y * y + 1) * _DEGREE)
rules(sc.exprel, x=lambda dy, x: dy * _exprel_slope(x))
rules(sc.exp1, x=lambda dy, x: -dy * np.exp(-x) / x)
rules(sc.expi, x=lambda dy, x: dy * np.exp(x) / x)
rules(sc.expn, "n x", x=lambda dy, n, x: -dy * _expn_before(n, x))
rules(sc.wrightomega, x=lambda dy, y: dy * y / (1 + y))
rules(ufunc_behind(sc.lambertw), "x k tol", x=lambda dy, y: dy * np.exp(-y) / (1 + y))
rules(sc.spence, x=lambda dy, x: -dy * sc.hyp2f1(1.0, 1.0, 2.0, 1 - x))
rules(
    sc.sici,
    outputs=2,
    x=lambda dy, x: dy[0] * _over_x(np.sin, -1, x) + dy[1] * np.cos(x) / x,
)
rules(
    sc.shichi,
    outputs=2,
    x=lambda dy, x: dy[0] * _over_x(np.sinh, 1, x) + dy[1] * np.cosh(x) / x,
)
rules(
    sc.powm1,
    "a b",
    a=lambda dy, a, b: dy * b * a ** (b - 1),
    b=lambda dy, y, a: dy * (y + 1) * np.log(a),
)
rules(
    sc.boxcox,
    "x lmbda",
    x=lambda dy, x, lmbda: dy * x ** (lmbda - 1),
    lmbda=lambda dy, x, lmbda: dy * np.log(x) ** 2 * _exprel_slope(lmbda * np.log(x)),
)
rules(
    sc.boxcox1p,
    "x lmbda",
    x=lambda dy, x, lmbda: dy * (1 + x) ** (lmbda - 1),
    lmbda=lambda dy, x, lmbda: dy * np.log1p(x) ** 2 * _exprel_slope(lmbda * np.log1p(x)),
)
rules(sc.inv_boxcox, "x lmbda", x=lambda dy, y, lmbda: dy * y ** (1 - lmbda))
rules(sc.inv_boxcox1p, "x lmbda", x=lambda dy, y, lmbda: dy * (1 + y) ** (1 - lmbda))
flat(sc.round)

# ------------------------------------------------------------------------------------- hypergeometric, elliptic

rules(sc.hyp0f1, "v x", x=lambda dy, v, x: dy / v * sc.hyp0f1(v + 1, x))
rules(sc.hyp1f1, "a b x", x=lambda dy, a, b, x: dy * (a / b) * sc.hyp1f1(a + 1, b + 1, x))
rules(sc.hyp2f1, "a b c x", x=lambda dy, a, b, c, x: dy * (a * b / c) * sc.hyp2f1(a + 1, b + 1, c + 1, x))
rules(sc.hyperu, "a b x", x=lambda dy, a, b, x: -dy * a * sc.hyperu(a + 1, b + 1, x))
rules(sc.ellipk, x=lambda dy, x: dy * (math.pi / 8) * sc.hyp2f1(1.5, 1.5, 2.0, x))
rules(sc.ellipkm1, x=lambda dy, x: -dy * (math.pi / 8) * sc.hyp2f1(1.5, 1.5, 2.0, 1 - x))
rules(sc.ellipe, x=lambda dy, x: -dy * (math.pi / 8) * sc.hyp2f1(0.5, 1.5, 2.0, x))
rules(sc.ellipkinc, "phi m", phi=lambda dy, phi, m: dy / np.sqrt(1 - m * np.sin(phi) ** 2))
rules(sc.ellipeinc, "phi m", phi=lambda dy, phi, m: dy * np.sqrt(1 - m * np.sin(phi) ** 2))
rules(
    sc.ellipj,
    "u m",
    outputs=4,
    u=lambda dy, y, m: dy[0] * y[1] * y[2] - dy[1] * y[0] * y[2] - dy[2] * m * y[0] * y[1] + dy[3] * y[2],
)

# ------------------------------------------------------------------------------------- polynomials


def _polynomial(ufunc, names, slope):
    """slope(degree - 1, *parameters, x) times the degree; both are 0 for the degree 0."""

    def rule(dy, n, x, *parameters):
        return dy * np.where(n == 0, 0, slope(np.where(n == 0, 1, n), *parameters, x))

    last = {"n x": lambda dy, n, x: rule(dy, n, x), "n a x": lambda dy, n, a, x: rule(dy, n, x, a)}
    rules(ufunc, names, x=last.get(names) or (lambda dy, n, a, b, x: rule(dy, n, x, a, b)))


_polynomial(sc.eval_chebyt, "n x", lambda n, x: n * sc.eval_chebyu(n - 1, x))
_polynomial(sc.eval_chebyu, "n x", lambda n, x: 2 * sc.eval_gegenbauer(n - 1, 2.0, x))
_polynomial(sc.eval_legendre, "n x", lambda n, x: sc.eval_gegenbauer(n - 1, 1.5, x))
_polynomial(sc.eval_hermite, "n x", lambda n, x: 2 * n * sc.eval_hermite(n - 1, x))
_polynomial(sc.eval_hermitenorm, "n x", lambda n, x: n * sc.eval_hermitenorm(n - 1, x))
_polynomial(sc.eval_laguerre, "n x", lambda n, x: -sc.eval_genlaguerre(n - 1, 1.0, x))
_polynomial(sc.eval_genlaguerre, "n a x", lambda n, a, x: -sc.eval_genlaguerre(n - 1, a + 1, x))
_polynomial(sc.eval_gegenbauer, "n a x", lambda n, a, x: 2 * a * sc.eval_gegenbauer(n - 1, a + 1, x))
_polynomial(sc.eval_jacobi, "n a b x", lambda n, a, b, x: (n + a + b + 1) / 2 * sc.eval_jacobi(n - 1, a + 1, b + 1, x))
