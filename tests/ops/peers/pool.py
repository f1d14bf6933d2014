"""Pooling and unpooling against PyTorch's."""

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

SHAPES = {1: (2, 2, 7), 2: (1, 2, 5, 6), 3: (1, 1, 4, 3, 5)}


def theirs(name, axes):
    """PyTorch's function of that name for so many axes."""
    return lambda *args, **options: getattr(F, f"{name}{axes}d")(*args, **options)


def windowed(axes, mode, how):
    """A case of `pool` with PyTorch's names for options."""
    name, more = {
        "max": ("max_pool", {}),
        "mean": ("avg_pool", {"count_include_pad": True}),
        "mean_valid": ("avg_pool", {"count_include_pad": False}),
    }[mode]
    options = {k: v for k, v in how.items() if k != "window"}
    return Case(
        f"{mode} {axes}-d {how}",
        lambda x: kn.pool(x, how["window"], mode=mode, **options),
        lambda x: theirs(name, axes)(x, how["window"], **options, **more),
        (SHAPES[axes],),
    )


POOLS = [
    *[
        windowed(axes, mode, how)
        for axes in (1, 2, 3)
        for mode in ("max", "mean", "mean_valid")
        for how in (
            {"window": 2},
            {"window": 3, "stride": 2, "padding": 1},
            {"window": 3, "stride": 2, "padding": 1, "ceil_mode": True},
            {"window": 2, "stride": 3, "ceil_mode": True},
        )
    ],
    *[
        windowed(axes, "max", how)
        for axes in (1, 2, 3)
        for how in (
            {"window": 2, "stride": 1, "dilation": 2},
            {"window": 2, "stride": 1, "padding": 1, "dilation": 2},
            {"window": 2, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True},
        )
    ],
    windowed(2, "max", {"window": (2, 3), "stride": (1, 2), "padding": (0, 1), "dilation": (3, 1)}),
    windowed(2, "mean", {"window": (2, 3), "stride": (1, 2), "padding": (0, 1)}),
    *[
        Case(
            f"lp {p} {axes}-d",
            lambda x, p=p: kn.pool(x, 3, stride=2, mode="lp", p=p),
            lambda x, p=p, axes=axes: theirs("lp_pool", axes)(x, p, 3, stride=2),
            (SHAPES[axes],),
            "positive",
        )
        for p in (1, 2, 3, 2.5)
        for axes in (1, 2, 3)
    ],
]

ADAPTIVE = [
    Case(
        f"adaptive {mode} {size} of {shape}",
        lambda x, mode=mode, size=size: kn.adaptive_pool(x, size, mode=mode),
        lambda x, name=name, size=size: theirs(name, len(size))(x, size),
        (shape,),
    )
    for mode, name in (("mean", "adaptive_avg_pool"), ("max", "adaptive_max_pool"))
    for shape, size in (
        ((2, 2, 7), (3,)),
        ((2, 2, 6), (3,)),
        ((1, 2, 3), (5,)),
        ((1, 2, 5, 6), (2, 3)),
        ((1, 2, 5, 6), (1, 1)),
        ((1, 2, 4, 6), (2, 3)),
        ((1, 2, 5, 3), (7, 2)),
        ((1, 1, 4, 3, 5), (2, 2, 3)),
        ((1, 1, 4, 3, 5), (1, 3, 2)),
    )
]

GLOBAL = [
    Case(
        f"global {mode} {axes}-d",
        lambda x, mode=mode: kn.global_pool(x, mode),
        lambda x, name=name, axes=axes: theirs(name, axes)(x, 1),
        (SHAPES[axes],),
    )
    for mode, name in (("mean", "adaptive_avg_pool"), ("max", "adaptive_max_pool"))
    for axes in (1, 2, 3)
]


def places(shape, window, stride):
    """Indices of unpooling, of which none occurs twice: where the windows begin."""
    size = [(n - 1) * s + window for n, s in zip(shape[2:], [stride] * len(shape))]
    starts = np.meshgrid(*[np.arange(n) * stride for n in shape[2:]], indexing="ij")
    return np.broadcast_to(np.ravel_multi_index(starts, size), shape).copy()


def placed(axes, window, stride):
    index = places(SHAPES[axes], window, stride)
    return Case(
        f"unpool by indices {axes}-d {window} {stride}",
        lambda x: kn.unpool(x, window, stride=stride, indices=index),
        lambda x: theirs("max_unpool", axes)(x, torch.tensor(index), window, stride),
        (SHAPES[axes],),
    )


def spread(axes, window, stride, padding):
    """Unpooling without indices is a transposed convolution of each channel with ones."""
    channels = SHAPES[axes][1]
    return Case(
        f"unpool {axes}-d {window} {stride} {padding}",
        lambda x: kn.unpool(x, window, stride=stride, padding=padding),
        lambda x: theirs("conv_transpose", axes)(
            x, torch.ones(channels, 1, *[window] * axes, dtype=x.dtype), None, stride, padding, 0, channels
        ),
        (SHAPES[axes],),
    )


UNPOOLS = [
    *[placed(axes, window, stride) for axes in (1, 2, 3) for window, stride in ((2, 2), (1, 2), (3, 3))],
    *[
        spread(axes, window, stride, padding)
        for axes in (1, 2, 3)
        for window, stride, padding in ((2, 2, 0), (3, 2, 1), (2, 3, 0))
    ],
    Case(
        "unpool to a size",
        lambda x: kn.unpool(x, indices=places((1, 2, 5, 6), 2, 2), size=(11, 12)),
        lambda x: F.max_unpool2d(x, torch.tensor(places((1, 2, 5, 6), 2, 2)), 2, output_size=(11, 12)),
        (SHAPES[2],),
    ),
]

CASES = POOLS + ADAPTIVE + GLOBAL + UNPOOLS
