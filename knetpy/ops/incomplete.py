"""`scipy.special`: the incomplete gamma and beta functions, their inverses, and distributions that are written with
them. Imported when `scipy.special` has been.

Derivatives by every argument, of every order. That by a shape (a, b, degrees of freedom) is had by differentiating a
continued fraction or a series of positive terms, as long as the largest argument asks for: some ten times the square
root of it. Its error is some 1e-14 of the value of the function or of its complement, whichever is the smaller there.
"""

import math

import numpy as np
from scipy import special as sc

from ..core.value import bare
from ..transforms.products import vjp
from .ofscipy import rules

# ------------------------------------------------------------------------------------- by their shapes


def _double(*operands):
    """The operands in double precision, broadcast together."""
    operands = [x.astype(np.float64) if hasattr(x, "astype") else np.float64(x) for x in operands]
    shape = np.broadcast_shapes(*[x.shape for x in operands])
    return [np.broadcast_to(x, shape) for x in operands]


def _slopes(f, *operands):
    """The derivatives of an elementwise function by each operand."""
    y, pullback = vjp(f, *operands)
    return pullback(np.ones_like(bare(y)))


def _chosen(mask, *operands):
    """The operands where the mask holds, and for the others arguments that do no harm."""
    return [np.where(mask, x, harmless) for x, harmless in operands]


def _steps(least, factor, *shapes):
    """How many terms of a series or steps of a fraction full precision needs: more for larger shapes."""
    most = max([float(np.max(bare(s), initial=0)) for s in shapes])
    return least + min(int(factor * math.sqrt(most)), 20000)


def _lower_series(a, x, steps):
    """gammainc(a, x) for x < a + 1."""
    term = total = 1 / a
    for n in range(1, steps):
        term = term * (x / (a + n))
        total = total + term
    return np.exp(a * np.log(x) - x - sc.gammaln(a)) * total


def _upper_fraction(a, x, steps):
    """gammaincc(a, x) for x > a + 1."""
    below = x - a + (2 * steps + 1)
    for k in range(steps, 0, -1):
        below = x - a + (2 * k - 1) - k * (k - a) / below
    return np.exp(a * np.log(x) - x - sc.gammaln(a)) / below


def _gamma_by_shape(a, x):
    """The derivative of gammainc by a."""
    a, x = _double(a, x)
    fine = (bare(a) > 0) & (bare(x) > 0) & np.isfinite(bare(a)) & np.isfinite(bare(x))
    low, high = fine & (x < a + 1), fine & (x >= a + 1)
    a_low, x_low = _chosen(low, (a, 1.0), (x, 1.0))
    a_high, x_high = _chosen(high, (a, 1.0), (x, 3.0))
    below = _slopes(lambda a, x: _lower_series(a, x, _steps(50, 9, a_low)), a_low, x_low)[0]
    above = _slopes(lambda a, x: _upper_fraction(a, x, _steps(80, 2, a_high)), a_high, x_high)[0]
    edge = (bare(a) > 0) & ((bare(x) == 0) | (bare(x) == np.inf))
    return np.where(low, below, np.where(high, -above, np.where(edge, 0, np.nan)))


def _beta_fraction(a, b, x, steps):
    """betainc(a, b, x) for x < (a + 1) / (a + b + 2)."""
    below = 1
    for m in range(steps, 0, -1):
        below = 1 + m * (b - m) * x / ((a + (2 * m - 1)) * (a + 2 * m)) / below
        below = 1 - (a + (m - 1)) * (a + b + (m - 1)) * x / ((a + (2 * m - 2)) * (a + (2 * m - 1))) / below
    return np.exp(a * np.log(x) + b * np.log1p(-x) - sc.betaln(a, b)) / (a * below)


