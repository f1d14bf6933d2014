"""The kernels of embeddings: the reference against literals, and what serves against the same."""

from types import SimpleNamespace

import numpy as np
import pytest

from knetpy.kernels import kernel
from knetpy.kernels.reference import embed as reference

served = SimpleNamespace(**{name: kernel("embed", name) for name in ("embed", "embed_dw", "bag_max")})
BACKENDS = pytest.mark.parametrize("backend", [reference, served], ids=["reference", "served"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
nan = np.nan


@BACKENDS
@DTYPES
@pytest.mark.parametrize(
    "table, indices, y",
    [
        ([[1, 2], [3, 4], [5, 6]], [2, 0, 2], [[5, 6], [1, 2], [5, 6]]),
        ([[1, 2], [3, 4]], [-1, 1], [[0, 0], [3, 4]]),
        ([1, 2, 3], [[0, -1], [2, 2]], [[1, 0], [3, 3]]),
        ([[[1], [2]], [[nan], [4]]], 1, [[nan], [4]]),
        ([[nan]], [-1], [[0]]),
        (np.zeros((0, 2)), [-1], [[0, 0]]),
        (np.zeros((0, 2)), [], np.zeros((0, 2))),
    ],
)
def test_embed_by_hand(backend, dtype, table, indices, y):
    ours = backend.embed(np.array(table, dtype), np.array(indices, np.int64))
    np.testing.assert_array_equal(ours, np.array(y, dtype), strict=True)


@BACKENDS
@DTYPES
@pytest.mark.parametrize(
    "dy, indices, rows, dw",
    [
        ([[1, 2], [3, 4], [5, 6]], [2, 0, 2], 3, [[3, 4], [0, 0], [6, 8]]),
        ([[1, 2], [3, 4]], [-1, 1], 2, [[0, 0], [3, 4]]),
        ([[1, 2], [3, 4]], [[0, -1], [2, 2]], 4, [1, 0, 7, 0]),
        ([[nan, 1]], [-1], 1, [[0, 0]]),
        ([1, 2], 1, 2, [[0, 0], [1, 2]]),
        (np.zeros((0, 2)), [], 1, [[0, 0]]),
        (np.zeros((2, 0)), [0, 1], 2, np.zeros((2, 0))),
    ],
)
def test_embed_dw_by_hand(backend, dtype, dy, indices, rows, dw):
    ours = backend.embed_dw(np.array(dy, dtype), np.array(indices, np.int64), rows=rows)
    np.testing.assert_array_equal(ours, np.array(dw, dtype), strict=True)


@BACKENDS
@DTYPES
@pytest.mark.parametrize(
    "table, indices, starts, chosen",
    [
        ([[1, 6], [3, 4], [5, 2]], [0, 2, 1], [0, 2], [[2, 0], [1, 1]]),
        ([[1, 6], [1, 6]], [1, 0, 0, 1], [0, 2], [[1, 1], [0, 0]]),
        ([[1, 6], [3, 4]], [0, -1, 1], [0, 1, 2, 2], [[0, 0], [-1, -1], [-1, -1], [1, 1]]),
        ([[1, nan], [nan, 4]], [0, 1], [0], [[1, 0]]),
        (np.zeros((0, 1)), [], [0, 0], [[-1], [-1]]),
        (np.zeros((0, 1)), [], [], np.zeros((0, 1))),
    ],
)
def test_bag_max_by_hand(backend, dtype, table, indices, starts, chosen):
    ours = backend.bag_max(np.array(table, dtype), np.array(indices, np.int64), np.array(starts, np.int64))
    np.testing.assert_array_equal(ours, np.array(chosen, np.int64), strict=True)


@BACKENDS
def test_transposes(backend):
    rng = np.random.default_rng(0)
    table, indices = rng.normal(size=(5, 3)), rng.integers(-1, 5, (4, 6))
    dy = rng.normal(size=(4, 6, 3))
    found = np.vdot(table, backend.embed_dw(dy, indices, rows=5))
    np.testing.assert_allclose(found, np.vdot(backend.embed(table, indices), dy), rtol=1e-12)
