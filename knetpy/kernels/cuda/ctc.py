"""Connectionist temporal classification: launches of ctc.cu."""

from __future__ import annotations

import numpy as np

from knetpy.devices import cupy
from knetpy.kernels.cuda.launch import SHARED, THREADS, C, Module, blocks_for, dense, empty, instances, numbers, widened
from knetpy.kernels.cuda.softmax import logsoftmax
from knetpy.kernels.reference.ctc import spaced  # noqa: F401  # only moves labels

_run = Module("ctc", instances("{k}<{T}>", k=("forward", "backward", "slopes"), T=("float", "double")))


@widened
def ctc(scores, labels, *, lengths, label_lengths, blank):
    """Launch as the reference computes; a label out of range gives NaN."""
    logs, (N, steps, _), (_, L) = logsoftmax(scores, axis=-1), scores.shape, labels.shape
    alpha, losses = empty((N, steps + 1, 2 * L + 1), logs.dtype), empty(N, logs.dtype)
    if N:
        tables = map(numbers, (labels, lengths, label_lengths))
        _each_sequence("forward", logs, *tables, alpha, losses, blank=blank)
    return losses, logs, alpha


@widened
def ctc_dx(dy, losses, logs, alpha, labels, *, lengths, label_lengths, blank):
    """Launch as the reference computes; a label out of range gives NaN."""
    (N, steps, classes), (_, L) = logs.shape, labels.shape
    dy, losses, logs, alpha = map(dense, (dy, losses, logs, alpha))
    labels, lengths = map(numbers, (labels, lengths))
    dx, beta = empty(logs.shape, logs.dtype), empty((N, steps, 2 * L + 1), logs.dtype)
    if dx.size:
        _each_sequence("backward", logs, labels, lengths, numbers(label_lengths), beta, blank=blank)
        order = cupy().argsort(labels, axis=1, kind="stable")
        tables = labels, cupy().take_along_axis(labels, order, 1), order, lengths
        sizes = N * steps, steps, classes, L, blank
        _run(f"slopes<{C[logs.dtype.char]}>", blocks_for(N * steps, THREADS // 32), THREADS, dy, losses, logs, alpha,
             beta, *tables, dx, *sizes)  # fmt: skip
    return dx


def _each_sequence(name, logs, labels, *given, blank):
    """Launch with a block for each sequence, whose states lie in shared memory if they fit."""
    (N, steps, classes), (_, L) = logs.shape, labels.shape
    states = 2 * L + 1
    threads, size = min(512, -(-states // 32) * 32), -(-states * (2 * logs.itemsize + 4) // 8) * 8
    far = None if size <= SHARED else empty(N * size, np.uint8)
    _run(f"{name}<{C[logs.dtype.char]}>", N, threads, logs, labels, *given, far, size, steps, classes, L, blank,
         shared=0 if far is not None else size)  # fmt: skip
