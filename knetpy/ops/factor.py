"""Factors of matrices, in the last two axes, by triangles: cholesky and qr."""

import numpy as np

from ..core.primitive import primitive
from ..devices import on_gpu
from .lapack import adjoint, conj, eye, hermitian, lapack, real
from .matmul import _matmul
from .solve import _solve
from .spelling import spells


def _cholesky_rule(dy, y, upper):
    """After Murray, Differentiation of the Cholesky decomposition (2016)."""
    g, factor = conj(dy), y
    if upper:
        g, factor = adjoint(g), adjoint(factor)
    half = _halved(_matmul(adjoint(factor), np.tril(g)))
    right = _solve(adjoint(factor), half)
    return conj(hermitian(adjoint(_solve(adjoint(factor), adjoint(right)))))


def _halved(x):
    """The lower triangle, its diagonal real and halved."""
    return np.tril(x) - eye(x.shape[-1], x) * (x - real(x) / 2)


@primitive(name="cholesky", trusted=True, x=_cholesky_rule)
def _cholesky(x, *, upper):
    if not upper:
        return lapack(np.linalg.cholesky, x)
    return adjoint(lapack(np.linalg.cholesky, adjoint(x))) if on_gpu(x) else lapack(np.linalg.cholesky, x, upper=True)


@spells(np.linalg.cholesky)
def cholesky(a, /, *, upper=False):
    """`np.linalg.cholesky`: L with L @ L.conj().T = a of Hermitian positive definite matrices, or its adjoint.

    As in NumPy one triangle of a is read. The derivative is that of its Hermitian part, so that it is symmetric, as
    PyTorch's; by both triangles of a matrix that is built symmetrically this is the same.

    >>> import knetpy as kn
    >>> kn.grad(lambda a: np.linalg.cholesky(a)[1, 0])(np.array([[4.0, 2.0], [2.0, 5.0]]))[0]
    array([-0.125,  0.25 ])
    """
    return _cholesky(a, upper=bool(upper))


def _qr_rule(dy, y):
    """After Walter, Lehmann and Lamour, On evaluating higher-order derivatives of the QR decomposition (2012), and
    PyTorch for wide matrices and for the columns beyond those of the matrix, which no loss may depend on but by the
    space that they span."""
    gq, gr, (q, r) = conj(dy[0]), conj(dy[1]), y
    k = min(q.shape[-2], r.shape[-1])
    if q.shape[-1] > k:
        q, rest, gq, grest = q[..., :k], q[..., k:], gq[..., :k], gq[..., k:]
        gq, gr, r = gq - _matmul(rest, _matmul(adjoint(grest), q)), gr[..., :k, :], r[..., :k, :]
    if r.shape[-1] == k:
        return conj(_of_tall(gq, gr, q, r))
    square, wide = r[..., :k], r[..., k:]
    gq = gq + _matmul(_matmul(q, wide), adjoint(gr[..., k:]))
    return conj(np.concatenate([_of_tall(gq, gr[..., :k], q, square), _matmul(q, gr[..., k:])], -1))


def _of_tall(gq, gr, q, r):
    inner = _matmul(r, adjoint(gr)) - _matmul(adjoint(gq), q)
    strict = np.tril(inner) - eye(r.shape[-1], r) * inner
    middle = strict + adjoint(strict) + eye(r.shape[-1], r) * real(inner)
    return adjoint(_solve(r, adjoint(gq + _matmul(q, middle))))


@primitive(name="qr", outputs=2, x=_qr_rule)
def _qr(x, *, mode):
    return tuple(lapack(np.linalg.qr, x, mode=mode))


_Found = type(np.linalg.qr(np.ones((1, 1))))


@spells(np.linalg.qr)
def qr(a, mode="reduced"):
    """`np.linalg.qr`: (Q with orthonormal columns, upper triangular R), a = Q @ R, as a named tuple; mode "r" gives R.

    The first min(a.shape[-2:]) columns of a must be linearly independent, or the derivative raises LinAlgError. With
    mode "complete" it is that of losses that depend on the further columns of Q by nothing but the space that they
    span. Mode "raw" is refused: LAPACK's own form of the factors has no derivative rule in knetpy.

    >>> import knetpy as kn
    >>> kn.grad(lambda a: np.sum(np.linalg.qr(a).R ** 2))(np.array([[3.0, 1.0], [4.0, 1.0]])).round(6)
    array([[6., 2.],
           [8., 2.]])
    """
    if mode not in ("reduced", "complete", "r"):
        rule = "; mode raw has no derivative rule in knetpy" if mode == "raw" else ""
        raise ValueError(f'qr: mode must be "reduced", "complete" or "r", got {mode!r}{rule}')
    found = _Found(*_qr(a, mode="complete" if mode == "complete" else "reduced"))
    return found.R if mode == "r" else found
