"""Normalisation against PyTorch's."""

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

MEAN, VAR = np.array([0.3, -1.0, 2.0, 0.0]), np.array([0.5, 1.5, 0.25, 1.0])
MOMENTS, FRESH = kn.Moments(mean=MEAN, var=VAR), kn.Moments()
SHAPES = ((3, 4), (2, 4, 3), (2, 4, 2, 3), (1, 4, 2, 1, 2))
C = ((4,), (4,))  # scale and bias


def tensors(*arrays):
    return [None if a is None else torch.tensor(a) for a in arrays]


def parts(given, scale, bias):
    """scale and bias as passed: some of them may be left out."""
    given = list(given)
    return (given.pop(0) if scale else None), (given.pop(0) if bias else None)


def _both(name, ours, theirs, shape, scale, bias, sizes=(4,), domain="any"):
    return Case(
        f"{name} {shape}{' scale' * scale}{' bias' * bias}",
        lambda x, *given: ours(x, *parts(given, scale, bias)),
        lambda x, *given: theirs(x, *parts(given, scale, bias)),
        (shape, *[sizes] * (scale + bias)),
        domain,
        1 if bias and not scale else 2,  # their second derivative fails without a scale
    )


def _stepped(shape, momentum, each=False):
    """y and the running moments after three steps of training, and y of a step without."""

    def batches(x):
        return [x, x * x, x * 3 + 1]

    def ours(x, scale, bias):
        moments = kn.Moments(momentum)
        norm = (lambda x, m, *a, **k: kn.instancenorm(x, *a, moments=m, **k)) if each else kn.batchnorm
        ys = [norm(b, moments, scale, bias, training=True) for b in batches(x)]
        return [*ys, moments.mean, moments.var, norm(x, moments, scale, bias, training=False)]

    def theirs(x, scale, bias):
        made = torch.nn.InstanceNorm1d if each else getattr(torch.nn, f"BatchNorm{max(len(shape) - 2, 1)}d")
        layer = made(4, momentum=momentum, affine=True, track_running_stats=True).double()
        layer.weight.data, layer.bias.data = scale, bias
        ys = [layer(b).detach() for b in batches(x)]
        mean, var = layer.running_mean.clone(), layer.running_var.clone()
        return [*ys, mean, var, layer.eval()(x)]

    return Case(f"{'instance' if each else 'batch'} steps {shape} {momentum}", ours, theirs, (shape, *C), order=0)


def _running(x, scale, bias):
    return F.batch_norm(x, *tensors(MEAN, VAR), scale, bias, False)


def _each_running(x, scale, bias):
    return F.instance_norm(x, *tensors(MEAN, VAR), scale, bias, use_input_stats=False)


def weight(v, g, axis):
    """Their function in plain operations: the second derivative of torch._weight_norm itself fails their gradcheck."""
    others = [a for a in range(v.ndim) if a != axis]
    shape = [n if a == axis else 1 for a, n in enumerate(v.shape)]
    return v * (g.reshape(shape) / torch.linalg.vector_norm(v, dim=others, keepdim=True))


AFFINE = ((False, False), (True, False), (True, True), (False, True))
SOME = ((False, False), (True, True))

