"""The gradient of convolution by its weights: launches of convdw.cu."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

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

    def kernel(self, c: str, tensor: bool) -> str:
        """C++'s name of the instance."""
        return f"tile_dw<{c}, {self.rows}, {self.columns}, {str(tensor).lower()}>"

    def threads(self, c: str) -> int:
        """Of a block."""
        return self.rows * self.columns // (64 if c == "float" else 16)


LARGE, SMALL = Shape(128, 128), Shape(64, 64)
_run = Module(
    "convdw",
    [
        *[shape.kernel("float", tensor) for shape in (LARGE, SMALL) for tensor in (False, True)],
        SMALL.kernel("double", False),
        *instances("{k}<{T}>", k=("narrow_dw", "add"), T=("float", "double")),
    ],
    "tiles.h",
)


def weigh(how: Geometry, x: Any, dy: Any, dw: Any, tensor: bool) -> None:
    """Write the gradient by the weights dw (O, C/groups, *window), of dense arrays, into it."""
    c, m, terms = C[x.dtype.char], how.outputs, dw[0].size
    narrow = m <= NARROW or terms <= TAPS
    shape = Shape(1, TAPS) if narrow else LARGE if c == "float" and m > 64 < terms else SMALL
    pixels, step = how.images * math.prod(how.out), 256 if narrow else 8
    blocks = how.groups * blocks_for(m, shape.rows) * blocks_for(terms, shape.columns)
    splits = min(blocks_for(BLOCKS, blocks), blocks_for(pixels, LEAST))
    each = blocks_for(blocks_for(pixels, splits), step) * step  # pixels for a block
    splits = blocks_for(pixels, each)
    parts = dw if splits == 1 else empty((splits, *dw.shape), dw.dtype)
    read, plane = (math.prod(x.shape[1:]), math.prod(x.shape[1:]) // how.groups), math.prod(how.out)
    for t in tables(how.layout(False), 1, cupy().cuda.Device().id):  # each makes other weights
        given = x, dy, parts, t.phases, t.rows, t.terms, t.places, pixels, each, *read
        if narrow:
            grid, sizes = len(dw) * blocks_for(t.valid, TAPS) * splits, (plane * len(dw), plane, m, len(dw), terms)
            _run(f"narrow_dw<{c}>", grid, 256, *given, *sizes)
        else:
            tiles = blocks_for(m, shape.rows) * blocks_for(t.valid, shape.columns)
            _run(shape.kernel(c, tensor), (tiles * splits, how.groups), shape.threads(c), *given, plane, m, terms)
    if splits > 1:
        _run(f"add<{c}>", blocks_for(dw.size, 256), 256, parts, dw, splits, dw.size)
