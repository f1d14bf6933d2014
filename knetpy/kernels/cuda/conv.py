"""Convolution, its input gradient, which is the transposed convolution, and its weight gradient: launches of conv.cu.

convplan.py makes the tables that the kernels read, convdw.py launches what makes the weight gradient.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any, NamedTuple

from knetpy import settings
from knetpy.devices import cupy
from knetpy.kernels.cuda import convdw
from knetpy.kernels.cuda.convplan import Geometry, Tables, geometry, tables
from knetpy.kernels.cuda.launch import C, Module, blocks_for, dense, empty, instances, widened
from knetpy.kernels.cuda.matmul import product
from knetpy.kernels.dispatch import kernel
from knetpy.kernels.reference import conv as reference

RELU, MORE, BESIDE = 1, 2, 4  # flags of the kernels
NARROW, SPOTS = 8, 512  # at most so many outputs of a group go to narrow(), whose blocks take so many pixels
PHASES = 2048  # the gradient by x of a larger stride has too many kinds of pixels for tables of each


class Shape(NamedTuple):
    """Of the tiles that a block makes."""

    rows: int
    pixels: int
    depth: int
    rate: float  # of multiplications, where enough blocks run beside each other, as a part of the best

    tensor: bool = False

    def kernel(self, c: str) -> str:
        """C++'s name of the instance."""
        return f"tile<{c}, {self.rows}, {self.pixels}, {self.depth}, {str(self.tensor).lower()}>"

    def threads(self, c: str) -> int:
        """Of a block."""
        return self.rows * self.pixels // (64 if c == "float" else 16)


FLOAT = [Shape(128, 128, 8, 1.0), Shape(64, 128, 8, 0.9), Shape(32, 256, 8, 0.8), Shape(64, 64, 8, 0.75)]
DOUBLE = [Shape(64, 64, 8, 1.0)]
TENSOR = [Shape(128, 128, 16, 1.0, True), Shape(64, 128, 16, 0.8, True)]

_run = Module(
    "conv",
    [
        *[shape.kernel("float") for shape in (*FLOAT, *TENSOR)],
        *[shape.kernel("double") for shape in DOUBLE],
        "narrow<float, 4>",
        *instances("{k}>", k=("narrow<float, 1", "narrow<double, 1", "pack<float", "pack<double")),
    ],
    "tiles.h",
)  # fmt: skip


def floats(x: Any, axes: int) -> bool:
    """Whether kernels serve arrays of this dtype and so many spatial axes: the reference is for integers, say."""
    return x.dtype.char in "fd" and 1 <= axes <= 3


