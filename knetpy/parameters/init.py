"""Initialisers: functions of a shape that return a fresh plain array for `param` to wrap.

The random ones make float16, float32 and float64 and draw from the stream that `knetpy.seed` resets. What all of them
take and raise stands at `zeros`.
"""

from __future__ import annotations

import reprlib
import sys
from math import ceil, erfc, inf, prod, sqrt
from typing import Any

import numpy as np

from .. import random as draws
from ..random import INIT, as_dtype, as_shape, take
from ..settings import whole

__all__ = [
    "bilinear", "fans", "gaussian", "identity_init", "kaiming_normal", "kaiming_uniform", "lecun_normal", "ones",
    "orthogonal", "sparse_init", "truncated_normal", "xavier", "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip


def fans(*shape: Any) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: how many inputs reach an output, and how many outputs an input reaches.

    A matrix is (in, out), since models write `x @ w`; with more axes it is a convolution's (O, C, *K), where
    fan_in is C * prod(K) and fan_out is O * prod(K). A vector has (length, 1), a scalar (1, 1).

    Parameters:
      *shape: the sizes as numbers or as one tuple.
    Returns: two integers.
    Raises: TypeError, ValueError for what is no shape.

    >>> import knetpy as kn
    >>> kn.init.fans(512, 10), kn.init.fans(16, 3, 5, 5), kn.init.fans(7)
    ((512, 10), (75, 400), (7, 1))
    """
    shape = as_shape("fans", shape)
    if len(shape) < 2:
        return prod(shape), 1
    if len(shape) == 2:
        return shape
    outputs, inputs, *window = shape
    return inputs * prod(window), outputs * prod(window)


# ------------------------------------------------------------------------------------ scaled by the fans


def xavier_uniform(*shape: Any, gain: float = 1, dtype: Any = np.float32) -> np.ndarray:
    """Uniform in ±gain * sqrt(6 / (fan_in + fan_out)), the default of `param`; also called `xavier`.

    Parameters, returns and errors: as for `zeros`; gain=1: a number.
    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    >>> import knetpy as kn
    >>> w = kn.init.xavier(2, 4)
    >>> w.shape, w.dtype.name, bool((abs(w) <= 1).all())
    ((2, 4), 'float32', True)
    """
    shape = as_shape("xavier_uniform", shape)
    (gain,), dtype = _numbers("xavier_uniform", gain=gain), as_dtype("xavier_uniform", dtype, drawn=True)
    return _symmetric(shape, gain * sqrt(6 / _positive(sum(fans(shape)))), dtype)


xavier = xavier_uniform


def xavier_normal(*shape: Any, gain: float = 1, dtype: Any = np.float32) -> np.ndarray:
    """Normal with mean 0 and standard deviation gain * sqrt(2 / (fan_in + fan_out)); see `xavier_uniform`.

    Parameters, returns and errors: as for `zeros`; gain=1: a number.

    >>> import knetpy as kn
    >>> kn.init.xavier_normal(2, 4, dtype="float64").dtype.name
    'float64'
    """
    shape = as_shape("xavier_normal", shape)
    (gain,), dtype = _numbers("xavier_normal", gain=gain), as_dtype("xavier_normal", dtype, drawn=True)
    return _normal(shape, 0, gain * sqrt(2 / _positive(sum(fans(shape)))), dtype)


def kaiming_uniform(*shape: Any, gain: float = sqrt(2), dtype: Any = np.float32) -> np.ndarray:
    """Uniform in ±gain * sqrt(3 / fan_in).

    Parameters, returns and errors: as for `zeros`; gain=sqrt(2): a number; this one suits relu.
    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015.

    >>> import knetpy as kn
    >>> bool((abs(kn.init.kaiming_uniform(6, 100)) <= 1).all())
    True
    """
    shape = as_shape("kaiming_uniform", shape)
    (gain,), dtype = _numbers("kaiming_uniform", gain=gain), as_dtype("kaiming_uniform", dtype, drawn=True)
    return _symmetric(shape, gain * sqrt(3 / _positive(fans(shape)[0])), dtype)


def kaiming_normal(*shape: Any, gain: float = sqrt(2), dtype: Any = np.float32) -> np.ndarray:
    """Normal with mean 0 and standard deviation gain / sqrt(fan_in).

    Parameters, returns and errors: as for `zeros`; gain=sqrt(2): a number; this one suits relu.

    >>> import knetpy as kn
    >>> kn.init.kaiming_normal(16, 3, 5, 5).shape
    (16, 3, 5, 5)
    """
    shape = as_shape("kaiming_normal", shape)
    (gain,), dtype = _numbers("kaiming_normal", gain=gain), as_dtype("kaiming_normal", dtype, drawn=True)
    return _normal(shape, 0, gain / sqrt(_positive(fans(shape)[0])), dtype)


def lecun_normal(*shape: Any, dtype: Any = np.float32) -> np.ndarray:
    """Normal with mean 0 and standard deviation 1 / sqrt(fan_in), as selu wants it.

    Parameters, returns and errors: as for `zeros`.
    Source: LeCun, Bottou, Orr, Müller, "Efficient backprop", 1998.

    >>> import knetpy as kn
    >>> kn.init.lecun_normal(16, 3, 5, 5).shape
    (16, 3, 5, 5)
    """
    shape = as_shape("lecun_normal", shape)
    dtype = as_dtype("lecun_normal", dtype, drawn=True)
    return _normal(shape, 0, 1 / sqrt(_positive(fans(shape)[0])), dtype)


def gaussian(*shape: Any, mean: float = 0, std: float = 0.01, dtype: Any = np.float32) -> np.ndarray:
    """Normal with the given mean and standard deviation.

    Parameters, returns and errors: as for `zeros`; mean=0, std=0.01: numbers, std at least 0.

    >>> import knetpy as kn
    >>> kn.init.gaussian(2, mean=3, std=0)
    array([3., 3.], dtype=float32)
    """
    shape = as_shape("gaussian", shape)
    (mean, std), dtype = _numbers("gaussian", mean=mean, std=std), as_dtype("gaussian", dtype, drawn=True)
    if not std >= 0:
        raise ValueError(f"gaussian: std must be at least 0, got {std}")
    return _normal(shape, mean, std, dtype)


def truncated_normal(
    *shape: Any, mean: float = 0, std: float = 1, lo: float = -2, hi: float = 2, dtype: Any = np.float32
) -> np.ndarray:
    """Normal with the given mean and standard deviation, of which only what lies from `lo` to `hi` is kept.

    Parameters, returns and errors: as for `zeros`;
      mean=0, std=1: numbers, std more than 0.
      lo=-2, hi=2: values, not multiples of std; lo < hi, either may be infinite.

    >>> import knetpy as kn
    >>> x = kn.init.truncated_normal(100, lo=0.5, hi=1)
    >>> bool((x >= 0.5).all() and (x <= 1).all())
    True
    """
    shape = as_shape("truncated_normal", shape)
    (mean, std), dtype = _numbers("truncated_normal", mean=mean, std=std), as_dtype("truncated_normal", dtype)
    lo, hi = _numbers("truncated_normal", inf, lo=lo, hi=hi)
    if not lo < hi:
        raise ValueError(f"truncated_normal: lo must be less than hi, got lo={lo} and hi={hi}")
    if not std > 0:
        raise ValueError(f"truncated_normal: std must be more than 0, got {std}")
    low, high = (lo - mean) / std, (hi - mean) / std
    # the distribution function is exact in its lower tail only, so an interval to the right is drawn mirrored
    z = -_between(-high, -low, shape) if low > 0 else _between(low, high, shape)
    return np.asarray(np.clip(mean + std * z, lo, hi), dtype)


def _between(low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal float64 numbers from `low` to `high`, by the inverse of the distribution function."""
    from statistics import NormalDist  # takes a while to import and is seldom wanted

    first, last = (erfc(-end / sqrt(2)) / 2 for end in (low, high))
    share = first + draws.uniform(take(INIT), prod(shape), np.float64) * (last - first)
    share = np.clip(share, 5e-324, 1 - 2.0**-53)  # the inverse is finite strictly between 0 and 1
    return np.array([NormalDist().inv_cdf(p) for p in share.tolist()], np.float64).reshape(shape)


# ------------------------------------------------------------------------------------------ of a structure


def orthogonal(*shape: Any, gain: float = 1, dtype: Any = np.float32) -> np.ndarray:
    """`gain` times a random matrix with orthonormal rows or columns, whichever are fewer.

    With more than two axes the matrix is (shape[0], product of the rest). At least two axes.

    Parameters, returns and errors: as for `zeros`, of at least two axes; gain=1: a number.
    Source: Saxe, McClelland, Ganguli, "Exact solutions to [...] learning in deep linear neural networks", ICLR 2014.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.init.orthogonal(3, 5)
    >>> np.allclose(w @ w.T, np.eye(3), atol=1e-6)
    True
    """
    shape = as_shape("orthogonal", shape)
    (gain,), dtype = _numbers("orthogonal", gain=gain), as_dtype("orthogonal", dtype)
    if len(shape) < 2:
        raise ValueError(f"orthogonal: shape must have at least 2 axes, got {shape}")
    rows, columns = shape[0], prod(shape[1:])
    tall = draws.normal(take(INIT), (max(rows, columns), min(rows, columns)), np.float64)
    q, r = np.linalg.qr(tall)
    q *= np.where(np.diagonal(r) < 0, -1, 1)  # else LAPACK's choice of signs makes q less than uniform
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype, order="C")


