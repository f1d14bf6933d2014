"""Recurrence: the products and the gates of all steps in one compiled loop over time.

The weights are packed once. Sequences do not meet, so threads share the batch, and each goes through all of time by
itself. One driver calls the code of all cells by its address. Cells that are not here are the reference's.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numba import types

from knetpy import settings
from knetpy.kernels.cpu import floats, read
from knetpy.kernels.cpu.codegen.panels import address_at, copier, place
from knetpy.kernels.cpu.codegen.tile import tiles
from knetpy.kernels.cpu.codegen.vectors import BITS, call, compiled_address
from knetpy.kernels.cpu.matmul import matmul, multiply_box, pack, plan_of
from knetpy.kernels.cpu.rnncells import ADD, CELLS
from knetpy.kernels.cpu.threads import portion, threaded
from knetpy.kernels.reference import rnn as reference

THREADED = 1 << 18  # multiply-adds of a step from which on threads share the batch
new = np.empty  # tests poison what it returns


@floats(reference.rnn)
def rnn(px, state, wh, bh, *, cell, reverse, lengths, wx=None, bx=None):
    """As the reference's. The product of an input is taken step by step, and stays in the cache."""
    how = CELLS.get(cell)
    if how is None or not wh.size or not px.size:
        return reference.rnn(px, state, wh, bh, cell=cell, reverse=reverse, lengths=lengths, wx=wx, bx=bx)
    (count, batch, _), (size, wide), dtype = px.shape, wh.shape, px.dtype.type
    bh, bx = [np.zeros(wide, dtype) if b is None else read(b, dtype) for b in (bh, bx)]
    states = new((len(state), count + 1, batch, size), dtype)  # before and after every step
    gates, ph = new((count, how.kept, batch, size), dtype), new((batch, wide), dtype)
    states[:, count if reverse else 0] = state
    arrays, weights = [read(px), ph, states, gates, bh], [pack(read(wh, dtype))]
    if wx is not None:
        arrays += [bx, new((batch, wide), dtype)]
        weights += [pack(read(wx, dtype))]
    sizes = (count, batch, size, wide, len(state), how.kept)
    _launch(_forward, how.step, arrays, weights, sizes, reverse, lengths)
    before, after = (states[:, 1:], states[:, :-1]) if reverse else (states[:, :-1], states[:, 1:])
    y = after[0].copy() if lengths is None else np.where(_alive(lengths, count), after[0], dtype(0))
    return y, states[:, 0 if reverse else count].copy(), before.swapaxes(0, 1), gates


@floats(reference.rnn_back)
def rnn_back(dy, dstate, wh, before, gates, *, cell, reverse, lengths):
    """As the reference's."""
    how = CELLS.get(cell)
    if how is None or not wh.size or not dy.size:
        return reference.rnn_back(dy, dstate, wh, before, gates, cell=cell, reverse=reverse, lengths=lengths)
    (count, batch, size), wide, dtype = dy.shape, wh.shape[1], dy.dtype.type
    h, last = read(before[:, 0]), read(before[:, -1])  # not copied if they come from above
    dpx = (new if lengths is None else np.zeros)((count, batch, wide), dtype)
    dph = np.zeros_like(dpx) if how.apart else dpx  # by the recurrent product
    dstate, product = np.array(dstate, dtype, order="C"), new((batch, size), dtype)
    sizes = (count, batch, size, wide, len(dstate), how.kept)
    arrays = (read(dy), dstate, last, read(gates), dpx, dph, product)
    _launch(_back, how.back, arrays, [pack(read(wh, dtype).T)], sizes, not reverse, lengths)
    flat = dph.reshape(count * batch, wide)
    dwh = matmul(h.reshape(count * batch, size).T, flat)
    return dpx, dstate, dwh, np.add.reduce(flat, axis=0) if cell == "gru" else None


def _alive(lengths, count):
    """Which sequences have which steps, (T, B, 1)."""
    return (np.arange(count)[:, None] < lengths)[..., None]


