"""The tables that a notebook shows for a Param, for gradients and for a tape.

They take their colours from the notebook, light or dark; they escape every text; and of a large array they look at a
sample only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import norm
from ..core.value import Param, bare
from ..devices import host
from ..transforms.gradients import Gradients, Record

SAMPLE = 100_000  # elements that are looked at
ROWS = 100  # that are shown at the start, and at the end, of a long table
WIDTH = 100  # characters of the user's line that are shown
BARS, HEIGHT = 24, 18  # of a histogram; a bar is 4 wide

CELL = "text-align:left;padding:1px 10px 1px 0;white-space:nowrap"


class Html(str):
    """A text that is html already."""


def param(p: Param) -> str:
    """The html of a Param: shape, dtype, norm, range and a histogram of its values.

    >>> import knetpy as kn
    >>> "float32" in param(kn.param([1.0, 2.0]))
    True
    """
    array = p.value
    low, high = (f"{x:.4g}" for x in extent(sample(array)))
    row = (str(p.shape), str(p.dtype), size_of(array), low, high, histogram(array))
    return table(("Param", "dtype", "norm", "min", "max", "values"), [row])


def gradients(g: Gradients) -> str:
    """The html of gradients: a row for each Param.

    >>> import knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> "<td" in gradients(kn.grad(lambda: (w * w).sum())())
    True
    """
    unused = {p.uid for p in g.unused}
    rows = []
    for name, p in g.named().items():
        dp = bare(g[p])
        remark = "unused" if p.uid in unused else ""
        rows.append((name, str(p.shape), str(dp.dtype), size_of(dp), histogram(dp), remark))
    return table(("param", "shape", "dtype", "norm", "gradient", ""), rows) if rows else "no gradients"


def record(tape: Record) -> str:
    """The html of what `kn.tape` returned: the value, a row for each call, and the gradients.

    >>> import knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> "multiply" in record(kn.tape(lambda: (w * w).sum()))
    True
    """
    rows = [
        (*row, place if len(place) <= WIDTH else place[: WIDTH - 1] + "…") for *row, place in tape.step_rows(math.inf)
    ]
    steps = f"<details open><summary>{len(rows)} calls</summary>{table(Record.step_columns, rows)}</details>"
    return f"<div>value {escape(str(tape.value))}</div>{steps}{gradients(tape)}"


# --------------------------------------------------------------------------------------------------- pieces


def table(columns: Iterable[str], rows: Iterable[tuple]) -> Html:
    """An html table; of a long one the start and the end."""
    rows, columns = list(rows), list(columns)
    left_out = len(rows) - 2 * ROWS
    lines: list[str] = [line(row, "td") for row in (rows if left_out <= 0 else rows[:ROWS])]
    if left_out > 0:
        lines.append(f'<tr><td colspan="{len(columns)}" style="{CELL}">… {left_out:,} more …</td></tr>')
        lines += [line(row, "td") for row in rows[-ROWS:]]
    head = line(columns, "th")
    return Html(f'<table style="border-collapse:collapse"><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table>')


def line(cells: Iterable[str], tag: str) -> Html:
    """One row of a table."""
    return Html("<tr>" + "".join(f'<{tag} style="{CELL}">{escape(c)}</{tag}>' for c in cells) + "</tr>")


def escape(text: str) -> str:
    """A text as html shows it; what is html already stays."""
    if isinstance(text, Html):
        return text
    for character, name in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("'", "#39")):
        text = text.replace(character, f"&{name};")
    return text


def sample(array: Any) -> np.ndarray:
    """The elements of an array in float64, at most 100,000, evenly spread."""
    if array.size > SAMPLE:
        at = np.linspace(0, array.size - 1, SAMPLE).astype(np.int64)
        array = array[np.unravel_index(at, array.shape)]
    return np.asarray(host(array), np.float64).ravel()


def extent(values: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest; NaN of nothing, and where there is a NaN."""
    return (float(values.min()), float(values.max())) if values.size else (math.nan, math.nan)


def size_of(array: Any) -> str:
    """The norm; of a large array, from a sample, an estimate."""
    if array.size <= SAMPLE:
        return f"{norm(array):.4g}"
    values = sample(array)
    return f"≈ {norm(values) * math.sqrt(array.size / values.size):.4g}"


def histogram(array: Any) -> Html:
    """How the finite values are distributed, drawn in the colour of the text; and how many are not finite."""
    values = sample(array)
    finite = values[np.isfinite(values)]
    bad = values.size - finite.size
    remark = f"{bad:,} of {values.size:,} not finite" if bad else "" if values.size else "empty"
    return Html(drawing(finite) + remark) if finite.size else Html(remark)


def drawing(values: np.ndarray) -> str:
    """The bars, from the smallest value to the largest, as SVG."""
    low, high = extent(values)
    scale = max(abs(low), abs(high)) or 1.0  # else the range of very large values overflows
    counts, _ = np.histogram(values / scale, BARS)
    heights = np.ceil(counts * (HEIGHT / counts.max())).astype(int)
    bars = "".join(f"M{4 * i} {HEIGHT}v-{h}h3v{h}z" for i, h in enumerate(heights) if h)
    width = 4 * BARS
    return (
        f'<svg width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" role="img" '
        f'style="vertical-align:middle;opacity:0.75"><title>{low:.4g} to {high:.4g}</title>'
        f'<path fill="currentColor" d="{bars}"/></svg>'
    )
