"""Matrices and products."""

import math

import numpy as np

from ..core.errors import ShapeError


def mat(x, dims=1):
    """`x` as a matrix: its first `dims` axes become rows, the others columns; images (N, C, H, W) become (N, C*H*W).

    >>> import knetpy as kn
    >>> kn.mat(np.zeros((2, 3, 4, 5))).shape
    (2, 60)
    """
    shape = np.shape(x)
    if not 0 <= dims <= len(shape):
        raise ShapeError(f"mat: dims must be from 0 to {len(shape)} for x of shape {shape}, got {dims}")
    return np.reshape(x, (math.prod(shape[:dims]), math.prod(shape[dims:])))
