"""How a `kn.History` shows itself: the newest numbers, and the curves."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from .pieces import sparkline, table
from .plot import can_plot, empty, png, smooth, text

WIDE, HIGH = 4.5, 3.0  # inches of each curve
ACROSS = 3  # curves beside each other
GREY = "#808080"
LARGE = 1e300  # of numbers beyond it the range may overflow


def history_picture(history: Any, path: str | Path | None = None) -> Any:
    """Draw each column of a History over the steps, the loss smoothed too.

    Parameters:
      history: what a training recorded.
      path=None: where to save the picture, by its ending as PNG, SVG or PDF; None saves nothing.
    Returns: the matplotlib Figure.
    Raises: ImportError, which says what to install, if matplotlib is missing.

    >>> import knetpy as kn
    >>> history = kn.History(accuracy=lambda: 0.5)
    >>> losses = list(history([2.0, 1.0, 0.5]))
    >>> [axes.get_title() for axes in history.plot().axes]
    ['loss', 'accuracy']
    """
    names = history.names
    across = min(len(names), ACROSS) or 1
    down = -(-len(names) // across) or 1
    figure = empty("History.plot", WIDE * across, HIGH * down)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes in grid[len(names) :]:
        axes.remove()
    for axes, name in zip(grid, names):
        draw_column(axes, name, history.steps(name), history[name])
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def draw_column(axes: Any, name: str, steps: np.ndarray, values: np.ndarray) -> None:
    """One curve; of a long one that is not smooth also the running mean. What is too large for matplotlib is a gap."""
    values = np.where(abs(values) < LARGE, values, np.nan)
    width = len(values) // 20
    noisy = name in ("loss", "grad_norm") and width > 1
    marker = "." if len(values) <= 50 else None
    axes.plot(
        steps, values, color="tab:blue", alpha=0.25 if noisy else 1, linewidth=0.8 if noisy else 1.5, marker=marker
    )
    if noisy:
        axes.plot(steps[width // 2 :][: len(values) - width + 1], smooth(values, width), color="tab:blue")
    axes.set(title=text(name), xlabel="step")
    axes.spines[["top", "right"]].set_visible(False)


def html(history: Any) -> str:
    """The html of a History: a table of the newest, least and largest numbers of each column, then the curves.

    >>> import knetpy as kn
    >>> history = kn.History()
    >>> losses = list(history([2.0, 1.0]))
    >>> "loss" in html(history)
    True
    """
    rows = [
        (name, f"{values[-1]:.6g}", f"{values.min():.6g}", f"{values.max():.6g}", f"{len(values):,}", sparkline(values))
        for name, values in ((name, history[name]) for name in history.names)
    ]
    shown = table((f"{history.step:,} steps", "newest", "min", "max", "records", "curve"), rows)
    if not (rows and can_plot()):
        return shown
    figure = history_picture(history)
    for axes in figure.axes:
        greyed(axes)
    picture = base64.b64encode(png(figure, transparent=True)).decode()
    return f'{shown}<img alt="curves of {len(rows)} columns" src="data:image/png;base64,{picture}"/>'


def greyed(axes: Any) -> None:
    """Draw frame and words in a grey that is read on white and on black; what is behind is the notebook's."""
    for word in (axes.title, axes.xaxis.label, axes.yaxis.label):
        word.set_color(GREY)
    axes.tick_params(which="both", colors=GREY)
    for spine in axes.spines.values():
        spine.set_color(GREY)
    axes.yaxis.get_offset_text().set_color(GREY)
