"""`np.pad` in all of NumPy's modes: axis by axis, either end of x is extended by elements made of x."""

import math

import numpy as np

from ..core.errors import DerivativeError
from ..core.primitive import primitive
from ..core.value import Value, bare, is_tracked
from ..devices import beside, on_gpu
from ..kernels import kernel
from .arguments import constant_of, one_of
from .index import take_along_axis
from .spelling import spells

_add_along = kernel("scatter", "add_along")

_STATISTICS = ("maximum", "mean", "median", "minimum")
_TAKES = {  # mode: the option that it takes, with its default
    "constant": ("constant_values", 0),
    "edge": (None, None),
    "empty": (None, None),
    "linear_ramp": ("end_values", 0),
    **dict.fromkeys(_STATISTICS, ("stat_length", None)),
    "reflect": ("reflect_type", "even"),
    "symmetric": ("reflect_type", "even"),
    "wrap": (None, None),
}


_FEW = 64  # elements that are added faster one by one than sorted by where they came from


@spells(np.pad)
def pad(x, pad_width, mode="constant", **options):
    """`np.pad`, differentiable in all of its modes, by x and by the values of the options.

    Parameters:
      x: an array.
      pad_width: a number, a (before, after) pair, a pair for each axis, or a dict of axes to those.
      mode="constant": "constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "mean", "median",
        "minimum", or "empty" (undefined elements; zeros where x is a knetpy value).
      **options: those of NumPy's modes: constant_values (0), end_values (0), reflect_type ("even" or "odd"),
        stat_length (None for the whole axis).
    Returns: an array of x's dtype with before + after more elements along each axis.
    Raises: ValueError, TypeError where NumPy does; DerivativeError for a function as mode where x has a derivative.
    Derivative: "maximum" and "minimum" split it evenly among ties; "median" gives it to the elements in the middle of a
      stable sort.

    >>> import numpy as np, knetpy as kn
    >>> kn.grad(lambda x: (kn.pad(x, 1, "edge") * np.arange(4.0)).sum())(np.ones(2))
    array([1., 5.])
    """
    x = x if isinstance(x, Value) else constant_of("pad", "x", x)
    width = _widths(pad_width, len(x.shape))
    if callable(mode):
        return _by_function(x, width, mode, options)
    given = _option(mode, options)
    if not any(map(any, width)):
        return np.copy(x)
    if mode in ("constant", "empty"):
        return _filled(x, width, 0 if mode == "empty" else given)
    for axis, (n, pair) in enumerate(zip(x.shape, width)):
        if any(pair) and not n:
            raise ValueError(f'pad: axis {axis} of x {x.shape} is empty; only "constant" and "empty" can extend it')
    if mode == "linear_ramp" or mode in _STATISTICS:
        given = _pairs(_TAKES[mode][0], given, len(width))
    for axis, pair in enumerate(width):
        if any(pair):
            x = _extended(x, axis, pair, mode, given)
    return x


def _widths(given, ndim):
    """A tuple of ints (before, after) for each axis."""
    if isinstance(given, dict):
        pairs = [(0, 0)] * ndim
        for axis, pair in given.items():
            if not hasattr(axis, "__index__") or not -ndim <= axis < ndim:
                raise np.exceptions.AxisError(f"pad: pad_width names axis {axis!r}, but x has {ndim} axes")
            pairs[axis] = pair if isinstance(pair, tuple) else (pair, pair)
        given = pairs
    pairs = _pairs("pad_width", given, ndim)
    if pairs.dtype.kind != "i" and (pairs.size or pairs.dtype.kind != "f"):  # an empty list is floating
        raise TypeError(f"pad: pad_width must be integers, got {given!r}")
    if (pairs < 0).any():
        raise ValueError(f"pad: pad_width must not be negative, got {given!r}; to cut off elements write x[1:-1]")
    return tuple([(before, after) for before, after in pairs.tolist()])


