"""Pooling over windows that lie at random: the size of the result need not divide that of the image."""

import math

import numpy as np

from ..core.errors import ShapeError
from ..core.value import bare
from ..devices import surely
from ..kernels import kernel
from ..random import DROPOUT, take
from .arguments import as_floating, flag, numbers_of, per_axis, placed
from .pool import pool_take
from .window import nonempty_axes, numbers_per_axis

_uniform = kernel("random", "uniform")


def fractional_pool(x, window, *, size=None, ratio=None, samples=None, return_indices=False):
    """The largest element under each of `size` windows whose distances vary at random: fractional max pooling.

    Parameters:
      x: (N, C, *S), floating, with 1, 2 or 3 spatial axes.
      window: its size, a number or one for each spatial axis.
      size=None: the spatial size of the result, likewise; or
      ratio=None: of the size of the result to that of x, above 0 and below 1, likewise. One of the two must be given.
      samples=None: (N, C, axes), numbers u from 0 to below 1, one for each spatial axis, that decide where the windows
        lie; None draws them from `kn.random`'s dropout stream, in training mode or not. (PyTorch's 2-d _random_samples
        have the last axis first.)
      return_indices=False: whether to return also where in the flattened S the maxima lie, an int64 array.
    Returns: (N, C, *size). Window i begins at floor((i + u) * a) - floor(u * a), where a = (S - window) / (size - 1)
      and u is the sample; the last one ends with x.
    Raises: ShapeError, DtypeError, ValueError, TypeError.
    Derivative: to the first of equal elements in row-major order; NaN counts as the largest.
    Source: Graham, "Fractional max-pooling", 2014.

    >>> import numpy as np, knetpy as kn
    >>> kn.fractional_pool(np.arange(7.0).reshape(1, 1, 7), 2, size=4).shape
    (1, 1, 4)
    """
    (x,) = as_floating("fractional_pool", x=x)
    return_indices = flag("fractional_pool", "return_indices", return_indices)
    axes = nonempty_axes("fractional_pool", x.shape)
    window = per_axis("fractional_pool", "window", window, axes)
    size = _size(x.shape, size, ratio, axes)
    for i, (n, k, m) in enumerate(zip(x.shape[2:], window, size)):
        if m + k - 1 > n:
            raise ShapeError(
                f"fractional_pool: {m} windows of {k} along spatial axis {i} need at least {m + k - 1} elements, x "
                f"{x.shape} has {n}; take a smaller size or window"
            )
    starts = [_starts(*of) for of in zip(_samples(x, samples, axes), x.shape[2:], window, size)]
    index = _argmax(bare(x), starts, window)
    y = pool_take(x, index=index)
    return (y, index) if return_indices else y


def _size(x, size, ratio, axes):
    if (size is None) == (ratio is None):
        raise ValueError(f"fractional_pool: give size or ratio, one of the two; got size={size} and ratio={ratio}")
    if size is not None:
        return per_axis("fractional_pool", "size", size, axes)
    ratios = numbers_per_axis("fractional_pool", "ratio", ratio, axes, most=1, above=0)
    return per_axis("fractional_pool", "size", [int(n * r) for n, r in zip(x[2:], ratios)], axes)


def _samples(x, given, axes):
    """A number from 0 to 1 for each image and channel, as an array (N, C) for each axis."""
    shape = (*x.shape[:2], axes)
    if given is None:
        samples = _uniform(bare(x), shape, np.float32, *take(DROPOUT))
    else:
        samples = placed("fractional_pool", "samples", numbers_of("fractional_pool", "samples", given), x)
    if samples.shape != shape or surely((samples < 0) | (samples >= 1) | (samples != samples)):
        raise ValueError(f"fractional_pool: samples must be numbers from 0 to below 1 of shape {shape}")
    return [samples[..., i].astype(np.float64) for i in range(axes)]


def _starts(u, n, k, size):
    """Where the windows along an axis of n elements begin, (N, C, size)."""
    step = (n - k) / (size - 1) if size > 1 else 0.0
    starts = np.floor((np.arange(size, like=u) + u[..., None]) * step) - np.floor(u[..., None] * step)
    starts[..., -1:] = n - k
    return starts.astype(np.int64)


def _argmax(x, starts, window):
    """Where in the flattened S the largest element under each window lies."""
    size, axes = [s.shape[2] for s in starts], len(window)
    index = np.zeros(
        (*x.shape[:2], *[1] * (2 * axes)), np.int64, like=x
    )  # places first, then the elements under a window
    for i, (s, k, n) in enumerate(zip(starts, window, x.shape[2:])):
        here, within = [1] * axes, [1] * axes
        here[i], within[i] = s.shape[2], k
        index = index * n + s.reshape(*x.shape[:2], *here, *[1] * axes) + np.arange(k, like=index).reshape(within)
    index = index.reshape(*x.shape[:2], *size, math.prod(window))
    flat = [a.reshape(*x.shape[:2], math.prod(a.shape[2:])) for a in (x, index)]
    seen = np.take_along_axis(*flat, 2).reshape(index.shape)
    return np.take_along_axis(index, seen.argmax(-1)[..., None], -1)[..., 0]
