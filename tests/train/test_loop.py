"""minimize."""

import contextlib
import signal

import numpy as np
import pytest

import knetpy as kn
from knetpy.train import Skip, Stop

BATCH = np.ones((4, 2), np.float32), np.zeros(4, np.int64)


@pytest.fixture
def net():
    w = [kn.param(2, 3), kn.param0(3)]

    def loss(x, y):
        return kn.nll(x @ w[0] + w[1], y)

    return w, loss


def test_it_yields_the_losses_of_the_steps(net):
    w, loss = net
    losses = list(kn.minimize(loss, [BATCH] * 5, kn.SGD(lr=0.5)))
    assert all(type(value) is np.float32 for value in losses)
    assert sorted(losses, reverse=True) == losses
    assert loss(*BATCH) < losses[-1]


def test_it_is_the_loop_by_hand(net):
    w, loss = net
    start = [p.value.copy() for p in w]
    opt, expected = kn.Adam(lr=0.1), []
    for x, y in [BATCH] * 4:
        value, g = kn.value_and_grad(loss)(x, y)
        kn.update(w, g, opt)
        expected.append(value)
    reached = [p.value.copy() for p in w]
    for p, v in zip(w, start):
        p[...] = v
    assert list(kn.minimize(loss, [BATCH] * 4, kn.Adam(lr=0.1))) == expected
    assert all(np.array_equal(p.value, v) for p, v in zip(w, reached))


def test_adam_is_the_default(net):
    _, loss = net
    assert repr(kn.minimize(loss, []).opt) == repr(kn.Adam())


def test_every_loop_trains_on(net):
    w, loss = net
    steps = kn.minimize(loss, [BATCH] * 3, kn.Adam(lr=0.1))
    first, second = list(steps), list(steps)
    assert len(first) == len(second) == len(steps) == 3 and second[0] < first[-1]
    assert steps.opt.state(w[0]).t == 6


def test_items_of_data(net):
    w = kn.param([1.0, 2.0])
    seen = []

    def loss(x):
        seen.append(type(x))
        return (w * w).sum()

    items = [np.ones(2), [1, 2], {"a": 1}, (np.ones(2),)]
    assert len(list(kn.minimize(loss, items, kn.SGD()))) == 4
    assert seen == [np.ndarray, list, dict, np.ndarray]
    assert len(list(kn.minimize(lambda: (w * w).sum(), [()] * 3))) == 3


def test_generators_have_no_length(net):
    _, loss = net
    steps = kn.minimize(loss, (BATCH for _ in range(3)))
    with pytest.raises(TypeError):
        len(steps)
    assert len(list(steps)) == 3
    with pytest.warns(UserWarning, match="gave nothing.*only once") as caught:
        assert list(steps) == []
    assert caught[0].filename == __file__


def test_no_data_is_no_step(net):
    _, loss = net
    assert list(kn.minimize(loss, [])) == []


def test_the_training_mode_is_on_in_the_step_only(net):
    w, _ = net
    inside, body = [], []

    def loss(x, y):
        inside.append(kn.training())
        return kn.nll(x @ w[0] + w[1], y)

    def data():
        for _ in range(3):
            body.append(kn.training())
            yield BATCH

    for _ in kn.minimize(loss, data()):
        body.append(kn.training())
        assert type(BATCH[0] @ w[0]) is np.ndarray
    assert inside == [True] * 3 and body == [False] * 6


def test_a_changed_learning_rate_takes_effect(net):
    w, loss = net
    opt = kn.SGD(lr=1.0)
    for n, _ in enumerate(kn.minimize(loss, [BATCH] * 3, opt)):
        opt.lr = 0
        if n == 0:
            after = w[0].value.copy()
    assert (w[0].value == after).all()


def test_only_the_params_that_were_named(net):
    w, loss = net
    before = w[0].value.copy()
    list(kn.minimize(loss, [BATCH] * 2, kn.SGD(), params=w[1]))
    assert (w[0].value == before).all() and (w[1].value != 0).any()


def test_break_and_continue(net):
    w, loss = net
    opt = kn.Adam()
    steps = kn.minimize(loss, [BATCH] * 10, opt)
    for n, _ in enumerate(steps):
        if n == 2:
            break
    assert opt.state(w[0]).t == 3
    assert len(list(steps)) == 10 and opt.state(w[0]).t == 13


