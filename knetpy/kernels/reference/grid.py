"""Blends of elements of an image, and the derivatives of that: each of the three is a derivative of the others.

index (N, P, T) tells T positions in the flattened spatial axes S for each of P places, or -1 for one that counts as 0.
"""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.reference import Ints, numbered


def blend(x: np.ndarray, weights: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return y (N, C, P): sums over T of weights (N, P, T) times the elements of x (N, C, *S)."""
    return np.sum(_taken(x, index) * weights[:, None], axis=-1)


def blend_dx(dy: np.ndarray, weights: np.ndarray, index: np.ndarray, *, size: Ints) -> np.ndarray:
    """Return dx (N, C, *size): the transpose of `blend`. What meets at one position is added."""
    n, c = dy.shape[:2]
    dx = np.zeros((n, c, math.prod(size)), dy.dtype, like=dy)
    shares = np.where(index[:, None] >= 0, dy[..., None] * weights[:, None], 0)
    images, channels = numbered(dx)
    np.add.at(dx, (images[..., None], channels[..., None], np.maximum(index, 0)[:, None]), shares)
    return dx.reshape(n, c, *size)


def blend_dw(dy: np.ndarray, x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the derivative by the weights (N, P, T): sums over C of dy (N, C, P) times the elements of x."""
    return np.sum(_taken(x, index) * dy[..., None], axis=1)


def _taken(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """(N, C, P, T)"""
    flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    images, channels = numbered(flat)
    taken = flat[images[..., None], channels[..., None], np.maximum(index, 0)[:, None]]
    return np.where(index[:, None] >= 0, taken, x.dtype.type(0))
