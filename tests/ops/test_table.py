"""What must hold for every row of the table of ops."""

import warnings
import zlib
from functools import partial

import numpy as np
import pytest

import knetpy as kn
from knetpy.check.derivatives import floating, gradients
from knetpy.core.protocols import OPERATORS
from knetpy.core.value import METHODS, NUMPY, Value
from knetpy.ops import load
from knetpy.tree import leaves
from tests.ops import layouts
from tests.ops.checker import check_first, check_second, idle, quiet, same, scalar
from tests.ops.row import draw
from tests.ops.table import CONSTANTS, DTYPES, ROWS, WRONG


def rows(of=lambda row: True):
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if of(row)])


def random(row):
    return np.random.default_rng(zlib.crc32(row.name.encode()))


def arguments(row, dtype=np.float64):
    return [a.astype(dtype) for a in draw(row, random(row))]


def expected(row, args):
    return (row.reference or row.f)(*args)


def by_value(row):
    return {"exact": row.exact}


# ------------------------------------------------------------------------------------------------- the table


def test_names_are_unique():
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)


def test_every_op_has_a_row():
    load()  # the families that few programs need
    about = {row.op for row in ROWS} | set(CONSTANTS)
    assert [f.__name__ for f in NUMPY if f not in about] == []
    assert [name for name in METHODS if f".{name}" not in about] == []
    special = [f"__{r}{name}__" for f, name in OPERATORS.items() for r in ("r", "") if f.nin == 2 or not r]
    assert [name for name in special if name not in about] == []
    public = [getattr(kn, name) for name in kn.__all__]
    public = [f for f in public if callable(f) and (f.__module__ or "").startswith("knetpy.ops")]
    assert len(public) >= 11
    assert [f.__name__ for f in public if f not in about and f is not kn.accuracy] == []


# ----------------------------------------------------------------------------------------------------- values


@rows()
def test_value(row):
    args = arguments(row)
    for dtype in (np.float64, np.float32):
        args = [a.astype(dtype) for a in args]
        wanted = expected(row, args)
        scale = 1e-12 if dtype is np.float64 else 1e-5
        if row.reference:
            same(row.f(*args), wanted, exact=False, scale=scale)
            assert all(y.dtype == dtype for y in floating(row.f(*args)))
        inside = kn.vjp(row.f, *args)[0]
        same(inside, wanted, row.exact, scale)
        outside = row.f(*[kn.param(a) for a in args])
        assert not any(isinstance(y, Value) for _, y in leaves(outside))
        same(outside, wanted, row.exact, scale)


@pytest.mark.parametrize("name", [f if isinstance(f, str) else f.__name__ for f, call in CONSTANTS.items() if call])
def test_constant(name):
    f = next(call for key, call in CONSTANTS.items() if (key if isinstance(key, str) else key.__name__) == name)
    x, found = np.random.default_rng(0).normal(size=(2, 3)), []

    def loss(x):
        found.append(f(x))
        return np.sum(x)

    assert (kn.grad(loss, 0)(x) == 1).all()
    assert not any(isinstance(part, Value) for _, part in leaves(found[0]))
    for got in (found[0], f(kn.param(x))):
        same(got, f(x))


# ------------------------------------------------------------------------------------------------ derivatives


@rows()
def test_first_derivative(row):
    check_first(row.f, arguments(row), random(row))


@rows(lambda row: row.twice)
def test_second_derivative(row):
    check_second(row.f, arguments(row), random(row))


@rows()
@pytest.mark.filterwarnings("ignore:.*depends on none of the params")  # some rows have no derivative
def test_gradient_by_params(row):
    """A Param gets the gradient that an argument gets, to the last bit."""
    args, loss = arguments(row), scalar(row.f)
    params = [kn.param(a) for a in args]
    found = kn.grad(lambda: loss(*params))()
    same([found[p] for p in params if p in found], list(gradients(loss, args)) if len(found) else [])
    assert len(found) in (0, len(args))


@rows(lambda row: len(row.shapes) > 1 and row.op != ".dot")  # a plain array's method asks nobody
def test_gradient_by_one_argument(row):
    """The other arguments are constants: the gradient is the same, to the last bit; float64 ones leave it its dtype."""
    args, loss = arguments(row), scalar(row.f)
    for n, wanted in enumerate(gradients(loss, args)):
        same(kn.grad(loss, n)(*args), wanted)
        with idle():
            same(kn.grad(loss, n)(*args), wanted)
        if row.reference is None:
            small = kn.grad(loss, n)(*[a.astype(np.float32) if i == n else a for i, a in enumerate(args)])
            assert (small.dtype, small.shape) == (np.float32, wanted.shape)


