"""NumPy's functions, array methods and operators."""

import operator

import numpy as np

import knetpy as kn
from tests.ops.row import EMPTY, Row, Wrong

inf, nan = np.inf, np.nan


# --------------------------------------------------------------------------------------------- elementwise ops

UNARY = {
    "any": (
        np.positive, np.negative, np.conjugate, np.square, np.exp, np.exp2, np.expm1, np.sin, np.cos, np.arctan,
        np.sinh, np.cosh, np.tanh, np.arcsinh, np.radians, np.deg2rad,
    ),
    "nonzero": (np.absolute, np.fabs, np.reciprocal, np.cbrt),
    "positive": (np.sqrt, np.log, np.log2, np.log10, np.log1p),
    "unit": (np.tan, np.arcsin, np.arccos, np.arctanh),
    "above1": (np.arccosh,),
}  # fmt: skip

BINARY = {
    np.add: "any any",
    np.subtract: "any any",
    np.multiply: "any any",
    np.true_divide: "any nonzero",
    np.power: "positive any",
    np.float_power: "positive any",
    np.remainder: "dividend divisor",
    np.fmod: "dividend divisor",
    np.arctan2: "nonzero nonzero",
    np.hypot: "nonzero nonzero",
    np.logaddexp: "any any",
    np.logaddexp2: "any any",
    np.maximum: "apart",
    np.minimum: "apart",
    np.fmax: "apart",
    np.fmin: "apart",
}

PAIRS = {  # shapes that broadcast
    "": ((2, 3), (2, 3)),
    "row": ((2, 3), (3,)),
    "column": ((2, 1), (2, 3)),
    "both": ((2, 1), (1, 3)),
    "axes": ((2,), (2, 1, 2)),
    "scalar": ((), (2, 3)),
}
EMPTY_PAIRS = (((0,), (0,)), ((2, 0), (1,)), ((1, 1), (1,)), ((), ()), ((0, 1), (1, 3)), ((1,), (0,)))

WHOLE = np.array([[1, 2, 3], [3, 1, 2]])
MASK = np.array([[True, False, True], [False, False, True]])


def _elementwise():
    for domain, functions in UNARY.items():
        for f in functions:
            yield Row(f.__name__, f, f, ((2, 3),), domain, elementwise=True, edges=EMPTY)
    for f, domain in BINARY.items():
        for case, shapes in PAIRS.items():
            name = f"{f.__name__} {case}".strip()
            edges = () if case else EMPTY_PAIRS
            yield Row(name, f, f, shapes, domain, elementwise=True, edges=edges)
        words = domain.split() if " " in domain else ["dividend", "dividend"]
        for kind, c in {"number": 3, "float": 3.25, "whole": WHOLE, "list": [3.25, 3.5, 4.0]}.items():
            yield Row(
                f"{f.__name__} {kind} right", f, lambda x, f=f, c=c: f(x, c), ((2, 3),), words[0], elementwise=True
            )
            yield Row(
                f"{f.__name__} {kind} left", f, lambda x, f=f, c=c: f(c, x), ((2, 3),), words[1], elementwise=True
            )


BYTES = np.array([[100, 120, 90]], np.int8)  # products of these overflow

