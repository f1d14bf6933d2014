"""Losses of regression and of distributions: what was predicted first, then the target.

All take arrays of one shape and one floating dtype, are differentiable by every array, and reduce the array of losses
as `reduction` says: to its mean (of no losses: 0), to its sum, or not at all ("none"). Integer targets are constants,
taken in the dtype of the prediction.
"""

import math

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.value import bare
from ..devices import maybe, surely
from .arguments import as_floating, axis_of, flag, flags, number
from .labels import alike, soft_labels
from .limits import floored, xlogy
from .reduction import by_weight, reduced


@primitive(elementwise=True, trusted=True, a=lambda dy, a, b: dy * (a - b) * 2, b=lambda dy, a, b: dy * (b - a) * 2)
def _squared_difference(a, b):
    d = a - b
    return d * d


def mse(prediction, target, *, weight=None, reduction="mean"):
    """Mean squared error: (prediction - target) ** 2.

    Parameters:
      prediction, target: floating arrays of one shape and dtype.
      weight=None: constant factors of the losses, 0 or more, that broadcast to their shape; the mean is then the sum
        divided by the sum of the weights (0 if that is 0).
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or with "none" an array of their shape.
    Raises: ShapeError, DtypeError, ValueError.
    Derivative: by prediction and target.

    >>> import numpy as np, knetpy as kn
    >>> kn.mse(np.array([1.0, 5.0]), np.array([1.0, 2.0]))
    np.float64(4.5)
    """
    losses = _squared_difference(*alike("mse", prediction=prediction, target=target))
    return by_weight("mse", losses, weight, reduction)


def mae(prediction, target, *, weight=None, reduction="mean"):
    """Mean absolute error: |prediction - target|.

    Parameters, returns and errors: as for `mse`.
    Derivative: 0 where prediction and target are equal.

    >>> import numpy as np, knetpy as kn
    >>> kn.mae(np.array([1.0, 5.0]), np.array([1.0, 2.0]))
    np.float64(1.5)
    """
    prediction, target = alike("mae", prediction=prediction, target=target)
    return by_weight("mae", np.abs(prediction - target), weight, reduction)


def msle(prediction, target, *, eps=None, reduction="mean"):
    """Mean squared logarithmic error: (log(prediction + eps) - log(target + eps)) ** 2.

    Parameters, returns, errors and derivative: as for `mse`, but that there is no weight, and numbers are 0 or more;
      eps=None: by default the machine epsilon of the dtype (as in Flux; others take 1).

    >>> import numpy as np, knetpy as kn
    >>> kn.msle(np.array([1.0, 2.0]), np.array([3.0, 2.0]), eps=1)
    np.float64(0.2402265069591007)
    """
    prediction, target = alike("msle", prediction=prediction, target=target)
    eps = float(np.finfo(prediction.dtype).eps) if eps is None else number("msle", "eps", eps, 0)
    for operand, x in (("prediction", prediction), ("target", target)):
        _refuse_negative("msle", operand, x, -eps, "it has no logarithm; take mse, or np.maximum(..., 0)")
    return reduced("msle", _squared_difference(np.log(prediction + eps), np.log(target + eps)), reduction)


def _refuse_negative(name, operand, x, least, way):
    below = bare(x) < least
    if surely(below):
        raise ValueError(f"{name}: {operand} has negative elements, such as {bare(x)[below].flat[0]:.4g}: {way}")


@primitive(
    elementwise=True,
    trusted=True,
    d=lambda dy, d, delta: dy * np.where(np.abs(d) < delta, d, np.sign(d) * delta),
)
def _huber(d, *, delta):
    size = np.abs(d)
    near = np.minimum(size, delta)
    return near * (size - near / 2)


def huber(prediction, target, *, delta=1.0, weight=None, reduction="mean"):
    """Huber's loss of d = prediction - target: d ** 2 / 2 where |d| < delta, else delta * (|d| - delta / 2).

    Parameters, returns and errors: as for `mse`, but that with weights PyTorch's mean divides by the number of losses;
      delta=1.0: above 0, the size from which an error counts linearly.
    Derivative: by prediction and target; where |d| is delta the second derivative is 0.
    Source: Huber (1964), Robust estimation of a location parameter.

    >>> import numpy as np, knetpy as kn
    >>> kn.huber(np.array([1.5, 6.0]), np.array([1.0, 2.0]), reduction="none")
    array([0.125, 3.5  ])
    """
    prediction, target = alike("huber", prediction=prediction, target=target)
    losses = _huber(prediction - target, delta=number("huber", "delta", delta, above=0))
    return by_weight("huber", losses, weight, reduction)


def smooth_l1(prediction, target, *, beta=1.0, reduction="mean"):
    """Absolute error, made smooth where it is below beta: `huber` with delta=beta, divided by beta.

    Parameters, returns, errors and derivative: as for `huber`, but that there is no weight;
      beta=1.0: 0 or more; with 0 it is `mae`.
    Source: Girshick (2015), Fast R-CNN.

    >>> import numpy as np, knetpy as kn
    >>> kn.smooth_l1(np.array([1.5, 6.0]), np.array([1.0, 2.0]), beta=2, reduction="none")
    array([0.0625, 3.    ])
    """
    prediction, target = alike("smooth_l1", prediction=prediction, target=target)
    beta = number("smooth_l1", "beta", beta, 0)
    d = prediction - target
    return reduced("smooth_l1", _huber(d, delta=beta) / beta if beta else np.abs(d), reduction)


