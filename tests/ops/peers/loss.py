"""Losses of regression, of distributions, of segmentation and of embeddings against PyTorch's or its formulas."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

REDUCTIONS = ("mean", "sum", "none")
ONE, PAIR, THREE = [((2, 3),) * n for n in (1, 2, 3)]
GRID = np.array([[1, -1, 1], [-1, -1, 1]])
COUNTS = np.arange(6).reshape(2, 3)


def reduced(losses, reduction):
    return {"mean": torch.mean, "sum": torch.sum, "none": torch.clone}[reduction](losses)


def cases(name, ours, theirs, shapes=PAIR, domains=("any",), grid=None):
    """A case for each reduction, domain and combination of options, which both sides take by the same names."""
    found = []
    for values in product(*(grid or {}).values()):
        options = dict(zip(grid or {}, values))
        words = " ".join(f"{key}={v}" for key, v in options.items())
        for domain, reduction in product(domains, REDUCTIONS):
            both = {**options, "reduction": reduction}
            found.append(
                Case(
                    f"{name} {domain} {words} {reduction}",
                    lambda *xs, both=both: ours(*xs, **both),
                    lambda *xs, both=both: theirs(*xs, **both),
                    shapes,
                    domain,
                )
            )
    return found


def msle(a, b, eps, reduction):
    return reduced((torch.log(a + eps) - torch.log(b + eps)) ** 2, reduction)


def kl(p, t, log, log_target, axis, reduction):
    losses = F.kl_div(p if log else torch.log(p), t, reduction="none", log_target=log_target)
    return reduced(losses.sum(axis), reduction)


def poisson(x, n, log, **options):
    return F.poisson_nll_loss(x, n, log_input=log, **options)


def contrastive(d, y, margin, reduction):
    return reduced((1 - y) * d**2 + y * torch.clamp(margin - d, min=0) ** 2, reduction)


def dice(x, t, smooth, axis, reduction):
    ratio = (2 * (x * t).sum(axis) + smooth) / ((x * x).sum(axis) + (t * t).sum(axis) + smooth)
    return reduced(1 - ratio, reduction)


def tversky(x, t, beta, axis, reduction):
    hits, misses, alarms = (x * t).sum(axis), ((1 - x) * t).sum(axis), (x * (1 - t)).sum(axis)
    return reduced(1 - (hits + 1) / (hits + beta * misses + (1 - beta) * alarms + 1), reduction)


def unreduced(ours, theirs):
    """Functions that give distances, as ones that give losses."""
    return [
        lambda *xs, reduction, **options: OURS[reduction](ours(*xs, **options)),
        lambda *xs, reduction, **options: reduced(theirs(*xs, **options), reduction),
    ]


OURS = {"mean": np.mean, "sum": np.sum, "none": np.copy}


ALL, SOME, BOTH = ("any", "unit", "positive", "large"), ("any", "positive"), (False, True)
CASES = [
    *cases("mse", kn.mse, F.mse_loss, domains=ALL),
    *cases("mae", kn.mae, F.l1_loss, domains=ALL),
    *[
        case
        for name, ours, theirs in (("mse", kn.mse, F.mse_loss), ("mae", kn.mae, F.l1_loss))
        for case in cases(
            f"{name} weight",
            lambda a, b, ours=ours, **how: ours(a, b, weight=COUNTS, **how),
            lambda a, b, theirs=theirs, **how: theirs(a, b, weight=torch.tensor(COUNTS), **how),
        )
    ],
    *cases("msle", kn.msle, msle, domains=("unit", "positive"), grid={"eps": (1, 0.01)}),
    *cases("huber", kn.huber, F.huber_loss, domains=SOME, grid={"delta": (1, 0.5)}),
    *cases("smooth_l1", kn.smooth_l1, F.smooth_l1_loss, domains=SOME, grid={"beta": (1, 0.5, 0)}),
    *cases("kl", kn.kl, kl, domains=("unit",), grid={"log": BOTH, "log_target": BOTH, "axis": (0, 1)}),
    *cases("poisson", kn.poisson, poisson, domains=("positive",), grid={"log": BOTH, "full": BOTH}),
    *cases("poisson eps", kn.poisson, poisson, domains=("unit",), grid={"log": (False,), "eps": (0.5,)}),
    *cases("poisson of integers", lambda x, **how: kn.poisson(x, COUNTS, **how),
           lambda x, **how: poisson(x, torch.tensor(COUNTS, dtype=x.dtype), **how), ONE, ("unit",),
           {"log": BOTH}),
    *cases("gaussian_nll", kn.gaussian_nll, F.gaussian_nll_loss, THREE, ("positive", "unit"), {"full": BOTH}),
    *cases("gaussian_nll rows", kn.gaussian_nll, F.gaussian_nll_loss, (*PAIR, (2, 1)), ("positive",), {"eps": (0.5,)}),
    *cases("margin_ranking", lambda a, b, **how: kn.margin_ranking(a, b, GRID, **how),
           lambda a, b, **how: F.margin_ranking_loss(a, b, torch.tensor(GRID), **how), domains=SOME,
           grid={"margin": (0, 0.5)}),
    *cases("hinge_embedding", lambda x, **how: kn.hinge_embedding(x, GRID, **how),
           lambda x, **how: F.hinge_embedding_loss(x, torch.tensor(GRID), **how), ONE, SOME, {"margin": (1, 0.5)}),
    *cases("contrastive", kn.contrastive, contrastive, domains=("unit", "positive"), grid={"margin": (1, 0.5)}),
    *cases("triplet", kn.triplet, F.triplet_margin_loss, THREE, grid={"p": (1, 2, 3), "margin": (1, 3), "swap": BOTH}),
    *cases("cosine_embedding", lambda a, b, **how: kn.cosine_embedding(a, b, GRID[0, :2], **how),
           lambda a, b, **how: F.cosine_embedding_loss(a, b, torch.tensor(GRID[0, :2]), **how), domains=SOME,
           grid={"margin": (0, 0.3)}),
    *cases("pairwise_distance", *unreduced(kn.pairwise_distance, F.pairwise_distance),
           grid={"p": (0.5, 1, 2, 3, np.inf)}),
    *cases("cosine_similarity", *unreduced(lambda a, b, dim: kn.cosine_similarity(a, b, dim), F.cosine_similarity),
           domains=SOME, grid={"dim": (0, -1)}),
    *cases("dice", kn.dice, dice, domains=("unit",), grid={"smooth": (1, 0.1), "axis": ((0, 1), 1)}),
    *cases("tversky", kn.tversky, tversky, domains=("unit",), grid={"beta": (0.7, 0.2), "axis": ((0, 1), 0)}),
]  # fmt: skip
