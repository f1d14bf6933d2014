"""NumPy's functions that move, join, part and repeat elements."""

import numpy as np

from tests.draws.draw import Draw
from tests.ops.peer import torch


def moved(f):
    """A function of one array that only moves its elements: PyTorch gets them by the places that NumPy finds.

    `f` draws (what is drawn, the function) for a shape.
    """

    def draw(dice):
        shape = dice.sizes(0, 4, 8)
        found = f(dice, shape)
        if found is None:
            return None
        about, call = found
        places = call(np.arange(1, 1 + int(np.prod(shape))).reshape(shape))
        several = isinstance(places, (list, tuple))

        def theirs(x):
            numbers = torch.cat([x.new_zeros(1), x.reshape(-1)])  # 0 stands for what is put beside them
            parts = [numbers[torch.tensor(np.array(p))] for p in (places if several else [places])]
            return parts if several else parts[0]

        return Draw(about, call, theirs, [dice.array(shape, dice.dtype())])

    return draw


def _axis(dice, shape):
    return dice.integer(-len(shape), len(shape) - 1)


def _axes(dice, shape, least=0):
    chosen = dice.rng.permutation(len(shape))[: dice.integer(least, len(shape))]
    return tuple([int(a) - dice.pick(0, len(shape)) for a in chosen])


def reshape(dice, shape):
    """Into axes between which its own are shared out."""
    count, sizes = int(np.prod(shape)), []
    while count > 1 and len(sizes) < 4:
        sizes.append(int(dice.pick(*[k for k in range(1, count + 1) if count % k == 0])))
        count //= sizes[-1]
    sizes.append(count)
    if count and dice.chance(0.5) and int(np.prod(shape)):
        sizes[dice.integer(0, len(sizes) - 1)] = -1
    order = dice.pick("C", "C", "F")
    call = dice.pick(np.reshape, lambda x, s, order: x.reshape(s, order=order))
    return (sizes, order), lambda x: call(x, tuple(sizes), order=order)


def ravel(dice, shape):
    order = dice.pick("C", "F")
    call = dice.pick(np.ravel, lambda x, order: x.flatten(order), lambda x, order: x.ravel(order))
    return order, lambda x: call(x, order)


def transpose(dice, shape):
    axes = None if dice.chance(0.3) else [int(a) - dice.pick(0, len(shape)) for a in dice.rng.permutation(len(shape))]
    call = dice.pick(np.transpose, lambda x, axes: x.transpose(axes), np.permute_dims)
    return axes, lambda x: call(x, axes)


def swapaxes(dice, shape):
    if not shape:
        return None
    a, b = _axis(dice, shape), _axis(dice, shape)
    call = dice.pick(np.swapaxes, np.moveaxis, lambda x, a, b: x.swapaxes(a, b))
    return (a, b), lambda x: call(x, a, b)


def squeeze(dice, shape):
    axes = tuple([a - dice.pick(0, len(shape)) for a, n in enumerate(shape) if n == 1 and dice.chance(0.5)])
    given = dice.pick({}, {"axis": axes})
    return given, lambda x: np.squeeze(x, **given)


def expand_dims(dice, shape):
    count = dice.integer(1, 3)
    axes = tuple([int(a) for a in dice.rng.permutation(len(shape) + count)[:count]])
    return axes, lambda x: np.expand_dims(x, axes if len(axes) > 1 else axes[0])


def broadcast_to(dice, shape):
    whole = [*dice.sizes(0, 2, 4), *[dice.size(6) if n == 1 else n for n in shape]]
    return whole, lambda x: np.broadcast_to(x, whole)


def atleast(dice, shape):
    call = dice.pick(np.atleast_1d, np.atleast_2d, np.atleast_3d)
    return call.__name__, call


def flip(dice, shape):
    axes = dice.pick(None, _axes(dice, shape))
    return axes, lambda x: np.flip(x, axes)


def roll(dice, shape):
    axes = _axes(dice, shape)
    shifts = tuple([dice.integer(-9, 9) for _ in axes])
    if dice.chance(0.3) or not axes:
        return shifts[:1] or (2,), lambda x: np.roll(x, shifts[0] if shifts else 2)
    return (shifts, axes), lambda x: np.roll(x, shifts, axes)


def tile(dice, shape):
    counts = [dice.integer(0 if dice.chance(0.1) else 1, 3) for _ in range(dice.integer(0, 4))]
    return counts, lambda x: np.tile(x, counts)


def repeat(dice, shape):
    axis = dice.pick(None, _axis(dice, shape)) if shape else None
    n = int(np.prod(shape)) if axis is None else shape[axis]
    counts = dice.pick(dice.integer(0, 3), dice.rng.integers(0, 4, n))
    call = dice.pick(np.repeat, lambda x, c, a: x.repeat(c, a))
    return (counts, axis), lambda x: call(x, counts, axis)


