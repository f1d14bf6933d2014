"""Iterators around data and losses, alone and around each other."""

import signal

import numpy as np
import pytest

import knetpy as kn
from knetpy.train import Stop, converge, cycle, early_stopping, every, plateau, repeat, take, tap

BATCH = np.ones((4, 2), np.float32), np.zeros(4, np.int64)


def test_repeat_repr():
    assert repr(repeat([1], 2)) == "repeat([1], 2)"


def test_repeat_goes_through_again():
    class Data:
        epochs = 0

        def __len__(self):
            return 2

        def __iter__(self):
            self.epochs += 1
            yield from (self.epochs, -self.epochs)

    again = repeat(Data(), 3)
    assert len(again) == 6 and list(again) == [1, -1, 2, -2, 3, -3] and list(again)[0] == 4
    assert list(repeat([1], 0)) == [] and len(repeat([1], np.int64(4))) == 4


def test_repeat_without_a_length():
    class Data:
        def __iter__(self):
            return iter([1, 2])

    assert list(repeat(Data(), 2)) == [1, 2, 1, 2]
    with pytest.raises(TypeError):
        len(repeat(Data(), 2))


@pytest.mark.parametrize(
    "data, epochs, error, words",
    [
        ((i for i in range(3)), 2, TypeError, "generator.*only once"),
        (zip([1], [2]), 2, TypeError, "zip.*only once"),
        (5, 2, TypeError, "iterable.*int"),
        ([1], 1.5, TypeError, "integer.*float"),
        ([1], True, TypeError, "integer.*bool"),
        ([1], -1, ValueError, "at least 0.*-1"),
    ],
)
def test_repeat_refuses(data, epochs, error, words):
    with pytest.raises(error, match=f"repeat: .*{words}"):
        repeat(data, epochs)


def test_epochs_of_minibatches_under_a_bar():
    w = kn.param(2, 3)

    def loss(x, y):
        return kn.nll(x @ w, y)

    data = kn.minibatch(np.ones((6, 2)), np.zeros(6, int), 2, shuffle=True)
    steps = kn.progress(kn.minimize(loss, repeat(data, 4)), disable=True)
    assert len(steps) == 12 == len(list(steps))


# ----------------------------------------------------------------------------------------------- cycle and take


class Shuffled:
    """Data that is different in every round."""

    def __init__(self):
        self.rounds = 0

    def __len__(self):
        return 2

    def __iter__(self):
        self.rounds += 1
        yield from (self.rounds, -self.rounds)


def test_repeat_of_nothing_ends():
    assert list(repeat([], 10**30)) == []


def test_cycle_goes_through_again_without_keeping_anything():
    data = Shuffled()
    assert list(take(cycle(data), 5)) == [1, -1, 2, -2, 3] and data.rounds == 3
    assert list(cycle([])) == []
    with pytest.raises(TypeError, match="no len"):
        len(cycle(data))
    with pytest.raises(TypeError, match="cycle: data is a generator.*only once"):
        cycle(i for i in range(3))
    with pytest.raises(TypeError, match="cycle: data must be an iterable, got int"):
        cycle(3)


def test_take_makes_no_further_step():
    made = []

    def steps():
        for n in range(5):
            made.append(n)
            yield n

    assert list(take(steps(), 2)) == [0, 1] == made
    assert list(take(steps(), 0)) == [] and made == [0, 1]


def test_take_has_a_length():
    assert len(take([1, 2, 3], 2)) == 2 == len(take([1, 2], 5)) == len(take(cycle([1]), 2))
    assert list(take([1, 2], 5)) == [1, 2]
    for wrong, error in ((1.5, TypeError), (True, TypeError), (-1, ValueError)):
        with pytest.raises(error, match="take: n must be"):
            take([1], wrong)


# ----------------------------------------------------------------------------------------------------- converge


def test_converge_ends_when_the_trend_turns():
    falling = [float(x) for x in np.exp(-np.arange(50) / 10)]
    assert list(converge(falling)) == falling
    valley = [float(x) for x in (np.arange(50) - 25.0) ** 2]
    found = list(converge(valley))
    assert 27 < len(found) < 50 and found == valley[: len(found)]
    assert len(list(converge(valley, alpha=0.5))) < len(found)


