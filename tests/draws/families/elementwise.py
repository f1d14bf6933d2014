"""NumPy's elementwise functions and operators, broadcast in all ways."""

import operator

import numpy as np

from tests.draws.draw import Draw
from tests.ops.peer import torch
from tests.ops.row import Row
from tests.ops.row import draw as in_domain

ANYWHERE = {
    np.positive: lambda x: torch.clone(x),
    np.negative: lambda x: torch.neg(x),
    np.conjugate: lambda x: torch.clone(x),
    np.square: lambda x: torch.square(x),
    np.exp: lambda x: torch.exp(x),
    np.exp2: lambda x: torch.exp2(x),
    np.expm1: lambda x: torch.expm1(x),
    np.sin: lambda x: torch.sin(x),
    np.cos: lambda x: torch.cos(x),
    np.arctan: lambda x: torch.atan(x),
    np.sinh: lambda x: torch.sinh(x),
    np.cosh: lambda x: torch.cosh(x),
    np.tanh: lambda x: torch.tanh(x),
    np.arcsinh: lambda x: torch.asinh(x),
    np.radians: lambda x: torch.deg2rad(x),
    np.deg2rad: lambda x: torch.deg2rad(x),
    np.degrees: lambda x: torch.rad2deg(x),
    np.rad2deg: lambda x: torch.rad2deg(x),
    np.absolute: lambda x: torch.abs(x),
    np.fabs: lambda x: torch.abs(x),
    np.copy: lambda x: torch.clone(x),
}
SOMEWHERE = {  # where, in the words of tests.ops.row
    np.reciprocal: ("nonzero", lambda x: torch.reciprocal(x)),
    np.cbrt: ("nonzero", lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3)),
    np.sqrt: ("positive", lambda x: torch.sqrt(x)),
    np.log: ("positive", lambda x: torch.log(x)),
    np.log2: ("positive", lambda x: torch.log2(x)),
    np.log10: ("positive", lambda x: torch.log10(x)),
    np.log1p: ("positive", lambda x: torch.log1p(x)),
    np.tan: ("unit", lambda x: torch.tan(x)),
    np.arcsin: ("unit", lambda x: torch.asin(x)),
    np.arccos: ("unit", lambda x: torch.acos(x)),
    np.arctanh: ("unit", lambda x: torch.atanh(x)),
    np.arccosh: ("above1", lambda x: torch.acosh(x)),
}
TIES = "ties"  # any numbers, equal ones too
PAIRS = {
    np.add: (TIES, lambda a, b: a + b),
    np.subtract: (TIES, lambda a, b: a - b),
    np.multiply: (TIES, lambda a, b: a * b),
    np.true_divide: ("any nonzero", lambda a, b: a / b),
    np.power: ("positive any", lambda a, b: a**b),
    np.remainder: ("dividend divisor", lambda a, b: torch.remainder(a, b)),
    np.fmod: ("dividend divisor", lambda a, b: torch.fmod(a, b)),
    np.arctan2: ("nonzero nonzero", lambda a, b: torch.atan2(a, b)),
    np.hypot: ("nonzero nonzero", lambda a, b: torch.hypot(a, b)),
    np.logaddexp: ("any any", lambda a, b: torch.logaddexp(a, b)),
    np.logaddexp2: ("any any", lambda a, b: torch.logaddexp2(a, b)),
    np.maximum: (TIES, lambda a, b: torch.maximum(a, b)),
    np.minimum: (TIES, lambda a, b: torch.minimum(a, b)),
    np.fmax: ("any any", lambda a, b: torch.fmax(a, b)),
    np.fmin: ("any any", lambda a, b: torch.fmin(a, b)),
    np.copysign: ("nonzero nonzero", lambda a, b: torch.copysign(a, b)),
    operator.add: (TIES, lambda a, b: a + b),
    operator.sub: (TIES, lambda a, b: a - b),
    operator.mul: (TIES, lambda a, b: a * b),
    operator.truediv: ("any nonzero", lambda a, b: a / b),
    operator.pow: ("positive any", lambda a, b: a**b),
    operator.mod: ("dividend divisor", lambda a, b: a % b),
}
CHAIN = (TIES, lambda a, b: (a * b + a) * b - a)


def _broadcasting(dice, count):
    """Shapes that broadcast together."""
    whole = dice.sizes(0, 4, 10)
    return [[n if dice.chance(0.75) else 1 for n in whole][dice.integer(0, len(whole)) * dice.chance(0.3) :]
            for _ in range(count)]  # fmt: skip


def _numbers(dice, domain, shapes, dtype):
    if domain == TIES:
        return [dice.array(s, dtype, dice.pick(1, 1, 5)) for s in shapes]
    return [np.array(a, dtype) for a in in_domain(Row("", None, None, tuple(shapes), domain), dice.rng)]


def anywhere(ours, theirs):
    """At NaN PyTorch has 0 for the derivative of abs, ours is NaN."""
    poison = (np.inf, -np.inf) if ours in (np.absolute, np.fabs) else (np.nan, np.inf, -np.inf)

    def draw(dice):
        shape = dice.sizes(0, 4, 10) if dice.chance(0.95) else [dice.integer(100, 500), dice.integer(100, 300)]
        return Draw("", ours, theirs, [dice.array(shape, dice.dtype(), dice.pick(1, 1, 5))], poison=poison)

    return draw


