"""`np.emath`: functions that turn complex where real numbers leave their domain. A GPU is waited for to learn that."""

import numpy as np

from ..core.value import Value, bare
from ..devices import listed
from .spelling import spells


def _array(x, other=None):
    return x if hasattr(x, "dtype") else listed(x, (other,))


def _complex_if(outside, x):
    """x made complex if one of its real numbers is outside."""
    if x.dtype.kind == "c" or not outside(bare(x)).any():
        return x
    return x.astype(np.complex64 if x.dtype.char in "fbBhH" else np.complex128)


def _negative(x):
    return x < 0


def _beyond_one(x):
    return abs(x) > 1


def _extended(name, outside):
    function = getattr(np, name)
    spells(getattr(np.emath, name))(lambda x: function(_complex_if(outside, x)))


for _name in ("sqrt", "log", "log2", "log10"):
    _extended(_name, _negative)
for _name in ("arccos", "arcsin", "arctanh"):
    _extended(_name, _beyond_one)


@spells(np.emath.logn)
def logn(n, x):
    """`np.emath.logn`: to the base n."""
    n, x = [_complex_if(_negative, a) for a in (_array(n, x), _array(x, n))]
    return np.log(x) / np.log(n)


@spells(np.emath.power)
def power(x, p):
    """`np.emath.power`."""
    x, p = _complex_if(_negative, _array(x, p)), p if isinstance(p, Value) else _array(p, x)
    return np.power(x, p * 1.0 if p.dtype.kind in "iu" and (p < 0).any() else p)
