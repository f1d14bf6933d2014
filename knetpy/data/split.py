"""Data in parts: for training and testing, once or k times."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..calls import telling
from ..ops.arguments import axis_of, constant_of, count_of, flag, numbers_of, whole
from ..random import SHUFFLE, Position, permutation, take
from .sources import Table, table


@telling("split((x, y), 0.8)", train_size="sizes", stratify="labels", random_state="seed", at="sizes")
def split(data: Any, sizes: Any, *, labels: Any = None, shuffle: bool = True, seed: int | None = None) -> tuple:
    """Data in parts, chosen at random: `train, test = split((x, y), 0.8)`.

    Parameters:
      data: an array, a sequence, or a tuple, dict or dataclass of such of one length, as for `kn.data.DataLoader`.
      sizes: the size of each part but the last, which has what they leave: fractions such as 0.8 or (0.8, 0.1), or
        numbers of instances such as 1000. Sizes that leave nothing are those of all parts.
      labels=None: one for each instance, often y: each part then has its share of each class, to within one instance.
      shuffle=True: whether parts are chosen at random; False takes the first instances (of each class) for the first.
      seed=None: an integer from 0 to 2**64 - 1 that determines the choice; None draws it from `kn.seed`'s.
    Returns: a tuple of parts like data, in which instances keep their order. Arrays and lists are copied; of another
      sequence come views that fetch each instance when it is asked for.
    Raises: ValueError if sizes do not fit or a part would be empty, TypeError for arguments of the wrong kind.

    >>> import numpy as np, knetpy as kn
    >>> (x, y), (xtst, ytst) = kn.data.split((np.zeros((10, 3)), np.arange(10) % 2), 0.8, labels=np.arange(10) % 2)
    >>> x.shape, sorted(ytst.tolist())
    ((8, 3), [0, 1])
    """
    instances = table("split", data)
    bounds = _bounds(sizes, instances.n)
    order = _order("split", instances, labels, shuffle, seed)
    return tuple([instances.part(np.sort(order[a:b])) for a, b in zip(bounds, bounds[1:])])


@telling("kfolds((x, y), 5)", n_splits="k", stratify="labels", random_state="seed")
def kfolds(
    data: Any, k: int, *, labels: Any = None, shuffle: bool = True, seed: int | None = None
) -> Iterator[tuple[Any, Any]]:
    """k pairs of training and test data, for cross-validation: each instance is in one of the test parts.

    Parameters:
      data: what `split` takes.
      k: how many, from 2 to the number of instances N; N leaves one out each time, N // p leaves p out.
      labels=None, shuffle=True, seed=None: what they are to `split`.
    Returns: an iterator over pairs (train, test), both like data; test parts differ in size by at most one.
    Raises: ValueError and TypeError for arguments that do not fit.

    >>> import numpy as np, knetpy as kn
    >>> [test.tolist() for train, test in kn.data.kfolds(np.arange(5), 2, shuffle=False)]
    [[0, 1], [2, 3, 4]]
    """
    instances, folds = table("kfolds", data), whole(k)
    if folds is None or not 2 <= folds <= instances.n:
        got = _got(k, "kfolds((x, y), 5)")
        raise ValueError(f"kfolds: k must be an integer from 2 to {instances.n}, the number of instances, {got}")
    order = _order("kfolds", instances, labels, shuffle, seed)
    bounds = [instances.n * i // folds for i in range(folds + 1)]
    return (
        (instances.part(np.sort(np.delete(order, slice(a, b)))), instances.part(np.sort(order[a:b])))
        for a, b in zip(bounds, bounds[1:])
    )


@telling("timefolds((x, y), 5)", n_splits="k", max_train_size="longest")
def timefolds(data: Any, k: int, *, longest: int | None = None, gap: int = 0) -> Iterator[tuple[Any, Any]]:
    """k pairs of training and test data in which nothing is trained on that comes after what is tested.

    Parameters:
      data: what `split` takes; its instances follow each other in time.
      k: how many pairs, from 1 to one less than the number of instances N.
      longest=None: how many instances there are to train on at most, the last ones before those tested; None is all.
      gap=0: how many instances between the two are left out, as those whose windows overlap.
    Returns: an iterator over pairs (train, test), both like data. Test parts have N // (k + 1) instances each and
      follow each other up to the end.
    Raises: ValueError if nothing is left to train on, and ValueError and TypeError for arguments that do not fit.

    >>> import numpy as np, knetpy as kn
    >>> [(train.tolist(), test.tolist()) for train, test in kn.data.timefolds(np.arange(6), 2)]
    [([0, 1], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """
    instances, folds = table("timefolds", data), whole(k)
    n, gap = instances.n, count_of("timefolds", "gap", gap)
    if folds is None or not 1 <= folds < n:
        got = _got(k, "timefolds((x, y), 5)")
        raise ValueError(f"timefolds: k must be an integer from 1 to {n - 1}, one less than the instances, {got}")
    longest = n if longest is None else count_of("timefolds", "longest", longest, 1)
    size = n // (folds + 1)
    begins = range(n - folds * size, n, size)
    if gap >= begins[0]:
        raise ValueError(f"timefolds: gap is {gap}, but only {begins[0]} instances come before the first test part")
    every = np.arange(n)
    return (
        (instances.part(every[max(0, at - gap - longest) : at - gap]), instances.part(every[at : at + size]))
        for at in begins
    )


def onecold(scores: Any, names: Any = None, *, axis: int = -1) -> Any:
    """The class with the highest score, the inverse of `kn.onehot`; of equal scores the first.

    Parameters:
      scores: an array of scores, probabilities or one-hot vectors.
      names=None: what the classes are called, one for each; None gives their numbers.
      axis=-1: the axis of the classes.
    Returns: int64 array of the shape of scores without that axis; with names an array of these.
    Raises: ValueError if there are no classes or names do not count them; DtypeError, AxisError.

    >>> import knetpy as kn
    >>> kn.data.onecold(kn.onehot([2, 0], 3)).tolist(), kn.data.onecold([[0.1, 0.9]], ["cat", "dog"]).tolist()
    ([2, 0], ['dog'])
    """
    array = numbers_of("onecold", "scores", scores, "fiub")
    axis = axis_of("onecold", "scores", array, axis)
    if array.shape[axis] == 0:
        raise ValueError(f"onecold: scores must have classes along axis {axis}, got shape {array.shape}")
    classes = array.argmax(axis)
    if names is None:
        return classes
    if len(names) != array.shape[axis]:
        raise ValueError(f"onecold: names are {len(names)} but scores have {array.shape[axis]} classes")
    return np.asarray(names)[classes]


def _bounds(sizes: Any, n: int) -> list[int]:
    """Where parts begin and end."""
    way = "split((x, y), 0.8)"
    given = list(sizes) if isinstance(sizes, tuple | list | np.ndarray) else [sizes]
    counts = [whole(size) for size in given]
    if given and all(count is not None for count in counts):
        ends = np.cumsum(counts, dtype=np.float64)
        fits = min(counts) > 0
    elif given and all(isinstance(size, float | np.floating) for size in given):
        ends = np.cumsum(given, dtype=np.float64) * n
        fits = min(given) > 0 and ends[-1] <= n * (1 + 1e-9)
    else:
        raise TypeError(
            f"split: sizes must be fractions such as 0.8, or integers, or a tuple of such, {_got(sizes, way)}"
        )
    found = [0, *np.rint(ends).astype(int).tolist()] if fits and np.isfinite(ends).all() else [0, n + 1]
    found += [n] * (found[-1] < n)
    if found[-1] > n or any(a == b for a, b in zip(found, found[1:])):
        raise ValueError(
            f"split: sizes must be positive, sum up to at most 1 or the {n} instances, and leave no part empty, "
            + _got(sizes, way)
        )
    return found


def _got(given: Any, way: str) -> str:
    """What a message says of a wrong number of parts; an array there is often meant to be one more part of data."""
    more = f"; several parts of data go together: write {way}" if isinstance(given, np.ndarray | list) else ""
    return f"got {reprlib.repr(given)}{more}"


def position(name: str, seed: Any, stream: int) -> Position:
    """Where a seed that was given begins to draw; of None the next of `kn.seed`'s."""
    number = whole(seed)
    if seed is not None and (number is None or not 0 <= number < 2**64):
        raise ValueError(f"{name}: seed must be an integer from 0 to 2**64 - 1, got {seed!r}")
    return take(stream) if number is None else (number, stream, 0)


def drawn(name: str, n: int, shuffle: Any, seed: Any) -> np.ndarray:
    """The numbers 0 to n - 1, in random order or not."""
    return permutation(position(name, seed, SHUFFLE), n) if flag(name, "shuffle", shuffle) else np.arange(n)


def classes_of(name: str, labels: Any, order: np.ndarray) -> np.ndarray:
    """The number of the class of each instance, in this order."""
    given = np.asarray(constant_of(name, "labels", labels))
    if given.shape != order.shape:
        raise ValueError(f"{name}: labels must be one for each of the {len(order)} instances, got shape {given.shape}")
    try:
        return np.unique(given[order], return_inverse=True)[1]
    except TypeError as reason:  # of objects that have no order
        raise TypeError(f"{name}: labels must be numbers or texts: {reason}") from None


def places(classes: np.ndarray) -> np.ndarray:
    """For each instance how many of its class come before it."""
    count = np.bincount(classes)
    found = np.empty(len(classes), np.int64)
    found[np.argsort(classes, kind="stable")] = np.arange(len(classes)) - np.repeat(np.cumsum(count) - count, count)
    return found


def _order(name: str, instances: Table, labels: Any, shuffle: Any, seed: Any) -> np.ndarray:
    """The instances in an order whose every stretch has each class in proportion."""
    order = drawn(name, instances.n, shuffle, seed)
    if labels is None:
        return order
    classes = classes_of(name, labels, order)
    quantile = (places(classes) + 0.5) / np.bincount(classes)[classes]
    return order[np.argsort(quantile, kind="stable")]
