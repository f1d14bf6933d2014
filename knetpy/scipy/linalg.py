"""scipy.linalg with derivatives, under SciPy's names and signatures: systems of equations and factors of matrices.

SciPy makes plain arrays of what it is given, so that these functions cannot be its own. On plain arrays they are.
Matrices lie in the last two axes; axes before them are a stack, where SciPy takes one. What has a namesake in np.linalg
has its derivative and its conventions, see there. `overwrite_...` and `lwork` are hints that are not followed.
"""

import inspect

import numpy as np
import scipy.linalg as theirs

from ..core.primitive import primitive
from ..core.tape import unbroadcast
from ..core.value import bare
from ..ops.lapack import adjoint, conj, hermitian, transposed
from ..ops.matmul import _arrays, _matmul
from .dispatch import computed, refuse_options
from .matrices import block_diag as block_diag
from .matrices import circulant as circulant
from .matrices import companion as companion
from .matrices import coshm as coshm
from .matrices import cosm as cosm
from .matrices import expm as expm
from .matrices import hankel as hankel
from .matrices import logm as logm
from .matrices import sinhm as sinhm
from .matrices import sinm as sinm
from .matrices import solve_continuous_lyapunov as solve_continuous_lyapunov
from .matrices import solve_discrete_lyapunov as solve_discrete_lyapunov
from .matrices import solve_lyapunov as solve_lyapunov
from .matrices import solve_sylvester as solve_sylvester
from .matrices import sqrtm as sqrtm
from .matrices import tanhm as tanhm
from .matrices import tanm as tanm
from .matrices import toeplitz as toeplitz
from .own import like, no_rule


def __getattr__(name):
    if name.startswith("_") or not hasattr(theirs, name):
        raise AttributeError(f"knetpy.scipy.linalg has no attribute {name!r}")
    found = getattr(theirs, name)
    return no_rule(f"scipy.linalg.{name}", found) if inspect.isroutine(found) else found


# ------------------------------------------------------------------------------------------ systems of equations


def _as_columns(solver, b):
    """`solver` of matrices on a right side that may be a vector."""
    return solver(b[:, None])[..., 0] if len(b.shape) == 1 else solver(b)


def _read(g, assume, lower):
    """A cotangent of a matrix of which SciPy reads only a part, or takes the rest for given."""
    if assume in ("sym", "symmetric"):
        return (g + transposed(g)) / 2
    if assume in ("her", "hermitian", "pos", "positive definite"):
        return hermitian(g)
    if assume == "diagonal":
        return np.triu(np.tril(g))
    if assume == "tridiagonal":
        return np.triu(np.tril(g, 1), -1)
    if assume in ("upper triangular", "lower triangular"):
        return (np.triu if assume[0] == "u" else np.tril)(g)
    return g


_TURNED = {"upper triangular": "lower triangular", "lower triangular": "upper triangular"}


@primitive(
    name="scipy.linalg.solve",
    through=lambda dy, a, assume, lower: _solve(transposed(a), dy, assume=_TURNED.get(assume, assume), lower=not lower),
    a=lambda dy, y, a_shape, assume, lower: _read(unbroadcast(-_matmul(dy, transposed(y)), a_shape), assume, lower),
    b=lambda dy, b_shape: unbroadcast(dy, b_shape),
)
def _solve(a, b, *, assume, lower):
    options = {} if assume is None else {"assume_a": assume}  # None is new in SciPy 1.15
    return computed(theirs.solve, a, b, lower=lower, **options)


@like(theirs.solve)
def solve(a, b, lower=False, overwrite_a=False, overwrite_b=False, check_finite=True, assume_a=None, transposed=False):
    """`scipy.linalg.solve`: x with a @ x = b, or a.T @ x = b.

    Where assume_a lets SciPy read a part of a only, the derivative is that of the matrix that is meant: of the
    Hermitian or symmetric part of a, or of its band.

    >>> import numpy as np, knetpy as kn
    >>> a = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> kn.grad(lambda a: kn.scipy.linalg.solve(a, np.ones(2), assume_a="pos").sum(), 0)(a)
    array([[-0.16, -0.08],
           [-0.08, -0.04]])
    """
    a, b = _arrays(a, b)
    if transposed:
        a, lower, assume_a = np.swapaxes(a, -1, -2), not lower, _TURNED.get(assume_a, assume_a)
    return _as_columns(lambda b: _solve(a, b, assume=assume_a, lower=bool(lower)), b)


def _triangle(g, lower, unit):
    return np.tril(g, -1 if unit else 0) if lower else np.triu(g, 1 if unit else 0)


@primitive(
    name="scipy.linalg.solve_triangular",
    through=lambda dy, a, turned, lower, unit: _triangular(a, dy, turned=not turned, lower=lower, unit=unit),
    a=lambda dy, y, a_shape, turned, lower, unit: _triangle(
        unbroadcast(-_matmul(y, transposed(dy)) if turned else -_matmul(dy, transposed(y)), a_shape), lower, unit
    ),
    b=lambda dy, b_shape: unbroadcast(dy, b_shape),
)
def _triangular(a, b, *, turned, lower, unit):
    return computed(theirs.solve_triangular, a, b, trans=int(turned), lower=lower, unit_diagonal=unit)


