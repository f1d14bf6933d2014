"""Diagonals, arrangements, choices, and parts taken out and put in, of NumPy's."""

import numpy as np

import knetpy as kn
from knetpy.devices import beside
from tests.ops.row import Row, Wrong

X23, X34, X4, CUBE = ((2, 3),), ((3, 4),), ((4,),), ((3, 4, 2),)
NUMBERS = np.array([[0, 1, 2, 1]] * 3)
ENDS = np.array([0, 0, 1.0, 2, 0, 3, 0])
KEYS = {"a number": 1, "a negative": -1, "numbers": [0, 2], "a slice": slice(0, 2), "one number": [1],
        "repeated": [1, 1, 0], "booleans": np.array([True, False, True]), "nothing": []}  # fmt: skip


def _diagonals():
    for k in (0, 1, -2, 5):
        yield Row(f"diagonal {k}", np.diagonal, lambda x, k=k: np.diagonal(x, k), CUBE)
        yield Row(f"diagonal {k} axes", np.diagonal, lambda x, k=k: np.diagonal(x, k, axis1=2, axis2=-2), CUBE)
        yield Row(f"trace {k}", np.trace, lambda x, k=k: np.trace(x, k), X34)
        yield Row(f"diag {k}", np.diag, lambda x, k=k: np.diag(x, k), X34)
        yield Row(f"diag {k} of a vector", np.diag, lambda x, k=k: np.diag(x, k), X4, edges=(((0,),), ((1,),)))
        for f in (np.tril, np.triu):
            yield Row(f"{f.__name__} {k}", f, lambda x, f=f, k=k: f(x, k), CUBE, edges=(((2, 2),), ((0, 3),)))


ARRANGED = [
    Row(".diagonal", ".diagonal", lambda x: x.diagonal(1), X34),
    Row(".trace", ".trace", lambda x: x.trace(axis1=1, axis2=2), CUBE),
    Row("trace axes", np.trace, lambda x: np.trace(x, 0, -1, 0, dtype=np.float64), CUBE),
    Row("diagflat", np.diagflat, lambda x: np.diagflat(x, -1), X23),
    Row("tril of a vector", np.tril, np.tril, X4),
    Row("triu of a vector", np.triu, np.triu, X4),
    *[Row(f"rot90 {k}", np.rot90, lambda x, k=k: np.rot90(x, k), CUBE) for k in range(-1, 4)],
    Row("rot90 axes", np.rot90, lambda x: np.rot90(x, axes=(-1, 0)), CUBE),
    Row("meshgrid", np.meshgrid, lambda a, b: np.meshgrid(a, b, [1.0, 2.0]), ((3,), (2,))),
    Row("meshgrid ij", np.meshgrid, lambda a, b: np.meshgrid(a, b, indexing="ij", copy=False), ((3,), (2,))),
    Row("meshgrid sparse", np.meshgrid, lambda a, b: np.meshgrid(a, b, sparse=True), ((3,), (2,))),
    Row("meshgrid of one", np.meshgrid, lambda a: np.meshgrid(a), X4, edges=(((0,),), ((),))),
    Row("ix_", np.ix_, lambda a, b: np.ix_(a, b, [True, False]), ((3,), (2,)), special=False),
    Row("block", np.block, lambda a, b: np.block([[a, a], [b, beside(np.ones((1, 1)), b)]]), ((2, 3), (1, 5))),
    Row("block of a list", np.block, lambda a, b: np.block([a, b, 1.0]), ((3,), ())),
    Row("block of one", np.block, lambda a: np.block(a), X4),
    Row("block of three lists", np.block, lambda a, b: np.block([[[a], [a]], [[b], [b]]]), ((3,), (3,))),
    Row("hsplit", np.hsplit, lambda x: np.hsplit(x, 2), CUBE),
    Row("hsplit of a vector", np.hsplit, lambda x: np.hsplit(x, [1, 3]), X4),
    Row("vsplit", np.vsplit, lambda x: np.vsplit(x, 3), CUBE),
    Row("dsplit", np.dsplit, lambda x: np.dsplit(x, [1]), CUBE),
    Row("unstack", np.unstack, lambda x: np.unstack(x, axis=1), CUBE),
    *[Row(f"apply_along_axis {a}", np.apply_along_axis, lambda x, a=a: np.apply_along_axis(np.prod, a, x), CUBE)
      for a in (0, 1, -1)],
    Row("apply_along_axis to vectors", np.apply_along_axis,
        lambda x: np.apply_along_axis(lambda r, k: r[:2] * r.sum() + k, 1, x, k=2.0), CUBE),
    Row("apply_along_axis to matrices", np.apply_along_axis,
        lambda x: np.apply_along_axis(lambda r: np.outer(r, r)[:2], 0, x), CUBE),
    Row("apply_along_axis of a vector", np.apply_along_axis, lambda x: np.apply_along_axis(np.cumsum, 0, x), X4),
    Row("apply_over_axes", np.apply_over_axes, lambda x: np.apply_over_axes(np.sum, x, [0, -1]), CUBE),
    Row("apply_over_axes 1", np.apply_over_axes, lambda x: np.apply_over_axes(np.cumsum, x, 1), CUBE),
]  # fmt: skip

