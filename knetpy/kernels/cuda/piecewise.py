"""Activations of straight pieces, and their slopes: launches of piecewise.cu."""

from __future__ import annotations

from knetpy.kernels.cuda.elementwise import module
from knetpy.kernels.reference import piecewise as reference

_NAMES = (
    *("relu", "relu_dx", "hardtanh", "hardtanh_dx", "hardsigmoid", "hardsigmoid_dx", "hardswish", "hardswish_dx"),
    *("leakyrelu", "leakyrelu_dx", "threshold", "threshold_dx", "softshrink", "hardshrink", "shrink_dx"),
)
_run, _served = module("piecewise", reference, _NAMES)
globals().update(zip(_NAMES, _served))
