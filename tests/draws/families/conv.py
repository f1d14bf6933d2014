"""Convolutions and their transposes: every option, 1 to 3 spatial axes."""

import knetpy as kn
from tests.draws.draw import Draw
from tests.draws.finish import SPECIAL, activation
from tests.ops.peer import F, torch
from tests.ops.peers.conv import WORDS, each

COUNT = 200
ROOM = {1: 60, 2: 20, 3: 9}  # how long a spatial axis is, at most
LARGE = {1: 400, 2: 48, 3: 14}


def _groups(dice, large):
    """(groups, channels of x in each, of the result in each)"""
    if dice.chance(0.2):
        return dice.size(40, empty=0), 1, dice.pick(1, 1, 1, 2, 3)
    low, most = (8, 40) if large else (1, 20)
    return dice.pick(1, 1, 1, 2, 3), max(low, dice.size(most, empty=0)), max(low, dice.size(most, empty=0))


def _with_bias(dice, x, w, channels, dtype):
    return [x, w, dice.array((channels,), dtype)] if dice.chance(0.6) else [x, w]


def _padding(dice, size, window, stride, dilation):
    """(as ours takes it, as pairs): any kind."""
    reach = [d * (k - 1) for k, d in zip(window, dilation)]
    kind = dice.pick("none", "numbers", "numbers", "pairs", "same", "beyond", "valid")
    if kind in ("none", "valid"):
        return 0 if kind == "none" else "valid", [(0, 0)] * len(size)
    if kind == "same":
        lacks = [max((-(-n // t) - 1) * t + r + 1 - n, 0) for n, t, r in zip(size, stride, reach)]
        return "same", [(n // 2, n - n // 2) for n in lacks]
    if kind == "pairs":
        pairs = [(dice.integer(0, r + 1), dice.integer(0, r + 1)) for r in reach]
        return pairs, pairs
    numbers = tuple(dice.integer(0, r + 3 * (kind == "beyond")) for r in reach)
    return numbers, each(numbers, len(size))


def _mode(dice, size, pairs):
    mode = dice.pick("zeros", "zeros", "zeros", "reflect", "replicate", "circular")
    most = {"reflect": -1, "circular": 0}.get(mode, 99)
    return mode if all(max(pair) <= n + most for pair, n in zip(pairs, size)) else "zeros"


def conv(dice):
    axes, dtype, large = dice.pick(1, 2, 2, 2, 3), dice.dtype(), dice.chance(0.04)
    groups, inputs, outputs = _groups(dice, large)
    window, stride = dice.picks(axes, 1, 2, 3, 3, 3, 4, 5, 7), dice.picks(axes, 1, 1, 1, 2, 3)
    dilation = dice.picks(axes, 1, 1, 2, 3) if dice.chance(0.5) else [1] * axes
    reach = [d * (k - 1) for k, d in zip(window, dilation)]
    size = [LARGE[axes] if large else dice.integer(max(1, r - 1), r + ROOM[axes]) for r in reach]
    padding, pairs = _padding(dice, size, window, stride, dilation)
    if any(n + sum(pair) < r + 1 for n, pair, r in zip(size, pairs, reach)):
        return None
    options = {"stride": tuple(stride), "dilation": tuple(dilation), "groups": groups}
    mode, flip, (name, ours, theirs) = _mode(dice, size, pairs), dice.chance(0.1), activation(dice)
    how = {**options, "padding": padding, "padding_mode": mode, "flip": flip}

    def torch_conv(x, w, bias=None):
        w = torch.flip(w, tuple(range(2, 2 + axes))) if flip else w
        if any(map(any, pairs)):
            x = F.pad(x, [n for pair in reversed(pairs) for n in pair], WORDS[mode])
        return theirs(getattr(F, f"conv{axes}d")(x, w, bias, **options))

    x = dice.array((dice.size(6), groups * inputs, *size), dtype)
    w = dice.array((groups * outputs, inputs, *window), dtype)
    padded = mode == "zeros" and any(map(any, pairs))  # then PyTorch has NaN of 0 times an infinite weight
    return Draw(
        f"conv {how} {name}",
        lambda x, w, bias=None: kn.conv(x, w, bias, activation=ours, **how),
        torch_conv,
        _with_bias(dice, x, w, groups * outputs, dtype),
        special=name in SPECIAL and ((0,) if padded else True),
    )


def conv_transpose(dice):
    """What the padding cuts off: in pairs PyTorch has it by a slice."""
    axes, dtype, large = dice.pick(1, 2, 2, 3), dice.dtype(), dice.chance(0.04)
    groups, inputs, outputs = _groups(dice, large)
    window, stride = dice.picks(axes, 1, 2, 3, 3, 4, 5), dice.picks(axes, 1, 1, 2, 3)
    dilation = dice.picks(axes, 1, 1, 1, 2, 3)
    size = [dice.integer(1, LARGE[axes] if large else ROOM[axes]) for _ in range(axes)]
    added = [dice.integer(0, max(t, d) - 1) if dice.chance(0.4) else 0 for t, d in zip(stride, dilation)]
    padding = [dice.integer(0, d * (k - 1)) if dice.chance(0.5) else 0 for k, d in zip(window, dilation)]
    pairs = [(p, dice.integer(0, p)) for p in padding] if dice.chance(0.3) else each(tuple(padding), axes)
    full = [(n - 1) * t + d * (k - 1) + 1 + o for n, t, d, k, o in zip(size, stride, dilation, window, added)]
    if any(n <= sum(pair) for n, pair in zip(full, pairs)):
        return None
    flip, (name, ours, theirs) = dice.chance(0.1), activation(dice)
    options = {"stride": tuple(stride), "dilation": tuple(dilation), "output_padding": tuple(added), "groups": groups}
    kept = (..., *[slice(before, n - after) for n, (before, after) in zip(full, pairs)])

    def torch_transpose(x, w, bias=None):
        w = torch.flip(w, tuple(range(2, 2 + axes))) if flip else w
        return theirs(getattr(F, f"conv_transpose{axes}d")(x, w, bias, **options)[kept])

    x = dice.array((dice.size(5), groups * inputs, *size), dtype)
    w = dice.array((groups * inputs, outputs, *window), dtype)
    return Draw(
        f"conv_transpose {options} {pairs} flip={flip} {name}",
        lambda x, w, bias=None: kn.conv_transpose(
            x, w, bias, padding=tuple(pairs), activation=ours, flip=flip, **options
        ),
        torch_transpose,
        _with_bias(dice, x, w, groups * outputs, dtype),
        special=False,  # PyTorch multiplies by the zeros that it puts between elements
    )


FAMILIES = {"conv": conv, "conv_transpose": conv_transpose}
