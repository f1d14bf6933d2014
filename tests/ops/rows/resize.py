"""Resizing, points of a grid, channels and space."""

import math
from itertools import product

import numpy as np

import knetpy as kn
from knetpy.devices import beside
from tests.ops import naive
from tests.ops.row import Row, Wrong, own

X = np.ones((1, 1, 3, 3))


def hat(d, a=0):
    return max(0.0, 1 - abs(d))


def keys(d, a):
    d = abs(d)
    return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d < 1 else a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def kept(i, n):
    return min(max(i, 0), n - 1)


def along_one(n, m, i, factor, mode, align_corners, antialias):
    """[(index, weight)] of what element i of m is made of, of n."""
    step = (n - 1) / max(m - 1, 1) if align_corners else 1 / factor if factor else n / m
    if mode.startswith("nearest"):
        return [(kept(math.floor((i + (mode == "nearest_exact") / 2) * step), n), 1.0)]
    kernel, reach = (keys, 2) if mode == "bicubic" else (hat, 1)
    if n == m and (antialias or mode != "bicubic"):
        return [(i, 1.0)]
    if antialias:
        wide = max(step, 1.0)
        near = [(k, kernel((k + 0.5 - (i + 0.5) * step) / wide, -0.5)) for k in range(n)]
        return [(k, w / math.fsum(w for _, w in near)) for k, w in near]
    at = i * step if align_corners else (i + 0.5) * step - 0.5
    around = range(math.floor(at) - reach + 1, math.floor(at) + reach + 1)
    return [(kept(k, n), kernel(at - k, -0.75)) for k in around]


def upsample(x, scale=None, *, size=None, mode="nearest", align_corners=False, antialias=False):
    old = x.shape[2:]
    factors = scale if isinstance(scale, tuple) else (scale,) * len(old)
    size = size if size is not None else tuple(math.floor(n * f) for n, f in zip(old, factors))
    size = size if isinstance(size, tuple) else (size,) * len(old)
    if mode == "area":
        return naive.adaptive_pool(x, size)
    y = np.zeros((*x.shape[:2], *size), x.dtype)
    for place in product(*map(range, size)):
        parts = [along_one(n, m, i, f, mode, align_corners, antialias) for n, m, i, f in zip(old, size, place, factors)]
        for entry in product(*parts):
            y[(..., *place)] += x[(..., *(k for k, _ in entry))] * x.dtype.type(math.prod(w for _, w in entry))
    return y


def mirrored(at, n, align_corners):
    low, high = (0, n - 1) if align_corners else (-0.5, n - 0.5)
    while low < high and not low <= at <= high:
        at = 2 * low - at if at < low else 2 * high - at
    return at if low < high else 0.0


def moved(at, n, padding_mode, align_corners):
    if padding_mode == "reflection":
        at = mirrored(at, n, align_corners)
    return at if padding_mode == "zeros" else min(max(at, 0), n - 1)


def around(at, n, mode, padding_mode, align_corners):
    """[(index, weight)] of what is taken at a coordinate from -1 to 1."""
    at = (at + 1) / 2 * (n - 1) if align_corners else ((at + 1) * n - 1) / 2
    if mode == "bicubic":
        first = math.floor(at)
        near = range(first - 1, first + 3)
        return [(int(moved(k, n, padding_mode, align_corners)), keys(at - k, -0.75)) for k in near]
    at = moved(at, n, padding_mode, align_corners)
    first = math.floor(at)
    return [(round(at), 1.0)] if mode == "nearest" else [(k, hat(at - k)) for k in (first, first + 1)]


