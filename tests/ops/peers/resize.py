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
    for size in ((2, 1, 3, 2), (1, 1, 4, 5), (1, 2, 2, 3, 2))
    for align_corners in (False, True)
]

SHUFFLES = [
    Case("pixel_shuffle", lambda x: kn.pixel_shuffle(x, 2), lambda x: F.pixel_shuffle(x, 2), ((2, 8, 3, 2),)),
    Case("pixel_unshuffle", lambda x: kn.pixel_unshuffle(x, 3), lambda x: F.pixel_unshuffle(x, 3), ((2, 2, 3, 6),)),
    Case("channel_shuffle", lambda x: kn.channel_shuffle(x, 3), lambda x: F.channel_shuffle(x, 3), ((2, 6, 2, 2),)),
]

CASES = UPSAMPLES + POINTS + MAPS + SHUFFLES
