"""Moves between channels and space, and among channels."""

import numpy as np

from ..core.errors import ShapeError
from .arguments import as_floating, per_axis
from .window import spatial_axes


def pixel_shuffle(x, factor):
    """Channels turned into space: each group of factor ** 2 channels becomes one that is `factor` times as large.

    Parameters:
      x: (N, C * factor ** A, *S), floating, with A = 1, 2 or 3 spatial axes.
      factor: an integer of at least 1.
    Returns: (N, C, *(S * factor)); the first of a group's channels is the upper left element of each block.
    Raises: ShapeError, DtypeError, ValueError.
    Derivative: by x: dy put back in order.

    >>> import numpy as np, knetpy as kn
    >>> kn.pixel_shuffle(np.arange(4.0).reshape(1, 4, 1, 1), 2)
    array([[[[0., 1.],
             [2., 3.]]]])
    """
    (x,) = as_floating("pixel_shuffle", x=x)
    (n, c, *size), axes, r = x.shape, spatial_axes("pixel_shuffle", x.shape), _factor("pixel_shuffle", factor)
    if c % r**axes:
        raise ShapeError(
            f"pixel_shuffle: the {c} channels (axis 1 of x {x.shape}) do not divide into groups of "
            f"{r}**{axes} = {r**axes}; take another factor"
        )
    x = np.reshape(x, (n, c // r**axes, *[r] * axes, *size))
    order = [a for i in range(axes) for a in (2 + axes + i, 2 + i)]
    return np.reshape(np.transpose(x, (0, 1, *order)), (n, c // r**axes, *[s * r for s in size]))


def pixel_unshuffle(x, factor):
    """Space turned into channels, the inverse of `pixel_shuffle`.

    Parameters:
      x: (N, C, *S), floating, with A = 1, 2 or 3 spatial axes, each a multiple of factor.
      factor: an integer of at least 1.
    Returns: (N, C * factor ** A, *(S / factor)).
    Raises: ShapeError, DtypeError, ValueError.
    Derivative: by x: dy put back in order.

    >>> import numpy as np, knetpy as kn
    >>> kn.pixel_unshuffle(np.arange(4.0).reshape(1, 1, 2, 2), 2).ravel()
    array([0., 1., 2., 3.])
    """
    (x,) = as_floating("pixel_unshuffle", x=x)
    (n, c, *size), axes, r = x.shape, spatial_axes("pixel_unshuffle", x.shape), _factor("pixel_unshuffle", factor)
    if any(s % r for s in size):
        raise ShapeError(
            f"pixel_unshuffle: the spatial axes of x {x.shape} must be multiples of factor={r}; see kn.pad"
        )
    x = np.reshape(x, (n, c, *[k for s in size for k in (s // r, r)]))
    order = (*range(3, 2 + 2 * axes, 2), *range(2, 2 + 2 * axes, 2))
    return np.reshape(np.transpose(x, (0, 1, *order)), (n, c * r**axes, *[s // r for s in size]))


def channel_shuffle(x, groups):
    """Channels in another order: the first of each group, then the second of each, and so on.

    Parameters:
      x: (N, C, ...), floating.
      groups: an integer that divides C.
    Returns: an array of the shape of x.
    Raises: ShapeError, DtypeError, ValueError.
    Derivative: by x: dy put back in order.

    >>> import numpy as np, knetpy as kn
    >>> kn.channel_shuffle(np.arange(6.0).reshape(1, 6), 2)
    array([[0., 3., 1., 4., 2., 5.]])
    """
    (x,) = as_floating("channel_shuffle", x=x)
    (groups,) = per_axis("channel_shuffle", "groups", groups, 1)
    if len(x.shape) < 2 or x.shape[1] % groups:
        raise ShapeError(f"channel_shuffle: x must be (N, C, ...), with C a multiple of groups={groups}; got {x.shape}")
    n, c, *rest = x.shape
    return np.reshape(np.swapaxes(np.reshape(x, (n, groups, c // groups, *rest)), 1, 2), x.shape)


def _factor(name, factor):
    return per_axis(name, "factor", factor, 1)[0]
