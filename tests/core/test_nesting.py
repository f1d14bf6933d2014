"""Transforms inside transforms: every mix and depth gives the derivative that mathematics gives."""

import math

import numpy as np
import pytest

import knetpy as kn
from knetpy import grad, hessian, hvp, jacobian, jvp, param, vjp


def close(a, b, **tolerance):
    np.testing.assert_allclose(a, b, **{"rtol": 1e-10, "atol": 1e-12, **tolerance})


def test_perturbations_are_not_confused():
    assert grad(lambda x: x * grad(lambda y: x + y)(x))(5.0) == 1
    assert grad(lambda x: x * jvp(lambda y: x + y, (x,), (1.0,))[1])(5.0) == 1
    assert jvp(lambda x: x * grad(lambda y: x + y)(x), (5.0,), (1.0,))[1] == 1
    assert jvp(lambda x: x * jvp(lambda y: x + y, (x,), (1.0,))[1], (5.0,), (1.0,))[1] == 1
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(5.0) == 10


def slope(f):
    return lambda x: jvp(f, (x,), (1.0,))[1]


@pytest.mark.parametrize("step", ["grad", "jvp", "mixed"])
def test_nine_derivatives_of_sin(step):
    f, expected = np.sin, [math.cos, lambda x: -math.sin(x), lambda x: -math.cos(x), math.sin]
    for k in range(9):
        forward = step == "jvp" or (step == "mixed" and k % 2)
        f = slope(f) if forward else grad(f)
        close(f(np.float64(0.7)), expected[k % 4](0.7))


def f(x):
    return np.sum(np.exp(x) * np.sin(x * x) / (1 + x * x))


def test_second_derivatives_agree_in_all_mixes():
    x, v = np.array([0.3, -0.8, 1.2]), np.array([1.0, 2.0, -1.0])
    reverse = grad(f)
    h = [
        jvp(reverse, (x,), (v,))[1],
        vjp(reverse, x)[1](v)[0],
        grad(lambda x: np.sum(reverse(x) * v))(x),
        grad(lambda x: jvp(f, (x,), (v,))[1])(x),
        hvp(f, (x,), (v,))[0],
        hessian(f)(x) @ v,
        jacobian(reverse, mode="reverse")(x) @ v,
        jacobian(lambda x: jacobian(f, mode="forward")(x), mode="forward")(x) @ v,
    ]
    step = 1e-6
    close(h[0], (reverse(x + step * v) - reverse(x - step * v)) / (2 * step), rtol=1e-7)
    for other in h[1:]:
        close(other, h[0])
    second = jvp(lambda x: jvp(f, (x,), (v,))[1], (x,), (v,))[1]
    close(second, v @ h[0])


def test_third_derivatives_in_all_mixes():
    def g(x):
        return np.exp(x) * np.tanh(x) * x**3

    values = [a(b(c(g)))(0.6) for a in (grad, slope) for b in (grad, slope) for c in (grad, slope)]
    for v in values[1:]:
        close(v, values[0])
    step = 1e-5
    close(values[0], (grad(grad(g))(0.6 + step) - grad(grad(g))(0.6 - step)) / (2 * step), rtol=1e-8)


def test_gradient_penalty():
    w = param(np.array([1.0, 2.0, 3.0]))
    x = np.array([1.0, -1.0, 2.0])
    slope = grad(lambda z: np.sum(w * z**3), 0)
    g = grad(lambda: np.sum(slope(x) ** 2))()
    close(g[w], 18 * w.value * x**4)


def test_gradient_penalty_by_params_then_by_params():
    w = param(np.array([0.5, -0.3]))
    inner = grad(lambda: np.sum(w**4))
    g = grad(lambda: np.sum(inner()[w] ** 2))()
    close(g[w], 2 * 4 * w.value**3 * 12 * w.value**2)


def mlp():
    random = np.random.default_rng(0)
    w = [param(random.standard_normal(s) * 0.5) for s in ((3, 4), (4,), (4, 1))]
    x, y = random.standard_normal((6, 3)), random.standard_normal((6, 1))
    return w, lambda: np.mean((np.tanh(x @ w[0] + w[1]) @ w[2] - y) ** 2)


