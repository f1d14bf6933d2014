"""Normalisation layers: BatchNorm, InstanceNorm, LayerNorm, GroupNorm, RMSNorm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core.errors import ShapeError
from ..core.value import Param, bare
from ..ops.arguments import flag, number
from ..ops.batchnorm import Moments, batchnorm, instancenorm
from ..ops.norm import groupnorm, layernorm, rmsnorm
from ..parameters import init as inits
from .layer import (
    begin,
    call_of,
    changed,
    choice,
    explain_axis,
    first_call,
    grow,
    initialiser,
    inputs_of,
    known,
    lists_of_axes,
    shape_of,
    size,
    told,
)


def _grow_channels(layer: Any, x: Any) -> None:
    if layer.affine:
        shape = (layer.channels or inputs_of(type(layer).__name__, x, 1),)
        scale_init, bias_init = getattr(layer, "_init", (inits.ones, inits.zeros))
        grow(layer, x, scale=(shape, scale_init), bias=(shape, bias_init))


def _explain(layer: Any, x: Any) -> None:
    """Raise in the layer's own terms if x has another number of channels than it needs."""
    channels = layer.channels if layer.scale is None else layer.scale.shape[0]
    explain_axis(layer, x, 1, channels, "channels")


@dataclass(eq=False, repr=False, init=False)
class _ChannelNorm:
    """How BatchNorm and InstanceNorm are constructed and print; they differ in two defaults and in how they are called.

    channels (None before the first call), scale and bias (None without), moments (None without), and the options.
    """

    channels: int | None
    activation: Callable | None
    scale: Param | None
    bias: Param | None
    moments: Moments | None
    affine: bool
    active: bool | None
    eps: float
    _init: tuple[Callable, Callable]

    _usual: ClassVar[bool]  # whether there are scale, bias and running moments by default

    def _construct(self, channels, activation, affine, track_stats, active, eps, momentum, scale_init, bias_init):
        name = type(self).__name__
        self._init = initialiser(name, scale_init, "scale_init"), initialiser(name, bias_init, "bias_init")
        self.affine, self.active = flag(name, "affine", affine), choice(name, "active", active)
        self.eps = number(name, "eps", eps, 0)
        if momentum is not None:
            number(name, "momentum", momentum, 0, 1)
        self.moments = Moments(momentum) if flag(name, "track_stats", track_stats) else None
        channels, self.activation = told(name, channels, activation, "(channels), or nothing", 0, 1)
        self.channels = size(name, "channels", *channels) if channels else None
        self.scale = self.bias = None
        begin(self, channels)

    def init_from(self, x: Any = None) -> None:
        """Make the params, for x (N, channels, *S)."""
        _grow_channels(self, x)

    def __repr__(self) -> str:
        usual, tracks = self._usual, self.moments is not None
        options = changed(affine=(self.affine, usual), track_stats=(tracks, usual), active=(self.active, None))
        options |= changed(eps=(self.eps, 1e-5), momentum=(getattr(self.moments, "momentum", 0.1), 0.1))
        return call_of(type(self).__name__, known(self.scale, 0, self.channels), self.activation, **options)


class BatchNorm(_ChannelNorm):
    """activation((x - mean) / sqrt(var + eps) * scale + bias), mean and variance of each channel; see `kn.batchnorm`.

    In training these are those of the batch, and the running moments take them in; else the running moments serve.

    Parameters:
      *channels: how many; without, the first call tells. An activation may follow.
      activation=None: a function of an array, applied last; kn.relu costs no pass over memory of its own.
      affine=True: whether there are scale and bias.
      scale_init=kn.init.ones, bias_init=kn.init.zeros: of them.
      track_stats=True: whether there are running moments; without, the statistics of the batch always serve.
      active=None: whether the statistics are those of the batch; None asks `kn.training()`.
      eps=1e-5: a number >= 0. momentum=0.1: the share of a batch in the running moments, see `kn.Moments`.
    Attributes: scale, bias (channels,), or None; moments, a `kn.Moments` or None; activation.
    Returns: when called with x (N, channels, *S): an array like x.
    Raises: TypeError, ValueError; when called those of `kn.batchnorm`.

    >>> import numpy as np, knetpy as kn
    >>> layer = kn.nn.BatchNorm(3, kn.relu)
    >>> layer(np.ones((2, 3, 4, 4), np.float32)).shape, layer
    ((2, 3, 4, 4), BatchNorm(3, relu))
    """

    _usual = True

    def __init__(
        self,
        *channels: Any,
        activation: Callable | None = None,
        affine: bool = True,
        track_stats: bool = True,
        active: bool | None = None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        scale_init: Callable = inits.ones,
        bias_init: Callable = inits.zeros,
    ):
        self._construct(channels, activation, affine, track_stats, active, eps, momentum, scale_init, bias_init)

    def __call__(self, x: Any, residual: Any = None) -> Any:
        if self.scale is None and self.affine:
            return first_call(self, (x,), self, x, residual)
        how: dict = dict(residual=residual, activation=self.activation, eps=self.eps, training=self.active)
        try:
            return batchnorm(x, self.moments, self.scale, self.bias, **how)
        except ShapeError:
            _explain(self, x)
            raise


