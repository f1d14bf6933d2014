"""Folding: the columns of all windows of an image, and the transpose, which adds columns into an image."""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.reference import Ints, Pairs, pad, places, summing, taps, unpad


def unfold(x: np.ndarray, *, window: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> np.ndarray:
    """Return (N, C * taps, places) for x (N, C, *S): what each tap of the window meets at each of its places."""
    x = pad(x, padding)
    n, c, *size = x.shape
    columns = np.empty((n, c, math.prod(window), math.prod(places(size, window, stride, dilation))), x.dtype, like=x)
    for k, (_, met) in enumerate(taps(size, window, stride, dilation)):
        columns[:, :, k] = x[met].reshape(n, c, columns.shape[3])
    return columns.reshape(n, c * columns.shape[2], columns.shape[3])


@summing
def fold(columns: np.ndarray, *, size: Ints, window: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> np.ndarray:
    """Return x (N, C, *size): the transpose of `unfold`. What meets at one position is added."""
    n, c = len(columns), columns.shape[1] // math.prod(window)
    x = pad(np.zeros((n, c, *size), columns.dtype, like=columns), padding)
    columns = columns.reshape(n, c, math.prod(window), columns.shape[2])
    for k, (_, met) in enumerate(taps(x.shape[2:], window, stride, dilation)):
        x[met] += columns[:, :, k].reshape(x[met].shape)
    return unpad(x, padding)
