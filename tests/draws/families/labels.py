"""Losses of scores of classes: of integer labels, probabilities and bits."""

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw, laid
from tests.ops.peer import F, torch
from tests.ops.peers.bce import binary_focal as binary_focal_formula
from tests.ops.peers.loss import reduced

REDUCTIONS = ("mean", "sum", "none")
NAN = (np.nan,)  # at infinity ours have the limit


def _scores(dice, most=12):
    """(scores, their class axis, the shape of labels); the axis may be any."""
    shape = dice.sizes(1, 4, most)
    axis = dice.integer(-len(shape), len(shape) - 1)
    shape[axis] = max(1, dice.size(30, empty=0) if dice.chance(0.9) else dice.integer(30, 200))
    if dice.chance(0.05):
        shape, axis = [dice.integer(100, 500), dice.integer(2, 100)], -1
    labels = [n for a, n in enumerate(shape) if a != axis % len(shape)]
    return dice.array(shape, dice.dtype(), dice.pick(1, 1, 5, 30)), axis, labels


def _weight(dice, classes, dtype):
    """For each class; now and then some are 0, or all are whole numbers."""
    if dice.chance(0.5):
        return None
    weight = dice.rng.random(classes) + 0.1
    return np.array(dice.pick(weight, weight * (dice.rng.random(classes) < 0.8), np.ceil(3 * weight)), dtype)


def _tensor(a, x):
    return None if a is None else torch.tensor(np.array(a)).to(x.dtype)


def _front(x, axis):
    """With the classes along axis 1, as PyTorch has them."""
    return x if x.ndim == 1 else torch.movedim(x, axis, 1)


# ------------------------------------------------------------------------------------------------- integer labels


def _labels(dice, shape, classes, ignore=None):
    labels = np.array(dice.rng.integers(0, classes, shape))
    if ignore is not None:
        labels = np.where(dice.rng.random(shape) < dice.pick(0.1, 0.5), ignore, labels)
    kinds = [np.int64, np.int64, np.int32, np.int16] + ([np.uint8] if labels.min(initial=0) >= 0 else [])
    return laid(np.array(labels, dice.pick(*kinds)), dice)


def _drawn_labels(dice):
    """scores, axis, classes, labels, what to ignore, and whether any label counts."""
    x, axis, shape = _scores(dice)
    classes = x.shape[axis]
    ignore = dice.pick(None, None, dice.integer(0, classes - 1), -1, -100)
    labels = _labels(dice, shape, classes, ignore)
    return x, axis, classes, labels, ignore, bool((labels != ignore).any()) if labels.size else False


def nll(dice):
    x, axis, classes, labels, ignore, some = _drawn_labels(dice)
    weight, reduction = _weight(dice, classes, x.dtype), dice.pick(*REDUCTIONS)
    smoothing = dice.pick(0.0, 0.0, 0.1, 1.0)
    zero = weight is not None and some and not weight[labels[labels != ignore].astype(int)].any()
    if reduction == "mean" and (not some or zero):  # ours is 0
        return None
    how = {"label_smoothing": smoothing, "reduction": reduction}

    def theirs(x):
        found, ignored = torch.tensor(np.array(labels, int)), -1000 if ignore is None else ignore
        return F.cross_entropy(_front(x, axis), found, _tensor(weight, x), ignore_index=ignored, **how)

    about = f"axis {axis} ignore {ignore} weight {weight is not None} labels {labels.dtype} {labels.strides} {how}"

    def ours(x):
        return kn.nll(x, labels, axis, weight=weight, ignore=ignore, **how)

    return Draw(
        about, ours, theirs, [x], special=ignore is None, poison=NAN
    )  # PyTorch's NaN spreads from what is ignored


def focal(dice):
    x, axis, classes, labels, ignore, some = _drawn_labels(dice)
    x = x * x.dtype.type(min(1, 5 / max(np.abs(x).max(initial=0), 1)))
    weight, reduction, gamma = _weight(dice, classes, x.dtype), dice.pick(*REDUCTIONS), dice.pick(0, 1, 2, 0.5, 3)
    if reduction == "mean" and not some or classes == 1:
        return None

    def theirs(x):
        found = torch.tensor(np.array(labels, int))
        counts = found == found if ignore is None else found != ignore
        safe = torch.where(counts, found, found * 0)
        logs = torch.log_softmax(x, axis).gather(axis, safe.unsqueeze(axis)).squeeze(axis)
        losses = -((1 - logs.exp()) ** gamma) * logs
        losses = losses if weight is None else losses * _tensor(weight, x)[safe]
        losses = torch.where(counts, losses, losses.new_tensor(0.0))
        return losses.sum() / counts.sum() if reduction == "mean" else reduced(losses, reduction)

    how = {"gamma": gamma, "ignore": ignore, "reduction": reduction}
    about = f"axis {axis} weight {weight is not None} {how}"
    return Draw(
        about,
        lambda x: kn.focal(x, labels, axis, weight=weight, **how),
        theirs,
        [x],
        special=ignore is None,
        poison=NAN,
        ties=False,
    )


