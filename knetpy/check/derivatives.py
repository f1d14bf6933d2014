"""The derivative of a scalar function along directions, in every mode and mix of modes."""

import math

import numpy as np

from ..core.value import bare
from ..devices import beside
from ..transforms.grad import grad
from ..transforms.products import jvp, vjp
from ..tree import leaves


def floating(tree):
    """The floating arrays among the leaves of a tree; of complex ones the real and the imaginary parts.

    Compiled functions return Python's numbers, which outside of a transform nobody makes arrays of.
    """
    found = [np.asarray(x) if type(x) in (float, complex) else x for _, x in leaves(tree)]
    found = [x for x in found if hasattr(x, "dtype") and x.dtype.kind in "fc"]
    return [part for x in found for part in ((np.real(x), np.imag(x)) if x.dtype.kind == "c" else (x,))]


def combined(ys, scale=1.0, dtype=None):
    """One curved scalar function of floating arrays, in their dtype or in `dtype`: rules meet a dy that varies."""
    total = 0
    for n, y in enumerate(ys):
        y = y if dtype is None or y.dtype == dtype else y.astype(dtype)
        c = np.cos(np.arange(1.0, y.size + 1) + n).reshape(y.shape).astype(y.dtype)
        c = beside(c, bare(y))
        total = total + np.sum(np.sin(y if scale == 1 else y / scale) * c)
    return total


def gradients(loss, xs):
    """What `grad` gives by every argument, as a tuple."""
    return _whole(grad(loss, tuple(range(len(xs))))(*xs))


def _whole(gradients):
    """Gradients with arrays for the rows that there are of a Param's which is an embedding's table."""
    return tuple([g.dense() if hasattr(g, "dense") else g for g in gradients])


def along(gradients, direction):
    """The slope along a direction, from the gradients."""
    return sum(
        [np.sum(np.real(np.conj(g) * v) if g.dtype.kind == "c" else g * v) for g, v in zip(gradients, direction)]
    )


def _pulled(loss, xs, v):
    y, pullback = vjp(loss, *xs)
    return along(_whole(pullback(np.ones_like(y))), v)


TRANSFORMS = {  # `grad` may take fused kernels, `vjp` and `jvp` take what they stand for
    "grad": lambda loss, xs, v: along(gradients(loss, xs), v),
    "vjp": _pulled,
    "jvp": lambda loss, xs, v: jvp(loss, tuple(xs), tuple(v))[1],
}

# By order and by name: the transforms of each way to take such a derivative, outermost first.
MODES: dict[int, dict[str, list[tuple[str, ...]]]] = {
    1: {"reverse": [("grad",), ("vjp",)], "forward": [("jvp",)]},
    2: {
        "reverse-over-reverse": [("grad", "grad"), ("vjp", "vjp")],
        "forward-over-reverse": [("jvp", "grad")],
        "reverse-over-forward": [("grad", "jvp")],
        "forward-over-forward": [("jvp", "jvp")],
    },
    3: {
        "reverse-over-reverse-over-reverse": [("grad", "grad", "grad")],
        "forward-over-reverse-over-reverse": [("jvp", "grad", "grad")],
        "forward-over-forward-over-forward": [("jvp", "jvp", "jvp")],
    },
}


def derivative(transforms, loss, xs, directions):
    """The derivative of `loss` along each of the directions in turn; transforms and directions outermost first."""
    if not transforms:
        return loss(*xs)
    outer, *rest = transforms

    def inner(*xs):
        return derivative(rest, loss, xs, directions[1:])

    return TRANSFORMS[outer](inner, xs, directions[0])


def difference(values, step):
    """The derivative from four values, at -2, -1, 1 and 2 steps; the error is of fourth order in the step."""
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)


def norm(arrays):
    """The largest norm of some arrays."""
    return max([math.sqrt(float(np.sum(np.square(np.abs(a), dtype=np.float64)))) for a in arrays], default=0.0)
