"""Layers: plain dataclasses that hold params and are called. Any function is one, too; no base class is needed."""

from .attention import MultiHeadAttention, TransformerBlock
from .combine import Chain, Maxout, PairwiseFusion, Parallel, SkipConnection, activations
from .conv import Conv, ConvTranspose, DepthwiseConv, SamePad
from .dense import Bilinear, Dense, Scale
from .dropout import AlphaDropout, Dropout
from .embedding import Embedding, EmbeddingBag
from .first import init_from
from .freeze import freeze, thaw
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
from .printing import count
from .rebuilt import cast, destructure
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
    "WeightNorm", "activations", "cast", "count", "destructure", "flatten", "freeze", "init_from", "initialstates",
    "outline", "outputsize", "remove_weight_norms", "summary", "thaw",
]  # fmt: skip