def kl(prediction, target, axis=-1, *, log=False, log_target=False, reduction="mean"):
    """Kullback-Leibler divergence of predicted distributions from target ones: sum(target * log(target / prediction)).

    Parameters:
      prediction, target: floating arrays of one shape and dtype, probabilities of the classes along `axis`.
      axis=-1: the class axis, by default the last.
      log=False, log_target=False: whether prediction, target, are logarithms of probabilities (`kn.logsoftmax` of
        scores).
      reduction="mean": "mean" over everything but the class axis (PyTorch's "batchmean" of a matrix), "sum", or "none"
        for an array of the shape without `axis`.
    Returns: a scalar or an array.
    Raises: ShapeError, DtypeError, ValueError, AxisError.
    Derivative: by prediction and target. Where the target is 0 the class does not count, and both derivatives are 0.

    >>> import numpy as np, knetpy as kn
    >>> kn.kl(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.0, 1.0]]), reduction="none")
    array([0.        , 0.69314718])
    """
    prediction, target = alike("kl", prediction=prediction, target=target)
    axis = axis_of("kl", "prediction", prediction, axis)
    log, log_target = flags("kl", log=log, log_target=log_target)
    for operand, x, option, is_log in (
        ("prediction", prediction, "log", log),
        ("target", target, "log_target", log_target),
    ):
        if not is_log:
            _refuse_negative("kl", operand, x, 0, f"they are no probabilities; of kn.logsoftmax write {option}=True")
    none = np.equal(bare(target), -np.inf if log_target else 0) & ~np.isnan(bare(prediction))
    if maybe(none):  # 0 * log(0): any harmless numbers in their place
        prediction, target = np.where(none, not log, prediction), np.where(none, not log_target, target)
    logs = [x if is_log else np.log(x) for x, is_log in ((prediction, log), (target, log_target))]
    losses = (np.exp(target) if log_target else target) * (logs[1] - logs[0])
    return reduced("kl", np.sum(np.where(none, 0, losses) if maybe(none) else losses, axis=axis), reduction)


@primitive(
    elementwise=True,
    trusted=True,
    log_rate=lambda dy, log_rate, count: dy * (np.exp(log_rate) - count),
    count=lambda dy, log_rate: -dy * log_rate,
)
def _poisson(log_rate, count):
    limit = np.equal(count, 0) | np.equal(log_rate, np.inf)  # 0 * Inf is 0, and exp(x) grows faster than x
    return np.exp(log_rate) - count * np.where(limit, 0, log_rate)


def poisson(prediction, target, *, log=False, full=False, eps=1e-8, reduction="mean"):
    """Negative log likelihood of counts under a Poisson distribution: prediction - target * log(prediction).

    Parameters:
      prediction: floating array, the expected counts.
      target: the counts, of the same shape; integers, or floating of the dtype of prediction.
      log=False: whether prediction holds the logarithms of the expected counts.
      full=False: whether to add Stirling's approximation of log(target!) for targets above 1; it does not depend on the
        prediction.
      eps=1e-8: is added to the prediction before its logarithm is taken; without effect with logarithms.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or with reduction="none" an array of their shape.
    Raises: ShapeError, DtypeError, ValueError.
    Derivative: by prediction and a floating target; 0 of Stirling's part for targets up to 1.

    >>> import numpy as np, knetpy as kn
    >>> kn.poisson(np.array([1.0, 3.0]), np.array([2, 3]), reduction="none")
    array([ 0.99999998, -0.29583688])
    """
    (prediction,) = as_floating("poisson", prediction=prediction)
    target = soft_labels("poisson", "target", target, most=np.inf, prediction=prediction)
    eps, (log, full) = number("poisson", "eps", eps, 0), flags("poisson", log=log, full=full)
    if not log:
        _refuse_negative("poisson", "prediction", prediction, 0, "it is no count; of logarithms write log=True")
    losses = _poisson(prediction, target) if log else prediction - xlogy(target, prediction + eps)
    if full:
        n = np.where(bare(target) > 1, target, 1)
        losses = losses + np.where(bare(target) > 1, n * np.log(n) - n + np.log(n * (2 * math.pi)) / 2, 0)
    return reduced("poisson", losses, reduction)


def gaussian_nll(mean, target, var, *, full=False, eps=1e-6, reduction="mean"):
    """Negative log likelihood of targets under Gaussians: (log(var) + (mean - target) ** 2 / var) / 2.

    Parameters:
      mean, target: floating arrays of one shape and dtype.
      var: the variances, not negative: of the same shape, with size 1 along the last axis, or a constant number.
      full=False: whether to add the constant log(2 pi) / 2.
      eps=1e-6: var counts as at least this, above 0.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or with reduction="none" an array of their shape.
    Raises: ShapeError, DtypeError, ValueError.
    Derivative: by mean, target and var; that by var is taken as if it were not raised to eps.

    >>> import numpy as np, knetpy as kn
    >>> kn.gaussian_nll(np.array([1.0, 3.0]), np.array([2.0, 3.0]), np.array([1.0, 1.0]), reduction="none")
    array([0.5, 0. ])
    """
    mean, target = alike("gaussian_nll", mean=mean, target=target)
    if isinstance(var, (int, float)):
        var = np.full_like(bare(mean), number("gaussian_nll", "var", var))
    mean, var = as_floating("gaussian_nll", mean=mean, var=var)
    if var.shape not in (mean.shape, (*mean.shape[:-1], 1)):
        raise ShapeError(
            f"gaussian_nll: var must have the shape of mean {mean.shape}, or 1 in place of its last axis, got "
            f"{var.shape}"
        )
    if surely(bare(var) < 0):
        raise ValueError("gaussian_nll: var has negative elements; pass variances, such as np.exp of what is learned")
    var, full = floored(var, least=number("gaussian_nll", "eps", eps, above=0)), flag("gaussian_nll", "full", full)
    losses = (np.log(var) + _squared_difference(mean, target) / var) / 2
    return reduced("gaussian_nll", losses + math.log(2 * math.pi) / 2 if full else losses, reduction)