ELEMENTWISE = [
    *_elementwise(),
    Row("degrees", np.degrees, lambda x: np.degrees(x) * 0.01, ((2, 3),), elementwise=True, edges=EMPTY),
    Row("rad2deg", np.rad2deg, lambda x: np.rad2deg(x) * 0.01, ((2, 3),), elementwise=True, edges=EMPTY),
    Row("arctan2 bytes", np.arctan2, lambda x: np.arctan2(x, BYTES), ((2, 3),), "nonzero", elementwise=True),
    Row("power of bytes", np.power, lambda x: np.power(BYTES, x * 0.2), ((2, 3),), elementwise=True),
    Row("power 0", np.power, lambda x: x**0, ((2, 3),), elementwise=True),
    Row("power 1", np.power, lambda x: x**1, ((2, 3),), elementwise=True),
    Row("power 2", np.power, lambda x: x**2, ((2, 3),), elementwise=True, exact=False),
    Row("power -1", np.power, lambda x: x**-1, ((2, 3),), "nonzero", elementwise=True, exact=False),
    Row("power .5", np.power, lambda x: x**0.5, ((2, 3),), "positive", elementwise=True, exact=False, special=False),
    Row("copysign", np.copysign, lambda x: np.copysign(x, [[1.0], [-2.0]]), ((2, 3),), "nonzero", elementwise=True),
    Row("copysign stretched", np.copysign, lambda x: np.copysign(x, [[1.0], [-2.0]]), ((3,),), "nonzero"),
    Row("copysign of both", np.copysign, np.copysign, ((2, 3), (3,)), "nonzero", elementwise=True),
    Row("ldexp", np.ldexp, lambda x: np.ldexp(x, WHOLE), ((2, 3),), elementwise=True),
    Row("ldexp stretched", np.ldexp, lambda x: np.ldexp(x, WHOLE), ((3,),)),
    Row("where", np.where, lambda a, b: np.where(MASK, a, b), ((2, 3), (2, 3)), elementwise=True),
    Row("where by itself", np.where, lambda x: np.where(x > 0, x * 2, x * x), ((2, 3),), "nonzero", elementwise=True),
    Row("where stretched", np.where, lambda a, b: np.where(MASK, a, b), ((3,), ()), elementwise=True),
    Row("where mask stretched", np.where, lambda a: np.where(MASK[:1], a, 1.5), ((2, 1),), elementwise=True),
    Row("where empty", np.where, lambda a, b: np.where(a > b, a, b), ((2,), (2,)), "apart", edges=EMPTY_PAIRS),
    Row("clip", np.clip, lambda x: np.clip(x, -0.5, 0.7), ((2, 3),), "apart", elementwise=True, edges=EMPTY),
    Row("clip low", np.clip, lambda x: np.clip(x, 0.1, None), ((2, 3),), "apart", elementwise=True),
    Row("clip high", np.clip, lambda x: np.clip(x, None, 0.1), ((2, 3),), "apart", elementwise=True),
    Row("clip by names", np.clip, lambda x: np.clip(x, a_min=-0.5, a_max=0.7), ((2, 3),), "apart", elementwise=True),
    Row("clip by new names", np.clip, lambda x: np.clip(x, min=-0.5, max=0.7), ((2, 3),), "apart", elementwise=True),
    Row("clip by arrays", np.clip, np.clip, ((2, 3), (3,), (2, 1)), "apart", elementwise=True),
    Row("clip crossed", np.clip, lambda x, a, b: np.clip(x, a + 9, b), ((2, 3), (3,), (2, 1)), "apart"),
    Row("clip constant", np.clip, lambda a, b: np.clip(WHOLE * 0.3, a, b), ((3,), ()), "apart", elementwise=True),
    Row("copy", np.copy, np.copy, ((2, 3),), elementwise=True, edges=EMPTY),
    Row("astype", np.astype, lambda x: np.astype(x, np.float64), ((2, 3),)),
    Row("full_like", np.full_like, lambda x: np.full_like(x, x[0]), ((2, 3),)),
    Row("full_like number", np.full_like, lambda x: x * np.full_like(x, 2), ((2, 3),)),
    Row("full_like shape", np.full_like, lambda x: np.full_like(x, x[:2], shape=(4, 2)), ((3,),)),
    # operators
    Row("operator +", "__add__", lambda a, b: a + b, ((2, 3), (3,)), elementwise=True),
    Row("operator -", "__sub__", lambda a, b: a - b, ((2, 3), (3,)), elementwise=True),
    Row("operator *", "__mul__", lambda a, b: a * b, ((2, 3), (3,)), elementwise=True),
    Row("operator /", "__truediv__", lambda a, b: a / b, ((2, 3), (3,)), "nonzero", elementwise=True),
    Row("operator %", "__mod__", lambda a, b: a % b, ((2, 3), (3,)), "dividend divisor", elementwise=True),
    Row("operator **", "__pow__", lambda a, b: a**b, ((2, 3), (3,)), "positive any", elementwise=True),
    Row("operator @", "__matmul__", lambda a, b: a @ b, ((2, 3), (3, 2))),
    Row("operator // as factor", "__floordiv__", lambda a, b: a // b * a, ((2,), (2,)), "dividend divisor"),
    Row("operator neg", "__neg__", operator.neg, ((2, 3),), elementwise=True),
    Row("operator pos", "__pos__", operator.pos, ((2, 3),), elementwise=True),
    Row("operator abs", "__abs__", abs, ((2, 3),), "nonzero", elementwise=True),
    Row("operator + number", "__radd__", lambda x: 1 + x + 2.5, ((2, 3),), elementwise=True),
    Row("operator - array", "__rsub__", lambda x: WHOLE - x - 2, ((2, 3),), elementwise=True),
    Row("operator * list", "__rmul__", lambda x: [2.5, 3, 4] * x, ((2, 3),), elementwise=True),
    Row("operator / NumPy number", "__rtruediv__", lambda x: np.float32(2) / x, ((2, 3),), "nonzero", elementwise=True),
    Row("operator % number", "__rmod__", lambda x: 5.25 % x, ((2, 3),), "divisor", elementwise=True),
    Row("operator ** number", "__rpow__", lambda x: 2.5**x, ((2, 3),), elementwise=True),
    Row("operator @ array", "__rmatmul__", lambda x: np.arange(4.0).reshape(2, 2) @ x, ((2, 3),)),
    Row("operator @ list", "__rmatmul__", lambda x: [[1.0, 2.0]] @ x, ((2, 3),)),
    Row("operator // number", "__rfloordiv__", lambda x: 5.25 // x * x, ((2, 3),), "divisor"),
]  # fmt: skip


# ------------------------------------------------------------------------------------------------- reductions

AXES = {
    "": {},
    " 0": {"axis": 0},
    " -1": {"axis": -1},
    " 2": {"axis": (2, 0)},
    " kept": {"axis": (0, -1), "keepdims": True},
}
CUBE, X23, X5 = ((2, 3, 2),), ((2, 3),), ((5,),)


def _reductions():
    for f, domain in ((np.sum, "any"), (np.mean, "any"), (np.prod, "near1"), (np.max, "apart"), (np.min, "apart"),
                      (np.var, "any"), (np.std, "any")):  # fmt: skip
        edges = (((0, 3),), ((3, 0),)) if f in (np.sum, np.prod) else ()
        for case, options in AXES.items():
            yield Row(f.__name__ + case, f, lambda x, f=f, o=options: f(x, **o), CUBE, domain)
        yield Row(f"{f.__name__} no axis", f, lambda x, f=f: f(x, axis=()), ((2, 3),), domain, twice=f is not np.std)
        yield Row(f"{f.__name__} keepdims", f, lambda x, f=f: f(x, keepdims=True), ((2, 3),), domain)
        yield Row(f"{f.__name__} last", f, lambda x, f=f: f(x, 1), ((2, 3),), domain, edges=(((1, 1),), *edges))
        yield Row(f"{f.__name__} scalar", f, f, ((),), domain, twice=f is not np.std)
        yield Row(f".{f.__name__}", f".{f.__name__}", lambda x, n=f.__name__: getattr(x, n)(), CUBE, domain)
        yield Row(f".{f.__name__} 0", f".{f.__name__}", lambda x, n=f.__name__: getattr(x, n)(0), CUBE, domain)
        yield Row(
            f".{f.__name__} 2", f".{f.__name__}", lambda x, n=f.__name__: getattr(x, n)(axis=(0, 1)), CUBE, domain
        )


def _norms():
    for ord in (None, 2, 1, 3, 2.5, 0.5, 0, -1, -2, inf, -inf):
        yield Row(f"norm {ord}", np.linalg.norm, lambda x, o=ord: np.linalg.norm(x, o), ((4,),), "apart", exact=False)
        rows = f"norm {ord} of rows"
        yield Row(rows, np.linalg.norm, lambda x, o=ord: np.linalg.norm(x, o, axis=-1), X23, "apart", exact=False)
    for ord in ("fro", 1, -1, inf, -inf):
        name, f, kept = f"norm {ord} of a matrix", np.linalg.norm, {"axis": (-1, 0), "keepdims": True}
        yield Row(name, f, lambda x, o=ord: np.linalg.norm(x, ord=o), ((3, 2),), "apart", exact=False)
        yield Row(f"{name} kept", f, lambda x, o=ord, k=kept: np.linalg.norm(x, o, **k), CUBE, "apart", exact=False)


REDUCTIONS = [
    *_reductions(),
    *_norms(),
    Row("amax", np.amax, lambda x: np.amax(x, 0), ((2, 3),), "apart"),
    Row("amin", np.amin, lambda x: np.amin(x, 0), ((2, 3),), "apart"),
    Row("norm of a cube", np.linalg.norm, np.linalg.norm, CUBE, exact=False),
    Row("norm of columns", np.linalg.norm, lambda x: np.linalg.norm(x, axis=0, keepdims=True), ((3, 2),), exact=False),
    Row("sum in float64", np.sum, lambda x: np.sum(x, 0, np.float64), ((2, 3),)),
    Row("mean in float64", np.mean, lambda x: np.mean(x, dtype=np.float64), ((2, 3),)),
    Row("var ddof", np.var, lambda x: np.var(x, axis=1, ddof=1), ((2, 3),)),
    Row("var correction", np.var, lambda x: np.var(x, axis=1, correction=1), ((2, 3),)),
    Row("std ddof", np.std, lambda x: np.std(x, axis=0, ddof=1, keepdims=True), ((3, 2),)),
    Row(".std ddof", ".std", lambda x: x.std(ddof=1), ((2, 3),)),
    Row("prod of many", np.prod, np.prod, ((5,),), "nonzero"),
    Row("cumsum", np.cumsum, np.cumsum, ((2, 3),), edges=(((0,),), ((1, 0),))),
    Row("cumsum 0", np.cumsum, lambda x: np.cumsum(x, 0), ((2, 3),)),
    Row("cumsum -1", np.cumsum, lambda x: np.cumsum(x, axis=-1, dtype=np.float64), ((2, 3),)),
    Row(".cumsum", ".cumsum", lambda x: x.cumsum(1), ((2, 3),)),
]


# ---------------------------------------------------------------------------------------------------- indexing

KEYS = {  # of a (3, 4) array
    "a row": 1,
    "a row from the end": -1,
    "NumPy integer": np.int64(2),
    "an element": (1, 2),
    "slice": slice(1, 3),
    "slices": (slice(None, None, 2), slice(3, 0, -1)),
    "reversed": (slice(None, None, -1), slice(None, None, -2)),
    "empty slice": slice(2, 2),
    "ellipsis": ...,
    "ellipsis and column": (..., 0),
    "new axis": None,
    "new axes": (slice(None), None, 1, None),
    "nothing": (),
    "list": [0, 2],
    "list with repeats": [1, 1, 0, 1],
    "negative repeats": [2, -1, -1],
    "empty list": [],
    "range": range(2),
    "nested list": [[0, 1], [1, 1]],
    "array": np.array([2, 0, 2]),
    "bytes": np.array([2, 0, 2], np.uint8),
    "0-d array": np.array(1),
    "matrix of indices": np.array([[0, 1], [1, 2]]),
    "paired arrays": (np.array([0, 0, 1]), np.array([3, 3, 0])),
    "stretched arrays": (np.array([[0], [2]]), np.array([1, 1])),
    "nested tuple": ((0, 0, 1),),
    "nested tuples": ((0, 0, 1), (3, 3, 3)),
    "list and slice": ([0, 0], slice(1, 3)),
    "slice and list": (slice(None), [3, 3, 0]),
    "list and integer": ([0, 0, 1], 2),
    "list, axis, list": ([0, 0], None, [1, 1]),
    "mask": np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]], bool),
    "mask of rows": np.array([True, False, True]),
    "list of booleans": [True, False, True],
    "mask and column": (np.array([True, False, True]), 1),
    "mask and list": (np.array([True, False, True]), [1, 1]),
    "empty mask": np.zeros((3, 4), bool),
    "True": True,
    "False": False,
    "True and row": (True, 1),
}

