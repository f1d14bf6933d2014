"""The methods and options of NumPy's ufuncs, and the options of its reductions."""

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong

CUBE, X23, X5 = ((2, 3, 2),), ((2, 3),), ((5,),)
MASK = np.array([[True, False, True], [False, True, True]])
HOLES = np.array([[[True, False], [False, True], [True, True]], [[True, True], [True, False], [False, True]]])
COLUMNS = np.array([True, False, True])

REDUCED = {  # a ufunc: where its arguments are drawn
    np.add: "any",
    np.multiply: "near1",
    np.maximum: "apart",
    np.minimum: "apart",
    np.fmax: "apart",
    np.fmin: "apart",
    np.logaddexp: "any",
    np.logaddexp2: "any",
    np.hypot: "nonzero",
}
ORDERED = {np.subtract: "any", np.true_divide: "near1", np.power: "positive", np.arctan2: "positive"}


def _reduce(f, x, **options):
    return f.reduce(x, **options)


def _methods():
    for f, domain in REDUCED.items():
        for case, options in {"": {}, " -1": {"axis": -1}, " all": {"axis": None}, " 2": {"axis": (0, -1)},
                              " kept": {"axis": 1, "keepdims": True}}.items():  # fmt: skip
            yield Row(f"{f.__name__}.reduce{case}", f, lambda x, f=f, o=options: f.reduce(x, **o), CUBE, domain)
        start = lambda x, f=f: f.reduce(x, axis=1, initial=0.5)
        yield Row(f"{f.__name__}.reduce initial", f, start, CUBE, domain, exact=False)
        some = lambda x, f=f: f.reduce(x, axis=1, initial=-0.1, where=HOLES)
        yield Row(f"{f.__name__}.reduce where", f, some, CUBE, domain, exact=False)
    for f, domain in (REDUCED | ORDERED).items():
        yield Row(f"{f.__name__}.accumulate", f, lambda x, f=f: f.accumulate(x), CUBE, domain, exact=f is not np.power)
        yield Row(f"{f.__name__}.accumulate -1", f, lambda x, f=f: f.accumulate(x, axis=-1), CUBE, domain)
        parts = lambda x, f=f: f.reduceat(x, [0, 2, 1, 3], axis=0)
        yield Row(f"{f.__name__}.reduceat", f, parts, ((4, 2),), domain, exact=False)
        yield Row(f"{f.__name__}.outer", f, f.outer, ((2, 3), (2,)), domain)
        yield Row(f"{f.__name__}.outer number", f, lambda x, f=f: f.outer([0.5, 1.5], x), ((2,),), domain)
    for f, domain in ORDERED.items():
        yield Row(f"{f.__name__}.reduce", f, lambda x, f=f: f.reduce(x, axis=1), CUBE, domain)
        yield Row(f"{f.__name__}.reduce kept", f, lambda x, f=f: f.reduce(x, keepdims=True), CUBE, domain)
    yield Row("subtract.reduce initial", np.subtract, lambda x: np.subtract.reduce(x, initial=2.0), X23)


def _options():
    for f, domain in ((np.sum, "any"), (np.mean, "any"), (np.prod, "near1"), (np.var, "any"), (np.std, "any")):
        for case, options in {"": {}, " 0": {"axis": 0}, " kept": {"axis": (0, 2), "keepdims": True}}.items():
            some = lambda x, f=f, o=options: f(x, where=HOLES, **o)
            yield Row(f"{f.__name__} where{case}", f, some, CUBE, domain, exact=False)
        stretched = lambda x, f=f: f(x, 1, where=COLUMNS)
        yield Row(f"{f.__name__} where stretched", f, stretched, X23, domain, exact=False)
    for f, start in ((np.max, -0.1), (np.min, 0.1), (np.nanmax, -0.1), (np.nanmin, 0.1)):
        name = f.__name__
        yield Row(f"{name} initial", f, lambda x, f=f, s=start: f(x, 1, initial=s), CUBE, "apart", edges=(((2, 0),),))
        yield Row(
            f"{name} where", f, lambda x, f=f, s=start: f(x, 1, initial=s, where=HOLES, keepdims=True), CUBE, "apart"
        )
    for f, domain in ((np.sum, "any"), (np.prod, "near1")):
        start = lambda x, f=f: f(x, 0, initial=0.5, dtype=np.float64)
        yield Row(f"{f.__name__} initial", f, start, X23, domain, exact=False)
        by = lambda x, f=f: f(x, 0, initial=np.exp(x[0, 0]))
        yield Row(f"{f.__name__} initial value", f, by, X23, domain, exact=False)
    yield Row("var mean", np.var, lambda x: np.var(x, 0, mean=np.mean(x, 0, keepdims=True)), X23, exact=False)
    yield Row("std mean", np.std, lambda x, m: np.std(x, axis=1, mean=m, ddof=1), ((2, 3), (2, 1)), exact=False)
    yield Row("std where ddof", np.std, lambda x: np.std(x, axis=1, ddof=1, where=MASK), X23, exact=False)
    yield Row(".sum where", ".sum", lambda x: x.sum(where=MASK), X23, exact=False)
    yield Row("where True", np.sum, lambda x: np.sum(x, where=True), X23)


