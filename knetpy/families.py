"""A small call of every family of kernels, so that they are compiled before they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

import knetpy as kn


def families(dtype: Any) -> dict[str, Callable[[], Any]]:
    """What to call for each family, by its name: values and gradients, of arrays of this dtype."""
    return {name: partial(f, Draw(dtype)) for name, f in _FAMILIES.items()}


def compile_all(dtype: Any) -> Iterable[tuple[str, float]]:
    """Compile the kernels of each family, and yield its name and the seconds it took."""
    for name, call in families(dtype).items():
        yield name, kn.warmup(call)


class Draw:
    """Makes arrays of a dtype, and takes gradients by them."""

    def __init__(self, dtype: Any):
        self.dtype, self.rng = np.dtype(dtype), np.random.default_rng(0)

    def __call__(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape).astype(self.dtype)

    def labels(self, most: int, *shape: int) -> np.ndarray:
        return self.rng.integers(0, most, shape)

    def through(self, f: Callable, *arrays: np.ndarray) -> None:
        """Compute f and its gradients, by all arrays."""
        kn.grad(lambda *args: np.sum(_first(f(*args))), tuple(range(len(arrays))))(*arrays)


def _first(y: Any) -> Any:
    return y[0] if isinstance(y, tuple) else y


def _products(draw: Draw) -> None:
    for rows in (1, 2, 3, 5, 8, 11, 14, 24):  # which is every shape of tile
        for columns in (7, 32, 48, 64):
            draw.through(kn.linear, draw(rows, 9), draw(9, columns), draw(columns))
    for f in (kn.relu, kn.leakyrelu, kn.sigmoid, kn.silu, kn.gelu, np.tanh):
        draw.through(partial(kn.linear, activation=f), draw(4, 8), draw(8, 8), draw(8))
    draw.through(np.matmul, draw(3, 5, 8), draw(3, 8, 6))
    draw.through(partial(kn.linear, transpose_w=True), draw(4, 8), draw(6, 8))


def _convolutions(draw: Draw) -> None:
    for channels, filters, size, steps in (
        (1, 16, 5, {}),
        (3, 20, 3, {"padding": 1}),
        (16, 32, 3, {"padding": 1, "stride": 2}),
        (16, 40, 1, {}),
        (8, 8, 3, {"groups": 8}),
        (8, 16, 3, {"groups": 2, "dilation": 2}),
    ):
        w = draw(filters, channels // steps.get("groups", 1), size, size)
        draw.through(lambda x, w, b, s=steps: kn.conv(x, w, b, **s), draw(2, channels, 12, 12), w, draw(filters))
    draw.through(lambda x, w, b: kn.conv(x, w, b, activation=kn.relu), draw(2, 4, 8, 8), draw(8, 4, 3, 3), draw(8))
    draw.through(kn.conv, draw(2, 4, 9), draw(8, 4, 3))
    draw.through(kn.conv, draw(1, 2, 5, 5, 5), draw(4, 2, 3, 3, 3))
    draw.through(lambda x, w: kn.conv_transpose(x, w, stride=2), draw(2, 4, 5, 5), draw(4, 8, 3, 3))


def _pools(draw: Draw) -> None:
    draw.through(kn.pool, draw(2, 16, 8, 8))
    kn.jvp(kn.pool, (draw(2, 16, 8, 8),), (draw(2, 16, 8, 8),))
    draw.through(lambda x: kn.pool(x, 3, stride=2, padding=1), draw(2, 4, 9, 9))
    draw.through(lambda x: kn.pool(x, mode="mean"), draw(2, 4, 8, 8))
    draw.through(lambda x: kn.adaptive_pool(x, 3, mode="max"), draw(2, 4, 8, 8))
    kn.pool(draw(2, 4, 8, 8))  # without a derivative: other code


def _activations(draw: Draw) -> None:
    for f in (
        *(np.tanh, kn.erf, kn.erfc, kn.sigmoid, kn.logsigmoid, kn.silu, kn.gelu, partial(kn.gelu, approximate=True)),
        *(kn.elu, kn.selu, kn.mish, kn.softplus, kn.relu, kn.leakyrelu, kn.hardshrink, kn.hardsigmoid, kn.hardswish),
        *(kn.hardtanh, kn.softshrink, partial(kn.threshold, threshold=0.5, value=0.0)),
    ):
        draw.through(f, draw(80, 80))


def _sums(draw: Draw) -> None:
    for axis in (None, 0, 1):
        draw.through(partial(np.sum, axis=axis), draw(200, 200))


def _losses(draw: Draw) -> None:
    for axis in (-1, 1):
        for f in (kn.softmax, kn.logsoftmax):
            draw.through(lambda x, f=f, axis=axis: f(x, axis=axis), draw(8, 10, 20))
    draw.through(partial(kn.nll, labels=draw.labels(10, 8)), draw(8, 10))
    draw.through(partial(kn.nll, labels=draw.labels(10, 8, 20), axis=1), draw(8, 10, 20))


def _norms(draw: Draw) -> None:
    moments = kn.Moments()
    for shape in ((8, 16, 6, 6), (32, 16)):
        draw.through(lambda x, s, b: kn.batchnorm(x, moments, s, b), draw(*shape), draw(16), draw(16))
        kn.batchnorm(draw(*shape), moments, draw(16), draw(16))
    draw.through(kn.layernorm, draw(4, 8, 32), draw(32), draw(32))
    draw.through(kn.rmsnorm, draw(4, 8, 32), draw(32))
    draw.through(lambda x, s, b: kn.groupnorm(x, 4, s, b), draw(4, 16, 6, 6), draw(16), draw(16))
    draw.through(kn.instancenorm, draw(4, 16, 6, 6))


def _dropouts(draw: Draw) -> None:
    with kn.training(True):
        kn.dropout(draw(8, 8), 0.5)
        kn.dropout(draw(8, 8).T, 0.5)


def _embeddings(draw: Draw) -> None:
    table, opt = kn.param(draw(20, 8)), kn.SGD()
    kn.update(table, kn.grad(lambda: np.sum(kn.embed(table, draw.labels(20, 4, 5))))(), opt)
    draw.through(lambda t: np.sum(kn.embed(t, draw.labels(20, 4, 5))), draw(20, 8))


def _indices(draw: Draw) -> None:
    draw.through(partial(kn.take_along_axis, indices=draw.labels(5, 4, 3), axis=1), draw(4, 5))
    for mode in ("nearest", "linear"):
        draw.through(partial(kn.upsample, scale=2, mode=mode), draw(2, 3, 4, 4))
    draw.through(kn.grid_sample, draw(2, 3, 4, 4), draw(2, 5, 5, 2))
    draw.through(partial(kn.scatter, index=draw.labels(5, 4), mode="max"), draw(4, 5))


def _attentions(draw: Draw) -> None:
    for causal in (False, True):
        draw.through(lambda q, k, v, c=causal: kn.attention(q, k, v, causal=c), *(draw(2, 2, 20, 16) for _ in range(3)))


def _recurrences(draw: Draw) -> None:
    for f, gates in ((kn.lstm, 4), (kn.gru, 3), (kn.rnn, 1)):
        weights = draw(8, gates * 16), draw(16, gates * 16), draw(gates * 16)
        draw.through(lambda x, wx, wh, b, f=f: f(x, [(wx, wh, b)]), draw(4, 5, 8), *weights)


def _optimizers(draw: Draw) -> None:
    w = [kn.param(draw(8, 8)), kn.param(draw(8))]
    rules = (
        *(kn.SGD, kn.Momentum, kn.Nesterov, kn.Adagrad, kn.RMSprop, partial(kn.RMSprop, centered=True), kn.Adadelta),
        *(kn.Adam, kn.AdamW, kn.AMSGrad, kn.Adamax, kn.NAdam, kn.OAdam, kn.RAdam, kn.AdaBelief, kn.Rprop),
        kn.Lion,
    )
    for rule in rules:  # 20 ms each
        kn.update(w, [draw(8, 8), draw(8)], rule())
    kn.update(w, [draw(8, 8), draw(8)], kn.chain(kn.SGD(), kn.optim.EMA(), kn.optim.DecoupledDecay(0.1)))


_FAMILIES: dict[str, Callable[[Draw], None]] = {
    "matmul": _products,
    "conv": _convolutions,
    "pool": _pools,
    "activation": _activations,
    "sum": _sums,
    "softmax, nll": _losses,
    "norm": _norms,
    "dropout": _dropouts,
    "embed": _embeddings,
    "take_along_axis, scatter, upsample, grid_sample": _indices,
    "attention": _attentions,
    "rnn": _recurrences,
    "optim": _optimizers,
}
