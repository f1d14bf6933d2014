"""`init_from`: a first call, which makes the params of layers that were not told the sizes of their inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import random
from ..core.trace import active, tracing
from ..core.value import Param, Value
from ..ops.batchnorm import Moments
from ..parameters.search import Search
from ..settings import training
from ..tree import children, leaves, tree_map
from .layer import attributes, is_array, is_layer


def init_from(model: Callable, *inputs: Any) -> Callable:
    """Make the params of layers that take their sizes from a first call, such as `Dense(10)`, by a call on one example.

    Training is off in it: no running moments change, and random numbers are used up by initialisers only.

    Parameters:
      model: a layer, Chain or function.
      *inputs: what it is called with: arrays whose first axis is that of the examples, of which one is taken; or a
        single vector of floating numbers, which is one example.
    Returns: the model.
    Raises: TypeError without an array among the inputs; else what the model does. Its layers are then as they were.

    >>> import numpy as np, knetpy as kn
    >>> from knetpy.nn import Chain, Dense
    >>> kn.nn.init_from(Chain(Dense(16, kn.relu), Dense(2)), np.ones((100, 8), np.float32))
    Chain(
      Dense(8 => 16, relu),  # 144 parameters
      Dense(16 => 2),        # 34 parameters
    )  # 4 arrays, 178 parameters, 712 bytes
    """
    if not callable(model) or isinstance(model, type):
        raise TypeError(f"init_from: model must be a layer or a function, got {model!r:.60}; write init_from(model, x)")
    if not any([is_array(x) for _, x in leaves(inputs)]):
        given = ", ".join([f"{x!r:.40}" for x in inputs]) or "none"
        raise TypeError(
            f"init_from: the inputs must be arrays such as the model is called with, got {given}; of a shape make "
            "np.zeros(shape, np.float32)"
        )
    before, moments, none = random.state(), Search(Moments).over((model,), {}).values(), _nothings(model, {})
    kept = [(m, dict(vars(m))) for m in moments if isinstance(m, Moments)]
    try:
        with training(False), tracing(*[trace for trace in active() if not trace.derives]):
            model(*(inputs if _is_vector(*inputs) else tree_map(lambda x: x[:1] if is_array(x) else x, inputs)))
    except BaseException:
        for layer, names in none.values():
            for name in names:
                object.__setattr__(layer, name, None)
        raise
    finally:  # what layers with active=True have done
        for m, attributes in kept:
            vars(m).update(attributes)
        after = random.state()
        if after["calls"][1:] != before["calls"][1:] and after["seed"] == before["seed"]:
            random.restore({"seed": after["seed"], "calls": [after["calls"][random.INIT], *before["calls"][1:]]})
    return model


def _is_vector(x: Any, *others: Any) -> bool:
    """Whether a model is called with one example, as `Dense` can be."""
    return not others and is_array(x) and len(x.shape) == 1 and x.dtype.kind == "f"


def _nothings(x: Any, found: dict) -> dict[int, tuple[Any, list[str]]]:
    """The layers in a model with the names of their attributes that are None, by id."""
    if is_layer(x) and id(x) not in found:
        found[id(x)] = x, [name for name, part in attributes(x).items() if part is None]
    if not isinstance(x, (Param, Value)):
        for _, part in children(x) or []:
            _nothings(part, found)
    return found
