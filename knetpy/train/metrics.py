"""Metrics over batches: each remembers what it needs of the batches so far, and tells the value for all of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.value import bare
from ..devices import host
from ..ops.arguments import array_of, axis_of, count_of, integers, numbers_of, same_shapes
from ..ops.labels import class_labels
from ..ops.nll import nll
from .arguments import function_of


class Metric(ABC):
    """The base of the metrics: `update` with each batch, then ask for the `result`; `reset` forgets all batches.

    A metric of your own defines the three; `kn.evaluate` takes it.

    >>> import knetpy as kn
    >>> class Largest(kn.train.Metric):
    ...     def reset(self):
    ...         self.largest = 0.0
    ...     def update(self, scores, targets):
    ...         self.largest = max(self.largest, abs(scores - targets).max())
    ...     def result(self):
    ...         return float(self.largest)
    >>> import numpy as np
    >>> kn.evaluate(lambda x: 2 * x, [(np.ones(3), np.zeros(3))], Largest())
    2.0
    """

    def __init__(self) -> None:
        self.reset()

    @abstractmethod
    def update(self, scores: Any, targets: Any) -> None:
        """Take a batch in: what the model returned for it, and what is right. A failed update changes nothing."""

    @abstractmethod
    def result(self) -> Any:
        """The value for all batches since the last reset; NaN if there was nothing to tell it from."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all batches."""


class Mean(Metric):
    """The mean of a function of scores and targets that is itself a mean over a batch, such as `kn.nll`.

    A batch counts as much as it has instances (along axis 0 of the targets), so that a shorter last one counts less.

    Parameters:
      function: called as function(scores, targets); it returns a number.

    >>> import numpy as np, knetpy as kn
    >>> error = kn.train.Mean(kn.mse)
    >>> error.update(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    >>> error.update(np.array([2.0]), np.array([0.0]))
    >>> error.result()
    1.0
    """

    def __init__(self, function: Callable):
        self.function = function_of("Mean", "function", function, "Mean(kn.nll)")
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.total, self.count = 0.0, 0

    def update(self, scores: Any, targets: Any) -> None:
        """Take a batch in."""
        n = np.shape(bare(targets))
        value = np.asarray(host(bare(self.function(scores, targets))))
        if value.shape != () or value.dtype.kind not in "fiub":
            raise ShapeError(f"Mean: the function must return a number for a batch, got {value.dtype} {value.shape}")
        if not n or n[0]:  # the mean of no instances says nothing
            self.total, self.count = self.total + float(value) * (n or (1,))[0], self.count + (n or (1,))[0]

    def result(self) -> float:
        """The mean over all instances."""
        return self.total / self.count if self.count else math.nan


class Accuracy(Metric):
    """The share of labels that are among the `k` highest scores; `update(scores, labels)` as for `kn.accuracy`.

    Of tied scores those of lower classes are higher; NaN is higher than any number.

    Parameters:
      k=1: how many of the highest scores count, an integer of at least 1.
      axis=-1: the class axis of the scores.
      ignore=None: a label that does not count.

    >>> import numpy as np, knetpy as kn
    >>> top = kn.train.Accuracy(k=2)
    >>> top.update(np.array([[0.1, 0.9, 0.5], [0.8, 0.2, 0.1]]), [2, 2])
    >>> top.result()
    0.5
    """

    def __init__(self, k: int = 1, *, axis: int = -1, ignore: int | None = None):
        self.k, self.axis, self.ignore = count_of(type(self).__name__, "k", k, least=1), axis, ignore
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.right = self.count = 0

    def update(self, scores: Any, labels: Any) -> None:
        """Take a batch in."""
        scores, labels = scores_and_labels(type(self).__name__, scores, labels, self.axis, self.ignore)
        if self.k == 1:
            right = scores.argmax(1) == labels
        else:
            filled = np.where(np.isnan(scores), np.inf, scores)
            own = np.take_along_axis(filled, labels[:, None], 1)
            ahead = (filled == own) & (np.arange(scores.shape[1]) < labels[:, None])
            right = ((filled > own) | ahead).sum(1) < self.k
        self.right, self.count = self.right + int(right.sum()), self.count + right.size

    def result(self) -> float:
        """The share of labels that are right."""
        return self.right / self.count if self.count else math.nan


class ZeroOne(Accuracy):
    """The share of labels that are not among the `k` highest scores: 1 - `Accuracy`.

    Parameters:
      k=1, axis=-1, ignore=None: how many scores count, the class axis, and a label that does not count.

    >>> import numpy as np, knetpy as kn
    >>> wrong = kn.train.ZeroOne()
    >>> wrong.update(np.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]), [1, 1, 0, 0])
    >>> wrong.result()
    0.25
    """

    def result(self) -> float:
        """The share of labels that are wrong."""
        return 1 - super().result()


class Perplexity(Metric):
    """exp of the mean negative log likelihood of labels under raw scores; `update(scores, labels)` as for `kn.nll`.

    Parameters:
      axis=-1: the class axis of the scores.
      ignore=None: a label that does not count, such as that of padding.

    >>> import numpy as np, knetpy as kn
    >>> metric = kn.train.Perplexity()
    >>> metric.update(np.zeros((3, 5), "f4"), [0, 1, 2])
    >>> round(metric.result(), 4)
    5.0
    """

    def __init__(self, *, axis: int = -1, ignore: int | None = None):
        self.axis, self.ignore = axis, ignore
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.total, self.count = 0.0, 0

    def update(self, scores: Any, labels: Any) -> None:
        """Take a batch in."""
        scores, labels = scores_and_labels("Perplexity", scores, labels, self.axis, self.ignore)
        losses = nll(scores, labels, reduction="none")
        self.total += float(np.sum(losses, dtype=np.float64))
        self.count += labels.size

    def result(self) -> float:
        """The perplexity; inf where it is beyond any number."""
        if not self.count:
            return math.nan
        with np.errstate(over="ignore"):
            return float(np.exp(np.float64(self.total / self.count)))


