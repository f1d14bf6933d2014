"""Calls drawn at random: values and two derivatives of ours on arrays against PyTorch's on tensors.

A family is a function that takes `Dice` and returns a `Draw` (of draw.py), or None if what it drew does not go
together: then it draws again. The files of `families` hold them by name as `FAMILIES`, and say with `COUNT` how many
draws the tests make of each, if not 50. Every draw also compares one with two threads, short paths with long ones and
fused kernels with what they stand for, on arrays laid out in memory in all ways; some hold NaN and Inf.

`python -m tests.draws.harness conv 500 200` makes 200 draws of a family from number 500 on and prints what fails.
"""

import sys
import traceback
import warnings
import zlib
from collections import Counter
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np

import knetpy as kn
from tests.draws.draw import Dice, dressed, laid, plain
from tests.ops.checker import idle, quiet, same
from tests.ops.peer import several, torch

TOLERANCE = {"float32": (1e-4, 1e-4, 1e-3), "float64": (1e-10, 1e-9, 1e-7)}  # of values, first, second derivatives
KINDS = ("value", "gradient", "product with the Hessian")
SMALL = 20_000  # elements; larger draws leave out the second derivative


# ------------------------------------------------------------------------------------------------- the two sides


def weighted(ys, weights):
    """The sum of results, each weighted element by element, or just summed."""
    terms = [y.sum() if c is None else (y * c).sum() for y, c in zip(ys, weights)]
    return terms[0] if len(terms) == 1 else sum(terms)


def bent(ys):
    return [y + y * y / 2 for y in ys]


def our_values(f, arrays):
    return [np.asarray(y) for y in several(f(*arrays))]


def our_gradients(loss, arrays, by_params):
    """The gradients of the loss by its arguments, which may be params: those are copies in C order."""
    if not by_params:
        return list(kn.grad(loss, tuple(range(len(arrays))))(*arrays))
    params = [kn.param(plain(a), dtype=plain(a).dtype) for a in arrays]
    found = kn.grad(lambda: loss(*params))()
    return [found[p] for p in params]


def slopes(gradients, vectors):
    return sum([(g * v).sum() for g, v in zip(gradients, vectors)])


def our_curvatures(f, arrays, weights, vectors):
    """The Hessian of the weighted bent results times vectors: forward over reverse, and reverse over reverse."""
    places = tuple(range(len(arrays)))

    def loss(*xs):
        return weighted(bent(several(f(*xs))), weights)

    def slope(*xs):
        return slopes(kn.grad(loss, places)(*xs), vectors)

    return list(kn.hvp(loss, tuple(arrays), tuple(vectors))), list(kn.grad(slope, places)(*arrays))


def their_numbers(draw, weights, vectors, dtype):
    """[values, gradients, products with the Hessian] as far as PyTorch has them."""
    tensors = [torch.from_numpy(plain(a, dtype)).requires_grad_(draw.order > 0) for a in draw.arrays]
    weights = [None if c is None else torch.from_numpy(plain(c, dtype)) for c in weights]
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ys = several(draw.theirs(*tensors))
            found.append(ys)
            if draw.order > 0:
                found.append(_pulled(weighted(ys, weights), tensors, False))
            if vectors is not None:
                gradients = _pulled(weighted(bent(ys), weights), tensors, True)
                vectors = [torch.from_numpy(plain(v, dtype)) for v in vectors]
                found.append(_pulled(slopes(gradients, vectors), tensors, False))
        except (RuntimeError, ValueError, IndexError):  # it refuses the call, or has no such derivative
            pass
    return [[t.detach().numpy() for t in part] for part in found]


def _pulled(total, tensors, again):
    total = total + 0 * sum([t.sum() for t in tensors])  # which may have no part in it
    return torch.autograd.grad(total, tensors, create_graph=again, retain_graph=True)


# --------------------------------------------------------------------------------------------------- comparison


def error(found, expected):
    """The largest difference over the largest number, Inf where shapes, NaN or infinities differ."""
    found, expected = [np.asarray(a, np.float64) for a in (found, expected)]
    here = np.isfinite(expected)
    if found.shape != expected.shape or not np.array_equal(found[~here], expected[~here], equal_nan=True):
        return np.inf
    if not here.any():
        return 0.0
    found, expected = found[here], expected[here]
    if not np.isfinite(found).all():
        return np.inf
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 0.1))


def errors(found, expected):
    assert len(found) == len(expected), f"{len(found)} results, not {len(expected)}"
    return [error(a, b) for a, b in zip(found, expected)]


@contextmanager
def threads(count):
    before = kn.threads()
    kn.set_threads(count)
    try:
        yield
    finally:
        kn.set_threads(before)


def on_threads(f):
    """What f() gives with one thread and, to the last bit, with two."""
    found = []
    for count in (1, 2):
        with threads(count):
            found.append(f())
    same(found[1], found[0])
    return found[0]


def check(draw, dice, peer=True):
    """Fail, naming the draw, unless all agree. How many derivatives the peer had too; -1 if it refused the call."""
    draw = dressed(draw, dice)
    try:
        with quiet():
            warnings.filterwarnings("ignore", ".*depends on none of the params")  # some have no derivative
            return _check(draw, dice, peer)
    except Exception as reason:
        what = "" if isinstance(reason, AssertionError) else "".join(traceback.format_tb(reason.__traceback__)[-3:])
        raise AssertionError(f"{draw}\n{what}{type(reason).__name__}: {reason}") from reason


