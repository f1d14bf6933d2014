"""Pooling: the largest or the mean element under each place of a window, and the transposes."""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.reference import Ints, Pairs, pad, places, summing, taps, unpad


def maxpool(
    x: np.ndarray, *, window: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maxima y (N, C, *So) of x (N, C, *S) and their positions, int64, in its flattened S.

    Of equal elements the first in row-major order is taken; NaN beats every number; padding is never taken.
    """
    size = x.shape[2:]
    positions = pad(np.arange(math.prod(size), dtype=np.int64).reshape(size), padding, -1)
    x = pad(x, padding)
    out = places(positions.shape, window, stride, dilation)
    y, index = np.zeros((*x.shape[:2], *out), x.dtype), np.full((*x.shape[:2], *out), -1, np.int64)
    for _, met in taps(positions.shape, window, stride, dilation):
        seen, position = x[met], positions[met]
        better = (position >= 0) & ((index < 0) | (seen > y) | (np.isnan(seen) & ~np.isnan(y)))
        y, index = np.where(better, seen, y), np.where(better, position, index)
    return y, index


def take(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return y (N, C, *So): the elements of x (N, C, *S) at the positions `index` in its flattened S."""
    x, places = _flat(x), _flat(index)
    return np.take_along_axis(x, places, axis=2).reshape(index.shape)


@summing
def put(dy: np.ndarray, index: np.ndarray, *, size: Ints) -> np.ndarray:
    """Return dx (N, C, *size): the transpose of `take`. What meets at one position is added."""
    dx = np.zeros((*dy.shape[:2], math.prod(size)), dy.dtype)
    n, c = np.ogrid[: dx.shape[0], : dx.shape[1]]
    np.add.at(dx, (n[..., None], c[..., None], _flat(index)), _flat(dy))
    return dx.reshape(*dy.shape[:2], *size)


@summing
def meanpool(
    x: np.ndarray, *, window: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs | None
) -> np.ndarray:
    """Return y (N, C, *So): sums under the window, each over the number of elements there that count.

    Those are the elements of x and the `counted` ones (before, after) of the padding; None: the sums themselves.
    """
    counts = _counts(x.dtype, x.shape[2:], window, stride, padding, dilation, counted)
    return _sums(pad(x, padding), window, stride, dilation) / counts


@summing
def meanpool_dx(
    dy: np.ndarray, *, size: Ints, window: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs | None
) -> np.ndarray:
    """Return dx (N, C, *size): the transpose of `meanpool`."""
    share = dy / _counts(dy.dtype, size, window, stride, padding, dilation, counted)
    dx = pad(np.zeros((*dy.shape[:2], *size), dy.dtype), padding)
    for _, met in taps(dx.shape[2:], window, stride, dilation):
        dx[met] += share
    return unpad(dx, padding)


def _sums(x: np.ndarray, window: Ints, stride: Ints, dilation: Ints) -> np.ndarray:
    size = x.shape[x.ndim - len(window) :]
    met = [x[slices] for _, slices in taps(size, window, stride, dilation)]
    return sum(met[1:], start=met[0])


def _counts(dtype, size: Ints, window: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs | None):
    """The divisors, (*So)."""
    if counted is None:
        return np.ones((), dtype)
    rest = [(before - b, after - a) for (before, after), (b, a) in zip(padding, counted)]
    return _sums(pad(pad(np.ones(size, dtype), counted, 1), rest), window, stride, dilation)


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
