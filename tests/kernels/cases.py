"""Small drawn calls of every family of kernels: sizes near those of vectors and of blocks, any order of memory."""

import numpy as np

from knetpy.kernels.reference.ctc import ctc as reference_ctc

FAMILIES = {}  # by name: a function of a generator and a dtype that yields (name of a kernel, arguments, options)


def family(draw):
    FAMILIES[draw.__name__] = draw
    return draw


def size(rng, most=130):
    """Sizes near those of vectors and of blocks, and others."""
    return int(rng.choice([n for n in (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 97, 129) if n <= most]))


def size_of(rng, axes):
    """Small sizes of an image."""
    return tuple(size(rng, 9) for _ in range(axes))


def drawn(rng, shape, dtype):
    """An array in some order of memory, with or without gaps."""
    x, axes = rng.standard_normal(shape).astype(dtype), rng.permutation(len(shape))
    kind = rng.integers(4)
    if kind == 1:
        return np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))
    if kind == 2 and x.ndim:
        return np.repeat(x, 2, axis=axes[0])[(slice(None),) * axes[0] + (slice(None, None, 2),)]
    if kind == 3 and x.ndim:
        turned = (slice(None),) * axes[0] + (slice(None, None, -1),)
        return x[turned].copy()[turned]
    return x


@family
def matmul(rng, dtype):
    m, k, n = size(rng), size(rng), size(rng)
    lead = [(), (3, 1), (2,)][rng.integers(3)]
    b = (*lead, k, n) if rng.integers(2) else (k, n)
    yield "matmul", (drawn(rng, (*lead, m, k), dtype), drawn(rng, b, dtype)), {"bias": drawn(rng, (n,), dtype)}


