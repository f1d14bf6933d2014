"""float16 is computed in float32, where sums of it are taken: its own overflow at 65504, and count to 2048 only."""

import numpy as np


def widened(x):
    """A float16 array as float32; others as they are."""
    return x.astype(np.float32) if x.dtype.char == "e" else x


def narrowed(y, dtype):
    """What was computed of a widened array, in the dtype of that."""
    return y if y.dtype == dtype else y.astype(dtype)
