"""Convolution (cross-correlation) and its two transposes.

All three are one loop over the taps of the window, in which tap k contributes y_k = w_k x_k, a matrix product over
channels: x_k is what the tap meets in x, y_k lies where it does, w_k is its matrix (O/groups, C/groups) in each group.
What a tap meets beside x, in the padding, is no part of any sum: it counts as 0 even where the other factor is Inf or
NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from knetpy.kernels.reference import Ints, Pairs, places, summing


@summing
def conv(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Ints,
    padding: Pairs,
    dilation: Ints,
    groups: int,
    activation: str | None = None,
) -> np.ndarray:
    """Return y (N, O, *So) for x (N, C, *S) and w (O, C/groups, *K); bias (O,) is added, then follows the activation.

    activation: "relu" or None.
    """
    padded = [s + before + after for s, (before, after) in zip(x.shape[2:], padding)]
    out = places(padded, w.shape[2:], stride, dilation)
    y = np.zeros_like(x, order="C", shape=(len(x), len(w), *out))
    for tap, at_x, at_y in _taps(x.shape[2:], w.shape[2:], out, stride, padding, dilation):
        y[at_y] += _product(_matrices(w[(..., *tap)], groups), x[at_x])
    if bias is not None:
        y += bias.reshape(-1, *[1] * len(out))
    return np.maximum(y, 0) if activation == "relu" else y


@summing
def conv_dx(
    dy: np.ndarray, w: np.ndarray, *, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> np.ndarray:
    """Return dx (N, C, *size): the transpose of `conv` in x, whose spatial size is `size`."""
    dx = np.zeros_like(dy, order="C", shape=(len(dy), w.shape[1] * groups, *size))
    for tap, at_x, at_y in _taps(size, w.shape[2:], dy.shape[2:], stride, padding, dilation):
        dx[at_x] += _product(_matrices(w[(..., *tap)], groups).swapaxes(1, 2), dy[at_y])
    return dx


@summing
def conv_dw(
    x: np.ndarray, dy: np.ndarray, *, window: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> np.ndarray:
    """Return dw (O, C/groups, *window): the transpose of `conv` in w, whose spatial size is `window`."""
    dw = np.empty_like(dy, order="C", shape=(dy.shape[1], x.shape[1] // groups, *window))
    for tap, at_x, at_y in _taps(x.shape[2:], window, dy.shape[2:], stride, padding, dilation):
        part = _grouped(dy[at_y], groups) @ _grouped(x[at_x], groups).swapaxes(2, 3)
        dw[(..., *tap)] = part.sum(axis=0).reshape(dw.shape[:2])
    return dw


def _taps(size: Ints, window: Ints, out: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Iterator[tuple]:
    """Yield each tap, the index of what it meets in x (..., *size), and that of where it does in y (..., *out)."""
    for tap in np.ndindex(*window):
        at_x, at_y = [], []
        for k, s, o, t, (before, _), d in zip(tap, size, out, stride, padding, dilation):
            start = k * d - before  # where the tap is when the window is at place 0
            first, stop = max(0, -(start // t)), max(0, min(o, -((start - s) // t)))
            at_y.append(slice(first, max(first, stop)))
            at_x.append(slice(start + first * t, max(start + stop * t - t + 1, 0), t))
        yield tap, (..., *at_x), (..., *at_y)


def _product(matrices: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(groups, P, Q) times the channels of x (N, groups * Q, *S) -> (N, groups * P, *S)"""
    groups, outputs, _ = matrices.shape
    return (matrices @ _grouped(x, groups)).reshape(len(x), groups * outputs, *x.shape[2:])


def _grouped(x: np.ndarray, groups: int) -> np.ndarray:
    """(N, C, *S) -> (N, groups, C/groups, elements of S)"""
    return x.reshape(len(x), groups, x.shape[1] // groups, math.prod(x.shape[2:]))


def _matrices(tap: np.ndarray, groups: int) -> np.ndarray:
    """(O, C/groups) -> (groups, O/groups, C/groups)"""
    return tap.reshape(groups, len(tap) // groups, tap.shape[1])
