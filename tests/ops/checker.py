"""Derivatives against each other and against differences, along one random direction each."""

import contextlib
import warnings

import numpy as np

import knetpy as kn
from knetpy.core.trace import Trace, active, tracing
from knetpy.core.tree import leaves

STEP = 1e-3


def arrays_in(tree):
    """The floating arrays among the outputs of a function."""
    return [x for _, x in leaves(tree) if hasattr(x, "dtype") and x.dtype.kind == "f"]


def scalar(f):
    """A curved scalar function of everything that `f` returns, in the dtype of that."""

    def loss(*args):
        total = 0
        for n, y in enumerate(arrays_in(f(*args))):
            c = np.cos(np.arange(1.0, y.size + 1) + n).reshape(y.shape).astype(y.dtype)
            total = total + np.sum(np.sin(y) * c)
        return total

    return loss


def gradients(loss, args):
    """What `grad` gives by every argument, as a tuple."""
    return kn.grad(loss, tuple(range(len(args))))(*args)


def along(gradients, direction):
    return sum([np.sum(g * v) for g, v in zip(gradients, direction)])


def differences(f, args, direction):
    """The derivative of a scalar function along a direction, from four values of it."""
    values = [f(*[a + k * STEP * v for a, v in zip(args, direction)]) for k in (-2, -1, 1, 2)]
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * STEP)


def directions(args, rng):
    return tuple([np.array(rng.normal(size=np.shape(a))) for a in args])


def agree(found, floor, tolerance=1e-6):
    """Fail if numbers that must be equal are not; `floor` is how large they might well be."""
    values = np.array(list(found.values()), float)
    size = max(np.abs(values).max(), 1e-2 * floor)
    assert np.isfinite(values).all() and np.ptp(values) <= tolerance * size, found


def check_first(f, args, rng):
    """Reverse and forward mode against differences. `grad` may take fused kernels, `vjp` takes what they stand for."""
    loss, v = scalar(f), directions(args, rng)
    g = gradients(loss, args)
    exact = {"grad": along(g, v), "vjp": along(kn.vjp(loss, *args)[1](1.0), v), "jvp": kn.jvp(loss, tuple(args), v)[1]}
    agree(exact, norm(g), 1e-10)
    agree({**exact, "differences": differences(loss, args, v)}, norm(g))


def check_second(f, args, rng):
    """The derivative along u of that along v, in all mixes of the modes, against differences of the gradient."""
    args, loss, v, u = tuple(args), scalar(f), directions(args, rng), directions(args, rng)

    def reverse(*args):
        return along(gradients(loss, args), v)

    def pulled(*args):
        y, pullback = kn.vjp(loss, *args)
        return along(pullback(np.ones_like(y)), v)

    def forward(*args):
        return kn.jvp(loss, args, v)[1]

    exact = {
        "grad of grad": along(gradients(reverse, args), u),
        "vjp of vjp": along(kn.vjp(pulled, *args)[1](1.0), u),
        "jvp of grad": kn.jvp(reverse, args, u)[1],
        "grad of jvp": along(gradients(forward, args), u),
        "jvp of jvp": kn.jvp(forward, args, u)[1],
    }
    floor = norm(gradients(loss, args))
    agree(exact, floor, 1e-9)
    agree({**exact, "differences": differences(reverse, args, u)}, floor)


def norm(arrays):
    return max([float(np.linalg.norm(a)) for a in arrays], default=0.0) + 1e-3


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
