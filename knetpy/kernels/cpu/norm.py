"""Normalisation. x is read in the order of its memory, in which it takes one of two forms.

Rows: what is contiguous belongs to one group: a group is so many pieces of so many neighbours (layernorm, rmsnorm;
instancenorm, groupnorm and batchnorm of C-contiguous images; groupnorm with the channels last). A group is one
iteration's, which reads it again while it is near.

Columns: neighbours belong to different groups (batchnorm and instancenorm with the channels last). Rows are taken in
chunks, whose moments are taken in two passes while they are near and merged in float64. Where channels are few,
several rows are read as one, so that there are enough lanes.

Everything else is the reference's, whose squares of float32 may overflow where these, of float64, do not.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import prange

from knetpy.kernels.cpu import floats
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.reference import norm as reference

SERIAL = 1 << 14  # elements: below, starting threads takes longer than the work
CHUNK = 1 << 15  # elements of a chunk of columns: two float32 arrays of it fit into a small second-level cache
LANES = 64  # columns are at least so many, if there are rows enough
PARTS = 16  # sums over rows are made in at most so many parts

GIVEN, SQUARES, CENTRED = 0, 1, 2  # which statistics: none, mean squares, mean and variance

at = np.uint64  # x[at(i)]: Numba does not ask whether i counts from the end, which keeps loops from becoming vectors.
# Slices would do if each did not cost two atomic counts of references; and a call costs as much as a short row.


@floats(reference.norm)
def norm(x, scale, bias, *, axes, eps, centred=True):
    """As the reference's."""
    plan = _plan_for(x, scale, bias, tuple(axes))
    if plan is None:
        return reference.norm(x, scale, bias, axes=axes, eps=eps, centred=centred)
    mean, var = np.empty(plan.stats), np.empty(plan.stats)
    y = _normalised(plan, x, scale, bias, mean, var, eps, CENTRED if centred else SQUARES)
    return y, mean.transpose(plan.back), var.transpose(plan.back)


@floats(reference.fixed)
def fixed(x, scale, bias, mean, var, *, eps):
    """As the reference's."""
    plan = None
    if mean.shape == var.shape and _fits(mean.shape, x.shape):
        plan = _plan_for(x, scale, bias, tuple([a for a, n in enumerate(mean.shape) if n == 1]))
    if plan is None:
        return reference.fixed(x, scale, bias, mean, var, eps=eps)
    mean, var = [np.array(a.transpose(plan.order), np.float64, order="C") for a in (mean, var)]
    return _normalised(plan, x, scale, bias, mean, var, eps, GIVEN)


@floats(reference.norm_dx)
def norm_dx(dy, x, mean, var, scale, *, axes, affine, eps, centred=True):
    """As the reference's; the memory order of dx is that of x."""
    axes, like = tuple(axes), affine if scale is None else scale.shape
    plan = None
    if (affine is None or tuple(affine) == like) and dy.shape == x.shape and dy.dtype.char == x.dtype.char:
        plan = _plan(x.shape, x.strides, axes, like)
    if plan is None:
        return reference.norm_dx(dy, x, mean, var, scale, axes=axes, affine=affine, eps=eps, centred=centred)
    dtype, order = x.dtype.type, plan.order
    dx = np.empty(plan.shape, dtype)
    inputs = [_flat(a, order, t) for a, t in ((dy, dtype), (x, dtype), (mean, np.float64), (var, np.float64))]
    factors = _affine(plan, scale, 1, dtype)
    sums = np.zeros((2, *plan.sums))
    kernel = _columns_dx if plan.columns else _rows_dx
    kernel = kernel.serial if dx.size < SERIAL else kernel
    kernel(*inputs, factors, dx.reshape(-1), sums.reshape(2, -1, plan.sums[-1]), float(eps), bool(centred), plan.sizes)
    dx = dx.transpose(plan.back)
    if affine is None:
        return dx, None, None
    dbias, dscale = (sums.sum(plan.over) if plan.over else sums).astype(dtype).reshape(2, *plan.affine)
    return dx, dscale.transpose(plan.back), dbias.transpose(plan.back)


def _normalised(plan, x, scale, bias, mean, var, eps, mode):
    dtype = x.dtype.type
    y = np.empty(plan.shape, dtype)
    kernel = _columns if plan.columns else _rows
    kernel = kernel.serial if y.size < SERIAL else kernel
    a, b = _affine(plan, scale, 1, dtype), _affine(plan, bias, 0, dtype)
    x, flat, moments = _flat(x, plan.order, dtype), y.reshape(-1), (mean.reshape(-1), var.reshape(-1))
    kernel(x, a, b, flat, *moments, float(eps), mode, plan.sizes)
    return y.transpose(plan.back)


