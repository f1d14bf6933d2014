"""Callbacks: every, throttle, tap."""

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
        (lambda: every(), TypeError, "every: n is missing"),
        (lambda: tap([1.0], callback=print), TypeError, "tap has no argument 'callback'"),
        (lambda: every(2)(3), TypeError, "every: callback must be a function, got int"),
        (lambda: throttle(-1), ValueError, "throttle: seconds"),
        (lambda: throttle("1"), TypeError, "throttle: seconds must be a number"),
        (lambda: throttle(1)(None), TypeError, "throttle: callback"),
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
