"""Cases that PyTorch has computed too: how to call each of the two, and PyTorch's numbers, kept as fingerprints.

A family's cases are `CASES` in its file of `peers`, the numbers beside it as json. Who has PyTorch installed writes
them anew with `python -m tests.ops.peer [family ...]`; the tests read them. Each array is kept as two numbers: its sum,
and its sum weighted by 1, 2, 3 ... in row-major order.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

import knetpy as kn

FOLDER = Path(__file__).parent / "peers"
FAMILIES = sorted(path.stem for path in FOLDER.glob("*.py"))


@dataclass(frozen=True)
class Case:
    """One function, ours on float64 arrays of these shapes and theirs on tensors; it may return several."""

    name: str
    ours: Callable
    theirs: Callable
    shapes: tuple
    domain: str = "any"  # one of DOMAINS
    order: int = 2  # how many derivatives are compared


class Late:
    """A function in a module that is imported when it is called: `theirs` may be written where PyTorch is missing."""

    def __init__(self, module, *names):
        self._module, self._names = module, names

    def __getattr__(self, name):
        if name.startswith("__"):  # what pytest asks everything for
            raise AttributeError(name)
        return Late(self._module, *self._names, name)

    def __call__(self, *args, **options):
        found = import_module(self._module)
        for name in self._names:
            found = getattr(found, name)
        return found(*args, **options)


torch, F = Late("torch"), Late("torch.nn.functional")

DOMAINS = {
    "any": lambda x: x * 2,
    "positive": lambda x: np.exp(x),
    "unit": lambda x: (x + 1.1) / 2.2,  # between 0 and 1
    "large": lambda x: x * 40,
    "complex": lambda x: x * 2 + 1j * np.cos(x * 9 + 1),
}


def arguments(case):
    """float64 or complex128 arrays, all numbers different."""
    waves = [np.sin(np.arange(np.prod(s, dtype=int)) * 1.3 + n).reshape(s) for n, s in enumerate(case.shapes)]
    return [np.array(DOMAINS[case.domain](x)) for x in waves]


def weights(size):
    return np.cos(np.arange(size))


def several(y):
    return y if isinstance(y, (tuple, list)) else (y,)


def parts(arrays, real, imag):
    """Real arrays: of complex ones the real and the imaginary parts."""
    return [part for x in arrays for part in ((real(x), imag(x)) if "complex" in str(x.dtype) else (x,))]


def prints(arrays):
    """The fingerprints of some arrays."""
    arrays = parts(arrays, np.real, np.imag)
    return [[float(np.sum(x)), float(np.ravel(x) @ np.arange(1, np.size(x) + 1))] for x in arrays]


def our_numbers(case):
    """Values; the gradients of sum(cos(0, 1, 2 ...) * sin(value)); those of the sum of their squares."""
    args = arguments(case)
    places = tuple(range(len(args)))

    def loss(*args):
        ys = parts(several(case.ours(*args)), np.real, np.imag)
        return sum([np.sum(np.sin(y) * weights(y.size).reshape(y.shape)) for y in ys])

    def squares(*args):
        return sum([np.sum(g * g) for g in parts(kn.grad(loss, places)(*args), np.real, np.imag)])

    found = [prints(several(case.ours(*args)))]
    return found + [prints(kn.grad(f, places)(*args)) for f in (loss, squares)[: case.order]]


def their_numbers(case):
    """The same, from PyTorch."""
    args = [torch.tensor(x, requires_grad=case.order > 0) for x in arguments(case)]
    outputs = parts(several(case.theirs(*args)), torch.real, torch.imag)
    found = [prints([y.detach().resolve_neg().numpy() for y in outputs])]
    what = sum((torch.sin(y) * torch.tensor(weights(y.numel())).reshape(y.shape)).sum() for y in outputs)
    for _ in range(case.order):
        gradients = torch.autograd.grad(what, args, create_graph=True, materialize_grads=True)
        gradients = parts(gradients, torch.real, torch.imag)
        found.append(prints([g.detach().resolve_neg().numpy() for g in gradients]))
        what = sum((g * g).sum() for g in gradients)
    return found


def cases(family):
    return import_module(f"tests.ops.peers.{family}").CASES


def numbers(family):
    """What PyTorch gave: by name of the case."""
    return json.loads((FOLDER / f"{family}.json").read_text(encoding="utf-8"))


def write(family):
    rows = [f"{json.dumps(case.name)}: {json.dumps(_short(their_numbers(case)))}" for case in cases(family)]
    (FOLDER / f"{family}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def _short(found):
    return [_short(v) for v in found] if isinstance(found, list) else float(f"{found:.10g}")


if __name__ == "__main__":
    for family in sys.argv[1:] or FAMILIES:
        write(family)
        print(family, len(cases(family)))
