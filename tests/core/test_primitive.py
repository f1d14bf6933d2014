"""Primitives that a user declares: rules by name, several outputs, saved values, jvp, composed, no derivative."""

import functools

import numpy as np
import pytest

import knetpy as kn
from knetpy import grad, jvp, primitive, vjp

X = np.array([0.3, -0.5, 0.8])


def second(f, x):
    """The second directional derivative along ones, in the four mixes."""
    v = np.ones_like(x)
    reverse, forward = grad(lambda x: np.sum(f(x))), lambda x: jvp(lambda x: np.sum(f(x)), (x,), (v,))[1]
    return [
        v @ vjp(reverse, x)[1](v)[0],
        v @ jvp(reverse, (x,), (v,))[1],
        v @ grad(forward)(x),
        jvp(forward, (x,), (v,))[1],
    ]


def all_equal(values, expected):
    np.testing.assert_allclose(values, [expected] * len(values), rtol=1e-10)


def test_one_rule_gives_every_order_and_mode():
    cube = primitive(lambda x: x**3, name="cube", x=lambda dy, x: dy * 3 * x**2)
    np.testing.assert_allclose(grad(lambda x: np.sum(cube(x)))(X), 3 * X**2)
    np.testing.assert_allclose(jvp(cube, (X,), (X,))[1], 3 * X**3)
    all_equal(second(cube, X), np.sum(6 * X))
    assert cube(2.0) == 8 and cube.__name__ == "cube" and cube.primitive.name == "cube"


def test_the_decorator_with_options_shapes_and_defaults():
    @primitive(x=lambda dy, x_shape, x_dtype, scale, power: np.full(x_shape, scale, x_dtype) * dy * power, w=None)
    def f(x, w=2.0, *, scale=1.0, power=1):
        """Docs."""
        return x * scale * power + w

    assert f.__doc__ == "Docs." and f(1.0) == 3 and f(1.0, 5.0) == 6 and f(x=1.0, scale=2.0) == 4 and f(1.0, w=0.0) == 1
    np.testing.assert_allclose(grad(lambda x: np.sum(f(x, scale=3.0)))(X), np.full(3, 3.0))
    np.testing.assert_allclose(grad(lambda x, w: np.sum(f(x, w)), 1)(X, 2.0), 0)
    with pytest.raises(TypeError, match="nonsense"):
        f(1.0, nonsense=2)
    with pytest.raises(TypeError, match="'x'"):
        f()
    with pytest.raises(TypeError, match="f.*x, w=.*: too many"):
        f(1.0, 2.0, 3.0)


def test_what_no_rule_reads_is_not_kept():
    f = primitive(lambda x, w: x * w, x=lambda dy, w: dy * w, w=lambda dy, x: dy * x)
    tape = kn.core.tape.Tape(params=False)
    x = kn.Result(X)
    tape.leaf(x)
    with kn.core.trace.tracing(tape):
        y = f(x, np.ones(3))
    of_y, of_x, of_w = tape.steps[y.uid][1]
    assert of_y is None and of_x is None and of_w is not None


def test_joint_vjp_for_all_operands_at_once():
    f = primitive(lambda a, b: a * np.sin(b), vjp=lambda dy, a, b: (dy * np.sin(b), dy * a * np.cos(b)))
    ga, gb = grad(lambda a, b: np.sum(f(a, b)), (0, 1))(X, X + 1)
    np.testing.assert_allclose(ga, np.sin(X + 1))
    np.testing.assert_allclose(gb, X * np.cos(X + 1))
    all_equal(second(lambda x: f(x, x), X), np.sum(2 * np.cos(X) - X * np.sin(X)))
    short = primitive(lambda a, b: a * b, vjp=lambda dy, a, b: (dy,))
    with pytest.raises(TypeError, match="2 operands"):
        grad(lambda x: np.sum(short(x, x)))(X)


