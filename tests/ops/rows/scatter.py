"""Indexing by whole numbers: gather, scatter, take_along_axis, onehot."""

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong, own

ONE, MANY, NONE = np.array([2, 0, 2, 3]), np.array([[2, 0], [1, 2], [2, 2]]), np.zeros(0, int)
MODES = ("add", "mul", "max", "min", "mean")
START = {"add": 0, "mul": 1, "max": -np.inf, "min": np.inf, "mean": 0}
STEP = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "mean": np.add}


def gather(x, index, axis=0):
    x = np.moveaxis(x, axis, 0)
    y = np.array([x[i] for i in np.ravel(index)], x.dtype).reshape(*np.shape(index), *x.shape[1:])
    axis = axis % x.ndim
    return np.moveaxis(y, range(np.ndim(index)), range(axis, axis + np.ndim(index)))


def scatter(src, index, axis=0, size=None, mode="add", init=None):
    axis, index = axis % (src.ndim - index.ndim + 1), np.asarray(index)
    shape = [*src.shape[:axis], *src.shape[axis + index.ndim :]]
    size = len(init) if init is not None else index.max() + 1 if size is None else size
    y = np.full((size, *shape), START[mode], src.dtype)
    counts = np.zeros(size)
    if init is not None:
        y, counts = np.moveaxis(init, axis, 0).copy(), counts + 1
    for place in np.ndindex(index.shape):
        y[index[place]] = STEP[mode](y[index[place]], src[(slice(None),) * axis + place])
        counts[index[place]] += 1
    if mode == "mean":
        y = (y / np.maximum(counts, 1).reshape(-1, *[1] * len(shape))).astype(src.dtype)
    return np.moveaxis(y, 0, axis)


def finite(scatter, **options):
    """A scatter in which the places that nothing goes into are zeros."""

    def masked(*args):
        y = scatter(*args, **options)
        return np.where(np.isfinite(y), y, 0)

    return masked


def with_init(scatter, **options):
    return lambda src, init: scatter(src, init=init, **options)


def own_scatter(name, shapes, **options):
    return Row(f"scatter {options['mode']} {name}", kn.scatter, finite(kn.scatter, **options), shapes, "apart",
               finite(scatter, **options), exact=False, special=False)  # fmt: skip


def own_init(mode, axis=0):
    options = {"index": ONE, "mode": mode}
    return Row(f"scatter {mode} init", kn.scatter, with_init(kn.scatter, **options), ((4, 2), (5, 2)), "apart",
               with_init(scatter, **options), exact=False, special=False)  # fmt: skip


ROWS = [
    own("gather", kn.gather, gather, ((4, 2),), options={"index": ONE}, edges=(((4, 0),), ((4,),))),
    own("gather axes", kn.gather, gather, ((3, 2),), options={"index": MANY}),
    own("gather axis 1", kn.gather, gather, ((2, 3, 2),), options={"index": MANY, "axis": 1}),
    own("gather axis -1", kn.gather, gather, ((2, 4),), options={"index": ONE, "axis": -1}),
    own("gather one", kn.gather, gather, ((2, 3),), options={"index": np.array(1), "axis": 1}),
    own("gather none", kn.gather, gather, ((2, 3),), options={"index": NONE}, edges=(((0, 2),),)),
    *[
        own_scatter(name, shapes, mode=mode, **options)
        for mode in MODES
        for name, shapes, options in (
            ("", ((4, 2),), {"index": ONE}),
            ("numbers", ((4,),), {"index": ONE, "size": 6}),
            ("axes", ((3, 2, 2),), {"index": MANY}),
            ("axis 1", ((2, 3, 2),), {"index": MANY, "axis": 1, "size": 4}),
            ("axis -1", ((2, 4),), {"index": ONE, "axis": -1}),
            ("alone", ((5, 1),), {"index": np.zeros(5, int)}),
            ("once", ((3, 2),), {"index": np.array([2, 0, 1])}),
            ("one", ((2,),), {"index": np.array(1)}),
            ("none", ((0, 2),), {"index": NONE, "size": 2}),
            ("empty slices", ((4, 0),), {"index": ONE}),
        )
    ],
    *[own_init(mode) for mode in MODES],
    Row("kn.take_along_axis", kn.take_along_axis, lambda x: kn.take_along_axis(x, np.array([[1, -1, 1]]), 1), ((2, 2),),
        reference=lambda x: np.array([[row[1], row[1], row[1]] for row in x], x.dtype)),
]  # fmt: skip


