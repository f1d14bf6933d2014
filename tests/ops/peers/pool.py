"""Pooling against PyTorch's."""

import knetpy as kn
from tests.ops.peer import Case, F

HOW = {"stride": 2, "padding": 1}
CASES = [
    Case("max", lambda x: kn.pool(x, 3, **HOW), lambda x: F.max_pool2d(x, 3, **HOW), ((2, 2, 5, 6),)),
    Case("mean", lambda x: kn.pool(x, 3, **HOW, mode="mean"), lambda x: F.avg_pool2d(x, 3, **HOW), ((2, 2, 5, 6),)),
    Case(
        "mean of real elements",
        lambda x: kn.pool(x, 3, **HOW, mode="mean_valid"),
        lambda x: F.avg_pool2d(x, 3, **HOW, count_include_pad=False),
        ((2, 2, 5, 6),),
    ),
    Case("max 1-d", lambda x: kn.pool(x, 2, stride=1), lambda x: F.max_pool1d(x, 2, 1), ((2, 2, 5),)),
]
