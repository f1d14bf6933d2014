"""Normalisation by the statistics of the batch in training, by running moments otherwise."""

import math

import numpy as np

from .. import settings
from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.value import bare
from ..devices import moved, on_gpu, surely
from ..graphs import capture
from ..journal import recall
from ..kernels import kernel
from ..parameters.model import remembered
from ..transforms.run import defer
from .arguments import as_floating, number, same_shapes
from .bias import check_activation
from .half import widened
from .norm import AFFINE, channel_axis, check_affine, normalised, shape_along
from .piecewise import relu

_forward = kernel("norm", "fixed")


class Moments:
    """The running mean and variance of a `batchnorm`, one of each for each channel.

    After each batch in training, running = (1 - momentum) * running + momentum * batch, as in PyTorch and Knet (Keras'
    momentum is 1 minus this one). The variance of the batch enters unbiased (divided by n - 1).

    Parameters:
      momentum=0.1: a number from 0 to 1; None for the average over all batches.
      mean=None, var=None: floating arrays (C,) to begin with. Without them they are None until the first batch gives
        their size, and begin as 0 and 1, float32 or in the dtype of x (float32 for float16). They are on
        the device of x, and follow it.
    Attributes: momentum, mean, var, count (of batches), and of the class: biased, whether the variance enters divided
      by n instead, as in Knet and TensorFlow.
    Raises: ShapeError, DtypeError, ValueError.

    >>> import numpy as np, knetpy as kn
    >>> m = kn.Moments(momentum=0.5)
    >>> y = kn.batchnorm(np.array([[1.0], [3.0]]), m, training=True)
    >>> m, m.mean, m.var
    (Moments(momentum=0.5, channels=1, count=1), array([1.]), array([1.5]))
    """

    biased = False

    def __new__(cls, momentum=0.1, *, mean=None, var=None):
        return recall(lambda: remembered(lambda: object.__new__(cls), name="Moments", kind="Moments"))

    def __init__(self, momentum=0.1, *, mean=None, var=None):
        if hasattr(self, "count"):  # made in an earlier call of a model, which remembers it
            return
        self.momentum, self.count = None if momentum is None else number("Moments", "momentum", momentum, 0, 1), 0
        given = {k: a for k, a in (("mean", mean), ("var", var)) if a is not None}
        given = dict(zip(given, [np.copy(bare(a)) for a in as_floating("Moments", **given)] if given else []))
        for k, a in given.items():
            if a.ndim != 1 or any(a.shape != b.shape for b in given.values()):
                shapes = " and ".join(f"{k} {b.shape}" for k, b in given.items())
                raise ShapeError(f"Moments: mean and var must have one shape (C,), got {shapes}")
        some = next(iter(given.values()), None)
        self.mean = given.get("mean", None if some is None else np.zeros_like(some))
        self.var = given.get("var", None if some is None else np.ones_like(some))
        if self.var is not None and surely(self.var < 0):
            raise ValueError(f"Moments: var must not be negative, got {self.var.min()}")

    def __repr__(self):
        size = "not sized yet" if self.mean is None else f"channels={len(self.mean)}, count={self.count}"
        return f"Moments(momentum={self.momentum}, {size})"

    def move(self, x):
        """Move the moments to where the bare array x is: they follow the data of their batchnorm."""
        if self.mean is not None and on_gpu(x) != on_gpu(self.mean):
            self.mean, self.var = [moved(a, "gpu" if on_gpu(x) else "cpu") for a in (self.mean, self.var)]

    def update(self, mean, var):
        """Take in the mean and the variance of a batch, arrays (C,); what `batchnorm` defers."""
        mean, var = as_floating("Moments.update", mean=mean, var=var)
        if self.mean is None:
            if into := capture():
                raise into.unready("Moments")
            dtype = np.promote_types(mean.dtype, np.float32)
            self.mean, self.var = np.zeros_like(mean, dtype), np.ones_like(mean, dtype)
        if not mean.shape == var.shape == self.mean.shape:
            raise ShapeError(
                f"Moments: they are of {len(self.mean)} channels, but a batch gave a mean {mean.shape} and a variance "
                f"{var.shape}; every batchnorm needs Moments of its own"
            )
        if capture():
            self._captured(mean, var)
            return
        self.count += 1
        self.move(mean)
        share = 1 / self.count if self.momentum is None else self.momentum
        # New arrays: a derivative to come may read the old ones.
        self.mean, self.var = self._mixed(share, mean, var)

    def _mixed(self, share, mean, var):
        pairs = (self.mean, mean), (self.var, var)
        return [((1 - share) * old + share * new).astype(old.dtype) for old, new in pairs]

    def _captured(self, mean, var):
        """Write into the arrays, as a step that is captured must find and leave its numbers in one place."""
        self.move(mean)
        into, own, momentum = capture(), (self.mean, self.var), self.momentum
        if momentum is None:
            raise into.refuse("the average of Moments(momentum=None) depends on their count, which the host keeps")
        for old, new in zip(own, self._mixed(momentum, mean, var)):
            old[...] = new
        into.again.append(self._counted)
        into.fixed.append(lambda: self.mean is own[0] and self.var is own[1] and self.momentum == momentum)

    def _counted(self):
        self.count += 1


