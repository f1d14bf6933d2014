"""Differences and slopes along an axis, the area under a curve, interpolation between points."""

import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..core.errors import DtypeError, ShapeError, refuse_mixed
from ..core.primitive import primitive
from ..core.value import Value, bare
from ..devices import maybe, on_gpu
from .shape import along
from .spelling import arrays, composes

_NONE = np._NoValue


def _at(x, axis, *which):
    """x[which] along an axis."""
    return x[(slice(None),) * axis + (slice(*which),)]


@composes(np.diff)
def diff(x, n=1, axis=-1, prepend=_NONE, append=_NONE):
    """`np.diff`, with a derivative also by what is prepended and appended.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: (np.diff(x) ** 2).sum())(np.array([1.0, 2.0, 4.0]))
    array([-2., -2.,  4.])
    """
    (x,), n = arrays(x), operator.index(n)
    if n < 0:
        raise ValueError(f"np.diff: n must not be negative, got {n}")
    if n == 0:
        return x
    if not x.shape:
        raise ValueError("np.diff: x must have at least one axis, got a number")
    axis = normalize_axis_index(axis, len(x.shape))
    parts = [_edge(part, x, axis) for part in arrays(*[a for a in (prepend, x, append) if a is not _NONE])]
    x = x if len(parts) == 1 else np.concatenate(parts, axis)
    for _ in range(n):
        x = _at(x, axis, 1, None) - _at(x, axis, None, -1)
    return x


def _edge(part, x, axis):
    return part if part.shape else np.broadcast_to(part, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))


@composes(np.ediff1d)
def ediff1d(x, to_end=None, to_begin=None):
    """`np.ediff1d`."""
    x = np.ravel(x)
    edges = [None if part is None else np.ravel(arrays(part, x)[0]) for part in (to_begin, to_end)]
    for part in edges:
        if part is not None and not np.can_cast(part.dtype, x.dtype, casting="same_kind"):
            raise TypeError(f"np.ediff1d: to_begin and to_end must fit the dtype of x, {x.dtype}, got {part.dtype}")
    begin, end = [part if part is None else part.astype(x.dtype) for part in edges]
    return np.concatenate([part for part in (begin, x[1:] - x[:-1], end) if part is not None])


@composes(np.gradient)
def gradient(f, *varargs, axis=None, edge_order=1):
    """`np.gradient`, with a derivative by f and by distances or coordinates.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.gradient(x)[0])(np.array([1.0, 2.0, 4.0]))
    array([-1.,  1.,  0.])
    """
    (f,) = arrays(f)
    axes = normalize_axis_tuple(range(len(f.shape)) if axis is None else axis, len(f.shape))
    steps = [_step(f, h, a) for h, a in zip(_distances(varargs, len(axes)), axes)]
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient: edge_order must be 1 or 2, got {edge_order}")
    for a in axes:
        if f.shape[a] < edge_order + 1:
            raise ValueError(
                f"np.gradient: axis {a} of {f.shape} must have at least edge_order + 1 = {edge_order + 1} elements"
            )
    dtype = f.dtype if f.dtype.kind in "fc" else np.dtype(float)
    found = [_slopes(f.astype(dtype), h, a, edge_order).astype(dtype) for h, a in zip(steps, axes)]
    return found[0] if len(axes) == 1 else tuple(found)


def _distances(varargs, count):
    if not varargs:
        return [1.0] * count
    if len(varargs) == 1 and not np.ndim(bare(varargs[0])):
        return varargs * count
    if len(varargs) != count:
        raise TypeError(f"np.gradient: give no distance, one, or one for each of {count} axes, not {len(varargs)}")
    return varargs


def _step(f, h, axis):
    """The distance of neighbours: a number, or one for each pair."""
    h = h if isinstance(h, (int, float)) else arrays(h, f)[0]
    if not np.ndim(bare(h)):
        return h
    if len(h.shape) != 1 or h.shape[0] != f.shape[axis]:
        raise ShapeError(f"np.gradient: the coordinates of axis {axis} of f {f.shape} have shape {h.shape}")
    h = np.diff(h)
    return h if isinstance(h, Value) or maybe(h != h[:1]) else h[0]


