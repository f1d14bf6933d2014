"""Convolutional layers: Conv, ConvTranspose, DepthwiseConv, and SamePad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core.errors import ShapeError
from ..core.value import Param, bare
from ..ops.arguments import flag, one_of, per_axis, several
from ..ops.conv import PADDINGS, conv, conv_transpose
from ..ops.window import window_padding
from ..parameters import init as inits
from .layer import (
    begin,
    bias_of,
    call_of,
    changed,
    explain_axis,
    first_call,
    given,
    grow,
    initialiser,
    inputs_of,
    plain,
    size,
    told,
)


@dataclass(frozen=True)
class SamePad:
    """As padding= of a layer: what keeps ceil(S / stride) places; where the number is odd, one more comes first.

    As Flux has it; `padding="same"` puts the odd one last, as PyTorch does.

    >>> import knetpy as kn
    >>> kn.nn.SamePad().around((3, 2), (1, 1))
    ((1, 1), (1, 0))
    """

    def around(self, window: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """The (before, after) of each axis for a window."""
        whole = [(k - 1) * d for k, d in zip(window, dilation)]
        return tuple([((n + 1) // 2, n // 2) for n in whole])


def padding_of(padding: Any, window: tuple[int, ...], dilation: Any) -> Any:
    """padding= as `kn.conv` takes it."""
    if isinstance(padding, SamePad) or padding is SamePad:
        return SamePad().around(window, per_axis("SamePad", "dilation", dilation, len(window)))
    return padding


def check_steps(
    name: str,
    window: tuple,
    padding: Any,
    padding_mode: Any = "zeros",
    flip: Any = False,
    groups: Any = 1,
    **steps: Any,
) -> None:
    """Raise for options of a convolution or pooling that fit no input."""
    for option, step in steps.items():
        per_axis(name, option, step, len(window), 0 if option == "output_padding" else 1)
    window_padding(name, padding, window, window, window, window)
    per_axis(name, "groups", groups, 1)
    flag(name, "flip", flip)
    one_of(name, "padding_mode", padding_mode, PADDINGS)


def window_of(name: str, window: Any) -> tuple[int, ...]:
    """The sizes of a window; one number is that of a square."""
    axes = len(window) if several(window) else 2
    if not 1 <= axes <= 3:
        raise ValueError(f"{name}: the window must have 1, 2 or 3 sizes, got {window!r:.60}")
    return per_axis(name, "window", window, axes)


@dataclass(eq=False, repr=False, init=False)
class _Convolution:
    """How Conv and ConvTranspose are constructed and print; they differ in the axes of the weight and in the call."""

    inputs: int | None
    outputs: int
    window: tuple[int, ...]
    activation: Callable | None
    weight: Param | None
    bias: Param | None
    _biased: bool
    _init: Callable
    _options: dict
    _outputs_first: ClassVar[bool]  # in the axes of the weight; the second is divided by the groups
    _shape: ClassVar[Callable]  # of the weight, for a number of inputs and groups
    _inputs: ClassVar[Callable]  # how many, by the weight

    def _construct(self, sizes: tuple, activation: Any, bias: Any, init: Callable, **options: Any) -> None:
        name, wanted = type(self).__name__, "(outputs, window) or (inputs, outputs, window)"
        self.weight = None
        if sizes and len(getattr(sizes[0], "shape", ())) > 1:
            sizes, bias = self._given(sizes, bias, options["groups"])
        (*inputs, outputs, window), self.activation = told(name, sizes, activation, wanted, 2, 3)
        if inputs and several(inputs[0]):
            raise TypeError(f"{name}: the window comes last: write {name}({outputs}, {window}, {inputs[0]})")
        self.inputs, self.outputs = size(name, "inputs", *inputs) if inputs else None, size(name, "outputs", outputs)
        self.window, self._init, self._options = window_of(name, window), initialiser(name, init), options
        options.update({option: plain(given) for option, given in options.items()})
        options["padding"] = padding_of(options["padding"], self.window, options["dilation"])
        check_steps(name, self.window, **options)
        self._biased, self.bias = bias_of(name, bias, (self.outputs,), self.weight)
        begin(self, inputs)

    def _given(self, sizes: tuple, bias: Any, groups: Any) -> tuple[tuple, Any]:
        """(sizes and what follows, bias=) of a weight in place of sizes, which a bias may follow."""
        name, (weight, *rest) = type(self).__name__, sizes
        what = f"{name}: the weight ({'outputs, inputs' if self._outputs_first else 'inputs, outputs'}, *window)"
        self.weight = given(what, weight)
        if not 3 <= len(self.weight.shape) <= 5:
            raise ShapeError(f"{what} must have 1, 2 or 3 axes of a window, got {self.weight.shape}")
        first, second, *window = self.weight.shape
        second *= per_axis(name, "groups", groups, 1)[0]
        if rest and getattr(rest[0], "shape", None):
            bias = rest.pop(0)
        return (*((second, first) if self._outputs_first else (first, second)), tuple(window), *rest), bias

    def init_from(self, x: Any = None) -> None:
        """Make the params, for x (N, inputs, *S)."""
        if x is not None:
            self._check_axes(np.shape(bare(x)), "C" if self.inputs is None else self.inputs)
        inputs = self.inputs or inputs_of(type(self).__name__, x, 1)
        bias = self._biased and ((self.outputs,), inits.zeros)
        grow(self, x, weight=(self._shape(inputs, self._options["groups"]), self._init), bias=bias)

    def _explain(self, x: Any) -> None:
        """Raise in the layer's own terms if x has other axes or channels than it needs."""
        shape, inputs = np.shape(bare(x)), self.inputs or self._inputs()
        self._check_axes(shape, inputs)
        last = "; if the channels lie last, write np.moveaxis(x, -1, 1)" if shape[-1] == inputs else ""
        explain_axis(self, x, 1, inputs, "channels", last)

    def _check_axes(self, shape: tuple[int, ...], inputs: int | str) -> None:
        """Raise in the layer's own terms if an input of this shape has other axes than it needs."""
        axes = len(self.window)
        if len(shape) == axes + 2:
            return
        one = len(shape) == axes + 1 and (shape[0] == inputs or inputs == "C" and shape[0] in (1, 3))
        bare_image = len(shape) == axes  # neither batch nor channels
        insert = "one image is x[None]" if one else "x[:, None] inserts a channel axis"
        insert = "x[None, None] makes a batch of it" if bare_image else insert
        window = f"; a window for sequences is ({self.window[0]},)" if len(shape) == 3 and axes == 2 and not one else ""
        raise ShapeError(
            f"{self!r}: x must be (N, {inputs}, *S) with {axes} spatial ax{'es' if axes > 1 else 'is'}, got "
            f"{shape}; {insert}{window}"
        ) from None

    def __repr__(self) -> str:
        inputs = "?" if self.inputs is None and self.weight is None else self.inputs or self._inputs()
        options = changed(**{k: (v, _DEFAULTS[k]) for k, v in self._options.items()}, bias=(self._biased, True))
        window = "x".join(map(str, self.window))
        return call_of(type(self).__name__, f"{inputs} => {self.outputs}", window, self.activation, **options)


