"""What an op applies last: the `activation` of conv, linear and batchnorm, with PyTorch's."""

from functools import partial

import numpy as np

import knetpy as kn
from tests.ops.peer import F, torch

KNOWN = {"none": (None, lambda x: x), "relu": (kn.relu, torch.relu)}  # to the kernels
OTHERS = {
    "tanh": (np.tanh, torch.tanh),
    "sigmoid": (kn.sigmoid, torch.sigmoid),
    "silu": (kn.silu, F.silu),
    "gelu": (kn.gelu, F.gelu),
    "gelu tanh": (partial(kn.gelu, approximate=True), lambda x: F.gelu(x, approximate="tanh")),
    "gelu sigmoid": (kn.gelu_sigmoid, lambda x: x * torch.sigmoid(1.702 * x)),
    "leakyrelu": (kn.leakyrelu, F.leaky_relu),
    "leakyrelu 0.2": (partial(kn.leakyrelu, slope=0.2), lambda x: F.leaky_relu(x, 0.2)),
    "elu": (kn.elu, F.elu),
    "softplus": (kn.softplus, lambda x: F.softplus(x, 1.0, 700.0)),  # theirs is a line from a threshold on
}
SPECIAL = ("none", "relu", "tanh", "sigmoid", "leakyrelu", "leakyrelu 0.2")  # as PyTorch's also for NaN and Inf


def activation(dice):
    """(name, ours or None, theirs)"""
    known = {**KNOWN, **OTHERS} if dice.chance(0.4) else KNOWN
    name = dice.pick(*known)
    return name, *known[name]