INDEXING = [
    *[Row(f"x[{name}]", "__getitem__", lambda x, k=key: x[k], ((3, 4),)) for name, key in KEYS.items()],
    Row("x[list, :, list]", "__getitem__", lambda x: x[[0, 0], :, [1, 1]], CUBE),
    Row("x[:, list, list]", "__getitem__", lambda x: x[:, [0, 2, 2], [1, 1, 1]], CUBE),
    Row("x[()] of a scalar", "__getitem__", lambda x: x[()], ((),)),
    Row("x[None] of a scalar", "__getitem__", lambda x: x[None], ((),)),
    Row("x[...] of nothing", "__getitem__", lambda x: x[1:, ...], ((2, 0),), edges=(((1, 0),), ((1, 1),))),
    Row("x[x > 0]", "__getitem__", lambda x: x[x > 0] * 3, ((3, 4),), "nonzero"),
    Row("iteration", "__iter__", lambda x: sum(i * part for i, part in enumerate(x)), ((3, 2),)),
    Row("unpacking", "__iter__", lambda x: [x[0] * b + a for a, b in [x]][0], ((2,),)),
    Row("take", np.take, lambda x: np.take(x, [0, 3, 3]), X23, edges=(((1, 4),),)),
    Row("take 1", np.take, lambda x: np.take(x, [[0, 2], [2, 2]], axis=1), X23),
    Row("take -2", np.take, lambda x: np.take(x, 1, axis=-2), X23),
    Row("take wrap", np.take, lambda x: np.take(x, [-4, 7], 0, mode="wrap"), X23),
    Row("take clip", np.take, lambda x: np.take(x, [-4, 1, 7], 1, mode="clip"), X23),
    Row("take of none", np.take, lambda x: np.take(x, [], 1), X23),
    Row("take of a number", np.take, lambda x: np.take(x, [0, 0], 0), ((),)),
    Row("take by booleans", np.take, lambda x: np.take(x, [True, False, False], 1), X23),
    Row(".take", ".take", lambda x: x.take([1, 1], axis=0), X23),
    Row("take_along_axis", np.take_along_axis, lambda x: np.take_along_axis(x, WHOLE % 2, 0), X23),
    Row("take_along_axis -1", np.take_along_axis, lambda x: np.take_along_axis(x, WHOLE[:1] - 1, -1), X23),
    Row("take_along_axis default", np.take_along_axis, lambda x: np.take_along_axis(x, x.argsort(), -1), X23, "apart"),
    Row("take_along_axis bytes", np.take_along_axis, lambda x: np.take_along_axis(x, np.uint8([[0, 1, 1]]), 0), X23),
    Row(
        "take_along_axis of many by bytes",
        np.take_along_axis,
        lambda x: np.take_along_axis(x, np.int8([[-1, 2]]), 1),
        ((1, 200),),
    ),
    Row("take_along_axis of none", np.take_along_axis, lambda x: np.take_along_axis(x, np.zeros((0, 3), int), 0), X23),
    Row("take_along_axis flat", np.take_along_axis, lambda x: np.take_along_axis(x, np.array([4, 4, 0]), None), X23),
    Row("bincount", np.bincount, lambda w: np.bincount([1, 4, 1, 0, 1], w), X5),
    Row("bincount minlength", np.bincount, lambda w: np.bincount([1, 4, 1, 0, 1], weights=w, minlength=7), X5),
]