@like(theirs.solve_triangular)
def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=True):
    """`scipy.linalg.solve_triangular`: x with a @ x = b for a triangular a, its transpose or its adjoint.

    >>> import numpy as np, knetpy as kn
    >>> a = np.array([[2.0, 1.0], [0.0, 4.0]])
    >>> kn.grad(lambda a: kn.scipy.linalg.solve_triangular(a, np.ones(2))[0], 0)(a)[0]
    array([-0.1875, -0.125 ])
    """
    a, b = _arrays(a, b)
    trans = {"N": 0, "T": 1, "C": 2}.get(trans, trans)
    a = conj(a) if trans == 2 else a
    options = {"turned": trans in (1, 2), "lower": bool(lower), "unit": bool(unit_diagonal)}
    return _as_columns(lambda b: _triangular(a, b, **options), b)


@like(theirs.cho_solve)
def cho_solve(c_and_lower, b, overwrite_b=False, check_finite=True):
    """`scipy.linalg.cho_solve`: x with a @ x = b by what `cho_factor` gave."""
    c, lower = c_and_lower
    first, second = (0, 2) if lower else (2, 0)
    c, b = _arrays(c, b)
    return _as_columns(lambda b: solve_triangular(c, solve_triangular(c, b, first, lower), second, lower), b)


def _places(above, below, n):
    """(rows of the elements that a banded matrix of n columns stores, their columns, which there are)."""
    k, column = np.mgrid[: above + below + 1, :n]
    row = column + k - above
    return np.clip(row, 0, n - 1), column, (row >= 0) & (row < n)


def _banded_rule(dy, y, below, above):
    rows, columns, there = _places(above, below, y.shape[0])
    return np.where(there, -np.sum(dy[rows] * y[columns], axis=-1), 0)


def _turned_band(ab, below, above):
    """The stored diagonals of the transpose."""
    rows, columns, there = _places(below, above, ab.shape[1])
    return np.where(there, ab[above + columns - rows, rows], 0)


@primitive(
    name="scipy.linalg.solve_banded",
    through=lambda dy, ab, below, above: _banded(_turned_band(ab, below, above), dy, below=above, above=below),
    ab=_banded_rule,
    b=lambda dy: dy,
)
def _banded(ab, b, *, below, above):
    return computed(theirs.solve_banded, (below, above), ab, b)


@like(theirs.solve_banded)
def solve_banded(l_and_u, ab, b, overwrite_ab=False, overwrite_b=False, check_finite=True):
    """`scipy.linalg.solve_banded`: x with a @ x = b by the diagonals of a; one matrix."""
    below, above = l_and_u
    return _as_columns(lambda b: _banded(ab, b, below=int(below), above=int(above)), b)


@like(theirs.solve_toeplitz)
def solve_toeplitz(c_or_cr, b, check_finite=True):
    """`scipy.linalg.solve_toeplitz`: x with toeplitz(c, r) @ x = b, here by a factorisation of the whole matrix."""
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    a, b = _arrays(toeplitz(c, r), b)
    return solve(a.astype(np.promote_types(a.dtype, np.float64)), b)  # as SciPy, which has it in double precision only


@like(theirs.lstsq)
def lstsq(a, b, cond=None, overwrite_a=False, overwrite_b=False, check_finite=True, lapack_driver=None):
    """`scipy.linalg.lstsq`: (x, sums of squared residuals, rank, singular values); one matrix."""
    a, b = _arrays(a, b)
    refuse_options("lstsq", lapack_driver=lapack_driver not in (None, "gelsd", "gelss"))
    x, residuals, rank, s = np.linalg.lstsq(a, b, np.finfo(a.dtype).eps if cond is None else cond)
    return x, residuals[0] if len(b.shape) == 1 and residuals.size else residuals, rank, s


# -------------------------------------------------------------------------------------------- factors, determinants


@like(theirs.cholesky)
def cholesky(a, lower=False, overwrite_a=False, check_finite=True):
    """`scipy.linalg.cholesky`: by default the upper factor."""
    return np.linalg.cholesky(a, upper=not lower)


@like(theirs.cho_factor)
def cho_factor(a, lower=False, overwrite_a=False, check_finite=True):
    """`scipy.linalg.cho_factor`: (factor, lower) for `cho_solve`; the other triangle is 0."""
    return cholesky(a, lower), lower


@like(theirs.qr)
def qr(a, overwrite_a=False, lwork=None, mode="full", pivoting=False, check_finite=True):
    """`scipy.linalg.qr` in the modes "full", "r" and "economic"; pivoting is refused."""
    refuse_options("qr", pivoting=pivoting)
    modes = {"full": "complete", "economic": "reduced", "r": "complete"}
    if mode not in modes:
        raise ValueError(f"scipy.linalg.qr: mode must be one of {', '.join(modes)} under differentiation, got {mode!r}")
    q, r = np.linalg.qr(a, modes[mode])
    return (r,) if mode == "r" else (q, r)


