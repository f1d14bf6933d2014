"""One order of derivatives: every way to take it, judged by differences along random directions."""

from typing import Any, NamedTuple

import numpy as np

from ..devices import host
from .derivatives import derivative, difference, gradients, norm


class Line:
    """A number as a function of t, the distance from the point; evaluated once for each t."""

    def __init__(self, value, steps, eps):
        self.value, self.steps, self.eps, self.known = value, steps, eps, {}

    def __call__(self, t):
        if t not in self.known:
            self.known[t] = float(self.value(t))
        return self.known[t]

    def slope(self, h):
        """The slope by four values."""
        return difference([self(-2 * h), self(-h), self(h), self(2 * h)], h)

    def slopes(self):
        """The slopes by smaller and smaller steps."""
        return [self.slope(h) for h in self.steps]

    def sides(self, h):
        """The slopes to the left and to the right."""
        here = 3 * self(0.0)
        return (here - 4 * self(-h) + self(-2 * h)) / (2 * h), (-here + 4 * self(h) - self(2 * h)) / (2 * h)

    def noise(self, h):
        """What rounding may do to the slope."""
        return 10 * self.eps * max(map(abs, self.known.values()), default=0.0) / h


class Failure(NamedTuple):
    """What was found: the kind as in `GradcheckError`, along which direction, by which variable (None: by all)."""

    kind: str
    direction: Any
    variable: int | None


class Order:
    """The check of one order at a point."""

    def __init__(self, point, order, ways, tolerance, steps, eps, seed):
        self.point, self.order, self.tolerance, self.steps, self.eps = point, order, tolerance, steps, eps
        self.ways = {(mode, " of ".join(ts)): (ts, 1) for mode, several in ways.items() for ts in several}
        if order == 2:  # symmetric, unless a rule is wrong that gives the right gradient at this very point
            (mode, how), (ts, _) = next(iter(self.ways.items()))
            self.ways[mode, how + ", directions exchanged"] = ts, -1
        rng = np.random.default_rng(seed)
        self.directions = [[_drawn(rng, v) for v in point.variables] for _ in range(order)]  # outermost first
        found = zip(map(host, gradients(point.loss, point.at())), point.variables)
        sizes = [np.where(np.isfinite(g), g, 0) * v.scale for g, v in found]
        self.floor = 1e-2 * (norm(sizes) + 1e-3)  # smaller derivatives than that are judged as if they had this size

    def run(self):
        """(the largest relative error, None or the first `Failure`)."""
        u, worst = self.directions[0], 0.0
        for n in range(len(u)) if self.order == 1 else [None]:  # of higher order all variables at once: they mix
            direction = u if n is None else only(u, n, slice(None))
            error, kind = self.judge(direction)
            worst = max(worst, error)
            if kind:
                return worst, Failure(kind, direction, n)
        return worst, None

    def exact(self, direction, ways=None):
        """{(mode, what that was here): derivative along `direction`}."""
        there, found = [self.point.there(d) for d in (direction, *self.directions[1:])], {}
        for way in ways or self.ways:
            transforms, turn = self.ways[way]
            found[way] = float(derivative(transforms, self.point.loss, self.point.at(), there[::turn]))
        return found

    def line(self, direction):
        """What the differences are taken of: the loss, or its derivative of one order less."""
        inner = ("grad",) * (self.order - 1)

        def value(t):
            there = [self.point.there(d) for d in self.directions[1:]]
            return derivative(inner, self.point.loss, self.point.at(direction, t), there)

        return Line(value, self.steps, self.eps)

    def worst(self, direction, line):
        """((mode, how), derivative, difference) of the way that is furthest from the differences."""
        exact = self.exact(direction)
        # The difference that is nearest to some derivative is the most precise one.
        expected = min(line.slopes(), key=lambda s: min([distance(e, s) for e in exact.values()]))
        way, got = max(exact.items(), key=lambda item: distance(item[1], expected))
        return way, got, expected

    # ------------------------------------------------------------------------------------------------ the verdict

    def judge(self, direction):
        """(relative error, None or the kind of failure) along a direction."""
        exact, line = list(self.exact(direction).values()), self.line(direction)
        for h in line.steps:
            error, excess = self.error([*exact, line.slope(h)], line.noise(h))
            if excess <= 0 and error < 0.1:
                return error, "kink" if self._has_kink(line, max(1e-2, 3 * self.tolerance)) else None
        return self._unsettled(exact, line)

    def error(self, values, noise):
        """(relative error, by how much it is too large) of numbers that must be equal."""
        if not np.isfinite(values).all():
            return np.inf, np.inf
        size = max(np.abs(values).max(), self.floor)
        error = float(np.ptp(values))
        return error / size, error - self.tolerance * size - noise

    def _unsettled(self, exact, line):
        """The same where no step is good enough.

        Differences tell only as much as those of different steps agree, which is less where f has many kinks.
        """
        slopes = line.slopes()
        error, excess = self.error([*exact, slopes[-1]], line.noise(line.steps[-1]))
        if self._has_kink(line, 10 * self.tolerance):
            return error, "kink"
        size = max(np.abs([*exact, *slopes]).max(), self.floor)
        if not np.isfinite(slopes).all() or line.noise(line.steps[0]) > size:
            return error, "rough"
        spread = min(np.ptp(slopes[-3:]), 10 * np.ptp(slopes[-2:]))  # the last two may agree by chance
        if excess <= 2 * spread and error < min(0.1, 1000 * self.tolerance):
            return error, None
        differ = np.isfinite(exact).all() and self.error(exact, 0.0)[1] > 0
        told = excess > 5 * spread and spread < 0.1 * max(np.abs(slopes[-3:]).max(), self.floor)
        return error, "wrong" if differ or told else "rough"

    def _has_kink(self, line, least):
        """Whether the slopes to both sides differ, relatively by `least` and by as much however small the step."""
        gaps = [np.subtract(*line.sides(h)) for h in line.steps]
        size = max(*np.abs(line.sides(line.steps[0])), self.floor)
        least = least * size + line.noise(line.steps[0])
        return bool(abs(gaps[0]) > least and all([0.5 < gap / gaps[0] < 2 for gap in gaps]))


def _drawn(rng, v):
    """A random direction of a variable."""
    real = np.array(rng.normal(size=v.start.shape) * v.scale)
    return real + 1j * rng.normal(size=v.start.shape) * v.scale if v.start.dtype.kind == "c" else real


def distance(got, expected):
    """How far a derivative is off; NaN is furthest."""
    return np.inf if np.isnan(got) else abs(got - expected)


def only(direction, n, places):
    """`direction` in the given places of variable n, by flat number, and zero elsewhere."""
    parts = [np.zeros_like(u) for u in direction]
    parts[n].reshape(-1)[places] = direction[n].reshape(-1)[places]
    return parts
