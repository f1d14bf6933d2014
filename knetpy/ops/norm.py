"""Normalisation of each example by itself, and of weights. Batch statistics are in `batchnorm.py`."""

import math

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.value import bare
from ..kernels import kernel
from .arguments import as_floating, axes_of, axis_of, number, per_axis
from .half import narrowed, widened
from .piecewise import relu
from .reduce import _norm as _euclidean
from .reduce import _vector_norm

_forward, _dx = kernel("norm", "norm"), kernel("norm", "norm_dx")
AFFINE = ("scale", "bias")  # operands that may be None

# What batchnorm, layernorm, groupnorm, instancenorm and rmsnorm share. `how` is what kernels take. Of `shapes`, x is
# normalised in "view"; scale and bias come in "sizes" and meet it in "affine" (both None if there is neither).


def _in(shape, x):
    return None if x is None else x.reshape(shape)


def _fused(x, scale, bias, *, shapes, how):
    y, mean, var = _added(x, scale, bias, None, shapes=shapes, how=how)
    return y, mean, var, mean, var


def _added(x, scale, bias, residual, *, shapes, how):
    view, affine = shapes["view"], shapes["affine"]
    y, mean, var = _forward(x.reshape(view), _in(affine, scale), _in(affine, bias), _in(view, residual), **how)
    return y.reshape(x.shape), mean, var


def _fused_back(dy, x, scale, bias, at_mean, at_var, shapes, how, out):
    return _added_back(dy, x, scale, bias, (None, at_mean, at_var), shapes, how, out)[:3]


def _added_back(dy, x, scale, bias, y, shapes, how, out):
    (y, mean, var), view, affine, sizes = y, shapes["view"], shapes["affine"], shapes["sizes"]
    dy, z, scale, bias = dy[0].reshape(view), x.reshape(view), _in(affine, scale), _in(affine, bias)
    found = _dx(dy, z, mean, var, scale, bias, _in(view, y), affine=affine, out=out, **how)
    return [_in(shape, d) for shape, d in zip((x.shape, sizes, sizes, x.shape), found)]


def _composed(x, scale, bias, residual=None, *, shapes, how):
    view, axes, eps = shapes["view"], how["axes"], how["eps"]
    z, count = widened(np.reshape(x, view)), max(math.prod([view[a] for a in axes]), 1)
    _, mean, var = _forward(bare(z), None, None, axes=axes, eps=eps, centred=how["centred"])
    with np.errstate(all="ignore"):  # as the kernel
        if how["centred"]:
            high = mean.astype(z.dtype)
            z = (z - high) - (mean - high).astype(z.dtype)  # a constant: no derivative changes, no digits are lost
            z = z - np.sum(z, axis=axes, keepdims=True) / count
        y = z / np.sqrt(np.sum(z * z, axis=axes, keepdims=True) / count + eps)
        y = y if scale is None else y * np.reshape(scale, shapes["affine"])
        y = y if bias is None else y + np.reshape(bias, shapes["affine"])
        y = np.reshape(narrowed(y, x.dtype), x.shape)
        y = y if residual is None else y + residual
    return relu(y) if how["relu"] else y, mean, var


# The mean and the variance leave for the running moments only, as constants: no rule looks at their cotangents. They
# are saved besides, as a rule that reads them among the outputs would keep y too; only with a residual is that read.
_norm = primitive(_fused, name="norm", outputs=3, saves=("at_mean", "at_var"), vjp=_fused_back, composed=_composed)
_norm_added = primitive(_added, name="norm", outputs=3, vjp=_added_back, composed=_composed)


def normalised(x, scale, bias, *, axes, eps, view=None, affine=None, centred=True, residual=None, rectified=False):
    """(y, mean, var) of `x` normalised over `axes`, the last two bare; operands have been checked."""
    some = next((a for a in (scale, bias) if a is not None), None)
    affine, sizes = (None, None) if some is None else (affine, some.shape)
    shapes = {"view": x.shape if view is None else view, "affine": affine, "sizes": sizes}
    how = {"axes": axes, "eps": eps, "centred": centred, "relu": rectified}
    if residual is None:
        y, mean, var = _norm(x, scale, bias, shapes=shapes, how=how)
    else:
        y, mean, var = _norm_added(x, scale, bias, residual, shapes=shapes, how=how)
    return y, bare(mean), bare(var)


