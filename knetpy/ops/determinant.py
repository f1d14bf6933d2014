"""Determinants of matrices, in the last two axes: det and slogdet."""

import numpy as np

from ..core.primitive import primitive
from ..core.value import Value, bare
from ..devices import maybe
from .lapack import eye, lapack, transposed
from .matmul import _matmul
from .solve import _inv
from .spelling import spells

SMALL = 1e-5  # of the largest singular value: in directions with less, a matrix is taken apart without dividing by it


def _det_rule(dy, x):
    return dy[..., None, None] * _cofactors(x)


@primitive(trusted=True, x=_det_rule)
def _det(x):
    return lapack(np.linalg.det, x)


@spells(np.linalg.det)
def det(a):
    """`np.linalg.det`; its derivatives, the cofactors, are exact at every order, also of singular matrices.

    >>> import knetpy as kn
    >>> kn.grad(np.linalg.det)(np.array([[1.0, 2.0], [2.0, 4.0]]))
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    return _det(a)


def _cofactors(x):
    """The derivatives of det. Where they may be differentiated again, matrices near singular ones are hard too: in
    their inverse, large numbers that cancel have lost their digits."""
    plain = bare(x)
    hard = np.linalg.det(plain) == 0
    if isinstance(x, Value) and plain.size:
        s = np.linalg.svd(plain, compute_uv=False)
        hard = hard | (s[..., -1] <= SMALL * s[..., 0])
    if not hard.any():
        return _det(x)[..., None, None] * transposed(_inv(x))
    n = x.shape[-1]
    matrices, hard = np.reshape(x, (-1, n, n)), np.ravel(hard)
    found = [_of_singular(m) if h else _cofactors(m) for m, h in zip(matrices, hard.tolist())]
    return np.reshape(np.stack(found), x.shape)


def _of_singular(x):
    """The cofactors of one matrix that is singular or nearly so.

    With bases from its singular vectors, b = u* x v has a block p that has an inverse, and one of numbers near zero.
    det b = det(p) det(c) by Schur's complement c of p, and cofactors of c are polynomials of it, without division.
    """
    u, s, vh = np.linalg.svd(bare(x))
    r = int((s > SMALL * s[0]).sum())
    b = _matmul(_matmul(np.conj(u.T), x), np.conj(vh.T))
    q, down, right, c = transposed(_inv(b[:r, :r])), b[r:, :r], b[:r, r:], b[r:, r:]
    c = c - _matmul(_matmul(down, transposed(q)), right)
    rest = _polynomials(c)
    whole = np.sum(rest[0] * c[0])  # det c
    scale = _det(b[:r, :r])
    left, up = _matmul(transposed(down), rest), _matmul(rest, transposed(right))
    rows = [
        np.concatenate([q * whole + _matmul(q, _matmul(_matmul(left, transposed(right)), q)), -_matmul(q, left)], 1),
        np.concatenate([-_matmul(up, q), rest], 1),
    ]
    turned = _matmul(_matmul(np.conj(u), np.concatenate(rows) * scale), np.conj(vh))
    return turned * (np.linalg.det(u) * np.linalg.det(vh))


def _polynomials(c):
    """The cofactors of a small matrix, by the recursion of Faddeev and LeVerrier."""
    n, one = c.shape[0], eye(c.shape[0], c)
    adjugate = one + c * 0
    for k in range(1, n):
        product = _matmul(c, adjugate)
        adjugate = product - one * (np.trace(product) / k)
    return transposed(adjugate) * (-1) ** (n - 1)


def _slogdet_rule(dy, y, x):
    """d log det = trace(inv(x) dx): its real part is that of the logarithm, its imaginary part turns the sign."""
    slope = dy[1]
    if x.dtype.kind == "c":
        slope = slope + 1j * np.imag(dy[0] * y[0])
    return slope[..., None, None] * transposed(inverse_or_nan(x))


def inverse_or_nan(x):
    """The inverses of a stack, NaN for singular ones."""
    singular = (np.linalg.slogdet(bare(x))[0] == 0)[..., None, None]
    return np.where(singular, np.nan, _inv(np.where(singular, eye(x.shape[-1], x), x))) if maybe(singular) else _inv(x)


@primitive(name="slogdet", outputs=2, x=_slogdet_rule)
def _slogdet(x):
    return tuple(lapack(np.linalg.slogdet, x))


_Found = type(np.linalg.slogdet(np.ones((1, 1))))


@spells(np.linalg.slogdet)
def slogdet(a):
    """`np.linalg.slogdet`: (sign, logarithm of the absolute value) of determinants, as a named tuple.

    The sign of real matrices has derivative 0. Of a singular matrix the logarithm is -inf and the derivative NaN.

    >>> import knetpy as kn
    >>> kn.grad(lambda a: np.linalg.slogdet(a).logabsdet)(np.array([[2.0, 1.0], [1.0, 3.0]])).round(6)
    array([[ 0.6, -0.2],
           [-0.2,  0.4]])
    """
    return _Found(*_slogdet(a))
