"""The kernel of extremes: the reference against literals, and what serves against the same."""

from types import SimpleNamespace

import numpy as np
import pytest

from knetpy.kernels import kernel
from knetpy.kernels.reference import scatter as reference

served = SimpleNamespace(extreme=kernel("scatter", "extreme"))
BACKENDS = pytest.mark.parametrize("backend", [reference, served], ids=["reference", "served"])
nan, inf = np.nan, np.inf


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "src, index, size, largest, smallest",
    [
        ([3, 1, 2], [0, 0, 1], 2, [3, 2], [1, 2]),
        ([3, 1], [2, 2], 4, [-inf, -inf, 3, -inf], [inf, inf, 1, inf]),
        ([[1, 8], [2, 7], [0, 9]], [1, 1, 0], 2, [[0, 9], [2, 8]], [[0, 9], [1, 7]]),
        ([nan, 1, -inf, inf], [0, 0, 1, 1], 2, [nan, inf], [nan, -inf]),
        ([-inf, inf], [0, 1], 2, [-inf, inf], [-inf, inf]),
        ([], [], 1, [-inf], [inf]),
        (np.zeros((2, 0)), [0, 1], 2, np.zeros((2, 0)), np.zeros((2, 0))),
    ],
)
def test_extreme_by_hand(backend, dtype, src, index, size, largest, smallest):
    src, index = np.array(src, dtype), np.array(index, np.int64)
    for flag, wanted in ((True, largest), (False, smallest)):
        ours = backend.extreme(src, index, size=size, largest=flag)
        np.testing.assert_array_equal(ours, np.array(wanted, dtype), strict=True)
