"""Pooling: each mode is a linear map (of a choice, for max) beside its transpose, so every order follows."""

import functools
import math

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.value import Value, bare
from ..devices import maybe
from ..kernels import kernel
from .arguments import as_floating, check_room, flag, memo, number, one_of, per_axis, several
from .half import narrowed, widened
from .resample import Table, resample
from .window import nonempty_axes, window_padding

_largest, _maxpool, _positions, _pick, _spread = [
    kernel("pool", name) for name in ("largest", "maxpool", "positions", "pick", "spread")
]
_take, _put, _meanpool, _meanpool_dx = [kernel("pool", name) for name in ("take", "put", "meanpool", "meanpool_dx")]

# `how` holds window, stride, padding and dilation; of means also which padding is counted. `taps` tell for each place
# which element under the window the maximum is, in a byte or four, while an index takes eight.
_pool_max = primitive(
    lambda x, *, how: _maxpool(x, **how),
    name="pool",
    saves=("taps",),
    x=lambda dy, x_shape, taps, how: pool_spread(dy, taps=taps, size=x_shape[2:], how=how),
)
pool_pick = primitive(
    lambda x, *, taps, how: _pick(x, taps, **how),
    name="pool_pick",
    x=lambda dy, x_shape, taps, how: pool_spread(dy, taps=taps, size=x_shape[2:], how=how),
)
pool_spread = primitive(
    lambda g, *, taps, size, how: _spread(g, taps, size=size, **how),
    name="pool_spread",
    g=lambda dy, taps, how: pool_pick(dy, taps=taps, how=how),
)
pool_take = primitive(
    lambda x, *, index: _take(x, index),
    name="pool_take",
    x=lambda dy, x_shape, index: pool_put(dy, index=index, size=x_shape[2:]),
)
pool_put = primitive(
    lambda g, *, index, size: _put(g, index, size=size),
    name="pool_put",
    g=lambda dy, index: pool_take(dy, index=index),
)
_pool_mean = primitive(
    lambda x, *, how: _meanpool(x, **how),
    name="pool",
    x=lambda dy, x_shape, how: pool_mean_dx(dy, size=x_shape[2:], how=how),
)
pool_mean_dx = primitive(
    lambda g, *, size, how: _meanpool_dx(g, size=size, **how),
    name="pool_mean_dx",
    g=lambda dy, how: _pool_mean(dy, how=how),
)


