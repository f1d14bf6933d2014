"""Attention with every option, and rotary positions."""

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw, laid
from tests.ops.peer import torch
from tests.ops.peers.attention import rotated, split


def formula(q, k, v, bias, mask, causal, scale):
    """To any order; queries that see nothing give 0."""
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = scores if bias is None else scores + bias
    seen = scores == scores
    if causal:
        seen = seen & torch.tensor(np.tri(*seen.shape[-2:], dtype=bool))
    if mask is not None:
        seen = seen & torch.tensor(mask)
    weights = torch.softmax(scores.masked_fill(~seen, -1e30), -1) * seen
    return weights @ v, weights


def _sizes(dice):
    """How many queries and keys, and how long vectors are."""
    if dice.chance(0.08):
        return [dice.integer(*ends) for ends in ((60, 200), (60, 200), (16, 64), (16, 64))]
    queries = dice.size(30)
    return queries, queries if dice.chance(0.3) else max(1, dice.size(30)), dice.size(30, 0), dice.size(30, 0)


def _part(dice, sizes, least):
    """A shape that broadcasts to `sizes`, of at least so many axes."""
    return [n if dice.chance(0.6) else 1 for n in sizes][dice.integer(0, len(sizes) - least) :]


def _seen(dice, scores):
    """The options that hide keys, and a number for the scale."""
    mask = dice.rng.random(_part(dice, scores, 2)) < dice.pick(0.5, 0.9) if dice.chance(0.4) else None
    scale = dice.pick(None, None, 0.3, 1.0)
    return {"mask": mask, "causal": dice.chance(0.35), "scale": scale}


def attention(dice):
    """Axes before the last two are equal, broadcast, or are heads in groups that share keys."""
    queries, keys, depth, width = _sizes(dice)
    kind, heads = dice.pick("plain", "plain", "broadcast", "groups"), dice.integer(1, 4)
    share = dice.integer(1, 3) if kind == "groups" else 1
    leading = [dice.size(4), heads] if kind == "groups" else [dice.size(4, 0.03) for _ in range(dice.integer(0, 2))]
    scores = [*leading[:-1], heads * share, queries, keys] if kind == "groups" else [*leading, queries, keys]
    of_q = _part(dice, leading, 0) if kind == "broadcast" and len(leading) < 2 else scores[:-2]
    how, dtype, weights = _seen(dice, scores), dice.dtype(), dice.chance(0.15)
    arrays = [dice.array(s, dtype) for s in ((*of_q, queries, depth), (*leading, keys, depth), (*leading, keys, width))]
    if dice.chance(0.3):
        arrays.append(dice.array(_part(dice, scores, 2), dtype))

    def ours(q, k, v, bias=None):
        return kn.attention(q, k, v, bias=bias, return_weights=weights, **how)

    def theirs(q, k, v, bias=None):
        k, v = [x.repeat_interleave(share, 1) if kind == "groups" else x for x in (k, v)]
        y = formula(q, k, v, bias, **how)
        return y if weights else y[0]

    about = f"{kind} mask {np.shape(how['mask'])} causal {how['causal']} scale {how['scale']} weights {weights}"
    return Draw(about, ours, theirs, arrays, special=False, ties=False)


def _whole(x):
    """A mask or bias of as many axes as q is for all heads alike."""
    return x[..., None, :, :] if x is not None and x.ndim == 3 else x