@like(theirs.svd)
def svd(a, full_matrices=True, compute_uv=True, overwrite_a=False, check_finite=True, lapack_driver="gesdd"):
    """`scipy.linalg.svd`."""
    found = np.linalg.svd(a, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@like(theirs.svdvals)
def svdvals(a, overwrite_a=False, check_finite=True):
    """`scipy.linalg.svdvals`."""
    return np.linalg.svd(a, compute_uv=False)


@like(theirs.eigh)
def eigh(
    a, b=None, *, lower=True, eigvals_only=False, overwrite_a=False, overwrite_b=False, type=1, check_finite=True,
    subset_by_index=None, subset_by_value=None, driver=None,
):  # fmt: skip
    """`scipy.linalg.eigh`: eigenvalues w and vectors v of a Hermitian a, or with a @ v = w * b @ v (type=1).

    subset_by_index chooses among them; subset_by_value is refused.
    """
    refuse_options("eigh", type=b is not None and type != 1, subset_by_value=subset_by_value is not None)
    triangle, factor = "L" if lower else "U", None
    if b is not None:  # by b = factor @ factor*
        factor = np.linalg.cholesky(b) if lower else adjoint(np.linalg.cholesky(b, upper=True))
        a = _whole(a, lower)
        a = solve_triangular(factor, adjoint(solve_triangular(factor, a, lower=True)), lower=True)
    w, v = np.linalg.eigvalsh(a, triangle) if eigvals_only else None, None
    if not eigvals_only:
        w, v = np.linalg.eigh(a, triangle)
        v = v if factor is None else solve_triangular(factor, v, 2, lower=True)
    if subset_by_index is not None:
        first, last = subset_by_index
        w, v = w[..., first : last + 1], v if v is None else v[..., first : last + 1]
    return w if eigvals_only else (w, v)


def _whole(a, lower):
    """The Hermitian matrix that a triangle stands for."""
    strict = np.tril(a, -1) if lower else np.triu(a, 1)
    whole = strict + adjoint(strict) + np.triu(np.tril(np.real(a) if a.dtype.kind == "c" else a))
    return hermitian(a) + (bare(whole) - hermitian(bare(a)))  # with the derivative of the Hermitian part


@like(theirs.eigvalsh)
def eigvalsh(a, b=None, **options):
    """`scipy.linalg.eigvalsh`; options as of `eigh`."""
    return eigh(a, b, eigvals_only=True, **options)


@like(theirs.eigvals)
def eigvals(a, b=None, overwrite_a=False, check_finite=True, homogeneous_eigvals=False):
    """`scipy.linalg.eigvals`, complex numbers."""
    return eig(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)


@like(theirs.eig)
def eig(
    a,
    b=None,
    left=False,
    right=True,
    overwrite_a=False,
    overwrite_b=False,
    check_finite=True,
    homogeneous_eigvals=False,
):
    """`scipy.linalg.eig`: the eigenvalues, which are complex, and the eigenvectors; conventions of `np.linalg.eig`."""
    refuse_options("eig", b=b is not None, left=left, homogeneous_eigvals=homogeneous_eigvals)
    if not right:
        values = np.linalg.eigvals(a)
        return values.astype(np.result_type(values.dtype, np.complex64))
    values, vectors = np.linalg.eig(a)
    return values.astype(np.result_type(values.dtype, np.complex64)), vectors


@like(theirs.inv)
def inv(a, overwrite_a=False, check_finite=True, *, assume_a=None, lower=False):
    """`scipy.linalg.inv`; the derivative by a matrix of which assume_a has SciPy read a part is as of `solve`."""
    if assume_a in (None, "general", "gen"):
        return np.linalg.inv(a)
    return _solve(a, np.eye(a.shape[-1], dtype=a.dtype), assume=assume_a, lower=bool(lower))


@like(theirs.det)
def det(a, overwrite_a=False, check_finite=True):
    """`scipy.linalg.det`."""
    return np.linalg.det(a.astype(np.promote_types(a.dtype, np.float64)))  # SciPy multiplies in double precision


@like(theirs.pinv)
def pinv(a, *, atol=None, rtol=None, return_rank=False, check_finite=True):
    """`scipy.linalg.pinv`; the derivative takes the rank as constant."""
    s = np.linalg.svd(bare(a), compute_uv=False)
    most = s.max(axis=-1, initial=0)
    rtol = (0 if atol else max(a.shape[-2:]) * np.finfo(a.dtype).eps) if rtol is None else rtol
    cutoff = rtol + (atol or 0) / np.where(most > 0, most, 1)
    found = np.linalg.pinv(a, cutoff)
    return (found, (s > (cutoff * most)[..., None]).sum(-1)) if return_rank else found


@like(theirs.norm)
def norm(a, ord=None, axis=None, keepdims=False, check_finite=True):
    """`scipy.linalg.norm`."""
    return np.linalg.norm(a, ord, axis, keepdims)
