"""Distances between vectors along the last axis, and the losses that pull vectors together and push them apart."""

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from .arguments import as_floating, axis_of, flag, number
from .half import narrowed, widened
from .labels import alike, soft_labels, whole_labels
from .limits import floored, weighted
from .reduce import norm
from .reduction import reduced


def cosine_similarity(a, b, axis=-1, *, eps=1e-8):
    """The cosine of the angle between vectors: sum(a * b) / (|a| * |b|).

    Parameters:
      a, b: floating arrays of one shape and dtype.
      axis=-1: along which the vectors lie, by default the last (PyTorch's default is 1).
      eps=1e-8: norms count as at least this, above 0. Derivatives are taken as if they were not raised; that of the
        norm of a zero vector is 0.
    Returns: an array of the shape without `axis`.
    Raises: ShapeError, DtypeError, ValueError, AxisError.

    >>> import numpy as np, knetpy as kn
    >>> kn.cosine_similarity(np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [6.0, 8.0]]))
    array([0., 1.])
    """
    a, b = alike("cosine_similarity", a=a, b=b)
    axis = axis_of("cosine_similarity", "a", a, axis)
    eps = number("cosine_similarity", "eps", eps, above=0)
    units = [x / floored(norm(x, axis=axis, keepdims=True), least=eps) for x in map(widened, (a, b))]
    return narrowed(np.sum(units[0] * units[1], axis=axis), a.dtype)


def pairwise_distance(a, b, *, p=2, eps=1e-6, keepdims=False):
    """The p-norm of a - b + eps along the last axis.

    Parameters:
      a, b: floating arrays of one shape and dtype, at least 1-D.
      p=2: the order of the norm, 0 or more or Inf.
      eps=1e-6: is added to every difference.
      keepdims=False: whether the last axis stays, with size 1.
    Returns: an array of the shape without the last axis.
    Raises: ShapeError, DtypeError, TypeError, ValueError.
    Derivative: by a and b; 0 where the norm is 0.

    >>> import numpy as np, knetpy as kn
    >>> kn.pairwise_distance(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[3.0, 4.0], [1.0, 2.0]]), eps=0)
    array([5., 1.])
    """
    a, b = alike("pairwise_distance", a=a, b=b)
    _vectors("pairwise_distance", "a", a)
    return _distance("pairwise_distance", a, b, p, eps, keepdims)


def _vectors(name, operand, x):
    if not x.shape:
        raise ShapeError(f"{name}: {operand} has shape (); vectors along the last axis are needed")


def _distance(name, a, b, p, eps, keepdims=False):
    p = np.inf if isinstance(p, float) and p == np.inf else number(name, "p", p, 0)
    eps = number(name, "eps", eps, 0)
    y = norm(widened(a) - widened(b) + eps, 2 if p == 2 else p, axis=-1, keepdims=flag(name, "keepdims", keepdims))
    return narrowed(y, a.dtype)


def cosine_embedding(a, b, labels, *, margin=0.0, reduction="mean"):
    """1 - cosine of vectors that belong together (label 1); max(0, cosine - margin) of those that do not (label -1).

    Parameters:
      a, b: floating arrays of one shape and dtype, vectors along the last axis.
      labels: 1 or -1, of the shape without the last axis; constants.
      margin=0.0: from -1 to 1, the cosine from which unlike vectors count as too close; at the margin the derivative is
        that of the cosine.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or an array of the labels' shape.
    Raises: ShapeError, DtypeError, ValueError.

    >>> import numpy as np, knetpy as kn
    >>> a, b = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 2.0], [3.0, 0.0]])
    >>> kn.cosine_embedding(a, b, [1, -1], reduction="none")
    array([1., 1.])
    """
    a, b = alike("cosine_embedding", a=a, b=b)
    _vectors("cosine_embedding", "a", a)
    labels = whole_labels("cosine_embedding", labels, a.shape[:-1], (-1, 1), a=a)
    margin = number("cosine_embedding", "margin", margin, -1, 1)
    tiny = max(1e-12, float(np.finfo(a.dtype).tiny))
    lengths = np.sqrt((np.sum(a * a, axis=-1) + tiny) * (np.sum(b * b, axis=-1) + tiny))
    cosine = np.sum(a * b, axis=-1) / lengths
    return reduced("cosine_embedding", np.where(labels > 0, 1 - cosine, np.clip(cosine - margin, 0, None)), reduction)


