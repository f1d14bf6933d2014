"""Embeddings against PyTorch's."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

MANY, FLAT, BAGS = [[2, 0, 2], [1, 3, 0]], [3, 0, 3, 1, 2, 2], [0, 2, 2, 5]


def looked_up(name, indices, shape=(4, 3), padding=None):
    return Case(
        f"embed {name}",
        lambda t: kn.embed(t, indices, padding_index=padding),
        lambda t: F.embedding(torch.tensor(indices), t, padding_idx=padding),
        (shape,),
    )


def bags(mode, name, indices, offsets, padding):
    return Case(
        f"bag {mode} {name}, padding {padding}",
        lambda t: kn.embedding_bag(t, indices, offsets, mode=mode, padding_index=padding),
        lambda t: F.embedding_bag(
            torch.tensor(indices),
            t,
            offsets and torch.tensor(offsets),
            mode=mode,
            padding_idx=padding,
        ),
        ((4, 3),),
        order=1,  # PyTorch has no second derivative
    )


def weighted(name, indices, offsets, padding):
    return Case(
        f"bag weights {name}, padding {padding}",
        lambda t, w: kn.embedding_bag(t, indices, offsets, mode="sum", weights=w, padding_index=padding),
        lambda t, w: F.embedding_bag(
            torch.tensor(indices),
            t,
            offsets and torch.tensor(offsets),
            mode="sum",
            per_sample_weights=w,
            padding_idx=padding,
        ),
        ((4, 3), np.shape(indices)),
        order=1,
    )


PLACES = (("matrix", MANY, None), ("offsets", FLAT, BAGS))

CASES = [
    looked_up("vector", [3, 1, 1]),
    looked_up("matrix", MANY),
    looked_up("one", 2),
    looked_up("again", [0, 0, 0, 3]),
    looked_up("cube", [[[0], [1]], [[1], [1]]]),
    looked_up("one column", MANY, (4, 1)),
    *[looked_up(f"padding {n}", MANY, padding=n) for n in range(4)],
    looked_up("padding unused", [0, 0], padding=3),
    *[bags(mode, *places, padding) for mode, places, padding in product(("mean", "sum", "max"), PLACES, (None, 0, 2))],
    *[
        Case(
            f"bag {mode} formula",
            lambda t, mode=mode: kn.embedding_bag(t, MANY, mode=mode),
            lambda t, mode=mode: getattr(t[torch.tensor(MANY)], mode)(1),
            ((4, 3),),
        )
        for mode in ("mean", "sum")
    ],
    *[weighted(*places, padding) for places, padding in product(PLACES, (None, 0, 2))],
]
