"""Differentiable functions, one file per family; importing this fills the table of NumPy functions.

Families that few programs need are imported when a function is called that is not in the table, those of SciPy's
functions once SciPy has been imported by somebody else.
"""

import sys
from importlib import import_module

from ..core.value import LATE
from . import (
    augmented,
    complex,
    constants,
    cumulative,
    einsum,
    elementwise,
    index,
    interop,
    join,
    matmul,
    pad,
    reduce,
    shape,
)

_LATER = (  # files of this folder
    "arrange", "build", "choice", "diagonal", "differences", "emath", "fft", "histogram", "linalg", "nan", "numbers",
    "polynomial", "products", "quantile", "sort", "statistics", "ufuncs", "unique", "writing",
)  # fmt: skip
_OF_SCIPY = ("special", "bessel", "incomplete")  # the same, of what is in scipy.special


def load() -> None:
    """Import all families that serve NumPy's functions, also those that few programs need."""
    for family in _LATER + (_OF_SCIPY if "scipy.special" in sys.modules else ()):
        import_module(f".{family}", __name__)


LATE.append(load)
