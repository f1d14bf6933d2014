"""The picture of a training."""

import sys

import numpy as np
import pytest

from knetpy.show import plot

NAMES = ["shoe", "$shirt_", "bag"]


def picture(count=30, steps=100, path=None):
    images = np.random.default_rng(0).random((count, 1, 8, 8), np.float32)
    labels = np.arange(count) % 3
    guesses = np.where(np.arange(count) == 1, 2, labels)
    return plot.training_picture(np.linspace(2, 0.1, steps), images, labels, guesses, NAMES, path)


def titles(figure):
    return [axes.get_title() for axes in figure.axes[1:]]


def test_it_shows_losses_and_images(tmp_path):
    figure = picture(path=tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes()[1:4] == b"PNG"
    raw, smoothed = figure.axes[0].lines
    assert len(raw.get_xdata()) == 100 and len(smoothed.get_xdata()) == 96
    assert raw.get_ydata().min() < smoothed.get_ydata().min()
    assert len(titles(figure)) == 24 and titles(figure)[0] == "shoe"


def test_a_wrong_class_is_marked_and_corrected():
    right, wrong = picture().axes[1:3]
    assert wrong.get_title() == "bag\n($shirt_)"
    assert wrong.title.get_color() != right.title.get_color()


@pytest.mark.parametrize("count, steps", [(0, 0), (1, 1), (5, 3), (24, 19)])
def test_few_images_and_steps(count, steps, tmp_path):
    figure = picture(count, steps, tmp_path / "picture.png")
    assert len(titles(figure)) == min(count, 24)


def test_losses_that_are_not_finite(tmp_path):
    plot.training_picture([1.0, np.nan, np.inf], np.zeros((1, 4, 4)), [0], [0], NAMES, tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").exists()


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not plot.can_plot()
    with pytest.raises(ImportError, match=r"pip install 'knetpy\[plot\]'"):
        picture()


def test_smooth_is_the_mean_of_each_window():
    values = np.random.default_rng(0).random(100)
    values[[40, 70]] = np.nan, np.inf
    means = np.array([values[n : n + 7].mean() for n in range(94)])
    assert np.allclose(plot.smooth(values, 7), np.where(np.isfinite(means), means, np.nan), rtol=1e-12, equal_nan=True)
    assert plot.smooth(values, 101).size == 0
