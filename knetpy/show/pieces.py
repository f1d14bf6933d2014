"""What displays are made of: tables, histograms and sparklines as html.

They take their colours from the notebook, light or dark; they escape every text; and of a large array they look at a
sample only.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..arrays import norm
from ..devices import beside, host
from ..transforms.gradients import table as aligned

SAMPLE = 10_000  # elements that are looked at
ROWS = 100  # that are shown at the start, and at the end, of a long table
TEXT = 100  # characters of a text in a table
BARS, WIDTH, HEIGHT = 24, 96, 18  # of a histogram or sparkline, in pixels
ACCENT = "var(--jp-brand-color1, #1976d2)"  # JupyterLab's own; elsewhere a blue that is seen on white and on black
PLAIN = "currentColor"

CELL = "text-align:left;padding:1px 10px 1px 0;white-space:nowrap"


class Html(str):
    """A text that is html already; as plain text its words."""

    def _repr_html_(self) -> str:
        return self

    def __repr__(self) -> str:
        return html.unescape(re.sub(r"<title>.*?</title>|<[^>]*>", "", self))


class Table(Html):
    """A table as html; as plain text it is aligned, without the drawings."""

    rows: list[list[Html]]

    def __repr__(self) -> str:
        columns, *rows = [list(map(repr, row)) for row in self.rows]
        return aligned(columns, rows)


def table(columns: Iterable[str], items: Iterable[Any], row: Callable[[Any], Iterable[str]] = tuple) -> Table:
    """An html table of a row for each item; of a long one the start and the end, for which alone rows are made."""
    items, columns = list(items), list(columns)
    left_out = len(items) - 2 * ROWS
    rows = [list(map(cell, row(item))) for item in (items if left_out <= 0 else items[:ROWS])]
    if left_out > 0:
        rows.append([cell(f"… {left_out:,} more …")] + [Html("")] * (len(columns) - 1))
        rows += [list(map(cell, row(item))) for item in items[-ROWS:]]
    head, body = line(columns, "th"), "".join([line(row, "td") for row in rows])
    made = Table(f'<table style="border-collapse:collapse"><thead>{head}</thead><tbody>{body}</tbody></table>')
    made.rows = [list(map(cell, columns)), *rows]
    return made


def cell(text: str) -> Html:
    """What stands in a cell; of a long text the beginning."""
    return Html(escape(cut(text, TEXT)))


def line(cells: Iterable[str], tag: str) -> str:
    """One row of a table."""
    return "<tr>" + "".join([f'<{tag} style="{CELL}">{cell(c)}</{tag}>' for c in cells]) + "</tr>"


def folded(title: str, inside: Html, begin_open: bool = False) -> Html:
    """What is seen after a click on its title."""
    return Html(f"<details{' open' * begin_open}><summary>{escape(cut(title, TEXT))}</summary>{inside}</details>")


def escape(text: Any) -> str:
    """A text as html shows it, on one line; what is html already stays."""
    if isinstance(text, Html):
        return text
    text = "".join([c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in str(text)])
    for character, name in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("'", "#39")):
        text = text.replace(character, f"&{name};")
    return text


def cut(text: str, most: int) -> str:
    """The beginning of a long text; what is html already stays."""
    return text if isinstance(text, Html) or len(text) <= most else text[: most - 1] + "…"


def indented(text: str, depth: int) -> Html:
    """A text that is so deep in a tree."""
    return Html(f'<span style="padding-left:{1.2 * depth:.1f}em">{escape(cut(text, TEXT))}</span>')


# ------------------------------------------------------------------------------------------------ numbers of arrays


def sample(array: Any) -> np.ndarray:
    """The elements of an array in float64, at most 10,000, evenly spread; of complex ones the absolute values."""
    size = math.prod(array.shape)
    if size > SAMPLE:
        # Each from a place of its own within its stretch, else the columns of a matrix may be missed.
        at = np.arange(SAMPLE) + np.arange(SAMPLE) * 0.6180339887498949 % 1
        places = np.unravel_index((at * (size / SAMPLE)).astype(np.int64), array.shape)
        array = array[tuple([beside(i, array) for i in places])]
    values = np.asarray(host(array)).ravel()
    return (abs(values) if values.dtype.kind == "c" else values).astype(np.float64)


def extent(values: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest; NaN of nothing, and where there is a NaN."""
    return (float(values.min()), float(values.max())) if values.size else (math.nan, math.nan)


