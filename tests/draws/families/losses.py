"""Losses of predictions and targets, distances, and margins."""

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw
from tests.ops.peer import F, torch
from tests.ops.peers.loss import contrastive, msle, reduced, tversky
from tests.ops.peers.loss import dice as dices

REDUCTIONS = ("mean", "sum", "none")
NAN = (np.nan,)  # which comes through everywhere
UNLIKE = ("mae", "smooth_l1", "poisson", "poisson eps")  # but PyTorch's derivatives of |NaN| and of log(NaN!) are 0


def any_number(dice, shape, dtype):
    return dice.array(shape, dtype, dice.pick(1, 1, 5))


def positive(dice, shape, dtype):
    return np.array(np.exp(dice.array(shape, dtype)))


def unit(dice, shape, dtype):
    return np.array(dice.rng.uniform(0.02, 0.98, shape), dtype)


def logarithm(dice, shape, dtype):
    return np.array(np.log(unit(dice, shape, dtype)))


def zero_or_one(dice, shape, dtype):
    return np.array(dice.rng.integers(0, 2, shape), dtype)


def signs(dice, shape):
    return np.array(dice.rng.integers(0, 2, shape) * 2 - 1)


# --------------------------------------------------------------------------------- of arrays of one shape, elementwise


def kl(p, t, axis, log, log_target, reduction):
    losses = F.kl_div(p if log else torch.log(p), t, reduction="none", log_target=log_target)
    return reduced(losses.sum(axis), reduction)


def poisson(x, n, log, **options):
    return F.poisson_nll_loss(x, n, log_input=log, **options)


def huber(x, t, delta, reduction):
    return F.huber_loss(x, t, delta=delta, reduction=reduction)


# name: ours, theirs, where each argument is drawn from, options (all combinations are drawn)
ELEMENTWISE = {
    "mse": (kn.mse, F.mse_loss, (any_number, any_number), {}),
    "mae": (kn.mae, F.l1_loss, (any_number, any_number), {}),
    "huber": (kn.huber, huber, (any_number, any_number), {"delta": (1, 0.5, 2.5)}),
    "smooth_l1": (kn.smooth_l1, F.smooth_l1_loss, (any_number, any_number), {"beta": (1, 0.5, 0, 3)}),
    "msle": (kn.msle, msle, (positive, positive), {"eps": (1, 0.01)}),
    "poisson": (kn.poisson, poisson, (positive, positive), {"log": (True, False), "full": (True, False)}),
    "poisson eps": (kn.poisson, poisson, (unit, positive), {"log": (False,), "eps": (0.5, 0.1)}),
    "gaussian_nll": (kn.gaussian_nll, F.gaussian_nll_loss, (any_number, any_number, positive), {"full": (True, False)}),
    "gaussian_nll eps": (kn.gaussian_nll, F.gaussian_nll_loss, (any_number, any_number, unit), {"eps": (0.5, 1e-6)}),
    "contrastive": (kn.contrastive, contrastive, (positive, zero_or_one), {"margin": (1, 0.5, 2)}),
}  # fmt: skip


def drawn_options(dice, table):
    return {name: dice.pick(*values) for name, values in table.items()} | {"reduction": dice.pick(*REDUCTIONS)}


def elementwise(name):
    ours, theirs, domains, table = ELEMENTWISE[name]

    def draw(dice):
        shape, dtype, how = dice.sizes(0, 4, 12), dice.dtype(), drawn_options(dice, table)
        arrays = [domain(dice, shape, dtype) for domain in domains]
        if not arrays[0].size and how["reduction"] == "mean":  # ours is 0
            return None
        ties = all(domain is any_number for domain in domains)
        special = name not in UNLIKE and (0,)
        return Draw(how, lambda *xs: ours(*xs, **how), lambda *xs: theirs(*xs, **how), arrays,
                    special=special, poison=NAN, ties=ties)  # fmt: skip

    return draw