class AUC(Metric):
    """The area under the ROC curve: how often a positive instance scores higher than a negative one, ties count half.

    It is exact and therefore keeps all scores. `update(scores, labels)` takes one score for each label, which is 0 or 1
    (or a boolean); of two classes with a score each take scores[:, 1] - scores[:, 0].

    >>> import numpy as np, knetpy as kn
    >>> area = kn.train.AUC()
    >>> area.update(np.array([0.1, 0.4, 0.35, 0.8]), [0, 0, 1, 1])
    >>> area.result()
    0.75
    """

    def reset(self) -> None:
        """Forget all batches."""
        self.scores: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []

    def update(self, scores: Any, labels: Any) -> None:
        """Take a batch in."""
        scores = np.array(host(numbers_of("AUC", "scores", scores)))  # a copy, as the caller may change them
        labels = zeros_and_ones("AUC", labels)
        same_shapes("AUC", scores=scores, labels=labels)
        self.scores.append(scores.ravel())
        self.labels.append(labels.ravel())

    def result(self) -> float:
        """The area; NaN if all labels are the same, or a score is NaN."""
        if not self.scores:
            return math.nan
        scores, labels = np.concatenate(self.scores), np.concatenate(self.labels)
        positive = int(labels.sum())
        pairs = positive * (labels.size - positive)
        if not pairs or np.isnan(scores).any():
            return math.nan
        _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
        last = np.cumsum(ties)  # rank of the last of tied scores, counted from 1
        twice = int((2 * last - ties + 1)[place][labels].sum())  # of the mean rank of tied scores
        return (twice - positive * (positive + 1)) / (2 * pairs)


class R2(Metric):
    """The coefficient of determination: 1 - the sum of squared errors / that of the targets about their mean.

    `update(predictions, targets)` takes arrays of one shape, instances along axis 0. Each further column is an output
    of its own; the result is the mean over them. An output whose targets are all equal has 1 if predicted exactly,
    else 0.

    >>> import numpy as np, knetpy as kn
    >>> metric = kn.train.R2()
    >>> metric.update(np.array([2.5, 0.0, 2.0, 8.0]), np.array([3.0, -0.5, 2.0, 7.0]))
    >>> round(metric.result(), 4)
    0.9486
    """

    def reset(self) -> None:
        """Forget all batches."""
        self.count: int = 0
        self.mean: Any = 0.0
        self.about: Any = 0.0  # squares of the targets about their mean
        self.errors: Any = 0.0

    def update(self, predictions: Any, targets: Any) -> None:
        """Take a batch in."""
        predictions = numbers_of("R2", "predictions", predictions).astype(np.float64)
        targets = numbers_of("R2", "targets", targets).astype(np.float64)
        same_shapes("R2", predictions=predictions, targets=targets)
        if not targets.ndim or (self.count and targets.shape[1:] != self.mean.shape):
            outputs = "(N, ...)" if not targets.ndim else f"(N, {', '.join(map(str, self.mean.shape))})"
            raise ShapeError(f"R2: targets must have shape {outputs}, instances along axis 0, got {targets.shape}")
        n = len(targets)
        if not n:
            return
        mean = targets.mean(0)
        moved, total = mean - self.mean, self.count + n  # sums about a new mean, after Chan et al. 1979
        self.about = self.about + ((targets - mean) ** 2).sum(0) + moved**2 * (self.count * n / total)
        self.mean = self.mean + moved * (n / total)
        self.errors = self.errors + ((predictions - targets) ** 2).sum(0)
        self.count = total

    def result(self) -> float:
        """The mean over the outputs; NaN for less than two instances."""
        if self.count < 2:
            return math.nan
        constant = self.about == 0
        shares = np.where(constant, self.errors != 0, self.errors / np.where(constant, 1, self.about))
        return float(1 - shares.mean())


def scores_and_labels(name: str, scores: Any, labels: Any, axis: int, ignore: int | None) -> tuple:
    """Scores (N, classes) and labels (N,), without those that are ignored."""
    scores = np.asarray(host(bare(array_of(name, "scores", scores))))
    if scores.dtype.kind not in "fiub":
        raise DtypeError(f"{name}: scores must be numbers, got {scores.dtype}")
    axis = axis_of(name, "scores", scores, axis)
    labels = class_labels(name, scores, host(bare(labels)), axis, ignore).ravel()
    scores = np.moveaxis(scores, axis, -1).reshape(labels.size, scores.shape[axis])
    if ignore is not None:
        scores, labels = scores[labels != ignore], labels[labels != ignore]
    return scores, labels


def zeros_and_ones(name: str, labels: Any) -> np.ndarray:
    """Labels that are 0 or 1, as booleans."""
    given = np.asarray(host(bare(labels)))
    if given.dtype == bool:
        return given.copy()
    found = integers(name, "labels", given)
    if ((found != 0) & (found != 1)).any():
        raise ValueError(f"{name}: labels must be 0 or 1, got {found[(found != 0) & (found != 1)][0]}")
    return found == 1
