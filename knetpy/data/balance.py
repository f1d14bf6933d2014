"""Classes in equal numbers: copies of the rare ones, or fewer of the frequent ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calls import telling
from ..ops.arguments import number
from .sources import table
from .split import classes_of, drawn, places


@telling("oversample((x, y), y)", fraction="share", random_state="seed")
def oversample(data: Any, labels: Any, *, share: float = 1.0, shuffle: bool = True, seed: int | None = None) -> Any:
    """Data in which instances of rare classes come several times, so that each class has as many as the largest.

    Only data to train on: in data to test on, copies count twice what they are worth.

    Parameters:
      data: what `split` takes.
      labels: one for each instance, often y.
      share=1.0: above 0, up to 1: each class has at least this share of the number of the largest.
      shuffle=True: which instances of a class come once more often than its others is drawn; False takes the first.
      seed=None: an integer from 0 to 2**64 - 1 that determines the choice; None draws it from `kn.seed`'s.
    Returns: data of the same kinds, in the same order, each instance followed by its copies; within a class the numbers
      of copies differ by at most one.
    Raises: ValueError and TypeError for arguments that do not fit.

    >>> import numpy as np, knetpy as kn
    >>> y = np.array([0, 1, 1, 1, 2, 1])
    >>> kn.data.oversample(y, y).tolist()
    [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 1]
    """
    share = number("oversample", "share", share, most=1, above=0)
    return _balanced(
        "oversample", data, labels, lambda counts: np.maximum(counts, np.ceil(share * counts.max())), shuffle, seed
    )


@telling("undersample((x, y), y)", random_state="seed")
def undersample(data: Any, labels: Any, *, shuffle: bool = True, seed: int | None = None) -> Any:
    """Data in which each class has as many instances as the smallest; the others are left out.

    Parameters:
      data, labels, seed=None: what they are to `oversample`.
      shuffle=True: which instances stay is drawn; False keeps the first of each class.
    Returns: data of the same kinds, in the same order.
    Raises: ValueError and TypeError for arguments that do not fit.

    >>> import numpy as np, knetpy as kn
    >>> x, y = kn.data.undersample((np.arange(6), np.array([0, 1, 1, 1, 2, 1])), [0, 1, 1, 1, 2, 1], shuffle=False)
    >>> x.tolist(), y.tolist()
    ([0, 1, 4], [0, 1, 2])
    """
    return _balanced("undersample", data, labels, lambda counts: np.full_like(counts, counts.min()), shuffle, seed)


def _balanced(name: str, data: Any, labels: Any, sizes: Any, shuffle: Any, seed: Any) -> Any:
    """Data with as many instances of each class as `sizes` makes of their numbers."""
    instances = table(name, data)
    order = drawn(name, instances.n, shuffle, seed)
    if not instances.n:
        raise ValueError(f"{name}: data has no instance")
    classes = classes_of(name, labels, order)
    counts = np.bincount(classes)
    times, more = np.divmod(sizes(counts).astype(np.int64), counts)
    copies = np.empty(instances.n, np.int64)
    copies[order] = times[classes] + (places(classes) < more[classes])
    return instances.part(np.repeat(np.arange(instances.n), copies))