# ------------------------------------------------------------------------------------------------------ shapes

THREE = ((2, 1, 3),)

SHAPES = [
    Row("reshape", np.reshape, lambda x: np.reshape(x, (3, 2)), X23),
    Row("reshape -1", np.reshape, lambda x: np.reshape(x, -1), X23, edges=(((0, 3),), ((1, 1),), ((),))),
    Row("reshape F", np.reshape, lambda x: np.reshape(x, (3, -1), order="F"), X23),
    Row("reshape F by place", np.reshape, lambda x: np.reshape(x, (3, -1), "F"), X23),
    Row("reshape A", np.reshape, lambda x: np.reshape(x, (3, -1), order="A"), X23),
    Row("reshape array", np.reshape, lambda x: np.reshape(x, np.array([3, 2])), X23),
    Row("reshape shape=", np.reshape, lambda x: np.reshape(x, shape=(6,)), X23),
    Row("reshape scalar", np.reshape, lambda x: np.reshape(x, ()), ((1, 1),)),
    Row(".reshape", ".reshape", lambda x: x.reshape(3, -1), X23),
    Row(".reshape tuple", ".reshape", lambda x: x.reshape((3, 2)), X23),
    Row(".reshape list F", ".reshape", lambda x: x.reshape([3, 2], order="F"), X23),
    Row(".reshape 6", ".reshape", lambda x: x.reshape(6), X23),
    Row("ravel", np.ravel, np.ravel, X23),
    Row("ravel F", np.ravel, lambda x: np.ravel(x, "F"), X23),
    Row("ravel K", np.ravel, lambda x: np.ravel(x * 1, order="K"), X23),
    Row(".ravel", ".ravel", lambda x: x.ravel(), X23),
    Row(".flatten", ".flatten", lambda x: x.flatten(), X23),
    Row(".flatten F", ".flatten", lambda x: x.flatten("F"), X23),
    Row("transpose", np.transpose, np.transpose, CUBE, edges=(((0, 3),), ((),))),
    Row("transpose axes", np.transpose, lambda x: np.transpose(x, (2, 0, 1)), CUBE),
    Row("transpose axes=", np.transpose, lambda x: np.transpose(x, axes=[-1, 0, 1]), CUBE),
    Row(".transpose", ".transpose", lambda x: x.transpose(1, -1, 0), CUBE),
    Row(".transpose tuple", ".transpose", lambda x: x.transpose((1, 2, 0)), CUBE),
    Row(".transpose none", ".transpose", lambda x: x.transpose(), CUBE),
    Row(".T", ".T", lambda x: x.T, CUBE),
    Row(".mT", ".mT", lambda x: x.mT, CUBE),
    Row("permute_dims", np.permute_dims, lambda x: np.permute_dims(x, axes=(2, 0, 1)), CUBE),
    Row("matrix_transpose", np.matrix_transpose, np.matrix_transpose, CUBE),
    Row("swapaxes", np.swapaxes, lambda x: np.swapaxes(x, 0, -1), CUBE),
    Row(".swapaxes", ".swapaxes", lambda x: x.swapaxes(0, 1), CUBE),
    Row("moveaxis", np.moveaxis, lambda x: np.moveaxis(x, 0, -1), CUBE),
    Row("moveaxis pairs", np.moveaxis, lambda x: np.moveaxis(x, [0, 1], (-1, 0)), CUBE),
    Row("rollaxis", np.rollaxis, lambda x: np.rollaxis(x, 2), CUBE),
    Row("rollaxis start", np.rollaxis, lambda x: np.rollaxis(x, 0, 2), CUBE),
    Row("squeeze", np.squeeze, np.squeeze, THREE, edges=(((1, 1),), ((0, 1),))),
    Row("squeeze axis", np.squeeze, lambda x: np.squeeze(x, axis=1), THREE),
    Row(".squeeze", ".squeeze", lambda x: x.squeeze((0, -1)), ((1, 2, 1),)),
    Row("expand_dims", np.expand_dims, lambda x: np.expand_dims(x, -1), X23, edges=(((),), ((0,),))),
    Row("expand_dims axes", np.expand_dims, lambda x: np.expand_dims(x, (0, 2)), X23),
    Row("broadcast_to", np.broadcast_to, lambda x: np.broadcast_to(x, (4, 2, 3)), ((2, 1),)),
    Row("broadcast_to number", np.broadcast_to, lambda x: np.broadcast_to(x, 3), ((),)),
    Row("broadcast_to same", np.broadcast_to, lambda x: np.broadcast_to(x, (2, 3)), X23),
    Row("broadcast_to none", np.broadcast_to, lambda x: np.broadcast_to(x, (0, 3)), ((3,),)),
    Row("broadcast_arrays", np.broadcast_arrays, np.broadcast_arrays, ((2, 1), (3,), ())),
    Row("concatenate", np.concatenate, lambda a, b: np.concatenate([a, b]), ((2, 3), (1, 3)),
        edges=(((0, 3), (1, 3)), ((0,), (0,)))),
    Row("concatenate 1", np.concatenate, lambda a, b: np.concatenate((a, WHOLE, b), axis=1), ((2, 3), (2, 1))),
    Row("concatenate -1", np.concatenate, lambda a: np.concatenate((a, a * a), axis=-1), ((2, 3),)),
    Row("concatenate flat", np.concatenate, lambda a, b: np.concatenate((a, b, [1, 2]), axis=None), ((2, 3), (2,))),
    Row("concatenate rows", np.concatenate, np.concatenate, ((3, 2),)),
    Row("concatenate dtype", np.concatenate, lambda a, b: np.concatenate([a, b], dtype=np.float64), ((2,), (1,))),
    Row("concat", np.concat, lambda a, b: np.concat([a, b], 1), ((2, 3), (2, 2))),
    Row("stack", np.stack, lambda a, b: np.stack([a, b]), ((2, 3), (2, 3)), edges=(((0,), (0,)), ((), ()))),
    Row("stack -1", np.stack, lambda a, b: np.stack([a, WHOLE, b], axis=-1), ((2, 3), (2, 3))),
    Row("stack rows", np.stack, lambda a: np.stack(a, 1), ((3, 2),)),
    Row("vstack", np.vstack, lambda a, b: np.vstack([a, b]), ((2, 3), (3,))),
    Row("hstack", np.hstack, lambda a, b: np.hstack([a, b]), ((2, 3), (2, 1))),
    Row("hstack vectors", np.hstack, lambda a, b: np.hstack([a, b, 1.0]), ((2,), ())),
    Row("dstack", np.dstack, lambda a, b: np.dstack([a, b]), ((2, 3), (2, 3))),
    Row("column_stack", np.column_stack, lambda a, b: np.column_stack([a, b]), ((2,), (2, 3))),
    Row("atleast_1d", np.atleast_1d, np.atleast_1d, ((),), edges=(((0,),),)),
    Row("atleast_2d", np.atleast_2d, np.atleast_2d, ((), (3,), (2, 1))),
    Row("atleast_3d", np.atleast_3d, np.atleast_3d, ((), (3,), (2, 3))),
    Row("split", np.split, lambda x: np.split(x, 3, axis=1), X23, edges=(((0, 3),),)),
    Row("split at", np.split, lambda x: np.split(x, [1, 1, 4], axis=-1), X23),
    Row("array_split", np.array_split, lambda x: np.array_split(x, 2, axis=1), X23),
    Row("tile", np.tile, lambda x: np.tile(x, 2), X23, edges=(((),), ((0,),))),
    Row("tile axes", np.tile, lambda x: np.tile(x, (2, 1, 3)), X23),
    Row("tile fewer", np.tile, lambda x: np.tile(x, (2, 2)), CUBE),
    Row("repeat", np.repeat, lambda x: np.repeat(x, 2), X23),
    Row("repeat counts", np.repeat, lambda x: np.repeat(x, [2, 0, 1], axis=1), X23),
    Row("repeat -2", np.repeat, lambda x: np.repeat(x, repeats=np.array([1, 3]), axis=-2), X23),
    Row(".repeat", ".repeat", lambda x: x.repeat(2, axis=0), X23),
    Row("flip", np.flip, np.flip, X23, edges=(((),), ((0, 2),))),
    Row("flip axes", np.flip, lambda x: np.flip(x, axis=(0, -1)), CUBE),
    Row("fliplr", np.fliplr, np.fliplr, X23),
    Row("flipud", np.flipud, np.flipud, X23),
    Row("roll", np.roll, lambda x: np.roll(x, 2), X23, edges=(((0, 2),), ((1,),))),
    Row("roll axis", np.roll, lambda x: np.roll(x, -1, axis=1), X23),
    Row("roll axes", np.roll, lambda x: np.roll(x, (1, 5), axis=(0, -1)), X23),
    Row("roll lists", np.roll, lambda x: np.roll(x, [1, 2], axis=[0, 1]), X23),
    Row("flip list", np.flip, lambda x: np.flip(x, axis=[1]), X23),
    Row("roll twice", np.roll, lambda x: np.roll(x, (1, 1), axis=1), X23),
    Row("pad", np.pad, lambda x: np.pad(x, 1), X23, edges=(((0, 2),), ((1, 1),))),
    Row("pad pairs", np.pad, lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=3), X23),
    Row("pad one pair", np.pad, lambda x: np.pad(x, (1, 2), "constant"), X23),
    Row("pad dict", np.pad, lambda x: np.pad(x, {-1: (1, 2)}), X23),
    *[Row(f"pad {mode}", np.pad, lambda x, m=mode: np.pad(x, ((2, 1), (1, 3)), mode=m), ((3, 4),))
      for mode in ("edge", "reflect", "symmetric", "wrap")],
    Row(".copy", ".copy", lambda x: x.copy(), X23),
    Row(".astype", ".astype", lambda x: x.astype(np.float64, copy=False), X23),
    Row(".clip", ".clip", lambda x: x.clip(-0.3, 0.5), X23, "apart"),
    Row(".clip min", ".clip", lambda x: x.clip(min=0.1), X23, "apart"),
    Row(".conjugate", ".conjugate", lambda x: x.conjugate(), X23),
    Row(".conj", ".conj", lambda x: x.conj(), X23),
]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- products

