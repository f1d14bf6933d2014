"""scatter and embed on the GPU: what drawn calls do not show."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from tests.cuda.record import recorded
from tests.cuda.test_kernels import agrees

F4, F8 = np.dtype("f4"), np.dtype("f8")
RNG = np.random.default_rng(0)
SIZES = [(1, 200, 3, 40), (3, 70, 5, 1), (2, 33, 2, 3), (1, 31, 1, 200), (2, 64, 64, 1), (1, 1, 1, 1)]  # A, M, N, B


def index_of(A, M, N, B, lists, columns):
    return RNG.integers(0, N, (A if lists else 1, M, B if columns else 1))


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_indices_for_all_or_for_each(sizes, lists, columns):
    (A, M, N, B), index = sizes, index_of(*sizes, lists, columns)
    assert agrees("scatter", "take_along", (RNG.standard_normal((A, N, B)), index), {}, F8)
    assert agrees("scatter", "add_along", (RNG.standard_normal((A, M, B)), index), {"size": N + 2}, F8)


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 63, 64, 95, 300])
def test_runs_of_any_length_at_any_place(rows, order):
    """Those that hold whole chunks, begin or end in one, and lie within one."""
    for before in (0, 1, 31, 32):
        index = np.repeat([0, 1, 3], [before, rows, 5])
        dy = RNG.standard_normal((len(index), 2))
        shuffled = RNG.permutation(len(index))
        assert agrees("embed", "embed_dw", (dy, index), {"rows": 4}, F8)
        assert agrees("embed", "embed_dw", (dy, index[shuffled]), {"rows": 4}, F8)


def test_sums_do_not_depend_on_the_run_of_threads(order):
    index, dy = np.random.default_rng(1).integers(0, 3, 500), np.random.default_rng(2).standard_normal((500, 5))
    found = kn.cpu(kernel("embed", "embed_dw")(*kn.gpu((dy.astype("f4"), index)), rows=3))
    assert test_sums_do_not_depend_on_the_run_of_threads.__dict__.setdefault("bits", found.tobytes()) == found.tobytes()


KEYS = {
    "pairs": (np.array([0, 3, 0, -1]), np.array([2, 1, 2, 1])),
    "between": (np.array([[0], [2]]), slice(None, None, 2), np.array([1, 1, 0])),
    "new axis": (None, np.array([1, 1, -4]), ..., np.array([0])),
    "mask": (np.array([True, False, True, True]), np.array([0, 2, 2])),
    "slices": (slice(1, 3),),
    "none": (np.zeros(0, int), np.zeros(0, int)),
}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4"])
@pytest.mark.parametrize("key", KEYS)
def test_sums_at_any_key(key, dtype):
    x = np.arange(48).reshape(4, 3, 4).astype(dtype)
    values = RNG.integers(-3, 3, x[KEYS[key]].shape).astype(dtype)
    there = kn.gpu(x)
    assert kernel("scatter", "add_at")(there, tuple(kn.gpu(list(KEYS[key]))), kn.gpu(values)) is None
    np.add.at(x, KEYS[key], values)
    assert there.dtype == dtype
    np.testing.assert_array_equal(kn.cpu(there), x)


def test_sums_at_a_key_stretch_their_values_and_do_not_depend_on_the_run_of_threads(order):
    rows, columns = np.random.default_rng(1).integers(0, 3, (2, 500))
    values = np.random.default_rng(2).standard_normal((500, 1)).astype("f4")
    x = kn.gpu(np.zeros((3, 3, 2), "f4"))
    kernel("scatter", "add_at")(x, kn.gpu((rows, columns)), kn.gpu(values))
    exact = np.zeros((3, 3, 2))
    np.add.at(exact, (rows, columns), values)
    found = kn.cpu(x)
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)
    kept = test_sums_at_a_key_stretch_their_values_and_do_not_depend_on_the_run_of_threads.__dict__
    assert kept.setdefault("bits", found.tobytes()) == found.tobytes()


def test_short_runs_are_added_in_the_order_of_indices():
    index, dy = RNG.integers(0, 40, 300), RNG.standard_normal((300, 7)).astype("f4")
    exact = kernel("embed", "embed_dw")(dy, index, rows=40)
    np.testing.assert_array_equal(kn.cpu(kernel("embed", "embed_dw")(*kn.gpu((dy, index)), rows=40)), exact)


def test_numbers_out_of_range_stay_inside():
    table, index = np.arange(12.0).reshape(4, 3), np.array([0, 4, -1, -7, 2**62, -(2**62), 3])
    y = kn.cpu(kernel("embed", "embed")(*kn.gpu((table, index))))
    np.testing.assert_array_equal(y, table[[0, 3, 0, 0, 3, 0, 3]] * np.array([1, 1, 0, 0, 1, 0, 1])[:, None])
    dw = kn.cpu(kernel("embed", "embed_dw")(*kn.gpu((np.ones((7, 3)), index)), rows=4))
    assert dw.tolist() == [[1] * 3, [0] * 3, [0] * 3, [1] * 3]
    many = np.repeat([-1, 9], 100)
    assert not kn.cpu(kernel("embed", "embed_dw")(*kn.gpu((np.ones((200, 2)), many)), rows=4)).any()
    index = np.array([[[5], [-1], [1]]])
    assert kn.cpu(kernel("scatter", "take_along")(*kn.gpu((np.ones((1, 2, 1)), index)))).tolist() == [[[1], [0], [1]]]
    assert kn.cpu(kernel("scatter", "add_along")(*kn.gpu((np.ones((1, 3, 1)), index)), size=2)).tolist() == [[[0], [1]]]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "?", "i4", "c16"])
@pytest.mark.parametrize("width", [1, 3, 4, 8, 100])
def test_elements_of_any_dtype_are_moved(dtype, width):
    table, index = RNG.integers(0, 100, (7, width)).astype(dtype), RNG.integers(-1, 7, (5, 2))
    for shifted in (table, table[1:]):  # which is not aligned, if its rows are not
        clipped = np.minimum(index, len(shifted) - 1)
        y = kn.cpu(kernel("embed", "embed")(kn.gpu(table)[len(table) - len(shifted) :], kn.gpu(index)))
        assert y.dtype == table.dtype
        np.testing.assert_array_equal(y, np.where(clipped[..., None] < 0, 0, shifted[clipped]).astype(dtype))


@pytest.mark.parametrize("shape, rows", [((0, 3), 4), ((5, 0), 4), ((5, 3), 0), ((0,), 2), ((100,), 3)], ids=str)
def test_nothing_and_vectors(shape, rows):
    dy, index = np.ones(shape), np.zeros(shape[0], int) if rows else np.full(shape[0], -1)
    assert agrees("embed", "embed_dw", (dy, index), {"rows": rows}, F8)
    assert agrees("embed", "embed", (np.ones((rows, *shape[1:])), index), {}, F8)
    src, places = RNG.standard_normal(shape), RNG.integers(0, max(1, rows), shape[0])
    assert agrees("scatter", "extreme", (src[: rows * 9], places[: rows * 9]), {"size": rows, "largest": True}, F8)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_extremes(largest, dtype, order):
    index = RNG.integers(0, 4, 300)
    src = RNG.standard_normal((300, 2, 3))
    for value in (np.nan, np.inf, -np.inf):
        src[RNG.integers(0, 300, 2), RNG.integers(0, 2), RNG.integers(0, 3)] = value
    src = src.astype(dtype)
    exact = kernel("scatter", "extreme")(src, index, size=6, largest=largest)
    found = kn.cpu(kernel("scatter", "extreme")(*kn.gpu((src, index)), size=6, largest=largest))
    assert found.dtype == src.dtype
    np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("width", [1, 5, 130])
def test_maxima_of_bags(dtype, width):
    table = RNG.integers(0, 4, (9, width)).astype(dtype)
    table[RNG.random(table.shape) < 0.1] = np.nan
    table[8] = -np.inf
    index = np.append(RNG.integers(-1, 9, 40), [8, -1])
    starts = np.array([0, 0, 3, 10, 11, 39, 40, 41])
    exact = kernel("embed", "bag_max")(table, index, starts)
    for given in (starts, kn.gpu(starts)):
        found = kernel("embed", "bag_max")(kn.gpu(table), kn.gpu(index), given)
        np.testing.assert_array_equal(kn.cpu(found), exact)
    empty = kernel("embed", "bag_max")(*kn.gpu((table, index[:0], np.zeros(3, int))))
    assert kn.cpu(empty).tolist() == [[-1] * width] * 3
    assert kernel("embed", "bag_max")(*kn.gpu((table, index, starts[:0]))).shape == (0, width)


def test_bags_that_were_changed_stay_inside():
    table, index, starts = np.arange(4.0)[:, None], np.array([9, 1, -5]), np.array([-4, 2, 2**40])
    assert kn.cpu(kernel("embed", "bag_max")(*kn.gpu((table, index, starts)))).tolist() == [[3], [-1], [-1]]
    nothing = kernel("embed", "bag_max")(*kn.gpu((np.ones((0, 2)), index, np.zeros(1, int))))
    assert kn.cpu(nothing).tolist() == [[-1, -1]]


@pytest.mark.parametrize("width, repeats", [(64, 2), (256, 1), (64, 40)])
def test_rows_are_moved_once_and_together(width, repeats):
    index = np.repeat(RNG.permutation(16), repeats)
    table, dy = RNG.standard_normal((16, width)).astype("f4"), RNG.standard_normal((len(index), width)).astype("f4")
    with recorded(trace=200000) as launches:
        kernel("embed", "embed")(*kn.gpu((table, index)))
        kernel("embed", "embed_dw")(*kn.gpu((dy, index)), rows=16)
    stats = {name.split("<")[0]: s for name, s in launches}
    assert stats["take"].global_write_bytes == dy.nbytes and "take<uint4>" in dict(launches)
    assert stats["runs"].global_write_bytes == table.nbytes
    moved = stats["runs"].global_read_bytes + (stats["chunks"].global_read_bytes if repeats > 1 else 0)
    of_numbers = 8 * (2 + 2 / 32) * dy.size + 16 * table.size  # at most, and those of a warp are read together
    assert dy.nbytes <= moved <= dy.nbytes * 34 / 32 + of_numbers
    for name, s in launches:
        assert s.idle_blocks == 0
        if name != "find":
            assert all([r.cost <= r.ideal for r in s.requests()]), name
