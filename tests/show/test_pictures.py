"""Pictures of arrays: what is drawn of which shapes, and what is refused."""

import numpy as np
import pytest

import knetpy as kn

pytest.importorskip("matplotlib")

PNG = b"\x89PNG"


def drawn(figure):
    """The arrays that the axes of a figure show."""
    return [axes.images[0].get_array().data for axes in figure.axes]


@pytest.mark.parametrize(
    "shape, count, each",
    [
        ((8, 9), 1, (8, 9)),
        ((5, 8, 9), 5, (8, 9)),
        ((5, 1, 8, 9), 5, (8, 9)),
        ((5, 3, 8, 9), 5, (8, 9, 3)),
        ((5, 4, 8, 9), 5, (8, 9, 4)),
        ((100, 1, 4, 4), 64, (4, 4)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, bool, np.int64])
def test_images(shape, count, each, dtype):
    x = (np.arange(np.prod(shape)).reshape(shape) % 250).astype(dtype)
    figure = kn.show.images(x)
    found = drawn(figure)
    assert len(found) == count and found[0].shape == each
    assert 0 <= min(a.min() for a in found) and max(a.max() for a in found) <= 1
    assert figure._repr_png_().startswith(PNG)


def test_values_of_images_are_kept_where_they_can_be():
    assert drawn(kn.show.images(np.array([[0.25, 0.75]])))[0].tolist() == [[0.25, 0.75]]
    assert drawn(kn.show.images(np.array([[-1.0, 3.0]])))[0].tolist() == [[0, 1]]
    assert drawn(kn.show.images(np.array([[0, 51]], np.uint8)))[0].tolist() == [[0, np.float32(0.2)]]
    assert drawn(kn.show.images(np.array([[np.nan, 1.0], [np.inf, 0.0]])))[0].tolist() == [[0, 1], [1, 0]]
    assert kn.show.images(np.full((2, 2), np.nan))._repr_png_()


def test_titles():
    figure = kn.show.images(np.zeros((2, 4, 4)), titles=["<b>", "$x^$"])
    assert [axes.get_title() for axes in figure.axes] == ["<b>", r"\$x^\$"] and figure._repr_png_()


@pytest.mark.parametrize("shape", [(4, 1, 5, 5), (4, 3, 5, 5), (40, 20, 3, 3), (100, 1, 3, 3), (2, 2, 1, 1)])
def test_filters(shape):
    figure = kn.show.filters(kn.param(*shape))
    assert 0 < len(figure.axes) <= 64 and figure._repr_png_().startswith(PNG)


def test_filters_of_a_layer_and_of_zeros():
    assert len(kn.show.filters(kn.nn.Conv(1, 6, 3)).axes) == 6
    (one,) = kn.show.filters(np.zeros((1, 1, 2, 2))).axes
    assert one.images[0].get_clim() == (-1, 1)
    w = np.array([[[[-2.0, 1.0]]]])
    assert kn.show.filters(w).axes[0].images[0].get_clim() == (-2, 2)  # 0 is white


def test_filters_that_are_not_finite():
    shown = drawn(kn.show.filters(np.array([[[[np.inf, np.nan, 2.0]]]])))
    assert shown[0].tolist() == [[2, 0, 2]]
    assert drawn(kn.show.filters(np.full((1, 3, 1, 2), -np.inf, "f4")))[0].tolist() == [[[0, 0, 0]] * 2]


def test_large_pictures_are_thinned():
    assert drawn(kn.show.images(np.broadcast_to(np.float32(1), (2**20, 3, 4000, 1000))))[0].shape == (400, 100, 3)
    words = [f"$word{n}" + "x" * 1000 for n in range(1000)]
    axes = kn.show.confusion(np.eye(1000, dtype=int), words).axes[0]
    assert len(axes.get_xticks()) == 100 and max(len(t.get_text()) for t in axes.get_xticklabels()) == 24


def test_very_large_values():
    assert drawn(kn.show.images(np.array([[1e308, -1e308]])))[0].tolist() == [[1, 0]]


def test_confusion():
    metric = kn.train.Confusion()
    metric.update(np.eye(3)[[0, 1, 1, 2]], [0, 1, 2, 2])
    figure = kn.show.confusion(metric, ["a", "b", "$c"])
    axes = figure.axes[0]
    assert axes.get_title() == "accuracy 75.0 %" and [t.get_text() for t in axes.texts] == ["1", "1", "1", "1"]
    assert drawn(figure)[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5]]
    assert (
        kn.show.confusion(np.zeros((2, 2), int))._repr_png_() and not kn.show.confusion(np.ones((30, 30))).axes[0].texts
    )


