"""Attention against PyTorch's, rotary positions against their formula in PyTorch."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops.peer import Case, F, torch

MASK = np.array([[True, False, True, True], [False, True, True, False], [False, False, True, False]])


def shapes(*leading, q=3, k=4, d=2, e=3):
    return (*leading, q, d), (*leading, k, d), (*leading, k, e)


def formula(q, k, v, bias=None, mask=None, scale=None):
    """What scaled_dot_product_attention stands for, to any order; queries that see nothing give 0."""
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = scores if bias is None else scores + bias
    if mask is None:
        return torch.softmax(scores, -1) @ v
    hidden = ~torch.tensor(mask)
    weights = torch.softmax(scores.masked_fill(hidden, -1e30), -1).masked_fill(hidden, 0)
    return weights @ v


def attend(name, sizes, order=1, theirs=None, **options):
    """By default against PyTorch's own function, which has no second derivative on the CPU."""
    given = {"is_causal": options.get("causal", False), "scale": options.get("scale")}

    def own(q, k, v, *bias):
        mask = torch.tensor(options["mask"]) if "mask" in options else bias[0] if bias else None
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **given)

    def ours(q, k, v, *bias):
        return kn.attention(q, k, v, bias=bias[0] if bias else None, **options)

    return Case(name, ours, theirs or own, sizes, order=order)


def split(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(-2, -3)


def in_heads(q, k, v, heads, **options):
    y = formula(*[split(x, heads) for x in (q, k, v)], **options)
    return y.transpose(-2, -3).flatten(-2)


def grouped(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


def repeated(q, k, v):
    return formula(q, *[x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v)])


def rotated(x, positions, base, interleaved):
    """Complex numbers, as in the paper."""
    half = x.shape[-1] // 2
    pairs = x.unflatten(-1, (half, 2)) if interleaved else x.unflatten(-1, (2, half)).mT
    angles = torch.tensor(positions, dtype=x.dtype)[..., None] * base ** (-torch.arange(half, dtype=x.dtype) / half)
    turned = torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones_like(angles), angles)
    pairs = torch.view_as_real(turned)
    return pairs.flatten(-2) if interleaved else pairs.mT.flatten(-2)


def rope(shape, positions, base, interleaved):
    places = np.arange(shape[-2]) if positions is None else np.array(positions)
    return Case(
        f"rope {shape} {positions} {base}{' interleaved' * interleaved}",
        lambda x: kn.rope(x, positions, base=base, interleaved=interleaved),
        lambda x: rotated(x, places, base, interleaved),
        (shape,),
    )


LEADING = ((), (2,), (2, 2))
SEEN = {"": {}, " mask": {"mask": MASK}, " row": {"mask": MASK[:1]}, " causal": {"causal": True}}

CASES = [
    *[
        attend(f"{leading}{name}", shapes(*leading), **options)
        for leading, (name, options) in product(LEADING, SEEN.items())
    ],
    *[
        attend(f"{leading}{name}, twice", shapes(*leading), 2, lambda *args, m=m: formula(*args, mask=m), **options)
        for leading, (name, options, m) in product(
            LEADING,
            (
                ("", {}, None),
                (" mask", {"mask": MASK}, MASK),
                (" causal", {"causal": True}, np.tri(3, 4, dtype=bool)),
            ),
        )
    ],
    *[attend(f"causal {q} {k}", shapes(2, q=q, k=k), causal=True) for q, k in ((1, 3), (4, 2), (3, 3), (2, 5))],
    *[attend(f"scale {scale}", shapes(2), scale=scale) for scale in (1.0, 0.1, -2)],
    *[attend(f"bias {b}", (*shapes(2, 2), b)) for b in ((3, 4), (2, 2, 3, 4), (2, 1, 3, 4))],
    *[attend(f"bias {b}, twice", (*shapes(2, 2), b), 2, formula) for b in ((3, 4), (2, 3, 4), (2, 2, 3, 1), (4,), ())],
    *[
        attend(f"heads {h} {leading}{name}", shapes(*leading, d=4, e=8), 2,
               lambda *args, h=h, m=m: in_heads(*args, h, mask=m), heads=h, mask=m)
        for h, leading, (name, m) in product((1, 2, 4), ((), (2,)), (("", None), (" mask", MASK)))
    ],
    *[
        attend(f"groups {h} of {g}{name}", ((2, h, 3, 2), (2, g, 4, 2), (2, g, 4, 3)), order, f)
        for (h, g), (name, order, f) in product(
            ((4, 2), (6, 2), (3, 1), (2, 2)), (("", 1, grouped), (", twice", 2, repeated))
        )
    ],
    *[
        rope(*case)
        for case in product(((3, 2), (2, 3, 4), (2, 1, 3, 6)), (None, [5, 0, 2]), (10000.0, 10.0), (False, True))
    ],
]  # fmt: skip
