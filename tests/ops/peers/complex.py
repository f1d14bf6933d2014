"""Complex numbers and `np.fft` against PyTorch's: gradients by complex arguments, of real functions of the outputs."""

import numpy as np

from tests.ops.peer import Case, torch

ONE, TWO = ((3, 4),), ((3, 4), (3, 4))
ANALYTIC = """
    arccos arccosh arcsin arcsinh arctan arctanh cos cosh exp expm1 log log10 log1p log2 reciprocal sin sinh sqrt square
    tan tanh angle real imag
""".split()


def _case(name, ours, theirs, shapes=ONE, order=2):
    return Case(name, ours, theirs, shapes, "complex", order)


def _fft(name, shape=(3, 4), real=False, **options):
    theirs = {"dim" if key in ("axis", "axes") else key: v for key, v in options.items()}
    return Case(
        " ".join([name, *[f"{key}={v}" for key, v in options.items()]]),
        lambda x: getattr(np.fft, name)(x, **options),
        lambda x: getattr(torch.fft, name)(x, **theirs),
        (shape,),
        "any" if real else "complex",
    )


CASES = [
    *[_case(name, getattr(np, name), getattr(torch, name)) for name in ANALYTIC],
    _case("abs", np.abs, torch.abs),
    _case("sign", np.sign, torch.sgn),
    _case("conj", lambda z: z * np.conj(z) * np.conj(z), lambda z: z * torch.conj(z) * torch.conj(z)),
    _case("power", lambda z, w: z**w, lambda z, w: z**w, TWO),
    _case("power 2.5", lambda z: z**2.5, lambda z: z**2.5),
    _case("power of a number", lambda z: 2.5**z, lambda z: 2.5**z),
    _case("division", lambda z, w: z / w, lambda z, w: z / w, TWO),
    _case("matmul", lambda z, w: z @ np.conj(w).T, lambda z, w: z @ torch.conj(w).T, TWO),
    _case(
        "einsum",
        lambda z, w: np.einsum("ij,kj->ik", z, np.conj(w)),
        lambda z, w: torch.einsum("ij,kj->ik", z, torch.conj(w)),
        TWO,
    ),
    _case("prod", lambda z: np.prod(z, 1), lambda z: torch.prod(z, 1)),
    _case("cumsum", lambda z: np.cumsum(z, 1), lambda z: torch.cumsum(z, 1)),
    _case("var", lambda z: np.var(z, 1, ddof=1), lambda z: torch.var(z, 1)),
    _case("std", lambda z: np.std(z, 0, ddof=1), lambda z: torch.std(z, 0)),
    _case("norm", np.linalg.norm, torch.linalg.norm),
    _case("norm 3", lambda z: np.linalg.norm(z, 3, axis=1), lambda z: torch.linalg.vector_norm(z, 3, dim=1)),
    _case("vdot", lambda z, w: np.vdot(z, w), lambda z, w: torch.vdot(z, w), ((4,), (4,))),
    _case(
        "mixed",
        lambda z: np.where(z.real > 0, z, np.real(z)) * np.abs(z) + z.imag,
        lambda z: torch.where(z.real > 0, z, torch.real(z) + 0j) * torch.abs(z) + z.imag,
    ),
    _case(
        "abs of 0", lambda z: np.abs(z * 0) + np.angle(z * 0), lambda z: torch.abs(z * 0) + torch.angle(z * 0), order=1
    ),
    *[_fft(name, n=n, norm=norm) for name in ("fft", "ifft", "irfft", "hfft") for n, norm in ((3, None), (6, "ortho"))],
    *[_fft(name, real=True, n=n, axis=0) for name in ("rfft", "ihfft") for n in (2, 3, 4)],
    *[_fft(name, (2, 3, 4), norm="forward") for name in ("fftn", "ifftn", "irfftn")],
    *[_fft(name, (2, 3, 4), s=(4, 5), axes=(0, 2)) for name in ("fftn", "ifftn", "irfftn")],
    _fft("rfftn", (2, 3, 4), real=True, s=(4, 3), axes=(2, 0)),
    _fft("fft2", (2, 3, 4)),
    _fft("rfft2", (2, 3, 4), real=True),
]
