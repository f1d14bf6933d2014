"""The check of one order of derivatives, and what it says of a failure."""

import math
from typing import Any, NamedTuple

import numpy as np

from .derivatives import derivative, difference, gradients, norm
from .errors import GradcheckError


class _Line:
    """A number as a function of t, the distance from the point; evaluated once for each t."""

    def __init__(self, value, steps, eps):
        self.value, self.steps, self.eps, self.known = value, steps, eps, {}

    def __call__(self, t):
        if t not in self.known:
            self.known[t] = float(self.value(t))
        return self.known[t]

    def slope(self, h):
        return difference([self(-2 * h), self(-h), self(h), self(2 * h)], h)

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
    """The check of one order: all ways to take that derivative along directions, and its differences."""

    def __init__(self, point, order, ways, tolerance, steps, eps, seed):
        self.point, self.order, self.tolerance, self.steps, self.eps = point, order, tolerance, steps, eps
        self.ways = {(mode, " of ".join(ts)): (ts, 1) for mode, several in ways.items() for ts in several}
        if order == 2:  # symmetric, unless a rule is wrong that gives the right gradient at this very point
            (mode, how), (ts, _) = next(iter(self.ways.items()))
            self.ways[mode, how + ", directions exchanged"] = ts, -1
        rng = np.random.default_rng(seed)
        self.directions = [self._drawn(rng) for _ in range(order)]  # outermost first
        self.gradients = gradients(point.loss, point.at())
        sizes = [np.where(np.isfinite(g), g, 0) * v.scale for g, v in zip(self.gradients, point.variables)]
        self.floor = 1e-2 * (norm(sizes) + 1e-3)  # smaller derivatives than that are judged as if they had this size

    def _drawn(self, rng):
        return [np.array(rng.normal(size=np.shape(v.start)) * v.scale) for v in self.point.variables]

    def run(self):
        """(the largest relative error, None or the first `Failure`)."""
        for n, (g, v) in enumerate(zip(self.gradients, self.point.variables)):
            if (g.shape, g.dtype) != (v.start.shape, v.start.dtype):
                return np.inf, Failure("wrong", None, n)
        u, worst = self.directions[0], 0.0
        variables = range(len(u)) if self.order == 1 else [None]  # of higher order all at once: they mix
        for n in variables:
            direction = u if n is None else _only(u, n, slice(None))
            error, kind = self.judge(direction)
            worst = max(worst, error)
            if kind:
                return worst, Failure(kind, direction, n)
        return worst, None

    def exact(self, direction, ways=None):
        """{(mode, what that was here): derivative along `direction`}."""
        directions, found = [direction, *self.directions[1:]], {}
        for way in ways or self.ways:
            transforms, turn = self.ways[way]
            found[way] = float(derivative(transforms, self.point.loss, self.point.at(), directions[::turn]))
        return found

    def worst(self, direction, line):
        """((mode, how), derivative, difference) of the way that is furthest from the differences."""
        exact = self.exact(direction)
        # The difference that is nearest to some derivative is the most precise one.
        slopes = [line.slope(h) for h in line.steps]
        expected = min(slopes, key=lambda s: min([_distance(e, s) for e in exact.values()]))
        way, got = max(exact.items(), key=lambda item: _distance(item[1], expected))
        return way, got, expected

    def line(self, direction):
        """What the differences are taken of: the loss, or its derivative of one order less."""
        inner = ("grad",) * (self.order - 1)

        def value(t):
            return derivative(inner, self.point.loss, self.point.at(direction, t), self.directions[1:])

        return _Line(value, self.steps, self.eps)

    def judge(self, direction):
        """(relative error, None or the kind of failure) along a direction."""
        exact, line = list(self.exact(direction).values()), self.line(direction)
        for h in line.steps:
            error, excess = self._error([*exact, line.slope(h)], line.noise(h))
            if excess <= 0 and error < 0.1:
                return error, "kink" if self.has_kink(line, max(1e-2, 3 * self.tolerance)) else None
        return self._unsettled(exact, line)

    def _error(self, values, noise):
        """(relative error, by how much it is too large) of numbers that must be equal."""
        if not np.isfinite(values).all():
            return np.inf, np.inf
        size = max(np.abs(values).max(), self.floor)
        error = float(np.ptp(values))
        return error / size, error - self.tolerance * size - noise

    def _unsettled(self, exact, line):
        """(relative error, None or the kind of failure) where no step is good enough.

        Differences tell only as much as those of different steps agree, which is less where f has many kinks.
        """
        slopes = [line.slope(h) for h in line.steps]
        error, excess = self._error([*exact, slopes[-1]], line.noise(line.steps[-1]))
        size = max(np.abs([*exact, *slopes]).max(), self.floor)
        if self.has_kink(line, 10 * self.tolerance):
            return error, "kink"
        if not np.isfinite(slopes).all() or line.noise(line.steps[0]) > size:
            return error, "rough"
        spread = min(np.ptp(slopes[-3:]), 10 * np.ptp(slopes[-2:]))  # the last two may agree by chance
        if excess <= 2 * spread and error < min(0.1, 1000 * self.tolerance):
            return error, None
        differ = np.isfinite(exact).all() and self._error(exact, 0.0)[1] > 0
        told = excess > 5 * spread and spread < 0.1 * max(np.abs(slopes[-3:]).max(), self.floor)
        return error, "wrong" if differ or told else "rough"

    def has_kink(self, line, least):
        """Whether the slopes to both sides differ, relatively by `least` and by as much however small the step."""
        gaps = [np.subtract(*line.sides(h)) for h in line.steps]
        size = max(*np.abs(line.sides(line.steps[0])), self.floor)
        least = least * size + line.noise(line.steps[0])
        return bool(abs(gaps[0]) > least and all([0.5 < gap / gaps[0] < 2 for gap in gaps]))

    def locate(self, failure):
        """(variable, index) of the element that contributes most to a failure, by halving."""
        kind, direction, _ = failure
        ways = [self.worst(direction, self.line(direction))[0]] if kind == "wrong" else None

        def fault(n, places):
            part = _only(direction, n, places)
            line = self.line(part)
            if kind == "kink":
                return abs(np.subtract(*line.sides(line.steps[1])))
            if kind == "rough":
                slopes = [line.slope(h) for h in line.steps]
                return np.ptp(slopes) if np.isfinite(slopes).all() else np.inf
            (exact,) = self.exact(part, ways).values()
            return min([_distance(exact, line.slope(h)) for h in line.steps[1:3]])

        sizes = [np.size(u) for u in direction]
        n = max([n for n, size in enumerate(sizes) if size], key=lambda n: fault(n, slice(None)))
        places = np.flatnonzero(direction[n])
        while len(places) > 16:
            places = max(np.array_split(places, 2), key=lambda half: fault(n, half))
        return n, max(places, key=lambda i: fault(n, [i]))

    def explain(self, failure):
        """Raise what was found, for the element that has the largest part in it."""
        if failure.direction is None:
            self._raise_unlike(self.point.variables[failure.variable], self.gradients[failure.variable])
        n, i = self.locate(failure)
        unit = _only([v.scale for v in self.point.variables], n, [i])
        with self.point.choosing():
            if self.order == 1 and failure.kind != "rough":
                self.point.chosen = self.choose(unit, failure.kind)
            self._raise(failure.kind, self.point.variables[n], i, unit)

    def _raise_unlike(self, v, g):
        raise GradcheckError(
            f"the derivative of {self.point.name} by {v.name} is wrong: expected shape {v.start.shape} and dtype "
            f"{v.start.dtype}, got {g.shape} and {g.dtype}",
            "wrong",
            variable=v.name,
            order=1,
            mode="reverse",
        )

    def _raise(self, kind, v, i, unit):
        line, size = self.line(unit), float(v.scale.flat[i])
        if self.point.chosen is not None:
            size /= self.point.scale
        index = tuple(map(int, np.unravel_index(i, np.shape(v.start))))
        where = v.name + (f", element {index}" if index else "")
        facts = {"variable": v.name, "index": index, "order": self.order}
        if kind == "kink":
            left, right = _rounded([s / size for s in line.sides(line.steps[1])])
            raise GradcheckError(
                f"{self._what(1)} seems to have no derivative here along {where}: left slope {left:.6g}, right slope "
                f"{right:.6g}; check at another point",
                kind,
                left=left,
                right=right,
                **facts,
            )
        if kind == "rough":
            slopes = ", ".join([f"{line.slope(h) / size:.6g}" for h in line.steps])
            raise GradcheckError(
                f"{self._what(0)} by {where} cannot be checked: differences of smaller and smaller step give {slopes}; "
                "it is noisy, varies faster than the step, or has no derivative here or no values nearby"
                + ("" if self.eps < 1e-12 else "; check in float64, where the steps are smaller"),
                kind,
                **facts,
            )
        (mode, how), got, expected = self.worst(unit, line)
        expected, got = _rounded([expected / size, got / size])
        raise GradcheckError(
            f"{self._what(0)} by {where}, is wrong: expected {expected:.8g} by differences, got {got:.8g} in mode "
            f"{mode} ({how})",
            kind,
            mode=mode,
            expected=expected,
            got=got,
            **facts,
        )

    def choose(self, unit, kind):
        """The output element in which the failure shows most, as (number, flat index); None if in none by itself."""
        h = self.steps[1]
        values = [np.concatenate([np.ravel(y) for y in self.point.outputs(unit, k * h)]) for k in (-1, 0, 1)]
        places = [(m, j) for m, shape in enumerate(self.point.shapes) for j in range(math.prod(shape))]
        if kind == "kink":
            return places[int(np.argmax(np.abs(values[2] + values[0] - 2 * values[1])))]
        best, largest = None, 0.0
        for k in np.argsort(-np.abs(values[2] - values[0]))[:16]:  # where f changes most
            self.point.chosen, line = places[k], self.line(unit)
            error, excess = self._error([*self.exact(unit).values(), line.slope(h)], line.noise(h))
            if error > largest and excess > 0:
                best, largest = places[k], error
        return best

    def _what(self, less):
        """What was differentiated, as messages say it; `less` for the function of which that is the derivative."""
        name, shapes = self.point.name, self.point.shapes
        if self.point.chosen is None:
            of = f"a random combination of the outputs of {name}"
        else:
            n, i = self.point.chosen
            index = tuple(map(int, np.unravel_index(i, shapes[n])))
            number = f"[{n}]" if len(shapes) > 1 else ""
            of = f"output{number} {index} of {name}" if index else f"output{number} of {name}" if number else name
        return ("", "the derivative of ", "the second derivative of ", "the third derivative of ")[
            self.order - less
        ] + of


def _rounded(slopes):
    """Slopes with 0 for what is only rounding beside the largest."""
    most = max(map(abs, slopes))
    return [0.0 if abs(s) < 1e-4 * most < np.inf else s for s in slopes]


def _distance(got, expected):
    return np.inf if np.isnan(got) else abs(got - expected)


def _only(direction, n, places):
    """`direction` in the given places of variable n, by flat number, and zero elsewhere."""
    parts = [np.zeros_like(u) for u in direction]
    parts[n].reshape(-1)[places] = direction[n].reshape(-1)[places]
    return parts
