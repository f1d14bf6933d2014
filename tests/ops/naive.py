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


def _after(n, k, t, d, before, after, ceil_mode):
    """The padding after x, with as much more as the last place of the window needs if it begins before the end of x."""
    reach, start = d * (k - 1) + 1, -before
    while start + reach < n + after:
        start += t
    return max(after, start + reach - n) if ceil_mode and start < n else after


def pool(x, window=2, *, stride=None, padding=0, dilation=1, mode="max", ceil_mode=False, p=2):
    axes = x.ndim - 2
    window, dilation, size = _each(window, axes), _each(dilation, axes), x.shape[2:]
    stride = window if stride is None else _each(stride, axes)
    padding = _pairs(padding, axes)
    more = [(p[0], _after(n, k, t, d, *p, ceil_mode)) for n, k, t, d, p in zip(size, window, stride, dilation, padding)]
    y = None
    for place, out, met in _places(size, window, stride, more, dilation):
        y = np.zeros((*x.shape[:2], *out), x.dtype) if y is None else y
        for n, c in product(range(x.shape[0]), range(x.shape[1])):
            seen = [float(x[(n, c, *at)]) for _, at in met]
            real = [
                sum(o * t + i * d - b < m + a for i in range(k))
                for o, t, d, k, m, (b, a) in zip(
                    place,
                    stride,
                    dilation,
                    window,
                    size,
                    padding,
                )
            ]
            count = math.prod(real) if mode == "mean" else len(seen)
            total = math.fsum(abs(v) ** p for v in seen) ** (1 / p) if mode == "lp" else math.fsum(seen) / count
            y[(n, c, *place)] = max(seen) if mode == "max" else total
    return y


def adaptive_pool(x, size, *, mode="mean", p=2):
    old = x.shape[2:]
    size = [
        n if m is None else m for n, m in zip(old, _each(size, len(old)) if size is not None else [None] * len(old))
    ]
    y = np.zeros((*x.shape[:2], *size), x.dtype)
    for place in np.ndindex(*y.shape):
        bins = [slice(math.floor(i * n / m), math.ceil((i + 1) * n / m)) for i, n, m in zip(place[2:], old, size)]
        seen = [float(v) for v in x[(*place[:2], *bins)].ravel()]
        norm = math.fsum(abs(v) ** p for v in seen) ** (1 / p)
        y[place] = {"mean": math.fsum(seen) / len(seen), "max": max(seen), "lp": norm}[mode]
    return y


def global_pool(x, mode="max", *, keepdims=True, p=2):
    y = adaptive_pool(x, (1,) * (x.ndim - 2), mode=mode, p=p)
    return y if keepdims else y.reshape(x.shape[:2])


def unpool(x, window=2, *, stride=None, padding=0, indices=None, size=None):
    axes, shape = x.ndim - 2, x.shape[:2]
    window, padding = _each(window, axes), _pairs(padding, axes)
    stride = window if stride is None else _each(stride, axes)
    default = [(n - 1) * t + k - sum(p) for n, k, t, p in zip(x.shape[2:], window, stride, padding)]
    size = _each(default if size is None else size, axes)
    y = np.zeros((*shape, *size), x.dtype)
    for place in np.ndindex(*x.shape):
        if indices is not None:
            y[(*place[:2], *np.unravel_index(indices[place], size))] = x[place]
            continue
        for tap in product(*map(range, window)):
            at = tuple(o * t + i - p[0] for o, t, i, p in zip(place[2:], stride, tap, padding))
            if all(0 <= a < n for a, n in zip(at, size)):
                y[(*place[:2], *at)] += x[place]
    return y
