"""What functions of images ask: (N, C, *S), and a window that fits into the padded S."""

from ..core.errors import ShapeError
from .arguments import number, per_axis, several


def spatial_axes(name, x):
    """The number of spatial axes of the shape x."""
    if len(x) not in (3, 4, 5):
        raise ShapeError(
            f"{name}: x must be (N, C, *S) with 1, 2 or 3 spatial axes, got {x}; one image is x[None], a channel axis "
            "is inserted by x[:, None]"
        )
    return len(x) - 2


def nonempty_axes(name, x):
    """The same of a shape none of whose spatial axes may be empty."""
    axes = spatial_axes(name, x)
    if 0 in x[2:]:
        raise ShapeError(f"{name}: the spatial axes of x {x} must not be empty")
    return axes


def numbers_per_axis(name, option, given, axes, **limits):
    """An option given as one number or one for each spatial axis, as a tuple of floats; limits as of `number`."""
    numbers = tuple(given) if several(given) else (given,) * axes
    if len(numbers) != axes:
        raise ValueError(f"{name}: {option} must be a number, or {axes} of them, got {given!r}")
    return tuple([number(name, option, n, **limits) for n in numbers])


def padding_pairs(name, given, axes):
    """Padding as a (before, after) pair for each spatial axis."""
    if isinstance(given, str):
        raise ValueError(f"{name}: padding={given!r} is no number; for the same size at stride 1 write (K - 1) // 2")
    try:
        if several(given) and len(given) == axes and all([several(p) for p in given]):
            return tuple([per_axis(name, "padding", p, 2, 0) for p in given])
        return tuple([(p, p) for p in per_axis(name, "padding", given, axes, 0)])
    except ValueError:
        raise ValueError(
            f"{name}: padding must be an integer >= 0, one for each of the {axes} spatial axes, or a (before, after) "
            f"pair for each, got {given!r}"
        ) from None


def window_padding(name, given, size, window, stride, dilation):
    """Padding as pairs. Of "same" so much that a window takes ceil(size / stride) places, the odd one of it after."""
    if not isinstance(given, str):
        return padding_pairs(name, given, len(size))
    if given not in ("same", "valid"):
        raise ValueError(
            f'{name}: padding must be "same", "valid", an integer >= 0 or one for each axis, got {given!r}'
        )
    if given == "valid":
        return ((0, 0),) * len(size)
    lacks = [(-(-s // t) - 1) * t + d * (k - 1) + 1 - s for s, k, t, d in zip(size, window, stride, dilation)]
    return tuple([(n // 2, n - n // 2) for n in [max(n, 0) for n in lacks]])


def window_fits(name, size, window, dilation, padding, given):
    """Raise unless the window lies within the padded spatial size; `given` tells the user what was given."""
    for i, (n, k, d, pads) in enumerate(zip(size, window, dilation, padding)):
        reach, room = d * (k - 1) + 1, n + sum(pads)
        if k < 1:
            raise ShapeError(f"{name}: the window has size 0 along spatial axis {i} ({given}); it must be at least 1")
        if reach > room:
            raise ShapeError(
                f"{name}: the window reaches over {reach} along spatial axis {i}, which has {room} with its padding "
                f"({given}, dilation {d}, padding {pads}); pad more or take a smaller window"
            )
