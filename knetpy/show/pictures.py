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
from .pieces import cut

MOST = 64  # images or filters of a picture
SIDE = 1.3  # inches of an image
PIXELS = 400  # of its longer side; of larger images only some of the rows and columns are taken
WORDS = 100  # at a side of a picture
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
      titles; TypeError for what are no real numbers.

    >>> import numpy as np, knetpy as kn
    >>> len(kn.show.images(np.zeros((5, 1, 8, 8)), titles=[3, 1, 4, 1, 5]).axes)
    5
    """
    array = _array("images", "x", x)
    if array.ndim == 3 and array.shape[2] in (3, 4) and min(array.shape[:2]) > 8:
        raise ShapeError(
            f"show.images: x {array.shape} seems to be an image with channels last: x.transpose(2, 0, 1)[np.newaxis]"
            f"; if it is {array.shape[0]} grey images of {array.shape[2]} columns, x[:, np.newaxis]"
        )
    shown = array[np.newaxis] if array.ndim == 2 else array
    shown = shown[:, np.newaxis] if shown.ndim == 3 else shown
    if shown.ndim != 4 or shown.shape[1] not in (1, 3, 4) or not shown.size:
        raise ShapeError(
            f"show.images: x must be images (N, H, W) or (N, C, H, W) with 1, 3 or 4 channels, got shape {array.shape}"
            + _instead(array.shape)
        )
    if titles is not None and (not hasattr(titles, "__iter__") or getattr(titles, "shape", None) == ()):
        raise TypeError(f"show.images: titles must be a list, a text for each image, got {type(titles).__name__}")
    names = None if titles is None else [str(bare(title)) for title in titles]
    if names is not None and len(names) < min(len(shown), MOST):
        raise ShapeError(f"show.images: there are {len(shown)} images and {len(names)} titles; give each its own")
    each = -(-max(shown.shape[2:]) // PIXELS)
    shown = _unit(shown[:MOST, :, ::each, ::each])
    return _grid("images", list(shown), names, count_of("show.images", "columns", columns, least=1), cmap="gray")


def _instead(shape: tuple[int, ...]) -> str:
    """What to write for something of another shape than images have."""
    if len(shape) == 4 and shape[3] in (1, 3, 4):
        return "; channels come first here: x.transpose(0, 3, 1, 2)"
    if len(shape) == 4 and shape[1]:
        return "; one channel alone is x[:, 0]"
    return "; rows of pixels become images as x.reshape(-1, 28, 28)" if len(shape) == 1 and shape[0] else ""


def _unit(x: np.ndarray) -> np.ndarray:
    """Values from 0 to 1, the NaNs 0."""
    if x.dtype == np.uint8:
        return x / np.float32(255)
    x = np.asarray(x, np.float64)
    finite = x[np.isfinite(x)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    if low < 0 or high > 1:
        x = (x / 2 - low / 2) / ((high / 2 - low / 2) or 1)  # halves, since the range of very large values overflows
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
            axes.set_title(plot.text(titles[i]), fontsize=8)
    return figure


def filters(w: Any, *, columns: int = 8) -> Any:
    """Draw the filters of a convolution: red for positive weights, blue for negative ones, white for 0.

    Filters of three input channels are in colour, all scaled alike, grey for 0. Of others each row is a filter with its
    first input channels, at most `columns`, if there is more than one.

    Parameters:
      w: weights (O, C, KH, KW), a Param or array, or a layer that has such a weight; the first 64 filters are drawn.
      columns=8: how many are beside each other.
    Returns: the matplotlib Figure, which a notebook displays.
    Raises: ImportError, which says what to install, if matplotlib is missing; ShapeError for other shapes;
      ValueError for a layer that has not made its weight yet.

    >>> import knetpy as kn
    >>> len(kn.show.filters(kn.param(16, 1, 5, 5)).axes)
    16
    """
    weight = getattr(w, "weight", w)
    if weight is not w and weight is None:
        raise ValueError(f"show.filters: {w!r} has no weight before its first call, or kn.nn.init_from(layer, x)")
    array = _array("filters", "w", weight)
    if array.ndim != 4 or not array.size:
        raise ShapeError(
            f"show.filters: w must be (O, C, KH, KW), got shape {array.shape}; the columns of a matrix w (784, 10) are "
            "w.T.reshape(10, 1, 28, 28)"
        )
    columns = count_of("show.filters", "columns", columns, least=1)
    array = array.astype(np.float64)
    bound = float(abs(array[np.isfinite(array)]).max(initial=0)) or 1.0
    array = np.clip(np.nan_to_num(array), -bound, bound)
    channels = array.shape[1]
    if channels == 3:
        return _grid("filters", list(array[:MOST] / bound / 2 + 0.5), None, columns)
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
    labels = [str(k) for k in range(classes)] if names is None else [plot.text(name) for name in names]
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
    words = None if queries is None else [plot.text(word) for word in queries]
    others = words if keys is None and rows == columns else None if keys is None else [plot.text(word) for word in keys]
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
        given = type(x).__name__ if array.dtype == object else f"dtype {array.dtype}"
        raise TypeError(f"show.{name}: {operand} must be an array of real numbers, got {given}")
    return array


def _ticks(axes: Any, rows: Sequence[str] | None, columns: Sequence[str] | None) -> None:
    """Words at the rows and columns of a picture, small where there are many; of very many only some."""
    for axis, words in ((axes.yaxis, rows), (axes.xaxis, columns)):
        if words is not None:
            each = -(-len(words) // WORDS)
            shown = [cut(word, 24) for word in words[::each]]
            axis.set_ticks(range(0, len(words), each), shown, fontsize=max(4, min(8, 160 / len(words))))
    if columns is not None and max(map(len, columns)) > 2:
        axes.tick_params(axis="x", rotation=90)
