"""update: what it changes, what it refuses, and that a refusal changes nothing."""

import dataclasses
import signal
import threading
from collections import namedtuple
from functools import partial

import numpy as np
import pytest

import knetpy as kn

Pair = namedtuple("Pair", "w b")


@dataclasses.dataclass
class Layer:
    w: object
    b: object
    activation: object = np.tanh
    name: str = "dense"

    def __call__(self, x):
        return self.activation(x @ self.w + self.b)


def ones(*shape):
    return np.ones(shape, np.float32)


@pytest.fixture
def sgd():
    return kn.SGD(lr=1.0)


@pytest.fixture
def net():
    """Params, a loss that uses them, its arguments."""
    w = [kn.param(3, 2), kn.param0(2)]

    def loss(x, y):
        return kn.nll(x @ w[0] + w[1], y)

    return w, loss, (ones(4, 3), np.zeros(4, int))


# --------------------------------------------------------------------------------------- params, models, trees


@pytest.mark.parametrize("what", ["function", "list", "dict", "nested", "bound method", "partial", "object"])
def test_whatever_holds_params(what, net, sgd):
    w, loss, batch = net

    class Holder:
        def __init__(self):
            self.parts = w

        def method(self):
            pass

    holders = {
        "function": loss,
        "list": w,
        "dict": {"a": w[0], "b": w[1]},
        "nested": [(w[0],), {"x": [w[1], None]}],
        "bound method": Holder().method,
        "partial": partial(loss, y=1),
        "object": Holder(),
    }
    before, g = [p.value.copy() for p in w], kn.grad(loss)(*batch)
    assert kn.update(holders[what], g, sgd) is None
    for p, old in zip(w, before):
        assert np.array_equal(p.value, old - g[p])


def test_one_param(sgd):
    p = kn.param([1.0, 2.0])
    kn.update(p, kn.grad(lambda: (p * p).sum())(), sgd)
    assert p.value.tolist() == [-1.0, -2.0]
    kn.update(p, ones(2), sgd)
    assert p.value.tolist() == [-2.0, -3.0]


def test_a_param_without_axes(sgd):
    p = kn.param(5.0)
    kn.update(p, kn.grad(lambda: p * 2)(), sgd)
    assert p.value == 3
    kn.update(p, np.float32(1), sgd)
    assert p.value == 2


def test_a_tape_and_a_dict_of_gradients(net, sgd):
    w, loss, batch = net
    g = kn.grad(loss)(*batch)
    before = w[0].value.copy()
    kn.update(w, kn.tape(loss, *batch), sgd)
    assert np.array_equal(w[0].value, before - g[w[0]])
    kn.update(w, {p: np.clip(g[p], -0.01, 0.01) for p in g}, sgd)
    assert np.array_equal(w[0].value, before - g[w[0]] - np.clip(g[w[0]], -0.01, 0.01))


@pytest.mark.parametrize("shell", [list, tuple, lambda a: Pair(*a), lambda a: {"w": a[0], "b": {"c": a[1]}}])
def test_trees_of_plain_arrays(shell, sgd):
    arrays = [np.ones((2, 3)), np.zeros(3)]
    tree = shell(arrays)
    g = kn.grad(lambda t: sum((leaf * leaf).sum() for _, leaf in kn.tree.leaves(t)), 0)(tree)
    kn.update(tree, g, sgd)
    assert (arrays[0] == -1).all() and (arrays[1] == 0).all()


def test_a_dataclass_of_plain_arrays_with_other_fields(sgd):
    layer = Layer(np.ones((3, 2)), np.zeros(2))
    g = kn.grad(lambda layer, x: layer(x).sum(), 0)(layer, np.ones((1, 3)))
    kn.update(layer, g, sgd)
    assert (layer.w < 1).all() and (layer.b < 0).all() and layer.name == "dense"


def test_none_leaves_a_param_alone(net, sgd):
    w, _, _ = net
    before = w[0].value.copy()
    kn.update(w, [None, ones(2)], sgd)
    assert (w[0].value == before).all() and (w[1].value == -1).all()


def test_float64_params(sgd):
    p = kn.param(np.array([1.0]))
    kn.update(p, np.array([1e-12]), sgd)
    assert p.value[0] == 1 - 1e-12


def test_the_same_param_twice(sgd):
    p = kn.param([1.0])
    g = ones(1)
    kn.update([p, p], [g, g], sgd)
    assert p.value.tolist() == [0.0]
    with pytest.raises(ValueError, match=r"params\[0\].*params\[1\].*same array.*sum"):
        kn.update([p, p], [g, ones(1)], sgd)
    assert p.value.tolist() == [0.0]