def _beta_by_shapes(a, b, x):
    """The derivatives of betainc by a and by b."""
    a, b, x = _double(a, b, x)
    inside = (bare(x) > 0) & (bare(x) < 1)
    fine = (bare(a) > 0) & (bare(b) > 0) & inside & np.isfinite(bare(a)) & np.isfinite(bare(b))
    turned = bare(x) > (bare(a) + 1) / (bare(a) + bare(b) + 2)
    p, q = _chosen(fine, (np.where(turned, b, a), 1.0), (np.where(turned, a, b), 1.0))
    (z,) = _chosen(fine, (np.where(turned, 1 - x, x), 0.5))
    by_p, by_q, _ = _slopes(lambda p_, q_, z_: _beta_fraction(p_, q_, z_, _steps(20, 5, p, q)), p, q, z)
    edge = np.where((bare(x) == 0) | (bare(x) == 1), 0.0, np.nan)
    return [np.where(fine, np.where(turned, -other, mine), edge) for mine, other in ((by_p, by_q), (by_q, by_p))]


# ------------------------------------------------------------------------------------- gamma


def _gamma_density(a, x):
    return np.exp(sc.xlogy(a - 1, x) - x - sc.gammaln(a))


def _beta_density(a, b, x):
    return np.exp(sc.xlogy(a - 1, x) + sc.xlog1py(b - 1, -x) - sc.betaln(a, b))


rules(
    sc.gammainc,
    "a x",
    a=lambda dy, a, x: dy * _gamma_by_shape(a, x),
    x=lambda dy, a, x: dy * _gamma_density(a, x),
)
rules(
    sc.gammaincc,
    "a x",
    a=lambda dy, a, x: -dy * _gamma_by_shape(a, x),
    x=lambda dy, a, x: -dy * _gamma_density(a, x),
)
rules(
    sc.gammaincinv,
    "a p",
    a=lambda dy, y, a: -dy * _gamma_by_shape(a, y) / _gamma_density(a, y),
    p=lambda dy, y, a: dy / _gamma_density(a, y),
)
rules(
    sc.gammainccinv,
    "a p",
    a=lambda dy, y, a: -dy * _gamma_by_shape(a, y) / _gamma_density(a, y),
    p=lambda dy, y, a: -dy / _gamma_density(a, y),
)
rules(
    sc.chdtr,
    "v x",
    v=lambda dy, v, x: dy * _gamma_by_shape(v / 2, x / 2) / 2,
    x=lambda dy, v, x: dy * _gamma_density(v / 2, x / 2) / 2,
)
rules(
    sc.chdtrc,
    "v x",
    v=lambda dy, v, x: -dy * _gamma_by_shape(v / 2, x / 2) / 2,
    x=lambda dy, v, x: -dy * _gamma_density(v / 2, x / 2) / 2,
)
rules(
    sc.gdtr,
    "a b x",
    a=lambda dy, a, b, x: dy * x * _gamma_density(b, a * x),
    b=lambda dy, a, b, x: dy * _gamma_by_shape(b, a * x),
    x=lambda dy, a, b, x: dy * a * _gamma_density(b, a * x),
)
rules(
    sc.gdtrc,
    "a b x",
    a=lambda dy, a, b, x: -dy * x * _gamma_density(b, a * x),
    b=lambda dy, a, b, x: -dy * _gamma_by_shape(b, a * x),
    x=lambda dy, a, b, x: -dy * a * _gamma_density(b, a * x),
)
rules(sc.pdtr, "k m", m=lambda dy, k, m: -dy * _gamma_density(np.floor(k) + 1, m))
rules(sc.pdtrc, "k m", m=lambda dy, k, m: dy * _gamma_density(np.floor(k) + 1, m))

# ------------------------------------------------------------------------------------- beta

