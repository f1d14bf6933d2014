"""Derivatives against each other and against differences, along one random direction each."""

import contextlib
import warnings

import numpy as np

from knetpy.check.derivatives import MODES, along, combined, derivative, difference, floating, gradients, norm
from knetpy.core.trace import Trace, active, tracing
from knetpy.tree import leaves

STEP = 1e-3
TWICE = [transforms for ways in MODES[2].values() for transforms in ways]


def scalar(f):
    """A curved scalar function of everything that `f` returns, in the dtype of that."""
    return lambda *args: combined(floating(f(*args)))


def differences(f, args, direction):
    """The derivative of a scalar function along a direction, from four values of it."""
    return difference([f(*[a + k * STEP * v for a, v in zip(args, direction)]) for k in (-2, -1, 1, 2)], STEP)


def directions(args, rng):
    return tuple([np.array(rng.normal(size=np.shape(a))) for a in args])


def agree(found, floor, tolerance=1e-6):
    """Fail if numbers that must be equal are not; `floor` is how large they might well be."""
    values = np.array(list(found.values()), float)
    size = max(np.abs(values).max(), 1e-2 * floor)
    assert np.isfinite(values).all() and np.ptp(values) <= tolerance * size, found


def check_first(f, args, rng):
    """Reverse and forward mode against differences."""
    loss, v = scalar(f), directions(args, rng)
    g = gradients(loss, args)
    exact = {"grad": along(g, v), **{by: derivative((by,), loss, args, (v,)) for by in ("vjp", "jvp")}}
    agree(exact, norm(g) + 1e-3, 1e-10)
    agree({**exact, "differences": differences(loss, args, v)}, norm(g) + 1e-3)


def check_second(f, args, rng):
    """The derivative along u of that along v, in all mixes of the modes, against differences of the gradient."""
    loss, v, u = scalar(f), directions(args, rng), directions(args, rng)
    exact = {" of ".join(mix): derivative(mix, loss, args, (u, v)) for mix in TWICE}
    floor = norm(gradients(loss, args)) + 1e-3
    agree(exact, floor, 1e-9)
    agree({**exact, "differences": differences(lambda *xs: along(gradients(loss, xs), v), args, u)}, floor)


def idle():
    """Under an outer trace that learns nothing: it switches the short paths off."""
    return tracing(*active(), Trace())


@contextlib.contextmanager
def quiet():
    """Without NumPy's complaints about what goes into it: forward passes on NaN may make them, derivatives may not."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def same(found, expected, exact=True, scale=1e-12):
    """Two results of a function: the same structure, types, dtypes, shapes and, to the last bit or not, values."""
    found, expected = leaves(found), leaves(expected)
    assert [path for path, _ in found] == [path for path, _ in expected]
    for (_, x), (_, y) in zip(found, expected):
        assert type(x) is type(y), (type(x), type(y))
        if hasattr(y, "dtype"):
            assert (x.dtype, x.shape) == (y.dtype, y.shape), (x.dtype, x.shape, y.dtype, y.shape)
            if exact:
                np.testing.assert_array_equal(x, y)
            else:
                size = float(np.abs(y).max(initial=0, where=np.isfinite(y)))
                np.testing.assert_allclose(x, y, rtol=scale, atol=scale * size)
        else:
            assert x == y
