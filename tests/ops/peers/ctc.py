"""Connectionist temporal classification against PyTorch's, which has no second derivative."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

LABELS = np.array([[1, 2, 2], [2, 1, 3]])


def case(name, shape, labels, domain="any", time_major=False, **options):
    """PyTorch takes log probabilities, and the lengths always."""
    labels = np.array(labels)
    n, steps = (shape[1], shape[0]) if time_major else shape[:2]

    def theirs(x):
        logs = torch.log_softmax(x if time_major else x.transpose(0, 1), -1)
        how = {"blank": options.get("blank", 0) % shape[2], "zero_infinity": options.get("zero_infinity", False)}
        lengths = torch.tensor(options.get("lengths", [steps] * n))
        label_lengths = torch.tensor(options.get("label_lengths", [labels.shape[-1]] * n))
        return F.ctc_loss(
            logs, torch.tensor(labels), lengths, label_lengths, reduction=options.get("reduction", "mean"), **how
        )

    return Case(
        f"{name} {domain} {options.get('reduction', '')}",
        lambda x: kn.ctc(x, labels, time_major=time_major, **options),
        theirs,
        (shape,),
        domain,
        1,
    )


CASES = [
    *[
        case(name, shape, labels, domain, reduction=reduction, **options)
        for (name, shape, labels, options), domain, reduction in product(
            (
                ("plain", (2, 5, 4), LABELS, {}),
                ("blank", (2, 5, 4), LABELS % 3, {"blank": -1}),
                ("lengths", (2, 6, 4), LABELS, {"lengths": [5, 4], "label_lengths": [3, 2]}),
                ("one after the other", (2, 6, 4), [1, 1, 2, 3], {"label_lengths": [3, 1]}),
                ("repeated", (2, 7, 3), [[1, 1, 1], [2, 2, 1]], {}),
                ("zero_infinity", (2, 3, 4), LABELS, {"zero_infinity": True}),
                ("no labels", (2, 3, 4), LABELS, {"label_lengths": [0, 1]}),
            ),
            ("any", "large"),
            ("mean", "sum", "none"),
        )
    ],
    case("time_major", (5, 2, 4), LABELS, time_major=True),
    case("long", (1, 40, 5), [[1, 2, 3, 4, 3, 2, 1, 1]]),
]
