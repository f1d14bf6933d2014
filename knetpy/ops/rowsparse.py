"""The gradient of an embedding's table: zeros but for the rows that were looked up."""

import numpy as np

from ..devices import on_gpu
from ..kernels import kernel

_add_rows = kernel("embed", "embed_dw")


class RowSparse:
    """An array of `shape` with `values[n]` added into row `rows[n]`; rows may repeat, on a GPU be -1 for none.

    Only a sweep and an optimizer see it: it adds to arrays and to its like, and `dense` makes the array.
    """

    __slots__ = ("rows", "shape", "values")
    __array_ufunc__ = None  # array + sparse comes to __radd__

    def __init__(self, shape, rows, values):
        self.shape, self.rows, self.values = shape, rows, values

    @property
    def dtype(self):
        return self.values.dtype

    def __add__(self, other):
        if isinstance(other, RowSparse):
            both = [np.concatenate(pair) for pair in ((self.rows, other.rows), (self.values, other.values))]
            return RowSparse(self.shape, *both)
        return self.dense() + other

    __radd__ = __add__

    def dense(self):
        """The whole array."""
        return _add_rows(self.values, self.rows, rows=self.shape[0])

    def summed(self):
        """The same with every row named once, in ascending order. A GPU is waited for, to know how many there are."""
        rows, values = self.rows, self.values
        if on_gpu(rows):
            rows, values = rows[rows >= 0], values[rows >= 0]
        rows, places = np.unique(rows, return_inverse=True)
        return RowSparse(self.shape, rows, _add_rows(values, places.reshape(-1), rows=len(rows)))
