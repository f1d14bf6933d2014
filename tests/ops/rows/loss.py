"""Losses of regression, of distributions, of segmentation and of embeddings, and distances."""

import math

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong

PAIR = ((2, 3), (2, 3))
EDGES = (((0,), (0,)), ((2, 0), (2, 0)), ((1, 1), (1, 1)), ((), ()))
SIGNS = np.array([1, -1])
GRID = np.array([[1, -1, 1], [-1, -1, 1]])


def reduced(losses, reduction="mean"):
    if reduction == "none":
        return losses
    return losses.sum() / (max(losses.size, 1) if reduction == "mean" else 1)


def pointwise(function):
    """A loss of numbers for arrays; labels given by name are one more array."""

    def over(*xs, labels=None, reduction="mean", **options):
        columns = [np.ravel(x) for x in (*xs, *(() if labels is None else (labels,)))]
        losses = [function(*map(float, row), **options) for row in zip(*columns)]
        return reduced(np.array(losses, xs[0].dtype).reshape(xs[0].shape), reduction)

    return over


def rowwise(function):
    """A loss of vectors for the last axis of arrays; labels given by name are one number for each row."""

    def over(*xs, labels=None, reduction="none", **options):
        losses = np.zeros(xs[0].shape[:-1], xs[0].dtype)
        for place in np.ndindex(*losses.shape):
            row = [x[place].astype(float) for x in xs] + ([] if labels is None else [labels[place]])
            losses[place] = function(*row, **options)
        return reduced(losses, reduction)[()]

    return over


def _huber(a, b, delta=1.0):
    d = abs(a - b)
    return d * d / 2 if d < delta else delta * (d - delta / 2)


def _poisson(x, n, log=False, full=False, eps=1e-8):
    loss = math.exp(x) - n * x if log else x - n * math.log(x + eps)
    return loss + (n * math.log(n) - n + math.log(2 * math.pi * n) / 2 if full and n > 1 else 0)


def _gaussian(m, t, v, full=False, eps=1e-6):
    v = max(v, eps)
    return (math.log(v) + (m - t) ** 2 / v + (math.log(2 * math.pi) if full else 0)) / 2


def _norm(v, p):
    if p == math.inf:
        return max(abs(v))
    return float(sum(v != 0)) if p == 0 else sum(abs(v) ** p) ** (1 / p)


def _cosine(a, b):
    return sum(a * b) / math.sqrt(sum(a * a) * sum(b * b))


def _triplet(a, b, c, margin=1.0, p=2, eps=1e-6, swap=False):
    far = min(_norm(a - c + eps, p), _norm(b - c + eps, p) if swap else math.inf)
    return max(0, margin + _norm(a - b + eps, p) - far)


mse, mae = pointwise(lambda a, b: (a - b) ** 2), pointwise(lambda a, b: abs(a - b))
msle = pointwise(lambda a, b, eps: (math.log(a + eps) - math.log(b + eps)) ** 2)
huber, smooth_l1 = (
    pointwise(_huber),
    pointwise(lambda a, b, beta=1.0: _huber(a, b, beta) / beta if beta else abs(a - b)),
)
poisson, gaussian_nll = pointwise(_poisson), pointwise(_gaussian)
kl_of_rows = rowwise(lambda p, t: sum(t * (np.log(t) - np.log(p))))
margin_ranking = pointwise(lambda a, b, y, margin=0.0: max(0, margin - y * (a - b)))
hinge_embedding = pointwise(lambda x, y, margin=1.0: x if y > 0 else max(0, margin - x))
contrastive = pointwise(lambda d, y, margin=1.0: (1 - y) * d**2 + y * max(0, margin - d) ** 2)
triplet = rowwise(_triplet)
pairwise_distance = rowwise(lambda a, b, p=2, eps=1e-6: _norm(a - b + eps, p))
cosine_similarity = rowwise(_cosine)
cosine_embedding = rowwise(lambda a, b, y, margin=0.0: 1 - _cosine(a, b) if y > 0 else max(0, _cosine(a, b) - margin))


def kl(prediction, target, axis=-1, log=False, log_target=False, reduction="mean"):
    p, t = np.exp(prediction) if log else prediction, np.exp(target) if log_target else target
    return reduced(kl_of_rows(np.moveaxis(p, axis, -1), np.moveaxis(t, axis, -1)), reduction)


def dice(x, t, smooth=1.0, axis=None, reduction="mean"):
    hits, sizes = np.sum(x * t, axis=axis), np.sum(x**2, axis=axis) + np.sum(t**2, axis=axis)
    return reduced(1 - (2 * hits + smooth) / (sizes + smooth), reduction)


