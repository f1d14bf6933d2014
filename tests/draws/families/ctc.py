"""Connectionist temporal classification: lengths, joined labels, one sequence, time first."""

from functools import partial

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw
from tests.ops.peer import F, torch


def ctc(dice):
    """PyTorch takes logarithms of probabilities, lengths always, and has no second derivative."""
    n, steps, classes = dice.size(6, empty=0), dice.integer(1, 20), dice.integer(2, 8)
    most, blank = dice.integer(1, 6), dice.integer(-1, classes - 1)
    time_major, one = dice.chance(0.4), dice.chance(0.1)
    n = 1 if one else n
    labels = dice.rng.choice([c for c in range(classes) if c != blank % classes], (n, most))
    counts = dice.rng.integers(0, most + 1, n) if dice.chance(0.6) else None
    lengths = dice.rng.integers(1, steps + 1, n) if dice.chance(0.5) else None
    reduction, zero = dice.pick("mean", "sum", "none"), dice.chance(0.5)
    here, there = np.full(n, steps) if lengths is None else lengths, np.full(n, most) if counts is None else counts
    repeats = [(row[1:k] == row[: max(k - 1, 0)]).sum() for row, k in zip(labels, there)]
    if not zero and (here < there + repeats).any():  # cannot be spelled: the derivative is 0, PyTorch's NaN
        return None
    x = dice.array((n, steps, classes), dice.dtype(), dice.pick(1, 1, 10))
    joined = counts is not None and dice.chance(0.3) and not one
    given = np.concatenate([row[:k] for row, k in zip(labels, there)]) if joined else labels[0] if one else labels
    x = x[0] if one else np.swapaxes(x, 0, 1) if time_major else x
    how = {"lengths": lengths, "label_lengths": counts, "blank": blank, "reduction": reduction, "zero_infinity": zero}

    def theirs(x):
        logs = torch.log_softmax(x[:, None] if one else x if time_major else x.transpose(0, 1), -1)
        sizes = [torch.tensor(np.array(s)) for s in (here, there)]
        found = torch.tensor(np.array(given)).reshape(labels.shape if one else given.shape)
        y = F.ctc_loss(logs, found, *sizes, blank=blank % classes, reduction=reduction, zero_infinity=zero)
        return y[0] if one and reduction == "none" else y

    about = f"one {one} time_major {time_major} joined {joined} {how}"
    ours = partial(kn.ctc, labels=given, time_major=time_major and not one, **how)
    return Draw(about, ours, theirs, [x], order=1, special=False)


FAMILIES = {"ctc": ctc}