EINSUMS = {  # subscripts: shapes
    "ij->": ((2, 3),),
    "ij->ji": ((2, 3),),
    "ii": ((3, 3),),
    "ii->i": ((3, 3),),
    "iij->j": ((2, 2, 3),),
    "iii->i": ((2, 2, 2),),
    "i,i": ((3,), (3,)),
    "i,j": ((2,), (3,)),
    "ij,jk": ((2, 3), (3, 2)),
    "ij,jk->ik": ((2, 3), (3, 2)),
    "ij , jk -> ki": ((2, 3), (3, 2)),
    "ji,jk->ik": ((3, 2), (3, 2)),
    "ij,ij->ij": ((2, 3), (2, 3)),
    "ij,ij->i": ((1, 3), (2, 3)),  # an axis of size one is stretched
    "ij,ij->": ((2, 1), (2, 3)),
    "ij,kl->": ((2, 3), (2, 2)),  # both summed alone
    "ij,k->k": ((2, 3), (2,)),
    "bij,bjk->bik": ((2, 2, 3), (2, 3, 2)),
    "...ij,...jk->...ik": ((2, 2, 3), (3, 2)),
    "...i,...i->...": ((2, 3), (2, 2, 3)),
    "...ij,jk": ((2, 2, 3), (3, 2)),
    "i...->...": ((2, 3),),
    "i...,i->...i": ((2, 3), (2,)),
    "...,...->...": ((2, 1), (3,)),
    "ii,ij->j": ((2, 2), (2, 3)),
    "ij,jk,kl->il": ((2, 3), (3, 2), (2, 2)),
    "i,i,i->": ((3,), (3,), (3,)),
    "Ba,aB->B": ((2, 3), (3, 2)),
    ",->": ((), ()),
    ",i->i": ((), (3,)),
}

