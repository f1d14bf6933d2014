"""Products of vectors, convolutions, polynomials; numbers taken apart, sinc, i0."""

import numpy as np

import knetpy as kn
from tests.ops.row import EMPTY, Row, Wrong

X23, X5 = ((2, 3),), ((5,),)

NUMBERS = [
    Row("sinc", np.sinc, np.sinc, X23, elementwise=True, edges=EMPTY),
    Row("sinc far", np.sinc, lambda x: np.sinc(x * 4), X23, "nonzero", elementwise=True),
    Row("i0", np.i0, np.i0, X23, elementwise=True, edges=EMPTY[:3], special=False),
    Row("i0 far", np.i0, lambda x: np.i0(x * 4) * 0.1, X23, "nonzero", special=False),
    Row("modf", np.modf, lambda x: np.modf(x)[0] * x + np.modf(x)[1], X23, "dividend", elementwise=True),
    Row("frexp", np.frexp, lambda x: np.frexp(x)[0] * x, X23, "dividend", elementwise=True, special=False),
    Row("frexp exponent", np.frexp, lambda x: np.ldexp(*np.frexp(x)), X23, "dividend", special=False),
    Row("divmod", np.divmod, lambda a, b: np.divmod(a, b)[1], ((2, 3), (3,)), "dividend divisor"),
    Row("operator divmod", "__divmod__", lambda a, b: divmod(a, b)[1] * divmod(a, 2.0)[0], ((2,), (2,)),
        "dividend divisor"),
    Row("operator divmod of a number", "__rdivmod__", lambda b: divmod(5.25, b)[1], ((2,),), "divisor"),
    Row("nextafter", np.nextafter, lambda a: np.nextafter(a, 7) * a, X23, elementwise=True),
    Row("nextafter of both", np.nextafter, np.nextafter, ((2, 3), (3,)), elementwise=True),
]  # fmt: skip


def _vectors():
    for a, b in (((3,), (3,)), ((2, 3), (3,)), ((4, 1, 3), (2, 3))):
        yield Row(f"vecdot {a} {b}", np.vecdot, np.vecdot, (a, b), exact=False)
    for a, b in (((2, 3), (3,)), ((4, 2, 3), (3,)), ((2, 3), (4, 3))):
        yield Row(f"matvec {a} {b}", np.matvec, np.matvec, (a, b), exact=False)
    for a, b in (((2,), (2, 3)), ((4, 2), (2, 3)), ((2,), (4, 2, 3))):
        yield Row(f"vecmat {a} {b}", np.vecmat, np.vecmat, (a, b), exact=False)
    yield Row("vecdot axis", np.vecdot, lambda a, b: np.vecdot(a, b, axis=0), ((3, 2), (3, 2)), exact=False)
    yield Row("vecdot kept", np.vecdot, lambda a, b: np.vecdot(a, b, axis=-2, keepdims=True), ((4, 3, 2), (3, 1)),
              exact=False)  # fmt: skip
    yield Row("matvec axes", np.matvec, lambda a, b: np.matvec(a, b, axes=[(1, 0), 0, 0]), ((3, 2), (3, 4)),
              exact=False)  # fmt: skip
    for a, b in (((2, 3), (3, 2)), ((3,), (2,)), ((2,), (2, 3)), ((), (2, 3)), ((2, 2, 1), (3,)), ((2, 3), ())):
        yield Row(f"kron {a} {b}", np.kron, np.kron, (a, b), edges=(((0,), (2,)),))
    yield Row("cross", np.cross, np.cross, ((3,), (3,)))
    yield Row("cross of rows", np.cross, np.cross, ((2, 1, 3), (4, 3)), edges=(((0, 3), (3,)),))
    yield Row("cross axis", np.cross, lambda a, b: np.cross(a, b, axis=0), ((3, 2), (3, 2)))
    yield Row("cross axes", np.cross, lambda a, b: np.cross(a, b, 0, 1, 0), ((3, 2), (2, 3)))
    yield Row("cross constant", np.cross, lambda a: np.cross([1, 2, 3], a), ((3,),))


def _convolutions():
    for f in (np.convolve, np.correlate):
        for n, m in ((5, 2), (5, 3), (2, 5), (3, 6), (4, 4), (1, 3), (6, 4)):
            for mode in ("full", "same", "valid"):
                name = f"{f.__name__} {mode} {n} {m}"
                yield Row(name, f, lambda a, v, f=f, m=mode: f(a, v, m), ((n,), (m,)), exact=False, special=False)
        yield Row(f"{f.__name__} default", f, f, ((4,), (3,)), exact=False, special=False)
        yield Row(f"{f.__name__} list", f, lambda a, f=f: f([1, 2, 3], a, mode="same"), ((4,),), exact=False,
                  special=False)  # fmt: skip


