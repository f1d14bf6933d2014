"""progress: the items, the bar, its end."""

import io
import re
import sys
from contextlib import redirect_stderr

import numpy as np
import pytest

import knetpy as kn
from knetpy.train.bar import RunningMean


class Terminal(io.StringIO):
    def isatty(self):
        return True


def last_line(text):
    """What is left to be seen of the bar."""
    return text.rstrip("\n").split("\r")[-1].strip()


@pytest.fixture
def terminal():
    """Standard error as a terminal; set in the test itself, since pytest sets its own between fixtures and test."""
    return Terminal()


def through(terminal, iterable, *message):
    """Go through a bar in that terminal."""
    with redirect_stderr(terminal):
        return list(kn.progress(iterable, *message))


def test_items_and_length():
    for disable in (True, None):
        bar = kn.progress([1, "a", None], disable=disable)
        assert list(bar) == [1, "a", None] == list(bar) and len(bar) == 3


def test_counts_rate_and_mean_of_the_losses(terminal):
    through(terminal, [np.float32(2.5)] * 7, "epoch 1")
    line = last_line(terminal.getvalue())
    assert line.startswith("epoch 1: 100%") and "7/7" in line and "it/s" in line and "loss 2.5" in line
    assert terminal.getvalue().endswith("\n")


def test_time_left_needs_a_length(terminal):
    through(terminal, range(3))
    assert re.search(r"\d\d:\d\d<\d\d:\d\d", terminal.getvalue())
    terminal.truncate(0)
    through(terminal, (i for i in range(3)))
    assert last_line(terminal.getvalue()).lstrip("\0").startswith("3it") and "<" not in terminal.getvalue()


def test_items_that_are_no_losses(terminal):
    assert through(terminal, ["a", 1, True, np.ones(2)])[:3] == ["a", 1, True]
    assert "loss" not in terminal.getvalue()


def test_silent_where_nobody_looks(capsys):
    list(kn.progress([1.0, 2.0]))
    list(kn.progress([1.0, 2.0], disable=True))
    assert capsys.readouterr() == ("", "")
    list(kn.progress([1.0, 2.0], disable=False))
    out, err = capsys.readouterr()
    assert out == "" and "2/2" in err


def test_disabled_in_a_terminal(terminal):
    with redirect_stderr(terminal):
        list(kn.progress([1.0], disable=True))
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("how", ["break", "exception in the body", "exception in the data"])
def test_the_bar_is_closed(terminal, how):
    closed = []

    def data():
        try:
            yield 1.0
            if how == "exception in the data":
                raise ZeroDivisionError
            yield 2.0
        finally:
            closed.append(True)

    def loop():
        with redirect_stderr(terminal):
            for _ in kn.progress(data()):
                if how == "break":
                    break
                if how == "exception in the body":
                    raise ZeroDivisionError

    if how == "break":
        loop()
    else:
        with pytest.raises(ZeroDivisionError):
            loop()
    assert closed and terminal.getvalue().endswith("\n")
    assert "1it" in last_line(terminal.getvalue())  # the item that was being worked on counts


def test_nan_is_shown(terminal):
    through(terminal, [float("nan")])
    assert "loss nan" in terminal.getvalue()


def test_around_minimize(terminal):
    w = kn.param([1.0])
    values = through(terminal, kn.minimize(lambda: (w * w).sum(), [()] * 5, kn.SGD()))
    assert len(values) == 5 and "5/5" in terminal.getvalue() and "loss 0." in terminal.getvalue()


def test_the_running_mean():
    mean = RunningMean()
    assert mean.add(3.0) == 3 and np.isclose(mean.add(5.0), (3 * 0.95 + 5) / 1.95)
    for _ in range(500):
        latest = mean.add(-1.0)
    assert np.isclose(latest, -1)


@pytest.mark.parametrize("arguments", [("training", [1]), (len,), (3,), ([1], 5)])
def test_mistakes(arguments):
    with pytest.raises(TypeError, match="progress: "):
        kn.progress(*arguments)


class Shell:
    config = {"IPKernelApp": {}}


def test_in_a_notebook_without_widgets(monkeypatch, capsys):
    class IPython:
        get_ipython = staticmethod(Shell)

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    monkeypatch.setattr("knetpy.train.bar.find_spec", lambda name: None)
    list(kn.progress([1.0, 2.0]))
    out, err = capsys.readouterr()
    assert "2/2" in out and err == ""
    list(kn.progress([1.0, 2.0], disable=True))
    assert capsys.readouterr() == ("", "")
