"""What each transform returns, for every kind of argument and result."""

import collections
import dataclasses
import functools
import warnings

import numpy as np
import pytest

import knetpy as kn
from knetpy import grad, hessian, hvp, jacobian, jvp, param, tape, value, value_and_grad, vjp

X = np.array([1.0, -2.0, 3.0])
Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass(frozen=True)
class Layer:
    w: np.ndarray
    b: np.ndarray
    activation: object = np.tanh
    name: str = "dense"
    rate: float | None = None

    def __call__(self, x):
        return self.activation(x @ self.w + self.b)


# grad --------------------------------------------------------------------------------------------------------------


def test_gradients_by_params_are_a_mapping():
    w, b, other = param(X), param(np.ones(3)), param(np.ones(2))
    g = grad(lambda x: np.sum(w * x) + np.sum(b * 0.0))(X)
    assert set(g) == {w, b} and len(g) == 2 and w in g and other not in g and "w" not in g
    assert np.array_equal(g[w], X) and np.array_equal(g[b], np.zeros(3))
    assert [np.array_equal(a, e) for a, e in zip(g[[w, b]], (X, np.zeros(3)))] == [True, True]
    assert np.array_equal(g[{"first": (w, None)}]["first"][0], X)
    assert g.unused == [] and dict(g.items())[w] is g[w] and g.get(other) is None


def test_gradients_may_be_scaled_and_clipped_in_place():
    w = param(X)
    g = grad(lambda: np.sum(w * w))()
    g[w] *= 0.5
    assert np.array_equal(g[w], X)
    g[w] = np.clip(g[w], -1, 1)
    assert np.array_equal(g[w], [1, -1, 1])
    for wrong in (np.ones(2), np.ones(3, "f4")):
        with pytest.raises(kn.ShapeError, match=r"\(3,\).*float64"):
            g[w] = wrong


def test_touched_without_influence_gives_zeros_and_is_listed():
    w, b = param(X), param(X)

    def loss():
        np.sum(b * 2.0)
        return np.sum(w)

    g = grad(loss)()
    assert g.unused == [b] and np.array_equal(g[b], np.zeros(3)) and "unused" in repr(g)


def test_without_params_the_first_argument_and_f_runs_once_from_then_on():
    calls = []

    def f(x, y):
        calls.append(type(x))
        return np.sum(x * y)

    gradient = grad(f)
    assert np.array_equal(gradient(X, 2 * X), 2 * X)
    assert calls == [np.ndarray, kn.Result]  # data are bare in the first run
    assert np.array_equal(gradient(X, 2 * X), 2 * X)
    assert calls[2:] == [kn.Result]


def test_a_remembered_pure_function_may_touch_a_param_after_all():
    w, use = param(X), []
    gradient = grad(lambda x: np.sum(w * x) if use else np.sum(x * x))
    assert np.array_equal(gradient(X), 2 * X)
    use.append(1)
    assert np.array_equal(gradient(X)[w], X)
    use.clear()
    assert np.array_equal(gradient(X), 2 * X)


def test_argnums_hold_params_constant():
    w = param(X)
    f = lambda x, y: np.sum(w * x * y)
    assert np.array_equal(grad(f, 0)(X, X), X * X)
    assert np.array_equal(grad(f, 1)(X, 2 * X), X * X)
    a, b = grad(f, (1, 0))(X, 2 * X)
    assert np.array_equal(a, X * X) and np.array_equal(b, 2 * X * X)
    assert isinstance(grad(f, (0,))(X, X), tuple)
    assert np.array_equal(grad(f, -1)(X, 2 * X), X * X)
    assert np.array_equal(grad(f, np.int64(0))(X, X), X * X)


def test_tape_for_arguments_computes_nothing_for_params():
    w = param(X)
    swept = []
    probe = kn.primitive(
        lambda a, b: a * b, a=lambda dy, b: swept.append("a") or dy * b, b=lambda dy, a: swept.append("b") or dy * a
    )
    grad(lambda x: np.sum(probe(w, x)), 0)(X)
    assert swept == ["b"]