def _slopes(f, h, axis, edge_order):
    def at(*which):
        return _at(f, axis, *which)

    n = f.shape[axis]
    if not np.ndim(bare(h)):
        inner = (at(2, None) - at(None, -2)) / (2.0 * h)
        before = after = h
    else:
        before, after = along(h[:-1], f, axis), along(h[1:], f, axis)
        a, b = -after / (before * (before + after)), (after - before) / (before * after)
        c = before / (after * (before + after))
        inner = a * at(None, -2) + b * at(1, -1) + c * at(2, None)
        before, after = h[0], h[-1]
    if edge_order == 1:
        first, last = (at(1, 2) - at(0, 1)) / before, (at(n - 1, n) - at(n - 2, n - 1)) / after
    else:
        first = _edge_slope(at(0, 1), at(1, 2), at(2, 3), before, h[1] if np.ndim(bare(h)) else h)
        last = -_edge_slope(at(n - 1, n), at(n - 2, n - 1), at(n - 3, n - 2), after, h[-2] if np.ndim(bare(h)) else h)
    return np.concatenate([first, inner, last], axis)


def _edge_slope(f0, f1, f2, h1, h2):
    """The slope at f0 of the parabola through three points."""
    if h1 is h2:
        return -1.5 / h1 * f0 + 2.0 / h1 * f1 + -0.5 / h1 * f2
    a, b, c = -(2.0 * h1 + h2) / (h1 * (h1 + h2)), (h1 + h2) / (h1 * h2), -h1 / (h2 * (h1 + h2))
    return a * f0 + b * f1 + c * f2


@composes(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """`np.trapezoid`, with a derivative by y, x and dx."""
    y, *xs = arrays(y) if x is None else arrays(y, x)
    axis = normalize_axis_index(axis, len(y.shape))
    d = np.diff(xs[0], axis=axis if len(xs[0].shape) > 1 else -1) if xs else dx
    d = along(d, y, axis) if xs and len(d.shape) == 1 else d
    return np.sum(d * (_at(y, axis, 1, None) + _at(y, axis, None, -1)) / 2.0, axis)


@primitive(name="unwrap", x=lambda dy: dy)
def _unwrap(x, *, discont, axis, period):
    return np.unwrap(x, discont, axis, period=period)


@composes(np.unwrap)
def unwrap(p, discont=None, axis=-1, *, period=2 * np.pi):
    """`np.unwrap`: whole periods are added, with derivative 1."""
    return _unwrap(p, discont=discont, axis=axis, period=period)


@composes(np.interp)
def interp(x, xp, fp, left=None, right=None, period=None):
    """`np.interp`, with a derivative by x, xp, fp, left and right; at a point, by x that of the piece to its right.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.interp(x, [0.0, 1.0, 3.0], [0.0, 2.0, 3.0]))(2.0)
    np.float64(0.5)
    """
    x, xp, fp = arrays(x, xp, fp)
    refuse_mixed("interp", ("x", "xp", "fp"), [bare(a) for a in (x, xp, fp)])
    for name, a in (("x", x), ("xp", xp)):
        if a.dtype.kind == "c":
            raise DtypeError(f"np.interp: {name} must be real numbers, got {a.dtype}")
    x, xp, fp = x.astype(float), xp.astype(float), fp.astype(complex if fp.dtype.kind == "c" else float)
    if len(xp.shape) != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ShapeError(f"np.interp: xp and fp must be vectors of one size, not 0; got {xp.shape} and {fp.shape}")
    if period is not None:
        if period == 0:
            raise ValueError("np.interp: period must not be 0")
        x, xp, fp = _periodic(x, xp, fp, abs(period))
        left = right = None
    left, right = fp[0] if left is None else left, fp[-1] if right is None else right
    at, points = bare(x), bare(xp)
    if len(points) == 1:
        y = np.broadcast_to(fp[0], at.shape)
    else:
        i = np.clip(np.searchsorted(points, at, "right") - 1, 0, len(points) - 2)
        x0, f0 = xp[i], fp[i]
        y = (fp[i + 1] - f0) / (xp[i + 1] - x0) * (x - x0) + f0
    y = np.where(at < points[0], left, np.where(at > points[-1], right, y))
    if not on_gpu(at) and (lost := np.isnan(bare(y))).any():  # NumPy finds a way round infinite points
        y = np.where(lost, np.interp(at, points, bare(fp), bare(left), bare(right)), y)
    return y[()]


def _periodic(x, xp, fp, period):
    """Points in order within one period, with one more at each end."""
    x, xp = np.remainder(x, period), np.remainder(xp, period)
    order = np.argsort(bare(xp))
    xp, fp = xp[order], fp[order]
    xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, np.concatenate([fp[-1:], fp, fp[:1]])