def multi_margin(dice):
    x, axis, classes, labels, *_ = _drawn_labels(dice)
    labels = labels % classes
    how = {"p": dice.pick(1, 2), "margin": dice.pick(1.0, 0.5, 2.0), "reduction": dice.pick(*REDUCTIONS)}
    weight = _weight(dice, classes, x.dtype)
    if not labels.size:
        return None

    def theirs(x):
        rows, found = x.movedim(axis, -1).reshape(-1, classes), torch.tensor(np.array(labels, int)).reshape(-1)
        losses = F.multi_margin_loss(rows, found, weight=_tensor(weight, x), **how)
        return losses.reshape(np.shape(labels)) if how["reduction"] == "none" else losses

    about = f"axis {axis} weight {weight is not None} {how}"
    return Draw(about, lambda x: kn.multi_margin(x, labels, axis, weight=weight, **how), theirs, [x], special=False)


def multilabel_margin(dice):
    x, axis, shape = _scores(dice)
    classes, reduction = x.shape[axis], dice.pick(*REDUCTIONS)
    if 0 in shape or classes > 40:
        return None
    rows = np.argsort(dice.rng.random((*shape, classes)), -1)
    ends = np.where(np.arange(classes) >= dice.rng.integers(0, classes + 1, (*shape, 1)), -1, rows)
    labels = laid(np.moveaxis(ends, -1, axis), dice)

    def theirs(x):
        flat, found = x.movedim(axis, -1).reshape(-1, classes), torch.tensor(np.moveaxis(labels, axis, -1).copy())
        losses = F.multilabel_margin_loss(flat, found.reshape(-1, classes), reduction=reduction)
        return losses.reshape(shape) if reduction == "none" else losses

    def ours(x):
        return kn.multilabel_margin(x, labels, axis, reduction=reduction)

    return Draw(f"axis {axis} {reduction}", ours, theirs, [x], special=False)


# ------------------------------------------------------------------------------------------ probabilities and bits


def cross_entropy(dice):
    """By the targets too; from raw scores or probabilities."""
    x, axis, shape = _scores(dice)
    weight, reduction = _weight(dice, x.shape[axis], x.dtype), dice.pick(*REDUCTIONS)
    smoothing, logits = dice.pick(0.0, 0.0, 0.3, 1.0), dice.chance(0.7)
    targets = dice.rng.random(x.shape) + 0.01
    targets = np.array(targets / targets.sum(axis, keepdims=True), x.dtype)
    if 0 in shape:
        return None
    if not logits:
        x = np.array(dice.rng.uniform(0.05, 1, x.shape), x.dtype)

    def theirs(x, t):
        if logits:
            t, x = _front(t, axis), _front(x, axis)
            return F.cross_entropy(x, t, _tensor(weight, x), label_smoothing=smoothing, reduction=reduction)
        t = t * (1 - smoothing) + smoothing / x.shape[axis]
        by = [-1 if a == axis % x.ndim else 1 for a in range(x.ndim)]
        losses = -t * torch.log(x) * (1 if weight is None else _tensor(weight, x).reshape(by))
        return reduced(losses.sum(axis), reduction)

    how = {"label_smoothing": smoothing, "logits": logits, "reduction": reduction}
    about = f"axis {axis} weight {weight is not None} {how}"

    def ours(x, t):
        return kn.cross_entropy(x, t, axis, weight=weight, **how)

    return Draw(about, ours, theirs, [x, targets], special=(0,), poison=NAN, ties=False)


def _broadcasting(dice, shape, dtype):
    """Weights that broadcast to a shape; or None."""
    if dice.chance(0.5):
        return None
    sizes = [n if dice.chance(0.7) else 1 for n in shape][dice.integer(0, len(shape)) :]
    return np.array(dice.rng.random(sizes) + (dice.rng.random(sizes) < 0.8), dtype)


