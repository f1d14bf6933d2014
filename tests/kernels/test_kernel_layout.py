"""Images turned over: the same elements, channels last in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import knetpy.settings
from tests.kernels.backends import needs_numba, poisoned

pytestmark = needs_numba
channels, places = st.sampled_from([1, 2, 3, 7, 8, 15, 16, 17, 33, 130]), st.integers(0, 40)
sizes = st.tuples(st.integers(1, 3), channels, places) | st.tuples(st.integers(1, 3), channels, places, places)


@pytest.fixture(autouse=True)
def poisoned_outputs(monkeypatch):
    from knetpy.kernels.cpu import layout

    monkeypatch.setattr(layout, "new", poisoned)


@settings(deadline=None)
@given(sizes, st.sampled_from(["f4", "f8", ">f4", "f2", "i8"]), st.booleans())
def test_dense_is_ascontiguousarray(shape, dtype, cut):
    from knetpy.kernels.cpu.layout import dense

    x = np.moveaxis((np.arange(np.prod(shape)) % 1000).reshape(shape).astype(dtype), 1, -1)
    x = x[:, ::2] if cut else x
    found = dense(x)
    np.testing.assert_array_equal(found, x)
    assert found.flags.c_contiguous and found.dtype == x.dtype and not (found is not x and np.shares_memory(found, x))


def test_threads_turn_over_what_one_does():
    from knetpy.kernels.cpu.layout import dense

    x, before = np.moveaxis(np.random.default_rng(0).standard_normal((5, 19, 61, 37)), 1, -1), knetpy.settings.threads()
    try:
        for threads in (1, 2):
            knetpy.settings.set_threads(threads)
            np.testing.assert_array_equal(dense(x), x)
    finally:
        knetpy.settings.set_threads(before)