def tversky(x, t, beta=0.7, smooth=1.0, axis=None, reduction="mean"):
    hits, misses, alarms = [np.sum(v, axis=axis) for v in (x * t, (1 - x) * t, x * (1 - t))]
    return reduced(1 - (hits + smooth) / (hits + beta * misses + (1 - beta) * alarms + smooth), reduction)


def row(name, op, reference, shapes=PAIR, domain="any", edges=(), special=True, elementwise=False, **options):
    """A row; labels are options of the reference only by name."""
    labels = options.get("labels")
    rest = {key: v for key, v in options.items() if key != "labels"}
    f = (lambda *xs: op(*xs, **rest)) if labels is None else lambda *xs: op(*xs, labels, **rest)
    return Row(name, op, f, shapes, domain, lambda *xs: reference(*xs, **options), elementwise=elementwise, exact=False,
               edges=edges, special=special)  # fmt: skip


def by_weight(losses):
    def weighed(a, b, weight, reduction="mean"):
        each = losses(a, b, reduction="none")
        weight = np.broadcast_to(np.array(weight, a.dtype), each.shape)
        if reduction != "mean":
            return reduced(each * weight, reduction)
        return (each * weight).sum() / (weight.sum() or a.dtype.type(1))

    return weighed


COUNTS = np.array([[1, 2, 0], [3, 0, 1]])
ROWS = [
    row("mse", kn.mse, mse, edges=EDGES),
    row("mse sum", kn.mse, mse, reduction="sum", edges=EDGES),
    row("mse none", kn.mse, mse, reduction="none", edges=EDGES, elementwise=True),
    *[
        row(f"{op.__name__} weight {reduction}", op, by_weight(naive), reduction=reduction, weight=weight)
        for op, naive in ((kn.mse, mse), (kn.mae, mae), (kn.huber, huber))
        for reduction, weight in (("mean", [0.5, 0.0, 2.0]), ("sum", np.array([[2], [1]])), ("none", 0.5))
    ],
    row("mse nothing weighs", kn.mse, by_weight(mse), weight=[0, 0, 0]),
    row("mse of counts", lambda x: kn.mse(x, COUNTS), lambda x: mse(x, COUNTS), ((2, 3),)),
    row("mae", kn.mae, mae, edges=EDGES),
    row("mae none", kn.mae, mae, reduction="none", elementwise=True),
    row("msle", kn.msle, msle, domain="positive", edges=EDGES, eps=1, special=False),
    row("msle none", kn.msle, msle, domain="positive", eps=0, reduction="none", elementwise=True, special=False),
    row("huber", kn.huber, huber, edges=EDGES),
    row("huber delta", kn.huber, huber, delta=0.3, reduction="none", elementwise=True),
    row("smooth_l1", kn.smooth_l1, smooth_l1, reduction="sum", edges=EDGES),
    row("smooth_l1 beta", kn.smooth_l1, smooth_l1, beta=2, reduction="none", elementwise=True),
    row("smooth_l1 0", kn.smooth_l1, smooth_l1, beta=0),
    row("kl", kn.kl, kl, domain="positive", edges=EDGES[:3], special=False),
    row("kl axis", kn.kl, kl, domain="positive", axis=0, reduction="none", special=False),
    row("kl log", kn.kl, kl, domain="any positive", log=True, special=False),
    row("kl log_target", kn.kl, kl, domain="positive any", log_target=True, reduction="sum", special=False),
    row("kl logs", kn.kl, kl, log=True, log_target=True, axis=0),
    row("poisson", kn.poisson, poisson, domain="positive", edges=EDGES, special=False),
    row("poisson log", kn.poisson, poisson, domain="any positive", log=True, reduction="none", elementwise=True),
    row("poisson full", kn.poisson, poisson, domain="positive above1", full=True, eps=0.1, special=False),
    row("poisson full log", kn.poisson, poisson, domain="any positive", full=True, log=True),
    row("poisson of integers", kn.poisson, poisson, ((2, 3),), "positive", special=False,
        labels=np.arange(6).reshape(2, 3)),
    row("gaussian_nll", kn.gaussian_nll, gaussian_nll, PAIR + PAIR[:1], "any any positive", special=False,
        edges=[shapes + shapes[:1] for shapes in EDGES]),
    row("gaussian_nll full", kn.gaussian_nll, gaussian_nll, PAIR + PAIR[:1], "any any positive", special=False,
        full=True, reduction="none", elementwise=True),
    row("gaussian_nll rows", lambda m, t, v: kn.gaussian_nll(m, t, v, reduction="none"),
        lambda m, t, v: gaussian_nll(m, t, v + 0 * m, reduction="none"), (*PAIR, (2, 1)), "any any positive",
        special=False),
    row("margin_ranking", kn.margin_ranking, margin_ranking, labels=GRID),
    row("margin_ranking none", kn.margin_ranking, margin_ranking, labels=GRID, margin=0.5, reduction="none"),
    row("hinge_embedding", kn.hinge_embedding, hinge_embedding, PAIR[:1], labels=GRID),
    row("hinge_embedding none", kn.hinge_embedding, hinge_embedding, PAIR[:1], labels=GRID, margin=0.3,
        reduction="none"),
    row("contrastive", kn.contrastive, contrastive, PAIR[:1], "positive", labels=GRID > 0),
    row("contrastive soft", kn.contrastive, contrastive, PAIR, "positive", margin=1.4, reduction="none"),
    row("triplet", kn.triplet, triplet, PAIR + PAIR[:1], reduction="mean", edges=(((0, 3),) * 3, ((1, 1),) * 3)),
    row("triplet swap", kn.triplet, triplet, PAIR + PAIR[:1], margin=3, swap=True, reduction="sum"),
    row("triplet p", kn.triplet, triplet, PAIR + PAIR[:1], margin=2.5, p=1, eps=1e-3, reduction="none"),
    row("triplet one", kn.triplet, triplet, ((3,),) * 3, margin=5, reduction="mean"),
    row("pairwise_distance", kn.pairwise_distance, pairwise_distance, edges=EDGES[1:3]),
    row("pairwise_distance 1", kn.pairwise_distance, pairwise_distance, p=1, eps=0),
    row("pairwise_distance 3", kn.pairwise_distance, pairwise_distance, ((3,), (3,)), p=3.0),
    row("pairwise_distance half", kn.pairwise_distance, pairwise_distance, p=0.5),
    row("pairwise_distance inf", kn.pairwise_distance, pairwise_distance, p=math.inf),
    row("pairwise_distance keepdims", lambda a, b: kn.pairwise_distance(a, b, keepdims=True),
        lambda a, b: pairwise_distance(a, b)[..., None]),
    row("cosine_similarity", kn.cosine_similarity, cosine_similarity, edges=(((2, 0),) * 2, ((1, 1),) * 2)),
    row("cosine_similarity axis", lambda a, b: kn.cosine_similarity(a, b, 0),
        lambda a, b: cosine_similarity(a.T, b.T)),
    row("cosine_embedding", kn.cosine_embedding, cosine_embedding, labels=SIGNS, reduction="mean"),
    row("cosine_embedding none", kn.cosine_embedding, cosine_embedding, labels=SIGNS, margin=-0.5, reduction="none"),
    row("cosine_embedding one", kn.cosine_embedding, cosine_embedding, ((3,), (3,)), labels=np.array(-1),
        margin=-0.9, reduction="sum"),
    row("dice", kn.dice, dice, domain="positive", edges=EDGES),
    row("dice axes", kn.dice, dice, ((2, 3, 2),) * 2, "positive", axis=(1, 2), smooth=0.5, reduction="none"),
    row("dice mask", lambda x: kn.dice(x, GRID > 0, axis=-1, reduction="sum"),
        lambda x: dice(x, GRID > 0, axis=-1, reduction="sum").astype(x.dtype), PAIR[:1], "positive"),
    row("tversky", kn.tversky, tversky, domain="positive", edges=EDGES),
    row("tversky axes", kn.tversky, tversky, ((2, 3, 2),) * 2, "positive", axis=1, beta=0.2, smooth=2,
        reduction="none"),
]  # fmt: skip