def triplet(anchor, positive, negative, *, margin=1.0, p=2, eps=1e-6, swap=False, reduction="mean"):
    """max(0, distance(anchor, positive) - distance(anchor, negative) + margin), with `pairwise_distance`.

    Parameters:
      anchor, positive, negative: floating arrays of one shape and dtype, vectors along the last axis.
      margin=1.0: above 0, how much further away the negative should be; at the margin the derivative is that of the
        distances.
      p=2, eps=1e-6: of the distance.
      swap=False: whether the distance from the positive to the negative counts where it is the smaller one.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or an array of the shape without the last axis.
    Raises: ShapeError, DtypeError, TypeError, ValueError.
    Source: Schroff et al. (2015), FaceNet; swap: Balntas et al. (2016).

    >>> import numpy as np, knetpy as kn
    >>> kn.triplet(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), np.array([[0.0, 5.5]]), eps=0)
    np.float64(0.5)
    """
    anchor, positive, negative = alike("triplet", anchor=anchor, positive=positive, negative=negative)
    _vectors("triplet", "anchor", anchor)
    margin = number("triplet", "margin", margin, above=0)
    near, far = _distance("triplet", anchor, positive, p, eps), _distance("triplet", anchor, negative, p, eps)
    if flag("triplet", "swap", swap):
        far = np.minimum(far, _distance("triplet", positive, negative, p, eps))
    return reduced("triplet", np.clip(near - far + margin, 0, None), reduction)


def _short(distance, margin):
    return np.clip(margin - distance, 0, None)


@primitive(
    elementwise=True,
    distance=lambda dy, distance, labels, margin: (
        dy * (weighted(1 - labels, distance) - weighted(labels, _short(distance, margin))) * 2
    ),
    labels=lambda dy, distance, margin: dy * (np.square(_short(distance, margin)) - np.square(distance)),
)
def _contrastive(distance, labels, *, margin):
    return weighted(1 - labels, np.square(distance)) + weighted(labels, np.square(_short(distance, margin)))


def contrastive(distance, labels, *, margin=1.0, reduction="mean"):
    """(1 - label) * distance ** 2 + label * max(0, margin - distance) ** 2.

    Parameters:
      distance: floating array of distances between pairs, as `pairwise_distance` gives them.
      labels: of the same shape: 0 for a pair that belongs together, 1 for one that does not; integer, boolean, or
        floating of the dtype of distance.
      margin=1.0: 0 or more, the distance from which unlike pairs are left alone.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or an array of the labels' shape.
    Raises: ShapeError, DtypeError, ValueError.
    Derivative: by distance and floating labels; 0 at the margin.
    Source: Hadsell, Chopra and LeCun (2006), without its factor 1/2, as Flux's siamese_contrastive_loss.

    >>> import numpy as np, knetpy as kn
    >>> kn.contrastive(np.array([0.5, 0.5, 2.0]), [0, 1, 1], reduction="none")
    array([0.25, 0.25, 0.  ])
    """
    (distance,) = as_floating("contrastive", distance=distance)
    labels = soft_labels("contrastive", "labels", labels, distance=distance)
    margin = number("contrastive", "margin", margin, 0)
    return reduced("contrastive", _contrastive(distance, labels, margin=margin), reduction)


def margin_ranking(a, b, labels, *, margin=0.0, reduction="mean"):
    """max(0, margin - label * (a - b)): a should exceed b by the margin where the label is 1, b a where it is -1.

    Parameters:
      a, b: floating arrays of one shape and dtype.
      labels: 1 or -1, of that shape, constants.
      margin=0.0: any number.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or an array of that shape.
    Raises: ShapeError, DtypeError, ValueError.
    Derivative: by a and b; where the loss just reaches 0 it is the difference's.

    >>> import numpy as np, knetpy as kn
    >>> kn.margin_ranking(np.array([3.0, 3.0]), np.array([1.0, 1.0]), [1, -1], reduction="none")
    array([0., 2.])
    """
    a, b = alike("margin_ranking", a=a, b=b)
    labels = whole_labels("margin_ranking", labels, a.shape, (-1, 1), a=a)
    margin = number("margin_ranking", "margin", margin)
    return reduced("margin_ranking", np.clip((b - a) * labels + margin, 0, None), reduction)


def hinge_embedding(x, labels, *, margin=1.0, reduction="mean"):
    """x where the label is 1, max(0, margin - x) where it is -1: x is a distance of pairs.

    Parameters:
      x: floating array.
      labels: 1 or -1, of the shape of x, constants.
      margin=1.0: any number.
      reduction="mean": "mean", "sum" or "none".
    Returns: a scalar, or an array of the shape of x.
    Raises: ShapeError, DtypeError, ValueError.
    Derivative: by x; -1 at the margin.

    >>> import numpy as np, knetpy as kn
    >>> kn.hinge_embedding(np.array([0.5, 0.25]), [1, -1], reduction="none")
    array([0.5 , 0.75])
    """
    (x,) = alike("hinge_embedding", x=x)
    labels = whole_labels("hinge_embedding", labels, x.shape, (-1, 1), x=x)
    margin = number("hinge_embedding", "margin", margin)
    return reduced("hinge_embedding", np.where(labels > 0, x, np.clip(margin - x, 0, None)), reduction)
