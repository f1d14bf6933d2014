"""The check of one order of derivatives, and what it says of a failure."""

import math

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


class Order:
    """The check of one order: all ways to take that derivative along directions, and its differences."""

    def __init__(self, point, order, ways, tolerance, steps, eps, rng):
        self.point, self.order, self.tolerance, self.steps, self.eps = point, order, tolerance, steps, eps
        self.ways = {(mode, ts): ts for mode, several in ways.items() for ts in several}
        self.directions = [self._drawn(rng) for _ in range(order)]  # outermost first
        sizes = [np.asarray(g) * v.scale for g, v in zip(gradients(point.loss, point.at()), point.variables)]
        self.floor = 1e-2 * (norm(sizes) + 1e-3)  # smaller derivatives than that are judged as if they had this size

    def _drawn(self, rng):
        return [np.array(rng.normal(size=np.shape(v.start)) * v.scale) for v in self.point.variables]

    def run(self):
        """The largest relative error; raises GradcheckError if it is too large."""
        u, worst = self.directions[0], 0.0
        variables = range(len(u)) if self.order == 1 else [None]  # of higher order all at once: they mix
        for n in variables:
            direction = u if n is None else _only(u, n, slice(None))
            error, kind = self.judge(direction)
            if kind:
                try:
                    self.explain(kind, *self.locate(direction, kind))
                finally:
                    self.point.chosen = None
            worst = max(worst, error)
        return worst

    def exact(self, direction):
        """{(mode, transforms): derivative along `direction`}."""
        directions = [direction, *self.directions[1:]]
        return {
            key: float(derivative(transforms, self.point.loss, self.point.at(), directions))
            for key, transforms in self.ways.items()
        }

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
            if excess <= 0:
                return error, "kink" if self.has_kink(line, max(1e-2, 3 * self.tolerance)) else None
        return error, self._kind(exact, line)

    def _error(self, values, noise):
        """(relative error, by how much it is too large) of numbers that must be equal."""
        if not np.isfinite(values).all():
            return np.inf, np.inf
        size = max(np.abs(values).max(), self.floor)
        error = float(np.ptp(values))
        return error / size, error - self.tolerance * size - noise

    def _kind(self, exact, line):
        """What is the matter where no difference agrees. Wrong is what differs from differences that agree."""
        if self.has_kink(line, 10 * self.tolerance):
            return "kink"
        slopes = [line.slope(h) for h in line.steps]
        if not np.isfinite(slopes[-1]):
            return "rough"
        pairs = zip(slopes, slopes[1:], line.steps[1:])
        settled = any([self._error([a, b], line.noise(h))[1] <= 0 for a, b, h in pairs])
        return "wrong" if settled or self._error(exact, 0.0)[1] > 0 else "rough"

    def has_kink(self, line, least):
        """Whether the slopes to both sides differ, relatively by `least` and by as much however small the step."""
        gaps = [np.subtract(*line.sides(h)) for h in line.steps]
        size = max(*np.abs(line.sides(line.steps[0])), self.floor)
        return bool(abs(gaps[0]) > least * size and all([0.5 < gap / gaps[0] < 2 for gap in gaps]))

    def locate(self, direction, kind):
        """(variable, index) of the element that contributes most to the failure, by halving."""

        def fault(n, places):
            part = _only(direction, n, places)
            line = self.line(part)
            if kind == "kink":
                return abs(np.subtract(*line.sides(line.steps[1])))
            errors = [np.ptp([*self.exact(part).values(), line.slope(h)]) for h in line.steps]
            return min([np.inf if np.isnan(e) else e for e in errors])

        sizes = [np.size(u) for u in direction]
        n = max([n for n, size in enumerate(sizes) if size], key=lambda n: fault(n, slice(None)))
        places = np.flatnonzero(direction[n])
        while len(places) > 16:
            places = max(np.array_split(places, 2), key=lambda half: fault(n, half))
        return n, max(places, key=lambda i: fault(n, [i]))

    def explain(self, kind, n, i):
        """Raise what was found at element i of variable n."""
        v = self.point.variables[n]
        unit = _only([w.scale for w in self.point.variables], n, [i])
        self.point.chosen = self.choose(unit, kind) if self.order == 1 and kind != "rough" else None
        exact, line, size = self.exact(unit), self.line(unit), float(v.scale.flat[i])
        index = tuple(map(int, np.unravel_index(i, np.shape(v.start))))
        where = v.name + (f", element {index}" if index else "")
        facts = {"variable": v.name, "index": index, "order": self.order}
        slopes = [line.slope(h) / size for h in line.steps]
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
            raise GradcheckError(
                f"{self._what(0)} by {where} cannot be checked: differences of smaller and smaller step give "
                f"{', '.join(f'{s:.6g}' for s in slopes)}; it is noisy, varies faster than the step, or has no "
                f"derivative here or no values nearby{self._advice()}",
                kind,
                **facts,
            )
        # The difference that is nearest to some derivative is the most precise one.
        expected = min(slopes, key=lambda s: min([_distance(e / size, s) for e in exact.values()]))
        (mode, transforms), got = max(exact.items(), key=lambda item: _distance(item[1] / size, expected))
        raise GradcheckError(
            f"{self._what(0)} by {where}, is wrong: expected {expected:.8g} by differences, got {got / size:.8g} in "
            f"mode {mode} ({' of '.join(transforms)})",
            kind,
            mode=mode,
            expected=expected,
            got=got / size,
            **facts,
        )

    def _advice(self):
        """What else to try where differences say little."""
        return "" if self.eps < 1e-12 else "; check in float64, where the steps are smaller"

    def choose(self, unit, kind):
        """The output element in which the failure shows most, as (number, flat index); None if in none by itself."""
        h = self.steps[1]
        values = [np.concatenate([np.ravel(y) for y in self.point.outputs(unit, k * h)]) for k in (-1, 0, 1)]
        places = [(m, j) for m, shape in enumerate(self.point.shapes) for j in range(math.prod(shape))]
        if kind == "kink":
            return places[int(np.argmax(np.abs(values[2] + values[0] - 2 * values[1])))]
        best, largest = None, 0.0
        for k in np.argsort(-np.abs(values[2] - values[0]))[:16]:  # where f changes most
            self.point.chosen = places[k]
            slopes = [*self.exact(unit).values(), self.line(unit).slope(h)]
            error = self._error(slopes, 0.0)[0]
            if error > max(largest, 10 * self.tolerance):
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
    return [s if abs(s) > 1e-4 * most else 0.0 for s in slopes]


def _distance(got, expected):
    return np.inf if np.isnan(got) else abs(got - expected)


def _only(direction, n, places):
    """`direction` in the given places of variable n, by flat number, and zero elsewhere."""
    parts = [np.zeros_like(u) for u in direction]
    parts[n].reshape(-1)[places] = direction[n].reshape(-1)[places]
    return parts
