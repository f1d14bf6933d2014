"""Data small enough to look at: Fisher's irises, two moons, spirals."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..calls import telling
from ..ops.arguments import MOST, count_of, number
from ..random import USER, drawing_from, rand, randn
from .columns import read_csv
from .split import position

IRISES = ("setosa", "versicolor", "virginica")


def iris() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Fisher's irises: four lengths of 150 flowers of three kinds, of which one is easily told from the others.

    Returns: a tuple: x (150, 4) float32, the length and width of sepal and petal in cm; y (150,) int64 from 0 to 2, 50
      of each kind in turn, so shuffle them; the names of the kinds. It comes with the package; nothing is downloaded.
    Source: Fisher, "The use of multiple measurements in taxonomic problems", 1936; as in R.

    >>> import knetpy as kn
    >>> x, y, names = kn.data.iris()
    >>> x.shape, x[0], names[y[0]]
    ((150, 4), array([5.1, 3.5, 1.4, 0.2], dtype=float32), 'setosa')
    """
    x, y, _ = read_csv(Path(__file__).parent / "files" / "iris.csv", classes={"species": IRISES})
    assert y is not None
    return x, y, IRISES


@telling("moons(200), and options by name", n_samples="n", random_state="seed")
def moons(n: int, *, noise: float = 0.1, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Points on two half circles that reach into each other, which no straight line tells apart.

    Parameters:
      n: how many points.
      noise=0.1: the standard deviation of what is added to both coordinates; the radius is 1.
      seed=None: an integer from 0 to 2**64 - 1 that determines the points; None draws them from `kn.seed`'s.
    Returns: x (n, 2) float32, and the class of each, (n,) int64, 0 and 1 in turn.
    Raises: ValueError and TypeError for arguments that do not fit.

    >>> import knetpy as kn
    >>> x, y = kn.data.moons(200, seed=0)
    >>> x.shape, y[:4].tolist()
    ((200, 2), [0, 1, 0, 1])
    """
    n, noise = count_of("moons", "n", n, most=MOST), number("moons", "noise", noise, least=0)
    with drawing_from(position("moons", seed, USER)):
        y = np.arange(n) % 2
        angle = np.pi * (rand(n) + y)
        return _noisy(np.stack([np.cos(angle) + y, np.sin(angle) + 0.5 * y], axis=1), noise), y


@telling("spirals(200), and options by name", n_samples="n", random_state="seed")
def spirals(
    n: int, *, classes: int = 2, turns: float = 1.0, noise: float = 0.02, seed: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Points on spirals that are wound round each other, one for each class.

    Parameters:
      n: how many points.
      classes=2: how many spirals.
      turns=1.0: how often each goes round the origin, on its way from there to radius 1.
      noise=0.02: the standard deviation of what is added to both coordinates.
      seed=None: what it is to `moons`.
    Returns: x (n, 2) float32, and the class of each, (n,) int64, 0, 1 ... in turn.
    Raises: ValueError and TypeError for arguments that do not fit.

    >>> import knetpy as kn
    >>> x, y = kn.data.spirals(300, classes=3, seed=0)
    >>> x.shape, y[:4].tolist()
    ((300, 2), [0, 1, 2, 0])
    """
    n, classes = count_of("spirals", "n", n, most=MOST), count_of("spirals", "classes", classes, 1, MOST)
    turns, noise = number("spirals", "turns", turns), number("spirals", "noise", noise, least=0)
    with drawing_from(position("spirals", seed, USER)):
        y = np.arange(n) % classes
        radius = np.sqrt(rand(n))
        angle = 2 * np.pi * (turns * radius + y / classes)
        return _noisy((radius * np.stack([np.cos(angle), np.sin(angle)])).T, noise), y


def _noisy(x: np.ndarray, noise: float) -> np.ndarray:
    return np.ascontiguousarray(x + noise * randn(*x.shape), np.float32)
