"""What ends a layer: a bias for each channel, then an activation; and back through both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from knetpy.kernels.reference import activation as curves
from knetpy.kernels.reference import piecewise, reusing, summing

SLOPE = 0.01  # of leakyrelu

# By name: the function of x, and dy times its slope. That is a function of the value y, but for those BY_OPERAND of x.
ACTIVATIONS: dict[str | None, tuple[Callable, Callable]] = {
    None: (lambda x: x, lambda dy, y: dy),
    "relu": (piecewise.relu, piecewise.relu_dx),
    "leakyrelu": (partial(piecewise.leakyrelu, slope=SLOPE), partial(piecewise.leakyrelu_dx, slope=SLOPE)),
    "sigmoid": (curves.sigmoid, curves.sigmoid_dx),
    "tanh": (np.tanh, curves.tanh_dx),
    "silu": (curves.silu, curves.silu_dx),
    "gelu": (curves.gelu, curves.gelu_dx),
    "gelu_tanh": (curves.gelu_tanh, curves.gelu_tanh_dx),
}
BY_OPERAND = frozenset(("silu", "gelu", "gelu_tanh"))


def forward(x: np.ndarray, bias: np.ndarray, activation: str | None, *, axis: int = -1) -> np.ndarray:
    """Return the activation of x + bias, where bias lies along that axis of x."""
    return ACTIVATIONS[activation][0](x + _along(bias, x, axis))


@reusing
def back(
    dy: np.ndarray, kept: np.ndarray | None, activation: str | None, bias: np.ndarray | None = None, *, axis: int = -1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the derivatives by x and by bias.

    kept: what forward returned, for an activation BY_OPERAND its x (then `bias` is its bias, None for 0), or None if
        there was no activation.
    """
    if activation in BY_OPERAND and bias is not None:
        kept = kept + _along(bias, kept, axis)
    dz = ACTIVATIONS[activation][1](dy, kept)
    return dz, _sum(dz, over=tuple([a for a in range(dz.ndim) if a != axis % dz.ndim]))


@summing
def _sum(dz, *, over):
    return np.sum(dz, over)


def _along(bias, x, axis):
    return bias.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
