"""early_stopping, plateau, patience."""

import math

import numpy as np
import pytest

import knetpy as kn
from knetpy.train import early_stopping, patience, plateau


def test_patience_counts_what_is_true_in_a_row():
    enough = patience(lambda x, limit=0: x > limit, 3)
    assert [enough(x) for x in (1, 1, 0, 1, 1, 1, 1, 0)] == [False] * 5 + [True, True, False]


def scores(*values):
    left = list(values)
    return lambda: left.pop(0)


@pytest.mark.parametrize(
    "values, options, length, best",
    [
        ([5, 4, 3, 2, 1], {}, 5, 1),  # a loss that falls is never stopped
        ([1, 2, 3, 4, 5], {"mode": "max"}, 5, 5),
        ([5, 4, 4, 4, 3], {"patience": 2}, 4, 4),
        ([5, 4, 4, 3, 3, 3, 1], {"patience": 2}, 6, 3),
        ([5, 4.9, 4.8, 4], {"patience": 2, "min_delta": 0.5}, 3, 5),
        ([5, 4.9, 4.4, 4], {"patience": 2, "min_delta": 0.5}, 4, 4.4),
        ([-5, -6, -4, -4], {"patience": 2}, 4, -6),
        ([math.nan, math.nan, 1], {"patience": 2}, 2, math.inf),
        ([3, math.nan, 2, math.inf], {"patience": 2}, 4, 2),
        ([1, 0, 1, 1], {"mode": "max", "patience": 2}, 3, 1),
    ],
)
def test_early_stopping(values, options, length, best):
    steps = early_stopping([0.0] * 10, scores(*values, *[math.nan] * 10), **options)
    found = sum(1 for _ in zip(steps, range(len(values))))
    assert found == length and steps.best == best


def test_of_the_losses_themselves():
    losses = [4.0, 2.0, 3.0, 1.0, 2.0, 5.0, 2.0, 5.0, 0.0, 0.0]
    steps = early_stopping(losses, every=2, patience=2)  # means 3, 2, 3.5, 3.5
    assert list(steps) == losses[:8] and steps.best == 2.0


def test_on_best_is_called_at_improvements():
    best = []
    steps = early_stopping([3.0, 2.0, 4.0, 1.0], on_best=lambda: best.append(steps.best))
    list(steps)
    assert best == [3.0, 2.0, 1.0]


def test_it_looks_outside_of_training_mode():
    w, modes = kn.param([1.0]), []

    def score():
        modes.append((kn.training(), type(w * 1)))
        return 1.0

    steps = kn.minimize(lambda: (w * w).sum(), [()] * 10, kn.SGD())
    assert len(list(early_stopping(steps, score, every=2, patience=3))) == 8
    assert modes == [(False, np.ndarray)] * 4


def test_a_loop_that_was_left_goes_on():
    values = scores(3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
    steps = early_stopping([0.0] * 10, values, patience=3)
    for n, _ in enumerate(steps):
        if n == 1:
            break
    assert steps.waited == 1 and len(list(steps)) == 2 and steps.best == 3.0
    assert steps.waited == 3  # it has ended; the next has all patience again
    next(iter(steps))
    assert steps.waited == 1


@pytest.mark.parametrize("make", [early_stopping, plateau])
def test_state_and_restore(make):
    losses = [3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5]
    whole = make(losses, every=2)
    list(whole)
    first = make(losses[:5], every=2)
    list(first)
    state = first.state()
    assert all(type(value) in (int, float) for value in state.values())
    rest = make(losses[5:], every=2)
    rest.restore(dict(state))
    list(rest)
    assert rest.state() == whole.state() != state
    with pytest.raises(ValueError, match="restore: a state of"):
        rest.restore({"best": 1.0})


def test_plateau():
    assert len(list(plateau([5.0, 4.0, 4.0, 4.0, 4.0, 1.0], width=3))) == 5
    assert len(list(plateau([5.0, 4.0, 4.05, 4.1, 4.0, 1.0], width=3, min_change=0.2))) == 5
    assert len(list(plateau([5.0, 4.0, 4.05, 4.1, 4.0, 1.0], width=3))) == 6  # worse is a change as well
    assert len(list(plateau([math.nan] * 6, width=2))) == 2
    assert len(list(plateau([0.0] * 9, scores(1, 1, 1, 2), every=2, width=2))) == 6


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"score": 3}, TypeError, "score must be a function, got int"),
        ({"every": 0}, ValueError, "every must be at least 1"),
        ({"patience": 0}, ValueError, "patience must be at least 1"),
        ({"patience": 1.5}, TypeError, "patience must be an integer"),
        ({"min_delta": -1}, ValueError, "min_delta"),
        ({"mode": "lowest"}, ValueError, 'mode must be one of "min", "max"'),
        ({"on_best": 3}, TypeError, "on_best must be a function"),
    ],
)
def test_mistakes(options, error, words):
    with pytest.raises(error, match=f"early_stopping: {words}"):
        early_stopping([1.0], **options)


def test_mistakes_of_plateau():
    with pytest.raises(ValueError, match="plateau: width must be at least 1"):
        plateau([1.0], width=0)
    with pytest.raises(ValueError, match="plateau: min_change"):
        plateau([1.0], min_change=-1)


def test_on_best_may_save_and_may_fail():
    saved, full = [], [False]

    def save():
        if full[0]:
            raise OSError("no space left")
        saved.append(steps.state())

    steps = early_stopping([3.0, 4.0, 2.0, 1.0], on_best=save)
    for loss in steps:
        full[0] = loss == 2.0
        if full[0]:
            break
    assert [state["waited"] for state in saved] == [0, 0] and saved[-1] == steps.state()
    before = steps.state()
    with pytest.raises(OSError):
        steps.look(1.0)
    assert {**steps.state(), "count": 0, "total": 0.0} == before


def test_a_score_is_a_number():
    with pytest.raises(TypeError, match="early_stopping: what score returns must be a number, got None"):
        list(early_stopping([1.0], lambda: None))
