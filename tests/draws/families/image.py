"""Images resized, sampled, shuffled, padded, and taken apart into windows."""

import math

import knetpy as kn
from tests.draws.draw import Draw
from tests.ops.peer import F
from tests.ops.peers.pad import NAMES

ROOM = {1: 40, 2: 14, 3: 6}  # how long a spatial axis is, at most


def _image(dice, axes):
    size = [dice.integer(1, ROOM[axes]) for _ in range(axes)]
    return dice.array((dice.size(4), dice.size(8, empty=0), *size), dice.dtype())


def upsample(dice):
    """By size or scale; PyTorch takes a scale that keeps a length or doubles it for exactly 1 or 2 (see docstring)."""
    axes, mode = dice.pick(1, 2, 2, 3), dice.pick("nearest", "nearest_exact", "linear", "bicubic", "area")
    axes = 2 if mode == "bicubic" else axes
    smooth = mode in ("linear", "bicubic")
    how = {"align_corners": dice.chance(0.5), "antialias": axes == 2 and dice.chance(0.4)} if smooth else {}
    x = _image(dice, axes)
    name = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}[axes]}.get(mode, mode.replace("_", "-"))
    scale = tuple(dice.pick(0.5, 1.0, 1.7137, 2.0, 2.3171, 3.0) for _ in range(axes)) if dice.chance(0.4) else None
    size = None if scale else tuple(dice.integer(1, 2 * n + 2) for n in x.shape[2:])
    new = size or [math.floor(n * f) for n, f in zip(x.shape[2:], scale)]
    if scale and any(n in (0, m, 2 * m) and f not in (1, 2) for n, m, f in zip(new, x.shape[2:], scale)):
        return None
    if how.get("antialias") and new[1] == 1:  # there PyTorch's result depends on the number of channels
        return None
    return Draw(
        f"upsample {mode} size={size} scale={scale} {how}",
        lambda x: kn.upsample(x, scale, size=size, mode=mode, **how),
        lambda x: F.interpolate(x, size, scale, name, how.get("align_corners"), None, how.get("antialias", False)),
        [x],
        special=False,  # what has weight 0 is left out
    )


def grid_sample(dice):
    axes = dice.pick(2, 2, 3)
    mode = dice.pick("bilinear", "nearest", "bicubic") if axes == 2 else dice.pick("bilinear", "nearest")
    how = {"padding_mode": dice.pick("zeros", "border", "reflection"), "align_corners": dice.chance(0.5)}
    x = _image(dice, axes)
    if how["padding_mode"] == "reflection" and how["align_corners"] and 1 in x.shape[2:]:  # no room to reflect in
        return None
    grid = dice.array((x.shape[0], *[dice.integer(1, 7) for _ in range(axes)], axes), x.dtype, 0.8)
    return Draw(
        f"grid_sample {mode} {how}",
        lambda x, grid: kn.grid_sample(x, grid, mode=mode, **how),
        lambda x, grid: F.grid_sample(x, grid, mode, **how),
        [x, grid],
        special=False,
        ties=False,  # at the centres of elements there are two slopes
        slack=10,  # positions are differences of near numbers
    )


def affine_grid(dice):
    axes, align, n = dice.pick(2, 3), dice.chance(0.5), dice.size(4, empty=0)
    size = (n, 1, *[dice.integer(1, 9) for _ in range(axes)])
    return Draw(
        f"affine_grid {size} {align}",
        lambda theta: kn.affine_grid(theta, size, align),
        lambda theta: F.affine_grid(theta, size, align_corners=align),
        [dice.array((n, axes, axes + 1), dice.dtype())],
        special=False,  # PyTorch's middle of a line is 5e-17, not 0: times infinity not NaN
    )


def _shuffled(ours, theirs, shape):
    def draw(dice):
        n, c, h, w, factor = [dice.size(8, empty=0) for _ in range(4)] + [dice.integer(1, 4)]
        x = dice.array(shape(n, c, h, w, factor), dice.dtype())
        return Draw(f"factor {factor}", lambda x: ours(x, factor), lambda x: theirs(x, factor), [x])

    return draw


def pad(dice):
    axes, mode = dice.pick(1, 2, 3), dice.pick(*NAMES)
    x = _image(dice, axes)
    most = {"reflect": -1, "wrap": 0}.get(mode, 5)
    pairs = [(dice.integer(0, min(n + most, 6)), dice.integer(0, min(n + most, 6))) for n in x.shape[2:]]
    value = {"constant_values": dice.pick(0, 3)} if mode == "constant" else {}
    return Draw(
        f"pad {mode} {pairs} {value}",
        lambda x: kn.pad(x, [(0, 0), (0, 0), *pairs], mode, **value),
        lambda x: F.pad(x, [n for pair in reversed(pairs) for n in pair], NAMES[mode], *value.values()),
        [x],
    )


def _windows(dice):
    """(x, window, options): PyTorch has them for two spatial axes."""
    window = dice.picks(2, 1, 2, 3)
    how = {"stride": dice.picks(2, 1, 2, 3), "padding": dice.picks(2, 0, 0, 1, 2), "dilation": dice.picks(2, 1, 1, 2)}
    how, x = {k: tuple(v) for k, v in how.items()}, _image(dice, 2)
    room = [n + 2 * p - d * (k - 1) for n, k, p, d in zip(x.shape[2:], window, how["padding"], how["dilation"])]
    return (x, tuple(window), how, [(n - 1) // t + 1 for n, t in zip(room, how["stride"])]) if min(room) > 0 else None


def unfold(dice):
    drawn = _windows(dice)
    if drawn is None:
        return None
    x, window, how, _ = drawn
    return Draw(
        f"unfold {window} {how}", lambda x: kn.unfold(x, window, **how), lambda x: F.unfold(x, window, **how), [x]
    )


def fold(dice):
    drawn = _windows(dice)
    if drawn is None:
        return None
    image, window, how, places = drawn
    (n, c), size = image.shape[:2], image.shape[2:]
    return Draw(
        f"fold {size} {window} {how}",
        lambda x: kn.fold(x, size, window, **how),
        lambda x: F.fold(x, size, window, **how),
        [dice.array((n, c * math.prod(window), math.prod(places)), image.dtype)],
    )


FAMILIES = {
    "upsample": upsample,
    "grid_sample": grid_sample,
    "affine_grid": affine_grid,
    "pixel_shuffle": _shuffled(kn.pixel_shuffle, F.pixel_shuffle, lambda n, c, h, w, r: (n, c * r * r, h, w)),
    "pixel_unshuffle": _shuffled(kn.pixel_unshuffle, F.pixel_unshuffle, lambda n, c, h, w, r: (n, c, h * r, w * r)),
    "channel_shuffle": _shuffled(kn.channel_shuffle, F.channel_shuffle, lambda n, c, h, w, r: (n, c * r, h, w)),
    "pad": pad,
    "unfold": unfold,
    "fold": fold,
}
