"""Median, percentiles and quantiles, by all of NumPy's methods, also of what is not NaN.

A quantile lies between two neighbours of the sorted elements, and its derivative goes to them in the same proportion:
to both halves of an even number's median, to one element by methods that choose one. Of equal elements the first in
memory counts as the smaller. Where there is a NaN, which is the result then, the derivative goes to a NaN. By q and by
weights there is none.
"""

import math

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import constant, primitive
from ..core.protocols import serve
from ..core.value import Value, bare, plain
from ..devices import asarray, beside, host, on_gpu
from .arguments import axes_of
from .axes import refuse
from .index import along_transposed
from .sort import in_order

_NONE = np._NoValue
_FEW = 8  # ranks: to find the elements of fewer is quicker than to sort all of them


def _ranks(ordered, lost):
    """What a quantile of ranks is taken of to learn between which of the sorted elements that of `ordered` lies."""
    numbers = np.arange(float(ordered.shape[-1]))
    return np.where(host(np.isnan(ordered) & ~lost), np.nan, numbers)


def _selected(x, ranks):
    """{rank: the number of the element along the last axis that a stable sort would put there}, without sorting."""
    parted, numbers = np.partition(x, ranks, -1), {}
    for rank in ranks:
        found = parted[..., rank, None]
        there, before = x == found, rank - np.count_nonzero(x < found, axis=-1, keepdims=True)
        if before.any():  # equal elements come before it
            there = np.cumsum(there, -1) > before
        numbers[rank] = np.argmax(there, -1)
    return numbers


@constant
def _places(x, function, options):
    """Between which elements of x along its last axis each quantile lies: their numbers, and the share of the second.

    The former have an axis for the quantiles as their last. A GPU is waited for only where it depends on values how
    many elements count.
    """
    over_nan = function.__name__.startswith("nan")
    if not (over_nan or "weights" in options or on_gpu(x) or np.isnan(x).any()):
        at = np.reshape(function(np.arange(float(x.shape[-1])), axis=-1, **options), -1)
        both = [f(at).astype(int).tolist() for f in (np.floor, np.ceil)]
        ranks = sorted({*both[0], *both[1]})
        if len(ranks) <= _FEW:
            numbers = _selected(x, ranks)
            return *[np.stack([numbers[rank] for rank in some], -1) for some in both], at - np.floor(at)
    order = in_order(x, -1)
    ordered = np.take_along_axis(x, order, -1)
    lost = np.isnan(ordered[..., :1] if over_nan else ordered[..., -1:])  # the last element is NaN then
    if over_nan or "weights" in options:
        options = {k: np.take_along_axis(v, host(order), -1) if k == "weights" else v for k, v in options.items()}
        at = function(_ranks(ordered, lost), axis=-1, **options)  # a quantile of ranks is a rank
        at = np.moveaxis(np.reshape(at, (-1, *x.shape[:-1])), 0, -1)
    else:
        at = np.reshape(function(np.arange(float(x.shape[-1])), axis=-1, **options), -1)
    numbers = [np.where(lost, x.shape[-1] - 1, beside(f(at).astype(int), x)) for f in (np.floor, np.ceil)]
    low, high = [np.take_along_axis(order, n, -1) for n in numbers]
    return low, high, np.where(lost, 0, beside(at - np.floor(at), x))


def _shared(dy, x, function, options):
    """The cotangent of x: each of dy at the two elements between which its quantile lies."""
    if not x.size:
        return np.zeros_like(x)
    low, high, share = _places(x, function, options)
    share = share.astype(dy.dtype)
    dy = np.moveaxis(np.reshape(dy, (-1, *x.shape[:-1])), 0, -1)
    both = np.concatenate([dy * (1 - share), dy * share], -1)
    return along_transposed(both, np.concatenate([low, high], -1), -1, x.shape[-1])


def _computed(x, function, options):
    """The quantiles themselves, for what CuPy lacks: of few of them it knows the method, the weights or that of NaN."""
    low, high, share = _places(x, function, options)
    low, high = np.take_along_axis(x, low, -1), np.take_along_axis(x, high, -1)
    dtype = function(np.zeros(1, x.dtype), **{k: v for k, v in options.items() if k != "weights"}).dtype
    y = np.where(share == 0, low, low + (high - low) * share).astype(dtype)
    return np.reshape(np.moveaxis(y, -1, 0), (*np.shape(options.get("q", 0)), *x.shape[:-1]))


def _of_last_axis(function):
    """A primitive for the quantiles along the last axis."""
    return primitive(
        lambda x, *, options: _computed(x, function, options) if on_gpu(x) else function(x, axis=-1, **options),
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
    weights, shape = host(asarray(bare(weights))), tuple([x.shape[a] for a in axes])
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
