"""Dropout against the same arithmetic on PyTorch's tensors, with our mask: PyTorch draws others."""

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

LOW = -1.7580993408473766


def kept(shape, p, axes):
    own = range(len(shape)) if axes is None else [a % len(shape) for a in axes]
    mask = [n if a in own else 1 for a, n in enumerate(shape)]
    return torch.tensor(kn.random.uniform((1, kn.random.DROPOUT, 0), tuple(mask), np.float32) >= p)


def ours(op, p, axes):
    def call(x):
        kn.seed(1)
        with kn.training(True):
            return op(x, p, axis=axes)

    return call


def dropout(p, axes):
    return lambda x: x * kept(x.shape, p, axes) / (1 - p)


def alpha_dropout(p, axes):
    scale = ((1 - p) * (1 + p * LOW**2)) ** -0.5
    return lambda x: torch.where(kept(x.shape, p, axes), x, x.new_tensor(LOW)) * scale - p * LOW * scale


CASES = [
    *[
        Case(f"{op.__name__} {shape} {p} {axes}", ours(op, p, axes), formula(p, axes), (shape,))
        for op, formula in ((kn.dropout, dropout), (kn.alpha_dropout, alpha_dropout))
        for p in (0.1, 0.5)
        for shape, axes in (((7,), None), ((3, 4), None), ((3, 4), (0,)), ((2, 3, 2, 2), (0, 1)), ((2, 3, 4), (0, -1)))
    ],
    *[
        Case(f"{op.__name__} {p} in evaluation", lambda x, op=op, p=p: evaluated(op, x, p),
             lambda x, f=f, p=p: getattr(F, f)(x, p, training=False), ((2, 3, 2),))
        for op, f in ((kn.dropout, "dropout"), (kn.alpha_dropout, "feature_alpha_dropout"))
        for p in (0.0, 0.5, 1.0)
    ],
    Case("dropout 1", ours(kn.dropout, 1, None), lambda x: F.dropout(x, 1.0, True), ((2, 3),)),
    Case("alpha_dropout 1", ours(kn.alpha_dropout, 1, None), lambda x: F.alpha_dropout(x, 1.0, True), ((2, 3),)),
]  # fmt: skip


def evaluated(op, x, p):
    with kn.training(False):
        return op(x, p)
