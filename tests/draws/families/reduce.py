"""NumPy's reductions along any axes, running sums, and norms."""

import numpy as np

from tests.draws.draw import Draw
from tests.ops.peer import torch


def _axes(dice, ndim):
    """Axes as NumPy takes them, and as a tuple from 0."""
    kind = dice.pick("all", "one", "one", "several", "none") if ndim else "all"
    if kind == "all":
        return None, tuple(range(ndim))
    if kind == "one":
        axis = dice.integer(-ndim, ndim - 1)
        return axis, (axis % ndim,)
    axes = [int(a) for a in dice.rng.permutation(ndim)[: dice.integer(1, ndim) if kind == "several" else 0]]
    return tuple([a - dice.pick(0, ndim) for a in axes]), tuple(axes)


def _flat(x, axes, keep):
    """The axes as one, the last; and what gives the result its shape."""
    rest = [a for a in range(x.ndim) if a not in axes]
    moved = x.permute([*rest, *axes]).reshape(*[x.shape[a] for a in rest], -1) if x.numel() else None
    if moved is None:
        moved = x.new_zeros([x.shape[a] for a in rest] + [int(np.prod([x.shape[a] for a in axes]))])
        moved = moved + 0 * x.sum()
    shape = [1 if a in axes else n for a, n in enumerate(x.shape) if keep or a not in axes]
    return moved, shape


def _prod(x):
    """PyTorch's own has NaN in the second derivative at zeros."""
    y = x.new_ones(x.shape[:-1])
    for part in x.unbind(-1):
        y = y * part
    return y


INFINITE = (np.inf, -np.inf)
ALL = (np.nan, *INFINITE)

# theirs along the last axis; whether nothing may be reduced; what else may be among the numbers: PyTorch's derivatives
# of a maximum of NaN are all NaN, ours has it for NaN alone
REDUCTIONS = {
    "sum": (lambda x: x.sum(-1), True, ALL),
    "mean": (lambda x: x.mean(-1), False, ALL),
    "prod": (_prod, True, ()),
    "max": (lambda x: x.amax(-1), False, INFINITE),
    "min": (lambda x: x.amin(-1), False, INFINITE),
}


def reduction(name):
    theirs, empty, poison = REDUCTIONS[name]

    def draw(dice):
        large = [dice.integer(100, 500), dice.integer(100, 300), dice.integer(1, 4)]
        shape = large if dice.chance(0.07) else dice.sizes(0, 4, 10)
        (axis, axes), keep = _axes(dice, len(shape)), dice.chance(0.4)
        count = int(np.prod([shape[a] for a in axes]))
        if (not count and not empty) or (name == "prod" and (count > 200 or not axes)):
            return None
        given = ({} if axis is None and dice.chance(0.5) else {"axis": axis}) | ({"keepdims": True} if keep else {})
        call = dice.pick(getattr(np, name), lambda x, **how: getattr(x, name)(**how))

        def other(x):
            moved, sizes = _flat(x, axes, keep)
            return theirs(moved).reshape(sizes)

        x = dice.array(shape, dice.dtype())
        return Draw(given, lambda x: call(x, **given), other, [x], special=bool(poison and axes), poison=poison)

    return draw


def spread(name):
    """var and std, with ddof or correction, of numbers that differ: their mean may be rounded."""

    def draw(dice):
        shape = dice.sizes(1, 4, 10)
        (axis, axes), keep = _axes(dice, len(shape)), dice.chance(0.4)
        ddof = dice.pick(0, 0, 1)
        count = int(np.prod([shape[a] for a in axes]))
        if count <= ddof or (name == "std" and count < 2):
            return None
        method, word = dice.chance(0.3), dice.pick("ddof", "correction")
        given = {"axis": axis, "keepdims": keep, "ddof" if method else word: ddof}
        call = (lambda x, **how: getattr(x, name)(**how)) if method else getattr(np, name)

        def other(x):
            moved, sizes = _flat(x, axes, keep)
            return getattr(torch, name)(moved, -1, correction=ddof).reshape(sizes)

        x = dice.array(shape, dice.dtype(), dice.pick(1, 1, 10))
        apart, slack = dice.array(shape, x.dtype), 10 if name == "std" or count < 3 else 1
        return Draw(given, lambda x: call(x + apart, **given), lambda x: other(x + torch.tensor(apart).to(x.dtype)),
                    [x], poison=(np.nan,), ties=False, slack=slack)  # fmt: skip

    return draw


def running(dice):
    """cumsum along an axis, or of all."""
    shape = dice.sizes(1, 4, 10)
    axis = dice.pick(None, *range(-len(shape), len(shape)))
    call = dice.pick(np.cumsum, lambda x, axis: x.cumsum(axis))

    def theirs(x):
        return torch.cumsum(x.reshape(-1) if axis is None else x, axis or 0)

    return Draw(f"axis {axis}", lambda x: call(x, axis=axis), theirs, [dice.array(shape, dice.dtype())])


def vector_norm(dice):
    """Of one axis, or of everything; away from ties and zeros."""
    shape = dice.sizes(1, 3, 10, empty=0)
    axis = None if len(shape) == 1 and dice.chance(0.3) else dice.integer(-len(shape), len(shape) - 1)
    order, keep = dice.pick(None, 2, 1, 3, 2.5, 0.5, np.inf, -np.inf, -1, 0), dice.chance(0.3)
    x = dice.array(shape, dice.dtype())
    x = x + np.sign(x) * x.dtype.type(0.3)

    def theirs(x):
        return torch.linalg.vector_norm(x, 2 if order is None else order, axis, keep)

    def ours(x):
        return np.linalg.norm(x, order, axis, keep)

    slack = 10 if shape[0 if axis is None else axis] == 1 else 1
    return Draw(f"{order} axis {axis} {keep}", ours, theirs, [x], special=False, ties=False, slack=slack)


def matrix_norm(dice):
    shape = dice.sizes(2, 4, 8, empty=0)
    axes = tuple(int(a) - dice.pick(0, len(shape)) for a in dice.rng.permutation(len(shape))[:2])
    order, keep = dice.pick("fro", 1, -1, np.inf, -np.inf), dice.chance(0.3)
    x = dice.array(shape, dice.dtype())

    def ours(x):
        return np.linalg.norm(x, order, axes, keep)

    def theirs(x):
        return torch.linalg.matrix_norm(x, order, axes, keep)

    return Draw(f"{order} axes {axes} {keep}", ours, theirs, [x], special=False, ties=False)


FAMILIES = {
    **{name: reduction(name) for name in REDUCTIONS},
    "var": spread("var"),
    "std": spread("std"),
    "cumsum": running,
    "norm of vectors": vector_norm,
    "norm of matrices": matrix_norm,
}