rules(
    sc.betainc,
    "a b x",
    a=lambda dy, a, b, x: dy * _beta_by_shapes(a, b, x)[0],
    b=lambda dy, a, b, x: dy * _beta_by_shapes(a, b, x)[1],
    x=lambda dy, a, b, x: dy * _beta_density(a, b, x),
)
rules(
    sc.betaincc,
    "a b x",
    a=lambda dy, a, b, x: -dy * _beta_by_shapes(a, b, x)[0],
    b=lambda dy, a, b, x: -dy * _beta_by_shapes(a, b, x)[1],
    x=lambda dy, a, b, x: -dy * _beta_density(a, b, x),
)
rules(
    sc.betaincinv,
    "a b p",
    a=lambda dy, y, a, b: -dy * _beta_by_shapes(a, b, y)[0] / _beta_density(a, b, y),
    b=lambda dy, y, a, b: -dy * _beta_by_shapes(a, b, y)[1] / _beta_density(a, b, y),
    p=lambda dy, y, a, b: dy / _beta_density(a, b, y),
)
rules(
    sc.betainccinv,
    "a b p",
    a=lambda dy, y, a, b: -dy * _beta_by_shapes(a, b, y)[0] / _beta_density(a, b, y),
    b=lambda dy, y, a, b: -dy * _beta_by_shapes(a, b, y)[1] / _beta_density(a, b, y),
    p=lambda dy, y, a, b: -dy / _beta_density(a, b, y),
)
rules(sc.bdtr, "k n p", p=lambda dy, k, n, p: -dy * _beta_density(n - np.floor(k), np.floor(k) + 1, 1 - p))
rules(sc.bdtrc, "k n p", p=lambda dy, k, n, p: dy * _beta_density(n - np.floor(k), np.floor(k) + 1, 1 - p))
rules(sc.nbdtr, "k n p", p=lambda dy, k, n, p: dy * _beta_density(n, np.floor(k) + 1, p))
rules(sc.nbdtrc, "k n p", p=lambda dy, k, n, p: -dy * _beta_density(n, np.floor(k) + 1, p))


# ------------------------------------------------------------------------------------- Student's t, Fisher's F


def _t_density(v, t):
    return np.exp(-sc.betaln(v / 2, 0.5) - np.log(v) / 2 - (v + 1) / 2 * np.log1p(t * t / v))


def _t_by_freedom(v, t):
    """The derivative of stdtr by v; at t = 0 its tangent."""
    v, t = _double(v, t)
    (some,) = _chosen(t != 0, (t, 1.0))
    square = some * some
    whole = v + square
    by_shape = _beta_by_shapes(0.5, v / 2, square / whole)[1] * np.sign(some) / 4
    by_end = some / (2 * whole * np.sqrt(whole)) * np.exp((v / 2 - 1) * -np.log1p(square / v) - sc.betaln(0.5, v / 2))
    peak = _t_density(v, 0.0) / 2 * (sc.psi((v + 1) / 2) - sc.psi(v / 2) - 1 / v)
    return np.where(t == 0, t * peak, by_shape - by_end)


rules(
    sc.stdtr,
    "v t",
    v=lambda dy, v, t: dy * _t_by_freedom(v, t),
    t=lambda dy, v, t: dy * _t_density(v, t),
)
rules(
    sc.stdtrit,
    "v p",
    v=lambda dy, y, v: -dy * _t_by_freedom(v, y) / _t_density(v, y),
    p=lambda dy, y, v: dy / _t_density(v, y),
)


def _f_rules(sign):
    """Of the lower tail (1) or of the upper (-1)."""

    def share(m, n, x):
        return m * x / (m * x + n)

    def by_end(m, n, x):
        return sign * _beta_density(m / 2, n / 2, share(m, n, x)) / (m * x + n) ** 2

    return {
        "m": lambda dy, m, n, x: (
            dy * (sign * _beta_by_shapes(m / 2, n / 2, share(m, n, x))[0] / 2 + by_end(m, n, x) * n * x)
        ),
        "n": lambda dy, m, n, x: (
            dy * (sign * _beta_by_shapes(m / 2, n / 2, share(m, n, x))[1] / 2 - by_end(m, n, x) * m * x)
        ),
        "x": lambda dy, m, n, x: dy * by_end(m, n, x) * m * n,
    }


rules(sc.fdtr, "m n x", **_f_rules(1))
rules(sc.fdtrc, "m n x", **_f_rules(-1))