class InstanceNorm(_ChannelNorm):
    """`BatchNorm` of each example by itself; see `kn.instancenorm`.

    Parameters: as for `BatchNorm`, but
      affine=False: whether there are scale and bias. track_stats=False: whether there are running moments.
    Attributes: scale, bias (channels,), or None; moments, a `kn.Moments` or None; activation, channels, active, eps.
    Returns: when called with x (N, channels, *S), one spatial axis or more: an array like x.
    Raises: TypeError, ValueError; when called those of `kn.instancenorm`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.InstanceNorm(3, affine=True)(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    """

    _usual = False

    def __init__(
        self,
        *channels: Any,
        activation: Callable | None = None,
        affine: bool = False,
        track_stats: bool = False,
        active: bool | None = None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        scale_init: Callable = inits.ones,
        bias_init: Callable = inits.zeros,
    ):
        self._construct(channels, activation, affine, track_stats, active, eps, momentum, scale_init, bias_init)

    def __call__(self, x: Any) -> Any:
        if self.scale is None and self.affine:
            return first_call(self, (x,), self, x)
        try:
            y = instancenorm(x, self.scale, self.bias, moments=self.moments, eps=self.eps, training=self.active)
        except ShapeError:
            _explain(self, x)
            raise
        return y if self.activation is None else self.activation(y)


@dataclass(eq=False, repr=False)
class GroupNorm:
    """activation of `kn.groupnorm`: mean and variance of each example over groups of channels.

    Parameters:
      *sizes: (channels, groups), where groups divides channels. An activation may follow.
      activation=None: a function of an array, applied last.
      affine=True: whether there are scale and bias, beginning with 1 and 0.
      eps=1e-5: a number >= 0.
    Attributes: channels, groups; scale, bias (channels,), or None; activation.
    Returns: when called with x (N, channels, *S): an array like x.
    Raises: TypeError, ValueError, ShapeError if groups does not divide channels.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.GroupNorm(6, 3)(np.ones((2, 6, 4, 4), np.float32)).shape
    (2, 6, 4, 4)
    """

    channels: int
    groups: int
    activation: Callable | None
    scale: Param | None
    bias: Param | None
    affine: bool
    eps: float

    def __init__(self, *sizes: Any, activation: Callable | None = None, affine: bool = True, eps: float = 1e-5):
        (channels, groups), self.activation = told("GroupNorm", sizes, activation, "(channels, groups)", 2, 2)
        self.channels, self.groups = size("GroupNorm", "channels", channels), size("GroupNorm", "groups", groups)
        if self.channels % self.groups:
            raise ShapeError(f"GroupNorm: groups={groups} must divide its {channels} channels")
        self.affine, self.eps = flag("GroupNorm", "affine", affine), number("GroupNorm", "eps", eps, 0)
        self.scale = self.bias = None
        _grow_channels(self, None)

    def __call__(self, x: Any) -> Any:
        try:
            y = groupnorm(x, self.groups, self.scale, self.bias, eps=self.eps)
        except ShapeError:
            _explain(self, x)
            raise
        return y if self.activation is None else self.activation(y)

    def __repr__(self) -> str:
        options = changed(affine=(self.affine, True), eps=(self.eps, 1e-5))
        return call_of("GroupNorm", str(self.channels), str(self.groups), self.activation, **options)


