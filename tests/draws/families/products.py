"""Products: matmul and its kin, linear layers, einsum with any subscripts."""

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw
from tests.draws.finish import activation
from tests.ops.peer import torch

NAN = {"poison": (np.nan,)}  # Inf times 0 is NaN in some orders of summing only


def _size(dice):
    return dice.size(40) if dice.chance(0.95) else dice.integer(60, 400)


def _leading(dice):
    """Two lists of axes that broadcast."""
    axes = dice.sizes(0, 3, 5)
    return [[1 if dice.chance(0.2) else n for n in axes][dice.integer(0, len(axes)) * dice.chance(0.3) :] for _ in "ab"]


def _turned(shape, turned):
    return (*shape[:-2], shape[-1], shape[-2]) if turned else tuple(shape)


def matmul(dice):
    rows, inner, columns, (a, b) = _size(dice), _size(dice), _size(dice), _leading(dice)
    a = (*a, rows, inner) if dice.chance(0.9) else (inner,)
    b = (*b, inner, columns) if dice.chance(0.9) else (inner,)
    dtype = dice.dtype()
    call = dice.pick(np.matmul, lambda a, b: a @ b)
    return Draw("", call, lambda a, b: torch.matmul(a, b), [dice.array(s, dtype) for s in (a, b)], **NAN)


def dot(dice):
    rows, inner, columns, dtype = _size(dice), _size(dice), _size(dice), dice.dtype()
    a, b = dice.pick((rows, inner), (inner,)), dice.pick((inner, columns), (inner,))
    return Draw("", np.dot, lambda a, b: torch.matmul(a, b), [dice.array(s, dtype) for s in (a, b)], **NAN)


def inner(dice):
    shared, dtype = dice.size(12), dice.dtype()
    shapes = [(*dice.sizes(0, 2, 6), shared) for _ in "ab"]
    return Draw("", np.inner, lambda a, b: torch.inner(a, b), [dice.array(s, dtype) for s in shapes], **NAN)


def outer(dice):
    shapes, dtype = [dice.sizes(0, 2, 8) for _ in "ab"], dice.dtype()

    def theirs(a, b):
        return torch.outer(a.flatten(), b.flatten())

    return Draw("", np.outer, theirs, [dice.array(s, dtype) for s in shapes])


def vdot(dice):
    shape, dtype = dice.sizes(0, 3, 8), dice.dtype()

    def theirs(a, b):
        return torch.vdot(a.flatten(), b.flatten())

    return Draw("", np.vdot, theirs, [dice.array(shape, dtype) for _ in "ab"], **NAN)


def tensordot(dice):
    """Over the last and first axes, or over pairs of any."""
    dtype, count = dice.dtype(), dice.integer(0, 2)
    shared = [dice.size(8) for _ in range(count)]
    a, b = [*dice.sizes(0, 2, 6), *shared], [*shared, *dice.sizes(0, 2, 6)]
    axes = count
    if dice.chance(0.6):
        p, q = dice.rng.permutation(len(a)), dice.rng.permutation(len(b))
        axes = [
            [int(np.argsort(p)[len(a) - count + n]) for n in range(count)],
            [int(np.argsort(q)[n]) for n in range(count)],
        ]
        a, b = [a[i] for i in p], [b[i] for i in q]
    arrays = [dice.array(s, dtype) for s in (a, b)]
    return Draw(axes, lambda a, b: np.tensordot(a, b, axes), lambda a, b: torch.tensordot(a, b, axes), arrays, **NAN)


def einsum(dice):
    """One to three operands of any letters, repeated or summed alone, with axes in place of dots."""
    letters, dtype, count = "abcdef", dice.dtype(), dice.pick(1, 2, 2, 2, 3)
    length, dots = {c: dice.size(6) for c in letters}, dice.sizes(0, 2, 4, empty=0) if dice.chance(0.3) else None
    words = ["".join(dice.rng.choice(list(letters[: dice.integer(2, 6)]), dice.integer(0, 4))) for _ in range(count)]
    known = sorted(set("".join(words)))
    dotted = [dots is not None and dice.chance(0.8) for _ in words]
    if count == 3 and any(len(w) > 3 for w in words):
        return None
    result = "".join([c for c in dice.rng.permutation(known) if dice.chance(0.5)]) if known else ""
    places = [dice.integer(0, len(w)) for w in words]  # where the dots stand
    shapes = []
    for word, place, dot in zip(words, places, dotted):
        sizes = [length[c] for c in word]
        extra = dots[dice.integer(0, len(dots)) * dice.chance(0.3) :] if dot else []
        shapes.append([*sizes[:place], *extra, *sizes[place:]])
    text = ",".join([w[:p] + "..." * dot + w[p:] for w, p, dot in zip(words, places, dotted)])
    text += "->" + "..." * any(dotted) + result if any(dotted) or dice.chance(0.8) else ""
    how = {"optimize": True} if dice.chance(0.2) else {}
    arrays = [dice.array(s, dtype) for s in shapes]
    return Draw(text, lambda *xs: np.einsum(text, *xs, **how), lambda *xs: torch.einsum(text, *xs), arrays, **NAN)


