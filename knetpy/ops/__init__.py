"""Differentiable functions, one file per family; importing this fills the table of NumPy functions.

Families that few programs need are imported when a function is called that is not in the table.
"""

from importlib import import_module

from ..core.value import LATE
from . import complex, constants, einsum, elementwise, index, join, matmul, pad, reduce, shape

_LATER: tuple[str, ...] = (
    *("arrange", "build", "choice", "diagonal", "emath", "histogram", "quantile", "sort", "unique", "writing"),
)  # files of this folder


def load() -> None:
    """Import all families that serve NumPy's functions, also those that few programs need."""
    for family in _LATER:
        import_module(f".{family}", __name__)


LATE.append(load)
