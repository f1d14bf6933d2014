"""SciPy's functions that values could not reach by SciPy's own spelling: `special`, `stats`, `signal`, `linalg`.

A ufunc of SciPy's asks what it is given, so `scipy.special.gammaln(r)` is differentiable as it stands. Others make
plain arrays of their arguments first, which would cut the derivative; here are versions of those, with SciPy's
signatures. Of arguments without derivative they are SciPy's own, and names that are not here are SciPy's too, so that
`from knetpy.scipy import special, stats` may stand in the place of SciPy's.

Each is loaded when it is first used; that takes SciPy, the extra `scipy`.

>>> import numpy as np, knetpy as kn
>>> kn.grad(lambda s: kn.scipy.stats.norm.logpdf(1.0, 0.0, s), 0)(2.0)
np.float64(-0.375)
"""

from importlib import import_module
from typing import Any

_ROOMS = ("linalg", "signal", "special", "stats")


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'knetpy.scipy' has no attribute {name!r}; it has {', '.join(_ROOMS)}")
    try:
        return import_module("." + name, __name__)
    except ModuleNotFoundError as failure:
        if (failure.name or "").partition(".")[0] != "scipy":
            raise
        raise ImportError(f'kn.scipy.{name} needs SciPy, which is not installed; pip install "knetpy[scipy]"') from None


def __dir__() -> list[str]:
    return sorted(_ROOMS)
