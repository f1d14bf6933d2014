"""kn.scipy.signal: convolutions and correlations have SciPy's values, and derivatives of two orders."""

from functools import partial

import numpy as np
import pytest
from scipy import signal as theirs

import knetpy as kn

ours = kn.scipy.signal
SHAPES = [((5,), (3,)), ((3,), (4,)), ((4, 5), (2, 3)), ((2, 3), (3, 4)), ((3, 4, 2), (2, 2, 2)), ((), ())]
HOW = {
    "convolve": [{}, {"method": "direct"}, {"method": "fft"}],
    "correlate": [{}, {"method": "direct"}, {"method": "fft"}],
    "fftconvolve": [{}],
    "oaconvolve": [{}],
    "convolve2d": [{}, {"boundary": "wrap"}, {"boundary": "symm"}, {"fillvalue": 2.0}],
    "correlate2d": [{}, {"boundary": "wrap"}, {"boundary": "symm"}, {"fillvalue": 2.0}],
}


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("name", HOW)
def test_values_and_derivatives(name, mode):
    rng = np.random.default_rng(0)
    for shapes in SHAPES:
        if ("2d" in name and len(shapes[0]) != 2) or (not shapes[0] and mode == "same"):
            continue
        a, b = [np.array(rng.normal(size=s)) for s in shapes]
        for how in HOW[name]:
            f, wanted = partial(getattr(ours, name), mode=mode, **how), getattr(theirs, name)(a, b, mode, **how)
            found = kn.vjp(f, a, b)[0]
            assert (found.shape, found.dtype) == (np.shape(wanted), np.float64)
            np.testing.assert_allclose(found, wanted, atol=1e-13)
            np.testing.assert_array_equal(f(kn.param(a), b), wanted)
            kn.gradcheck(lambda a, b, f=f: np.sum(f(a, b) ** 2), a, b, order=2)


def test_single_precision_and_lists():
    a, b = np.ones(4, np.float32), [1, 2]
    y, pullback = kn.vjp(lambda a: ours.convolve(a, b), a)
    assert y.dtype == theirs.convolve(a, b).dtype and pullback(np.ones_like(y))[0].dtype == np.float32
    assert kn.grad(lambda r: np.sum(ours.convolve([r, 2 * r], [1.0, 1.0])), 0)(3.0) == 6


def test_complex_numbers():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=5) + 1j, rng.normal(size=3) - 0.5j
    for f in (ours.convolve, ours.correlate):
        kn.gradcheck(lambda x, f=f: np.sum(np.abs(f(a * x, b)) ** 2), rng.normal(size=5), order=2)


@pytest.mark.parametrize(
    "call, error, facts",
    [
        (lambda x: ours.convolve(x, np.ones((2, 2))), ValueError, "dimensionality"),
        (lambda x: ours.convolve(x, x, "most"), ValueError, "mode"),
        (lambda x: ours.convolve(x, []), kn.DerivativeError, r"signal\.convolve: an input is empty"),
        (lambda x: ours.fftconvolve(x, x, axes=0), TypeError, r"signal\.fftconvolve: axes="),
        (lambda x: ours.hilbert(x), kn.DerivativeError, r"scipy\.signal\.hilbert"),
        (lambda x: theirs.convolve(x, x), kn.DerivativeError, r"made by scipy\.signal\.convolve"),
    ],
)
def test_refusals(call, error, facts):
    with pytest.raises(error, match=facts):
        kn.vjp(call, np.ones(3))
