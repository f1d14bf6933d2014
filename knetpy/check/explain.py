"""What gradcheck says of a failure: of the element of the variables and of the outputs in which it shows most."""

import math

import numpy as np

from .errors import GradcheckError
from .order import only

DERIVATIVE = ("", "the derivative of ", "the second derivative of ", "the third derivative of ")


def explained(check, failure):
    """The error for a `Failure` that an `Order` found."""
    point = check.point
    n, i = _largest_part(check, failure.direction)
    v, (part, unit) = point.variables[n], _worse_part(check, n, i)
    try:
        if check.order == 1 and failure.kind != "rough":
            point.chosen = _chosen_output(check, unit)
        index = tuple(map(int, np.unravel_index(i, v.start.shape)))
        where = part + v.name + (f", element {index}" if index else "")
        size = float(v.scale.flat[i]) / (1 if point.chosen is None else point.scale)
        text, facts = _TEXTS[failure.kind](check, unit, check.line(unit), where, size)
    finally:
        point.chosen = None
    return GradcheckError(text, failure.kind, variable=v.name, index=index, order=check.order, **facts)


def _kink(check, unit, line, where, size):
    left, right = _rounded([s / size for s in line.sides(line.steps[1])])
    text = f"left slope {left:.6g}, right slope {right:.6g}; check at another point"
    return f"{_what(check, 1)} seems to have no derivative here along {where}: {text}", {"left": left, "right": right}


def _rough(check, unit, line, where, size):
    slopes = ", ".join([f"{s / size:.6g}" for s in line.slopes()])
    return (
        f"{_what(check)} by {where} cannot be checked: differences of smaller and smaller step give {slopes}; it is "
        "noisy, varies faster than the step, or has no derivative here or no values nearby"
        + ("" if check.eps < 1e-12 else "; check in float64, where the steps are smaller")
    ), {}


def _wrong(check, unit, line, where, size):
    (mode, how), got, expected = check.worst(unit, line)
    expected, got = _rounded([expected / size, got / size])
    text = f"expected {expected:.8g} by differences, got {got:.8g} in mode {mode} ({how})"
    return f"{_what(check)} by {where}, is wrong: {text}", {"mode": mode, "expected": expected, "got": got}


_TEXTS = {"kink": _kink, "rough": _rough, "wrong": _wrong}


def _what(check, less=0):
    """What was differentiated; `less` for the function of which that is the derivative."""
    name, shapes, of = check.point.name, check.point.shapes, "a random combination of the outputs of "
    if check.point.chosen is not None:
        n, i = check.point.chosen
        index, number = tuple(map(int, np.unravel_index(i, shapes[n]))), f"[{n}]" if len(shapes) > 1 else ""
        of = f"output{number} {index} of " if index else f"output{number} of " if number else ""
    return DERIVATIVE[check.order - less] + of + name


def _rounded(slopes):
    """Slopes with 0 for what is only rounding beside the largest."""
    most = max(map(abs, slopes))
    return [0.0 if abs(s) < 1e-4 * most < np.inf else s for s in slopes]


def _fault(check, direction):
    """By how much the derivatives along a direction, differences and the slopes to its sides are apart."""
    line, h = check.line(direction), check.steps[1]
    values = [*check.exact(direction).values(), line.slope(h), *line.sides(h)]
    return check.error(values, line.noise(h))[1]


def _largest_part(check, direction):
    """(variable, flat index) of the element that contributes most to a failure, by halving."""

    def fault(n, places):
        return _fault(check, only(direction, n, places))

    n = max([n for n, u in enumerate(direction) if u.size], key=lambda n: fault(n, slice(None)))
    places = np.flatnonzero(direction[n])
    while len(places) > 16:
        places = max(np.array_split(places, 2), key=lambda half: fault(n, half))
    return n, max(places, key=lambda i: fault(n, [i]))


def _worse_part(check, n, i):
    """(its name, direction) of that element, or of its real or its imaginary part."""
    variables = check.point.variables
    if variables[n].start.dtype.kind != "c":
        return "", only([v.scale for v in variables], n, [i])
    parts = {"the real part of ": 1, "the imaginary part of ": 1j}
    units = {
        name: only([v.scale * (one if m == n else 1) for m, v in enumerate(variables)], n, [i])
        for name, one in parts.items()
    }
    return max(units.items(), key=lambda item: _fault(check, item[1]))


def _chosen_output(check, unit):
    """(number, flat index) of the output element in which the failure shows most; None if in none by itself."""
    point, h = check.point, check.steps[1]
    before, after = [np.concatenate([np.ravel(y) for y in point.outputs(unit, k * h)]) for k in (-1, 1)]
    places = [(m, j) for m, shape in enumerate(point.shapes) for j in range(math.prod(shape))]
    faults = {}
    for k in np.argsort(-np.abs(after - before))[:16]:  # where f changes most
        point.chosen = places[k]
        faults[places[k]] = _fault(check, unit)
    best = max(faults, key=faults.get)
    return best if faults[best] > 0 else None
