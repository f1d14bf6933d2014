"""Pooling: each mode is a linear map (of a choice, for max) beside its transpose, so every order follows."""

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..kernels import kernel
from .arguments import as_floating, one_of, padding_pairs, per_axis

_maxpool, _take, _put, _meanpool, _meanpool_dx = [
    kernel("pool", name) for name in ("maxpool", "take", "put", "meanpool", "meanpool_dx")
]

_pool_max = primitive(
    lambda x, *, how: _maxpool(x, **how),
    name="pool",
    saves=("index",),
    x=lambda dy, x_shape, index: _pool_put(dy, index=index, size=x_shape[2:]),
)
_pool_take = primitive(
    lambda x, *, index: _take(x, index),
    name="pool_take",
    x=lambda dy, x_shape, index: _pool_put(dy, index=index, size=x_shape[2:]),
)
_pool_put = primitive(
    lambda g, *, index, size: _put(g, index, size=size),
    name="pool_put",
    g=lambda dy, index: _pool_take(dy, index=index),
)
_pool_mean = primitive(
    lambda x, *, how: _meanpool(x, **how),
    name="pool",
    x=lambda dy, x_shape, how: _pool_mean_dx(dy, size=x_shape[2:], how=how),
)
_pool_mean_dx = primitive(
    lambda g, *, size, how: _meanpool_dx(g, size=size, **how),
    name="pool_mean_dx",
    g=lambda dy, how: _pool_mean(dy, how=how),
)


def pool(x, window=2, *, stride=None, padding=0, mode="max"):
    """The largest or the mean element under each place of a window.

    Parameters:
      x: (N, C, *S), floating, with 1, 2 or 3 spatial axes.
      window: its size, a number or one for each spatial axis. stride: likewise, by default the window.
      padding: a number, one for each axis, or (before, after) pairs; less than the window. Never the maximum; zeros in
        means.
      mode: "max", "mean" (over the whole window, padding included), "mean_valid" (over the real elements in it).
    Returns: (N, C, *So) with So = (S + before + after - window) // stride + 1.
    Derivative: of a maximum, to the first of equal elements in row-major order; NaN counts as the largest.

    >>> import numpy as np, knetpy as kn
    >>> kn.pool(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    (x,) = as_floating("pool", x=x)
    one_of("pool", "mode", mode, ("max", "mean", "mean_valid"))
    how = _checked(x.shape, window, stride, padding)
    if mode == "max":
        return _pool_max(x, how=how)
    return _pool_mean(x, how={**how, "count_padding": mode == "mean"})


def _checked(x, window, stride, padding):
    axes = len(x) - 2
    if axes not in (1, 2, 3):
        raise ShapeError(f"pool: x must be (N, C, *S) with 1, 2 or 3 spatial axes, got {x}")
    window = per_axis("pool", "window", window, axes)
    stride = window if stride is None else per_axis("pool", "stride", stride, axes)
    padding = padding_pairs("pool", padding, axes)
    for i, (k, pads) in enumerate(zip(window, padding)):
        if max(pads) >= k:
            raise ValueError(f"pool: padding {pads} along spatial axis {i} must be less than the window {k}")
        if k > x[2 + i] + sum(pads):
            raise ShapeError(
                f"pool: the window {k} along spatial axis {i} is larger than the padded x, {x[2 + i] + sum(pads)} "
                f"(x {x}, padding {pads})"
            )
    return {"window": window, "stride": stride, "padding": padding}
