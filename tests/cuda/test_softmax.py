"""Softmax on the GPU: short, long and turned rows, masks, infinite scores, and how it reads memory."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.cuda import softmax as cuda
from knetpy.kernels.reference import softmax as reference
from tests.cuda.conftest import emulated

FORWARD, BACKWARD = ("softmax", "logsoftmax"), ("softmax_dx", "logsoftmax_dx")
# Rows of a warp that keeps 4 or 16 each, of a block, and columns; more than a block of each.
SHAPES = [((5, 3), -1), ((7, 130), 1), ((3, 511), 1), ((2, 513), 1), ((1, 1100), 1), ((3, 4, 50), 1), ((2, 9, 150), 1)]
SHAPES += [((2, 3, 4, 5), (1, 3)), ((3, 7), (0, 1)), ((4,), 0)]


def same(name, *args, tolerance=2e-6, **options):
    exact = getattr(reference, name)(*[a.astype("f8") for a in args], **options)
    found = kn.cpu(kernel("softmax", name)(*kn.gpu(list(args)), **kn.gpu(options)))
    assert found.dtype == args[0].dtype
    np.testing.assert_allclose(found, exact, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("shape, axis", SHAPES)
def test_values_and_derivatives(shape, axis, order):
    rng = np.random.default_rng(0)
    x, dy = (3 * rng.standard_normal((2, *shape))).astype("f4")
    for name in FORWARD:
        same(name, x, axis=axis)
        same(name, x, axis=axis, mask=rng.random(shape) < 0.6)
    same("softmax_dx", dy, reference.softmax(x, axis=axis), axis=axis)
    same("logsoftmax_dx", dy, reference.logsoftmax(x, axis=axis), axis=axis, tolerance=2e-5)


@pytest.mark.parametrize("shape, axis", [((6, 5), 1), ((6, 600), 1), ((6, 5, 3), 1)])
def test_infinite_and_masked_rows(shape, axis):
    x = np.zeros(shape, "f4")
    x[0, 0], x[1, 1], x[2] = np.inf, -np.inf, -np.inf
    x[3, 2], x[4] = np.nan, 1e38
    mask = np.ones(shape, bool)
    mask[5], mask[0, 1:] = False, False
    for name in FORWARD:
        same(name, x, axis=axis)
        same(name, x, axis=axis, mask=mask)


def test_masks_stretch_and_strides_do_not_matter():
    x = np.random.default_rng(0).standard_normal((6, 8, 10)).astype("f4")
    mask = x[:1, :, :1] < 0.5
    gpu = kn.gpu(x)[::2, :, 1::3].transpose(2, 0, 1)
    y = kernel("softmax", "softmax")(gpu, axis=2, mask=kn.gpu(mask[:1, :, 0].reshape(1, 1, 8)))
    exact = reference.softmax(x[::2, :, 1::3].transpose(2, 0, 1), axis=2, mask=mask[:1, :, 0].reshape(1, 1, 8))
    np.testing.assert_allclose(kn.cpu(y), exact, rtol=1e-5)


def test_half_precision_and_no_elements():
    x = np.linspace(-3, 3, 3000).astype("f2").reshape(1, 3000)
    y = kn.cpu(kernel("softmax", "softmax")(kn.gpu(x), axis=1))
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, reference.softmax(x, axis=1), rtol=2e-3)
    for shape in ((0, 3), (3, 0)):
        assert kernel("softmax", "softmax")(kn.gpu(np.zeros(shape, "f4")), axis=1).shape == shape


@emulated
@pytest.mark.parametrize("n, kernel_name", [(100, "rows<float, 4, false>"), (500, "rows<float, 16, false>")])
def test_every_element_is_read_and_written_once(n, kernel_name):
    x = kn.gpu(np.zeros((9, n), "f4"))
    kernel("softmax", "softmax")(x, axis=1)
    stats = next(k for (_, name), k in cuda._run._kernels.items() if name == kernel_name).stats
    assert stats.global_read_bytes == stats.global_write_bytes == x.nbytes
    assert stats.idle_blocks == 0
