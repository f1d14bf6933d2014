"""`scipy.special` for values being differentiated: what is no ufunc there. All other names are SciPy's own."""

from typing import Any

import numpy as np
from scipy import special as _sc

from ..core.value import bare
from ..ops import softmax as _softmax
from ..ops.complex import is_complex
from .own import constant, like, no_rule, tracked


def __getattr__(name: str) -> Any:
    found = getattr(_sc, name)
    if callable(found) and not isinstance(found, (np.ufunc, type)) and name not in _THROUGH:
        return no_rule(f"scipy.special.{name}", found)
    return found


def __dir__() -> list[str]:
    return sorted({*dir(_sc), *globals()} - {"tracked", "like", "no_rule", "bare", "is_complex", "np", "Any"})


_THROUGH = ("zeta", "sinc", "softplus", "jvp", "yvp", "ivp", "kvp")  # they do nothing but call ufuncs


def _array(x: Any) -> Any:
    """An argument that is a value, or an array with such in a list."""
    return x if hasattr(x, "dtype") else np.stack(x) if tracked(x) else np.asarray(x)


def _floating(x: Any) -> Any:
    x = _array(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


@like(_sc.logsumexp)
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    """log(sum(b * exp(a))) along an axis, without overflow: `scipy.special.logsumexp`.

    Parameters:
      a: array of any shape.
      axis=None: a number, a tuple, or None for all axes.
      b=None: factors that broadcast with a, of any sign.
      keepdims=False: whether the axes stay, with size 1.
      return_sign=False: whether log(abs(sum)) is returned, with the sign of the sum, a constant of real numbers.
    Returns: array without those axes, or (array, sign).
    Raises: AxisError.
    Derivative: by a and b; 0 by elements of a whose factor is 0, and where nothing has been added up.

    >>> import numpy as np, knetpy as kn
    >>> kn.grad(kn.scipy.special.logsumexp, 0)(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    a = _floating(a)
    if b is None and not return_sign and not is_complex(a):
        return _softmax.logsumexp(a[None] if not a.shape else a, axis=axis, keepdims=keepdims)
    a, b = np.broadcast_arrays(a, 1.0 if b is None else _array(b))
    counts = bare(b) != 0
    top = np.max(np.where(counts, np.real(bare(a)), -np.inf), axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)  # a constant: the result does not depend on it
    shifted = a - top.astype(bare(a).real.dtype)
    shifted = np.where(counts, shifted, np.minimum(shifted, 80))
    total = np.sum(b * np.exp(shifted), axis=axis, keepdims=True)
    sign = np.sign(total)  # of real numbers a constant
    size = np.abs(total) if return_sign else total
    nothing = bare(total) == 0
    out = np.where(nothing, -np.inf, np.log(np.where(nothing, 1, size))) + top.astype(bare(size).real.dtype)
    if not keepdims:
        out, sign = np.squeeze(out, axis), np.squeeze(sign, axis)
    return (out, sign) if return_sign else out


@like(_sc.softmax)
def softmax(x, axis=None):
    """exp(x) / sum(exp(x)) along an axis: `scipy.special.softmax`, as `kn.softmax` but for its default of axis.

    Parameters:
      x: array of any shape.
      axis=None: a number, a tuple, or None for all axes.
    Returns: array of the shape of x.
    Raises: AxisError.

    >>> import numpy as np, knetpy as kn
    >>> kn.scipy.special.softmax(np.zeros(4))
    array([0.25, 0.25, 0.25, 0.25])
    """
    x = _floating(x)
    if not is_complex(x):
        return _softmax.softmax(x, axis=axis)
    powers = np.exp(_shifted(x, axis))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def _shifted(x, axis):
    """x less its largest element."""
    return x - np.max(bare(x), axis=axis, keepdims=True)


@like(_sc.log_softmax)
def log_softmax(x, axis=None):
    """log(softmax(x)) along an axis: `scipy.special.log_softmax`, as `kn.logsoftmax` but for its default of axis.

    Parameters, returns and errors: as for `softmax`.

    >>> import numpy as np, knetpy as kn
    >>> kn.scipy.special.log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    x = _floating(x)
    if not is_complex(x):
        return _softmax.logsoftmax(x, axis=axis)
    shifted = _shifted(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@like(_sc.multigammaln)
def multigammaln(a, d):
    """The logarithm of the multivariate gamma function: `scipy.special.multigammaln`.

    Parameters:
      a: array with values above (d - 1) / 2.
      d: the dimension, a constant.
    Returns: array of the shape of a.
    Raises: ValueError for a too small or d that is no whole number.

    >>> import knetpy as kn
    >>> round(kn.grad(lambda a: kn.scipy.special.multigammaln(a, 1), 0)(2.0), 9)
    np.float64(0.422784335)
    """
    _sc.multigammaln(bare(a), d)  # which checks them
    return d * (d - 1) * 0.25 * np.log(np.pi) + sum([_sc.gammaln(a - j / 2) for j in range(int(d))])


@like(_sc.polygamma)
def polygamma(n, x):
    """The derivative of order n of `psi`: `scipy.special.polygamma`.

    Parameters:
      n: whole numbers from 0, constants.
      x: array that broadcasts with n.
    Returns: array of their common shape.
    Raises: DerivativeError where a derivative by n is asked for.

    >>> import knetpy as kn
    >>> round(kn.grad(lambda x: kn.scipy.special.polygamma(0, x), 0)(1.0), 9)
    np.float64(1.644934067)
    """
    constant("scipy.special.polygamma", "n", n)
    n = np.asarray(bare(n))
    factor = (-1.0) ** (n + 1) * _sc.gamma(n + 1.0)
    return np.where(n == 0, _sc.psi(x), factor * _sc.zeta(n + 1, x))
