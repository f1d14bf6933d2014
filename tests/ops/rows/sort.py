"""Sorting, quantiles and sets of NumPy's."""

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong

X23, X34, X5, CUBE = ((2, 3),), ((3, 4),), ((5,),), ((3, 5, 2),)
METHODS = """
    inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear
    median_unbiased normal_unbiased lower higher midpoint nearest
""".split()
AXES = {"": {}, " 0": {"axis": 0}, " kept": {"axis": -2, "keepdims": True}, " axes": {"axis": (2, 0)}}
WEIGHTS = np.arange(30.0).reshape(3, 5, 2) % 7 + 1
NONE = (((0,),), ((0, 3),), ((1, 1),))


def _quantiles():
    for f in (np.median, np.nanmedian):
        for case, options in AXES.items():
            yield Row(f.__name__ + case, f, lambda x, f=f, o=options: f(x, **o), CUBE, "apart")
        yield Row(
            f"{f.__name__} of all", f, lambda x, f=f: f(x, keepdims=True), X34, "apart", edges=(((1,),), ((1, 1),))
        )
    for f, scale in ((np.quantile, 1), (np.nanquantile, 1), (np.percentile, 100), (np.nanpercentile, 100)):
        for case, options in AXES.items():
            yield Row(f.__name__ + case, f, lambda x, f=f, q=0.3 * scale, o=options: f(x, q, **o), CUBE, "apart")
        several = np.array([0, 0.1, 0.55, 1]) * scale
        yield Row(f"{f.__name__} several", f, lambda x, f=f, q=several: f(x, q, axis=1), CUBE, "apart")
        yield Row(f"{f.__name__} weights", f, lambda x, f=f, q=several: f(
            x, q, axis=1, weights=WEIGHTS, method="inverted_cdf", keepdims=True), CUBE, "apart")  # fmt: skip
        for method in METHODS if scale == 1 else ():
            name = f"{f.__name__} {method}"
            yield Row(name, f, lambda x, f=f, q=several, m=method: f(x, q, 1, method=m), CUBE, "apart")


ROWS = [
    *_quantiles(),
    Row("quantile weights of an axis", np.quantile,
        lambda x: np.quantile(x, [0.2, 0.8], 0, weights=[2, 0.5, 1], method="inverted_cdf"), CUBE, "apart"),
    Row("quantile weights of axes", np.quantile,
        lambda x: np.quantile(x, 0.4, (0, 2), weights=WEIGHTS[:, 0], method="inverted_cdf"), CUBE, "apart"),
    Row("sort", np.sort, np.sort, X34, "apart", edges=NONE),
    Row("sort 0", np.sort, lambda x: np.sort(x, 0), X34, "apart"),
    Row("sort all", np.sort, lambda x: np.sort(x, axis=None, kind="heapsort"), X34, "apart", edges=(((),),)),
    Row("sort stable", np.sort, lambda x: np.sort(x, stable=True), X34, "apart"),
    Row("partition", np.partition, lambda x: np.partition(x, 2), X34, "apart"),
    Row("partition 1", np.partition, lambda x: np.partition(x, (1, 3), axis=1), CUBE, "apart"),
    Row("partition all", np.partition, lambda x: np.partition(x, -2, axis=None), X34, "apart"),
    Row("unique", np.unique, np.unique, X34, "apart", edges=(((0,),), ((1, 1),), ((),))),
    Row("unique slices", np.unique, lambda x: np.unique(x, axis=1), X34, "apart"),
    Row("unique all", np.unique, lambda x: np.unique(x, True, True, True), X34, "apart", special=False),
    Row("unique_all", np.unique_all, lambda x: np.unique_all(x)[0], X34, "apart", edges=(((0,),),)),
    Row("unique_counts", np.unique_counts, lambda x: np.unique_counts(x)[0], X34, "apart"),
    Row("unique_inverse", np.unique_inverse, lambda x: np.unique_inverse(x)[0], X34, "apart"),
    Row("unique_values", np.unique_values, lambda x: np.unique_values(x), X34, "apart"),
    Row("intersect1d", np.intersect1d, lambda x: np.intersect1d(x, 1 * kn.value(x)[1]), X34, "apart"),
    Row("intersect1d all", np.intersect1d, lambda x: np.intersect1d(x, [9.0], False, True), X34, special=False),
    Row("setdiff1d", np.setdiff1d, lambda x: np.setdiff1d(x, 1 * kn.value(x)[1]), X34, "apart"),
    Row("setdiff1d unique", np.setdiff1d, lambda x: np.setdiff1d(x, [9.0], assume_unique=True), X34, "apart"),
    Row("setxor1d", np.setxor1d, np.setxor1d, ((3, 2), (4,)), "apart"),
    Row("setxor1d unique", np.setxor1d, lambda a, b: np.setxor1d(a, b, True), ((3,), (4,)), "apart"),
    Row("union1d", np.union1d, np.union1d, ((3, 2), (4,)), "apart"),
    Row("sort_complex", np.sort_complex, np.sort_complex, X5, "apart"),
    Row("sort_complex of complex", np.sort_complex, lambda a, b: np.sort_complex(a + 1j * b), ((5,), (5,)), "apart"),
    Row("sort of complex", np.sort, lambda a, b: np.sort(a + 1j * b, 0), ((3, 2), (3, 2)), "apart"),
    Row("partition of complex", np.partition, lambda a, b: np.partition(a + 1j * b, 2), ((5,), (5,)), "apart"),
    Row("unique of complex", np.unique, lambda a, b: np.unique(a + 1j * b), ((5,), (5,)), "apart"),
]  # fmt: skip

CONSTANTS = {
    np.histogram_bin_edges: lambda x: np.histogram_bin_edges(x, 3),
}

AXIS = np.exceptions.AxisError

WRONG = [
    Wrong("sort axis", lambda x: np.sort(x, 2), X23, AXIS, ("2",)),
    Wrong("sort order", lambda x: np.sort(x, order="a"), X23, ValueError, ("order",)),
    Wrong("partition kth", lambda x: np.partition(x, 3), X23, ValueError, ("kth", "3")),
    Wrong("partition kth by a value", lambda x: np.partition(x, x[0, 0]), X23, kn.DerivativeError, ("kth=",)),
    Wrong("median axis", lambda x: np.median(x, 2), X23, AXIS, ("median", "2", "(2, 3)")),
    Wrong("median axis twice", lambda x: np.median(x, (0, -2)), X23, ValueError, ("twice",)),
    Wrong("median out", lambda x: np.median(x, out=np.ones(())), X23, TypeError, ("median", "out=")),
    Wrong("quantile q", lambda x: np.quantile(x, 1.5), X23, ValueError, ("quantile", "[0, 1]")),
    Wrong("quantile method", lambda x: np.quantile(x, 0.5, method="other"), X23, ValueError, ("other", "linear")),
    Wrong("quantile by q", lambda x: np.quantile(x, x[0, 0]), X23, kn.DerivativeError, ("q=", "np.quantile")),
    Wrong("quantile weights", lambda x: np.quantile(x, 0.5, weights=[1.0], method="inverted_cdf"), X23, ValueError,
          ("weights (1,)", "(2, 3)")),
    Wrong("quantile weights' method", lambda x: np.quantile(x, 0.5, weights=np.ones((2, 3))), X23, ValueError,
          ("inverted_cdf",)),
]  # fmt: skip