_DEFAULTS = dict(stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros", flip=False, output_padding=0)


def _split(name: str, channels: int, groups: Any, what: str) -> int:
    """channels / groups."""
    (groups,) = per_axis(name, "groups", groups, 1)
    if channels % groups:
        raise ShapeError(f"{name}: groups={groups} must divide its {channels} {what}")
    return channels // groups


class Conv(_Convolution):
    """activation(conv(x, weight, bias)): a convolution over 1, 2 or 3 spatial axes; see `kn.conv`.

    Parameters:
      *sizes: `Conv(3, 16, 5)` from 3 channels to 16 with a window of 5 x 5; `Conv(16, 5)` takes the number of channels
        from its first call. The window is a number, for two axes, or a tuple of one, two or three. An activation may
        come last, as in `Conv(3, 16, (5, 3), kn.relu)`. Or a weight, or weight and bias, as for `Dense`.
      activation=None: a function of an array, applied last.
      stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros", flip=False: as for `kn.conv`; padding may also be
        `SamePad()`.
      bias=True: whether there is one, beginning with zeros; or an array (outputs,).
      init=kn.init.xavier_uniform: of the weight.
    Attributes: weight (outputs, inputs / groups, *window), bias (outputs,) or None, activation; inputs (None before the
      first call), outputs, window.
    Returns: when called with x (N, inputs, *S): (N, outputs, *So) as `kn.conv`.
    Raises: TypeError, ValueError, ShapeError; when called those of `kn.conv`.

    >>> import numpy as np, knetpy as kn
    >>> layer = kn.nn.Conv(16, 5, kn.relu, padding="same")
    >>> layer(np.ones((2, 3, 28, 28), np.float32)).shape, layer
    ((2, 16, 28, 28), Conv(3 => 16, 5x5, relu, padding='same'))
    """

    _outputs_first = True

    def __init__(
        self,
        *sizes: Any,
        activation: Callable | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        padding_mode: str = "zeros",
        flip: bool = False,
        bias: Any = True,
        init: Callable = inits.xavier_uniform,
    ):
        options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
        self._construct(sizes, activation, bias, init, **options, padding_mode=padding_mode, flip=flip)

    def _shape(self, inputs: int, groups: Any) -> tuple[int, ...]:
        _split("Conv", self.outputs, groups, "outputs")
        return self.outputs, _split("Conv", inputs, groups, "inputs"), *self.window

    def _inputs(self) -> int:
        return self.weight.shape[1] * self._options["groups"]  # type: ignore[union-attr]

    def __call__(self, x: Any) -> Any:
        if self.weight is None:
            return first_call(self, (x,), self, x)
        try:
            return conv(x, self.weight, self.bias, activation=self.activation, **self._options)
        except ShapeError:
            self._explain(x)
            raise


class ConvTranspose(_Convolution):
    """activation(conv_transpose(x, weight, bias)): a transposed convolution; see `kn.conv_transpose`.

    Parameters: as for `Conv`, without padding_mode; and
      output_padding=0: as for `kn.conv_transpose`.
    Attributes: weight (inputs, outputs / groups, *window), and those of `Conv`.
    Returns: when called with x (N, inputs, *S): (N, outputs, *So) as `kn.conv_transpose`.
    Raises: TypeError, ValueError, ShapeError; when called those of `kn.conv_transpose`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.ConvTranspose(3, 8, 2, stride=2)(np.ones((1, 3, 5, 5), np.float32)).shape
    (1, 8, 10, 10)
    """

    _outputs_first = False

    def __init__(
        self,
        *sizes: Any,
        activation: Callable | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        flip: bool = False,
        bias: Any = True,
        init: Callable = inits.xavier_uniform,
    ):
        options = dict(stride=stride, padding=padding, output_padding=output_padding, dilation=dilation, groups=groups)
        self._construct(sizes, activation, bias, init, **options, flip=flip)

    def _shape(self, inputs: int, groups: Any) -> tuple[int, ...]:
        _split("ConvTranspose", inputs, groups, "inputs")
        return inputs, _split("ConvTranspose", self.outputs, groups, "outputs"), *self.window

    def _inputs(self) -> int:
        return self.weight.shape[0]  # type: ignore[union-attr]

    def __call__(self, x: Any) -> Any:
        if self.weight is None:
            return first_call(self, (x,), self, x)
        try:
            return conv_transpose(x, self.weight, self.bias, activation=self.activation, **self._options)
        except ShapeError:
            self._explain(x)
            raise


def DepthwiseConv(*sizes: Any, **options: Any) -> Conv:
    """A `Conv` whose channels do not see each other: groups are its inputs.

    Parameters:
      *sizes: (inputs, outputs, window), outputs a multiple of inputs; (inputs, window) for as many outputs. An
        activation may follow.
      **options: as for `Conv`, but groups.
    Returns: a Conv.
    Raises: TypeError, ValueError, ShapeError.

    >>> import knetpy as kn
    >>> kn.nn.DepthwiseConv(8, 16, 3, padding=1)
    Conv(8 => 16, 3x3, padding=1, groups=8)
    """
    rest, activation = told("DepthwiseConv", sizes, options.pop("activation", None), "(inputs, outputs, window)", 2, 3)
    if "groups" in options:
        raise TypeError("DepthwiseConv: its groups are its inputs; write Conv(..., groups=...) for others")
    inputs, outputs, window = (rest[0], *rest) if len(rest) == 2 else rest
    return Conv(inputs, outputs, window, activation=activation, groups=inputs, **options)
