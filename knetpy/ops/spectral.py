"""Eigenvalues and singular values of matrices, in the last two axes, with their vectors.

Vectors are determined up to their signs (complex ones: up to a phase), those of equal values up to a rotation of all of
them. A loss that depends on the choice has no derivative. Where values are equal to rounding, the part of the
derivative within the space of their vectors is left out: it is 0 for losses of that space, and of values that count
alike. It is not for functions of matrices such as (v * np.exp(w)) @ v.T, nor is it in second derivatives: what it
would be is not known here. Of the former kn.scipy.linalg has the derivative (expm, sqrtm, logm), the latter are NaN.
"""

import numpy as np

from ..core.primitive import primitive
from ..core.value import bare, is_tracked
from .lapack import adjoint, conj, differences, eye, hermitian, inverse, lapack, off_diagonal, real, skew
from .matmul import _matmul
from .solve import _solve
from .spelling import spells

# ---------------------------------------------------------------------------------------- of Hermitian matrices


def _eigh_rule(dy, y):
    """After Giles, An extended collection of matrix derivative results (2008)."""
    gw, gv, (w, v) = dy[0], conj(dy[1]), y
    inner = _matmul(adjoint(v), gv) * off_diagonal(*differences(w)) + eye(w.shape[-1], w) * gw[..., None, :]
    return conj(hermitian(_matmul(_matmul(v, inner), adjoint(v))))


@primitive(name="eigh", outputs=2, x=_eigh_rule)
def _eigh(x, *, triangle):
    return tuple(lapack(np.linalg.eigh, x, UPLO=triangle))


_Eigh = type(np.linalg.eigh(np.ones((1, 1))))


