"""Random changes of batches of images, which `kn.seed` determines, or inside of a DataLoader its own seed.

Each image of a batch is changed by itself. The last two axes are rows and columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.arguments import axis_of, constant_of, number, whole
from ..random import USER, bits, take, uniform
from .collate import filling


def shift(images: Any, most: int = 2, *, fill: float = 0) -> np.ndarray:
    """Images moved by up to `most` pixels up or down, and left or right.

    Parameters:
      images: (N, ..., H, W).
      most=2: the largest move, an integer; moves from -most to most are equally likely along each axis.
      fill=0: what comes in at the border, a number that the dtype of images can hold.
    Returns: array like images, fresh.
    Raises: ValueError if images have fewer than three axes, most is no integer of at least 0 or fill does not fit.

    >>> import numpy as np, knetpy as kn
    >>> kn.data.shift(np.ones((5, 1, 28, 28)), 3).shape
    (5, 1, 28, 28)
    """
    x, most = _images("shift", images), _integer("shift", "most", most, 0)
    return _cut(_padded("shift", x, most, fill), x.shape[-2:])


def crop(images: Any, size: Any, *, padding: int = 0, fill: float = 0) -> np.ndarray:
    """A piece of each image, from a random place.

    Parameters:
      images: (N, ..., H, W).
      size: of the piece: rows and columns, or one number for both.
      padding=0: how many pixels are put around each image before.
      fill=0: what these are, a number that the dtype of images can hold.
    Returns: array (N, ..., *size) of the dtype of images, fresh.
    Raises: ValueError if images have fewer than three axes, the size is larger than they are, with padding, or fill
      does not fit.

    >>> import numpy as np, knetpy as kn
    >>> kn.data.crop(np.ones((5, 3, 32, 32)), 28).shape, kn.data.crop(np.ones((5, 32, 32)), 32, padding=4).shape
    ((5, 3, 28, 28), (5, 32, 32))
    """
    x, padding = _images("crop", images), _integer("crop", "padding", padding, 0)
    both = tuple(size) if isinstance(size, tuple | list) else (size, size)
    sizes = tuple([_integer("crop", "size", n, 1) for n in both])
    if len(sizes) != 2 or any(n > most + 2 * padding for n, most in zip(sizes, x.shape[-2:])):
        raise ValueError(
            f"crop: size must be one number or two, at most those of images {x.shape} with padding={padding} around, "
            f"got {size!r}"
        )
    return _cut(_padded("crop", x, padding, fill), sizes)


def flip(images: Any, p: float = 0.5, *, axis: int = -1) -> np.ndarray:
    """Images of which some are mirrored.

    Parameters:
      images: (N, ..., H, W).
      p=0.5: how likely each is, from 0 to 1.
      axis=-1: the axis that is turned round: -1 is left and right, -2 up and down.
    Returns: array like images, fresh.
    Raises: ValueError if images have fewer than three axes or p is no number from 0 to 1.

    >>> import numpy as np, knetpy as kn
    >>> kn.data.flip(np.array([[[1, 2], [3, 4]]]), p=1.0).tolist()
    [[[2, 1], [4, 3]]]
    """
    x = _images("flip", images).copy()
    axis = axis_of("flip", "images", x, axis)
    if axis == 0:
        raise ValueError(f"flip: axis {axis} counts the images; pass -1, left and right, or -2, up and down")
    chosen = uniform(take(USER), len(x)) < number("flip", "p", p, 0, 1)
    x[chosen] = np.flip(x[chosen], axis)
    return x


def cutout(images: Any, size: int = 8, *, p: float = 1.0, fill: float = 0) -> np.ndarray:
    """Images with a square hidden, whose middle is anywhere in the image.

    Parameters:
      images: (N, ..., H, W).
      size=8: of the square, in pixels; what of it lies outside of the image is lost.
      p=1.0: how likely it is that an image has one, from 0 to 1.
      fill=0: what stands in the square, a number that the dtype of images can hold.
    Returns: array like images, fresh.
    Raises: ValueError if images have fewer than three axes, size is no integer of at least 1, p no number from 0 to 1
      or fill does not fit.
    Source: DeVries, Taylor, "Improved regularization of convolutional neural networks with cutout", arXiv:1708.04552.

    >>> import numpy as np, knetpy as kn
    >>> x = kn.data.cutout(np.ones((100, 1, 28, 28)), 4)
    >>> int((1 - x).sum(axis=(1, 2, 3)).max())
    16
    """
    x, size = _images("cutout", images).copy(), _integer("cutout", "size", size, 1)
    fill = filling("cutout", "fill", fill, x.dtype)
    chosen = uniform(take(USER), len(x)) < number("cutout", "p", p, 0, 1)
    hidden = chosen[:, np.newaxis, np.newaxis]
    for axis, n in enumerate(x.shape[-2:]):
        first = _draw(len(x), n) - size // 2
        places = np.arange(n) - first[:, np.newaxis]
        inside = (places >= 0) & (places < size)
        hidden = hidden & (inside[:, np.newaxis] if axis else inside[:, :, np.newaxis])
    x[np.broadcast_to(hidden.reshape(len(x), *[1] * (x.ndim - 3), *x.shape[-2:]), x.shape)] = fill
    return x


def mixup(x: Any, y: Any, alpha: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Instances mixed with others of the batch, and their targets in the same shares.

    Parameters:
      x: instances, (N, ...), of a floating-point dtype.
      y: targets, (N, ...), of a floating-point dtype, such as `kn.onehot(labels, classes)`; the loss is then
        `kn.cross_entropy`.
      alpha=0.2: a positive number: the share has the distribution Beta(alpha, alpha), one for each instance.
    Returns: (x, y), share * each + (1 - share) * another one, fresh.
    Raises: ValueError if x and y differ in length or alpha is not positive, TypeError for targets of integers.
    Source: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: beyond empirical risk minimization", arXiv:1710.09412. The shares
      are drawn by NumPy's generator, with a seed of `kn.random`'s.

    >>> import numpy as np, knetpy as kn
    >>> x, y = kn.data.mixup(np.ones((3, 2)), kn.onehot([0, 1, 2], 3))
    >>> x.tolist(), bool(np.allclose(y.sum(axis=1), 1))
    ([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], True)
    """
    a, b = constant_of("mixup", "x", x), constant_of("mixup", "y", y)
    for name, array in (("x", a), ("y", b)):
        if array.dtype.kind != "f":
            way = "kn.onehot(y, classes)" if name == "y" else "x.astype(np.float32)"
            raise TypeError(f"mixup: {name} must have a floating-point dtype, got {array.dtype}; write {way}")
    if a.ndim < 1 or b.ndim < 1 or len(a) != len(b):
        raise ValueError(f"mixup: x and y must have equally many instances, got shapes {a.shape} and {b.shape}")
    generator = np.random.Generator(np.random.Philox(key=bits(take(USER), 4).view(np.uint64)))
    alpha = number("mixup", "alpha", alpha, above=0)
    share, other = generator.beta(alpha, alpha, len(a)), generator.permutation(len(a))

    def mixed(array: np.ndarray) -> np.ndarray:
        s = share.astype(array.dtype).reshape(-1, *[1] * (array.ndim - 1))
        return s * array + (1 - s) * array[other]

    return mixed(a), mixed(b)


