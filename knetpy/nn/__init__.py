"""Layers: plain dataclasses that hold params and are called. Any function is one, too; no base class is needed."""

from typing import Any as _Any

from ..calls import told_class as _told_class
from .attention import MultiHeadAttention, TransformerBlock
from .cells import GRUCell, GRUv3Cell, LSTMCell, Recurrence, RNNCell, initialstates
from .combine import Chain, Maxout, PairwiseFusion, Parallel, SkipConnection, activations
from .conv import Conv, ConvTranspose, DepthwiseConv, SamePad
from .dense import Bilinear, Dense, Scale
from .dropout import AlphaDropout, Dropout
from .embedding import Embedding, EmbeddingBag
from .first import init_from
from .freeze import freeze, thaw
from .layer import is_layer_class as _is_layer_class
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
from .printing import displayed as _displayed
from .rebuilt import cast, destructure
from .recurrent import GRU, LSTM, RNN, GRUv3
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

for _layer in [globals()[name] for name in __all__]:
    if isinstance(_layer, type):
        _told_class(_layer)
        if _is_layer_class(_layer):  # one line here for one in each of them
            _layer._repr_html_ = _displayed  # type: ignore[attr-defined]

# Names that users of PyTorch type, and what to write.
_ELSEWHERE = {
    "Linear": "kn.nn.Dense", "Sequential": "kn.nn.Chain", "Flatten": "kn.nn.flatten", "Identity": "lambda x: x",
    **{f"{name}{axes}d": f"kn.nn.{name}" for name in ("Conv", "ConvTranspose", "MaxPool", "BatchNorm", "InstanceNorm")
       for axes in (1, 2, 3)},
    **{f"{name}{axes}d": f"kn.nn.{ours}" for name, ours in (("AvgPool", "MeanPool"), ("Dropout", "Dropout"),
       ("AdaptiveAvgPool", "AdaptiveMeanPool"), ("AdaptiveMaxPool", "AdaptiveMaxPool")) for axes in (1, 2, 3)},
    "ReLU": "kn.relu", "Sigmoid": "kn.sigmoid", "Tanh": "np.tanh", "GELU": "kn.gelu", "SiLU": "kn.silu",
    "ELU": "kn.elu", "LeakyReLU": "kn.leakyrelu", "Softmax": "kn.softmax", "LogSoftmax": "kn.logsoftmax",
    "CrossEntropyLoss": "kn.nll", "NLLLoss": "kn.nll", "MSELoss": "kn.mse", "BCEWithLogitsLoss": "kn.bce",
    "MultiheadAttention": "kn.nn.MultiHeadAttention", "TransformerEncoderLayer": "kn.nn.TransformerBlock",
    "Module": "a dataclass with __call__; no base class is needed", "ModuleList": "a list", "ModuleDict": "a dict",
    "Parameter": "kn.param", "relu": "kn.relu",
}  # fmt: skip


def __getattr__(name: str) -> _Any:
    hint = f": write {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
    raise AttributeError(f"module 'knetpy.nn' has no attribute {name!r}{hint}")
