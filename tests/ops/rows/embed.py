"""Embedding."""

import numpy as np

import knetpy as kn
from tests.ops.row import Wrong, own

MANY, FLAT, BAGS = np.array([[2, 0, 2], [1, 2, 0]]), np.array([3, 0, 3, 1, 2]), np.array([0, 2, 2, 4])
TABLE = np.ones((4, 2))


def embed(table, indices, padding_index=None):
    y = [table[i] for i in np.ravel(indices)]
    return np.array(y, table.dtype).reshape(*np.shape(indices), table.shape[1])


def bags(table, indices, offsets=None, mode="mean", weights=None, padding_index=None):
    if offsets is None:
        offsets = [len(row) * n for n, row in enumerate(indices)]
    flat = np.ravel(indices)
    factors = np.ones(flat.size) if weights is None else np.ravel(weights)
    y = np.zeros((len(offsets), table.shape[1]), table.dtype)
    for b, (start, stop) in enumerate(zip(offsets, [*offsets[1:], len(flat)])):
        rows = [table[flat[n]] * factors[n] for n in range(start, stop) if flat[n] != padding_index]
        if rows:
            y[b] = {"mean": np.mean, "sum": np.sum, "max": np.max}[mode](rows, axis=0)
    return y


def weighted(table, weights, offsets=None, indices=MANY):
    return kn.embedding_bag(table, indices, offsets, mode="sum", weights=weights)


ROWS = [
    own("embed", kn.embed, embed, ((3, 2),), options={"indices": MANY}, edges=(((3, 0),), ((3, 1),))),
    own("embed one", kn.embed, embed, ((3, 2),), options={"indices": 1}),
    own("embed none", kn.embed, embed, ((3, 2),), options={"indices": []}, edges=(((0, 2),), ((1, 1),))),
    *[
        own(f"embedding_bag {mode} {name}", kn.embedding_bag, bags, ((4, 2),), "apart",
            options={"mode": mode, **options}, edges=edges)
        for mode in ("mean", "sum", "max")
        for name, options, edges in (
            ("matrix", {"indices": MANY}, (((3, 0),), ((3, 1),))),
            ("offsets", {"indices": FLAT, "offsets": BAGS}, ()),
            ("padding", {"indices": FLAT, "offsets": BAGS, "padding_index": 3}, ()),
            ("empty", {"indices": [], "offsets": [0, 0]}, (((0, 2),),)),
            ("no bags", {"indices": np.zeros((0, 3), int)}, ()),
        )
    ],
    own("embedding_bag weights", weighted, lambda t, w: bags(t, MANY, None, "sum", w), ((3, 2), (2, 3))),
    own("embedding_bag weights offsets", lambda t, w: weighted(t, w, BAGS, FLAT),
        lambda t, w: bags(t, FLAT, BAGS, "sum", w), ((4, 2), (5,))),
]  # fmt: skip


def bag(*args, **options):
    return lambda t: kn.embedding_bag(t, *args, **options)


WRONG = [
    Wrong("embed range", lambda t: kn.embed(t, [0, 4]), ((4, 2),), IndexError,
          ("embed: index 4 is out of range", "(4, 2)", "0 to 3"), True),
    Wrong("embed negative", lambda t: kn.embed(t, -1), ((4, 2),), IndexError, ("index -1", "negative"), True),
    Wrong("embed of nothing", lambda t: kn.embed(t, 0), ((0, 2),), IndexError, ("index 0", "0 rows"), True),
    Wrong("embed floats", lambda t: kn.embed(t, [0.5]), ((4, 2),), kn.DtypeError, ("indices", "float64", "int"), True),
    Wrong("embed booleans", lambda t: kn.embed(t, [True]), ((4, 2),), kn.DtypeError, ("indices", "bool"), True),
    Wrong("embed table", lambda t: kn.embed(t, [0]), ((4, 2, 2),), kn.ShapeError, ("(V, D)", "(4, 2, 2)"), True),
    Wrong("embed padding", lambda t: kn.embed(t, [0], padding_index=4), ((4, 2),), IndexError,
          ("padding_index 4", "4 rows"), True),
    Wrong("embed padding word", lambda t: kn.embed(t, [0], padding_index="a"), ((4, 2),), ValueError,
          ("padding_index", "'a'"), True),
    Wrong("bag range", bag([[9]]), ((4, 2),), IndexError, ("embedding_bag: index 9", "4 rows"), True),
    Wrong("bag mode", bag([[0]], mode="avg"), ((4, 2),), ValueError, ("'avg'", '"mean"'), True),
    Wrong("bag vector", bag([0]), ((4, 2),), kn.ShapeError, ("(1,)", "offsets=[0]"), True),
    Wrong("bag matrix offsets", bag([[0]], [0]), ((4, 2),), kn.ShapeError, ("(1, 1)", "with offsets"), True),
    Wrong("bag axes", bag([[[0]]]), ((4, 2),), kn.ShapeError, ("(1, 1, 1)", "reshape"), True),
    Wrong("bag offsets start", bag([0, 1], [1]), ((4, 2),), ValueError, ("begin with 0", "[1]"), True),
    Wrong("bag offsets fall", bag([0, 1], [0, 2, 1]), ((4, 2),), ValueError, ("never fall", "[0 2 1]"), True),
    Wrong("bag offsets end", bag([0, 1], [0, 3]), ((4, 2),), ValueError, ("end at 2", "[0 3]"), True),
    Wrong("bag offsets axes", bag([0, 1], [[0]]), ((4, 2),), kn.ShapeError, ("offsets", "(1, 1)"), True),
    Wrong("bag no offsets", bag([0, 1], []), ((4, 2),), ValueError, ("begin with 0",), True),
    Wrong("bag weights mode", bag([[0]], weights=np.ones((1, 1))), ((4, 2),), ValueError, ('mode="sum"', "mean"), True),
    Wrong("bag weights shape", bag([[0]], mode="sum", weights=np.ones(1)), ((4, 2),), kn.ShapeError,
          ("indices has shape (1, 1)", "weights has (1,)"), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "embed": (lambda: kn.embed(TABLE.astype(int), MANY), ("embed: table has dtype int64", "table.astype(np.float32)")),
    "embed order": (lambda: kn.embed(MANY, TABLE), ("the order is embed(table, indices)",)),
    "embedding_bag weights": (
        lambda: kn.embedding_bag(TABLE, MANY, mode="sum", weights=np.ones((2, 3), "f4")),
        ("table has dtype float64", "weights has float32", "astype"),
    ),
}