def _affine(plan, values, default, dtype):
    if values is None:
        values = np.full(plan.factors, default, dtype)
        values.flags.writeable = False
        return values
    return _flat(values, plan.order, dtype)


def _flat(a, order, dtype):
    """What `kernels.cpu.read` makes of `a`, in one axis: the elements in memory order."""
    a = np.ascontiguousarray(a.transpose(order), dtype).reshape(-1)
    if not a.flags.aligned:
        a = a.copy()
    a.flags.writeable = False
    return a


# ------------------------------------------------------------------------------------------------------- plan


class _Plan(NamedTuple):
    """How kernels see x. Shapes are in the order of memory."""

    order: tuple[int, ...]  # the axes of x in the order of its memory
    back: tuple[int, ...]  # and how to undo it
    shape: tuple[int, ...]  # of x
    stats: tuple[int, ...]  # of mean and variance
    affine: tuple[int, ...]  # of scale and bias
    factors: int  # how many elements scale and bias have
    columns: bool
    sizes: np.ndarray  # for rows, (count, stride in x, stride in scale) for outer groups, inner groups, pieces and
    # neighbours; for columns, the numbers of images, rows, channels, lanes, rows of a chunk, chunks of an image
    sums: tuple[int, ...]  # in which the backward kernel leaves the sums that make dscale and dbias
    over: tuple[int, ...]  # which of those axes to sum over


