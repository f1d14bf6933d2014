"""minibatch: batches, orders, dtypes, errors."""

import tracemalloc

import numpy as np
import pytest

from knetpy import random
from knetpy.data import DataLoader, minibatch

X = np.arange(30, dtype=np.float64).reshape(10, 3)
Y = np.arange(10)


@pytest.fixture(autouse=True)
def seeded():
    random.seed(1)


def labels(data):
    return [y.tolist() for _, y in data]


def test_batches_in_order_and_again():
    data = minibatch(X, Y, 5)
    for _ in range(2):
        batches = list(data)
        assert len(batches) == len(data) == 2
        for (x, y), at in zip(batches, (0, 5), strict=True):
            assert (x == X[at : at + 5]).all() and (y == Y[at : at + 5]).all()


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("n, batchsize, whole, rest", [(10, 4, 2, 2), (10, 5, 2, 0), (10, 10, 1, 0), (10, 1, 10, 0)])
def test_the_last_batch(shuffle, n, batchsize, whole, rest):
    sizes = [len(y) for _, y in minibatch(X, Y, batchsize, shuffle=shuffle)]
    assert sizes == [batchsize] * whole
    data = minibatch(X, Y, batchsize, shuffle=shuffle, partial=True)
    assert [len(y) for _, y in data] == [batchsize] * whole + [rest] * (rest > 0)
    assert len(data) == whole + (rest > 0)


def test_x_alone():
    for data in (
        minibatch(X, 5),
        minibatch(X, batchsize=5),
        minibatch(X, None, 5),
        minibatch(X, np.int32(5)),
    ):
        first, second = data
        assert type(first) is np.ndarray and (first == X[:5]).all() and (second == X[5:]).all()


def test_shuffle_is_an_order_of_all_and_keeps_pairs():
    data = minibatch(X, Y, 2, shuffle=True)
    seen = []
    for x, y in data:
        assert (x == X[y]).all()
        seen += y.tolist()
    assert sorted(seen) == list(range(10)) and seen != list(range(10))


def test_shuffle_differs_by_epoch_and_repeats_under_a_seed():
    data = minibatch(X, Y, 2, shuffle=True)
    first, second = labels(data), labels(data)
    assert first != second
    random.seed(1)
    assert [labels(data), labels(data)] == [first, second]
    random.seed(2)
    assert labels(data) != first


def test_epochs_begun_in_turn_have_their_orders_in_turn():
    data = minibatch(X, Y, 2, shuffle=True)
    expected = [labels(data), labels(data)]
    random.seed(1)
    one, two = iter(data), iter(data)
    second, first = labels(two), labels(one)
    assert [first, second] == expected


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "x",
    [X.astype(np.float32), X, np.arange(10), np.asfortranarray(np.zeros((10, 3, 2), np.float32))],
)
def test_batches_belong_to_the_caller(shuffle, x):
    before = x.copy()
    for a, b in minibatch(x, Y, 5, shuffle=shuffle):
        for array in (a, b):
            assert array.flags.c_contiguous and array.flags.writeable
            assert not np.shares_memory(array, x) and not np.shares_memory(array, Y)
            array[...] = -1
    assert (x == before).all() and (Y == np.arange(10)).all()


def test_read_only_data_is_fine():
    x = X.copy()
    x.flags.writeable = False
    assert next(iter(minibatch(x, 2))).flags.writeable


X_LAST = np.zeros((64, 64, 1000), np.float32).transpose(2, 0, 1)  # 16 MB, as Julia and MATLAB lay images


@pytest.mark.parametrize(
    "batch",
    [
        lambda: next(iter(minibatch(X_LAST, 10, shuffle=True))),
        lambda: next(iter(DataLoader(X_LAST, 10, shuffle=True))),
    ],
)
def test_a_batch_of_an_array_in_another_order_takes_memory_for_itself_only(batch):
    tracemalloc.start()
    try:
        found = batch()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.shape == (10, 64, 64) and found.flags.c_contiguous and peak < 8 * found.nbytes


@pytest.mark.parametrize(
    "x, expected",
    [
        (np.zeros((4, 3)), np.float32),
        (np.zeros((4, 3), np.float16), np.float32),
        (np.zeros((4, 3), np.float32), np.float32),
        (np.zeros((4, 2, 2), np.uint8), np.float32),  # images
        (np.zeros((4, 1, 2, 2), np.uint8), np.float32),
        (np.zeros((4, 3), np.uint8), np.uint8),  # bytes of a text
        (np.zeros((4, 3), np.int64), np.int64),  # indices
        (np.zeros((4, 3), bool), bool),
        ([[1.0], [2.0]], np.float32),
        ([[1], [2]], np.int64),
    ],
)
def test_type_of_x(x, expected):
    assert next(iter(minibatch(x, 2))).dtype == expected
    assert next(iter(minibatch(x, 2, xtype=np.float64))).dtype == np.float64


def test_type_of_y():
    for y in (np.zeros(10, np.uint8), np.zeros(10, bool), np.zeros(10, np.int32), np.zeros(10), np.zeros(10, "f2")):
        expected = np.float32 if y.dtype.kind == "f" else y.dtype
        assert next(iter(minibatch(X, y, 2)))[1].dtype == expected
        assert next(iter(minibatch(X, y, 2, ytype="float64")))[1].dtype == np.float64
        assert next(iter(DataLoader((X, y), 2)))[1].dtype == expected


def test_values_are_not_scaled():
    assert next(iter(minibatch(np.full((2, 2, 2), 255, np.uint8), 2))).max() == 255


def test_lengths_differ():
    with pytest.raises(ValueError, match=r"x has 10 .*\(10, 3\).* y has 9 .*\(9,\)"):
        minibatch(X, Y[:9], 2)


@pytest.mark.parametrize("wrong, error", [(0, ValueError), (-3, ValueError), (2.0, TypeError), (True, TypeError)])
def test_wrong_batchsize(wrong, error):
    with pytest.raises(error, match="batchsize"):
        minibatch(X, Y, wrong)


def test_missing_batchsize():
    with pytest.raises(TypeError, match="batchsize is missing"):
        minibatch(X, Y)
    with pytest.raises(TypeError, match="batchsize is missing"):
        minibatch(X)


def test_fewer_instances_than_a_batch():
    with pytest.raises(ValueError, match=r"11 .* 10 instances.*partial=True"):
        minibatch(X, Y, 11)
    ((x, y),) = minibatch(X, Y, 11, partial=True)
    assert len(x) == len(y) == 10
    assert list(minibatch(X[:0], 3, partial=True)) == []


def test_what_is_no_array():
    with pytest.raises(TypeError, match="y must be an array"):
        minibatch(X, 3, 2)
    with pytest.raises(TypeError, match="x must be an array.*generator"):
        minibatch((row for row in X), 2)
    with pytest.raises(ValueError, match="x cannot be made an array"):
        minibatch([[1, 2], [3]], 2)


def test_repr_tells_what_is_inside():
    assert repr(minibatch(X, Y, 3, shuffle=True)) == "minibatch(x (10, 3), y (10,), 3, shuffle=True): 3 batches"
