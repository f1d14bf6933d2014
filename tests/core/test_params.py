"""Params: making them, finding them, using them as arrays, `@kn.model`."""

import copy
import functools
import pickle
import types
import warnings

import numpy as np
import pytest

import knetpy as kn
from knetpy import grad, named_params, param, param0, params

W = param(2, 3)
B = param0(3)


def test_what_param_makes():
    array = np.arange(3.0)
    p = param(array)
    array[0] = 9
    assert p.dtype == np.float64 and p.value[0] == 0, "the array is copied"
    assert param([1, 2]).dtype == np.float32 and param([[1.5]]).shape == (1, 1)
    assert param(5).shape == (5,) and param(5.0).shape == () and param(5.0).dtype == np.float32
    assert param(np.float64(5)).dtype == np.float64 and param(np.ones(2, np.float16)).dtype == np.float16
    assert param(2, 3, dtype=np.float64).dtype == np.float64 and param(np.int64(3), 2).shape == (3, 2)
    assert not param0(2, 3).value.any() and param(3, init=kn.init.ones).value.tolist() == [1, 1, 1]
    assert param(np.ones(2, ">f8")).dtype == np.dtype("f8") and param(np.ones((3, 2)).T).value.flags.c_contiguous
    q = param(p)
    assert q is not p and not np.shares_memory(q.value, p.value)
    assert param(0, 3).shape == (0, 3)


@pytest.mark.parametrize(
    "make", [lambda: param(2, 3), lambda: kn.param0(3), lambda: param([1.0]), lambda: param(np.ones(2, ">f4"))]
)
def test_the_dtype_is_the_object_that_short_paths_compare_with(make):
    assert make().value.dtype is np.dtype(np.float32)


def test_param_is_its_array_outside_transforms():
    p = param([[1.0, 2.0], [3.0, 4.0]])
    a = p.value
    for mine, plain in [
        (p + 1, a + 1), (1 - p, 1 - a), (p @ p, a @ a), (-p, -a), (p**2, a**2), (p[0], a[0]), (p.T, a.T),
        (np.exp(p), np.exp(a)), (p.sum(0), a.sum(0)), (p.reshape(4), a.reshape(4)), (np.sort(p), np.sort(a)),
        (p.mean(), a.mean()), (np.linalg.inv(p), np.linalg.inv(a)), (p > 2, a > 2), (p.astype("f8"), a.astype("f8")),
        (np.add(p, 1, out=np.empty((2, 2), "f4")), a + 1), (np.add.reduce(p), np.add.reduce(a)), (p / 2, a / 2),
        (np.concatenate([p, p]), np.concatenate([a, a])), (p.copy(), a.copy()), (p.argmax(), a.argmax()),
        (p.max(), a.max()), (abs(p), abs(a)),
    ]:  # fmt: skip
        assert type(mine) is type(plain) and mine.dtype == plain.dtype
        np.testing.assert_array_equal(mine, plain)
    assert p.tolist() == a.tolist() and float(param(2.0)) == 2 and len(p) == 2 and int(param(3.0)) == 3
    assert p.nbytes == 16 and p.item(1, 1) == 4 and [r.tolist() for r in p] == a.tolist() and bool(param(1.0))
    assert not np.asarray(p).flags.writeable and not kn.value(p).flags.writeable and not p[0].flags.writeable
    assert np.array(p).flags.writeable and np.shares_memory(np.asarray(p), p.value)
    assert complex(param(2.0)) == 2 and f"{param(2.0):.1f}" == "2.0"


def test_writing_in_place_keeps_the_param():
    p = param([1.0, 2.0])
    same, view = p, p.value
    p += 1
    p *= [2, 3]
    p -= np.float64(1)
    p[0] = 10
    p[1:] = p[1:] / 2
    assert p is same and np.array_equal(view, [10, 4]) and p.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        p[1:] /= 2  # Python writes into the view p[1:]
    p @= np.ones((2, 2), "f4")  # changes the shape, so Python rebinds the name
    assert p is not same and type(p) is np.ndarray
    with pytest.raises(kn.MutationError):
        same.sort()
    with pytest.raises(ValueError, match="read-only"):
        same.value[0] = 1


