"""Dropout."""

import math

from ..core.primitive import primitive
from ..core.trace import active
from ..core.value import Param
from ..kernels import kernel
from ..random import DROPOUT, take
from ..settings import training
from .activation import SELU_ALPHA, SELU_SCALE
from .arguments import as_floating, axes_of, number

_kernel = kernel("dropout", "dropout")

# Linear in x, with a mask that is drawn again from its position: the derivative is the same call on dy.
_dropout = primitive(
    lambda x, *, p, mask_shape, position: _kernel(x, p, mask_shape, *position),
    name="dropout",
    x=lambda dy, p, mask_shape, position: _dropout(dy, p=p, mask_shape=mask_shape, position=position),
)


def dropout(x, p=0.5, *, axis=None):
    """In training mode, zero each element with probability p and scale the others by 1 / (1 - p); else x as it is.

    Parameters:
      x: floating array of any shape.
      p=0.5: a number from 0 to 1, the share that is dropped (1 gives zeros).
      axis=None: along which elements are dropped independently, a number or a tuple; along the others they are
        kept or dropped together. None for all axes; (0, 1) drops whole channels of images (N, C, H, W).
    Returns: array of the shape and dtype of x. The mask is not stored but drawn again for the derivative, from
      `kn.random`'s dropout stream: the same seed gives the same masks on every device.
    Raises: ValueError for p outside 0 to 1, AxisError, DtypeError for integers.
    Derivative: by x, with the same mask.
    Source: Srivastava et al., "Dropout", JMLR 15, 2014; by channels: Tompson et al., "Efficient object localization
      using convolutional networks", 2015.

    >>> import numpy as np, knetpy as kn
    >>> kn.dropout(np.ones(3), 0.5)
    array([1., 1., 1.])
    """
    x, p, mask_shape = _checked("dropout", x, p, axis)
    if not training() or p == 0:
        return x.value if x.__class__ is Param and not active() else x
    return _dropout(x, p=p, mask_shape=mask_shape, position=take(DROPOUT))


def alpha_dropout(x, p=0.5, *, axis=None):
    """Dropout that keeps mean 0 and variance 1, to go with `selu`: in training mode, elements go to selu(-Inf).

    Parameters, returns and errors: as for `dropout`. All elements are then scaled and moved so that mean and variance
      stay; a p of 1, where that is impossible, gives zeros. With axis=(0, 1) it is PyTorch's feature_alpha_dropout.
    Derivative: by x, with the mask of the forward pass.
    Source: Klambauer et al., "Self-normalizing neural networks", 2017.

    >>> import numpy as np, knetpy as kn
    >>> kn.alpha_dropout(np.ones(3), 0.5)
    array([1., 1., 1.])
    """
    x, p, mask_shape = _checked("alpha_dropout", x, p, axis)
    if not training() or p == 0:
        return x.value if x.__class__ is Param and not active() else x
    low = -SELU_ALPHA * SELU_SCALE
    kept = _dropout(x - low, p=p, mask_shape=mask_shape, position=take(DROPOUT)) * (1 - p)  # above low, 0 if dropped
    if p == 1:
        return kept
    scale = 1 / math.sqrt((1 - p) * (1 + p * low * low))
    return kept * scale + low * (1 - p) * scale


def _checked(name, x, p, axis):
    """x as a floating array, p as a float, and the shape of the mask: 1 along the axes that share it."""
    (x,) = as_floating(name, x=x)
    p, own = number(name, "p", p, 0, 1), axes_of(name, "x", x, axis)
    return x, p, tuple([n if a in own else 1 for a, n in enumerate(x.shape)])
