"""Normalisation where neighbours in memory belong to different groups: images with their channels last.

x is (images, rows, channels); in each image the rows of one channel, or of `group` neighbouring channels, share their
mean and variance. Sums are those of x - origin, where the origin is an element of the group: so they lose nothing to a
large mean, need one pass, and those of chunks of rows can simply be added. Where channels are few, several rows make a
line, so that vectors are full. The second pass begins where the first ended, with what is still near.
"""

from __future__ import annotations

import numpy as np

from knetpy.kernels.cpu.codegen.panels import address
from knetpy.kernels.cpu.codegen.vectors import call
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.normcode import BIAS, GAIN, HIGH, LOW, SHIFT, SLOPE
from knetpy.kernels.cpu.threads import portion, threaded

CHUNK = 1 << 14  # elements that a thread takes at a time
WIDTH = 64  # columns of a line, if there are rows enough
THREADED = 1 << 14  # elements from which on threads share the work
GIVEN, SQUARES, CENTRED = 0, 1, 2  # which statistics: none, mean squares, mean and variance


def plan(images, rows, channels, group):
    """The sizes that the kernels take: these four, the width of a line, the rows of a chunk, the chunks of an image."""
    lines = max(1, min(rows, WIDTH // channels))
    chunk = -(-max(CHUNK // channels, 32) // lines) * lines
    return np.array([images, rows, channels, group, lines * channels, chunk, -(-rows // chunk)])


def forward(sums, result, x, more, scale, bias, y, mean, var, eps, mode, sizes):
    """Put the statistics, unless they are given, into mean and var, and the result into y."""
    images, width, size = int(sizes[0]), int(sizes[4]), x.itemsize
    table = np.empty((images, 6, width), x.dtype)
    origins, parts = np.zeros((images, width)), np.zeros((images * int(sizes[6]), 2, width))
    walk = _walk if x.size >= THREADED else _walk.serial
    if mode != GIVEN:
        if mode == CENTRED:
            _origins(x, origins, sizes)
        walk(sums, address(x), 0, 0, 0, address(origins), width * 8, address(parts), size, sizes, False)
        _moments(parts, origins, mean, var, mode, sizes)
    for given in (mean, var):
        given.flags.writeable = False  # or Numba would compile for both kinds
    _results(mean, var, scale, bias, eps, table, sizes)
    walk(result, address(x), address(more), address(y), 0, address(table), 6 * width * size, 0, size, sizes, True)


def backward(dx_sums, last, dy, x, y, scale, bias, mean, var, kept, dx, sums, eps, centred, sizes):
    """Put the derivative by x into dx, those by bias and scale, for each image and channel, into sums."""
    images, width, size = int(sizes[0]), int(sizes[4]), x.itemsize
    table, parts = np.empty((images, 6, width), x.dtype), np.zeros((images * int(sizes[6]), 2, width))
    walk, known = _walk if x.size >= THREADED else _walk.serial, (address(table), 6 * width * size)
    _results(mean, var, scale, bias, eps, table, sizes)
    walk(dx_sums, address(dy), address(x), address(y), address(kept), *known, address(parts), size, sizes, False)
    _slopes(parts, var, scale, sums, eps, centred, table, sizes)
    walk(last, address(kept if kept.size else dy), address(x), address(dx), 0, *known, 0, size, sizes, True)


@threaded
def _walk(rank, code, a, b, c, d, table, step, parts, size, sizes, back):
    """Call a routine of `normcode` for all chunks, the last one first if `back`.

    It knows arrays by address only, and so is compiled once for all of its uses.
    Tables of images lie `step` bytes apart, each chunk has its own part for sums.
    """
    images, width, chunks = sizes[0], sizes[4], sizes[6]
    for k in portion(rank, images * chunks):
        n = images * chunks - 1 - k if back else k
        image, first = n // chunks, n % chunks * sizes[5]
        start, count = (image * sizes[1] + first) * sizes[2], min(sizes[5], sizes[1] - first) * sizes[2]
        at, out = start * size, parts + n * width * 16
        places = (a + at, b + at, c + at, d + at, count, width, table + image * step)
        call(code, (*places, 0, 0, out, out + width * 8))


@jit()
def _origins(x, origins, sizes):
    """An element of each group, for each column; 0 instead of one that is not finite."""
    for image in range(sizes[0]):
        for j in range(sizes[4]):
            c = j % sizes[2]
            first = x[image * sizes[1] * sizes[2] + c - c % sizes[3]]
            origins[image, j] = first if np.isfinite(first) else 0.0


@jit()
def _results(mean, var, scale, bias, eps, table, sizes):
    """What each column has to know for y."""
    images, _, channels, group, width, _, _ = sizes
    for image in range(images):
        for c in range(channels):
            at, own = (image * channels + c) // group, c if len(scale) > 1 else 0
            high = scale.dtype.type(mean[at])
            gain = scale[own] * scale.dtype.type(1 / np.sqrt(var[at] + eps))
            for j in range(c, width, channels):
                table[image, HIGH, j], table[image, LOW, j] = high, mean[at] - high
                table[image, GAIN, j], table[image, BIAS, j] = gain, bias[own]


@jit()
def _moments(parts, origins, mean, var, mode, sizes):
    """Mean and variance from the sums of chunks."""
    images, rows, channels, group, width, _, chunks = sizes
    for image in range(images):
        for k in range(image * chunks + 1, (image + 1) * chunks):
            for s in range(2):
                for j in range(width):
                    parts[image * chunks, s, j] += parts[k, s, j]
        for g in range(channels // group):
            total = squares = 0.0
            for j in range(g * group, width, channels):
                for c in range(j, j + group):
                    total += parts[image * chunks, 0, c]
                    squares += parts[image * chunks, 1, c]
            at = image * (channels // group) + g
            mean[at], var[at] = moments(origins[image, g * group], total, squares, rows * group, mode)


@jit(forceinline=True)
def moments(origin, total, squares, count, mode):
    """Mean and variance from the sums of x - origin and of its square."""
    if mode == SQUARES:
        return 0.0, squares / count
    off = total / count
    var = squares / count - off * off
    return origin + off, 0.0 if var < 0 else var


@jit()
def _slopes(parts, var, scale, sums, eps, centred, table, sizes):
    """What each column has to know for dx, and the derivatives by bias and scale."""
    images, rows, channels, group, width, _, chunks = sizes
    for image in range(images):
        for k in range(image * chunks, (image + 1) * chunks):
            for s in range(2):
                for j in range(0, width, channels):
                    for c in range(channels):
                        sums[s, image, c] += parts[k, s, j + c]
        for g in range(channels // group):
            factor = 1 / np.sqrt(var[image * (channels // group) + g] + eps)
            total = product = 0.0
            for c in range(g * group, (g + 1) * group):
                own = scale[c if len(scale) > 1 else 0]
                total += own * sums[0, image, c]
                product += own * sums[1, image, c]
                sums[1, image, c] *= factor
            slope, shift = slopes(total, product, factor, rows * group, centred)
            for j in range(g * group, width, channels):
                for c in range(j, j + group):
                    table[image, SLOPE, c], table[image, SHIFT, c] = slope, shift


@jit(forceinline=True)
def slopes(total, product, factor, count, centred):
    """SLOPE and SHIFT from the sums of scale * dy and scale * dy * (x - mean) of a group."""
    return product * factor**3 / count, total * factor / count if centred else 0.0