def heads(dice):
    """Heads beside each other on the last axis; now and then q, k and v are the parts of one array, or one array."""
    queries, keys, *_ = _sizes(dice)
    count, dtype, batch = dice.integer(1, 4), dice.dtype(), dice.size(4, 0.03)
    depth, width = count * dice.integer(1, 9), count * dice.integer(1, 9)
    kind = dice.pick("three", "three", "parts", "one")
    if kind != "three":
        keys, width = queries, depth
    how = _seen(dice, [batch, queries, keys])
    shapes = {
        "three": [(batch, queries, depth), (batch, keys, depth), (batch, keys, width)],
        "parts": [(batch, queries, 3 * depth)],
        "one": [(batch, queries, depth)],
    }[kind]
    arrays = [dice.array(s, dtype) for s in shapes]
    bias = kind == "three" and dice.chance(0.4)
    if bias:
        added = dice.pick(_part(dice, [batch, queries, keys], 2), _part(dice, [batch, count, queries, keys], 4))
        arrays.append(dice.array(added, dtype))
    if not keys:  # for PyTorch
        return None

    def ours(*xs):
        added = xs[-1] if bias else None
        q, k, v = xs[:3] if kind == "three" else np.split(xs[0], 3, -1) if kind == "parts" else xs * 3
        return kn.attention(q, k, v, bias=added, heads=count, **how)

    def theirs(*xs):
        added = _whole(xs[-1]) if bias else None
        three = xs[:3] if kind == "three" else xs[0].chunk(3, -1) if kind == "parts" else xs * 3
        y, _ = formula(*[split(x, count) for x in three], added, **{**how, "mask": _whole(how["mask"])})
        return y.transpose(-2, -3).flatten(-2)

    about = f"{kind} {count} heads mask {np.shape(how['mask'])} causal {how['causal']} bias {bias}"
    return Draw(about, ours, theirs, arrays, special=False, ties=False)


def dropped(dice):
    """With dropout in training mode, by the weights that are left."""
    queries, keys, depth, width = [dice.integer(1, 12) for _ in range(4)]
    leading, dtype, seed = dice.sizes(0, 2, 4, empty=0), dice.dtype(), dice.integer(0, 10**6)
    how, share = _seen(dice, [*leading, queries, keys]), dice.pick(0.1, 0.5)

    def ours(q, k, v):
        kn.seed(seed)
        with kn.training(True):
            return kn.attention(q, k, v, dropout=share, **how)

    def theirs(q, k, v):
        weights = formula(q, k, v, None, **how)[1]
        kept = kn.random.uniform((seed, kn.random.DROPOUT, 0), tuple(weights.shape), np.float32) >= share
        return (weights * torch.tensor(kept) / (1 - share)) @ v

    shapes = (*leading, queries, depth), (*leading, keys, depth), (*leading, keys, width)
    about = f"dropout {share} mask {np.shape(how['mask'])} causal {how['causal']}"
    return Draw(about, ours, theirs, [dice.array(s, dtype) for s in shapes], special=False, ties=False)


def rope(dice):
    shape, dtype = [*dice.sizes(1, 3, 9), 2 * dice.integer(1, 9)], dice.dtype()
    places = _part(dice, shape[:-1], 1) if dice.chance(0.5) else None
    positions = None if places is None else laid(dice.rng.integers(0, 50, places), dice)
    base, offset, interleaved = dice.pick(10000.0, 10.0), dice.pick(0, 0, 3), dice.chance(0.5)

    def theirs(x):
        found = np.arange(shape[-2]) if positions is None else np.array(positions)
        return rotated(x, np.broadcast_to(found + offset, shape[:-1]).copy(), base, interleaved)

    how = {"base": base, "offset": offset, "interleaved": interleaved}
    about = f"positions {places} {how}"
    return Draw(about, lambda x: kn.rope(x, positions, **how), theirs, [dice.array(shape, dtype)], special=False)


def causal_mask(dice):
    """Of x: what is below the diagonal."""
    shape = dice.sizes(0, 2, 4) + [dice.size(12), dice.size(12)]
    given = shape[-2:] if shape[-1] != shape[-2] or dice.chance(0.5) else shape[-1:]

    def ours(x):
        return np.where(kn.causal_mask(*given), x, 0)

    return Draw(given, ours, lambda x: torch.tril(x), [dice.array(shape, dice.dtype())])


FAMILIES = {
    "attention": attention,
    "attention in heads": heads,
    "attention with dropout": dropped,
    "rope": rope,
    "causal_mask": causal_mask,
}