def test_an_exception_in_the_loss_changes_nothing(net):
    w, _ = net
    calls = []

    def loss(x, y):
        calls.append(1)
        y = kn.nll(x @ w[0] + w[1], y)
        if len(calls) == 3:
            raise ZeroDivisionError
        return y

    opt = kn.Adam()
    with pytest.raises(ZeroDivisionError):
        list(kn.minimize(loss, [BATCH] * 5, opt))
    assert opt.state(w[0]).t == 2 and w[0].version == 2 and not kn.training()


@pytest.mark.parametrize("at", ["forward", "update"])
def test_ctrl_c_leaves_params_and_state_of_a_whole_step(net, at):
    w, plain_loss = net
    calls = []

    def interrupt(where):
        calls.append(where)
        if where == at and calls.count(at) == 3:
            signal.raise_signal(signal.SIGINT)

    def loss(x, y):
        interrupt("forward")
        return plain_loss(x, y)

    class Rule(kn.SGD):
        def step(self, w, g, state, t):
            if w.ndim == 2:  # the first of the two params
                interrupt("update")
            super().step(w, g, state, t)

    opt = Rule(lr=0.1)
    steps = kn.minimize(loss, [BATCH] * 5, opt)
    with pytest.raises(KeyboardInterrupt):
        list(steps)
    done = 2 if at == "forward" else 3
    assert [opt.state(p).t for p in w] == [done, done] and [p.version for p in w] == [done, done]
    assert not kn.training() and len(list(steps)) == 5  # and it can go on


def test_params_made_inside_the_model():
    @kn.model
    def model(x):
        return x @ kn.param(2, 3)

    def loss(x, y):
        return kn.nll(model(x), y)

    losses = list(kn.minimize(loss, [BATCH] * 5, kn.SGD(0.5)))
    assert losses[-1] < losses[0] and len(kn.params(loss)) == 1


def test_minibatches_shuffle_anew_in_every_loop(net):
    w, _ = net
    x, seen = np.arange(12, dtype=np.float32).reshape(6, 2), []

    def loss(x):
        seen.append(x[0, 0])
        return (x @ w[0]).sum()

    steps = kn.minimize(loss, kn.minibatch(x, 1, shuffle=True), kn.SGD(lr=0))
    list(steps), list(steps)
    assert len(steps) == 6 and sorted(seen[:6]) == sorted(seen[6:]) and seen[:6] != seen[6:]


def test_repr(net):
    _, loss = net
    assert (
        repr(kn.minimize(loss, [1], kn.SGD()))
        == "minimize(loss, [1], SGD(lr=0.1)), which trains while you loop over it"
    )


# --------------------------------------------------------------------------- leaving out a step, ending the loop


@pytest.mark.parametrize("where", ["loss", "before"])
@pytest.mark.parametrize("signal_, losses, steps", [(Skip, 4, 4), (Stop, 2, 2)])
def test_skip_and_stop_come_before_the_update(net, where, signal_, losses, steps):
    w, plain_loss = net
    calls = []

    def decide(here):
        calls.append(here)
        if here == where and calls.count(where) == 3:
            before.append([p.value.copy() for p in w])
            raise signal_

    def loss(x, y):
        decide("loss")
        return plain_loss(x, y)

    opt, before = kn.Adam(), []
    trained = kn.minimize(loss, [BATCH] * 5, opt, before=lambda loss, grads: decide("before"))
    found = []
    for value in trained:
        found.append(value)
        if len(found) == 2:
            last = [p.value.copy() for p in w]
    assert len(found) == losses and [opt.state(p).t for p in w] == [steps] * 2
    assert all(np.array_equal(a, b) for a, b in zip(before[0], last))
    assert trained.skipped == (signal_ is Skip) and not kn.training()
    calls[:] = []
    assert len(list(trained)) == losses  # and it can go on


def test_before_gets_loss_and_gradients(net):
    w, loss = net
    seen = []
    values = list(kn.minimize(loss, [BATCH] * 2, kn.SGD(), before=lambda *given: seen.append(given)))
    assert [value for value, _ in seen] == values
    assert all(isinstance(g, kn.Gradients) and g[w[0]].shape == (2, 3) for _, g in seen)


