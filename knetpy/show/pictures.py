"""Pictures of arrays, with matplotlib: images, confusion matrices, filters and attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.value import bare
from ..devices import host
from ..ops.arguments import count_of
from . import plot

MOST = 64  # images or filters of a picture
SIDE = 1.3  # inches of an image
NUMBERS = 20  # classes up to which the numbers of a confusion matrix are written into it


def images(x: Any, titles: Sequence | None = None, *, columns: int = 8) -> Any:
    """Draw a grid of images, the first 64.

    Parameters:
      x: one image (H, W), images (N, H, W), or (N, C, H, W) with 1, 3 or 4 channels; dark is small. What is neither
        uint8 nor within 0 to 1 is scaled, all images alike.
      titles=None: a text above each, such as labels or predictions.
      columns=8: how many images are beside each other.
    Returns: the matplotlib Figure, which a notebook displays.
    Raises: ImportError, which says what to install, if matplotlib is missing; ShapeError for another shape or too few
      titles.

    >>> import numpy as np, knetpy as kn
    >>> len(kn.show.images(np.zeros((5, 1, 8, 8)), titles=[3, 1, 4, 1, 5]).axes)
    5
    """
    array = _array("images", "x", x)
    shown = array[np.newaxis] if array.ndim == 2 else array
    shown = shown[:, np.newaxis] if shown.ndim == 3 else shown
    if shown.ndim != 4 or shown.shape[1] not in (1, 3, 4) or not shown.size:
        raise ShapeError(
            f"show.images: x must be images (N, H, W) or (N, C, H, W) with 1, 3 or 4 channels, got shape {array.shape}"
            + "; channels come first here: x.transpose(0, 3, 1, 2)" * (array.ndim == 4 and array.shape[3] in (1, 3, 4))
        )
    names = None if titles is None else [str(bare(title)) for title in titles]
    if names is not None and len(names) < min(len(shown), MOST):
        raise ShapeError(f"show.images: there are {len(shown)} images and {len(names)} titles; give each its own")
    shown = _unit(shown[:MOST])
    return _grid("images", list(shown), names, count_of("show.images", "columns", columns, least=1), cmap="gray")


def _unit(x: np.ndarray) -> np.ndarray:
    """Values from 0 to 1, the NaNs 0."""
    if x.dtype == np.uint8:
        return x / np.float32(255)
    x = np.asarray(x, np.float32)
    finite = x[np.isfinite(x)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    if low < 0 or high > 1:
        x = (x - low) / ((high - low) or 1)
    return np.clip(np.nan_to_num(x), 0, 1)


def _grid(name: str, shown: list, titles: Sequence | None, columns: int, bound: float = 1.0, **options: Any) -> Any:
    """A Figure of arrays (C, H, W), in rows of so many."""
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    tall = shown[0].shape[1] / shown[0].shape[2]
    high = min(max(SIDE * tall, 0.4), 4 * SIDE) + 0.25 * (titles is not None)
    figure = plot.empty(f"show.{name}", SIDE * columns, high * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(shown) :]:
        axes.remove()
    low = -bound if "cmap" in options and options["cmap"] != "gray" else 0
    for i, (axes, x) in enumerate(zip(grid, shown)):
        axes.imshow(x[0] if len(x) == 1 else x.transpose(1, 2, 0), vmin=low, vmax=bound, **options)
        axes.set(xticks=[], yticks=[])
        if titles is not None:
            axes.set_title(_text(titles[i]), fontsize=8)
    return figure


def filters(w: Any, *, columns: int = 8) -> Any:
    """Draw the filters of a convolution: red for positive weights, blue for negative ones, white for 0.

    Filters of three input channels are in colour, all scaled alike, grey for 0. Of others each row is a filter with its
    first input channels, at most `columns`, if there is more than one.

    Parameters:
      w: weights (O, C, KH, KW), a Param or array, or a layer that has such a weight; the first 64 filters are drawn.
      columns=8: how many are beside each other.
    Returns: the matplotlib Figure, which a notebook displays.
    Raises: ImportError, which says what to install, if matplotlib is missing; ShapeError for other shapes.

    >>> import knetpy as kn
    >>> len(kn.show.filters(kn.param(16, 1, 5, 5)).axes)
    16
    """
    w = getattr(w, "weight", w)
    array = _array("filters", "w", w)
    if array.ndim != 4 or not array.size:
        raise ShapeError(
            f"show.filters: w must be (O, C, KH, KW), got shape {array.shape}; the columns of a matrix w (784, 10) are "
            "w.T.reshape(10, 1, 28, 28)"
        )
    columns = count_of("show.filters", "columns", columns, least=1)
    array = np.nan_to_num(array.astype(np.float32))
    bound = float(abs(array).max()) or 1.0
    channels = array.shape[1]
    if channels == 3:
        return _grid("filters", list(array[:MOST] / (2 * bound) + 0.5), None, columns)
    if channels > 1:
        columns = min(columns, channels)
        array = array[: max(1, MOST // columns), :columns].reshape(-1, 1, *array.shape[2:])
    return _grid("filters", list(array[:MOST]), None, columns, bound, cmap="RdBu_r")


def confusion(matrix: Any, names: Sequence[str] | None = None) -> Any:
    """Draw a confusion matrix: rows are the classes, columns the predictions, dark what part of a row is where.

    Parameters:
      matrix: counts (K, K), or a `kn.train.Confusion` that has met some.
      names=None: the name of each class.
    Returns: the matplotlib Figure, which a notebook displays.
    Raises: ImportError, which says what to install, if matplotlib is missing; ShapeError for what is not square, or
      another number of names.

    >>> import numpy as np, knetpy as kn
    >>> kn.show.confusion(np.array([[9, 1], [2, 8]]), ["cat", "dog"]).axes[0].get_title()
    'accuracy 85.0 %'
    """
    counts = _array("confusion", "matrix", getattr(matrix, "counts", matrix))
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ShapeError(
            f"show.confusion: matrix must be (K, K) counts, got shape {counts.shape}; kn.train.Confusion makes one by "
            "update(scores, labels)"
        )
    classes = len(counts)
    labels = [str(k) for k in range(classes)] if names is None else [_text(name) for name in names]
    if len(labels) != classes:
        raise ShapeError(f"show.confusion: there are {classes} classes and {len(labels)} names")
    total = counts.sum(1, keepdims=True)
    share = counts / np.where(total, total, 1)
    size = min(max(2.5, 0.5 * classes), 9)
    figure = plot.empty("show.confusion", size + 1.5, size + 0.8)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    correct = counts.trace() / (counts.sum() or 1)
    axes.set(xlabel="predicted", ylabel="true", title=f"accuracy {100 * correct:.1f} %")
    _ticks(axes, labels, labels)
    for (i, j), n in np.ndenumerate(counts if classes <= NUMBERS else counts[:0]):
        if n:
            dark = "white" if share[i, j] > 0.5 else "black"
            axes.text(j, i, f"{n:,}", ha="center", va="center", fontsize=7, color=dark)
    return figure


def attention(weights: Any, queries: Sequence | None = None, keys: Sequence | None = None) -> Any:
    """Draw how much each query attends to each key: a picture for each head, a row for each query, dark for 1.

    Parameters:
      weights: (L, S), or (heads, L, S) as the second result of `kn.attention` for one sentence; at most 64 heads.
      queries=None, keys=None: the words that the L rows and the S columns stand for; keys are the queries if there are
        as many.
    Returns: the matplotlib Figure, which a notebook displays.
    Raises: ImportError, which says what to install, if matplotlib is missing; ShapeError for other shapes, or another
      number of words.

    >>> import numpy as np, knetpy as kn
    >>> len(kn.show.attention(np.full((4, 3, 3), 1 / 3), ["I", "like", "it"]).axes)
    4
    """
    array = _array("attention", "weights", weights)
    heads = array[np.newaxis] if array.ndim == 2 else array
    if heads.ndim != 3 or not heads.size:
        raise ShapeError(
            f"show.attention: weights must be (L, S) or (heads, L, S), got shape {array.shape}"
            + "; of a batch take one: weights[0]" * (array.ndim == 4)
        )
    heads = np.nan_to_num(heads[:MOST].astype(np.float32))
    count, rows, columns = heads.shape
    words = None if queries is None else [_text(word) for word in queries]
    others = words if keys is None and rows == columns else None if keys is None else [_text(word) for word in keys]
    for name, n, found in (("queries", rows, words), ("keys", columns, others)):
        if found is not None and len(found) != n:
            raise ShapeError(f"show.attention: {name} has {len(found)} words, but weights {array.shape} have {n}")
    across = min(count, 4)
    figure = plot.empty("show.attention", 3.2 * across, 3.2 * -(-count // across) * min(max(rows / columns, 0.4), 2))
    grid = figure.subplots(-(-count // across), across, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.remove()
    for n, (axes, head) in enumerate(zip(grid, heads)):
        axes.imshow(head, cmap="Blues", vmin=0, vmax=max(1.0, float(head.max())), aspect="auto")
        _ticks(axes, words, others)
        if count > 1:
            axes.set_title(f"head {n}", fontsize=8)
    return figure


# ------------------------------------------------------------------------------------------------------- pieces


def _array(name: str, operand: str, x: Any) -> np.ndarray:
    try:
        array = np.asarray(host(bare(x)))
    except (TypeError, ValueError) as reason:
        raise TypeError(f"show.{name}: {operand} must be an array of numbers: {reason}") from None
    if array.dtype.kind not in "buif":
        raise TypeError(f"show.{name}: {operand} must be an array of real numbers, got dtype {array.dtype}")
    return array


def _text(word: Any) -> str:
    """A text as matplotlib writes it: a dollar sign would begin a formula."""
    return str(word).replace("$", r"\$")


def _ticks(axes: Any, rows: Sequence[str] | None, columns: Sequence[str] | None) -> None:
    """Words at the rows and columns of a picture, small where there are many."""
    for axis, words in ((axes.yaxis, rows), (axes.xaxis, columns)):
        if words is not None:
            axis.set_ticks(range(len(words)), words, fontsize=max(4, min(8, 160 / len(words))))
    if columns is not None and max(map(len, columns)) > 2:
        axes.tick_params(axis="x", rotation=90)
