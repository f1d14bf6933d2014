"""The gradient of convolution by its weights: launches of convdw.cu."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from knetpy import settings
from knetpy.devices import cupy
from knetpy.kernels.cuda.convplan import Geometry, tables
from knetpy.kernels.cuda.launch import C, Module, blocks_for, empty, instances

NARROW, TAPS = 8, 9  # at most so many outputs of a group, or terms, go to narrow_dw(), whose blocks take so many terms
BLOCKS = 512  # that keep a GPU busy: the pixels are split so far; the same on every GPU, so that sums are, too
LEAST = 256  # pixels for a block


class Shape(NamedTuple):
    """Of the tiles that a block makes."""

    rows: int
    columns: int

    def kernel(self, c: str, factor: str) -> str:
        """C++'s name of the instance."""
        return f"tile_dw<{c}, {self.rows}, {self.columns}, {factor}>"

    def threads(self, c: str) -> int:
        """Of a block."""
        return self.rows * self.columns // (16 if c == "double" else 64)


LARGE, SMALL = Shape(128, 128), Shape(64, 64)
_run = Module(
    "convdw",
    [
        *[shape.kernel("float", factor) for shape in (LARGE, SMALL) for factor in ("PLAIN", "TF32", "BF16")],
        *[shape.kernel("Half", "HALF") for shape in (LARGE, SMALL)],
        SMALL.kernel("double", "PLAIN"),
        *instances("{k}>", k=("narrow_dw<float", "narrow_dw<double", "add<float", "add<double", "add<Half")),
    ],
    "tiles.h",
)


def is_narrow(outputs: int, terms: int) -> bool:
    """Whether narrow_dw() makes the weights, of so many terms for each of a group's outputs, not tiles."""
    return outputs <= NARROW or terms <= TAPS


def weigh(how: Geometry, x: Any, dy: Any, dw: Any, factor: str) -> str:
    """Write the gradient by the weights dw (O, C/groups, *window), of dense arrays, into it; return the kernel."""
    c, m, terms = C[x.dtype.char], how.outputs, dw[0].size
    narrow = is_narrow(m, terms)
    shape = Shape(1, TAPS) if narrow else LARGE if c != "double" and m > 64 < terms else SMALL
    pixels, step = how.images * math.prod(how.out), 256 if narrow else 16
    blocks = how.groups * blocks_for(m, shape.rows) * blocks_for(terms, shape.columns)
    splits = min(blocks_for(BLOCKS, blocks), blocks_for(pixels, LEAST))
    each = blocks_for(blocks_for(pixels, splits), step) * step  # pixels for a block
    splits = blocks_for(pixels, each)
    wide = np.float32 if c == "Half" else dw.dtype  # sums of float16 are float32
    together = splits > 1 and not settings.deterministic
    places = 1 if together else splits
    parts = dw if places == 1 and wide == dw.dtype else empty((places, *dw.shape), wide)
    if together:
        parts[...] = 0
    per_split = 0 if together else dw.size  # elements from the sums of some pixels to those of others
    kernel = f"narrow_dw<{c}>" if narrow else shape.kernel(c, factor)
    read, plane = (math.prod(x.shape[1:]), math.prod(x.shape[1:]) // how.groups), math.prod(how.out)
    for t in tables(how.layout(False), 1, cupy().cuda.Device().id):  # each makes other weights
        given = x, dy, parts, t.phases, t.rows, t.terms, t.places, pixels, each, *read
        if narrow:
            grid, sizes = len(dw) * blocks_for(t.valid, TAPS) * splits, (plane * len(dw), plane, m, len(dw), terms)
            _run(kernel, grid, 256, *given, *sizes, per_split)
        else:
            tiles = blocks_for(m, shape.rows) * blocks_for(t.valid, shape.columns)
            _run(kernel, (tiles * splits, how.groups), shape.threads(c), *given, plane, m, terms, per_split)
    if parts is not dw:
        _run(f"add<{c}>", blocks_for(dw.size, 256), 256, parts, dw, places, dw.size)
    return kernel
