"""Distributions with SciPy's methods and arguments, written so that they can be differentiated."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.value import bare
from .own import constant, double, no_rule, stripped, tracked

METHODS = ("pdf", "pmf", "logpdf", "logpmf", "cdf", "logcdf", "sf", "logsf")


class Distribution:
    """A distribution of SciPy's: its density and its tails can be differentiated by all that they are given.

    Methods take the arguments of SciPy's: x, the shapes of the distribution, loc=0 and scale=1. Results are float64,
    as SciPy's are. Outside the support a density is 0, and so is every derivative; of parameters that SciPy does not
    allow everything is NaN. At the very border of the support derivatives may be NaN, where a density has none.
    Called with its parameters it gives the same methods of x alone. Other names, such as `rvs`, are SciPy's own, which
    refuse values being differentiated.
    """

    counts = False  # whether it is one of whole numbers

    # log: the logarithm of the density at loc=0 and scale=1; border: whether there is one at the ends of the support;
    # tails: cdf, sf, logcdf, logsf, of each pair at least one.
    def __init__(self, original: Any, log: Callable, *, border: bool = True, **tails: Callable):
        self.original, self.log, self.border, self.tails = original, log, border, tails
        self.name = f"scipy.stats.{original.name}"
        shapes = original.shapes.replace(" ", "").split(",") if original.shapes else []
        self.parameters = [*shapes, "loc", *["scale"] * (not self.counts)]

    def __repr__(self) -> str:
        return f"kn.{self.name}"

    def __call__(self, *args: Any, **options: Any) -> Any:
        return Frozen(self, args, options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self.original, name)
        if name in METHODS:
            return self._method(name)
        return no_rule(f"{self.name}.{name}", found) if callable(found) else found

    def _method(self, name):
        def method(x, *args, **options):
            if not tracked(x, args, options):
                return getattr(self.original, name)(*stripped([x, *args]), **stripped(options))
            return self._differentiable(name, x, self._bound(name, args, options))

        method.__name__, method.__doc__ = name, getattr(self.original, name).__doc__
        return method

    def _bound(self, name, args, options):
        """The shapes, loc and scale of a call, in order."""
        given = dict(zip(self.parameters, args))
        wrong = [key for key in options if key in given or key not in self.parameters]
        missing = [key for key in self.parameters if key not in {*given, *options, "loc", "scale"}]
        if wrong or missing or len(args) > len(self.parameters):
            problem = f"has no place for {wrong[0]}" if wrong else f"needs {missing[0]}" if missing else "got too many"
            raise TypeError(f"{self.name}.{name} takes x, {', '.join(self.parameters)}; it {problem}")
        found = {"loc": 0.0, "scale": 1.0, **given, **options}
        return [double(found[key]) for key in [*self.parameters, *["scale"] * self.counts]]

    def _differentiable(self, name, x, parameters):
        *shapes, loc, scale = parameters
        if self.counts:
            constant(f"{self.name}.{name}", "a count", x, loc)
        z = (double(x) - loc) / scale
        low, high = self.original.support(*[bare(s) for s in shapes])  # NaN where a shape is not allowed
        given = bare(z)
        valid = (low <= high) & (bare(scale) > 0) & ~np.isnan(given)
        inside = valid & self._has(name, given, low, high)
        z = self._within(name, z, inside, low, high)
        shapes = [np.where(valid, s, 0.5) for s in shapes]
        scale = np.where(valid, scale, 1.0)
        found, outside = getattr(self, "_" + name.replace("pmf", "pdf"))(z, shapes, scale)
        if outside is None:
            y = np.where(inside, found, np.where(valid, 0.0, np.nan))
        else:
            below, above = outside
            y = np.where(inside, found, np.where(valid, np.where(given <= low, below, above), np.nan))
        return y if y.shape else y[()]

    def _has(self, name, z, low, high):
        """Where there is density, or where a tail is neither 0 nor 1."""
        if "pdf" in name and self.border:
            return (low <= z) & (z <= high) & np.isfinite(z)
        return (low < z) & (z < high)

    def _within(self, name, z, inside, low, high):
        """z, and where there is nothing to compute some number that does no harm."""
        ends = np.isfinite(low), np.isfinite(high)
        begin = np.where(ends[0], low, 0.0)
        middle = np.where(ends[0] & ends[1], (begin + np.where(ends[1], high, 0.0)) / 2, begin + 0.5)
        return np.where(inside, z, np.where(low <= high, middle, 0.5))

    def _tail(self, name, z, shapes):
        """A tail, by its own formula or by that of its logarithm or of what it is the logarithm of."""
        if name in self.tails:
            return self.tails[name](z, *shapes)
        if name[:3] == "log":
            return np.log(self.tails[name[3:]](z, *shapes))
        return np.exp(self.tails["log" + name](z, *shapes))

    def _logpdf(self, z, shapes, scale):
        return self.log(z, *shapes) - np.log(scale), (-np.inf, -np.inf)

    def _pdf(self, z, shapes, scale):
        return np.exp(self.log(z, *shapes)) / scale, None

    def _cdf(self, z, shapes, scale):
        return self._tail("cdf", z, shapes), (0.0, 1.0)

    def _sf(self, z, shapes, scale):
        return self._tail("sf", z, shapes), (1.0, 0.0)

    def _logcdf(self, z, shapes, scale):
        return self._tail("logcdf", z, shapes), (-np.inf, 0.0)

    def _logsf(self, z, shapes, scale):
        return self._tail("logsf", z, shapes), (0.0, -np.inf)


class Counts(Distribution):
    """A distribution of whole numbers: differentiated by its shapes, but not by the number k, nor by loc."""

    counts = True

    def _has(self, name, z, low, high):
        whole = np.floor(z) == z
        return (low <= z) & (z <= high) & (whole if "pm" in name else z < high)

    def _within(self, name, z, inside, low, high):
        return np.where(inside, np.floor(bare(z)), np.where(low <= high, low, 0.0))


class Frozen:
    """A distribution with its parameters."""

    def __init__(self, distribution: Any, args: tuple, options: dict):
        self.distribution, self.args, self.options = distribution, args, options

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in METHODS:
            method = getattr(self.distribution, name)
            return lambda x: method(x, *self.args, **self.options)
        constant(f"{self.distribution.name}.{name}", "a parameter", self.args, self.options)
        return getattr(self.distribution.original(*stripped(list(self.args)), **stripped(self.options)), name)
