"""Systems of linear equations and inverses: inv, solve, lstsq, pinv, tensorsolve, tensorinv.

Matrices lie in the last two axes; axes before them are a stack.
"""

import math

import numpy as np

from ..core.primitive import primitive
from ..core.tape import unbroadcast
from ..core.value import Value, bare, is_tracked
from ..devices import on_gpu
from .lapack import adjoint, conj, hermitian, lapack, transposed
from .matmul import _arrays, _matmul
from .spelling import spells

_NONE = np._NoValue


def _inv_rule(dy, y):
    y = transposed(y)
    return -_matmul(_matmul(y, dy), y)


@primitive(trusted=True, x=_inv_rule)
def _inv(x):
    return lapack(np.linalg.inv, x)


@spells(np.linalg.inv)
def inv(a):
    """`np.linalg.inv`: the inverses of matrices; a singular one raises LinAlgError.

    >>> import knetpy as kn
    >>> kn.grad(lambda a: np.linalg.inv(a).sum())(np.diag([2.0, 4.0]))
    array([[-0.25  , -0.125 ],
           [-0.125 , -0.0625]])
    """
    return _inv(a)


@primitive(
    through=lambda dy, a: _solve(transposed(a), dy),
    a=lambda dy, y, a_shape: unbroadcast(-_matmul(dy, transposed(y)), a_shape),
    b=lambda dy, b_shape: unbroadcast(dy, b_shape),
)
def _solve(a, b):
    if on_gpu(b) and a.shape[:-2] != b.shape[:-2]:  # CuPy stretches neither
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = [np.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (a, b)]
    return lapack(np.linalg.solve, a, b)


@spells(np.linalg.solve)
def solve(a, b):
    """`np.linalg.solve`: x with a @ x = b, for a vector b or a stack of matrices; a singular a raises LinAlgError.

    >>> import knetpy as kn
    >>> kn.grad(lambda b: np.linalg.solve(np.diag([2.0, 4.0]), b).sum())(np.ones(2))
    array([0.5 , 0.25])
    """
    a, b = _arrays(a, b)
    return _solve(a, b[:, None])[..., 0] if len(b.shape) == 1 else _solve(a, b)


def _pinv_rule(dy, x, y, hermitian_):
    """After Golub and Pereyra, The differentiation of pseudo-inverses (1973), of matrices of constant rank."""
    g, yh = conj(dy), adjoint(y)
    gh = adjoint(g)
    dx = _matmul(yh, _matmul(y, gh - _matmul(_matmul(gh, y), x)) - _matmul(g, yh))
    dx = dx + _matmul(_matmul(gh - _matmul(x, _matmul(y, gh)), y), yh)
    return conj(hermitian(dx) if hermitian_ else dx)


@primitive(name="pinv", trusted=True, x=_pinv_rule)
def _pinv(x, *, cutoff, hermitian_):
    if hermitian_ and on_gpu(x):  # CuPy has no such option; the general way finds the same
        x, hermitian_ = hermitian(x), False
    options = {"hermitian": True} if hermitian_ else {}
    return lapack(np.linalg.pinv, x, **options) if cutoff is None else lapack(np.linalg.pinv, x, cutoff, **options)


@spells(np.linalg.pinv)
def pinv(a, rcond=None, hermitian=False, *, rtol=_NONE):
    """`np.linalg.pinv`: the pseudo-inverses of matrices.

    The derivative takes the rank as constant, for where it changes there is none. With hermitian=True it is that of
    the Hermitian part of a.
    """
    if rcond is not None and rtol is not _NONE:
        raise ValueError("pinv: give rcond or rtol, not both")
    given = rcond if rcond is not None else rtol
    if given is None:  # as NumPy reads rtol=None
        given = max(bare(a).shape[-2:]) * np.finfo(a.dtype).eps if rtol is None else _NONE
    return _pinv(a, cutoff=None if given is _NONE else bare(given), hermitian_=bool(hermitian))


def _lstsq_rule(dy, y, a, b, cutoff):
    g, x = conj(dy[0]), y[0]
    p = _pinv(a, cutoff=cutoff, hermitian_=False)
    q, ah = _matmul(adjoint(p), g), adjoint(a)
    da = _matmul(b - _matmul(a, x), adjoint(_matmul(p, q))) - _matmul(q, adjoint(x))
    da = da + _matmul(_matmul(adjoint(p), x), adjoint(g - _matmul(ah, q)))
    return conj(da), conj(q)


@primitive(name="lstsq", outputs=2, vjp=_lstsq_rule)
def _lstsq(a, b, *, cutoff):
    x, _, rank, _ = lapack(np.linalg.lstsq, a, b, rcond=cutoff)
    return x, rank


@spells(np.linalg.lstsq)
def lstsq(a, b, rcond=None):
    """`np.linalg.lstsq`: (x of least norm among those with the least sum((b - a @ x) ** 2), these sums, rank, singular
    values); as in NumPy one matrix a.

    The derivative by a takes its rank as constant, for where it changes there is none.

    >>> import knetpy as kn
    >>> a = np.array([[1.0], [1.0]])
    >>> kn.grad(lambda b: np.linalg.lstsq(a, b)[0][0])(np.array([1.0, 3.0]))
    array([0.5, 0.5])
    """
    if not any([isinstance(v, Value) and is_tracked(v) for v in (a, b)]):
        return lapack(np.linalg.lstsq, bare(a), bare(b), rcond=rcond)
    a, b = _arrays(a, b)
    column = b[:, None] if len(b.shape) == 1 else b
    eps = np.finfo(np.result_type(bare(a), bare(b), np.float32)).eps
    cutoff = eps * max(a.shape, default=0) if rcond is None else eps if rcond < 0 else rcond
    x, rank = _lstsq(a, column, cutoff=cutoff)
    rows, columns = a.shape
    residuals = np.sum(np.abs(column - _matmul(a, x)) ** 2, axis=0)
    if rank < columns or rows <= columns:
        residuals = np.empty(0, residuals.dtype)  # as NumPy
    s = np.linalg.svd(a, compute_uv=False).astype(residuals.dtype)
    return (x[:, 0] if len(b.shape) == 1 else x), residuals, rank[()], s


@spells(np.linalg.tensorsolve)
def tensorsolve(a, b, axes=None):
    """`np.linalg.tensorsolve`: x with np.tensordot(a, x, x.ndim) = b."""
    a, b = _arrays(a, b)
    if axes is not None:
        order = [k for k in range(len(a.shape)) if k not in axes]
        a = np.transpose(a, (*order, *axes))
    shape, n = a.shape[len(b.shape) :], math.prod(b.shape)
    if math.prod(shape) != n:
        raise np.linalg.LinAlgError(
            f"tensorsolve of {a.shape} and {b.shape}: of a, the axes after the first {len(b.shape)}, {shape}, must "
            f"have {n} elements together"
        )
    return np.reshape(solve(np.reshape(a, (n, n)), np.reshape(b, (n,))), shape)


@spells(np.linalg.tensorinv)
def tensorinv(a, ind=2):
    """`np.linalg.tensorinv`: the inverse of a as a mapping between its first `ind` axes and the others."""
    if ind <= 0:
        raise ValueError(f"tensorinv: ind must be positive, got {ind}")
    first, others = a.shape[:ind], a.shape[ind:]
    return np.reshape(inv(np.reshape(a, (math.prod(first), -1))), (*others, *first))