def test_params_passed_as_arguments():
    w = [param(X), param(np.ones(3))]
    f = lambda w, x: np.sum(w[0] * x + w[1])
    g = grad(f)(w, X)
    assert np.array_equal(g[w][0], X) and np.array_equal(g[w[1]], np.ones(3))
    by_position = grad(f, 0)(w, X)
    assert isinstance(by_position, list) and np.array_equal(by_position[0], X)


def test_keyword_arguments_are_constants():
    assert np.array_equal(grad(lambda x, *, scale=1.0: np.sum(x * scale))(X, scale=3.0), np.full(3, 3.0))


@pytest.mark.parametrize(
    "tree",
    [
        [X, X + 1],
        (X, [X + 1, None]),
        {"a": X, "b": {"c": X + 1}},
        Point(X, X + 1),
        collections.OrderedDict(a=X, b=(X + 1,)),
        collections.defaultdict(list, a=X, b=X + 1),
    ],
    ids=["list", "tuple", "dict", "namedtuple", "ordered dict", "default dict"],
)
def test_gradients_have_the_structure_of_the_argument(tree):
    from knetpy.tree import leaves

    def f(tree):
        return sum(np.sum(x**2) for _, x in leaves(tree) if x is not None)

    g = grad(f)(tree)
    assert type(g) is type(tree)
    for (path, x), (same, dx) in zip(leaves(tree), leaves(g)):
        assert path == same
        assert dx is None if x is None else np.array_equal(dx, 2 * x)


def test_a_dataclass_as_argument():
    random = np.random.default_rng(0)
    layer = Layer(random.standard_normal((3, 2)), np.zeros(2))
    g = grad(lambda layer: np.sum(layer(X[None])))(layer)
    assert isinstance(g, Layer) and g.w.shape == (3, 2) and g.activation is None and g.name is None and g.rate is None
    slope = 1 - np.tanh(X @ layer.w) ** 2
    np.testing.assert_allclose(g.w, np.outer(X, slope))


def test_numbers_as_arguments():
    g = grad(lambda x: x**3)(2)
    assert g == 12 and isinstance(g, np.float64)
    assert grad(lambda d: d["a"] * d["b"])({"a": 2.0, "b": 3, "c": True, "d": "text"}) == {
        "a": 3.0,
        "b": 2.0,
        "c": None,
        "d": None,
    }
    g = grad(lambda x: x**2)(np.float32(3))
    assert g == 6 and g.dtype == np.float32
    g = grad(lambda x: x**2)(np.array(3.0))
    assert isinstance(g, np.ndarray) and g.shape == () and g == 6


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_value_and_gradient_have_the_dtypes_of_loss_and_primal(dtype):
    x = X.astype(dtype)
    y, g = value_and_grad(lambda x: np.mean(x * x), 0)(x)
    assert y.dtype == dtype and isinstance(y, np.generic) and g.dtype == dtype
    w = param(x)
    y, g = value_and_grad(lambda: np.mean(w * w))()
    assert y.dtype == dtype and g[w].dtype == dtype


@pytest.mark.parametrize("loss", [lambda x: np.sum(x) * np.sum(x), lambda x: np.take(x, [1, 1]).sum(), lambda x: x[1]])
def test_gradient_has_the_byte_order_of_its_primal(loss):
    x = X.astype(">f8")
    g = grad(loss, 0)(x)
    assert g.dtype == x.dtype and g.flags.writeable and (g == grad(loss, 0)(X)).all()


def test_mixed_dtypes_give_each_primal_its_own():
    a, b = X.astype(np.float32), X
    ga, gb = grad(lambda a, b: np.sum(a * b + a), (0, 1))(a, b)
    assert ga.dtype == np.float32 and gb.dtype == np.float64