def batchnorm(
    x, moments=None, scale=None, bias=None, *, residual=None, activation=None, axis=1, eps=1e-5, training=None
):
    """(x - mean) / sqrt(var + eps) * scale + bias, with mean and variance of each channel.

    Parameters:
      x: (N, C, *S), floating, with at least 2 axes.
      moments=None: `Moments`, read outside of training and updated in it; None takes the statistics of the batch
        always.
      scale=None, bias=None: (C,), of the dtype of x; or None.
      residual=None: an array of the shape and dtype of x, added to the result before the activation; or None.
      activation=None: a function of an array, applied last; None for none. kn.relu costs no pass over memory of its
        own.
      axis=1: the channel axis; the statistics of the batch are taken over all others.
      eps=1e-5: a number >= 0, added to the variance, which is the biased one (divided by n).
      training=None: whether the statistics are those of the batch; None asks `kn.training()`.
    Returns: array of the shape and dtype of x. Statistics are float64, float16 is computed in float32. Where a channel
      is constant the result is exactly the bias. NaN and Inf make NaN of what shares their statistics.
    Side effect: in training the moments take in the batch: once, when the outermost transform has succeeded (`defer`);
      at once outside of transforms. An empty batch leaves them.
    Raises: ValueError in training for a single element in each channel; ShapeError, DtypeError, AxisError, TypeError.
    Derivative: by x, scale, bias and residual, in training through the statistics of the batch; at kinks that of the
      activation.
    Source: Ioffe and Szegedy, "Batch Normalization", 2015.

    >>> import numpy as np, knetpy as kn
    >>> kn.batchnorm(np.array([[1.0, 5.0], [3.0, 5.0]]), eps=0.25).round(3)
    array([[-0.894,  0.   ],
           [ 0.894,  0.   ]])
    """
    check_activation("batchnorm", activation)
    x, scale, bias, residual = as_floating(
        "batchnorm", x=x, scale=scale, bias=bias, residual=residual, optional=(*AFFINE, "residual")
    )
    if residual is not None:
        same_shapes("batchnorm", residual=residual, x=x)
    axis = channel_axis("batchnorm", x, axis, 2)
    axes = tuple([a for a in range(len(x.shape)) if a != axis])
    return _by_channel("batchnorm", x, moments, scale, bias, axis, axes, eps, training, residual, activation)


def instancenorm(x, scale=None, bias=None, *, moments=None, eps=1e-5, training=None):
    """`batchnorm` of each example by itself: mean and variance of each channel over its places.

    Parameters:
      x: (N, C, *S), floating, with at least 3 axes.
      scale=None, bias=None: (C,), of the dtype of x; or None.
      moments=None: usually None: the statistics are those of the example, always. With `Moments` they are so in
        training only, and the moments take in their averages over the batch; else the moments are used.
      eps=1e-5: a number >= 0, added to the (biased) variance.
      training=None: None asks `kn.training()`; without moments it does not matter.
    Returns: array of the shape and dtype of x.
    Raises: ValueError for a single place, unless moments are used; ShapeError, DtypeError, AxisError, TypeError.
    Derivative: by x, scale and bias, through the statistics.
    Source: Ulyanov et al., "Instance Normalization", 2016.

    >>> import numpy as np, knetpy as kn
    >>> kn.instancenorm(np.array([[[1.0, 3.0], [5.0, 5.0]]]), eps=0.25).round(3)
    array([[[-0.894,  0.894],
            [ 0.   ,  0.   ]]])
    """
    x, scale, bias = as_floating("instancenorm", x=x, scale=scale, bias=bias, optional=AFFINE)
    axis = channel_axis("instancenorm", x, 1, 3)
    return _by_channel("instancenorm", x, moments, scale, bias, axis, tuple(range(2, len(x.shape))), eps, training)