POLYNOMIALS = [
    Row("polyval", np.polyval, np.polyval, ((3,), (2, 2)), edges=(((0,), (2,)),)),
    Row("polyval of a number", np.polyval, lambda p: np.polyval(p, 2.0), ((3,),)),
    Row("polyval at", np.polyval, lambda x: np.polyval([1.0, 0.5, -2.0], x), X23),
    Row("polyadd", np.polyadd, np.polyadd, ((3,), (5,))),
    Row("polyadd longer", np.polyadd, lambda a: np.polyadd(a, [1.0, 2.0]), ((3,),)),
    Row("polysub", np.polysub, np.polysub, ((3,), (2,))),
    Row("polymul", np.polymul, np.polymul, ((3,), (4,)), exact=False, special=False),
    Row("polymul zeros", np.polymul, lambda a: np.polymul(a, [0.0, 0.0, 2.0, 1.0]), ((3,),), exact=False,
        special=False),
    Row("polydiv", np.polydiv, lambda u, v: np.polydiv(u, v)[0], ((5,), (3,)), "nonzero", exact=False, special=False),
    Row("polydiv rest", np.polydiv, lambda u, v: np.polydiv(u, v)[1][-2:], ((5,), (3,)), "nonzero", exact=False,
        special=False),
    Row("polydiv shorter", np.polydiv, lambda u, v: np.polydiv(u, v)[1] * 2, ((2,), (3,)), "nonzero", special=False),
    Row("polyint", np.polyint, np.polyint, ((3,),)),
    Row("polyint twice", np.polyint, lambda p: np.polyint(p, 2, p[1:]), ((3,),)),
    Row("polyint one constant", np.polyint, lambda p: np.polyint(p, 2, 3.0), ((3,),)),
    Row("polyder", np.polyder, np.polyder, ((4,),)),
    Row("polyder twice", np.polyder, lambda p: np.polyder(p, 2), ((4,),)),
    Row("poly", np.poly, np.poly, ((3,),), exact=False, special=False),
    Row("poly of a matrix", np.poly, np.poly, ((3, 3),), exact=False, special=False),
    Row("roots", np.roots, lambda p: np.abs(np.roots(p) - 0.3) ** 2, ((4,),), "positive", exact=False, special=False),
    Row("roots of 0", np.roots, lambda p: np.real(np.roots(np.concatenate([[0.0], p, [0.0]]))), ((2,),), "positive",
        exact=False, special=False),
    Row("vander", np.vander, np.vander, ((3,),), exact=False),
    Row("vander increasing", np.vander, lambda x: np.vander(x, 4, increasing=True), ((3,),), exact=False),
    Row("vander one", np.vander, lambda x: np.vander(x, 1) * x[:, None], ((3,),)),
    Row("polyfit", np.polyfit, lambda y: np.polyfit([0.0, 1.0, 2.0, 4.0], y, 2), ((4,),), exact=False, special=False),
    Row("polyfit weights", np.polyfit, lambda y: np.polyfit([0.0, 1.0, 2.0, 4.0], y, 1, w=[1, 2, 2, 1]), ((4, 2),),
        exact=False, special=False),
]  # fmt: skip

ROWS = [*NUMBERS, *_vectors(), *_convolutions(), *POLYNOMIALS]

AXIS = np.exceptions.AxisError
WRONG = [
    Wrong("nextafter shapes", np.nextafter, ((2, 3), (2,)), kn.ShapeError, ("nextafter", "(2, 3)", "(2,)")),
    Wrong("vecdot sizes", np.vecdot, ((2, 3), (2,)), kn.ShapeError, ("3", "2")),
    Wrong("matvec of a vector", np.matvec, ((3,), (3,)), kn.ShapeError, ("matvec", "matrices", "(3,)")),
    Wrong("vecmat of a vector", np.vecmat, ((3,), (3,)), kn.ShapeError, ("vecmat", "matrices", "(3,)")),
    Wrong("cross sizes", np.cross, ((4,), (4,)), kn.ShapeError, ("cross", "4", "2 or 3")),
    Wrong("cross number", lambda a: np.cross(a, 1.0), ((3,),), kn.ShapeError, ("cross", "()")),
    Wrong("cross axis wrong", lambda a: np.cross(a, a, axis=1), ((3,),), AXIS, ("axis 1",)),
    Wrong("convolve matrix", lambda a: np.convolve(a, [1.0]), X23, kn.ShapeError, ("convolve", "(2, 3)")),
    Wrong("convolve empty", lambda a: np.convolve(a, []), X5, kn.ShapeError, ("convolve", "(0,)")),
    Wrong("correlate mode", lambda a: np.correlate(a, a, "middle"), X5, ValueError, ("correlate", "middle")),
    Wrong("polyint m", lambda p: np.polyint(p, -1), X5, ValueError, ("polyint", "-1")),
    Wrong("polyint k", lambda p: np.polyint(p, 3, [1, 2]), X5, ValueError, ("polyint", "3", "2")),
    Wrong("polyder m", lambda p: np.polyder(p, -1), X5, ValueError, ("polyder", "-1")),
    Wrong("vander matrix", np.vander, X23, kn.ShapeError, ("vander", "(2, 3)")),
    Wrong("polyfit sizes", lambda y: np.polyfit([1.0, 2.0], y, 1), X5, kn.ShapeError, ("polyfit", "(2,)", "(5,)")),
]  # fmt: skip
