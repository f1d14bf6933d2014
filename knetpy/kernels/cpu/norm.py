"""Normalisation. x is read in the order of its memory, in which it takes one of two forms.

Rows (`normrows.py`): what is contiguous belongs to one group: layernorm, rmsnorm; instancenorm, groupnorm and batchnorm
of C-contiguous images. Columns (`normcolumns.py`): neighbours belong to different groups: batchnorm, instancenorm and
groupnorm with the channels last.

Everything else is the reference's, whose squares of float32 may overflow where these, of float64, do not.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from knetpy.kernels.cpu import flat, floats, normcode, normcolumns, normrows, read
from knetpy.kernels.cpu.normcolumns import CENTRED, GIVEN, SQUARES, THREADED
from knetpy.kernels.reference import norm as reference

PARTS = 16  # sums over rows are made in at most so many parts
new = np.empty  # tests poison what it returns

_NONE = {char: read(np.empty(0, char)) for char in "fd"}


@floats(reference.norm)
def norm(x, scale, bias, residual=None, *, axes, eps, centred=True, relu=False):
    """As the reference's."""
    plan = _plan_for(x, scale, bias, axes)
    if plan is None or not (residual is None or residual.shape == x.shape):
        return reference.norm(x, scale, bias, residual, axes=axes, eps=eps, centred=centred, relu=relu)
    mean, var = new(plan.stats), new(plan.stats)
    mode = CENTRED if centred else SQUARES
    return _normalised(plan, x, scale, bias, residual, mean, var, eps, mode, relu), *plan.as_x(mean, var)


@floats(reference.fixed)
def fixed(x, scale, bias, mean, var, *, eps):
    """As the reference's."""
    plan = None
    if mean.shape == var.shape and _fits(mean.shape, x.shape):
        plan = _plan_for(x, scale, bias, [a for a, n in enumerate(mean.shape) if n == 1])
    if plan is None:
        return reference.fixed(x, scale, bias, mean, var, eps=eps)
    mean, var = [np.array(a.transpose(plan.order), np.float64, order="C") for a in (mean, var)]
    return _normalised(plan, x, scale, bias, None, mean, var, eps, GIVEN, False)


@floats(reference.norm_dx)
def norm_dx(dy, x, mean, var, scale, bias=None, y=None, *, axes, affine, eps, centred=True, relu=False, out=None):
    """As the reference's; the memory order of dx is that of x.

    out: None, or dy if it may be overwritten.
    """
    like = scale if scale is not None else bias
    like = affine if like is None else like.shape
    plan = None
    if (affine is None or tuple(affine) == like) and dy.shape == x.shape and dy.dtype.char == x.dtype.char:
        plan = _plan(x.shape, x.strides, tuple(axes), like)
    if plan is None:
        how = {"axes": axes, "affine": affine, "eps": eps, "centred": centred, "relu": relu}
        return reference.norm_dx(dy, x, mean, var, scale, bias, y, **how)
    dtype, char = x.dtype.type, x.dtype.char
    residual, relu = y is not None, bool(relu)
    layout, driver = plan.layout, normcolumns if plan.layout == normcode.COLUMNS else normrows
    given = np.array(dy.transpose(plan.order), dtype, order="C", copy=None)
    given = given if given.flags.aligned else given.copy()
    ours = out is not None or not np.may_share_memory(given, dy)
    dx, sums = given if ours else new(plan.shape, dtype), np.zeros((2, *plan.sums))
    kept = new(plan.shape, dtype) if residual else new(0, dtype)
    driver.backward(
        normcode.dx_sums(layout, relu, residual, char),
        normcode.dx(layout, relu and not residual, char),
        flat(given),
        plan.flat(x, dtype),
        plan.flat(y, dtype) if residual else _NONE[char],
        _affine(plan, scale, 1, dtype),
        _affine(plan, bias, 0, dtype),
        *[plan.flat(a, np.float64) for a in (mean, var)],
        kept.reshape(-1),
        dx.reshape(-1),
        sums.reshape(2, -1, plan.sums[-1]),
        float(eps),
        bool(centred),
        plan.sizes,
    )
    dresidual = kept.transpose(plan.back) if residual else None
    if affine is None:
        return *plan.as_x(dx), None, None, dresidual
    dbias, dscale = (sums.sum(plan.over) if plan.over else sums).astype(dtype).reshape(2, *plan.affine)
    return *plan.as_x(dx, dscale, dbias), dresidual


def _normalised(plan, x, scale, bias, residual, mean, var, eps, mode, relu):
    dtype, char = x.dtype.type, x.dtype.char
    y, layout = new(plan.shape, dtype), plan.layout
    driver = normcolumns if layout == normcode.COLUMNS else normrows
    driver.forward(
        normcode.sums(layout, char),
        normcode.result(layout, bool(relu), residual is not None, char),
        plan.flat(x, dtype),
        _NONE[char] if residual is None else plan.flat(residual, dtype),
        _affine(plan, scale, 1, dtype),
        _affine(plan, bias, 0, dtype),
        y.reshape(-1),
        mean.reshape(-1),
        var.reshape(-1),
        float(eps),
        mode,
        plan.sizes,
    )
    return y.transpose(plan.back)