def _by_channel(name, x, moments, scale, bias, axis, axes, eps, training, residual=None, activation=None):
    """x normalised over `axes` by its own statistics, or by those of each channel in `moments`."""
    check_affine(name, x, (axis,), scale, bias)
    _check_moments(name, x, axis, moments)
    if training is not None and not isinstance(training, (bool, np.bool_)):
        raise TypeError(f"{name}: training must be True, False or None, got {training!r}")
    eps, affine, count = number(name, "eps", eps, 0), shape_along(x, (axis,)), math.prod([x.shape[a] for a in axes])
    nothing = not math.prod(x.shape)  # of which there are no statistics, nor are any needed
    if nothing or moments is not None and not (settings.training() if training is None else training):
        return _finished(_by_moments(x, scale, bias, moments, affine, eps), residual, activation)
    if count == 1:
        raise ValueError(
            f"{name}: x {x.shape} has a single element for each mean and variance (axes {axes}), which training would "
            "make zero; give it more, or outside of training pass training=False and moments"
        )
    fused = {"residual": residual, "rectified": True} if activation is relu else {}
    y, mean, var = normalised(x, scale, bias, axes=axes, affine=affine, eps=eps, **fused)
    if moments is not None:
        defer(_update(moments, x, axis, mean, var if moments.biased else var * (count / (count - 1))))
    return y if fused else _finished(y, residual, activation)


def _finished(y, residual, activation):
    """What batchnorm ends with."""
    y = y if residual is None else y + residual
    return y if activation is None else activation(y)


def _update(moments, x, axis, mean, var):
    """What gives the moments one mean and one variance for each channel: the averages over the other axes."""
    others, share = tuple([a for a in range(len(x.shape)) if a != axis]), x.shape[axis] / mean.size
    dtype = np.promote_types(x.dtype, np.float32)
    mean, var = [(np.sum(a, axis=others) * share).astype(dtype) for a in (mean, var)]
    return lambda: moments.update(mean, var)


def _by_moments(x, scale, bias, moments, affine, eps):
    """x normalised by the moments; those that have no size yet are 0 and 1, in one place of memory."""
    dtype = np.promote_types(x.dtype, np.float64)
    if moments is None or moments.mean is None:
        mean, var = [np.broadcast_to(one(bare(x), dtype, shape=()), affine) for one in (np.zeros_like, np.ones_like)]
    else:
        moments.move(bare(x))
        mean, var = moments.mean.astype(dtype).reshape(affine), moments.var.astype(dtype).reshape(affine)
    return _fixed(x, scale, bias, mean=mean, var=var, affine=affine, eps=eps)


def _gain(dtype, var, eps):
    return (1 / np.sqrt(var + eps)).astype(np.promote_types(dtype, np.float32))


def _fixed_dx(dy, x_dtype, scale, var, affine, eps):
    gain = _gain(x_dtype, var, eps)
    return dy * (gain if scale is None else gain * np.reshape(scale, affine))


def _fixed_dscale(dy, x, scale_shape, mean, var, affine, eps):
    z = widened(x)
    return _over_channels(dy * ((z - mean.astype(z.dtype)) * _gain(x.dtype, var, eps)), affine, scale_shape)


def _over_channels(dy, affine, shape):
    return np.reshape(np.sum(widened(dy), axis=tuple([a for a, n in enumerate(affine) if n == 1])), shape)


# mean and var have the shape `affine` and are constants; scale and bias have it but for axes of size 1.
_fixed = primitive(
    lambda x, scale, bias, *, mean, var, affine, eps: (
        _forward(x, *[None if a is None else a.reshape(affine) for a in (scale, bias)], mean, var, eps=eps)
        if x.size
        else x.copy()  # without the room that a factor for each channel takes
    ),
    name="norm",
    x=_fixed_dx,
    scale=_fixed_dscale,
    bias=lambda dy, bias_shape, affine: _over_channels(dy, affine, bias_shape),
)


def _check_moments(name, x, axis, moments):
    if moments is None:
        return
    if not isinstance(moments, Moments):
        raise TypeError(
            f"{name}: moments must be kn.Moments() or None, got {type(bare(moments)).__name__}; scale and bias are "
            "passed as scale=, bias="
        )
    if moments.mean is not None and moments.mean.shape != (x.shape[axis],):
        raise ShapeError(
            f"{name}: moments are of {len(moments.mean)} channels, but x has {x.shape[axis]} (axis {axis} of "
            f"{x.shape}); every batchnorm needs Moments of its own"
        )