def put(*args, **options):
    return lambda src: kn.scatter(src, *args, **options)


WRONG = [
    Wrong("gather range", lambda x: kn.gather(x, [3], 1), ((2, 3),), IndexError,
          ("gather: index 3 is out of range", "(2, 3) has size 3 along axis 1", "0 to 2"), True),
    Wrong("gather negative", lambda x: kn.gather(x, [-1]), ((2, 3),), IndexError, ("index -1", "negative"), True),
    Wrong("gather floats", lambda x: kn.gather(x, [1.0]), ((2, 3),), kn.DtypeError, ("float64", "astype"), True),
    Wrong("gather axis", lambda x: kn.gather(x, [1], 2), ((2, 3),), np.exceptions.AxisError,
          ("gather", "axis 2", "(2, 3)"), True),
    Wrong("gather scalar", lambda x: kn.gather(x, [0]), ((),), np.exceptions.AxisError, ("axis 0", "()"), True),
    Wrong("scatter shape", put([0, 1, 2]), ((2, 3),), kn.ShapeError, ("(2, 3)", "(3,)", "axis 0"), True),
    Wrong("scatter axes", put([[0, 1]]), ((2,),), kn.ShapeError, ("(2,)", "(1, 2)"), True),
    Wrong("scatter axis", put([0, 1], axis=2), ((2, 3),), np.exceptions.AxisError, ("axis 2", "2 axes"), True),
    Wrong("scatter axis float", put([0, 1], axis=0.0), ((2, 3),), TypeError, ("axis", "0.0"), True),
    Wrong("scatter range", put([0, 3], size=3), ((2, 3),), IndexError, ("index 3", "size 3 along axis 0"), True),
    Wrong("scatter negative", put([0, -1]), ((2, 3),), IndexError, ("scatter: index -1", "negative"), True),
    Wrong("scatter size", put([0, 1], size=-1), ((2, 3),), ValueError, ("size", "-1"), True),
    Wrong("scatter mode", put([0, 1], mode="sum"), ((2, 3),), ValueError, ("'sum'", '"add"'), True),
    Wrong("scatter floats", put([0.0, 1.0]), ((2, 3),), kn.DtypeError, ("index", "float64"), True),
    Wrong("scatter init", put([0, 1], init=np.ones((4, 2))), ((2, 3),), kn.ShapeError, ("(4, 3)", "(4, 2)"), True),
    Wrong("scatter init size", put([0, 1], init=np.ones((4, 3)), size=3), ((2, 3),), kn.ShapeError,
          ("(3, 3)", "(4, 3)"), True),
    Wrong("scatter init axes", put([0, 1], init=np.float64(1)), ((2, 3),), kn.ShapeError, ("(size, 3)", "()"), True),
    Wrong("scatter init range", put([0, 1], init=np.ones((1, 3))), ((2, 3),), IndexError, ("index 1", "size 1"), True),
    Wrong("take_along_axis range", lambda x: kn.take_along_axis(x, [[2]]), ((1, 2),), IndexError, ("2",), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "scatter": (lambda: kn.scatter(ONE, ONE), ("scatter: src has dtype int64", "src.astype(np.float32)")),
    "scatter init": (
        lambda: kn.scatter(np.ones(4), ONE, init=np.ones(4, "f4")),
        ("src has dtype float64", "init has float32", "astype"),
    ),
}

CONSTANTS = {kn.onehot: lambda x: kn.onehot(x.argmax(axis=1), 3)}