PRODUCTS = [
    *[
        Row(f"matmul {a} {b}".replace(" ", ""), np.matmul, np.matmul, (a, b))
        for a, b in (
            ((2, 3), (3, 2)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3, 2)), ((2, 3), (4, 3, 2)),
            ((4, 2, 3), (4, 3, 2)), ((2, 1, 2, 3), (3, 3, 2)), ((3,), (4, 3, 2)), ((4, 2, 3), (3,)), ((1, 1), (1, 1)),
        )
    ],
    Row("matmul of none", np.matmul, np.matmul, ((2, 3), (3, 2)),
        edges=(((0, 3), (3, 2)), ((2, 0), (0, 2)), ((2, 3), (3, 0)), ((0,), (0,)))),
    *[Row(f"einsum {s}", np.einsum, lambda *xs, s=s: np.einsum(s, *xs), shapes, exact=False)
      for s, shapes in EINSUMS.items()],
    Row("einsum lists", np.einsum, lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), ((2, 3), (3, 2)), exact=False),
    Row("einsum implicit lists", np.einsum, lambda a: np.einsum(a, [1, 0]), ((2, 3),), exact=False),
    Row("einsum ellipsis lists", np.einsum, lambda a: np.einsum(a, [..., 0], [0, ...]), CUBE, exact=False),
    Row("einsum optimize", np.einsum, lambda *xs: np.einsum("ij,jk,kl", *xs, optimize=True), ((2, 3), (3, 2), (2, 2)),
        exact=False),
    Row("einsum path", np.einsum, lambda *xs: np.einsum("ij,jk", *xs, optimize=["einsum_path", (0, 1)]),
        ((2, 3), (3, 2)), exact=False),
    Row("einsum constant", np.einsum, lambda a: np.einsum("ij,ij,j->i", a, WHOLE, [1.0, 2.0, 3.0]), X23, exact=False),
    Row("einsum dtype", np.einsum, lambda a: np.einsum("ij->j", a, dtype=np.float64), X23, exact=False),
    Row("einsum of none", np.einsum, lambda a, b: np.einsum("ij,jk->ik", a, b), ((2, 3), (3, 2)), exact=False,
        edges=(((0, 3), (3, 2)), ((2, 0), (0, 2)), ((1, 1), (1, 1)))),
    *[
        Row(f"dot {a} {b}".replace(" ", ""), np.dot, np.dot, (a, b), exact=False)
        for a, b in (((3,), (3,)), ((2, 3), (3, 2)), ((2, 3), (3,)), ((3,), (3, 2)), ((), (2, 3)), ((2,), ()),
                     ((2, 2, 3), (3,)), ((2, 2, 3), (2, 3, 2)), ((3,), (2, 3, 2)), ((2, 2, 3), (3, 2)))
    ],
    Row(".dot", ".dot", lambda a, b: a.dot(b), ((2, 3), (3, 2)), exact=False),
    Row("dot list", np.dot, lambda a: np.dot([1.0, 2.0], a), ((2, 3),), exact=False),
    Row("tensordot", np.tensordot, np.tensordot, ((4, 2, 3), (2, 3, 2)), exact=False),
    Row("tensordot 0", np.tensordot, lambda a, b: np.tensordot(a, b, 0), ((2, 3), (2,)), exact=False),
    Row("tensordot 1", np.tensordot, lambda a, b: np.tensordot(a, b, axes=1), ((2, 3), (3, 2)), exact=False),
    Row("tensordot pairs", np.tensordot, lambda a, b: np.tensordot(a, b, ([0, -1], [1, 0])), ((2, 4, 3), (3, 2)),
        exact=False),
    Row("tensordot of none", np.tensordot, lambda a, b: np.tensordot(a, b, 1), ((2, 3), (3, 2)), exact=False,
        edges=(((0, 3), (3, 2)), ((2, 0), (0, 2)), ((0,), (0,)), ((1, 1), (1, 1)))),
    Row("tensordot one pair", np.tensordot, lambda a, b: np.tensordot(a, b, (0, 1)), ((2, 3), (3, 2)), exact=False),
    Row("outer", np.outer, np.outer, ((2,), (3,)), edges=(((0,), (2,)), ((), ()))),
    Row("outer of matrices", np.outer, np.outer, ((2, 2), (1, 3))),
    Row("inner", np.inner, np.inner, ((3,), (3,)), exact=False),
    Row("inner of matrices", np.inner, np.inner, ((2, 3), (2, 2, 3)), exact=False),
    Row("inner scalar", np.inner, np.inner, ((), (2, 3)), exact=False),
    Row("vdot", np.vdot, np.vdot, ((2, 3), (2, 3)), exact=False),
]  # fmt: skip

NEWER = {"clip by new names": "2.1.0", "reshape shape=": "2.1.0", "pad dict": "2.3.0"}  # NumPy's
ROWS = [
    row
    for row in [*ELEMENTWISE, *REDUCTIONS, *INDEXING, *SHAPES, *PRODUCTS]
    if np.lib.NumpyVersion(np.__version__) >= NEWER.get(row.name, "2.0.0")
]


# --------------------------------------------------------------------------------------------------- constants
# Functions without derivative: on values being differentiated they give what NumPy gives, plain.

