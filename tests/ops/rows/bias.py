"""What ends a layer: a bias for each channel, then an activation."""

from functools import partial

import numpy as np

import knetpy as kn
from knetpy.ops.bias import finished
from tests.ops.row import Row

ACTIVATIONS = {
    "none": None,
    "relu": kn.relu,
    "leakyrelu": kn.leakyrelu,
    "leakyrelu steep": partial(kn.leakyrelu, slope=0.5),
    "sigmoid": kn.sigmoid,
    "tanh": np.tanh,
    "silu": kn.silu,
    "gelu": kn.gelu,
    "gelu exact": partial(kn.gelu, approximate=False),
    "gelu tanh": partial(kn.gelu, approximate=True),
    "square": lambda x: x * x,
}


def _plainly(x, bias, activation, axis):
    y = x + bias.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
    return y if activation is None else activation(y)


ROWS = [
    Row(
        f"bias {name} {axis}",
        finished,
        partial(finished, activation=activation, axis=axis),
        shapes,
        "apart",
        partial(_plainly, activation=activation, axis=axis),
        exact=False,
        edges=edges,
    )
    for name, activation in ACTIVATIONS.items()
    for axis, shapes, edges in (
        (-1, ((2, 3), (3,)), (((0, 3), (3,)), ((2, 0), (0,)), ((1, 1), (1,)))),
        (1, ((2, 3, 1, 2), (3,)), (((2, 3, 0), (3,)),)),
    )
    if axis == 1 or name in ("relu", "gelu")
] + [
    Row("bias of none", finished, lambda x: finished(x, None, kn.relu, 1), ((2, 3),), "apart", kn.relu, exact=False),
]
