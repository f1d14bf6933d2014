"""Activations of straight pieces: one pass over memory, and no arrays of booleans."""

from __future__ import annotations

from knetpy.kernels.cpu.codegen.curves import FUNCTIONS, SLOPES, clipped
from knetpy.kernels.cpu.codegen.vecmath import number, zero
from knetpy.kernels.cpu.elementwise import mapping, mapping_at, served
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference import piecewise as reference

_three, _half, _sixth, _third = number(3.0), number(0.5), number(1 / 6), number(1 / 3)


@jit(forceinline=True)
def _hardtanh(_, x, p):
    return clipped(x, p[0], p[1])


@jit(forceinline=True)
def _hardtanh_dx(dy, x, p):
    return zero(x) if x <= p[0] or x >= p[1] else dy


@jit(forceinline=True)
def _hardsigmoid(_, x):
    return (clipped(x, -_three(x), _three(x)) + _three(x)) * _sixth(x)


@jit(forceinline=True)
def _hardsigmoid_dx(dy, x):
    return zero(x) if abs(x) >= _three(x) else dy * _sixth(x)


@jit(forceinline=True)
def _hardswish(_, x):
    return (-_three(x) if x < -_three(x) else x) * _hardsigmoid(x, x)


@jit(forceinline=True)
def _hardswish_dx(dy, x):
    z = clipped(x, -_three(x), _three(x))
    g = dy if x >= _three(x) else dy * (z * _third(x) + _half(x))
    return zero(x) if x <= -_three(x) else g


@jit(forceinline=True)
def _leakyrelu(_, x, p):
    return x if x > zero(x) else x * p[0]


@jit(forceinline=True)
def _leakyrelu_dx(dy, x, p):
    return dy if x > zero(x) else dy * p[0]


@jit(forceinline=True)
def _threshold(_, x, p):
    return p[1] if x <= p[0] else x


@jit(forceinline=True)
def _threshold_dx(dy, x, p):
    return zero(x) if x <= p[0] else dy


@jit(forceinline=True)
def _softshrink(_, x, p):
    return x - clipped(x, -p[0], p[0])


@jit(forceinline=True)
def _hardshrink(_, x, p):
    return zero(x) if abs(x) <= p[0] else x


@jit(forceinline=True)
def _shrink_dx(dy, x, p):
    return zero(x) if abs(x) <= p[0] else dy


relu = served(reference.relu, mapping(FUNCTIONS["relu"]), quick=64)  # NumPy's one step needs help only from threads
relu_dx = served(reference.relu_dx, mapping(SLOPES["relu"]))
hardtanh = served(reference.hardtanh, mapping_at(_hardtanh))
hardtanh_dx = served(reference.hardtanh_dx, mapping_at(_hardtanh_dx))
hardsigmoid = served(reference.hardsigmoid, mapping(_hardsigmoid))
hardsigmoid_dx = served(reference.hardsigmoid_dx, mapping(_hardsigmoid_dx))
hardswish = served(reference.hardswish, mapping(_hardswish))
hardswish_dx = served(reference.hardswish_dx, mapping(_hardswish_dx))
leakyrelu = served(reference.leakyrelu, mapping_at(_leakyrelu))
leakyrelu_dx = served(reference.leakyrelu_dx, mapping_at(_leakyrelu_dx))
threshold = served(reference.threshold, mapping_at(_threshold))
threshold_dx = served(reference.threshold_dx, mapping_at(_threshold_dx))
softshrink = served(reference.softshrink, mapping_at(_softshrink))
hardshrink = served(reference.hardshrink, mapping_at(_hardshrink))
shrink_dx = served(reference.shrink_dx, mapping_at(_shrink_dx))
