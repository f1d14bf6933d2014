"""Gather and scatter against PyTorch's."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, torch

MANY, PICK = [[2, 0], [1, 2], [2, 2]], [[1, 0, 1], [2, 2, 0]]
EMPTY = {"add": 0.0, "mul": 1.0, "max": -np.inf, "min": np.inf, "mean": 0.0}
REDUCE = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin", "mean": "mean"}


def gather(shape, axis, index):
    return Case(
        f"gather {shape} axis {axis} {index}",
        lambda x: kn.gather(x, index, axis),
        lambda x: (
            x.index_select(axis, torch.tensor(index).reshape(-1)).unflatten(axis, np.shape(index) or (1,))
            if np.shape(index)
            else x.select(axis, index)
        ),
        (shape,),
    )


def scatter(mode, shape, axis, index, init):
    """PyTorch scatters elements: the index is stretched over the slices. Infinite places are left out of it."""
    size = 4
    here = [1] * len(shape)
    here[axis] = len(index)
    whole = (*shape[:axis], size, *shape[axis + 1 :])

    def ours(src, *start):
        y = kn.scatter(src, index, axis=axis, size=None if init else size, mode=mode, init=start[0] if init else None)
        return np.where(np.isfinite(y), y, 0)

    def theirs(src, *start):
        start = start[0] if init else torch.full(whole, EMPTY[mode], dtype=src.dtype)
        places = torch.tensor(index).reshape(here).expand(shape)
        if mode == "add":  # scatter_reduce has a second derivative for few modes only
            return start.scatter_add(axis, places, src)
        y = start.scatter_reduce(axis, places, src, REDUCE[mode], include_self=init or mode != "mean")
        return torch.where(y.isfinite(), y, 0)

    return Case(
        f"scatter {mode} {shape} axis {axis} {index}{' init' * init}",
        ours,
        theirs,
        (shape, whole) if init else (shape,),
        order=1 if mode == "mul" else 2,
    )


def element(shape, axis, index):
    return Case(
        f"take_along_axis {shape} axis {axis} {index}",
        lambda x: kn.take_along_axis(x, index, axis),
        lambda x: torch.take_along_dim(x, torch.tensor(index), axis),
        (shape,),
    )


CASES = [
    *[
        gather(shape, axis, index)
        for (shape, axis), index in product(
            (((3,), 0), ((3, 2), 0), ((2, 3), 1), ((2, 3, 2), 1), ((2, 3), -1)), ([0, 2, 0], [1], MANY, 2)
        )
    ],
    *[
        scatter(mode, shape, axis, index, init)
        for mode, (shape, axis), index, init in product(
            REDUCE, (((4,), 0), ((4, 2), 0), ((2, 4, 2), 1)), ([2, 0, 2, 2], [3, 1, 0, 2]), (False, True)
        )
    ],
    *[
        element(*case)
        for case in (
            ((3, 3), 0, PICK),
            ((4, 3), 0, PICK),
            ((2, 4), 1, PICK),
            ((2, 3), -1, PICK),
            *product(((3, 3), (4, 5), (3, 2)), (0, 1), ([[1]], [[0]])),
        )
    ],
]
