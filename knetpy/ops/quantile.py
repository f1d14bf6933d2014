"""Median, percentiles and quantiles, by all of NumPy's methods, also of what is not NaN.

A quantile lies between two neighbours of the sorted elements, and its derivative goes to them in the same proportion:
to both halves of an even number's median, to one element by methods that choose one. Of equal elements the first in
memory counts as the smaller. Where there is a NaN, which is the result then, the derivative goes to a NaN. By q and by
weights there is none.
"""

import math

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.protocols import serve
from ..core.value import Value, bare, plain
from ..devices import asarray, beside, host, on_host
from .arguments import axes_of
from .index import along_transposed
from .reduce import refuse
from .sort import in_order

_NONE = np._NoValue


def _ranks(x, over_nan):
    """What a quantile of ranks is taken of to learn between which elements that of the sorted array x lies."""
    n, nan = x.shape[-1], np.isnan(x)
    if not nan.any():
        return np.broadcast_to(np.arange(float(n)), x.shape)
    lost = nan[..., :1] if over_nan else nan[..., -1:]  # where the result is NaN, the last element is one
    return np.where(lost, n - 1.0, np.where(nan, np.nan, np.arange(float(n))))


def _places(x, function, options):
    """Between which elements of x along its last axis each quantile lies: their numbers, and the share of the second.

    Both have an axis for the quantiles as their last.
    """
    order = in_order(x, -1)
    options = {k: v if k != "weights" else np.take_along_axis(host(v), host(order), -1) for k, v in options.items()}
    ranks = _ranks(host(np.take_along_axis(x, order, -1)), function.__name__.startswith("nan"))
    at = np.asarray(function(ranks, axis=-1, **options))  # a quantile of ranks is a rank
    at = np.moveaxis(at.reshape(-1, *x.shape[:-1]), 0, -1)
    low, high = [np.take_along_axis(order, beside(f(at).astype(int), x), -1) for f in (np.floor, np.ceil)]
    return low, high, beside(at - np.floor(at), x)


def _shared(dy, x, function, options):
    """The cotangent of x: each of dy at the two elements between which its quantile lies."""
    x = bare(x)
    if not x.size:
        return np.zeros_like(x)
    low, high, share = _places(x, function, options)
    share = share.astype(dy.dtype)
    dy = np.moveaxis(np.reshape(dy, (-1, *x.shape[:-1])), 0, -1)
    both = np.concatenate([dy * (1 - share), dy * share], -1)
    return along_transposed(both, np.concatenate([low, high], -1), -1, x.shape[-1])


def _of_last_axis(function):
    """A primitive for the quantiles along the last axis; CuPy has medians, and of the others one in part."""
    found = function if function in (np.median, np.nanmedian) else on_host(function)
    return primitive(
        lambda x, *, options: found(x, axis=-1, **options),
        name=function.__name__,
        trusted=True,
        x=lambda dy, x, options: _shared(dy, x, function, options),
    )


def _merged(x, axes):
    """x with these axes as its last one."""
    rest = [a for a in range(len(x.shape)) if a not in axes]
    moved = np.transpose(x, (*rest, *axes))
    return np.reshape(moved, (*[x.shape[a] for a in rest], math.prod([x.shape[a] for a in axes])))


def _weighing(name, weights, x, axes):
    """Weights, given in the shape of x or of these axes, for each element of x in the order of `_merged`."""
    weights, shape = asarray(bare(weights)), tuple([x.shape[a] for a in axes])
    if weights.shape == x.shape:
        return _merged(weights, axes)
    if weights.shape != shape:
        raise ShapeError(f"{name}: weights {weights.shape} must have the shape of a {x.shape} or of its axes, {shape}")
    return np.broadcast_to(weights.reshape(-1), _merged(np.broadcast_to(0, x.shape), axes).shape)


def _quantiles(function, op, a, axis, keepdims, **options):
    """What all six functions do: `op` of the axes merged, with those reduced put back."""
    axes = axes_of(function.__name__, "a", a, axis)
    if options.get("weights") is not None:
        options["weights"] = _weighing(function.__name__, options["weights"], a, axes)
    y = op(_merged(a, axes), options={k: v for k, v in options.items() if v is not None})
    if keepdims is _NONE or not keepdims:
        return y
    kept = tuple([1 if i in axes else n for i, n in enumerate(a.shape)])
    return np.reshape(y, (*y.shape[: len(y.shape) - len(kept) + len(axes)], *kept))


def _median(function):
    op = _of_last_axis(function)

    def call(a, axis=None, out=None, overwrite_input=False, keepdims=False):
        refuse(function.__name__, out=out)
        return _quantiles(function, op, a, axis, keepdims)

    return call


def _quantile(function):
    name, op = function.__name__, _of_last_axis(function)

    def call(
        a,
        q,
        axis=None,
        out=None,
        overwrite_input=False,
        method="linear",
        keepdims=False,
        *,
        weights=None,
        interpolation=None,
    ):
        refuse(name, out=out)
        q = plain(q, f"the argument q= of np.{name}") if isinstance(q, Value) else q
        given = {"interpolation": interpolation, "weights": weights}  # the former only older NumPys know
        return _quantiles(function, op, a, axis, keepdims, q=q, method=method, **given)

    return call


for _name in ("median", "nanmedian"):
    serve(getattr(np, _name), _median(getattr(np, _name)))
for _name in ("quantile", "percentile", "nanquantile", "nanpercentile"):
    serve(getattr(np, _name), _quantile(getattr(np, _name)))