def test_attention():
    q = np.random.default_rng(0).normal(size=(5, 4)).astype("f4")
    _, weights = kn.attention(q, q, q, return_weights=True)
    figure = kn.show.attention(weights, list("abcde"))
    axes = figure.axes[0]
    assert (
        [t.get_text() for t in axes.get_xticklabels()]
        == list("abcde")
        == [t.get_text() for t in axes.get_yticklabels()]
    )
    assert len(kn.show.attention(np.ones((6, 2, 3)) / 3, ["a", "b"], ["c", "d", "e"]).axes) == 6


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda: kn.show.images(np.zeros(3)), r"show.images: x must be images .* got shape \(3,\)"),
        (lambda: kn.show.images(np.zeros((2, 8, 8, 3))), r"x.transpose\(0, 3, 1, 2\)"),
        (lambda: kn.show.images(np.zeros((0, 8, 8))), "got shape"),
        (lambda: kn.show.images(np.zeros((2, 8, 8)), [1]), "2 images and 1 titles"),
        (lambda: kn.show.images(np.zeros((2, 8, 8)), columns=0), "columns"),
        (lambda: kn.show.images(np.zeros((28, 28, 3))), r"channels last: x.transpose\(2, 0, 1\)\[np.newaxis\]"),
        (lambda: kn.show.images(np.zeros((2, 2, 8, 8))), r"one channel alone is x\[:, 0\]"),
        (lambda: kn.show.images(np.zeros((2, 8, 8)), 3), "titles must be a list, a text for each image, got int"),
        (lambda: kn.show.filters(kn.nn.Conv(4, 3)), r"Conv\(.* has no weight before its first call"),
        (lambda: kn.show.filters(kn.nn.Chain(kn.nn.Conv(1, 4, 3))), "array of real numbers, got Chain"),
        (lambda: kn.show.images(["a"]), "array of real numbers"),
        (lambda: kn.show.filters(np.zeros((784, 10))), r"got shape \(784, 10\)"),
        (lambda: kn.show.confusion(np.zeros((2, 3))), r"got shape \(2, 3\)"),
        (lambda: kn.show.confusion(kn.train.Confusion()), r"got shape \(0, 0\)"),
        (lambda: kn.show.confusion(np.eye(2), ["a"]), "2 classes and 1 names"),
        (lambda: kn.show.attention(np.zeros((2, 3, 4, 4))), r"weights\[0\]"),
        (lambda: kn.show.attention(np.zeros((2, 3)), ["a"]), "queries has 1 words"),
    ],
)
def test_what_is_refused(wrong, message):
    with pytest.raises((kn.ShapeError, TypeError, ValueError), match=message):
        wrong()


@pytest.mark.parametrize("name", ["images", "filters", "confusion", "attention"])
def test_without_matplotlib(name, monkeypatch):
    monkeypatch.setattr("knetpy.show.plot.can_plot", lambda: False)
    x = np.zeros((1, 1, 2, 2) if name in ("images", "filters") else (2, 2))
    with pytest.raises(ImportError, match=rf"show.{name} needs matplotlib: pip install 'knetpy\[plot\]'"):
        getattr(kn.show, name)(x)
