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
def evaluate(model: Callable, data: Iterable, metric: Any, *, target: Any = None) -> Any:
    """The value of a metric for what `model` returns for each batch of `data`.

    The training mode stays as it is: off, unless this stands inside of a loss or of `with kn.training(True)`.

    Parameters:
      model: a function; of a batch (x, y) it is called as model(x), of (a, b, y) as model(a, b), of a dict with
        another one, of all but the target.
      data: an iterable of tuples whose last element is what is right, such as `kn.minibatch(x, y, 100, partial=True)`,
        or of dicts, as of `kn.DataLoader({"x": x, "y": y}, 100, partial=True)`. Where it leaves out a last incomplete
        batch, as it does without partial=True, a warning says so.
      metric: one of the metrics in `kn.train`, such as `kn.train.Accuracy()`, which is reset first; or a function of
        (scores, targets) that is a mean over a batch, such as `kn.nll`, whose mean over all instances is taken; or a
        dict of such.
      target=None: where batches are dicts, the key of what is right, such as "y".
    Returns: the result of the metric, NaN for no data; of a dict a dict.
    Raises: TypeError for arguments of the wrong kind, ValueError if a batch has no such target.

    >>> import numpy as np, knetpy as kn
    >>> data = kn.minibatch(np.eye(3), [0, 1, 0], 2, partial=True)
    >>> kn.evaluate(lambda x: x, data, {"top": kn.train.Accuracy(), "second": kn.train.Accuracy(k=2)})
    {'top': 0.6666666666666666, 'second': 1.0}
    >>> data = kn.DataLoader({"x": np.eye(3), "y": np.ones(3)}, 2, partial=True)
    >>> kn.evaluate(lambda batch: batch["x"].sum(axis=1), data, kn.mse, target="y")
    0.0
    """
    function_of("evaluate", "model", model, "evaluate(model, data, metric), not model(x)")
    if not is_iterable(data) or hasattr(data, "shape"):
        raise TypeError(
            f"evaluate: data must be an iterable of batches (x, y), got {type(data).__name__}; write "
            "kn.minibatch(x, y, 100, partial=True)"
        )
    metrics = metric if isinstance(metric, dict) else {"metric": metric}
    metrics = {name: checked_metric(given) for name, given in metrics.items()}
    warn_of_left_out("evaluate", data)
    for found in metrics.values():
        found.reset()
    for item in data:
        inputs, right = taken_apart(item, target)
        scores = called("evaluate: all of an item of data but its last part", model, inputs)
        for found in metrics.values():
            found.update(scores, right)
    results = {name: found.result() for name, found in metrics.items()}
    return results if isinstance(metric, dict) else results["metric"]


def taken_apart(item: Any, target: Any) -> tuple[Any, Any]:
    """What a batch has for the model, and what is right."""
    if isinstance(item, dict):
        if target is None:
            raise TypeError(
                f"evaluate: an item of data is a dict of {', '.join(map(repr, item))}; say which of them is what "
                'is right, as target="y"'
            )
        if target not in item:
            raise ValueError(f"evaluate: target must be one of {', '.join(map(repr, item))}, got {target!r}")
        return {key: part for key, part in item.items() if key != target}, item[target]
    if not isinstance(item, tuple) or len(item) < 2:
        raise TypeError(
            f"evaluate: an item of data must be a tuple (x, y), got "
            f"{f'a tuple of {len(item)}' if isinstance(item, tuple) else type(item).__name__}; write [(x, y)] for "
            "one batch, kn.minibatch(x, y, 100, partial=True) for many"
        )
    if target is not None:
        raise TypeError("evaluate: target is for items that are dicts; of a tuple the last element is what is right")
    return tuple(item[:-1]), item[-1]


def called(what: str, model: Callable, batch: Any) -> Any:
    """What a model returns for a batch: a tuple is its arguments, anything else one argument."""
    if not isinstance(batch, tuple):
        return model(batch)
    try:
        return model(*batch)
    except TypeError as error:
        if error.__traceback__.tb_next is not None:  # type: ignore[union-attr]
            raise  # the model was called, and says something
        raise TypeError(f"{what} are the arguments of model, but {error}") from None


