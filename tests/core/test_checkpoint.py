"""`checkpoint` changes memory, never numbers."""

import tracemalloc

import numpy as np
import pytest

import knetpy as kn
from knetpy import checkpoint, grad, hessian, jvp, param


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def body(x):
    return np.sin(x) * np.exp(x) * x


X = np.array([0.3, -0.7, 1.1])


def test_first_and_second_derivatives_are_those_of_the_function():
    plain, saved = (lambda x: np.sum(body(x) ** 2)), (lambda x: np.sum(checkpoint(body)(x) ** 2))
    assert plain(X) == saved(X)
    close(grad(saved)(X), grad(plain)(X))
    close(hessian(saved)(X), hessian(plain)(X))
    close(kn.jacobian(grad(saved), mode="reverse")(X), hessian(plain)(X))
    close(jvp(saved, (X,), (X,))[1], jvp(plain, (X,), (X,))[1])
    forward = jvp(lambda x: jvp(saved, (x,), (X,))[1], (X,), (X,))[1]
    close(forward, jvp(lambda x: jvp(plain, (x,), (X,))[1], (X,), (X,))[1])
    close(grad(lambda x: jvp(saved, (x,), (X,))[1])(X), grad(lambda x: jvp(plain, (x,), (X,))[1])(X))


def test_params_and_outer_values_it_closes_over_are_inputs():
    w = param(np.array([1.0, 2.0, 3.0]))

    def loss(x, wrap):
        h = x * 2
        return np.sum(wrap(lambda: np.tanh(h * w) + h)()) + np.sum(h)

    for argnums in (None, 0):
        a, b = (grad(lambda x, wrap=wrap: loss(x, wrap), argnums)(X) for wrap in (lambda f: f, checkpoint))
        close(*((g[w] for g in (a, b)) if argnums is None else (a, b)))


def test_inside_grad_and_grad_inside():
    def penalty(x, wrap):
        return np.sum(wrap(lambda z: grad(lambda y: np.sum(y**3 * z))(z))(x))

    close(grad(lambda x: penalty(x, checkpoint))(X), grad(lambda x: penalty(x, lambda f: f))(X))


def test_checkpoints_nest():
    inner = checkpoint(lambda x: np.sin(x) * x)
    outer = checkpoint(lambda x: inner(x) + inner(2 * x))
    plain = lambda x: np.sum(np.sin(x) * x + np.sin(2 * x) * 2 * x)
    close(grad(lambda x: np.sum(outer(x)))(X), grad(plain)(X))
    close(hessian(lambda x: np.sum(outer(x)))(X), hessian(plain)(X))


def test_containers_several_outputs_and_constants_pass_through():
    def f(tree, *, scale):
        return {"a": tree[0] * scale, "b": (tree[1], None, 3), "c": tree[0] + tree[1]}

    def loss(tree, wrap):
        y = wrap(f)(tree, scale=2.0)
        assert y["b"][1] is None and y["b"][2] == 3
        return np.sum(y["a"] * y["c"]) + np.sum(y["b"][0])

    a, b = (grad(lambda t, wrap=wrap: loss(t, wrap))([X, X + 1]) for wrap in (lambda f: f, checkpoint))
    close(a[0], b[0])
    close(a[1], b[1])


def test_same_random_numbers_and_training_mode_in_the_second_run():
    w = param(np.ones(200))
    seen = []

    def f(x):
        seen.append(kn.training())
        return kn.dropout(kn.dropout(x * w, 0.3), 0.5)

    kn.seed(7)
    plain = grad(lambda: np.sum(f(np.ones(200)) ** 2))()[w]
    after_plain = kn.random.take(kn.random.DROPOUT)
    kn.seed(7)
    saved = grad(lambda: np.sum(checkpoint(f)(np.ones(200)) ** 2))()[w]
    assert kn.random.take(kn.random.DROPOUT) == after_plain, "the second run drew new numbers"
    assert np.array_equal(plain, saved) and (plain == 0).any()
    assert seen == [True] * 3
    with kn.training(False):
        assert np.array_equal(grad(lambda: np.sum(checkpoint(f)(np.ones(200))))()[w], np.ones(200))


def test_side_effects_happen_once():
    count = []

    def f(x):
        kn.defer(lambda: count.append(1))
        return np.sin(x)

    grad(lambda x: np.sum(checkpoint(f)(x)))(X)
    assert len(count) == 1
    hessian(lambda x: np.sum(checkpoint(f)(x)))(X)
    assert len(count) == 2


def test_params_made_inside_are_the_same_in_the_second_run():
    @kn.model
    def f(x):
        return np.sum(checkpoint(lambda z: np.tanh(z @ param(3, 4)) @ param(4, 1))(x))

    x = np.ones((2, 3), "f4")
    g = grad(f)(x)
    assert len(g) == 2 and [p.shape for p in kn.params(f)] == [(3, 4), (4, 1)]
    again = grad(f)(x)
    for p in g:
        assert np.array_equal(g[p], again[p])


def test_a_function_that_does_something_else_the_second_time_is_an_error():
    calls = []

    def f(x):
        calls.append(1)
        return (x * 2, x * 3) if len(calls) > 1 else (x * 2, 1.0)

    with pytest.raises(RuntimeError, match="ran again"):
        grad(lambda x: np.sum(checkpoint(f)(x)[0]), 0)(X)


def test_exceptions_inside_leave_nothing_behind():
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        grad(lambda x: np.sum(checkpoint(f)(x)), 0)(X)
    assert kn.core.trace.active() == ()
    assert grad(lambda x: np.sum(x))(X).tolist() == [1, 1, 1]


def test_it_saves_memory():
    def deep(x):
        for _ in range(20):
            x = np.sin(x)
        return x

    def peak(f):
        x = np.ones(100_000)
        gradient = grad(lambda x: np.sum(f(f(f(x)))), 0)
        gradient(x)
        tracemalloc.start()
        gradient(x)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(checkpoint(deep)) < 0.5 * peak(deep)
