"""The weight gradient of a convolution on the tile, without patches: the pixels of y are the sum.

    dw[o, c, tap] = sum over images and pixels p of y:  dy[p, o] * x[p * stride + tap * dilation - before, c]

For each tap this is a product of matrices A^T B. One of the two is read in scalars and so with any strides, the other
in vectors of channels. Products with the padding may be left out of the sum, unlike in the reference, where NaN times
such a zero is NaN.

The sum goes over images and three spatial axes. A tile covers two of them, or a part of these two that the first cache
holds: a block. All taps and channels pass over a block before the next is read, which meanwhile is fetched from memory.
Their sums are added to a buffer that the second cache holds; each chunk of blocks has its own, and chunks are fixed by
the problem alone.
"""

from __future__ import annotations

import math

import numpy as np

from knetpy.kernels.cpu import convdwplan
from knetpy.kernels.cpu.codegen.panels import address, copier
from knetpy.kernels.cpu.codegen.tile import ACCUMULATE, walk
from knetpy.kernels.cpu.codegen.vectors import BITS, call, lanes
from knetpy.kernels.cpu.convdwplan import Arrays, Geometry, Plan, kind_of, plan_of
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.layout import dense
from knetpy.kernels.cpu.threads import portion, threaded

new = np.empty  # tests poison what it returns
FEW = 4  # channels that are copied faster one by one
THREADED = 1 << 20  # multiply-adds from which on threads share the work


def weigh(x: np.ndarray, dy: np.ndarray, dw: np.ndarray, g: Geometry) -> None:
    """Write dw (O, C/groups, *window) for x (N, D, H, W, C) and dy (N, *out, O), which may have any strides."""
    dtype, bits = x.dtype.char, BITS
    kind = kind_of(x.shape, dy.shape, g, dtype, bits)
    if kind == "line":
        x, g = _in_lines(x, dy.shape[3], g)
    if kind in ("channelwise", "filter"):
        x = dense(x)
    if kind == "channelwise" or kind != "filter" and not _readable(dy):
        dy = dense(dy)
    plan = plan_of(Arrays(x.shape, x.strides, dy.shape, dy.strides, dtype), g, kind, bits)
    total = _sums(x, dy, plan)
    depth, taps = dw.shape[1], math.prod(g.window)
    turned = kind == "line" and min(depth, taps) > 1  # taps and channels of x have to change places
    flat, rows = new(dw.shape, dw.dtype) if turned else dw, plan.rows
    sizes = (rows.row, rows.length, x.itemsize, lanes(dtype, bits))
    origin = (address(total), address(flat), copier("flip", dtype, bits))
    _finish(total, flat.reshape(-1), origin, rows.parts, sizes)
    if turned:
        dw.reshape(len(dw), depth, taps)[...] = flat.reshape(len(dw), taps, depth).swapaxes(1, 2)


def _sums(x: np.ndarray, dy: np.ndarray, plan: Plan) -> np.ndarray:
    """All sums, as they lie in a buffer."""
    memory = new(plan.chunks * plan.buffer + 64, np.uint8)
    memory = memory[-address(memory) % 64 :][: plan.chunks * plan.buffer]
    kernel, table = _weigh if plan.work >= THREADED else _weigh.serial, plan.rows.table
    tables = (plan.pieces, plan.rows.panels, table.steps, table.codes)
    kernel((address(x), address(dy)), memory, *plan.numbers, *tables)
    sums = memory.view(x.dtype).reshape(plan.chunks, -1)
    return sums[0] if plan.chunks == 1 else np.add.reduce(sums, axis=0)


def _in_lines(x: np.ndarray, out: int, g: Geometry) -> tuple[np.ndarray, Geometry]:
    """x with its channels last and the padding of its lines; and the geometry of what is left to do."""
    width, before, channels = x.shape[3], g.before[2], x.shape[4]
    reach = (out - 1) * g.stride[2] + (g.window[2] - 1) * g.dilation[2] + 1
    padded = before > 0 or reach - before > width
    if not padded and (channels == 1 or x.strides[3:] == (channels * x.itemsize, x.itemsize)):
        return x, g
    lines = new((*x.shape[:3], reach, channels), x.dtype)
    start, stop = max(0, before), max(0, min(reach, before + width))
    lines[..., :start, :] = lines[..., stop:, :] = 0
    target, source = lines[..., start:stop, :], x[..., start - before : stop - before, :]
    if channels <= FEW:
        for c in range(channels):
            target[..., c] = source[..., c]
    else:
        target[...] = source
    return lines, g._replace(before=(*g.before[:2], 0))


def _readable(dy: np.ndarray) -> bool:
    """Whether blocks of dy can be read where they lie: channels are last, or lines are and blocks are made of those."""
    pixel, channel = dy.strides[3:]
    long = dy.shape[2] * dy.shape[3] >= convdwplan.SHORT
    turned = channel != 0 and pixel == dy.itemsize  # channels that are all one array have no step to be turned over by
    return channel == dy.itemsize or dy.shape[4] == 1 or (turned and long)


# -------------------------------------------------------------------------------------------------- driver


