"""Elements by their places: keys, take, gather, scatter, embeddings, counts."""

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw, laid
from tests.ops.peer import F, torch

KINDS = (np.int64, np.int64, np.int32, np.uint8)


def _indices(dice, shape, count, low=0):
    """Integers of some dtype and layout, from `low` to count - 1."""
    kind = dice.pick(*KINDS) if low >= 0 and count < 256 else np.int64
    return laid(np.array(dice.rng.integers(low, count, shape), kind), dice)


def _int(a):
    return torch.tensor(np.array(a, np.int64))


# ------------------------------------------------------------------------------------------------------------ keys


def _slice(dice, n):
    ends = [dice.pick(None, dice.integer(-n - 1, n + 1)) for _ in range(2)]
    return slice(*ends, dice.pick(None, 1, 2, -1, -2))


def _is_mask(part):
    return isinstance(part, np.ndarray) and part.dtype.kind == "b"


def _part(dice, n, stretch):
    """The key of one axis of size n, and what it is."""
    kind = dice.pick("slice", "slice", "whole", "integer", "array", "mask")
    if kind == "array" and n:
        return np.array(dice.rng.integers(-n, n, stretch))
    if kind == "mask":
        return dice.rng.random(n) < 0.5 if stretch == () else _slice(dice, n)
    if kind == "integer" and n:
        return dice.pick(int, np.int64)(dice.integer(-n, n - 1))
    return slice(None) if kind == "whole" else _slice(dice, n)


def _key(dice, shape):
    """Slices, integers, arrays that broadcast or one mask, new axes, an ellipsis, in any mixture."""
    stretch = dice.pick((), (), (3,), (2, 1), (2, 3))  # of all arrays in the key; () for masks instead
    parts = [_part(dice, n, stretch) for n in shape[: dice.integer(0, len(shape))]]
    masks = [i for i, p in enumerate(parts) if _is_mask(p)]
    for i in masks[1:]:
        parts[i] = slice(None)
    for _ in range(dice.pick(0, 0, 1, 2)):
        parts.insert(dice.integer(0, len(parts)), None)
    if dice.chance(0.3):  # the axes after it are the last ones
        parts = [..., *[_part(dice, n, stretch) for n in shape[len(shape) - dice.integer(0, len(shape)) :]]]
        if sum(map(_is_mask, parts)) > 1:
            parts = [...]
    return parts[0] if len(parts) == 1 and dice.chance(0.5) else tuple(parts)


def key(dice):
    """Through the places that NumPy finds: PyTorch knows fewer kinds of keys."""
    shape = dice.sizes(0, 4, 8)
    found = _key(dice, shape)
    places = np.arange(int(np.prod(shape))).reshape(shape)[found]

    def theirs(x):
        return x.reshape(-1)[_int(places).reshape(-1)].reshape(np.shape(places))

    return Draw(repr(found), lambda x: x[found], theirs, [dice.array(shape, dice.dtype())])


def mask(dice):
    """Of the first axes, or all."""
    shape = dice.sizes(1, 4, 8)
    found = laid(dice.rng.random(shape[: dice.integer(1, len(shape))]) < dice.pick(0.1, 0.5, 0.9), dice)

    def theirs(x):
        return x[torch.tensor(np.array(found))]

    return Draw(np.shape(found), lambda x: x[found], theirs, [dice.array(shape, dice.dtype())])


# -------------------------------------------------------------------------------------------------- slices, elements


def _axis(dice, shape):
    return dice.integer(-len(shape), len(shape) - 1)


def take(dice):
    shape = dice.sizes(1, 4, 9)
    axis = dice.pick(None, _axis(dice, shape), _axis(dice, shape))
    count = int(np.prod(shape)) if axis is None else shape[axis]
    if not count:
        return None
    mode = dice.pick("raise", "raise", "wrap", "clip")
    low, high = (-count, count) if mode == "raise" else (-2 * count, 2 * count)
    index = np.array(dice.rng.integers(low, high, dice.sizes(0, 2, 5)))
    found = index.clip(0, count - 1) if mode == "clip" else index % count
    call = dice.pick(np.take, lambda x, i, a, mode: x.take(i, a, mode=mode))

    def theirs(x):
        x = x.reshape(-1) if axis is None else x
        place = 0 if axis is None else axis % x.ndim
        y = x.index_select(place, _int(found).reshape(-1))
        return y.reshape((*x.shape[:place], *found.shape, *x.shape[place + 1 :]))

    x = dice.array(shape, dice.dtype())
    return Draw(f"{index.shape} axis {axis} {mode}", lambda x: call(x, index, axis, mode=mode), theirs, [x])


def gather(dice):
    shape = dice.sizes(1, 4, 9) if dice.chance(0.95) else [dice.integer(100, 500), dice.integer(20, 100)]
    axis = _axis(dice, shape)
    if not shape[axis]:
        return None
    index = _indices(dice, dice.sizes(0, 2, 12), shape[axis])

    def theirs(x):
        place = axis % x.ndim
        y = x.index_select(place, _int(index).reshape(-1))
        return y.reshape((*x.shape[:place], *np.shape(index), *x.shape[place + 1 :]))

    x = dice.array(shape, dice.dtype())
    return Draw(f"{index.dtype}{index.shape} axis {axis}", lambda x: kn.gather(x, index, axis), theirs, [x])


