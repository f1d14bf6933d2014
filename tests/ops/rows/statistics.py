"""Weighted means, covariances, reductions without NaN; differences, slopes, areas, interpolation."""

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong

CUBE, X23, X5 = ((2, 3, 2),), ((2, 3),), ((5,),)
COUNTS, POINTS = [1, 2, 0, 3, 1], [0.0, 0.5, 1.5, 2.0, 4.0]
AT = np.array([[-1.0, 0.1, 0.7], [1.9, 2.3, 9.0]])
MISSING = [[False, True, False], [False, False, True]]
STEPS = [[1.0], [-2.0], [4.0], [-1.0], [3.0]]


def _holed(x):
    return np.where(MISSING, np.nan, x)


def _nan():
    for f, domain in ((np.nansum, "any"), (np.nanprod, "near1"), (np.nanmean, "any"), (np.nanvar, "any"),
                      (np.nanstd, "any"), (np.nanmax, "apart"), (np.nanmin, "apart")):  # fmt: skip
        for case, options in {"": {}, " 0": {"axis": 0}, " kept": {"axis": (0, 2), "keepdims": True}}.items():
            same = lambda x, f=f, o=options: f(x, **o)
            yield Row(f.__name__ + case, f, same, CUBE, domain, exact=False, special=False)
        some = lambda x, f=f: f(_holed(x), axis=1)
        yield Row(f"{f.__name__} of some", f, some, X23, domain, exact=False, special=False)
    some = lambda x: np.nanvar(_holed(x), axis=1, ddof=0, where=[True, True, False])
    yield Row("nanvar where", np.nanvar, some, ((2, 3),), exact=False, twice=True, special=False)
    yield Row(
        "nanstd ddof", np.nanstd, lambda x: np.nanstd(_holed(x), 1, ddof=1, mean=0.5), X23, exact=False, special=False
    )
    yield Row("nanvar correction", np.nanvar, lambda x: np.nanvar(x, correction=1), X23, exact=False)
    yield Row("nan_to_num", np.nan_to_num, lambda x: np.nan_to_num(_holed(x), nan=0.5), X23)


STATISTICS = [
    Row("ptp", np.ptp, np.ptp, X23, "apart"),
    Row("ptp axis", np.ptp, lambda x: np.ptp(x, (0, -1), keepdims=True), CUBE, "apart"),
    Row("average", np.average, np.average, X23),
    Row("average axis", np.average, lambda x: np.average(x, axis=1, returned=True, keepdims=True), X23),
    Row("average weights", np.average, lambda x, w: np.average(x, weights=w), ((2, 3), (2, 3)), "positive"),
    Row("average along", np.average, lambda x, w: np.average(x, 1, w, True), ((2, 3), (3,)), "positive"),
    Row("average along two", np.average, lambda x, w: np.average(x, (2, 0), w, keepdims=True), ((2, 3, 2), (2, 2)),
        "positive"),
    Row("average of constants", np.average, lambda x: np.average(x, 0, [1, 2]), X23),
    Row("cov", np.cov, np.cov, ((3, 4),), exact=False),
    Row("cov of one", np.cov, np.cov, X5, exact=False),
    Row("cov y", np.cov, lambda x, y: np.cov(x, y, bias=True), ((2, 4), (4,)), exact=False),
    Row("cov columns", np.cov, lambda x, y: np.cov(x, y, rowvar=False, ddof=0), ((4, 2), (4, 1)), exact=False),
    Row("cov fweights", np.cov, lambda x: np.cov(x, fweights=COUNTS), ((2, 5),), exact=False),
    Row("cov aweights", np.cov, lambda x, w: np.cov(x, aweights=w), ((2, 5), (5,)), "positive", exact=False,
        special=False),
    Row("cov weights", np.cov, lambda x, w: np.cov(x, aweights=w, fweights=COUNTS, ddof=2), ((2, 5), (5,)),
        "positive", exact=False, special=False),
    Row("corrcoef", np.corrcoef, np.corrcoef, ((3, 5),), exact=False),
    Row("corrcoef y", np.corrcoef, lambda x, y: np.corrcoef(x + STEPS, y - STEPS[::-1], rowvar=False),
        ((5, 2), (5, 1)), exact=False),
]  # fmt: skip


def _gradient(*how, **options):
    return lambda x: np.gradient(x, *how, **options)


