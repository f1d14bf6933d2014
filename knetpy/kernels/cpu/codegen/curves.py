"""Activations and their slopes: what becomes of one element, for loops that LLVM turns into vector instructions.

All take two numbers: a slope the cotangent dy, and the x or the value y that it depends on; a function an unused one
and x.
"""

from __future__ import annotations

import math

from knetpy.kernels.cpu.codegen import vecmath
from knetpy.kernels.cpu.codegen.vecmath import number, one, zero
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference.activation import CUBIC
from knetpy.kernels.reference.bias import SLOPE


@jit(forceinline=True)
def clipped(x, low, high):
    """x cut off at both."""
    x = low if x < low else x
    return high if x > high else x


# ------------------------------------------------------------------------------------------- by the value y


@jit(forceinline=True)
def _identity(_, x):
    return x


@jit(forceinline=True)
def _relu(_, x):
    return zero(x) if x <= zero(x) else x


@jit(forceinline=True)
def _relu_dx(dy, y):
    return zero(y) if y <= zero(y) else dy


_slope = number(SLOPE)


@jit(forceinline=True)
def _leakyrelu(_, x):
    return x if x > zero(x) else _slope(x) * x


@jit(forceinline=True)
def _leakyrelu_dx(dy, y):
    return dy if y > zero(y) else dy * _slope(y)


@jit(forceinline=True)
def _sigmoid(_, x):
    return vecmath.sigmoid(x)


@jit(forceinline=True)
def _sigmoid_dx(dy, y):
    return dy * y * (one(y) - y)


@jit(forceinline=True)
def _tanh(_, x):
    return vecmath.tanh(x)


@jit(forceinline=True)
def _tanh_dx(dy, y):
    return dy * (one(y) - y * y)


# ------------------------------------------------------------------------------------------------------ by x

_REACH_SILU = number(1000.0)  # further out the gate is 0 or 1, and x must not be infinite


@jit(forceinline=True)
def _silu(_, x):
    x = -_REACH_SILU(x) if x < -_REACH_SILU(x) else x
    return x * vecmath.sigmoid(x)


@jit(forceinline=True)
def _silu_dx(dy, x):
    opened, closed = vecmath.sigmoids(x)
    return dy * opened * (one(x) + clipped(x, -_REACH_SILU(x), _REACH_SILU(x)) * closed)


@jit(forceinline=True)
def _gelu(_, x):
    return vecmath.gelu(x)


@jit(forceinline=True)
def _gelu_dx(dy, x):
    return dy * vecmath.gelu_slope(x)


_REACH_CUBIC = number(25.0)
_LINE, _CUBE = number(math.sqrt(8 / math.pi)), number(math.sqrt(8 / math.pi) * CUBIC)
_CUBE3 = number(3 * math.sqrt(8 / math.pi) * CUBIC)


@jit(forceinline=True)
def _gelu_tanh(_, x):
    z = clipped(x, -_REACH_CUBIC(x), _REACH_CUBIC(x))
    x = -_REACH_CUBIC(x) if x < -_REACH_CUBIC(x) else x
    return x * vecmath.sigmoid(z * (_LINE(x) + _CUBE(x) * (z * z)))


@jit(forceinline=True)
def _gelu_tanh_dx(dy, x):
    x = clipped(x, -_REACH_CUBIC(x), _REACH_CUBIC(x))
    square = x * x
    opened, closed = vecmath.sigmoids(x * (_LINE(x) + _CUBE(x) * square))
    return dy * opened * (one(x) + x * (_LINE(x) + _CUBE3(x) * square) * closed)


FUNCTIONS = {
    None: _identity,
    "relu": _relu,
    "leakyrelu": _leakyrelu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "silu": _silu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
}
SLOPES = {
    "relu": _relu_dx,
    "leakyrelu": _leakyrelu_dx,
    "sigmoid": _sigmoid_dx,
    "tanh": _tanh_dx,
    "silu": _silu_dx,
    "gelu": _gelu_dx,
    "gelu_tanh": _gelu_tanh_dx,
}