@threaded
def _weigh(
    rank, origin, buffers, outs, x_steps, y_steps, part, steps, pack, layout, ahead, counts, pieces, panels, rows, codes
):
    """All panels for all chunks.

    origin: addresses of x and dy. From outs to counts, and pieces: see Plan. panels: see Panels. rows, codes: see
    Tiles, whose `steps` are `rows` here.
    """
    chunks, share = counts
    grid = ((outs[2] + part[0] - 1) // part[0], (outs[3] + part[1] - 1) // part[1], outs[1])
    blocks, shares = outs[0] * outs[1] * grid[0] * grid[1], (len(panels) + share - 1) // share
    size = len(buffers) // chunks
    for task in portion(rank, chunks * shares):
        chunk, first = task // shares, task % shares * share
        low, high = chunk * size, (chunk + 1) * size
        cleared = low + panels[first + share, 2] if first + share < len(panels) else high
        buffers[low + panels[first, 2] : cleared] = 0
        start = (origin[0], origin[1], buffers.ctypes.data + low)
        range_ = (chunk * blocks // chunks, (chunk + 1) * blocks // chunks)
        some = panels[first : first + share]
        _task(range_, grid, start, outs, part, x_steps, y_steps, steps, pack, layout, ahead, pieces, some, rows, codes)


@jit()
def _task(range_, grid, start, outs, part, x_steps, y_steps, steps, pack, layout, ahead, pieces, panels, rows, codes):
    """Block by block, panel by panel, piece by piece, tile by tile."""
    room = np.empty(part[0] * part[1] * pack[1] + 64 if pack[0] else 0, np.uint8)
    packed = room.ctypes.data + 63 & -64
    fetches = len(panels) * len(pieces)
    for block in range(range_[0], range_[1]):
        n, d, k, q = place = _place(block, grid, part)
        lines, pixels = min(part[0], outs[2] - k), min(part[1], outs[3] - q)
        x_at, y_at = _at((n, d, 0, 0), start[0], x_steps), _at(place, start[1], y_steps)
        then = _place(block + 1, grid, part)
        next_x, next_y = _at(then, start[0] + pieces[-1, 0], x_steps), _at(then, start[1], y_steps)
        for panel in range(len(panels)):
            x, y, at, height, columns = panels[panel]
            y_block, y_line, y_pixel = y_at + y, y_steps[2], y_steps[3]
            if pack[0]:
                _pack((lines, pixels, columns), y_block, (y_line, y_pixel), packed, pack, layout)
                y_block, y_line, y_pixel = packed, pixels * pack[1], pack[1]
            for p in range(len(pieces)):
                if ahead[1] + ahead[2]:
                    _fetch(ahead, panel * len(pieces) + p, fetches, next_x, next_y)
                if n < pieces[p, 3] or n >= pieces[p, 4] or d < pieces[p, 5] or d >= pieces[p, 6]:
                    continue
                k_low, k_high = max(k, pieces[p, 7]), min(k + lines, pieces[p, 8])
                q_low, q_high = max(q, pieces[p, 9]), min(q + pixels, pieces[p, 10])
                if k_low >= k_high or q_low >= q_high:
                    continue
                a, ao, ai = x_at + x + pieces[p, 0] + k_low * x_steps[2] + q_low * x_steps[3], x_steps[2], x_steps[3]
                b, bo, bi = y_block + (k_low - k) * y_line + (q_low - q) * y_pixel, y_line, y_pixel
                if layout[2]:
                    a, ao, ai, b, bo, bi = b, bo, bi, a, ao, ai
                c, sums, along = start[2] + at + pieces[p, 1], (k_high - k_low, q_high - q_low), (ao, ai, steps[0])
                from_, by, to, count = (a, along), (b, (bo, bi)), (c, steps[1]), height * pieces[p, 2]
                walk(count, columns, layout[1], rows, codes, sums, from_, by, to, 0, ACCUMULATE)
    return room.size  # so long it lives


@jit()
def _place(block, grid, part):
    """Where a block begins on the four axes."""
    down, across, planes = grid
    line = block // across
    plane = line // down
    return plane // planes, plane % planes, line % down * part[0], block % across * part[1]


@jit()
def _at(place, start, steps):
    """The address of a place."""
    return start + place[0] * steps[0] + place[1] * steps[1] + place[2] * steps[2] + place[3] * steps[3]


@jit()
def _fetch(ahead, number, count, x, y):
    """Ask for a `count`-th part of the next block."""
    code, of_x, of_y = ahead
    call(code, (x + number * of_x // count, 0, 1, (of_x + count - 1) // count))
    call(code, (y + number * of_y // count, 0, 1, (of_y + count - 1) // count))


@jit()
def _pack(shape, source, strides, target, pack, layout):
    """Copy a block of dy into a panel."""
    lines, pixels, columns = shape
    code, row, flipped, column = pack
    if strides[0] == pixels * strides[1]:  # lines follow each other
        lines, pixels = 1, lines * pixels
    for i in range(lines):
        for j in range(0, columns, layout[1]):
            from_, to = source + i * strides[0] + j * column, target + i * pixels * row + j * layout[0]
            call(code, (pixels, min(layout[1], columns - j), from_, flipped or strides[1], to, row))


@jit()
def _finish(total, dw, origin, parts, sizes):
    """Turn every part over: its columns lie `length` elements apart in dw, and rows follow each other.

    origin: addresses of both arrays and the copier.
    """
    row, length, size, lane = sizes
    width = row // size
    for part in range(len(parts)):
        source, target, columns, rows = parts[part]
        if rows < lane:
            for j in range(columns):
                for i in range(rows):
                    dw[target + j * length + i] = total[source + i * width + j]
        else:
            for i in range(0, rows, lane):
                at = min(i, rows - lane)  # the last vectors overlap those before
                from_, to = origin[0] + source * size + at * row, origin[1] + (target + at) * size
                call(origin[2], (columns, lane, from_, row, to, length * size))
