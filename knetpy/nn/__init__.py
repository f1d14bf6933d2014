"""Layers: plain dataclasses that hold params and are called. Any function is one, too; no base class is needed."""

from importlib import import_module as _import
from sys import modules as _modules
from typing import Any as _Any

from ..calls import no_attribute as _no_attribute
from ..calls import spelled as _spelled
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
from .layer import lacks as _lacks
from .layer import outline
from .layer import replaceable as _replaceable
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

# Options that users of PyTorch and Flux write, and what to write; sizes come first and have no names.
_OPTIONS = {
    **dict.fromkeys((
        "inputs", "outputs", "in_features", "out_features", "in_channels", "out_channels", "channels", "num_features",
        "num_channels", "num_groups", "groups", "window", "kernel_size", "num_embeddings", "embedding_dim", "hidden",
        "input_size", "hidden_size", "sizes", "normalized_shape", "size"),
        "a size without its name, as in Dense(784, 128)"),
    "nonlinearity": "the activation after the sizes", "num_layers": "layers", "elementwise_affine": "affine",
    "track_running_stats": "track_stats", "padding_idx": "padding_index", "pad": "padding", "outpad": "output_padding",
    "embed_dim": "features", "num_heads": "heads", "nheads": "heads", "dropout_prob": "dropout", "nhead": "heads",
    "d_model": "features", "dim_feedforward": "hidden", "scale_factor": "scale", "output_size": "size",
    "batch_first": "nothing, since the batch is always first", "kernel_init": "init", "init_kernel": "init",
    "init_recurrent_kernel": "recurrent_init", "init_beta": "bias_init", "init_gamma": "scale_init",
    "return_sequences": "nothing, since all times are returned",
}  # fmt: skip

for _layer in [globals()[name] for name in __all__]:
    if isinstance(_layer, type):
        _told_class(_layer, _OPTIONS)
        if _is_layer_class(_layer):  # one line here for one in each of them
            _layer._repr_html_ = _displayed  # type: ignore[attr-defined]
            _layer.__getattr__ = _lacks  # type: ignore[attr-defined]
            _replaceable(_layer)

for _name in [name.rpartition(".")[2] for name in _modules if name.startswith(f"{__name__}.")]:
    if _name not in __all__:  # a file: kn.nn.conv(x, w) is told to be kn.conv(x, w)
        globals().pop(_name, None)

# Names that users of PyTorch and Keras type, and what to write.
_ELSEWHERE = {
    "Linear": "kn.nn.Dense", "Sequential": "kn.nn.Chain", "Flatten": "kn.nn.flatten", "Identity": "lambda x: x",
    **{f"{name}{axes}d": f"kn.nn.{name}" for name in ("Conv", "ConvTranspose", "MaxPool", "BatchNorm", "InstanceNorm")
       for axes in (1, 2, 3)},
    **{f"{name}{axes}d": f"kn.nn.{ours}" for name, ours in (("AvgPool", "MeanPool"), ("Dropout", "Dropout"),
       ("AdaptiveAvgPool", "AdaptiveMeanPool"), ("AdaptiveMaxPool", "AdaptiveMaxPool")) for axes in (1, 2, 3)},
    **{f"{name}{axes}D": f"kn.nn.{ours}" for name, ours in (("Conv", "Conv"), ("MaxPooling", "MaxPool"),
       ("AveragePooling", "MeanPool"), ("GlobalAveragePooling", "GlobalMeanPool")) for axes in (1, 2, 3)},
    "ReLU": "kn.relu", "Sigmoid": "kn.sigmoid", "Tanh": "np.tanh", "GELU": "kn.gelu", "SiLU": "kn.silu",
    "ELU": "kn.elu", "LeakyReLU": "kn.leakyrelu", "Softmax": "kn.softmax", "LogSoftmax": "kn.logsoftmax",
    "CrossEntropyLoss": "kn.nll", "NLLLoss": "kn.nll", "MSELoss": "kn.mse", "BCEWithLogitsLoss": "kn.bce",
    "MultiheadAttention": "kn.nn.MultiHeadAttention", "TransformerEncoderLayer": "kn.nn.TransformerBlock",
    "functional": "a function of kn, such as kn.relu",
    "init": "kn.init.xavier", "embedding": "kn.embed",
    "Module": "a dataclass with __call__; no base class is needed", "ModuleList": "a list", "ModuleDict": "a dict",
    "Parameter": "kn.param", "relu": "kn.relu", "Bidirectional": "kn.nn.LSTM(8, 16, bidirectional=True)",
    "L1Loss": "kn.mae", "KLDivLoss": "kn.kl", "LazyLinear": "kn.nn.Dense", "SimpleRNN": "kn.nn.RNN",
}  # fmt: skip


def __getattr__(name: str) -> _Any:
    write = ""
    if not name.startswith("_"):
        kn = _import("knetpy")
        ours = "" if name in kn.__all__ else _spelled(name, __all__)  # functions, such as kn.conv, are not in here
        write = f"kn.nn.{ours}" if ours else _ELSEWHERE.get(name) or kn._spelled(name) or kn._ELSEWHERE.get(name, "")
    raise _no_attribute("module 'knetpy.nn'", name, write, __all__)
