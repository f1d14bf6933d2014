"""Diagonals and triangles of matrices."""

import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.primitive import primitive
from ..core.value import bare
from ..devices import beside, zeros
from .axes import refuse
from .reduce import sum as _sum
from .shape import ravel
from .spelling import spells


@primitive(trusted=True, x=lambda dy, x_shape, offset, axes: _on_diagonal(dy, offset=offset, axes=axes, shape=x_shape))
def _diagonal(x, *, offset, axes):
    return np.diagonal(x, offset, *axes)


@primitive(name="diag", trusted=True, g=lambda dy, offset, axes: _diagonal(dy, offset=offset, axes=axes))
def _on_diagonal(g, *, offset, axes, shape):
    """Zeros of `shape` with g, whose last axis runs along it, on a diagonal."""
    x, along = zeros(shape, g), np.arange(g.shape[-1])
    np.moveaxis(x, axes, (-2, -1))[..., along + max(-offset, 0), along + max(offset, 0)] = g
    return x


@spells(np.diagonal)
def diagonal(a, offset=0, axis1=0, axis2=1):
    """`np.diagonal`.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.diagonal(x, 1).sum())(np.ones((2, 2)))
    array([[0., 1.],
           [0., 0.]])
    """
    ndim = len(np.shape(a))
    if ndim < 2:
        raise ValueError(f"diagonal: a of shape {np.shape(a)} needs at least two axes; np.diag makes a matrix")
    axes = normalize_axis_index(axis1, ndim), normalize_axis_index(axis2, ndim)
    if axes[0] == axes[1]:
        raise ValueError(f"diagonal: axis1 and axis2 must differ, got {axis1} and {axis2}")
    return _diagonal(a, offset=operator.index(offset), axes=axes)


@spells(np.trace)
def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    """`np.trace`: the sum of a diagonal."""
    refuse("trace", out=out)
    return _sum(diagonal(a, offset, axis1, axis2), -1, dtype)


@spells(np.diag)
def diag(v, k=0):
    """`np.diag`: the diagonal of a matrix, or a matrix with the vector v on its diagonal."""
    if len(np.shape(v)) == 1:
        n = np.shape(v)[0] + abs(k)
        return _on_diagonal(v, offset=operator.index(k), axes=(0, 1), shape=(n, n))
    if len(np.shape(v)) == 2:
        return diagonal(v, k)
    raise ValueError(f"diag: v must have one axis or two, got shape {np.shape(v)}; np.diagonal takes more")


@spells(np.diagflat)
def diagflat(v, k=0):
    """`np.diagflat`: a matrix with all elements of v on its diagonal."""
    return diag(ravel(v if hasattr(v, "dtype") else np.asarray(v)), k)


def _triangle(function):
    @spells(function)
    def call(m, k=0):
        n = np.shape(m)
        mask = function(np.ones(n if len(n) > 1 else 2 * n, bool), k)
        return np.where(beside(mask, bare(m)), m, np.zeros(1, m.dtype, like=bare(m)))

    return call


tril, triu = _triangle(np.tril), _triangle(np.triu)