@family
def conv(rng, dtype):
    axes, groups = rng.integers(1, 4), int(rng.choice([1, 1, 1, 5]))
    window, stride, dilation, before, after, more = rng.integers(1, 4, (6, axes))
    before, after = np.minimum(before, window) - 1, after - 1
    out = more * (4 if axes < 3 else 1)
    inner = (out - 1) * stride + (window - 1) * dilation + 1 - before - after
    options = {"stride": tuple(stride.tolist()), "dilation": tuple(dilation.tolist()), "groups": groups}
    options["padding"] = tuple(zip(before.tolist(), (after + np.maximum(0, 1 - inner)).tolist()))
    inner, window = tuple(np.maximum(1, inner).tolist()), tuple(window.tolist())
    n, c, o = size(rng, 3), size(rng, 33) * groups, size(rng, 33) * groups
    x, w = drawn(rng, (n, c, *inner), dtype), drawn(rng, (o, c // groups, *window), dtype)
    out = [(s + sum(p) - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in zip(
        inner, options["padding"], options["dilation"], window, options["stride"])]  # fmt: skip
    dy = drawn(rng, (n, o, *out), dtype)
    yield "conv", (x, w, drawn(rng, (o,), dtype)), options
    yield "conv_dx", (dy, w), {**options, "size": inner}
    yield "conv_dw", (x, dy), {**options, "window": window}


@family
def norm(rng, dtype):
    shape = tuple(size(rng, 17) for _ in range(rng.integers(2, 5)))
    axes, affine = [((0, *range(2, len(shape))), 1), (range(1, len(shape)), len(shape) - 1)][rng.integers(2)]
    like = [n if a == affine else 1 for a, n in enumerate(shape)]
    stats = [1 if a in axes else n for a, n in enumerate(shape)]
    options = {"axes": tuple(axes), "eps": 1e-5, "relu": bool(rng.integers(2))}
    x, scale, bias = drawn(rng, shape, dtype), drawn(rng, like, dtype), drawn(rng, like, dtype)
    yield "norm", (x, scale, bias, drawn(rng, shape, dtype)), options
    given = drawn(rng, shape, dtype), x, rng.random(stats), 1 + rng.random(stats), scale, bias
    yield "norm_dx", given, {**options, "affine": tuple(like)}


@family
def attention(rng, dtype):
    L, S, D, E = size(rng), size(rng), size(rng, 33), size(rng, 33)
    q, k, v = drawn(rng, (2, L, D), dtype), drawn(rng, (2, S, D), dtype), drawn(rng, (2, S, E), dtype)
    bias = drawn(rng, [(L, S), (1, S), (2, L, S)][rng.integers(3)], dtype)
    options = {"mask": drawn(rng, (L, S), dtype) < 1, "causal": bool(rng.integers(2)), "scale": D**-0.5}
    yield "attention", (q, k, v, bias), options
    given = drawn(rng, (2, L, E), dtype), drawn(rng, (2, L, E), dtype), q, k, v, bias
    yield "attention_dx", (*given, drawn(rng, (2, L, 1), dtype), 1 + rng.random((2, L, 1)).astype(dtype)), options
    turned = drawn(rng, (2, L, 2 * D), dtype), drawn(rng, (L, D), dtype), drawn(rng, (1, D), dtype)
    yield "rotate", turned, {"interleaved": bool(rng.integers(2))}


@family
def rnn(rng, dtype):
    cell, gates, states, kept = [("lstm", 4, 2, 5), ("gru", 3, 1, 4), ("rnn_tanh", 1, 1, 1)][rng.integers(3)]
    steps, batch, wide, inputs = rng.integers(1, 4), size(rng, 17), size(rng, 33), size(rng, 33)
    options = {"cell": cell, "reverse": bool(rng.integers(2)), "lengths": rng.integers(0, steps + 1, batch)}
    wh, bh = drawn(rng, (wide, gates * wide), dtype), drawn(rng, (gates * wide,), dtype) if cell == "gru" else None
    state = drawn(rng, (states, batch, wide), dtype)
    given = drawn(rng, (steps, batch, inputs), dtype), state, wh, bh
    yield "rnn", given, {**options, "wx": drawn(rng, (inputs, gates * wide), dtype)}
    before = drawn(rng, (steps, states, batch, wide), dtype), drawn(rng, (steps, kept, batch, wide), dtype)
    yield "rnn_back", (drawn(rng, (steps, batch, wide), dtype), state, wh, *before), options


@family
def softmax(rng, dtype):
    shape = tuple(size(rng, 65) for _ in range(rng.integers(1, 4)))
    for name in ("softmax", "logsoftmax"):
        yield name, (drawn(rng, shape, dtype),), {"axis": int(rng.integers(len(shape)))}
    yield "softmax_dx", (drawn(rng, shape, dtype), drawn(rng, shape, dtype)), {"axis": 0}


@family
def nll(rng, dtype):
    n, classes, more = size(rng, 33), size(rng), size(rng, 17)
    labels, smoothing = rng.integers(0, classes, (n, 1, more)), {"axis": 1, "smoothing": 0.1}
    yield "nll", (drawn(rng, (n, classes, more), dtype), labels), smoothing
    given = drawn(rng, (n, 1, more), dtype), drawn(rng, (n, classes, more), dtype), labels
    yield "nll_dx", given, {"axis": 1, "weight": rng.random(classes).astype(dtype)}


@family
def bias(rng, dtype):
    shape, activation = (size(rng, 17), size(rng), size(rng, 65)), ["relu", "gelu", "tanh"][rng.integers(3)]
    axis = int(rng.integers(3))
    values = drawn(rng, (shape[axis],), dtype)
    yield "forward", (drawn(rng, shape, dtype), values, activation), {"axis": axis}
    yield "back", (drawn(rng, shape, dtype), drawn(rng, shape, dtype), activation, None), {"axis": axis}


@family
def activation(rng, dtype):
    shape = size(rng), size(rng, 33)
    yield "gelu", (drawn(rng, shape, dtype),), {}
    yield "elu_dx", (drawn(rng, shape, dtype), drawn(rng, shape, dtype), 1.0, 0.5, 2.0), {}


@family
def piecewise(rng, dtype):
    shape = size(rng), size(rng, 33)
    yield "hardswish", (drawn(rng, shape, dtype),), {}
    yield "leakyrelu_dx", (drawn(rng, shape, dtype), drawn(rng, shape, dtype), 0.25), {}


@family
def reduce(rng, dtype):
    shape = size(rng), size(rng), 9
    for axes in ((0,), (2,), (0, 1), (1, 2)):
        yield "sum", (drawn(rng, shape, dtype), axes), {}


@family
def pool(rng, dtype):
    n, c, h, w, k, s = 2, size(rng), *rng.integers(3, 12, 2), *rng.integers(1, 4, 2).tolist()
    options = {"window": (k, k), "stride": (s, s), "padding": ((0, k - 1), (k // 2, 0)), "dilation": (1, 1)}
    yield "maxpool", (drawn(rng, (n, c, h, w), dtype),), options
    yield "meanpool", (drawn(rng, (n, c, h, w), dtype),), {**options, "counted": ((0, 0), (0, 0))}
    h, w = int(h), int(w)
    places = (n, c, (h - 1) // s + 1, (w + k // 2 - k) // s + 1)
    dy, taps = drawn(rng, places, dtype), rng.integers(0, k * k, places).astype(np.uint8)
    yield "pick", (drawn(rng, (n, c, h, w), dtype), taps), options
    yield "spread", (dy, taps), {**options, "size": (h, w)}
    yield "meanpool_dx", (dy,), {**options, "size": (h, w), "counted": options["padding"]}
    index = rng.integers(0, h * w, places)
    yield "take", (drawn(rng, (n, c, h, w), dtype), index), {}
    yield "put", (dy, index), {"size": (h, w)}


@family
def embed(rng, dtype):
    rows, width, numbers = size(rng), size(rng), rng.integers(0, 9, (5, size(rng))) % 9
    yield "embed", (drawn(rng, (max(rows, 9), width), dtype), numbers), {}
    yield "embed_dw", (drawn(rng, (*numbers.shape, width), dtype), numbers), {"rows": 9}
    bags = drawn(rng, (9, width), dtype), numbers.reshape(-1), np.sort(rng.integers(0, numbers.size, 4)) * [0, 1, 1, 1]
    yield "bag_max", bags, {}


@family
def scatter(rng, dtype):
    a, n, b, m = (size(rng, 33) for _ in range(4))
    index = rng.integers(0, n, (a, m, b))
    yield "take_along", (drawn(rng, (a, n, b), dtype), index), {}
    yield "add_along", (drawn(rng, (a, m, b), dtype), index), {"size": n}
    given = drawn(rng, (m, a, b), dtype), rng.integers(0, n, m)
    yield "extreme", given, {"size": n, "largest": bool(rng.integers(2))}


@family
def grid(rng, dtype):
    n, c, p = size(rng, 5), size(rng, 33), size(rng, 33)
    weights, index = drawn(rng, (n, p, 4), dtype), rng.integers(-1, 6, (n, p, 4))
    yield "blend", (drawn(rng, (n, c, 2, 3), dtype), weights, index), {}
    yield "blend_dx", (drawn(rng, (n, c, p), dtype), weights, index), {"size": (2, 3)}
    yield "blend_dw", (drawn(rng, (n, c, p), dtype), drawn(rng, (n, c, 2, 3), dtype), index), {}


@family
def dropout(rng, dtype):
    shape = size(rng), 3 * size(rng)
    yield "dropout", (drawn(rng, shape, dtype), 0.5, shape, 1, 2, 3), {}


@family
def optim(rng, dtype):
    def formula(w, g, m, rate):
        return w - rate * (m + g), m + g

    shapes = [(size(rng), size(rng)) for _ in range(3)]
    rows = [tuple(rng.standard_normal(shape).astype(dtype) for _ in range(3)) for shape in shapes]
    yield "step", (rows[0][0], rows, [(0.5,)] * 3, formula), {}


@family
def resample(rng, dtype):
    shape, axis = tuple(size(rng, 17) for _ in range(3)), int(rng.integers(3))
    starts = np.cumsum([0, *rng.integers(0, 4, size(rng, 33))])
    columns, weights = rng.integers(0, shape[axis], starts[-1]), rng.standard_normal(starts[-1]).astype(dtype)
    yield "resample", (drawn(rng, shape, dtype), starts, columns, weights), {"axis": axis}


@family
def random(rng, dtype):
    shape = size(rng), size(rng, 9)
    yield "uniform", (drawn(rng, (2,), dtype), shape, dtype, 1, 2, int(rng.integers(2**40))), {}


@family
def fold(rng, dtype):
    axes = rng.integers(1, 4)
    size, window, stride, dilation = size_of(rng, axes), *rng.integers(1, 4, (3, axes)).tolist()
    before, after = rng.integers(0, 3, (2, axes)).tolist()
    after = [max(a, d * (k - 1) + 1 - n - b) for a, b, n, k, d in zip(after, before, size, window, dilation)]
    how = {"window": tuple(window), "stride": tuple(stride), "padding": tuple(zip(before, after))}
    how["dilation"] = tuple(dilation)
    places = [(n + b + a - d * (k - 1) - 1) // s + 1 for n, b, a, d, k, s in zip(
        size, before, after, dilation, window, stride)]  # fmt: skip
    n, c = 2, size_of(rng, 1)[0]
    yield "unfold", (drawn(rng, (n, c, *size), dtype),), how
    yield "fold", (drawn(rng, (n, c * int(np.prod(window)), int(np.prod(places))), dtype),), {**how, "size": size}


@family
def ctc(rng, dtype):
    n, steps, classes, most = size(rng, 7), size(rng, 33), 1 + size(rng, 65), int(rng.integers(0, 20))
    blank, label_lengths = int(rng.integers(classes)), rng.integers(0, most + 1, n)
    labels = (blank + 1 + rng.integers(0, classes - 1, (n, most))) % classes
    labels = np.where(np.arange(most) < label_lengths[:, None], labels, blank)
    how = {"lengths": rng.integers(0, steps + 1, n), "label_lengths": label_lengths, "blank": blank}
    scores = drawn(rng, (n, steps, classes), dtype)
    yield "ctc", (scores, labels), how
    found = reference_ctc(scores, labels, **how)
    yield "ctc_dx", (drawn(rng, (n,), dtype), *found, labels), how
