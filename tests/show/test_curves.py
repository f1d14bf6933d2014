"""The picture and the html of a History."""

import time
from array import array

import pytest

import knetpy as kn

pytest.importorskip("matplotlib")


@pytest.fixture
def history():
    history = kn.History(lr=lambda: 0.1, **{"<b>": lambda: 2.0})
    list(history(float(100 - n) for n in range(60)))
    return history


def test_a_curve_for_each_column(history, tmp_path):
    figure = history.plot(tmp_path / "curves.svg")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "lr", "<b>"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 1, 1]
    raw, smoothed = figure.axes[0].lines
    assert len(raw.get_xdata()) == 60 and smoothed.get_ydata()[0] == 99 and smoothed.get_xdata()[0] == 2
    assert (tmp_path / "curves.svg").read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize("columns", [0, 1, 4, 7])
def test_any_number_of_columns(columns):
    history = kn.History()
    history.add(**{f"c{n}": n for n in range(columns)})
    assert len(history.plot().axes) == columns


def test_numbers_and_names_that_matplotlib_cannot_draw():
    history = kn.History(**{"$x^{$": lambda: 1.0, "y" * 10_000: lambda: 2.0})
    list(history([1e308, -1e308, float("inf"), float("nan"), 1.0]))
    assert "data:image/png;base64," in history._repr_html_()


def test_a_long_training_is_drawn_soon():
    history = kn.History()
    history.add(loss=1.0)
    history._values["loss"] = (array("q", range(10**6)), array("d", bytes(8 * 10**6)))
    begin = time.perf_counter()
    history.plot()
    assert time.perf_counter() - begin < 5  # by a sum over each window it takes minutes


def test_html(history):
    html = history._repr_html_()
    assert "60 steps" in html and "data:image/png;base64," in html and "&lt;b&gt;" in html and "<b>" not in html
    assert "<img" not in kn.History()._repr_html_()


def test_without_matplotlib(history, monkeypatch):
    monkeypatch.setattr("knetpy.show.curves.can_plot", lambda: False)
    monkeypatch.setattr("knetpy.show.plot.can_plot", lambda: False)
    assert "<img" not in history._repr_html_() and "100" in history._repr_html_()
    with pytest.raises(ImportError, match="matplotlib"):
        history.plot()
