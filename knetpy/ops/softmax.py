"""The softmax family. All take an axis or a tuple of axes, by default the last, and a mask."""

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import primitive
from ..core.value import bare
from ..devices import maybe
from ..kernels import kernel
from ..kernels.reference import summing
from ..kernels.reference.softmax import largest, powers, shifted
from ..random import DROPOUT, take
from .arguments import as_floating, axes_of, axis_of, constant_of, flag, number, placed, stretches
from .axes import restored

_forward, _dx = kernel("softmax", "softmax"), kernel("softmax", "softmax_dx")
_log_forward, _log_dx = kernel("softmax", "logsoftmax"), kernel("softmax", "logsoftmax_dx")
_uniform = kernel("random", "uniform")


def _sum(x, axis):
    return np.sum(x, axis=axis, keepdims=True)


def _masked(x, mask, value):
    """x with `value` where the mask says no."""
    return x if mask is None else np.where(mask, x, value)


@primitive(
    trusted=True,
    g=lambda dy, p, axis: _softmax_dx(dy, p, axis=axis),  # the Jacobian is symmetric
    p=lambda dy, g, p, axis: dy * (g - _sum(g * p, axis)) - g * _sum(dy * p, axis),
)
def _softmax_dx(g, p, *, axis):
    return _dx(g, p, axis=axis)


@primitive(trusted=True, x=lambda dy, y, axis: _softmax_dx(dy, y, axis=axis))
def _softmax(x, *, axis, mask=None):
    return _forward(x, axis=axis, mask=mask)


@primitive(
    trusted=True,
    g=lambda dy, logs, axis: dy - _sum(dy * np.exp(logs), axis),
    logs=lambda dy, g, logs, axis: -dy * np.exp(logs) * _sum(g, axis),
)
def _logsoftmax_dx(g, logs, *, axis):
    return _log_dx(g, logs, axis=axis)


@primitive(trusted=True, x=lambda dy, y, axis, mask: _logsoftmax_dx(_masked(dy, mask, 0), y, axis=axis))
def _logsoftmax(x, *, axis, mask):
    return _log_forward(x, axis=axis, mask=mask)


@primitive(
    trusted=True,
    x=lambda dy, x, axis, keepdims, mask: restored(dy, x.shape, axis, keepdims) * _softmax(x, axis=axis, mask=mask),
)
@summing
def _logsumexp(x, *, axis, keepdims, mask):
    _, total, _ = powers(x, axis, mask)
    with np.errstate(divide="ignore"):  # of no elements it is -Inf
        rest = np.log(total if keepdims else np.squeeze(total, axis))
    top = largest(_masked(x, mask, -np.inf), axis)
    return (top if keepdims else np.squeeze(top, axis)) + rest


def _checked(name, x, axis, mask):
    """x as a floating array, its axes as NumPy takes them, and the mask, None if all take part; raises for what has no
    softmax."""
    (x,) = as_floating(name, x=x)
    mask = mask if mask is None else _as_mask(name, x, mask)
    return x, axes_of(name, "x", x, axis), mask


def _as_mask(name, x, mask):
    """The mask beside x; None if all of it is known to be True."""
    mask = constant_of(name, "mask", mask)
    if mask.dtype != bool:
        raise DtypeError(
            f"{name}: mask must be boolean, True for what takes part, got {mask.dtype}; write mask.astype(bool)"
        )
    if not stretches(mask.shape, x.shape):
        raise ShapeError(
            f"{name}: mask of shape {mask.shape} does not broadcast to x of shape {x.shape}; counted from the last, "
            "each axis must agree or be 1: reshape it, or insert an axis with mask[:, None]"
        )
    return placed(name, "mask", mask, x) if maybe(~mask) else None


def softmax(x, axis=-1, *, mask=None):
    """exp(x) / sum(exp(x)) along `axis`: positive numbers that sum to 1.

    Parameters:
      x: floating array of any shape.
      axis=-1: a number, a tuple, or None for all axes.
      mask=None: a boolean array that broadcasts to x: only elements where it is True take part.
    Returns: array of the shape and dtype of x. Infinite scores give the limit: where the maximum is Inf its elements
      share 1. Masked elements get 0, also where nothing takes part.
    Raises: ShapeError or DtypeError for another mask, AxisError.
    Derivative: 0 by masked elements.

    >>> import numpy as np, knetpy as kn
    >>> kn.softmax(np.array([0.0, 0.0, -np.inf])), kn.softmax(np.zeros(3), mask=np.array([True, False, True]))
    (array([0.5, 0.5, 0. ]), array([0.5, 0. , 0.5]))
    """
    x, axes, mask = _checked("softmax", x, axis, mask)
    return _softmax(x, axis=axes, mask=mask)


def logsoftmax(x, axis=-1, *, mask=None):
    """log(softmax(x)) along `axis`, without overflow or loss of precision.

    Parameters, errors and derivative: as for `softmax`.
    Returns: array of the shape and dtype of x. Masked elements get -Inf, also where nothing takes part.

    >>> import numpy as np, knetpy as kn
    >>> kn.logsoftmax(np.array([0.0, 10000.0]))
    array([-10000.,      0.])
    """
    x, axes, mask = _checked("logsoftmax", x, axis, mask)
    return _logsoftmax(x, axis=axes, mask=mask)


