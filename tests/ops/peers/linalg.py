"""np.linalg against torch.linalg, of real matrices and of complex ones made of two real arguments."""

import numpy as np

from tests.ops.peer import Case, torch

la, tl = np.linalg, torch.linalg
SQUARE, TALL, WIDE = (2, 3, 3), (2, 4, 3), (2, 3, 4)


def well(x):
    """Well-conditioned matrices."""
    m, n = x.shape[-2:]
    return x * 0.4 + np.eye(m, n) * np.arange(1.0, n + 1)


def well_t(x):
    m, n = x.shape[-2:]
    return x * 0.4 + torch.eye(m, n, dtype=x.dtype) * torch.arange(1.0, n + 1, dtype=x.dtype)


def gram(z):
    return z @ np.conj(np.swapaxes(z, -1, -2))


def gram_t(z):
    return z @ z.mH


def real(parts):
    """What does not depend on signs and phases: numbers by their parts, vectors by their sizes."""
    most = max(p.ndim for p in parts)
    return [np.abs(p) ** 2 if p.ndim == most else p for p in parts]


def real_t(parts):
    most = max(p.ndim for p in parts)
    return [p.abs() ** 2 if p.ndim == most else p for p in parts]


def halves(z):
    return [np.real(z), np.imag(z)]


def halves_t(z):
    return [torch.real(z), torch.imag(z)]


REAL = {  # ours, theirs, shape
    "inv": (la.inv, tl.inv, SQUARE),
    "det": (la.det, tl.det, SQUARE),
    "slogdet": (lambda x: la.slogdet(x)[1], lambda x: tl.slogdet(x)[1], SQUARE),
    "cholesky": (lambda x: la.cholesky(gram(x)), lambda x: tl.cholesky(gram_t(x)), SQUARE),
    "eigh": (lambda x: real(la.eigh(gram(x))), lambda x: real_t(tl.eigh(gram_t(x))), SQUARE),
    "eigvalsh": (lambda x: la.eigvalsh(gram(x)), lambda x: tl.eigvalsh(gram_t(x)), SQUARE),
    "svd tall": (lambda x: real(la.svd(x, False)), lambda x: real_t(tl.svd(x, False)), TALL),
    "svd wide": (lambda x: real(la.svd(x, False)), lambda x: real_t(tl.svd(x, False)), WIDE),
    "svdvals": (la.svdvals, tl.svdvals, TALL),
    "qr": (la.qr, tl.qr, TALL),
    "qr wide": (la.qr, tl.qr, WIDE),
    "pinv": (la.pinv, tl.pinv, TALL),
    "nuclear norm": (lambda x: la.matrix_norm(x, ord="nuc"), lambda x: tl.matrix_norm(x, "nuc"), TALL),
    "spectral norm": (lambda x: la.matrix_norm(x, ord=2), lambda x: tl.matrix_norm(x, 2), TALL),
    "matrix_power": (lambda x: la.matrix_power(x, -3), lambda x: tl.matrix_power(x, -3), SQUARE),
    "cond": (la.cond, tl.cond, SQUARE),
}
COMPLEX = {
    "inv": (lambda z: halves(la.inv(z)), lambda z: halves_t(tl.inv(z)), SQUARE),
    "det": (lambda z: halves(la.det(z)), lambda z: halves_t(tl.det(z)), SQUARE),
    "sign": (lambda z: halves(la.slogdet(z)[0]), lambda z: halves_t(tl.slogdet(z)[0]), SQUARE),
    "slogdet": (lambda z: la.slogdet(z)[1], lambda z: tl.slogdet(z)[1], SQUARE),
    "cholesky": (lambda z: halves(la.cholesky(gram(z))), lambda z: halves_t(tl.cholesky(gram_t(z))), SQUARE),
    "eigh": (lambda z: real(la.eigh(gram(z))), lambda z: real_t(tl.eigh(gram_t(z))), SQUARE),
    "eig": (
        lambda z: halves(la.eig(z)[0] ** 2 / 9) + [np.abs(la.eig(z)[1])],
        lambda z: halves_t(tl.eig(z)[0] ** 2 / 9) + [tl.eig(z)[1].abs()],
        SQUARE,
    ),
    "svd": (lambda z: real(la.svd(z, False)), lambda z: real_t(tl.svd(z, False)), TALL),
    "qr": (lambda z: halves(la.qr(z).Q), lambda z: halves_t(tl.qr(z)[0]), TALL),
    "pinv": (lambda z: halves(la.pinv(z)), lambda z: halves_t(tl.pinv(z)), WIDE),
    "nuclear norm": (lambda z: la.matrix_norm(z, ord="nuc"), lambda z: tl.matrix_norm(z, "nuc"), WIDE),
}


def _real(name, ours, theirs, shape):
    return Case(name, lambda x: ours(well(x)), lambda x: theirs(well_t(x)), (shape,))


def _complex(name, ours, theirs, shape):
    return Case(
        f"{name} of complex",
        lambda x, y: ours(well(x) + 0.3j * y),
        lambda x, y: theirs(torch.complex(well_t(x), 0.3 * y)),
        (shape, shape),
    )


CASES = [
    *[_real(name, *case) for name, case in REAL.items()],
    *[_complex(name, *case) for name, case in COMPLEX.items()],
    Case("solve", lambda a, b: la.solve(well(a), b), lambda a, b: tl.solve(well_t(a), b), (SQUARE, (2, 3, 2))),
    Case(
        "lstsq",
        lambda a, b: la.lstsq(well(a), b)[0],
        lambda a, b: tl.lstsq(well_t(a), b, driver="gelsd")[0],
        ((4, 3), (4, 2)),
    ),
    Case(
        "singular det",
        lambda x: la.det(x - x[:, :, :1]),
        lambda x: tl.det(x - x[:, :, :1]),
        (SQUARE,),
        order=1,
    ),
]
