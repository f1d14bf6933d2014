"""Connectionist temporal classification: the loss of a label sequence that is not aligned with the scores."""

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..devices import beside, host, on_gpu, surely
from ..kernels import kernel
from .arguments import as_floating, flags, integers, lengths_of, one_of, placed, whole
from .index import take_along_axis
from .reduction import REDUCTIONS, reduced
from .softmax import logsoftmax

_forward, _dx, _spaced = [kernel("ctc", name) for name in ("ctc", "ctc_dx", "spaced")]


def _composed(scores, *, labels, lengths, label_lengths, blank):
    """The forward recursion of the kernel, with states along the first axis and sequences along the second."""
    states, skips = _spaced(labels, blank)
    inside = np.arange(scores.shape[1], like=lengths) < lengths[:, None]
    scores = np.where(inside[..., None], scores, 0)  # NaN may stand behind
    logs = take_along_axis(logsoftmax(scores), np.repeat(states[:, None], scores.shape[1], axis=1), -1)
    logs, skips = np.transpose(logs, (1, 2, 0)), skips.T
    never, alpha = [np.full_like(skips, -np.inf, scores.dtype, "C", shape=s) for s in ((2, len(labels)), skips.shape)]
    alpha[0] = 0
    columns, last = np.arange(len(labels), like=labels), 2 * label_lengths
    with np.errstate(invalid="ignore"):  # NumPy warns of NaN in logaddexp
        for t in range(scores.shape[1]):
            padded = np.concatenate([never, alpha])
            old = np.logaddexp(np.logaddexp(alpha, padded[1:-1]), np.where(skips, padded[:-2], -np.inf))
            alpha = np.where(t < lengths, old + logs[t], alpha)
        before = np.concatenate([never, alpha])[last + 1, columns]  # the last state but one; none without labels
        total = np.logaddexp(alpha[last, columns], before)
    return np.where(np.equal(total, -np.inf), np.inf, -total)  # what is impossible has derivative 0


_ctc = primitive(
    lambda scores, *, labels, lengths, label_lengths, blank: _forward(
        scores, labels, lengths=lengths, label_lengths=label_lengths, blank=blank
    ),
    name="ctc",
    saves=("logs", "alpha"),
    scores=lambda dy, y, logs, alpha, labels, lengths, label_lengths, blank: _dx(
        dy, y, logs, alpha, labels, lengths=lengths, label_lengths=label_lengths, blank=blank
    ),
    composed=_composed,
)