@rows()
def test_gradients_belong_to_the_caller(row):
    args, before = arguments(row), arguments(row)
    found = gradients(scalar(row.f), args) + kn.vjp(scalar(row.f), *args)[1](1.0)
    for n, g in enumerate(found):
        assert isinstance(g, np.ndarray) and g.flags.writeable and g.flags.owndata
        assert (g.shape, g.dtype) == (args[n % len(args)].shape, np.float64)
        assert not any(np.shares_memory(g, other) for other in (*args, *found[:n]))
    for a, b in zip(args, before):
        assert a.flags.writeable
        np.testing.assert_array_equal(a, b)


def test_what_a_derivative_kept_is_given_back():
    """Arrays beside those differentiated by are locked while a derivative needs them, and not longer."""
    x, key, mask, factor = np.ones((2, 2)), np.array([0, 0]), np.array([True, False]), np.ones((2, 2))
    kn.grad(lambda x: np.sum(x[key] * factor) + np.sum(x[mask] @ factor) + kn.nll(x, key), 0)(x)
    assert all(a.flags.writeable for a in (x, key, mask, factor))


def test_copies_of_params_may_be_written():
    p = kn.param([[1.0, 2.0]])
    for copy in (p.copy(), p.flatten(), p.astype("f4"), np.copy(p), np.array(p), p[[0]], p * 1, np.full_like(p, p)):
        copy += 1
    assert p.value.tolist() == [[1, 2]]


@rows()
def test_short_paths_change_nothing(row):
    args = tuple(arguments(row))
    once = kn.value_and_grad(scalar(row.f), tuple(range(len(args))))(*args)
    with idle():
        again = kn.value_and_grad(scalar(row.f), tuple(range(len(args))))(*args)
    same(once, again)


@rows()
def test_float32_gradients(row):
    args = arguments(row, np.float32)
    single = gradients(scalar(row.f), args)
    double = gradients(scalar(row.f), [a.astype(np.float64) for a in args])
    for g, exact, a in zip(single, double, args):
        assert (g.dtype, g.shape) == (np.float32, a.shape)
        np.testing.assert_allclose(g, exact, rtol=1e-4, atol=1e-5 * (1 + np.abs(exact).max(initial=0)))


@rows(lambda row: row.elementwise)
def test_half_precision(row):
    args = arguments(row, np.float16)
    with quiet():
        y, pullback = kn.vjp(row.f, *args)
        assert y.dtype == (row.reference or row.f)(*args).dtype
    for g, a in zip(pullback(np.ones_like(y)), args):
        assert (g.dtype, g.shape) == (np.float16, a.shape)


@rows(lambda row: row.elementwise and len(row.shapes) == 1)
def test_scalars(row):
    """A number in, a number out, with a number as its gradient."""
    (x,) = draw(row, random(row), [()])
    for given in (float(x), np.float64(x), np.float32(x)):
        y, pullback = kn.vjp(row.f, given)
        (g,) = pullback(np.ones_like(y))
        assert type(g) is (np.float32 if isinstance(given, np.float32) else np.float64)
        (array,) = kn.vjp(row.f, np.array(given))[1](np.ones_like(y))
        same(array, np.array(g), exact=False, scale=1e-6)  # NumPy's own loops differ for numbers and for arrays
        if np.shape(y) == ():
            same(kn.grad(row.f, 0)(given), g)


# -------------------------------------------------------------------------------------- what arrays look like


@rows(lambda row: row.name not in ("reshape A", "ravel K"))  # which ask for the layout
def test_memory_layout_does_not_matter(row):
    args, count = arguments(row), tuple(range(len(row.shapes)))
    wanted = kn.value_and_grad(scalar(row.f), count)(*args)
    for layout in (layouts.fortran, layouts.backwards, layouts.strided, layouts.locked, layouts.unaligned):
        same(kn.value_and_grad(scalar(row.f), count)(*map(layout, args)), wanted, exact=False)


@rows(lambda row: row.name not in ("reshape A", "ravel K"))
def test_stretched_arguments(row):
    """Read-only arrays without memory of their own for each element."""
    args, count = arguments(row), tuple(range(len(row.shapes)))
    stretched = [np.broadcast_to(a[:1], a.shape) if a.ndim else a for a in args]
    wanted = kn.value_and_grad(scalar(row.f), count)(*[np.array(a) for a in stretched])
    same(kn.value_and_grad(scalar(row.f), count)(*stretched), wanted, exact=False)


EDGES = [pytest.param(row, shapes, id=f"{row.name} {shapes}") for row in ROWS for shapes in row.edges]


@pytest.mark.parametrize("row, shapes", EDGES)
def test_empty_and_size_one(row, shapes):
    args = draw(row, random(row), shapes)
    y, pullback = kn.vjp(row.f, *args)
    if row.reference is None:
        same(y, row.f(*args), row.exact)
    with quiet():  # of no numbers the loss may be infinite
        found = gradients(scalar(row.f), args)
    assert all([g.shape == a.shape and g.dtype == a.dtype for g, a in zip(found, args)])
    ones = kn.jvp(row.f, tuple(args), tuple(np.ones_like(a) for a in args))[1]
    assert [t.shape for t in floating(ones)] == [part.shape for part in floating(y)]
    if all(a.size for a in args) and row.twice:
        check_first(row.f, args, random(row))
        check_second(row.f, args, random(row))