def _affine(plan, values, default, dtype):
    if values is None:
        return flat(np.full(plan.factors, default, dtype))
    return plan.flat(values, dtype)


# ------------------------------------------------------------------------------------------------------- plan


class _Plan(NamedTuple):
    """How kernels see x. Shapes are in the order of memory."""

    order: tuple[int, ...]  # the axes of x in the order of its memory
    back: tuple[int, ...]  # and how to undo it
    shape: tuple[int, ...]  # of x
    stats: tuple[int, ...]  # of mean and variance
    affine: tuple[int, ...]  # of scale and bias
    factors: int  # how many elements scale and bias have
    layout: int  # `normcode`'s
    sizes: np.ndarray  # what the drivers take
    sums: tuple[int, ...]  # in which the backward kernel leaves the sums that make dscale and dbias
    over: tuple[int, ...]  # which of those axes to sum over

    def flat(self, x, dtype):
        """The elements of an array whose axes are those of x, in the order of the memory of x."""
        return flat(x.transpose(self.order), dtype)

    def as_x(self, *arrays):
        """Arrays in the order of memory, as x has its axes."""
        return [a.transpose(self.back) for a in arrays]


def _plan_for(x, scale, bias, axes):
    """The plan for x, or None: the reference is to do it."""
    if scale is None or bias is None or scale.shape == bias.shape:
        like = bias if scale is None else scale
        return _plan(x.shape, x.strides, tuple(axes), None if like is None else like.shape)
    return None


def _fits(shape, x_shape):
    """Whether each axis has the size that it has in x, or 1."""
    return len(shape) == len(x_shape) and all([n in (1, m) for n, m in zip(shape, x_shape)])


@lru_cache(maxsize=1024)
def _plan(shape, strides, axes, affine):
    affine = (1,) * len(shape) if affine is None else tuple(affine)
    if not math.prod(shape) or not shape or not _fits(affine, shape):
        return None
    order = tuple(sorted(range(len(shape)), key=lambda a: -abs(strides[a])))
    reduced = {range(len(shape))[a] for a in axes}
    blocks = _blocks([(a not in reduced, affine[a] != 1, shape[a]) for a in order if shape[a] != 1])
    found = _columns_plan(blocks) or _rows_plan(blocks)
    if found is None:
        return None
    return _Plan(
        order,
        tuple(np.argsort(order).tolist()),
        tuple([shape[a] for a in order]),
        tuple([1 if a in reduced else shape[a] for a in order]),
        tuple([affine[a] for a in order]),
        math.prod(affine),
        *found,
    )


def _blocks(axes):
    """Neighbouring axes that are alike as one: (kept, affine, size, stride, stride in scale), the last strides 1."""
    merged: list[list] = []
    for kept, affine, size in axes:
        if merged and merged[-1][:2] == [kept, affine]:
            merged[-1][2] *= size
        else:
            merged.append([kept, affine, size])
    stride = scale_stride = 1
    for block in reversed(merged):
        _, affine, size = block
        block += [stride, scale_stride if affine else 0]
        stride, scale_stride = stride * size, scale_stride * size if affine else scale_stride
    return merged


def _rows_plan(blocks):
    one = [1, 0, 0]
    kept, reduced = [b for b in blocks if b[0]], [b for b in blocks if not b[0]]
    if [b for b in kept + reduced if b[1]] != [b for b in blocks if b[1]]:
        return None  # dscale and dbias would come in another order than that of memory
    groups, inside = [b[2:] for b in kept], [b[2:] for b in reduced]
    if len(groups) > 2 or len(inside) > 2 or (blocks and blocks[-1][0]):
        return None
    sizes = [one] * (2 - len(groups)) + groups + [one] * (2 - len(inside)) + inside
    counts = tuple([size for size, _, _ in sizes])
    if sizes[3][2]:
        factors = math.prod([size for size, _, stride in sizes if stride])
        parts = max(1, min(PARTS, counts[0] * counts[1], math.prod(counts) // THREADED))
        return normcode.LAYER, np.array(sizes), (parts, factors), (1,) if parts > 1 else ()
    over = tuple([a + 1 for a in range(3) if counts[a] > 1 and not sizes[a][2]])
    return normcode.ROWS, np.array(sizes), counts[:3], over


def _columns_plan(blocks):
    """Images of rows of channels: kept, reduced, kept; groups of the channels are kept and reduced, or reduced."""
    if not blocks or not blocks[0][0]:
        blocks = [[True, False, 1, 0, 0], *blocks]
    kept, affine = [b[0] for b in blocks], [b[1] for b in blocks]
    if len(blocks) < 3 or kept[:2] != [True, False] or any(affine[:2]) or len(set(affine[2:])) > 1:
        return None
    if kept[2:] not in ([True], [True, False], [False]):
        return None
    images, rows, *sizes = [b[2] for b in blocks]
    channels, group = math.prod(sizes), 1 if kept[-1] else sizes[-1]
    over = tuple([a for a, many in ((1, images > 1), (2, not affine[2])) if many])
    return normcode.COLUMNS, normcolumns.plan(images, rows, channels, group), (images, channels), over
