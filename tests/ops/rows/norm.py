"""Normalisation of examples, batches and weights."""

import math

import numpy as np

import knetpy as kn
from tests.ops.row import Wrong, own


def standard(row, eps, centred=True):
    """The numbers of a list minus their mean, over their standard deviation."""
    mean = math.fsum(row) / len(row) if centred else 0.0
    var = math.fsum([(v - mean) ** 2 for v in row]) / len(row)
    return [(v - mean) / math.sqrt(var + eps) for v in row]


def in_groups(x, group_of, function):
    """`function` of the list of elements that have one `group_of(index)`, put back in their places."""
    y, groups = np.zeros_like(x), {}
    for place in np.ndindex(*x.shape):
        groups.setdefault(group_of(place), []).append(place)
    for places in groups.values():
        for place, v in zip(places, function([float(x[p]) for p in places])):
            y[place] = v
    return y


def affine(y, place_of, scale, bias):
    """y * scale + bias, these taken at `place_of(index)`."""
    scaled = np.zeros_like(y)
    for place in np.ndindex(*y.shape):
        v = y[place] * (1 if scale is None else scale[place_of(place)])
        scaled[place] = v + (0 if bias is None else bias[place_of(place)])
    return scaled


def _axes(x, axis):
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return sorted(a % x.ndim for a in axes)


def _layernorm(x, scale=None, bias=None, axis=-1, eps=1e-5, centred=True):
    axes = _axes(x, axis)
    y = in_groups(x, lambda p: tuple(i for a, i in enumerate(p) if a not in axes), lambda r: standard(r, eps, centred))
    return affine(y, lambda p: tuple(p[a] for a in axes), scale, bias)


def _rmsnorm(x, scale=None, axis=-1, eps=None):
    return _layernorm(x, scale, None, axis, np.finfo(x.dtype).eps if eps is None else eps, centred=False)


