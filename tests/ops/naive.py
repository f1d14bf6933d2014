"""knetpy's own functions as loops over single elements: slow, and independent of every kernel and of every rule."""

import math
from itertools import product

import numpy as np


def elementwise(function):
    """`function` of a Python float, for arrays."""

    def over(x):
        return np.array([function(float(v)) for v in np.ravel(x)], x.dtype).reshape(np.shape(x))

    return over


def along(function):
    """`function` of a list of floats, which gives such a list, for arrays along one, several or all axes."""

    def over(x, axis=-1):
        axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = [a % x.ndim for a in axes]
        rest = [a for a in range(x.ndim) if a not in axes]
        moved = np.transpose(x, (*rest, *axes))
        rows = moved.reshape(math.prod([x.shape[a] for a in rest]), math.prod([x.shape[a] for a in axes]))
        done = np.array([function([float(v) for v in row]) for row in rows], x.dtype).reshape(moved.shape)
        return np.transpose(done, np.argsort((*rest, *axes)))

    return over


def _softmax(row):
    top = max(row)
    weights = [float(v == top) if math.isinf(top) else math.exp(v - top) for v in row]
    return [w / math.fsum(weights) for w in weights]


def _logsumexp(row):
    top = max(row)
    if math.isinf(top):
        return top + math.log(row.count(top)) if top < 0 else top
    return top + math.log(math.fsum(math.exp(v - top) for v in row))


relu = elementwise(lambda v: v if v > 0 or math.isnan(v) else 0.0)
sigmoid = elementwise(lambda v: 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v)))
softmax = along(_softmax)
logsoftmax = along(lambda row: [v - _logsumexp(row) for v in row])


def logsumexp(x, axis=-1, keepdims=False):
    y = along(lambda row: [_logsumexp(row)] * len(row))(x, axis)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    first = tuple(slice(1) if i in [a % x.ndim for a in axes] else slice(None) for i in range(x.ndim))
    return y[first] if keepdims else np.squeeze(y[first], tuple(axes))[()]


def nll(scores, labels, axis=-1, ignore=None, reduction="mean"):
    rows = np.moveaxis(scores, axis, -1)
    losses = np.zeros(labels.shape, scores.dtype)
    for place in np.ndindex(*labels.shape):
        if labels[place] != ignore:
            row = [float(v) for v in rows[place]]
            losses[place] = _logsumexp(row) - row[labels[place]]
    if reduction == "none":
        return losses
    return losses.sum() / (max(int((labels != ignore).sum()), 1) if reduction == "mean" else 1)


def _pairs(padding, axes):
    padding = (padding,) * axes if isinstance(padding, int) else padding
    return [(p, p) if isinstance(p, int) else p for p in padding]


def _each(option, axes):
    return (option,) * axes if isinstance(option, int) else option


def _places(size, window, stride, padding, dilation):
    """For each place of the window: its index, and [(position in the window, position in x)] of what it meets."""
    axes = len(size)
    stride, dilation, padding = _each(stride, axes), _each(dilation, axes), _pairs(padding, axes)
    out = [(n + sum(p) - d * (k - 1) - 1) // t + 1 for n, p, d, k, t in zip(size, padding, dilation, window, stride)]
    for place in product(*map(range, out)):
        met = []
        for tap in product(*map(range, window)):
            at = tuple(o * t + k * d - p[0] for o, t, k, d, p in zip(place, stride, tap, dilation, padding))
            if all(0 <= a < n for a, n in zip(at, size)):
                met.append((tap, at))
        yield place, tuple(out), met


def conv(x, w, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    channels, share = w.shape[1], len(w) // groups
    y = None
    for place, out, met in _places(x.shape[2:], w.shape[2:], stride, padding, dilation):
        y = np.zeros((len(x), len(w), *out), x.dtype) if y is None else y
        for n, o in product(range(len(x)), range(len(w))):
            first = o // share * channels
            y[(n, o, *place)] = math.fsum(
                x[(n, first + c, *at)] * w[(o, c, *tap)] for c in range(channels) for tap, at in met
            ) + (0 if bias is None else bias[o])
    return y


def pool(x, window=2, *, stride=None, padding=0, mode="max"):
    axes = x.ndim - 2
    window = _each(window, axes)
    stride = window if stride is None else stride
    y = None
    for place, out, met in _places(x.shape[2:], window, stride, padding, 1):
        y = np.zeros((*x.shape[:2], *out), x.dtype) if y is None else y
        for n, c in product(range(x.shape[0]), range(x.shape[1])):
            seen = [float(x[(n, c, *at)]) for _, at in met]
            count = math.prod(window) if mode == "mean" else len(seen)
            y[(n, c, *place)] = max(seen) if mode == "max" else math.fsum(seen) / count
    return y