def test_aux_comes_back_stripped_and_owned():
    w = param(X)

    def f(x):
        h = w * x
        return np.sum(h), {"h": h, "same": h, "part": h[:2], "x": x, "w": w, "n": 3}

    for transform, argnums in ((grad, None), (grad, 0)):
        g, aux = transform(f, argnums, has_aux=True)(X)
        assert type(aux["h"]) is np.ndarray and aux["n"] == 3 and aux["w"] is w
        assert not np.shares_memory(aux["h"], aux["same"]) and not np.shares_memory(aux["h"], aux["part"])
        assert aux["part"].flags.owndata and aux["h"].flags.writeable and aux["part"].flags.writeable
    (y, aux), g = value_and_grad(f, 0, has_aux=True)(X)
    assert y == np.sum(X * X) and np.array_equal(g, X) and not np.shares_memory(aux["x"], X)


def test_gradients_belong_to_the_caller():
    a, b, c = param(X), param(X), param(np.ones((2, 3)))

    def loss(x):
        return np.sum(a + b + x) + np.sum(np.reshape(c, -1)) + np.sum(np.broadcast_to(a, (2, 3)))

    g = grad(loss)(X)
    arrays = [g[a], g[b], g[c], *grad(lambda x, y: np.sum(x + y), (0, 1))(X, X)]
    for i, array in enumerate(arrays):
        assert array.flags.owndata and array.flags.writeable
        assert not any(np.shares_memory(array, other) for other in arrays[:i])
    identity = kn.primitive(lambda x: x.copy(), x=lambda dy, x: x)  # a rule that hands out what it was given
    x = X.copy()
    assert not np.shares_memory(grad(lambda x: np.sum(identity(x)), 0)(x), x)


# the others ----------------------------------------------------------------------------------------------------------


def test_tape_is_knets_diff():
    w, b = param(X), param(np.array(1.0))

    def loss(x):
        h = w * x
        return np.sum(h) * b

    J = tape(loss, X)
    assert value(J) == np.sum(X * X) and np.array_equal(J[w], X) and kn.params(J) == [w, b]
    assert [s.op for s in J.steps] == ["multiply", "sum", "multiply"]
    first = J.steps[0]
    assert (
        "h = w * x" in first.line and first.shape == (3,) and first.bytes == 24 and first.norm == pytest.approx(3**0.5)
    )
    assert "multiply" in repr(J) and "w " in repr(J)
    assert len(tape(lambda x: np.sum(x), X)) == 0


def test_tape_keeps_steps_without_influence_and_nests():
    w = param(X)

    def loss():
        np.exp(w)
        return np.sum(w * tape(lambda: np.sum(w * w))[w])

    J = tape(loss)
    assert J.steps[0].op == "exp" and J.steps[0].norm is None
    np.testing.assert_allclose(J[w], 4 * X)
    np.testing.assert_allclose(grad(lambda: np.sum(tape(lambda: np.sum(w**3))[w]))()[w], 6 * X)


def test_vjp_of_containers_and_again():
    y, pullback = vjp(lambda a, b: {"sum": a + b, "more": (a * b, None)}, X, 2 * X)
    assert np.array_equal(y["sum"], 3 * X) and y["more"][1] is None
    for _ in range(2):
        da, db = pullback({"sum": np.ones(3), "more": (X, None)})
        assert np.array_equal(da, 1 + X * 2 * X) and np.array_equal(db, 1 + X * X)
    da, _ = pullback({"sum": None, "more": ([1, 1, 1], None)})
    assert np.array_equal(da, 2 * X)


def test_vjp_locks_until_the_pullback_is_freed():
    x, a = X.copy(), X.copy()
    _, pullback = vjp(lambda x: np.sum(x * a), x)
    assert not a.flags.writeable and not x.flags.writeable
    del pullback
    assert a.flags.writeable and x.flags.writeable


def test_jvp_of_containers():
    y, dy = jvp(lambda t, s: {"p": t[0] * s, "n": None, "c": 2.0}, ([X], 3.0), ([np.ones(3)], None))
    assert np.array_equal(y["p"], 3 * X) and np.array_equal(dy["p"], np.full(3, 3.0)) and dy["n"] is None
    assert jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0)) == (6.0, 23.0)


