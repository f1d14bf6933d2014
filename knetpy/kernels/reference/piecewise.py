"""Activations of straight pieces, and their slopes; those of relu are by its value y."""

from __future__ import annotations

import numpy as np

from knetpy.kernels.reference import reusing


def relu(x: np.ndarray) -> np.ndarray:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


@reusing
def relu_dx(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy where y is not 0."""
    return np.where(y <= 0, 0, dy)


def hardtanh(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return x cut off at both."""
    return np.clip(x, low, high)


@reusing
def hardtanh_dx(dy: np.ndarray, x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return dy between them."""
    return np.where((x <= low) | (x >= high), 0, dy)


def hardsigmoid(x: np.ndarray) -> np.ndarray:
    """Return (x + 3) / 6 cut off at 0 and 1."""
    return (np.clip(x, -3, 3) + 3) / 6


@reusing
def hardsigmoid_dx(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy / 6 between -3 and 3."""
    return np.where((x <= -3) | (x >= 3), 0, dy / 6)


def hardswish(x: np.ndarray) -> np.ndarray:
    """Return x hardsigmoid(x)."""
    return np.maximum(x, -3) * hardsigmoid(x)


@reusing
def hardswish_dx(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy times the slope of hardswish at x: 0 at -3, 1 at 3."""
    return np.where(x <= -3, 0, np.where(x >= 3, dy, dy * (np.clip(x, -3, 3) / 3 + 0.5)))


def leakyrelu(x: np.ndarray, slope: float) -> np.ndarray:
    """Return x where it is above 0, slope x elsewhere."""
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


@reusing
def leakyrelu_dx(dy: np.ndarray, x: np.ndarray, slope: float) -> np.ndarray:
    """Return dy above 0, slope dy elsewhere."""
    return np.where(x > 0, dy, dy * slope)


def threshold(x: np.ndarray, threshold: float, value: float) -> np.ndarray:
    """Return x where it is not up to the threshold, the value elsewhere."""
    return np.where(x <= threshold, value, x)


@reusing
def threshold_dx(dy: np.ndarray, x: np.ndarray, threshold: float, value: float) -> np.ndarray:
    """Return dy where x is not up to the threshold."""
    return np.where(x <= threshold, 0, dy)


def softshrink(x: np.ndarray, width: float) -> np.ndarray:
    """Return x moved towards 0 by the width."""
    return x - np.clip(x, -width, width)


def hardshrink(x: np.ndarray, width: float) -> np.ndarray:
    """Return x where it is further from 0 than the width."""
    return np.where(np.abs(x) <= width, 0, x)


@reusing
def shrink_dx(dy: np.ndarray, x: np.ndarray, width: float) -> np.ndarray:
    """Return dy where x is further from 0 than the width."""
    return np.where(np.abs(x) <= width, 0, dy)
