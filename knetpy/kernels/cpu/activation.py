"""Smooth activations and their slopes, the error function and its complement."""

from __future__ import annotations

from knetpy.kernels.cpu.codegen import vecmath
from knetpy.kernels.cpu.codegen.curves import FUNCTIONS, SLOPES
from knetpy.kernels.cpu.codegen.vecmath import number, one, two, zero
from knetpy.kernels.cpu.elementwise import mapping, mapping_at, served
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference import activation as reference


@jit(forceinline=True)
def _erf(_, x):
    return vecmath.erf(x)


@jit(forceinline=True)
def _erfc(_, x):
    return vecmath.erfc(x)


@jit(forceinline=True)
def _logsigmoid(_, x):
    return (x if x < zero(x) else zero(x)) - vecmath.log1p_unit(vecmath.exp_of_minus(abs(x)))


@jit(forceinline=True)
def _logsigmoid_dx(dy, x):
    return dy * vecmath.sigmoid(-x)


@jit(forceinline=True)
def _softplus(_, x, p):
    return (x if x > zero(x) else zero(x)) + vecmath.log1p_unit(vecmath.exp_of_minus(p[0] * abs(x))) / p[0]


@jit(forceinline=True)
def _softplus_dx(dy, x, p):
    return dy * vecmath.sigmoid(p[0] * x)


@jit(forceinline=True)
def _elu(_, x, p):
    low, high, rate = p
    return high * x if x > zero(x) else low * vecmath.expm1_below(rate * x)


@jit(forceinline=True)
def _elu_dx(dy, x, p):
    low, high, rate = p
    return dy * (high if x > zero(x) else low * rate * vecmath.exp_of_minus(rate * abs(x)))


_REACH = number(1000.0)  # further out the gate is 0 or 1, and x must not be infinite
_OPEN = number(20.0)  # here it is 1, and powers of exp(x) are no larger than float32 holds


@jit(forceinline=True)
def _mish(_, x):
    e = vecmath.exp(_OPEN(x) if x > _OPEN(x) else x)
    n = e * (e + two(x))
    return (-_REACH(x) if x < -_REACH(x) else x) * (n / (n + two(x)))


@jit(forceinline=True)
def _mish_dx(dy, x):
    x = _OPEN(x) if x > _OPEN(x) else x
    e = vecmath.exp(x)
    n = e * (e + two(x))
    inverse = one(x) / (n + two(x))
    more = two(x) * inverse
    return dy * (n * inverse + (-_REACH(x) if x < -_REACH(x) else x) * (more * more) * (e * (one(x) + e)))


erf = served(reference.erf, mapping(_erf), quick=0)
erfc = served(reference.erfc, mapping(_erfc), quick=0)
sigmoid = served(reference.sigmoid, mapping(FUNCTIONS["sigmoid"]), quick=0)
sigmoid_dx = served(reference.sigmoid_dx, mapping(SLOPES["sigmoid"]))
tanh_dx = served(reference.tanh_dx, mapping(SLOPES["tanh"]))
logsigmoid = served(reference.logsigmoid, mapping(_logsigmoid), quick=0)
logsigmoid_dx = served(reference.logsigmoid_dx, mapping(_logsigmoid_dx), quick=0)
softplus = served(reference.softplus, mapping_at(_softplus), quick=0)
softplus_dx = served(reference.softplus_dx, mapping_at(_softplus_dx), quick=0)
elu = served(reference.elu, mapping_at(_elu), quick=0)
elu_dx = served(reference.elu_dx, mapping_at(_elu_dx), quick=0)
silu = served(reference.silu, mapping(FUNCTIONS["silu"]), quick=0)
silu_dx = served(reference.silu_dx, mapping(SLOPES["silu"]), quick=0)
gelu = served(reference.gelu, mapping(FUNCTIONS["gelu"]), quick=0)
gelu_dx = served(reference.gelu_dx, mapping(SLOPES["gelu"]), quick=0)
gelu_tanh = served(reference.gelu_tanh, mapping(FUNCTIONS["gelu_tanh"]), quick=0)
gelu_tanh_dx = served(reference.gelu_tanh_dx, mapping(SLOPES["gelu_tanh"]), quick=0)
mish = served(reference.mish, mapping(_mish), quick=0)
mish_dx = served(reference.mish_dx, mapping(_mish_dx), quick=0)
