"""Losses of classification against PyTorch's."""

import knetpy as kn
from tests.ops.peer import Case, F, torch

CASES = [
    Case("mean", lambda x: kn.nll(x, [2, 0, 1]), lambda x: F.cross_entropy(x, torch.tensor([2, 0, 1])), ((3, 4),)),
    Case(
        "images",
        lambda x: kn.nll(x, [[2, 0], [1, 1]], axis=1, reduction="sum"),
        lambda x: F.cross_entropy(x, torch.tensor([[2, 0], [1, 1]]), reduction="sum"),
        ((2, 3, 2),),
    ),
    Case(
        "a label ignored",
        lambda x: kn.nll(x, [2, -1, 1], ignore=-1),
        lambda x: F.cross_entropy(x, torch.tensor([2, -1, 1]), ignore_index=-1),
        ((3, 4),),
    ),
]
