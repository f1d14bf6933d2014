"""A sparse matrix applied along one axis: what resizing and pooling into uneven bins have in common."""

from functools import cached_property

import numpy as np

from ..core.primitive import primitive


class Table:
    """A sparse matrix (n_out, n_in), as arrays with the row, the column and the float64 weight of each entry."""

    def __init__(self, n_out, n_in, rows, columns, weights):
        order = np.argsort(rows, axis=None, kind="stable")
        self.n_out, self.n_in = n_out, n_in
        self.rows, self.columns, self.weights = [np.ravel(a)[order] for a in (rows, columns, weights)]

    @cached_property
    def transposed(self):
        return Table(self.n_in, self.n_out, self.columns, self.rows, self.weights)

    @cached_property
    def layers(self):
        """The entries in groups that have no row twice, so that each can be added at once."""
        number = np.arange(len(self.rows)) - np.searchsorted(self.rows, self.rows)  # of an entry in its row
        groups = [np.flatnonzero(number == k) for k in range(number.max(initial=-1) + 1)]
        return [(_slice(self.rows[g]), self.columns[g], self.weights[g]) for g in groups]


def _slice(rows):
    """Sorted numbers as a slice, where none is missing between them: NumPy is much faster with it."""
    first, stop = int(rows[0]), int(rows[-1]) + 1
    return slice(first, stop) if stop - first == len(rows) else rows


@primitive(trusted=True, x=lambda dy, axis, table: resample(dy, axis=axis, table=table.transposed))
def resample(x, *, axis, table):
    """The product of `table` with x along an axis. What has no entry is not looked at, be it NaN or infinite."""
    wide = np.promote_types(x.dtype, np.float32)  # sums of float16 would overflow
    around, behind = (slice(None),) * axis, (1,) * (x.ndim - axis - 1)
    y = np.zeros((*x.shape[:axis], table.n_out, *x.shape[axis + 1 :]), wide)
    for rows, columns, weights in table.layers:
        part = np.take(x, columns, axis).astype(wide, copy=False)
        part *= weights.astype(wide).reshape(-1, *behind)
        y[(*around, rows)] += part
    return y.astype(x.dtype.type, copy=False)
