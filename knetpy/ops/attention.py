"""Attention, and the rotation that tells it of positions."""

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import primitive
from ..core.value import Value
from ..devices import beside, maybe
from ..kernels import kernel
from ..settings import training
from .arguments import as_floating, constant_of, flag, flags, number, numbers_of, per_axis, placed, stretches
from .dropout import dropout as drop
from .softmax import softmax

_forward, _dx, _rotate = [kernel("attention", name) for name in ("attention", "attention_dx", "rotate")]


def _composed(q, k, v, bias, *, mask, causal, scale, dropout=0.0):
    """(result, weights) in differentiable functions."""
    scores = np.matmul(q * scale, np.swapaxes(k, -1, -2))
    if bias is not None:
        scores = scores + bias
    for seen in (mask, beside(causal_mask(*scores.shape[-2:]), q) if causal else None):
        if seen is not None:
            scores = np.where(seen, scores, -np.inf)
    nothing = (scores == -np.inf).all(axis=-1, keepdims=True)
    weights = softmax(scores)
    if maybe(nothing):
        weights = np.where(nothing, 0, weights)
    if dropout:
        weights = drop(weights, dropout)
    return np.matmul(weights, v), weights


_attention = primitive(
    lambda q, k, v, bias, *, mask, causal, scale, learned: _forward(
        q, k, v, bias, mask=mask, causal=causal, scale=scale
    ),
    name="attention",
    saves=("top", "total"),
    vjp=lambda dy, y, q, k, v, bias, top, total, mask, causal, scale, learned: _dx(
        dy, y, q, k, v, bias, top, total, mask=mask, causal=causal, scale=scale, learned=learned
    ),
    composed=lambda q, k, v, bias, *, learned, **how: _composed(q, k, v, bias, **how)[0],
)


def attention(
    q, k, v, *, mask=None, bias=None, causal=False, scale=None, dropout=0.0, heads=None, return_weights=False
):
    """softmax(scale * q @ k.T + bias) @ v: for each of L queries, the mean of S values weighted by how keys match.

    Parameters:
      q, k, v: (..., L, D), (..., S, D) and (..., S, E), floating. The leading axes broadcast. With four or more axes,
        axis -3 is taken as the heads: q may have n times as many as k and v, then n in a row share a key and a value.
      mask=None: boolean, True where a query may see a key; broadcasts to (..., L, S).
      bias=None: floating, added to the scores; broadcasts to (..., L, S).
      causal=False: query i sees the keys 0 to i only, also where L and S differ (as PyTorch's is_causal).
      scale=None: a number, by default 1 / sqrt(D).
      dropout=0.0: the share of weights that is dropped in training mode.
      heads=None: split the last axis of q, k and v into this many heads and merge those of the result. The mask and the
        bias are for all heads alike, unless they have one axis more than q: then they broadcast to (..., heads, L, S).
      return_weights=False: return also the weights that v was multiplied by.
    Returns: (..., L, E), or the pair of it and the weights (..., L, S), after dropout. A query that sees no key, or
      only such with a score of -Inf, gives 0.
    Raises: ShapeError, DtypeError, ValueError, TypeError.
    Derivative: by q, k, v and bias; 0 for a query that sees no key.
    Memory: scores are made block by block, in the first derivative too; whole with return_weights, with dropout in
      training mode and in all other derivatives.
    Source: Vaswani et al., "Attention is all you need", 2017, section 3.2.

    >>> import numpy as np, knetpy as kn
    >>> q, k, v = np.ones((2, 4)), np.ones((3, 4)), np.array([[0.0], [1.0], [5.0]])
    >>> kn.attention(q, k, v)
    array([[2.],
           [2.]])
    >>> kn.attention(q, k, v, causal=True)
    array([[0. ],
           [0.5]])
    """
    q, k, v, bias = _arrays(q, k, v, bias, heads)
    groups = _groups(q.shape, k.shape, v.shape)
    scores = _scores_shape(q.shape, k.shape, v.shape, groups)
    mask, bias = [_over_scores(*given, scores, heads) for given in (("mask", _checked_mask(mask, q)), ("bias", bias))]
    scale = (q.shape[-1] or 1) ** -0.5 if scale is None else number("attention", "scale", scale)
    dropout = number("attention", "dropout", dropout, 0, 1)
    if groups is not None:
        q, k, v, bias, mask = [_grouped(x, groups) for x in (q, k, v, bias, mask)]
    causal, return_weights = flags("attention", causal=causal, return_weights=return_weights)
    how, weights = {"mask": mask, "causal": causal, "scale": scale}, None
    if return_weights or (dropout and training()):
        y, weights = _composed(q, k, v, bias, **how, dropout=dropout)
    else:
        y = _attention(q, k, v, bias, **how, learned=isinstance(bias, Value))
    if groups is not None:
        y, weights = _ungrouped(y), _ungrouped(weights)
    y = y if heads is None else _merged(y)
    return (y, weights) if return_weights else y


