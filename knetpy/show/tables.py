"""The tables that a notebook shows for params, models, gradients and tapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import size_of
from ..core.value import Param, bare
from ..ops.rowsparse import RowSparse
from ..parameters.search import named_params
from ..transforms.gradients import NOTHING, Gradients, Record
from .pieces import (
    ACCENT,
    Html,
    escape,
    extent,
    folded,
    histogram,
    indented,
    limits,
    norm_of,
    part_of,
    sparkline,
    table,
)

VALUES = ("shape", "dtype", "norm", "min", "max", "values")  # what is told of an array


def param(p: Param) -> str:
    """The html of a Param: shape, dtype, norm, range and a histogram of its values.

    >>> import knetpy as kn
    >>> "float32" in param(kn.param([1.0, 2.0]))
    True
    """
    return table(("Param", *VALUES[1:]), [_of_array(p.value)])


def _of_array(array: Any) -> tuple[str, ...]:
    return str(tuple(array.shape)), str(array.dtype), norm_of(array), *limits(array), histogram(array)


def params(obj: Any, gradients: Gradients | None = None) -> Html:
    """A table of all params of anything: of lists, dicts and dataclasses, of layers, of functions with what they use.

    Parameters:
      obj: whatever `kn.params` takes.
      gradients=None: what `kn.grad` or `kn.tape` returned, whose norms and histograms are shown beside the values.
    Returns: a text of html, which a notebook displays: path, shape, dtype, norm, range and a histogram of the values,
      from at most 10,000 of them. Its repr is the table as plain text.
    Raises: TypeError for gradients that are none.

    >>> import knetpy as kn
    >>> w = {"w": kn.param(3, 2), "b": kn.param0(2)}
    >>> "(3, 2)" in kn.show.params(w)
    True
    """
    if gradients is not None and not isinstance(gradients, Gradients):
        raise TypeError(
            f"show.params: gradients must be what kn.grad(loss)(x, y) or kn.tape returned, got "
            f"{type(gradients).__name__}"
        )
    names = {"param": obj} if isinstance(obj, Param) else named_params(obj)
    if not names:
        return Html("<div>no params</div>")
    columns = ("param", *VALUES, *(("norm", "gradient") if gradients is not None else ()))
    return table(
        columns, names.items(), lambda item: (item[0], *_of_array(item[1].value), *_beside(gradients, item[1]))
    )


def _beside(gradients: Gradients | None, p: Param) -> tuple[str, ...]:
    if gradients is None:
        return ()
    if p not in gradients:
        return "", "never touched"
    return _of_gradient(gradients, p)[1:3]


def model(made: Any) -> str:
    """The html of a function under `@kn.model`: the params that it uses.

    >>> import knetpy as kn
    >>> @kn.model
    ... def f(x):
    ...     return x @ kn.param(3, 2)
    >>> "no params" in model(f)
    True
    """
    return f"<div>{escape(repr(made))}</div>{params(made)}"


def layer(net: Any) -> str:
    """The html of a layer: its parts, with shapes and histograms of their params, and what they come to.

    >>> import knetpy as kn
    >>> "Dense(3 =&gt; 2)" in layer(kn.nn.Dense(3, 2))
    True
    """
    from ..nn.printing import total  # not before a layer is there to be shown

    rows = table(("layer", *VALUES), _parts(net, 0, ""), lambda part: (part[0], *_values(part[1])))
    return f"{rows}<div>{escape(total(net))}</div>"


def _values(p: Param | None) -> tuple[str, ...]:
    return _of_array(p.value) if p is not None else ("",) * len(VALUES)


def _parts(part: Any, depth: int, name: str) -> Iterable[tuple[Html, Param | None]]:
    """What a layer or function is called, then its params, then its parts."""
    from ..nn.layer import is_layer
    from ..nn.printing import brief, sublayers
    from ..tree import leaves

    inside = sublayers(part)
    text = brief(part) if inside is None else type(part).__name__
    yield indented(name + text, depth), None
    if inside is None:
        of_own = named_params(part) if is_layer(part) else {}
    else:
        shown = {p.uid for _, child in inside for _, p in leaves(child) if isinstance(p, Param)}
        of_own = {path: p for path, p in leaves(part) if isinstance(p, Param) and p.uid not in shown}
    for path, p in of_own.items():
        yield indented(path.lstrip("."), depth + 1), p
    for key, child in inside or ():
        yield from _parts(child, depth + 1, key)


# --------------------------------------------------------------------------------------------- gradients and tapes


def gradients(g: Gradients) -> str:
    """The html of gradients: a row for each Param, with histograms of its values and of its gradient.

    >>> import knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> "<td" in gradients(kn.grad(lambda: (w * w).sum())())
    True
    """
    unused = {p.uid for p in g.unused}

    def row(item: tuple[str, Param]) -> tuple[str, ...]:
        name, p = item
        dtype, length, drawn, rare = _of_gradient(g, p)
        remark = "unused" if p.uid in unused else rare
        return name, str(p.shape), dtype, length, drawn, norm_of(p.value), histogram(p.value), remark

    columns = ("param", "shape", "dtype", "norm", "gradient", "norm", "values", "")
    return table(columns, named.items(), row) if (named := g.named()) else "no gradients"


def _of_gradient(g: Gradients, p: Param) -> tuple[str, str, str, str]:
    """(dtype, norm, histogram, remark); that of an embedding is not made dense for it."""
    dp, remark = bare(g.compact(p)), ""
    if isinstance(dp, RowSparse):
        dp = dp.summed()
        dp, remark = bare(dp.values), f"{len(dp.rows):,} of {p.shape[0]:,} rows"
    return str(dp.dtype), norm_of(dp), histogram(dp, ACCENT), remark


def record(tape: Record, by_op_open: bool = False) -> str:
    """The html of what `kn.tape` returned: the value, time and bytes by op, a row for each call, and the gradients.

    >>> import knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> "multiply" in record(kn.tape(lambda: (w * w).sum()))
    True
    """
    if not tape.steps and not tape:
        return f"<div>value {escape(tape.value)}: {NOTHING}</div>"
    steps, most = tape.steps, max([s.bytes for s in tape.steps], default=0)
    calls = table(
        ("op", "shape", "bytes", "gradient", "ms", "ms back", "line"),
        steps,
        lambda s: (s.op, str(s.shape), str(s.bytes), _optional(s.norm, 1), _optional(s.forward, 1e3),
                   _optional(s.backward, 1e3), s.line),
    )  # fmt: skip
    totals = f"{len(steps)} calls, {size_of(sum(s.bytes for s in steps))}, the largest {size_of(most)}"
    return "".join(
        [
            f"<div>value {escape(tape.value)}, {totals}</div>",
            f"<div>norms of the gradients, on a log scale, along the calls: {_norms(tape)}</div>",
            folded("by op", by_op(tape), begin_open=by_op_open),
            folded("calls", calls, begin_open=len(steps) <= 20),
            gradients(tape),
        ]
    )


def _optional(number: float | None, scale: float) -> str:
    return "" if number is None else f"{number * scale:.4g}"


def _norms(tape: Record) -> Html:
    """How the norm of the cotangent goes from the first call to the last."""
    found = np.array([s.norm for s in tape.steps if s.norm is not None], np.float64)
    with np.errstate(all="ignore"):
        low, high = extent(found)
        return sparkline(np.log(found), f"{low:.3g} to {high:.3g}")


def by_op(tape: Record) -> Html:
    """A table of the ops of a tape: how often each was called, for how long and with how many bytes, slowest first."""
    found: dict[str, list] = {}
    for s in tape.steps:
        row = found.setdefault(s.op, [0, 0.0, 0.0, 0])
        for i, number in enumerate((1, s.forward, s.backward or 0.0, s.bytes)):
            row[i] += number
    ordered = sorted(found.items(), key=lambda item: -(item[1][1] + item[1][2]))
    time = sum(row[1] + row[2] for row in found.values())
    rows = [
        (op, f"{n:,}", f"{1e3 * ahead:.3g}", f"{1e3 * back:.3g}", part_of(time, ahead + back), size_of(bytes_))
        for op, (n, ahead, back, bytes_) in ordered
    ]
    return table(("op", "calls", "ms", "ms back", f"of {1e3 * time:.3g} ms", "bytes"), rows)