def split(dice, shape):
    if not shape:
        return None
    axis = _axis(dice, shape)
    places = sorted(dice.integer(-1, shape[axis] + 2) for _ in range(dice.integer(0, 3)))
    if dice.chance(0.5):
        return (places, axis), lambda x: np.split(x, places, axis)
    return axis, lambda x: np.array_split(x, 3, axis)


def turned(dice, shape):
    """The functions of whole matrices, and attributes."""
    if len(shape) < 2:
        return None
    call = dice.pick(np.fliplr, np.flipud, np.matrix_transpose, lambda x: x.T, lambda x: x.mT)
    return call.__name__, call


def rollaxis(dice, shape):
    if not shape:
        return None
    axis, start = _axis(dice, shape), dice.integer(-len(shape), len(shape))
    return (axis, start), lambda x: np.rollaxis(x, axis, start)


def full_like(dice, shape):
    """By a part of itself."""
    if not shape or not shape[0]:
        return None
    return "", lambda x: np.full_like(x, x[-1])


def padded(dice, shape):
    mode = dice.pick("constant", "edge", "reflect", "symmetric", "wrap")
    if mode != "constant" and 0 in shape:
        return None
    widths = [(dice.integer(0, 4), dice.integer(0, 4)) for _ in shape]
    return (mode, widths), lambda x: np.pad(x, widths, mode) if widths else np.pad(x, 0)


def halves(dice, shape):
    """Iterated over, taken apart and joined in another order."""
    if not shape or not shape[0]:
        return None
    return "", lambda x: np.stack(list(x)[::-1])


MOVED = (reshape, ravel, transpose, swapaxes, squeeze, expand_dims, broadcast_to, atleast, flip, roll, turned, rollaxis,
         full_like, tile, repeat, split, padded, halves)  # fmt: skip


def broadcast_arrays(dice):
    whole, dtype = dice.sizes(0, 3, 6), dice.dtype()
    shapes = [[n if dice.chance(0.6) else 1 for n in whole][dice.integer(0, len(whole)) :] for _ in range(3)]
    arrays = [dice.array(s, dtype) for s in shapes]
    return Draw("", lambda *xs: np.broadcast_arrays(*xs), lambda *xs: torch.broadcast_tensors(*xs), arrays)


def concatenate(dice):
    """Along an axis or flat; one may be a constant."""
    shape = dice.sizes(1, 4, 8)
    axis, count = _axis(dice, shape), dice.integer(1, 3)
    shapes = [[dice.size(8) if a == axis % len(shape) else n for a, n in enumerate(shape)] for _ in range(count)]
    flat, dtype = dice.chance(0.2), dice.dtype()
    constant = dice.array(shapes[0], dtype) if dice.chance(0.3) else None
    more = [] if constant is None else [constant]

    def theirs(*xs):
        xs = [*xs, *[torch.tensor(c).to(xs[0].dtype) for c in more]]
        return torch.cat([x.reshape(-1) for x in xs]) if flat else torch.cat(xs, axis)

    arrays = [dice.array(s, dtype) for s in shapes]

    def ours(*xs):
        return np.concatenate([*xs, *more], None if flat else axis)

    return Draw(f"axis {axis} flat {flat} constant {bool(more)}", ours, theirs, arrays)


STACKS = {
    "stack": (lambda xs, a: np.stack(xs, a), lambda xs, a: torch.stack(xs, a)),
    "vstack": (lambda xs, a: np.vstack(xs), lambda xs, a: torch.vstack(xs)),
    "hstack": (lambda xs, a: np.hstack(xs), lambda xs, a: torch.hstack(xs)),
    "dstack": (lambda xs, a: np.dstack(xs), lambda xs, a: torch.dstack(xs)),
    "column_stack": (lambda xs, a: np.column_stack(xs), lambda xs, a: torch.column_stack(xs)),
    "concat": (lambda xs, a: np.concat(xs, a % xs[0].ndim if xs[0].ndim else None), None),
}


def stacked(name):
    ours, theirs = STACKS[name]

    def draw(dice):
        shape, dtype = dice.sizes(1 if name == "concat" else 0, 3, 8), dice.dtype()
        axis = dice.integer(-len(shape) - (name == "stack"), len(shape) - (name != "stack")) if shape else 0
        arrays = [dice.array(shape, dtype) for _ in range(dice.integer(1, 3))]
        other = theirs or (lambda xs, a: torch.cat(xs, a))
        return Draw(f"axis {axis}", lambda *xs: ours(list(xs), axis), lambda *xs: other(xs, axis), arrays)

    return draw


FAMILIES = {
    **{f.__name__: moved(f) for f in MOVED},
    "broadcast_arrays": broadcast_arrays,
    "concatenate": concatenate,
    **{name: stacked(name) for name in STACKS},
}