def grid_sample(x, grid, *, mode="bilinear", padding_mode="zeros", align_corners=False):
    y = np.zeros((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    for place in np.ndindex(*grid.shape[:-1]):
        points = [float(v) for v in grid[place]][::-1]
        parts = [around(at, n, mode, padding_mode, align_corners) for at, n in zip(points, x.shape[2:])]
        for entry in product(*parts):
            index = [k for k, _ in entry]
            if all(0 <= k < n for k, n in zip(index, x.shape[2:])):
                weight = x.dtype.type(math.prod(w for _, w in entry))
                y[(place[0], slice(None), *place[1:])] += x[(place[0], slice(None), *index)] * weight
    return y


def affine_grid(theta, size, align_corners=False):
    y = np.zeros((size[0], *size[2:], len(size) - 2), theta.dtype)
    for n, *place in product(*map(range, (size[0], *size[2:]))):
        ends = [1 if align_corners else (m - 1) / m for m in size[2:]]
        at = [0.0 if m == 1 else e * (2 * i / (m - 1) - 1) for i, m, e in zip(place, size[2:], ends)]
        y[(n, *place)] = [math.fsum(t * v for t, v in zip(row, [*at[::-1], 1.0])) for row in theta[n]]
    return y


def pixel_shuffle(x, factor):
    axes = x.ndim - 2
    y = np.zeros((len(x), x.shape[1] // factor**axes, *[n * factor for n in x.shape[2:]]), x.dtype)
    for n, c, *at in np.ndindex(*y.shape):
        channel = c
        for a in at:
            channel = channel * factor + a % factor
        y[(n, c, *at)] = x[(n, channel, *(a // factor for a in at))]
    return y


def pixel_unshuffle(x, factor):
    axes = x.ndim - 2
    y = np.zeros((len(x), x.shape[1] * factor**axes, *[n // factor for n in x.shape[2:]]), x.dtype)
    for n, c, *at in np.ndindex(*x.shape):
        channel = c
        for a in at:
            channel = channel * factor + a % factor
        y[(n, channel, *(a // factor for a in at))] = x[(n, c, *at)]
    return y


def channel_shuffle(x, groups):
    size = x.shape[1] // groups
    return np.stack([x[:, g * size + k] for k in range(size) for g in range(groups)], 1)


def sampled(mode, padding_mode, align_corners, shapes):
    """A row for points of which some lie outside, and none near a kink."""

    def points(x, grid):
        sizes = np.array(x.shape[:1:-1])
        spread = np.arange(math.prod(grid.shape)).reshape(grid.shape) % (sizes + 2) - 0.5 * (mode != "nearest")
        at = (
            beside(spread.astype(grid.dtype), grid) + grid * 0.3
        )  # half way between elements; for "nearest" at elements
        ends = beside((sizes - align_corners).clip(1).astype(grid.dtype), grid)
        return (at * 2 + (not align_corners)) / ends - 1

    how = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    return Row(
        f"grid_sample {mode} {padding_mode} {align_corners} {len(shapes[0]) - 2}-d",
        kn.grid_sample,
        lambda x, grid: kn.grid_sample(x, points(x, grid), **how),
        shapes,
        "any unit",
        lambda x, grid: grid_sample(x, points(x, grid), **how),
        exact=False,
        edges=(((0, 1, 2, 2), (0, 1, 1, 2)), ((1, 2, 1, 1), (1, 0, 2, 2))) if shapes is PLAIN else (),
        special=False,
    )


PLAIN = ((2, 2, 3, 4), (2, 2, 1, 2))
SOLID = ((1, 2, 2, 3, 2), (1, 1, 2, 2, 3))
POINTS = [
    *[(mode, padding_mode, False, PLAIN) for mode in ("bilinear", "bicubic")
      for padding_mode in ("zeros", "border", "reflection")],
    ("bilinear", "reflection", True, PLAIN),
    ("bicubic", "reflection", True, PLAIN),
    ("bilinear", "zeros", True, SOLID),
    ("bilinear", "border", False, SOLID),
    ("nearest", "zeros", False, PLAIN),
    ("nearest", "reflection", False, SOLID),
]  # fmt: skip

ROWS = [
    *[
        own(f"upsample {mode} {name}", kn.upsample, upsample, (shape,), special=False, edges=edges,
            options={"mode": mode, **how})
        for mode, name, shape, how, edges in (
            ("nearest", "1-d", (2, 2, 3), {"scale": 2}, (((0, 2, 3),), ((1, 1, 1),))),
            ("nearest", "2-d", (1, 2, 3, 5), {"size": (5, 2)}, ()),
            ("nearest", "3-d", (1, 1, 2, 1, 3), {"scale": (1.5, 3, 0.7)}, ()),
            ("nearest_exact", "2-d", (1, 2, 3, 5), {"size": (5, 2)}, ()),
            ("linear", "1-d", (2, 2, 3), {"scale": 2}, (((0, 2, 3),), ((1, 1, 1),))),
            ("linear", "corners", (1, 1, 4), {"size": 7, "align_corners": True}, ()),
            ("linear", "2-d", (1, 1, 3, 4), {"size": (5, 4)}, ()),
            ("linear", "antialias", (1, 1, 7), {"size": 3, "antialias": True}, ()),
            ("bilinear", "scale", (1, 2, 3, 4), {"scale": (2.3, 0.6)}, ()),
            ("bilinear", "corners", (1, 1, 3, 4), {"size": (1, 6), "align_corners": True}, ()),
            ("bilinear", "antialias", (1, 1, 6, 3), {"scale": (0.4, 2), "antialias": True}, ()),
            ("trilinear", "3-d", (1, 1, 2, 3, 2), {"size": (3, 2, 4)}, ()),
            ("bicubic", "larger", (1, 1, 2, 3), {"scale": 2}, (((1, 0, 2, 2),), ((1, 1, 1, 1),))),
            ("bicubic", "corners", (1, 1, 4, 3), {"size": (3, 5), "align_corners": True}, ()),
            ("bicubic", "antialias", (1, 1, 6, 3), {"size": (2, 5), "antialias": True}, ()),
            ("area", "2-d", (1, 2, 5, 4), {"size": (2, 6)}, ()),
        )
    ],
    *[sampled(*how) for how in POINTS],
    *[
        own(f"affine_grid {name}", kn.affine_grid, affine_grid, shapes, special=False, options=how)
        for name, shapes, how in (
            ("2-d", ((2, 2, 3),), {"size": (2, 1, 3, 2)}),
            ("3-d", ((1, 3, 4),), {"size": (1, 2, 2, 1, 3)}),
            ("corners", ((2, 2, 3),), {"size": (2, 1, 3, 2), "align_corners": True}),
        )
    ],
    own("pixel_shuffle", kn.pixel_shuffle, pixel_shuffle, ((2, 8, 2, 3),), options={"factor": 2},
        edges=(((0, 4, 1, 1),), ((1, 4, 0, 2),)), special=False),
    own("pixel_shuffle 1-d", kn.pixel_shuffle, pixel_shuffle, ((1, 6, 2),), options={"factor": 3}, special=False),
    own("pixel_unshuffle", kn.pixel_unshuffle, pixel_unshuffle, ((1, 2, 4, 6),), options={"factor": 2},
        edges=(((0, 1, 2, 2),),), special=False),
    own("pixel_unshuffle 3-d", kn.pixel_unshuffle, pixel_unshuffle, ((1, 2, 2, 4, 2),), options={"factor": 2},
        special=False),
    own("channel_shuffle", kn.channel_shuffle, channel_shuffle, ((2, 6, 2),), options={"groups": 3},
        edges=(((0, 3),), ((1, 3, 0, 2),)), special=False),
]  # fmt: skip


def refused(name, f, shapes, error, *facts):
    return Wrong(name, f, shapes, error, facts, True)


IMAGE, GRID = ((1, 1, 4, 4),), ((1, 1, 4, 4), (1, 2, 2, 2))
WRONG = [
    refused("upsample axes", lambda x: kn.upsample(x, 2), ((3, 3),), kn.ShapeError, "(3, 3)", "(N, C, *S)"),
    refused("upsample empty", lambda x: kn.upsample(x, 2), ((1, 1, 0),), kn.ShapeError, "(1, 1, 0)", "empty"),
    refused("upsample nothing", kn.upsample, IMAGE, ValueError, "scale or size"),
    refused("upsample both", lambda x: kn.upsample(x, 2, size=8), IMAGE, ValueError, "scale=2", "size=8"),
    refused("upsample size", lambda x: kn.upsample(x, size=0), IMAGE, ValueError, "size", "0"),
    refused("upsample sizes", lambda x: kn.upsample(x, size=(1, 2, 3)), IMAGE, ValueError, "2 of them", "(1, 2, 3)"),
    refused("upsample size 2.0", lambda x: kn.upsample(x, size=2.0), IMAGE, ValueError, "size", "2.0"),
    refused("upsample scale", lambda x: kn.upsample(x, -1), IMAGE, ValueError, "scale", "-1"),
    refused("upsample scale NaN", lambda x: kn.upsample(x, np.nan), IMAGE, ValueError, "scale", "nan"),
    refused("upsample scale word", lambda x: kn.upsample(x, ("a", 1)), IMAGE, TypeError, "scale", "'a'"),
    refused("upsample scales", lambda x: kn.upsample(x, (1, 2, 3)), IMAGE, ValueError, "2 of them", "(1, 2, 3)"),
    refused("upsample scale set", lambda x: kn.upsample(x, {2, 3}), IMAGE, TypeError, "scale", "{2, 3}"),
    refused("upsample to too much", lambda x: kn.upsample(x, 1e308), IMAGE, ValueError, "scale=1e+308", "2**31"),
    refused("upsample align_corners", lambda x: kn.upsample(x, 2, mode="linear", align_corners="no"), IMAGE, TypeError,
            "align_corners must be True or False", "'no'"),
    refused("grid_sample align_corners", lambda x: kn.grid_sample(x, np.zeros((1, 1, 1, 2)), align_corners=None),
            IMAGE, TypeError, "align_corners", "None"),
    refused("upsample to nothing", lambda x: kn.upsample(x, 0.1), IMAGE, ValueError, "scale=0.1", "[0.4, 0.4]"),
    refused("upsample mode", lambda x: kn.upsample(x, 2, mode="cubic"), IMAGE, ValueError, "'cubic'", '"bicubic"'),
    refused("upsample trilinear", lambda x: kn.upsample(x, 2, mode="trilinear"), IMAGE, kn.ShapeError,
            '"trilinear"', "3 spatial axes", "(1, 1, 4, 4)"),
    refused("upsample corners", lambda x: kn.upsample(x, 2, align_corners=True), IMAGE, ValueError,
            "align_corners", '"nearest"'),
    refused("grid_sample axes", kn.grid_sample, ((1, 1, 4), (1, 2, 1)), kn.ShapeError, "(1, 1, 4)", "(1, 2, 1)"),
    refused("grid_sample points", kn.grid_sample, ((1, 1, 4, 4), (1, 2, 2, 3)), kn.ShapeError, "(1, 2, 2, 3)"),
    refused("grid_sample images", kn.grid_sample, ((2, 1, 4, 4), (1, 2, 2, 2)), kn.ShapeError, "(2, 1, 4, 4)"),
    refused("grid_sample empty", kn.grid_sample, ((1, 1, 0, 4), (1, 2, 2, 2)), kn.ShapeError, "empty"),
    refused("grid_sample mode", lambda x, g: kn.grid_sample(x, g, mode="linear"), GRID, ValueError, "'linear'"),
    refused("grid_sample padding", lambda x, g: kn.grid_sample(x, g, padding_mode="zero"), GRID, ValueError, "'zero'"),
    refused("grid_sample bicubic", lambda x, g: kn.grid_sample(x, g, mode="bicubic"),
            ((1, 1, 2, 2, 2), (1, 1, 1, 1, 3)), kn.ShapeError, "two spatial axes"),
    refused("affine_grid", lambda t: kn.affine_grid(t, (1, 1, 2, 2)), ((1, 3, 4),), kn.ShapeError, "(1, 3, 4)"),
    refused("affine_grid size", lambda t: kn.affine_grid(t, 3), ((1, 2, 3),), kn.ShapeError, "3", "(1, 2, 3)"),
    refused("affine_grid images", lambda t: kn.affine_grid(t, (2, 1, 2, 2)), ((1, 2, 3),), kn.ShapeError, "2 images"),
    refused("pixel_shuffle axes", lambda x: kn.pixel_shuffle(x, 2), ((4, 4),), kn.ShapeError, "(4, 4)"),
    refused("pixel_shuffle channels", lambda x: kn.pixel_shuffle(x, 2), ((1, 6, 1, 1),), kn.ShapeError, "6 channels"),
    refused("pixel_shuffle factor", lambda x: kn.pixel_shuffle(x, 0), IMAGE, ValueError, "factor", "0"),
    refused("pixel_unshuffle", lambda x: kn.pixel_unshuffle(x, 3), IMAGE, kn.ShapeError, "factor=3", "(1, 1, 4, 4)"),
    refused("channel_shuffle", lambda x: kn.channel_shuffle(x, 3), IMAGE, kn.ShapeError, "groups=3", "(1, 1, 4, 4)"),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "upsample": (lambda: kn.upsample(X.astype(int), 2), ("upsample: x has dtype int64",)),
    "grid_sample": (lambda: kn.grid_sample(X, X.astype("f4")), ("x has dtype float64", "grid has float32")),
    "pixel_shuffle": (lambda: kn.pixel_shuffle(X.astype(int), 1), ("pixel_shuffle: x has dtype int64",)),
}  # fmt: skip
