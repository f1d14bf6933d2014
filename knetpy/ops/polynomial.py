"""Polynomials as NumPy's functions know them: vectors of coefficients, the highest power first."""

import numpy as np

from ..core.errors import ShapeError
from ..core.value import Value, bare
from ..devices import eye, host
from .spelling import arrays, composes


def _arrays(*operands):
    return arrays(*[x.coeffs if isinstance(x, np.poly1d) else x for x in operands])


@composes(np.polyval)
def polyval(p, x):
    """`np.polyval`: Horner's rule, with a derivative by coefficients and places.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.polyval([1.0, 0.0, 2.0], x))(3.0)
    np.float64(6.0)
    """
    p, x = _arrays(p, x)
    y = np.zeros_like(bare(x))
    for i in range(p.shape[0]):
        y = y * x + p[i]
    return y


def _aligned(p, q):
    """Two polynomials with equally many coefficients."""
    p, q = [np.atleast_1d(x) for x in _arrays(p, q)]
    n = max(p.shape[0], q.shape[0])
    return [x if x.shape[0] == n else np.concatenate([np.zeros_like(bare(x), shape=n - x.shape[0]), x]) for x in (p, q)]


@composes(np.polyadd)
def polyadd(a1, a2):
    """`np.polyadd`."""
    p, q = _aligned(a1, a2)
    return p + q


@composes(np.polysub)
def polysub(a1, a2):
    """`np.polysub`."""
    p, q = _aligned(a1, a2)
    return p - q


def _without_zeros(p):
    """A polynomial from its first coefficient on that is not 0, as np.poly1d keeps it."""
    p = np.atleast_1d(p)
    there = np.flatnonzero(host(bare(p)))
    return p[there[0] :] if len(there) else np.zeros_like(bare(p), shape=1)


@composes(np.polymul)
def polymul(a1, a2):
    """`np.polymul`; leading zeros are dropped."""
    return np.convolve(*[_without_zeros(p) for p in _arrays(a1, a2)])


@composes(np.polydiv)
def polydiv(u, v):
    """`np.polydiv`: quotient and remainder, of which leading coefficients that are about 0 are dropped."""
    r, v = [np.atleast_1d(x) + 0.0 for x in _arrays(u, v)]
    r = r.astype(np.result_type(r.dtype, v.dtype))
    m, n, scale = r.shape[0] - 1, v.shape[0] - 1, 1.0 / v[0]
    q = []
    for k in range(m - n + 1):
        q.append(scale * r[k])
        r = np.concatenate([r[:k], r[k : k + n + 1] - q[k] * v, r[k + n + 1 :]])
    start = 0
    while start < m and np.allclose(host(bare(r)[start]), 0, rtol=1e-14):
        start += 1
    return (np.stack(q) if q else np.zeros_like(bare(r), shape=1)), r[start:]


@composes(np.polyint)
def polyint(p, m=1, k=None):
    """`np.polyint`: the m-th integral, with a derivative by the coefficients and the constants k."""
    (p,), m = _arrays(p), int(m)
    if m < 0:
        raise ValueError(f"np.polyint: m must not be negative, got {m}; np.polyder differentiates")
    k = np.atleast_1d(np.zeros_like(bare(p), np.float64, shape=m) if k is None else arrays(k, p)[0])
    if k.shape[0] == 1 and m > 1:
        k = np.broadcast_to(k, m)
    if k.shape[0] < m:
        raise ValueError(f"np.polyint: k must be a number or {m} of them, got {k.shape[0]}")
    for i in range(m):
        p = np.concatenate([p / np.arange(p.shape[0], 0, -1, like=bare(p)), k[i : i + 1]])
    return p


@composes(np.polyder)
def polyder(p, m=1):
    """`np.polyder`: the m-th derivative."""
    (p,), m = _arrays(p), int(m)
    if m < 0:
        raise ValueError(f"np.polyder: m must not be negative, got {m}; np.polyint integrates")
    for _ in range(m):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1, like=bare(p))
    return p


