"""Convolution, its input gradient, which is the transposed convolution, and its weight gradient: launches of conv.cu.

convplan.py makes the tables that the kernels read, convdw.py launches what makes the weight gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from typing import Any, NamedTuple

import numpy as np

from knetpy import settings
from knetpy.devices import cupy
from knetpy.kernels.cuda import convdw
from knetpy.kernels.cuda.convplan import BITS, Geometry, Tables, geometry, tables
from knetpy.kernels.cuda.launch import C, Module, blocks_for, dense, empty, instances, widened
from knetpy.kernels.cuda.matmul import product
from knetpy.kernels.dispatch import kernel, launched
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

    factor: str = "PLAIN"

    def kernel(self, c: str) -> str:
        """C++'s name of the instance."""
        return f"tile<{c}, {self.rows}, {self.pixels}, {self.depth}, {self.factor}>"

    def threads(self, c: str) -> int:
        """Of a block."""
        return self.rows * self.pixels // (16 if c == "double" else 64)

    @property
    def per(self) -> int:
        """How many terms a word of the packed weights has."""
        return PER.get(self.factor, 1)


FLOAT = [Shape(128, 128, 8, 1.0), Shape(64, 128, 8, 0.9), Shape(32, 256, 8, 0.8), Shape(64, 64, 8, 0.75)]
DOUBLE = [Shape(64, 64, 8, 1.0)]
PER = {"BF16": 2, "HALF": 2}
TENSOR = {
    factor: [Shape(rows, 128, 16 * PER.get(factor, 1), rate, factor) for rows, rate in ((128, 1.0), (64, 0.8))]
    for factor in ("TF32", "BF16", "HALF")
}
ROUNDED = {"tf32": "TF32", "bfloat16": "BF16"}  # what becomes of float32's factors, by `kn.kernels.tensor_cores`

_run = Module(
    "conv",
    [
        *[shape.kernel("float") for shape in (*FLOAT, *TENSOR["TF32"], *TENSOR["BF16"])],
        *[shape.kernel("Half") for shape in TENSOR["HALF"]],
        *[shape.kernel("double") for shape in DOUBLE],
        "narrow<float, 4>",
        *instances("{k}>", k=("narrow<float, 1", "narrow<double, 1", "pack<double, PLAIN", "pack<Half, HALF")),
        *instances("pack<float, {f}>", f=("PLAIN", "TF32", "BF16")),
    ],
    "tiles.h",
)  # fmt: skip


def served(x: Any, axes: int) -> bool:
    """Whether kernels serve arrays of this dtype and so many spatial axes: the reference is for integers, say."""
    return x.dtype.char in "efd" and 1 <= axes <= 3


def _halves(*arrays: Any, outputs: int, window: tuple[int, ...]) -> bool:
    """Whether tensor cores multiply float16: many outputs of a group, by one launch, as y would be rounded by each."""
    return (
        settings.tensor_cores != "off"
        and all([a is None or a.dtype == np.float16 for a in arrays])
        and outputs > NARROW
        and sum(window) <= BITS
    )


def _or_widened(halves: Callable) -> Callable:
    """Decorate a launch: float16 stays as it is where `halves` of the arguments is true, and is widened elsewhere."""

    def decorate(launch: Callable) -> Callable:
        wide = widened(launch)

        @wraps(launch)
        def serve(*args: Any, **options: Any) -> Any:
            return (launch if halves(*args, **options) else wide)(*args, **options)

        return serve

    return decorate