def check_affine(name, x, axes, scale, bias):
    """Raise unless scale and bias, where given, have the sizes of those axes of x."""
    sizes = tuple([x.shape[a] for a in axes])
    for k, a in (("scale", scale), ("bias", bias)):
        if a is not None and a.shape != sizes:
            which = f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
            raise ShapeError(f"{name}: {k} must have shape {sizes}, the size of {which} of x {x.shape}, got {a.shape}")


def shape_along(x, axes):
    """The shape in which an array with the sizes of those axes meets x."""
    return tuple([n if a in axes else 1 for a, n in enumerate(x.shape)])


def _some_axes(name, x, axis):
    found = tuple(sorted(axes_of(name, "x", x, axis)))
    if not found:
        raise ValueError(f"{name}: axis {axis!r} of x {x.shape} is none; name at least one")
    return found


def layernorm(x, scale=None, bias=None, *, axis=-1, eps=1e-5):
    """(x - mean) / sqrt(var + eps) * scale + bias, with mean and variance over `axis`, for each of the other places.

    Parameters:
      x: floating array of any shape with at least one axis.
      scale=None, bias=None: arrays of the dtype of x with the sizes of those axes, in the order that they have in x; or
        None.
      axis=-1: a number, a tuple, or None for all; by default the last.
      eps=1e-5: a number >= 0, added to the variance, which is the biased one (divided by n).
    Returns: array of the shape and dtype of x. Statistics are float64, float16 is computed in float32. Where all
      elements are equal the result is exactly the bias. NaN and Inf make NaN of what shares their statistics.
    Raises: ShapeError, DtypeError, AxisError, ValueError.
    Derivative: by x, scale and bias, through the statistics.
    Source: Ba et al., "Layer Normalization", 2016.

    >>> import numpy as np, knetpy as kn
    >>> kn.layernorm(np.array([[1.0, 3.0], [5.0, 5.0]]), eps=0.25).round(3)
    array([[-0.894,  0.894],
           [ 0.   ,  0.   ]])
    """
    x, scale, bias = as_floating("layernorm", x=x, scale=scale, bias=bias, optional=AFFINE)
    axes = _some_axes("layernorm", x, axis)
    check_affine("layernorm", x, axes, scale, bias)
    eps = number("layernorm", "eps", eps, 0)
    return normalised(x, scale, bias, axes=axes, affine=shape_along(x, axes), eps=eps)[0]


def rmsnorm(x, scale=None, *, axis=-1, eps=None):
    """x / sqrt(mean(x * x) + eps) * scale, with the mean over `axis`.

    Parameters:
      x: floating array of any shape with at least one axis.
      scale=None: array of the dtype of x with the sizes of those axes, in the order that they have in x; or None.
      axis=-1: a number, a tuple, or None for all; by default the last.
      eps=None: a number >= 0; None for the distance from 1 to the next number of the dtype (of float32 for float16).
    Returns: array of the shape and dtype of x.
    Raises: ShapeError, DtypeError, AxisError, ValueError.
    Derivative: by x and scale, through the mean.
    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.

    >>> import numpy as np, knetpy as kn
    >>> kn.rmsnorm(np.array([1.0, 7.0]))
    array([0.2, 1.4])
    """
    x, scale = as_floating("rmsnorm", x=x, scale=scale, optional=AFFINE)
    axes = _some_axes("rmsnorm", x, axis)
    check_affine("rmsnorm", x, axes, scale, None)
    eps = (
        float(np.finfo(np.promote_types(x.dtype, np.float32)).eps) if eps is None else number("rmsnorm", "eps", eps, 0)
    )
    return normalised(x, scale, None, axes=axes, affine=shape_along(x, axes), eps=eps, centred=False)[0]