def weighted(ours, theirs):
    """Constant weights that broadcast to the losses."""

    def draw(dice):
        shape, dtype = dice.sizes(0, 3, 12, empty=0), dice.dtype()
        sizes = [n if dice.chance(0.7) else 1 for n in shape][dice.integer(0, len(shape)) :]
        weight = dice.rng.random(sizes) + (dice.rng.random(sizes) < 0.8)
        weight = np.array(dice.pick(weight, np.ceil(weight)), dtype)
        reduction = dice.pick(*REDUCTIONS)

        def other(a, b):
            w = torch.from_numpy(weight).to(a.dtype).expand(a.shape)
            losses = theirs(a, b, reduction="none") * w
            return losses.sum() / w.sum() if reduction == "mean" else reduced(losses, reduction)

        arrays = [any_number(dice, shape, dtype) for _ in range(2)]
        about = f"weight {np.shape(weight)} {reduction}"
        return Draw(about, lambda a, b: ours(a, b, weight=weight, reduction=reduction), other, arrays, special=False)

    return draw


def poisson_counts(dice):
    shape, dtype = dice.sizes(0, 3, 12, empty=0), dice.dtype()
    counts = np.array(dice.rng.integers(0, 9, shape), dice.pick(np.int64, np.int32, np.uint8))
    how = drawn_options(dice, {"log": (True, False), "full": (True, False)})

    def theirs(x):
        return poisson(x, torch.tensor(counts).to(x.dtype), **how)

    return Draw(how, lambda x: kn.poisson(x, counts, **how), theirs, [positive(dice, shape, dtype)], special=False)


def gaussian_rows(dice):
    """One variance for each row."""
    shape, dtype = dice.sizes(1, 3, 12, empty=0), dice.dtype()
    arrays = [any_number(dice, shape, dtype) for _ in range(2)] + [positive(dice, (*shape[:-1], 1), dtype)]
    how = drawn_options(dice, {"full": (True, False), "eps": (1e-6, 0.5)})
    return Draw(how, lambda *xs: kn.gaussian_nll(*xs, **how), lambda *xs: F.gaussian_nll_loss(*xs, **how), arrays,
                special=False, ties=False)  # fmt: skip


def divergence(dice):
    shape, dtype = dice.sizes(1, 4, 9), dice.dtype()
    axis = dice.integer(-len(shape), len(shape) - 1)
    log, log_target, reduction = dice.chance(0.5), dice.chance(0.5), dice.pick(*REDUCTIONS)
    if reduction == "mean" and 0 in np.delete(shape, axis):
        return None
    arrays = [logarithm(dice, shape, dtype) if how else unit(dice, shape, dtype) for how in (log, log_target)]
    how = {"log": log, "log_target": log_target, "axis": axis, "reduction": reduction}
    return Draw(how, lambda p, t: kn.kl(p, t, **how), lambda p, t: kl(p, t, **how), arrays, special=False, ties=False)


# ------------------------------------------------------------------------------------------------- of axes, overlaps


def overlap(ours, theirs, table):
    def draw(dice):
        shape, dtype, how = dice.sizes(1, 4, 9, empty=0), dice.dtype(), drawn_options(dice, table)
        axes = dice.pick(None, [int(a) for a in dice.rng.permutation(len(shape))[: dice.integer(1, len(shape))]])
        given = None if axes is None else axes[0] if len(axes) == 1 and dice.chance(0.5) else tuple(axes)
        mask = dice.chance(0.5)
        arrays = [unit(dice, shape, dtype), (zero_or_one if mask else unit)(dice, shape, dtype)]

        def other(x, t):
            return theirs(x, t, axis=tuple(range(len(shape))) if axes is None else tuple(axes), **how)

        about = f"axes {given} {how}"
        return Draw(about, lambda x, t: ours(x, t, axis=given, **how), other, arrays, special=False, ties=False)

    return draw


# ------------------------------------------------------------------------------------------------ of vectors and pairs


def distance(dice):
    shape, dtype = dice.sizes(1, 3, 12), dice.dtype()
    p, keepdims, eps = dice.pick(0.5, 1, 1.5, 2, 3, np.inf), dice.chance(0.3), dice.pick(1e-6, 1e-2)
    arrays = [any_number(dice, shape, dtype) for _ in range(2)]
    if not shape[-1]:
        return None
    how = {"p": p, "eps": eps}
    return Draw(f"{how}", lambda a, b: kn.pairwise_distance(a, b, keepdims=keepdims, **how),
                lambda a, b: F.pairwise_distance(a, b, keepdim=keepdims, **how), arrays,
                special=False, ties=False)  # fmt: skip