@widened
def conv(x, w, bias=None, *, stride, padding, dilation, groups, activation=None):
    """Launch as the reference computes."""
    steps = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    size, window = x.shape[2:], w.shape[2:]
    out = tuple([
        (s + sum(p) - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in zip(size, padding, dilation, window, stride)
    ])  # fmt: skip
    how = geometry(x.shape, w.shape, size, out, **steps)
    if how.large or not floats(x, len(size)):
        return reference.conv(x, w, bias, **steps, activation=activation)
    shape = (len(x), len(w), *out)
    if how.product and not _tensor(x):
        y = _product(dense(w).reshape(len(w), -1).astype(x.dtype, copy=False), x, shape)
        return y if bias is None and not activation else _finished(y, bias, activation)
    return _gathered(how, False, x, w, bias, activation, shape)


@widened
def conv_dx(dy, w, *, size, stride, padding, dilation, groups):
    """Launch as the reference computes."""
    steps = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    how = geometry(dy.shape, w.shape, size, dy.shape[2:], **steps)
    if how.large or math.prod(map(min, how.stride, how.size)) > PHASES or not floats(dy, len(size)):
        return reference.conv_dx(dy, w, size=size, **steps)
    shape = (len(dy), w.shape[1] * groups, *size)
    if how.product and not _tensor(dy):
        return _product(dense(w).reshape(len(w), -1).astype(dy.dtype, copy=False).T, dy, shape)
    return _gathered(how, True, dy, w, None, None, shape)


@widened
def conv_dw(x, dy, *, window, stride, padding, dilation, groups):
    """Launch as the reference computes."""
    steps = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    dw = empty((dy.shape[1], x.shape[1] // groups, *window), x.dtype)
    how = geometry(x.shape, dw.shape, x.shape[2:], dy.shape[2:], **steps)
    if how.large or not floats(x, len(window)):
        return reference.conv_dw(x, dy, window=window, **steps)
    if not x.size or not dy.size:
        dw[...] = 0
    elif dw.size:
        convdw.weigh(how, dense(x), dense(dy.astype(x.dtype, copy=False)), dw, _tensor(x))
    return dw


def _product(matrix: Any, x: Any, shape: tuple[int, ...]) -> Any:
    columns = dense(x).reshape(len(x), matrix.shape[1], math.prod(x.shape[2:]))
    return product(matrix, columns).reshape(shape)


def _finished(y: Any, bias: Any, activation: str | None) -> Any:
    bias = cupy().zeros(y.shape[1], y.dtype) if bias is None else bias
    return kernel("bias", "forward")(y, bias.astype(y.dtype, copy=False), activation, axis=1)


def _gathered(how: Geometry, back: bool, x: Any, w: Any, bias: Any, activation: str | None, shape: tuple) -> Any:
    x, w, y = dense(x), dense(w.astype(x.dtype, copy=False)), empty(shape, x.dtype)
    bias = None if bias is None else dense(bias.astype(x.dtype, copy=False))
    if not y.size:
        return y
    c, taps = C[x.dtype.char], math.prod(how.window)
    kind, launches = _plan(how, back, c, _tensor(x), cupy().cuda.Device().id)
    m = how.channels if back else how.outputs
    weights = how.outputs * how.channels * taps, taps if back else how.channels * taps  # between groups, and outputs
    for i, t in enumerate(launches):
        last = i == len(launches) - 1
        flags = (RELU if activation and last else 0) | (MORE if i else 0) | (BESIDE if t.beside else 0)
        given = c, t, how, m, weights, x, w, bias if last else None, y, flags
        _narrow(*given) if kind is None else _tiles(kind, *given)
    return y


def _narrow(c, t, how, m, weights, x, w, bias, y, flags):
    each, plane = 4 if m > 1 and c == "float" else 1, math.prod(y.shape[2:])
    read = math.prod(x.shape[1:]), math.prod(x.shape[1:]) // how.groups
    _run(
        f"narrow<{c}, {each}>", t.tiles * how.groups * blocks_for(m, each), 128, x, w, bias, y,
        t.phases, t.rows, t.terms, t.places, how.images, *read, plane * m * how.groups, plane, *weights, m, how.groups,
        flags,
    )  # fmt: skip


def _tiles(kind, c, t, how, m, weights, x, w, bias, y, flags):
    wide, rows = blocks_for(m, kind.rows) * kind.rows, len(t.terms)
    packed = empty((how.groups, rows, wide), x.dtype)
    turned = blocks_for(rows, 32) * (wide // 32)
    _run(f"pack<{c}>", (turned, how.groups), 256, w, t.terms, packed, *weights, m, wide, rows)
    read = math.prod(x.shape[1:]), math.prod(x.shape[1:]) // how.groups
    _run(
        kind.kernel(c), (t.tiles * (wide // kind.rows), how.groups), kind.threads(c), x, packed, bias, y,
        t.phases, t.rows, t.places, how.images, *read, math.prod(y.shape[2:]), m, wide, rows, flags,
    )  # fmt: skip


@lru_cache(maxsize=512)
def _plan(how: Geometry, back: bool, c: str, tensor: bool, device: int) -> tuple[Shape | None, tuple[Tables, ...]]:
    """The shape of tiles, None for narrow(), and the tables of each launch."""
    layout, m = how.layout(back), how.channels if back else how.outputs
    if m <= NARROW:
        return None, tables(layout, SPOTS, device)
    pixels = [how.images * math.prod([axis.places for axis in phase]) for phase in layout.phases]
    kind = best(TENSOR if tensor else FLOAT if c == "float" else DOUBLE, m, pixels, how.groups, c)
    return kind, tables(layout, kind.pixels, device)


def best(shapes: list[Shape], m: int, pixels: list[int], groups: int, c: str) -> Shape:
    """The shape whose blocks take the least time on a model of a GPU: 132 multiprocessors, each busy with 4 warps."""

    def time(shape: Shape) -> float:
        tiles = sum([blocks_for(p, shape.pixels) for p in pixels])
        blocks = blocks_for(groups * blocks_for(m, shape.rows) * tiles, 132)  # of the busiest
        return blocks * shape.rows * shape.pixels / (shape.rate * min(1, blocks * shape.threads(c) / 128))

    return min(shapes, key=time)


def _tensor(x: Any) -> bool:
    """Whether tensor cores are asked for, and can be had."""
    return settings.tf32 and x.dtype.char == "f" and _capability(cupy().cuda.Device().id) >= 80


@cache
def _capability(device: int) -> int:
    return int(cupy().cuda.Device(device).compute_capability)
