"""The softmax family. All take an axis or a tuple of axes, by default the last."""

import numpy as np

from ..core.primitive import primitive
from .arguments import as_floating, axes_of
from .reduce import restored


def _shifted(x, axis):
    """x minus its maximum, which becomes 0 also where it is infinite: the limit, instead of Inf - Inf."""
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        return np.where(x == top, 0, x - top)


@primitive(trusted=True, x=lambda dy, y, axis: y * (dy - np.sum(dy * y, axis=axis, keepdims=True)))
def _softmax(x, *, axis):
    e = np.exp(_shifted(x, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


@primitive(trusted=True, x=lambda dy, y, axis: dy - np.exp(y) * np.sum(dy, axis=axis, keepdims=True))
def _logsoftmax(x, *, axis):
    z = _shifted(x, axis)
    with np.errstate(divide="ignore"):  # of no elements the sum is 0
        return z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True))


@primitive(trusted=True, x=lambda dy, x, axis, keepdims: restored(dy, x.shape, axis, keepdims) * _softmax(x, axis=axis))
def _logsumexp(x, *, axis, keepdims):
    with np.errstate(divide="ignore"):  # of no elements it is -Inf
        rest = np.log(np.sum(np.exp(_shifted(x, axis)), axis=axis, keepdims=keepdims))
    return np.max(x, axis=axis, keepdims=keepdims, initial=-np.inf) + rest


def _checked(name, x, axis):
    """x as a floating array, and its axes as NumPy takes them; raises for what has no softmax."""
    (x,) = as_floating(name, x=x)
    return x, axes_of(name, "x", x, axis)


def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along `axis`: positive numbers that sum to 1.

    Parameters: x, floating array of any shape; axis, a number, a tuple, or None for all axes.
    Returns: array of the shape and dtype of x. Infinite scores give the limit: where the maximum is Inf its elements
      share 1.

    >>> import knetpy as kn
    >>> kn.softmax(np.array([0.0, 0.0, -np.inf]))
    array([0.5, 0.5, 0. ])
    """
    x, axes = _checked("softmax", x, axis)
    return _softmax(x, axis=axes)


def logsoftmax(x, axis=-1):
    """log(softmax(x)) along `axis`, without overflow or loss of precision.

    >>> import knetpy as kn
    >>> kn.logsoftmax(np.array([0.0, 10000.0]))
    array([-10000.,      0.])
    """
    x, axes = _checked("logsoftmax", x, axis)
    return _logsoftmax(x, axis=axes)


def logsumexp(x, axis=-1, keepdims=False):
    """log(sum(exp(x))) along `axis`, by default the last, without overflow.

    >>> import knetpy as kn
    >>> kn.logsumexp(np.array([1000.0, 1000.0]))
    np.float64(1000.6931471805599)
    """
    x, axes = _checked("logsumexp", x, axis)
    return _logsumexp(x, axis=axes, keepdims=keepdims)
