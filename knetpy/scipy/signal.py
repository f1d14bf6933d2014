"""`scipy.signal` for values being differentiated: convolutions and correlations. Other names are SciPy's own.

Derivatives are of every order, by both inputs: a convolution of mode "full" and one of mode "valid" are each other's.
"""

from typing import Any

import numpy as np
from scipy import signal as _sg

from ..core.errors import DerivativeError
from ..core.primitive import primitive
from ..core.value import bare
from .own import like, no_rule, tracked


def __getattr__(name: str) -> Any:
    found = getattr(_sg, name)
    return no_rule(f"scipy.signal.{name}", found) if callable(found) and not isinstance(found, type) else found


def _kernel(a, b, mode, how):
    """By one of SciPy's functions: its name, or a method of `convolve`."""
    if how in ("auto", "direct", "fft"):
        return _sg.convolve(a, b, mode, how)
    return getattr(_sg, how)(a, b, mode)


def _conjugate(x):
    return np.conjugate(x) if x.dtype.kind == "c" else x


_full = primitive(
    lambda a, b, *, how: _kernel(a, b, "full", how),
    name="scipy.signal.convolve",
    a=lambda dy, b, how: _valid(dy, np.flip(b), how=how),
    b=lambda dy, a, how: _valid(dy, np.flip(a), how=how),
)
_valid = primitive(
    lambda a, b, *, how: _kernel(a, b, "valid", how),
    name="scipy.signal.convolve",
    a=lambda dy, b, how: _full(dy, np.flip(b), how=how),
    b=lambda dy, a, how: _valid(np.flip(a), dy, how=how),
)  # a is the larger one along each axis


def _array(x):
    if tracked(x):
        return x if hasattr(x, "dtype") else np.stack(x)
    return np.asarray(bare(x))


def _centred(y, shape, later=0):
    """The middle of y, of this shape; where there are two, the later=1 or the earlier one."""
    starts = [(n - size + later) // 2 for n, size in zip(y.shape, shape)]
    return y[tuple([slice(start, start + size) for start, size in zip(starts, shape)])]


def _convolved(a, b, mode, how):
    """The convolution of arrays of as many axes, none empty, that SciPy has found no fault with."""
    if not a.shape:
        return a * b
    if mode == "valid":
        smaller = any([n < m for n, m in zip(a.shape, b.shape)])
        return _valid(b, a, how=how) if smaller else _valid(a, b, how=how)
    y = _full(a, b, how=how)
    return _centred(y, a.shape) if mode == "same" else y


def _checked(original, in1, in2, *how):
    """Both inputs as arrays, after SciPy has had its say on their shapes and on the options."""
    in1, in2 = _array(in1), _array(in2)
    if not in1.size or not in2.size:
        raise DerivativeError(f"scipy.signal.{original.__name__}: an input is empty, so nothing depends on the other")
    original(bare(in1), bare(in2), *how)
    return in1, in2


@like(_sg.convolve)
def convolve(in1, in2, mode="full", method="auto"):
    """The convolution of two arrays of as many axes: `scipy.signal.convolve`.

    Parameters:
      in1, in2: arrays.
      mode="full": "full"; "same", the middle of it, of the shape of in1; "valid", where the smaller one is inside.
      method="auto": "direct", "fft", or "auto" for the faster one.
    Returns: array, of shape in1 + in2 - 1, in1 or larger - smaller + 1 along each axis.
    Raises: ValueError for shapes that do not fit, or another mode.

    >>> import numpy as np, knetpy as kn
    >>> kn.grad(lambda x: kn.scipy.signal.convolve(x, [1.0, 2.0], "valid").sum(), 0)(np.ones(4))
    array([2., 3., 3., 1.])
    """
    in1, in2 = _checked(_sg.convolve, in1, in2, mode, method)
    return _convolved(in1, in2, mode, method)


@like(_sg.correlate)
def correlate(in1, in2, mode="full", method="auto"):
    """The cross-correlation of two arrays of as many axes: `scipy.signal.correlate`.

    Parameters, returns and errors: as for `convolve`.

    >>> import numpy as np, knetpy as kn
    >>> kn.scipy.signal.correlate([1.0, 2.0, 3.0], [0.0, 1.0], "valid")
    array([2., 3.])
    """
    in1, in2 = _checked(_sg.correlate, in1, in2, mode, method)
    return _convolved(in1, _conjugate(np.flip(in2)), mode, method)


@like(_sg.fftconvolve)
def fftconvolve(in1, in2, mode="full", axes=None):
    """The convolution of two arrays by Fourier transforms: `scipy.signal.fftconvolve`.

    Parameters: in1, in2, mode as for `convolve`; axes=None: only None, for all, while a derivative is taken.
    Returns and errors: as for `convolve`; TypeError for axes.

    >>> import numpy as np, knetpy as kn
    >>> np.round(kn.scipy.signal.fftconvolve([1.0, 2.0], [1.0, 1.0]), 9)
    array([1., 3., 2.])
    """
    return _by("fftconvolve", in1, in2, mode, axes)


@like(_sg.oaconvolve)
def oaconvolve(in1, in2, mode="full", axes=None):
    """The convolution of two arrays, block by block: `scipy.signal.oaconvolve`.

    Parameters, returns and errors: as for `fftconvolve`.

    >>> import numpy as np, knetpy as kn
    >>> np.round(kn.scipy.signal.oaconvolve([1.0, 2.0], [1.0, 1.0]), 9)
    array([1., 3., 2.])
    """
    return _by("oaconvolve", in1, in2, mode, axes)


def _by(name, in1, in2, mode, axes):
    if axes is not None:
        raise TypeError(f"scipy.signal.{name}: axes= is not supported on knetpy values; leave it out")
    in1, in2 = _checked(getattr(_sg, name), in1, in2, mode)
    return _convolved(in1, in2, mode, name)


_PADS = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}  # np.pad's words