def test_converge_by_hand():
    losses, mean, trend, expected = [3.0, 1.0, 3.0, 3.0, 9.0, 9.0], 3.0, 0.0, 0
    for loss in losses:
        expected += 1
        difference = loss - mean
        mean, trend = mean + 0.3 * difference, 0.7 * trend + 0.3 * difference
        if trend > 0:
            break
    assert len(list(converge(losses, 0.3))) == expected < 6


@pytest.mark.parametrize("last", [0.0, 1.0])
@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_converge_ends_where_nothing_changes(last, alpha):
    losses = take(cycle([last]), 10_000)
    assert len(list(converge(losses, alpha))) == 1 / alpha + 1
    fallen = repeat([5.0, 2.0], 1), losses
    assert len(list(converge([x for part in fallen for x in part], alpha))) < 1000


def test_converge_ends_at_nan_and_starts_anew():
    steps = converge([2.0, float("nan"), 1.0])
    assert len(list(steps)) == 2 == len(list(steps)) and len(steps) == 3
    for wrong in (0, 1.5, -1):
        with pytest.raises(ValueError, match="converge: alpha"):
            converge([1.0], wrong)


# -------------------------------------------------------------------------------------- around each other and minimize


@pytest.fixture
def problem():
    w = kn.param([4.0, -2.0])

    def loss(x):
        assert kn.training()
        return ((w - x) ** 2).sum()

    return w, loss


def test_they_compose(problem):
    w, loss = problem
    modes, lrs, opt = [], [], kn.SGD(lr=0.1)

    def look(value):
        modes.append(kn.training())
        opt.lr *= 0.5
        lrs.append(opt.lr)

    data = [np.zeros(2, np.float32)] * 3
    steps = take(tap(kn.minimize(loss, cycle(data), opt), every(4)(look)), 10)
    values = [float(v) for v in kn.progress(steps, disable=True)]
    assert len(values) == 10 and modes == [False] * 2 and lrs == [0.05, 0.025] and opt.state(w).t == 10
    expected, x, lr = [], 20.0, 0.1
    for n in range(1, 11):
        expected.append(x)
        x *= (1 - 2 * lr) ** 2
        lr *= 0.5 if n % 4 == 0 else 1
    assert np.allclose(values, expected, rtol=1e-5)


def test_a_training_until_it_converges(problem):
    w, loss = problem
    values = list(converge(kn.minimize(loss, cycle([np.ones(2, np.float32)]), kn.SGD(lr=0.9)), alpha=0.5))
    assert values[-1] < 1e-6 and len(values) < 500


def test_stop_in_a_callback(problem):
    w, loss = problem
    opt = kn.SGD()

    def enough(value):
        if value < 5:
            raise Stop

    values = list(tap(kn.minimize(loss, cycle([np.zeros(2, np.float32)]), opt), enough))
    assert min(values) >= 5 and opt.state(w).t == len(values) + 1


TOOLS = {
    "take": lambda losses: take(losses, 100),
    "converge": converge,
    "tap": lambda losses: tap(losses, every(2)(lambda loss: None)),
    "early_stopping": early_stopping,
    "plateau": plateau,
    "progress": lambda losses: kn.progress(losses, disable=True),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_ctrl_c_goes_through_them_and_the_loop_goes_on(problem, tool):
    w, plain_loss = problem
    calls = []

    def loss(x):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return plain_loss(x)

    opt = kn.Adam()
    steps = TOOLS[tool](kn.minimize(loss, [np.zeros(2, np.float32)] * 5, opt))
    with pytest.raises(KeyboardInterrupt):
        list(steps)
    assert opt.state(w).t == 2 == w.version and not kn.training()
    assert len(list(steps)) == 5 and opt.state(w).t == 7


@pytest.mark.parametrize("tool", TOOLS)
def test_they_close_what_they_go_through(tool):
    closed = []

    def losses():
        try:
            yield from [3.0, 2.0, 1.0]
        finally:
            closed.append(True)

    for _ in TOOLS[tool](losses()):
        break
    assert closed


@pytest.mark.parametrize("tool", TOOLS)
def test_they_have_the_length_of_their_losses(tool):
    assert len(TOOLS[tool]([1.0, 2.0])) == 2
    assert TOOLS[tool].__name__ == "<lambda>" or f"{tool}([1.0]" in repr(TOOLS[tool]([1.0])).lower().replace(
        "ys", "y_s"
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_they_refuse_a_loss(tool):
    with pytest.raises(TypeError, match=f"{tool}: .*must be an iterable"):
        TOOLS[tool](np.float32(2))