def test_copies_are_params_of_their_own():
    p = param([1.0, 2.0])
    for q in (copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert isinstance(q, kn.Param) and q.uid != p.uid and not np.shares_memory(q.value, p.value)
        g = grad(lambda q=q: np.sum(p * 2 + q * 3))()
        assert np.array_equal(g[p], [2, 2]) and np.array_equal(g[q], [3, 3])
    shared = copy.deepcopy([p, p])
    assert shared[0] is shared[1]


# Finding ------------------------------------------------------------------------------------------------------------


class Net:
    def __init__(self):
        self.layers = [param(1), (param(2), {"k": param(3)})]
        self.same = self.layers[0]

    def __call__(self, x):
        return x @ W


class Slotted:
    __slots__ = ("w",)


def uses_globals(x):
    return helper(x) + B


def helper(x):
    return x @ W


def test_params_in_containers_objects_and_functions():
    net = Net()
    assert list(named_params(net)) == ["layers[0]", "layers[1][0]", "layers[1][1]['k']", "W"]
    assert params([net, net]) == params(net)
    slotted = Slotted()
    slotted.w = param(1)
    assert list(named_params(slotted)) == ["w"]
    assert list(named_params(uses_globals)) == ["W", "B"], "in order of first use, through the functions it calls"
    assert list(named_params(functools.partial(helper, B))) == ["W", "[0]"]
    assert list(named_params(net.__call__))[:1] == ["layers[0]"]
    assert params(W) == [W] and params(3, "text", None, np.ones(2), len, np) == []


def test_params_in_closures_defaults_lambdas_and_comprehensions():
    w, v, u = param(1), [param(2)], param(3)
    late = None

    def outer(x, extra=v):
        def inner(y):
            return y * w

        return [inner(z) for z in x] + [(lambda: u)()]

    assert list(named_params(outer)) == ["w", "u", "extra[0]"]
    assert late is None
    recursive = types.SimpleNamespace(w=w)
    recursive.me = recursive
    assert params(recursive) == [w]
    wrapped = functools.wraps(outer)(lambda x: outer(x))
    assert len(params(wrapped)) == 3
    assert params(grad(outer)) == params(outer)


def test_paths_are_different_for_different_params():
    def a():
        w = param(1)
        return lambda: w

    def b():
        w = param(2)
        return lambda: w

    first, second = a(), b()
    found = named_params(first, second)
    assert len(found) == 2 and list(found)[0] == "w"


# @kn.model ----------------------------------------------------------------------------------------------------------


def test_model_remembers_params_by_place_and_visit():
    @kn.model
    def f(x, depth=2):
        for _ in range(depth):
            x = np.tanh(x @ param(3, 3))
        return np.sum(x @ param(3, 1) + param0(1))

    x = np.ones((2, 3), "f4")
    f(x)
    assert [p.shape for p in params(f)] == [(3, 3), (3, 3), (3, 1), (1,)]
    y = f(x)
    assert y == f(x) and len(params(f)) == 4
    f(x, depth=3)
    assert len(params(f)) == 5, "new ones may appear at any call"
    g = grad(f)(x)
    assert len(g) == 4 and len(params(f)) == 5
    assert "model" in repr(f) and "5" in repr(f)


def dense(x, n):
    return x @ param(x.shape[1], n)


def test_model_through_helper_functions_nested_and_shared():
    @kn.model
    def inner(x):
        return dense(x, 4)

    @kn.model
    def outer(x):
        return np.sum(inner(dense(x, 3)) * inner(dense(x, 3)))

    x = np.ones((2, 5), "f4")
    outer(x)
    assert [p.shape for p in params(inner)] == [(3, 4)], "called twice, shared"
    assert len(params(outer)) == 3, "two of its own and the inner one's"
    assert len(grad(outer)(x)) == 3


def test_model_refuses_another_shape_at_the_same_place():
    @kn.model
    def f(n):
        return param(n, 2)

    f(3)
    with pytest.raises(kn.ShapeError) as failure:
        f(4)
    assert "(3, 2)" in str(failure.value) and "(4, 2)" in str(failure.value) and "test_params.py" in str(failure.value)


def test_model_as_a_method_and_with_arrays():
    class M:
        @kn.model
        def f(self, x):
            return x * param(np.random.rand(3))

    m = M()
    assert np.array_equal(m.f(np.ones(3)), m.f(np.ones(3))), "the array given at the second call is not used"


def test_param_made_while_recording_without_model_warns():
    with pytest.warns(UserWarning, match="kn.model") as caught:
        g = grad(lambda x: np.sum(x * param(3)))(np.ones(3, "f4"))
    assert len(g) == 1 and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        param(3)


def test_the_julia_tutorial_translated_line_by_line():
    """Its Knet program: params inside the model, softmax before nll, `grad = grad(...)` in a loop, update!(model,
    grad)."""
    random = np.random.default_rng(0)
    train_data = [(random.standard_normal((8, 28**2)).astype("f4"), random.integers(0, 10, 8)) for _ in range(2)]

    @kn.model
    def model(x):
        x = kn.relu(x @ param(random.standard_normal((28**2, 16)).astype("f4") * 0.05))
        x = kn.relu(x @ param(random.standard_normal((16, 12)).astype("f4")))
        x = x @ param(random.standard_normal((12, 10)).astype("f4"))
        return kn.softmax(x)

    def loss(x, y):
        return kn.nll(model(x), y)

    opt = kn.Adam()
    with pytest.warns(UserWarning, match="softmax"):
        first = loss_of_all = [float(kn.value_and_grad(loss)(x, y)[0]) for x, y in train_data]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(5):
            for x, y in train_data:
                g = kn.grad(loss)(x, y)
                kn.update(model, g, opt)
        loss_of_all = [float(kn.value_and_grad(loss)(x, y)[0]) for x, y in train_data]
    assert sum(loss_of_all) < sum(first) and len(params(model)) == 3
    x, y = train_data[0]
    with pytest.raises(TypeError, match=r"grad\(loss\)\(x, y\)"):
        kn.grad(loss, x, y)
    overwritten = g
    with pytest.raises(kn.DerivativeError, match="overwritten") as failure:
        overwritten(loss)
    assert "3 params" in str(failure.value) and "grad(f, 0)" in str(failure.value)
    with pytest.raises(kn.DerivativeError, match="overwritten"):
        kn.grad(overwritten)
