"""Layers that PyTorch has computed too: how to make them on both sides, and PyTorch's numbers, kept as fingerprints.

A case's weights are waves, in the shapes that PyTorch's state_dict has; ours come from the same by `kn.load_torch`. Who
has PyTorch installed writes the numbers anew with `python -m tests.nn.peer`; the tests read them. An array is kept as
two numbers, its sum and its sum weighted by 1, 2, 3 ..., a gradient by a weight as its product with these weights.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import knetpy as kn
from knetpy.store.objects import named
from tests.ops.peer import prints, several, torch, weights

FILE = Path(__file__).with_name("peer.json")


@dataclass(frozen=True)
class Case:
    """A layer of ours and theirs, the shapes of its inputs (or integers, as arrays), and how each is called."""

    name: str
    ours: Callable  # makes it
    theirs: Callable
    inputs: tuple
    training: bool = False
    call_ours: Callable = lambda layer, *x: layer(*x)
    call_theirs: Callable = lambda layer, *x: layer(*x)


def wave(shape, n, name=""):
    """Numbers that float32 has exactly; variances are positive."""
    x = np.sin(np.arange(int(np.prod(shape, dtype=int))) * 1.3 + n).reshape(shape)
    return np.round((1.5 + x if "var" in name else x) * 64) / 64


def inputs_of(case):
    return [wave(x, n) * 2 if isinstance(x, tuple) else x for n, x in enumerate(case.inputs)]


def state_of(shapes):
    return {
        name: np.array(2) if "num_batches" in name else wave(shape, n, name)
        for n, (name, shape) in enumerate(shapes.items())
    }


def directions(shape):
    size = int(np.prod(shape, dtype=int))
    return [np.ones(shape), np.arange(1.0, size + 1).reshape(shape)]


# ------------------------------------------------------------------------------------------------------------ ours


RECURRENT = tuple([getattr(kn.nn, kind + end) for kind in ("LSTM", "GRU", "RNN") for end in ("", "Cell")])


def made(case, shapes, x):
    """Our layer with these weights, in float64."""
    layer = case.ours()
    sizing = x[:1] if isinstance(layer, RECURRENT) else x  # without states
    kn.nn.init_from(layer, *[a.astype(np.float32) if a.dtype.kind == "f" else a for a in sizing])
    if kn.params(layer):
        layer = kn.nn.cast(layer, np.float64)
    kn.load_torch(layer, state_of(shapes)) if kn.params(layer) else None
    return layer


def moments_of(layer):
    return [m for m in named(layer).values() if isinstance(m, kn.Moments)]


def our_numbers(case, shapes):
    """{what: fingerprints}, as `their_numbers`."""
    x = inputs_of(case)
    layer = made(case, shapes, x)
    floating = tuple([n for n, a in enumerate(x) if a.dtype.kind == "f"])

    def loss(*x):
        ys = several(case.call_ours(layer, *x))
        return sum([np.sum(np.sin(y) * weights(y.size).reshape(y.shape)) for y in ys])

    with kn.training(case.training):
        by_x = kn.grad(loss, floating)(*x) if floating else ()
        g = kn.grad(loss)(*x) if kn.params(layer) else {}
        for m in moments_of(layer):  # as they were, for one call
            kn.load_torch(layer, state_of(shapes)) if kn.params(layer) else vars(m).update(vars(kn.Moments()))
        found = {"y": prints([kn.value(y) for y in several(case.call_ours(layer, *x))]), "x": prints(by_x)}
    found["moments"] = prints([a for m in moments_of(layer) for a in (m.mean, m.var)])
    found["weights"] = {name: directional(case, layer, g, shapes, name) for name in shapes}
    return found


def directional(case, layer, g, shapes, name):
    """The gradient times each direction of one of PyTorch's arrays: that comes to us as our weights do."""
    zeros, found = {n: np.zeros(shape) for n, shape in shapes.items()}, []
    for v in directions(shapes[name]):
        other = copy.deepcopy(layer)
        kn.load_torch(other, zeros | {name: v})
        pairs = zip(kn.params(layer), kn.params(other), strict=True)
        found.append(sum([float(np.sum(g[p] * q.value)) for p, q in pairs if p in g]))
    return found


# ---------------------------------------------------------------------------------------------------------- theirs


def their_numbers(case):
    """(shapes of the state_dict, {what: fingerprints})."""
    layer = case.theirs().double().train(case.training)
    shapes = {name: list(x.shape) for name, x in layer.state_dict().items()}
    layer.load_state_dict({name: torch.tensor(x) for name, x in state_of(shapes).items()})
    x = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in inputs_of(case)]
    floating = [a for a in x if a.requires_grad]
    ys = several(case.call_theirs(layer, *x))
    found = {"y": prints([y.detach().numpy() for y in ys])}
    buffers = dict(layer.named_buffers())
    found["moments"] = prints([b.numpy() for name, b in buffers.items() if "running" in name])
    loss = sum((torch.sin(y) * torch.tensor(weights(y.numel())).reshape(y.shape)).sum() for y in ys)
    own = dict(layer.named_parameters())
    found_by = torch.autograd.grad(loss, [*floating, *own.values()], materialize_grads=True, allow_unused=True)
    found["x"] = prints([a.numpy() for a in found_by[: len(floating)]])
    by = dict(zip(own, found_by[len(floating) :]))
    found["weights"] = {
        name: [float((by[name].numpy() * v).sum()) if name in by else 0.0 for v in directions(shape)]
        for name, shape in shapes.items()
    }
    return shapes, found


def stored():
    return json.loads(FILE.read_text(encoding="utf-8"))


def _short(found):
    if isinstance(found, dict):
        return {k: _short(v) for k, v in found.items()}
    return [_short(v) for v in found] if isinstance(found, list | tuple) else float(f"{found:.10g}")


def main():
    from tests.nn.peers import CASES

    rows = []
    for case in CASES:
        shapes, found = their_numbers(case)
        rows.append(f"{json.dumps(case.name)}: {json.dumps({'shapes': shapes, **_short(found)})}")
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    print(len(rows))


if __name__ == "__main__":
    main()