def groupnorm(x, groups, scale=None, bias=None, *, axis=1, eps=1e-5):
    """`layernorm` of each example over groups of channels: mean and variance over C / groups channels and all places.

    Parameters:
      x: (N, C, *S), floating; the channels may lie along another axis, but not the first.
      groups: an integer that divides the number of channels. With 1, all of an example shares its statistics; with C
        it is `instancenorm`.
      scale=None, bias=None: (C,), of the dtype of x; or None.
      axis=1: the channel axis.
      eps=1e-5: a number >= 0, added to the (biased) variance.
    Returns: array of the shape and dtype of x.
    Raises: ShapeError, DtypeError, AxisError, ValueError.
    Derivative: by x, scale and bias, through the statistics.
    Source: Wu and He, "Group Normalization", 2018.

    >>> import numpy as np, knetpy as kn
    >>> kn.groupnorm(np.array([[1.0, 3.0, 5.0, 5.0]]), 2, eps=0.25).round(3)
    array([[-0.894,  0.894,  0.   ,  0.   ]])
    """
    x, scale, bias = as_floating("groupnorm", x=x, scale=scale, bias=bias, optional=AFFINE)
    axis = channel_axis("groupnorm", x, axis, 2)
    if axis == 0:
        raise ValueError(f"groupnorm: axis 0 of x {x.shape} numbers the examples; channels lie along another axis")
    (groups,) = per_axis("groupnorm", "groups", groups, 1)
    if x.shape[axis] % groups:
        raise ShapeError(
            f"groupnorm: the {x.shape[axis]} channels (axis {axis} of x {x.shape}) do not divide into groups="
            f"{groups}; take a divisor"
        )
    check_affine("groupnorm", x, (axis,), scale, bias)
    eps = number("groupnorm", "eps", eps, 0)
    view = (*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])
    affine = tuple([n if a in (axis, axis + 1) else 1 for a, n in enumerate(view)])
    axes = tuple([a for a in range(1, len(view)) if a != axis])
    return normalised(x, scale, bias, axes=axes, view=view, affine=affine, eps=eps)[0]


def channel_axis(name, x, axis, least):
    """The channel axis, counted from 0, of an x with at least so many axes."""
    if len(x.shape) < least:
        raise ShapeError(
            f"{name}: x must be (N, C{', *S' if least > 2 else ''}) with at least {least} axes, got shape {x.shape}; "
            "x[None] inserts an axis"
        )
    return axis_of(name, "x", x, axis)


def normalise(x, axis=-1, *, eps=None, ord=None):
    """x with mean 0 and variance 1 along `axis`; with `ord`, x over its norm.

    Parameters:
      x: floating array; axis=-1: a number, a tuple, or None for all.
      ord=None: None for (x - mean) / sqrt(var + eps), which is `layernorm` without scale; a number p > 0 or np.inf for
        x / max(norm, eps), the norm being sum(abs(x) ** p) ** (1 / p).
      eps=None: a number >= 0, by default 1e-5, with `ord` 1e-12.
    Returns: array of the shape and dtype of x. With `ord`, where x is all 0 the result is 0, its derivative dy / eps.
    Raises: DtypeError, AxisError, ValueError.

    >>> import numpy as np, knetpy as kn
    >>> kn.normalise(np.array([3.0, 4.0]), ord=2)
    array([0.6, 0.8])
    """
    (x,) = as_floating("normalise", x=x)
    axes = _some_axes("normalise", x, axis)
    eps = number("normalise", "eps", (1e-5 if ord is None else 1e-12) if eps is None else eps, 0)
    if ord is None:
        return normalised(x, None, None, axes=axes, eps=eps)[0]
    if not (isinstance(ord, float) and ord == np.inf):
        ord = number("normalise", "ord", ord, above=0)
    if not math.prod(x.shape):
        return x * 1  # of no elements there may be no largest
    z = widened(x)
    with np.errstate(all="ignore"):  # of infinite elements NaN
        size = _euclidean(z, axis=axes, keepdims=True) if ord == 2 else _vector_norm(z, ord, axes, True)
        return narrowed(z / np.maximum(size, eps), x.dtype)


