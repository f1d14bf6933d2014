"""Normalisation of batches, of examples and of weights."""

import math

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw
from tests.draws.finish import SPECIAL, activation
from tests.ops.peer import F, torch
from tests.ops.peers.norm import parts, weight

COUNT = 200  # with slack, as small variances multiply what is rounded
X = (0,)  # may hold NaN and Inf; an infinite scale gives infinite results, where PyTorch merges it with the mean: NaN


def _shape(dice, least=0):
    """(N, C, *S) with at least so many axes in S; large now and then."""
    if dice.chance(0.05):
        return [dice.integer(8, 40), dice.integer(3, 70), dice.integer(10, 30), dice.integer(10, 30)]
    return [dice.size(12), dice.size(40, empty=0), *dice.sizes(least, 3, 12)]


def _operands(dice, shape, sizes, bias=True):
    """(x and, of these sizes, scale and bias as far as they are given, which of the two are)"""
    dtype, given = dice.dtype(), (dice.chance(0.7), bias and dice.chance(0.7))
    x = dice.array(shape, dtype) * dtype.type(dice.pick(1, 1, 3)) + dtype.type(dice.pick(0, 0, 2, -10))
    return [x, *[dice.array(sizes, dtype) for _ in range(sum(given))]], given


def _affine(x, rest, given, sizes):
    """(scale, bias) for PyTorch, whose derivatives fail for a bias without a scale."""
    scale, bias = parts(rest, *given)
    return (torch.ones(*sizes).to(x.dtype) if scale is None and bias is not None else scale), bias


def batchnorm(dice):
    shape, mode = _shape(dice), dice.pick("no moments", "training", "running")
    if mode != "running" and math.prod(shape) == shape[1]:
        return None
    axis, eps = dice.pick(1, 1, 1, -1, 0), dice.pick(1e-5, 1e-5, 0.1)
    channels = shape[1]
    (x, *arrays), given = _operands(dice, shape, (channels,))
    mean, var = dice.array((channels,), x.dtype), np.abs(dice.array((channels,), x.dtype)) + x.dtype.type(0.1)
    added, (name, ours, theirs) = dice.chance(0.4), activation(dice)
    momentum, training = dice.pick(0.1, 0.7), mode != "running"
    moments = None if mode == "no moments" else kn.Moments(momentum, mean=mean, var=var)

    def knetpy(x, *rest):
        x, residual = [a if a is None else np.moveaxis(a, 1, axis) for a in (x, rest[-1] if added else None)]
        how = {"residual": residual, "activation": ours, "axis": axis, "eps": eps, "training": training}
        return np.moveaxis(kn.batchnorm(x, moments, *parts(rest, *given), **how), axis, 1)

    def peer(x, *rest):
        running = [torch.from_numpy(a.copy()).to(x.dtype) for a in (mean, var)]
        y = F.batch_norm(x, *running, *_affine(x, rest, given, (channels,)), training, momentum, eps)
        return theirs(y + rest[-1] if added else y)

    return Draw(
        f"batchnorm {mode} axis={axis} eps={eps} momentum={momentum} scale, bias={given} residual={added} {name}",
        knetpy,
        peer,
        [x, *arrays, *[dice.array(shape, x.dtype) for _ in range(added)]],
        special=X if name in SPECIAL else False,
        slack=10,
    )


def moments(dice):
    """The running moments after some steps, of batches and of examples; they have no derivative."""
    each = dice.chance(0.3)
    shape = _shape(dice, int(each))
    channels, momentum = shape[1], dice.pick(0.1, 0.7, 1.0)
    if math.prod(shape) == 0 or math.prod(shape[2:]) * (1 if each else shape[0]) < 2:
        return None

    def ours(x):
        kept = kn.Moments(momentum, mean=np.zeros(channels, x.dtype), var=np.ones(channels, x.dtype))
        for batch in (x, x * x, x * 3 + 1):
            if each:
                kn.instancenorm(batch, moments=kept, training=True)
            else:
                kn.batchnorm(batch, kept, training=True)
        return kept.mean, kept.var

    def peer(x):
        mean, var = torch.zeros(channels).to(x.dtype), torch.ones(channels).to(x.dtype)
        for batch in (x, x * x, x * 3 + 1):
            if each:
                F.instance_norm(batch, mean, var, None, None, True, momentum)
            else:
                F.batch_norm(batch, mean, var, None, None, True, momentum)
        return mean, var

    (x, *_), _ = _operands(dice, shape, ())
    return Draw(f"moments {'of examples' if each else ''} {momentum}", ours, peer, [x], order=0)


def instancenorm(dice):
    shape, running = _shape(dice, 1), dice.chance(0.3)
    if not running and math.prod(shape[2:]) < 2:
        return None
    (x, *arrays), given = _operands(dice, shape, shape[1:2])
    mean, var = dice.array(shape[1:2], x.dtype), np.abs(dice.array(shape[1:2], x.dtype)) + x.dtype.type(0.1)
    moments = kn.Moments(mean=mean, var=var) if running else None

    def peer(x, *rest):
        kept = [torch.from_numpy(a).to(x.dtype) if running else None for a in (mean, var)]
        return F.instance_norm(x, *kept, *_affine(x, rest, given, shape[1:2]), use_input_stats=not running)

    return Draw(
        f"instancenorm running={running} scale, bias={given}",
        lambda x, *rest: kn.instancenorm(x, *parts(rest, *given), moments=moments, training=False),
        peer,
        [x, *arrays],
        special=X,
        slack=10,
    )


