"""What layers share. A layer is a dataclass that holds params and is called; there is no base class to inherit from.

A layer that was not told the size of its input makes its params at its first call, by `grow`. Inside `outline` params
take no memory: their shapes are all that they are made for.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import numpy as np

from .. import settings
from ..calls import no_attribute
from ..core.errors import DtypeError, ShapeError
from ..core.value import Param, Value, bare
from ..devices import asarray, moved, on_gpu
from ..ops.arguments import flag, per_axis
from ..parameters.model import constructed, made_inside
from ..parameters.param import param
from ..tree import children

_outline: ContextVar[list | None] = ContextVar("outline", default=None)  # [(layer, names)] of those grown inside


@contextmanager
def outline() -> Any:
    """`with kn.nn.outline():` makes layers without memory for their params, to be asked for shapes and costs only.

    What grows inside at a first call is unmade at the end, so that it grows again with memory. Params of layers that
    were constructed inside stay without memory: all their elements are the same 0, and they cannot be written.
    Returns: what stands after `with`.

    >>> import knetpy as kn
    >>> with kn.nn.outline():
    ...     model = kn.nn.Dense(50_000, 20_000)  # 4 GB, if it were real
    >>> model.weight.shape
    (50000, 20000)
    """
    grown: list = []
    token = _outline.set(grown)
    try:
        yield
    finally:
        _outline.reset(token)
        for layer, names in grown:
            for name in names:
                setattr(layer, name, None)


def grow(layer: Any, x: Any = None, **wanted: Any) -> None:
    """Give a layer the params that it lacks, each by name as (shape, initialiser), or False for none of that name."""
    missing = [name for name, how in wanted.items() if how and getattr(layer, name) is None]
    for name in missing:
        shape, init = wanted[name]
        setattr(layer, name, made(layer, shape, init, x))
    unmake_later(layer, missing, x)


def made(layer: Any, shape: tuple[int, ...], init: Callable, x: Any = None) -> Param:
    """A float32 Param of a layer.

    Without x it is made by a constructor, as by any caller of `kn.param`; with x, which a first call was given, it is
    on the device of x, and where a transform or a `kn.model` runs it belongs to the layer, unless that was made inside.
    """
    if _outline.get() is not None:
        return Param(np.broadcast_to(np.float32(0), shape))
    device = "gpu" if x is not None and on_gpu(bare(x)) else settings.device
    try:
        if x is None or made_inside(layer):
            return param(*shape, init=init, device=device)
        return Param(moved(init(*shape, dtype=np.float32), device))
    except TypeError as failure:
        raise TypeError(
            f"{type(layer).__name__}: init must be a function of the sizes and dtype= that gives an array: {failure}"
        ) from failure


def first_call(layer: Any, inputs: tuple, call: Callable, *args: Any, **options: Any) -> Any:
    """call(*args, **options), the first of a layer that takes its sizes from inputs; if it fails, that is as it was.

    (A closure as call would slow down every later call of the layer, too.)
    """
    lacking = [name for name, part in vars(layer).items() if part is None]
    try:
        layer.init_from(*inputs)
        return call(*args, **options)
    except BaseException:
        for name in lacking:
            setattr(layer, name, None)
        raise


def begin(layer: Any, is_told: Any) -> None:
    """At the end of a constructor: make the params, or leave that to the first call, if the sizes are not told."""
    if is_told:
        layer.init_from()
    else:
        constructed(layer, type(layer).__name__)


def unmake_later(layer: Any, names: list[str], x: Any) -> None:
    """At the end of `outline`, take back what a first call on x made."""
    grown = _outline.get()
    if x is not None and grown is not None:
        grown.append((layer, names))


# What users of PyTorch and Keras ask a model for, and what to write.
_ASKED = {
    "parameters": "kn.params(model)", "named_parameters": "kn.named_params(model)", "state_dict": "kn.state(model)",
    "load_state_dict": "kn.load_state(model, state), or kn.load_torch for a state_dict of PyTorch's",
    "to": "kn.gpu(model) or kn.cpu(model)", "cuda": "kn.gpu(model)", "cpu": "kn.cpu(model)",
    "half": "kn.nn.cast(model, np.float16)", "float": "kn.nn.cast(model, np.float32)",
    "double": "kn.nn.cast(model, np.float64)", "forward": "model(x)", "append": "Chain(*model, layer)",
    "train": "kn.minimize(loss, data), which switches training on, or with kn.training():",
    "eval": "nothing: training is off outside of kn.minimize", "zero_grad": "nothing: gradients are results here",
    "requires_grad_": "kn.nn.freeze(model) or kn.nn.thaw(model)", "children": "list(model)", "modules": "list(model)",
    "add": "Chain(*model, layer)", "fit": "kn.minimize(loss, data, kn.Adam())", "predict": "model(x)",
    "compile": "nothing: kn.minimize(loss, data, kn.Adam()) takes loss and optimizer",
    "evaluate": "kn.evaluate(model, data)", "summary": "kn.nn.summary(model, x)",
    "save": "kn.save(path, model)", "save_weights": "kn.save(path, model)",
    "load_weights": "kn.load(path, into=model)", "get_weights": "kn.state(model)",
    "set_weights": "kn.load_state(model, state)", "trainable_variables": "kn.params(model)",
    "trainable": "kn.nn.freeze(model) or kn.nn.thaw(model)", "kernel": "layer.weight", "W": "layer.weight",
    "b": "layer.bias",
}  # fmt: skip


def lacks(layer: Any, name: str) -> Any:
    """The `__getattr__` of layers: what is asked of a model elsewhere leads to what is written here."""
    kind = type(layer).__name__
    named = name in vars(layer).get("layers", ())  # of a Chain
    raise no_attribute(kind, name, f"{kind.lower()}[{name!r}]" if named else _ASKED.get(name, ""))


def is_layer(x: Any) -> bool:
    """Whether it is a layer that has parts to look into: a dataclass that can be called."""
    return is_layer_class(type(x))


def is_layer_class(kind: type) -> bool:
    """Whether it is a class of such."""
    return dataclasses.is_dataclass(kind) and any(["__call__" in vars(base) for base in kind.__mro__])


def replaceable(kind: type) -> None:
    """Let `dataclasses.replace` make a layer although its constructor takes other arguments than it has fields."""
    construct, names = kind.__init__, {f.name for f in dataclasses.fields(kind)}  # type: ignore[misc]
    if names <= inspect.signature(construct).parameters.keys():
        return

    def init(self: Any, *args: Any, **options: Any) -> None:
        if args or options.keys() != names:
            construct(self, *args, **options)
        else:
            vars(self).update(options)

    kind.__init__ = functools.update_wrapper(init, construct)  # type: ignore[misc]


def attributes(layer: Any) -> dict[str, Any]:
    """What a dataclass has, by name; one with slots, too."""
    slots = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer) if hasattr(layer, f.name)}
    return slots | getattr(layer, "__dict__", {})


def is_array(x: Any) -> bool:
    """Whether it can be an input with an axis of examples."""
    return hasattr(x, "dtype") and bool(getattr(x, "shape", ()))


def unsized(layer: Any) -> bool:
    """Whether a layer makes its params at its first call, which has not been."""
    lacking = [name for name in ("weight", "weights", "scale") if getattr(layer, name, layer) is None]
    told = any([getattr(layer, name, None) for name in ("inputs", "channels", "sizes")])
    return bool(lacking) and hasattr(layer, "init_from") and getattr(layer, "affine", True) and not told


def check_sized(name: str, model: Any, path: str = "") -> None:
    """Raise if there is a layer in a model that is sized at its first call."""
    if is_layer(model) and unsized(model):
        raise ValueError(
            f"{name}: {path.removeprefix('.') or 'the model'}, {model!r:.60}, is sized at its first call; call "
            "kn.nn.init_from(model, x) before"
        )
    whole = hasattr(model, "whole")  # a WeightNorm, whose layer has lost its weight
    for step, part in [] if whole or isinstance(model, Value) else children(model) or []:
        check_sized(name, part, path + step)


def given(what: str, array: Any, shape: tuple[int, ...] | None = None) -> Param:
    """A Param of an array that a constructor was given; a Param is taken as it is, and so is shared."""
    p = array if isinstance(array, Param) else param(_floating(what, bare(array)))
    if shape is not None and p.shape != shape:
        raise ShapeError(f"{what} must have shape {shape}, got {p.shape}")
    return p


def _floating(what: str, array: Any) -> Any:
    """What was given for the numbers of a Param, as a floating array."""
    try:
        array = np.array(array, np.float32) if isinstance(array, (list, tuple)) else asarray(array)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise TypeError(f"{what} must be an array of numbers: {failure!s:.200}") from None
    if array.dtype.kind not in "fc":
        raise DtypeError(f"{what} must be a floating array, got dtype {array.dtype}; write .astype(np.float32)")
    return array


def bias_of(name: str, bias: Any, shape: tuple[int, ...], weight: Param | None = None) -> tuple[bool, Param | None]:
    """What bias= means: (whether there is one, the Param if it was given as an array, or has the dtype of a weight)."""
    if isinstance(bias, (bool, np.bool_)) or bias is None:
        return bool(bias), Param(np.zeros_like(weight.value, shape=shape)) if bias and weight is not None else None
    if isinstance(bias, (Value, list, tuple)) or hasattr(bias, "dtype"):
        return True, given(f"{name}: bias", bias, shape)
    raise TypeError(f"{name}: bias must be True, False or an array, got {bias!r:.60}")


def weight_of(name: str, arguments: tuple, axes: str) -> tuple[tuple, Param | None]:
    """(sizes and what follows, weight) of a layer that may be told its weight, with these axes, in place of sizes."""
    if not arguments or not getattr(arguments[0], "shape", ()):
        return arguments, None
    weight = given(f"{name}: the weight {axes}", arguments[0])
    if len(weight.shape) != 2:
        raise ShapeError(f"{name}: the weight must be a matrix {axes}, got {weight.shape}")
    return (*weight.shape, *arguments[1:]), weight


def inputs_of(name: str, x: Any, axis: int) -> int:
    """The size of the axis of x that a layer takes its number of inputs from."""
    shape = np.shape(bare(x))
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"{name}: x must have an axis {axis} to take the number of inputs from, got shape {shape}")
    return shape[axis]


def told(name: str, arguments: tuple, activation: Any, wanted: str, least: int, most: int) -> tuple[list, Any]:
    """(sizes, activation) of a layer that may be told its activation after its sizes."""
    sizes = list(arguments)
    if len(sizes) > least and (callable(sizes[-1]) or sizes[-1] is None or isinstance(sizes[-1], str)):
        if activation is not None:
            raise TypeError(f"{name}: the activation was given twice")
        activation = sizes.pop()
    if not least <= len(sizes) <= most:
        raise TypeError(f"{name} takes {wanted}, got {name}({', '.join(map(spelled, arguments))})")
    if activation is not None and not callable(activation):
        raise TypeError(
            f"{name}: activation must be a function of an array such as kn.relu, got {activation!r:.60}; it follows "
            f"{wanted}"
        )
    return sizes, activation


def size(name: str, what: str, n: Any) -> int:
    """A size that a layer was told: a whole number above 0."""
    return per_axis(name, what, n, 1)[0]


def plain(option: Any) -> Any:
    """An option of one number for each axis, which may be given as an array, as it is kept and printed."""
    return option.tolist() if isinstance(option, np.ndarray) else option


def initialiser(name: str, init: Any, option: str = "init") -> Callable:
    """A function that makes the numbers of a Param."""
    if not callable(init):
        raise TypeError(
            f"{name}: {option} must be a function of the sizes and dtype=, such as kn.init.kaiming_normal without "
            f"parentheses, got {init!r:.60}"
        )
    return init


def lists_of_axes(sizes: tuple) -> tuple:
    """The sizes of axes, which may be given as one tuple: LayerNorm((4, 3)) is LayerNorm(4, 3)."""
    return (*sizes[0], *sizes[1:]) if sizes and isinstance(sizes[0], (tuple, list)) else sizes


def explain_axis(layer: Any, x: Any, axis: int, wanted: int | None, what: str, hint: str = "") -> None:
    """Raise in the layer's own terms if x has another number of features or channels on an axis than it needs."""
    shape = np.shape(bare(x))
    if wanted is None or not -len(shape) <= axis < len(shape) or shape[axis] == wanted:
        return
    first = ", as at its first call" if getattr(layer, "inputs", getattr(layer, "channels", 0)) is None else ""
    hint = hint or "; make the layer anew if that call was wrong" * bool(first)
    place = "its last axis" if axis == -1 else f"axis {axis}"
    what = what.removesuffix("s") if wanted == 1 else what
    raise ShapeError(f"{layer!r}: x must have {wanted} {what} on {place}{first}, got {shape}{hint}") from None