AXES = [(0, 1), (1, 0), (-1, -2)]
WIDE = [
    Row("add dtype", np.add, lambda a, b: np.add(a, b, dtype=np.float64), ((2, 3), (3,))),
    Row("exp dtype", np.exp, lambda a: np.exp(a, dtype=np.float64, casting="same_kind", order="C"), X23),
    Row("add list dtype", np.add, lambda a: np.add(a, [1, 2, 3], dtype="f8"), X23),
    Row("multiply signature", np.multiply, lambda a: np.multiply(a, 2, signature="dd->d"), X23),
    Row("matmul axes", np.matmul, lambda a, b: np.matmul(a, b, axes=AXES), ((2, 3, 2), (3, 3, 2)), exact=False),
    Row("logaddexp.outer dtype", np.logaddexp, lambda a, b: np.logaddexp.outer(a, b, dtype="f8"), ((2,), (3,))),
    Row("add.reduce dtype", np.add, lambda a: np.add.reduce(a, dtype=np.float64), X23),
    Row("hypot.accumulate dtype", np.hypot, lambda a: np.hypot.accumulate(a, 1, np.float64), X23, "nonzero"),
]

CUMULATIVE = [
    Row("cumprod", np.cumprod, np.cumprod, X23, "nonzero", edges=(((0,),), ((1, 0),), ((),))),
    Row("cumprod 0", np.cumprod, lambda x: np.cumprod(x, 0), ((4, 2),), "nonzero"),
    Row("cumprod -1", np.cumprod, lambda x: np.cumprod(x, axis=-1, dtype=np.float64), X23, "nonzero"),
    Row("cumprod with zeros", np.cumprod, lambda x: np.cumprod(x * [1, 1, 0, 1, 0, 1, 1], 1), ((2, 7),), "nonzero"),
    Row(".cumprod", ".cumprod", lambda x: x.cumprod(1), X23, "nonzero"),
    Row("cumulative_sum", np.cumulative_sum, lambda x: np.cumulative_sum(x, axis=1), X23),
    Row("cumulative_sum first", np.cumulative_sum, lambda x: np.cumulative_sum(x, include_initial=True), X5),
    Row("cumulative_prod", np.cumulative_prod, lambda x: np.cumulative_prod(x, axis=-2), X23, "nonzero"),
    Row("cumulative_prod first", np.cumulative_prod,
        lambda x: np.cumulative_prod(x, axis=1, dtype="f8", include_initial=True), X23, "nonzero"),
    Row("nancumsum", np.nancumsum, np.nancumsum, X23, exact=False),
    Row("nancumprod", np.nancumprod, lambda x: np.nancumprod(x, 1), X23, "nonzero", exact=False),
]  # fmt: skip

ROWS = [*_methods(), *_options(), *WIDE, *CUMULATIVE]

WRONG = [
    Wrong("ufunc where", lambda a: np.exp(a, where=MASK), X23, kn.DerivativeError, ("np.exp", "where=", "np.where")),
    Wrong("ufunc out", lambda a: np.exp(a, out=np.ones((2, 3))), X23, kn.MutationError, ("np.exp", "out=")),
    Wrong("reduce out", lambda a: np.add.reduce(a, out=np.ones(3)), X23, kn.MutationError, ("np.add.reduce", "out=")),
    Wrong("sum out", lambda a: np.sum(a, out=np.ones(())), X23, TypeError, ("np.sum", "out=")),
    Wrong("sum out of a value", lambda a: np.sum(a, out=a), X23, kn.MutationError, ("np.sum", "out=")),
    Wrong("add.at", lambda a: np.add.at(np.ones((2, 3)), [0, 1], a), X23, kn.MutationError,
          ("np.add.at", "kn.scatter")),
    Wrong("reduce axis", lambda a: np.hypot.reduce(a, axis=2), X23, np.exceptions.AxisError, ("axis 2",)),
    Wrong("reduce axes", lambda a: np.subtract.reduce(a, axis=(0, 1)), X23, ValueError, ("reorderable", "one axis")),
    Wrong("reduce where", lambda a: np.maximum.reduce(a, where=MASK), X23, ValueError, ("max", "initial")),
    Wrong("fold where", lambda a: np.arctan2.reduce(a, where=MASK), X23, ValueError, ("arctan2", "identity")),
    Wrong("reduce of none", np.arctan2.reduce, ((0,),), ValueError, ("arctan2", "zero-size")),
    Wrong("max where", lambda a: np.max(a, where=MASK), X23, ValueError, ("max", "initial")),
    Wrong("sum where whole", lambda a: np.sum(a, where=MASK * 2), X23, TypeError, ("where", "bool")),
    Wrong("sum where shape", lambda a: np.sum(a, where=MASK[:, :2]), X23, ValueError, ("(2,2)", "(2,3)")),
    Wrong("reduceat index", lambda a: np.add.reduceat(a, [5]), X23, IndexError, ("5",)),
    Wrong("dtype cast", lambda a: np.add(a, a, dtype=int), X23, TypeError, ("add", "int64")),
    Wrong("cumulative_sum axis", lambda a: np.cumulative_sum(a), X23, ValueError, ("axis",)),
    Wrong("cumprod axis", lambda a: np.cumprod(a, axis=2), X23, np.exceptions.AxisError, ("axis 2",)),
]  # fmt: skip
