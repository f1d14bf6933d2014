"""Pictures with matplotlib, which is imported only here."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .pieces import cut

EXTRA = "pip install 'knetpy[plot]'"
LONGEST = 60  # characters of a title or word
ROWS, COLUMNS = 4, 6  # of the grid of images
RIGHT, WRONG = "#2a7f3f", "#c23b22"


def can_plot() -> bool:
    """Whether matplotlib is there.

    >>> import knetpy as kn
    >>> kn.show.plot.can_plot()
    True
    """
    return find_spec("matplotlib") is not None


def empty(name: str, wide: float, high: float) -> Any:
    """A matplotlib Figure of so many inches to draw on, which shows itself in a notebook without any `%matplotlib`."""
    if not can_plot():
        raise ImportError(f"{name} needs matplotlib: {EXTRA}")
    return _figure_class()(figsize=(wide, high), layout="constrained")


@cache
def _figure_class() -> Any:
    from matplotlib.figure import Figure  # not pyplot: no window system, and nothing stays open

    class Picture(Figure):
        """A Figure that a notebook displays."""

        def _repr_png_(self) -> bytes:
            return png(self)

    return Picture


def text(word: Any) -> str:
    r"""A text as matplotlib writes it, of a long one the beginning: a dollar sign would begin a formula.

    >>> from knetpy.show.plot import text
    >>> print(text("5$"))
    5\$
    """
    return cut(str(word), LONGEST).replace("$", r"\$")


def png(figure: Any, dpi: int = 80, **options: Any) -> bytes:
    """The picture in a file's bytes."""
    file = io.BytesIO()
    figure.savefig(file, dpi=dpi, format="png", **options)
    return file.getvalue()


def training_picture(
    losses: Sequence[float],
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    names: Sequence[str],
    path: str | Path | None = None,
) -> Any:
    """Draw the losses of a training, raw and smoothed, beside test images with their predicted classes.

    Parameters:
      losses: the loss of each step.
      images: (N, 1, H, W) or (N, H, W); the first 24 are drawn, grey, dark for large values.
      labels, predictions: (N,) integers. A wrong prediction is red, with the right class in brackets.
      names: the name of each class.
      path=None: where to save the picture, by its ending as PNG, SVG or PDF; None saves nothing.
    Returns: the matplotlib Figure.
    Raises: ImportError, which says what to install, if matplotlib is missing.

    >>> import numpy as np, knetpy as kn
    >>> images, labels = np.zeros((3, 1, 8, 8)), np.array([0, 1, 1])
    >>> figure = kn.show.plot.training_picture([2.0, 1.0, 0.5], images, labels, np.array([0, 1, 0]), ["shoe", "shirt"])
    >>> len(figure.axes)
    4
    """
    figure = empty("training_picture", 12, 4.6)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    draw_losses(left.subplots(), np.asarray(losses, float))
    draw_images(right, np.asarray(images), np.asarray(labels), np.asarray(predictions), names)
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def draw_losses(axes: Any, losses: np.ndarray) -> None:
    """Draw the loss of each step, and a running mean over it."""
    steps = np.arange(1, len(losses) + 1)
    axes.plot(steps, losses, color="tab:blue", alpha=0.25, linewidth=0.8, label="each step")
    width = max(1, len(losses) // 20)
    middle = slice(width // 2, width // 2 + max(0, len(losses) - width + 1))
    axes.plot(steps[middle], smooth(losses, width), color="tab:blue", label=f"mean of {width} steps")
    axes.set(xlabel="step", ylabel="loss", title="training loss")
    if np.any(losses > 0):
        axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """The mean of every `width` values that follow each other, NaN where one of them is not finite.

    >>> from knetpy.show.plot import smooth
    >>> smooth(np.array([1.0, 3.0, 5.0]), 2)
    array([2., 4.])
    """
    if len(values) < width:
        return values[:0]
    finite = np.isfinite(values)
    sums, counts = (np.cumsum(np.append(0.0, x)) for x in (np.where(finite, values, 0), finite))
    whole = counts[width:] - counts[:-width] == width
    return np.where(whole, (sums[width:] - sums[:-width]) / width, np.nan)


def draw_images(
    figure: Any, images: np.ndarray, labels: np.ndarray, predictions: np.ndarray, names: Sequence[str]
) -> None:
    """Draw a grid of images, each under the class that was predicted."""
    figure.suptitle("test images and what the model takes them for")
    count = min(len(images), ROWS * COLUMNS)
    grid = figure.subplots(ROWS, COLUMNS, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.remove()
    for axes, image, label, guess in zip(grid[:count], images, labels, predictions):
        axes.imshow(image.reshape(image.shape[-2:]), cmap="gray_r")
        axes.set(xticks=[], yticks=[])
        wrong = guess != label
        title = f"{names[guess]}\n({names[label]})" if wrong else names[guess]
        axes.set_title(title, fontsize=7, color=WRONG if wrong else RIGHT)
