"""Initialisers: fans, spreads, structure, errors."""

import math

import numpy as np
import pytest

from knetpy import random
from knetpy.parameters import init

RANDOM = [
    init.xavier_uniform,
    init.xavier_normal,
    init.kaiming_uniform,
    init.kaiming_normal,
    init.lecun_normal,
    init.gaussian,
    init.truncated_normal,
    init.orthogonal,
    lambda *shape, **options: init.sparse_init(*shape, sparsity=0.5, **options),
]
ALL = [*RANDOM, init.identity_init, init.zeros, init.ones]


@pytest.fixture(autouse=True)
def seeded():
    random.seed(4)


@pytest.mark.parametrize(
    "shape, expected",
    [
        ((), (1, 1)),
        ((7,), (7, 1)),
        ((512, 10), (512, 10)),
        ((16, 3, 5), (15, 80)),
        ((16, 3, 5, 4), (60, 320)),
        ((2, 3, 2, 2, 2), (24, 16)),
        ((0, 3, 2), (6, 0)),
    ],
)
def test_fans(shape, expected):
    assert init.fans(*shape) == init.fans(shape) == expected


@pytest.mark.parametrize("make", ALL)
def test_shapes_and_dtypes(make):
    for shape in [(3, 4), (0, 3), (3, 0)]:
        array = make(*shape)
        assert type(array) is np.ndarray and array.shape == make(shape).shape == shape
        assert array.dtype == np.float32 and array.flags.writeable and array.flags.c_contiguous
    for dtype in (np.float16, np.float64):
        assert make(3, 4, dtype=dtype).dtype == dtype


@pytest.mark.parametrize("make", [m for m in ALL if m not in (init.orthogonal, RANDOM[-1])])
def test_any_number_of_axes(make):
    for shape in [(), (5,), (2, 3, 4), (2, 3, 1, 2, 2)]:
        array = make(*shape)
        assert type(array) is np.ndarray and array.shape == shape


@pytest.mark.parametrize("make", RANDOM)
def test_seed_decides(make):
    first, second = make(4, 5), make(4, 5)
    assert (first != second).any()
    random.seed(4)
    assert (make(4, 5) == first).all()
    random.seed(4)
    random.rand(3)  # another stream
    assert (make(4, 5) == first).all()


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("wrong, error", [((2.0, 3), TypeError), ((2, -3), ValueError), (("ab",), TypeError)])
def test_wrong_shapes(make, wrong, error):
    with pytest.raises(error, match="shape"):
        make(*wrong)


@pytest.mark.parametrize("make", RANDOM[:6])
def test_wrong_dtype(make):
    with pytest.raises(TypeError, match="int32"):
        make(2, 3, dtype=np.int32)


@pytest.mark.parametrize(
    "make, bound",
    [
        (init.xavier_uniform, math.sqrt(6 / (75 + 1000))),
        (lambda *s: init.xavier(*s, gain=3), 3 * math.sqrt(6 / (75 + 1000))),
        (init.kaiming_uniform, math.sqrt(2) * math.sqrt(3 / 75)),
        (lambda *s: init.kaiming_uniform(*s, gain=1), math.sqrt(3 / 75)),
    ],
)
def test_uniform_bounds(make, bound):
    x = make(40, 3, 5, 5).astype(np.float64)
    assert np.abs(x).max() <= bound * (1 + 1e-6)
    assert np.abs(x).max() > 0.99 * bound and x.min() < -0.99 * bound
    assert abs(x.mean()) < 4 * bound / math.sqrt(3 * x.size)
    assert x.std() == pytest.approx(bound / math.sqrt(3), rel=0.03)


@pytest.mark.parametrize(
    "make, mean, std",
    [
        (init.xavier_normal, 0, math.sqrt(2 / (75 + 1000))),
        (lambda *s: init.xavier_normal(*s, gain=2), 0, 2 * math.sqrt(2 / (75 + 1000))),
        (init.kaiming_normal, 0, math.sqrt(2 / 75)),
        (lambda *s: init.kaiming_normal(*s, gain=1), 0, math.sqrt(1 / 75)),
        (init.lecun_normal, 0, math.sqrt(1 / 75)),
        (init.gaussian, 0, 0.01),
        (lambda *s: init.gaussian(*s, mean=5, std=2), 5, 2),
        (init.truncated_normal, 0, 0.87962566),  # scipy.stats.truncnorm(-2, 2).std()
        (
            lambda *s: init.truncated_normal(*s, mean=1, std=2, lo=0, hi=2),
            1,
            0.5596863,
        ),  # 2 truncnorm(-.5, .5)
        (lambda *s: init.truncated_normal(*s, lo=3, hi=math.inf), 3.2830987, 0.2656298),  # truncnorm(3, inf)
    ],
)
def test_mean_and_spread(make, mean, std):
    x = make(40, 3, 5, 5).astype(np.float64)
    assert abs(x.mean() - mean) < 4 * std / math.sqrt(x.size)
    assert x.std() == pytest.approx(std, rel=0.07)


