"""A batch of images on its way through the usual ops: what is called for it, and what is not.

Nothing would fail if an op left its short path or checked an operand twice; it would only take longer.
"""

import pickle
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn

PACKAGE = str(Path(kn.__file__).parent)
X, Y = np.ones((2, 1, 10, 10), np.float32), np.array([0, 3])


def entered(f, *args):
    """{name of a function of knetpy: how often a call of f entered it}, kernels left out."""
    names = Counter()

    def count(frame, event, _):
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE) and "kernels" not in file:
            names[frame.f_code.co_name] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        f(*args)
    finally:
        sys.setprofile(before)
    return names


@pytest.fixture(params=["sizes", "arrays"])
def names(request):
    """What a gradient of a small network enters; its params are made in either way."""
    shapes = (4, 1, 3, 3), (4,), (64, 5), (5,)
    w = [kn.param(*shape) if request.param == "sizes" else kn.param(np.ones(shape, "f4")) for shape in shapes]

    def loss(x, y):
        h = kn.pool(kn.relu(kn.conv(x, w[0], w[1])))
        return kn.nll(kn.linear(kn.mat(h), w[2], w[3]), y)

    gradient = kn.grad(loss)
    gradient(X, Y)
    return entered(gradient, X, Y)


def test_usual_calls_take_the_short_paths(names):
    """`tell` and `complete` belong to the general path."""
    assert names["conv"] == names["nll"] == 1
    assert not names["tell"] and not names["complete"]


def test_operands_are_checked_once(names):
    """By conv, pool, linear and nll; for none of them the dtypes need a closer look."""
    assert names["as_floating"] == 4
    assert not names["array_of"] - 1  # of mat, which takes any dtype


def test_no_more_functions_are_entered_than_serve_somebody(names):
    assert sum(names.values()) < 330, names


def test_unpickled_arrays_take_the_same_path():
    """Their dtype is equal to NumPy's own, but another object."""
    batch = np.ones(4, np.float32)
    unpickled = pickle.loads(pickle.dumps(batch))
    assert unpickled.dtype is not batch.dtype
    gradient = kn.grad(lambda x: np.sum(np.tanh(x * x + x)), 0)
    assert entered(gradient, unpickled) == entered(gradient, batch)
