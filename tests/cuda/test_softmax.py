"""Softmax on the GPU: short, long and turned rows, masks, infinite scores, and how it reads memory."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.reference import softmax as reference
from tests.cuda.record import recorded

FORWARD = ("softmax", "logsoftmax")
# Rows of a warp that keeps 4 or 16 each, of a block, which may not keep all, and columns; more than a block of each.
SHAPES = [((5, 3), -1), ((7, 130), 1), ((3, 511), 1), ((2, 513), 1), ((1, 1100), 1), ((3, 4, 50), 1), ((2, 9, 150), 1)]
SHAPES += [((2, 16500), 1), ((2, 60, 100), 1), ((2, 3, 4, 5), (1, 3)), ((3, 7), (0, 1)), ((4,), 0)]


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


@pytest.mark.parametrize("shape, axis", [((6, 5), 1), ((6, 600), 1), ((6, 20000), 1), ((6, 5, 3), 1), ((6, 50, 3), 1)])
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


@pytest.mark.parametrize("bytes_kept", [(48 << 10) - 8, 48 << 10])
def test_rows_that_take_48_kib_beside_what_the_kernel_declares(bytes_kept):
    """More than that in sum no device gives a block that has not been told to ask for it."""
    x = np.random.default_rng(0).standard_normal((1, bytes_kept // 4)).astype("f4")
    same("softmax", x, axis=1)
    same("softmax_dx", x[:, ::2], reference.softmax(x[:, ::2], axis=1), axis=1)
    losses, _ = kernel("nll", "nll")(kn.gpu(x), kn.gpu(np.array([[3]])), axis=1)
    np.testing.assert_allclose(kn.cpu(losses), -reference.logsoftmax(x, axis=1)[:, 3:4], rtol=1e-5)


def test_half_precision_and_no_elements():
    x = np.linspace(-3, 3, 3000).astype("f2").reshape(1, 3000)
    y = kn.cpu(kernel("softmax", "softmax")(kn.gpu(x), axis=1))
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, reference.softmax(x, axis=1), rtol=2e-3)
    for shape in ((0, 3), (3, 0)):
        assert kernel("softmax", "softmax")(kn.gpu(np.zeros(shape, "f4")), axis=1).shape == shape


# Shape, axis, and how often x and what is as large must be read: forward, with a mask, back.
READ = {
    "short rows": ((9, 100), 1, 1, 1, 1),
    "rows": ((9, 500), 1, 1, 1, 1),
    "long rows": ((3, 3000), 1, 1, 1, 1),
    "rows that memory just keeps": ((2, 12902), 1, 1, 1, 2 - 8064 / 12902),
    "rows beyond that": ((1, 40000), 1, 2 - 16128 / 40000, 2 - 12902 / 40000, 2 - 8064 / 40000),
    "columns": ((3, 21, 128), 1, 1, 1, 1),
    "long columns": ((1, 60, 256), 1, 2 - 48 / 60, 2 - 38 / 60, 2 - 24 / 60),
}


@pytest.mark.parametrize("name", READ)
def test_every_element_is_read_once_if_it_can_be_kept(name):
    shape, axis, plain, masked, back = READ[name]
    x = np.random.default_rng(0).standard_normal(shape).astype("f4")
    there, mask, bits = kn.gpu(x), kn.gpu(x < 9), x.nbytes // 4
    with recorded() as launches:
        p = kernel("softmax", "softmax")(there, axis=axis)
        kernel("softmax", "softmax")(there, axis=axis, mask=mask)
        kernel("softmax", "softmax_dx")(there, p, axis=axis)
    for (_, stats), read in zip(launches, (x.nbytes * plain, (x.nbytes + bits) * masked, 2 * x.nbytes * back)):
        assert stats.global_read_bytes == round(read)
        assert stats.global_write_bytes == x.nbytes and stats.idle_blocks == 0


@pytest.mark.parametrize("shape", [(8, 32), (2, 1024), (2, 4, 128)])
def test_requests_are_read_together_and_meet_no_bank_conflicts(shape):
    x = kn.gpu(np.ones(shape, "f4"))
    with recorded(trace=100000) as launches:
        p = kernel("softmax", "softmax")(x, axis=1, mask=x > 0)
        kernel("softmax", "softmax_dx")(x, p, axis=1)
    assert [r for _, stats in launches for r in stats.requests() if r.cost > r.ideal] == []
