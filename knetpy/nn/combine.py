"""Layers made of layers: Chain, Parallel, SkipConnection, PairwiseFusion, Maxout.

Whatever is called with an array and returns one is a layer here, and so is any function.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..ops.arguments import per_axis
from .layer import lacks
from .printing import brief, printed


class _Group:
    """Layers in order, or by name: what Chain, Parallel, PairwiseFusion and Maxout are made of."""

    layers: tuple | dict

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            new = copy.copy(self)
            new.layers = dict([*self.layers.items()][key]) if isinstance(self.layers, dict) else self.layers[key]
            return new
        try:
            return self.layers[key] if isinstance(self.layers, dict) and isinstance(key, str) else tuple(self)[key]
        except (KeyError, IndexError, TypeError):
            has = f"it has {', '.join(self.layers)}" if isinstance(self.layers, dict) else f"it has {len(self)}"
            kind = KeyError if isinstance(key, str) and isinstance(self.layers, dict) else IndexError
            raise kind(f"{type(self).__name__} has no layer {key!r:.60}; {has}") from None

    __getattr__ = lacks

    def __setitem__(self, key: Any, layer: Any) -> None:
        kind = type(self).__name__
        raise TypeError(f"{kind}: its layers are not replaced in place; make another, as {kind}(*layers[:-1], layer)")

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator:
        return iter(self.layers.values() if isinstance(self.layers, dict) else self.layers)

    __repr__ = printed


def _layers(name: str, layers: tuple, named: dict) -> tuple | dict:
    """The layers as a tuple, or by name as a dict; as layers=, too, which is how `dataclasses.replace` gives them."""
    if not layers and named.keys() == {"layers"} and isinstance(named["layers"], (list, tuple, dict)):
        layers, named = (named["layers"],), {}
    if layers and named:
        raise TypeError(f"{name}: either none of the layers has a name or all have one, got {len(layers)} without")
    if len(layers) == 1 and isinstance(layers[0], (list, tuple, dict)):
        named, layers = (dict(layers[0]), ()) if isinstance(layers[0], dict) else ({}, tuple(layers[0]))
    for key, layer in named.items() if named else enumerate(layers):
        if not callable(layer) or isinstance(layer, type):
            what = f"{layer.__name__} itself: write {layer.__name__}(...)" if isinstance(layer, type) else repr(layer)
            raise TypeError(f"{name}: layer {key!r} must be a layer or a function, got {what:.60}")
    return named or layers


def _call(where: Any, key: Any, layer: Callable, *inputs: Any) -> Any:
    """layer(*inputs); an error is told which layer it was."""
    try:
        return layer(*inputs)
    except Exception as failure:
        if hasattr(failure, "add_note"):  # Python 3.11
            shapes = " and ".join([str(x.shape) for x in inputs if hasattr(x, "shape")])
            called = f", called with shape {shapes}" if shapes else ""
            failure.add_note(f"in layer {key!r} of a {type(where).__name__}, {brief(layer)}{called}")
        raise


def _keyed(layers: tuple | dict) -> Any:
    return layers.items() if isinstance(layers, dict) else enumerate(layers)


@dataclass(eq=False, repr=False)
class Chain(_Group):
    """Layers and functions, each called with what the one before returned.

    Parameters:
      *layers: layers and functions in any order; or one list, tuple or dict of them.
      **named: instead, layers by name: `Chain(hidden=Dense(784, 64, kn.relu), scores=Dense(64, 10))`.
    Attributes: layers, a tuple, or a dict of the named. `chain[0]`, `chain["hidden"]` is a layer, `chain[:-1]` a Chain
      of the same layers; it has a length and can be iterated.
    Returns: when called, what the last layer returns; of several inputs the first layer gets the tuple.
    Raises: TypeError for what cannot be called. An error inside a layer is told which layer it was.

    >>> import numpy as np, knetpy as kn
    >>> from knetpy.nn import Chain, Dense
    >>> model = Chain(Dense(784, 128, kn.relu), Dense(128, 10))
    >>> model(np.ones((5, 784), np.float32)).shape
    (5, 10)
    >>> model
    Chain(
      Dense(784 => 128, relu),  # 100_480 parameters
      Dense(128 => 10),         # 1_290 parameters
    )  # 4 arrays, 101_770 parameters, 397.5 KiB
    """

    layers: tuple | dict

    def __init__(self, *layers: Any, **named: Any):
        self.layers = _layers("Chain", layers, named)

    def __call__(self, *inputs: Any) -> Any:
        if not inputs:
            raise TypeError("Chain was called without an input: write chain(x)")
        x = inputs[0] if len(inputs) == 1 else inputs
        for key, layer in _keyed(self.layers):
            x = _call(self, key, layer, x)
        return x


def activations(chain: Chain, *inputs: Any) -> list:
    """What each layer of a Chain returns, in order.

    Parameters:
      chain: a Chain. *inputs: what it is called with.
    Returns: a list with as many entries as the chain has layers; the last is `chain(*inputs)`.
    Raises: TypeError for what is no Chain.

    >>> import numpy as np, knetpy as kn
    >>> [y.tolist() for y in kn.nn.activations(kn.nn.Chain(np.square, np.sum), np.array([1.0, 2.0]))]
    [[1.0, 4.0], 5.0]
    """
    if not isinstance(chain, Chain):
        raise TypeError(f"activations takes a Chain and its input, got a {type(chain).__name__}")
    x, found = inputs[0] if len(inputs) == 1 else inputs, []
    for key, layer in _keyed(chain.layers):
        x = _call(chain, key, layer, x)
        found.append(x)
    return found


@dataclass(eq=False, repr=False)
class Parallel(_Group):
    """connection(y1, y2, ...), where each y is what one branch returns.

    Parameters:
      connection: a function of as many arrays as there are branches, such as np.add, or of them joined:
        `lambda *ys: np.concatenate(ys, 1)`. One of two arguments (a NumPy ufunc) joins more branches one after another.
        np.add takes arrays of one shape, as + in Flux; to stretch one write lambda a, b: a + b.
      *layers, **named: the branches, as for `Chain`.
    Returns: when called, with one input each branch gets it; with several, or one tuple, each branch gets its own; a
      single branch gets all.
    Raises: TypeError, ValueError for another number of inputs than branches, ShapeError if np.add is given two shapes.

    >>> import numpy as np, knetpy as kn
    >>> both = kn.nn.Parallel(np.add, np.sin, np.cos)
    >>> both(0.0), both(0.0, np.pi)
    (np.float64(1.0), np.float64(-1.0))
    """

    connection: Callable
    layers: tuple | dict

    def __init__(self, connection: Callable, *layers: Any, **named: Any):
        self.connection, self.layers = _connection("Parallel", connection), _layers("Parallel", layers, named)
        if not self.layers:
            raise TypeError("Parallel takes a connection and one branch or more")

    def __call__(self, *inputs: Any) -> Any:
        if len(inputs) == 1 and isinstance(inputs[0], tuple):
            inputs = inputs[0]
        if len(self.layers) == 1:
            ((key, layer),) = _keyed(self.layers)
            return _joined(self, _call(self, key, layer, *inputs))
        if len(inputs) == 1:
            inputs = inputs * len(self.layers)
        _check_count("Parallel", inputs, self.layers)
        ys = [_call(self, key, layer, x) for (key, layer), x in zip(_keyed(self.layers), inputs)]
        if isinstance(self.connection, np.ufunc) and self.connection.nin == 2:
            return functools.reduce(functools.partial(_joined, self), ys)
        return _joined(self, *ys)


def _joined(where: Any, *ys: Any) -> Any:
    """connection(*ys), where np.add is the + of arrays in Flux: it stretches none of them."""
    y = _call(where, "connection", where.connection, *ys)
    if where.connection is np.add:
        a, b = getattr(ys[0], "shape", ()), getattr(ys[-1], "shape", ())
        if a != b:
            raise ShapeError(
                f"{type(where).__name__}: np.add would stretch one of {a} and {b} to {y.shape}; let the branches "
                "return one shape, or write lambda a, b: a + b for the connection if that is meant"
            )
    return y


def _connection(name: str, connection: Any) -> Callable:
    if not callable(connection) or isinstance(connection, type):
        first = "comes first and " * (name != "SkipConnection")
        raise TypeError(f"{name}: the connection {first}is a function such as np.add, got {connection!r:.60}")
    if connection in (np.concatenate, np.stack):
        join = f"np.{connection.__name__}"
        raise TypeError(f"{name}: {join} takes a list: write lambda *ys: {join}(ys, 1)")
    return connection


def _check_count(name: str, inputs: Any, layers: Any) -> None:
    if len(inputs) != len(layers):
        raise ValueError(f"{name}: it has {len(layers)} branches and was called with {len(inputs)} inputs")


@dataclass(eq=False, repr=False)
class SkipConnection:
    """connection(layer(x), x): a layer with a way around it.

    Parameters:
      layer: a layer or function.
      connection=np.add: a function of two arrays: np.add for a residual block, whose layer returns the shape of x.
    Raises: TypeError for what is no layer; when called ShapeError if np.add is given two shapes.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.SkipConnection(np.sin, np.add)(0.5) == 0.5 + np.sin(0.5)
    np.True_
    """

    layer: Callable
    connection: Callable

    def __init__(self, layer: Callable, connection: Callable = np.add):
        layer = Chain(layer) if isinstance(layer, (list, tuple, dict)) else layer
        (self.layer,) = _layers("SkipConnection", (layer,), {})
        self.connection = _connection("SkipConnection", connection)

    def __call__(self, x: Any) -> Any:
        return _joined(self, _call(self, "layer", self.layer, x), x)

    __repr__ = printed


@dataclass(eq=False, repr=False)
class PairwiseFusion(_Group):
    """y1 = layer1(x1), then y_i = layer_i(connection(y_{i-1}, x_i)); returns all y.

    Parameters:
      connection: a function of two arrays.
      *layers, **named: as for `Chain`.
    Returns: when called with as many inputs as layers, or a tuple of them: the tuple of all y. With one input every x
      is that one.
    Raises: TypeError, ValueError for another number of inputs.
    Source: Gao et al., "Res2Net", 2019, as in Flux's PairwiseFusion.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.PairwiseFusion(np.add, np.negative, np.square)(1.0, 4.0)
    (np.float64(-1.0), np.float64(9.0))
    """

    connection: Callable
    layers: tuple | dict

    def __init__(self, connection: Callable, *layers: Any, **named: Any):
        self.connection = _connection("PairwiseFusion", connection)
        self.layers = _layers("PairwiseFusion", layers, named)

    def __call__(self, *inputs: Any) -> tuple:
        if len(inputs) == 1:
            inputs = inputs[0] if isinstance(inputs[0], tuple) else inputs * len(self.layers)
        _check_count("PairwiseFusion", inputs, self.layers)
        ys: list = []
        for (key, layer), x in zip(_keyed(self.layers), inputs):
            ys.append(_call(self, key, layer, _joined(self, ys[-1], x) if ys else x))
        return tuple(ys)


@dataclass(eq=False, repr=False)
class Maxout(_Group):
    """The elementwise maximum of what the branches return.

    Parameters:
      *layers: the branches; or a function that makes one, and their number: `Maxout(lambda: Dense(5, 3), 4)`.
    Raises: TypeError, ValueError.
    Derivative: to the branch that was the largest; ties share evenly, as for np.maximum.
    Source: Goodfellow et al., "Maxout networks", ICML 2013.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.Maxout(np.sin, np.cos)(0.0)
    np.float64(1.0)
    """

    layers: tuple

    def __init__(self, *layers: Any):
        if len(layers) == 2 and callable(layers[0]) and not callable(layers[1]):
            make, (n,) = layers[0], per_axis("Maxout", "the number of branches", layers[1], 1)
            layers = tuple([make() for _ in range(n)])
        found = _layers("Maxout", layers, {})
        self.layers = tuple(found.values() if isinstance(found, dict) else found)
        if not self.layers:
            raise TypeError("Maxout takes one branch or more")

    def __call__(self, *inputs: Any) -> Any:
        return functools.reduce(np.maximum, [_call(self, k, layer, *inputs) for k, layer in enumerate(self.layers)])