CHOSEN = [
    Row("select", np.select, lambda a, b: np.select([a > 0, b > 0], [a * 2, b], a * b), ((2, 3), (3,)), "apart"),
    Row("select stretched", np.select, lambda a: np.select([beside(NUMBERS > 0, a), True], [a, [1, 2, 3, 4]], 7), X4),
    Row("select of one", np.select, lambda a: np.select([beside(NUMBERS > 1, a)], [a]), X34),
    Row("piecewise", np.piecewise, lambda x: np.piecewise(x, [x < 0, x > 0.5], [np.square, lambda x: x**3, 5.0]), X34,
        "apart"),
    Row("piecewise one", np.piecewise, lambda x: np.piecewise(x, x < 0, [lambda x, k: k * x], 3.0), X4, "apart"),
    Row("piecewise overlapping", np.piecewise,
        lambda x: np.piecewise(x, [x < 1, x < 0.4], [np.square, lambda x: 3 * x]), X34, "apart", edges=(((0,),),)),
    Row("piecewise by a value", np.piecewise, lambda x: np.piecewise(x, [x < 0], [x[0] * 2, np.square]), X4, "apart"),
    Row("piecewise of a number", np.piecewise, lambda x: np.piecewise(x, [x < 0], [np.sin, np.square]), ((),), "apart"),
    Row("choose", np.choose, lambda a, b: np.choose(beside(NUMBERS, a), [a, b, 3.0]), ((3, 4), (4,))),
    Row("choose of rows", np.choose, lambda a: np.choose(beside(NUMBERS, a), a), X34),
    Row("choose wrap", np.choose, lambda a: np.choose(beside(NUMBERS + 5, a), [a, a * a, 2 * a], mode="wrap"), X4),
    Row("choose clip", np.choose, lambda a: np.choose(beside(NUMBERS - 1, a), [a, a * a], mode="clip"), X4),
    *[Row(f"compress {a}", np.compress, lambda x, a=a: np.compress([True, False, True][: 3 - (a == -1)], x, axis=a),
          CUBE) for a in (None, 0, 1, -1)],
    Row(".compress", ".compress", lambda x: x.compress([0, 1], 1), CUBE),
    Row("extract", np.extract, lambda x: np.extract(x > 0, x), X34, "apart", edges=(((0,),),)),
    Row("append", np.append, np.append, ((2, 3), (2,)), edges=(((0,), ()),)),
    Row("append 0", np.append, lambda a: np.append(a, [[1.0, 2.0, 3.0]], axis=0), X23),
    *[Row(f"delete {name}", np.delete, lambda x, k=key: np.delete(x, k, 0), CUBE) for name, key in KEYS.items()],
    Row("delete of all", np.delete, lambda x: np.delete(x, [3, 4]), X34),
    *[Row(f"insert {name}", np.insert, lambda x, b, k=key: np.insert(x, k, b, 0), ((3, 4), (4,)))
      for name, key in KEYS.items()],
    *[Row(f"insert {name} a number", np.insert, lambda x, b, k=key: np.insert(x, k, b, -1), ((3, 4), ()))
      for name, key in KEYS.items() if name != "booleans"],
    Row("insert columns", np.insert, lambda x, b: np.insert(x, 1, b, axis=1), ((3, 4), (3,))),
    Row("insert into all", np.insert, lambda x, b: np.insert(x, [2, 0], b), ((3, 4), (2,))),
    Row("resize", np.resize, lambda x: np.resize(x, (3, 5)), X4),
    Row("resize less", np.resize, lambda x: np.resize(x, 3), X34),
    *[Row(f"trim_zeros {t}", np.trim_zeros, lambda x, t=t: np.trim_zeros(x * beside(ENDS, x), t), ((7,),), "nonzero",
          special=False) for t in ("fb", "f", "B")],
]  # fmt: skip

COMPLEX = {
    "trace": (np.trace, lambda z: np.trace(z, 1) * z[0]),
    "diag": (np.diag, lambda z: np.diag(z[0], 1) @ np.diag(z[1], -1)),
    "triu": (np.triu, lambda z: np.triu(z) * z),
    "rot90": (np.rot90, np.rot90),
    "block": (np.block, lambda z: np.block([[z, z.real], [z * z, beside(np.ones((2, 3)), z)]])),
    "apply_along_axis": (np.apply_along_axis, lambda z: np.apply_along_axis(np.prod, 1, z)),
    "select": (np.select, lambda z: np.select([z.real > 0, z.imag > 0], [z.real, z * z], 1j)),
    "piecewise": (np.piecewise, lambda z: np.piecewise(z, [z.real > 0], [np.square, 2.0])),
    "choose": (np.choose, lambda z: np.choose(beside(np.array([0, 1, 0]), z), [z, z.imag])),
    "compress": (np.compress, lambda z: np.compress([True, False, True], z, 1)),
    "insert": (np.insert, lambda z: np.insert(z, 1, z[0], 0)),
    "delete": (np.delete, lambda z: np.delete(z, 1, 1)),
    "resize": (np.resize, lambda z: np.resize(z, 8)),
}

