"""`outputsize`: the shapes of a model's results, and what they cost, without computing them.

The model is run on a batch of no examples, inside `outline`, so that nothing of any size is made or computed. A trace
follows every call; its `factor` remembers what a reshape into the empty batch axis hides: (0, T, C) made (0, C) stands
for T rows an example.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

from ..core.errors import ShapeError
from ..core.trace import Trace, active, tracing
from ..core.value import Result, bare
from ..devices import beside
from ..parameters.search import params
from ..random import as_dtype
from ..settings import training, whole
from ..tree import tree_map
from .layer import outline

MOST = 64  # axes, NumPy's own limit


class Outline(Trace):
    """Follows every value, and adds up the operations that a call would have cost for one example."""

    def __init__(self) -> None:
        super().__init__()
        self.factor: dict[int, float] = {}  # of a value: rows of one example in its batch axis, if not 1
        self.operations = 0.0

    def follows(self, x: Any) -> bool:
        return True

    def observe(self, call: Any, depth: int) -> bool:
        shapes = [np.shape(bare(a)) for a in call.args]
        factor = max([self.factor.get(u, 1) for u in call.uids if u is not None], default=1)
        out = call.outs[0].value.shape
        if call.op.name == "reshape":
            factor *= each(shapes[0]) / each(out)
        elif call.op.name not in _MOVES:
            self.operations += factor * _cost(call.op.name, shapes, out)
        for y in call.outs:
            self.factor[y.uid] = factor
        return True


_MOVES = frozenset("transpose broadcast_to astype copy getitem swapaxes moveaxis take concatenate stack pad".split())


def each(shape: tuple[int, ...]) -> int:
    """How many elements a shape has for each of the examples in its empty axis."""
    return math.prod([n for n in shape if n])


def _cost(name: str, shapes: list, out: tuple[int, ...]) -> float:
    """Operations of a call for one example; a multiplication and an addition are two."""
    if name in ("matmul", "dot", "vecdot"):
        return 2 * each(out) * shapes[0][-1]
    if name == "conv":
        return 2 * each(out) * math.prod(shapes[1][1:])
    if name == "conv_dx":
        return 2 * each(shapes[0]) * math.prod(shapes[1][1:])
    return each(out) if name.startswith("embed") else max(each(out), *map(each, shapes[:1]))


def run_empty(name: str, model: Callable, shapes: tuple, dtype: Any, trace: Trace) -> Any:
    """What the model returns for inputs of these shapes with no examples."""
    if not callable(model) or isinstance(model, type):
        raise TypeError(f"{name}: model must be a layer or a function, got {model!r:.60}")
    if not shapes:
        raise TypeError(f"{name}: the shape of the input is missing; write {name}(model, (None, 784))")
    dtype = as_dtype(name, dtype)
    there = next((p.value for p in params(model)), None)  # where inputs must be
    inputs = [beside(np.empty((0, *shape[1:]), dtype), there) for shape in shapes]
    values = [Result(x) if x.dtype.kind == "f" else x for x in inputs]
    with outline(), training(False), tracing(*active(), trace), np.errstate(all="ignore"), catch_warnings():
        simplefilter("ignore", RuntimeWarning)  # of the mean of no examples
        try:
            return model(*values)
        except ValueError as failure:  # a ShapeError, or NumPy's own for a reshape
            for shape in [s for s in shapes if len(s) == 1 and dtype.kind == "f"]:
                failure.args = (f"{failure}; the first size is that of the examples: write {(None, *shape)}",)
            if "(0, " in str(failure):  # which is not what the user wrote
                failure.args = (f"{failure}; {name} runs the model on 0 examples",)
            raise


def outputsize(model: Callable, *shapes: Any, dtype: Any = np.float32) -> Any:
    """The shape that a model returns, without computing it.

    Nothing of the size of the model or of its results is made: layers that are not sized yet stay so.

    Parameters:
      model: a layer, Chain or function of arrays whose first axis is that of the examples.
      *shapes: of each input, with that first axis, whose size may be None.
      dtype=np.float32: of the inputs; np.int64 for indices.
    Returns: the shape, with the given size of the first axis; of several results a tuple, list or dict of shapes.
    Raises: ShapeError for what is no shape, and where the number of examples must be known; else what the model does.

    >>> import numpy as np, knetpy as kn
    >>> from knetpy.nn import Chain, Conv, Dense, MaxPool, flatten
    >>> kn.nn.outputsize(Chain(Conv(16, 5), MaxPool(2), flatten, Dense(10)), (None, 1, 28, 28))
    (None, 10)
    """
    wanted = tuple([as_shape_of("outputsize", shape) for shape in shapes])
    trace = Outline()
    y = run_empty("outputsize", model, wanted, dtype, trace)
    return tree_map(lambda r: restored(r, wanted[0][0], trace), y)


def as_shape_of(name: str, shape: Any) -> tuple:
    """The shape of an input, whose first size may be None."""
    given = shape if isinstance(shape, (tuple, list)) and len(shape) <= MOST else ()
    sizes = [n if n is None and a == 0 else -1 if whole(n) is None else whole(n) for a, n in enumerate(given)]
    if not sizes or any([n is not None and n < 0 for n in sizes]):
        raise ShapeError(f"{name}: a shape is a tuple of sizes such as (None, 1, 28, 28), got {shape!r:.60}")
    return tuple(sizes)


def restored(y: Any, batch: int | None, trace: Outline) -> tuple:
    """The shape of a result with its examples back."""
    shape = np.shape(bare(y))
    if 0 not in shape:
        return shape
    axis, factor = shape.index(0), trace.factor.get(getattr(y, "uid", -1), 1)
    n = None if batch is None else round(batch * factor)
    if batch is None and factor != 1:
        raise ShapeError(
            f"axis {axis} of a result of shape {shape} has {factor:g} places for each example; tell how many examples: "
            "a first size of 1 instead of None"
        )
    return (*shape[:axis], n, *shape[axis + 1 :])
