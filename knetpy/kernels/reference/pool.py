"""Pooling: the largest or the mean element under each place of a window, and the transposes."""

from __future__ import annotations

import math

import numpy as np

from knetpy.devices import beside
from knetpy.kernels.reference import Ints, Pairs, numbered, pad, places, summing, taps, unpad


def largest(x: np.ndarray, **how) -> np.ndarray:
    """Return the first result of `maxpool`."""
    return maxpool(x, **how)[0]


def maxpool(
    x: np.ndarray, *, window: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maxima y (N, C, *So) of x (N, C, *S) and the taps that met them: their numbers in the window.

    Of equal elements the first in row-major order is taken; NaN beats every number; padding is never taken.
    """
    inside = pad(np.ones_like(x, bool, shape=x.shape[2:]), padding, False)
    x = pad(x, padding)
    out = places(inside.shape, window, stride, dilation)
    y, best = np.zeros((*x.shape[:2], *out), x.dtype, like=x), np.full_like(x, -1, int, shape=(*x.shape[:2], *out))
    for number, (_, met) in enumerate(taps(inside.shape, window, stride, dilation)):
        seen = x[met]
        better = inside[met] & ((best < 0) | (seen > y) | (np.isnan(seen) & ~np.isnan(y)))
        y, best = np.where(better, seen, y), np.where(better, number, best)
    return y, best.astype(tap_dtype(window))


def tap_dtype(window: Ints) -> type:
    """Return the dtype of numbers of taps: one byte each if that suffices."""
    return np.uint8 if math.prod(window) <= 256 else np.int32


def pick(x: np.ndarray, best: np.ndarray, *, window: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> np.ndarray:
    """Return y (N, C, *So): what the tap `best` of each place meets of x (N, C, *S), 0 for padding."""
    x = pad(x, padding)
    y = np.zeros(best.shape, x.dtype, like=x)
    for number, (_, met) in enumerate(taps(x.shape[2:], window, stride, dilation)):
        y = np.where(best == number, x[met], y)
    return y


@summing
def spread(
    dy: np.ndarray, best: np.ndarray, *, size: Ints, window: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> np.ndarray:
    """Return dx (N, C, *size): the transpose of `pick`. What meets at one position is added."""
    dx = pad(np.zeros((*dy.shape[:2], *size), dy.dtype, like=dy), padding)
    for number, (_, met) in enumerate(taps(dx.shape[2:], window, stride, dilation)):
        dx[met] += np.where(best == number, dy, 0)
    return unpad(dx, padding)


def positions(
    best: np.ndarray, *, size: Ints, window: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> np.ndarray:
    """Return where in the flattened S the elements lie that the taps `best` (N, C, *So) meet, int64."""
    rank, (steps, starts) = len(window), np.zeros((2, 1), np.int64)
    for i in range(rank):
        along = [-1 if axis == i else 1 for axis in range(rank)]
        starts = starts * size[i] + (np.arange(best.shape[2 + i]) * stride[i] - padding[i][0]).reshape(along)
        steps = steps * size[i] + (np.arange(window[i]) * dilation[i]).reshape(along)
    return beside(steps.reshape(-1), best)[best] + beside(starts, best)


def take(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return y (N, C, *So): the elements of x (N, C, *S) at the positions `index` in its flattened S."""
    x, places = _flat(x), _flat(index)
    return np.take_along_axis(x, places, axis=2).reshape(index.shape)


@summing
def put(dy: np.ndarray, index: np.ndarray, *, size: Ints) -> np.ndarray:
    """Return dx (N, C, *size): the transpose of `take`. What meets at one position is added."""
    dx = np.zeros((*dy.shape[:2], math.prod(size)), dy.dtype, like=dy)
    np.add.at(dx, (*numbered(dx), _flat(index)), _flat(dy))
    return dx.reshape(*dy.shape[:2], *size)


@summing
def meanpool(
    x: np.ndarray, *, window: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs | None
) -> np.ndarray:
    """Return y (N, C, *So): sums under the window, each over the number of elements there that count.

    Those are the elements of x and the `counted` ones (before, after) of the padding; None: the sums themselves.
    """
    counts = _counts(x, x.shape[2:], window, stride, padding, dilation, counted)
    return _sums(pad(x, padding), window, stride, dilation) / counts


@summing
def meanpool_dx(
    dy: np.ndarray, *, size: Ints, window: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs | None
) -> np.ndarray:
    """Return dx (N, C, *size): the transpose of `meanpool`."""
    share = dy / _counts(dy, size, window, stride, padding, dilation, counted)
    dx = pad(np.zeros((*dy.shape[:2], *size), dy.dtype, like=dy), padding)
    for _, met in taps(dx.shape[2:], window, stride, dilation):
        dx[met] += share
    return unpad(dx, padding)


def _sums(x: np.ndarray, window: Ints, stride: Ints, dilation: Ints) -> np.ndarray:
    size = x.shape[x.ndim - len(window) :]
    met = [x[slices] for _, slices in taps(size, window, stride, dilation)]
    return sum(met[1:], start=met[0])


def _counts(like, size: Ints, window: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs | None):
    """The divisors, (*So)."""
    if counted is None:
        return np.ones_like(like, shape=())
    rest = [(before - b, after - a) for (before, after), (b, a) in zip(padding, counted)]
    return _sums(pad(pad(np.ones_like(like, shape=size), counted, 1), rest), window, stride, dilation)


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