@_or_widened(
    lambda x, w, bias=None, *, groups, **_: _halves(x, w, bias, outputs=len(w) // groups, window=w.shape[2:])
)  # fmt: skip
def conv(x, w, bias=None, *, stride, padding, dilation, groups, activation=None):
    """Launch as the reference computes."""
    steps = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    size, window = x.shape[2:], w.shape[2:]
    out = tuple([
        (s + sum(p) - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in zip(size, padding, dilation, window, stride)
    ])  # fmt: skip
    how = geometry(x.shape, w.shape, size, out, **steps)
    if how.large or not served(x, len(size)):
        return _reference("conv", x, w, bias, **steps, activation=activation)
    shape = (len(x), len(w), *out)
    if how.product and _factor(x) == "PLAIN":
        y = _product("conv", dense(w).reshape(len(w), -1).astype(x.dtype, copy=False), x, shape)
        return y if bias is None and not activation else _finished(y, bias, activation)
    return _gathered(how, False, x, w, bias, activation, shape)


@_or_widened(lambda dy, w, **_: _halves(dy, w, outputs=w.shape[1], window=w.shape[2:]))
def conv_dx(dy, w, *, size, stride, padding, dilation, groups):
    """Launch as the reference computes."""
    steps = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    how = geometry(dy.shape, w.shape, size, dy.shape[2:], **steps)
    if how.large or math.prod(map(min, how.stride, how.size)) > PHASES or not served(dy, len(size)):
        return _reference("conv_dx", dy, w, size=size, **steps)
    shape = (len(dy), w.shape[1] * groups, *size)
    if how.product and _factor(dy) == "PLAIN":
        return _product("conv_dx", dense(w).reshape(len(w), -1).astype(dy.dtype, copy=False).T, dy, shape)
    return _gathered(how, True, dy, w, None, None, shape)


@_or_widened(
    lambda x, dy, *, groups, window, **_: (
        _halves(x, dy, outputs=dy.shape[1] // groups, window=window)
        and not convdw.is_narrow(dy.shape[1] // groups, x.shape[1] // groups * math.prod(window))
    )
)
def conv_dw(x, dy, *, window, stride, padding, dilation, groups):
    """Launch as the reference computes."""
    steps = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    dw = empty((dy.shape[1], x.shape[1] // groups, *window), x.dtype)
    how = geometry(x.shape, dw.shape, x.shape[2:], dy.shape[2:], **steps)
    if how.large or not served(x, len(window)):
        return _reference("conv_dw", x, dy, window=window, **steps)
    if not x.size or not dy.size:
        dw[...] = 0
    elif dw.size:
        _note("conv_dw", convdw.weigh(how, dense(x), dense(dy.astype(x.dtype, copy=False)), dw, _factor(x)))
    return dw


def _reference(name: str, *args: Any, **options: Any) -> Any:
    _note(name, "CuPy's functions")
    return widened(getattr(reference, name))(*args, **options)


def _note(name: str, what: str) -> None:
    launched.setdefault(f"conv.{name}", set()).add(what)


def _product(name: str, matrix: Any, x: Any, shape: tuple[int, ...]) -> Any:
    _note(name, "cuBLAS")
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
    kind, launches = _plan(how, back, c, _factor(x), cupy().cuda.Device().id)
    m = how.channels if back else how.outputs
    weights = how.outputs * how.channels * taps, taps if back else how.channels * taps  # between groups, and outputs
    for i, t in enumerate(launches):
        last = i == len(launches) - 1
        flags = (RELU if activation and last else 0) | (MORE if i else 0) | (BESIDE if t.beside else 0)
        given = c, t, how, m, weights, x, w, bias if last else None, y, flags
        _narrow(*given) if kind is None else _tiles(kind, *given)
    _note("conv_dx" if back else "conv", f"narrow<{c}>" if kind is None else kind.kernel(c))
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
    wide, rows = blocks_for(m, kind.rows) * kind.rows, len(t.terms) // kind.per  # of words
    packed = empty((how.groups, rows, wide), x.dtype if kind.factor == "PLAIN" else np.uint32)
    turned = blocks_for(rows, 32) * (wide // 32)
    _run(f"pack<{c}, {kind.factor}>", (turned, how.groups), 256, w, t.terms, packed, *weights, m, wide, rows)
    read = math.prod(x.shape[1:]), math.prod(x.shape[1:]) // how.groups
    _run(
        kind.kernel(c), (t.tiles * (wide // kind.rows), how.groups), kind.threads(c), x, packed, bias, y,
        t.phases, t.rows, t.places, how.images, *read, math.prod(y.shape[2:]), m, wide, rows, flags,
    )  # fmt: skip


@lru_cache(maxsize=512)
def _plan(how: Geometry, back: bool, c: str, factor: str, device: int) -> tuple[Shape | None, tuple[Tables, ...]]:
    """The shape of tiles, None for narrow(), and the tables of each launch."""
    layout, m = how.layout(back), how.channels if back else how.outputs
    if m <= NARROW:
        return None, tables(layout, SPOTS, device)
    pixels = [how.images * math.prod([axis.places for axis in phase]) for phase in layout.phases]
    kind = best(TENSOR.get(factor) or (FLOAT if c == "float" else DOUBLE), m, pixels, how.groups, c)
    return kind, tables(layout, kind.pixels, device)


def best(shapes: list[Shape], m: int, pixels: list[int], groups: int, c: str) -> Shape:
    """The shape whose blocks take the least time on a model of a GPU: 132 multiprocessors, each busy with 4 warps."""

    def time(shape: Shape) -> float:
        tiles = sum([blocks_for(p, shape.pixels) for p in pixels])
        blocks = blocks_for(groups * blocks_for(m, shape.rows) * tiles, 132)  # of the busiest
        return blocks * shape.rows * shape.pixels / (shape.rate * min(1, blocks * shape.threads(c) / 128))

    return min(shapes, key=time)


def _factor(x: Any) -> str:
    """How factors are multiplied, by its name in C++: by tensor cores if they are asked for."""
    factor = "HALF" if x.dtype.char == "e" else ROUNDED.get(settings.tensor_cores) if x.dtype.char == "f" else None
    if factor and (found := _capability(cupy().cuda.Device().id)) < 80:
        raise RuntimeError(
            f"conv: tensor cores are asked for, which GPUs have from compute capability 8.0 on, and this one has "
            f"{found / 10}: write kn.kernels.tensor_cores('off')"
        )
    return factor or "PLAIN"


@cache
def _capability(device: int) -> int:
    return int(cupy().cuda.Device(device).compute_capability)
