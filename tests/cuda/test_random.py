"""Random numbers drawn on the GPU: the bits of the CPU, wherever they lie."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.cuda import random as launches
from knetpy.kernels.cuda.launch import Module
from knetpy.random import philox, uniform
from tests.cuda.record import recorded, requests
from tests.cuda.test_dropout import POSITIONS

draw = kernel("random", "uniform")


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
@pytest.mark.parametrize("position", POSITIONS)
def test_bits(dtype, position, order):
    x = kn.gpu(np.ones(1, "f4"))
    for shape in ((), (1,), (2,), (3,), (5,), (1023,), (1025,), (7, 9, 11), (0, 3)):
        found = draw(x, shape, np.dtype(dtype), *position)
        assert kn.device(found) == "gpu" and found.dtype == np.dtype(dtype) and found.shape == shape
        np.testing.assert_array_equal(kn.cpu(found), uniform(position, shape, dtype))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_numbers_are_written_once_and_together(dtype):
    x = kn.gpu(np.ones(1, "f4"))
    with recorded(trace=1 << 14, warps=8) as found:
        draw(x, (2048,), np.dtype(dtype), 1, 2, 3)
    ((_, stats),) = found
    assert stats.idle_blocks == 0 and stats.global_reads == 0
    assert [r for r in requests(stats, "global", "write") if r.cost > r.ideal] == []


def test_positions_that_are_on_the_device():
    """As captured steps have them: what is given as numbers does not count."""
    position, y = (5, 2, (7 << 32) + 3), kn.gpu(np.zeros(9, "f4"))
    live = kn.gpu(np.array(launches.words(position), np.uint32))
    launches._run("uniform<float>", 1, 256, y, 9, *map(np.uint32, (9, 9, 9, 9)), live)
    np.testing.assert_array_equal(kn.cpu(y), uniform(position, (9,), "f4"))


LATE = """
__global__ void late(unsigned* y, i64 block)
{
    const Draw draw(block, 1, 2, 3, 4);
    if (threadIdx.x < 4) y[threadIdx.x] = draw.word[threadIdx.x];
}
"""


def test_blocks_behind_the_first_16_billion_numbers():
    y = kn.gpu(np.zeros(4, np.uint32))
    Module("late", ["late"], "philox.h", code=LATE)("late", 1, 32, y, (6 << 32) + 5)
    assert kn.cpu(y).tolist() == [int(word) for word in philox((5, 6, 1, 2), (3, 4))]


@pytest.mark.parametrize("f", [kn.rrelu, kn.gumbel_softmax, lambda x: kn.fractional_pool(x[None], 2, size=3)])
def test_ops_draw_on_the_device(monkeypatch, f):
    from knetpy import devices

    x, found = kn.gpu(np.linspace(-2, 2, 42, dtype="f4").reshape(1, 6, 7)), []
    for position in (1, 1, 2):
        kn.seed(position)
        with monkeypatch.context() as patch, kn.training(True):
            patch.setattr(devices.cupy(), "array", lambda *a, **k: pytest.fail("copied from the host"))
            patch.setattr(devices.cupy(), "asarray", lambda *a, **k: pytest.fail("copied from the host"))
            found.append(f(x))
    same = [np.array_equal(*kn.cpu(pair)) for pair in (found[:2], found[1:])]
    assert same == [True, False]
