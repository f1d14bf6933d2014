"""Dropout on the GPU: the same mask as everywhere, bit for bit."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.reference import dropout as reference
from tests.cuda.launches import recorded

POSITIONS = [(1, 1, 0), (2**64 - 1, 3, 2**32 + 5), (0xDEADBEEF_12345678, 0, 2**31), (0, 2, 2**40 - 1)]


def same(x, p, mask_shape, position):
    ours = kernel("dropout", "dropout")(kn.gpu(x), p, mask_shape, *position)
    assert ours.dtype == x.dtype and ours.shape == x.shape
    np.testing.assert_array_equal(kn.cpu(ours), reference.dropout(x, p, mask_shape, *position))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("position", POSITIONS)
def test_masks(dtype, position, order):
    for shape in ((), (1,), (3,), (5,), (1023,), (1025,), (7, 9, 11), (0, 3)):
        x = np.random.default_rng(0).normal(size=shape).astype(dtype) + np.array(3, dtype)
        for p in (0.3, 0.5, 1 / 3):
            same(x, p, shape, position)


def test_certain_masks_and_borders():
    x = np.float32([np.nan, np.inf, -1, 2] * 500)
    for p in (0.0, 1.0, 1e-9, 2**-24, 1 - 2**-24, np.nextafter(np.float32(0.5), np.float32(1)).item()):
        same(x, p, x.shape, (1, 1, 1))


def test_numbers_that_are_p_are_kept():
    from knetpy.random import uniform

    numbers, x = uniform((1, 1, 1), (400,)), np.ones(400, "f4")
    for k in range(0, 400, 7):
        same(x, numbers[k].item(), x.shape, (1, 1, 1))


@pytest.mark.parametrize("mask_shape", [(4, 5, 1, 1), (1, 5, 6, 7), (4, 1, 1, 7), (1, 5, 6, 1), (1, 1, 1, 1),
                                        (4, 1, 6, 1), (1, 5, 1, 7), (1, 1, 1, 7)])  # fmt: skip
def test_masks_that_elements_share(mask_shape, order):
    x = np.random.default_rng(0).normal(size=(4, 5, 6, 7)).astype("f4")
    for dtype in ("f4", "f8"):
        same(x.astype(dtype), 0.5, mask_shape, (3, 1, 4))
    same(x[:, :, :1], 0.5, (4, 5, 1, 7), (3, 1, 4))
    for inner in (2, 3):
        same(x[..., :inner], 0.5, (4, 5, 6, 1), (3, 1, 4))


def test_strides_places_and_half_precision():
    x = np.random.default_rng(0).normal(size=(8, 9, 10)).astype("f4")
    ours = kernel("dropout", "dropout")(kn.gpu(x)[::2, 1:, ::-1], 0.5, (4, 8, 10), 1, 1, 1)
    np.testing.assert_array_equal(kn.cpu(ours), reference.dropout(x[::2, 1:, ::-1], 0.5, (4, 8, 10), 1, 1, 1))
    flat = x.reshape(-1)
    for start in (1, 2, 3, 4):
        ours = kernel("dropout", "dropout")(kn.gpu(flat)[start:], 0.25, (720 - start,), 1, 1, 1)
        np.testing.assert_array_equal(kn.cpu(ours), reference.dropout(flat[start:], 0.25, (720 - start,), 1, 1, 1))
    same(x.astype("f2"), 0.5, x.shape, (1, 1, 1))


def test_bytes_are_moved_once_and_together():
    for dtype in ("f4", "f8"):
        x = kn.gpu(np.ones((3, 4, 512), dtype))
        with recorded() as launches:
            kernel("dropout", "dropout")(x, 0.5, x.shape, 1, 1, 1)
            kernel("dropout", "dropout")(x, 0.5, (3, 4, 1), 1, 1, 1)
        for launch, most in zip(launches, (2, 0.1, 2.01)):
            assert launch.stats.idle_blocks == 0 and launch.moved <= most * x.nbytes
            # in float64 a thread's neighbours are two packs
            assert (
                launch.wasteful(1 if dtype == "f4" or launch.name[:4] != "drop" else 2) == [] or launch.name == "mask"
            )
