"""gradcheck: what it finds right, what it finds wrong and says of it, and that it leaves everything as it was."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import knetpy as kn
from knetpy.check import GradcheckError

RNG = np.random.default_rng
X = np.array([0.5, -1.0])

cube = kn.primitive(lambda x: x**3, name="cube", x=lambda dy, x: dy * 2 * x**2)
stale = kn.primitive(lambda x: x**2, name="stale", x=lambda dy, x: kn.value(dy) * 2 * x)
frozen = kn.primitive(lambda x: x**3, name="frozen", x=lambda dy, x: dy * 3 * kn.value(x) ** 2)
ignores_dy = kn.primitive(lambda x: np.sin(x), name="ignores_dy", x=lambda x: np.cos(x))
fused = kn.primitive(
    lambda x: np.sin(x), name="fused", x=lambda dy, x: -dy * np.cos(x), composed=lambda x: np.sin(x)
)  # fmt: skip
third = kn.primitive(lambda x: x**4, name="third", x=lambda dy, x: dy * 4 * _cube(x))
_cube = kn.primitive(lambda x: x**3, name="_cube", x=lambda dy, x: dy * 3 * kn.value(x) ** 2)


def failure(f, *args, **options):
    with pytest.raises(GradcheckError) as found:
        kn.gradcheck(f, *args, **options)
    return found.value


def says(error, *facts):
    assert all(fact in str(error) for fact in facts), error


@dataclass
class Pair:
    a: Any
    b: Any


# ---------------------------------------------------------------------------------------------------- what is right

W = kn.param(np.array([[1.0, 2.0], [0.5, 1.0]]))
RIGHT = {
    "one array": (np.tanh, X),
    "a number": (lambda x: x**3, 2.0),
    "NumPy's number": (lambda x: x**3, np.float64(2.0)),
    "two arguments": (lambda x, y: np.sin(x) * y[:, None], X, X),
    "a constant": (lambda x, n: x * n, X, 3),
    "an integer array": (lambda x, key: x[key] ** 2, X, np.array([0, 0, 1])),
    "words": (lambda x, how: x**2 if how == "square" else x, X, "square"),
    "a tuple comes back": (lambda x: (x * x, np.sin(x)[0]), X),
    "a dict comes back": (lambda x: {"a": x * x, "b": [x[0], 3, None]}, X),
    "a mask comes back too": (lambda x: (x * x, x > 0), X),
    "a scalar comes back": (lambda x: np.sum(x**3), X),
    "Python's number comes back": (kn.primitive(lambda x: float(x.sum()), name="f", x=lambda dy, x: dy + 0 * x), X),
    "containers": (lambda d: d["a"][0] * d["b"].a * d["n"], {"a": [X], "b": Pair(X + 1, None), "n": 2}),
    "no influence": (lambda x, y: x * 2, X, X),
    "not at all": (lambda x: np.ones(2), X),
    "empty": (lambda x: x * 2, np.zeros((0, 2))),
    "zeros": (np.exp, np.zeros(3)),
    "large and small": (np.log, np.array([1e-5, 2.0, 2e4])),
    "tiny": (np.log, np.array([1e-9, 3e-9])),
    "huge": (np.sqrt, np.array([1e9, 3e12])),
    "quick": (lambda x: np.exp(30 * x), X),
    "a kink nearby": (kn.relu, np.array([1e-4, -1e-4, 1.0])),
    "a param of the closure": (lambda x: np.tanh(x @ W), X),
    "a param alone": (lambda: np.tanh(W),),
    "a param as argument": (lambda w, x: np.tanh(x @ w), W, X),
    "params in containers": (lambda ws: np.tanh(ws[0] @ ws[1]["w"]), [W, {"w": kn.param(np.ones((2, 1)))}]),
    "the same param twice": (lambda w: w @ W, W),
    "nll": (lambda x: kn.nll(x, [0, 1]), np.array([[0.1, 2.0], [3.0, -1.0]])),
    "conv": (kn.conv, RNG(0).normal(size=(2, 3, 4, 4)), RNG(1).normal(size=(2, 3, 2, 2))),
    "checkpoint": (kn.checkpoint(lambda x: np.tanh(x @ W)), X),
    "grad inside": (lambda x: kn.grad(lambda x: np.sum(np.tanh(x @ W)), 0)(x), X),
    "rows of a param": (lambda: np.sin(kn.embed(W, [0, 1, 0]) @ W),),
    "bags of a param's rows": (lambda: np.sin(kn.embedding_bag(W, [[0, 1], [1, 1]])),),
    "grad by params inside": (lambda x: kn.grad(lambda: np.sum(np.tanh(x @ W)))()[W], X),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_right(kind):
    f, *args = RIGHT[kind]
    report = kn.gradcheck(f, *args)
    assert report and report.tolerance == 1e-6 and list(report.errors) == [1, 2]
    assert all(error < 1e-6 for error in report.errors.values())


def test_third_order():
    report = kn.gradcheck(lambda x: np.tanh(x @ W), X, order=3)
    assert len(report.modes) == 9 and report.errors[3] < 1e-6
    assert kn.gradcheck(third, X, order=2)
    says(failure(third, X, order=3), "third derivative", "primitive third")


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-3), (np.float16, 5e-2)])
def test_less_precise_dtypes(dtype, tolerance):
    x, w = RNG(0).normal(size=(3, 4)).astype(dtype), kn.param(RNG(1).normal(size=(4, 2)).astype(dtype))
    assert kn.gradcheck(lambda x: np.tanh(x @ w), x).tolerance == tolerance
    assert kn.gradcheck(lambda x: np.tanh(x).astype(dtype), x.astype(float)).tolerance == tolerance
    says(failure(cube, x), "primitive cube")


def test_report():
    report = kn.gradcheck(lambda d: d["a"] @ W, {"a": X}, modes=["reverse", "forward-over-reverse"])
    says(report, "are right", "argument 0['a'] (2,)", "param W (2, 2)", "modes reverse, forward-over-reverse")
    says(report, "at order 1", "at order 2", "tolerance 1e-06")
    assert report.modes == ["reverse", "forward-over-reverse"] and list(report.errors) == [1, 2]


def test_params_of_a_model():
    @kn.model
    def net(x):
        return kn.relu(x @ kn.param(2, 3) + kn.param0(3))

    x = RNG(0).normal(size=(4, 2)).astype("f4")
    says(kn.gradcheck(net, x), "argument 0 (4, 2)", "param net.param[0] (2, 3)", "param net.param[1] (3,)")


def test_params_made_on_the_way_are_the_same_each_time():
    with pytest.warns(UserWarning, match="@kn.model"):
        assert kn.gradcheck(lambda x: x @ kn.param(2, 3), X.astype("f4"))


# ---------------------------------------------------------------------------------------------------- what is wrong


def test_a_wrong_rule():
    error = failure(lambda x: np.exp(cube(x) + 1), X)
    says(error, "the derivative of output (1,) of <lambda>", "argument 0, element (1,)", "primitive cube", ": error =")
    assert (error.kind, error.variable, error.index, error.order) == ("wrong", "argument 0", (1,), 1)
    assert error.mode in ("reverse", "forward")
    np.testing.assert_allclose([error.expected, error.got], [3, 2], rtol=1e-6)
    assert isinstance(error, AssertionError) and isinstance(error, kn.KnetpyError)


@pytest.mark.parametrize("place", [(0, 0), (7, 11), (29, 19)])
def test_the_element_that_is_wrong(place):
    wrong = np.zeros((30, 20))
    wrong[place] = 0.5
    f = kn.primitive(lambda x: x * 2, name="spotted", x=lambda dy: dy * (2 + wrong))
    error = failure(lambda d: f(d["w"]), {"w": RNG(0).normal(size=(30, 20))})
    assert (error.variable, error.index) == ("argument 0['w']", place)
    says(error, f"output {place}", "expected 2", "got 2.5")


def test_the_param_that_is_wrong():
    v, w = kn.param(X), kn.param(X)
    says(failure(lambda x: cube(v) + w * x, X), "param v, element (1,)")


@pytest.mark.parametrize("f", [frozen, stale, ignores_dy, fused])
def test_further_wrong_rules(f):
    says(failure(lambda x: np.tanh(f(x)) + x, X + 2), f"primitive {f.__name__} is wrong by itself", "test_gradcheck.py")


def test_a_rule_whose_derivative_is_wrong():
    assert kn.gradcheck(frozen, X, order=1)
    error = failure(frozen, X)
    says(error, "the second derivative", "over")
    assert error.order == 2


# How a rule may be wrong, at these operands: the declaration, operands, the part that is to blame.
A, SYMMETRIC = RNG(2).normal(size=(3, 3)), np.array([[1.0, 2.0, 3.0], [2.0, 0.5, 4.0], [3.0, 4.0, 2.0]])
KINDS = {
    "slightly": (dict(kernel=lambda x: x**3, x=lambda dy, x: dy * 3.0001 * x**2), [A], "its rule for x"),
    "a term is missing": (dict(kernel=lambda x: x * np.exp(x), x=lambda dy, x: dy * np.exp(x)), [A], "its rule for x"),
    "the axis": (dict(kernel=lambda x: np.sum(x**2, 0), x=lambda dy, x: dy[:, None] * 2 * x), [A], "its rule for x"),
    "transposed": (
        dict(kernel=lambda a, b: a @ b, a=lambda dy, b: dy @ b.T, b=lambda dy, a: a @ dy),
        [A, A + 1],
        "its rule for b",
    ),
    "elsewhere than at symmetric points": (
        dict(kernel=lambda a, b: a @ b, a=lambda dy, b: dy @ b, b=lambda dy, a: a.T @ dy),
        [A, SYMMETRIC],
        "its rules",
    ),
    "coupling": (
        dict(kernel=lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True), x=lambda dy, y: dy * y * (1 - y)),
        [A],
        "its rule for x",
    ),
    "none": (dict(kernel=lambda a, b: a * b, a=lambda dy, b: dy * b, b=None), [A, A + 1], "its rule for b"),
    "vjp": (dict(kernel=lambda a, b: a * b, vjp=lambda dy, a, b: (dy * a, dy * b)), [A, A + 1], "its vjp"),
    "an output": (
        dict(kernel=lambda x: (x**2, x**3), outputs=2, x=lambda dy, x: dy[0] * 2 * x + dy[1] * 2 * x**2),
        [A],
        "its rule for x",
    ),
    "jvp": (dict(kernel=np.sin, x=lambda dy, x: dy * np.cos(x), jvp=lambda dx, x: dx * x), [A], "its jvp"),
    "composed": (
        dict(kernel=lambda x: x * x, x=lambda dy, x: dy * 2 * x, composed=lambda x: x * x * 1.01),
        [A],
        "its rule for x or composed",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_wrong_rules(kind):
    declaration, operands, part = KINDS[kind]
    error = failure(kn.primitive(name="guilty", **declaration), *operands)
    says(error, "is wrong", f"the primitive guilty is wrong by itself, in {part}, called", "test_gradcheck.py")


def test_a_rule_of_another_shape_is_named_by_the_sweep():
    f = kn.primitive(lambda x: x**3, name="guilty", trusted=True, x=lambda dy, x: np.sum(dy * 3 * x**2, axis=0))
    with pytest.raises(kn.ShapeError, match=r"a rule of guilty gave a cotangent of shape \(3,\)"):
        kn.gradcheck(f, A)


def test_a_rule_that_loses_digits():
    """The sweep gives the gradient its dtype back; what is lost shows in differences of it."""
    f = kn.primitive(lambda x: x**3, name="guilty", trusted=True, x=lambda dy, x: (dy * 3 * x**2).astype("f4"))
    assert kn.grad(lambda x: np.sum(f(x)), 0)(A).dtype == np.float64
    error = failure(f, A)
    assert (error.kind, error.order) == ("rough", 2)
    says(error, "cannot be checked", "noisy")


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_scale_of_outputs_does_not_matter(scale):
    error = failure(lambda x: scale * cube(x), X)
    wanted = scale * X[error.index] ** 2
    np.testing.assert_allclose([error.expected, error.got], [3 * wanted, 2 * wanted], rtol=1e-6)
    assert kn.gradcheck(lambda x: scale * np.sin(x), X)


def test_modes_are_checked_by_themselves():
    forward = kn.primitive(lambda x: x * 2, name="f", x=lambda dy: dy * 2, jvp=lambda dx: dx * 3)
    assert failure(forward, X).mode == "forward"
    assert failure(forward, X, modes="forward").mode == "forward"
    assert kn.gradcheck(forward, X, modes=("reverse", "reverse-over-reverse"))
    assert failure(forward, X, modes="forward-over-reverse").mode == "forward-over-reverse"
    assert failure(fused, X, modes="reverse").mode == "reverse" and kn.gradcheck(fused, X, modes="forward")


def test_a_wrong_rule_in_a_checkpoint():
    says(failure(kn.checkpoint(lambda x: cube(x) * 2), X), "primitive cube")


def test_a_derivative_that_is_not_finite():
    f = kn.primitive(lambda x: x * 2, name="f", x=lambda dy: dy * np.nan)
    says(failure(f, X), "expected 2", "got nan", "primitive f")


def test_kept_instead_of_raised():
    report = kn.gradcheck(cube, X, raises=False)
    assert not report and report.failure.suspect.startswith("the primitive cube")
    says(report, "is wrong", "expected")
    assert not kn.gradcheck(lambda x: x * np.random.default_rng().random(), X, raises=False)


def test_a_looser_tolerance():
    slightly = kn.primitive(lambda x: x * 2, name="f", x=lambda dy: dy * 2.0002)
    assert failure(slightly, X) and kn.gradcheck(slightly, X, tolerance=1e-3)


# ------------------------------------------------------------------------------------------------- no derivative

KINKS = {
    "relu": (kn.relu, [[1.0, 0.0], [2.0, 3.0]], (0, 1), 0, 1),
    "abs": (np.abs, [1.0, 0.0], (1,), -1, 1),
    "max": (np.max, [1.0, 2.0, 2.0], None, 0, 1),
    "clip": (lambda x: np.clip(x, 0, 1), [0.5, 1.0], (1,), 1, 0),
    "where": (lambda x: np.where(x > 0, 3 * x, 2 * x), [0.0, 1.0], (0,), 2, 3),
}


@pytest.mark.parametrize("kind", KINKS)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_kinks(kind, dtype):
    f, x, index, left, right = KINKS[kind]
    error = failure(f, np.array(x, dtype))
    says(error, "seems to have no derivative here along argument 0, element", "left slope", "right slope")
    assert error.kind == "kink" and index in (None, error.index) and error.suspect is None
    np.testing.assert_allclose([error.left, error.right], [left, right], atol=1e-3)


def test_kinks_of_a_derivative():
    error = failure(lambda x: np.sum(np.abs(x) * x), np.array([1.0, 0.0]))
    assert (error.kind, error.index, error.order) == ("kink", (1,), 2)
    assert kn.gradcheck(lambda x: np.sum(np.abs(x) * x), np.array([1.0, 0.0]), order=1)


@pytest.mark.parametrize("f", [np.cbrt, lambda x: np.abs(x) ** 1.5])
def test_infinite_slopes_are_not_called_wrong(f):
    assert failure(f, np.array([0.0, 1.0])).kind == "rough"


def test_the_edge_of_a_domain():
    error = failure(np.sqrt, np.array([0.0, 1.0]))
    assert error.kind == "rough"
    says(error, "cannot be checked", "argument 0, element (0,)", "nan")


def test_what_float32_cannot_tell():
    x = np.linspace(-1, 1, 1001, dtype=np.float32)[:, None]
    error = failure(lambda x: np.sum(np.abs(np.sin(1e4 * x)), axis=0), x)
    says(error, "cannot be checked", "check in float64")


def test_many_kinks_are_no_failure():
    x = RNG(0).normal(size=300_000)
    for dtype in ("f8", "f4"):
        assert kn.gradcheck(kn.relu, x.astype(dtype), order=1).errors[1] < 1e-2
    wrong = kn.primitive(lambda x: np.maximum(x, 0), name="f", x=lambda dy, x: dy * (x > 0) * 1.2)
    assert failure(wrong, x[:1000].astype("f4"), order=1).kind == "wrong"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_network_in_float32_is_not_accused(seed):
    kn.seed(1)
    w = [kn.param(8, 1, 5, 5), kn.param0(8), kn.param(512, 32), kn.param0(32), kn.param(32, 10)]

    def loss(x, y):
        h = kn.pool(kn.relu(kn.conv(x, w[0], w[1])))
        return kn.nll(kn.relu(kn.mat(h) @ w[2] + w[3]) @ w[4], y)

    report = kn.gradcheck(loss, RNG(0).random((8, 1, 20, 20)).astype("f4"), np.arange(8), seed=seed, raises=False)
    assert report or report.failure.kind == "rough"


def test_a_network_with_kinks():
    kn.seed(1)
    w = [kn.param(4, 1, 3, 3, dtype="f8"), kn.param0(4, dtype="f8"), kn.param(36, 3, dtype="f8")]

    def loss(x, y):
        return kn.nll(kn.mat(kn.pool(kn.relu(kn.conv(x, w[0], w[1])))) @ w[2], y)

    says(kn.gradcheck(loss, RNG(0).normal(size=(2, 1, 8, 8)), np.array([0, 2])), "param w[0]", "param w[2]")


# ------------------------------------------------------------------------------------- it leaves everything alone


@pytest.mark.parametrize("f", [np.tanh, cube, kn.relu])
def test_nothing_is_changed(f):
    x, w, other = np.array([0.0, 0.1, 1 / 3]), kn.param(np.array([1e-300, 0.1, 1 / 3])), kn.param(X)
    before, versions = [x.copy(), w.value.copy(), other.value.copy()], (w.version, other.version)
    kn.gradcheck(lambda x: f(x) * w * other[0], x, raises=False)
    for a, b in zip((x, w.value, other.value), before):
        np.testing.assert_array_equal(a, b)
    assert (w.version, other.version) == versions and x.flags.writeable
    w[...] = 1


def test_nothing_is_changed_when_f_raises():
    w, calls = kn.param(X), []

    def f():
        calls.append(1)
        if len(calls) > 8:
            raise ZeroDivisionError
        return w * w

    with pytest.raises(ZeroDivisionError):
        kn.gradcheck(f)
    assert w.value.tolist() == X.tolist() and w.version == 0
    w[...] = 1


def test_pullbacks_stay_good():
    w = kn.param(X)
    y, pullback = kn.vjp(lambda x: x * w, X)
    kn.gradcheck(lambda: np.sin(w))
    np.testing.assert_array_equal(pullback(np.ones(2))[0], X)


def test_random_numbers_repeat_themselves():
    def f(x):
        with kn.training(True):
            return kn.dropout(x, 0.5) * W

    kn.seed(3)
    assert kn.gradcheck(f, np.ones((2, 2)))
    after = kn.random.rand(2)
    kn.seed(3)
    np.testing.assert_array_equal(kn.random.rand(2), after)  # the user's stream was left alone


def test_training_is_off():
    modes = set()

    def f(x):
        modes.add(kn.training())
        return x * 2

    kn.gradcheck(f, X)
    assert modes == {False}
    with kn.training(True):
        kn.gradcheck(f, X)
    assert modes == {False, True}


def test_no_side_effects():
    made = []

    def f(x):
        kn.defer(lambda: made.append(1))
        return x * 2

    kn.gradcheck(f, X)
    assert made == []


def test_the_seed_decides():
    a, b, c = [kn.gradcheck(np.tanh, X, seed=n).errors for n in (0, 0, 1)]
    assert a == b != c


# --------------------------------------------------------------------------------------------------------- misuse

MISUSE = {
    "no function": (lambda: kn.gradcheck(X), TypeError, ("function", "gradcheck(f, x)")),
    "nothing to check": (lambda: kn.gradcheck(lambda n: n * 2.0, 3), kn.DerivativeError, ("no param", "astype(float)")),
    "integers": (lambda: kn.gradcheck(np.sin, np.arange(3)), kn.DerivativeError, ("astype(float)",)),
    "nothing floating": (lambda: kn.gradcheck(lambda x: x > 0, X), kn.DerivativeError, ("no floating array",)),
    "nothing": (lambda: kn.gradcheck(lambda x: None, X), kn.DerivativeError, ("no floating array",)),
    "NaN": (
        lambda: kn.gradcheck(lambda xs: xs[1], [1.0, X * np.nan]),
        kn.NonFiniteError,
        ("argument 0[1]", "(0,)", "nan"),
    ),
    "a NaN value": (
        lambda: kn.gradcheck(lambda x: (x, x / np.array([1, 0])), X),
        kn.NonFiniteError,
        ("output [1]", "1 of 2", "-inf at (1,)"),
    ),
    "random": (lambda: kn.gradcheck(lambda x: x * np.random.default_rng().random(), X), GradcheckError, ("two runs",)),
    "order": (lambda: kn.gradcheck(np.sin, X, order=4), ValueError, ("1, 2 or 3", "4")),
    "a mode": (lambda: kn.gradcheck(np.sin, X, modes="back"), ValueError, ("reverse, forward", "'back'")),
    "a mode of a higher order": (
        lambda: kn.gradcheck(np.sin, X, order=1, modes="forward-over-reverse"),
        ValueError,
        ("at order 1",),
    ),
    "no modes": (lambda: kn.gradcheck(np.sin, X, modes=()), ValueError, ("empty",)),
    "tolerance": (lambda: kn.gradcheck(np.sin, X, tolerance=0), ValueError, ("tolerance", "> 0")),
    "step": (lambda: kn.gradcheck(np.sin, X, step=-1), ValueError, ("step", "> 0")),
    "inside": (lambda: kn.grad(lambda x: kn.gradcheck(np.sin, X) and x)(2.0), kn.DerivativeError, ("outside",)),
}


@pytest.mark.parametrize("kind", MISUSE)
def test_misuse(kind):
    call, error, facts = MISUSE[kind]
    with pytest.raises(error) as found:
        call()
    says(found.value, *facts)


def test_an_operation_without_second_derivative():
    saved = kn.primitive(lambda x: (x * x, 2 * x), name="saved", saves=("d",), x=lambda dy, d: dy * d)
    assert kn.gradcheck(saved, X, order=1, modes="reverse")
    with pytest.raises(kn.DerivativeError, match="composed="):
        kn.gradcheck(saved, X, modes=("reverse", "reverse-over-reverse"))