def test_before_may_change_gradients(net):
    w, loss = net
    before = w[1].value.copy()
    g = kn.grad(loss)(*BATCH)[w[1]]

    def half(value, grads):
        grads[w[1]] *= 0.5

    list(kn.minimize(loss, [BATCH], kn.SGD(lr=1.0), before=half))
    assert np.allclose(w[1].value, before - g / 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_is_refused_before_the_update(bad, where):
    w = kn.param([1.0, 2.0])

    @kn.primitive(w=lambda dy: dy * np.float32(bad))
    def spoilt(w):
        return w.copy()

    def loss(n):
        y = (w * w).sum()
        if n < 2:
            return y
        return y * np.float32(bad) if where == "loss" else spoilt(y)

    opt = kn.Adam()
    words = "minimize: loss returned (nan|inf)" if where == "loss" else "the gradient of"
    with pytest.raises(kn.NonFiniteError, match=words):
        for _ in kn.minimize(loss, range(5), opt, check_finite=True):
            last = w.value.copy()
    assert np.array_equal(w.value, last) and opt.state(w).t == 2
    with contextlib.nullcontext() if where == "gradient" else pytest.warns(UserWarning, match="loss has become"):
        list(kn.minimize(loss, range(3), opt))  # nobody asked
    assert not np.isfinite(w.value).all()


def test_skipping_what_is_not_finite(net):
    w, _ = net

    def loss(x, y):
        return kn.nll(x @ w[0] + w[1], y)

    def finite(value, grads):
        if not np.isfinite(value):
            raise Skip

    bad = np.full((4, 2), np.nan, np.float32), BATCH[1]
    steps = kn.minimize(loss, [BATCH, bad, BATCH, bad], kn.SGD(), before=finite)
    assert len(list(steps)) == 2 and steps.skipped == 2 and np.isfinite(w[0].value).all()


def test_options_are_checked(net):
    _, loss = net
    with pytest.raises(TypeError, match="minimize: before must be a function, got int"):
        kn.minimize(loss, [BATCH], before=3)
    with pytest.raises(TypeError, match=r"two arguments.*and History takes others.*before=history\.watch"):
        kn.minimize(loss, [BATCH], before=kn.History())
    with pytest.raises(TypeError, match=r"two arguments, as before\(loss, gradients\), and <lambda> takes others$"):
        kn.minimize(loss, [BATCH], before=lambda loss: None)
    with pytest.raises(TypeError, match="minimize has no argument 'befor'; did you mean before"):
        kn.minimize(loss, [BATCH], befor=print)
    with pytest.raises(TypeError, match="minimize: check_finite must be True or False"):
        kn.minimize(loss, [BATCH], check_finite="yes")


def test_after_a_break_the_next_epoch_begins_or_the_rest_of_this_one(net):
    _, loss = net
    x, y = np.arange(12, dtype="f4").reshape(6, 2) / 10, np.array([0, 1, 0, 1, 0, 1])
    data, seen = kn.data.DataLoader((x, y), 1), []

    def counted(x, y):
        seen.append(int(x[0, 0] * 5))
        return loss(x, y)

    for restored in (False, False, True):
        if restored:
            data.restore(data.state())
        for n, _ in enumerate(kn.minimize(counted, data, kn.SGD())):
            if n == 1 and not restored:
                break
    assert seen == [0, 1, 0, 1, 2, 3, 4, 5]


# -------------------------------------------------------------------------------------------------- mistakes


def mistakes():
    w = kn.param(2, 3)

    def loss(x, y):
        return kn.nll(x @ w, y)

    x, y = BATCH
    return {
        "a loss": ((loss(x, y), [BATCH]), r"minimize\(loss, data\), not loss\(x, y\)"),
        "one batch": ((loss, BATCH), r"\[\(x, y\)\]"),
        "arrays": ((loss, x, y), r"opt is an array.*\[\(x, y\)\]"),
        "no data": ((loss, 10), "iterable of batches, got int"),
        "the class": ((loss, [BATCH], kn.Adam), r"class Adam.*kn.Adam\(\)"),
        "a learning rate": ((loss, [BATCH], 0.01), r"kn.Adam\(lr=0.01\)"),
    }


@pytest.mark.parametrize("which", mistakes())
def test_mistakes_are_refused_at_once(which):
    arguments, words = mistakes()[which]
    with pytest.raises(TypeError, match=f"minimize: .*{words}"):
        kn.minimize(*arguments)


def test_lists_as_items(net):
    _, loss = net
    with pytest.raises(TypeError, match=r"minimize: loss .*\(list,\).*'y'.*tuple \(x, y\)"):
        list(kn.minimize(loss, [list(BATCH)]))


def test_a_loss_without_params():
    def loss(x, y):
        return x.sum()

    for x in (np.ones(2), np.ones(2, int)):
        with pytest.raises(kn.DerivativeError, match="loss touched no Param.*kn.param"):
            list(kn.minimize(loss, [(x, 1)]))


def test_a_loss_that_is_no_scalar(net):
    w, _ = net
    with pytest.raises(kn.DerivativeError, match=r"shape \(4, 3\)"):
        list(kn.minimize(lambda x, y: x @ w[0], [BATCH]))


def test_an_optimizer_hears_the_names_that_the_loss_has():
    w = {"hidden": kn.param([1.0]), "out": kn.param([1.0])}

    def loss():
        return (w["hidden"] * w["out"]).sum()

    opt = kn.optim.Choose(lambda path, p: None if "hidden" in path else "all", all=kn.SGD(0.5))
    list(kn.minimize(loss, [()], opt))
    assert (w["hidden"].value[0], w["out"].value[0]) == (1, 0.5)


def refuse(loss, gradients):
    raise ZeroDivisionError


def poison(loss, gradients):
    for p in gradients:
        gradients[p] = np.full(p.shape, np.nan, np.float32)


@pytest.mark.parametrize(
    "options, error",
    [
        (dict(before=lambda *_: next(iter(()))), StopIteration),
        (dict(before=refuse), ZeroDivisionError),
        (dict(before=poison, check_finite=True), kn.NonFiniteError),
        (dict(params=[kn.param([1.0])]), ValueError),
    ],
)
def test_what_leaves_out_the_update_leaves_out_the_running_moments(options, error):
    w, moments = kn.param([[1.0, 2.0]]), kn.Moments()
    loop = kn.minimize(lambda x: np.sum(kn.batchnorm(x @ w, moments) ** 3), [], kn.SGD(), **options)
    with pytest.raises(error):
        loop.step(np.arange(4, dtype=np.float32)[:, None])
    assert moments.count == 0 and w.value.tolist() == [[1, 2]]


def test_a_step_that_is_skipped_leaves_the_running_moments():
    w, moments = kn.param([[1.0, 2.0]]), kn.Moments()

    def skip(loss, gradients):
        raise kn.train.Skip

    loop = kn.minimize(lambda x: np.sum(kn.batchnorm(x @ w, moments)), [np.ones((4, 1), "f4")], before=skip)
    assert list(loop) == [] and loop.skipped == 1 and moments.count == 0
    with pytest.raises(TypeError, match="before must be a function, which may raise Skip, not a class"):
        kn.minimize(lambda: w.sum(), [()], before=kn.train.Skip)


@pytest.mark.parametrize("around", [lambda data: data, kn.train.cycle])
@pytest.mark.parametrize("stop", [3, 4, 5, 8])
def test_a_loader_goes_on_wherever_it_was_saved(around, stop):
    """Also at the last batch of an epoch, of which nothing is left."""
    w, seen = kn.param([1.0]), []

    def loss(x):
        seen.append(x.tolist())
        return w.sum() * x.sum()

    def loader():
        return kn.DataLoader(np.arange(8.0), 2, shuffle=True, seed=1)

    data = loader()
    for n, _ in enumerate(kn.minimize(loss, kn.train.repeat(data, 4), kn.SGD(0.0)), 1):
        if n == stop:
            state = data.state()
    wanted = seen[stop:12]
    seen.clear()
    data = loader()
    data.restore(state)
    steps = kn.minimize(loss, around(data), kn.SGD(0.0))
    while len(seen) < len(wanted):
        for _ in kn.train.take(steps, len(wanted) - len(seen)):
            pass
    assert seen == wanted