def choice(name: str, option: str, given: Any) -> bool | None:
    """An option that is True, False or None."""
    return None if given is None else flag(name, option, given)


def shape_of(name: str, x: Any) -> tuple[int, ...]:
    """The shape of an input, which must be an array."""
    if not hasattr(x, "shape"):
        way = (
            "a cell, and a layer with return_state=True, return (y, state): take the first"
            if isinstance(x, tuple)
            else "write np.asarray(x, np.float32)"
        )
        raise TypeError(f"{name}: x must be an array, got {type(x).__name__}; {way}")
    return x.shape


def spelled(x: Any) -> str:
    """How a printed layer writes one of its settings."""
    if isinstance(x, partial):
        return call_of("partial", x.func, *map(spelled, x.args), **x.keywords)
    name = getattr(x, "__name__", None)
    if getattr(x, "shape", None):
        return f"an array {x.shape}"
    return name if isinstance(name, str) else repr(x)


def call_of(name: str, *parts: Any, **options: Any) -> str:
    """A layer as a call: the parts that are not None, then the options as name=value."""
    words = [part if isinstance(part, str) else spelled(part) for part in parts if part is not None]
    return f"{name}({', '.join(words + [f'{k}={spelled(v)}' for k, v in options.items()])})"


def changed(**options: tuple[Any, Any]) -> dict:
    """Of options as (value, default) those that differ from their default, for printing."""
    return {k: v for k, (v, default) in options.items() if v != default}


def known(weight: Param | None, axis: int, n: int | None) -> str:
    """A size of a weight; `?` where the first call will tell it."""
    return str(weight.shape[axis]) if weight is not None else "?" if n is None else str(n)
