"""What np.linalg has besides systems of equations, determinants and factors, which are imported with it."""

import operator
from functools import cache, reduce

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..core.errors import ShapeError
from ..core.primitive import constant
from ..core.value import bare
from ..devices import maybe
from . import factor as factor
from . import spectral as spectral
from .axes import refuse
from .determinant import inverse_or_nan
from .lapack import eye
from .matmul import _arrays, _matmul, matmul, outer, tensordot
from .reduce import norm
from .solve import inv
from .spelling import spells

constant(np.linalg.matrix_rank, numpy=np.linalg.matrix_rank)


@spells(np.linalg.matrix_norm)
def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """`np.linalg.matrix_norm`: norms of the matrices in the last two axes; derivatives as of `np.linalg.norm`."""
    return norm(x, ord, (-2, -1), keepdims)


@spells(np.linalg.vector_norm)
def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """`np.linalg.vector_norm`: norms of vectors along one axis, or of all elements along several."""
    ndim = len(x.shape)
    axes = normalize_axis_tuple(range(ndim) if axis is None else axis, ndim)
    rest = [a for a in range(ndim) if a not in axes]
    y = norm(np.reshape(np.transpose(x, (*axes, *rest)), (-1, *[x.shape[a] for a in rest])), ord, 0)
    return np.reshape(y, [1 if a in axes else n for a, n in enumerate(x.shape)]) if keepdims else y


@spells(np.linalg.matrix_power)
def matrix_power(a, n):
    """`np.linalg.matrix_power`: products of n times the same matrix; of its inverse where n is negative.

    >>> import knetpy as kn
    >>> kn.grad(lambda a: np.linalg.matrix_power(a, 3).sum())(np.diag([1.0, 2.0]))
    array([[ 3.,  7.],
           [ 7., 12.]])
    """
    n = operator.index(n)
    if len(a.shape) < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power of shape {a.shape}: the last two axes must be square matrices")
    if n == 0:
        one = eye(a.shape[-1], a).astype(a.dtype)
        return np.broadcast_to(one, a.shape) + 0
    if n < 0:
        a, n = inv(a), -n
    if n == 3:
        return _matmul(_matmul(a, a), a)
    squares = [a]  # a to the powers of two, by the bits of n from the last
    for _ in range(n.bit_length() - 1):
        squares.append(_matmul(squares[-1], squares[-1]))
    return reduce(_matmul, [z for i, z in enumerate(squares) if n >> i & 1])


@spells(np.linalg.multi_dot)
def multi_dot(arrays, *, out=None):
    """`np.linalg.multi_dot`: the product of several matrices in the order that takes the fewest multiplications; the
    first may be a row, the last a column, given as vectors.
    """
    refuse("linalg.multi_dot", out=out)
    arrays = _arrays(*arrays)
    if len(arrays) < 2:
        raise ValueError("multi_dot: give at least two arrays")
    shapes = [a.shape for a in arrays]
    for n, shape in enumerate(shapes):
        if len(shape) != 2 and not (len(shape) == 1 and n in (0, len(arrays) - 1)):
            raise ShapeError(f"multi_dot: arrays[{n}] has shape {shape}; all but the first and last must be matrices")
    first, last = len(shapes[0]) == 1, len(shapes[-1]) == 1
    arrays = [a[None, :] if n == 0 and first else a for n, a in enumerate(arrays)]
    arrays[-1] = arrays[-1][:, None] if last else arrays[-1]
    y = _chain(arrays)
    y = y[..., 0] if last else y
    return y[0] if first else y


def _chain(arrays):
    """The product of matrices; of orders that take equally many multiplications, NumPy's."""
    sizes = [arrays[0].shape[0]] + [a.shape[1] for a in arrays]

    @cache
    def best(i, j):
        """(multiplications, where to cut) of the product of arrays[i:j]."""
        ways = [(best(i, k)[0] + best(k, j)[0] + sizes[i] * sizes[k] * sizes[j], k) for k in range(i + 1, j)]
        return min(ways, default=(0, j))

    def product(i, j):
        k = best(i, j)[1]
        return arrays[i] if j == i + 1 else matmul(product(i, k), product(k, j))

    return product(0, len(arrays))


@spells(np.linalg.cond)
def cond(x, p=None):
    """`np.linalg.cond`: condition numbers, by singular values or as norm(x, p) * norm(inv(x), p); inf for singular
    matrices, whose derivative is NaN or infinite.
    """
    with np.errstate(all="ignore"):
        if p is None or p in (2, -2):
            s = np.linalg.svd(x, compute_uv=False)
            y = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
        else:
            inverse = inverse_or_nan(x, np.linalg.slogdet(bare(x))[0] == 0)
            y = norm(x, p, (-2, -1)) * norm(inverse, p, (-2, -1))
        lost = np.isnan(bare(y)) & ~np.isnan(bare(x)).any(axis=(-2, -1))
        return np.where(lost, np.inf, y).astype(y.dtype) if maybe(lost) else y


# ------------------------------------------------------------- the Array API's names of what NumPy has elsewhere


@spells(np.linalg.trace)
def trace(x, /, *, offset=0, dtype=None):
    """`np.linalg.trace`: `np.trace` over the last two axes."""
    return np.trace(x, offset, axis1=-2, axis2=-1, dtype=dtype)


@spells(np.linalg.diagonal)
def diagonal(x, /, *, offset=0):
    """`np.linalg.diagonal`: `np.diagonal` of the last two axes."""
    return np.diagonal(x, offset, axis1=-2, axis2=-1)


@spells(np.linalg.outer)
def outer_of_vectors(x1, x2, /):
    """`np.linalg.outer`: `np.outer` of two vectors."""
    x1, x2 = _arrays(x1, x2)
    if len(x1.shape) != 1 or len(x2.shape) != 1:
        raise ShapeError(
            f"np.linalg.outer: operands must be vectors, got shapes {x1.shape} and {x2.shape}; see np.outer"
        )
    return outer(x1, x2)


@spells(np.linalg.cross)
def cross(x1, x2, /, *, axis=-1):
    """`np.linalg.cross`: `np.cross` of vectors of three elements."""
    x1, x2 = _arrays(x1, x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ShapeError(f"np.linalg.cross: axis {axis} must have 3 elements, got shapes {x1.shape} and {x2.shape}")
    return np.cross(x1, x2, axis=axis)


@spells(np.linalg.vecdot)
def vecdot(x1, x2, /, *, axis=-1):
    """`np.linalg.vecdot`: `np.vecdot`."""
    return np.vecdot(x1, x2, axis=axis)


@spells(np.linalg.matmul)
def product(x1, x2, /):
    """`np.linalg.matmul`: `np.matmul`."""
    return matmul(x1, x2)


@spells(np.linalg.tensordot)
def tensor_product(x1, x2, /, *, axes=2):
    """`np.linalg.tensordot`: `np.tensordot`."""
    return tensordot(x1, x2, axes)


@spells(np.linalg.matrix_transpose)
def matrix_transpose(x, /):
    """`np.linalg.matrix_transpose`: `np.matrix_transpose`."""
    return np.matrix_transpose(x)