def weightnorm(v, g, *, axis=0):
    """g * v / norm(v): weights given by direction and length.

    Parameters:
      v: floating array: the direction, of any length but 0.
      g: the lengths, of the dtype of v: one for each place along `axis`, of shape (O,) or with further axes of size 1
        as in v; with axis=None a single number.
      axis=0: norms are taken over all axes but this one; None for one norm of the whole.
    Returns: array of the shape and dtype of v. NaN where a norm is 0.
    Raises: ShapeError, DtypeError, AxisError.
    Derivative: by v and g; NaN where a norm is 0.
    Source: Salimans and Kingma, "Weight Normalization", 2016.

    >>> import numpy as np, knetpy as kn
    >>> kn.weightnorm(np.array([[3.0, 4.0], [0.0, 2.0]]), np.array([10.0, 1.0]))
    array([[6., 8.],
           [0., 1.]])
    """
    v, g = as_floating("weightnorm", v=v, g=g)
    kept = () if axis is None else (axis_of("weightnorm", "v", v, axis),)
    shape, sizes = shape_along(v, kept), tuple([v.shape[a] for a in kept])
    if g.shape not in (sizes, shape) and not (axis is None and g.shape == (1,)):
        raise ShapeError(
            f"weightnorm: g must have shape {sizes} or {shape} for v {v.shape}, axis={axis}; got {g.shape}"
        )
    z, others = widened(v), tuple([a for a in range(len(v.shape)) if a not in kept])
    with np.errstate(all="ignore"):  # as said above
        lengths = np.reshape(g, shape) / _euclidean(z, axis=others, keepdims=True)
        return narrowed(z * lengths, v.dtype)


@primitive(trusted=True, x=lambda dy, axis, before, after: _windowed(dy, axis=axis, before=after, after=before))
def _windowed(x, *, axis, before, after):
    """Sums over each place along `axis` and its neighbours, so many before and after; outside lie zeros."""
    z = np.moveaxis(x, axis, 0)
    z, count = np.pad(z, [(before, after)] + [(0, 0)] * (z.ndim - 1)), len(z)
    return np.moveaxis(sum([z[i : i + count] for i in range(before + after + 1)]), 0, axis)


def localresponsenorm(x, size, *, alpha=1e-4, beta=0.75, k=1.0, axis=1):
    """x / (k + alpha * mean(x * x)) ** beta, the mean over `size` neighbouring channels.

    Parameters:
      x: (N, C, *S), floating, with at least 2 axes.
      size: an integer >= 1, how many channels: size // 2 before, the channel itself, (size - 1) // 2 after. Channels
        outside count as zeros.
      alpha=0.0001, beta=0.75, k=1.0: numbers. As in PyTorch, alpha is divided by `size`; in the paper it is not.
      axis=1: the channel axis.
    Returns: array of the shape and dtype of x. NaN where x is infinite, or what is raised to a power negative.
    Raises: ShapeError, DtypeError, AxisError, ValueError.
    Derivative: by x.
    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 3.3.

    >>> import numpy as np, knetpy as kn
    >>> kn.localresponsenorm(np.array([[1.0, 1.0]]), 3, alpha=1.5, beta=1)
    array([[0.5, 0.5]])
    """
    name = "localresponsenorm"
    (x,) = as_floating(name, x=x)
    axis = channel_axis(name, x, axis, 2)
    (size,) = per_axis(name, "size", size, 1)
    alpha, beta, k = [number(name, n, v) for n, v in (("alpha", alpha), ("beta", beta), ("k", k))]
    z, most = widened(x), x.shape[axis]  # further away there are no channels
    with np.errstate(all="ignore"):  # as said above
        squares = _windowed(z * z, axis=axis, before=min(size // 2, most), after=min((size - 1) // 2, most))
        return narrowed(z * (k + alpha / size * squares) ** -beta, x.dtype)