def _arrays(q, k, v, bias, heads):
    """The operands as arrays of one floating dtype, split into heads."""
    q, k, v, bias = as_floating("attention", q=q, k=k, v=v, bias=bias, optional=("bias",))
    if min(len(x.shape) for x in (q, k, v)) < 2:
        raise ShapeError(
            f"attention: q must be (..., L, D), k (..., S, D) and v (..., S, E), got {q.shape}, {k.shape} and {v.shape}"
        )
    if heads is not None:
        (heads,) = per_axis("attention", "heads", heads, 1)
        q, k, v = [_split(name, x, heads) for name, x in (("q", q), ("k", k), ("v", v))]
    return q, k, v, bias


def _split(name, x, heads):
    """(..., L, heads * D) -> (..., heads, L, D)"""
    *leading, size = x.shape
    if size % heads:
        raise ShapeError(
            f"attention: heads={heads} does not divide the last axis of {name} {x.shape}, of {size} elements; take a "
            "divisor of it"
        )
    return np.swapaxes(np.reshape(x, (*leading, heads, size // heads)), -2, -3)


def _merged(y):
    """(..., heads, L, E) -> (..., L, heads * E)"""
    y = np.swapaxes(y, -2, -3)
    return np.reshape(y, (*y.shape[:-2], y.shape[-2] * y.shape[-1]))


def _groups(q, k, v):
    """How many heads k and v have, if q has several times as many; else None."""
    if len(q) < 4:
        return None
    fewer = {x[-3] for x in (k, v) if len(x) > 2} - {1, q[-3]}
    if len(fewer) != 1 or 0 in fewer or q[-3] % min(fewer):
        return None
    return fewer.pop()


def _grouped(x, groups):
    """(..., heads, L, D) -> (..., groups, heads / groups, L, D), with 1 where x broadcasts."""
    if x is None or len(x.shape) < 3:
        return x
    *leading, heads, rows, columns = x.shape
    return np.reshape(x, (*leading, *((1, 1) if heads == 1 else (groups, heads // groups)), rows, columns))


def _ungrouped(x):
    if x is None:
        return None
    *leading, groups, repeats, rows, columns = x.shape
    return np.reshape(x, (*leading, groups * repeats, rows, columns))


def _scores_shape(q, k, v, groups):
    """(..., L, S), with the axes that all leading axes broadcast to."""
    shapes = f"q {q}, k {k} and v {v}"
    if q[-1] != k[-1]:
        raise ShapeError(f"attention: the last axes of q and k must agree, got {q[-1]} and {k[-1]} ({shapes})")
    if k[-2] != v[-2]:
        raise ShapeError(
            f"attention: k and v must have as many places, got {k[-2]} and {v[-2]} along axis -2 ({shapes})"
        )
    if q[:-2] == k[:-2] == v[:-2]:
        return (*q[:-1], k[-2])
    repeated = [(*x[:-3], q[-3]) if groups is not None and x[-3:-2] == (groups,) else x[:-2] for x in (k, v)]
    try:
        return (*np.broadcast_shapes(q[:-2], *repeated), q[-2], k[-2])
    except ValueError:
        raise ShapeError(
            f"attention: the leading axes of {shapes} do not broadcast; counted from the last, each must agree or be "
            "1, but axis -3 of q (heads, with four or more axes) may be a multiple of that of k and v"
        ) from None


def _checked_mask(mask, q):
    if mask is None:
        return None
    mask = constant_of("attention", "mask", mask)
    if mask.dtype != bool:
        raise DtypeError(
            f"attention: mask must be boolean, True where a query may see a key, got {mask.dtype}; numbers to be added "
            "to the scores are bias="
        )
    return placed("attention", "mask", mask, q, "q")


def _over_scores(name, x, scores, heads):
    """A mask or bias, where there is one, in a shape that broadcasts to that of the scores."""
    if x is None:
        return None
    if heads is not None and 2 < len(x.shape) == len(scores) - 1:  # it has all axes but that of the heads
        x = np.expand_dims(x, -3)
    if not stretches(x.shape, scores):
        raise ShapeError(
            f"attention: {name} of shape {tuple(x.shape)} does not broadcast to the scores, (..., L, S) = {scores}; "
            f"insert an axis with {name}[:, None], or swap its last two"
        )
    return x


def causal_mask(L, S=None):
    """The boolean mask by which query i sees the keys 0 to i; `attention` needs none for it, but causal=True.

    Parameters:
      L: how many queries, an integer from 0.
      S=None: how many keys; L by default.
    Returns: (L, S), boolean. A constant: it has no derivative.
    Raises: ValueError for anything else.

    >>> import knetpy as kn
    >>> kn.causal_mask(2)
    array([[ True, False],
           [ True,  True]])
    """
    (rows,) = per_axis("causal_mask", "L", L, 1, 0)
    (columns,) = per_axis("causal_mask", "S", rows if S is None else S, 1, 0)
    return np.tri(rows, columns, dtype=bool)


# Linear in x, and orthogonal: its transpose turns back.
_rope = primitive(
    lambda x, *, cos, sin, interleaved: _rotate(x, cos, sin, interleaved=interleaved),
    name="rope",
    trusted=True,
    x=lambda dy, cos, sin, interleaved: _rope(dy, cos=cos, sin=-sin, interleaved=interleaved),
)


def rope(x, positions=None, *, base=10000.0, interleaved=False, offset=0):
    """Rotary position embedding: pair i of each vector is turned by the angle position * base ** (-2 * i / D).

    Parameters:
      x: (..., L, D), floating, D even: queries or keys, before attention.
      positions=None: numbers that broadcast to (..., L), constant; by default 0 to L - 1. offset=0: is added to them.
      base=10000.0: a number above 0.
      interleaved=False: pair i are the elements 2i and 2i + 1 (as in the paper); else i and i + D / 2 (as in LLaMA).
    Returns: array of the shape and dtype of x.
    Raises: ShapeError, DtypeError, ValueError, TypeError.
    Derivative: by x: dy turned back.
    Source: Su et al., "RoFormer", 2021, section 3.2.2.

    >>> import numpy as np, knetpy as kn
    >>> kn.rope(np.array([[1.0, 0.0], [1.0, 0.0]])).round(3)
    array([[1.   , 0.   ],
           [0.54 , 0.841]])
    """
    (x,) = as_floating("rope", x=x)
    if len(x.shape) < 2 or x.shape[-1] % 2:
        raise ShapeError(f"rope: x must be (..., L, D) with an even D, got {x.shape}")
    base, offset = number("rope", "base", base, above=0), number("rope", "offset", offset)
    *leading, size = x.shape
    places = np.arange(leading[-1]) if positions is None else _checked_positions(positions, tuple(leading))
    rates = beside(base ** (-np.arange(0, size, 2) / max(size, 1)), places)
    angles = (places + offset)[..., None] * rates
    with np.errstate(invalid="ignore"):  # of infinite positions
        cos, sin = [placed("rope", "positions", f(angles).astype(x.dtype), x) for f in (np.cos, np.sin)]
    return _rope(x, cos=cos, sin=sin, interleaved=flag("rope", "interleaved", interleaved))


def _checked_positions(positions, leading):
    positions = numbers_of("rope", "positions", positions)
    if not stretches(positions.shape, leading):
        raise ShapeError(
            f"rope: positions of shape {positions.shape} do not broadcast to {leading}, x without its last axis"
        )
    return positions.astype(np.float64)