def identity_init(
    *shape: Any, gain: float = 1, shift: int | tuple[int, ...] = 0, dtype: Any = np.float32
) -> np.ndarray:
    """A weight that passes its input on, times `gain`: output i is input i as far as there are both.

    A matrix is the identity, a convolution's (O, C, *K) has `gain` in the middle of window (i, i) (at (k - 1)
    // 2), a vector is a bias and is all zeros.

    Parameters, returns and errors: as for `zeros`;
      gain=1: a number.
      shift=0: rolls the result along the first axis, or, as a tuple with one number for each axis, along all.

    >>> import knetpy as kn
    >>> kn.init.identity_init(2, 3, gain=5, shift=(0, 1))
    array([[0., 5., 0.],
           [0., 0., 5.]], dtype=float32)
    """
    shape = as_shape("identity_init", shape)
    (gain,), dtype = _numbers("identity_init", gain=gain), as_dtype("identity_init", dtype)
    shifts = shift if isinstance(shift, tuple) else (shift, *[0] * len(shape))[: len(shape)]
    if len(shifts) != len(shape) or None in map(whole, shifts):
        raise ValueError(f"identity_init: shift needs one integer for each axis of {shape}, got {shift!r:.60}")
    result: Any = np.zeros(shape, dtype)
    if len(shape) >= 2 and result.size:
        both = np.arange(min(shape[:2]))
        result[(both, both, *((k - 1) // 2 for k in shape[2:]))] = gain
    for axis, by in enumerate(shifts):
        result = np.roll(result, by, axis)
    return result


def sparse_init(*shape: Any, sparsity: float, std: float = 0.01, dtype: Any = np.float32) -> np.ndarray:
    """A matrix, normal with mean 0 and the given std, but for ceil(sparsity * rows) zeros in each column.

    Of the matrix (in, out) of `x @ w` a column holds what reaches one output.

    Parameters, returns and errors: as for `zeros`, of two axes;
      sparsity: a number from 0 to 1. std=0.01: a number of at least 0.
    Source: Martens, "Deep learning via Hessian-free optimization", ICML 2010.

    >>> import knetpy as kn
    >>> (kn.init.sparse_init(10, 3, sparsity=0.75) == 0).sum(axis=0).tolist()
    [8, 8, 8]
    """
    shape = as_shape("sparse_init", shape)
    if len(shape) != 2:
        raise ValueError(f"sparse_init: shape must have 2 axes, got {shape}")
    (sparsity,) = _numbers("sparse_init", sparsity=sparsity)
    std, dtype = *_numbers("sparse_init", std=std), as_dtype("sparse_init", dtype, drawn=True)
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_init: sparsity must be from 0 to 1, got {sparsity}")
    result = gaussian(shape, std=std, dtype=dtype)
    order = np.argsort(draws.uniform(take(INIT), shape, np.float64), axis=0)
    np.put_along_axis(result, order[: ceil(sparsity * shape[0])], 0, axis=0)
    return result


def bilinear(*shape: Any, dtype: Any = np.float32) -> np.ndarray:
    """The weight (C_in, C_out, KH, KW) with which conv_transpose enlarges images by bilinear interpolation.

    Channel i goes to channel i, every other pair of channels gets zeros. To enlarge by s use windows of 2s -
    s % 2, stride s, padding s // 2 for even s and (s - 1) // 2 for odd.

    Parameters, returns and errors: as for `zeros`, which is (C_in, C_out, KH, KW).
    Source: Long, Shelhamer, Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015.

    >>> import knetpy as kn
    >>> kn.init.bilinear(1, 1, 4, 4)[0, 0, 0].tolist()
    [0.0625, 0.1875, 0.1875, 0.0625]
    """
    shape = as_shape("bilinear", shape)
    if len(shape) != 4 or 0 in shape[2:]:
        raise ValueError(f"bilinear: shape must be (C_in, C_out, KH, KW), got {shape}")
    result, both = np.zeros(shape, as_dtype("bilinear", dtype)), np.arange(min(shape[:2]))
    result[both, both] = np.outer(_tent(shape[2]), _tent(shape[3]))
    return result


def _tent(size: int) -> np.ndarray:
    """1 - distance from the middle, in units in which its shifted copies add up to 1."""
    middle = (size - 1) / 2
    return 1 - np.abs(np.arange(size) - middle) / ((size + 1) // 2)


def zeros(*shape: Any, dtype: Any = np.float32) -> np.ndarray:
    """An array of zeros.

    Parameters:
      *shape: the sizes as numbers or as one tuple.
      dtype=np.float32: of the result; float16, float32 or float64 where it is drawn.
    Returns: array of that shape and dtype.
    Raises: TypeError for what is no shape or dtype, ValueError for a shape or argument that makes no sense.

    >>> import knetpy as kn
    >>> kn.init.zeros(3)
    array([0., 0., 0.], dtype=float32)
    """
    return np.zeros(as_shape("zeros", shape), as_dtype("zeros", dtype))


def ones(*shape: Any, dtype: Any = np.float32) -> np.ndarray:
    """An array of ones.

    Parameters, returns and errors: as for `zeros`.

    >>> import knetpy as kn
    >>> kn.init.ones((2, 1))
    array([[1.],
           [1.]], dtype=float32)
    """
    return np.ones(as_shape("ones", shape), as_dtype("ones", dtype))


def _numbers(name: str, most: float = sys.float_info.max, **options: Any) -> list[Any]:
    """The numbers given as options, as Python has them; by default infinite ones are refused, and NaN always."""
    for option, given in options.items():
        no_number = isinstance(given, bool | np.timedelta64)  # although it is an integer to Python or to NumPy
        if no_number or not isinstance(given, int | float | np.integer | np.floating):
            raise TypeError(f"{name}: {option} must be a number, got {reprlib.repr(given)}")
        if not -most <= given <= most:
            raise ValueError(f"{name}: {option} must be a {'finite ' * (most < inf)}number, got {reprlib.repr(given)}")
    return [given if isinstance(given, int) else float(given) for given in options.values()]


def _positive(fan: int) -> int:
    return max(fan, 1)  # nothing is drawn for an empty weight, but the formulas divide


def _symmetric(shape: tuple[int, ...], bound: float, dtype: Any) -> np.ndarray:
    draw = draws.uniform(take(INIT), shape, dtype)
    draw *= 2  # in place, also because a product of zero-dimensional arrays is no array
    draw -= 1
    draw *= bound
    return draw


def _normal(shape: tuple[int, ...], mean: float, std: float, dtype: Any) -> np.ndarray:
    draw = draws.normal(take(INIT), shape, dtype)
    draw *= std
    draw += mean
    return draw