@dataclass(eq=False, repr=False)
class LayerNorm:
    """activation of `kn.layernorm`: mean and variance over the last axes of x.

    Parameters:
      *sizes: those of the last axes; without, the first call tells the size of the last axis. An activation may follow.
      activation=None: a function of an array, applied last.
      affine=True: whether there are scale and bias, beginning with 1 and 0. bias=True: whether there is a bias.
      eps=1e-5: a number >= 0.
    Attributes: scale, bias (*sizes), or None; activation.
    Returns: when called with x (..., *sizes): an array like x.
    Raises: TypeError, ValueError; when called those of `kn.layernorm`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.LayerNorm(8)(np.ones((2, 5, 8), np.float32)).shape
    (2, 5, 8)
    """

    sizes: tuple[int, ...]
    activation: Callable | None
    scale: Param | None
    bias: Param | None
    affine: bool
    _biased: bool
    eps: float

    def __init__(
        self,
        *sizes: Any,
        activation: Callable | None = None,
        affine: bool = True,
        bias: bool = True,
        eps: float = 1e-5,
    ):
        rest, self.activation = told("LayerNorm", lists_of_axes(sizes), activation, "sizes", 0, 32)
        self.sizes = tuple([size("LayerNorm", "each size", n) for n in rest])
        self.affine, self.eps = flag("LayerNorm", "affine", affine), number("LayerNorm", "eps", eps, 0)
        self._biased, self.scale, self.bias = flag("LayerNorm", "bias", bias) and affine, None, None
        begin(self, self.sizes)

    def init_from(self, x: Any = None) -> None:
        """Make the params, for x (..., *sizes)."""
        if self.affine:
            shape = self.sizes or (inputs_of("LayerNorm", x, -1),)
            grow(self, x, scale=(shape, inits.ones), bias=self._biased and (shape, inits.zeros))

    def __call__(self, x: Any) -> Any:
        if self.scale is None and self.affine:
            return first_call(self, (x,), self, x)
        axes = tuple(range(-max(len(self.sizes), 1), 0))
        if self.sizes and shape_of("LayerNorm", x)[-len(self.sizes) :] != self.sizes:
            raise ShapeError(f"LayerNorm: the last axes of x must be {self.sizes}, got x of shape {x.shape}")
        y = layernorm(x, self.scale, self.bias, axis=axes, eps=self.eps)
        return y if self.activation is None else self.activation(y)

    def __repr__(self) -> str:
        sizes = map(str, self.sizes or (known(self.scale, 0, None),))
        options = changed(affine=(self.affine, True), bias=(self._biased, self.affine), eps=(self.eps, 1e-5))
        return call_of("LayerNorm", *sizes, self.activation, **options)


@dataclass(eq=False, repr=False)
class RMSNorm:
    """x / sqrt(mean(x * x) + eps) * scale over the last axes; see `kn.rmsnorm`.

    Parameters:
      *sizes: those of the last axes; without, the first call tells the size of the last axis.
      affine=True: whether there is a scale, beginning with 1. eps=None: as for `kn.rmsnorm`.
    Attributes: scale (*sizes) or None.
    Returns: when called with x (..., *sizes): an array like x.
    Raises: TypeError, ValueError; when called those of `kn.rmsnorm`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.RMSNorm(8)(np.ones((2, 5, 8), np.float32)).shape
    (2, 5, 8)
    """

    sizes: tuple[int, ...]
    scale: Param | None
    affine: bool
    eps: float | None

    def __init__(self, *sizes: Any, affine: bool = True, eps: float | None = None):
        self.sizes = tuple([size("RMSNorm", "each size", n) for n in lists_of_axes(sizes)])
        self.affine, self.scale = flag("RMSNorm", "affine", affine), None
        self.eps = None if eps is None else number("RMSNorm", "eps", eps, 0)
        begin(self, self.sizes)

    def init_from(self, x: Any = None) -> None:
        """Make the scale, for x (..., *sizes)."""
        if self.affine:
            grow(self, x, scale=(self.sizes or (inputs_of("RMSNorm", x, -1),), inits.ones))

    def __call__(self, x: Any) -> Any:
        if self.scale is None and self.affine:
            return first_call(self, (x,), self, x)
        shape = np.shape(bare(x))
        if self.sizes and shape[-len(self.sizes) :] != self.sizes:
            raise ShapeError(f"RMSNorm: the last axes of x must be {self.sizes}, got x of shape {shape}")
        return rmsnorm(x, self.scale, axis=tuple(range(-max(len(self.sizes), 1), 0)), eps=self.eps)

    def __repr__(self) -> str:
        sizes = map(str, self.sizes or (known(self.scale, 0, None),))
        return call_of("RMSNorm", *sizes, **changed(affine=(self.affine, True), eps=(self.eps, None)))
