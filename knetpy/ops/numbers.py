"""Numbers taken apart (modf, frexp, divmod, nextafter); sinc and i0, exact at every order."""

import math

import numpy as np

from ..core.primitive import primitive
from ..core.protocols import serve
from ..core.value import bare
from .spelling import spells

fraction = primitive(lambda x: np.modf(x)[0], name="modf", elementwise=True, x=lambda dy: dy)


def modf(x):
    """`np.modf`: the fraction, with derivative 1, and the whole part, a constant."""
    return fraction(x), np.trunc(bare(x))


def frexp(x):
    """`np.frexp`: the mantissa x / 2**e, with derivative 1 / 2**e, and the exponent e, a constant."""
    exponent = np.frexp(bare(x))[1]
    return np.ldexp(x, -exponent), exponent


def divmod(a, b):
    """`np.divmod`: the whole quotient, a constant, and the remainder."""
    return np.floor_divide(a, b), np.remainder(a, b)


nextafter = primitive(np.nextafter, numpy=np.nextafter, a=lambda dy: dy, b=None)  # the neighbour moves with a
for _function, _ours in ((np.modf, modf), (np.frexp, frexp), (np.divmod, divmod)):
    serve(_function, _ours)


@primitive(trusted=True, x=lambda dy, x, order: dy * _sinc(x, order=order + 1))
def _sinc(x, *, order):
    """A derivative of sinc: with u = pi x by (sin u)^(n) = u s^(n) + n s^(n-1), near 0 by the series."""
    if order == 0:
        return np.sinc(x)
    u = math.pi * x.astype(np.promote_types(x.dtype, np.float64))
    near = np.abs(u) < order + 2
    far = np.where(near, order + 2.0, u)
    y = np.sin(far) / far
    for n in range(1, order + 1):
        y = (np.sin(far + n * math.pi / 2) - n * y) / far
    y = np.where(near, _series(np.where(near, u, 0), order), y)
    return (y * math.pi**order).astype(x.dtype)


def _series(u, order):
    """The derivative of sin(u) / u from its power series."""
    total = np.zeros_like(u)
    for k in range((order + 1) // 2, order + 20):
        total = total + (-1) ** k / (2 * k + 1) * u ** (2 * k - order) / math.factorial(2 * k - order)
    return total


@spells(np.sinc)
def sinc(x):
    """`np.sinc`, sin(pi x) / (pi x); the derivatives hold at 0.

    >>> import knetpy as kn
    >>> kn.grad(np.sinc)(0.0), kn.grad(kn.grad(np.sinc))(0.0) / np.pi**2
    (np.float64(0.0), np.float64(-0.3333333333333333))
    """
    return _sinc(x, order=0)


def _bessel_rule(dy, x, order):
    if order == 0:
        return dy * _bessel(x, order=1)
    return dy * (_bessel(x, order=order - 1) + _bessel(x, order=order + 1)) / 2


@primitive(trusted=True, x=_bessel_rule)
def _bessel(x, *, order):
    """I_n(x), the mean of exp(x cos t) cos(n t) over t: by the midpoint rule, which is exact for periodic functions."""
    if order == 0:
        return np.i0(x)
    x, dtype, nodes = x.astype(np.float64), x.dtype, 64
    even_or_odd, total = np.sinh if order % 2 else np.cosh, 0
    for t in (np.arange(nodes) + 0.5) * (math.pi / (2 * nodes)):  # the other half of the angles is the same
        total = total + even_or_odd(x * math.cos(t)) * math.cos(order * t)
    return (total / nodes).astype(dtype)


@spells(np.i0)
def i0(x):
    """`np.i0`, the modified Bessel function of order 0; its derivative is that of order 1."""
    return _bessel(x, order=0)
