"""A few small calls of every family of CUDA kernels, against the reference: `python -m tests.cuda.sweep [family ...]`.

It is what compute-sanitizer watches, which makes kernels ten to a hundred times slower.
"""

import sys

import numpy as np

from tests.cuda.test_kernels import SERVED, agrees
from tests.kernels.cases import FAMILIES


def main(families):
    """Returns how many calls kernels have served; AssertionError for a wrong result."""
    served = 0
    for family in families or [f for f in SERVED if f in FAMILIES]:
        rng = np.random.default_rng(1)
        for name, args, options in FAMILIES[family](rng, np.dtype("f4")):
            served += agrees(family, name, args, options, np.dtype("f4"))
    return served


if __name__ == "__main__":
    print(f"{main(sys.argv[1:])} calls agree with the reference")
