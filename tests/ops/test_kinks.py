"""Derivatives where there is no single one, or an infinite one: kinks, ties, zeros, NaN and Inf. All literals."""

import numpy as np
import pytest

import knetpy as kn
from tests.ops.checker import check_first, check_second, quiet

inf, nan = np.inf, np.nan
half, third = 1 / 2, 1 / 3
PLACES = np.array([[1, 1], [0, 1]])


def norm(ord):
    return lambda x: np.linalg.norm(x, ord)


def at(place, f, **options):
    return lambda x: f(x, **options)[place]


def pooled(x, **options):
    return kn.pool(x[None, None], **options)


OF_LAPACK = {
    "norm 2 of a matrix": (norm(2), [[1, 0], [0, 1]], [[half, 0], [0, half]]),
    "norm 2 of zeros": (norm(2), [[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    "nuclear norm": (norm("nuc"), [[2, 0], [0, 0]], [[1, 0], [0, 0]]),
    "svdvals": (np.linalg.svdvals, [[2, 0], [0, 2]], [[1, 0], [0, 1]]),
    "eigvalsh": (lambda x: np.linalg.eigvalsh(x) ** 2, [[3, 0], [0, 3]], [[6, 0], [0, 6]]),
    "eigvalsh of one triangle": (np.linalg.eigvalsh, [[1, 9], [0, 2]], [[1, 0], [0, 1]]),
    "det": (np.linalg.det, [[1, 2], [2, 4]], [[4, -2], [-2, 1]]),
    "det of zeros": (np.linalg.det, [[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    "slogdet": (lambda x: np.linalg.slogdet(x)[1], [[1, 1], [1, 1]], [[nan, nan], [nan, nan]]),
}

KINKS = {  # what: (f, x, gradient of the sum of f)
    # ties are split evenly
    "max": (np.max, [2, 1, 2], [half, 0, half]),
    "amax": (np.amax, [3, 3, 3], [third, third, third]),
    "min": (np.min, [2, 1, 1], [0, half, half]),
    "max of rows": (lambda x: np.max(x, axis=1), [[1, 1], [1, 0]], [[half, half], [1, 0]]),
    "max of all Inf": (np.max, [inf, inf], [half, half]),
    "max of NaN": (np.max, [2, nan, 3], [0, 1, 0]),
    "min of NaN": (np.min, [nan, nan, 3], [half, half, 0]),
    "maximum": (lambda x: np.maximum(x, 1), [0, 1, 2], [0, half, 1]),
    "maximum 0": (lambda x: np.maximum(0, x), [-1, 0, 2], [0, half, 1]),
    "minimum": (lambda x: np.minimum(x, 1), [0, 1, 2], [1, half, 0]),
    "maximum of itself": (lambda x: np.maximum(x, x), [1, 2], [1, 1]),
    "maximum with NaN": (lambda x: np.maximum(x, [1, nan]), [nan, 1], [1, 1]),
    "minimum with NaN": (lambda x: np.minimum(x, [1, nan]), [nan, 1], [1, 1]),
    "fmax with NaN": (lambda x: np.fmax(x, [1, nan]), [nan, 1], [0, 1]),
    "fmin with NaN": (lambda x: np.fmin(x, [1, nan]), [nan, 1], [0, 1]),
    "fmax": (lambda x: np.fmax(x, 1), [0, 1, 2], [0, half, 1]),
    "norm inf": (norm(inf), [2, -2, 1], [half, -half, 0]),
    # singular values and eigenvalues that tie or are zero
    **OF_LAPACK,
    # sorted by where they lie: of equal elements the first is the smaller
    "sort": (lambda x: np.sort(x)[1], [2, 1, 1, 0], [0, 1, 0, 0]),
    "sort of zeros": (lambda x: np.sort(x)[:2], [0.0, 1, -0.0], [1, 0, 1]),
    "sort of NaN": (lambda x: np.sort(x)[-1], [nan, 2, nan], [0, 0, 1]),
    "partition": (lambda x: np.partition(x, 1)[:1], [2, 1, 1], [0, 1, 0]),
    "median": (np.median, [2, 1, 2, 2], [half, 0, half, 0]),
    "median of an odd number": (np.median, [2, 1, 2, 2, 5], [0, 0, 1, 0, 0]),
    "median of NaN": (np.median, [2, nan, 3, nan], [0, 0, 0, 1]),
    "nanmedian of NaN": (np.nanmedian, [2, nan, 3, nan], [half, 0, half, 0]),
    "quantile": (lambda x: np.quantile(x, 0.25), [3, 1, 1], [0, half, half]),
    "quantile lower": (lambda x: np.quantile(x, 0.75, method="lower"), [3, 1, 1], [0, 0, 1]),
    "quantile of Inf": (lambda x: np.quantile(x, 0.75), [1, 0, inf], [half, 0, half]),
    "unique": (np.unique, [2, 1, 2, 1], [1, 1, 0, 0]),
    "unique of NaN": (np.unique, [nan, 1, nan], [1, 1, 0]),
    "intersect1d": (lambda x: np.intersect1d(x, [1.0]), [2, 1, 1], [0, 1, 0]),
    "union1d": (lambda x: np.union1d(x[:2], x[2:]), [2, 1, 1, 3], [1, 1, 0, 1]),
    "trim_zeros": (lambda x: np.trim_zeros(x), [0, 2, 0, 3, 0], [0, 1, 1, 1, 0]),
    "trim_zeros of zeros": (lambda x: np.trim_zeros(x), [0, 0], [0, 0]),
    "piecewise, the last": (lambda x: np.piecewise(x, [x < 2, x < 1], [np.square, np.negative]), [0, 1], [-1, 2]),
    "select, the first": (lambda x: np.select([x < 2, x < 3], [2 * x, 3 * x]), [0, 2, 5], [2, 3, 0]),
    # but max pooling takes the first
    "pool": (pooled, [1, 1, 2, 3], [1, 0, 0, 1]),
    "pool overlapping": (lambda x: pooled(x, stride=1), [1, 1, 1], [1, 1, 0]),
    "pool square": (pooled, [[0, 5], [5, 5]], [[0, 1], [0, 0]]),
    "pool NaN": (pooled, [1, nan, nan, 9], [0, 1, 1, 0]),
    "pool -Inf": (lambda x: pooled(x, padding=1, window=3), [-inf, -inf, -inf], [1, 0, 0]),
    # 1 at the bounds of clip
    "clip": (lambda x: np.clip(x, 0, 1), [-1, 0, 0.5, 1, 2], [0, 1, 1, 1, 0]),
    "clip at a point": (lambda x: np.clip(x, 1, 1), [0, 1, 2], [0, 1, 0]),
    "clip crossed": (lambda x: np.clip(x, 2, 1), [0, 1, 1.5, 2, 3], [0, 0, 0, 0, 0]),
    "clip low": (lambda x: np.clip([0.0, 1.0, 2.0], x, None), [1, 1, 1], [1, 0, 0]),
    "clip high": (lambda x: np.clip([0.0, 1.0, 2.0], None, x), [1, 1, 1], [0, 0, 1]),
    "clip high crossed": (lambda x: np.clip([0.0, 1.0, 9.0], 5, x), [1, 1, 1], [1, 1, 1]),
    "clip low crossed": (lambda x: np.clip([0.0, 1.0, 9.0], x, 1), [2, 2, 2], [0, 0, 0]),
    "clip NaN": (lambda x: np.clip(x, 0, 1), [nan], [0]),
    # 0 at 0
    "abs": (np.abs, [0, -0.0, -1, inf], [0, 0, -1, 1]),
    "fabs": (np.fabs, [0, -2], [0, -1]),
    "relu": (kn.relu, [0, -0.0, -1, 2, inf, nan], [0, 0, 0, 1, 1, 1]),
    "copysign": (lambda x: np.copysign(x, [1, -1, -0.0]), [0, 2, -3], [0, -1, 1]),
    **{f"norm {p} at 0": (norm(p), [0, 0], [0, 0]) for p in (None, 2, 1, 1.5, 3, 0.5, -1, inf, -inf, 0)},
    **{f"norm {p} by a zero": (norm(p), [0, 2], [0, 1]) for p in (None, 1, 1.5, 3, 0.5)},
    "norm -1 by a zero": (norm(-1), [0, 2], [0, 0]),
    "norm of zero rows": (lambda x: np.linalg.norm(x, axis=1), [[0, 0], [3, 4]], [[0, 0], [0.6, 0.8]]),
    "Frobenius at 0": (np.linalg.norm, [[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    "hypot": (lambda x: np.hypot(x, 0), [0, 3], [0, 1]),
    "arctan2": (lambda x: np.arctan2(x, 0), [0, 3], [0, 0]),
    "arctan2 by the second": (lambda x: np.arctan2(0, x), [0, 3], [0, 0]),
    "std": (np.std, [3, 3, 3], [0, 0, 0]),
    "std ddof": (lambda x: np.std(x, ddof=1), [3, 3], [0, 0]),
    "std of rows": (lambda x: np.std(x, axis=1), [[3, 3], [1, 3]], [[0, 0], [-half, half]]),
    # of one element
    "var": (np.var, [3], [0]),
    "var of scalars": (lambda x: np.var(x, axis=()), [3, 4], [0, 0]),
    "std of one": (np.std, [3], [0]),
    # products are exact with zeros
    "prod, one zero": (np.prod, [0, 2, 3], [6, 0, 0]),
    "prod, two zeros": (np.prod, [0, 0, 3], [0, 0, 0]),
    "prod of rows": (lambda x: np.prod(x, axis=1), [[0, 2, 5], [1, 2, 3]], [[10, 0, 0], [6, 3, 2]]),
    "prod of columns": (lambda x: np.prod(x, axis=0, keepdims=True), [[0, 2], [3, 4]], [[3, 4], [0, 2]]),
    "prod that underflows": (np.prod, [1e-200, 1e-200, 1e150], [1e-50, 1e-50, 0]),
    "prod with Inf": (np.prod, [inf, 2], [2, inf]),
    "prod of none": (np.prod, [], []),
    # infinite slopes
    "sqrt": (np.sqrt, [0, 4], [inf, 0.25]),
    "cbrt": (np.cbrt, [0, 8], [inf, 1 / 12]),
    "log": (np.log, [0, 2], [inf, half]),
    "arcsin": (np.arcsin, [1, -1, 0], [inf, inf, 1]),
    "arccos": (np.arccos, [1, 0], [-inf, -1]),
    "arccosh": (np.arccosh, [1], [inf]),
    "arctanh": (np.arctanh, [1, 0], [inf, 1]),
    # powers
    "x ** 0": (lambda x: x**0, [0, 2, nan, inf], [0, 0, 0, 0]),
    "x ** 1": (lambda x: x**1, [0, nan], [1, 1]),
    "x ** 2": (lambda x: x**2, [0, -3], [0, -6]),
    "x ** .5": (lambda x: x**0.5, [0, 4], [inf, 0.25]),
    "x ** array": (lambda x: x ** np.array([0, 1, 2, 0.5, 0]), [0, 0, 0, 0, 2], [0, 1, 0, inf, 0]),
    "x ** integers": (lambda x: x ** np.array([0, 1, 2]), [0, 0, 0], [0, 1, 0]),
    "-x ** integer": (lambda x: x ** np.array([3, 2]), [-2, -2], [12, -4]),
    "0 ** b": (lambda b: 0.0**b, [0, 0.5, 1, 3], [0, 0, 0, 0]),
    "0 ** -1": (lambda b: 0.0**b, [-1], [-inf]),
    "b ** 0": (lambda b: np.array([2.0, 1.0]) ** b, [0, 0], [np.log(2), 0]),
    # whole steps
    "remainder": (lambda x: np.remainder(x, 2), [3, -3, 4, 0], [1, 1, 1, 1]),
    "remainder by divisor": (lambda x: np.remainder([3.0, -3.0, 4.0], x), [2, 2, 2], [-1, 2, -2]),
    "fmod by divisor": (lambda x: np.fmod([3.0, -3.0, 4.0], x), [2, 2, 2], [-1, 1, -2]),
    "floor": (lambda x: np.floor(x) * x, [1, 1.5], [1, 1]),
    # softmax family
    "softmax": (at(0, kn.softmax), [0, 0], [0.25, -0.25]),
    "softmax 1e4": (at(0, kn.softmax), [1e4, -1e4], [0, 0]),
    "softmax -Inf": (at(0, kn.softmax), [0, 0, -inf], [0.25, -0.25, 0]),
    "softmax Inf": (at(0, kn.softmax), [inf, inf, 0], [0.25, -0.25, 0]),
    "softmax all -Inf": (at(0, kn.softmax), [-inf, -inf], [0.25, -0.25]),
    "logsoftmax 1e4": (at(0, kn.logsoftmax), [1e4, -1e4], [0, 0]),
    "logsoftmax -1e4": (at(1, kn.logsoftmax), [1e4, -1e4], [-1, 1]),
    "logsoftmax -Inf": (at(0, kn.logsoftmax), [0, -inf], [0, 0]),
    "logsoftmax of -Inf": (at(1, kn.logsoftmax), [0, -inf], [-1, 1]),
    "logsoftmax Inf": (at(0, kn.logsoftmax), [inf, inf, 0], [half, -half, 0]),
    "logsumexp 1e4": (kn.logsumexp, [1e4, 1e4, -1e4], [half, half, 0]),
    "logsumexp -Inf": (kn.logsumexp, [0, -inf], [1, 0]),
    "logsumexp Inf": (kn.logsumexp, [inf, inf, 0], [half, half, 0]),
    "logsumexp all -Inf": (kn.logsumexp, [-inf, -inf], [half, half]),
    "logsumexp of none": (kn.logsumexp, [], []),
    "softmax of none": (kn.softmax, [], []),
    "logsoftmax of none": (kn.logsoftmax, [], []),
    "logaddexp": (lambda x: np.logaddexp(x, [0, -inf, inf, -inf]), [0, -inf, inf, 1], [half, half, half, 1]),
    "logaddexp far": (lambda x: np.logaddexp(x, 0), [-1e4, 1e4, -inf, inf], [0, 1, 0, 1]),
    "logaddexp2": (lambda x: np.logaddexp2(x, [0, -inf]), [0, -inf], [half, half]),
    "sigmoid": (kn.sigmoid, [0, 1e4, -1e4, inf, -inf], [0.25, 0, 0, 0, 0]),
    "tanh": (np.tanh, [0, 1e4, -inf], [1, 0, 0]),
    "exp": (np.exp, [-inf, -1e4], [0, 0]),
    # nll: softmax - 1 at the label
    "nll": (lambda x: kn.nll(x, [0, 1]), [[0, 0], [0, 1000]], [[-0.25, 0.25], [0, 0]]),
    "nll 1e4": (lambda x: kn.nll(x, [1]), [[1e4, -1e4]], [[1, -1]]),
    "nll -Inf elsewhere": (lambda x: kn.nll(x, [0]), [[0, -inf]], [[0, 0]]),
    "nll of -Inf": (lambda x: kn.nll(x, [1]), [[0, -inf]], [[1, -1]]),
    "nll ignored": (lambda x: kn.nll(x, [0, -1], ignore=-1), [[0, 0], [3, 4]], [[-half, half], [0, 0]]),
    "nll all ignored": (lambda x: kn.nll(x, [7, 7], ignore=7), [[0, 1], [2, 3]], [[0, 0], [0, 0]]),
    "nll of none": (lambda x: kn.nll(x, []), np.zeros((0, 3)), np.zeros((0, 3))),
    # repeated indices accumulate
    "x[[0, 0, 2]]": (lambda x: x[[0, 0, 2]], [1, 2, 3], [2, 0, 1]),
    "x[((0, 0),)]": (lambda x: x[((0, 0),)], [1, 2, 3], [2, 0, 0]),
    "x[[0, -3]]": (lambda x: x[[0, -3]], [1, 2, 3], [2, 0, 0]),
    "x[pairs]": (lambda x: x[[0, 0, 1], [1, 1, 0]], [[1, 2], [3, 4]], [[0, 2], [1, 0]]),
    "x[:, [1, 1]]": (lambda x: x[:, [1, 1]], [[1, 2], [3, 4]], [[0, 2], [0, 2]]),
    "x[[0, 0], 1:]": (lambda x: x[[0, 0], 1:], [[1, 2], [3, 4]], [[0, 2], [0, 0]]),
    "take": (lambda x: np.take(x, [1, 1, 1]), [1, 2], [0, 3]),
    "repeat": (lambda x: np.repeat(x, [3, 0]), [1, 2], [3, 0]),
    "take_along_axis": (lambda x: np.take_along_axis(x, PLACES, 1), [[1, 2], [3, 4]], [[0, 2], [1, 1]]),
    "tile": (lambda x: np.tile(x, 3), [1, 2], [3, 3]),
    "pad edge": (lambda x: np.pad(x, 2, "edge"), [1, 2], [3, 3]),
    "broadcast_to": (lambda x: np.broadcast_to(x, (3, 2)), [1, 2], [3, 3]),
    "x used twice": (lambda x: x * x + x, [1, 2], [3, 5]),
}  # fmt: skip


@pytest.mark.parametrize("name", KINKS)
def test_kink(name):
    f, x, wanted = KINKS[name]
    x, wanted = np.array(x, float), np.array(wanted, float)
    with quiet():
        found = kn.grad(lambda x: np.sum(f(x)), 0)(x)
        tangent = kn.jvp(lambda x: np.sum(f(x)), (x,), (np.ones_like(x),))[1]
        assert found.shape == x.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(tangent, wanted.sum(), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", [name for name in KINKS if "prod" not in name and "nll of none" not in name])
def test_kink_in_low_precision(name, dtype):
    """What holds in float64 holds: no overflow, no NaN, the dtype kept."""
    f, x, wanted = KINKS[name]
    x, wanted = np.array(x, float), np.array(wanted, float)
    with quiet():
        if dtype is np.float16 and name in OF_LAPACK:
            pytest.skip("np.linalg takes no float16")
        if dtype is np.float16:
            x = np.where(abs(x) == 1e4, x / 10, x)
        found = kn.grad(lambda x: np.sum(f(x)), 0)(x.astype(dtype))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=1e-6)


def test_no_degrees_of_freedom():
    """The variance of one element with ddof=1 is NaN, and so is its derivative."""
    for f in (np.var, np.std):
        with quiet():
            y, pullback = kn.vjp(lambda x, f=f: f(x, ddof=1), np.ones(1))
        assert np.isnan(y) and np.isnan(pullback(1.0)[0]).all()


ZEROS = ([0.0, 2.0, 3.0, -1.5], [0.0, 0.0, 3.0, -1.5], [0.0, 0.0, 0.0, 2.0], [0.0], [0.0, 1.5])


@pytest.mark.parametrize("x", ZEROS, ids=str)
def test_products_with_zeros_to_second_order(x):
    check_first(np.prod, [np.array(x)], np.random.default_rng(0))
    check_second(np.prod, [np.array(x)], np.random.default_rng(1))


@pytest.mark.parametrize("axis", [0, 1, (0, 2)])
def test_products_with_zeros_along_axes(axis):
    x = np.array([[[0.0, 1.0], [2.0, 3.0], [4.0, 0.0]], [[1.5, 0.0], [2.5, 3.5], [0.0, 0.5]]])
    check_second(lambda x: np.prod(x, axis=axis), [x], np.random.default_rng(0))


def test_product_of_many_with_a_zero():
    """Memory and time grow with the number of elements, not with its square."""
    x = np.ones(100_001)
    x[7] = 0
    g = kn.grad(np.prod, 0)(x)
    assert g[7] == 1 and np.count_nonzero(g) == 1


def test_hessian_of_a_product_with_zeros():
    np.testing.assert_array_equal(kn.hessian(np.prod)(np.array([0.0, 0.0, 5.0])), [[0, 5, 0], [5, 0, 0], [0, 0, 0]])


SECOND = {  # second derivatives by one number
    "logaddexp at a tie": (lambda x: np.logaddexp(x, 0.0), 0.0, 0.25),
    "logaddexp far": (lambda x: np.logaddexp(x, 0.0), -1000.0, 0.0),
    "logaddexp far above": (lambda x: np.logaddexp(x, 0.0), 1000.0, 0.0),
    "sigmoid far": (kn.sigmoid, -1000.0, 0.0),
    "x ** 1": (lambda x: x**1, 0.0, 0.0),
    "x ** 2": (lambda x: x**2, 0.0, 2.0),
    "x ** 3": (lambda x: x**3, 0.0, 0.0),
    "x ** [2]": (lambda x: (x ** np.array([2.0])).sum(), 0.0, 2.0),
    "x ** 0": (lambda x: x**0, 0.0, 0.0),
    "x * abs(x)": (lambda x: x * np.abs(x), -1.0, -2.0),
    "relu": (lambda x: kn.relu(x) ** 2, -1.0, 0.0),
    "sqrt": (np.sqrt, 4.0, -1 / 32),
    "arctan2": (lambda x: np.arctan2(x, 1.0), 1.0, -0.5),
    "norm": (lambda x: np.linalg.norm(np.stack([x, x])), 1.0, 0.0),
    "logsumexp": (lambda x: kn.logsumexp(np.stack([x, 0.0])), 0.0, 0.25),
    "logsumexp far": (lambda x: kn.logsumexp(np.stack([x, 0.0])), 1e4, 0.0),
    "softmax": (lambda x: kn.softmax(np.stack([x, 0.0]))[0], 0.0, 0.0),
    "nll": (lambda x: kn.nll(np.stack([x, 0.0]), 0), 0.0, 0.25),
    "nll 1e4": (lambda x: kn.nll(np.stack([x, 0.0]), 0), -1e4, 0.0),
    "var": (lambda x: np.var(np.stack([x, 0.0, 0.0])), 0.0, 4 / 9),
    "prod": (lambda x: np.prod(np.stack([x, x, x])), 0.0, 0.0),
    "prod of two": (lambda x: np.prod(np.stack([x, x])), 0.0, 2.0),
    "maximum": (lambda x: np.maximum(x, -x) ** 2, 1.0, 2.0),
    "where": (lambda x: np.where(x > 0, x**3, x), 2.0, 12.0),
    "clip": (lambda x: np.clip(x, -1.0, 1.0) ** 3, 0.5, 3.0),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_derivative_at_kinks(name):
    f, x, wanted = SECOND[name]
    mixes = (
        kn.grad(kn.grad(f, 0), 0)(x),
        kn.jvp(kn.grad(f, 0), (x,), (1.0,))[1],
        kn.grad(lambda x: kn.jvp(f, (x,), (1.0,))[1], 0)(x),
        kn.jvp(lambda x: kn.jvp(f, (x,), (1.0,))[1], (x,), (1.0,))[1],
    )
    np.testing.assert_allclose(mixes, wanted, rtol=1e-12, atol=1e-12)


def test_nll_warns_of_probabilities():
    x = np.zeros((2, 3))
    with pytest.warns(UserWarning, match="raw scores"):
        kn.grad(lambda x: kn.nll(kn.softmax(x), [0, 1]), 0)(x)


def test_accuracy():
    scores = np.array([[0.1, 0.9, 0.0], [0.5, 0.2, 0.5], [0.0, 0.0, 1.0]])
    assert kn.accuracy(scores, [1, 0, 0]) == 2 / 3
    assert kn.accuracy(scores, [1, 2, 2]) == 2 / 3  # the first of tied scores counts
    assert kn.accuracy(scores.T, [1, 0, 2], axis=0) == 1
    assert kn.accuracy(scores, [1, 9, 9], ignore=9) == 1
    assert np.isnan(kn.accuracy(scores[:0], []))
    assert type(kn.accuracy(scores, [1, 0, 0])) is float
    assert kn.accuracy(kn.param(scores), [1, 0, 0]) == 2 / 3


def test_dropout_drops_the_same_in_the_derivative():
    x = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)
    kept = []

    def loss(x):
        y = kn.dropout(x, 0.3)
        kept.append(y != 0)
        return np.sum(y)

    g = kn.grad(loss, 0)(x)
    np.testing.assert_array_equal(g, np.where(kept[0], np.float32(1) / np.float32(0.7), 0))
    assert 0.2 < (g == 0).mean() < 0.4 and g.dtype == np.float32
    np.testing.assert_array_equal(kn.grad(lambda x: np.sum(kn.dropout(x, 1)), 0)(x), np.zeros_like(x))
    np.testing.assert_array_equal(kn.grad(lambda x: np.sum(kn.dropout(x, 0)), 0)(x), np.ones_like(x))
