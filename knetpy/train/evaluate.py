"""What a trained model gives: `evaluate` a metric over batches, `predict` for many instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..calls import told
from ..core.errors import ShapeError, label_of, warn
from ..data.loader import DataLoader
from ..data.minibatch import Minibatches, instances, minibatch
from ..ops.arguments import count_of
from ..tree import leaves, tree_map
from .arguments import function_of, is_iterable
from .metrics import Mean, Metric


@told
def evaluate(model: Callable, data: Iterable, metric: Any) -> Any:
    """The value of a metric for what `model` returns for each batch of `data`.

    The training mode stays as it is: off, unless this stands inside of a loss or of `with kn.training(True)`.

    Parameters:
      model: a function; of a batch (x, y) it is called as model(x), of (a, b, y) as model(a, b).
      data: an iterable of tuples whose last element is what is right, such as `kn.minibatch(x, y, 100, partial=True)`.
        Where it leaves out a last incomplete batch, as it does without partial=True, a warning says so.
      metric: one of the metrics in `kn.train`, such as `kn.train.Accuracy()`, which is reset first; or a function of
        (scores, targets) that is a mean over a batch, such as `kn.nll`, whose mean over all instances is taken; or a
        dict of such.
    Returns: the result of the metric, NaN for no data; of a dict a dict.
    Raises: TypeError for arguments of the wrong kind.

    >>> import numpy as np, knetpy as kn
    >>> data = kn.minibatch(np.eye(3), [0, 1, 0], 2, partial=True)
    >>> kn.evaluate(lambda x: x, data, {"top": kn.train.Accuracy(), "second": kn.train.Accuracy(k=2)})
    {'top': 0.6666666666666666, 'second': 1.0}
    """
    function_of("evaluate", "model", model, "evaluate(model, data, metric), not model(x)")
    if not is_iterable(data) or hasattr(data, "shape"):
        raise TypeError(
            f"evaluate: data must be an iterable of batches (x, y), got {type(data).__name__}; write "
            "kn.minibatch(x, y, 100, partial=True)"
        )
    metrics = metric if isinstance(metric, dict) else {"metric": metric}
    metrics = {name: checked_metric(given) for name, given in metrics.items()}
    warn_of_left_out(data)
    for found in metrics.values():
        found.reset()
    for item in data:
        if not isinstance(item, tuple) or len(item) < 2:
            raise TypeError(
                f"evaluate: an item of data must be a tuple (x, y), got "
                f"{f'a tuple of {len(item)}' if isinstance(item, tuple) else type(item).__name__}; write [(x, y)] for "
                "one batch, kn.minibatch(x, y, 100, partial=True) for many"
            )
        scores = model(*item[:-1])
        for found in metrics.values():
            found.update(scores, item[-1])
    results = {name: found.result() for name, found in metrics.items()}
    return results if isinstance(metric, dict) else results["metric"]


def warn_of_left_out(data: Any) -> None:
    """Warn of instances that are in no batch."""
    left = 0
    if isinstance(data, Minibatches) and not data.partial:
        left = len(data.x) % data.batchsize
    elif isinstance(data, DataLoader):
        plan = {key: int(number or 0) for key, number in data.state().items()}  # 0 where it is not known
        left = 0 if plan["partial"] else plan["instances"] // plan["ranks"] % max(plan["batchsize"], 1)
    if left:
        warn(
            f"evaluate: {left} instance{'s are' if left > 1 else ' is'} left out, as the last batch is not full; make "
            f"data with partial=True. It is {data!r}"
        )


def checked_metric(given: Any) -> Any:
    """A metric, or the mean of a function, as a metric."""
    if isinstance(given, type) and issubclass(given, Metric):
        raise TypeError(f"evaluate: metric is the class {given.__name__}; make one: kn.train.{given.__name__}()")
    if all(callable(getattr(given, method, None)) for method in ("update", "result", "reset")):
        return given
    if not callable(given):
        raise TypeError(
            f"evaluate: metric must be a metric such as kn.train.Accuracy(), a function such as kn.nll, or a dict of "
            f"them, got {type(given).__name__}"
        )
    return Mean(given)


@told
def predict(model: Callable, x: Any, batchsize: int = 100) -> Any:
    """What `model` returns for all of `x`, computed batch by batch, so that little memory is needed in between.

    The training mode stays as it is: off, unless this stands inside of a loss or of `with kn.training(True)`.

    Parameters:
      model: a function, called as model(batch); it returns an array, or a container of arrays, whose first axis counts
        the instances of the batch.
      x: an array whose first axis counts the instances; batches have the dtypes that `kn.minibatch` gives them.
      batchsize=100: how many instances a batch has, an integer of at least 1; the last may be shorter.
    Returns: an array, or a container of arrays, of what model returned, joined along axis 0.
    Raises: TypeError and ValueError for arguments of the wrong kind, ShapeError if the model returns something else.

    >>> import numpy as np, knetpy as kn
    >>> kn.predict(lambda x: x.sum(axis=1), np.ones((5, 3)), 2)
    array([3., 3., 3., 3., 3.], dtype=float32)
    """
    function_of("predict", "model", model, "predict(model, x), not predict(model(x))")
    batchsize = count_of("predict", "batchsize", batchsize, least=1)
    batches = minibatch(instances("predict", "x", x), batchsize, partial=True)
    if not len(batches.x):
        return model(batches.x.astype(batches.xtype))
    parts = []
    for batch in batches:
        y = model(batch)
        for path, leaf in leaves(y):
            if np.shape(leaf)[:1] != batch.shape[:1]:
                raise ShapeError(
                    f"predict: {label_of(model)} must return arrays with one row for each of the {len(batch)} instances"
                    f" of a batch, got shape {np.shape(leaf)}{f' at {path}' if path else ''}"
                )
        parts.append(y)
    return tree_map(lambda *rows: np.concatenate(rows), parts[0], *parts[1:])
