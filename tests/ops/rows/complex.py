"""Complex numbers, made of two real arguments; what is analytic has the rules of the other rows."""

import numpy as np

from tests.ops.row import EMPTY, Row

TWO = ((2, 3), (2, 3))
ANALYTIC = """
    arccos arccosh arcsin arcsinh arctan arctanh cos cosh exp exp2 expm1 log log10 log1p log2 negative positive
    reciprocal sin sinh sqrt square tan tanh
""".split()


def _row(name, op, f, shapes=TWO, domain="nonzero", **options):
    return Row(f"{name} of complex", op, lambda *xs: f(*_complex(xs)), shapes, domain, exact=False, **options)


def _complex(xs):
    return [xs[i] + 1j * xs[i + 1] for i in range(0, len(xs), 2)]


PAIRS, MATRICES = TWO * 2, ((2, 3), (2, 3), (3, 2), (3, 2))

ROWS = [
    *[_row(name, getattr(np, name), getattr(np, name), special=name != "sqrt") for name in ANALYTIC],
    _row("abs", np.absolute, np.abs, edges=[s * 2 for s in EMPTY]),
    _row("angle", np.angle, np.angle),
    _row("angle in degrees", np.angle, lambda z: np.angle(z, deg=True) / 90),
    _row("conj", np.conjugate, np.conj),
    _row(".conj", ".conj", lambda z: z.conj()),
    _row("imag", np.imag, np.imag, edges=[s * 2 for s in EMPTY]),
    _row(".imag", ".imag", lambda z: z.imag * z),
    _row("real", np.real, np.real, edges=[s * 2 for s in EMPTY]),
    _row(".real", ".real", lambda z: z.real * z),
    _row("sign", np.sign, np.sign),
    _row("real_if_close", np.real_if_close, lambda z: np.real_if_close(z * np.conj(z))),
    _row("real_if_close, no", np.real_if_close, np.real_if_close),
    _row("astype", np.astype, lambda z: np.real(z).astype(np.complex128) * z),
    _row("power", np.power, lambda z, w: (2 + z) ** w, PAIRS, "unit"),
    _row("power of real", np.power, lambda z: (z + 2) ** z.real, domain="unit"),
    _row("power of a real base", np.power, lambda z: (-1.5) ** (z / 4) + (z.real - 2) ** (z / 4), domain="unit"),
    _row("power 3", np.power, lambda z: z**3 + z**2),
    _row("power -0.5j", np.power, lambda z: z**-0.5j),
    _row("products and quotients", np.multiply, lambda z, w: z * w / (1 + z) - w.real * z / w, PAIRS),
    _row("where", np.where, lambda z: np.where(z.real > 0, z, z.imag)),
    _row("getitem", "__getitem__", lambda z: z[[0, 0, 1]] * z[0]),
    _row("matmul", np.matmul, lambda z, w: z @ w, MATRICES),
    _row("matmul of real", np.matmul, lambda z, w: z @ w.real + z.imag @ w, MATRICES),
    _row("einsum", np.einsum, lambda z, w: np.einsum("ij,jk,ij->k", z, w, np.conj(z)), MATRICES),
    _row("vdot", np.vdot, np.vdot, PAIRS),
    _row("sum", np.sum, lambda z: np.sum(z, 0)),
    _row("mean", np.mean, lambda z: np.mean(z, 1)),
    _row("prod", np.prod, lambda z: np.prod(z, 1)),
    _row("prod with zeros", np.prod, lambda z: np.prod(z * [0, 1, 1], 1)),
    _row("cumsum", np.cumsum, lambda z: np.cumsum(z, 1)),
    _row("var", np.var, lambda z: np.var(z, 1)),
    _row("std", np.std, lambda z: np.std(z, 0, ddof=1)),
    _row("var where", np.var, lambda z: np.var(z, 1, ddof=1, where=[[True, False, True]])),
    _row("std mean", np.std, lambda z: np.std(z, 0, mean=np.mean(z, 0, keepdims=True))),
    _row("nanvar", np.nanvar, lambda z: np.nanvar(np.where([True, True, False], z, np.nan)), special=False),
    _row("nanstd", np.nanstd, lambda z: np.nanstd(z, 1)),
    _row("sinc", np.sinc, lambda z: np.sinc(z / 3) + np.sinc(2 * z) * np.exp(-6.5 * np.abs(z)), special=False),
    *[_row(f"norm {o}", np.linalg.norm, lambda z, o=o: np.linalg.norm(z, o, 1)) for o in (None, 2, 1, 3, np.inf, 0)],
    _row("norm of a matrix", np.linalg.norm, lambda z: np.linalg.norm(z) + np.linalg.norm(z, 1)),
    _row("emath.sqrt", np.emath.sqrt, np.emath.sqrt, special=False),
    # of real numbers
    *[Row(f"emath.{f.__name__}", f, f, ((2, 3),), "nonzero", exact=False)
      for f in (np.emath.sqrt, np.emath.log, np.emath.log2, np.emath.log10)],
    *[Row(f"emath.{f.__name__}", f, lambda x, f=f: f(x * [-1, 1, -1]), ((2, 3),), "above1", exact=False)
      for f in (np.emath.arccos, np.emath.arcsin, np.emath.arctanh)],
    *[Row(f"emath.{f.__name__} real", f, f, ((2, 3),), domain)
      for f, domain in ((np.emath.sqrt, "positive"), (np.emath.log, "positive"), (np.emath.arccos, "unit"))],
    Row("emath.logn", np.emath.logn, np.emath.logn, ((2, 3), (3,)), "above1 nonzero", exact=False),
    Row("emath.logn 2", np.emath.logn, lambda x: np.emath.logn(2, x), ((2, 3),), "positive"),
    Row("emath.power", np.emath.power, np.emath.power, ((2, 3), (3,)), "nonzero any", exact=False),
    Row("emath.power -2", np.emath.power, lambda x: np.emath.power(x, -2), ((2, 3),), "nonzero", exact=False),
    Row("angle", np.angle, lambda x: np.angle(x) * x, ((2, 3),), "nonzero"),
    Row("imag", np.imag, lambda x: np.imag(x) + x, ((2, 3),)),
    Row("real", np.real, np.real, ((2, 3),), elementwise=True),
    Row("real_if_close", np.real_if_close, np.real_if_close, ((2, 3),), elementwise=True),
]  # fmt: skip