def cosine(dice):
    """Not of single numbers: that is 1 or -1, and derivatives are rounding."""
    shape, dtype = dice.sizes(1, 4, 12), dice.dtype()
    axis = dice.integer(-len(shape), len(shape) - 1)
    if shape[axis] == 1:
        return None
    arrays = [any_number(dice, shape, dtype) for _ in range(2)]
    return Draw(f"axis {axis}", lambda a, b: kn.cosine_similarity(a, b, axis),
                lambda a, b: F.cosine_similarity(a, b, axis), arrays, special=False, ties=False)  # fmt: skip


def triplet(dice):
    shape, dtype = dice.sizes(2, 3, 12, empty=0), dice.dtype()
    how = drawn_options(dice, {"p": (1, 2, 3), "margin": (1, 0.5, 3), "swap": (True, False), "eps": (1e-6, 1e-2)})
    arrays = [dice.array(shape, dtype) for _ in range(3)]
    return Draw(how, lambda *xs: kn.triplet(*xs, **how), lambda *xs: F.triplet_margin_loss(*xs, **how), arrays,
                special=False, ties=False)  # fmt: skip


def cosine_embedding(dice):
    shape, dtype = [*dice.sizes(0, 1, 12, empty=0), dice.integer(2, 12)], dice.dtype()
    labels, how = signs(dice, shape[:-1]), drawn_options(dice, {"margin": (0, 0.3, -0.5)})

    def theirs(a, b):
        return F.cosine_embedding_loss(a, b, torch.tensor(labels), **how)

    arrays = [dice.array(shape, dtype) for _ in range(2)]
    return Draw(how, lambda a, b: kn.cosine_embedding(a, b, labels, **how), theirs, arrays, special=False, ties=False)


# ours, theirs, how many arrays, options
SIGNED = {
    "margin_ranking": (kn.margin_ranking, lambda a, b, t, **o: F.margin_ranking_loss(a, b, t, **o), 2,
                       {"margin": (0, 0.5, -1)}),
    "hinge_embedding": (kn.hinge_embedding, lambda x, t, **o: F.hinge_embedding_loss(x, t, **o), 1,
                        {"margin": (1, 0.5, 3)}),
    "logistic": (kn.logistic, lambda x, t, reduction: reduced(-F.logsigmoid(x * t), reduction), 1, {}),
    "hinge": (kn.hinge, lambda x, t, reduction: reduced(F.relu(1 - x * t), reduction), 1, {}),
    "squared_hinge": (kn.squared_hinge, lambda x, t, reduction: reduced(F.relu(1 - x * t) ** 2, reduction), 1, {}),
}  # fmt: skip


def signed(ours, theirs, count, table):
    def draw(dice):
        shape, dtype, how = dice.sizes(0, 3, 12), dice.dtype(), drawn_options(dice, table)
        labels, arrays = signs(dice, shape), [any_number(dice, shape, dtype) for _ in range(count)]
        if not labels.size and how["reduction"] == "mean":
            return None
        kind = dice.pick(int, np.int8, dtype)
        given = labels.astype(kind)

        def other(*xs):
            return theirs(*xs, torch.from_numpy(labels).to(xs[0].dtype), **how)

        return Draw(how, lambda *xs: ours(*xs, given, **how), other, arrays)

    return draw


FAMILIES = {
    **{name: elementwise(name) for name in ELEMENTWISE},
    **{f"{name} by weights": weighted(getattr(kn, name), theirs)
       for name, theirs in (("mse", F.mse_loss), ("mae", F.l1_loss), ("huber", F.huber_loss))},
    **{name: signed(*line) for name, line in SIGNED.items()},
    "poisson of counts": poisson_counts,
    "gaussian_nll of rows": gaussian_rows,
    "kl": divergence,
    "dice": overlap(kn.dice, dices, {"smooth": (1, 0.1)}),
    "tversky": overlap(kn.tversky, tversky, {"beta": (0.7, 0.2, 0, 1)}),
    "pairwise_distance": distance,
    "cosine_similarity": cosine,
    "triplet": triplet,
    "cosine_embedding": cosine_embedding,
}  # fmt: skip