def limits(array: Any) -> tuple[str, str]:
    """The smallest and the largest for reading; of a large array, from a sample, estimates."""
    about = "≈ " * (array.size > SAMPLE)
    low, high = (f"{about}{x:.4g}" for x in extent(sample(array)))
    return low, high


def norm_of(array: Any) -> str:
    """The norm; of a large array, from a sample, an estimate."""
    if array.size <= SAMPLE:
        return f"{norm(array):.4g}"
    values = sample(array)
    return f"≈ {norm(values) * math.sqrt(array.size / values.size):.4g}"


# ------------------------------------------------------------------------------------------------ drawings


def histogram(array: Any, colour: str = PLAIN) -> Html:
    """How the finite values are distributed; and how many are not finite."""
    values = sample(array)
    finite = values[np.isfinite(values)]
    bad = values.size - finite.size
    remark = f"{bad:,} of {values.size:,} not finite" if bad else "" if values.size else "empty"
    return Html(_bars(finite, colour) + remark) if finite.size else Html(remark)


def _bars(values: np.ndarray, colour: str) -> str:
    """The bars, from the smallest value to the largest, as SVG."""
    low, high = extent(values)
    scale = max(abs(low), abs(high)) or 1.0  # else the range of very large values overflows
    counts, _ = np.histogram(values / scale, BARS)
    heights = np.ceil(counts * (HEIGHT / counts.max())).astype(int)
    wide = WIDTH // BARS
    bars = "".join(f"M{wide * i} {HEIGHT}v-{h}h{wide - 1}v{h}z" for i, h in enumerate(heights) if h)
    return _svg(f"{low:.4g} to {high:.4g}", f'<path fill="{colour}" d="{bars}"/>')


def sparkline(values: Sequence[float] | np.ndarray, title: str = "", colour: str = ACCENT) -> Html:
    """A curve over equal steps; of a long one the least and the largest of each stretch, so that no peak is lost."""
    y = np.asarray(values, np.float64)
    if len(y) > 2 * WIDTH:
        edges = np.linspace(0, len(y), WIDTH + 1).astype(int)
        y = np.array([f(y[a:b]) for a, b in zip(edges, edges[1:]) for f in (np.min, np.max)])
    finite = y[np.isfinite(y)]
    if not finite.size:
        return Html("")
    low, high = extent(finite)
    scale = max(abs(low), abs(high)) or 1.0
    room = high / scale - low / scale or 1.0
    points, pen = [], "M"
    for i, v in enumerate(y):
        if not math.isfinite(v):
            pen = "M"  # a gap
            continue
        x = WIDTH * (i + 0.5) / len(y)
        points.append(f"{pen}{x:.1f} {HEIGHT - 1 - (HEIGHT - 2) * (v / scale - low / scale) / room:.1f}")
        pen = "L"
    path = f'<path fill="none" stroke="{colour}" stroke-width="1.2" stroke-linecap="round" d="{"".join(points)}h.01"/>'
    return _svg(title or f"{low:.4g} to {high:.4g}", path)


def part_of(whole: float, part: float) -> Html:
    """A bar as long as a part is of the whole."""
    share = min(max(part / whole, 0), 1) if whole > 0 else 0.0
    return _svg(f"{share:.1%}", f'<path fill="{ACCENT}" d="M0 4h{WIDTH * share:.1f}v{HEIGHT - 8}H0z"/>')


def _svg(title: str, inside: str) -> Html:
    return Html(
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'style="vertical-align:middle;min-width:{WIDTH}px;opacity:0.85"><title>{escape(title)}</title>{inside}</svg>'
    )