CONSTANTS = {
    np.all: lambda x: np.all(x),
    np.allclose: lambda x: np.allclose(x, x),
    np.any: lambda x: np.any(x > 0, axis=0),
    np.argmax: lambda x: np.argmax(x, axis=1),
    np.argmin: lambda x: np.argmin(x),
    np.argpartition: lambda x: np.argpartition(x, 1),
    np.argsort: lambda x: np.argsort(x, axis=0),
    np.argwhere: lambda x: np.argwhere(x),
    np.array2string: lambda x: np.array2string(x, precision=2),
    np.array_equal: lambda x: np.array_equal(x, x),
    np.array_equiv: lambda x: np.array_equiv(x, x),
    np.array_repr: lambda x: np.array_repr(x),
    np.array_str: lambda x: np.array_str(x),
    np.around: lambda x: np.around(x, 1),
    np.broadcast_shapes: None,  # takes no arrays
    np.can_cast: lambda x: np.can_cast(np.float32, x.dtype),
    np.ceil: np.ceil,
    np.common_type: lambda x: np.common_type(x),
    np.copyto: None,  # which writes into a plain array, or is refused
    np.count_nonzero: lambda x: np.count_nonzero(x),
    np.digitize: lambda x: np.digitize(x, [-1, 0, 1]),
    np.einsum_path: lambda x: np.einsum_path("ij,jk,kl", x, x.T, x, optimize="optimal"),
    np.empty_like: lambda x: np.empty_like(x).shape,
    np.equal: lambda x: np.equal(x, 1),
    np.fix: None,  # deprecated in newer NumPys
    np.flatnonzero: lambda x: np.flatnonzero(x),
    np.floor: np.floor,
    np.floor_divide: lambda x: np.floor_divide(x, 0.5),
    np.greater: lambda x: np.greater(x, 0),
    np.greater_equal: lambda x: np.greater_equal(x, 0),
    np.heaviside: lambda x: np.heaviside(x, 0.5),
    np.iscomplex: np.iscomplex,
    np.iscomplexobj: lambda x: np.iscomplexobj(x),
    np.isclose: lambda x: np.isclose(x, 0.5, atol=1),
    np.isfinite: np.isfinite,
    np.isin: lambda x: np.isin(x, [1.0]),
    np.isinf: np.isinf,
    np.isnan: np.isnan,
    np.isneginf: lambda x: np.isneginf(x),
    np.isposinf: lambda x: np.isposinf(x),
    np.isreal: np.isreal,
    np.isrealobj: lambda x: np.isrealobj(x),
    np.less: lambda x: np.less(x, 0),
    np.less_equal: lambda x: np.less_equal(x, 0),
    np.lexsort: lambda x: np.lexsort((x[0], x[1])),
    np.logical_and: lambda x: np.logical_and(x, x > 0),
    np.logical_not: np.logical_not,
    np.logical_or: lambda x: np.logical_or(x, x > 0),
    np.logical_xor: lambda x: np.logical_xor(x, x > 0),
    np.may_share_memory: lambda x: np.may_share_memory(x, x),
    np.nanargmax: lambda x: np.nanargmax(x),
    np.nanargmin: lambda x: np.nanargmin(x, axis=0),
    np.ndim: np.ndim,
    np.nonzero: lambda x: np.nonzero(x > 0),
    np.not_equal: lambda x: np.not_equal(x, 0),
    np.ones_like: lambda x: np.ones_like(x),
    np.result_type: lambda x: np.result_type(x, np.float32),
    np.rint: np.rint,
    np.round: lambda x: np.round(x, decimals=1),
    np.searchsorted: lambda x: np.searchsorted([-1, 0, 1], x),
    np.shape: np.shape,
    np.shares_memory: lambda x: np.shares_memory(x, x),
    np.sign: np.sign,
    np.signbit: np.signbit,
    np.size: lambda x: np.size(x, 1),
    np.spacing: np.spacing,
    np.trunc: np.trunc,
    np.unravel_index: lambda x: np.unravel_index(np.argmax(x), np.shape(x)),
    np.zeros_like: lambda x: np.zeros_like(x, shape=(2,)),
    ".all": lambda x: x.all(),
    ".any": lambda x: x.any(1),
    ".argmax": lambda x: x.argmax(1),
    ".argmin": lambda x: x.argmin(axis=0),
    ".argpartition": lambda x: x.argpartition(1, axis=1),
    ".argsort": lambda x: x.argsort(),
    ".nonzero": lambda x: x.nonzero(),
    ".round": lambda x: x.round(1),
    ".searchsorted": lambda x: x[0].searchsorted(0.3),
    ".ndim": lambda x: x.ndim,
    ".shape": lambda x: x.shape,
    ".size": lambda x: x.size,
    ".astype": lambda x: x.astype(int),
    "where": lambda x: np.where(x > 0),
    "comparison": lambda x: (x > 0) & (x <= 1) | (x == 2) & (x != 3) ^ (x < 4) & (x >= -9),
    "len": len,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------ wrong shapes

AXIS = np.exceptions.AxisError

WRONG = [
    *[
        Wrong(f.__name__, f, ((2, 3), (2, 4)), kn.ShapeError, (f.__name__, "(2, 3)", "(2, 4)", "broadcast"))
        for f in (*BINARY, np.copysign)
    ],
    Wrong("+", lambda a, b: a + b, ((2, 3), (2,)), kn.ShapeError, ("add", "(2, 3)", "(2,)")),
    Wrong("+ array", lambda a: np.ones(2) + a, ((2, 3),), kn.ShapeError, ("add", "(2, 3)", "(2,)")),
    Wrong("where", lambda a, b: np.where(MASK, a, b), ((2, 3), (2, 2)), kn.ShapeError,
          ("where", "(2, 3)", "(2, 2)", "broadcast")),
    Wrong("clip", np.clip, ((2, 3), (2,), (3,)), kn.ShapeError, ("clip", "(2, 3)", "(2,)", "broadcast")),
    Wrong("@", lambda a, b: a @ b, ((2, 3), (2, 4)), kn.ShapeError, ("matmul", "(2, 3)", "(2, 4)", "columns", "rows")),
    Wrong("matmul vector", np.matmul, ((2, 3), (2,)), kn.ShapeError, ("matmul", "(2, 3)", "(2,)")),
    Wrong("matmul scalar", np.matmul, ((2, 3), ()), kn.ShapeError, ("matmul", "()", "*")),
    Wrong("matmul batches", np.matmul, ((2, 2, 3), (3, 3, 2)), kn.ShapeError, ("(2, 2, 3)", "(3, 3, 2)", "broadcast")),
    Wrong("dot", np.dot, ((2, 3), (2, 4)), kn.ShapeError, ("(2, 3)", "(2, 4)")),
    Wrong("dot of cubes", np.dot, ((2, 3), (2, 2, 2)), kn.ShapeError, ("(2, 3)", "(2, 2, 2)")),
    Wrong("tensordot", np.tensordot, ((2, 3), (2, 4)), kn.ShapeError, ("tensordot", "(2, 3)", "(2, 4)")),
    Wrong("tensordot too many", lambda a, b: np.tensordot(a, b, 3), ((2, 3), (2, 3)), kn.ShapeError,
          ("axes=3", "(2, 3)")),
    Wrong("tensordot axis", lambda a, b: np.tensordot(a, b, ([2], [0])), ((2, 3), (2, 3)), AXIS, ("2",)),
    Wrong("inner", np.inner, ((2, 3), (2, 4)), kn.ShapeError, ("(2, 3)", "(2, 4)")),
    Wrong("vdot", np.vdot, ((2, 3), (2, 4)), kn.ShapeError, ("(6,)", "(8,)")),
    Wrong("einsum sizes", lambda a, b: np.einsum("ij,jk", a, b), ((2, 3), (2, 4)), kn.ShapeError,
          ("einsum", "'j'", "(2, 3)", "(2, 4)")),
    Wrong("einsum axes", lambda a: np.einsum("ijk->i", a), ((2, 3),), kn.ShapeError, ("einsum", "'ijk'", "(2, 3)")),
    Wrong("einsum repeat", lambda a: np.einsum("ii", a), ((2, 3),), kn.ShapeError, ("'i'", "2", "3")),
    Wrong("einsum count", lambda a: np.einsum("ij,jk", a), ((2, 3),), ValueError, ("2 operands", "1")),
    Wrong("einsum output", lambda a: np.einsum("ij->ik", a), ((2, 3),), ValueError, ("'ik'", "ij")),
    Wrong("einsum ellipsis", lambda a: np.einsum("...j->j", a), ((2, 3),), ValueError, ("...",)),
    Wrong("einsum out", lambda a: np.einsum("ij->j", a, out=np.zeros(3)), ((2, 3),), TypeError, ("out=",)),
    Wrong("reshape", lambda a: np.reshape(a, (4, 2)), ((2, 3),), ValueError, ("reshape", "size 6", "(4,2)")),
    Wrong("reshape order", lambda a: np.reshape(a, 6, order="Q"), ((2, 3),), ValueError, ("'Q'",)),
    Wrong("transpose", lambda a: np.transpose(a, (0, 2)), ((2, 3),), AXIS, ("2",)),
    Wrong("transpose few", lambda a: np.transpose(a, (0,)), ((2, 3),), ValueError, ("axes",)),
    Wrong("squeeze", lambda a: np.squeeze(a, 0), ((2, 3),), ValueError, ("squeeze",)),
    Wrong("broadcast_to", lambda a: np.broadcast_to(a, (2, 4)), ((2, 3),), kn.ShapeError,
          ("broadcast_to", "(2, 3)", "(2, 4)")),
    Wrong("concatenate", lambda a, b: np.concatenate([a, b]), ((2, 3), (2, 4)), kn.ShapeError,
          ("concatenate", "(2, 3)", "(2, 4)", "axis 0")),
    Wrong("concatenate axes", lambda a, b: np.concatenate([a, b]), ((2, 3), (3,)), kn.ShapeError,
          ("concatenate", "(2, 3)", "(3,)")),
    Wrong("concatenate axis", lambda a, b: np.concatenate([a, b], 2), ((2, 3), (2, 3)), AXIS, ("2",)),
    Wrong("concatenate casting", lambda a: np.concatenate([a, a], dtype=int), ((2, 3),), TypeError, ("same_kind",)),
    Wrong("tile", lambda a: np.tile(a, 2.0), ((2, 3),), TypeError, ("integer",)),
    Wrong("where one", lambda a: np.where(a > 0, a), ((2, 3),), ValueError, ("both",)),
    Wrong("stack", lambda a, b: np.stack([a, b]), ((2, 3), (2, 4)), kn.ShapeError, ("stack", "(2, 3)", "(2, 4)")),
    Wrong("split", lambda a: np.split(a, 2, 1), ((2, 3),), ValueError, ("equal division",)),
    Wrong("take", lambda a: np.take(a, [7]), ((2, 3),), IndexError, ("7", "6")),
    Wrong("take mode", lambda a: np.take(a, [7], mode="other"), ((2, 3),), ValueError, ("other", "clip")),
    Wrong("take_along_axis", lambda a: np.take_along_axis(a, np.array([2, 0]), 1), ((2, 3),), ValueError,
          ("1", "2", "axes")),
    Wrong("x[2]", lambda a: a[2], ((2, 3),), IndexError, ("2", "axis 0")),
    Wrong("x[:, :, 0]", lambda a: a[:, :, 0], ((2, 3),), IndexError, ("too many indices",)),
    Wrong("x[r]", lambda a: a[a[0, 0]], ((2, 3),), kn.DerivativeError, ("integer", "float64")),
    Wrong("x[1.5]", lambda a: a[1.5], ((2, 3),), IndexError, ("integers",)),
    *[
        Wrong(f"{f.__name__} axis", lambda a, f=f: f(a, axis=2), ((2, 3),), AXIS, ("axis 2", "dimension 2"))
        for f in (np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.cumsum, np.flip, np.linalg.norm)
    ],
    *[
        Wrong(f"{f.__name__} axis", lambda a, f=f: f(a, 1, axis=2), ((2, 3),), AXIS, ("axis 2", "dimension 2"))
        for f in (np.take, np.repeat, np.split, np.array_split, np.roll)
    ],
    Wrong("norm word", lambda a: np.linalg.norm(a, "fro"), ((3,),), ValueError, ("'fro'",)),
    Wrong("max of none", np.max, ((0,),), ValueError, ("zero-size", "maximum")),
    Wrong("pad widths", lambda a: np.pad(a, (1, 2, 3)), ((2, 3),), ValueError, ("3",)),
    Wrong("bincount", lambda w: np.bincount([0, 1], w), ((3,),), kn.ShapeError, ("bincount", "(2,)", "(3,)")),
]  # fmt: skip