@composes(np.poly)
def poly(zeros):
    """`np.poly`: the polynomial that has these zeros, or that of a square matrix."""
    zeros = np.atleast_1d(*_arrays(zeros))
    if len(zeros.shape) == 2 and zeros.shape[0] == zeros.shape[1]:
        zeros = np.linalg.eigvals(zeros)
    if len(zeros.shape) != 1:
        raise ShapeError(f"np.poly: the zeros must be a vector, or a square matrix, got shape {zeros.shape}")
    p = np.ones_like(bare(zeros), shape=1)
    for i in range(zeros.shape[0]):
        p = np.convolve(p, np.stack([p[0] * 0 + 1, -zeros[i]]))
    found = host(bare(zeros))
    paired = found.dtype.kind == "c" and np.array_equal(np.sort(found), np.sort(found.conj()))
    return np.real(p) if paired else p if zeros.shape[0] else 1.0


@composes(np.vander)
def vander(x, N=None, increasing=False):
    """`np.vander`: the powers of each element as a row."""
    (x,) = _arrays(x)
    if len(x.shape) != 1:
        raise ShapeError(f"np.vander: x must be a vector, got shape {x.shape}")
    n, x = x.shape[0] if N is None else N, x.astype(np.promote_types(x.dtype, int))
    ones = np.ones_like(bare(x), shape=(x.shape[0], min(n, 1)))
    powers = np.cumprod(np.broadcast_to(x[:, None], (x.shape[0], max(n - 1, 0))), 1)
    y = np.concatenate([ones, powers], 1)
    return y if increasing else np.flip(y, 1)


@composes(np.polyfit)
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """`np.polyfit`: the coefficients, with a derivative by y, and by x and w as `np.linalg.lstsq` has one.

    >>> import knetpy as kn
    >>> kn.grad(lambda y: np.polyfit([0.0, 1.0, 2.0], y, 1)[0])(np.array([1.0, 2.0, 5.0])).round(12)
    array([-0.5,  0. ,  0.5])
    """
    if full or cov:
        raise TypeError("np.polyfit: full= and cov= are not supported on knetpy values; take the coefficients only")
    x, y = [a + 0.0 for a in arrays(x, y)]
    if deg < 0 or len(x.shape) != 1 or not x.shape[0] or len(y.shape) not in (1, 2) or x.shape[0] != y.shape[0]:
        raise ShapeError(
            f"np.polyfit: x must be a vector and y a vector or matrix of as many rows, deg 0 or more; got x {x.shape}, "
            f"y {y.shape}, deg {deg}"
        )
    rcond = x.shape[0] * np.finfo(x.dtype).eps if rcond is None else rcond
    powers = np.vander(x, int(deg) + 1)
    if w is not None:
        w = arrays(w, y)[0] + 0.0
        powers, y = powers * w[:, None], y * (w if len(y.shape) == 1 else w[:, None])
    scale = np.sqrt(np.sum(powers * powers, 0))
    powers = powers / scale
    if isinstance(powers, Value):
        c = np.linalg.lstsq(powers, y, rcond)[0]
    else:  # then the coefficients are sums of y
        c = np.matmul(np.linalg.lstsq(powers, eye(x.shape[0], float, powers), rcond)[0], y)
    return c / (scale if len(c.shape) == 1 else scale[:, None])


@composes(np.roots)
def roots(p):
    """`np.roots`: the eigenvalues of the companion matrix, complex; NaN or infinite derivatives where roots coincide.

    >>> import knetpy as kn
    >>> kn.grad(lambda p: np.max(np.real(np.roots(p))))(np.array([1.0, -3.0, 2.0])).round(3)  # of 2 in x² - 3x + 2
    array([-4., -2., -1.])
    """
    p = np.atleast_1d(_arrays(p)[0])
    there = np.flatnonzero(host(bare(p)))
    if len(p.shape) != 1:
        raise ShapeError(f"np.roots: p must be a vector of coefficients, got shape {p.shape}")
    if not len(there):
        return np.zeros_like(bare(p), np.float64, shape=0)
    zeros, p = p.shape[0] - 1 - there[-1], p[there[0] : there[-1] + 1]
    n = p.shape[0] - 1
    if not n:
        return np.zeros_like(bare(p), np.float64, shape=zeros)
    found = np.linalg.eigvals(np.concatenate([-(p[1:] / p[0])[None], eye(n, p.dtype, bare(p))[:-1]]))
    return np.concatenate([found, np.zeros_like(bare(found), shape=zeros)])