def groupnorm(dice):
    groups, each = dice.integer(1, 6), dice.integer(1, 6)
    n, _, *size = _shape(dice)
    if math.prod(size) * each < 2:  # there PyTorch gives NaN
        return None
    axis = dice.pick(1, 1, -1) if size else 1
    arrays, given = _operands(dice, [n, groups * each, *size], [groups * each])

    def ours(x, *rest):
        return np.moveaxis(kn.groupnorm(np.moveaxis(x, 1, axis), groups, *parts(rest, *given), axis=axis), axis, 1)

    return Draw(
        f"groupnorm {groups} axis={axis} scale, bias={given}",
        ours,
        lambda x, *rest: F.group_norm(x, groups, *_affine(x, rest, given, [groups * each])),
        arrays,
        special=X,
        slack=10,
    )


def layernorm(dice):
    return _by_example(dice, "layernorm", kn.layernorm, lambda x, *rest: F.layer_norm(x, *rest))


def rmsnorm(dice):
    def theirs(x, sizes, scale, bias, eps):
        return F.rms_norm(x, sizes, scale, eps)

    return _by_example(dice, "rmsnorm", lambda x, scale, bias, **how: kn.rmsnorm(x, scale, **how), theirs, False)


def _by_example(dice, name, ours, theirs, bias=True):
    """Norms over the last axes, or over the first of x turned round."""
    count = dice.integer(1, 2)
    shape = [*dice.sizes(0, 3, 20), *dice.sizes(count, count)]
    shape = [dice.integer(100, 900), dice.integer(50, 500)] if dice.chance(0.05) else shape
    sizes = shape[-count:]
    if math.prod(sizes) < 2 or (name == "rmsnorm" and 0 in shape):
        return None
    eps, first = dice.pick(1e-5, 0.1), dice.chance(0.3)
    last, begin = tuple(range(-count, 0)), tuple(range(count))
    axis = begin if first else dice.pick(last, -1) if count == 1 else last
    arrays, given = _operands(dice, shape, sizes, bias)

    def turned(x, *rest):
        x = np.moveaxis(x, last, begin) if first else x
        y = ours(x, *parts(rest, *given), axis=axis, eps=eps)
        return np.moveaxis(y, begin, last) if first else y

    return Draw(
        f"{name} axis={axis} eps={eps} scale, bias={given}",
        turned,
        lambda x, *rest: theirs(x, sizes, *_affine(x, rest, given, sizes), eps),
        arrays,
        special=X,
        slack=10,
    )


def normalise(dice):
    shape, order = dice.sizes(1, 4, 20), dice.pick(None, 1, 2, 3, 2.5, np.inf)
    axis = dice.integer(-len(shape), len(shape) - 1)
    eps = dice.pick(1e-5, 0.3)
    if shape[axis] < 2:
        return None

    def standard(x):
        centred = x - x.mean(axis, keepdim=True)
        return centred / torch.sqrt((centred * centred).mean(axis, keepdim=True) + eps)

    return Draw(
        f"normalise {order} axis={axis} eps={eps}",
        lambda x: kn.normalise(x, axis, eps=eps, ord=order),
        standard if order is None else lambda x: F.normalize(x, order, axis, eps),
        [dice.array(shape, dice.dtype())],
        special=order != np.inf,  # by elements below an infinite one ours are 0, PyTorch's NaN
        ties=False,  # at 0 PyTorch's second derivatives are NaN
    )


def weightnorm(dice):
    shape = dice.sizes(2, 5, 12, empty=0)
    axis = dice.pick(None, *range(len(shape)))
    lengths = () if axis is None else (shape[axis],)
    if axis is not None and dice.chance(0.5):
        lengths = [n if a == axis else 1 for a, n in enumerate(shape)]
    dtype = dice.dtype()
    return Draw(
        f"weightnorm axis={axis}",
        lambda v, g: kn.weightnorm(v, g, axis=axis),
        lambda v, g: weight(v, g, axis),
        [dice.array(shape, dtype), dice.array(lengths, dtype)],
        ties=False,  # NaN where a norm is 0
    )


def localresponsenorm(dice):
    shape, size = _shape(dice, 1), dice.integer(1, 9)
    how = dice.pick({}, {"alpha": 1.5, "beta": 0.6, "k": 2.0})
    return Draw(
        f"localresponsenorm {size} {how}",
        lambda x: kn.localresponsenorm(x, size, **how),
        lambda x: F.local_response_norm(x, size, **how),
        [dice.array(shape, dice.dtype())],
    )


FAMILIES = {
    "batchnorm": batchnorm,
    "moments": moments,
    "instancenorm": instancenorm,
    "groupnorm": groupnorm,
    "layernorm": layernorm,
    "rmsnorm": rmsnorm,
    "normalise": normalise,
    "weightnorm": weightnorm,
    "localresponsenorm": localresponsenorm,
}
