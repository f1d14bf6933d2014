"""The tile by itself: every shape and width against plain sums, its flags, its tails, what it leaves alone."""

import numpy as np
import pytest

from tests.kernels.backends import WHY_NOT

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

from knetpy.kernels.cpu.codegen.panels import address, copier
from knetpy.kernels.cpu.codegen.tile import ACCUMULATE, RELU, ROWS, cost, first_rows, run, tile, tiles
from knetpy.kernels.cpu.codegen.vectors import BITS, call, lanes
from knetpy.kernels.cpu.jit import jit

WIDTHS = [bits for bits in (512, 256, 128) if bits <= BITS]
SHAPES = [(bits, vectors, rows) for bits in WIDTHS for vectors in ROWS[bits] for rows in ROWS[bits][vectors]]
TOLERANCE = {"f": 1e-5, "d": 1e-13}


@jit()
def once(code, sums, a, a_strides, b, b_strides, c, c_stride, start, flags, columns):
    run(code, sums, a, a_strides, b, b_strides, c, c_stride, start, flags, columns)


@jit()
def copy(code, arguments):
    call(code, arguments)


def product(a, b, c, code, start=None, flags=0):
    """a (rows, KO, KI), b (KO, KI, columns), c (rows, columns): what the tile makes of c."""
    (_, ko, ki), columns = a.shape, b.shape[2]
    begin = 0 if start is None else address(start)
    ar, ao, ai = a.strides
    once(
        *(code, (ko, ki), address(a), (ao, ai, ar), address(b), b.strides[:2]),
        *(address(c), c.strides[0], begin, flags, columns),
    )
    return c


def random(*shape, dtype="d"):
    return np.random.default_rng(7).normal(size=shape).astype(dtype)


def expected(a, b):
    return np.einsum("ioq,oqj->ij", a.astype("d"), b.astype("d"))


def framed(rows, columns, dtype):
    """A poisoned array and its inside."""
    whole = np.full((rows + 2, columns + 2), np.nan, dtype)
    return whole, whole[1:-1, 1:-1]


@pytest.mark.parametrize("bits, vectors, rows", SHAPES)
def test_every_shape(bits, vectors, rows):
    code = tile(rows, vectors, "f", bits)
    width = lanes("f", bits)
    for columns in range((vectors - 1) * width + 1, vectors * width + 1):
        a, b = random(rows, 2, 3, dtype="f"), random(2, 3, columns, dtype="f")
        whole, c = framed(rows, columns, "f")
        np.testing.assert_allclose(product(a, b, c, code), expected(a, b), rtol=1e-5, atol=1e-5)
        assert np.isnan(whole).sum() == whole.size - c.size  # nothing else was written


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("bits", WIDTHS)
def test_flags_and_start(bits, dtype):
    columns = 2 * lanes(dtype, bits) - 1
    code = tile(4, 2, dtype, bits)
    a, b, bias = random(4, 1, 9, dtype=dtype), random(1, 9, columns, dtype=dtype), random(columns, dtype=dtype)
    held = random(4, columns, dtype=dtype)[::-1].copy()
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    exact = expected(a, b)
    np.testing.assert_allclose(product(a, b, held.copy(), code, bias), exact + bias, **near)
    np.testing.assert_allclose(product(a, b, held.copy(), code, None, ACCUMULATE), exact + held, **near)
    np.testing.assert_allclose(product(a, b, held.copy(), code, bias, RELU), np.maximum(exact + bias, 0), **near)
    both = product(a, b, held.copy(), code, bias, ACCUMULATE + RELU)
    np.testing.assert_allclose(both, np.maximum(exact + bias + held, 0), **near)


@pytest.mark.parametrize("bits", WIDTHS)
def test_any_strides_of_the_scalar_operand(bits):
    code, a = tile(4, 1, "d", bits), random(3, 5, 4).transpose(2, 1, 0)
    b = random(5, 3, lanes("d", bits))
    for laid in (a, a[:, ::-1], np.broadcast_to(a[:1, :, :1], a.shape)):
        c = np.full((4, b.shape[2]), np.nan)
        np.testing.assert_allclose(product(laid, b, c, code), expected(laid, b), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("bits", WIDTHS)
def test_empty_sums_and_special_values(bits):
    code, columns = tile(2, 1, "f", bits), lanes("f", bits)
    for shape in ((0, 3), (3, 0)):
        c = product(np.ones((2, *shape), "f"), np.ones((*shape, columns), "f"), np.full((2, columns), 9, "f"), code)
        np.testing.assert_array_equal(c, 0)
    a = np.array([[[np.nan]], [[-np.inf]]], "f")
    c = product(a, np.ones((1, 1, columns), "f"), np.empty((2, columns), "f"), code, None, RELU)
    assert np.isnan(c[0]).all() and (c[1] == 0).all()
    c = product(-a, np.ones((1, 1, columns), "f"), np.empty((2, columns), "f"), code, None, RELU)
    assert np.isnan(c[0]).all() and (c[1] == np.inf).all()


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("kind", ["copy", "flip"])
def test_copiers(kind, bits, dtype):
    width = lanes(dtype, bits)
    for rows in (1, width, 2 * width + 3):
        for columns in range(1, width + 1):
            source = random(rows, columns, dtype=dtype)
            given = source if kind == "copy" else np.ascontiguousarray(source.T)
            target = np.full((rows + 1, width), np.nan, dtype)
            copy(
                copier(kind, dtype, bits),
                (rows, columns, address(given), given.strides[0], address(target), target.strides[0]),
            )
            np.testing.assert_array_equal(target[:rows, :columns], source)
            assert np.isnan(target[rows]).all()


@pytest.mark.parametrize("bits", [512, 256, 128])
def test_rows_are_covered_at_the_least_cost(bits):
    for vectors in ROWS[bits]:
        for rows in range(1, 60):
            step = first_rows(rows, vectors, bits)
            assert step in ROWS[bits][vectors] and step <= rows
            assert cost(rows, vectors, bits) <= cost(rows - 1, vectors, bits) + cost(1, vectors, bits)
    assert first_rows(32, 2, 512) == 12 and first_rows(7, 2, 512) == 6


def test_a_table_holds_what_was_asked_for():
    table = tiles(2, "d", BITS)
    table.provide(37, 2)
    left = 37
    while left:
        at = min(left, table.limit)
        assert table.codes[2, at] == tile(int(table.steps[2, at]), 2, "d", BITS)
        left -= table.steps[2, at]
