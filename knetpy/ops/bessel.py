"""`scipy.special`: Bessel, Hankel, Airy, Kelvin and Struve functions. Imported when `scipy.special` has been.

Derivatives are by the argument, of every order, by recurrences of the order of the function, by which there is none.
The scaled functions have a kink where the exponent of their factor changes its sign, the derivative of which counts as
0 there: `ive`, `i0e`, `i1e` at real parts of 0, `jve` and `yve` at imaginary ones.
"""

import math

import numpy as np
from scipy import special as sc

from .complex import is_complex
from .ofscipy import rules

rules(sc.j0, x=lambda dy, x: -dy * sc.j1(x))
rules(sc.y0, x=lambda dy, x: -dy * sc.y1(x))
rules(sc.j1, x=lambda dy, x: dy * (sc.j0(x) - sc.jv(2.0, x)) / 2)
rules(sc.y1, x=lambda dy, x: dy * (sc.y0(x) - sc.yv(2.0, x)) / 2)
rules(sc.i0, x=lambda dy, x: dy * sc.i1(x))
rules(sc.i1, x=lambda dy, x: dy * (sc.i0(x) + sc.iv(2.0, x)) / 2)
rules(sc.k0, x=lambda dy, x: -dy * sc.k1(x))
rules(sc.k1, x=lambda dy, x: -dy * (sc.k0(x) + sc.kv(2.0, x)) / 2)
rules(sc.i0e, x=lambda dy, y, x: dy * (sc.i1e(x) - np.sign(x) * y))
rules(sc.i1e, x=lambda dy, y, x: dy * ((sc.i0e(x) + sc.ive(2.0, x)) / 2 - np.sign(x) * y))
rules(sc.k0e, x=lambda dy, y, x: dy * (y - sc.k1e(x)))
rules(sc.k1e, x=lambda dy, y, x: dy * (y - (sc.k0e(x) + sc.kve(2.0, x)) / 2))


def _of_first_kind(f):
    rules(f, "v x", x=lambda dy, v, x: dy * (f(v - 1, x) - f(v + 1, x)) / 2)


def _scaled(dy, y, part):
    """What the factor exp(-|part|) adds to a derivative by that part."""
    return -np.real(dy * y) * np.sign(part)


def _scaled_by_imaginary(f):
    def rule(dy, y, v, x):
        slope = dy * (f(v - 1, x) - f(v + 1, x)) / 2
        return slope + _scaled(dy, y, np.imag(x)) * -1j if is_complex(x) else slope

    rules(f, "v x", x=rule)


def _scaled_by_real(dy, y, v, x):
    return dy * (sc.ive(v - 1, x) + sc.ive(v + 1, x)) / 2 + _scaled(dy, y, np.real(x))


for _ufunc in (sc.jv, sc.yv, sc.yn, sc.hankel1, sc.hankel2):
    _of_first_kind(_ufunc)
for _ufunc in (sc.jve, sc.yve):
    _scaled_by_imaginary(_ufunc)
rules(sc.iv, "v x", x=lambda dy, v, x: dy * (sc.iv(v - 1, x) + sc.iv(v + 1, x)) / 2)
rules(sc.kv, "v x", x=lambda dy, v, x: -dy * (sc.kv(v - 1, x) + sc.kv(v + 1, x)) / 2)
rules(sc.kn, "n x", x=lambda dy, n, x: -dy * (sc.kn(abs(n - 1), x) + sc.kn(n + 1, x)) / 2)
rules(sc.ive, "v x", x=_scaled_by_real)
rules(sc.kve, "v x", x=lambda dy, y, v, x: dy * (y - (sc.kve(v - 1, x) + sc.kve(v + 1, x)) / 2))

rules(
    sc.hankel1e,
    "v x",
    x=lambda dy, y, v, x: dy * ((sc.hankel1e(v - 1, x) - sc.hankel1e(v + 1, x)) / 2 - 1j * y),
)
rules(
    sc.hankel2e,
    "v x",
    x=lambda dy, y, v, x: dy * ((sc.hankel2e(v - 1, x) - sc.hankel2e(v + 1, x)) / 2 + 1j * y),
)

# ------------------------------------------------------------------------------------- Airy, Kelvin, Struve


def _root(x):
    """The square root of x > 0; 0 elsewhere, as are its derivatives."""
    return np.where(x > 0, np.sqrt(np.where(x > 0, x, 1)), 0)


def _airye(dy, y, x):
    ai, aip, bi, bip = y
    root = _root(x)
    return (
        dy[0] * (aip + root * ai)
        + dy[1] * (x * ai + root * aip)
        + dy[2] * (bip - root * bi)
        + dy[3] * (x * bi - root * bip)
    )


rules(
    sc.airy,
    outputs=4,
    x=lambda dy, y, x: dy[0] * y[1] + dy[1] * x * y[0] + dy[2] * y[3] + dy[3] * x * y[2],
)
rules(sc.airye, outputs=4, x=_airye)
rules(sc.ber, x=lambda dy, x: dy * sc.berp(x))
rules(sc.bei, x=lambda dy, x: dy * sc.beip(x))
rules(sc.ker, x=lambda dy, x: dy * sc.kerp(x))
rules(sc.kei, x=lambda dy, x: dy * sc.keip(x))
rules(sc.berp, x=lambda dy, y, x: -dy * (sc.bei(x) + y / x))
rules(sc.beip, x=lambda dy, y, x: dy * (sc.ber(x) - y / x))
rules(sc.kerp, x=lambda dy, y, x: -dy * (sc.kei(x) + y / x))
rules(sc.keip, x=lambda dy, y, x: dy * (sc.ker(x) - y / x))


def _struve_rest(v, x):
    return (x / 2) ** v * (sc.rgamma(v + 1.5) / math.sqrt(math.pi))


rules(
    sc.struve,
    "v x",
    x=lambda dy, v, x: dy * (sc.struve(v - 1, x) - sc.struve(v + 1, x) + _struve_rest(v, x)) / 2,
)
rules(
    sc.modstruve,
    "v x",
    x=lambda dy, v, x: dy * (sc.modstruve(v - 1, x) + sc.modstruve(v + 1, x) + _struve_rest(v, x)) / 2,
)
