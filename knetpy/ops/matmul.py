"""Products of matrices and tensors: matmul, dot, tensordot, outer, inner, vdot."""

import math
import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.tape import unbroadcast
from ..devices import listed, on_gpu
from ..kernels import kernel
from .complex import conjugated
from .spelling import spells

_kernel = kernel("matmul", "matmul")
SMALL = 9216  # multiply-adds, or elements that meet a vector, up to which BLAS has neither threads nor much to do


def _swap(x):
    return np.swapaxes(x, -1, -2)


def _check(a, b):
    a, b = np.shape(a), np.shape(b)
    if not a or not b:
        raise ShapeError(f"matmul: shapes {a} and {b}: a scalar has no rows; write * instead of @")
    rows = b[-2] if len(b) > 1 else b[-1]
    if a[-1] != rows:
        raise ShapeError(
            f"matmul: a has {a[-1]} columns (axis {len(a) - 1} of {a}) but b has {rows} rows (axis "
            f"{max(len(b) - 2, 0)} of {b}); they must agree: {_way_out(a, b, rows)}"
        )
    try:
        np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        raise ShapeError(f"matmul: the leading axes of {a} and {b} do not broadcast") from None


def _way_out(a, b, rows):
    """What to write so that the columns of `a` are the rows of `b`."""
    if len(b) == 2 < len(a) and math.prod(a[1:]) == rows:
        return "write kn.mat(a), whose rows are whole images"
    if len(b) > 1 and b[-1] == a[-1]:
        return f"write {'b.T' if len(b) == 2 else 'np.swapaxes(b, -1, -2)'}"
    if len(a) > 1 and a[-2] == rows:
        return f"write {'a.T' if len(a) == 2 else 'np.swapaxes(a, -1, -2)'}"
    return f"make b of shape {(*b[:-2], a[-1], *b[-1:]) if len(b) > 1 else (a[-1],)}, or give a {rows} columns"


@primitive(
    trusted=True,
    check=_check,
    a=lambda dy, b, a_shape: unbroadcast(_matmul(dy, _swap(b)), a_shape),
    b=lambda dy, a, b_shape: unbroadcast(_matmul(_swap(a), dy), b_shape),
)
def _matmul(a, b):
    if a.__class__ is b.__class__ is np.ndarray and a.size * b.shape[-1] > SMALL and a.dtype == b.dtype:
        if a.dtype.char in "fd":
            return _kernel(a, b)
    if on_gpu(a) and on_gpu(b):
        return _kernel(a, b)
    return np.matmul(a, b)  # with its promotion of dtypes, integers, complex numbers, subclasses


@spells(np.matmul)
def matmul(a, b, /):
    """`np.matmul` and `a @ b`: products of matrices, batched over leading axes, which broadcast; a vector counts as one
    row (left) or one column (right).

    >>> import knetpy as kn
    >>> kn.grad(lambda a: (a @ np.array([1.0, 2.0])).sum())(np.ones((2, 2)))
    array([[1., 2.],
           [1., 2.]])
    """
    a, b = _arrays(a, b)
    na, nb = len(a.shape), len(b.shape)
    if na > 1 and nb > 1:
        return _matmul(a, b)
    _check(a, b)
    y = _matmul(a[None, :] if na == 1 else a, b[:, None] if nb == 1 else b)
    if na == nb:
        return y[0, 0]
    return y[..., 0] if nb == 1 else y[..., 0, :]


def _arrays(*operands):
    return [x if hasattr(x, "shape") else listed(x, operands) for x in operands]


@spells(np.dot)
def dot(a, b, out=None):
    """`np.dot`: inner product of vectors, product of matrices, the sum over a's last and b's last axis but one."""
    a, b = _arrays(a, b)
    if not a.shape or not b.shape:
        return a * b
    if len(b.shape) == 1 or (len(a.shape) <= 2 and len(b.shape) == 2):
        return matmul(a, b)
    return tensordot(a, b, ([-1], [-2]))


@spells(np.tensordot)
def tensordot(a, b, axes=2):
    """`np.tensordot`: the sum over pairs of axes; a number n pairs the last n axes of a with the first n of b."""
    a, b = _arrays(a, b)
    na, nb = len(a.shape), len(b.shape)
    if hasattr(axes, "__index__"):
        n = operator.index(axes)
        if n > min(na, nb):
            raise ShapeError(f"tensordot: axes={n}, but the shapes are {a.shape} and {b.shape}; pair fewer axes")
        axes_a, axes_b = range(na - n, na), range(n)
    else:
        axes_a, axes_b = axes
        axes_a, axes_b = [[x] if hasattr(x, "__index__") else x for x in (axes_a, axes_b)]
    axes_a, axes_b = [normalize_axis_index(i, na) for i in axes_a], [normalize_axis_index(i, nb) for i in axes_b]
    pairs = [(a.shape[i], b.shape[j]) for i, j in zip(axes_a, axes_b)]
    if len(axes_a) != len(axes_b) or any(m != n for m, n in pairs):
        raise ShapeError(
            f"tensordot: axes {tuple(axes_a)} of {a.shape} and {tuple(axes_b)} of {b.shape} are paired and must agree"
        )
    free_a, free_b = [i for i in range(na) if i not in axes_a], [i for i in range(nb) if i not in axes_b]
    summed = math.prod([m for m, _ in pairs])
    rows, columns = [a.shape[i] for i in free_a], [b.shape[i] for i in free_b]
    left = np.reshape(np.transpose(a, (*free_a, *axes_a)), (math.prod(rows), summed))
    right = np.reshape(np.transpose(b, (*axes_b, *free_b)), (summed, math.prod(columns)))
    return np.reshape(_matmul(left, right), (*rows, *columns))


@spells(np.outer)
def outer(a, b, out=None):
    """`np.outer`: all products of an element of a with one of b."""
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@spells(np.inner)
def inner(a, b, /):
    """`np.inner`: the sum over the last axes."""
    a, b = _arrays(a, b)
    if not a.shape or not b.shape:
        return a * b
    return matmul(a, b) if len(a.shape) == len(b.shape) == 1 else tensordot(a, b, ([-1], [-1]))


@spells(np.vdot)
def vdot(a, b, /):
    """`np.vdot`: the sum of all products; of a complex `a` the conjugate is taken."""
    return matmul(conjugated(np.reshape(a, -1)), np.reshape(b, -1))