def _pairs(option, given, ndim):
    """An option given for all axes and ends, for all axes or for each, as an array (ndim, 2)."""
    try:
        return np.broadcast_to(given, (ndim, 2))
    except ValueError:
        raise ValueError(
            f"pad: {option} must be one number, one (before, after) pair or a pair for each of the {ndim} axes, got "
            f"{given!r}"
        ) from None


def _option(mode, options):
    """What is given as the one option that the mode takes."""
    one_of("pad", "mode", mode, _TAKES)
    name, default = _TAKES[mode]
    others = [option for option in options if option != name]
    if others:
        raise ValueError(f'pad: mode="{mode}" takes ' + (f"{name}=" if name else "no option") + f", got {others[0]}=")
    given = options.get(name, default)
    if name == "reflect_type":
        one_of("pad", name, given, ("even", "odd"))
    if name == "stat_length" and given is not None:
        lengths = np.asarray(given)
        if lengths.dtype.kind not in "iuf" or not (lengths >= 1).all():
            raise ValueError(f"pad: stat_length must be None or at least 1, for there to be a {mode}, got {given!r}")
    return given


def _by_function(x, width, mode, options):
    if isinstance(x, Value) and is_tracked(x):
        raise DerivativeError(
            f"pad: a function as mode has no derivative rule, and x of shape {x.shape} is being differentiated; join "
            "what it would fill in to x with np.concatenate"
        )
    return np.pad(bare(x), width, mode, **options)


# --------------------------------------------------------------------------------- constants


@primitive(trusted=True, x=lambda dy, x_shape, width: dy[tuple([slice(b, b + n) for (b, _), n in zip(width, x_shape)])])
def _pad(x, *, width, value):
    return np.pad(x, width, constant_values=value)


def _filled(x, width, values):
    pairs = _pairs("constant_values", values, len(width))
    if not isinstance(values, Value):
        return _pad(x, width=width, value=values)
    numbers = np.arange(2 * len(width)).reshape(-1, 2)  # of the values: which of them lies where, and x where none does
    places = beside(np.pad(np.full(x.shape, -1), width, constant_values=numbers), values)
    values = np.reshape(pairs, -1).astype(x.dtype)
    return np.where(places < 0, _pad(x, width=width, value=0), values[places])


# --------------------------------------------------------------------------- elements of x


@primitive(name="pad", trusted=True, x=lambda dy, axis, pair, mode: _gather_back(dy, axis=axis, pair=pair, mode=mode))
def _gather(x, *, axis, pair, mode):
    """`x` extended along an axis by elements of its own."""
    return np.pad(x, [pair if i == axis else (0, 0) for i in range(x.ndim)], mode=mode)


@primitive(name="pad_back", trusted=True, g=lambda dy, axis, pair, mode: _gather(dy, axis=axis, pair=pair, mode=mode))
def _gather_back(g, *, axis, pair, mode):
    """The transpose of `_gather`: each element is added to the one that it came from."""
    n, (before, after) = g.shape[axis] - sum(pair), pair
    sources = np.pad(np.arange(n), pair, mode=mode)
    if before + after > _FEW:
        if on_gpu(g):
            rows = g.reshape(math.prod(g.shape[:axis]), len(sources), math.prod(g.shape[axis + 1 :]))
            x = _add_along(rows, beside(sources, g).reshape(1, -1, 1), size=n)
            return x.reshape(*g.shape[:axis], n, *g.shape[axis + 1 :])
        order = np.argsort(sources, kind="stable")
        firsts = np.flatnonzero(np.diff(sources[order], prepend=-1))  # of those that came from one element
        return np.add.reduceat(g[_at(axis, order)], firsts, axis)
    x = g[_at(axis, slice(before, before + n))].copy()
    for i in (*range(before), *range(before + n, len(sources))):
        x[_at(axis, sources[i])] += g[_at(axis, i)]
    return x


