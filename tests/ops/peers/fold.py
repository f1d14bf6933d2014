"""Folding against PyTorch's, which has it for two spatial axes."""

import math

import knetpy as kn
from tests.ops.peer import Case, F

OPTIONS = (
    {},
    {"stride": 2},
    {"stride": (1, 3)},
    {"padding": 1},
    {"padding": (2, 0)},
    {"dilation": 2},
    {"dilation": (1, 2)},
    {"stride": 2, "padding": 1},
    {"stride": (3, 2), "padding": (0, 2), "dilation": (2, 1)},
    {"stride": 2, "padding": 2, "dilation": 2},
)
WINDOWS = ((2, 2), (1, 3))
SIZE = (4, 5)


def places(window, stride=1, padding=0, dilation=1):
    pairs = [(v, v) if isinstance(v, int) else v for v in (stride, padding, dilation)]
    return math.prod((n + 2 * p - d * (k - 1) - 1) // t + 1 for n, k, t, p, d in zip(SIZE, window, *pairs))


CASES = [
    *[
        Case(
            f"unfold {window} {options}",
            lambda x, w=window, o=options: kn.unfold(x, w, **o),
            lambda x, w=window, o=options: F.unfold(x, w, **o),
            ((2, 2, *SIZE),),
        )
        for window in WINDOWS
        for options in OPTIONS
    ],
    *[
        Case(
            f"fold {window} {options}",
            lambda x, w=window, o=options: kn.fold(x, SIZE, w, **o),
            lambda x, w=window, o=options: F.fold(x, SIZE, w, **o),
            ((2, 2 * math.prod(window), places(window, **options)),),
        )
        for window in WINDOWS
        for options in OPTIONS
    ],
]