def pool(
    x, window=2, *, stride=None, padding=0, dilation=1, mode="max", ceil_mode=False, return_indices=False, p=2
):  # fmt: skip
    """The largest, the mean or the p-norm of the elements under each place of a window.

    Parameters:
      x: (N, C, *S), floating, with 1, 2 or 3 spatial axes.
      window=2: its size, a number or one for each spatial axis. stride=None: likewise, by default the window.
      padding=0: a number, one for each axis, or (before, after) pairs, less than dilation * (window - 1) + 1; "valid"
        for none; "same" for So = ceil(S / stride), an odd element after x. Never the maximum; zeros in means and norms.
      dilation=1: the distance of neighbouring elements under the window, a number or one for each axis.
      mode="max": "max", "mean" (over the whole window, padding included), "mean_valid" (over the elements of x in it),
        or "lp": (sum of |x| ** p) ** (1 / p).
      p=2: a number above 0, of "lp".
      ceil_mode=False: whether a last window counts that reaches beyond the padding, if it begins in x or before; "mean"
        divides by how much of it lies within the padding.
      return_indices=False: whether to return also where in the flattened S the maxima lie, an int64 array; only for
        "max".
    Returns: (N, C, *So) with So = (S + before + after - dilation * (window - 1) - 1) // stride + 1, or with ceil_mode
      the same rounded up. Not C-contiguous: the channels lie last in memory. float16 is summed in float32.
    Raises: ShapeError, DtypeError, ValueError, TypeError, naming what does not fit.
    Derivative: of a maximum, to the first of equal elements in row-major order; NaN counts as the largest. Of "lp", 0
      where all elements under the window are 0 and by elements that are 0 (unless p is 2, 4, 6 ...); beside an
      infinite element, where p > 1, 0, and by that element its sign.
    PyTorch's lp_pool differs: with odd p it sums x ** p, and with ceil_mode it scales sums of windows that are cut off.

    >>> import numpy as np, knetpy as kn
    >>> kn.pool(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    (x,) = as_floating("pool", x=x)
    how = _window("pool", x.shape, window, stride, padding, dilation, ceil_mode, mode)
    if return_indices is not False:
        _only_maxima("pool", mode, return_indices)
    if mode == "max":
        return _maxima(x, how, return_indices)
    if mode == "lp":
        return _norm("pool", x, p, functools.partial(_pool_mean, how=how))
    return _pool_mean(x, how=how)


def global_pool(x, mode="mean", *, keepdims=True, p=2):
    """The mean, the largest or the p-norm of all elements of each channel.

    Parameters:
      x: (N, C, *S), floating, with 1, 2 or 3 spatial axes, none of them empty.
      mode="mean": "mean", "max" or "lp", as in `pool`. p=2: a number above 0, of "lp".
      keepdims=True: whether the spatial axes remain, with size 1.
    Returns: (N, C, 1, ...), or (N, C) without `keepdims`.
    Raises: ShapeError, DtypeError, ValueError, TypeError, naming what does not fit.
    Derivative: as for `pool`.

    >>> import numpy as np, knetpy as kn
    >>> kn.global_pool(np.arange(4.0).reshape(1, 1, 2, 2), "mean")
    array([[[[1.5]]]])
    """
    (x,) = as_floating("global_pool", x=x)
    one_of("global_pool", "mode", mode, ("mean", "max", "lp"))
    keepdims = flag("global_pool", "keepdims", keepdims)
    axes = tuple(range(2, 2 + nonempty_axes("global_pool", x.shape)))
    if mode == "max":
        y = _maxima(x, _even(x.shape[2:], (1,) * len(axes)), False)
    elif mode == "mean":
        y = np.mean(x, axis=axes, keepdims=True)
    else:
        y = _norm("global_pool", x, p, functools.partial(np.sum, axis=axes, keepdims=True))
    return y if keepdims else np.reshape(y, x.shape[:2])


def adaptive_pool(x, size, *, mode="mean", return_indices=False, p=2):
    """The mean, the largest or the p-norm of each of `size` bins along the spatial axes.

    Parameters:
      x: (N, C, *S), floating, with 1, 2 or 3 spatial axes, none of them empty.
      size: how many bins, a number or one for each spatial axis; None leaves an axis as it is. Bin i reaches from
        floor(i * S / size) to before ceil((i + 1) * S / size): bins may overlap, none is empty.
      mode="mean": "mean", "max" or "lp", as in `pool`. p=2: a number above 0, of "lp".
      return_indices=False: whether to return also where in the flattened S the maxima lie, an int64 array; only for
        "max".
    Returns: (N, C, *size).
    Raises: ShapeError, DtypeError, ValueError, TypeError, naming what does not fit.
    Derivative: as for `pool`.

    >>> import numpy as np, knetpy as kn
    >>> kn.adaptive_pool(np.arange(5.0).reshape(1, 1, 5), 2)
    array([[[1., 3.]]])
    """
    (x,) = as_floating("adaptive_pool", x=x)
    one_of("adaptive_pool", "mode", mode, ("mean", "max", "lp"))
    _only_maxima("adaptive_pool", mode, return_indices)
    old, axes = x.shape[2:], nonempty_axes("adaptive_pool", x.shape)
    size = tuple(size) if several(size) else (size,) * axes
    kept = [n if m is None else m for n, m in zip(old, size)] if len(size) == axes else size
    size = per_axis("adaptive_pool", "size", kept, axes)
    check_room("adaptive_pool", x, size)
    how = _even(old, size) if all([n % m == 0 for n, m in zip(old, size)]) else None
    if mode == "max":
        return _maxima(x, how, return_indices) if how else _binned_maxima(x, size, return_indices)
    if mode == "lp":
        return _norm("adaptive_pool", x, p, lambda x: _binned_sums(x, size, means=False))
    return _pool_mean(x, how={**how, "counted": ((0, 0),) * axes}) if how else _binned_sums(x, size, means=True)


# ------------------------------------------------------------------------------------------------- windows


def _only_maxima(name, mode, return_indices):
    if flag(name, "return_indices", return_indices) and mode != "max":
        raise ValueError(f'{name}: return_indices is for mode="max", where there are positions; got mode={mode!r}')


@memo
def _window(name, x, window, stride, padding, dilation, ceil_mode, mode):
    """How kernels take the window for x of this shape."""
    one_of(name, "mode", mode, ("max", "mean", "mean_valid", "lp"))
    axes = nonempty_axes(name, x)
    window = per_axis(name, "window", window, axes)
    stride = window if stride is None else per_axis(name, "stride", stride, axes)
    dilation, ceil_mode = per_axis(name, "dilation", dilation, axes), flag(name, "ceil_mode", ceil_mode)
    padding = window_padding(name, padding, x[2:], window, stride, dilation)
    full = []
    for i, (n, k, t, d, (before, after)) in enumerate(zip(x[2:], window, stride, dilation, padding)):
        reach = d * (k - 1) + 1
        if max(before, after) >= reach:
            raise ValueError(
                f"{name}: padding {(before, after)} along spatial axis {i} must be less than the window {k}"
                + f" with dilation {d}, which reaches over {reach}" * (d > 1)
            )
        spare = before + n + after - reach  # what the window can move
        beyond = -spare % t if ceil_mode else 0
        beyond = 0 if spare + beyond >= before + n else beyond  # the last place would begin after x
        if spare + beyond < 0:
            raise ShapeError(
                f"{name}: the window {k} along spatial axis {i} is larger than the padded x, {spare + reach} "
                f"(x {x}, padding {(before, after)}, dilation {d})"
            )
        full.append((before, after + beyond))
        if d > 1:
            _no_place_outside(name, x, i, k, d, np.arange(0, spare + beyond + 1, t) - before, (before, after))
    how = {"window": window, "stride": stride, "padding": tuple(full), "dilation": dilation}
    if mode == "max":
        return how
    return how | {"counted": {"mean": padding, "mean_valid": ((0, 0),) * axes, "lp": None}[mode]}


def _no_place_outside(name, x, i, k, d, start, padding):
    """Raise if the taps at start, start + d, ... are all outside of x, which happens to a dilated window only."""
    first = np.where(start < 0, start % d, start)  # the first tap that is not before x
    lost = (first >= x[2 + i]) | (first > start + d * (k - 1))
    if lost.any():
        raise ValueError(
            f"{name}: the window {k} with dilation {d} would meet nothing but padding {padding} at place "
            f"{np.argmax(lost)} along spatial axis {i} of x {x}; pad less"
        )


# -------------------------------------------------------------------------------------- maxima, norms, bins


def _maxima(x, how, return_indices):
    if return_indices:
        _, taps = _maxpool(bare(x), **how)
        return pool_pick(x, taps=taps, how=how), _positions(taps, size=x.shape[2:], **how)
    return _pool_max(x, how=how) if isinstance(x, Value) else _largest(x, **how)


def _norm(name, x, p, sums):
    """(sum of |x| ** p) ** (1 / p), with `sums` for the sum."""
    p = number(name, "p", p, above=0)
    z = widened(x)
    infinite = np.isinf(bare(z))
    if p <= 1 or not maybe(infinite):
        return narrowed(_finite_norm(z, p, sums), x.dtype)
    far = sums(np.where(infinite, np.abs(z), 0))  # the limit: to an infinite element all others are nothing
    near = _finite_norm(np.where(infinite, 0, z), p, sums)
    return narrowed(np.where((bare(far) > 0) & ~np.isnan(bare(near)), far, near), x.dtype)


def _finite_norm(x, p, sums):
    if p % 2:
        zero = bare(x) == 0  # where the derivatives are 0 by convention
        powers = np.where(zero, 0, np.abs(np.where(zero, 1, x)) ** p)
    else:
        powers = x**p
    total = sums(powers)
    nothing = bare(total) == 0
    return np.where(nothing, 0, np.where(nothing, 1, total) ** (1 / p))


def _even(old, size):
    """`how` for bins of one size."""
    window = tuple([n // m for n, m in zip(old, size)])
    return {"window": window, "stride": window, "padding": ((0, 0),) * len(old), "dilation": (1,) * len(old)}


def _bins(n, size):
    """[(start, stop)] along an axis of n elements."""
    return [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]


def _binned_sums(x, size, means):
    for axis, m in enumerate(size, 2):
        x = resample(x, axis=axis, table=_bin_table(x.shape[axis], m, means))
    return x


@functools.lru_cache(maxsize=256)
def _bin_table(n, size, means):
    """Sums or means of bins as a table."""
    parts = [
        (np.full(stop - start, i), np.arange(start, stop), np.full(stop - start, 1 / (stop - start) if means else 1.0))
        for i, (start, stop) in enumerate(_bins(n, size))
    ]
    return Table(size, n, *map(np.concatenate, zip(*parts)))


def _binned_maxima(x, size, return_indices):
    index = _binned_argmax(bare(x), size)
    y = pool_take(x, index=index)
    return (y, index) if return_indices else y


def _binned_argmax(x, size):
    """Where in the flattened S the first of the largest elements of each bin lies.

    The axes are reduced one by one, the last first, which finds the first of equal elements in row-major order.
    """
    index = np.arange(math.prod(x.shape[2:]), like=x).reshape(x.shape[2:])
    index = np.broadcast_to(index, x.shape)
    for axis, m in reversed(list(enumerate(size, 2))):
        around = (slice(None),) * axis
        parts = [(*around, slice(*ends)) for ends in _bins(x.shape[axis], m)]
        best = [np.argmax(x[part], axis=axis, keepdims=True) for part in parts]
        x, index = [
            np.concatenate([np.take_along_axis(a[part], at, axis) for part, at in zip(parts, best)], axis)
            for a in (x, index)
        ]
    return index
