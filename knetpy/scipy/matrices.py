"""Functions of matrices, matrix equations and special matrices of scipy.linalg."""

import math

import numpy as np
import scipy.linalg as theirs

from ..core.primitive import primitive
from ..core.tape import unbroadcast
from ..core.value import bare
from ..devices import listed
from ..ops.lapack import adjoint, conj, eye, transposed
from ..ops.matmul import _matmul
from .dispatch import computed
from .own import like

# ------------------------------------------------------------------------------------------ functions of matrices


def _analytic(function):
    """An analytic function of matrices, whose derivative is a part of its value of a matrix of twice the size.

    f([[x, dx], [0, x]]) = [[f(x), df], [0, f(x)]] (Mathias, A chain rule for matrix functions and applications, 1996),
    and the transposed derivative is the derivative at the transposed matrix.
    """

    def derivative(dx, x):
        turn = _off_the_cut(bare(x)) if function is theirs.logm else 1
        n, dtype, scale = x.shape[-1], np.result_type(dx.dtype, x.dtype), _scale(bare(x), bare(dx))
        x, dx = x.astype(dtype), (dx * scale).astype(dtype)
        rows = [np.concatenate([x, dx], -1), np.concatenate([np.zeros_like(dx), x], -1)]
        return op(np.concatenate(rows, -2) * turn)[..., :n, n:] / scale

    op = primitive(
        lambda x: computed(function, x),
        name=f"scipy.linalg.{function.__name__}",
        x=lambda dy, x: derivative(dy, transposed(x)),
        jvp=lambda dx, x: derivative(dx, x),
    )

    @like(function)
    def call(A):
        return op(A)

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = f"""`scipy.linalg.{function.__name__}` of square matrices, with derivatives of every order."""
    return call


def _off_the_cut(x):
    """A factor that turns negative eigenvalues of real matrices to where logarithms have the imaginary part pi.

    On the negative axis rounding would decide between pi and -pi. The factor only adds its logarithm to that of the
    matrix, which has no part in the derivative, as long as no other eigenvalue crosses the axis.
    """
    if x.dtype.kind == "c" or not np.all(np.isfinite(x)):
        return 1
    angles = np.abs(np.angle(np.linalg.eigvals(x)))
    negative = angles == np.pi
    if not np.any(negative):
        return 1
    room = np.pi - np.max(angles, initial=np.pi / 2, where=~negative)
    return np.exp(-0.5j * room).astype(np.result_type(x.dtype, np.complex64))


def _scale(x, dx):
    """A power of two that makes dx as large as x: there the algorithms take the fewest steps and err least."""
    sizes = [float(np.max(np.abs(part), initial=0)) for part in (x, dx)]
    if not all([0 < size < math.inf for size in sizes]):
        return 1.0
    return 2.0 ** min(max(round(math.log2(sizes[0]) - math.log2(sizes[1])), -100), 100)


expm, logm = _analytic(theirs.expm), _analytic(theirs.logm)
cosm, sinm, tanm = _analytic(theirs.cosm), _analytic(theirs.sinm), _analytic(theirs.tanm)
coshm, sinhm, tanhm = _analytic(theirs.coshm), _analytic(theirs.sinhm), _analytic(theirs.tanhm)


@primitive(name="scipy.linalg.sqrtm", x=lambda dy, y: _sylvester(transposed(y), transposed(y), dy))
def _sqrtm(x):
    return computed(theirs.sqrtm, x)


@like(theirs.sqrtm)
def sqrtm(A):
    """`scipy.linalg.sqrtm`: the principal square roots of matrices, which must not be singular.

    >>> import numpy as np, knetpy as kn
    >>> kn.grad(lambda a: kn.scipy.linalg.sqrtm(a)[0, 0], 0)(np.diag([4.0, 9.0]))[0, 0]
    np.float64(0.25)
    """
    return _sqrtm(A)


# ------------------------------------------------------------------------------------------------ matrix equations


@primitive(
    name="scipy.linalg.solve_sylvester",
    through=lambda dy, a, b: _sylvester(transposed(a), transposed(b), dy),
    a=lambda dy, y, a_shape: unbroadcast(-_matmul(dy, transposed(y)), a_shape),
    b=lambda dy, y, b_shape: unbroadcast(-_matmul(transposed(y), dy), b_shape),
    q=lambda dy, q_shape: unbroadcast(dy, q_shape),
)
def _sylvester(a, b, q):
    return computed(theirs.solve_sylvester, a, b, q)


