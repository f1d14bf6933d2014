"""Products of vectors: vecdot, matvec, vecmat, cross, kron, convolve, correlate."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.errors import ShapeError, warn
from ..core.primitive import primitive
from .matmul import matmul
from .spelling import arrays, composes, spells


def _conjugate(x):
    return np.conjugate(x) if x.dtype.kind == "c" else x


@spells(np.vecdot)
def vecdot(a, b, /):
    """`np.vecdot`: the sum of the products along the last axis, of complex vectors with the first conjugated."""
    a, b = arrays(a, b)
    if len(a.shape) == len(b.shape) == 1:
        return matmul(_conjugate(a), b)
    return matmul(_conjugate(a)[..., None, :], b[..., :, None])[..., 0, 0]


def _stacks(name, operands, core):
    """Operands of which each has vectors or matrices in its last axes, vectors as columns on the right, rows left."""
    a, b = arrays(*operands)
    if len(a.shape) < core[0] or len(b.shape) < core[1]:
        kinds = " and ".join(["vectors" if n == 1 else "matrices" for n in core])
        raise ShapeError(f"np.{name}: operands must be stacks of {kinds}, got shapes {a.shape} and {b.shape}")
    return a if core[0] == 2 else a[..., None, :], b if core[1] == 2 else b[..., :, None]


if hasattr(np, "matvec"):  # NumPy 2.2

    @spells(np.matvec)
    def matvec(a, b, /):
        """`np.matvec`: matrices times vectors."""
        return matmul(*_stacks("matvec", (a, b), (2, 1)))[..., 0]

    @spells(np.vecmat)
    def vecmat(a, b, /):
        """`np.vecmat`: vectors, if complex conjugated, times matrices."""
        a, b = _stacks("vecmat", (a, b), (1, 2))
        return matmul(_conjugate(a), b)[..., 0, :]


@composes(np.cross)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """`np.cross` of vectors of three elements, or of two, which NumPy is about to give up.

    >>> import knetpy as kn
    >>> kn.grad(lambda a: np.cross(a, [0.0, 0.0, 1.0])[0])(np.array([1.0, 0.0, 0.0]))
    array([0., 1., 0.])
    """
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    a, b = arrays(a, b)
    if not a.shape or not b.shape:
        raise ShapeError(f"np.cross: a and b must have an axis with the vectors, got shapes {a.shape} and {b.shape}")
    a = np.moveaxis(a, normalize_axis_index(axisa, len(a.shape), "axisa"), -1)
    b = np.moveaxis(b, normalize_axis_index(axisb, len(b.shape), "axisb"), -1)
    sizes = a.shape[-1], b.shape[-1]
    if not set(sizes) <= {2, 3}:
        raise ShapeError(f"np.cross: vectors must have 2 or 3 elements, got {sizes[0]} and {sizes[1]}")
    if 2 in sizes:
        warn("np.cross of vectors of two elements is deprecated in NumPy; give them a third, 0", DeprecationWarning)
    a0, a1, a2 = [a[..., i] if i < sizes[0] else 0 for i in range(3)]
    b0, b1, b2 = [b[..., i] if i < sizes[1] else 0 for i in range(3)]
    last = a0 * b1 - a1 * b0
    if sizes == (2, 2):
        return last
    return np.moveaxis(np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, last], -1), -1, axisc)


@composes(np.kron)
def kron(a, b):
    """`np.kron`: blocks, each an element of a times b."""
    a, b = arrays(a, b)
    ndim = max(len(a.shape), len(b.shape))
    sizes_a, sizes_b = [(1,) * (ndim - len(x.shape)) + x.shape for x in (a, b)]
    a = np.reshape(a, [n for size in sizes_a for n in (size, 1)])
    b = np.reshape(b, [n for size in sizes_b for n in (1, size)])
    return np.reshape(a * b, [m * n for m, n in zip(sizes_a, sizes_b)])


# ------------------------------------------------------------------------------------------- convolve, correlate


def _within(dy, x):
    """What is added up into one factor from the cotangent of a full convolution, x being the other."""
    return _inside(dy, np.flip(x))


@primitive(name="convolve", a=lambda dy, b: _within(dy, b), b=lambda dy, a: _within(dy, a))
def _full(a, b):
    return np.convolve(a, b, "full")


@primitive(name="convolve", a=lambda dy, b: _full(dy, np.flip(b)), b=lambda dy, a: np.flip(_inside(a, np.flip(dy))))
def _inside(a, b):
    """Those sums that all of b takes part in, which is no longer than a."""
    return np.convolve(a, b, "valid")


_MODES = {"v": "valid", "s": "same", "f": "full", 0: "valid", 1: "same", 2: "full"}


def _vectors(name, a, b, mode):
    a, b = [np.atleast_1d(x) for x in arrays(a, b)]
    for which, x in (("a", a), ("v", b)):
        if len(x.shape) != 1 or not x.shape[0]:
            raise ShapeError(f"np.{name}: a and v must be vectors that are not empty, {which} has shape {x.shape}")
    known = _MODES.get(mode[:1].lower() if isinstance(mode, str) else mode)
    if known is None or (isinstance(mode, str) and mode.lower() != known):
        raise ValueError(f"np.{name}: mode must be 'valid', 'same' or 'full', got {mode!r}")
    return a, b, known


@composes(np.convolve)
def convolve(a, v, mode="full"):
    """`np.convolve` of two vectors; its derivatives are convolutions again.

    >>> import knetpy as kn
    >>> kn.grad(lambda v: np.convolve(np.arange(4.0), v, "valid").sum())(np.ones(2))
    array([6., 3.])
    """
    a, v, mode = _vectors("convolve", a, v, mode)
    long, short = (a, v) if a.shape[0] >= v.shape[0] else (v, a)
    if mode == "valid":
        return _inside(long, short)
    y = _full(long, short)
    if mode == "full":
        return y
    start = (short.shape[0] - 1) // 2
    return y[start : start + long.shape[0]]


@composes(np.correlate)
def correlate(a, v, mode="valid"):
    """`np.correlate` of two vectors, of complex ones with v conjugated; its derivatives are correlations again."""
    a, v, mode = _vectors("correlate", a, v, mode)
    if mode != "same":
        return convolve(a, np.flip(_conjugate(v)), mode)
    n, m = a.shape[0], v.shape[0]
    y, start = _full(a, np.flip(_conjugate(v))), (m - 1) // 2 if n >= m else n // 2
    return y[start : start + max(n, m)]
