"""Metrics that count which class is taken for which: the confusion matrix, precision, recall and F1."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.value import bare
from ..devices import host
from ..ops.arguments import array_of, number, one_of, same_shapes
from .metrics import Metric, scores_and_labels, zeros_and_ones

AVERAGES = ("macro", "micro", "weighted", "none")


class Confusion(Metric):
    """The confusion matrix: how often labels of class i (row) were predicted as class j (column).

    `update(scores, labels)` takes them as `kn.accuracy` does: the class with the highest score is predicted.

    Parameters:
      axis=-1: the class axis of the scores.
      ignore=None: a label that does not count.
      threshold=None: a number makes it a matter of two classes: there is one score for each label, which is 0 or 1, and
        1 is predicted where the score is above the threshold; 0.0 for raw scores, 0.5 for probabilities. Then `axis`
        and `ignore` mean nothing.

    >>> import numpy as np, knetpy as kn
    >>> matrix = kn.train.Confusion()
    >>> matrix.update(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), [1, 1, 0])
    >>> matrix.result()
    array([[0, 1],
           [1, 1]])
    """

    def __init__(self, *, axis: int = -1, ignore: int | None = None, threshold: float | None = None):
        self.axis, self.ignore = axis, ignore
        self.threshold = None if threshold is None else number(type(self).__name__, "threshold", threshold)
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.counts = np.zeros((0, 0), np.int64)

    def update(self, scores: Any, labels: Any) -> None:
        """Take a batch in."""
        name = type(self).__name__
        if self.threshold is None:
            scores, labels = scores_and_labels(name, scores, labels, self.axis, self.ignore)
            classes, predicted = scores.shape[1], scores.argmax(1)
        else:
            scores, labels = np.asarray(host(bare(array_of(name, "scores", scores)))), zeros_and_ones(name, labels)
            same_shapes(name, scores=scores, labels=labels)
            classes, predicted = 2, scores.ravel() > self.threshold
        if len(self.counts) not in (0, classes):
            raise ShapeError(f"{name}: scores of {classes} classes after batches of {len(self.counts)}; call reset()")
        counts = np.bincount(labels.ravel() * classes + predicted, minlength=classes**2).reshape(classes, classes)
        self.counts = counts + (self.counts if len(self.counts) else 0)

    def result(self) -> Any:
        """The matrix, an int64 array (classes, classes); (0, 0) before the first batch."""
        return self.counts.copy()


class Averaged(Confusion):
    """What `Precision`, `Recall` and `F1` share."""

    def __init__(
        self,
        average: str = "macro",
        *,
        axis: int = -1,
        ignore: int | None = None,
        threshold: float | None = None,
    ):
        one_of(type(self).__name__, "average", average, AVERAGES)
        self.average = average
        super().__init__(axis=axis, ignore=ignore, threshold=threshold)

    @abstractmethod
    def parts(self, right: Any, true: Any, predicted: Any) -> tuple[Any, Any]:
        """Numerator and denominator, of the instances of a class that are right, that are there, that are predicted."""

    def result(self) -> Any:
        """A float, or with average="none" a float64 array of one for each class; NaN where there is nothing."""
        right, true, predicted = self.counts.diagonal(), self.counts.sum(1), self.counts.sum(0)
        if self.average == "micro":
            right, true, predicted = right.sum(), true.sum(), predicted.sum()
        above, below = self.parts(right, true, predicted)
        met = true + predicted > 0
        each = np.where(met, above / np.where(below, below, 1), np.nan)
        if self.average in ("micro", "none"):
            return each if self.average == "none" else float(each)
        if not met.any():
            return math.nan
        return float(np.average(each[met], weights=true[met] if self.average == "weighted" else None))


class Precision(Averaged):
    """How many of the instances that are predicted as a class are of it; 0 for a class that is never predicted.

    Parameters:
      average="macro": "macro" for the mean over the classes that occur or are predicted, "weighted" for that mean
        weighted by how often each occurs, "micro" to count all classes together, "none" for an array of one for each
        class, with NaN where the class neither occurs nor is predicted.
      axis=-1, ignore=None: the class axis of the scores, and a label that does not count.
      threshold=None: as in `Confusion`; then "none" gives those of classes 0 and 1.

    >>> import numpy as np, knetpy as kn
    >>> metric = kn.train.Precision("none")
    >>> metric.update(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), [1, 1, 0])
    >>> metric.result()
    array([0. , 0.5])
    """

    def parts(self, right: Any, true: Any, predicted: Any) -> tuple[Any, Any]:
        """What is right, of what is predicted."""
        return right, predicted


class Recall(Averaged):
    """How many of the instances of a class are predicted as it; 0 for a class that is predicted but does not occur.

    Parameters:
      average="macro": "macro", "weighted", "micro" or "none", as in `Precision`.
      axis=-1, ignore=None, threshold=None: as in `Confusion`.

    >>> import numpy as np, knetpy as kn
    >>> metric = kn.train.Recall("none")
    >>> metric.update(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), [1, 1, 0])
    >>> metric.result()
    array([0. , 0.5])
    """

    def parts(self, right: Any, true: Any, predicted: Any) -> tuple[Any, Any]:
        """What is right, of what is there."""
        return right, true


class F1(Averaged):
    """The harmonic mean of precision and recall of each class: 2 right / (instances of it + predictions of it).

    Parameters:
      average="macro": "macro", "weighted", "micro" or "none", as in `Precision`.
      axis=-1, ignore=None, threshold=None: as in `Confusion`.

    >>> import numpy as np, knetpy as kn
    >>> metric = kn.train.F1()
    >>> metric.update(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), [1, 1, 0])
    >>> metric.result()
    0.25
    """

    def parts(self, right: Any, true: Any, predicted: Any) -> tuple[Any, Any]:
        """Twice what is right, of what is there and what is predicted."""
        return 2 * right, true + predicted
