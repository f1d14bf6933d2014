"""Losses of yes or no, and losses that ask for a margin, against PyTorch's or its formulas."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

REDUCTIONS = ("mean", "sum", "none")
BITS = np.array([[1, 0, 1], [0, 0, 1]])
SIGNS = 2 * BITS - 1
LISTED = np.array([[2, 0, -1], [-1, 1, 1]])
LABELS = np.array([2, 0])
WEIGHT = [0.5, 0.0, 2.0]
PAIR = ((2, 3), (2, 3))


def tensor(values, like):
    return None if values is None else torch.tensor(values, dtype=like.dtype)


def reduced(losses, reduction):
    return {"mean": torch.mean, "sum": torch.sum, "none": torch.clone}[reduction](losses)


def bce(weight, pos_weight, reduction, domain="any"):
    def theirs(x, t):
        weights = {"weight": tensor(weight, x), "pos_weight": tensor(pos_weight, x)}
        return F.binary_cross_entropy_with_logits(x, t, **weights, reduction=reduction)

    return Case(
        f"bce {domain} weight={weight} pos_weight={pos_weight} {reduction}",
        lambda x, t: kn.bce(x, t, weight=weight, pos_weight=pos_weight, reduction=reduction),
        theirs,
        PAIR,
        domain,
    )


def on_labels(name, ours, theirs, labels, order=2, domain="any", **options):
    """A loss of one array and labels, by options."""
    words = " ".join(f"{key}={v}" for key, v in options.items())
    return [
        Case(
            f"{name} {domain} {words} {reduction}",
            lambda x, reduction=reduction: ours(x, labels, reduction=reduction, **options),
            lambda x, reduction=reduction: theirs(x, torch.tensor(labels), reduction=reduction, **options),
            ((2, 3),),
            domain,
            order,
        )
        for reduction in REDUCTIONS
    ]


def binary_focal(x, t, gamma, alpha, reduction):
    t = t.to(x.dtype)
    p = torch.sigmoid(x)
    right = p * t + (1 - p) * (1 - t)
    losses = F.binary_cross_entropy_with_logits(x, t, reduction="none") * (1 - right) ** gamma
    return reduced(losses if alpha is None else losses * (alpha * t + (1 - alpha) * (1 - t)), reduction)


def multi_margin(x, t, weight=None, **options):
    return F.multi_margin_loss(x, t, weight=tensor(weight, x), **options)


def multilabel_soft_margin(x, t, weight=None, reduction="mean"):
    return F.multilabel_soft_margin_loss(x, t.to(x.dtype), tensor(weight, x), reduction=reduction)


CASES = [
    *[bce(w, p, r) for w, p, r in product((None, WEIGHT), (None, WEIGHT), REDUCTIONS)],
    bce(None, None, "mean", "large"),
    bce(None, [3.0], "sum", "large"),
    *[
        Case(
            f"bce of probabilities weight={weight} {reduction}",
            lambda x, t, w=weight, r=reduction: kn.bce(x, t, logits=False, weight=w, reduction=r),
            lambda x, t, w=weight, r=reduction: F.binary_cross_entropy(x, t, tensor(w, x), reduction=r),
            PAIR,
            "unit",
        )
        for weight, reduction in product((None, WEIGHT), REDUCTIONS)
    ],
    *[
        c
        for domain in ("any", "large", "unit", "positive")
        for c in (
            *on_labels("logistic", kn.logistic, lambda x, t, reduction: reduced(-F.logsigmoid(x * t), reduction),
                       SIGNS, domain=domain),
            *on_labels("hinge", kn.hinge, lambda x, t, reduction: reduced(F.relu(1 - x * t), reduction),
                       SIGNS, domain=domain),
            *on_labels("squared_hinge", kn.squared_hinge,
                       lambda x, t, reduction: reduced(F.relu(1 - x * t) ** 2, reduction), SIGNS, domain=domain),
            *on_labels("multilabel_margin", kn.multilabel_margin, F.multilabel_margin_loss, LISTED, 1, domain),
        )
    ],
    *[
        c
        for gamma, alpha in product((0, 1, 2, 2.5), (None, 0.25))
        for c in on_labels("binary_focal", kn.binary_focal, binary_focal, BITS, gamma=gamma, alpha=alpha)
    ],
    *[
        c
        for p, margin, weight in product((1, 2), (1.0, 0.5), (None, WEIGHT))
        for c in on_labels("multi_margin", kn.multi_margin, multi_margin, LABELS, 1, p=p, margin=margin, weight=weight)
    ],
    *[
        c
        for domain, weight in product(("any", "positive"), (None, WEIGHT))
        for c in on_labels("multilabel_soft_margin", kn.multilabel_soft_margin, multilabel_soft_margin, BITS,
                           domain=domain, weight=weight)
    ],
]  # fmt: skip
