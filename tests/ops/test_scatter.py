"""Indexing ops and embeddings where there is more to say than that values and derivatives are right."""

import numpy as np
import pytest

import knetpy as kn
from tests.ops.checker import check_first, check_second, quiet

nan, inf = np.nan, np.inf
half, third = 1 / 2, 1 / 3


def put(mode, init=None):
    """Into place 0 go the first two, into place 2 the others."""

    def f(src):
        start = None if init is None else np.array(init, src.dtype)
        return kn.scatter(src, [0, 0, *[2] * (len(src) - 2)], mode=mode, init=start, size=3)

    return f


KINKS = {  # what: (f, x, gradient of the sum of f over the places that something goes to)
    "max ties": (put("max"), [1, 1, 2, 2, 2], [half, half, third, third, third]),
    "min ties": (put("min"), [1, 1, 2, 2, 3], [half, half, half, half, 0]),
    "max ties with init": (put("max", [1, 5, 2]), [1, 1, 0, 2], [third, third, 0, half]),
    "max ties of Inf": (put("max"), [inf, inf, -inf, -inf], [half, half, half, half]),
    "min NaN": (put("min"), [nan, 1, nan, nan], [1, 0, half, half]),
    "mul one zero": (put("mul"), [0, 5, 2, 3, 0], [5, 0, 0, 0, 6]),
    "mul two zeros": (put("mul"), [0, 0, 2, 0, 0], [0, 0, 0, 0, 0]),
    "mul with init": (put("mul", [2, 5, 0]), [3, 0, 7], [0, 6, 0]),
    "mul Inf": (put("mul"), [inf, 2, 1], [2, inf, 1]),
    "mean": (put("mean"), [1, 2, 3, 4, 5], [half, half, third, third, third]),
    "mean with init": (put("mean", [0, 0, 0]), [1, 2, 3], [third, third, half]),
    # the maximum of a bag goes to the first, as PyTorch's
    "bag max ties": (lambda t: kn.embedding_bag(t, [[2, 1], [0, 0]], mode="max"), [[3], [3], [3]], [[1], [0], [1]]),
    "bag max NaN": (lambda t: kn.embedding_bag(t, [[0, 1, 2]], mode="max"), [[9], [nan], [nan]], [[0], [1], [0]]),
    "bag of padding": (lambda t: kn.embedding_bag(t, [[1, 1]], padding_index=1), [[3], [3]], [[0], [0]]),
    "embed padding": (lambda t: kn.embed(t, [0, 1, 1, 0], padding_index=1), [[3], [4]], [[2], [0]]),
    "embed repeated": (lambda t: kn.embed(t, [[2, 2], [2, 0]]), [[1], [2], [3]], [[1], [0], [3]]),
    "gather repeated": (lambda x: kn.gather(x, [1, 1], 1), [[1, 2], [3, 4]], [[0, 2], [0, 2]]),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", KINKS)
def test_kink(name, dtype):
    f, x, wanted = KINKS[name]
    x = np.array(x, dtype)

    def total(x):
        y = f(x)
        return np.sum(y[np.array([0, 2])] if len(y) == 3 and y.ndim == 1 else y)

    with quiet():
        found = kn.grad(total, 0)(x)
        tangent = kn.jvp(total, (x,), (np.ones_like(x),))[1]
    assert found.dtype == dtype
    np.testing.assert_allclose(found, np.array(wanted, float), rtol=1e-3 if dtype is np.float16 else 1e-6)
    np.testing.assert_allclose(tangent, np.sum(wanted), rtol=1e-3 if dtype is np.float16 else 1e-6)


@pytest.mark.parametrize("count", range(1, 8))
def test_products_with_zeros_to_second_order(count):
    """As np.prod, which is exact: every number of zeros among every number of factors."""
    for zeros in range(count + 1):
        x = np.concatenate([np.zeros(zeros), np.linspace(-1.5, 2.1, count)[: count - zeros]])
        index = [1] * count
        check_first(lambda x, i=index: kn.scatter(x, i, mode="mul"), [x], np.random.default_rng(0))
        check_second(lambda x, i=index: kn.scatter(x, i, mode="mul"), [x], np.random.default_rng(1))
        ours = kn.hessian(lambda x, i=index: kn.scatter(x, i, mode="mul")[1])(x)
        np.testing.assert_allclose(ours, kn.hessian(np.prod)(x), rtol=1e-12, atol=1e-13)


def test_where_nothing_goes():
    src, empty = np.ones(2), {"add": 0, "mean": 0, "mul": 1, "max": -inf, "min": inf}
    for mode, value in empty.items():
        assert kn.scatter(src, [1, 1], size=3, mode=mode)[[0, 2]].tolist() == [value] * 2
        assert kn.scatter(np.ones((0, 2)), [], size=1, mode=mode).tolist() == [[value] * 2]
        assert kn.scatter(src[:0], [], mode=mode).shape == (0,)
        assert kn.scatter(src[:0], [], mode=mode, init=src).tolist() == [1, 1]


def test_scatter_is_the_transpose_of_gather():
    rng = np.random.default_rng(0)
    x, index = rng.normal(size=(2, 5, 3)), rng.integers(0, 5, (4, 2))
    y = kn.gather(x, index, 1)
    src = rng.normal(size=y.shape)
    np.testing.assert_allclose(np.vdot(y, src), np.vdot(x, kn.scatter(src, index, axis=1, size=5)))
    np.testing.assert_array_equal(y, np.take(x, index, 1))


def test_a_slice_that_is_masked_does_no_harm():
    """What stands in a row of padding is not multiplied by 0 but left out."""
    table = np.array([[1.0], [nan], [inf]])
    assert kn.embedding_bag(table, [[0, 1]], padding_index=1).tolist() == [[1]]
    g = kn.grad(lambda t: np.sum(kn.embedding_bag(t, [[0, 1], [1, 1]], mode="sum", padding_index=1) ** 2), 0)(table)
    assert g.tolist() == [[2], [0], [0]]


def test_indices_of_every_integer_type():
    table = np.arange(6.0).reshape(3, 2)
    for dtype in "bBhHiIlLqQ":
        index = np.array([2, 0], dtype)
        np.testing.assert_array_equal(kn.embed(table, index), table[[2, 0]])
        np.testing.assert_array_equal(kn.gather(table, index), table[[2, 0]])
        np.testing.assert_array_equal(kn.scatter(np.ones(2), index), [1, 0, 1])
    with pytest.raises(IndexError):
        kn.embed(table, np.array([2**64 - 1], np.uint64))


def test_indices_may_be_written_again_afterwards():
    table, index = np.ones((3, 2)), np.array([2, 0])
    kn.grad(lambda t: np.sum(kn.embed(t, index)), 0)(table)
    index[:] = 1


def test_gather_takes_whole_numbers_too():
    assert kn.gather(np.arange(4), [3, 1]).tolist() == [3, 1]
    assert kn.gather(np.array(["a", "b"]), [1]).tolist() == ["b"]


ONEHOT = {
    "vector": (lambda: kn.onehot([1, 0, 2]), [[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
    "one": (lambda: kn.onehot(1, 3), [0, 1, 0]),
    "axis 0": (lambda: kn.onehot([1, 0], 3, axis=0), [[0, 1], [1, 0], [0, 0]]),
    "axis between": (lambda: kn.onehot([[1, 0]], 2, axis=1), [[[0, 1], [1, 0]]]),
    "axis -2": (lambda: kn.onehot([[1, 0]], 2, axis=-2), [[[0, 1], [1, 0]]]),
    "none": (lambda: kn.onehot([], 2), np.zeros((0, 2))),
    "no classes": (lambda: kn.onehot([]), np.zeros((0, 0))),
}


@pytest.mark.parametrize("name", ONEHOT)
def test_onehot(name):
    f, wanted = ONEHOT[name]
    np.testing.assert_array_equal(f(), np.array(wanted, np.float32), strict=True)


def test_onehot_of_every_dtype():
    for dtype in (bool, np.int8, np.float64):
        assert kn.onehot([1, 0], dtype=dtype).dtype == dtype


@pytest.mark.parametrize(
    "args, options, error, facts",
    [
        (([0, 3], 3), {}, ValueError, ("onehot: label 3 is out of range", "3 classes", "0 to 2")),
        (([-1],), {}, ValueError, ("label -1", "negative")),
        (([0.5],), {}, kn.DtypeError, ("labels", "float64")),
        (([0], -1), {}, ValueError, ("classes", "-1")),
        (([0], 1.5), {}, ValueError, ("classes", "1.5")),
        (([0],), {"axis": 2}, np.exceptions.AxisError, ("axis 2", "2 axes")),
        (([0],), {"axis": "a"}, TypeError, ("axis", "'a'")),
    ],
)
def test_onehot_refuses(args, options, error, facts):
    with pytest.raises(error) as failure:
        kn.onehot(*args, **options)
    assert all(fact in str(failure.value) for fact in facts), failure.value
