"""Methods and options of ufuncs and reductions: what they refuse, and that without transforms they are NumPy's."""

import numpy as np
import pytest

import knetpy as kn

X = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.75]])
MASK = np.array([[True, False, True], [False, True, True]])


def inside(f, *args):
    return kn.vjp(f, *args)[0]


def test_what_writes_into_a_value_is_refused():
    for p in (kn.param(X), X):
        for f in (lambda a: np.add.at(a, [0], 1), lambda a: np.exp(X, out=a), lambda a: np.sum(X, out=a)):
            with pytest.raises(kn.MutationError, match=r"np\.(add\.at|exp|sum)"):
                f(p) if isinstance(p, kn.Param) else kn.grad(lambda x, f=f: f(x), 0)(p)
    assert np.array_equal(p, X)


def test_augmented_assignments_keep_shape_and_dtype_as_numpy_does():
    def f(x, v=(1.0, 2.0, 3.0)):
        y = x * 1
        y += v
        y *= np.arange(3)
        y @= np.eye(3)
        total = y.sum()
        total += v  # of a number, which is not written into
        return y, total

    x = X.astype("f4")
    for inside_, plain in zip(inside(f, x), f(x)):
        assert np.array_equal(inside_, plain) and inside_.dtype == plain.dtype
    assert kn.gradcheck(lambda x: f(x)[0], X)
    for v, error in ((np.ones((4, 2, 3)), kn.ShapeError), (1j, kn.DtypeError)):
        with pytest.raises(error, match=r"write r = r \+ v"):
            inside(lambda x, v=v: f(x, v), X)


def test_without_transforms_numpy_answers_to_the_last_bit():
    p, x = kn.param(X), np.array([1.0, np.nan, 2.0])
    calls = (
        lambda a: np.sum(a, where=MASK, initial=0.1),
        lambda a: np.mean(a, 1, where=MASK),
        lambda a: np.std(a, where=MASK),
        lambda a: np.prod(a, 0, where=MASK),
        lambda a: np.var(a, mean=0.3),
        lambda a: np.add(a, 1, where=MASK, out=np.ones((2, 3))),
        lambda a: np.hypot.reduce(a, 1),
        lambda a: np.add(a, 1, dtype=np.float32),
        lambda a: np.exp(a, out=np.ones((2, 3))),
        lambda a: np.logaddexp.accumulate(a, 1),
        lambda a: np.maximum.outer(a, a),
        lambda a: np.add.reduceat(a, [0, 1]),
        lambda a: np.cov(a, aweights=[0.5, 1.0, 2.0]),
        lambda a: np.interp(a, [0.0, 1.0], [3.0, 7.0]),
    )
    for f in calls:
        assert np.array_equal(f(p), f(X)) and type(f(p)) is type(f(X))
    assert np.nansum(kn.param(x)) == 3 and np.nanmean(kn.param(x)) == 1.5


def test_constants_take_every_option():
    out = np.zeros((2, 3), bool)
    y = inside(lambda x: (np.greater(x, 0, out=out), np.logical_and.reduce(x > 0, axis=1), np.sum(x))[1], X)
    assert np.array_equal(out, X > 0) and np.array_equal(y, (X > 0).all(1))
    assert np.array_equal(inside(lambda x: np.equal.outer(x, [2.0]), X), np.equal.outer(X, [2.0]))
    assert np.array_equal(inside(lambda x: np.isfinite(x, where=MASK, out=np.ones((2, 3), bool)), X), np.ones((2, 3)))


@pytest.mark.parametrize("ufunc", [np.floor_divide, np.heaviside])
def test_the_first_element_goes_through_what_is_flat(ufunc):
    slope = np.array([[1.0, 1, 1], [0, 0, 0]])
    assert np.array_equal(kn.grad(lambda x: np.sum(ufunc.accumulate(x)), 0)(X), slope)
    assert np.array_equal(kn.grad(lambda x: np.sum(ufunc.reduceat(x, [0, 1])), 0)(X), np.ones((2, 3)))
    assert np.array_equal(kn.grad(lambda x: np.sum(ufunc.reduce(x[:1])), 0)(X), slope)
    assert np.array_equal(kn.grad(lambda x: np.sum(ufunc.reduce(x) + ufunc(x, 2)), 0)(X), 0 * X)


