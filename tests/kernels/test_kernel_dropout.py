"""The dropout kernel against literals. At seed 1, stream 1, call 0 the uniform numbers are, to four digits:

0.0722  0.1173  0.2833  0.0399  0.0656  0.6617
"""

import numpy as np
import pytest

from knetpy.kernels import kernel
from knetpy.kernels.reference import dropout as reference

BACKENDS = pytest.mark.parametrize(
    "dropout", [reference.dropout, kernel("dropout", "dropout")], ids=["reference", "served"]
)
AT = (1, 1, 0)  # seed, stream, call number
inf, nan = np.inf, np.nan


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize(
    "x, p, mask_shape, y",
    [
        ([[1, 2, 3], [4, 5, 6]], 0.1, (2, 3), [[0, 2 / 0.9, 3 / 0.9], [0, 0, 6 / 0.9]]),
        ([[1, 2, 3], [4, 5, 6]], 0.5, (2, 3), [[0, 0, 0], [0, 0, 12]]),
        ([[1, 2, 3], [4, 5, 6]], 0.1, (1, 3), [[0, 2 / 0.9, 3 / 0.9], [0, 5 / 0.9, 6 / 0.9]]),  # columns
        ([[1, 2, 3], [4, 5, 6]], 0.1, (2, 1), [[0, 0, 0], [4 / 0.9, 5 / 0.9, 6 / 0.9]]),  # rows
        ([[1, 2, 3], [4, 5, 6]], 0.05, (1, 1), [[1 / 0.95, 2 / 0.95, 3 / 0.95], [4 / 0.95, 5 / 0.95, 6 / 0.95]]),
        ([[1, 2, 3], [4, 5, 6]], 0, (2, 3), [[1, 2, 3], [4, 5, 6]]),
        ([[1, inf], [nan, -inf]], 1, (2, 2), [[0, 0], [0, 0]]),
        ([inf, -inf, nan], 0.1, (3,), [0, -inf, nan]),
    ],
)
def test_dropout_by_hand(dropout, x, p, mask_shape, y, dtype):
    found = dropout(np.array(x, dtype), p, mask_shape, *AT)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, y, rtol=2 * np.finfo(dtype).eps)


@BACKENDS
def test_memory_layout_does_not_matter(dropout):
    x = np.arange(12.0).reshape(3, 4)
    wanted = dropout(x, 0.3, (3, 4), *AT)
    np.testing.assert_array_equal(dropout(np.asfortranarray(x), 0.3, (3, 4), *AT), wanted)
    assert dropout(np.zeros((0, 3)), 0.3, (0, 3), *AT).shape == (0, 3)