@like(theirs.solve_sylvester)
def solve_sylvester(a, b, q):
    """`scipy.linalg.solve_sylvester`: x with a @ x + x @ b = q."""
    return _sylvester(a, b, q)


@like(theirs.solve_continuous_lyapunov)
def solve_continuous_lyapunov(a, q):
    """`scipy.linalg.solve_continuous_lyapunov`: x with a @ x + x @ a.conj().T = q."""
    return _sylvester(a, adjoint(a), q)


@like(theirs.solve_lyapunov)
def solve_lyapunov(a, q):
    """`scipy.linalg.solve_lyapunov`: the older name of `solve_continuous_lyapunov`."""
    return _sylvester(a, adjoint(a), q)


@like(theirs.solve_discrete_lyapunov)
def solve_discrete_lyapunov(a, q, method=None):
    """`scipy.linalg.solve_discrete_lyapunov`: x with a @ x @ a.conj().T - x + q = 0.

    method "direct" solves a system of n * n equations, by default up to n = 9; "bilinear" a continuous one.
    """
    n = a.shape[-1]
    method = ("direct" if n < 10 else "bilinear") if method is None else method.lower()
    if method == "direct":
        products = np.einsum("...ij,...kl->...ikjl", a, conj(a)).reshape(*a.shape[:-2], n * n, n * n)
        shape = q.shape
        return np.linalg.solve(eye(n * n, a) - products, np.reshape(q, (*shape[:-2], n * n, 1))).reshape(shape)
    if method != "bilinear":
        raise ValueError(f"scipy.linalg.solve_discrete_lyapunov: method must be direct or bilinear, got {method!r}")
    turned, one = adjoint(a), eye(n, a)
    inverse = np.linalg.inv(turned + one)
    b = _matmul(turned - one, inverse)
    c = _matmul(_matmul(np.linalg.inv(a + one) * 2, q), inverse)
    return _sylvester(adjoint(b), b, -c)


# ------------------------------------------------------------------------------------------------ special matrices


@like(theirs.block_diag)
def block_diag(*arrs):
    """`scipy.linalg.block_diag`: matrices along the diagonal of one; vectors are rows.

    >>> import numpy as np, knetpy as kn
    >>> kn.grad(lambda x: kn.scipy.linalg.block_diag(x, 3.0)[0, 0], 0)(np.ones(2))
    array([1., 0.])
    """
    blocks = [np.atleast_2d(a if hasattr(a, "dtype") else listed(a, arrs)) for a in arrs]
    width, rows, start = sum([b.shape[1] for b in blocks]), [], 0
    for block in blocks:
        n, m = block.shape
        before, after = [np.zeros((n, k), block.dtype) for k in (start, width - start - m)]
        rows.append(np.concatenate([before, block, after], 1))
        start += m
    return np.concatenate(rows)


@like(theirs.toeplitz)
def toeplitz(c, r=None):
    """`scipy.linalg.toeplitz`: equal elements along diagonals, by the first column and the first row."""
    r = conj(c) if r is None else r
    n, m = c.shape[-1], r.shape[-1]
    return np.concatenate([c[..., ::-1], r[..., 1:]], -1)[..., np.arange(n - 1, -1, -1)[:, None] + np.arange(m)]


@like(theirs.hankel)
def hankel(c, r=None):
    """`scipy.linalg.hankel`: equal elements along antidiagonals, by the first column and the last row."""
    r = np.zeros(c.shape, c.dtype) if r is None else r
    n, m = c.shape[-1], r.shape[-1]
    return np.concatenate([c, r[..., 1:]], -1)[..., np.arange(n)[:, None] + np.arange(m)]


@like(theirs.circulant)
def circulant(c):
    """`scipy.linalg.circulant`: columns that are the first one turned round."""
    n = np.arange(c.shape[-1])
    return c[..., (n[:, None] - n) % max(len(n), 1)]


@like(theirs.companion)
def companion(a):
    """`scipy.linalg.companion`: the matrix whose eigenvalues are the roots of the polynomial with coefficients a."""
    first = -a[1:] / a[0]
    return np.concatenate([first[None], np.eye(len(first) - 1, len(first), dtype=first.dtype)])
