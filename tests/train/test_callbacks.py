"""Callbacks: every, throttle, tap."""

import math

import pytest

import knetpy as kn
from knetpy.train import callbacks, every, tap, throttle


def test_every_nth_call():
    calls = []

    @every(3)
    def note(*args, **kwargs):
        calls.append((args, kwargs))
        return len(calls)

    assert [note(n, key=n) for n in range(7)] == [None, None, 1, None, None, 2, None]
    assert calls == [((2,), {"key": 2}), ((5,), {"key": 5})]
    assert note.count == 7 and note.n == 3 and repr(note) == "every(3)(note)"
    note.count = 2  # as of a training that is resumed
    assert note(0) == 3


def test_throttle(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])
    calls = []
    note = throttle(10)(calls.append)
    for now in (100.0, 105.0, 109.9, 110.0, 119.0, 121.0):
        clock[0] = now
        note(now)
    assert calls == [100.0, 110.0, 121.0] and repr(note) == "throttle(10)(append)"


@pytest.mark.parametrize(
    "leading, trailing, expected",
    [
        (True, False, [0, 10, 21]),
        (False, False, [10, 21]),
        (True, True, [0, 10, 21, 29]),
        (False, True, [10, 21, 29]),
    ],
)
def test_the_first_and_the_last_call(monkeypatch, leading, trailing, expected):
    clock, calls = [0.0], []
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])
    note = throttle(10, leading=leading, trailing=trailing)(calls.append)

    def times():
        for now in (0, 5, 9, 10, 12, 21, 25, 29):
            clock[0] = float(now)
            yield now

    assert len(list(tap(times(), note))) == 8 and calls == expected
    assert note.finish() is None and calls == expected  # nothing is left


def test_what_is_held_back_goes_through_once_at_an_end():
    def loop(*more):
        calls = []
        note = throttle(1000, trailing=True)(lambda loss: calls.append(loss) or len(calls))
        return calls, note, tap([1.0, 2.0, 3.0], note, *more)

    def stop(loss):
        if loss == 2.0:
            raise kn.train.Stop

    calls, _, losses = loop(stop)
    assert list(losses) == [1.0] and calls == [1.0, 2.0]
    calls, note, losses = loop()
    for loss in losses:
        if loss == 2.0:
            break
    assert calls == [1.0] and note.finish() == 2 and calls == [1.0, 2.0] and note.finish() is None
    calls, _, losses = loop(lambda loss: 1 / (loss - 2))
    with pytest.raises(ZeroDivisionError):
        list(losses)
    assert calls == [1.0]


def test_stop_of_the_losses_is_not_taps():
    def losses():
        yield 1.0
        raise kn.train.Stop

    with pytest.raises(kn.train.Stop):
        list(tap(losses(), print))


def test_throttle_counts_from_the_end_of_a_call(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])

    @throttle(10)
    def slow():
        clock[0] += 60
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        slow()
    clock[0] += 9
    assert slow() is None


def test_tap_calls_all_in_order():
    seen = []
    losses = tap([2.0, 1.0], lambda loss: seen.append(("a", loss)), lambda loss: seen.append(("b", loss)))
    assert list(losses) == [2.0, 1.0] and seen == [("a", 2.0), ("b", 2.0), ("a", 1.0), ("b", 1.0)]
    assert list(tap([1.0])) == [1.0]
    assert repr(tap([1.0], every(2)(print))) == "tap([1.0], every(2)(print))"


def test_an_error_in_a_callback_is_the_users():
    with pytest.raises(ZeroDivisionError):
        list(tap([1.0], lambda loss: loss / 0))


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: every(0), ValueError, "every: n must be at least 1"),
        (lambda: every(2.5), TypeError, "every: n must be an integer, got float"),
        (lambda: every(print), TypeError, "every: n must be an integer, got builtin"),
        (lambda: every(10, print), TypeError, r"write every\(10\)\(print\)"),
        (lambda: throttle(0.5, print), TypeError, r"write throttle\(0.5\)\(print\)"),
        (lambda: throttle(print, 10), TypeError, r"write throttle\(10\)\(print\)"),
        (lambda: every(), TypeError, "every: n is missing"),
        (lambda: tap([1.0], callback=print), TypeError, "tap has no argument 'callback'"),
        (lambda: every(2)(3), TypeError, "every: callback must be a function, got int"),
        (lambda: throttle(-1), ValueError, "throttle: seconds"),
        (lambda: throttle("1"), TypeError, "throttle: seconds must be a number"),
        (lambda: throttle(1)(None), TypeError, "throttle: callback"),
        (lambda: throttle(1, leading=0), TypeError, "throttle: leading must be True or False"),
        (lambda: throttle(1, trailling=True), TypeError, "did you mean trailing"),
        (lambda: tap([1.0], 3), TypeError, "tap: a callback must be a function"),
        (lambda: tap(print, [1.0]), TypeError, "tap: a callback must be a function"),
        (lambda: kn.train.patience(3, 2), TypeError, "patience: predicate"),
    ],
)
def test_mistakes(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_what_is_raised_in_a_wrong_place_says_so():
    def skip(_):
        raise kn.train.Skip

    with pytest.raises(RuntimeError, match="tap: a callback raised kn.train.Skip, but the step .* has been made"):
        list(kn.train.tap([1.0], skip))
    assert "write continue" in str(kn.train.Skip()) and "write break" in str(kn.train.Stop())
    assert str(kn.train.Stop("mine")) == "mine"


def test_functions_around_functions_go_on_after_a_save(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now[0])

    def fresh():
        seen.clear()
        return {
            "every": every(10)(lambda x: seen.append(x)),
            "inner": every(2)(every(3)(seen.append)),
            "throttle": throttle(60)(seen.append),
            "never": throttle(60)(print),
            "later": throttle(60, leading=False)(print),
            "enough": kn.train.patience(lambda x: x > 0, 5),
        }

    seen = []
    tree = fresh()
    for _ in range(7):
        for name in ("every", "inner", "throttle", "enough"):
            tree[name](1)
    kn.save(tmp_path / "f", tree)
    now[0] = 7.0  # the clock of another process
    into = fresh()
    kept = dict(into)
    assert kn.load(tmp_path / "f", into) == kept
    assert (into["every"].count, into["inner"].count, into["inner"].callback.count) == (7, 7, 3)
    assert (into["throttle"].due, into["never"].due) == (67.0, -math.inf) and math.isnan(into["later"].due)
    assert not seen and [into["every"](n) for n in range(3)] and seen == [2]
    assert [into["enough"](1), into["enough"](0)] == [True, False] and into["enough"].row == 0


@pytest.mark.parametrize(
    "state, message",
    [
        ({}, "has count and callback, got"),
        (7, "has count and callback, got 7"),
        ({"count": 1}, "has count and callback"),
        ({"count": -1, "callback": {"count": 1}}, "count must be at least 0"),
        ({"count": 1, "callback": {"count": "x"}}, "count must be an integer"),
        ({"wait": 1, "callback": {"count": 1}}, "has count and callback"),
    ],
)
def test_a_state_of_something_else_is_refused(state, message):
    outer = every(2)(every(3)(print))
    outer(1)
    with pytest.raises((ValueError, TypeError), match=message):
        outer.restore(state)
    assert (outer.count, outer.callback.count) == (1, 0)
