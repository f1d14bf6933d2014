"""Activations."""

import math
from functools import partial

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import EMPTY, Row, Wrong, own

X = ((2, 3),)
WHOLE = np.array([[1, 2, 3], [3, 1, 2]])


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


def elu(v, alpha=1.0):
    return v if v > 0 else alpha * math.expm1(v)


def gelu(v, approximate=False):
    if approximate:
        return v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))
    return v / 2 * (1 + math.erf(v / math.sqrt(2)))


def softplus(v, beta=1.0):
    return math.log(1 + math.exp(beta * v)) / beta


SMOOTH = {  # function, the same of one float, options
    "sigmoid": (kn.sigmoid, sigmoid),
    "logsigmoid": (kn.logsigmoid, lambda v: math.log(sigmoid(v))),
    "softsign": (kn.softsign, lambda v: v / (1 + abs(v))),
    "tanhshrink": (kn.tanhshrink, lambda v: v - math.tanh(v)),
    "erf": (kn.erf, math.erf),
    "erfc": (kn.erfc, math.erfc),
    "softplus": (kn.softplus, softplus),
    "softplus beta": (kn.softplus, softplus, {"beta": 2.5}),
    "logcosh": (kn.logcosh, lambda v: math.log(math.cosh(v))),
    "squareplus": (kn.squareplus, lambda v, softness=4.0: (v + math.sqrt(v * v + softness)) / 2),
    "squareplus 1": (kn.squareplus, lambda v, softness: (v + math.sqrt(v * v + softness)) / 2, {"softness": 1}),
    "silu": (kn.silu, lambda v: v * sigmoid(v)),
    "gelu": (kn.gelu, gelu),
    "gelu approximate": (kn.gelu, gelu, {"approximate": True}),
    "gelu_sigmoid": (kn.gelu_sigmoid, lambda v: v * sigmoid(1.702 * v)),
    "mish": (kn.mish, lambda v: v * math.tanh(softplus(v))),
    "lisht": (kn.lisht, lambda v: v * math.tanh(v)),
}
KINKED = {  # kinks no nearer than 0.1 to the numbers from -2 to 2 without (-0.4, 0.4); the first drawn lie on all sides
    "relu": (kn.relu, lambda v: max(v, 0.0)),
    "hardtanh": (kn.hardtanh, lambda v, low, high: min(max(v, low), high), {"low": -0.3, "high": 0.2}),
    "hardtanh wide": (kn.hardtanh, lambda v, low, high: min(max(v, low), high), {"low": -3, "high": 2.5}),
    "relu6": (kn.relu6, lambda v: min(max(v, 0.0), 6.0)),
    "hardsigmoid": (kn.hardsigmoid, lambda v: min(max(v + 3, 0), 6) / 6),
    "hardswish": (kn.hardswish, lambda v: v * min(max(v + 3, 0), 6) / 6),
    "leakyrelu": (kn.leakyrelu, lambda v, slope=0.01: v if v > 0 else slope * v),
    "leakyrelu slope": (kn.leakyrelu, lambda v, slope: v if v > 0 else slope * v, {"slope": 0.25}),
    "threshold": (kn.threshold, lambda v, threshold, value: v if v > threshold else value,
                  {"threshold": 0.1, "value": -7}),
    "trelu": (kn.trelu, lambda v, theta: v if v > theta else 0.0, {"theta": -0.3}),
    "softshrink": (kn.softshrink, lambda v, width: math.copysign(max(abs(v) - width, 0), v), {"width": 0.2}),
    "softshrink all": (kn.softshrink, lambda v, width: math.copysign(max(abs(v) - width, 0), v), {"width": 3}),
    "hardshrink": (kn.hardshrink, lambda v, width: v if abs(v) > width else 0.0, {"width": 0.2}),
    "hardshrink all": (kn.hardshrink, lambda v, width: v if abs(v) > width else 0.0, {"width": 3}),
    "elu": (kn.elu, elu),
    "elu alpha": (kn.elu, elu, {"alpha": 0.5}),
    "selu": (kn.selu, lambda v: 1.0507009873554805 * elu(v, 1.6732632423543772)),
    "celu": (kn.celu, lambda v, alpha=1.0: v if v > 0 else alpha * math.expm1(v / alpha)),
    "celu alpha": (kn.celu, lambda v, alpha: v if v > 0 else alpha * math.expm1(v / alpha), {"alpha": 2.0}),
    "sparseplus far": (lambda x: kn.sparseplus(x * 4), lambda v: v * 4 if v > 0 else 0.0),
}  # fmt: skip


def rows(table, domain):
    for name, (op, one, *options) in table.items():
        reference = naive.elementwise(partial(one, **options[0])) if options else naive.elementwise(one)
        yield Row(
            name,
            op,
            partial(op, **options[0]) if options else op,
            X,
            domain,
            reference,
            elementwise=True,
            exact=False,
            edges=() if options else EMPTY,
        )


def prelu(x, slope):
    y = x.copy()
    for place in np.ndindex(*x.shape):
        if x[place] <= 0:
            y[place] *= slope.ravel()[place[1] if slope.size > 1 else 0]
    return y


