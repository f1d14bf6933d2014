"""Where rules lead from the same start: PyTorch's numbers lie beside this file, as json.

Who has PyTorch installed writes them again with `python -m tests.optim.trajectories`.
"""

import json
from pathlib import Path

import numpy as np

import knetpy as kn

FILE = Path(__file__).with_suffix(".json")
SHAPES = [(), (3,), (2, 4), (2, 1, 2)]
STEPS = (1, 10, 100)

# name: (our optimizer, PyTorch's, its settings)
CASES = {
    "SGD": (lambda: kn.SGD(0.05), "SGD", dict(lr=0.05)),
    "Momentum": (lambda: kn.Momentum(0.02, 0.8), "SGD", dict(lr=0.02, momentum=0.8)),
    "Nesterov": (lambda: kn.Nesterov(0.02, 0.8), "SGD", dict(lr=0.02, momentum=0.8, nesterov=True)),
    "Adagrad": (lambda: kn.Adagrad(0.1), "Adagrad", dict(lr=0.1)),
    "RMSprop": (lambda: kn.RMSprop(0.02), "RMSprop", dict(lr=0.02)),
    "RMSprop, other": (
        lambda: kn.RMSprop(0.01, rho=0.5, eps=1e-3),
        "RMSprop",
        dict(lr=0.01, alpha=0.5, eps=1e-3),
    ),
    "RMSprop, centered": (lambda: kn.RMSprop(0.01, centered=True), "RMSprop", dict(lr=0.01, centered=True)),
    "Adadelta": (lambda: kn.Adadelta(), "Adadelta", {}),
    "Adadelta, other": (
        lambda: kn.Adadelta(0.5, rho=0.7, eps=1e-3),
        "Adadelta",
        dict(lr=0.5, rho=0.7, eps=1e-3),
    ),
    "Adam": (lambda: kn.Adam(0.02), "Adam", dict(lr=0.02)),
    "AdamW": (lambda: kn.AdamW(0.02, weight_decay=0.1), "AdamW", dict(lr=0.02, weight_decay=0.1)),
    "AMSGrad": (lambda: kn.AMSGrad(0.05, beta2=0.9), "Adam", dict(lr=0.05, amsgrad=True, betas=(0.9, 0.9))),
    "Adamax": (lambda: kn.Adamax(0.05), "Adamax", dict(lr=0.05)),
    "NAdam": (lambda: kn.NAdam(0.02), "NAdam", dict(lr=0.02)),
    "NAdam, other": (
        lambda: kn.NAdam(0.02, beta1=0.5, momentum_decay=0.1),
        "NAdam",
        dict(lr=0.02, betas=(0.5, 0.999), momentum_decay=0.1),
    ),
    "RAdam": (lambda: kn.RAdam(0.05), "RAdam", dict(lr=0.05)),
    "RAdam, short": (lambda: kn.RAdam(0.05, beta2=0.6), "RAdam", dict(lr=0.05, betas=(0.9, 0.6))),
    "Rprop": (lambda: kn.Rprop(0.05), "Rprop", dict(lr=0.05)),
    "Rprop, other": (
        lambda: kn.Rprop(0.05, shrink=0.3, grow=1.5, smallest=0.01, largest=0.2),
        "Rprop",
        dict(lr=0.05, etas=(0.3, 1.5), step_sizes=(0.01, 0.2)),
    ),
    "Adafactor": (lambda: kn.Adafactor(eps=1e-15), "Adafactor", dict(eps=(1e-15, 1e-3))),
    "Adafactor, other": (
        lambda: kn.Adafactor(0.3, decay=0.6, eps=1e-10, floor=0.1, clip=1.5, weight_decay=0.1),
        "Adafactor",
        dict(lr=0.3, beta2_decay=-0.6, eps=(1e-10, 0.1), d=1.5, weight_decay=0.1),
    ),
}


def start(dtype=np.float64):
    """Arrays of several shapes, without symmetries."""
    count = np.cumsum([0] + [int(np.prod(shape)) for shape in SHAPES])
    values = 2 * np.sin(np.arange(1, count[-1] + 1) * 1.7)
    return [values[a:b].reshape(s).astype(dtype) for a, b, s in zip(count, count[1:], SHAPES)]


def gradients(arrays):
    """Of 0.05 * (w - target)**4 of every element, and 0.1 * (sum of all - 1)**2, which couples them."""
    total = sum(float(w.sum()) for w in arrays)
    found = []
    for n, w in enumerate(arrays):
        target = np.cos(n + np.arange(w.size).reshape(w.shape))
        found.append((0.2 * (w - target) ** 3 + 0.2 * (total - 1)).astype(w.dtype))
    return found


def flat(arrays):
    return np.concatenate([np.ravel(w) for w in arrays])


def ours(opt, steps, dtype=np.float64):
    """{step: values} that an optimizer reaches at these steps."""
    params, reached = [kn.param(w) for w in start(dtype)], {}
    for step in range(1, max(steps) + 1):
        kn.update(params, gradients([p.value for p in params]), opt)
        if step in steps:
            reached[step] = flat([p.value for p in params])
    return reached


def pytorchs(make, settings):
    """The same by an optimizer of PyTorch's."""
    import torch

    params, reached = [torch.tensor(w, requires_grad=True) for w in start()], {}
    opt = make(params, **settings)
    for step in range(1, max(STEPS) + 1):
        for p, g in zip(params, gradients([p.detach().numpy() for p in params])):
            p.grad = torch.tensor(g)
        opt.step()
        if step in STEPS:
            reached[step] = flat([p.detach().numpy() for p in params])
    return reached


def write():
    import torch

    numbers = {
        name: {step: list(values) for step, values in pytorchs(getattr(torch.optim, make), settings).items()}
        for name, (_, make, settings) in CASES.items()
    }
    lines = [f"{json.dumps(name)}: {json.dumps(reached)}" for name, reached in numbers.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write()