def test_hessian_of_an_mlp_against_finite_differences():
    w, loss = mlp()
    random = np.random.default_rng(1)
    v = {p: random.standard_normal(p.shape) for p in w}
    h = hvp(loss, (), v)
    gradient, step = grad(loss), 1e-5

    def moved(sign):
        for p in w:
            p += sign * step * v[p]
        g = gradient()
        for p in w:
            p -= sign * step * v[p]
        return [g[p] for p in w]

    for p, up, down in zip(w, moved(1), moved(-1)):
        close(h[p], (up - down) / (2 * step), rtol=1e-6, atol=1e-8)
    assert sorted(h.named()) == ["w[0]", "w[1]", "w[2]"]


def test_hvp_by_some_params_holds_the_others_constant():
    a, b = param(np.array([2.0])), param(np.array([3.0]))
    h = hvp(lambda: np.sum(a**2 * b**2), (), {a: np.ones(1)})
    close(h[a], 2 * 9.0)
    assert b not in h


def test_inner_gradient_by_argument_is_differentiated_by_closed_over_params():
    w = param(np.array([2.0, 3.0]))

    def loss(x):
        return np.sum(grad(lambda z: np.sum(w * np.sin(z)), 0)(x))

    close(grad(loss)(np.array([0.1, 0.2]))[w], np.cos([0.1, 0.2]))


def test_the_same_param_in_two_levels():
    w = param(np.array(3.0))
    g = grad(lambda: w * grad(lambda: w * w)()[w])()  # d/dw (w * 2w)
    close(g[w], 4 * 3.0)


def test_pullback_may_be_differentiated():
    x = np.array([0.2, 0.5])
    _, pullback = vjp(np.sin, x)
    close(grad(lambda c: np.sum(pullback(c)[0] * c))(np.array([1.0, 2.0])), 2 * np.cos(x) * np.array([1.0, 2.0]))
    close(jvp(lambda c: pullback(c)[0], (np.ones(2),), (np.array([1.0, 2.0]),))[1], np.cos(x) * [1, 2])


def test_pullback_inside_an_outer_transform():
    def g(x):
        _, pullback = vjp(lambda z: z**3, x)
        return np.sum(pullback(np.ones(2))[0])

    close(grad(g)(np.array([1.0, 2.0])), [6.0, 12.0])


def test_functions_that_return_what_they_were_given():
    p = param(np.array(2.0))
    assert grad(lambda: p)()[p] == 1
    assert grad(lambda x: x)(2.0) == 1
    assert grad(lambda x: 3.0)(2.0) == 0
    assert grad(lambda x, y: y)(2.0, 3.0) == 0
    assert jvp(lambda x: x, (2.0,), (5.0,)) == (2.0, 5.0)
    assert jvp(lambda x: 7.0, (2.0,), (5.0,))[0] == 7.0
    y, pullback = vjp(lambda x: (x, 1.0), np.ones(2))
    close(pullback((np.array([1.0, 2.0]), None))[0], [1, 2])
    g = grad(lambda x: grad(lambda y: y, 0)(x))(2.0)
    assert g == 0


def test_stop_gradient_holds_at_every_level():
    assert grad(lambda x: x * kn.stop_gradient(x))(3.0) == 3
    assert grad(grad(lambda x: x**2 * kn.stop_gradient({"a": x})["a"]))(3.0) == 6
    assert jvp(lambda x: x * kn.stop_gradient(x), (3.0,), (1.0,))[1] == 3


def test_bilinear_in_two_transforms_at_once():
    def g(x, y):
        return np.sum(x[:, None] * y[None, :] * np.sin(x[:, None]))

    x, y = np.array([0.1, 0.4]), np.array([1.0, -2.0, 0.5])
    mixed = jacobian(lambda y: grad(g, 0)(x, y))(y)
    close(mixed, np.outer(np.sin(x) + x * np.cos(x), np.ones(3)))
    blocks = hessian(g, (0, 1))(x, y)
    close(blocks[0][1], mixed)
    close(blocks[1][0], mixed.T)
    close(blocks[1][1], np.zeros((3, 3)))