DIFFERENCES = [
    Row("diff", np.diff, np.diff, X23, edges=(((1,),), ((0,),))),
    Row("diff 2", np.diff, lambda x: np.diff(x, 2, axis=0), ((4, 2),)),
    Row("diff 0", np.diff, lambda x: np.diff(x, 0) * x, X5),
    Row("diff edges", np.diff, lambda x, a: np.diff(x, prepend=0.5, append=a), ((2, 3), (2, 2))),
    Row("diff axis", np.diff, lambda x: np.diff(x, axis=-2, prepend=[[1.0, 2.0, 3.0]]), X23),
    Row("ediff1d", np.ediff1d, np.ediff1d, X23),
    Row("ediff1d edges", np.ediff1d, lambda x, a: np.ediff1d(x, to_end=[0.5, 1.5], to_begin=a), ((4,), ())),
    Row("gradient", np.gradient, np.gradient, ((3, 4),)),
    Row("gradient of a vector", np.gradient, np.gradient, X5, edges=(((2,),),)),
    Row("gradient axis", np.gradient, _gradient(axis=-1), ((3, 4),)),
    Row("gradient axes", np.gradient, _gradient(2.0, 0.5, axis=(1, 0)), ((3, 4),)),
    Row("gradient step", np.gradient, _gradient(0.25), ((3, 4),)),
    Row("gradient edges", np.gradient, _gradient(0.25, edge_order=2), ((3, 4),), exact=False),
    Row("gradient points", np.gradient, _gradient(POINTS), X5, exact=False),
    Row("gradient points and edges", np.gradient, _gradient(POINTS, edge_order=2), X5, exact=False),
    Row("gradient points of an axis", np.gradient, _gradient(2, [0, 1, 2, 4], edge_order=2), ((3, 4),), exact=False),
    Row("gradient by points", np.gradient, lambda f, x: np.gradient(f, np.cumsum(x)), ((5,), (5,)), "positive",
        exact=False),
    Row("gradient by steps", np.gradient, lambda f, h: np.gradient(f, h, edge_order=2), ((5,), ()), "positive",
        exact=False),
    Row("trapezoid", np.trapezoid, np.trapezoid, X23, edges=(((1,),),)),
    Row("trapezoid points", np.trapezoid, lambda y: np.trapezoid(y, POINTS, axis=0), ((5, 2),)),
    Row("trapezoid by x", np.trapezoid, lambda y, x: np.trapezoid(y, x), ((2, 3), (2, 3))),
    Row("trapezoid by vector", np.trapezoid, lambda y, x: np.trapezoid(y, x, axis=1), ((2, 3, 2), (3,)), exact=False),
    Row("trapezoid by dx", np.trapezoid, lambda y, h: np.trapezoid(y, dx=h, axis=0), ((2, 3), ())),
    Row("unwrap", np.unwrap, lambda x: np.unwrap(x * 5), ((2, 4),), "near1"),
    Row("unwrap axis", np.unwrap, lambda x: np.unwrap(x * 5, 2.0, 0, period=3.0), ((4, 2),), "near1"),
    Row("interp", np.interp, lambda x, fp: np.interp(x, POINTS, fp), ((2, 3), (5,)), "positive", exact=False,
        edges=(((), (5,)), ((0,), (5,)))),
    Row("interp at", np.interp, lambda fp: np.interp(AT, POINTS, fp), X5, exact=False),
    Row("interp by xp", np.interp, lambda x, xp: np.interp(x, np.cumsum(xp), POINTS, left=-1, right=7.5),
        ((2, 3), (5,)), "positive", exact=False),
    Row("interp ends", np.interp, lambda fp: np.interp(AT, POINTS, fp, fp[2], 2 * fp[0]), X5, exact=False),
    Row("interp period", np.interp, lambda x, fp: np.interp(x, [5.0, 0.2, 2.0], fp, period=4.0), ((4,), (3,)),
        "positive", exact=False),
    Row("interp one point", np.interp, lambda fp: np.interp(AT, [0.5], fp), ((1,),), exact=False),
]  # fmt: skip

ROWS = [*_nan(), *STATISTICS, *DIFFERENCES]

AXIS = np.exceptions.AxisError
WRONG = [
    Wrong("average shapes", lambda a: np.average(a, weights=[1, 2]), X23, TypeError, ("average", "axis")),
    Wrong("average fit", lambda a: np.average(a, 1, weights=[1, 2]), X23, kn.ShapeError, ("average", "(2,)", "(2, 3)")),
    Wrong("average none", lambda a: np.average(a, 0, weights=[1, -1]), X23, ZeroDivisionError, ("average", "0")),
    Wrong("cov cube", np.cov, CUBE, kn.ShapeError, ("np.cov", "(2, 3, 2)")),
    Wrong("cov ddof", lambda a: np.cov(a, ddof=1.5), X23, ValueError, ("ddof", "1.5")),
    Wrong("cov weights", lambda a: np.cov(a, aweights=[1, 2]), X23, kn.ShapeError, ("aweights", "(2,)", "3")),
    Wrong("cov negative", lambda a: np.cov(a, aweights=[1, -2, 1]), X23, ValueError, ("aweights", "negative")),
    Wrong("cov parts", lambda a: np.cov(a, fweights=[1, 0.5, 1]), X23, TypeError, ("fweights", "integers")),
    Wrong("diff n", lambda a: np.diff(a, -1), X23, ValueError, ("diff", "-1")),
    Wrong("diff number", np.diff, ((),), ValueError, ("diff", "axis")),
    Wrong("diff axis wrong", lambda a: np.diff(a, axis=2), X23, AXIS, ("axis 2",)),
    Wrong("ediff1d dtype", lambda a: np.ediff1d(a, to_end=1j), X23, TypeError, ("ediff1d", "float64", "complex128")),
    Wrong("gradient small", lambda a: np.gradient(a, edge_order=2), X23, ValueError, ("gradient", "(2, 3)", "3")),
    Wrong("gradient edge", lambda a: np.gradient(a, edge_order=3), X23, ValueError, ("gradient", "3")),
    Wrong("gradient steps", lambda a: np.gradient(a, 1, 2, 3), X23, TypeError, ("gradient", "3")),
    Wrong("gradient points", lambda a: np.gradient(a, [1, 2, 3], axis=0), X23, kn.ShapeError, ("(2, 3)", "(3,)")),
    Wrong("trapezoid axis", lambda a: np.trapezoid(a, axis=2), X23, AXIS, ("axis 2",)),
    Wrong("interp sizes", lambda a: np.interp(a, [1, 2], [1, 2, 3]), X23, kn.ShapeError, ("interp", "(2,)", "(3,)")),
    Wrong("interp period 0", lambda a: np.interp(a, [1, 2], [1, 2], period=0), X23, ValueError, ("period",)),
]  # fmt: skip
