"""Knet's batch normalisation, with its moments and params."""

import numpy as np

from ..calls import speaking, told
from ..core.errors import ShapeError
from ..core.value import bare
from ..ops.arguments import MOST, as_floating, count_of, flag
from ..ops.batchnorm import Moments
from ..ops.batchnorm import batchnorm as _batchnorm
from ..parameters import init
from ..settings import training as is_training


class _Moments(Moments):
    biased = True


@speaking(Moments="bnmoments")
@told
def bnmoments(*, momentum=0.1, mean=None, var=None):
    """The running mean and variance of a `batchnorm`: `kn.Moments`, with the biased variance, as Knet has it.

    Parameters:
      momentum=0.1: the share of the newest batch.
      mean=None, var=None: floating arrays (C,) to begin with, instead of Knet's meaninit and varinit; by default 0 and
        1, of the size that the first batch has.
    Returns: `kn.Moments`, whose mean and var are arrays (C,).

    >>> import numpy as np, knetpy as kn
    >>> moments = kn.knet.bnmoments(momentum=0.5)
    >>> y = kn.knet.batchnorm(np.array([[1.0], [3.0]]), moments, training=True)
    >>> moments.mean, moments.var
    (array([1.]), array([1.]))
    """
    return _Moments(momentum, mean=mean, var=var)


@speaking(ones="bnparams", dtype="etype")
@told
def bnparams(etype, channels=None):
    """The scales and biases of a `batchnorm` in one vector: ones, then zeros; `param` makes a Param of it.

    Parameters:
      etype: the dtype; or, in place of both, the number of channels, for float32 (where Knet takes Float64).
      channels=None: how many.
    Returns: an array (2 * channels,).

    >>> import knetpy as kn
    >>> kn.knet.bnparams(2)
    array([1., 1., 0., 0.], dtype=float32)
    """
    etype, channels = (np.float32, etype) if channels is None else (etype, channels)
    n = count_of("bnparams", "channels", channels, 1, MOST)
    return np.concatenate([init.ones(n, dtype=etype), init.zeros(n, dtype=etype)])


@told
def batchnorm(x, moments=None, params=None, *, eps=1e-5, training=None):
    """Batch normalisation with Knet's `bnmoments` and `bnparams`: `kn.batchnorm`.

    Parameters:
      x: (N, C, *S), floating: Julia's (W, H, C, N) read from the last axis to the first.
      moments=None: what `bnmoments` returned; it is written in training mode, read otherwise, and needed then.
      params=None: a vector of C scales and C biases, of the dtype of x.
      eps=1e-5: a number of at least 0, added to the variance.
      training=None: True or False to decide by it instead of by `training`.
    Returns: an array of the shape and dtype of x.

    >>> import numpy as np, knetpy as kn
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> kn.knet.batchnorm(x, None, np.array([1.0, 1.0, 0.0, 7.0]), eps=0.25, training=True).round(3)
    array([[-0.894,  7.   ],
           [ 0.894,  7.   ]])
    """
    if moments is None and not (is_training() if training is None else flag("batchnorm", "training", training)):
        raise TypeError("batchnorm: outside of training it needs moments, which bnmoments() makes; or training=True")
    if not (moments is None or isinstance(moments, Moments)):
        raise TypeError(f"batchnorm: moments must be of bnmoments(), or None, got {type(bare(moments)).__name__}")
    if params is None:
        return _batchnorm(x, moments, eps=eps, training=training)
    x, params = as_floating("batchnorm", x=x, params=params)
    shape = x.shape
    if len(shape) < 2 or params.shape != (2 * shape[1],):
        raise ShapeError(
            f"batchnorm: params must be a vector of scales and biases of each channel (axis 1 of x {shape}), as of "
            f"bnparams(channels), got {params.shape}"
        )
    return _batchnorm(x, moments, params[: shape[1]], params[shape[1] :], eps=eps, training=training)