def _launch(driver, code, arrays, weights, sizes, backwards, lengths):
    """Run a driver over all sequences; each of its tasks takes some rows of the batch."""
    (count, batch, *_), dtype = sizes, weights[0].dtype
    work = batch * sum(w.shape[0] * w.shape[1] for w in weights)
    threads = settings.threads() if work >= THREADED else 1
    rows = -(-batch // threads)
    plans = [_product(w, {batch % rows or rows, rows}) for w in weights]
    lengths = np.full(batch, count) if lengths is None else np.array(lengths, np.int64)
    places = np.array([place(x) for x in (*arrays, *[w.memory for w in weights])])
    codes = np.array([_entry(code[dtype.char], 9), _entry(ADD[dtype.char], 3), copier("copy", dtype.char)])
    sizes = np.array((*sizes, dtype.itemsize, rows, backwards, *[w.shape[0] for w in weights], 0))
    numbers = np.stack([plan.numbers for plan in plans])
    kernel = driver if threads > 1 else driver.serial
    kernel(places, codes, sizes, lengths, numbers, plans[0].steps, plans[0].codes)


def _product(weights, rows):
    """The plan of a product of some rows and packed weights, with the tiles for any of these numbers of rows."""
    return _product_of(weights.dtype, weights.shape, weights.vectors, weights.bits, tuple(rows))


@lru_cache(maxsize=256)
def _product_of(dtype, shape, vectors, bits, rows):
    k, n = shape
    tiles(vectors, dtype.char, bits).provide_all(rows, [n])
    strides = k * dtype.itemsize, dtype.itemsize
    return plan_of(dtype, dtype, (rows[0], k), strides, shape, (vectors, bits), True, BITS, 1)


@cache
def _entry(loop, count):
    return compiled_address(loop, (types.int64,) * count)


# ------------------------------------------------------------------------------------------------- the drivers
# codes: of the cell, of ADD and of a copier; sizes: T, B, H, G*H, S, K, bytes of an element, rows of a task, whether
# time runs backwards, terms of the products; lengths of the sequences; numbers, steps, tiles: plans of the products.


@threaded
def _forward(rank, places, codes, sizes, lengths, numbers, steps, tiles):
    """places: of px (T, B, G*H), ph (B, G*H), states (S, T + 1, B, H), gates (T, K, B, H), bh and wh; or of x (T, B, I)
    instead of px, and between bh and wh those of bx and px (B, G*H) at one time, at the end that of wx.
    """
    count, batch, H, wide, S = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    row, rows, backwards = H * sizes[6], sizes[7], sizes[8]
    plane, part = batch * row, wide * sizes[6]
    px, ph, states, gates = address_at(places[0]), address_at(places[1]), address_at(places[2]), address_at(places[3])
    bh, inputs = address_at(places[4]), sizes[10]
    x, bx, wx = px, bh, bh
    if inputs:
        bx, px, wh, wx = address_at(places[5]), address_at(places[6]), address_at(places[7]), address_at(places[8])
    else:
        wh = address_at(places[5])
    for task in portion(rank, (batch + rows - 1) // rows):
        first, last = task * rows, min(batch, (task + 1) * rows)
        for s in range(count):
            t = count - 1 - s if backwards else s
            old, new = states + (t + backwards) * plane, states + (t + 1 - backwards) * plane
            px_now = px + (0 if inputs else t * batch * part)
            if inputs:
                at = (x + t * batch * inputs * sizes[6], wx, px)
                multiply_box(inputs, (first, last, 0, wide), at, bx, 0, numbers[1], steps, tiles)
            multiply_box(H, (first, last, 0, wide), (old, wh, ph), bh, 0, numbers[0], steps, tiles)
            for b in range(first, last):
                from_, to, kept = old + b * row, new + b * row, gates + (t * sizes[5] * batch + b) * row
                state = (count + 1) * plane
                call(codes[0], (px_now + b * part, ph + b * part, from_, to, kept, state, plane, row, H))
                if t >= lengths[b]:
                    call(codes[2], (S, H, from_, state, to, state))


@threaded
def _back(rank, places, codes, sizes, lengths, numbers, steps, tiles):
    """places: of dy, dstate, the last array of the states before, gates, dpx, dph, the product, and the weights."""
    count, batch, H, wide = sizes[0], sizes[1], sizes[2], sizes[3]
    row, rows, backwards = H * sizes[6], sizes[7], sizes[8]
    plane, part = batch * row, wide * sizes[6]
    dy, dstate, before = address_at(places[0]), address_at(places[1]), address_at(places[2])
    gates, dpx, dph = address_at(places[3]), address_at(places[4]), address_at(places[5])
    product, weights = address_at(places[6]), address_at(places[7])
    for task in portion(rank, (batch + rows - 1) // rows):
        first, last = task * rows, min(batch, (task + 1) * rows)
        for s in range(count):
            t = count - 1 - s if backwards else s
            for b in range(first, last):
                if t < lengths[b]:
                    at, kept = (t * batch + b) * row, gates + (t * sizes[5] * batch + b) * row
                    x, p = dpx + (t * batch + b) * part, dph + (t * batch + b) * part
                    call(codes[0], (dy + at, dstate + b * row, before + at, kept, x, p, plane, row, H))
            operands = (dph + t * batch * part, weights, product)
            multiply_box(wide, (first, last, 0, H), operands, 0, 0, numbers[0], steps, tiles)
            for b in range(first, last):
                if t < lengths[b]:
                    call(codes[1], (product + b * row, dstate + b * row, H))