def test_ufuncs_without_a_rule_are_named():
    with pytest.raises(kn.DerivativeError, match=r"np\.gcd\.outer"):
        kn.grad(lambda x: np.gcd.outer(x, [1]).sum(), 0)(X)


def test_ties_of_running_extremes_go_to_the_last():
    x = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    assert kn.grad(lambda x: np.maximum.accumulate(x).sum())(x).tolist() == [1, 1, 2, 0, 1]
    x = np.array([np.nan, 2.0, np.nan, 1.0])
    assert np.array_equal(inside(np.fmax.accumulate, x), np.fmax.accumulate(x), equal_nan=True)
    assert np.array_equal(inside(np.maximum.accumulate, x), np.maximum.accumulate(x), equal_nan=True)


def test_extremes_share_among_tied_elements_and_the_initial_value():
    x = np.array([1.0, 2.0, 2.0])
    assert np.allclose(kn.grad(lambda x: np.max(x, initial=2.0))(x), [0, 1 / 3, 1 / 3])
    assert kn.grad(lambda x: np.max(x, initial=0.0, where=[True, True, False]))(x).tolist() == [0, 1, 0]
    assert kn.grad(lambda x: np.max(x, initial=9.0))(x).tolist() == [0, 0, 0]


def test_hypot_and_logaddexp_at_their_limits():
    assert kn.grad(np.hypot.reduce)(np.zeros(3)).tolist() == [0, 0, 0]
    assert kn.grad(np.logaddexp.reduce)(np.array([-np.inf, 1.0, -np.inf])).tolist() == [0, 1, 0]
    assert np.isclose(inside(np.logaddexp.reduce, np.array([1000.0, 1000.0])), 1000 + np.log(2))


def test_masks_leave_out_nan():
    x = np.array([1.0, np.nan, 3.0])
    for f in (np.sum, np.prod, np.mean, np.var, np.std):
        g = kn.grad(lambda x, f=f: f(x, where=[True, False, True]))(x)
        assert np.isfinite(g).all() and g[1] == 0, f


NAN = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [2.0, 5.0, 2.0]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "f", [np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin], ids=lambda f: f.__name__
)
def test_nan_is_left_out(f):
    y, pullback = kn.vjp(lambda x: f(x, axis=1), NAN)
    np.testing.assert_allclose(y, f(NAN, axis=1), rtol=1e-14)
    (g,) = pullback(np.array([1.0, 0.0, 1.0]))
    plain = {np.nanvar: np.var, np.nanstd: np.std, np.nanmax: np.max, np.nanmin: np.min}
    plain |= {np.nansum: np.sum, np.nanprod: np.prod, np.nanmean: np.mean}
    wanted = kn.grad(plain[f])(np.array([1.0, 3.0]))
    np.testing.assert_allclose(g[0], [wanted[0], 0, wanted[1]], rtol=1e-14)
    np.testing.assert_allclose(g[2], kn.grad(plain[f])(NAN[2]), rtol=1e-14)


def test_nan_to_num_passes_on_what_is_a_number():
    x = np.array([1.0, np.nan, np.inf, -np.inf])
    assert inside(lambda x: np.nan_to_num(x, posinf=7.0), x).tolist() == [1, 0, 7, np.finfo(float).min]
    assert kn.grad(lambda x: np.nan_to_num(x, nan=2.0, posinf=1.0, neginf=0.0).sum())(x).tolist() == [1, 0, 0, 0]


def test_zeros_in_running_products():
    x = np.array([2.0, 0.0, 3.0, 0.0, 5.0])
    assert kn.grad(lambda x: np.cumprod(x).sum())(x).tolist() == [1, 8, 0, 0, 0]
    hessian = kn.hessian(lambda x: np.cumprod(x).sum())(x)
    assert hessian[1, 3] == 36 and hessian[0, 1] == 4 and hessian[2, 1] == 2