CASES = [
    *[
        _both(
            "batch training",
            lambda x, s, b: kn.batchnorm(x, FRESH, s, b, training=True),
            lambda x, s, b: F.batch_norm(x, None, None, s, b, True),
            shape,
            *affine,
        )
        for shape in SHAPES
        for affine in AFFINE
    ],
    *[
        _both(
            "batch running",
            lambda x, s, b: kn.batchnorm(x, MOMENTS, s, b, training=False),
            _running,
            shape,
            *affine,
        )
        for shape in SHAPES[:3]
        for affine in AFFINE
    ],
    *[_stepped(shape, momentum) for shape in SHAPES[:3] for momentum in (0.1, 0.7, None)],
    *[_stepped(SHAPES[1], momentum, each=True) for momentum in (0.1, 0.7)],
    *[
        _both("layer", kn.layernorm, lambda x, s, b: F.layer_norm(x, (4,), s, b), shape, *affine, domain=domain)
        for shape, domain in (((4,), "any"), ((3, 4), "any"), ((2, 3, 4), "large"))
        for affine in AFFINE
    ],
    *[
        _both(
            "layer axes",
            lambda x, s, b: kn.layernorm(x, s, b, axis=(-2, -1), eps=0.1),
            lambda x, s, b: F.layer_norm(x, (3, 2), s, b, 0.1),
            (2, 3, 2),
            *affine,
            sizes=(3, 2),
        )
        for affine in AFFINE
    ],
    *[
        _both(
            f"group {groups}",
            lambda x, s, b, groups=groups: kn.groupnorm(x, groups, s, b),
            lambda x, s, b, groups=groups: F.group_norm(x, groups, s, b),
            shape,
            *affine,
        )
        for shape in SHAPES[1:]
        for groups in (1, 2, 4)
        for affine in SOME
    ],
    *[
        _both("instance", kn.instancenorm, lambda x, s, b: F.instance_norm(x, None, None, s, b), shape, *affine)
        for shape in SHAPES[1:]
        for affine in AFFINE
    ],
    Case(
        "instance running",
        lambda x, s, b: kn.instancenorm(x, s, b, moments=MOMENTS, training=False),
        _each_running,
        (SHAPES[1], *C),
    ),
    *[
        _both(
            f"rms {eps}",
            lambda x, s, _, eps=eps: kn.rmsnorm(x, s, eps=eps),
            lambda x, s, _, eps=eps: F.rms_norm(x, (4,), s, eps),
            shape,
            scale,
            False,
        )
        for shape in ((4,), (3, 4), (2, 2, 4))
        for eps in (None, 0.1)
        for scale in (False, True)
    ],
    *[
        Case(
            f"normalise {p} {axis} {eps}",
            lambda x, how=(axis, eps, p): kn.normalise(x, how[0], eps=how[1], ord=how[2]),
            lambda x, how=(axis, eps, p): F.normalize(x, how[2], how[0], how[1]),
            ((3, 4, 2),),
            "positive" if p == 2.5 else "any",  # their second derivative at 0 is NaN
        )
        for p in (1, 2, 3, 2.5, np.inf)
        for axis, eps in ((-1, 1e-12), (1, 1e-12), (0, 2.5))
    ],
    *[
        Case(
            f"normalise to variance 1 {axis}",
            lambda x, axis=axis: kn.normalise(x, axis, eps=0.01),
            lambda x, axis=axis: (
                (x - x.mean(axis, keepdim=True)) / torch.sqrt(x.var(axis, unbiased=False, keepdim=True) + 0.01)
            ),
            ((3, 4, 2),),
        )
        for axis in (-1, 0, (0, 2))
    ],
    *[
        Case(
            f"weight {shape} {axis} {size}",
            lambda v, g, axis=axis: kn.weightnorm(v, g, axis=axis),
            lambda v, g, axis=axis: weight(v, g, axis),
            (shape, size),
        )
        for shape, axis, size in (
            ((3, 4), 0, (3,)),
            ((3, 4), 0, (3, 1)),
            ((3, 4), 1, (4,)),
            ((3, 4), 1, (1, 4)),
            ((3, 4), None, ()),
            ((3, 4), None, (1, 1)),
            ((3, 2, 2), 0, (3, 1, 1)),
            ((3, 2, 2), 2, (2,)),
            ((3, 2, 2, 2), 0, (3,)),
            ((3, 2, 2, 2), None, (1,)),
        )
    ],
    *[
        Case(
            f"local response {size} {shape} {options}",
            lambda x, size=size, options=options: kn.localresponsenorm(x, size, **options),
            lambda x, size=size, options=options: F.local_response_norm(x, size, **options),
            (shape,),
        )
        for size in (1, 2, 3, 4, 7)
        for shape, options in (((2, 5, 3), {}), ((2, 3, 2, 2), {"alpha": 1.5, "beta": 0.6, "k": 2.0}))
    ],
]
