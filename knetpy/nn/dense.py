"""Fully connected layers: Dense, Scale, Bilinear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.value import Param, bare
from ..ops.linear import bilinear, linear
from ..parameters import init as inits
from .layer import (
    begin,
    bias_of,
    call_of,
    changed,
    explain_axis,
    first_call,
    grow,
    initialiser,
    inputs_of,
    known,
    lists_of_axes,
    made,
    shape_of,
    size,
    told,
    weight_of,
)


@dataclass(eq=False, repr=False)
class Dense:
    """activation(x @ weight + bias), over the last axis of x: a fully connected layer.

    Parameters:
      *sizes: `Dense(784, 128)` from 784 inputs to 128 outputs; `Dense(128)` takes the number of inputs from its first
        call. Or a weight (inputs, outputs), or weight and bias, which are copied unless they are Params. An activation
        may follow.
      activation=None: a function of an array such as kn.relu, applied last.
      bias=True: whether there is one, beginning with zeros; or an array (outputs,).
      init=kn.init.xavier_uniform: of the weight.
    Attributes: weight (inputs, outputs), bias (outputs,) or None, activation.
    Returns: when called with x (..., inputs): (..., outputs).
    Raises: TypeError, ValueError, ShapeError; when called those of `kn.linear`.

    >>> import numpy as np, knetpy as kn
    >>> layer = kn.nn.Dense(3, 2, kn.relu)
    >>> layer, layer(np.ones((5, 3), np.float32)).shape
    (Dense(3 => 2, relu), (5, 2))
    """

    inputs: int | None
    outputs: int
    activation: Callable | None
    weight: Param | None
    bias: Param | None
    _biased: bool
    _init: Callable

    def __init__(
        self,
        *sizes: Any,
        activation: Callable | None = None,
        bias: Any = True,
        init: Callable = inits.xavier_uniform,
    ):
        sizes, self.weight = weight_of("Dense", sizes, "(inputs, outputs)")
        if self.weight is not None and len(sizes) > 2 and getattr(sizes[2], "shape", None):  # Dense(weight, bias)
            bias, sizes = sizes[2], sizes[:2] + sizes[3:]
        (*inputs, outputs), self.activation = told("Dense", sizes, activation, "(outputs) or (inputs, outputs)", 1, 2)
        self.inputs = size("Dense", "inputs", *inputs) if inputs else None
        self.outputs = size("Dense", "outputs", outputs)
        self._biased, self.bias = bias_of("Dense", bias, (self.outputs,), self.weight)
        self._init = initialiser("Dense", init)
        begin(self, inputs)

    def init_from(self, x: Any = None) -> None:
        """Make the params, for x (..., inputs)."""
        inputs = self.inputs or inputs_of("Dense", x, -1)
        grow(self, x, weight=((inputs, self.outputs), self._init), bias=self._biased and ((self.outputs,), inits.zeros))

    def __call__(self, x: Any) -> Any:
        if x.__class__ is tuple:  # a list is an array to `kn.linear`
            shape_of("Dense", x)
        if self.weight is None:
            return first_call(self, (x,), self, x)
        try:
            return linear(x, self.weight, self.bias, activation=self.activation)
        except ShapeError:
            shape, inputs = np.shape(bare(x)), self.weight.shape[0]
            turned = f"; x.T has {inputs}" if len(shape) == 2 and shape[0] == inputs else ""
            images = "; kn.nn.flatten before the layer makes rows of images" if prod(shape[1:]) == inputs else ""
            explain_axis(self, x, -1, inputs, "features", turned or images)
            raise

    def __repr__(self) -> str:
        sizes = f"{known(self.weight, 0, self.inputs)} => {self.outputs}"
        return call_of("Dense", sizes, self.activation, **changed(bias=(self._biased, True)))


@dataclass(eq=False, repr=False)
class Scale:
    """activation(x * scale + bias), elementwise: a learned scale and shift of the last axes of x.

    Parameters:
      *sizes: the shape of the scale, from the last axes of x. An activation may follow.
      activation=None: a function of an array, applied last.
      bias=True: whether there is one, beginning with zeros; or an array of the shape of the scale.
      init=kn.init.ones: of the scale.
    Attributes: scale, bias (None without), activation.
    Returns: when called with x (..., *sizes): an array of the shape of x.
    Raises: TypeError, ValueError, ShapeError.

    >>> import numpy as np, knetpy as kn
    >>> layer = kn.nn.Scale(3)
    >>> layer(np.ones((2, 3), np.float32)).shape
    (2, 3)
    """

    scale: Param
    bias: Param | None
    activation: Callable | None

    def __init__(self, *sizes: Any, activation: Callable | None = None, bias: Any = True, init: Callable = inits.ones):
        rest, self.activation = told("Scale", lists_of_axes(sizes), activation, "one size or more", 1, 32)
        shape = tuple([size("Scale", "each size", n) for n in rest])
        biased, self.bias = bias_of("Scale", bias, shape)
        self.scale = made(self, shape, initialiser("Scale", init))
        grow(self, bias=biased and (shape, inits.zeros))

    def __call__(self, x: Any) -> Any:
        wanted = self.scale.shape
        if shape_of("Scale", x)[-len(wanted) :] != wanted:
            raise ShapeError(f"Scale: the last axes of x must be {wanted}, got x of shape {x.shape}")
        y = x * self.scale if self.bias is None else x * self.scale + self.bias
        return y if self.activation is None else self.activation(y)

    def __repr__(self) -> str:
        return call_of(
            "Scale", *map(str, self.scale.shape), self.activation, **changed(bias=(self.bias is not None, True))
        )


@dataclass(eq=False, repr=False)
class Bilinear:
    """activation(x1 @ weight[o] @ x2 + bias[o]) for each output o; of one input, x2 = x1.

    Parameters:
      *sizes: `Bilinear(4, 5, 3)` from 4 and 5 inputs to 3 outputs; `Bilinear(4, 3)` when both have 4; `Bilinear(3)`
        takes the numbers of inputs from its first call. An activation may follow.
      activation=None: a function of an array, applied last.
      bias=True: whether there is one, beginning with zeros; or an array (outputs,).
      init=kn.init.xavier_uniform: of the weight.
    Attributes: weight (outputs, inputs1, inputs2), bias (outputs,) or None, activation.
    Returns: when called with x1 (..., inputs1) and x2 (..., inputs2): (..., outputs).
    Raises: TypeError, ValueError, ShapeError; when called those of `kn.bilinear`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.Bilinear(4, 5, 3)(np.ones((2, 4), np.float32), np.ones((2, 5), np.float32)).shape
    (2, 3)
    """

    inputs: tuple[int, int] | None
    outputs: int
    activation: Callable | None
    weight: Param | None
    bias: Param | None
    _biased: bool
    _init: Callable

    def __init__(
        self,
        *sizes: Any,
        activation: Callable | None = None,
        bias: Any = True,
        init: Callable = inits.xavier_uniform,
    ):
        self.weight = None
        (*inputs, outputs), self.activation = told(
            "Bilinear", sizes, activation, "(outputs), (inputs, outputs) or (inputs1, inputs2, outputs)", 1, 3
        )
        inputs = [size("Bilinear", "inputs", n) for n in inputs]
        self.inputs, self.outputs = (inputs[0], inputs[-1]) if inputs else None, size("Bilinear", "outputs", outputs)
        self._biased, self.bias = bias_of("Bilinear", bias, (self.outputs,))
        self._init = initialiser("Bilinear", init)
        begin(self, inputs)

    def init_from(self, x1: Any = None, x2: Any = None) -> None:
        """Make the params, for x1 (..., inputs1) and x2 (..., inputs2)."""
        inputs = self.inputs or (inputs_of("Bilinear", x1, -1), inputs_of("Bilinear", x2, -1))
        bias = self._biased and ((self.outputs,), inits.zeros)
        grow(self, x1, weight=((self.outputs, *inputs), self._init), bias=bias)

    def __call__(self, x1: Any, x2: Any = None) -> Any:
        if x2 is None:
            x1, x2 = x1 if isinstance(x1, tuple) else (x1, x1)
        if self.weight is None:
            return first_call(self, (x1, x2), self, x1, x2)
        y = bilinear(x1, x2, self.weight, self.bias)
        return y if self.activation is None else self.activation(y)

    def __repr__(self) -> str:
        inputs = ", ".join([known(self.weight, a + 1, n) for a, n in enumerate(self.inputs or (None, None))])
        return call_of(
            "Bilinear", f"({inputs}) => {self.outputs}", self.activation, **changed(bias=(self._biased, True))
        )
