"""The softmax family: along one axis, several or all, with masks."""

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw
from tests.ops.peer import torch
from tests.ops.peers.softmax import sparsemax


def _flat(f):
    """`f` of tensors whose last axis takes the place of several."""

    def theirs(x, axes, mask=None):
        order = [a for a in range(x.ndim) if a not in axes] + list(axes)
        moved = x.permute(order).flatten(x.ndim - len(axes)) if axes else x[..., None]
        hidden = None if mask is None else ~mask.expand(x.shape).permute(order).reshape(moved.shape)
        y = f(moved, hidden)
        if y.ndim < moved.ndim:
            return y
        return y.reshape([x.shape[a] for a in order]).permute([order.index(a) for a in range(x.ndim)])

    return theirs


def _softmax(x, hidden):
    if hidden is None:
        return torch.softmax(x, -1)
    return torch.softmax(x.masked_fill(hidden, -1e300), -1).masked_fill(hidden, 0)


def _logsoftmax(x, hidden):
    if hidden is None:
        return torch.log_softmax(x, -1)
    return torch.log_softmax(x.masked_fill(hidden, -1e300), -1).masked_fill(hidden, 0)


def _logsumexp(x, hidden):
    if hidden is None:
        return torch.logsumexp(x, -1)
    return torch.logsumexp(x.masked_fill(hidden, -1e300), -1).masked_fill(hidden.all(-1), 0)


def _softmin(x, hidden):
    return _softmax(-x, hidden)


FAMILY = {
    "softmax": (kn.softmax, _flat(_softmax)),
    "logsoftmax": (kn.logsoftmax, _flat(_logsoftmax)),
    "logsumexp": (kn.logsumexp, _flat(_logsumexp)),
    "softmin": (kn.softmin, _flat(_softmin)),
}


def _axis(dice, ndim):
    """An axis, several or all, as ours takes it and as numbers from 0."""
    kind = dice.pick("one", "one", "one", "last", "several", "all")
    if kind == "all":
        return None, list(range(ndim))
    if kind == "several":
        axes = [int(a) for a in dice.rng.permutation(ndim)[: dice.integer(1, ndim)]]
        return tuple([a - dice.pick(0, ndim) for a in axes]), axes
    axis = -1 if kind == "last" else dice.integer(-ndim, ndim - 1)
    return axis, [axis % ndim]


def _scores(dice, shape):
    """Of float64 large ones too: where one takes all, derivatives are 0 but for rounding."""
    dtype = dice.dtype()
    scales, offsets = ((1, 1, 5), (0, 0, 100)) if dtype == np.float32 else ((1, 1, 20, 1000), (0, 0, 1e4, -1e4))
    return dice.array(shape, dtype, dice.pick(*scales)) + dtype.type(dice.pick(*offsets))


def _mask(dice, shape):
    """It may be shorter than the scores, or stretched along some axes."""
    mask = dice.rng.random([n if dice.chance(0.7) else 1 for n in shape]) < dice.pick(0.2, 0.8)
    return mask[(0,) * dice.integer(0, mask.ndim)] if mask.size and dice.chance(0.3) else mask


def softmaxes(name, ours, theirs):
    def draw(dice):
        shape = dice.sizes(1, 4, 16) if dice.chance(0.95) else [dice.integer(50, 300), dice.integer(50, 500)]
        axis, axes = _axis(dice, len(shape))
        x, mask = _scores(dice, shape), np.array(_mask(dice, shape)) if dice.chance(0.4) else None
        if 0 in [shape[a] for a in axes]:
            return None
        given = {} if mask is None else {"mask": mask}
        if name == "logsumexp" and dice.chance(0.5):
            given["keepdims"] = False

        def finite(x):
            y = ours(x, axis, **given)
            return y if mask is None else np.where(np.isinf(y), 0, y)  # hidden ones are -Inf

        def other(x):
            return theirs(x, axes, None if mask is None else torch.from_numpy(mask))

        kind = f"axis {axis}{'' if mask is None else f' mask {mask.shape}'}"
        return Draw(kind, finite, other, [x], special=mask is None, poison=(np.nan,))  # at infinity ours have the limit

    return draw


def sparse(dice):
    shape = dice.sizes(1, 4, 16)
    axis = dice.integer(-len(shape), len(shape) - 1)
    if not shape[axis]:
        return None
    x = dice.array(shape, dice.dtype(), dice.pick(0.2, 1, 5))
    return Draw(f"axis {axis}", lambda x: kn.sparsemax(x, axis), lambda x: sparsemax(x, axis), [x], special=False)


FAMILIES = {**{name: softmaxes(name, *line) for name, line in FAMILY.items()}, "sparsemax": sparse}
