"""What `grad` and `tape` return for params: a mapping that knows their names and shows itself as a table."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import norm
from ..core.errors import DerivativeError, ShapeError
from ..core.value import Param, Swept, Value, bare
from ..parameters.search import named_params
from ..tree import leaves, tree_map

WIDEST = 200  # characters of a text in a table
NOTHING = "no param was touched, so that nothing was recorded"


class Gradients(Mapping, Swept):
    """The gradients of the params that a call touched: `g[p]`, or `g[w]` for a list, dict or dataclass `w` of params.

    `g[f]` for another object or a function gives {path: gradient} of the params that it uses.

    A param that was touched but had no influence has zeros, and `unused` lists it. One that was never touched raises
    KeyError. Prints, and displays in a notebook, as a table.

    Attributes: unused, a list of Params; of the table, columns.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> g = kn.grad(lambda x: (w * x).sum())(np.array([3.0, 4.0], "f4"))
    >>> g[w]
    array([3., 4.], dtype=float32)
    >>> print(g)
    param  shape  dtype    norm
    w      (2,)   float32  5
    """

    __slots__ = ("_arrays", "_names", "_params", "unused")
    __array_ufunc__ = None  # arithmetic with arrays comes to our own message

    def __init__(self, params, arrays, unused, user=None, arguments=None):
        self._params, self._arrays, self.unused = params, arrays, unused
        self._names = lambda: named_params(user, **(arguments or {}))  # looked up when they are asked for

    def __reduce__(self):
        return _restored, (type(self), list(self), [self._one(p) for p in self], self.unused, list(self.named()))

    def __getitem__(self, tree: Any) -> Any:
        if isinstance(tree, Param):
            return self._one(tree)
        if any(isinstance(leaf, Param) for _, leaf in leaves(tree)):
            return tree_map(lambda p: self._one(p) if isinstance(p, Param) else None, tree)
        if found := named_params(tree):
            return {name: self._one(p) for name, p in found.items()}
        raise KeyError(f"gradients are looked up by a Param or a container of Params, not by {tree!r:.60}")

    def _one(self, p):
        if p.uid not in self._arrays:
            if p.frozen:
                raise KeyError(f"the param of shape {p.shape} is frozen and has no gradient; kn.nn.thaw thaws it")
            touched = ", ".join(f"{name} {q.shape}" for name, q in self.named().items())
            raise KeyError(f"the param of shape {p.shape} was never touched; touched were: {touched}")
        kept = self._arrays[p.uid]
        if hasattr(kept, "dense"):
            kept = self._arrays[p.uid] = kept.dense()
        return kept

    def compact(self, p: Param) -> Any:
        """The gradient of `p` as optimizers take it: only the rows of an embedding, as long as nobody read `g[p]`."""
        return self._arrays[p.uid] if p in self else self[p]

    def times(self, factor: float) -> "Gradients":
        """The same times a number, in float32 where they are float16; rows of an embedding stay rows."""

        def times(g):
            if hasattr(g, "dense"):
                return type(g)(g.shape, g.rows, times(g.values))
            return g.astype(np.promote_types(g.dtype, np.float32)) * factor

        arrays = {uid: times(g) for uid, g in self._arrays.items()}
        found = Gradients(self._params, arrays, self.unused)
        found._names = self._names
        return found

    def __setitem__(self, p, new):
        """Replace a gradient, to clip or scale it: `g[p] *= 0.5`; shape and dtype stay."""
        old = self._one(p)
        if np.shape(new) != old.shape or getattr(new, "dtype", old.dtype) != old.dtype:
            raise ShapeError(
                f"the gradient of a param of shape {old.shape} and dtype {old.dtype} cannot be replaced by one of "
                f"shape {np.shape(new)} and dtype {getattr(new, 'dtype', type(new).__name__)}"
            )
        self._arrays[p.uid] = new if isinstance(new, Value) else np.asarray(new, old.dtype)

    def __iter__(self):
        return iter(self._params.values())

    def __len__(self):
        return len(self._params)

    def __contains__(self, p):
        return isinstance(p, Param) and p.uid in self._arrays

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__

    def named(self) -> dict[str, Param]:
        """{path of the param in the user's code: param}."""
        names = {p.uid: name for name, p in self._names().items()}
        return {names.get(uid, f"param[{n}]"): p for n, (uid, p) in enumerate(self._params.items())}

    def rows(self):
        """(path, shape, dtype, norm, remark) of each gradient."""
        unused = {p.uid for p in self.unused}
        for name, p in self.named().items():
            dp = bare(self._one(p))
            yield name, str(p.shape), str(dp.dtype), f"{norm(dp):.4g}", "unused" if p.uid in unused else ""

    columns = ("param", "shape", "dtype", "norm", "")

    def __repr__(self):
        return table(self.columns, self.rows()) if self._params else "no gradients"

    def _refuse(self, *_, **__):
        raise DerivativeError(
            f"this is what a gradient function returned, the gradients of the {len(self)} params that it touched: "
            "look one up as g[p]. If the name `grad` was overwritten (grad = grad(loss)(x, y)), use another name. "
            "For the derivative by the first argument write grad(f, 0). To scale or clip, write g[p] *= 0.5 for p in g"
        )

    __call__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __neg__ = __pow__ = __matmul__ = __rmatmul__ = __array__ = __float__ = __lt__ = __gt__ = _refuse


class Record(Gradients):
    """What `tape` returns: `value(J)` is the loss, `J[p]` a gradient, `params(J)` the params, `J.steps` the calls.

    Each step has op, line (of the user's code), shape, bytes and norm of the cotangent (None where none arrived).

    Attributes: value, steps; of the table, step_columns.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> J = kn.tape(lambda: np.sum(w * w))
    >>> [(step.op, step.shape) for step in J.steps]
    [('multiply', (2,)), ('sum', ())]
    """

    __slots__ = ("steps", "value")
    step_columns = ("op", "shape", "bytes", "gradient", "line")

    def __init__(self, value, gradients, steps):
        super().__init__(gradients._params, gradients._arrays, gradients.unused)
        self._names, self.value, self.steps = gradients._names, value, steps

    def __reduce__(self):
        return _restored, (*super().__reduce__()[1], self.value, self.steps)

    def step_rows(self, most=200):
        """(op, shape, bytes, norm of the cotangent, line) of each step; of many only the first and the last."""
        hidden = len(self.steps) - most
        for n, s in enumerate(self.steps):
            if hidden > 0 and most // 2 <= n < most // 2 + hidden:
                if n == most // 2:
                    yield "...", "", "", "", f"{hidden} more steps"
                continue
            yield s.op, str(s.shape), str(s.bytes), "" if s.norm is None else f"{s.norm:.4g}", s.line

    def __repr__(self):
        if not self.steps and not self:
            return f"value {self.value}: {NOTHING}"
        return f"value {self.value}\n{table(self.step_columns, self.step_rows())}\n\n{super().__repr__()}"


def _restored(kind, params, arrays, unused, names, *record):
    """A copied or unpickled mapping: its Params, copied with it, have serial numbers of their own."""
    uids = [p.uid for p in params]
    found = Gradients(dict(zip(uids, params)), dict(zip(uids, arrays)), unused)
    found._names = lambda: dict(zip(names, params))
    return Record(record[0], found, record[1]) if kind is Record else found


def table(columns, rows):
    """Text in aligned columns; of a very long one the beginning, else it would set the width of all lines."""
    lines = [columns, *[[c if len(c) <= WIDEST else c[: WIDEST - 1] + "…" for c in row] for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines)