ODD = ((2, 3), (3,))
WRONG = [
    Wrong("mse shapes", kn.mse, ODD, kn.ShapeError, ("mse", "prediction has shape (2, 3)", "target has (3,)"), True),
    Wrong("mse reduction", lambda a: kn.mse(a, a, reduction=None), ((2,),), ValueError, ("reduction", "None"), True),
    Wrong("huber delta", lambda a: kn.huber(a, a, delta=0), ((2,),), ValueError, ("huber", "delta", "> 0"), True),
    Wrong("huber Inf", lambda a: kn.huber(a, a, delta=np.inf), ((2,),), ValueError, ("delta", "finite"), True),
    Wrong("smooth_l1 beta", lambda a: kn.smooth_l1(a, a, beta=-1), ((2,),), ValueError, ("beta", ">= 0"), True),
    Wrong("msle negative", lambda a: kn.msle(-a, a), ((2,),), ValueError, ("prediction", "negative", "-1"), True),
    Wrong("kl of logarithms", lambda a: kn.kl(-a, a), ((2,),), ValueError, ("prediction", "log=True"), True),
    Wrong("kl target", lambda a: kn.kl(a, -a), ((2,),), ValueError, ("target", "log_target=True"), True),
    Wrong("poisson of logarithms", lambda a: kn.poisson(-a, a), ((2,),), ValueError, ("prediction", "log=True"), True),
    Wrong("mse weight", lambda a: kn.mse(a, a, weight=[1, 2, 3]), ((2,),), kn.ShapeError,
          ("weight", "(3,)", "(2,)"), True),
    Wrong("msle eps", lambda a: kn.msle(a, a, eps=-1), ((2,),), ValueError, ("eps", ">= 0"), True),
    Wrong("kl axis", lambda a: kn.kl(a, a, 1), ((2,),), np.exceptions.AxisError, ("kl", "axis 1", "(2,)"), True),
    Wrong("poisson shapes", lambda a: kn.poisson(a, [1]), ((2,),), kn.ShapeError, ("(2,)", "(1,)"), True),
    Wrong("poisson range", lambda a: kn.poisson(a, [1, -1]), ((2,),), ValueError, ("target", "0", "-1"), True),
    Wrong("poisson words", lambda a: kn.poisson(a, ["a", "b"]), ((2,),), kn.DtypeError, ("target", "numbers"), True),
    Wrong("gaussian_nll var", kn.gaussian_nll, ((2, 3), (2, 3), (3,)), kn.ShapeError, ("var", "(2, 3)", "(3,)"), True),
    Wrong("gaussian_nll negative", lambda a: kn.gaussian_nll(a, a, -a), ((2,),), ValueError, ("var", "negative"), True),
    Wrong("gaussian_nll eps", lambda a: kn.gaussian_nll(a, a, a, eps=0), ((2,),), ValueError, ("eps", "> 0"), True),
    Wrong("dice shapes", kn.dice, ODD, kn.ShapeError, ("dice", "(2, 3)", "(3,)"), True),
    Wrong("dice range", lambda a: kn.dice(a, [1, 2]), ((2,),), ValueError, ("target", "0 to 1", "2"), True),
    Wrong("dice axes", lambda a: kn.dice(a, a, axis=(0, -1)), ((2,),), ValueError, ("twice",), True),
    Wrong("dice smooth", lambda a: kn.dice(a, a, smooth=-1), ((2,),), ValueError, ("smooth", ">= 0"), True),
    Wrong("tversky beta", lambda a: kn.tversky(a, a, beta=1.2), ((2,),), ValueError, ("beta", "<= 1"), True),
    Wrong("triplet shapes", kn.triplet, ((2, 3), (2, 3), (1, 3)), kn.ShapeError, ("negative", "(1, 3)"), True),
    Wrong("triplet margin", lambda a: kn.triplet(a, a, a, margin=0), ((2,),), ValueError, ("margin", "> 0"), True),
    Wrong("triplet p", lambda a: kn.triplet(a, a, a, p=-1), ((2,),), ValueError, ("p must be", ">= 0"), True),
    Wrong("triplet p word", lambda a: kn.triplet(a, a, a, p="fro"), ((2,),), TypeError, ("p must be", "'fro'"), True),
    Wrong("pairwise_distance scalars", kn.pairwise_distance, ((), ()), kn.ShapeError, ("shape ()", "vectors"), True),
    Wrong("cosine_similarity eps", lambda a: kn.cosine_similarity(a, a, eps=0), ((2,),), ValueError, ("eps",), True),
    Wrong("cosine_embedding labels", lambda a: kn.cosine_embedding(a, a, [1, 1, 1]), ((2, 3),), kn.ShapeError,
          ("labels", "(2,)", "(3,)"), True),
    Wrong("cosine_embedding margin", lambda a: kn.cosine_embedding(a, a, 1, margin=2), ((3,),), ValueError,
          ("margin", "<= 1"), True),
    Wrong("margin_ranking labels", lambda a: kn.margin_ranking(a, a, [0, 1]), ((2,),), ValueError,
          ("-1 or 1", "got 0", "2 * labels - 1"), True),
    Wrong("hinge_embedding followed", lambda a: kn.hinge_embedding(a, a), ((2,),), kn.DerivativeError, ("labels",)),
    Wrong("contrastive margin", lambda a: kn.contrastive(a, [0, 1], margin=-1), ((2,),), ValueError,
          ("margin", ">= 0"), True),
]  # fmt: skip

DTYPES = {
    "mse": (lambda: kn.mse(np.ones(2), np.ones(2, "f4")), ("mse", "float64", "float32", "astype")),
    "mse of integers": (lambda: kn.mse(np.ones(2, int), np.ones(2)), ("prediction has dtype int64", "astype")),
    "poisson": (lambda: kn.poisson(np.ones(2), np.ones(2, "f4")), ("poisson", "float64", "float32")),
    "gaussian_nll": (lambda: kn.gaussian_nll(*np.ones((2, 3)), np.ones(3, "f4")), ("var", "float32", "float64")),
}
