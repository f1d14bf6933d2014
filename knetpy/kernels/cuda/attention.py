"""Attention in blocks: launches of attention.cu.

Heads of more than 128 elements (64 in float64) do not fit into shared memory, nor those of 65 and more into that of a
GPU that lends a block less than 72 KiB: the reference serves them, with whole matrices of scores. So it does where
nothing is to be computed.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from knetpy.devices import cupy
from knetpy.kernels.cuda.launch import C, Module, blocks_for, dense, empty, instances, lanes_of, widened
from knetpy.kernels.reference import attention as reference

THREADS, OTHER, WIDTH = 128, 32, 40  # as in attention.cu
SIZES = {  # by C's name of the dtype: heads that kernels are made for, and 1/16 of a block's rows, forward and back
    "float": {32: (4, 4), 64: (4, 4), 128: (4, 2)},
    "double": {64: (2, 2)},
}
_run = Module(
    "attention",
    [
        *[f"attend<{T}, {D}, {R}>" for T, sizes in SIZES.items() for D, (R, _) in sizes.items()],
        *[f"attend_{by}<{T}, {D}, {R}>" for by in ("dq", "dkv") for T, sizes in SIZES.items()
          for D, (_, R) in sizes.items()],
        *instances("{k}<{T}>", k=("contract", "rotate"), T=tuple(SIZES)),
    ],
)  # fmt: skip


@widened
def attention(q, k, v, bias, *, mask, causal, scale):
    """Launch as the reference computes."""
    how = _Plan(q, k, v, bias, mask, causal, scale)
    if not how.served:
        return reference.attention(q, k, v, bias, mask=mask, causal=causal, scale=scale)
    y, top, total = [empty((*how.lead, how.L, n), q.dtype) for n in (how.E, 1, 1)]
    how.launch("", how.rows, how.L, (how.rows + OTHER, how.rows), how.given, y, top, total)
    return dense(y[..., : v.shape[-1]]), top, total


@widened
def attention_dx(dy, y, q, k, v, bias, top, total, *, mask, causal, scale, learned=True):
    """Launch as the reference computes.

    The derivative by scores is written down for a learned bias only, to be summed over what the bias was stretched to.
    """
    how = _Plan(q, k, v, bias, mask, causal, scale)
    if not how.served:
        given = (dy, y, q, k, v, bias, top, total)
        return reference.attention_dx(*given, mask=mask, causal=causal, scale=scale, learned=learned)
    dy, y, top, total = _fours(dy), _fours(y), dense(top), dense(total)
    delta, ds, rows = empty(top.shape, q.dtype), None, how.rows_back
    _run(f"contract<{how.kind}>", blocks_for(top.size, THREADS // 32), THREADS, dy, y, delta, top.size, dy.shape[-1])
    dq, dk, dv = [empty((*how.lead, *size), q.dtype) for size in ((how.L, how.D), (how.S, how.D), (how.S, how.E))]
    if learned and bias is not None:
        new = np.zeros_like if causal else np.empty_like  # what is never seen is not written
        ds = new(dq, shape=(*how.lead, how.L, how.S))
    given = *how.given, dy, top, total, delta
    how.launch("_dq", rows, how.L, (2 * rows + OTHER, rows), given, dq, ds)
    how.launch("_dkv", rows, how.S, (2 * rows + 2 * OTHER, rows), given, dk, dv)
    by_bias = None if ds is None else reference.summed(ds, bias.shape)
    found = [(dense(d[..., : x.shape[-1]]), x.shape) for d, x in ((dq, q), (dk, k), (dv, v))]
    return *[reference.summed(d, shape) for d, shape in found], by_bias


@widened
def rotate(x, cos, sin, *, interleaved):
    """Launch as the reference computes; the tables may also be the CPU's."""
    x, half = dense(x), x.shape[-1] // 2
    y, (cos, sin) = empty(x.shape, x.dtype), [cupy().asarray(table, x.dtype) for table in (cos, sin)]
    if not y.size:
        return y
    lead = cos.shape[:-1]
    while lead[:1] == (1,):
        lead = lead[1:]
    if cos.shape != sin.shape or lead != x.shape[x.ndim - 1 - len(lead) : -1]:
        lead = x.shape[:-1]  # stretched between axes: the kernel only goes over a table again and again
        cos, sin = [np.broadcast_to(table, (*lead, half)) for table in (cos, sin)]
    rows, lanes = x.size // (2 * half), lanes_of(half)
    given = x, dense(cos), dense(sin), y, rows, math.prod(lead), half, int(interleaved), lanes
    _run(f"rotate<{C[x.dtype.char]}>", blocks_for(rows, THREADS // lanes), THREADS, *given)
    return y


class _Plan:
    """What forward and derivative have in common."""

    def __init__(self, q: Any, k: Any, v: Any, bias: Any, mask: Any, causal: bool, scale: float):
        self.lead = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
        (self.L, D), (self.S, E) = q.shape[-2:], v.shape[-2:]
        self.kind, self.products = C[q.dtype.char], math.prod(self.lead)
        self.head = next((size for size in SIZES[self.kind] if max(D, E) <= size), 0)
        self.served = self.head and self.products * self.L * self.S * D * E
        if not self.served:
            return
        rows = [16 * n for n in SIZES[self.kind][self.head]]
        self.rows, self.rows_back = rows
        self.item = q.dtype.itemsize
        self.served = self._bytes(2 * rows[1] + 2 * OTHER, rows[1]) <= _most_shared()
        q, k, v = [_fours(x) for x in (q, k, v)]
        self.D, self.E = q.shape[-1], v.shape[-1]
        bias = None if bias is None else dense(bias.astype(q.dtype, copy=False))
        mask = None if mask is None else dense(mask).view(np.uint8)
        leads = tuple([() if x is None else x.shape[:-2] for x in (q, k, v, bias, mask)])
        where = _where(self.lead, leads, cupy().cuda.Device().id)
        self.given = q, k, v, bias, mask, where
        strides = *_strides(bias, self.L, self.S), *_strides(mask, self.L, self.S)
        self.sizes = self.products, self.L, self.S, self.D, self.E, q.dtype.type(scale), *strides, int(causal)

    def launch(self, what: str, rows: int, count: int, tiles: tuple[int, int], given: tuple, *results: Any) -> None:
        """A block for each `rows` of `count` rows; tiles: rows of D elements, and of weights, in shared memory."""
        kernel = f"attend{what}<{self.kind}, {self.head}, {rows // 16}>"
        blocks, shared = blocks_for(count, rows) * self.products, self._bytes(*tiles)
        _run(kernel, blocks, THREADS, *given, *results, *self.sizes, shared=shared)

    def _bytes(self, rows: int, weights: int) -> int:
        return (rows * (self.head + 4) + weights * WIDTH) * self.item


def _fours(x: Any) -> Any:
    """x as kernels read it, four elements at a time: aligned, its last axis filled up with zeros to a multiple of 4."""
    x, more = dense(x), -x.shape[-1] % 4
    if not more:
        return x if x.data.ptr % 16 == 0 else x.copy()
    wide = np.zeros_like(x, shape=(*x.shape[:-1], x.shape[-1] + more))
    wide[..., : x.shape[-1]] = x
    return wide


def _most_shared() -> int:
    """Bytes of shared memory that a block may ask for."""
    return cupy().cuda.Device().attributes["MaxSharedMemoryPerBlockOptin"]


def _strides(x: Any, L: int, S: int) -> tuple[int, int]:
    """Elements from row to row and from column to column of a matrix, 0 where it is stretched."""
    rows, columns = (1, 1, *(() if x is None else x.shape))[-2:]
    return (columns if rows == L > 1 else 0), int(columns == S > 1)


@lru_cache(maxsize=256)
def _where(lead: tuple, leads: tuple, device: int) -> Any:
    """Which matrix of each operand each product of the batch has, (5, products), on that device."""
    counts = [np.arange(math.prod(one)).reshape(one) for one in leads]
    return cupy().asarray(np.stack([np.broadcast_to(count, lead).reshape(-1) for count in counts]))
