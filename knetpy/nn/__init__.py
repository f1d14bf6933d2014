"""Layers: plain dataclasses that hold params and are called. Any function is one, too; no base class is needed."""

from .attention import MultiHeadAttention, TransformerBlock
from .combine import Chain, Maxout, PairwiseFusion, Parallel, SkipConnection, activations
from .conv import Conv, ConvTranspose, DepthwiseConv, SamePad
from .dense import Bilinear, Dense, Scale
from .dropout import AlphaDropout, Dropout
from .embedding import Embedding, EmbeddingBag
from .layer import outline
from .norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from .pool import (
    AdaptiveMaxPool,
    AdaptiveMeanPool,
    GlobalMaxPool,
    GlobalMeanPool,
    MaxPool,
    MeanPool,
    PixelShuffle,
    Upsample,
    flatten,
)
from .printing import displayed as _displayed
from .printing import is_layer_class as _is_layer_class
from .recurrent import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    GRUv3,
    GRUv3Cell,
    LSTMCell,
    Recurrence,
    RNNCell,
    initialstates,
)
from .shapes import outputsize
from .summary import Summary, summary
from .weightnorm import WeightNorm, remove_weight_norms

__all__ = [
    "AdaptiveMaxPool", "AdaptiveMeanPool", "AlphaDropout", "BatchNorm", "Bilinear", "Chain", "Conv", "ConvTranspose",
    "Dense", "DepthwiseConv", "Dropout", "Embedding", "EmbeddingBag", "GRU", "GRUCell", "GRUv3", "GRUv3Cell",
    "GlobalMaxPool", "GlobalMeanPool", "GroupNorm", "InstanceNorm", "LSTM", "LSTMCell", "LayerNorm", "MaxPool",
    "Maxout", "MeanPool", "MultiHeadAttention", "PairwiseFusion", "Parallel", "PixelShuffle", "RMSNorm", "RNN",
    "RNNCell", "Recurrence", "SamePad", "Scale", "SkipConnection", "Summary", "TransformerBlock", "Upsample",
    "WeightNorm", "activations", "flatten", "initialstates", "outline", "outputsize", "remove_weight_norms", "summary",
]  # fmt: skip

for _kind in [globals()[_name] for _name in __all__]:  # one line here for one in each of them
    if isinstance(_kind, type) and _is_layer_class(_kind):
        _kind._repr_html_ = _displayed  # type: ignore[attr-defined]