def _at(axis, key):
    return (slice(None),) * axis + (key,)


def _extended(x, axis, pair, mode, given):
    if mode == "linear_ramp":
        return _with_ramps(x, axis, pair, given[axis])
    if mode in _STATISTICS:
        return _with_statistics(x, axis, pair, mode, given[axis])
    if given == "odd" and x.shape[axis] > 1:
        return _with_turned(x, axis, pair, mode)
    return _gather(x, axis=axis, pair=pair, mode=mode)


def _with_turned(x, axis, pair, mode):
    """`x` extended by itself, turned by 180 degrees about its end; as often as it takes."""
    (before, after), skip = pair, int(mode == "reflect")  # whether the end is left out of what is turned
    period = x.shape[axis] - skip
    while before or after:
        n = x.shape[axis]
        reach = (n - skip) // period * period
        a, b = min(reach, before), min(reach, after)
        left = 2 * x[_at(axis, slice(0, 1))] - np.flip(x[_at(axis, slice(skip, skip + a))], axis)
        right = 2 * x[_at(axis, slice(n - 1, n))] - np.flip(x[_at(axis, slice(n - skip - b, n - skip))], axis)
        x, before, after = np.concatenate([left, x, right], axis), before - a, after - b
    return x


# ------------------------------------------------------------------------- ramps and statistics


def _shares(dy, axis, count):
    """How much of the edge there is in each element of a ramp."""
    shares = beside(np.arange(count, dtype=dy.dtype) / dy.dtype.type(count), dy)
    return np.reshape(shares, [-1 if i == axis else 1 for i in range(len(dy.shape))])


@primitive(
    edge=lambda dy, axis, count: np.sum(dy * _shares(dy, axis, count), axis=axis, keepdims=True),
    end=lambda dy, end_dtype, axis, count: np.sum(dy * (1 - _shares(dy, axis, count))).astype(end_dtype),
)
def _ramp(edge, end, *, axis, count):
    """`count` elements from `end` on the way to `edge`, which has size 1 along the axis."""
    with np.errstate(invalid="ignore"):  # the way to infinity
        return np.linspace(end, np.squeeze(edge, axis), count, endpoint=False, dtype=edge.dtype, axis=axis)


def _with_ramps(x, axis, pair, ends):
    n, (before, after) = x.shape[axis], pair
    left = _ramp(x[_at(axis, slice(0, 1))], ends[0], axis=axis, count=before)
    right = _ramp(x[_at(axis, slice(n - 1, n))], ends[1], axis=axis, count=after)
    return np.concatenate([left, x, np.flip(right, axis)], axis)


def _with_statistics(x, axis, pair, mode, lengths):
    n = x.shape[axis]
    parts = [x[_at(axis, part)] for part in _ends(n, lengths)]
    sizes = [(*x.shape[:axis], count, *x.shape[axis + 1 :]) for count in pair]
    left, right = [np.broadcast_to(_statistic(part, axis, mode), size) for part, size in zip(parts, sizes)]
    return np.concatenate([left, x, right], axis)


def _ends(n, lengths):
    first, last = [n if length is None else min(n, int(np.round(length))) for length in lengths]
    return slice(0, first), slice(n - last, n)


def _statistic(x, axis, mode):
    if mode == "median":
        x, mode = take_along_axis(x, _middle(bare(x), axis), axis), "mean"
    return {"maximum": np.max, "mean": np.mean, "minimum": np.min}[mode](x, axis=axis, keepdims=True)


def _middle(x, axis):
    """The places of the one or two elements in the middle of a stable sort; of a NaN if there is one."""
    order, n = np.argsort(x, axis, kind="stable"), x.shape[axis]
    last = order[_at(axis, slice(n - 1, n))]
    middle = order[_at(axis, slice((n - 1) // 2, n // 2 + 1))]
    return np.where(np.isnan(np.take_along_axis(x, last, axis)), last, middle)