@rows(lambda row: row.special)
def test_nan_and_inf(row):
    """The value is NumPy's; the derivative complains of nothing."""
    for special in (np.nan, np.inf, -np.inf):
        args = arguments(row)
        for a in args:
            a.flat[:1] = special
        with quiet():
            y, pullback = kn.vjp(row.f, *args)
            if row.reference is None:
                same(y, row.f(*args), row.exact)
        with warnings.catch_warnings(), np.errstate(all="warn"):
            warnings.simplefilter("error")
            ones = [np.ones_like(part) for part in floating(y)]
            found = pullback(ones[0] if isinstance(y, (np.ndarray, np.generic)) else type(y)(ones))
        assert [g.shape for g in found] == [a.shape for a in args]


# ----------------------------------------------------------------------------------------------------- dtypes

NUMPYS = [row for row in ROWS if row.reference is None]
FLOATS = (np.float16, np.float32, np.float64)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in NUMPYS if len(row.shapes) > 1])
def test_promotion(row):
    """Of two dtypes NumPy makes the one it makes outside; each gradient has the dtype of its own argument."""
    for first, second in ((np.float32, np.float64), (np.float64, np.float32), (np.float16, np.float32)):
        args = [a.astype(second if n else first) for n, a in enumerate(arguments(row))]
        with quiet():
            try:
                wanted = row.f(*args)
            except TypeError as refusal:  # np.linalg takes no float16
                assert "float16" in str(refusal)
                continue
            inside = kn.vjp(row.f, *args)[0]
            found = gradients(scalar(row.f), args)
        assert [y.dtype for y in floating(inside)] == [y.dtype for y in floating(wanted)]
        assert [g.dtype for g in found] == [a.dtype for a in args]


BINARIES = [f for f in NUMPY if getattr(np, f.__name__, None) is f and isinstance(f, np.ufunc) and f.nin == 2]
BINARIES = [f for f in BINARIES if f not in CONSTANTS and f.signature is None and f.nout == 1]
OTHERS = (2, 2.5, True, np.float32(2.5), np.float64(2.5), np.int64(3), np.array(2.5), np.array(3), np.array(2.5, "f4"))
OTHERS += ([2.0, 3.0], [2, 3], *[np.array([2, 3], dtype) for dtype in ("i1", "u1", "i4", "i8", "f2", "f4", "f8", "?")])


@pytest.mark.parametrize("f", BINARIES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", FLOATS)
def test_constants_promote_as_numpys(f, dtype):
    """An array with numbers, lists and arrays of other dtypes on either side."""
    x = np.array([1.5, 0.75], dtype)
    for other in OTHERS:
        for call in (partial(f, other), lambda x, other=other: f(x, other)):
            try:
                wanted = call(x)
            except TypeError:  # np.ldexp takes integers only
                continue
            y, pullback = kn.vjp(call, x)
            same(y, wanted)
            for g in (*pullback(np.ones_like(y)), kn.grad(lambda x, call=call: np.sum(call(x)), 0)(x)):
                assert (g.dtype, g.shape) == (dtype, (2,))
                assert np.isfinite(g).all()


@pytest.mark.parametrize("name", DTYPES)
def test_own_functions_never_promote(name):
    f, facts = DTYPES[name]
    with pytest.raises(kn.DtypeError) as failure:
        f()
    assert all(fact in str(failure.value) for fact in facts), failure.value


# ----------------------------------------------------------------------------------------------- wrong shapes


@pytest.mark.parametrize("wrong", [pytest.param(wrong, id=wrong.name) for wrong in WRONG])
def test_wrong_shapes(wrong):
    args = [np.ones(shape) for shape in wrong.shapes]
    calls = [lambda: kn.vjp(wrong.f, *args), lambda: kn.grad(wrong.f, 0)(*args), lambda: kn.jvp(wrong.f, args, args)]
    on_params = [kn.param(a) for a in args]
    try:
        expected = wrong.f(*args)
    except Exception:
        if wrong.error is not kn.DerivativeError:
            calls.append(lambda: wrong.f(*on_params))
    else:  # what NumPy can do, a Param outside of transforms can, unless we refuse it on plain arrays too
        if not wrong.plain:
            np.testing.assert_array_equal(wrong.f(*on_params), expected)
    for call in calls + [lambda: wrong.f(*args)] * wrong.plain:
        with pytest.raises(wrong.error) as failure:
            call()
        assert all(fact in str(failure.value) for fact in wrong.facts), failure.value