def _check(draw, dice, peer):
    f, arrays, dtype = draw.ours, draw.arrays, plain(draw.arrays[0]).dtype
    limits = [draw.slack * t for t in TOLERANCE[dtype.name]]
    found, vectors = [on_threads(lambda: our_values(f, arrays))], None
    assert all(y.dtype.newbyteorder("=") == dtype for y in found[0]), f"dtypes of results {[y.dtype for y in found[0]]}"
    weights = _weights(found[0], dice)
    if draw.order > 0:
        found.append(_gradients(draw, weights, dice, limits[1]))
    if draw.order > 1 and sum(a.size for a in arrays) < SMALL and not draw.special:
        vectors = [dice.array(a.shape, dtype) for a in arrays]
        found.append(_curvatures(draw, found, weights, vectors, limits))
    return _compared(draw, found, weights, vectors, limits) if peer else -1


def _weights(values, dice):
    """A cotangent for each result; None is a plain sum, whose cotangent has no memory."""
    how = dice.pick("any", "any", "sum", "laid")
    made = [dice.array(y.shape, plain(y).dtype) for y in values]
    return [None] * len(made) if how == "sum" else [laid(c, dice) for c in made] if how == "laid" else made


def _gradients(draw, weights, dice, limit):
    """Ours, by arguments or params: with one thread or two and on long paths the same, near what kernels stand for."""
    f, arrays = draw.ours, draw.arrays
    by_params = dice.chance(0.3) and all(a.dtype.isnative for a in arrays)

    def loss(*xs):
        return weighted(several(f(*xs)), weights)

    gradients = on_threads(lambda: our_gradients(loss, arrays, by_params))
    assert [(g.shape, g.dtype.newbyteorder("=")) for g in gradients] == [(a.shape, plain(a).dtype) for a in arrays]
    with idle():
        same(our_gradients(loss, arrays, by_params), gradients)
    if sum(a.size for a in arrays) < SMALL:
        if len(arrays) > 1 and not by_params:
            same([kn.grad(loss, n)(*arrays) for n in range(len(arrays))], gradients)  # the others are constants
        args, places = tuple([plain(a) for a in arrays]), tuple(range(len(arrays)))
        composed, _ = kn.jvp(kn.grad(loss, places), args, tuple([np.zeros_like(a) for a in args]))
        apart = errors(composed, gradients)
        assert max(apart) <= limit, f"gradients of fused kernels and of what they stand for differ by {apart}"
    return gradients


def _curvatures(draw, found, weights, vectors, limits):
    """Products with the Hessian, the same in both mixes of modes; forward mode agrees with the gradients."""
    (values, gradients), args = found, [plain(a) for a in draw.arrays]
    again, tangents = kn.jvp(lambda *xs: several(draw.ours(*xs)), tuple(args), tuple(vectors))
    assert max(errors(again, values)) <= limits[0], "the value of jvp"
    slope, size = slopes(gradients, vectors), slopes(map(np.abs, gradients), map(np.abs, vectors))
    size += weighted(
        [np.abs(t) + np.abs(y) for t, y in zip(tangents, values)], [None if c is None else np.abs(c) for c in weights]
    )  # derivatives that cancel are not rounded any better than what they are derivatives of
    assert abs(weighted(tangents, weights) - slope) <= limits[1] * (size + 1e-3), "the tangent of jvp"
    forward, reverse = our_curvatures(draw.ours, args, weights, vectors)
    apart = errors(reverse, forward)
    assert max(apart) <= limits[2], f"hvp and grad of grad differ by {apart}"
    return forward


def _compared(draw, found, weights, vectors, limits):
    """Compare with PyTorch's in float64. In float32 either error may be near its own, or the two near each other."""
    exact = their_numbers(draw, weights, vectors, np.float64)
    far = [errors(ours, theirs) for ours, theirs in zip(found, exact)]
    if any(max(kind) > limit for kind, limit in zip(far, limits)):
        single = their_numbers(draw, weights, vectors, None)
        for n, (ours, theirs, kind) in enumerate(zip(found, single, far)):
            alike, usual = errors(ours, theirs), errors(theirs, exact[n])
            near = [min(a, b - 4 * c if np.isfinite(c) else b) <= limits[n] for a, b, c in zip(alike, kind, usual)]
            assert all(near), f"{KINDS[n]} {[i for i, here in enumerate(near) if not here]}: off by {kind}"
    return len(exact) - 1


# ---------------------------------------------------------------------------------------------------- the families


@cache
def families():
    """name: (what draws, how many draws the tests make)"""
    names = sorted(path.stem for path in (Path(__file__).parent / "families").glob("*.py"))
    files = [import_module(f"tests.draws.families.{name}") for name in names]
    return {name: (draw, getattr(file, "COUNT", 50)) for file in files for name, draw in file.FAMILIES.items()}


def checked(family, number, *, most=np.inf, peer=True):
    """Make a draw of a family, of at most so many elements, and check it."""
    dice, (drawn, _) = Dice(zlib.crc32(family.encode()), number), families()[family]
    made = drawn(dice)
    while made is None or sum(a.size for a in made.arrays) > most:
        made = drawn(dice)
    return check(made, dice, peer)


if __name__ == "__main__":
    _family, _first, _count = sys.argv[1], *map(int, sys.argv[2:])
    _had = Counter()
    for _number in range(_first, _first + _count):
        try:
            _had[checked(_family, _number)] += 1
        except AssertionError as _reason:
            print(f"{_family} {_number}: {_reason}", flush=True)
    print(f"{_family}: {_had.total()} of {_count} agree, of them by derivatives that PyTorch had {dict(_had)}")
