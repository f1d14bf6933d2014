"""Curves that redraw themselves: how often, and what a loop sees of them."""

import pytest

import knetpy as kn
from knetpy.show import live

pytest.importorskip("IPython")


class Place:
    """What a notebook gives for an output that is replaced."""

    def __init__(self):
        self.drawn = []

    def update(self, shown):
        self.drawn.append(shown._repr_html_())


@pytest.fixture
def notebook(monkeypatch):
    place = Place()
    monkeypatch.setattr("knetpy.train.bar.in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda shown, display_id: place)
    monkeypatch.setattr("knetpy.show.curves.can_plot", lambda: False)
    return place


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(live, "perf_counter", lambda: now[0])
    return now


def test_the_last_state_is_drawn(notebook):
    history = kn.History(lr=lambda: 0.5)
    shown = kn.show.history(history(float(n) for n in range(100)), seconds=100)
    assert list(shown) == list(range(100)) and shown.history is history
    assert len(notebook.drawn) == 2
    assert "1 steps" in notebook.drawn[0] and "100 steps" in notebook.drawn[1] and "lr" in notebook.drawn[1]


def test_it_is_throttled(notebook, clock):
    for _ in kn.show.history([1.0] * 100, seconds=1):
        clock[0] += 0.25
    assert len(notebook.drawn) == 25 + 1


def test_slow_drawings_are_seldom(notebook, clock, monkeypatch):
    def slow(shown):
        notebook.drawn.append("")
        clock[0] += 1.0

    monkeypatch.setattr(notebook, "update", slow)
    for _ in kn.show.history([1.0] * 50, seconds=0.1):
        clock[0] += 1.0
    assert len(notebook.drawn) == 2 + 4 + 1  # the first one may have had to import


def test_a_failing_loop_is_drawn_too(notebook):
    def losses():
        yield 1.0
        raise KeyError

    with pytest.raises(KeyError):
        list(kn.show.history(losses()))
    assert len(notebook.drawn) == 2


def test_outside_of_notebooks_nothing_is_drawn(capsys):
    shown = kn.show.history(kn.History()([2.0, 1.0]))
    assert list(kn.progress(shown, disable=True)) == [2.0, 1.0] and len(shown) == 2
    assert shown.history.step == 2 and capsys.readouterr().out == ""


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"write show.history\(history\(losses\)\)"):
        kn.show.history(kn.History())
    with pytest.raises(TypeError, match="show.history: losses must be an iterable"):
        kn.show.history(3)
    with pytest.raises(ValueError, match="show.history: seconds"):
        kn.show.history([1.0], seconds=-1)
