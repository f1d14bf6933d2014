"""The n-th hostile call: a right one, some of whose arguments are exchanged, in one of the ways to make a call."""

import copy
from dataclasses import dataclass

import numpy as np

import knetpy as kn
from knetpy.optim import Optimizer
from knetpy.tree import leaves
from tests.hostile.calls import METHOD_CALLS, NUMPY_CALLS, OPS, OTHERS, Call, Loss
from tests.hostile.values import LIKE, OBJECTS, SAME, Meddler

# A view of 2**40 numbers is summed or searched first here, by NumPy, which takes an hour.
SCANS = (kn.sparsemax, kn.onehot, kn.scatter, kn.take_along_axis, kn.global_pool, kn.ctc)
ENDLESS = (
    "2**40",
    "endless",
    "torch",
    "pandas",
    "__array__ is huge",
    "__len__ huge",
)  # NumPy itself has no end with them
STRANGE = "dim kernel_size ignore_index keepdim inplace axs strides".split()  # what users of other libraries write


@dataclass
class Drawn:
    """One hostile call."""

    call: Call
    operands: dict
    options: dict
    changed: dict  # what was exchanged: name -> word
    mode: str
    by: str | None  # the operand that derivatives are taken by

    def __str__(self):
        said = ", ".join(f"{name}={word}" for name, word in self.changed.items())
        return f"{self.call.name}({said}) {self.mode}" + (f" by {self.by}" if self.by else "")

    def same(self):
        """Whether the result must be that of the call without changes."""
        return not self.call.drawn and all(word in SAME for word in self.changed.values())

    def run(self, unchanged=False):
        """Make the call, or the right one that it was made of, and return what comes of it."""
        operands = fresh(self.call.operands) if unchanged else self.operands
        options = {} if unchanged else self.options
        return MODES[self.mode](lambda given: self.call(operands | given, options), operands, self.by)


def fresh(x):
    """A copy of operands, also of the arrays and optimizers in them."""
    if isinstance(x, Loss):
        return Loss()
    if isinstance(x, (np.ndarray, Optimizer)):
        return copy.copy(x)
    if isinstance(x, dict):
        return {k: fresh(v) for k, v in x.items()}
    return type(x)(map(fresh, x)) if type(x) in (list, tuple) else x


def draw(seed, n):
    """The n-th call of a seed."""
    rng = np.random.default_rng((seed, n))
    kind = [OPS, OTHERS, NUMPY_CALLS, METHOD_CALLS][rng.choice(4, p=[0.6, 0.2, 0.13, 0.07])]
    call = kind[rng.integers(len(kind))]
    operands, options, changed = fresh(call.operands), {}, {}
    for _ in range(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
        given = call.operands if call.operands and (not call.options or rng.random() < 0.6) else call.options
        if given:
            name = list(given)[rng.integers(len(given))]
            target = operands if given is call.operands else options
            huge = call in OPS and call.f not in SCANS
            target[name], changed[name] = exchanged(rng, fresh(given[name]), operands, huge)
    if call.own and rng.random() < 0.04:
        name = STRANGE[rng.integers(len(STRANGE))]
        options[name], changed[name] = 1, "unknown"
    mode, by = "plain", None
    floating = [name for name, x in operands.items() if type(x) is np.ndarray and x.dtype.kind == "f"]
    if floating and call not in OTHERS and rng.random() < 0.65:
        mode = list(MODES)[rng.integers(2, len(MODES))]
        untouched = [name for name in floating if name not in changed]
        among = untouched if untouched and rng.random() < 0.8 else floating
        by = among[rng.integers(len(among))]
    elif rng.random() < 0.1:
        mode = "inside"
    if call.f is np.bincount and mode in ("plain", "inside"):
        for meddler in [x for x in operands.values() if isinstance(x, Meddler)]:
            meddler.others = []  # NumPy alone dies when the numbers change while their weights are converted
    return Drawn(call, operands, options, changed, mode, by)


def exchanged(rng, x, operands, huge):
    """(what to pass instead of x, the word for it)."""
    like, objects = [
        {word: make for word, make in words.items() if huge or not word.startswith(ENDLESS)}
        for words in (LIKE, OBJECTS)
    ]
    if type(x) is np.ndarray:
        kind = rng.choice(4, p=[0.22, 0.45, 0.3, 0.03])
        if kind == 3:
            return Meddler(operands.values(), x), "Meddler"
        word = pick(rng, (SAME, like, objects)[kind])
        return (objects[word]() if kind == 2 else (SAME, like)[kind][word](x)), word
    if type(x) in (tuple, list) and any(isinstance(part, np.ndarray) for part in x) and rng.random() < 0.6:
        parts, i = list(fresh(x)), rng.integers(len(x))
        parts[i], word = exchanged(rng, x[i], operands, huge)
        return type(x)(parts), word if word in SAME else f"[{i}] {word}"
    if rng.random() < 0.04:
        return Meddler(operands.values(), 1), "Meddler"
    word = pick(rng, objects)
    return objects[word](), word


def pick(rng, words):
    return list(words)[rng.integers(len(words))]


# ------------------------------------------------------------------------------------------- ways to make a call


def total(result):
    """The sum of all that is floating in a result, if that does not take for ever."""
    found = [y for _, y in leaves(result) if getattr(getattr(y, "dtype", None), "kind", "") == "f"]
    if any(y.size > 1e6 for y in found):
        raise MemoryError("the result is a view of few numbers")
    return sum([np.sum(y).astype(np.float64) for y in found], np.float64(0))


def _plain(model, operands, by):
    return model({})


def _inside(model, operands, by):
    """While a derivative is taken, by something else."""
    found = []
    kn.grad(lambda x: found.append(model({})) or x * x, 0)(1.0)
    return found[0]


def _grad(model, operands, by):
    return kn.grad(lambda x: total(model({by: x})), 0)(operands[by])


def _params(model, operands, by):
    p = kn.param(operands[by])
    return kn.grad(lambda: total(model({by: p})) + 0 * np.sum(p))()[p]


def _vjp(model, operands, by):
    y, pullback = kn.vjp(lambda x: total(model({by: x})), operands[by])
    return y, pullback(1.0)


def _jvp(model, operands, by):
    x = operands[by]
    return kn.jvp(lambda x: total(model({by: x})), (x,), (np.ones(x.shape, x.dtype),))


def _twice(model, operands, by):
    inner = kn.grad(lambda x: total(model({by: x})), 0)
    return kn.grad(lambda x: np.sum(inner(x) ** 2), 0)(operands[by])


def _checkpointed(model, operands, by):
    return kn.grad(kn.checkpoint(lambda x: total(model({by: x}))), 0)(operands[by])


MODES = {
    "plain": _plain, "inside": _inside, "grad": _grad, "params": _params, "vjp": _vjp, "jvp": _jvp, "twice": _twice,
    "checkpoint": _checkpointed,
}  # fmt: skip
