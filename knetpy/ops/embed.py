"""Embedding: rows of a table by number, and its transpose, which adds rows into a table.

`gather` and `scatter` rest on this pair too. Inside, number -1 stands for nothing: a row of zeros, or one left out.
"""

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import primitive
from ..core.trace import sole_steps
from ..core.value import Param, bare
from ..devices import GPU, beside, host, on_gpu, surely
from ..kernels import kernel
from .arguments import as_floating, integers, kind, one_of, per_axis, placed, same_shapes
from .rowsparse import RowSparse

_forward, _dw, _bag_max = [kernel("embed", name) for name in ("embed", "embed_dw", "bag_max")]

# `learned` are the indices with -1 where the row is read but gets no gradient.
_embed = primitive(
    lambda table, *, indices, learned: _forward(table, indices),
    name="embed",
    trusted=True,
    table=lambda dy, table_shape, learned: _embed_dw(dy, indices=learned, rows=table_shape[0]),
)
# Of a Param under a single tape nobody reads the gradient but the caller and the optimizer: rows are enough.
_embed_param = primitive(
    lambda table, *, indices, learned: _forward(table, indices),
    name="embed",
    trusted=True,
    table=lambda dy, table_shape, learned: _some_rows(dy, table_shape, learned),
)
_embed_dw = primitive(
    lambda g, *, indices, rows: _dw(g, indices, rows=rows),
    name="embed_dw",
    trusted=True,
    g=lambda dy, indices: rows_of(dy, indices),
)


def rows_of(table, indices, learned=None):
    """The rows of a table at indices that have been checked."""
    if GPU:
        indices, learned = [None if i is None else beside(i, table) for i in (indices, learned)]
    leaf = table.__class__ is Param and sole_steps() is not None
    learned = indices if learned is None else learned
    return (_embed_param if leaf else _embed)(table, indices=indices, learned=learned)


def add_rows(g, indices, rows):
    """The transpose of `rows_of`: zeros with `rows` rows, into which g is added at the indices."""
    return _embed_dw(g, indices=beside(indices, g) if GPU else indices, rows=rows)


def _some_rows(g, shape, indices):
    if on_gpu(g):  # how many there are is not asked
        return RowSparse(shape, indices.reshape(-1), g.reshape(indices.size, *shape[1:]))
    named = indices >= 0
    return RowSparse(shape, indices[named], g[named])


def embed(table, indices, *, padding_index=None):
    """The rows of a table at integer indices: what an embedding layer computes.

    Parameters:
      table: (V, D), floating: a row for each of V words.
      indices: integers from 0 to V - 1, of any shape. To a table on a GPU they are copied; those that are there already
        are not checked.
      padding_index=None: the row with this number is read, but gets no gradient; None for none.
    Returns: (*indices.shape, D), of the dtype of the table.
    Raises: IndexError for an index out of range (negative ones do not count from the end), ShapeError, DtypeError,
      ValueError for a padding_index that is no index.
    Derivative: rows that are named repeatedly add up. Of a Param only these rows are kept for `update`, where SGD, and
      Adam with lazy=True, touch nothing else (so too for embedding_bag and gather along axis 0, not for
      table[indices]); g[p] is dense.

    >>> import numpy as np, knetpy as kn
    >>> table = np.arange(6.0).reshape(3, 2)
    >>> kn.embed(table, [2, 0])
    array([[4., 5.],
           [0., 1.]])
    >>> kn.grad(lambda t: np.sum(kn.embed(t, [2, 0, 2])))(table)
    array([[1., 1.],
           [0., 0.],
           [2., 2.]])
    """
    table, indices, learned = _looked_up("embed", table, indices, padding_index)
    return rows_of(table, indices, learned)