@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
def test_jacobian_shapes_and_structure(mode):
    a = np.arange(6.0).reshape(2, 3)
    j = jacobian(lambda x: a @ x, mode=mode)(X)
    assert np.array_equal(j, a)
    j = jacobian(lambda x: np.sin(x).reshape(3, 1) * np.ones((1, 2)), mode=mode)(X)
    assert j.shape == (3, 2, 3) and np.allclose(j[1, 0], [0, np.cos(X[1]), 0])
    j = jacobian(lambda t, y: (t["a"] * y, {"s": np.sum(y)}), (0, 1), mode=mode)({"a": X}, 2.0)
    assert np.array_equal(j[0][0]["a"], 2 * np.eye(3)) and np.array_equal(j[0][1], X)
    assert np.array_equal(j[1]["s"][0]["a"], np.zeros(3)) and j[1]["s"][1] == 1
    j = jacobian(lambda d: (d["x"] * 2, True), mode=mode)({"x": 1.0, "on": True, "name": "n"})
    assert j == ({"x": 2.0, "on": None, "name": None}, None)
    assert jacobian(lambda x: x**2, mode=mode)(3.0) == 6 and isinstance(jacobian(np.sin, mode=mode)(0.0), np.float64)
    assert jacobian(lambda x: x[:0], mode=mode)(X).shape == (0, 3)
    assert jacobian(lambda x: np.ones(2) * np.sum(x), mode=mode)(np.zeros(0)).shape == (2, 0)
    assert jacobian(lambda x: x * 1.0, mode=mode)(X.astype("f4")).dtype == np.float32


def test_jacobian_takes_the_cheaper_mode():
    def modes(f, x):
        ran = []
        jacobian(lambda x: ran.append(kn.core.trace.active()[-1].__class__.__name__) or f(x))(x)
        return ran.count("Dual")

    assert modes(lambda x: np.sum(x * x)[None], np.ones(5)) == 0
    assert modes(lambda x: x * np.ones(5), np.ones(1)) == 1


def test_hessian_and_hvp_of_containers():
    f = lambda t: np.sum(t["a"] ** 2) * t["b"]
    h = hessian(f)({"a": X, "b": 2.0})
    assert np.array_equal(h["a"]["a"], 4 * np.eye(3)) and np.array_equal(h["b"]["a"], 2 * X) and h["b"]["b"] == 0
    (hv,) = hvp(f, ({"a": X, "b": 2.0},), ({"a": np.ones(3), "b": 0.0},))
    assert np.array_equal(hv["a"], np.full(3, 4.0)) and hv["b"] == 2 * np.sum(X)


def test_training_mode():
    seen = {}
    note = lambda name: lambda x: seen.__setitem__(name, kn.training()) or np.sum(x * x)
    grad(note("grad"))(X)
    value_and_grad(note("value_and_grad"), 0)(X)
    tape(note("tape"), X)
    vjp(note("vjp"), X)
    jvp(note("jvp"), (X,), (X,))
    hvp(note("hvp"), (X,), (X,))
    jacobian(note("jacobian"))(X)
    hessian(note("hessian"))(X)
    assert seen == {
        **dict.fromkeys(("grad", "value_and_grad", "tape"), True),
        **dict.fromkeys(("vjp", "jvp", "hvp", "jacobian", "hessian"), False),
    }
    grad(lambda x: jvp(note("inside grad"), (x,), (x,))[1])(X)
    assert seen["inside grad"] is True, "the outermost decides"
    with kn.training(False):
        grad(note("overridden"))(X)
    with kn.training(True):
        vjp(note("on"), X)
    assert seen["overridden"] is False and seen["on"] is True and not kn.training()


