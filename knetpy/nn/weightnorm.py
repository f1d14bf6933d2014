"""WeightNorm: a layer whose weight is given by direction and length."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

from ..core.value import Param
from ..ops.arguments import axis_among
from ..ops.norm import weightnorm
from .layer import attributes, given, unsized
from .printing import brief, printed


@dataclass(eq=False, repr=False)
class WeightNorm:
    """A layer whose weight is given by direction and length, `kn.weightnorm(v, g)`.

    Parameters:
      layer: a dataclass with params, such as Dense or Conv, that knows the size of its input.
      name="weight": which of its attributes.
      axis=None: lengths are of each place along this axis; None for the outputs: the last of a matrix (inputs,
        outputs), else the first.
    Attributes: layer, whose weight is None; name, axis; v, g, Params. `whole` gives the layer with a weight.
    Returns: when called, what the layer returns with that weight. kn.nn.remove_weight_norms gives the layer back.
    Raises: TypeError, ValueError.
    Source: Salimans and Kingma, "Weight Normalization", 2016.

    >>> import numpy as np, knetpy as kn
    >>> layer = kn.nn.Dense(3, 2)
    >>> x, y = np.ones((4, 3), np.float32), layer(np.ones((4, 3), np.float32))
    >>> bool(np.allclose(kn.nn.WeightNorm(layer)(x), y))
    True
    """

    layer: Any
    name: str
    axis: int
    v: Param
    g: Param

    def __init__(self, layer: Any, name: str = "weight", *, axis: int | None = None):
        weight = getattr(layer, name, None)
        if not isinstance(weight, Param):
            lazy = hasattr(layer, name) and unsized(layer)
            has = "it is made at the first call, so write kn.nn.init_from(layer, x) before" if lazy else "it has none"
            raise TypeError(f"WeightNorm: {brief(layer):.80} must have a Param named {name!r}; {has}")
        if axis is None:
            axis = 1 if len(weight.shape) == 2 else 0
        axis = axis_among("WeightNorm", axis, len(weight.shape), f"the {name} of shape {weight.shape}")
        others = tuple([a for a in range(len(weight.shape)) if a != axis])
        w = weight.value
        self.layer, self.name, self.axis = _with(layer, name, None), name, axis
        self.v, self.g = given("WeightNorm: v", w), given("WeightNorm: g", (w * w).sum(axis=others) ** 0.5)

    def __call__(self, *inputs: Any) -> Any:
        return self.whole(weightnorm(self.v, self.g, axis=self.axis))(*inputs)

    def whole(self, weight: Any) -> Any:
        """The layer with this weight."""
        return _with(self.layer, self.name, weight)

    __repr__ = printed


def _with(layer: Any, name: str, weight: Any) -> Any:
    new = copy.copy(layer)
    setattr(new, name, weight)
    return new


def remove_weight_norms(model: Any) -> Any:
    """The model with each `WeightNorm` replaced by its layer, whose weight is a Param again.

    Parameters:
      model: layers, containers and dataclasses of them.
    Returns: a model of the same structure; the Params of everything else are shared with it.

    >>> import knetpy as kn
    >>> kn.nn.remove_weight_norms(kn.nn.WeightNorm(kn.nn.Dense(3, 2)))
    Dense(3 => 2)
    """
    if isinstance(model, WeightNorm):
        return model.whole(given("weight", weightnorm(model.v.value, model.g.value, axis=model.axis)))
    if isinstance(model, (list, tuple)) and not hasattr(model, "_fields"):
        return type(model)([remove_weight_norms(part) for part in model])
    if isinstance(model, dict):
        return {k: remove_weight_norms(v) for k, v in model.items()}
    if dataclasses.is_dataclass(model) and not isinstance(model, type):
        new = copy.copy(model)
        for name, part in attributes(model).items():
            object.__setattr__(new, name, remove_weight_norms(part))
        return new
    return model
