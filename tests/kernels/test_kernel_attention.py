"""The kernels of attention: the reference against literals, and what serves against the same."""

from math import exp, log
from types import SimpleNamespace

import numpy as np
import pytest

from knetpy.kernels import kernel
from knetpy.kernels.reference import attention as reference

NAMES = ("attention", "attention_dx", "rotate")
served = SimpleNamespace(**{name: kernel("attention", name) for name in NAMES})
BACKENDS = pytest.mark.parametrize("backend", [reference, served], ids=["reference", "served"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
nan, inf = np.nan, np.inf
PLAIN = {"mask": None, "causal": False, "scale": 1.0}
V = [[1, 0], [0, 4]]  # its rows show the weights


def arrays(dtype, *given):
    return [x if x is None else np.array(x, dtype) for x in given]


def close(ours, wanted, dtype):
    np.testing.assert_allclose(ours, wanted, rtol=1e-12 if dtype is np.float64 else 1e-6)
    assert ours.dtype == dtype


@BACKENDS
@DTYPES
@pytest.mark.parametrize(
    "q, k, bias, options, y, top, total",
    [
        ([[0]], [[1], [2]], None, {}, [[0.5, 2]], [[0]], [[2]]),
        ([[1]], [[0], [log(3)]], None, {}, [[0.25, 3]], [[log(3)]], [[4 / 3]]),
        ([[1]], [[0], [log(3)]], None, {"scale": 2.0}, [[0.1, 3.6]], [[2 * log(3)]], [[10 / 9]]),
        ([[1]], [[0], [5]], [[0, log(3) - 5]], {}, [[0.25, 3]], [[log(3)]], [[4 / 3]]),
        ([[1], [1]], [[0], [5]], None, {"causal": True}, [[1, 0], [1 / (1 + exp(5)), 4 / (1 + exp(-5))]],
         [[0], [5]], [[1], [1 + exp(-5)]]),
        ([[1], [1]], [[3], [5]], None, {"mask": [[False, True], [False, False]]}, [[0, 4], [0, 0]],
         [[5], [-inf]], [[1], [0]]),
        ([[1]], [[3], [5]], [-inf, 0], {}, [[0, 4]], [[5]], [[1]]),
        ([[1]], [[3], [5]], -inf, {}, [[0, 0]], [[-inf]], [[0]]),
        ([[1]], [[3], [5]], [inf, 0], {}, [[1, 0]], [[inf]], [[1]]),
        ([[100]], [[100], [-100]], None, {}, [[1, 0]], [[1e4]], [[1]]),
    ],
)  # fmt: skip
def test_attention_by_hand(backend, dtype, q, k, bias, options, y, top, total):
    q, k, v, bias = arrays(dtype, q, k, V, bias)
    options = {**PLAIN, **options}
    options["mask"] = options["mask"] and np.array(options["mask"])
    for ours, wanted in zip(backend.attention(q, k, v, bias, **options), (y, top, total)):
        close(ours, wanted, dtype)


@BACKENDS
@DTYPES
@pytest.mark.parametrize(
    "q, k, bias, options, dq, dk, dv, dbias",
    [  # the weights are 1/2 each, so the scores get (+-) 1/4 of the difference of dy @ v.T
        ([[0]], [[1], [2]], [[0, 0]], {}, [[-0.75 + 1.5]], [[0], [0]], [[0.5, 0.5], [0.5, 0.5]], [[-0.75, 0.75]]),
        ([[0]], [[1], [2]], None, {"scale": 2.0}, [[1.5]], [[0], [0]], [[0.5, 0.5], [0.5, 0.5]], None),
        ([[2]], [[1], [1]], 0, {}, [[0]], [[-1.5], [1.5]], [[0.5, 0.5], [0.5, 0.5]], 0),
        ([[2]], [[1], [1]], [0, 0], {"mask": [[True, False]]}, [[0]], [[0], [0]], [[1, 1], [0, 0]], [0, 0]),
        ([[2]], [[1], [1]], [-inf, -inf], {}, [[0]], [[0], [0]], [[0, 0], [0, 0]], [0, 0]),
        ([[2]], [[1], [1]], None, {"causal": True}, [[0]], [[0], [0]], [[1, 1], [0, 0]], None),
        ([[[0]], [[0]]], [[1], [2]], [[0, 0]], {}, [[[0.75]], [[0.75]]], [[0], [0]], [[1, 1], [1, 1]], [[-1.5, 1.5]]),
    ],
)
def test_attention_dx_by_hand(backend, dtype, q, k, bias, options, dq, dk, dv, dbias):
    q, k, v, bias = arrays(dtype, q, k, V, bias)
    options = {**PLAIN, **options}
    options["mask"] = options["mask"] and np.array(options["mask"])
    y, top, total = backend.attention(q, k, v, bias, **options)
    found = backend.attention_dx(np.ones_like(y), y, q, k, v, bias, top, total, **options)
    for ours, wanted in zip(found, (dq, dk, dv, dbias), strict=True):
        if wanted is None:
            assert ours is None
        else:
            close(ours, wanted, dtype)


@BACKENDS
@DTYPES
@pytest.mark.parametrize(
    "x, cos, sin, interleaved, y",
    [
        ([[1, 2]], [[0]], [[1]], False, [[-2, 1]]),
        ([[1, 2]], [[0.6]], [[0.8]], True, [[0.6 - 1.6, 1.2 + 0.8]]),
        ([[1, 2, 3, 4]], [[0, -1]], [[1, 0]], False, [[-3, -2, 1, -4]]),
        ([[1, 2, 3, 4]], [[0, -1]], [[1, 0]], True, [[-2, 1, -3, -4]]),
        ([[[1, 2]], [[3, 4]]], [[0]], [[1]], False, [[[-2, 1]], [[-4, 3]]]),
        (np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0)), False, np.zeros((2, 0))),
    ],
)
def test_rotate_by_hand(backend, dtype, x, cos, sin, interleaved, y):
    close(backend.rotate(*arrays(dtype, x, cos, sin), interleaved=interleaved), y, dtype)


@BACKENDS
def test_leading_axes_broadcast(backend):
    """As if every operand had been stretched; what was stretched is summed."""
    rng = np.random.default_rng(0)
    shapes = (2, 1, 3, 2), (4, 5, 2), (1, 4, 5, 3), (4, 1, 5)
    given = [rng.normal(size=s) for s in shapes]
    whole = [np.broadcast_to(x, (2, 4, *n)).copy() for x, n in zip(given, ((3, 2), (5, 2), (5, 3), (3, 5)))]
    (y, *saved), (wanted, *stretched) = backend.attention(*given, **PLAIN), backend.attention(*whole, **PLAIN)
    np.testing.assert_allclose(y, wanted, rtol=1e-12)
    dy = rng.normal(size=y.shape)
    for ours, theirs in zip(
        backend.attention_dx(dy, y, *given, *saved, **PLAIN),
        backend.attention_dx(dy, y, *whole, *stretched, **PLAIN),
    ):
        theirs = theirs.reshape(2, 4, *theirs.shape[-2:])
        summed = theirs.sum(axis=tuple(range(4 - ours.ndim)))
        axes = tuple(i for i, n in enumerate(ours.shape) if n < summed.shape[i])
        np.testing.assert_allclose(ours, summed.sum(axis=axes, keepdims=True), rtol=1e-12, atol=1e-14)