def elements(dice):
    """take_along_axis: indices broadcast along the other axes; negative ones count from the end."""
    shape = dice.sizes(1, 4, 9)
    axis = _axis(dice, shape)
    count = shape[axis]
    if not count:
        return None
    places = [1 if dice.chance(0.2) else n for n in shape]
    places[axis] = dice.size(9)
    index = _indices(dice, places, count, dice.pick(0, -count))
    call = dice.pick(np.take_along_axis, kn.take_along_axis)
    whole = [*shape]
    whole[axis] = places[axis]

    def theirs(x):
        return torch.gather(x, axis, _int(np.broadcast_to(index % count, whole)))

    x = dice.array(shape, dice.dtype())
    return Draw(f"{index.dtype}{index.shape} axis {axis}", lambda x: call(x, index, axis), theirs, [x])


MODES = {"add": "sum", "mean": "mean", "max": "amax", "min": "amin", "mul": "prod"}
START = {"add": 0.0, "mul": 1.0, "max": -1e9, "min": 1e9, "mean": 0.0}


def scatter(dice):
    """Infinite places, where nothing goes, are left out of it."""
    mode, before, after = dice.pick(*MODES), dice.sizes(0, 2, 6), dice.sizes(0, 2, 6)
    places, count, dtype = dice.sizes(1, 2, 8, empty=0.05), max(1, dice.size(12)), dice.dtype()
    index, axis, init = _indices(dice, places, count), len(before), dice.chance(0.5)
    arrays = [dice.array((*before, *places, *after), dtype)]
    if init:
        arrays.append(dice.array((*before, count, *after), dtype))

    def ours(src, start=None):
        y = kn.scatter(src, index, axis=axis, size=count, mode=mode, init=start)
        return np.where(np.isfinite(y), y, 0)

    def theirs(src, start=None):
        if start is None:
            start = src.new_full((*before, count, *after), START[mode])
        flat = src.reshape(*before, -1, *after) if src.numel() else src.new_zeros((*before, index.size, *after))
        by = [-1 if a == axis else 1 for a in range(flat.ndim)]
        found = _int(index).reshape(by).expand(flat.shape)
        y = torch.scatter_reduce(start, axis, found, flat, MODES[mode], include_self=init or mode != "mean")
        return torch.where(y.abs() < 1e8, y, y.new_tensor(0.0))

    about = f"{mode} axis {axis} of {count} by {index.dtype}{index.shape}{' init' * init}"
    return Draw(about, ours, theirs, arrays, order=2 if mode in ("add", "mean") else 1, special=False)


def bincount(dice):
    """float64 only, as NumPy's."""
    count, most = dice.size(30, empty=0), dice.integer(1, 8)
    index, least = _indices(dice, count, most), dice.pick(0, most, most + 3)
    size = max(least, *(np.array(index, int) + 1), 0)

    def theirs(w):
        return w.new_zeros(size).index_add(0, _int(index), w)

    x = dice.array((count,), np.float64)
    return Draw(f"{index.dtype} minlength {least}", lambda w: np.bincount(index, w, least), theirs, [x])


def onehot(dice):
    """A constant, of the dtype of x."""
    shape, classes = dice.sizes(0, 3, 6), dice.integer(1, 9)
    labels, axis = _indices(dice, shape, classes), dice.integer(-len(shape) - 1, len(shape))
    given = classes if dice.chance(0.7) or not labels.size else None
    known = classes if given else int(labels.max()) + 1

    def theirs(x):
        return F.one_hot(_int(labels), known).movedim(-1, axis).to(x.dtype)

    def ours(x):
        return kn.onehot(labels, given, axis=axis, dtype=x.dtype)

    x = dice.array((), dice.dtype())
    return Draw(f"{labels.dtype}{labels.shape} {given} axis {axis}", ours, theirs, [x], order=0, special=False)


# -------------------------------------------------------------------------------------------------------- embeddings


def _table(dice):
    if dice.chance(0.05):
        return dice.integer(100, 1000), dice.integer(50, 200)
    return max(1, dice.size(20)), dice.size(20)


def embed(dice):
    words, width = _table(dice)
    index, padding = _indices(dice, dice.sizes(0, 3, 9), words), dice.pick(None, None, dice.integer(0, words - 1))
    table = dice.array((words, width), dice.dtype())

    def ours(t):
        return kn.embed(t, index, padding_index=padding)

    def theirs(t):
        return F.embedding(_int(index), t, padding_idx=padding)

    return Draw(f"{index.dtype}{index.shape} padding {padding}", ours, theirs, [table])


def bag(dice):
    """With weights by them too. PyTorch has no second derivative, and no empty table."""
    (words, width), dtype, mode = _table(dice), dice.dtype(), dice.pick("mean", "sum", "max")
    padding, flat = dice.pick(None, None, dice.integer(0, words - 1)), dice.chance(0.5)
    places = [dice.size(20)] if flat else [dice.size(8), dice.size(8)]
    index, offsets = _indices(dice, places, words), None
    if flat:
        offsets = np.array([0, *np.sort(dice.rng.integers(0, places[0] + 1, dice.integer(0, 4)))])
    arrays = [dice.array((words, width), dtype)]
    if mode == "sum" and dice.chance(0.5):
        arrays.append(dice.array(places, dtype))
    how = {"mode": mode}

    def ours(table, weights=None):
        return kn.embedding_bag(table, index, offsets, weights=weights, padding_index=padding, **how)

    def theirs(table, weights=None):
        starts = None if offsets is None else _int(offsets)
        return F.embedding_bag(_int(index), table, starts, per_sample_weights=weights, padding_idx=padding, **how)

    about = f"{mode} {index.dtype}{index.shape} offsets {offsets} padding {padding}"
    return Draw(about, ours, theirs, arrays, order=1, special=False, ties=False)


FAMILIES = {
    "key": key,
    "mask": mask,
    "take": take,
    "gather": gather,
    "take_along_axis": elements,
    "scatter": scatter,
    "bincount": bincount,
    "onehot": onehot,
    "embed": embed,
    "embedding_bag": bag,
}