def test_an_unused_param_has_zeros_and_counts(sgd):
    p, q = kn.param([1.0]), kn.param([1.0])
    opt = kn.Adam()
    kn.update([p, q], kn.grad(lambda: (p * kn.stop_gradient(q * 1) + 0 * q).sum())(), opt)
    assert opt.state(q).t == 1 and q.value == 1


def test_the_floating_point_errors_of_the_user_are_left_alone():
    p, opt = kn.param([1.0]), kn.Adam()
    with np.errstate(all="raise"):
        kn.update(p, np.array([1e30], "f4"), opt)  # its square is infinite
    assert np.isfinite(p.value).all()


# ------------------------------------------------------------------------------------------------- untouched


def test_untouched_params_warn_once_and_are_left_alone(net):
    w, loss, batch = net
    other, opt = kn.param([7.0]), kn.Adam()
    with pytest.warns(UserWarning, match=r"params\[2\] of shape \(1,\) was not touched") as caught:
        kn.update([*w, other], kn.grad(loss)(*batch), opt)
    assert len(caught) == 1 and caught[0].filename == __file__
    kn.update([*w, other], kn.grad(loss)(*batch), opt)  # warnings are errors: it does not warn again
    assert other.value == 7 and other.version == 0 and opt.state(other).t == 0 and len(opt.states) == 2


def test_the_state_of_an_untouched_param_is_left_alone(net):
    w, loss, batch = net
    opt = kn.Adam()
    kn.update(w, kn.grad(loss)(*batch), opt)
    moment = opt.state(w[1]).arrays[0].copy()
    with pytest.warns(UserWarning, match="not touched"):
        kn.update(w, kn.grad(lambda: (w[0] * w[0]).sum())(), opt)
    assert opt.state(w[0]).t == 2 and opt.state(w[1]).t == 1 and (opt.state(w[1]).arrays[0] == moment).all()


def test_gradients_of_other_params(net, sgd):
    w, loss, batch = net
    other = kn.param(4)
    g = kn.grad(lambda: (other * other).sum())()
    with pytest.raises(ValueError, match=r"other params.*w\[0\] \(3, 2\), w\[1\] \(2,\).*other \(4,\)"):
        kn.update(loss, g, sgd)


# -------------------------------------------------------------------------------------------------- mistakes


def mistakes():
    w = [kn.param(3, 2), kn.param0(2)]
    arrays = [ones(3, 2), ones(2)]
    locked = ones(2)
    locked.flags.writeable = False

    def loss(x):
        return (x @ w[0] + w[1]).sum()

    x, opt = ones(4, 3), kn.SGD()
    g = kn.grad(loss)(x)
    return {
        "no optimizer": ((w, g), TypeError, "opt is missing"),
        "the class": ((w, g, kn.Adam), TypeError, r"class Adam.*kn.Adam\(\)"),
        "a learning rate": ((w, g, 0.1), TypeError, r"kn.Adam\(lr=0.1\).*float"),
        "a text": ((w, g, "adam"), TypeError, "must be an optimizer.*str"),
        "swapped": ((g, w, opt), TypeError, r"\(params, gradients, optimizer\), got the gradients"),
        "swapped trees": ((arrays, w, opt), TypeError, r"a Param is given as the gradient of params\[0\]"),
        "optimizer first": ((opt, w, g), TypeError, "got the optimizer SGD"),
        "optimizer second": ((w, opt, g), TypeError, "optimizer SGD"),
        "a function": ((w, kn.grad(loss), opt), TypeError, r"g = grad\(loss\)\(x, y\)"),
        "a pair": ((w, kn.value_and_grad(loss)(x), opt), TypeError, "value, g = value_and_grad"),
        "a loss": ((w, 0.3, opt), TypeError, "number 0.3"),
        "a loss of the model": ((loss(x), g, opt), TypeError, "no Param"),
        "no params": ((arrays, g, opt), TypeError, r"no Param in a list.*grad\(f, 0\)"),
        "arrays for a model": ((loss, arrays, opt), TypeError, "function loss.*got a list"),
        "too few": ((w, arrays[:1], opt), TypeError, "list of 2, got a list of 1"),
        "another structure": ((w, {"w": 1, "b": 2}, opt), TypeError, "list of 2, got a dict of 2"),
        "numbers as params": (([1.0], [1.0], opt), TypeError, r"params\[0\] is the number 1.0"),
        "lists as gradients": ((w, [[1.0, 2.0], ones(2)], opt), TypeError, r"gradient of params\[0\].*got a list"),
        "shapes": ((w, arrays[::-1], opt), kn.ShapeError, r"params\[0\] of shape \(3, 2\).*shape \(2,\)"),
        "a shape that broadcasts": ((w[1], ones(1), opt), kn.ShapeError, r"\(2,\).*\(1,\)"),
        "wider gradient": ((w[1], np.ones(2), opt), kn.DtypeError, r"float32.*float64.*astype\(np.float32\)"),
        "integer gradient": ((w[1], np.ones(2, int), opt), kn.DtypeError, "float32.*int64"),
        "integer array": ((np.ones(2, int), ones(2), opt), kn.DtypeError, "int64"),
        "complex array": ((np.ones(2, "c8"), ones(2), opt), kn.DtypeError, r"float32.*astype\(np.complex64\)"),
        "read-only array": ((locked, ones(2), opt), kn.MutationError, "read-only"),
        "the value of a param": ((w[1].value, ones(2), opt), kn.MutationError, "pass the Param"),
    }


