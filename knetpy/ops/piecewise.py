"""Activations of straight pieces. At kinks the derivative is PyTorch's; second derivatives are 0, but of hardswish."""

from functools import partial

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import constant
from ..kernels import kernel
from ..random import DROPOUT, take
from ..settings import training
from .arguments import as_floating, number, placed
from .curve import activation, served, slope_of, with_slope

_served, _uniform = partial(served, family="piecewise"), kernel("random", "uniform")


def _pieces(name, slope, called=None):
    """A function of straight pieces; `called`: what users call it."""
    return with_slope(called or name, _served(name), slope)


def _constant(name):
    """The slope of a function of straight pieces, which for each of them is constant."""
    return slope_of(name, _served(name), x=None)


def _hardswish_curve(x):
    return np.where((x <= -3) | (x >= 3), 0, x.dtype.type(1 / 3))


_relu, _relu_slope = _served("relu"), _constant("relu_dx")  # which is a function of the value y
_hardtanh_slope, _threshold_slope = _constant("hardtanh_dx"), _constant("threshold_dx")
_hardtanh, _relu6 = [_pieces("hardtanh", _hardtanh_slope, called) for called in ("hardtanh", "relu6")]
_threshold, _trelu = [_pieces("threshold", _threshold_slope, called) for called in ("threshold", "trelu")]
_hardsigmoid = _pieces("hardsigmoid", _constant("hardsigmoid_dx"))
_hardswish = _pieces(
    "hardswish", slope_of("hardswish_dx", _served("hardswish_dx"), x=lambda dy, g, x: dy * g * _hardswish_curve(x))
)
_leakyrelu = _pieces("leakyrelu", _constant("leakyrelu_dx"))
_shrink_slope = _constant("shrink_dx")
_softshrink, _hardshrink = _pieces("softshrink", _shrink_slope), _pieces("hardshrink", _shrink_slope)


