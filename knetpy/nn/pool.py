"""Layers that pool, resize and flatten images: thin dataclasses over `kn.pool`, `kn.upsample` and their kin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.errors import ShapeError
from ..ops.arguments import flag, one_of, per_axis, several
from ..ops.linear import mat
from ..ops.pool import adaptive_pool, global_pool, pool
from ..ops.resize import MODES, upsample
from ..ops.shuffle import pixel_shuffle
from ..ops.window import numbers_per_axis
from .conv import check_steps, padding_of, window_of
from .layer import call_of, changed, plain, shape_of, size


@dataclass(eq=False, repr=False, init=False)
class _Pool:
    window: tuple[int, ...]
    stride: Any
    padding: Any

    _mode: ClassVar[str] = "max"

    def __init__(self, window: Any, *, stride: Any = None, padding: Any = 0):
        self.window = window_of(type(self).__name__, window)
        self.stride, self.padding = plain(stride), padding_of(plain(padding), self.window, 1)
        check_steps(type(self).__name__, self.window, self.padding, stride=self.window if stride is None else stride)

    def __call__(self, x: Any) -> Any:
        if len(shape_of(type(self).__name__, x)) != len(self.window) + 2:
            axes = f"{len(self.window)} spatial ax{'es' if len(self.window) > 1 else 'is'}"
            image = "; one image is x[None]" if len(x.shape) == len(self.window) + 1 else ""
            window = f"; a window for sequences is ({self.window[0]},)" if len(x.shape) == 3 else ""
            raise ShapeError(f"{self!r}: x must be (N, C, *S) with {axes}, got {x.shape}{image}{window}")
        return pool(x, self.window, stride=self.stride, padding=self.padding, mode=self._mode)

    def __repr__(self) -> str:
        options = changed(stride=(self.stride, None), padding=(self.padding, 0))
        return call_of(type(self).__name__, "x".join(map(str, self.window)), **options)


class MaxPool(_Pool):
    """The largest element of each window; see `kn.pool`.

    Parameters:
      window: a number, for two axes, or a tuple of one, two or three.
      stride=None: a number or one for each axis; None for the window.
      padding=0: as for `kn.pool`, or `SamePad()`.
    Returns: when called with x (N, C, *S): (N, C, *So).
    Raises: ValueError, TypeError; when called those of `kn.pool`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.MaxPool(2)(np.ones((1, 3, 8, 6), np.float32)).shape
    (1, 3, 4, 3)
    """


class MeanPool(_Pool):
    """The mean of each window, in which padding counts as zeros.

    Parameters, returns and errors: as for `MaxPool`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.MeanPool((2,))(np.array([[[1.0, 3.0, 5.0, 9.0]]]))
    array([[[2., 7.]]])
    """

    _mode = "mean"


def sizes_of(name: str, option: str, given: Any) -> None:
    """Raise for what is no size, nor one for each axis."""
    per_axis(name, option, given, len(given) if several(given) else 1)


@dataclass(eq=False)
class _AdaptivePool:
    size: Any

    _mode: ClassVar[str] = "max"

    def __post_init__(self) -> None:
        sizes_of(type(self).__name__, "size", self.size)

    def __call__(self, x: Any) -> Any:
        return adaptive_pool(x, self.size, mode=self._mode)


class AdaptiveMaxPool(_AdaptivePool):
    """The largest element of each of `size` bins along the spatial axes; see `kn.adaptive_pool`.

    Parameters:
      size: a number, or one for each spatial axis.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.AdaptiveMaxPool(2)(np.ones((1, 3, 7, 5), np.float32)).shape
    (1, 3, 2, 2)
    """


class AdaptiveMeanPool(_AdaptivePool):
    """The mean of each of `size` bins along the spatial axes; see `kn.adaptive_pool`.

    Parameters:
      size: a number, or one for each spatial axis.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.AdaptiveMeanPool((1, 2))(np.ones((1, 3, 7, 5), np.float32)).shape
    (1, 3, 1, 2)
    """

    _mode = "mean"


@dataclass(eq=False)
class _GlobalPool:
    _mode: ClassVar[str] = "max"

    def __call__(self, x: Any) -> Any:
        return global_pool(x, self._mode)


class GlobalMaxPool(_GlobalPool):
    """The largest element over all spatial axes, which stay with size 1: (N, C, *S) to (N, C, 1, ...).

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.GlobalMaxPool()(np.ones((2, 3, 7, 5), np.float32)).shape
    (2, 3, 1, 1)
    """


class GlobalMeanPool(_GlobalPool):
    """The mean over all spatial axes, which stay with size 1: (N, C, *S) to (N, C, 1, ...).

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.GlobalMeanPool()(np.ones((2, 3, 7, 5), np.float32)).shape
    (2, 3, 1, 1)
    """

    _mode = "mean"


@dataclass(eq=False, repr=False)
class Upsample:
    """Enlarge images; see `kn.upsample`.

    Parameters:
      scale=None: a factor, or one for each spatial axis.
      mode="nearest": as for `kn.upsample`: "nearest", "linear", "bilinear", "trilinear", "bicubic"...
      size=None: instead of scale, the new sizes.
      align_corners=False: whether the outermost elements stay where they are.
    Returns: when called with x (N, C, *S): (N, C, *So).
    Raises: TypeError unless one of scale and size is given; when called those of `kn.upsample`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.Upsample(2, "bilinear")(np.ones((1, 3, 4, 4), np.float32)).shape
    (1, 3, 8, 8)
    """

    scale: Any = None
    mode: str = "nearest"
    size: Any = None
    align_corners: bool = False

    def __post_init__(self) -> None:
        if (self.scale is None) == (self.size is None):
            raise TypeError("Upsample takes either a scale or size=")
        if self.size is not None:
            sizes_of("Upsample", "size", self.size)
        else:
            numbers_per_axis("Upsample", "scale", self.scale, len(self.scale) if several(self.scale) else 1, above=0)
        flag("Upsample", "align_corners", self.align_corners)
        one_of("Upsample", "mode", self.mode, MODES)

    def __call__(self, x: Any) -> Any:
        return upsample(x, self.scale, size=self.size, mode=self.mode, align_corners=self.align_corners)

    def __repr__(self) -> str:
        options = changed(size=(self.size, None), align_corners=(self.align_corners, False))
        scale = None if self.scale is None else repr(self.scale)
        return call_of("Upsample", scale, **changed(mode=(self.mode, "nearest")), **options)


@dataclass(eq=False)
class PixelShuffle:
    """Channels to pixels: (N, C * r * r, H, W) to (N, C, H * r, W * r); see `kn.pixel_shuffle`.

    Parameters:
      factor: r.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.PixelShuffle(2)(np.ones((1, 12, 4, 4), np.float32)).shape
    (1, 3, 8, 8)
    """

    factor: Any

    def __post_init__(self) -> None:
        size("PixelShuffle", "factor", self.factor)

    def __call__(self, x: Any) -> Any:
        return pixel_shuffle(x, self.factor)


def flatten(x: Any) -> Any:
    """All axes but the first in one: images (N, C, H, W) become (N, C * H * W), ready for a `Dense`.

    Parameters:
      x: an array with one axis or more.
    Returns: (N, the product of the others).
    Raises: ShapeError for an array without axes.
    Derivative: dy in the shape of x.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.flatten(np.ones((2, 3, 4, 5))).shape
    (2, 60)
    """
    if not shape_of("flatten", x):
        raise ShapeError("flatten: x must have one axis or more, got shape ()")
    return mat(x)