COMMON = (
    "bij,bjk->bik", "bhqd,bhkd->bhqk", "bqhd,bkhd->bhqk", "ij,jk->ki", "bi,oi->bo", "i,j->ij", "bij,kj->bki",
    "...ij,...jk->...ik", "ii,ij->j", "bchw,oc->bohw", "ij,ij->", "ij,ij->i", "bij,bij->bj", "ij,j->i", "ij->j",
    "ij->ji", "bi,ij,bj->b", "bi,oij,bj->bo",
)  # fmt: skip


def common_einsum(dice):
    text, dtype, dots = dice.pick(*COMMON), dice.dtype(), dice.sizes(0, 2, 4)
    length = {c: dice.size(14) for c in "abcdhijkqow"}
    shapes = [[*(dots if "..." in w else []), *[length[c] for c in w.replace("...", "")]]
              for w in text.split("->")[0].split(",")]  # fmt: skip
    arrays = [dice.array(s, dtype) for s in shapes]
    return Draw(text, lambda *xs: np.einsum(text, *xs), lambda *xs: torch.einsum(text, *xs), arrays, **NAN)


def linear(dice):
    leading, width, outputs, dtype = dice.sizes(0, 3, 12), dice.size(40), dice.size(40), dice.dtype()
    if dice.chance(0.06):
        leading, width, outputs = [dice.integer(100, 600)], dice.integer(30, 300), dice.integer(30, 300)
    turned, (name, ours, theirs) = dice.chance(0.4), activation(dice)
    arrays = [dice.array(s, dtype) for s in ((*leading, width), _turned((width, outputs), turned))]
    if dice.chance(0.7):
        arrays.append(dice.array((outputs,), dtype))

    def call(*args):
        return kn.linear(*args, activation=ours, transpose_w=turned)

    def other(x, w, bias=None):
        y = x @ (w.mT if turned else w)
        return theirs(y if bias is None else y + bias)

    return Draw(f"{name} transpose_w {turned}", call, other, arrays, ties=name == "none", **NAN)


def bmm(dice):
    rows, inner, columns, dtype = _size(dice), _size(dice), _size(dice), dice.dtype()
    axes = dice.sizes(1, 2, 5)
    a, b = [[1 if dice.chance(0.15) else n for n in axes] for _ in "ab"]
    ta, tb = dice.chance(0.4), dice.chance(0.4)
    shapes = _turned((*a, rows, inner), ta), _turned((*b, inner, columns), tb)

    def theirs(a, b):
        return (a.mT if ta else a) @ (b.mT if tb else b)

    def ours(a, b):
        return kn.bmm(a, b, transpose_a=ta, transpose_b=tb)

    return Draw(f"{ta} {tb}", ours, theirs, [dice.array(s, dtype) for s in shapes], **NAN)


def bilinear(dice):
    leading, dtype = dice.sizes(0, 2, 8), dice.dtype()
    outputs, first, second = [dice.size(8) for _ in range(3)]
    shapes = [(*leading, first), (*leading, second), (outputs, first, second), (outputs,)][: dice.pick(3, 4)]

    def theirs(a, b, w, bias=None):
        y = torch.einsum("...i,oij,...j->...o", a, w, b)
        return y if bias is None else y + bias

    return Draw("", kn.bilinear, theirs, [dice.array(s, dtype) for s in shapes], **NAN)


def mat(dice):
    shape, dtype = dice.sizes(1, 4, 8, empty=0), dice.dtype()
    dims = dice.integer(0, len(shape))

    def theirs(x):
        return x.reshape(int(np.prod(shape[:dims])), -1)

    return Draw(dims, lambda x: kn.mat(x, dims), theirs, [dice.array(shape, dtype)])


FAMILIES = {
    f.__name__: f for f in (matmul, dot, inner, outer, vdot, tensordot, einsum, linear, bmm, bilinear, mat)
} | {"einsum as it is used": common_einsum}  # fmt: skip
