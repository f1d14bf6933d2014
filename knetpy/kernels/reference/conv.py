"""Convolution (cross-correlation) and its two transposes.

All three are one loop over the taps of the window, in which tap k contributes y_k = w_k x_k, a matrix
product over channels: x_k is what the tap meets in the padded x, w_k its matrix (O/groups, C/groups) in
each group.
"""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.reference import Ints, Pairs, pad, places, summing, taps, unpad


@summing
def conv(x: np.ndarray, w: np.ndarray, *, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> np.ndarray:
    """Return y (N, O, *So) for x (N, C, *S) and w (O, C/groups, *K)."""
    x = pad(x, padding)
    out = places(x.shape[2:], w.shape[2:], stride, dilation)
    y = np.zeros((len(x), groups, len(w) // groups, math.prod(out)), x.dtype)
    for tap, met in taps(x.shape[2:], w.shape[2:], stride, dilation):
        y += _matrices(w[(..., *tap)], groups) @ _grouped(x[met], groups)
    return y.reshape(len(x), len(w), *out)


@summing
def conv_dx(
    dy: np.ndarray, w: np.ndarray, *, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> np.ndarray:
    """Return dx (N, C, *size): the transpose of `conv` in x, whose spatial size is `size`."""
    dx = pad(np.zeros((len(dy), w.shape[1] * groups, *size), dy.dtype), padding)
    for tap, met in taps(dx.shape[2:], w.shape[2:], stride, dilation):
        part = _matrices(w[(..., *tap)], groups).swapaxes(1, 2) @ _grouped(dy, groups)
        dx[met] += part.reshape(dx[met].shape)
    return unpad(dx, padding)


@summing
def conv_dw(
    x: np.ndarray, dy: np.ndarray, *, window: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> np.ndarray:
    """Return dw (O, C/groups, *window): the transpose of `conv` in w, whose spatial size is `window`."""
    x = pad(x, padding)
    dw = np.empty((dy.shape[1], x.shape[1] // groups, *window), dy.dtype)
    for tap, met in taps(x.shape[2:], window, stride, dilation):
        part = _grouped(dy, groups) @ _grouped(x[met], groups).swapaxes(2, 3)
        dw[(..., *tap)] = part.sum(axis=0).reshape(dw.shape[:2])
    return dw


def _grouped(x: np.ndarray, groups: int) -> np.ndarray:
    """(N, C, *S) -> (N, groups, C/groups, elements of S)"""
    return x.reshape(len(x), groups, x.shape[1] // groups, math.prod(x.shape[2:]))


def _matrices(tap: np.ndarray, groups: int) -> np.ndarray:
    """(O, C/groups) -> (groups, O/groups, C/groups)"""
    return tap.reshape(groups, len(tap) // groups, tap.shape[1])
