"""Attention with its transposes, and the rotation of pairs by position.

q (..., L, D), k (..., S, D), v (..., S, E), bias (broadcasts to (..., L, S), or None); the axes before the last two
broadcast. mask is boolean or None and broadcasts likewise; with `causal` place i sees the places up to i.
"""

from __future__ import annotations

import numpy as np

from knetpy.kernels.reference.softmax import largest


def attention(q, k, v, bias, *, mask, causal: bool, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (y (..., L, E), the largest score of each row (..., L, 1), the sum of exp(score - largest)).

    A row that sees nothing, or only scores of -Inf, gives 0, and so is its sum.
    """
    scores = _scores(q, k, bias, mask, causal, scale)
    top = largest(scores, -1)
    e = _exp(scores, top)
    total = e.sum(axis=-1, keepdims=True)
    return e / _or_one(total) @ v, top, total


def attention_dx(dy, y, q, k, v, bias, top, total, *, mask, causal: bool, scale: float, learned: bool = True) -> tuple:
    """Return the cotangents of q, k, v and bias, from what `attention` returned.

    That of bias is None if bias is, or is not `learned`.
    """
    p = _exp(_scores(q, k, bias, mask, causal, scale), top) / _or_one(total)
    ds = p * (dy @ _swap(v) - (dy * y).sum(axis=-1, keepdims=True))
    dq, dk, dv = ds @ (k * scale), _swap(ds) @ (q * scale), _swap(p) @ dy
    return (
        summed(dq, q.shape),
        summed(dk, k.shape),
        summed(dv, v.shape),
        summed(ds, bias.shape) if learned and bias is not None else None,
    )


def rotate(x: np.ndarray, cos: np.ndarray, sin: np.ndarray, *, interleaved: bool) -> np.ndarray:
    """Return x (..., D) with pair i turned by the angle of cos and sin (..., D / 2).

    Pair i are the elements i and i + D / 2; if interleaved, 2i and 2i + 1.
    """
    half = x.shape[-1] // 2
    first, second = (np.s_[..., 0::2], np.s_[..., 1::2]) if interleaved else (np.s_[..., :half], np.s_[..., half:])
    y = np.empty(x.shape, x.dtype, like=x)
    y[first] = x[first] * cos - x[second] * sin
    y[second] = x[second] * cos + x[first] * sin
    return y


def _scores(q, k, bias, mask, causal, scale):
    scores = (q * scale) @ _swap(k)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = np.where(mask, scores, scores.dtype.type(-np.inf))
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool, like=scores), scores, scores.dtype.type(-np.inf))
    return scores


def _exp(scores, top):
    """exp(scores - top): 1 where both are Inf, 0 where both are -Inf, the limits."""
    with np.errstate(invalid="ignore"):
        e = np.exp(np.where(scores == top, scores.dtype.type(0), scores - top))
    return np.where(scores == -np.inf, scores.dtype.type(0), e)


def _or_one(total):
    return np.where(total == 0, total.dtype.type(1), total)


def _swap(x):
    return x.swapaxes(-1, -2)


def summed(dx, shape):
    """dx summed over the axes along which an operand of `shape` was broadcast."""
    if dx.shape == shape:
        return dx
    extra = dx.ndim - len(shape)
    axes = tuple(i for i, n in enumerate(dx.shape) if i < extra or shape[i - extra] != n)
    return dx.sum(axis=axes).reshape(shape)
