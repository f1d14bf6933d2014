"""Weighted means, covariances and correlations."""

import numpy as np

from ..core.errors import ShapeError, warn
from ..core.value import bare
from ..devices import on_gpu, surely
from .axes import axes_of, refuse
from .spelling import arrays, composes


@composes(np.ptp)
def ptp(x, axis=None, out=None, keepdims=False):
    """`np.ptp`: the largest element minus the smallest; both split the cotangent evenly among tied elements."""
    refuse("ptp", out=out)
    return np.max(x, axis, keepdims=keepdims) - np.min(x, axis, keepdims=keepdims)


@composes(np.average)
def average(x, axis=None, weights=None, returned=False, *, keepdims=False):
    """`np.average`, with a derivative by x and by the weights.

    >>> import knetpy as kn
    >>> kn.grad(lambda w: np.average(np.array([1.0, 3.0]), weights=w))(np.array([1.0, 1.0]))
    array([-0.5,  0.5])
    """
    (x,), keepdims = arrays(x), keepdims is True
    if weights is None:
        y = np.mean(x, axis, keepdims=keepdims)
        return (y, np.full_like(bare(y), x.size / max(np.size(bare(y)), 1))[()]) if returned else y
    weights = _weights(x, axis, arrays(x, weights)[1])
    dtype = np.result_type(x.dtype, weights.dtype, *["f8"] if x.dtype.kind in "iub" else [])
    total = np.sum(weights, axis, dtype, keepdims=keepdims)
    if surely(bare(total) == 0):
        raise ZeroDivisionError("np.average: the weights sum to 0 and cannot be normalized")
    y = np.sum(np.multiply(x, weights, dtype=dtype), axis, keepdims=keepdims) / total
    return (y, np.broadcast_to(total, y.shape)) if returned else y


def _weights(x, axis, weights):
    """Weights in the shape of x, or in one that broadcasts to it."""
    if weights.shape == x.shape:
        return weights
    if axis is None:
        raise TypeError(f"np.average: x has shape {x.shape} and weights {weights.shape}; pass axis=")
    axes = axes_of(axis, len(x.shape))
    if weights.shape != tuple([x.shape[a] for a in axes]):
        raise ShapeError(f"np.average: weights of shape {weights.shape} do not fit x {x.shape} along axis {axis}")
    weights = np.transpose(weights, np.argsort(axes).tolist())
    return np.reshape(weights, [n if a in axes else 1 for a, n in enumerate(x.shape)])


def _variables(x, turned, dtype):
    """A row for each variable, a column for each observation; NumPy does not turn one vector."""
    if len(x.shape) > 2:
        raise ShapeError(f"np.cov and np.corrcoef take arrays of at most 2 axes, got shape {x.shape}")
    rows = np.atleast_2d(x).astype(dtype)
    return np.transpose(rows) if turned(rows) else rows


@composes(np.cov)
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """`np.cov`, with a derivative by m, y and aweights; how often an observation counts, fweights, is a constant.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.cov(x, bias=True))(np.array([1.0, 2.0, 3.0]))
    array([-0.66666667,  0.        ,  0.66666667])
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError(f"np.cov: ddof must be an integer, got {ddof}")
    m, *others = arrays(m) if y is None else arrays(m, y)
    dtype = np.result_type(np.float64, *[x.dtype for x in (m, *others)]) if dtype is None else dtype
    x = _variables(m, lambda _: not rowvar and len(m.shape) != 1, dtype)
    if x.shape[0] == 0:
        return np.zeros((0, 0))
    for y in others:
        x = np.concatenate([x, _variables(y, lambda rows: not rowvar and rows.shape[0] != 1, dtype)], 0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    w = _observation_weights(x, fweights, aweights)
    return _covariance(x, w, ddof, aweights)


def _observation_weights(x, fweights, aweights):
    w = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        given = arrays(x, given)[1].astype(float)
        if len(given.shape) != 1 or given.shape[0] != x.shape[1]:
            raise ShapeError(f"np.cov: {name} has shape {given.shape}, but there are {x.shape[1]} observations")
        if surely(bare(given) < 0):
            raise ValueError(f"np.cov: {name} must not be negative")
        if name == "fweights":
            given = bare(given)
            if surely(given != np.around(given)):
                raise TypeError("np.cov: fweights must be integers")
        w = given if w is None else w * given
    return w


def _covariance(x, w, ddof, aweights):
    if w is None:
        mean, total, free = np.mean(x, axis=1), x.shape[1], x.shape[1] - ddof
    else:
        total = np.sum(w)
        mean = np.sum(x * w, axis=1) / total
        free = total - (0 if ddof == 0 else ddof if aweights is None else ddof * np.sum(w * aweights) / total)
    if not on_gpu(bare(free)) and bare(free) <= 0:
        warn("np.cov: degrees of freedom <= 0", RuntimeWarning)
        free = 0.0
    apart = x - mean[:, None]
    other = apart if w is None else apart * w
    return np.squeeze(np.matmul(apart, np.conjugate(other.T)) * np.true_divide(1, free))


@composes(np.corrcoef)
def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    """`np.corrcoef`. Where rounding makes a coefficient larger than 1 it is cut to 1, but the derivative is kept."""
    c = np.cov(x, y, rowvar, dtype=dtype)
    if not c.shape:
        return c / c
    diagonal = np.arange(c.shape[0], like=bare(c))
    spread = np.sqrt(c[diagonal, diagonal] if c.dtype.kind != "c" else np.real(c[diagonal, diagonal]))
    c = c / spread[:, None] / spread[None, :]
    return c + (_cut(bare(c)) - bare(c))


def _cut(c):
    """Numbers between -1 and 1, complex ones in both parts."""
    return np.clip(c, -1, 1) if c.dtype.kind != "c" else np.clip(c.real, -1, 1) + 1j * np.clip(c.imag, -1, 1)
