"""The data set in the package."""

from pathlib import Path

import numpy as np

import knetpy.data.fashion
from knetpy.data import fashion_mini


def test_shapes_dtypes_and_range():
    xtrn, ytrn, xtst, ytst, names = fashion_mini()
    assert xtrn.shape == (5000, 1, 28, 28) and xtst.shape == (1000, 1, 28, 28)
    for x in (xtrn, xtst):
        assert x.dtype == np.float32 and x.min() == 0 and x.max() == 1
        assert x.flags.c_contiguous and x.flags.writeable
    for y, n in ((ytrn, 500), (ytst, 100)):
        assert y.dtype == np.int64 and np.bincount(y).tolist() == [n] * 10
    assert len(set(names)) == 10 and names[0] == "T-shirt/top" and names[9] == "Ankle boot"


def test_the_order_is_the_original_files():
    data = fashion_mini()
    assert data.y_train[:10].tolist() == [
        9,
        0,
        0,
        3,
        0,
        2,
        7,
        2,
        5,
        5,
    ]  # as the published training labels begin
    assert data.y_test[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]


def test_images_go_with_their_labels():
    """The nearest class mean tells two thirds of the test images: shuffled labels would tell a tenth."""
    data = fashion_mini()
    means = np.stack([data.x_train[data.y_train == c].mean(axis=0).ravel() for c in range(10)])
    distances = ((data.x_test.reshape(1000, 1, -1) - means) ** 2).sum(axis=-1)
    assert (distances.argmin(axis=1) == data.y_test).mean() > 0.6


def test_each_call_gives_fresh_arrays():
    fashion_mini().x_train[:] = 7
    assert fashion_mini().x_train.max() == 1


def test_short_repr_and_names():
    data = fashion_mini()
    assert len(repr(data)) < 120 and data.names == data[4]


def test_the_licence_is_kept_with_the_data():
    text = (Path(knetpy.data.fashion.__file__).parent / "files" / "fashion_mini.LICENSE").read_text()
    assert "Zalando" in text and "above copyright notice" in text