def polar(x, angle):
    return x * np.cos(angle), x * np.sin(angle)


def polar_vjp(dy, x, angle):
    du, dv = dy
    return du * np.cos(angle) + dv * np.sin(angle), x * (dv * np.cos(angle) - du * np.sin(angle))


def test_several_outputs():
    f = primitive(polar, vjp=polar_vjp, outputs=2)
    composed = polar
    a = X + 1
    for loss in (
        lambda f, x, a: np.sum(f(x, a)[0] ** 2) + np.sum(f(x, a)[1]),
        lambda f, x, a: np.sum(f(x, a)[1] * a),  # one output unused
        lambda f, x, a: np.sum(np.multiply(*f(x, a))),
    ):
        for mine, plain in zip(
            grad(lambda x, a, loss=loss: loss(f, x, a), (0, 1))(X, a),
            grad(lambda x, a, loss=loss: loss(composed, x, a), (0, 1))(X, a),
        ):
            np.testing.assert_allclose(mine, plain)
        mine = second(lambda x, loss=loss: loss(f, x, x * x), X)
        plain = second(lambda x, loss=loss: loss(composed, x, x * x), X)
        np.testing.assert_allclose(mine, plain)
    assert isinstance(f(X, a), tuple)
    u, v = f(X, a)
    assert type(u) is np.ndarray
    unused = grad(lambda x: f(x, a) and np.sum(x))(X)
    assert np.array_equal(unused, np.ones(3))


def test_integer_outputs_are_constants_and_words_are_refused():
    top = primitive(
        lambda x: (x.max(), x.argmax()), name="top", outputs=2, vjp=lambda dy, x, y: (dy[0] * (np.arange(3) == y[1]),)
    )

    def loss(x):
        largest, where = top(x)
        assert type(where) is not kn.Result
        return largest * 2.0

    assert np.array_equal(grad(loss, 0)(X), [0, 0, 2])
    assert np.array_equal(grad(lambda x: np.cumsum(x, dtype=int)[0] * 1.0, 0)(X), np.zeros(3))
    words = primitive(lambda x: np.array(["a"]), name="words", x=lambda dy: dy)
    with pytest.raises(kn.DtypeError, match="words of a value .* gave <U1"):
        grad(words, 0)(X)
    numbers = primitive(lambda x: float(x) * 2, x=lambda dy: dy * 2)
    assert grad(numbers)(3.0) == 2


def test_saved_values_are_for_the_rules_only():
    @primitive(saves=("mask",), x=lambda dy, mask: dy * mask)
    def positive_part(x):
        mask = x > 0
        return x * mask, mask

    assert np.array_equal(positive_part(X), X * (X > 0))
    assert np.array_equal(grad(lambda x: np.sum(positive_part(x)))(X), X > 0)
    assert np.array_equal(jvp(positive_part, (X,), (X,))[1], X * (X > 0))


def test_own_jvp_is_used_in_forward_mode():
    used = []
    f = primitive(
        lambda x, w: x * w,
        x=lambda dy, w: dy * w,
        w=lambda dy, x: dy * x,
        jvp=lambda dx, dw, x, w: used.append(1) or dx * w + x * dw,
    )
    np.testing.assert_allclose(jvp(f, (X, X + 1), (X, np.ones(3)))[1], X * (X + 1) + X)
    np.testing.assert_allclose(jvp(lambda x: f(x, 2.0), (X,), (X,))[1], 2 * X)
    all_equal(second(lambda x: f(x, x), X), 6.0)
    assert used
    only = primitive(lambda x: x * 2, name="only", jvp=lambda dx: dx * 2)
    np.testing.assert_allclose(jvp(only, (X,), (X,))[1], 2 * X)
    with pytest.raises(kn.DerivativeError, match="only.*'x'"):
        grad(lambda x: np.sum(only(x)))(X)


