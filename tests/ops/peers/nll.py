"""Losses of classification under softmax against PyTorch's."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

REDUCTIONS = ("mean", "sum", "none")
LABELS, HIDDEN = np.array([2, 0, 1]), np.array([2, -1, 1])
IMAGE = np.array([[2, 0], [1, 1]])
WEIGHT = [0.5, 0.0, 2.0, 1.25]


def theirs(labels, axis=1, weight=None, ignore=-100, **options):
    """PyTorch's function, which has its classes along axis 1, or 0 of a vector."""

    def call(x, *targets):
        moved = [torch.movedim(v, axis, 1 if v.ndim > 1 else 0) for v in (x, *targets)]
        options["weight"] = None if weight is None else torch.tensor(weight, dtype=x.dtype)
        if targets:
            return F.cross_entropy(*moved, **options)
        return F.cross_entropy(moved[0], torch.tensor(labels), ignore_index=ignore, **options)

    return call


def case(labels, shape, axis=-1, domain="any", **options):
    words = " ".join(f"{key}={v}" for key, v in options.items())
    return Case(
        f"nll {shape} axis={axis} {domain} {words}",
        lambda x: kn.nll(x, labels, axis, **options),
        theirs(labels, axis, **options),
        (shape,),
        domain,
    )


def soft(shape, axis=-1, domain="any", **options):
    """Targets come out of softmax, so that they are probabilities; derivatives are taken by what goes in too."""
    words = " ".join(f"{key}={v}" for key, v in options.items())
    call = theirs(None, axis, **options)
    return Case(
        f"cross_entropy {shape} axis={axis} {domain} {words}",
        lambda x, t: kn.cross_entropy(x, kn.softmax(t, axis), axis, **options),
        lambda x, t: call(x, torch.softmax(t, axis)),
        (shape, shape),
        domain,
    )


def focal(gamma, axis, reduction):
    def formula(x):
        logs = torch.log_softmax(x, axis).gather(axis, torch.tensor(np.expand_dims(IMAGE, axis)))
        losses = -((1 - logs.exp()) ** gamma) * logs
        return {"mean": losses.mean(), "sum": losses.sum(), "none": losses.squeeze(axis)}[reduction]

    shape = (2, 3, 2) if axis == 1 else (2, 2, 3)
    return Case(
        f"focal gamma={gamma} axis={axis} {reduction}",
        lambda x: kn.focal(x, IMAGE, axis, gamma=gamma, reduction=reduction),
        formula,
        (shape,),
    )


CASES = [
    *[
        case(labels, (3, 4), weight=weight, ignore=ignore, label_smoothing=smoothing, reduction=reduction)
        for (labels, ignore), weight, smoothing, reduction in product(
            ((LABELS, -100), (HIDDEN, -1)), (None, WEIGHT), (0.0, 0.3), REDUCTIONS
        )
    ],
    *[
        case(IMAGE, (2, 4, 2), 1, weight=weight, label_smoothing=smoothing, ignore=1)
        for weight, smoothing in product((None, WEIGHT), (0.0, 1.0))
    ],
    case(IMAGE, (2, 3, 2), 1, reduction="sum"),
    case(IMAGE, (2, 2, 3), domain="large"),
    case(IMAGE, (2, 2, 4), domain="large", weight=WEIGHT, label_smoothing=0.1),
    case(np.array(2), (4,), label_smoothing=0.1, weight=WEIGHT),
    *[
        soft((3, 4), weight=weight, label_smoothing=smoothing, reduction=reduction)
        for weight, smoothing, reduction in product((None, WEIGHT), (0.0, 0.3), REDUCTIONS)
    ],
    soft((2, 3, 2), 1, reduction="sum"),
    soft((2, 4, 2), 1, weight=WEIGHT),
    soft((4,)),
    soft((2, 3), domain="large"),
    *[focal(gamma, axis, r) for (gamma, axis), r in product(((2, -1), (0, 1), (0.5, -1), (1, 1)), REDUCTIONS)],
]
