"""Fractional max pooling against PyTorch's."""

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch


def samples(axes):
    return (np.arange(4 * axes) * 0.37 % 1).reshape(2, 2, axes)


def case(size, window, out):
    u = samples(len(size))
    theirs = u[..., ::-1].copy() if len(size) == 2 else u  # in 2-d PyTorch has the last axis first
    return Case(
        f"{size} {window} {out}",
        lambda x: kn.fractional_pool(x, window, size=out, samples=u),
        lambda x: getattr(F, f"fractional_max_pool{len(size)}d")(
            x, window, output_size=out, _random_samples=torch.tensor(theirs)
        ),
        ((2, 2, *size),),
    )


CASES = [
    *[
        case(size, window, out)
        for size in ((7, 6), (9, 5))
        for window in ((2, 2), (1, 3))
        for out in ((3, 3), (5, 1), (2, 2))
    ],
    *[case((5, 4, 6), window, out) for window in ((2, 1, 3), (1, 2, 2)) for out in ((2, 2, 3), (1, 2, 2), (3, 1, 1))],
]
