"""Smooth activations and their slopes, the error function and its complement: launches of activation.cu."""

from __future__ import annotations

from knetpy.kernels.cuda.elementwise import module
from knetpy.kernels.reference import activation as reference

_NAMES = (
    *("erf", "erfc", "sigmoid", "sigmoid_dx", "tanh_dx", "logsigmoid", "logsigmoid_dx", "softplus", "softplus_dx"),
    *("elu", "elu_dx", "silu", "silu_dx", "gelu", "gelu_dx", "gelu_tanh", "gelu_tanh_dx", "mish", "mish_dx"),
)
_run, _served = module("activation", reference, _NAMES)
globals().update(zip(_NAMES, _served))
