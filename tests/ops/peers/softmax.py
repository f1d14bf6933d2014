"""The softmax family against PyTorch's."""

from functools import partial

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch


def masked(theirs, x, axis, mask):
    """PyTorch's function of the elements that take part, and 0 for what it makes -Inf (or NaN, where none do)."""
    mask = torch.tensor(mask)
    some = mask.any(axis, keepdim=True)
    low = -np.inf if theirs is not FAMILY["softmin"][1] else np.inf
    y = theirs(torch.where(some, torch.where(mask, x, x.new_tensor(low)), x.new_tensor(0.0)), axis)
    return torch.where(some.reshape(y.shape) if y.ndim < x.ndim else some & mask, y, x.new_tensor(0.0))


def finite(ours, x, axis, mask):
    y = ours(x, axis, mask=mask)
    return np.where(np.isinf(y), 0, y)


def sparsemax(x, axis):
    down = torch.sort(x, axis, descending=True).values.movedim(axis, -1)
    total, rank = down.cumsum(-1), torch.arange(1, x.shape[axis] + 1)
    count = (1 + rank * down > total).sum(-1, keepdim=True)
    return torch.relu(x - ((total.gather(-1, count - 1) - 1) / count).movedim(-1, axis))


def hidden(shape):
    """A mask that hides all of one row or column, and something elsewhere."""
    mask = np.arange(np.prod(shape)).reshape(shape) % 3 > 0
    mask[0] = False
    return mask


def flat(f):
    """`f` along all axes, for PyTorch's functions of one."""
    return lambda x: f(x.reshape(-1), 0).reshape(x.shape)


FAMILY = {
    "softmax": (kn.softmax, lambda x, axis: torch.softmax(x, axis)),
    "logsoftmax": (kn.logsoftmax, lambda x, axis: torch.log_softmax(x, axis)),
    "logsumexp": (kn.logsumexp, lambda x, axis: torch.logsumexp(x, axis)),
    "softmin": (kn.softmin, lambda x, axis: F.softmin(x, axis)),
    "sparsemax": (kn.sparsemax, sparsemax),
}
SHAPES = (((5,), 0), ((3, 4), 0), ((3, 4), -1), ((3, 4, 2), 1), ((2, 1, 3, 2), 2))
MASKS = (((3, 4), 1), ((3, 4), 0), ((2, 3, 3), -1), ((2, 3, 2), 1))
DOMAINS = ("any", "large")

CASES = [
    *[
        Case(f"{name} {shape} {axis} {domain}", partial(f, axis=axis), partial(g, axis=axis), (shape,), domain)
        for name, (f, g) in FAMILY.items()
        for shape, axis in SHAPES
        for domain in DOMAINS
    ],
    Case("logsumexp axes", lambda x: kn.logsumexp(x, (0, 2)), lambda x: torch.logsumexp(x, (0, 2)), ((3, 4, 2),)),
    Case("softmax of all", lambda x: kn.softmax(x, None), flat(lambda x, a: torch.softmax(x, a)), ((3, 4),)),
    Case("logsoftmax of all", lambda x: kn.logsoftmax(x, None), flat(lambda x, a: torch.log_softmax(x, a)), ((3, 4),)),
    *[
        Case(f"{name} masked {shape} {axis} {domain}", partial(finite, FAMILY[name][0], axis=axis, mask=hidden(shape)),
             partial(masked, FAMILY[name][1], axis=axis, mask=hidden(shape)), (shape,), domain)
        for name in ("softmax", "logsoftmax", "logsumexp", "softmin")
        for shape, axis in MASKS
        for domain in DOMAINS
    ],
]  # fmt: skip
