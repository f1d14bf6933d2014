"""Activations: of single numbers, gated ones, and those whose slopes are learned."""

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw
from tests.ops.peer import F, torch


def squareplus(x, softness=4.0):
    return (x + torch.sqrt(x * x + softness)) / 2


def sparseplus(x):
    return torch.where(x > 1, x, torch.where(x < -1, torch.zeros_like(x), (x + 1) ** 2 / 4))


def celu(x, alpha=1.0):
    """PyTorch's own takes 1 / alpha in float32."""
    return torch.where(x >= 0, x, alpha * torch.expm1(torch.clamp(x, max=0) / alpha))


def rrelu(x, *slopes):
    with kn.training(False):
        return kn.rrelu(x, *slopes)


NONE, POSITIVE, WIDTHS = [()], [(), (0.3,), (1.0,), (2.5,)], [(), (0.0,), (0.5,), (1.5,)]
NAN, UP, INFINITE = (np.nan,), (np.inf,), (np.inf, -np.inf)
ALL = (*NAN, *INFINITE)

# Ours, theirs, options (both sides take the same numbers in the same order), what else may be among the numbers: where
# PyTorch has NaN at infinity ours have the limit; derivatives of piecewise ones at NaN are 0, 1 or NaN.
ELEMENTWISE = {
    "relu": (kn.relu, lambda x: F.relu(x), NONE, ALL),
    "relu6": (kn.relu6, lambda x: F.relu6(x), NONE, INFINITE),
    "hardtanh": (kn.hardtanh, lambda x, *o: F.hardtanh(x, *o), [(), (-0.5, 2.0), (0.5, 30.0)], INFINITE),
    "hardsigmoid": (kn.hardsigmoid, lambda x: F.relu6(x + 3) / 6, NONE, INFINITE),  # theirs takes 1 / 6 in float32
    "hardswish": (kn.hardswish, lambda x: F.hardswish(x), NONE, UP),
    "leakyrelu": (kn.leakyrelu, lambda x, *o: F.leaky_relu(x, *o), [(), (0.2,), (0.0,), (2.0,), (-0.5,)], ALL),
    "threshold": (kn.threshold, lambda x, *o: F.threshold(x, *o), [(0.5, 20.0), (-1.0, -3.0)], ALL),
    "trelu": (kn.trelu, lambda x, theta=1.0: F.threshold(x, theta, 0.0), [(), (-0.5,), (0.0,)], ALL),
    "softshrink": (kn.softshrink, lambda x, *o: F.softshrink(x, *o), WIDTHS, INFINITE),
    "hardshrink": (kn.hardshrink, lambda x, *o: F.hardshrink(x, *o), WIDTHS, INFINITE),
    "sigmoid": (kn.sigmoid, lambda x: torch.sigmoid(x), NONE, ALL),
    "logsigmoid": (kn.logsigmoid, lambda x: F.logsigmoid(x), NONE, ALL),
    "softsign": (kn.softsign, lambda x: F.softsign(x), NONE, NAN),
    "tanhshrink": (kn.tanhshrink, lambda x: F.tanhshrink(x), NONE, ALL),
    "erf": (kn.erf, lambda x: torch.erf(x), NONE, ALL),
    "erfc": (kn.erfc, lambda x: torch.erfc(x), NONE, ALL),
    "softplus": (kn.softplus, lambda x, beta=1.0: F.softplus(x, beta, 700.0), POSITIVE, ALL),
    "logcosh": (kn.logcosh, lambda x: x + F.softplus(-2 * x, 1.0, 700.0) - np.log(2), NONE, ()),
    "squareplus": (kn.squareplus, squareplus, POSITIVE, NAN),
    "sparseplus": (kn.sparseplus, sparseplus, NONE, NAN),
    "elu": (kn.elu, lambda x, *o: F.elu(x, *o), POSITIVE, INFINITE),
    "selu": (kn.selu, lambda x: F.selu(x), NONE, INFINITE),
    "celu": (kn.celu, celu, POSITIVE, INFINITE),
    "silu": (kn.silu, lambda x: F.silu(x), NONE, NAN),
    "gelu": (kn.gelu, lambda x: F.gelu(x), NONE, NAN),
    "gelu by tanh": (lambda x: kn.gelu(x, True), lambda x: F.gelu(x, approximate="tanh"), NONE, NAN),
    "gelu_sigmoid": (kn.gelu_sigmoid, lambda x: x * torch.sigmoid(1.702 * x), NONE, NAN),
    "mish": (kn.mish, lambda x: F.mish(x), NONE, NAN),
    "lisht": (kn.lisht, lambda x: x * torch.tanh(x), NONE, NAN),
    "rrelu": (rrelu, lambda x, *o: F.rrelu(x, *o), [(), (0.1, 0.6), (0.25, 0.25)], ALL),
}

GATES = {
    "glu": (kn.glu, lambda x: torch.sigmoid(x)),
    "geglu": (kn.geglu, lambda x: F.gelu(x)),
    "swiglu": (kn.swiglu, lambda x: x * torch.sigmoid(x)),
    "reglu": (kn.reglu, lambda x: F.relu(x)),
}


def elementwise(ours, theirs, options, poison):
    def draw(dice):
        o = dice.pick(*options)
        shape = dice.sizes(0, 4, 12) if dice.chance(0.95) else [dice.integer(200, 500), dice.integer(100, 300)]
        x = dice.array(shape, dice.dtype(), dice.pick(1, 1, 1, 5, 30))
        return Draw(o, lambda x: ours(x, *o), lambda x: theirs(x, *o), [x], special=bool(poison), poison=poison)

    return draw


def gated(ours, gate):
    def draw(dice):
        shape = dice.sizes(1, 4, 12)
        axis = dice.integer(-len(shape), len(shape) - 1)
        shape[axis] = 2 * dice.size(10)
        how = {} if axis == -1 and dice.chance(0.5) else {"axis": axis}

        def theirs(x):
            values, gates = torch.tensor_split(x, 2, axis)
            return values * gate(gates)

        x = dice.array(shape, dice.dtype(), dice.pick(1, 1, 5, 30))
        return Draw(f"axis {axis}", lambda x: ours(x, **how), theirs, [x], poison=NAN)

    return draw


def prelu(dice):
    """Away from 0, where PyTorch's second derivative is another."""
    shape, dtype = dice.sizes(0, 4, 12), dice.dtype()
    slopes = dice.pick((), (1,), shape[1:2]) if len(shape) > 1 else dice.pick((), (1,))
    arrays = [dice.array(shape, dtype), dice.array(slopes, dtype)]
    return Draw("", kn.prelu, lambda x, s: F.prelu(x, s.reshape(-1)), arrays, ties=False)


FAMILIES = {
    **{name: elementwise(*line) for name, line in ELEMENTWISE.items()},
    **{name: gated(*line) for name, line in GATES.items()},
    "prelu": prelu,
}