def _groupnorm(x, scale=None, bias=None, groups=1, axis=1, eps=1e-5):
    each = x.shape[axis] // groups
    y = in_groups(x, lambda p: (p[0], p[axis] // each), lambda r: standard(r, eps))
    return affine(y, lambda p: p[axis], scale, bias)


def _batchnorm(x, scale=None, bias=None, axis=1, eps=1e-5):
    return affine(in_groups(x, lambda p: p[axis], lambda r: standard(r, eps)), lambda p: p[axis], scale, bias)


def _instancenorm(x, scale=None, bias=None, eps=1e-5):
    return affine(in_groups(x, lambda p: p[:2], lambda r: standard(r, eps)), lambda p: p[1], scale, bias)


MEAN, VAR = np.array([0.3, -1.0, 2.0]), np.array([0.5, 1.5, 0.25])
OF_TWO = kn.Moments(mean=np.zeros(2))
MOMENTS, FRESH = kn.Moments(mean=MEAN, var=VAR), [kn.Moments() for channels in range(9)]


def _fixed(x, scale=None, bias=None, axis=1, eps=1e-5):
    y = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        c = place[axis]
        y[place] = (x[place] - MEAN[c]) / math.sqrt(VAR[c] + eps)
    return affine(y, lambda p: p[axis], scale, bias)


def _normalise(x, axis=-1, eps=None, ord=None):
    def over_norm(row):
        sizes = [abs(v) for v in row]
        norm = max(sizes) if ord == np.inf else math.fsum([v**ord for v in sizes]) ** (1 / ord)
        return [v / max(norm, 1e-12 if eps is None else eps) for v in row]

    if ord is None:
        return _layernorm(x, axis=axis, eps=1e-5 if eps is None else eps)
    axes = _axes(x, axis)
    return in_groups(x, lambda p: tuple(i for a, i in enumerate(p) if a not in axes), over_norm)


def _weightnorm(v, g, axis=0):
    def unit(row):
        return [a / math.sqrt(math.fsum([b * b for b in row])) for a in row]

    y = in_groups(v, lambda p: None if axis is None else p[axis], unit)
    return affine(y, lambda p: 0 if axis is None else p[axis], np.ravel(g), None)


def _localresponsenorm(x, size=1, alpha=1e-4, beta=0.75, k=1.0, axis=1):
    y, axis = np.zeros_like(x), axis % x.ndim
    for place in np.ndindex(*x.shape):
        total = 0.0
        for c in range(place[axis] - size // 2, place[axis] + (size - 1) // 2 + 1):
            if 0 <= c < x.shape[axis]:
                total += float(x[(*place[:axis], c, *place[axis + 1 :])]) ** 2
        y[place] = x[place] / (k + alpha * total / size) ** beta
    return y


def _batch(x, scale=None, bias=None, **options):
    """Training, with moments that nobody reads."""
    moments = FRESH[x.shape[options.get("axis", 1)]]
    return kn.batchnorm(x, moments, scale, bias, training=True, **options)


def _then(x, *affine, residual=None, **options):
    """Training with a residual and an activation."""
    return kn.batchnorm(x, None, *affine, residual=residual, training=True, **options)


def _running(x, scale=None, bias=None, **options):
    return kn.batchnorm(x, MOMENTS, scale, bias, training=False, **options)


def _own(op, name, f, reference, shapes, options, edges=()):
    row = own(f"{op.__name__}{name and ' '}{name}", f, reference, shapes, options=options, edges=edges)
    object.__setattr__(row, "op", op)
    return row


def _with_groups(x, scale=None, bias=None, *, groups, **options):
    return kn.groupnorm(x, groups, scale, bias, **options)


def _with_size(x, *, size, **options):
    return kn.localresponsenorm(x, size, **options)


def _instances(x, scale=None, bias=None, **options):
    return kn.instancenorm(x, scale, bias, moments=MOMENTS, training=False, **options)


C = ((3,), (3,))  # scale and bias

ROWS = [
    *[
        _own(kn.layernorm, name, kn.layernorm, _layernorm, shapes, options, edges)
        for name, shapes, options, edges in (
            ("plain", ((2, 3),), {}, (((0, 3),), ((2, 0),), ((1, 1),), ((4,),))),
            ("scale", ((2, 3), (3,)), {}, ()),
            ("scale and bias", ((2, 2, 3), *C), {}, (((0, 2, 3), *C), ((2, 0), (0,), (0,)), ((1, 1), (1,), (1,)))),
            ("axes", ((2, 3, 2), (3, 2), (3, 2)), {"axis": (1, 2), "eps": 0.1}, (((0, 3, 2), (3, 2), (3, 2)),)),
            ("inner axis", ((2, 3, 2), (3,), (3,)), {"axis": 1}, ()),
            ("apart", ((2, 3, 2), (2, 2), (2, 2)), {"axis": (-1, 0)}, ()),
            ("all", ((2, 3), (2, 3), (2, 3)), {"axis": None}, ()),
        )
    ],
    *[
        _own(kn.rmsnorm, name, kn.rmsnorm, _rmsnorm, shapes, options, edges)
        for name, shapes, options, edges in (
            ("plain", ((2, 3),), {}, (((0, 3),), ((2, 0),), ((1, 1),))),
            ("scale", ((2, 2, 3), (3,)), {"eps": 1e-3}, (((0, 2, 3), (3,)), ((2, 0), (0,)))),
            ("axes", ((3, 2, 2), (3, 2)), {"axis": (0, 2)}, ()),
        )
    ],
    *[
        _own(kn.groupnorm, name, _with_groups, _groupnorm, shapes, options, edges)
        for name, shapes, options, edges in (
            ("one", ((2, 3, 2), *C), {"groups": 1}, (((0, 3, 2), *C), ((2, 3, 0), *C), ((1, 1), (1,), (1,)))),
            ("two", ((2, 4, 2), (4,), (4,)), {"groups": 2}, ()),
            ("each", ((2, 3, 2, 2), *C), {"groups": 3, "eps": 0.1}, ()),
            ("plain", ((2, 4),), {"groups": 2}, ()),
            ("last axis", ((2, 2, 4), (4,), (4,)), {"groups": 2, "axis": -1}, ()),
        )
    ],
    *[
        _own(kn.batchnorm, name, f, _batchnorm, shapes, options, edges)
        for name, f, shapes, options, edges in (
            ("matrix", _batch, ((4, 3), *C), {}, (((0, 3), *C), ((3, 0), (0,), (0,)))),
            ("image", _batch, ((2, 3, 2, 2), *C), {}, (((2, 3, 0, 2), *C), ((2, 1, 1, 1), (1,), (1,)))),
            ("plain", _batch, ((2, 3, 2),), {"eps": 0.1}, ()),
            ("scale", _batch, ((2, 3, 2), (3,)), {"eps": 0.1}, ()),
            ("last axis", _batch, ((2, 2, 3), *C), {"axis": -1}, ()),
            ("first axis", _batch, ((3, 2, 2), *C), {"axis": 0}, ()),
        )
    ],
    *[
        _own(kn.batchnorm, name, f, reference, shapes, {}, edges)
        for name, f, reference, shapes, edges in (
            ("relu", lambda x, s, b: _then(x, s, b, activation=kn.relu),
             lambda x, s, b: np.maximum(_batchnorm(x, s, b), 0), ((2, 3, 2, 2), *C), (((2, 3, 0, 2), *C),)),
            ("residual relu", lambda x, r, s, b: _then(x, s, b, residual=r, activation=kn.relu),
             lambda x, r, s, b: np.maximum(_batchnorm(x, s, b) + r, 0), ((2, 3, 2), (2, 3, 2), *C), ()),
            ("residual", lambda x, r: _then(x, residual=r), lambda x, r: _batchnorm(x) + r, ((4, 3), (4, 3)), ()),
            ("tanh", lambda x, s: _then(x, s, activation=np.tanh), lambda x, s: np.tanh(_batchnorm(x, s)),
             ((4, 3), (3,)), ()),
        )
    ],
    *[
        _own(kn.batchnorm, f"running {name}", _running, _fixed, shapes, options, edges)
        for name, shapes, options, edges in (
            ("", ((2, 3, 2), *C), {}, (((0, 3, 2), *C), ((2, 3, 0), *C), ((1, 3), *C))),
            ("plain", ((2, 3),), {"eps": 0.1}, ()),
            ("scale", ((2, 3, 2), (3,)), {}, ()),
            ("last axis", ((2, 2, 3), *C), {"axis": 2}, ()),
        )
    ],
    *[
        _own(kn.instancenorm, name, f, reference, shapes, options, edges)
        for name, f, reference, shapes, options, edges in (
            ("1-d", kn.instancenorm, _instancenorm, ((2, 3, 3), *C), {}, (((0, 3, 2), *C), ((2, 3, 0), *C))),
            ("2-d", kn.instancenorm, _instancenorm, ((2, 2, 2, 2),), {"eps": 0.1}, ()),
            ("moments", _instances, _fixed, ((2, 3, 2), *C), {}, (((1, 3, 1), *C),)),
        )
    ],
    *[
        own(f"normalise {name}", kn.normalise, _normalise, shapes, options=options, edges=edges)
        for name, shapes, options, edges in (
            ("plain", ((2, 3),), {}, (((0, 3),), ((2, 0),), ((1, 1),))),
            ("axes", ((2, 3, 2),), {"axis": (0, 1), "eps": 0.1}, ()),
            ("2", ((2, 3),), {"ord": 2}, (((0, 3),), ((2, 0),), ((1, 1),))),
            ("1", ((2, 3),), {"ord": 1, "axis": 0}, ()),
            ("3", ((2, 3, 2),), {"ord": 3, "axis": (0, 2)}, ()),
            ("inf", ((2, 3),), {"ord": float("inf")}, (((0, 3),), ((2, 0),))),
            ("short", ((2, 3),), {"ord": 2, "eps": 50.0}, ()),
            ("2 all", ((2, 3),), {"ord": 2.0, "axis": None}, ()),
        )
    ],
    *[
        own(f"weightnorm {name}", kn.weightnorm, _weightnorm, shapes, options=options, edges=edges)
        for name, shapes, options, edges in (
            ("vector", ((3, 2), (3,)), {}, (((0, 2), (0,)), ((1, 1), (1,)))),
            ("column", ((3, 2, 2), (3, 1, 1)), {}, ()),
            ("axis", ((3, 2, 2), (2,)), {"axis": 1}, ()),
            ("last axis", ((3, 2), (1, 2)), {"axis": -1}, ()),
            ("whole", ((3, 2), ()), {"axis": None}, ()),
            ("whole 1", ((3, 2), (1,)), {"axis": None}, ()),
            ("signs", ((3,), (3,)), {}, ()),
        )
    ],
    *[
        _own(kn.localresponsenorm, name, _with_size, _localresponsenorm, shapes, options, edges)
        for name, shapes, options, edges in (
            ("3", ((2, 4, 2),), {"size": 3, "alpha": 0.5}, (((0, 4, 2),), ((2, 0, 2),), ((1, 1),))),
            ("even", ((2, 4, 2, 2),), {"size": 2, "alpha": 1.0, "beta": 0.5, "k": 2.0}, ()),
            ("wide", ((2, 3, 1),), {"size": 5, "alpha": 1.0}, ()),
            ("one", ((2, 3),), {"size": 1, "alpha": 1.0}, ()),
            ("last axis", ((2, 2, 4),), {"size": 4, "alpha": 1.0, "axis": -1}, ()),
        )
    ],
]  # fmt: skip

MATRIX, SCALES = ((4, 3),), ((4, 3), (4,))

WRONG = [
    Wrong("layernorm scale", kn.layernorm, SCALES, kn.ShapeError, ("layernorm: scale", "(3,)", "(4, 3)", "(4,)"), True),
    Wrong("layernorm bias", lambda x, b: kn.layernorm(x, None, b, axis=(0, 1)), SCALES, kn.ShapeError,
          ("layernorm: bias", "(4, 3)", "(4,)", "axes (0, 1)"), True),
    Wrong("layernorm axis", lambda x: kn.layernorm(x, axis=2), MATRIX, np.exceptions.AxisError,
          ("layernorm", "axis 2", "(4, 3)"), True),
    Wrong("layernorm axis twice", lambda x: kn.layernorm(x, axis=(1, -1)), MATRIX, ValueError,
          ("twice", "(4, 3)"), True),
    Wrong("layernorm no axis", lambda x: kn.layernorm(x, axis=()), MATRIX, ValueError,
          ("axis ()", "at least one"), True),
    Wrong("layernorm axis word", lambda x: kn.layernorm(x, axis="last"), MATRIX, TypeError,
          ("integer", "'last'"), True),
    Wrong("layernorm eps", lambda x: kn.layernorm(x, eps=-1e-5), MATRIX, ValueError, ("eps", ">= 0", "-1e-05"), True),
    Wrong("layernorm eps array", lambda x: kn.layernorm(x, eps=np.ones(3)), MATRIX, TypeError, ("eps",), True),
    Wrong("rmsnorm scale", kn.rmsnorm, SCALES, kn.ShapeError, ("rmsnorm: scale", "(3,)", "(4,)"), True),
    Wrong("rmsnorm eps", lambda x: kn.rmsnorm(x, eps=np.nan), MATRIX, ValueError, ("rmsnorm: eps", "nan"), True),
    Wrong("groupnorm groups", lambda x: kn.groupnorm(x, 2), MATRIX, kn.ShapeError,
          ("3 channels", "(4, 3)", "groups=2"), True),
    Wrong("groupnorm no group", lambda x: kn.groupnorm(x, 0), MATRIX, ValueError, ("groups", "0"), True),
    Wrong("groupnorm half", lambda x: kn.groupnorm(x, 1.5), MATRIX, ValueError, ("groups", "1.5"), True),
    Wrong("groupnorm scale", lambda x, s: kn.groupnorm(x, 3, s), SCALES, kn.ShapeError,
          ("scale", "(3,)", "(4,)"), True),
    Wrong("groupnorm rank", lambda x: kn.groupnorm(x, 1), ((3,),), kn.ShapeError, ("(3,)", "2 axes"), True),
    Wrong("groupnorm batch axis", lambda x: kn.groupnorm(x, 1, axis=0), MATRIX, ValueError, ("axis 0", "(4, 3)"), True),
    Wrong("batchnorm rank", kn.batchnorm, ((3,),), kn.ShapeError, ("batchnorm", "(3,)", "2 axes", "x[None]"), True),
    Wrong("batchnorm axis", lambda x: kn.batchnorm(x, axis=-3), MATRIX, np.exceptions.AxisError, ("axis -3", "(4, 3)"),
          True),
    Wrong("batchnorm scale", lambda x, s: kn.batchnorm(x, scale=s), SCALES, kn.ShapeError,
          ("scale", "(3,)", "axis 1", "(4,)"), True),
    Wrong("batchnorm bias", lambda x, b: kn.batchnorm(x, bias=b), ((4, 3), (3, 1)), kn.ShapeError,
          ("bias", "(3,)", "(3, 1)"), True),
    Wrong("batchnorm order", kn.batchnorm, ((4, 3), (3,)), TypeError, ("kn.Moments()", "scale="), True),
    Wrong("batchnorm one", kn.batchnorm, ((1, 3),), ValueError, ("(1, 3)", "a single element", "training=False"), True),
    Wrong("batchnorm one place", kn.batchnorm, ((1, 3, 1, 1),), ValueError, ("(1, 3, 1, 1)", "a single element"), True),
    Wrong("batchnorm eps", lambda x: kn.batchnorm(x, eps="small"), MATRIX, TypeError, ("eps", "'small'"), True),
    Wrong("batchnorm residual", lambda x, r: kn.batchnorm(x, residual=r), (*MATRIX, (3,)), kn.ShapeError,
          ("residual", "(3,)", "(4, 3)"), True),
    Wrong("batchnorm activation", lambda x: kn.batchnorm(x, activation="relu"), MATRIX, TypeError,
          ("activation", "kn.relu", "'relu'"), True),
    Wrong("batchnorm training", lambda x: kn.batchnorm(x, training="yes"), MATRIX, TypeError,
          ("training", "'yes'"), True),
    Wrong("layernorm axes array", lambda x: kn.layernorm(x, axis=np.arange(2)), MATRIX, TypeError,
          ("axis", "array"), True),
    Wrong("batchnorm channels", lambda x: kn.batchnorm(x, OF_TWO), MATRIX, kn.ShapeError,
          ("2 channels", "x has 3", "(4, 3)"), True),
    Wrong("instancenorm rank", kn.instancenorm, MATRIX, kn.ShapeError, ("instancenorm", "(4, 3)", "3 axes"), True),
    Wrong("instancenorm one", kn.instancenorm, ((4, 3, 1),), ValueError, ("(4, 3, 1)", "a single element"), True),
    Wrong("instancenorm channels", lambda x: kn.instancenorm(x, moments=OF_TWO), ((4, 3, 2),),
          kn.ShapeError, ("2 channels", "x has 3"), True),
    Wrong("normalise ord", lambda x: kn.normalise(x, ord=-1), MATRIX, ValueError, ("ord", "-1"), True),
    Wrong("normalise axis", lambda x: kn.normalise(x, 5), MATRIX, np.exceptions.AxisError, ("axis 5",), True),
    Wrong("weightnorm g", kn.weightnorm, ((4, 3), (3,)), kn.ShapeError, ("(4,)", "(4, 1)", "(4, 3)", "(3,)"), True),
    Wrong("weightnorm axis", lambda v, g: kn.weightnorm(v, g, axis=2), SCALES, np.exceptions.AxisError,
          ("axis 2",), True),
    Wrong("localresponsenorm size", lambda x: kn.localresponsenorm(x, 0), MATRIX, ValueError, ("size", "0"), True),
    Wrong("localresponsenorm beta", lambda x: kn.localresponsenorm(x, 2, beta=None), MATRIX, TypeError,
          ("beta",), True),
    Wrong("localresponsenorm rank", lambda x: kn.localresponsenorm(x, 2), ((3,),), kn.ShapeError, ("(3,)",), True),
]  # fmt: skip

CONSTANTS = {kn.Moments: None}  # no function

X, S = np.ones((4, 3)), np.ones(3, "f4")

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "layernorm": (lambda: kn.layernorm(X, S), ("x has dtype float64", "scale has float32", "astype")),
    "layernorm bias": (lambda: kn.layernorm(X, None, S), ("x has dtype float64", "bias has float32", "astype")),
    "rmsnorm": (lambda: kn.rmsnorm(X.astype(int)), ("x has dtype int64", "x.astype(np.float32)")),
    "groupnorm": (lambda: kn.groupnorm(X, 1, S), ("scale has float32",)),
    "batchnorm": (lambda: kn.batchnorm(X, scale=S), ("scale has float32",)),
    "instancenorm": (lambda: kn.instancenorm(X > 0), ("x has dtype bool",)),
    "normalise": (lambda: kn.normalise(X.astype(complex)), ("x has dtype complex128",)),
    "weightnorm": (lambda: kn.weightnorm(X, S), ("v has dtype float64", "g has float32")),
    "localresponsenorm": (lambda: kn.localresponsenorm(X.astype(int), 2), ("x has dtype int64",)),
    "Moments": (lambda: kn.Moments(mean=np.zeros(3, int)), ("Moments: mean has dtype int64",)),
}  # fmt: skip