def test_composed_serves_higher_orders_and_forward_mode():
    ran = []

    def raw(dy, x):
        assert type(dy) is np.ndarray and type(x) is np.ndarray, "raw rules see bare arrays only"
        ran.append("raw")
        return dy * np.cos(x)

    def composed(x):
        ran.append("composed")
        return np.sin(x)

    f = primitive(lambda x: np.sin(x), x=raw, composed=composed)
    np.testing.assert_allclose(grad(lambda x: np.sum(f(x)), 0)(X), np.cos(X))
    assert ran == ["raw"]
    all_equal(second(f, X), -np.sum(np.sin(X)))
    y, pullback = vjp(f, X)
    np.testing.assert_allclose(grad(lambda c: np.sum(pullback(c)[0]))(np.ones(3)), np.cos(X))
    ran.clear()
    with kn.check_nonfinite():  # watches, does not derive
        grad(lambda x: np.sum(f(x)), 0)(X)
    assert ran == ["raw"] and f(X) is not None


def test_variadic_operands_know_their_number():
    weighted = primitive(
        lambda *xs, weights: sum(w * x for w, x in zip(weights, xs)),
        name="weighted",
        xs=lambda dy, i, weights: dy * weights[i],
    )
    g = grad(lambda a, b: np.sum(weighted(a, np.ones(3), b, weights=(1.0, 2.0, 3.0))), (0, 1))(X, X)
    assert np.array_equal(g[0], np.full(3, 1.0)) and np.array_equal(g[1], np.full(3, 3.0))


def test_elementwise_cotangents_are_summed_back():
    f = primitive(lambda a, b: a * b, elementwise=True, a=lambda dy, b: dy * b, b=lambda dy, a: dy * a)
    a, b = np.ones((2, 1, 3)), np.arange(4.0).reshape(4, 1)
    ga, gb = grad(lambda a, b: np.sum(f(a, b)), (0, 1))(a, b)
    assert ga.shape == a.shape and gb.shape == b.shape and ga[0, 0, 0] == 6 and gb[0, 0] == 6


def test_no_derivative_is_declared_and_differs_from_forgotten():
    rank = kn.constant(lambda x: np.argsort(np.argsort(x)))
    assert np.array_equal(grad(lambda x: np.sum(rank(x) * x), 0)(X), [1, 0, 2])
    assert grad(lambda x: rank(x).sum() * 1.0, 0)(X).tolist() == [0, 0, 0]
    forgotten = primitive(lambda x, w: x * w, name="forgotten", x=lambda dy, w: dy * w)
    grad(lambda x: np.sum(forgotten(x, X)), 0)(X)
    with pytest.raises(kn.DerivativeError, match="forgotten.*'w'"):
        grad(lambda w: np.sum(forgotten(X, w)), 0)(X)


def test_numpy_spelling_can_be_taught():
    double = primitive(lambda x: np.packbits(np.asarray(x) > 0) * x, numpy=np.packbits, x=lambda dy, x: 2 * dy)
    try:
        np.testing.assert_array_equal(grad(lambda x: np.sum(np.packbits(x)), 0)(np.array([3.0])), [2.0])
        assert double(X[:1]) is not None
    finally:
        del kn.core.value.NUMPY[np.packbits]


@pytest.mark.parametrize(
    "declare, fact",
    [
        (lambda: primitive(lambda x: x, name="f", x=lambda dy, z: dy), "'z'"),
        (lambda: primitive(lambda x: x, name="f", w=lambda dy: dy), "'w'"),
        (lambda: primitive(lambda y: y, name="f", y=lambda dy: dy), "'y'"),
        (lambda: primitive(lambda a, *b: a, name="f"), "b"),
        (lambda: primitive(lambda x: x, name="f", x=lambda dy, x_size: dy), "x_shape"),
    ],
)
def test_mistakes_in_a_declaration_are_found_at_once(declare, fact):
    with pytest.raises(TypeError) as failure:
        declare()
    assert fact in str(failure.value)


