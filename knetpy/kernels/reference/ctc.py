"""Connectionist temporal classification (Graves et al. 2006) by forward and backward recursion over log probabilities.

A path takes one class at each time. The labels of N sequences, spaced with blanks, make S = 2 L + 1 states: blank,
label 1, blank, ..., label L, blank. From one time to the next a path stays in its state, goes to the next one, or
from a label to the next label if the two differ. It starts before the first state, ends in the last or the last but
one, and its log probability is the sum of those of the classes of its states.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from knetpy.kernels.reference.softmax import logsoftmax


def ctc(
    scores: np.ndarray, labels: np.ndarray, *, lengths: np.ndarray, label_lengths: np.ndarray, blank: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (losses (N,), log probabilities (N, T, C), alpha (N, T + 1, S)) for scores (N, T, C), labels (N, L).

    alpha[:, t] is the log probability of all paths to a state in t steps; after `lengths` steps it does not change.
    """
    n, steps, _ = scores.shape
    logs = logsoftmax(scores, axis=-1)
    states, skips = spaced(labels, blank)
    alpha = np.full_like(scores, -np.inf, shape=(n, steps + 1, states.shape[1]))
    alpha[:, 0, 0] = 0  # before the first time a path is at the first state: it may stay there or go to the next
    for t in range(steps):
        old = alpha[:, t]
        new = _total(old, _shifted(old, 1), np.where(skips, _shifted(old, 2), -np.inf))
        new = new + np.take_along_axis(logs[:, t], states, 1)
        alpha[:, t + 1] = np.where((t < lengths)[:, None], new, old)
    ends = _ends(states, label_lengths)
    return -_total(*np.where(ends, alpha[:, -1], -np.inf).T), logs, alpha


def ctc_dx(
    dy: np.ndarray,
    losses: np.ndarray,
    logs: np.ndarray,
    alpha: np.ndarray,
    labels: np.ndarray,
    *,
    lengths: np.ndarray,
    label_lengths: np.ndarray,
    blank: int,
) -> np.ndarray:
    """Return the derivative by the scores: dy times (softmax minus the share of the paths that take the class).

    It is 0 after `lengths` steps, and for a sequence that no path spells.
    """
    n, steps, classes = logs.shape
    states, skips = spaced(labels, blank)
    ends = _ends(states, label_lengths)
    beta = np.where(ends, 0, -np.inf).astype(logs.dtype)  # of all paths from a state to the end
    possible = losses != np.inf
    total = np.where(possible, -losses, 0)[:, None]
    dx = np.zeros_like(logs)
    rows = np.arange(n, like=states)[:, None]
    for t in reversed(range(steps)):
        share = np.zeros((n, classes), logs.dtype, like=logs)
        np.add.at(share, (rows, states), np.exp(alpha[:, t + 1] + beta - total))
        counts = ((t < lengths) & possible)[:, None]
        dx[:, t] = np.where(counts, (np.exp(logs[:, t]) - share) * dy[:, None], 0)
        ahead = beta + np.take_along_axis(logs[:, t], states, 1)
        skipped = np.where(_shifted(skips, -2, False), _shifted(ahead, -2), -np.inf)
        beta = np.where((t < lengths)[:, None], _total(ahead, _shifted(ahead, -1), skipped), beta)
    return dx


def spaced(labels: np.ndarray, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of the states (N, S), and which of them can be reached from the last but one before."""
    states = np.full_like(labels, blank, shape=(len(labels), 2 * labels.shape[1] + 1))
    states[:, 1::2] = labels
    skips = np.zeros(states.shape, bool, like=states)
    skips[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    return states, skips


def _ends(states: np.ndarray, label_lengths: np.ndarray) -> np.ndarray:
    place, last = np.arange(states.shape[1], like=states), 2 * label_lengths[:, None]
    return (place == last) | (place == last - 1)


def _shifted(x: np.ndarray, by: int, fill: float | bool = -np.inf) -> np.ndarray:
    """Return x with its rows moved by some places to the right (negative: to the left)."""
    y = np.full_like(x, fill)
    if by > 0:
        y[:, by:] = x[:, :-by]
    else:
        y[:, :by] = x[:, -by:]
    return y


def _total(*logs: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of exp of some arrays."""
    with np.errstate(invalid="ignore"):  # NumPy warns of NaN
        return reduce(np.logaddexp, logs)