def embedding_bag(table, indices, offsets=None, *, mode="mean", weights=None, padding_index=None):
    """The mean, sum or maximum of the rows of a table in each bag of indices.

    Parameters:
      table: (V, D), floating.
      indices: integers from 0 to V - 1: (B, N), a bag in each row, or one after another in a vector (M,).
      offsets=None: for a vector: (B,), where in it each bag begins; the first is 0, the last bag ends at M. They are
        read on the CPU: a GPU that has them is waited for.
      mode="mean": "mean", "sum" or "max".
      weights=None: factors of the rows, in the shape of indices and the dtype of the table, with mode="sum".
      padding_index=None: the row with this number counts as absent; None for none.
    Returns: (B, D), of the dtype of the table; zeros for an empty bag.
    Raises: IndexError for an index out of range, ShapeError, DtypeError, ValueError.
    Derivative: of a maximum, to the first of equal rows in the bag. NaN counts as the largest.

    >>> import numpy as np, knetpy as kn
    >>> kn.embedding_bag(np.arange(6.0).reshape(3, 2), [2, 0, 1], [0, 2])
    array([[2., 3.],
           [2., 3.]])
    """
    table, indices, rows = _looked_up("embedding_bag", table, indices, padding_index)
    one_of("embedding_bag", "mode", mode, ("mean", "sum", "max"))
    weights = _checked_weights(table, indices, weights, mode)
    if weights is not None:
        weights = np.where(rows < 0, 0, weights)  # of a row that is absent it may be NaN
    starts, rows = _starts(indices, offsets), rows.reshape(-1)
    if mode == "max":
        return _largest(table, rows, starts)
    bags, counts = len(starts), np.diff(starts, append=rows.size)
    bag = np.repeat(np.arange(bags), counts)
    found = rows_of(table, rows)
    total = add_rows(found if weights is None else found * np.reshape(weights, (-1, 1)), bag, bags)
    if mode == "sum":
        return total
    present = (rows >= 0).astype(np.promote_types(table.dtype, np.float32))  # float16 cannot count so far
    counts = np.maximum(bare(add_rows(present, bag, bags)), 1)
    return total / counts[:, None].astype(table.dtype)


def _largest(table, rows, starts):
    """The maxima in each bag: they are chosen on bare arrays and then looked up, element by element."""
    chosen, d = _bag_max(bare(table), rows, starts), table.shape[1]
    places = np.where(chosen < 0, -1, chosen * d + np.arange(d, like=chosen))
    return rows_of(np.reshape(table, -1), places)


def _looked_up(name, table, indices, padding_index):
    """(table, indices, indices with -1 for padding), checked."""
    if kind(table) in "iu" and kind(indices) == "f":
        raise DtypeError(f"{name}: table is integers and indices are floating: the order is {name}(table, indices)")
    (table,) = as_floating(name, table=table)
    if len(table.shape) != 2:
        raise ShapeError(f"{name}: table must be (V, D), got {table.shape}; kn.gather takes slices of any shape")
    rows = table.shape[0]
    (padding,) = (None,) if padding_index is None else per_axis(name, "padding_index", padding_index, 1, 0)
    if padding is not None and padding >= rows:
        raise IndexError(f"{name}: padding_index {padding} is out of range: table {table.shape} has {rows} rows")
    indices = places(name, "indices", indices, rows, f"table {table.shape} has {rows} rows")
    indices = placed(name, "indices", indices, table, "table")
    return table, indices, indices if padding is None else np.where(indices == padding, -1, indices)


def places(name, operand, given, size, because, error=IndexError):
    """Integers from 0 to size - 1; `because` tells in messages where the size comes from."""
    what, several = ("label", "labels") if operand == "labels" else ("index", "indices")
    array = integers(name, operand, given)
    bad = (array < 0) | (array >= size)
    if surely(bad):
        allowed = f"{several} run from 0 to {size - 1}" if size else "none is allowed"
        if array[bad][0] < 0:
            allowed = f"{several} count from 0, negative ones are refused"
            if what == "index" and array[bad][0] >= -size:
                allowed += f"; to count negative ones from the end write np.where({operand} < 0, {operand} + {size}, "
                allowed += f"{operand})"
        raise error(f"{name}: {what} {array[bad][0]} is out of range: {because}; {allowed}")
    return array


def _checked_weights(table, indices, weights, mode):
    if weights is None:
        return None
    if mode != "sum":
        raise ValueError(f'embedding_bag: weights go with mode="sum" only, got mode="{mode}"')
    _, weights = as_floating("embedding_bag", table=table, weights=weights)
    same_shapes("embedding_bag", indices=indices, weights=weights)
    return weights


def _starts(indices, offsets):
    """Where in the flattened indices each bag begins."""
    shape = indices.shape
    if len(shape) == 2 and offsets is None:
        return np.arange(shape[0]) * shape[1]
    if len(shape) != 1 or offsets is None:
        raise ShapeError(
            f"embedding_bag: indices must be (B, N) without offsets or a vector (M,) with offsets, got {shape} "
            + ("without offsets; " if offsets is None else "with offsets; ")
            + ("for one bag pass offsets=[0]" if len(shape) == 1 else "reshape indices")
        )
    starts = host(integers("embedding_bag", "offsets", offsets))
    if starts.ndim != 1:
        raise ShapeError(f"embedding_bag: offsets must be a vector (B,), got shape {starts.shape}")
    ends = np.append(starts, len(indices))
    if ends[0] != 0 or (np.diff(ends) < 0).any():
        raise ValueError(
            f"embedding_bag: offsets must begin with 0, never fall and end at {len(indices)} (indices {shape}) or "
            f"before, got {np.array2string(starts, threshold=8)}"
        )
    return starts