def test_python_numbers_from_rules_and_none():
    f = primitive(lambda x: x * 2, x=lambda dy: None)
    assert grad(lambda x: np.sum(f(x)))(X).tolist() == [0, 0, 0]
    assert jvp(f, (X,), (X,))[1].tolist() == [0, 0, 0]
    scalar = primitive(lambda x: np.float64(x) * 2, x=lambda dy: float(dy) * 2)
    assert grad(scalar)(3.0) == 2


@pytest.mark.parametrize("trusted", [False, True])
def test_two_operands_options_defaults_and_names(trusted):
    rules = dict(a=lambda dy, b, k: dy * b * k, b=lambda dy, a, k: dy * a * k)
    f = primitive(lambda a, b=2.0, *, k=3.0: a * b * k, name="f", trusted=trusted, **rules)
    g = primitive(lambda a, b, *, k=3.0: a * b * k, name="g", trusted=trusted, **rules)
    found = [f(5.0), f(5.0, 7.0, k=1.0), g(5.0, 2.0), g(5.0, 7.0, k=1.0), g(5.0, b=2.0)]
    calls = [lambda a: f(a), lambda a: f(a, 7.0, k=1.0), lambda a: g(a, 2.0), lambda a: g(a, 7.0, k=1.0)]
    assert found == [30, 35, 30, 35, 30]
    assert [grad(call)(5.0) for call in [*calls, lambda a: g(a, b=2.0)]] == [6, 7, 6, 7, 6]


def test_saved_values_and_composed_under_trust():
    saved = primitive(lambda x: (x * x, 2 * x), name="saved", saves=("d",), trusted=True, x=lambda dy, d: dy * d)
    assert grad(saved)(3.0) == 6
    fused = primitive(
        lambda x: x**3, name="fused", trusted=True, x=lambda dy, x: dy * 3 * kn.value(x) ** 2, composed=lambda x: x**3
    )
    assert grad(grad(fused))(2.0) == 12 and kn.vjp(fused, 2.0)[1](1.0) == (12,)


@pytest.mark.parametrize("wrong", [lambda dx: 2.0, lambda dx: np.ones((2, 2))])
def test_tangents_of_an_own_jvp_must_fit(wrong):
    f = primitive(lambda x: x * 2, name="f", x=lambda dy: dy * 2, jvp=wrong)
    with pytest.raises(kn.ShapeError, match="jvp of f"):
        jvp(f, (X,), (X,))
    narrow = primitive(lambda x: x * 2, name="f", x=lambda dy: dy * 2, jvp=lambda dx: (dx * 2).astype("f4"))
    assert jvp(narrow, (X,), (X,))[1].dtype == X.dtype
    pair = primitive(lambda x: (x, x), name="pair", outputs=2, x=lambda dy: dy[0] + dy[1], jvp=lambda dx: dx)
    with pytest.raises(TypeError, match="one tangent for each of its 2 outputs"):
        jvp(pair, (X,), (X,))


def test_options_left_to_their_defaults_reach_the_rules_on_every_path():
    for trusted in (False, True):
        scaled = kn.primitive(lambda x, *, by=3.0: x * by, name="scaled", trusted=trusted, x=lambda dy, by: dy * by)
        assert kn.grad(scaled)(2.0) == kn.jvp(scaled, (2.0,), (1.0,))[1] == 3
        assert kn.grad(lambda x, f=scaled: f(x, by=4.0))(2.0) == 4


@pytest.mark.parametrize("declare", [kn.primitive, kn.constant])
def test_a_kernel_must_be_a_function(declare):
    with pytest.raises(TypeError, match=f"{declare.__name__}: the kernel must be a function of arrays, got int"):
        declare(3)


def test_a_constant_may_be_a_partial_function():
    signs = kn.constant(functools.partial(np.copysign, 1.0))
    assert kn.grad(lambda x: x * signs(x))(-2.0) == -1
