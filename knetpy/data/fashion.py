"""The data set that comes with the package: 6,000 images of Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .images import Images
from .names import FASHION


def fashion_mini() -> Images:
    """The first 500 training and the first 100 test images of each of the ten classes of Fashion-MNIST.

    The images stand in the order of the original files, so the classes are mixed, but not evenly to the very end: a
    class that reached its 500 (or 100) early has no image among the last.

    Returns: a named tuple of fresh arrays: x_train (5000, 1, 28, 28) float32 from 0 to 1, y_train (5000,) int64 from 0
      to 9, x_test (1000, 1, 28, 28), y_test (1000,), and names, the ten class names. It comes with the package;
      nothing is downloaded.
    Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv:1708.07747; copyright Zalando SE, MIT licence, kept with the
      data.

    >>> import knetpy as kn
    >>> xtrn, ytrn, xtst, ytst, names = kn.data.fashion_mini()
    >>> xtrn.shape, xtrn.dtype.name, names[ytrn[0]]
    ((5000, 1, 28, 28), 'float32', 'Ankle boot')
    """
    with np.load(Path(__file__).parent / "files" / "fashion_mini.npz") as file:
        return Images(
            _images(file["x_train"]),
            file["y_train"].astype(np.int64),
            _images(file["x_test"]),
            file["y_test"].astype(np.int64),
            FASHION,
        )


def _images(x: np.ndarray) -> np.ndarray:
    return x[:, np.newaxis].astype(np.float32) / np.float32(255)