def _images(name: str, given: Any) -> np.ndarray:
    x = constant_of(name, "images", given)
    if x.ndim < 3:
        raise ValueError(
            f"{name}: images must be a batch (N, ..., H, W), got shape {x.shape}; write images[np.newaxis]"
        )
    return x


def _integer(name: str, option: str, given: Any, least: int) -> int:
    found = whole(given)
    if found is None or found < least:
        raise ValueError(f"{name}: {option} must be an integer >= {least}, got {given!r}")
    return found


def _draw(n: int, most: int) -> np.ndarray:
    """n whole numbers from 0 to below `most`."""
    return (uniform(take(USER), n, np.float64) * most).astype(np.int64)


def _padded(name: str, x: np.ndarray, width: int, fill: float) -> np.ndarray:
    fill = filling(name, "fill", fill, x.dtype)
    if width == 0:
        return x
    *rest, height, breadth = x.shape
    around = np.full((*rest, height + 2 * width, breadth + 2 * width), fill, x.dtype)
    around[..., width : width + height, width : width + breadth] = x
    return around


def _cut(x: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """A window of each image, at a random place."""
    windows = np.lib.stride_tricks.sliding_window_view(x, sizes, axis=(-2, -1))
    *_, rows, columns = windows.shape[:-2]
    at = np.arange(len(x)), ..., _draw(len(x), rows), _draw(len(x), columns), slice(None), slice(None)
    found = windows[at]  # the axis of images first, as all three indices are arrays apart
    return np.ascontiguousarray(found)