def test_deferred_side_effects():
    done = []

    def f(x):
        kn.defer(lambda: done.append(kn.core.trace.active()))
        assert not done
        grad(lambda y: kn.defer(lambda: done.append("inner")) or np.sum(y))(x)
        assert not done
        return np.sum(x)

    grad(f, 0)(X)
    assert done == [(), "inner"]
    done.clear()
    with pytest.raises(kn.DerivativeError):
        grad(lambda x: kn.defer(lambda: done.append(1)) or x, 0)(X)
    assert done == []
    kn.defer(lambda: done.append("at once"))
    assert done == ["at once"]


def test_any_callable_is_a_model():
    w = param(X)

    class Model:
        def __init__(self):
            self.w = w

        def __call__(self, x):
            return np.sum(self.w * x)

        def method(self, x):
            return self(x) * 2

    def recursive(x, n):
        return x if n == 0 else recursive(np.sin(x), n - 1)

    def generated(x):
        for i in range(3):
            yield x * i

    def loop(x):
        while x < 100:  # data-dependent
            x = x * 2
        return x

    model = Model()
    assert np.array_equal(grad(model)(X)[w], X)
    assert np.array_equal(grad(model.method)(X)[w], 2 * X)
    assert np.array_equal(grad(functools.partial(model, X))()[w], X)
    assert grad(lambda x: recursive(x, 2))(0.5) == pytest.approx(np.cos(np.sin(0.5)) * np.cos(0.5))
    assert np.array_equal(grad(lambda x: np.sum(sum(generated(x))))(X), np.full(3, 3.0))
    assert grad(loop)(3.0) == 64
    np.testing.assert_allclose(grad(np.linalg.norm)(np.array([3.0, 4.0])), [0.6, 0.8])


def test_a_generator_that_calls_grad_between_yields():
    w = param(X)

    def steps():
        for _ in range(3):
            yield grad(lambda: np.sum(w * w))()[w]

    for g in steps():
        assert np.array_equal(g, 2 * X) and kn.core.trace.active() == ()


def test_values_print_compare_and_branch():
    def f(x):
        y = np.sum(x)
        assert f"{y:.2f}" == "2.00" and str(y) == "2.0" and "Result" in repr(y) and len(x) == 3 and x.shape == (3,)
        assert bool(y > 1) and type(x > 0) is np.ndarray and y == 2.0 and 3.0 in x and x.ndim == 1 and x.size == 3
        assert [float(kn.value(v)) for v in x] == [1, -2, 3] and x.dtype == np.float64 and hash(x) != hash(y)
        return y if y > 0 else -y

    assert np.array_equal(grad(f, 0)(X), np.ones(3))


def test_reflected_and_mixed_forms():
    a = np.arange(6.0).reshape(2, 3)
    for f, plain in [
        (lambda x: a @ x, a.sum(0)),
        (lambda x: 1 - x, -np.ones(3)),
        (lambda x: [1, 2, 3] * x, [1, 2, 3]),
        (lambda x: np.float32(2) * x, np.full(3, 2)),
        (lambda x: a * x, a.sum(0)),
        (lambda x: 2.0**x, 2.0**X * np.log(2)),
        (lambda x: 6 / x, -6 / X**2),
        (lambda x: x.sum() * np.ones(2), np.full(3, 2.0)),
        (lambda x: -x + +x - abs(x), -np.sign(X)),
        (lambda x: np.sum(a=x) * np.ones(1), np.ones(3)),
    ]:
        np.testing.assert_allclose(grad(lambda x, f=f: np.sum(f(x)), 0)(X), plain)


def test_one_warning_when_float32_params_meet_float64():
    w, b = param(np.ones((3, 2), "f4")), param(np.ones(2, "f4"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        grad(lambda x: np.sum(x @ w + b))(np.ones((1, 3)))
    (warning,) = caught
    assert "float32" in str(warning.message) and "(3, 2)" in str(warning.message) and warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grad(lambda x: np.sum(x @ w + b) * 2.0)(np.ones((1, 3), "f4"))
        np.ones((1, 3)) @ w  # outside a transform it is NumPy's own affair
