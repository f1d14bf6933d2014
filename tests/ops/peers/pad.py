"""Padding against PyTorch's, and where it has none against the same formula in its functions."""

import knetpy as kn
from tests.ops.peer import Case, F, torch

NAMES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}  # F.pad's
LINES, PLANES, SPACES = (2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 2, 3)
OUTER = {LINES: [(2, 1)], PLANES: [(0, 2), (3, 1)], SPACES: [(1, 0), (1, 1), (2, 1)]}


def joined(x, before, after):
    return torch.cat([before(x), x, after(x)], 1)


def ramp(x, start, stop, count):
    return start + torch.arange(count, dtype=x.dtype) / count * (stop - start)


def odd(part, edge):
    return 2 * edge - torch.flip(part, (1,))


# One axis of (3, 5), by two elements before and three after: what is put there.
FORMULAS = {
    "linear_ramp": (
        {"end_values": (3, -2)},
        lambda x: ramp(x, 3, x[:, :1], 2),
        lambda x: torch.flip(ramp(x, -2, x[:, -1:], 3), (1,)),
    ),
    "maximum": (
        {},
        lambda x: x.amax(1, True).expand(3, 2),
        lambda x: x.amax(1, True).expand(3, 3),
    ),
    "minimum": (
        {"stat_length": (2, 4)},
        lambda x: x[:, :2].amin(1, True).expand(3, 2),
        lambda x: x[:, -4:].amin(1, True).expand(3, 3),
    ),
    "mean": (
        {"stat_length": (3, 1)},
        lambda x: x[:, :3].mean(1, True).expand(3, 2),
        lambda x: x[:, -1:].expand(3, 3),
    ),
    "median": (
        {},
        lambda x: x.median(1, True)[0].expand(3, 2),
        lambda x: x.median(1, True)[0].expand(3, 3),
    ),
    "reflect": (
        {"reflect_type": "odd"},
        lambda x: odd(x[:, 1:3], x[:, :1]),
        lambda x: odd(x[:, -4:-1], x[:, -1:]),
    ),
    "symmetric": (
        {"reflect_type": "odd"},
        lambda x: odd(x[:, :2], x[:, :1]),
        lambda x: odd(x[:, -3:], x[:, -1:]),
    ),
    "symmetric ": (
        {},
        lambda x: torch.flip(x[:, :2], (1,)),
        lambda x: torch.flip(x[:, -3:], (1,)),
    ),
}

CASES = [
    *[
        Case(
            f"{mode} {shape}",
            lambda x, m=mode, p=pairs: kn.pad(x, [(0, 0), (0, 0), *p], m),
            lambda x, m=mode, p=pairs: F.pad(x, [n for pair in reversed(p) for n in pair], NAMES[m]),
            (shape,),
        )
        for mode in NAMES
        for shape, pairs in OUTER.items()
        if mode != "reflect" or all(max(pair) < n for n, pair in zip(shape[2:], pairs))
    ],
    Case(
        "constant 3",
        lambda x: kn.pad(x, ((1, 2), (0, 3)), constant_values=3),
        lambda x: F.pad(x, (0, 3, 1, 2), value=3),
        ((2, 3),),
    ),
    *[
        Case(
            f"{mode}, {options}",
            lambda x, m=mode, o=options: kn.pad(x, ((0, 0), (2, 3)), m.strip(), **o),
            lambda x, b=before, a=after: joined(x, b, a),
            ((3, 5),),
        )
        for mode, (options, before, after) in FORMULAS.items()
    ],
]
