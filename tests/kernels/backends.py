"""What the tests of every family use: whom to test, arrays in several layouts, many threads and callers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import strategies as st

from knetpy import settings
from knetpy.kernels import dispatch, kernel

inf, nan = np.inf, np.nan
WHY_NOT = dispatch._no_numba()  # why the reference serves all kernels here; "" if it does not
needs_numba = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


class Served:
    """What serves the kernels of a family; its attributes have the names of those in the module of references."""

    def __init__(self, family):
        self.family = family

    def __getattr__(self, name):
        return kernel(self.family, name)


def backends(reference, served):
    """Test both, as `backend`."""
    return pytest.mark.parametrize("backend", [reference, served], ids=["reference", "served"])


def layouts(x):
    """x; and locked, with gaps, with its axes turned round and in foreign byte order."""
    locked = x.copy()
    locked.flags.writeable = False
    return x, locked, x[..., ::2], x.T, x.astype(x.dtype.newbyteorder())


def poisoned(shape, dtype=float):
    """An array of which every byte is 255: NaN, or no number that a kernel writes."""
    x = np.empty(shape, dtype)
    x.reshape(-1).view(np.uint8)[...] = 255
    return x


def bits(results):
    """The bytes of arrays, in tuples, lists and dictionaries."""
    if isinstance(results, dict):
        results = tuple(results.values())
    return b"".join(map(bits, results)) if isinstance(results, (list, tuple)) else results.tobytes()


def same_everywhere(run, threads=(1, 2), callers=8):
    """Return what run() gives, which has the same bits with each number of threads and for many callers at once."""
    before, found = settings.threads(), []
    try:
        for count in threads:
            settings.set_threads(count)
            found.append(run())
        with ThreadPoolExecutor(callers) as pool:
            found += pool.map(lambda _: run(), range(2 * callers))
    finally:
        settings.set_threads(before)
    assert len(set(map(bits, found))) == 1
    return found[0]


def per_axis(draw, axes):
    """Return f with f(low, high) a drawn number for each axis."""

    def drawn(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    return drawn


@st.composite
def arrays(draw):
    """Of any layout: gaps, negative strides, transposed, stretched, misaligned, in the other byte order, locked."""
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3, 7, 30]), max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=shape) * draw(st.sampled_from([0.1, 1, 5]))
    x = np.where(rng.random(shape) < 0.1, rng.choice([-inf, inf, nan, 0, -0.0], shape), x)
    x = x.astype(draw(st.sampled_from(["<f4", "<f8", ">f4", ">f8"])))
    kinds = ["plain", "gaps", "reversed", "transposed", "stretched", "misaligned", "locked"]
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=3)):
        if kind == "gaps":
            x = np.repeat(x, 2, axis=0)[::2] if x.ndim else x
        elif kind == "reversed":
            x = x[::-1] if x.ndim else x
        elif kind == "transposed":
            x = x.transpose(rng.permutation(x.ndim))
        elif kind == "stretched":
            x = np.broadcast_to(x[..., :1], x.shape) if x.ndim else x
        elif kind == "misaligned":
            x = np.frombuffer(b"\0" + x.tobytes(), x.dtype, x.size, 1).reshape(x.shape)
        elif kind == "locked":
            x = x.copy("K")
            x.flags.writeable = False
    return x
