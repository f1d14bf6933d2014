"""Cotangents that only the sweep has are written over, all others are left alone; what no rule reads is given back."""

import weakref

import numpy as np
import pytest

import knetpy as kn
from knetpy import grad, primitive, vjp

SHAPE = 64, 128  # large enough that memory is reused


def ramp(start=0.0):
    return np.arange(np.prod(SHAPE), dtype=float).reshape(SHAPE) / 1000 + start


def place(x):
    return x.__array_interface__["data"][0]


def noting(seen, rule=lambda dy: dy.copy()):
    """An operation that is the identity; its rule notes the cotangents it is given, and what memory they are in."""
    return primitive(lambda x: x.copy(), name="noting", x=lambda dy: (seen.append(dy), rule(dy))[1])


def test_sums_of_cotangents_are_made_in_place():
    places, arrays = [], []
    made = primitive(lambda x: x.copy(), name="made", x=lambda dy: (arrays.append(place(dy)), dy.copy())[1])
    left = primitive(lambda x: x.copy(), name="left", x=lambda dy: (dx := 2 * dy, places.append(place(dx)))[0])
    dx = grad(lambda x: (lambda y: np.sum(left(y) + left(y) + left(y)))(made(x)), 0)(ramp())
    assert arrays[0] in places
    np.testing.assert_array_equal(dx, np.full(SHAPE, 6.0))


def test_a_cotangent_that_a_rule_keeps_stays_as_it_was():
    seen = []
    keep = noting(seen, lambda dy: dy)

    def f(x):
        y = x * 1.0
        return np.sum(keep(y) * ramp(1) + keep(y) * ramp(2) + keep(y) * ramp(3))

    np.testing.assert_allclose(grad(f, 0)(ramp()), ramp(1) + ramp(2) + ramp(3))
    for dy, start in zip(seen, (3, 2, 1)):
        np.testing.assert_array_equal(dy, ramp(start))


def test_arrays_of_the_user_that_rules_return_stay_as_they_were():
    own = ramp(1)
    give = primitive(lambda x: x.copy(), name="give", x=lambda dy: own)
    np.testing.assert_allclose(grad(lambda x: np.sum(give(x) + give(x) + x), 0)(ramp()), 2 * ramp(1) + 1)
    np.testing.assert_array_equal(own, ramp(1))


def test_views_of_one_cotangent_are_kept_apart():
    """Both halves come from one array; the first is added to before the second is read."""
    ones = np.ones((32, 128))

    def f(x):
        a, b = x[:32], x[32:]
        y = np.concatenate([b, a])
        return np.sum(y * ramp(1)) + np.sum(a * 2 * ones) + np.sum(b * ones)

    wanted = np.concatenate([ramp(1)[32:] + 2, ramp(1)[:32] + 1])
    np.testing.assert_allclose(grad(f, 0)(ramp()), wanted)


def test_a_cotangent_of_the_caller_is_not_written_over():
    y, back = vjp(lambda x: kn.relu(x) + x, ramp())
    dy = ramp(5)
    first, second = back(dy)[0], back(dy)[0]
    np.testing.assert_array_equal(dy, ramp(5))
    np.testing.assert_array_equal(first, second)


def offered(seen):
    """An operation with a rule that writes over dy where it may."""

    def rule(dy, out):
        seen.append(out is not None)
        return np.multiply(dy, 3, out=out) if isinstance(dy, np.ndarray) else dy * 3

    return primitive(lambda x: x * 3, name="offered", x=rule)


@pytest.mark.parametrize("trusted", [False, True])
def test_out_is_offered_where_dy_is_nobody_elses(trusted):
    seen = []
    rule = offered(seen).primitive.declared["x"].call
    op = primitive(lambda x: x * 3, name="op", trusted=trusted, x=lambda dy, out: rule(dy, None, None, out=out))
    x = ramp()
    np.testing.assert_allclose(grad(lambda x: np.sum(np.sin(op(x))), 0)(x), 3 * np.cos(3 * x))
    assert seen == [True]
    seen.clear()
    np.testing.assert_allclose(grad(lambda x: np.sum(np.sin(op(x) + x)), 0)(x), 4 * np.cos(4 * x))
    assert seen == [False], "x has the same cotangent"
    seen.clear()
    np.testing.assert_allclose(
        grad(lambda x: np.sum(grad(lambda x: np.sum(op(x) ** 2), 0)(x)), 0)(x), np.full(SHAPE, 18)
    )
    assert seen == [False, True], "in the inner sweep a trace is active, which may have kept dy"


def test_out_is_for_the_last_rule_only():
    seen = []
    op = primitive(
        lambda x, w: x * w,
        name="op",
        x=lambda dy, w, out: (seen.append(("x", out is not None)), np.multiply(dy, w, out=out))[1],
        w=lambda dy, x, out: (seen.append(("w", out is not None)), dy * x)[1],
    )
    x, w = ramp(), ramp(1)
    dx, dw = grad(lambda x, w: np.sum(np.sin(op(x, w))), (0, 1))(x, w)
    np.testing.assert_allclose(dx, w * np.cos(x * w))
    np.testing.assert_allclose(dw, x * np.cos(x * w))
    assert seen == [("w", False), ("x", True)]


def test_through_is_what_rules_have_in_common():
    calls = []
    op = primitive(
        lambda x, w: np.tanh(x * w),
        name="op",
        through=lambda dy, y: (calls.append(1), dy * (1 - y * y))[1],
        x=lambda dy, w: dy * w,
        w=lambda dy, x: dy * x,
    )
    x, w = ramp() / 10, ramp(1) / 10
    dx, dw = grad(lambda x, w: np.sum(op(x, w)), (0, 1))(x, w)
    assert calls == [1]
    np.testing.assert_allclose(dx, w * (1 - np.tanh(x * w) ** 2))
    np.testing.assert_allclose(dw, x * (1 - np.tanh(x * w) ** 2))
    kn.gradcheck(lambda x, w: np.sum(op(x, w)), np.array([0.3, -0.2]), np.array([0.5, 1.0]))


class Array(np.ndarray):
    """An array that can be referred to weakly."""


def test_operands_go_when_no_later_rule_reads_them():
    """The input of a layer goes before its cotangent is made: rules run from the last."""
    alive, gone = [], []

    def kernel(x, w):
        alive.append(weakref.ref(x))
        return x * w

    op = primitive(
        kernel,
        name="op",
        x=lambda dy, w: (gone.append(alive[0]() is None), dy * w)[1],
        w=lambda dy, x: (gone.append(alive[0]() is None), dy * x)[1],
    )
    make = primitive(lambda x: (x + 1).view(Array), name="make", x=lambda dy: dy)
    grad(lambda x, w: np.sum(op(make(x), w)), (0, 1))(np.ones(3), np.ones(3))
    assert gone == [False, True]


def test_saved_arrays_go_with_their_step():
    alive, gone = [], []

    def kernel(x):
        saved = np.ones(3).view(Array)
        alive.append(weakref.ref(saved))
        return x * 2, saved

    first = primitive(lambda x: x * 1, name="first", x=lambda dy: (gone.append(alive[0]() is None), dy)[1])
    second = primitive(kernel, name="second", saves=("mask",), x=lambda dy, mask: dy * 2 * mask)
    grad(lambda x: np.sum(second(first(x))), 0)(np.ones(3))
    assert gone == [True]
