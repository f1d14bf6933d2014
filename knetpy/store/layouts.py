"""Where PyTorch keeps the numbers of a layer: by which names, and in which layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import nn


class Slot(NamedTuple):
    """A number of a layer: a Param, or an attribute of Moments, and how it is made of PyTorch's arrays."""

    owner: Any
    attribute: str  # of Moments
    names: tuple[str, ...]  # in the state_dict, after what all names of the module begin with
    make: Callable[..., np.ndarray]
    optional: bool = False


def slots(layer: Any) -> list[Slot] | None:
    """What a layer takes from its PyTorch module; None of what PyTorch does not have, whose parts are looked at."""
    find = next((find for kinds, find in KINDS if isinstance(layer, kinds)), None)
    return None if find is None else [slot for slot in find(layer) if slot.owner is not None]


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _turned(x: np.ndarray) -> np.ndarray:
    return x.T


def _sum(*parts: np.ndarray) -> np.ndarray:
    return np.add(*parts)


def _of(owner: Any, *names: str, make: Callable = _same) -> Slot:
    return Slot(owner, "", names, make)


def _dense(layer):
    return [_of(layer.weight, "weight", make=_turned), _of(layer.bias, "bias")]


def _plain(layer):
    return [_of(layer.weight, "weight"), _of(getattr(layer, "bias", None), "bias")]


def _conv(layer):
    flip = layer._options["flip"]  # our window is reversed then
    return [
        _of(layer.weight, "weight", make=lambda w: w[(..., *[slice(None, None, -1)] * (w.ndim - 2))] if flip else w),
        _of(layer.bias, "bias"),
    ]


def _norm(layer):
    found, moments = [_of(layer.scale, "weight"), _of(getattr(layer, "bias", None), "bias")], layer_moments(layer)
    if moments is not None:
        found += [
            Slot(moments, "mean", ("running_mean",), _same),
            Slot(moments, "var", ("running_var",), _same),
            Slot(moments, "count", ("num_batches_tracked",), _same, optional=True),
        ]
    return found


def layer_moments(layer: Any) -> Any:
    """The running moments of a norm, None if it has none."""
    return getattr(layer, "moments", None)


def _recurrent(layer):
    found: list[Slot] = []
    directions = ["", "_reverse"] if layer._bidirectional else [""]
    ends = [f"_l{n}{way}" for n in range(layer._layers) for way in directions]
    for weights, end in zip(layer.groups(), [""] if isinstance(layer, CELLS) else ends):
        bx, bh = f"bias_ih{end}", f"bias_hh{end}"
        found += [
            _of(weights.wx, f"weight_ih{end}", make=_turned),
            _of(weights.wh, f"weight_hh{end}", make=_turned),
            _of(weights.bx, bx) if weights.bh is not None else _of(weights.bx, bx, bh, make=_sum),
            _of(weights.bh, bh),
        ]
    return found


def _attention(layer):
    parts = {"q": layer.query, "k": layer.key, "v": layer.value}
    together = len({part.weight.shape for part in parts.values()}) == 1  # then PyTorch has the three in one array
    found = []
    for n, (letter, part) in enumerate(parts.items()):
        name = "in_proj_weight" if together else f"{letter}_proj_weight"
        found += [
            _of(part.weight, name, make=lambda w, n=n, k=3 if together else 1: np.split(w, k)[n % k].T),
            _of(part.bias, "in_proj_bias", make=lambda b, n=n: np.split(b, 3)[n]),
        ]
    return found + under("out_proj.", _dense(layer.output))


def _block(block):
    first, second = block.feedforward
    return [
        *under("self_attn.", _attention(block.attention)),
        *under("linear1.", _dense(first)),
        *under("linear2.", _dense(second)),
        *under("norm1.", _norm(block.norm1)),
        *under("norm2.", _norm(block.norm2)),
    ]


def _weightnorm(layer):
    if layer.name != "weight":
        return None
    length = "parametrizations.weight.original0", "parametrizations.weight.original1"
    found = [_of(layer.g, length[0], make=np.ravel)]
    for slot in slots(layer.whole(layer.v)) or []:
        found.append(slot._replace(names=length[1:]) if slot.owner is layer.v else slot)
    return found


def under(prefix: str, found: list[Slot]) -> list[Slot]:
    """The slots of a part of a module."""
    return [slot._replace(names=tuple([prefix + name for name in slot.names])) for slot in found]


CELLS = (nn.LSTMCell, nn.GRUCell, nn.RNNCell)
KINDS: list[tuple[Any, Callable]] = [
    (nn.Dense, _dense),
    ((nn.Conv, nn.ConvTranspose), _conv),
    ((nn.Embedding, nn.EmbeddingBag, nn.Bilinear), _plain),
    ((nn.BatchNorm, nn.InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm), _norm),
    ((nn.LSTM, nn.GRU, nn.RNN, *CELLS), _recurrent),
    (nn.MultiHeadAttention, _attention),
    (nn.TransformerBlock, _block),
    (nn.WeightNorm, _weightnorm),
]
