"""Attention on the tile, block by block: the matrix of scores is never whole in memory.

Keys are taken in blocks, whose vectors are turned over so that tiles find those of a column side by side. For each
block of queries tiles make the scores, which are softened row by row and multiplied by the values at once, into y
itself: its rows are scaled down whenever their largest score rises, and divided by their sums in the end. The
derivative makes the weights again from these sums. On the diagonal of a causal mask, blocks are cut into groups of a
few rows, which see as many columns as the last of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from knetpy.kernels.cpu.codegen.tile import ACCUMULATE, walk
from knetpy.kernels.cpu.codegen.vectors import call
from knetpy.kernels.cpu.jit import jit
from knetpy.kernels.cpu.threads import portion, threaded

QUERIES = 64  # of a block
KEYS = 512  # bytes of the scores that a query has in a block
PITCH = KEYS + 64  # bytes from row to row of a block of scores
GROUP = 16  # rows that share their number of columns on the diagonal


class Problem(NamedTuple):
    """What drivers know of a problem; whole numbers all."""

    L: int
    S: int
    D: int
    E: int
    size: int  # bytes of an element
    lanes: int  # columns of a vector
    width: int  # of a panel
    block: int  # keys
    part: int  # queries of a task, or keys of one of the derivative
    causal: int
    scale: int  # the bits of a double
    flips: int  # addresses of routines
    softens: int = 0
    divides: int = 0
    slopes: int = 0
    dots: int = 0


@threaded
def attend(rank, places, strides, p, steps, codes):
    """All tasks. places, strides: see _places; p: a Problem."""
    parts = (p.L + p.part - 1) // p.part
    for task in portion(rank, len(places) * parts):
        first = task % parts * p.part
        room = np.empty(64 + p.D * KEYS + QUERIES * PITCH, np.uint8)
        _queries(places[task // parts], strides, p, first, min(first + p.part, p.L), room, steps, codes)


@threaded
def attend_dx(rank, places, order, starts, further, strides, p, steps, codes):
    """As attend, turn by turn: see _turns. further: bytes from the dq of a part of the keys to that of the next."""
    parts = (p.S + p.part - 1) // p.part
    for task in portion(rank, (len(starts) - 1) * parts):
        first, dq = task % parts * p.part, task % parts * further
        room = np.empty(64 + (p.D + p.E) * KEYS + 2 * QUERIES * PITCH + p.L * p.size, np.uint8)
        for turn in range(starts[task // parts], starts[task // parts + 1]):
            _keys(places[order[turn]], dq, strides, p, first, min(first + p.part, p.S), room, steps, codes)


@jit()
def _queries(place, strides, p, first, last, room, steps, codes):
    """Rows of y. room: memory that its owner keeps while this runs; taking its address would not."""
    q, k, v, y, _, _, top, total = place
    q_row, k_row, v_row, y_row, _, _, _, _ = strides
    turned = room.ctypes.data + 63 & -64
    scores, across = turned + p.D * KEYS, p.width * p.size
    for key in range(0, min(p.S, last) if p.causal else p.S, p.block):
        keys = min(p.block, p.S - key)
        _turn(p.D, keys, k + key * k_row, k_row, turned, p)
        flags, begins = (ACCUMULATE, 0) if key else (0, 1)
        for query in range(first, last, QUERIES):
            rows, group, _ = _grouping(query, last, key, keys, p)
            for i in range(query, query + rows, group):
                high, seen = min(group, query + rows - i), _seen(i, key, keys, p)
                if seen > 0:
                    here = (q + i * q_row, q_row, p.size)
                    _product(
                        (p.D, high, seen), here, (turned, across, p.D * across), (scores, PITCH), 0, p, steps, codes
                    )
                    block = _block(high, seen, i, key, place, strides, p)
                    at = i * p.size
                    call(p.softens, (scores, *block, top + at, total + at, y + i * y_row, y_row, p.E, begins))
                    here, values = (scores, PITCH, p.size), (v + key * v_row, v_row, across)
                    _product((seen, high, p.E), here, values, (y + i * y_row, y_row), flags, p, steps, codes)
    call(p.divides, (last - first, total + first * p.size, y + first * y_row, y_row, p.E))


@jit()
def _keys(place, dq, strides, p, first, last, room, steps, codes):
    """Rows of dk and dv, and what they give to dq, which begins `dq` bytes further than that of `place`."""
    _, k, v, y, _, _, _, _, dy, _, _, _, _ = place
    _, k_row, v_row, y_row, _, _, _, _, dy_row, _, _, _, _ = strides
    turned_k = room.ctypes.data + 63 & -64
    turned_v = turned_k + p.D * KEYS
    weights = turned_v + p.E * KEYS
    slopes = weights + QUERIES * PITCH
    sums = slopes + QUERIES * PITCH
    call(p.dots, (p.L, p.E, dy, dy_row, y, y_row, sums))
    rooms = (turned_k, turned_v, weights, slopes, sums)
    for key in range(first, last, p.block):
        keys = min(p.block, p.S - key)
        _turn(p.D, keys, k + key * k_row, k_row, turned_k, p)
        _turn(p.E, keys, v + key * v_row, v_row, turned_v, p)
        begin = min(key, p.L - 1) // QUERIES * QUERIES if p.causal else 0
        for query in range(begin, p.L, QUERIES):
            flags = ACCUMULATE if key > first else 0
            _slopes(place, dq, strides, p, query, key, keys, rooms, flags, steps, codes)
            flags = ACCUMULATE if query > begin else 0
            _sums(place, strides, p, query, key, keys, rooms, flags, steps, codes)


@jit()
def _slopes(place, dq, strides, p, query, key, keys, rooms, flags, steps, codes):
    """The weights of a block, the cotangents of its scores, and what these give to dq."""
    q, k, _, _, _, _, top, total, dy, dq_0, _, _, dbias = place
    q_row, k_row, _, _, _, _, _, _, dy_row, dq_row, _, _, dbias_row = strides
    turned_k, turned_v, weights, slopes, sums = rooms
    across = p.width * p.size
    rows, group, _ = _grouping(query, p.L, key, keys, p)
    for i in range(query, query + rows, group):
        high, seen = min(group, query + rows - i), _seen(i, key, keys, p)
        if seen > 0:
            w, s = weights + (i - query) * PITCH, slopes + (i - query) * PITCH
            here, there = (q + i * q_row, q_row, p.size), (turned_k, across, p.D * across)
            _product((p.D, high, seen), here, there, (w, PITCH), 0, p, steps, codes)
            here, there = (dy + i * dy_row, dy_row, p.size), (turned_v, across, p.E * across)
            _product((p.E, high, seen), here, there, (s, PITCH), 0, p, steps, codes)
            block = _block(high, seen, i, key, place, strides, p)
            at, added = i * p.size, dbias + i * dbias_row + key * p.size
            call(p.slopes, (w, s, *block, top + at, total + at, sums + at, added, dbias_row))
            here, there = (s, PITCH, p.size), (k + key * k_row, k_row, across)
            _product((seen, high, p.D), here, there, (dq + dq_0 + i * dq_row, dq_row), flags, p, steps, codes)


@jit()
def _sums(place, strides, p, query, key, keys, rooms, flags, steps, codes):
    """What a block gives to dk and dv."""
    q, _, _, _, _, _, _, _, dy, _, dk, dv, _ = place
    q_row, _, _, _, _, _, _, _, dy_row, _, dk_row, dv_row, _ = strides
    _, _, weights, slopes, _ = rooms
    across = p.width * p.size
    rows, _, diagonal = _grouping(query, p.L, key, keys, p)
    group = GROUP if diagonal else keys
    for j in range(key, key + keys, group):
        wide = min(group, key + keys - j)
        blind = max(0, min(rows, j - query)) if diagonal else 0  # so many queries see none of these keys
        i, at = query + blind, blind * PITCH + (j - key) * p.size
        here, there = (weights + at, p.size, PITCH), (dy + i * dy_row, dy_row, across)
        _product((rows - blind, wide, p.E), here, there, (dv + j * dv_row, dv_row), flags, p, steps, codes)
        here, there = (slopes + at, p.size, PITCH), (q + i * q_row, q_row, across)
        _product((rows - blind, wide, p.D), here, there, (dk + j * dk_row, dk_row), flags, p, steps, codes)


@jit()
def _grouping(query, last, key, keys, p):
    """How many queries there are in a block and in a group of them, and whether it is on the diagonal."""
    rows, diagonal = min(QUERIES, last - query), p.causal and query + 1 < key + keys
    return rows, GROUP if diagonal else rows, diagonal


@jit()
def _seen(query, key, keys, p):
    """How many keys of a block a group of queries sees, which starts with `query`."""
    return min(keys, query + GROUP - key) if p.causal else keys


@jit()
def _block(rows, columns, query, key, place, strides, p):
    """What routines are told of the scores of a group of queries."""
    visible, more = (query + 1 - key, 1) if p.causal else (columns, 0)
    bias, mask = place[4] + query * strides[4] + key * p.size, place[5] + query * strides[5] + key
    return rows, PITCH, visible, more, columns, p.scale, bias, strides[4], mask, strides[5]


@jit()
def _turn(depth, count, source, row, target, p):
    """Copy `count` rows of `depth` elements to the columns of panels."""
    across = p.width * p.size
    for j in range(0, count, p.lanes):
        to = target + j // p.width * across * depth + j % p.width * p.size
        call(p.flips, (depth, min(p.lanes, count - j), source + j * row, row, to, across))


@jit()
def _product(shape, a, b, c, flags, p, steps, codes):
    """C (+)= A B of the shape (K, M, N), panel by panel of B, tile by tile.

    a: address, bytes along the rows and along the sum; b: address, bytes along the sum and from panel to panel; c:
    address, bytes along the rows.
    """
    K, M, N = shape
    a, a_row, a_sum = a
    b, b_sum, b_panel = b
    c, c_row = c
    for j in range(0, N, p.width):
        from_, by, to = (a, (0, a_sum, a_row)), (b + j // p.width * b_panel, (0, b_sum)), (c + j * p.size, c_row)
        walk(M, min(p.width, N - j), p.lanes, steps, codes, (1, K), from_, by, to, 0, flags)
