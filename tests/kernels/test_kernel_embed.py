"""The kernels of embeddings: the reference against literals, and what serves against the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import embed as reference
from tests.kernels.backends import Served, backends, bits, layouts, needs_numba, same_everywhere

served = Served("embed")
BACKENDS = backends(reference, served)
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


@st.composite
def problems(draw):
    """A table, indices with -1 among them, and a derivative: any layout; NaN and infinities are frequent."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shape = (draw(st.integers(0, 5)), *draw(st.lists(st.sampled_from([0, 1, 2, 3, 17]), max_size=2)))
    values = [-0.0, 1, 2.5, nan, np.inf] if draw(st.booleans()) else rng.normal(size=99)
    numbers = draw(st.sampled_from([(), (0,), (1,), (7,), (3, 4), (70, 2)]))
    indices = rng.integers(-1, shape[0], numbers).astype(draw(st.sampled_from([np.int64, np.int16])))
    arrays = [rng.choice(values, size=size).astype(dtype) for size in (shape, numbers + shape[1:])]
    if draw(st.booleans()):
        arrays = [np.asfortranarray(a) for a in arrays]
    if draw(st.booleans()):
        arrays = [np.repeat(a, 2, axis=-1)[..., ::2] for a in arrays if a.ndim] if numbers else arrays
        indices = np.repeat(indices, 2, axis=-1)[..., ::2] if numbers else indices
    return *arrays, indices


@settings(max_examples=100, deadline=None, derandomize=True)
@given(problems())
def test_served_as_the_reference(problem):
    table, dy, indices = problem
    ours, theirs = (b.embed(table, indices) for b in (served, reference))
    np.testing.assert_array_equal(ours, theirs, strict=True)
    ours, theirs = (b.embed_dw(dy, indices, rows=len(table)) for b in (served, reference))
    np.testing.assert_array_equal(ours, theirs, strict=True)


def large(dtype=np.float32):
    """More elements than one thread takes; many indices meet in few rows."""
    rng = np.random.default_rng(0)
    indices = rng.integers(-1, 40, 9000)
    return rng.normal(size=(40, 131)).astype(dtype), indices, rng.normal(size=(9000, 131)).astype(dtype)


@DTYPES
def test_threads_and_callers_change_no_bit(dtype):
    table, indices, dy = large(dtype)
    found = same_everywhere(lambda: (served.embed(table, indices), served.embed_dw(dy, indices, rows=40)))
    assert bits(found) == bits((reference.embed(table, indices), reference.embed_dw(dy, indices, rows=40)))


@needs_numba
def test_indices_changed_since_they_were_checked():
    found = served.embed(np.array([[1.0], [2.0]]), np.array([2**40, 1, -(2**40)]))
    np.testing.assert_array_equal(found, [[2], [2], [0]])
    found = served.embed_dw(np.ones((3, 1)), np.array([2**40, 1, -(2**40)]), rows=2)
    np.testing.assert_array_equal(found, [[0], [1]])


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_dtypes_are_the_references(dtype):
    found = served.embed_dw(served.embed(np.ones((2, 3), dtype), np.array([1, 1])), np.array([1, -1]), rows=2)
    np.testing.assert_array_equal(found, np.array([[0, 0, 0], [1, 1, 1]], dtype), strict=True)


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.embed")
    for dtype in (np.float32, np.float64):
        x = np.ones((4, 6), dtype)
        for a in layouts(x):
            served.embed(a, np.array([1, 0], np.int32))
            served.embed_dw(a, np.zeros(len(a), np.uint8), rows=np.int64(2))
    assert len(cpu._embed.signatures) == len(cpu._embed_dw.signatures) == 2


def test_all_of_y_is_written(monkeypatch):
    table, indices, dy = large()
    wanted, empty = served.embed(table, indices), np.empty  # compiled before np.empty is another
    monkeypatch.setattr(np, "empty", lambda *args: np.full_like(empty(*args), nan))
    np.testing.assert_array_equal(served.embed(table, indices), wanted)
    assert not np.isnan(wanted).any()
