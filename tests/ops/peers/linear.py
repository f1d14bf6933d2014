"""Products against PyTorch's."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F


def turned(shape, transposed):
    return shape if not transposed else (*shape[:-2], shape[-1], shape[-2])


def bmm(ta, tb, batch=(3, 3)):
    return Case(
        f"bmm {batch}{' transpose a' * ta}{' transpose b' * tb}",
        lambda a, b: kn.bmm(a, b, transpose_a=ta, transpose_b=tb),
        lambda a, b: (a.mT if ta else a) @ (b.mT if tb else b),
        (turned((batch[0], 2, 4), ta), turned((batch[1], 4, 3), tb)),
    )


def linear(leading, bias, transposed, active):
    def theirs(x, w, *bias):
        y = F.linear(x, w if transposed else w.T, *bias)
        return y.tanh() if active else y

    return Case(
        f"linear {leading}{' bias' * bias}{' transposed' * transposed}{' tanh' * active}",
        lambda *args: kn.linear(*args, transpose_w=transposed, activation=np.tanh if active else None),
        theirs,
        ((*leading, 4), turned((4, 3), transposed), *[(3,)] * bias),
    )


def bilinear(leading, bias, shape=(2, 3, 4)):
    return Case(
        f"bilinear {leading} {shape}{' bias' * bias}",
        kn.bilinear,
        lambda *args: F.bilinear(*args),
        ((*leading, shape[1]), (*leading, shape[2]), shape, *[shape[:1]] * bias),
    )


BOTH = (False, True)

CASES = [
    *[bmm(ta, tb, batch) for ta, tb, batch in product(BOTH, BOTH, ((3, 3), (1, 3), (3, 1)))],
    *[linear(leading, *how) for leading, *how in product(((2,), (), (2, 3)), BOTH, BOTH, BOTH)],
    *[
        bilinear(leading, bias, shape)
        for leading, bias, shape in product(((3,), (2, 2), ()), BOTH, ((2, 3, 4), (1, 2, 1)))
        if leading or bias
    ],
]
