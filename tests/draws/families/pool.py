"""Pooling in every mode, and its transposes."""

import math

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw
from tests.ops.peer import F, torch
from tests.ops.peers.pool import theirs

COUNT = 200
ROOM = {1: 60, 2: 20, 3: 9}  # how long a spatial axis is, at most
LARGE = {1: 2000, 2: 40, 3: 12}


def _image(dice, least):
    """(N, C, *S) with an axis in S for each number of `least`, at least as long."""
    axes, large = len(least), dice.chance(0.05)
    size = [LARGE[axes] if large else dice.integer(n, n + ROOM[axes]) for n in least]
    channels = (8, dice.integer(10, 40)) if large else (dice.size(6), dice.size(20))
    return dice.array((*channels, *size), dice.dtype())


def _indexed(y, index, dtype):
    """Where the maxima are, compared as numbers."""
    return y, index.astype(dtype)


def _pairs(dice, window):
    """Padding in pairs, none wider than the window; PyTorch takes half a window at most, on both sides alike."""
    if dice.chance(0.4):
        return [(0, 0)] * len(window)
    if dice.chance(0.6):
        return [(p, p) for p in [dice.integer(0, k // 2) for k in window]]
    return [(dice.integer(0, k - 1), dice.integer(0, k - 1)) for k in window]


def pool(dice):
    axes, mode = dice.pick(1, 2, 2, 3), dice.pick("max", "max", "mean", "mean_valid")
    window, dilation = dice.picks(axes, 1, 2, 2, 3, 4), dice.picks(axes, 1, 2, 3) if dice.chance(0.3) else [1] * axes
    dilation = dilation if mode == "max" else [1] * axes
    stride, pairs = dice.picks(axes, 1, 2, 3, 4) if dice.chance(0.5) else window, _pairs(dice, window)
    x, ceil = _image(dice, window), dice.chance(0.3)
    if any(n + sum(pair) < d * (k - 1) + 1 for n, pair, k, d in zip(x.shape[2:], pairs, window, dilation)):
        return None
    even = all(a == b and 2 * a <= k for (a, b), k in zip(pairs, window))
    if not even and (ceil or mode == "mean_valid"):
        return None
    how = {"stride": tuple(stride), "ceil_mode": ceil, "dilation": tuple(dilation)}
    indices = mode == "max" and even and dice.chance(0.3)

    def ours(x):
        y = kn.pool(x, tuple(window), padding=tuple(pairs), mode=mode, return_indices=indices, **how)
        return _indexed(*y, x.dtype) if indices else y

    def peer(x):
        if not even:
            x = F.pad(x, [n for pair in reversed(pairs) for n in pair], value=-np.inf if mode == "max" else 0.0)
        padding = [a for a, _ in pairs] if even else [0] * axes
        if mode == "max":
            y = theirs("max_pool", axes)(x, window, stride, padding, dilation, ceil, return_indices=indices)
            return (y[0], y[1].to(x.dtype)) if indices else y
        return theirs("avg_pool", axes)(x, window, stride, padding, ceil, mode == "mean")

    return Draw(f"pool {mode} {window} {pairs} {how}", ours, peer, [x])


def _bin_sizes(n, size):
    return np.array([-(-(i + 1) * n // size) - i * n // size for i in range(size)])


def lp_pool(dice):
    """Norms of windows, of bins and of everything, by PyTorch's means of powers: at 0 and at infinity it has NaN."""
    axes, p, over = dice.pick(1, 2, 2, 3), dice.pick(1, 2, 2, 3, 2.5), dice.pick("windows", "windows", "bins", "all")
    window = dice.picks(axes, 1, 2, 2, 3, 4)
    stride, pairs = dice.picks(axes, 1, 2, 3, 4) if dice.chance(0.5) else window, _pairs(dice, window)
    x = _image(dice, window)
    size = tuple(dice.integer(1, n) for n in x.shape[2:])

    def ours(x):
        if over == "windows":
            return kn.pool(x, tuple(window), stride=tuple(stride), padding=tuple(pairs), mode="lp", p=p)
        return kn.global_pool(x, "lp", p=p) if over == "all" else kn.adaptive_pool(x, size, mode="lp", p=p)

    def peer(x):
        powers = x * x if p == 2 else torch.abs(x) ** p
        if over == "windows":
            powers = F.pad(powers, [n for pair in reversed(pairs) for n in pair])
            total = theirs("avg_pool", axes)(powers, window, stride) * math.prod(window)
        elif over == "all":
            total = powers.sum(tuple(range(2, 2 + axes)), keepdim=True)
        else:
            counts = math.prod(np.ix_(*map(_bin_sizes, x.shape[2:], size)))
            total = theirs("adaptive_avg_pool", axes)(powers, size) * torch.from_numpy(counts).to(x.dtype)
        return total if p == 1 else total ** (1 / p)

    return Draw(f"lp {p} {over} {window} {stride} {pairs} {size}", ours, peer, [x], special=False, ties=False, slack=10)


def adaptive_pool(dice):
    axes, mode = dice.pick(1, 2, 2, 3), dice.pick("mean", "max")
    x = _image(dice, [1] * axes)
    size = tuple(dice.pick(dice.integer(1, n), n, dice.integer(1, n + 2), 1) for n in x.shape[2:])
    size = tuple(m if n % m else dice.pick(m, n // m) for n, m in zip(x.shape[2:], size))
    indices = mode == "max" and dice.chance(0.3)

    def ours(x):
        y = kn.adaptive_pool(x, size, mode=mode, return_indices=indices)
        return _indexed(*y, x.dtype) if indices else y

    def peer(x):
        y = theirs(f"adaptive_{'max' if mode == 'max' else 'avg'}_pool", axes)
        y = y(x, size, return_indices=True) if indices else y(x, size)
        return (y[0], y[1].to(x.dtype)) if indices else y

    return Draw(f"adaptive_pool {mode} {size}", ours, peer, [x])


def global_pool(dice):
    axes, mode, keepdims = dice.pick(1, 2, 2, 3), dice.pick("mean", "max"), dice.chance(0.6)

    def peer(x):
        if mode == "mean":
            return x.mean(tuple(range(2, 2 + axes)), keepdim=keepdims)
        y = theirs("adaptive_max_pool", axes)(x, 1)
        return y if keepdims else y.flatten(1)

    return Draw(
        f"global_pool {mode} {keepdims}",
        lambda x: kn.global_pool(x, mode, keepdims=keepdims),
        peer,
        [_image(dice, [1] * axes)],
    )


def fractional_pool(dice):
    axes = dice.pick(2, 2, 3)
    window, size = dice.picks(axes, 1, 2, 2, 3), dice.picks(axes, 1, 2, 3, 5)
    x = _image(dice, [k + n for k, n in zip(window, size)])
    samples = dice.rng.random((*x.shape[:2], axes), np.float32)
    turned = samples[..., ::-1].copy() if axes == 2 else samples  # in two axes PyTorch has the last one first
    return Draw(
        f"fractional_pool {window} {size}",
        lambda x: kn.fractional_pool(x, tuple(window), size=tuple(size), samples=samples),
        lambda x: theirs("fractional_max_pool", axes)(
            x, window, output_size=size, _random_samples=torch.from_numpy(turned).to(x.dtype)
        ),
        [x],
    )


def unpool(dice):
    """By the indices of a pooling whose windows do not overlap, or spread: a transposed convolution with ones."""
    axes = dice.pick(1, 2, 2, 3)
    window = dice.picks(axes, 1, 2, 2, 3, 4)
    stride = [k + dice.pick(0, 0, 1) for k in window]
    padding = tuple(dice.integer(0, k // 2) if dice.chance(0.3) else 0 for k in window)
    how = {"stride": tuple(stride), "padding": padding}
    image = _image(dice, window)
    if dice.chance(0.7):
        y, index = kn.pool(image, tuple(window), return_indices=True, **how)
        return Draw(
            f"unpool by indices {window} {how}",
            lambda y: kn.unpool(y, tuple(window), indices=index, size=image.shape[2:], **how),
            lambda y: theirs("max_unpool", axes)(
                y, torch.from_numpy(index), window, stride, padding, output_size=image.shape[2:]
            ),
            [y],
        )
    how = {**how, "stride": tuple(dice.picks(axes, 1, 2, 3))}
    channels = image.shape[1]
    return Draw(
        f"unpool {window} {how}",
        lambda x: kn.unpool(x, tuple(window), **how),
        lambda x: theirs("conv_transpose", axes)(
            x, torch.ones(channels, 1, *window).to(x.dtype), None, how["stride"], padding, 0, channels
        ),
        [image],
        special=False,
    )


FAMILIES = {
    "pool": pool,
    "lp_pool": lp_pool,
    "adaptive_pool": adaptive_pool,
    "global_pool": global_pool,
    "fractional_pool": fractional_pool,
    "unpool": unpool,
}
