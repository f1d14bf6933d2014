"""Dropout."""

import numpy as np

from ..core.errors import DtypeError
from ..core.primitive import primitive
from ..kernels import kernel
from ..random import DROPOUT, take
from ..settings import training

# Linear in x, with a mask that is drawn again from its position: the derivative is the same call on dy.
_dropout = primitive(
    lambda x, *, p, position: kernel("dropout", "dropout")(x, p, *position),
    name="dropout",
    x=lambda dy, p, position: _dropout(dy, p=p, position=position),
)


def dropout(x, p=0.5):
    """In training mode, zero each element with probability p and scale the others by 1 / (1 - p); else x as it is.

    Parameters: x, floating array of any shape; p, a number from 0 to 1, the share that is dropped (1 gives zeros).
    Returns: array of the shape and dtype of x. The mask is not stored but drawn again for the derivative, from
      `kn.random`'s dropout stream: the same seed gives the same masks on every device.
    Raises: ValueError for p outside 0 to 1, DtypeError for integers.
    Source: Srivastava et al., "Dropout", JMLR 15, 2014.

    >>> import knetpy as kn
    >>> kn.dropout(np.ones(3), 0.5)
    array([1., 1., 1.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be from 0 to 1, got {p}")
    x = x if hasattr(x, "dtype") else np.asarray(x, np.float32)
    if x.dtype.kind != "f":
        raise DtypeError(f"dropout: x has dtype {x.dtype}; write x.astype(np.float32)")
    if not training() or p == 0:
        return x
    return _dropout(x, p=float(p), position=take(DROPOUT))
