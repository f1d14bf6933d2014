"""Each CUDA kernel beside what the device can do: `python -m bench.gpu [--only TEXT] [--scale 1]`.

A row gives the median time of a call, and the share of the device's own rate that it reaches: of the bytes per second
of a large copy, for kernels that move data, or of the operations per second of a large float32 product. `least` bytes
are those of the operands and results, each moved once. With PyTorch on the same device its own time stands beside it.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import knetpy as kn
from knetpy.devices import cupy
from knetpy.kernels import kernel

# Channels, size of the images, of the window, stride.
CONVOLUTIONS = ((64, 56, 3, 1), (128, 28, 3, 1), (256, 14, 3, 1), (64, 56, 1, 1), (3, 224, 7, 2))


class Row(NamedTuple):
    """A call of a kernel, and how many operations it makes; 0 where moving data is all."""

    name: str
    args: list
    options: dict
    operations: int = 0
    torch: Callable | None = None  # the same in PyTorch, of its functional module and the arguments as tensors


def rows(scale: float) -> Iterator[Row]:
    """The calls: sizes of ordinary networks, times `scale`."""
    n = max(1, int(64 * scale))
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    scores, labels = draw(128 * n, 1000), rng.integers(0, 1000, (128 * n, 1))
    yield Row("softmax.softmax", [scores], {"axis": 1}, 0, lambda f, x: f.softmax(x, 1))
    yield Row("softmax.softmax_dx", [scores, scores], {"axis": 1})
    yield Row("nll.nll", [scores, labels], {"axis": 1}, 0, lambda f, x, t: f.cross_entropy(x, t[:, 0]))
    images = draw(n, 64, 56, 56)
    one, pool = draw(1, 64, 1, 1), {"window": (2, 2), "stride": (2, 2), "padding": ((0, 0),) * 2, "dilation": (1, 1)}
    yield Row("norm.norm", [images, one, one], {"axes": (0, 2, 3), "eps": 1e-5})
    yield Row("norm.norm", [draw(128 * n, 768), draw(1, 768), draw(1, 768)], {"axes": (1,), "eps": 1e-5})
    yield Row("pool.maxpool", [images], pool, 0, lambda f, x: f.max_pool2d(x, 2))
    yield Row("pool.meanpool", [images], {**pool, "counted": None}, 0, lambda f, x: f.avg_pool2d(x, 2))
    yield Row("activation.gelu", [images], {}, 0, lambda f, x: f.gelu(x))
    for channels, size, window, stride in CONVOLUTIONS:
        out = channels if channels > 3 else 64
        yield from convolutions(draw, n, channels, out, size, window, stride)
    q = draw(4 * n, 256, 64)
    yield Row("attention.attention", [q, q, q, None], {"scale": 0.125, "causal": True, "mask": None}, 2 * q.size * 256,
              lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True))  # fmt: skip
    wide = 256
    state, wh = draw(2, n, wide), draw(wide, 4 * wide)
    yield Row("rnn.rnn", [draw(50, n, wide), state, wh, None], {"cell": "lstm", "wx": draw(wide, 4 * wide)},
              2 * 50 * n * 8 * wide * wide)  # fmt: skip
    yield Row("embed.embed_dw", [draw(512 * n, 256), rng.integers(0, 20000, 512 * n)], {"rows": 20000})


def convolutions(draw: Callable, n: int, channels: int, out: int, size: int, window: int, stride: int) -> Iterator[Row]:
    """Forward and both gradients of a convolution."""
    pad, after = window // 2, (size + 2 * (window // 2) - window) // stride + 1
    x, w, dy = draw(n, channels, size, size), draw(out, channels, window, window), draw(n, out, after, after)
    given = {"stride": (stride,) * 2, "padding": ((pad, pad),) * 2, "dilation": (1, 1), "groups": 1}
    work = 2 * dy.size * channels * window * window
    yield Row("conv.conv", [x, w, None], given, work, lambda f, x, w: f.conv2d(x, w, stride=stride, padding=pad))
    yield Row("conv.conv_dx", [dy, w], {**given, "size": (size, size)}, work)
    yield Row("conv.conv_dw", [x, dy], {**given, "window": (window, window)}, work)


def milliseconds(call: Callable, repeats: int = 20) -> float:
    """The median time of a call on the device, after some that count for nothing."""
    events, times = cupy().cuda.Event, []
    for n in range(repeats + 3):
        start, stop = events(), events()
        start.record()
        call()
        stop.record()
        stop.synchronize()
        if n >= 3:
            times.append(cupy().cuda.get_elapsed_time(start, stop))
    return statistics.median(times)


def limits(scale: float) -> tuple[float, float]:
    """(bytes per ms of a large copy, operations per ms of a large product) of this device."""
    x = cupy().zeros(max(1, int(2**26 * scale)), np.float32)
    m = cupy().zeros((max(16, int(4096 * scale)),) * 2, np.float32)
    y, c = cupy().empty_like(x), cupy().empty_like(m)
    copied = milliseconds(lambda: cupy().copyto(y, x))
    product = milliseconds(lambda: cupy().matmul(m, m, out=c))
    return 2 * x.nbytes / max(copied, 1e-9), 2 * m.shape[0] ** 3 / max(product, 1e-9)


def moved(tree: Any) -> int:
    """The bytes of all arrays in a tree."""
    return sum([x.nbytes for _, x in kn.tree.leaves(tree) if hasattr(x, "nbytes")])


def peer(row: Row) -> float | None:
    """PyTorch's milliseconds, None where it cannot be asked."""
    try:
        import torch
    except ImportError:
        return None
    if row.torch is None or not torch.cuda.is_available():
        return None
    tensors = [torch.from_numpy(a).cuda() for a in row.args if a is not None]
    call = row.torch
    return milliseconds(lambda: call(torch.nn.functional, *tensors))


def main(arguments: list[str] | None = None) -> list[tuple]:
    """Print the table; returns its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes")
    options = parser.parse_args(arguments)
    if not kn.has_gpu():
        raise SystemExit(f"no GPU can be used: {kn.has_gpu().reason}")
    bandwidth, rate = limits(options.scale)
    print(f"copy {bandwidth / 1e6:.0f} GB/s, float32 product {rate / 1e9:.1f} TFLOP/s")
    print(f"{'kernel':24}{'ms':>9}{'of limit':>10}{'torch ms':>10}  served by")
    found = []
    for row in rows(options.scale):
        if options.only not in row.name:
            continue
        function, args, given = kernel(*row.name.split(".")), kn.gpu(row.args), kn.gpu(row.options)
        result = function(*args, **given)
        took = milliseconds(partial(function, *args, **given))
        least = max((moved(args) + moved(given) + moved(result)) / bandwidth, row.operations / rate)
        theirs, share = peer(row), least / took if took else float("nan")
        backend = next(b for n, b, *_ in kn.kernels.status().rows if n == row.name and b in ("cuda", "reference"))
        shown = f"{theirs:10.3f}" if theirs else f"{'':10}"
        print(f"{row.name:24}{took:9.3f}{share:10.2f}{shown}  {backend}", flush=True)
        found.append((row.name, took, share, theirs, backend))
    return found


if __name__ == "__main__":
    main()