def bce(dice):
    """By the labels too, which may be between 0 and 1; from raw scores or probabilities."""
    shape, dtype, logits = dice.sizes(0, 4, 12), dice.dtype(), dice.chance(0.6)
    labels = np.array(dice.rng.random(shape), dtype)
    labels = np.round(labels) if logits and dice.chance(0.5) else labels
    weight, reduction = _broadcasting(dice, shape, dtype), dice.pick(*REDUCTIONS)
    pos_weight = _broadcasting(dice, shape, dtype) if logits else None
    if logits:
        x = dice.array(shape, dtype, dice.pick(1, 1, 30))
    else:
        x = np.array(dice.rng.uniform(0.02, 0.98, shape), dtype)
    if not x.size and reduction == "mean":
        return None
    more = {"pos_weight": pos_weight} if logits else {"logits": False}

    def theirs(x, t):
        loss = F.binary_cross_entropy_with_logits if logits else F.binary_cross_entropy
        factor = {"pos_weight": _tensor(pos_weight, x)} if logits else {}
        return loss(x, t, _tensor(weight, x), reduction=reduction, **factor)

    about = f"logits {logits} weight {weight is not None} pos_weight {pos_weight is not None} {reduction}"

    def ours(x, t):
        return kn.bce(x, t, weight=weight, reduction=reduction, **more)

    return Draw(about, ours, theirs, [x, np.array(labels, dtype)], special=(0,) * logits, poison=NAN, ties=False)


def binary_focal(dice):
    shape, dtype, logits = dice.sizes(0, 4, 12), dice.dtype(), dice.chance(0.6)
    bits, reduction = dice.rng.integers(0, 2, shape), dice.pick(*REDUCTIONS)
    labels = laid(np.array(bits, dice.pick(np.int64, np.uint8, bool, dtype)), dice)
    how = {"gamma": dice.pick(0, 1, 2, 2.5), "alpha": dice.pick(None, 0.25, 1.0), "reduction": reduction}
    x = np.array(dice.rng.uniform(0.05, 0.95, shape), dtype)
    x = np.array(np.log(x / (1 - x))) if logits else x
    if not x.size and reduction == "mean":
        return None

    def theirs(x):
        return binary_focal_formula(x if logits else torch.log(x / (1 - x)), torch.tensor(np.array(labels)), **how)

    def ours(x):
        return kn.binary_focal(x, labels, logits=logits, **how)

    return Draw(f"logits {logits} {labels.dtype} {how}", ours, theirs, [x], special=False, ties=False)


def multilabel_soft_margin(dice):
    x, axis, shape = _scores(dice)
    weight, reduction = _weight(dice, x.shape[axis], x.dtype), dice.pick(*REDUCTIONS)
    labels = laid(np.array(dice.rng.integers(0, 2, x.shape), dice.pick(np.int64, bool, x.dtype)), dice)
    if 0 in shape:
        return None

    def theirs(x):
        t = torch.tensor(np.array(labels)).to(x.dtype).movedim(axis, -1)
        return F.multilabel_soft_margin_loss(x.movedim(axis, -1), t, _tensor(weight, x), reduction=reduction)

    def ours(x):
        return kn.multilabel_soft_margin(x, labels, axis, weight=weight, reduction=reduction)

    return Draw(f"axis {axis} weight {weight is not None} {reduction}", ours, theirs, [x], poison=NAN)


# ------------------------------------------------------------------------------------------------ without derivative


def share(name):
    """`accuracy` and `zeroone`, which have no derivative, by first places of the highest scores."""

    def draw(dice):
        x, axis, _, labels, ignore, some = _drawn_labels(dice)
        if not some:
            return None

        def theirs(x):
            found = torch.tensor(np.array(labels, int))
            here = found != (-1000 if ignore is None else ignore)
            hit = (x.argmax(axis) == found)[here].to(x.dtype).mean()
            return hit if name == "accuracy" else 1 - hit

        def ours(x):
            return np.array(getattr(kn, name)(x, labels, axis, ignore=ignore), x.dtype)

        return Draw(f"axis {axis} ignore {ignore}", ours, theirs, [x], order=0, special=False)

    return draw


FAMILIES = {
    "nll": nll,
    "focal": focal,
    "multi_margin": multi_margin,
    "multilabel_margin": multilabel_margin,
    "cross_entropy": cross_entropy,
    "bce": bce,
    "binary_focal": binary_focal,
    "multilabel_soft_margin": multilabel_soft_margin,
    "accuracy": share("accuracy"),
    "zeroone": share("zeroone"),
}
