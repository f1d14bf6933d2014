"""The dropout kernel against literals. At seed 1, stream 1, call 0 the uniform numbers are, to four digits:

0.0722  0.1173  0.2833  0.0399  0.0656  0.6617
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.reference import dropout as reference
from tests.kernels.backends import bits, layouts, needs_numba, same_everywhere

served = kernel("dropout", "dropout")
BACKENDS = pytest.mark.parametrize("dropout", [reference.dropout, served], ids=["reference", "served"])
AT = (1, 1, 0)  # seed, stream, call number
inf, nan = np.inf, np.nan


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize(
    "x, p, mask_shape, y",
    [
        ([[1, 2, 3], [4, 5, 6]], 0.1, (2, 3), [[0, 2 / 0.9, 3 / 0.9], [0, 0, 6 / 0.9]]),
        ([[1, 2, 3], [4, 5, 6]], 0.5, (2, 3), [[0, 0, 0], [0, 0, 12]]),
        ([[1, 2, 3], [4, 5, 6]], 0.1, (1, 3), [[0, 2 / 0.9, 3 / 0.9], [0, 5 / 0.9, 6 / 0.9]]),  # columns
        ([[1, 2, 3], [4, 5, 6]], 0.1, (2, 1), [[0, 0, 0], [4 / 0.9, 5 / 0.9, 6 / 0.9]]),  # rows
        ([[1, 2, 3], [4, 5, 6]], 0.05, (1, 1), [[1 / 0.95, 2 / 0.95, 3 / 0.95], [4 / 0.95, 5 / 0.95, 6 / 0.95]]),
        ([[1, 2, 3], [4, 5, 6]], 0, (2, 3), [[1, 2, 3], [4, 5, 6]]),
        ([[1, inf], [nan, -inf]], 1, (2, 2), [[0, 0], [0, 0]]),
        ([inf, -inf, nan], 0.1, (3,), [0, -inf, nan]),
    ],
)
def test_dropout_by_hand(dropout, x, p, mask_shape, y, dtype):
    found = dropout(np.array(x, dtype), p, mask_shape, *AT)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, y, rtol=2 * np.finfo(dtype).eps)


@BACKENDS
def test_memory_layout_does_not_matter(dropout):
    x = np.arange(12.0).reshape(3, 4)
    wanted = dropout(x, 0.3, (3, 4), *AT)
    np.testing.assert_array_equal(dropout(np.asfortranarray(x), 0.3, (3, 4), *AT), wanted)
    assert dropout(np.zeros((0, 3)), 0.3, (0, 3), *AT).shape == (0, 3)


def as_the_reference(*args):
    """What is served and the reference's, compared to the bit."""
    ours, theirs = served(*args), reference.dropout(*args)
    assert (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())


@st.composite
def problems(draw):
    """The arguments of dropout: x in any layout, with NaN and infinities, a mask of any shape, any position."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 19]), max_size=4).map(tuple))
    mask_shape = tuple(n if draw(st.integers(0, 3)) else 1 for n in shape)
    x = rng.choice([-inf, -2.5, -0.0, 1, 7, nan, inf], size=shape).astype(draw(st.sampled_from("fd")))
    if draw(st.booleans()):
        x = np.asfortranarray(x) if draw(st.booleans()) or not shape else np.repeat(x, 2, axis=-1)[..., ::2]
    p = draw(st.sampled_from([0, 0.1, 0.5, 1 / 3, 1 - 2**-25, 2**-30, 1]) | st.floats(0, 1))
    stream, call = draw(st.integers(0, 3)), draw(st.sampled_from([0, 1, 2**32 + 5, 2**50]))
    return x, p, mask_shape, draw(st.integers(0, 2**64 - 1)), stream, call


@settings(max_examples=200, deadline=None, derandomize=True)
@given(problems())
def test_served_as_the_reference(problem):
    as_the_reference(*problem)


@pytest.mark.parametrize("size", [1023, 2047, 2048, 2049, 4099, 300001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chunks_and_threads_change_no_bit(size, dtype):
    x = np.arange(1, size + 1, dtype=dtype)
    ours = same_everywhere(lambda: served(x, 0.3, (size,), *AT))
    assert bits(ours) == bits(reference.dropout(x, 0.3, (size,), *AT))


def test_a_word_on_the_threshold():
    """Elements whose number equals p, as a float32, are kept."""
    for u in kn.random.uniform(AT, 200):
        for p in (float(u), float(np.nextafter(float(u), 1)), float(np.nextafter(u, np.float32(1)))):
            as_the_reference(np.ones(200, np.float32), p, (200,), *AT)


def test_concurrent_calls():
    x = np.ones(400_000, np.float32)
    wanted = [reference.dropout(x, 0.5, x.shape, 1, 1, call).tobytes() for call in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda call: served(x, 0.5, x.shape, 1, 1, call).tobytes(), range(8)))
    assert found == wanted


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.dropout")
    for dtype in (np.float32, np.float64):
        x = np.ones((4, 6), dtype)
        for a in layouts(x):
            served(a, 0.5, a.shape, np.uint64(2**63), 1, np.int64(3))
            served(a, 0, (1, a.shape[1]), *AT)
    assert len(cpu._dropout.signatures) == 2


def test_all_of_y_is_written(monkeypatch):
    x, empty = np.ones(2051, np.float32), np.empty
    wanted = served(x, 0.5, x.shape, *AT)  # compiled before np.empty is another
    monkeypatch.setattr(np, "empty", lambda *args: np.full_like(empty(*args), nan if args[1].__name__[0] == "f" else 7))
    np.testing.assert_array_equal(served(x, 0.5, x.shape, *AT), wanted)
    assert not np.isnan(wanted).any()