ROWS = [
    *_diagonals(),
    *ARRANGED,
    *CHOSEN,
    *[Row(f"{name} of complex", op, lambda a, b, f=f: f(a + 1j * b), ((2, 3), (2, 3)), "apart", exact=False)
      for name, (op, f) in COMPLEX.items()],
]  # fmt: skip


CONSTANTS = {
    np.diag_indices_from: lambda x: np.diag_indices_from(x[:, :2]),
    np.tril_indices_from: lambda x: np.tril_indices_from(x, 1),
    np.triu_indices_from: lambda x: np.triu_indices_from(x),
    np.ravel_multi_index: lambda x: np.ravel_multi_index(np.nonzero(x > 0), x.shape),
    np.min_scalar_type: lambda x: np.min_scalar_type(x),
    np.put: None,  # these write into an array, or are refused
    np.place: None,
    np.putmask: None,
    np.put_along_axis: None,
    np.fill_diagonal: None,
}


AXIS = np.exceptions.AxisError

WRONG = [
    Wrong("diagonal of a vector", np.diagonal, ((3,),), ValueError, ("diagonal", "(3,)", "np.diag")),
    Wrong("diagonal axes", lambda x: np.diagonal(x, 0, 1, -1), X23, ValueError, ("axis1", "axis2")),
    Wrong("diagonal axis", lambda x: np.diagonal(x, 0, 0, 2), X23, AXIS, ("2",)),
    Wrong("trace out", lambda x: np.trace(x, out=np.ones(())), X23, TypeError, ("trace", "out=")),
    Wrong("diag of a cube", np.diag, CUBE, ValueError, ("diag", "(3, 4, 2)")),
    Wrong("rot90 axes", lambda x: np.rot90(x, 1, (0, -2)), X23, ValueError, ("rot90", "(0, -2)")),
    Wrong("meshgrid indexing", lambda x: np.meshgrid(x, x, indexing="yx"), ((3,),), ValueError, ("meshgrid", "'yx'")),
    Wrong("ix_", np.ix_, X23, ValueError, ("ix_", "(2, 3)")),
    Wrong("block depth", lambda x: np.block([[x], x]), X23, ValueError, ("block",)),
    Wrong("block shapes", lambda x: np.block([[x], [x[:, 1:]]]), X23, kn.ShapeError, ("(2, 3)", "(2, 2)")),
    Wrong("hsplit of a number", lambda x: np.hsplit(x, 1), ((),), ValueError, ("hsplit", "()")),
    Wrong("vsplit", lambda x: np.vsplit(x, 1), ((3,),), ValueError, ("vsplit", "(3,)")),
    Wrong("vsplit unequal", lambda x: np.vsplit(x, 2), ((3, 2),), ValueError, ("equal division",)),
    Wrong("unstack of a number", np.unstack, ((),), ValueError, ("unstack", "()")),
    Wrong("apply_along_axis", lambda x: np.apply_along_axis(np.sum, 2, x), X23, AXIS, ("2",)),
    Wrong("apply_along_axis of none", lambda x: np.apply_along_axis(np.sum, 1, x), ((0, 3),), ValueError,
          ("apply_along_axis", "(0, 3)")),
    Wrong("select count", lambda x: np.select([x > 0], [x, x]), X23, ValueError, ("select", "1", "2")),
    Wrong("select of integers", lambda x: np.select([[1, 0, 1]], [x]), X23, TypeError, ("condlist[0]", "int64")),
    Wrong("piecewise count", lambda x: np.piecewise(x, [x > 0], [1, 2, 3]), X23, ValueError, ("piecewise", "1", "3")),
    Wrong("choose too many", lambda x: np.choose(NUMBERS, [x, x]), X4, ValueError, ("choose", "1")),
    Wrong("choose by floats", lambda x: np.choose(NUMBERS * 1.0, [x, x, x]), X4, TypeError, ("choose", "float64")),
    Wrong("choose by a value", lambda x: np.choose(x, [1, 2]), X4, TypeError, ("choose",)),
    Wrong("compress", lambda x: np.compress([[True]], x), X23, ValueError, ("compress", "(1, 1)")),
    Wrong("compress out", lambda x: np.compress([True], x, out=np.ones(1)), X23, TypeError, ("out=",)),
    Wrong("delete", lambda x: np.delete(x, 3, 1), X23, IndexError, ("3",)),
    Wrong("insert", lambda x: np.insert(x, 4, 1.0, 1), X23, IndexError, ("4",)),
    Wrong("insert at a value", lambda x: np.insert(np.ones(3), x[0, 0], 1.0), X23, kn.DerivativeError, ("obj=",)),
    Wrong("resize", lambda x: np.resize(x, -1), X23, ValueError, ("resize", "-1")),
    Wrong("trim_zeros", lambda x: np.trim_zeros(x, "q"), ((3,),), ValueError, ("q",)),
]  # fmt: skip
