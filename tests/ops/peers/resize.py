"""Resizing and points of a grid against PyTorch's."""

import knetpy as kn
from tests.ops.peer import Case, F


def resized(mode, shape, how):
    scale = how.get("scale")
    options = {k: v for k, v in how.items() if k != "scale"}
    return Case(
        f"{mode} {shape} {how}",
        lambda x: kn.upsample(x, scale, mode=mode, **options),
        lambda x: F.interpolate(x, scale_factor=scale, mode=mode.replace("_", "-"), **options),
        (shape,),
    )


LINE, PLAIN, SOLID = (2, 2, 5), (1, 2, 5, 4), (1, 1, 3, 2, 4)
CORNERS = {"align_corners": True}

UPSAMPLES = [
    *[
        resized(mode, shape, how)
        for mode in ("nearest", "nearest_exact", "area")
        for shape, how in (
            (LINE, {"scale": 2}),
            (LINE, {"size": 8}),
            (PLAIN, {"scale": (1.7, 0.5)}),
            (PLAIN, {"size": (3, 7)}),
            (SOLID, {"size": (2, 5, 4)}),
        )
    ],
    *[
        resized(mode, shape, {**how, **corners})
        for mode, shape, hows in (
            ("linear", LINE, ({"scale": 2}, {"scale": 2.3}, {"size": 3})),
            ("bilinear", PLAIN, ({"scale": 2}, {"scale": (1.7, 0.6)}, {"size": (3, 7)}, {"size": (1, 4)})),
            ("trilinear", SOLID, ({"scale": 1.5}, {"size": (2, 5, 4)})),
            ("bicubic", PLAIN, ({"scale": 2}, {"scale": (1.7, 0.6)}, {"size": (3, 7)}, {"size": (1, 4)})),
        )
        for how in hows
        for corners in ({}, CORNERS)
    ],
    *[
        resized(mode, (1, 2, 7, 5), {**how, "antialias": True})
        for mode in ("bilinear", "bicubic")
        for how in ({"size": (3, 2)}, {"size": (9, 3)}, {"scale": (0.4, 1.5)}, {"size": (3, 2), **CORNERS})
    ],
]


def sampled(mode, padding_mode, align_corners, shapes, order):
    how = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    return Case(
        f"grid_sample {mode} {padding_mode} {align_corners} {len(shapes[0]) - 2}-d",
        lambda x, grid: kn.grid_sample(x, grid * 0.8, **how),
        lambda x, grid: F.grid_sample(x, grid * 0.8, **how),
        shapes,
        order=order,
    )


IN_PLANE, IN_SPACE = ((1, 2, 3, 4), (1, 2, 3, 2)), ((1, 1, 2, 3, 4), (1, 2, 1, 2, 3))
POINTS = [
    # PyTorch has second derivatives of the first row only
    sampled(mode, padding_mode, align_corners, shapes, order)
    for mode, shapes, order in (
        ("bilinear", IN_PLANE, 2),
        ("nearest", IN_PLANE, 1),
        ("bicubic", IN_PLANE, 1),
        ("bilinear", IN_SPACE, 1),
        ("nearest", IN_SPACE, 1),
    )
    for padding_mode in ("zeros", "border", "reflection")
    for align_corners in (False, True)
]

MAPS = [
    Case(
        f"affine_grid {size} {align_corners}",
        lambda theta, size=size, align=align_corners: kn.affine_grid(theta, size, align),
        lambda theta, size=size, align=align_corners: F.affine_grid(theta, size, align_corners=align),
        ((size[0], len(size) - 2, len(size) - 1),),
    )
    for size in ((2, 1, 3, 2), (1, 1, 4, 5), (1, 3, 1, 4), (1, 2, 2, 3, 2), (2, 1, 1, 2, 3))
    for align_corners in (False, True)
]

SHUFFLES = [
    Case(
        f"{ours.__name__} {size} {factor}",
        lambda x, ours=ours, factor=factor: ours(x, factor),
        lambda x, theirs=theirs, factor=factor: theirs(x, factor),
        (shape(*size, factor),),
    )
    for ours, theirs, shape in (
        (kn.pixel_shuffle, F.pixel_shuffle, lambda n, c, h, w, r: (n, c * r * r, h, w)),
        (kn.pixel_unshuffle, F.pixel_unshuffle, lambda n, c, h, w, r: (n, c, h * r, w * r)),
        (kn.channel_shuffle, F.channel_shuffle, lambda n, c, h, w, r: (n, c * r, h, w)),
    )
    for size in ((1, 1, 2, 3), (2, 2, 1, 1), (1, 3, 3, 2), (2, 1, 4, 1), (3, 1, 2, 2))
    for factor in (2, 3)
]

CASES = UPSAMPLES + POINTS + MAPS + SHUFFLES
