"""What the families of linear algebra share: errors with names and shapes, adjoints, parts of matrices.

Literature pairs cotangents with tangents by sum(conj(g) * t), recording by sum(dy * t): a rule that is no polynomial in
its operands takes conj(dy) to formulae of the literature, and gives back the conjugate of what they find.
"""

import numpy as np

from ..core.primitive import primitive
from ..core.value import bare
from ..devices import eye as identity
from .shape import swapaxes

_WAYS = {
    "Singular matrix": "; np.linalg.pinv and np.linalg.lstsq solve it in the sense of least squares",
    "Matrix is not positive definite": "; add a small multiple of np.eye(n), or see np.linalg.eigh",
}


def lapack(function, *matrices, **options):
    """A function of np.linalg on bare arrays; what it refuses is told with its name and the shapes."""
    try:
        return function(*matrices, **options)
    except np.linalg.LinAlgError as failure:
        shapes = " and ".join([str(np.shape(m)) for m in matrices])
        way = _WAYS.get(str(failure), "")
        raise np.linalg.LinAlgError(f"{function.__name__} of {shapes}: {failure}{way}") from None


def conj(x):
    """The conjugate; of real arrays themselves."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


def real(x):
    """The real part; of real arrays themselves."""
    return np.real(x) if x.dtype.kind == "c" else x


def transposed(x):
    """Matrices with rows for columns."""
    return swapaxes(x, -1, -2)


def adjoint(x):
    """The conjugate transposes of matrices."""
    return conj(transposed(x))


def hermitian(x):
    """The mean of matrices and their adjoints."""
    return (x + adjoint(x)) / 2


def skew(x):
    """Matrices less their adjoints."""
    return x - adjoint(x)


def eye(n, like):
    """The identity in the real dtype that belongs to an array, where that is."""
    like = bare(like)
    return identity(n, np.finfo(like.dtype).dtype, like)


@primitive(d=lambda dy, y, zero: dy * np.where(zero, np.nan, -y * y))
def inverse(d, *, zero):
    """1 / d, and 0 where d counts as `zero`, through which nothing is known of a second derivative: it is NaN."""
    return np.where(zero, 0, 1 / np.where(zero, 1, d))


def differences(w):
    """(w[j] - w[i] at i, j; which count as zeros, as the eigenvalues or singular values are equal to rounding)."""
    d, plain = w[..., None, :] - w[..., :, None], bare(w)
    size = np.max(np.abs(plain), axis=-1)[..., None, None] if w.shape[-1] else 0
    return d, np.abs(bare(d)) <= w.shape[-1] * np.finfo(w.dtype).eps * size


def off_diagonal(d, zero):
    """1 / d, and 0 on the diagonal and where d counts as zero."""
    one = eye(d.shape[-1], d)
    return inverse(d + one, zero=zero & (one == 0)) * (1 - one)