def ctc(
    scores,
    labels,
    *,
    lengths=None,
    label_lengths=None,
    blank=0,
    reduction="mean",
    zero_infinity=False,
    time_major=False,
):
    """Connectionist temporal classification: -log of the probability that softmax(scores) spells the labels.

    At each of T times one class is taken. What is taken spells the labels that are left when repeated classes are made
    one and then blanks are dropped; the probability is the sum over all ways to spell the labels.

    Parameters:
      scores: floating array (N, T, C), raw scores; logsoftmax(scores) gives the same. Of one
        sequence alone (T, C).
      labels: integers (N, L) from 0 to C - 1 without the blank, filled up with anything; or those of all sequences one
        after the other (a GPU is waited for) with label_lengths. Of one sequence alone: (L,). A GPU's are not checked.
      lengths=None: how many times each sequence has, (N,) integers from 0 to T; None for T.
      label_lengths=None: how many labels each sequence has, (N,) integers; None for L.
      blank=0: the class that stands for no label, by default 0; -1 for the last.
      reduction="mean": "mean" divides each loss by the number of its labels (at least 1) and takes the mean; "sum"; or
        "none" for the losses (N,), of one sequence alone a scalar.
      zero_infinity=False: whether a sequence that cannot be spelled, because it is too short, has loss 0 instead of
        Inf.
      time_major=False: whether scores are (T, N, C).
    Returns: a scalar, or an array of losses.
    Raises: DtypeError, ShapeError, ValueError.
    Derivative: 0 for what cannot be spelled (PyTorch has NaN without zero_infinity), and after the end of a sequence.
    Source: Graves et al. (2006), Connectionist temporal classification.

    >>> import numpy as np, knetpy as kn
    >>> kn.ctc(np.zeros((2, 3)), [1]).round(4)  # -log(3 / 9): of 9 ways 1 1, 1 blank and blank 1
    np.float64(1.0986)
    """
    (scores,) = as_floating("ctc", scores=scores)
    one_of("ctc", "reduction", reduction, REDUCTIONS)
    zero_infinity, time_major = flags("ctc", zero_infinity=zero_infinity, time_major=time_major)
    single = len(scores.shape) == 2
    if single:
        scores = np.expand_dims(scores, 0)
    elif len(scores.shape) != 3:
        raise ShapeError(f"ctc: scores must be (N, T, C), or (T, C) for one sequence, got shape {scores.shape}")
    elif time_major:
        scores = np.swapaxes(scores, 0, 1)
    n, steps, classes = scores.shape
    blank = _checked_blank(blank, classes)
    lengths = _checked_lengths("lengths", lengths, n, steps, "T")
    labels, label_lengths = _checked_labels(labels, label_lengths, n, classes, blank, single)
    tables = {"labels": labels, "lengths": lengths, "label_lengths": label_lengths}
    tables = {option: placed("ctc", option, table, scores, "scores") for option, table in tables.items()}
    losses = _ctc(scores, **tables, blank=blank)
    if zero_infinity:
        losses = np.where(np.equal(losses, np.inf), 0, losses)
    if reduction == "mean":
        losses = losses / np.maximum(tables["label_lengths"], 1).astype(losses.dtype)
    return losses[0] if single and reduction == "none" else reduced("ctc", losses, reduction)


def _checked_blank(blank, classes):
    found = whole(blank)
    if found is None or not -classes <= found < classes:
        raise ValueError(
            f"ctc: blank must be one of the {classes} classes along the last axis of scores, got {blank!r:.60}"
        )
    return found % classes


def _checked_lengths(option, given, n, most, what):
    """How many times or labels each of n sequences has; None stands for all."""
    if given is None:
        return np.full(n, most)
    return lengths_of("ctc", option, given, n, most, what)


def _checked_labels(labels, lengths, n, classes, blank, single):
    """Labels as an array (n, L), filled up with blanks, and how many each sequence has."""
    labels = integers("ctc", "labels", labels)
    if single and labels.ndim == 1:
        labels = labels[None]
    elif labels.ndim == 1 and lengths is not None:
        labels, lengths = host(labels), host(lengths)  # whose sizes are needed
        labels = _split(labels, _checked_lengths("label_lengths", lengths, n, labels.size, "all labels"))
    if labels.ndim != 2 or len(labels) != n:
        forms = "(L,)" if single else f"({n}, L), or 1-D with label_lengths"
        raise ShapeError(f"ctc: labels must have shape {forms}, got {labels.shape}")
    lengths = _checked_lengths("label_lengths", lengths, n, labels.shape[1], "L")
    if on_gpu(labels) or on_gpu(lengths):
        labels, lengths = beside(labels, lengths), beside(lengths, labels)
    inside = np.arange(labels.shape[1], like=labels) < lengths[:, None]
    for bad, rule in (
        (inside & ((labels < 0) | (labels >= classes)), f"is out of range: classes run from 0 to {classes - 1}; where "
         "labels are filled up, pass label_lengths="),
        (inside & (labels == blank), "is the blank; pass blank= for another class, or label_lengths= where labels are "
         "filled up"),
    ):  # fmt: skip
        if surely(bad):
            raise ValueError(f"ctc: label {labels[bad][0]} {rule}")
    return np.where(inside, labels, blank), lengths


def _split(labels, lengths):
    """Labels that stand one after the other as an array with a row for each sequence."""
    if lengths.sum() != labels.size:
        raise ShapeError(f"ctc: label_lengths add up to {lengths.sum()}, but there are {labels.size} labels")
    rows = np.zeros((len(lengths), lengths.max(initial=0)), labels.dtype)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = labels
    return rows