@pytest.mark.parametrize("which", mistakes())
def test_mistakes_say_what_to_write(which):
    arguments, error, words = mistakes()[which]
    with pytest.raises(error, match=f"update: .*{words}"):
        kn.update(*arguments)


def test_inside_a_transform(net, sgd):
    w, loss, batch = net
    g = kn.grad(loss)(*batch)

    def wrong(x, y):
        kn.update(w, g, sgd)
        return loss(x, y)

    with pytest.raises(kn.MutationError, match="update.*transform"):
        kn.grad(wrong)(*batch)
    assert w[0].version == 0


def test_an_update_between_a_recording_and_its_derivative(net, sgd):
    w, loss, batch = net
    g = kn.grad(loss)(*batch)
    _, pullback = kn.vjp(lambda x: loss(x, batch[1]), batch[0])
    kn.update(w, g, sgd)
    with pytest.raises(kn.MutationError, match=r"w\[0\] of shape \(3, 2\).*changed"):
        pullback(np.float32(1))


# ------------------------------------------------------------------------------------------------- atomicity


def poisoned():
    """The last gradient is bad, in every way that there is."""
    locked = ones(2)
    locked.flags.writeable = False
    bad = {
        "shape": ones(3),
        "dtype": np.ones(2),
        "no array": "x",
        "nan": np.full(2, np.nan, "f4"),
        "inf": np.array([1, np.inf], "f4"),
        "target": ones(2),
    }
    return {name: (kn.param([5.0, 5.0]) if name != "target" else locked, g) for name, g in bad.items()}


@pytest.mark.parametrize("which", poisoned())
@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_failed_update_changes_nothing(which, steps_before):
    first, (last, g) = kn.param([1.0, 2.0]), poisoned()[which]
    opt = kn.Adam()
    for _ in range(steps_before):
        kn.update(first, ones(2), opt)
    values, version = first.value.copy(), first.version
    moments = [a.copy() for a in opt.state(first).arrays]
    with pytest.raises((TypeError, kn.KnetpyError)):
        kn.update([first, last], [ones(2), g], opt, check_finite=True)
    assert (first.value == values).all() and first.version == version
    assert (kn.value(last) == (1 if which == "target" else 5)).all()
    assert opt.state(first).t == steps_before and len(opt.states) == (steps_before > 0)
    assert all((a == b).all() for a, b in zip(opt.state(first).arrays, moments))


def test_check_finite_names_the_param_and_counts():
    w = {"a": kn.param([1.0]), "b": kn.param([1.0, 2.0])}
    g = {"a": ones(1), "b": np.array([1, np.nan], "f4")}
    with pytest.raises(kn.NonFiniteError, match=r"params\['b'\] of shape \(2,\) has 1 of 2 .*NaN"):
        kn.update(w, g, kn.SGD(), check_finite=True)
    kn.update(w, g, kn.SGD())
    assert np.isnan(w["b"].value[1])


class Interrupted(kn.SGD):
    """Ctrl-C comes in the middle of the first param."""

    def step(self, w, g, state, t):
        if t == 1:
            signal.raise_signal(signal.SIGINT)
        super().step(w, g, state, t)


def test_ctrl_c_waits_for_the_end_of_an_update():
    w, opt = [kn.param([1.0]), kn.param([1.0])], Interrupted(lr=1.0)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        kn.update(w, [ones(1), ones(1)], opt)
    assert [p.value.item() for p in w] == [0.0, 0.0] and [opt.state(p).t for p in w] == [1, 1]
    assert signal.getsignal(signal.SIGINT) is before


def test_the_users_own_handler_is_called_afterwards():
    w, opt, seen = kn.param([1.0]), Interrupted(lr=1.0), []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(w.value.item()))
    try:
        kn.update(w, ones(1), opt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [0.0]


def test_update_on_another_thread():
    w, opt = kn.param([1.0]), kn.Adam()
    failures = []

    def work():
        try:
            for _ in range(20):
                kn.update(w, kn.grad(lambda: (w * w).sum())(), opt)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures and opt.state(w).t == 20
