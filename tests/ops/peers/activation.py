"""Activations against PyTorch's; those it lacks, against the formula in its operations."""

from functools import partial

import knetpy as kn
from tests.ops.peer import Case, F, torch


def swish(x):
    return x * torch.sigmoid(x)


def halves(x, axis, gate):
    values, gates = torch.chunk(x, 2, axis)
    return values * gate(gates)


def squareplus(x, softness=4.0):
    return (x + torch.sqrt(x * x + softness)) / 2


def sparseplus(x):
    return torch.where(x >= 1, x, torch.where(x <= -1, torch.zeros_like(x), (x + 1) ** 2 / 4))


FUNCTIONS = {  # ours, theirs, options of ours (theirs take the same numbers in the same order)
    "relu": (kn.relu, lambda x: F.relu(x), [()]),
    "relu6": (kn.relu6, lambda x: F.relu6(x), [()]),
    "hardtanh": (kn.hardtanh, lambda x, *o: F.hardtanh(x, *o), [(), (-0.5, 2.0), (0.25, 30.0)]),
    "hardsigmoid": (kn.hardsigmoid, lambda x: F.hardsigmoid(x), [()]),
    "hardswish": (kn.hardswish, lambda x: F.hardswish(x), [()]),
    "leakyrelu": (kn.leakyrelu, lambda x, *o: F.leaky_relu(x, *o), [(), (0.2,), (2.0,)]),
    "threshold": (kn.threshold, lambda x, *o: F.threshold(x, *o), [(0.1, 20.0), (-1.0, -3.0)]),
    "trelu": (kn.trelu, lambda x, theta=1.0: F.threshold(x, theta, 0.0), [(), (-0.5,)]),
    "softshrink": (kn.softshrink, lambda x, *o: F.softshrink(x, *o), [(), (0.0,), (1.5,)]),
    "hardshrink": (kn.hardshrink, lambda x, *o: F.hardshrink(x, *o), [(), (0.0,), (1.5,)]),
    "sigmoid": (kn.sigmoid, lambda x: torch.sigmoid(x), [()]),
    "logsigmoid": (kn.logsigmoid, lambda x: F.logsigmoid(x), [()]),
    "softsign": (kn.softsign, lambda x: F.softsign(x), [()]),
    "tanhshrink": (kn.tanhshrink, lambda x: F.tanhshrink(x), [()]),
    "erf": (kn.erf, lambda x: torch.erf(x), [()]),
    "erfc": (kn.erfc, lambda x: torch.erfc(x), [()]),
    "softplus": (kn.softplus, lambda x, beta=1.0: F.softplus(x, beta, 500.0), [(), (0.5,), (3.0,)]),
    "logcosh": (kn.logcosh, lambda x: torch.log(torch.cosh(x)), [()]),
    "squareplus": (kn.squareplus, squareplus, [(), (1.0,), (9.0,)]),
    "sparseplus": (kn.sparseplus, sparseplus, [()]),
    "elu": (kn.elu, lambda x, *o: F.elu(x, *o), [(), (0.3,), (2.0,)]),
    "selu": (kn.selu, lambda x: F.selu(x), [()]),
    "celu": (kn.celu, lambda x, *o: F.celu(x, *o), [(), (0.3,), (2.0,)]),
    "silu": (kn.silu, lambda x: F.silu(x), [()]),
    "gelu": (kn.gelu, lambda x, tanh=False: F.gelu(x, approximate="tanh" if tanh else "none"), [(), (True,)]),
    "gelu_sigmoid": (kn.gelu_sigmoid, lambda x: x * torch.sigmoid(1.702 * x), [()]),
    "mish": (kn.mish, lambda x: F.mish(x), [()]),
    "lisht": (kn.lisht, lambda x: x * torch.tanh(x), [()]),
    "rrelu": (lambda x, *o: quietly(kn.rrelu, x, *o), lambda x, *o: F.rrelu(x, *o), [(), (0.1, 0.6)]),
}
GATED = {
    "glu": (kn.glu, lambda x, axis: F.glu(x, axis)),
    "geglu": (kn.geglu, lambda x, axis: halves(x, axis, F.gelu)),
    "swiglu": (kn.swiglu, lambda x, axis: halves(x, axis, swish)),
    "reglu": (kn.reglu, lambda x, axis: halves(x, axis, F.relu)),
}
SHAPES = ((7,), (2, 3), (3, 1, 2), (2, 2, 1, 3), ())
HALVES = (((6,), 0), ((2, 4), -1), ((4, 3), 0), ((2, 6, 2), 1), ((2, 1, 2, 2), 2))
SLOPES = (((2, 3), ()), ((2, 3), (1,)), ((2, 3), (3,)), ((2, 3, 2), (3,)), ((1, 2, 2, 2), (2,)), ((4,), (1,)))
DOMAINS = ("any", "large")


def quietly(op, *args):
    with kn.training(False):
        return op(*args)


def elementwise():
    for name, (ours, theirs, options) in FUNCTIONS.items():
        for option in options:
            for shape in SHAPES if len(options) < 3 else SHAPES[:2]:
                for domain in DOMAINS:
                    yield Case(
                        f"{name} {option} {shape} {domain}",
                        lambda x, f=ours, o=option: f(x, *o),
                        lambda x, f=theirs, o=option: f(x, *o),
                        (shape,),
                        domain,
                        1 if name == "hardsigmoid" else 2,  # PyTorch has no second derivative of it
                    )


CASES = [
    *elementwise(),
    *[
        Case(f"{name} {shape} {axis} {domain}", partial(f, axis=axis), partial(g, axis=axis), (shape,), domain)
        for name, (f, g) in GATED.items()
        for shape, axis in HALVES
        for domain in DOMAINS
    ],
    *[
        Case(f"prelu {x} {slope} {domain}", lambda x, s: kn.prelu(x + 0.1, s),
             lambda x, s: F.prelu(x + 0.1, s.reshape(-1)), (x, slope), domain)  # at 0 PyTorch's second one is another
        for x, slope in SLOPES
        for domain in DOMAINS
    ],
]  # fmt: skip
