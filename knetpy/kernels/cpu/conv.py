"""Convolution, its input gradient, which is the transposed convolution, and its weight gradient."""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.cpu import channels_last, floats, read, threes
from knetpy.kernels.cpu.codegen.panels import address
from knetpy.kernels.cpu.codegen.tile import FLAGS
from knetpy.kernels.cpu.codegen.vectors import BITS
from knetpy.kernels.cpu.convcase import How, backward, forward
from knetpy.kernels.cpu.convdw import weigh
from knetpy.kernels.cpu.convdwplan import Geometry
from knetpy.kernels.reference import conv as reference

PHASES = 2048  # what lies between the places of a larger stride would take long to plan for, pixel by pixel
new, new_like = np.empty, np.empty_like  # tests poison what they return


@floats(reference.conv)
def conv(x, w, bias=None, *, stride, padding, dilation, groups, activation=None):
    """As the reference's, but the channels of y lie last in memory."""
    geometry = (x.shape, w.shape, stride, padding, dilation, groups, x.dtype.char, BITS)
    return _convolved(forward, geometry, x, w, bias, FLAGS[activation])


@floats(reference.conv_dx)
def conv_dx(dy, w, *, size, stride, padding, dilation, groups):
    """As the reference's, but the channels of dx lie last in memory."""
    if math.prod(map(min, stride, size)) > PHASES:
        return reference.conv_dx(dy, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    geometry = (dy.shape, w.shape, size, stride, padding, dilation, groups, dy.dtype.char, BITS)
    return _convolved(backward, geometry, dy, w, None, 0)


@floats(reference.conv_dw)
def conv_dw(x, dy, *, window, stride, padding, dilation, groups):
    """As the reference's, but products with the padding, which are 0 or NaN, may be left out."""
    dw = new((dy.shape[1], x.shape[1] // groups, *window), x.dtype.type)
    if not x.size or not dy.size:
        dw[...] = 0
    elif dw.size:
        before, steps = (first for first, _ in padding), (threes(stride, 1), threes(dilation, 1))
        weigh(_images(x), _images(dy), dw, Geometry(threes(window, 1), steps[0], threes(before, 0), steps[1], groups))
    return dw


def _images(x: np.ndarray) -> np.ndarray:
    """x (N, C, *S) as (N, D, H, W, C), aligned and in native byte order; in any other respect as it lies in memory."""
    x = x if x.flags.aligned and x.dtype.isnative else x.astype(x.dtype.type)
    return x.transpose(0, *range(2, x.ndim), 1).reshape(len(x), *threes(x.shape[2:], 1), x.shape[1])


def _convolved(plans, geometry, x, w, bias, flags):
    how, dtype = plans(*geometry), x.dtype.type
    y = new_like(how.like)
    if how.convolve is not None:
        images = x.transpose(how.last)
        if not (images.flags.c_contiguous and x.flags.aligned and x.dtype.isnative):
            images = channels_last(x)
        if not (w.flags.c_contiguous and w.flags.aligned and w.dtype == y.dtype):
            w = read(w, dtype)
        bias = None if bias is None else read(bias, dtype)
        if not _computed(how, images, w, bias, flags, y):
            _computed(plans(*geometry, exact=True), images, w, bias, flags, y)
    return y


def _computed(how: How, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, flags: int, y: np.ndarray) -> bool:
    """Write y; return whether all of it is right, as it is but where NaN got to pixels that should not see it."""
    row = bias if bias is None or how.pixels == 1 else np.tile(bias, how.pixels)
    weights, memory = how.packing.pack(w)
    finite = how.convolve(how.plan, address(x), weights, address(y), 0 if row is None else address(row), flags)
    del memory  # it had to live until now
    return finite and (how.pixels == 1 or not _has_nan(y))


def _has_nan(y: np.ndarray) -> bool:
    """Whether there may be: the sum of infinities of both signs is NaN too."""
    with np.errstate(all="ignore"):
        return bool(np.isnan(np.sum(y)))
