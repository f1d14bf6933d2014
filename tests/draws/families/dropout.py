"""What draws random numbers, against the formula on the same numbers."""

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw
from tests.ops.peer import torch
from tests.ops.peers.dropout import LOW


def _uniform(seed, shape, dtype):
    return kn.random.uniform((seed, kn.random.DROPOUT, 0), tuple(shape), dtype)


def _trained(f, seed):
    def call(x):
        kn.seed(seed)
        with kn.training(True):
            return f(x)

    return call


def _shape(dice):
    return dice.sizes(0, 4, 12) if dice.chance(0.9) else [dice.integer(50, 400), dice.integer(50, 300)]


def dropped(ours, formula):
    """By elements, or along some axes together."""

    def draw(dice):
        shape, seed, p = _shape(dice), dice.integer(0, 10**6), dice.pick(0.0, 0.1, 0.5, 0.9, 1.0)
        axes = (
            None
            if dice.chance(0.5)
            else [int(a) for a in dice.rng.permutation(len(shape))[: dice.integer(0, len(shape))]]
        )
        given = axes if axes is None or len(axes) != 1 or dice.chance(0.5) else axes[0] - len(shape)
        given = tuple(given) if isinstance(given, list) else given
        sizes = [n if axes is None or a in axes else 1 for a, n in enumerate(shape)]
        kept = _uniform(seed, sizes, np.float32) >= p
        call = _trained(lambda x: ours(x, p, axis=given), seed)
        x = dice.array(shape, dice.dtype())
        return Draw(f"{p} axes {given}", call, lambda x: formula(x, torch.tensor(kept), p), [x])

    return draw


def _dropout(x, kept, p):
    """What is dropped is 0, also where it was NaN (PyTorch multiplies by 0)."""
    return torch.where(kept, x / (1 - p) if p < 1 else x, x.new_tensor(0.0))


def _alpha(x, kept, p):
    if p == 1:
        return _dropout(x, kept, p)
    scale = ((1 - p) * (1 + p * LOW**2)) ** -0.5
    return torch.where(kept, x, x.new_tensor(LOW)) * scale - p * LOW * scale


def rrelu(dice):
    """In training mode."""
    shape, seed, (lower, upper) = (
        _shape(dice),
        dice.integer(0, 10**6),
        dice.pick((1 / 8, 1 / 3), (0.1, 0.6), (-0.5, 2.0)),
    )
    slopes = lower + (upper - lower) * _uniform(seed, shape, np.float32).astype(np.float64)

    def theirs(x):
        return torch.where(x > 0, x, x * torch.tensor(slopes).to(x.dtype))

    x = dice.array(shape, dice.dtype())
    return Draw((lower, upper), _trained(lambda x: kn.rrelu(x, lower, upper), seed), theirs, [x], special=False)


def gumbel_softmax(dice):
    """Hard ones have the derivatives of soft ones."""
    shape, seed, temperature = dice.sizes(1, 4, 12), dice.integer(0, 10**6), dice.pick(1.0, 0.5, 2.0)
    axis, hard = dice.integer(-len(shape), len(shape) - 1), dice.chance(0.4)
    if not shape[axis]:
        return None
    noise = -np.log(-np.log(_uniform(seed, shape, np.float64) + 2.0**-54))

    def theirs(x):
        y = torch.softmax((x + torch.tensor(noise).to(x.dtype)) / temperature, axis)
        return (y == y.amax(axis, True)).to(y.dtype) + y - y.detach() if hard else y

    ours = _trained(lambda x: kn.gumbel_softmax(x, axis, temperature=temperature, hard=hard), seed)
    x = dice.array(shape, dice.dtype())
    return Draw(f"axis {axis} {temperature} {hard}", ours, theirs, [x], special=False, ties=False)


FAMILIES = {
    "dropout": dropped(kn.dropout, _dropout),
    "alpha_dropout": dropped(kn.alpha_dropout, _alpha),
    "rrelu in training": rrelu,
    "gumbel_softmax": gumbel_softmax,
}
