"""Attention layers: MultiHeadAttention, TransformerBlock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..ops.arguments import flag, number
from ..ops.attention import attention
from ..ops.gated import gelu
from ..parameters import init as inits
from .combine import Chain
from .dense import Dense
from .dropout import Dropout
from .layer import call_of, changed, initialiser, size
from .norm import LayerNorm
from .printing import printed


@dataclass(eq=False, repr=False)
class MultiHeadAttention:
    """Attention in several heads, with learned products before and after; see `kn.attention`.

    Parameters:
      features: the size D of the last axis of the queries, and of the result.
      heads=8: an integer that divides `hidden`.
      keys=None, values=None: the sizes of the last axes of keys and values, if they are not D.
      hidden=None: the size of all heads together, by default D.
      bias=False: whether the four products have one.
      dropout=0.0: the share of attention weights that is dropped in training.
      init=kn.init.xavier_uniform: of the weights.
    Attributes: query, key, value, output: a `Dense` each.
    Returns: when called with q (..., L, D), k (..., S, keys) and v (..., S, values): (..., L, D). Without v it is k,
      without k all three are q. The options mask, bias and causal are those of `kn.attention`; with
      return_weights=True also the weights (..., heads, L, S).
    Raises: ValueError, TypeError; when called those of `kn.attention`.
    Source: Vaswani et al., "Attention is all you need", 2017.

    >>> import numpy as np, knetpy as kn
    >>> attend = kn.nn.MultiHeadAttention(16, heads=4)
    >>> attend(np.ones((2, 5, 16), np.float32), causal=True).shape
    (2, 5, 16)
    """

    query: Dense
    key: Dense
    value: Dense
    output: Dense
    heads: int
    dropout: float

    def __init__(
        self,
        features: int,
        heads: int = 8,
        *,
        keys: int | None = None,
        values: int | None = None,
        hidden: int | None = None,
        bias: bool = False,
        dropout: float = 0.0,
        init: Callable = inits.xavier_uniform,
    ):
        name = "MultiHeadAttention"
        features, self.heads = size(name, "features", features), size(name, "heads", heads)
        hidden = features if hidden is None else size(name, "hidden", hidden)
        if hidden % self.heads:
            raise ValueError(f"{name}: heads={heads} must divide the size of all heads together, {hidden}")
        self.dropout = number(name, "dropout", dropout, 0, 1)
        how: dict = dict(bias=flag(name, "bias", bias), init=initialiser(name, init))
        keys, values = [None if n is None else size(name, o, n) for o, n in (("keys", keys), ("values", values))]
        self.query = Dense(features, hidden, **how)
        self.key = Dense(features if keys is None else keys, hidden, **how)
        self.value = Dense(features if values is None else values, hidden, **how)
        self.output = Dense(hidden, features, **how)

    def __call__(
        self,
        q: Any,
        k: Any = None,
        v: Any = None,
        *,
        mask: Any = None,
        bias: Any = None,
        causal: bool = False,
        return_weights: bool = False,
    ) -> Any:
        k = q if k is None else k
        v = k if v is None else v
        how = dict(mask=mask, bias=bias, causal=causal, dropout=self.dropout, return_weights=return_weights)
        found = attention(self.query(q), self.key(k), self.value(v), heads=self.heads, **how)
        return (self.output(found[0]), found[1]) if return_weights else self.output(found)

    def __repr__(self) -> str:
        features, hidden = self.query.weight.shape  # type: ignore[union-attr]
        options = changed(
            keys=(self.key.inputs, features),
            values=(self.value.inputs, features),
            hidden=(hidden, features),
            bias=(self.query._biased, False),
            dropout=(self.dropout, 0.0),
        )
        return call_of("MultiHeadAttention", str(features), heads=self.heads, **options)


@dataclass(eq=False, repr=False)
class TransformerBlock:
    """x + attention(norm(x)), then x + feed-forward(norm(x)): one block of a transformer.

    Parameters:
      features: the size D of the last axis.
      heads=8: as for `MultiHeadAttention`.
      hidden=None: the size inside the feed-forward part, by default 4 * D.
      activation=kn.gelu: of the feed-forward part.
      dropout=0.0: the share dropped in training of attention weights, and of what each of the two parts returns.
      causal=False: whether places see only themselves and those before, as in a language model.
      norm_first=True: norms come first in each part, as in GPT-2; otherwise after each sum, as in the paper.
      norm=kn.nn.LayerNorm: the kind of norm, called with D; kn.nn.RMSNorm is another.
      bias=True: whether the products have one.
    Attributes: attention, a `MultiHeadAttention`; feedforward, a Chain; norm1, norm2; drop, a Dropout.
    Returns: when called with x (..., L, D): the same shape. mask= is that of `kn.attention`.
    Raises: ValueError, TypeError; when called those of `kn.attention`.
    Source: Vaswani et al., 2017; Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.TransformerBlock(16, heads=4, causal=True)(np.ones((2, 5, 16), np.float32)).shape
    (2, 5, 16)
    """

    norm1: Callable
    attention: MultiHeadAttention
    norm2: Callable
    feedforward: Chain
    drop: Dropout
    causal: bool
    norm_first: bool

    def __init__(
        self,
        features: int,
        heads: int = 8,
        *,
        hidden: int | None = None,
        activation: Callable = gelu,
        dropout: float = 0.0,
        causal: bool = False,
        norm_first: bool = True,
        norm: Callable = LayerNorm,
        bias: bool = True,
    ):
        name = "TransformerBlock"
        features, heads = size(name, "features", features), size(name, "heads", heads)
        if features % heads:
            raise ValueError(f"{name}: heads={heads} must divide features={features}")
        hidden = 4 * features if hidden is None else size(name, "hidden", hidden)
        dropout, causal = number(name, "dropout", dropout, 0, 1), flag(name, "causal", causal)
        if not callable(norm):
            raise TypeError(f"{name}: norm must be a kind of layer such as kn.nn.RMSNorm, got {norm!r:.60}")
        bias, norm_first = flag(name, "bias", bias), flag(name, "norm_first", norm_first)
        self.norm1, self.norm2 = norm(features), norm(features)
        self.attention = MultiHeadAttention(features, heads, dropout=dropout, bias=bias)
        self.feedforward = Chain(Dense(features, hidden, activation, bias=bias), Dense(hidden, features, bias=bias))
        self.drop, self.causal, self.norm_first = Dropout(dropout), causal, norm_first

    def __call__(self, x: Any, *, mask: Any = None) -> Any:
        def attend(x):
            return self.drop(self.attention(x, mask=mask, causal=self.causal))

        if self.norm_first:
            x = x + attend(self.norm1(x))
            return x + self.drop(self.feedforward(self.norm2(x)))
        x = self.norm1(x + attend(x))
        return self.norm2(x + self.drop(self.feedforward(x)))

    __repr__ = printed