def _plan_for(x, scale, bias, axes):
    """The plan for x, or None: the reference is to do it."""
    if scale is None or bias is None or scale.shape == bias.shape:
        like = bias if scale is None else scale
        return _plan(x.shape, x.strides, axes, None if like is None else like.shape)
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
    found = _columns_plan(blocks) if blocks and blocks[-1][0] else _rows_plan(blocks)
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
    groups = [b[2:] for b in blocks if b[0]]
    inside = [b[2:] for b in blocks if not b[0]]
    if len(groups) > 2 or len(inside) > 2:
        return None
    sizes = [one] * (2 - len(groups)) + groups + [one] * (2 - len(inside)) + inside
    counts = tuple([size for size, _, _ in sizes])
    if sizes[3][2]:
        factors = math.prod([size for size, _, stride in sizes if stride])
        parts = max(1, min(PARTS, counts[0] * counts[1], math.prod(counts) // SERIAL))
        return False, np.array(sizes), (parts, factors), (1,) if parts > 1 else ()
    over = tuple([a + 1 for a in range(3) if counts[a] > 1 and not sizes[a][2]])
    return False, np.array(sizes), counts[:3], over


def _columns_plan(blocks):
    if len(blocks) == 2:
        blocks = [[True, False, 1, 0, 0], *blocks]
    if [b[0] for b in blocks] != [True, False, True] or blocks[0][1] or blocks[1][1]:
        return None
    images, rows, channels = [b[2] for b in blocks]
    fold = max(1, min(rows, LANES // channels))
    chunk = -(-max(CHUNK // channels, 32) // fold) * fold
    sizes = np.array([images, rows, channels, fold * channels, chunk, -(-rows // chunk)])
    over = tuple([a for a, many in ((1, images > 1), (2, not blocks[2][1])) if many])
    return True, sizes, (images, channels), over


# ------------------------------------------------------------------------------------------------------- rows


@jit(parallel=True)
def _rows(x, scale, bias, y, mean, var, eps, mode, sizes):
    for g in prange(len(mean)):
        if mode != GIVEN:
            mean[g], var[g] = _row_moments(x, g, mode, sizes)
        _row_result(x, scale, bias, y, g, mean[g], var[g], eps, sizes)


@jit(parallel=True)
def _rows_dx(dy, x, mean, var, scale, dx, sums, eps, centred, sizes):
    vector = sizes[3, 2] > 0
    parts = sums.shape[1] if vector else len(mean)
    for part in prange(parts):
        for g in range(part * len(mean) // parts, (part + 1) * len(mean) // parts):
            _row_dx(dy, x, mean[g], var[g], scale, dx, sums, part, g, eps, centred, sizes)


@jit(forceinline=True)
def _row_place(g, sizes):
    """Where group number g begins in x and in scale."""
    outer, inner = g // sizes[1, 0], g % sizes[1, 0]
    return outer * sizes[0, 1] + inner * sizes[1, 1], outer * sizes[0, 2] + inner * sizes[1, 2]


@jit(forceinline=True)
def _row_moments(x, g, mode, sizes):
    start, _ = _row_place(g, sizes)
    pieces, step, length = sizes[2, 0], sizes[2, 1], sizes[3, 0]
    if step == length:
        pieces, length = 1, pieces * length
    count, mean, squares = pieces * length, 0.0, 0.0
    if mode == CENTRED:
        for p in range(pieces):
            mean += _sum(x, start + p * step, length)
        mean /= count
        if x.itemsize == 8:
            off = 0.0
            for p in range(pieces):
                off += _sum_off(x, start + p * step, length, mean)
            if np.isfinite(off):  # what rounding left: equal elements are their mean
                mean += off / count
    for p in range(pieces):
        squares += _sum_squares(x, start + p * step, length, mean)
    return mean, squares / count


@jit(forceinline=True)
def _row_result(x, scale, bias, y, g, mean, var, eps, sizes):
    start, first = _row_place(g, sizes)
    high = x.dtype.type(mean)
    low, factor = x.dtype.type(mean - high), x.dtype.type(1 / np.sqrt(var + eps))
    for p in range(sizes[2, 0]):
        here, there = start + p * sizes[2, 1], first + p * sizes[2, 2]
        if sizes[3, 2]:
            for j in range(sizes[3, 0]):
                n = (x[at(here + j)] - high - low) * factor
                y[at(here + j)] = n * scale[at(there + j)] + bias[at(there + j)]
        else:
            a, b = scale[there], bias[there]
            for j in range(sizes[3, 0]):
                y[at(here + j)] = (x[at(here + j)] - high - low) * factor * a + b


@jit(forceinline=True, fastmath=False)  # what is rounded like its mean, minus that mean, is 0
def _row_dx(dy, x, mean, var, scale, dx, sums, part, g, eps, centred, sizes):
    start, first = _row_place(g, sizes)
    pieces, length, vector = sizes[2, 0], sizes[3, 0], sizes[3, 2] > 0
    high = x.dtype.type(mean)
    low, factor = x.dtype.type(mean - high), x.dtype.type(1 / np.sqrt(var + eps))
    total, product = 0.0, 0.0  # of scale * dy, and of scale * dy * (x - mean)
    for p in range(pieces):
        here, there = start + p * sizes[2, 1], first + p * sizes[2, 2]
        if vector:
            one, two = _sum_scaled(dy, x, here, length, scale, there, mean)
            total, product = total + one, product + two
            _add_columns(dy, x, here, length, mean, factor, sums, part, there)
        else:
            one, two = _sum_products(dy, x, here, length, mean)
            total, product = total + scale[there] * one, product + scale[there] * two
            sums[0, g, p], sums[1, g, p] = one, two * factor
    count = pieces * length
    slope = x.dtype.type(product * factor * factor / count)
    shift = x.dtype.type(total / count) if centred else x.dtype.type(0)
    for p in range(pieces):
        here, there = start + p * sizes[2, 1], first + p * sizes[2, 2]
        if vector:
            for j in range(length):
                n = x[at(here + j)] - high - low
                dx[at(here + j)] = (dy[at(here + j)] * scale[at(there + j)] - n * slope - shift) * factor
        else:
            a = scale[there]
            for j in range(length):
                n = x[at(here + j)] - high - low
                dx[at(here + j)] = (dy[at(here + j)] * a - n * slope - shift) * factor


# Each of these is one plain sum, of which LLVM may make several.


@jit(fastmath={"contract", "reassoc", "nsz"}, forceinline=True)
def _sum(x, start, count):
    total = 0.0
    for j in range(count):
        total += x[at(start + j)]
    return total


@jit(fastmath={"contract", "reassoc", "nsz"}, forceinline=True)
def _sum_squares(x, start, count, mean):
    total = 0.0
    for j in range(count):
        d = x[at(start + j)] - mean
        total += d * d
    return total


@jit(fastmath={"contract", "reassoc", "nsz"}, forceinline=True)
def _sum_products(dy, x, start, count, mean):
    total = product = 0.0
    for j in range(count):
        total += dy[at(start + j)]
        product += dy[at(start + j)] * (x[at(start + j)] - mean)
    return total, product


@jit(fastmath={"contract", "reassoc", "nsz"}, forceinline=True)
def _sum_scaled(dy, x, start, count, scale, first, mean):
    total = product = 0.0
    for j in range(count):
        g = dy[at(start + j)] * scale[at(first + j)]
        total += g
        product += g * (x[at(start + j)] - mean)
    return total, product


@jit()
def _sum_off(x, start, count, mean):
    """Of x - mean; reassociated, it could become sum(x) - count * mean."""
    a = b = c = d = 0.0
    whole = count // 4 * 4
    for j in range(start, start + whole, 4):
        a += x[at(j)] - mean
        b += x[at(j + 1)] - mean
        c += x[at(j + 2)] - mean
        d += x[at(j + 3)] - mean
    for j in range(start + whole, start + count):
        a += x[at(j)] - mean
    return (a + b) + (c + d)


@jit(forceinline=True)
def _add_columns(dy, x, start, count, mean, factor, sums, part, first):
    for j in range(count):
        g, to = dy[at(start + j)], at(first + j)
        sums[0, part, to] += g
        sums[1, part, to] += g * ((x[at(start + j)] - mean) * factor)


# ---------------------------------------------------------------------------------------------------- columns


@jit(parallel=True)
def _columns(x, scale, bias, y, mean, var, eps, mode, sizes):
    images, rows, channels, lanes, chunk, chunks = sizes
    if mode != GIVEN:
        parts = np.empty((images * chunks, 3, channels))
        for k in prange(images * chunks):
            start, stop = _chunk(k, sizes)
            _chunk_moments(x[start:stop], parts[k], lanes, mode)
        for image in range(images):
            here = slice(image * channels, (image + 1) * channels)
            _merge(parts[image * chunks : (image + 1) * chunks], rows, chunk, mode, mean[here], var[here])
    tables = np.empty((images, 5, lanes), x.dtype)
    for image in range(images):
        here = slice(image * channels, (image + 1) * channels)
        _result_table(mean[here], var[here], scale, bias, eps, tables[image])
    for k in prange(images * chunks):
        start, stop = _chunk(k, sizes)
        _chunk_result(x[start:stop], tables[k // chunks], y[start:stop])


@jit(parallel=True)
def _columns_dx(dy, x, mean, var, scale, dx, sums, eps, centred, sizes):
    images, rows, channels, lanes, chunk, chunks = sizes
    parts = np.empty((images * chunks, 2, channels))
    for k in prange(images * chunks):
        start, stop = _chunk(k, sizes)
        here = k // chunks * channels
        _chunk_products(dy[start:stop], x[start:stop], mean[here : here + channels], parts[k], lanes)
    tables = np.empty((images, 5, lanes), x.dtype)
    for image in range(images):
        here = slice(image * channels, (image + 1) * channels)
        _add_parts(parts[image * chunks : (image + 1) * chunks], sums[0, image], sums[1, image])
        _dx_table(mean[here], var[here], scale, eps, rows, centred, sums[0, image], sums[1, image], tables[image])
    for k in prange(images * chunks):
        start, stop = _chunk(k, sizes)
        _chunk_dx(dy[start:stop], x[start:stop], tables[k // chunks], dx[start:stop])


@jit()
def _chunk(k, sizes):
    """Where chunk number k begins and ends in x."""
    images, rows, channels, lanes, chunk, chunks = sizes
    image, number = k // chunks, k % chunks
    begin = image * rows
    return (begin + number * chunk) * channels, (begin + min((number + 1) * chunk, rows)) * channels


@jit()
def _chunk_moments(x, out, lanes, mode):
    """Sums, means and sums of the squares of what is left of a chunk."""
    channels = out.shape[1]
    mean, sums = np.zeros(lanes), np.zeros(lanes)
    out[:2] = 0.0
    if mode == CENTRED:
        count = len(x) // channels
        for again in range(1 + (x.itemsize == 8)):  # again for what rounding left: equal elements are their mean
            sums[:] = 0.0
            _sum_lanes(x, mean, sums)
            for c in range(channels):
                total = 0.0
                for j in range(c, lanes, channels):
                    total += sums[j]
                if again == 0:
                    out[0, c] = total
                if again == 0 or np.isfinite(total):
                    out[1, c] += total / count
                for j in range(c, lanes, channels):
                    mean[j] = out[1, c]
        sums[:] = 0.0
    _square_lanes(x, mean, sums)
    for c in range(channels):
        out[2, c] = 0.0
        for j in range(c, lanes, channels):
            out[2, c] += sums[j]


@jit()
def _merge(parts, rows, chunk, mode, mean, var):
    """Mean and variance from the moments of chunks."""
    for c in range(len(mean)):
        total = off = squares = 0.0
        for k in range(len(parts)):
            total += parts[k, 0, c]
        total /= rows
        if mode == CENTRED:
            for k in range(len(parts)):
                off += min(chunk, rows - k * chunk) * (parts[k, 1, c] - total)
            if np.isfinite(off):
                total += off / rows
        for k in range(len(parts)):
            off = parts[k, 1, c] - total
            squares += parts[k, 2, c] + min(chunk, rows - k * chunk) * (off * off)
        mean[c], var[c] = total, squares / rows


@jit()
def _sum_lanes(x, mean, sums):
    lanes = len(sums)
    whole = len(x) // (4 * lanes) * (4 * lanes)
    for a in range(0, whole, 4 * lanes):
        b, c, d = a + lanes, a + 2 * lanes, a + 3 * lanes
        for j in range(lanes):
            m = mean[j]
            sums[j] += ((x[at(a + j)] - m) + (x[at(b + j)] - m)) + ((x[at(c + j)] - m) + (x[at(d + j)] - m))
    for a in range(whole, len(x), lanes):
        for j in range(min(lanes, len(x) - a)):
            sums[j] += x[at(a + j)] - mean[j]


@jit()
def _square_lanes(x, mean, sums):
    lanes = len(sums)
    whole = len(x) // (2 * lanes) * (2 * lanes)
    for a in range(0, whole, 2 * lanes):
        b = a + lanes
        for j in range(lanes):
            d, e = x[at(a + j)] - mean[j], x[at(b + j)] - mean[j]
            sums[j] += d * d + e * e
    for a in range(whole, len(x), lanes):
        for j in range(min(lanes, len(x) - a)):
            sums[j] += (x[at(a + j)] - mean[j]) ** 2


@jit()
def _chunk_products(dy, x, mean, out, lanes):
    """Sums of dy and of dy * (x - mean)."""
    channels = len(mean)
    means, totals, products = np.empty(lanes), np.zeros(lanes), np.zeros(lanes)
    for j in range(0, lanes, channels):
        means[j : j + channels] = mean
    for p in range(0, len(x), lanes):
        for j in range(min(lanes, len(x) - p)):
            g = dy[at(p + j)]
            totals[j] += g
            products[j] += g * (x[at(p + j)] - means[j])
    out[:] = 0.0
    for j in range(0, lanes, channels):
        for c in range(channels):
            out[0, c] += totals[j + c]
            out[1, c] += products[j + c]


@jit()
def _add_parts(parts, totals, products):
    totals[:] = 0.0
    products[:] = 0.0
    for k in range(len(parts)):
        for c in range(len(totals)):
            totals[c] += parts[k, 0, c]
            products[c] += parts[k, 1, c]


@jit()
def _result_table(mean, var, scale, bias, eps, table):
    """What _chunk_result needs, for each lane."""
    channels = len(mean)
    own = len(scale) > 1  # each channel has a scale of its own
    for c in range(channels):
        high = scale.dtype.type(mean[c])
        low, factor = mean[c] - high, 1 / np.sqrt(var[c] + eps)
        a, b = scale[c if own else 0], bias[c if own else 0]
        for j in range(c, table.shape[1], channels):
            table[0, j], table[1, j], table[2, j], table[3, j], table[4, j] = high, low, factor, a, b


@jit()
def _dx_table(mean, var, scale, eps, rows, centred, totals, products, table):
    """What _chunk_dx needs, for each lane; products become those of dy and the result without scale."""
    channels = len(mean)
    own = len(scale) > 1
    for c in range(channels):
        high = scale.dtype.type(mean[c])
        factor = scale.dtype.type(1 / np.sqrt(var[c] + eps))
        products[c] *= factor
        a = scale[c if own else 0] * factor
        slope = a * products[c] * factor / rows
        shift = a * totals[c] / rows if centred else 0.0
        for j in range(c, table.shape[1], channels):
            table[0, j], table[1, j], table[2, j], table[3, j], table[4, j] = high, mean[c] - high, a, slope, shift


@jit()
def _chunk_result(x, table, y):
    high, low, factor, scale, bias = table[0], table[1], table[2], table[3], table[4]
    for p in range(0, len(x), len(high)):
        for j in range(min(len(high), len(x) - p)):
            y[at(p + j)] = (x[at(p + j)] - high[j] - low[j]) * factor[j] * scale[j] + bias[j]


@jit(fastmath=False)  # as _row_dx
def _chunk_dx(dy, x, table, dx):
    high, low, scale, slope, shift = table[0], table[1], table[2], table[3], table[4]
    for p in range(0, len(x), len(high)):
        for j in range(min(len(high), len(x) - p)):
            d = x[at(p + j)] - high[j] - low[j]
            dx[at(p + j)] = dy[at(p + j)] * scale[j] - (d * slope[j] + shift[j])