@like(_sg.convolve2d)
def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    """The convolution of two matrices: `scipy.signal.convolve2d`.

    Parameters:
      in1, in2, mode="full": as for `convolve`.
      boundary="fill": what lies around in1: "fill", `fillvalue`; "wrap", its other end; "symm", its mirror image.
      fillvalue=0: a number, a constant.
    Returns and errors: as for `convolve`.

    >>> import numpy as np, knetpy as kn
    >>> kn.scipy.signal.convolve2d(np.eye(2), np.ones((1, 2)), "same", "wrap")
    array([[1., 1.],
           [1., 1.]])
    """
    in1, in2 = _checked(_sg.convolve2d, in1, in2, mode, boundary, fillvalue)
    return _of_matrices(in1, in2, mode, boundary, fillvalue)


def _of_matrices(in1, in2, mode, boundary, fillvalue, later=0):
    if mode == "valid":
        return _convolved(in1, in2, mode, "direct")
    options = {"constant_values": fillvalue} if boundary == "fill" else {}
    y = _valid(np.pad(in1, [(n - 1, n - 1) for n in in2.shape], _PADS[boundary], **options), in2, how="direct")
    return _centred(y, in1.shape, later) if mode == "same" else y


@like(_sg.correlate2d)
def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    """The cross-correlation of two matrices: `scipy.signal.correlate2d`.

    Parameters, returns and errors: as for `convolve2d`.

    >>> import numpy as np, knetpy as kn
    >>> kn.scipy.signal.correlate2d(np.eye(2), np.ones((1, 2)), "valid")
    array([[1.],
           [1.]])
    """
    in1, in2 = _checked(_sg.correlate2d, in1, in2, mode, boundary, fillvalue)
    return _of_matrices(in1, _conjugate(np.flip(in2)), mode, boundary, fillvalue, later=1)
