"""How activations are declared: by their kernels, with the rule of the kernel that serves their slope."""

from functools import partial

import numpy as np

from ..core.primitive import primitive
from ..devices import asarray
from ..kernels import kernel
from .arguments import as_floating


def activation(name=None, **rules):
    """Declare an elementwise function of x, with its derivative."""

    def declare(kernel):
        called = name or kernel.__name__.lstrip("_")
        check = partial(_check, called)
        return primitive(kernel, name=called, elementwise=True, trusted=True, check=check, **rules)

    return declare


def _check(name, x, *_, **options):
    """Explain why a function has failed."""
    as_floating(name, x=x)


def served(name, family="activation"):
    """The kernel of that name, of x (of dy and x for `..._dx`) and numbers."""
    serve, operands = kernel(family, name), 2 if name.endswith("_dx") else 1

    def call(*args, **out):
        x = args[operands - 1]
        if x.__class__ is np.ndarray and x.ndim and x.dtype.kind == "f":
            return serve(*args, **out)
        (x,) = as_floating(name, x=x)
        return serve(*map(asarray, (*args[: operands - 1], x)), *args[operands:])[()]

    return call


def slope_of(name, serve, **rules):
    """The derivative of an activation times g, with the rule by its x; `at`: the numbers that the kernel takes.

    `out` is what a rule is given under that name.
    """

    def by(dy, x, at=(), out=None):
        return slope(dy, x, at=at) if out is None else serve(dy, x, *at, out=out)

    slope = activation(name, g=lambda dy, x, at: slope(dy, x, at=at), **rules)(lambda g, x, *, at=(): serve(g, x, *at))
    return by


def curved(name, called=None, **rules):
    """The activation that the kernels of that name serve, with the rule of its slope; `called`: what users call it."""
    return with_slope(called or name, served(name), slope_of(f"{name}_dx", served(f"{name}_dx"), **rules))


def with_slope(name, serve, slope):
    """The activation of that name that `serve` computes, with its slope; `at`: the numbers that both take."""
    return activation(name, x=lambda dy, x, at, out: slope(dy, x, at, out))(lambda x, *, at=(): serve(x, *at))


def near(x, reach=1000):
    """x cut off at -reach and reach, for a factor that another one has made 0 by there: Inf * 0 would be NaN."""
    return np.clip(x, -reach, reach)
