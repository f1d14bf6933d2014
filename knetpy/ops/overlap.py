"""Losses of segmentation: how little two masks overlap. Predictions are probabilities, not raw scores."""

import numpy as np

from .arguments import as_floating, axes_of, number
from .half import narrowed, widened
from .labels import soft_labels
from .reduction import reduced


def dice(prediction, target, *, smooth=1.0, axis=None, reduction="mean"):
    """1 - Dice's coefficient: 1 - (2 * hits + smooth) / (sum(prediction ** 2) + sum(target ** 2) + smooth).

    Here hits are sum(prediction * target).

    Parameters:
      prediction: floating array of probabilities.
      target: the mask, of the same shape: boolean, integer, or floating of the dtype of prediction.
      smooth=1.0: 0 or more; with 0 the loss of two empty masks is NaN.
      axis=None: what is summed over, a number or a tuple; None for all axes, which makes one loss of everything.
      reduction="mean": "mean", "sum" or "none" over the axes that are left.
    Returns: a scalar, or an array of the shape without those axes.
    Raises: ShapeError, DtypeError, ValueError, AxisError.
    Derivative: by prediction and a floating target.
    Source: Milletari et al. (2016), V-Net.

    >>> import numpy as np, knetpy as kn
    >>> kn.dice(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[1, 0], [1, 0]]), axis=1, reduction="none")
    array([0.  , 0.25])
    """
    prediction, target, dtype, axes, smooth = _checked("dice", prediction, target, smooth, axis)
    both = np.sum(prediction * target, axis=axes)
    with np.errstate(invalid="ignore"):  # 0 / 0
        shared = (both * 2 + smooth) / (np.sum(prediction * prediction + target * target, axis=axes) + smooth)
    return narrowed(reduced("dice", 1 - shared, reduction), dtype)


def tversky(prediction, target, *, beta=0.7, smooth=1.0, axis=None, reduction="mean"):
    """1 - Tversky's index, which weighs what was missed by beta and what was found in vain by 1 - beta.

    With hits = sum(prediction * target), missed = sum((1 - prediction) * target) and vain = sum(prediction *
    (1 - target)) it is 1 - (hits + smooth) / (hits + beta * missed + (1 - beta) * vain + smooth). So beta weighs false
    negatives, as in the paper and in Flux's documentation; Flux's code weighs false positives by beta.

    Parameters, returns, errors and derivative: as for `dice`;
      beta=0.7: from 0 to 1: larger ones make fewer misses.
    Source: Salehi et al. (2017), Tversky loss function for image segmentation.

    >>> import numpy as np, knetpy as kn
    >>> mask = np.array([1, 1, 0, 0])
    >>> miss, vain = np.array([1.0, 0.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.0])
    >>> kn.tversky(miss, mask) > kn.tversky(vain, mask)
    np.True_
    """
    prediction, target, dtype, axes, smooth = _checked("tversky", prediction, target, smooth, axis)
    beta = number("tversky", "beta", beta, 0, 1)
    hits = np.sum(prediction * target, axis=axes)
    missed = np.sum((1 - prediction) * target, axis=axes)
    vain = np.sum(prediction * (1 - target), axis=axes)
    with np.errstate(invalid="ignore"):  # 0 / 0
        shared = (hits + smooth) / (hits + missed * beta + vain * (1 - beta) + smooth)
    return narrowed(reduced("tversky", 1 - shared, reduction), dtype)


def _checked(name, prediction, target, smooth, axis):
    (prediction,) = as_floating(name, prediction=prediction)
    target = soft_labels(name, "target", target, prediction=prediction)
    axes = axes_of(name, "prediction", prediction, axis)
    smooth = number(name, "smooth", smooth, 0)
    return widened(prediction), widened(target), prediction.dtype, axes, smooth