def somewhere(ours, domain, theirs):
    def draw(dice):
        arrays = _numbers(dice, domain, [tuple(dice.sizes(0, 4, 10))], dice.dtype())
        return Draw(domain, ours, theirs, arrays, ties=False)

    return draw


def pair(ours, domain, theirs):
    """Of two arrays, or of an array and a constant number on either side."""

    def draw(dice):
        arrays = _numbers(dice, domain, _broadcasting(dice, 2), dice.dtype())
        ties, number = domain == TIES, dice.pick(None, None, None, 0, 1)
        if number is None:
            return Draw("", ours, theirs, arrays, special=ties, ties=ties)
        other = float(np.float32(np.ravel(arrays[number])[0] if arrays[number].size else 1.5))
        both = [lambda x, f=f: f(other, x) if number == 0 else f(x, other) for f in (ours, theirs)]
        return Draw(f"{other} as operand {number}", both[0], _with_tensors(theirs, other, number), [arrays[1 - number]],
                    special=False, ties=False)  # fmt: skip

    return draw


def _with_tensors(theirs, other, number):
    """Some of PyTorch's functions take tensors only."""

    def call(x):
        c = x.new_tensor(other)
        return theirs(c, x) if number == 0 else theirs(x, c)

    return call


def powers(dice):
    """By constant exponents, of any base where they are whole, also of 0."""
    shape, dtype, exponent = dice.sizes(0, 4, 10), dice.dtype(), dice.pick(0, 1, 2, 3, -1, -2, 0.5, 1.5)
    x = dice.array(shape, dtype)
    whole = exponent in (0, 1, 2, 3)
    x = x if whole else np.array(np.abs(x) + 0.3, dtype)
    return Draw(exponent, lambda x: x**exponent, lambda x: x**exponent, [x], special=False, ties=whole)


def clip(dice):
    """By numbers, one or two, or by arrays, whose derivatives are taken too."""
    shape, dtype = dice.sizes(0, 4, 10), dice.dtype()
    low, high = dice.pick(None, -0.5), dice.pick(None, 0.7, 1.0)
    if low is high is None:
        return None

    def theirs(x):
        return torch.clamp(x, low, high)

    call = dice.pick(np.clip, lambda x, a, b: x.clip(a, b))
    return Draw(f"{low} {high}", lambda x: call(x, low, high), theirs, [dice.array(shape, dtype)], special=False)


def clip_by_arrays(dice):
    dtype = dice.dtype()
    x, low, high = [dice.array(s, dtype) for s in _broadcasting(dice, 3)]
    arrays = [x, np.array(low - 2, dtype), np.array(high + 2, dtype)]
    return Draw("", np.clip, lambda x, a, b: torch.clamp(x, a, b), arrays, special=False, ties=False)


def where(dice):
    shapes, dtype = _broadcasting(dice, 3), dice.dtype()
    mask = dice.rng.random(shapes[0]) < 0.5
    arrays = [dice.array(s, dtype) for s in shapes[1:]]

    def theirs(a, b):
        return torch.where(torch.tensor(mask), a, b)

    return Draw(np.shape(mask), lambda a, b: np.where(mask, a, b), theirs, arrays)


def float_power(dice):
    """Always float64, as NumPy's."""
    arrays = _numbers(dice, "positive any", _broadcasting(dice, 2), np.float64)
    return Draw("", np.float_power, lambda a, b: torch.float_power(a, b), arrays, special=False, ties=False)


def astype(dice):
    """To another dtype and back: the derivatives go the same way."""
    x, call = dice.array(dice.sizes(0, 4, 10), np.float32), dice.pick(np.astype, lambda x, t: x.astype(t))

    def theirs(x):
        return (x.double() ** 2).to(x.dtype)

    return Draw("", lambda x: call(call(x, np.float64) ** 2, np.float32), theirs, [x], special=False)


def ldexp(dice):
    shapes, dtype = _broadcasting(dice, 2), dice.dtype()
    whole = dice.rng.integers(-3, 4, shapes[1])

    def theirs(x):
        return x * 2.0 ** torch.tensor(whole).to(x.dtype)

    return Draw(np.shape(whole), lambda x: np.ldexp(x, whole), theirs, [dice.array(shapes[0], dtype)], special=False)


FAMILIES = {
    **{f.__name__: anywhere(f, theirs) for f, theirs in ANYWHERE.items()},
    **{f.__name__: somewhere(f, *line) for f, line in SOMEWHERE.items()},
    **{f.__name__: pair(f, *line) for f, line in PAIRS.items() if isinstance(f, np.ufunc)},
    **{f"operator {f.__name__}": pair(f, *line) for f, line in PAIRS.items() if not isinstance(f, np.ufunc)},
    "chain": pair(CHAIN[1], *CHAIN),
    "power of a number": powers,
    "clip": clip,
    "clip by arrays": clip_by_arrays,
    "where": where,
    "float_power": float_power,
    "astype": astype,
    "ldexp": ldexp,
}  # fmt: skip