def logsumexp(x, axis=-1, keepdims=False, *, mask=None):
    """log(sum(exp(x))) along `axis`, by default the last, without overflow.

    Parameters and errors: as for `softmax`;
      keepdims=False: whether the axes stay, with size 1.
    Returns: array of the dtype of x, of its shape without the axes. Where nothing takes part it is -Inf.
    Derivative: softmax(x); 0 where nothing takes part.

    >>> import numpy as np, knetpy as kn
    >>> kn.logsumexp(np.array([1000.0, 1000.0]))
    np.float64(1000.6931471805599)
    """
    x, axes, mask = _checked("logsumexp", x, axis, mask)
    return _logsumexp(x, axis=axes, keepdims=flag("logsumexp", "keepdims", keepdims), mask=mask)


def softmin(x, axis=-1, *, mask=None):
    """softmax(-x): the smallest number gets the largest share.

    Parameters, returns, errors and derivative: as for `softmax`.

    >>> import numpy as np, knetpy as kn
    >>> kn.softmin(np.array([0.0, 0.0, np.inf]))
    array([0.5, 0.5, 0. ])
    """
    x, axes, mask = _checked("softmin", x, axis, mask)
    return _softmax(-x, axis=axes, mask=mask)


@primitive(trusted=True, p=lambda dy: dy)
def _hardened(p, *, axis):
    """1 at the first largest number along the axis and 0 elsewhere; the derivative passes as if it were p."""
    chosen = np.zeros_like(p)
    if p.size:
        np.put_along_axis(chosen, np.argmax(p, axis, keepdims=True), 1, axis)
    return chosen


def gumbel_softmax(x, axis=-1, *, temperature=1.0, hard=False):
    """softmax((x + noise) / temperature): a differentiable draw of one class along `axis`, with odds softmax(x).

    Parameters:
      x: floating array of any shape, raw scores.
      axis=-1: the class axis, a number.
      temperature=1.0: a number above 0; the smaller it is, the closer the result is to one-hot.
      hard=False: True for exact one-hot vectors, with the derivative of the soft ones ("straight through").
    Returns: array of the shape and dtype of x. Each call draws Gumbel noise from `kn.random`'s dropout stream, in
      training mode or not.
    Raises: ValueError for the temperature, AxisError, DtypeError.
    Source: Jang, Gu, Poole, "Categorical reparameterization with Gumbel-softmax", 2017.

    >>> import numpy as np, knetpy as kn
    >>> kn.gumbel_softmax(np.array([0.0, 1000.0]), hard=True)
    array([0., 1.])
    """
    (x,) = as_floating("gumbel_softmax", x=x)
    axis = axis_of("gumbel_softmax", "x", x, axis)
    temperature = number("gumbel_softmax", "temperature", temperature, above=0)
    u = _uniform(bare(x), x.shape, np.float64, *take(DROPOUT)) + 2.0**-54  # never 0
    p = _softmax((x - np.log(-np.log(u)).astype(x.dtype)) / temperature, axis=(axis,), mask=None)
    return _hardened(p, axis=axis) if flag("gumbel_softmax", "hard", hard) else p


def _sparsemax_dx(dy, y, axis):
    inside = y > 0
    count = np.maximum(np.sum(inside, axis=axis, keepdims=True), 1).astype(dy.dtype)
    return np.where(inside, dy - np.sum(np.where(inside, dy, 0), axis=axis, keepdims=True) / count, 0)


@primitive(trusted=True, x=_sparsemax_dx)
def _sparsemax(x, *, axis):
    z = np.moveaxis(shifted(x, axis), axis, -1)
    down = -np.sort(-z, axis=-1)
    total, rank = np.cumsum(down, axis=-1), np.arange(1, z.shape[-1] + 1, dtype=x.dtype, like=z)
    count = np.sum(1 + rank * down > total, axis=-1, keepdims=True)  # how many stay above 0
    level = (np.take_along_axis(total, count - 1, -1) - 1) / count.astype(x.dtype)
    return np.moveaxis(np.maximum(z - level, 0), -1, axis)


def sparsemax(x, axis=-1):
    """Like softmax, but with exact zeros: the point nearest to x whose elements are positive or 0 and sum to 1.

    Parameters:
      x: floating array of any shape.
      axis=-1: a number, by default the last axis.
    Returns: array of the shape and dtype of x. Elements that are 0 have derivative 0.
    Raises: AxisError, DtypeError.
    Source: Martins, Astudillo, "From softmax to sparsemax", 2016.

    >>> import numpy as np, knetpy as kn
    >>> kn.sparsemax(np.array([1.0, 0.5, -1.0]))
    array([0.75, 0.25, 0.  ])
    """
    (x,) = as_floating("sparsemax", x=x)
    axis = axis_of("sparsemax", "x", x, axis)
    return _sparsemax(x, axis=axis) if x.shape[axis] else x