@pytest.mark.parametrize("lo, hi", [(-2, 2), (0.5, 0.6), (6, 7), (-7, -6), (9, math.inf), (-math.inf, -9), (-40, 40)])
def test_truncated_normal_stays_inside(lo, hi):
    x = init.truncated_normal(1000, lo=lo, hi=hi, dtype=np.float64)
    assert (x >= lo).all() and (x <= hi).all() and np.isfinite(x).all()
    assert len(np.unique(x)) > 990  # not piled up at a bound


def test_truncated_normal_checks():
    with pytest.raises(ValueError, match=r"lo=2 and hi=1"):
        init.truncated_normal(3, lo=2, hi=1)
    with pytest.raises(ValueError, match="lo"):
        init.truncated_normal(3, lo=1, hi=1)
    with pytest.raises(ValueError, match="std"):
        init.truncated_normal(3, std=0)


def test_gaussian_checks():
    for wrong in (-1, math.nan):
        with pytest.raises(ValueError, match="std"):
            init.gaussian(3, std=wrong)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (4, 2, 3), (12, 2, 3), (1, 5)])
def test_orthogonal(shape):
    w = init.orthogonal(*shape, gain=2, dtype=np.float64).reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(min(w.shape)), atol=1e-12)


def test_orthogonal_is_uniform():
    """A rotation of the plane may have any angle; QR's own signs would leave out half of them."""
    corners = np.array([init.orthogonal(2, 2)[:, 0] for _ in range(400)])
    quadrants = np.histogram2d(*corners.T, bins=[[-1, 0, 1], [-1, 0, 1]])[0]
    assert (np.abs(quadrants - 100) < 40).all()


def test_orthogonal_needs_a_matrix():
    with pytest.raises(ValueError, match=r"2 axes.*\(5,\)"):
        init.orthogonal(5)


def test_identity_init():
    assert (init.identity_init(3, 3) == np.eye(3)).all()
    assert (init.identity_init(2, 3, gain=2) == 2 * np.eye(2, 3)).all()
    assert (init.identity_init(4) == 0).all()
    assert (init.identity_init(3, 3, shift=1) == np.roll(np.eye(3), 1, axis=0)).all()
    assert (init.identity_init(3, 3, shift=(0, 1)) == np.roll(np.eye(3), 1, axis=1)).all()
    with pytest.raises(ValueError, match="shift"):
        init.identity_init(3, 3, shift=(1, 2, 3))


def test_identity_init_of_a_convolution():
    w = init.identity_init(2, 3, 3, 4)
    assert w.sum() == 2 and w[0, 0, 1, 1] == w[1, 1, 1, 1] == 1


@pytest.mark.parametrize("sparsity, zeros", [(0, 0), (0.3, 3), (0.31, 4), (1, 10)])
def test_sparse_init(sparsity, zeros):
    w = init.sparse_init(10, 50, sparsity=sparsity, std=3)
    assert ((w == 0).sum(axis=0) == zeros).all()
    if 0 < zeros < 10:
        assert len({tuple(column) for column in (w == 0).T}) > 10  # not the same places in every column
    if zeros < 10:
        assert w[w != 0].std() == pytest.approx(3, rel=0.15)


def test_sparse_init_checks():
    for wrong in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match="sparsity"):
            init.sparse_init(3, 4, sparsity=wrong)
    with pytest.raises(ValueError, match=r"2 axes.*\(3, 4, 5\)"):
        init.sparse_init(3, 4, 5, sparsity=0.5)
    with pytest.raises(TypeError, match="sparsity"):
        init.sparse_init(3, 4)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_bilinear_enlarges_a_constant_and_a_ramp(scale):
    """Laying copies of the window `scale` apart must give back constants and straight lines."""
    size = 2 * scale - scale % 2
    line = init.bilinear(1, 1, size, size, dtype=np.float64)[0, 0]
    row = line[size // 2] / line[size // 2].sum() * scale  # one axis: the window is a product of two
    for values in (np.ones(12), np.arange(12.0)):
        out = np.zeros(11 * scale + size)
        for i, value in enumerate(values):
            out[i * scale : i * scale + size] += value * row
        inside = np.diff(out[size:-size])
        np.testing.assert_allclose(inside, (values[1] - values[0]) / scale, atol=1e-12)


def test_bilinear_channels():
    w = init.bilinear(2, 3, 4, 3)
    assert w.shape == (2, 3, 4, 3) and w.dtype == np.float32
    for i in range(2):
        for o in range(3):
            assert (w[i, o] != 0).all() == (i == o) and (w[i, o] != 0).any() == (i == o)
    np.testing.assert_array_equal(w[0, 0], np.outer([0.25, 0.75, 0.75, 0.25], [0.5, 1, 0.5]))
    for wrong in [(2, 3, 4), (1, 1, 0, 2)]:
        with pytest.raises(ValueError, match="C_in, C_out"):
            init.bilinear(*wrong)


def test_zeros_and_ones():
    assert (init.zeros(2, 3) == 0).all() and (init.ones(2, 3) == 1).all()
    assert init.ones(3, dtype=np.int64).dtype == np.int64


def test_every_public_initialiser_is_listed():
    functions = {n for n, f in vars(init).items() if getattr(f, "__module__", "") == init.__name__ and n[0] != "_"}
    assert functions == set(init.__all__)