@spells(np.linalg.eigh)
def eigh(a, UPLO="L"):
    """`np.linalg.eigh`: (eigenvalues in ascending order, eigenvectors as columns) of Hermitian matrices, a named tuple.

    As in NumPy the lower (or "U"pper) triangle of a is read. The derivative is that of its Hermitian part, so that it
    is symmetric; by both triangles of a matrix that is built symmetrically this is the same. Where eigenvalues are
    equal to rounding, it is that of losses of the space of their vectors, and of their sum: not of functions of
    matrices, (v * np.exp(w)) @ v.T, for which kn.scipy.linalg has expm, sqrtm and logm; second ones are NaN.

    >>> import knetpy as kn
    >>> kn.grad(lambda a: np.linalg.eigh(a).eigenvalues[1])(np.array([[2.0, 1.0], [1.0, 2.0]])).round(6)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    return _Eigh(*_eigh(a, triangle=UPLO))


def _eigvalsh_rule(dy, x, triangle):
    v = np.linalg.eigh(x, UPLO=triangle)[1]
    return conj(hermitian(_matmul(v * dy[..., None, :], adjoint(v))))


@primitive(name="eigvalsh", trusted=True, x=_eigvalsh_rule, composed=lambda x, triangle: _eigh(x, triangle=triangle)[0])
def _eigvalsh(x, *, triangle):
    return lapack(np.linalg.eigvalsh, x, UPLO=triangle)


@spells(np.linalg.eigvalsh)
def eigvalsh(a, UPLO="L"):
    """`np.linalg.eigvalsh`: the eigenvalues of Hermitian matrices, in ascending order; derivatives as of `eigh`."""
    return _eigvalsh(a, triangle=UPLO)


# ------------------------------------------------------------------------------------------ of general matrices


def _eig_rule(dy, y):
    """As PyTorch, for vectors of length 1."""
    gw, gv, (w, v) = conj(dy[0]), conj(dy[1]), y
    vh = adjoint(v)
    inner, one = _matmul(vh, gv), eye(w.shape[-1], w)
    inner = inner - _matmul(vh, v) * np.sum(one * real(inner), axis=-2, keepdims=True)
    inner = inner * conj(off_diagonal(*differences(w))) + one * gw[..., None, :]
    return conj(_solve(vh, _matmul(inner, vh)))


@primitive(name="eig", outputs=2, x=_eig_rule)
def _eig(x):
    return tuple(lapack(np.linalg.eig, x))


_Eig = type(np.linalg.eig(np.ones((1, 1))))


@spells(np.linalg.eig)
def eig(a):
    """`np.linalg.eig`: (eigenvalues, eigenvectors of length 1 as columns) of square matrices, a named tuple; complex
    where NumPy's are, of losses that do not depend on the phases of the vectors.

    Matrices must have as many independent eigenvectors as columns. Where eigenvalues are equal to rounding, the
    derivative is as that of `eigh`; second ones are NaN.

    >>> import knetpy as kn
    >>> kn.grad(lambda a: np.sum(np.linalg.eig(a).eigenvalues ** 2))(np.array([[1.0, 2.0], [3.0, 1.0]])).round(6)
    array([[2., 6.],
           [4., 2.]])
    """
    return _Eig(*_eig(a))


@spells(np.linalg.eigvals)
def eigvals(a):
    """`np.linalg.eigvals`: the eigenvalues of square matrices, in the order of `eig`; derivatives as of it."""
    return _eig(a)[0] if is_tracked(a) else lapack(np.linalg.eigvals, bare(a))


# ---------------------------------------------------------------------------------------------- singular values


def _without_rest(g, x, k):
    """The cotangent of the first k columns of x, square and unitary, from that of all.

    The others are the orthogonal complement of these, and move with them.
    """
    if x.shape[-1] == k:
        return g, x
    rest, x = x[..., k:], x[..., :k]
    return g[..., :k] - _matmul(rest, _matmul(adjoint(g[..., k:]), x)), x


def _svd_rule(dy, y, x_shape):
    """After Townsend, Differentiating the singular value decomposition (2016); for complex x as PyTorch."""
    u, s, vh = y
    k, gs = s.shape[-1], dy[1]
    gu, u = _without_rest(conj(dy[0]), u, k)
    gv, v = _without_rest(adjoint(conj(dy[2])), adjoint(vh), k)
    inner_u, inner_v = _matmul(adjoint(u), gu), _matmul(adjoint(v), gv)
    d, zero = differences(s)
    f = off_diagonal(d * (s[..., None, :] + s[..., :, None]), zero)
    rows, columns, one = s[..., :, None], s[..., None, :], eye(k, s)
    middle = skew(inner_u) * f * columns + rows * (skew(inner_v) * f) + one * gs[..., None, :]
    over = inverse(s, zero=zero_values(s))[..., None, :]
    if u.dtype.kind == "c":
        middle = middle + one * (np.imag(inner_u) * 1j) * over
    dx = _matmul(middle, adjoint(v))
    if x_shape[-1] > k:
        dx = dx + adjoint((gv - _matmul(v, inner_v)) * over)
    dx = _matmul(u, dx)
    if x_shape[-2] > k:
        dx = dx + _matmul((gu - _matmul(u, inner_u)) * over, adjoint(v))
    return conj(dx)


def zero_values(s):
    """Which singular values are zero to rounding."""
    return bare(s) <= s.shape[-1] * np.finfo(s.dtype).eps * bare(s)[..., :1]


@primitive(name="svd", outputs=3, x=_svd_rule)
def _svd(x, *, full):
    return tuple(lapack(np.linalg.svd, x, full_matrices=full))


def _svdvals_rule(dy, x):
    u, _, vh = np.linalg.svd(x, full_matrices=False)
    return conj(_matmul(u * dy[..., None, :], vh))


@primitive(name="svdvals", trusted=True, x=_svdvals_rule, composed=lambda x: _svd(x, full=False)[1])
def _svdvals(x):
    return lapack(np.linalg.svd, x, compute_uv=False)


_Svd = type(np.linalg.svd(np.ones((1, 1))))


@spells(np.linalg.svd)
def svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    """`np.linalg.svd`: (U, singular values S in descending order, Vh) with a = (U[..., :k] * S) @ Vh[..., :k, :], as a
    named tuple.

    Where singular values are equal to rounding, the derivative is that of losses of the spaces of their vectors, and of
    their sum, as that of `eigh`; that by the vectors of the value 0 leaves out what is infinite; second ones are NaN
    there. With full_matrices=True it is that of losses that depend on the further vectors by nothing but the space that
    they span. With hermitian=True it is that of the Hermitian part of a.

    >>> import knetpy as kn
    >>> kn.grad(lambda a: np.linalg.svd(a).S[0])(np.ones((2, 2))).round(6)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    if hermitian:
        return _of_hermitian(a, compute_uv)
    return _Svd(*_svd(a, full=bool(full_matrices))) if compute_uv else _svdvals(a)


def _of_hermitian(a, vectors):
    """By eigenvalues, as NumPy."""
    if not vectors:
        s = np.abs(_eigvalsh(a, triangle="L"))
        return np.take_along_axis(s, np.argsort(bare(s), axis=-1)[..., ::-1], axis=-1)
    w, u = _eigh(a, triangle="L")
    sign, s = np.copysign(1, bare(w)).astype(w.dtype), np.abs(w)
    order = np.argsort(bare(s), axis=-1)[..., ::-1]
    sign, s = np.take_along_axis(sign, order, axis=-1), np.take_along_axis(s, order, axis=-1)
    u = np.take_along_axis(u, order[..., None, :], axis=-1)
    return _Svd(u, s, adjoint(u * sign[..., None, :]))


@spells(np.linalg.svdvals)
def svdvals(x, /):
    """`np.linalg.svdvals`: singular values in descending order; derivatives as of `svd`, at a value 0 a slope of it."""
    return _svdvals(x)