@activation(x=lambda dy, y, out: _relu_slope(dy, y, (), out))
def relu(x):
    """max(x, 0), elementwise; NaN stays NaN. The derivative is 0 at 0.

    Parameters, returns and errors: as for `sigmoid`.

    >>> import numpy as np, knetpy as kn
    >>> kn.relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return _relu(x)


def hardtanh(x, low=-1.0, high=1.0):
    """x cut off at the numbers `low` and `high`, elementwise. The derivative is 0 at both, where `np.clip` has 1.

    Parameters, returns and errors: as for `sigmoid`; low=-1.0, high=1.0: numbers, low <= high.

    >>> import numpy as np, knetpy as kn
    >>> kn.hardtanh(np.array([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    low, high = _ordered("hardtanh", low=low, high=high)
    return _hardtanh(x, at=(low, high))


def relu6(x):
    """min(max(x, 0), 6), elementwise. The derivative is 0 at 0 and at 6.

    Parameters, returns and errors: as for `sigmoid`.

    >>> import numpy as np, knetpy as kn
    >>> kn.relu6(np.array([-1.0, 2.0, 8.0]))
    array([0., 2., 6.])
    """
    return _relu6(x, at=(0.0, 6.0))


def hardsigmoid(x):
    """(x + 3) / 6 cut off at 0 and 1, elementwise: a sigmoid of straight lines. The derivative is 0 at -3 and at 3.

    Parameters, returns and errors: as for `sigmoid`.

    >>> import numpy as np, knetpy as kn
    >>> kn.hardsigmoid(np.array([-3.0, 0.0, 3.0]))
    array([0. , 0.5, 1. ])
    """
    return _hardsigmoid(x, at=())


def hardswish(x):
    """x * hardsigmoid(x), elementwise. The derivative is 0 at -3 and 1 at 3.

    Parameters, returns and errors: as for `sigmoid`.
    Source: Howard et al., "Searching for MobileNetV3", 2019.

    >>> import numpy as np, knetpy as kn
    >>> kn.hardswish(np.array([-3.0, 1.5, 3.0]))
    array([-0.   ,  1.125,  3.   ])
    """
    return _hardswish(x, at=())


def leakyrelu(x, slope=0.01):
    """x where x > 0, and slope * x elsewhere. The derivative is `slope` at 0; `prelu` learns it.

    Parameters, returns and errors: as for `sigmoid`; slope=0.01: a number.

    >>> import numpy as np, knetpy as kn
    >>> kn.leakyrelu(np.array([-1.0, 2.0]), 0.1)
    array([-0.1,  2. ])
    """
    return _leakyrelu(x, at=(number("leakyrelu", "slope", slope),))


@activation(
    x=lambda dy, x, slope: np.where(x > 0, dy, dy * slope),
    slope=lambda dy, x: np.where(x > 0, 0, dy * x),
)
def _prelu(x, slope):
    return np.where(x > 0, x, slope * x)


def prelu(x, slope):
    """x where x > 0, and slope * x elsewhere, with a slope that can be learned: one, or one for each channel.

    Parameters:
      x: floating array (N, C, ...) or of any shape.
      slope: array of the same dtype: one number, or C of them, for axis 1 of x. A Python number takes the dtype of x.
    Returns: array of the shape and dtype of x. The derivative by x is the slope at 0.
    Raises: ShapeError for another number of slopes, DtypeError.
    Source: He et al., "Delving deep into rectifiers", 2015.

    >>> import numpy as np, knetpy as kn
    >>> kn.prelu(np.array([[-1.0, -1.0], [2.0, 3.0]]), np.array([0.1, 0.2]))
    array([[-0.1, -0.2],
           [ 2. ,  3. ]])
    """
    (x,) = as_floating("prelu", x=x)
    slope = placed("prelu", "slope", np.asarray(slope, x.dtype), x) if isinstance(slope, (int, float)) else slope
    x, slope = as_floating("prelu", x=x, slope=slope)
    channels, axes = x.shape[1] if len(x.shape) > 1 else 1, len(x.shape)
    if slope.shape not in ((), (1,), (channels,)):
        raise ShapeError(
            f"prelu: slope has shape {slope.shape}, but x of shape {x.shape} takes one slope"
            + (f", or {channels}, one for each channel (axis 1); pass kn.param0({channels})" if axes > 1 else "")
        )
    return _prelu(x, np.reshape(slope, (-1,) + (1,) * (axes - 2) if axes > 1 else ()))


@constant
def _drawn(x, position):
    return _uniform(x, x.shape, np.float32, *position).astype(x.dtype)


def _slopes(x, lower, upper, position):
    """A random number for each element of x: no mask is kept, the derivative draws them again."""
    return lower + (upper - lower) * _drawn(x, position)


@activation(
    x=lambda dy, x, lower, upper, position: np.where(x > 0, dy, dy * _slopes(x, lower, upper, position)),
)
def _rrelu(x, *, lower, upper, position):
    return np.where(x > 0, x, x * _slopes(x, lower, upper, position))


def rrelu(x, lower=1 / 8, upper=1 / 3):
    """leakyrelu with slopes drawn anew from `lower` to `upper` for each element in training mode; else with their mean.

    Parameters:
      x: floating array of any shape.
      lower=1/8, upper=1/3: numbers, lower <= upper.
    Returns: array of the shape and dtype of x. The slopes come from `kn.random`'s dropout stream.
    Raises: ValueError when lower > upper, DtypeError for integers.
    Derivative: the slope that was drawn for the element, where x <= 0.
    Source: Xu et al., "Empirical evaluation of rectified activations in convolution network", 2015.

    >>> import numpy as np, knetpy as kn
    >>> kn.rrelu(np.array([-1.0, 2.0]), 0.1, 0.3)
    array([-0.2,  2. ])
    """
    (x,) = as_floating("rrelu", x=x)
    lower, upper = _ordered("rrelu", lower=lower, upper=upper)
    if not training():
        return _leakyrelu(x, at=((lower + upper) / 2,))
    return _rrelu(x, lower=lower, upper=upper, position=take(DROPOUT))


def threshold(x, threshold, value):
    """x where it is above the number `threshold`, and the number `value` elsewhere, with derivative 0.

    Parameters, returns and errors: as for `sigmoid`; threshold, value: numbers.

    >>> import numpy as np, knetpy as kn
    >>> kn.threshold(np.array([0.5, 2.0]), 1.0, -7.0)
    array([-7.,  2.])
    """
    threshold, value = number("threshold", "threshold", threshold), number("threshold", "value", value)
    return _threshold(x, at=(threshold, value))


def trelu(x, theta=1.0):
    """x where it is above the number `theta`, and 0 elsewhere, with derivative 0.

    Parameters, returns and errors: as for `sigmoid`; theta=1.0: a number.
    Source: Konda, Memisevic, Krueger, "Zero-bias autoencoders and the benefits of co-adapting features", 2014.

    >>> import numpy as np, knetpy as kn
    >>> kn.trelu(np.array([0.5, 2.0]))
    array([0., 2.])
    """
    return _trelu(x, at=(number("trelu", "theta", theta), 0.0))


def softshrink(x, width=0.5):
    """x moved towards 0 by `width`, and 0 where |x| <= width, with derivative 0.

    Parameters, returns and errors: as for `sigmoid`; width=0.5: a number of at least 0.

    >>> import numpy as np, knetpy as kn
    >>> kn.softshrink(np.array([-2.0, 0.25, 1.0]))
    array([-1.5,  0. ,  0.5])
    """
    return _softshrink(x, at=(number("softshrink", "width", width, 0),))


def hardshrink(x, width=0.5):
    """x, and 0 where |x| <= width, with derivative 0.

    Parameters, returns and errors: as for `sigmoid`; width=0.5: a number of at least 0.

    >>> import numpy as np, knetpy as kn
    >>> kn.hardshrink(np.array([-2.0, 0.25, 1.0]))
    array([-2.,  0.,  1.])
    """
    return _hardshrink(x, at=(number("hardshrink", "width", width, 0),))


def _ordered(name, **options):
    """Two numbers, the lower one first."""
    (low, a), (high, b) = [(option, number(name, option, given)) for option, given in options.items()]
    if a > b:
        raise ValueError(f"{name}: {low}={a} is above {high}={b}; exchange them")
    return a, b