def warn_of_left_out(name: str, data: Any) -> None:
    """Warn of instances that are in no batch."""
    left = 0
    if isinstance(data, Minibatches) and not data.partial:
        left = len(data.x) % data.batchsize
    elif isinstance(data, DataLoader):
        plan = {key: int(number or 0) for key, number in data.state().items()}  # 0 where it is not known
        left = 0 if plan["partial"] else plan["instances"] // plan["ranks"] % max(plan["batchsize"], 1)
    if left:
        warn(
            f"{name}: {left} instance{'s are' if left > 1 else ' is'} left out, as the last batch is not full; make "
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
      model: a function; it returns an array, or a container of arrays, whose first axis counts the instances of the
        batch. It is called as model(batch), and as model(a, b) if the batch is a tuple (a, b).
      x: an array whose first axis counts the instances, or a tuple or dict of such arrays of one length, so that each
        batch is one; batches have the dtypes that `kn.minibatch` gives them. Or an iterable of batches, as they are,
        such as a `kn.DataLoader` of what the model takes, without targets; where it leaves out a last incomplete batch
        a warning says so.
      batchsize=100: how many instances a batch of arrays has, an integer of at least 1; the last may be shorter.
    Returns: an array, or a container of arrays, of what model returned, joined along axis 0 in the order of batches.
    Raises: TypeError and ValueError for arguments of the wrong kind, such as arrays of different lengths or an iterable
      of nothing; ShapeError if the model returns something else.

    >>> import numpy as np, knetpy as kn
    >>> kn.predict(lambda x: x.sum(axis=1), np.ones((5, 3)), 2)
    array([3., 3., 3., 3., 3.], dtype=float32)
    >>> kn.predict(lambda a, b: a + b, (np.ones(3), np.arange(3.0)), 2)
    array([1., 2., 3.], dtype=float32)
    >>> kn.predict(lambda batch: 2 * batch["x"], kn.DataLoader({"x": np.ones(3)}, 2, partial=True))
    array([2., 2., 2.], dtype=float32)
    """
    function_of("predict", "model", model, "predict(model, x), not predict(model(x))")
    batchsize = count_of("predict", "batchsize", batchsize, least=1)
    parts = []
    for batch in in_batches(x, batchsize):
        parts.append(called("predict: the elements of x, a tuple,", model, batch))
        check_rows(model, batch, parts[-1])
    if not parts:
        raise ValueError("predict: x gave no batch, so that it is not known what the model returns")
    return tree_map(lambda *rows: np.concatenate(rows), parts[0], *parts[1:])


def in_batches(x: Any, batchsize: int) -> Iterable:
    """The batches of an array, of a tuple or dict of arrays, or of what gives batches by itself."""
    if isinstance(x, tuple | dict):
        parts = x if isinstance(x, dict) else dict(enumerate(x))
        arrays = {key: instances("predict", f"x[{key!r}]", part) for key, part in parts.items()}
        lengths = {key: len(array) for key, array in arrays.items()}
        if len(set(lengths.values())) != 1:
            found = ", ".join(f"x[{key!r}] has {length}" for key, length in lengths.items()) or "there are none"
            raise ValueError(f"predict: arrays of x must have equally many instances, but {found}")
        rows = zip(*(of_array(array, batchsize) for array in arrays.values()))
        return (dict(zip(parts, row)) for row in rows) if isinstance(x, dict) else rows
    gives_batches = hasattr(x, "__iter__") and not hasattr(x, "__getitem__") and not hasattr(x, "__array__")
    if not gives_batches:
        return of_array(instances("predict", "x", x), batchsize)
    warn_of_left_out("predict", x)
    return x


def of_array(array: np.ndarray, batchsize: int) -> Iterable:
    """The batches of an array; one of nothing if it has no instances."""
    batches = minibatch(array, batchsize, partial=True)
    return batches if len(array) else [array.astype(batches.xtype)]


def check_rows(model: Callable, batch: Any, y: Any) -> None:
    """Refuse what has not one row for each instance."""
    count = next((len(leaf) for _, leaf in leaves(batch) if np.ndim(leaf)), None)  # None: a batch of texts
    for path, leaf in leaves(y):
        rows = np.shape(leaf)[:1]
        if not rows or (count is not None and rows[0] != count):
            which = "instances" if count is None else f"{count} instances"
            raise ShapeError(
                f"predict: {label_of(model)} must return arrays with one row for each of the {which} of a batch of x, "
                f"got shape {np.shape(leaf)}{f' at {path}' if path else ''}"
            )