def gated(gate):
    def naive(x, axis=-1):
        values, gates = np.split(x, 2, axis)
        return values * np.vectorize(gate, otypes=[x.dtype])(gates)

    return naive


def rrelu(x, training):
    kn.seed(1)  # every call draws the same
    with kn.training(training):
        return kn.rrelu(x, 0.1, 0.4)


DRAWN = kn.random.uniform((1, kn.random.DROPOUT, 0), (2, 3), np.float32)
GLUS = {"glu": sigmoid, "geglu": gelu, "swiglu": lambda v: v * sigmoid(v), "reglu": lambda v: max(v, 0.0)}

ROWS = [
    *rows(SMOOTH, "any"),
    *rows(KINKED, "nonzero"),
    own("sparseplus", kn.sparseplus, naive.elementwise(lambda v: (v + 1) ** 2 / 4), X, "unit", elementwise=True),
    own("prelu", kn.prelu, prelu, ((2, 3), ()), "nonzero"),
    own("prelu of one", kn.prelu, prelu, ((2, 3, 2), (1,)), "nonzero"),
    own("prelu channels", kn.prelu, prelu, ((2, 3, 2), (3,)), "nonzero", edges=(((0, 3), (3,)), ((2, 0, 2), (0,)))),
    own("prelu vector", kn.prelu, prelu, ((3,), (1,)), "nonzero", edges=(((), ()),)),
    Row("rrelu", kn.rrelu, lambda x: rrelu(x, True), X, "nonzero", exact=False,
        reference=lambda x: np.where(x > 0, x, x * (0.1 + 0.3 * DRAWN.astype(x.dtype)))),
    Row("rrelu off", kn.rrelu, lambda x: rrelu(x, False), X, "nonzero", exact=False,
        reference=lambda x: np.where(x > 0, x, x * 0.25)),
    *[own(name, getattr(kn, name), gated(gate), ((2, 4),), "nonzero", edges=(((0, 2),), ((2, 0),)))
      for name, gate in GLUS.items()],
    *[own(f"{name} axis", getattr(kn, name), gated(gate), ((2, 3),), "nonzero", options={"axis": 0})
      for name, gate in GLUS.items()],
]  # fmt: skip

WRONG = [
    Wrong("prelu slopes", kn.prelu, ((2, 3), (2,)), kn.ShapeError,
          ("prelu", "slope", "(2,)", "(2, 3)", "3", "axis 1"), True),
    Wrong("prelu vector slopes", kn.prelu, ((3,), (3,)), kn.ShapeError, ("prelu", "(3,)", "one slope"), True),
    Wrong("glu odd", kn.glu, X, kn.ShapeError, ("glu", "axis 1", "(2, 3)", "3 elements", "halves"), True),
    Wrong("swiglu axis", lambda x: kn.swiglu(x, 2), X, np.exceptions.AxisError, ("swiglu", "axis 2"), True),
    Wrong("hardtanh order", lambda x: kn.hardtanh(x, 1, -1), X, ValueError, ("hardtanh", "low=1", "high=-1"), True),
    Wrong("rrelu order", lambda x: kn.rrelu(x, 0.3, 0.2), X, ValueError, ("rrelu", "lower=0.3", "upper=0.2"), True),
    Wrong("softplus beta 0", lambda x: kn.softplus(x, 0), X, ValueError, ("softplus", "beta", "> 0"), True),
    Wrong("celu alpha 0", lambda x: kn.celu(x, 0), X, ValueError, ("celu", "alpha", "> 0"), True),
    Wrong("squareplus 0", lambda x: kn.squareplus(x, 0), X, ValueError, ("squareplus", "softness", "> 0"), True),
    Wrong("softshrink -1", lambda x: kn.softshrink(x, -1), X, ValueError, ("softshrink", "width", ">= 0"), True),
    Wrong("hardshrink -1", lambda x: kn.hardshrink(x, -1), X, ValueError, ("hardshrink", "width", ">= 0"), True),
    Wrong("gelu words", lambda x: kn.gelu(x, "tanh"), X, TypeError, ("gelu", "approximate", "'tanh'"), True),
    *[Wrong(f"{f.__name__} array", lambda x, f=f: f(x, np.ones(3)), X, TypeError, (f.__name__, "number"), True)
      for f in (kn.elu, kn.celu, kn.leakyrelu, kn.softplus, kn.trelu, kn.softshrink, kn.hardshrink, kn.squareplus)],
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "prelu": (lambda: kn.prelu(np.ones((2, 3)), np.ones(3, "f4")), ("prelu: x has dtype float64", "slope", "float32")),
    "erf": (lambda: kn.erf(np.ones(2, complex)), ("erf: x has dtype complex128",)),
    "erfc": (lambda: kn.erfc(np.array([None])), ("erfc: x has dtype object",)),
    "rrelu": (lambda: kn.rrelu(WHOLE), ("rrelu: x has dtype int64", "x.astype(np.float32)")),
    "glu": (lambda: kn.glu(WHOLE, 0), ("glu: x has dtype int64", "x.astype(np.float32)")),
}  # fmt: skip
