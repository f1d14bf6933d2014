"""The layers with all their options, beside PyTorch's."""

import numpy as np

import knetpy as kn
from knetpy import nn
from tests.nn.peer import Case
from tests.ops.peer import torch

t = torch.nn
IMAGES, TIMES, VOLUMES = (2, 4, 7, 6), (2, 4, 9), (1, 4, 5, 7, 4)
TOKENS = np.array([[0, 3, 1], [2, 2, 4]])


def case(name, ours, theirs, *inputs, **how):
    return Case(name, ours, theirs, inputs, **how)


def _name(options):
    return " ".join([f"{k}={getattr(v, '__name__', v)}" for k, v in options.items()])


def _dense():
    for bias in (True, False):
        yield case(
            f"Dense bias={bias}", lambda b=bias: nn.Dense(4, 3, bias=b), lambda b=bias: t.Linear(4, 3, bias=b), (5, 4)
        )
        yield case(
            f"Bilinear bias={bias}",
            lambda b=bias: nn.Bilinear(4, 5, 3, bias=b),
            lambda b=bias: t.Bilinear(4, 5, 3, bias=b),
            (6, 4),
            (6, 5),
        )
    yield case("Dense of sequences", lambda: nn.Dense(3), lambda: t.Linear(4, 3), (2, 5, 4))
    yield case("Dense relu", lambda: nn.Dense(3, kn.relu), lambda: t.Sequential(t.Linear(4, 3), t.ReLU()), (5, 4))
    yield case("Dense tanh", lambda: nn.Dense(4, 3, np.tanh), lambda: t.Sequential(t.Linear(4, 3), t.Tanh()), (5, 4))


CONV = [
    {}, {"stride": 2}, {"padding": 1}, {"padding": (2, 1)}, {"dilation": 2}, {"groups": 2}, {"bias": False},
    {"padding": "same"}, {"padding": "valid"}, {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2},
    *[{"padding": 1, "padding_mode": mode} for mode in ("reflect", "replicate", "circular")],
    {"groups": 4, "padding": 2},
]  # fmt: skip
TRANSPOSED = [
    {}, {"stride": 2}, {"padding": 1}, {"dilation": 2}, {"groups": 2}, {"bias": False},
    {"stride": 2, "output_padding": 1},
    {"stride": (2, 3), "padding": (1, 0), "output_padding": (0, 1), "dilation": (1, 2), "groups": 2},
]  # fmt: skip


def _conv():
    for options in CONV:
        for sizes in ((4, 8, (3, 2)), (8, (3, 2))):
            yield case(
                f"Conv {sizes} {_name(options)}",
                lambda s=sizes, o=options: nn.Conv(*s, **o),
                lambda o=options: t.Conv2d(4, 8, (3, 2), **o),
                IMAGES,
            )
    for options in TRANSPOSED:
        for sizes in ((4, 6, (3, 2)), (6, (3, 2))):
            yield case(
                f"ConvTranspose {sizes} {_name(options)}",
                lambda s=sizes, o=options: nn.ConvTranspose(*s, **o),
                lambda o=options: t.ConvTranspose2d(4, 6, (3, 2), **o),
                IMAGES,
            )
    for options in ({}, {"stride": 2, "padding": 1}, {"groups": 2, "dilation": 2, "bias": False}):
        name = _name(options)
        for kind, axes, shape in ((1, (3,), TIMES), (3, (2, 3, 2), VOLUMES)):
            yield case(
                f"Conv of {kind} {name}",
                lambda a=axes, o=options: nn.Conv(4, 6, a, **o),
                lambda k=kind, a=axes, o=options: getattr(t, f"Conv{k}d")(4, 6, a, **o),
                shape,
            )
            yield case(
                f"ConvTranspose of {kind} {name}",
                lambda a=axes, o=options: nn.ConvTranspose(4, 6, a, **o),
                lambda k=kind, a=axes, o=options: getattr(t, f"ConvTranspose{k}d")(4, 6, a, **o),
                shape,
            )
    yield case("Conv flip", lambda: nn.Conv(4, 6, 3, flip=True), lambda: t.Conv2d(4, 6, 3), IMAGES)
    yield case(
        "ConvTranspose flip", lambda: nn.ConvTranspose(6, 3, flip=True), lambda: t.ConvTranspose2d(4, 6, 3), IMAGES
    )
    yield case("DepthwiseConv", lambda: nn.DepthwiseConv(4, 8, 3), lambda: t.Conv2d(4, 8, 3, groups=4), IMAGES)
    yield case("Conv relu", lambda: nn.Conv(6, 3, kn.relu), lambda: t.Sequential(t.Conv2d(4, 6, 3), t.ReLU()), IMAGES)


def _pool():
    for window, options in ((2, {}), ((3, 2), {"stride": 2}), (3, {"stride": (1, 2), "padding": 1})):
        name = f"{window} {_name(options)}"
        for ours, theirs in ((nn.MaxPool, "MaxPool2d"), (nn.MeanPool, "AvgPool2d")):
            yield case(
                f"{ours.__name__} {name}",
                lambda f=ours, w=window, o=options: f(w, **o),
                lambda f=theirs, w=window, o=options: getattr(t, f)(w, **o),
                IMAGES,
            )
    for axes, shape in ((1, TIMES), (3, VOLUMES)):
        yield case(
            f"MaxPool of {axes}",
            lambda a=axes: nn.MaxPool((2,) * a),
            lambda a=axes: getattr(t, f"MaxPool{a}d")(2),
            shape,
        )
    for size in (1, 3, (2, 5)):
        yield case(
            f"AdaptiveMaxPool {size}",
            lambda n=size: nn.AdaptiveMaxPool(n),
            lambda n=size: t.AdaptiveMaxPool2d(n),
            IMAGES,
        )
        yield case(
            f"AdaptiveMeanPool {size}",
            lambda n=size: nn.AdaptiveMeanPool(n),
            lambda n=size: t.AdaptiveAvgPool2d(n),
            IMAGES,
        )
    yield case("GlobalMaxPool", nn.GlobalMaxPool, lambda: t.AdaptiveMaxPool2d(1), IMAGES)
    yield case("GlobalMeanPool", nn.GlobalMeanPool, lambda: t.AdaptiveAvgPool2d(1), IMAGES)
    for mode in ("nearest", "bilinear", "bicubic"):
        for corners in (None,) if mode == "nearest" else (False, True):
            yield case(
                f"Upsample {mode} {corners}",
                lambda m=mode, c=corners: nn.Upsample(2, m, align_corners=bool(c)),
                lambda m=mode, c=corners: t.Upsample(scale_factor=2, mode=m, align_corners=c),
                IMAGES,
            )
    yield case("Upsample size", lambda: nn.Upsample(size=(9, 10)), lambda: t.Upsample(size=(9, 10)), IMAGES)
    yield case("PixelShuffle", lambda: nn.PixelShuffle(2), lambda: t.PixelShuffle(2), IMAGES)
    yield case("flatten", lambda: nn.flatten, t.Flatten, IMAGES)


def _embedding():
    yield case("Embedding", lambda: nn.Embedding(5, 3), lambda: t.Embedding(5, 3), TOKENS)
    yield case(
        "Embedding padding",
        lambda: nn.Embedding(5, 3, padding_index=2),
        lambda: t.Embedding(5, 3, padding_idx=2),
        TOKENS,
    )
    for mode in ("mean", "sum", "max"):
        yield case(
            f"EmbeddingBag {mode}",
            lambda m=mode: nn.EmbeddingBag(5, 3, mode=m),
            lambda m=mode: t.EmbeddingBag(5, 3, mode=m),
            TOKENS,
        )
    yield case(
        "EmbeddingBag offsets",
        lambda: nn.EmbeddingBag(5, 3),
        lambda: t.EmbeddingBag(5, 3),
        TOKENS.ravel(),
        np.array([0, 4]),
    )


def _norm():
    for training in (False, True):
        for shape, axes in ((IMAGES, 2), (TIMES, 1), ((6, 4), 1), (VOLUMES, 3)):
            for name, ours, theirs in (
                ("", {}, {}),
                ("affine=False", {"affine": False}, {"affine": False}),
                ("track_stats=False", {"track_stats": False}, {"track_running_stats": False}),
                ("momentum=None eps", {"momentum": None, "eps": 0.1}, {"momentum": None, "eps": 0.1}),
            ):
                if (name and shape != IMAGES) or "affine" in name:  # without params there is nothing to load
                    continue
                yield case(
                    f"BatchNorm {shape} {training} {name}",
                    lambda o=ours: nn.BatchNorm(**o),
                    lambda o=theirs, a=axes: getattr(t, f"BatchNorm{a}d")(4, **o),
                    shape,
                    training=training,
                )
        yield case(
            f"InstanceNorm {training}",
            lambda: nn.InstanceNorm(4, affine=True, track_stats=True),
            lambda: t.InstanceNorm2d(4, affine=True, track_running_stats=True),
            IMAGES,
            training=training,
        )
    yield case("BatchNorm plain", lambda: nn.BatchNorm(4, affine=False, track_stats=False),
               lambda: t.BatchNorm2d(4, affine=False, track_running_stats=False), IMAGES)  # fmt: skip
    yield case("InstanceNorm plain", nn.InstanceNorm, lambda: t.InstanceNorm2d(4), IMAGES)
    yield case(
        "BatchNorm relu", lambda: nn.BatchNorm(kn.relu), lambda: t.Sequential(t.BatchNorm2d(4), t.ReLU()), IMAGES
    )
    for groups in (1, 2, 4):
        yield case(
            f"GroupNorm {groups}", lambda g=groups: nn.GroupNorm(4, g), lambda g=groups: t.GroupNorm(g, 4), IMAGES
        )
    yield case("LayerNorm", nn.LayerNorm, lambda: t.LayerNorm(6), IMAGES)
    yield case("LayerNorm of two axes", lambda: nn.LayerNorm(7, 6), lambda: t.LayerNorm((7, 6)), IMAGES)
    yield case("LayerNorm no bias", lambda: nn.LayerNorm(6, bias=False), lambda: t.LayerNorm(6, bias=False), IMAGES)
    yield case("LayerNorm plain", lambda: nn.LayerNorm(6, affine=False, eps=0.1),
               lambda: t.LayerNorm(6, elementwise_affine=False, eps=0.1), IMAGES)  # fmt: skip
    yield case("RMSNorm", nn.RMSNorm, lambda: t.RMSNorm(6), IMAGES)
    yield case("RMSNorm of two axes", lambda: nn.RMSNorm(7, 6, eps=0.1), lambda: t.RMSNorm((7, 6), eps=0.1), IMAGES)
    yield case("Dropout", lambda: nn.Dropout(0.4), lambda: t.Dropout(0.4), IMAGES)
    yield case("AlphaDropout", lambda: nn.AlphaDropout(0.4), lambda: t.AlphaDropout(0.4), IMAGES)


def _weightnorm():
    norm = torch.nn.utils.parametrizations.weight_norm
    yield case("WeightNorm Dense", lambda: nn.WeightNorm(nn.Dense(4, 3)), lambda: norm(t.Linear(4, 3)), (5, 4))
    yield case(
        "WeightNorm Conv",
        lambda: nn.WeightNorm(nn.Conv(4, 6, 3, bias=False)),
        lambda: norm(t.Conv2d(4, 6, 3, bias=False)),
        IMAGES,
    )


def _attention():
    def ours(layer, *x):
        return layer(*x, return_weights=True)

    def theirs(layer, q, k=None, v=None):
        k = q if k is None else k
        return layer(q, k, k if v is None else v, average_attn_weights=False)

    calls = dict(call_ours=ours, call_theirs=theirs)
    for heads, bias in ((1, False), (2, True), (3, False)):
        yield case(
            f"MultiHeadAttention {heads} {bias}",
            lambda h=heads, b=bias: nn.MultiHeadAttention(6, h, bias=b),
            lambda h=heads, b=bias: t.MultiheadAttention(6, h, bias=b, batch_first=True),
            (2, 5, 6),
            **calls,
        )
    yield case(
        "MultiHeadAttention of others",
        lambda: nn.MultiHeadAttention(6, 2, keys=4, values=5, bias=True),
        lambda: t.MultiheadAttention(6, 2, kdim=4, vdim=5, batch_first=True),
        (2, 5, 6), (2, 3, 4), (2, 3, 5), **calls,
    )  # fmt: skip
    yield case(
        "MultiHeadAttention causal",
        lambda: nn.MultiHeadAttention(6, 2, bias=True),
        lambda: t.MultiheadAttention(6, 2, batch_first=True),
        (2, 5, 6),
        call_ours=lambda layer, x: layer(x, causal=True),
        call_theirs=lambda layer, x: layer(x, x, x, attn_mask=_causal(5), need_weights=False)[0],
    )
    for first in (True, False):
        for name, f in (("relu", kn.relu), ("gelu", kn.gelu)):
            for causal in (False, True):
                yield case(
                    f"TransformerBlock {first} {name} {causal}",
                    lambda n=first, f=f, c=causal: nn.TransformerBlock(
                        6, 2, hidden=8, activation=f, causal=c, norm_first=n
                    ),
                    lambda n=first, f=name: t.TransformerEncoderLayer(6, 2, 8, 0.0, f, batch_first=True, norm_first=n),
                    (2, 5, 6),
                    training=True,  # PyTorch's shorter way without has no gradient
                    call_theirs=lambda layer, x, c=causal: layer(x, _causal(5) if c else None, is_causal=c),
                )


def _causal(n):
    return torch.ones(n, n).triu(1) > 0


def _recurrent():
    for kind in ("LSTM", "GRU", "RNN"):
        for layers, sides, bias, state in (
            (1, False, True, False), (1, False, False, True), (1, True, True, True), (2, False, True, True),
            (2, True, True, False), (3, True, False, True),
        ):  # fmt: skip
            options = {"bidirectional": sides, "bias": bias}
            states = ((layers * (1 + sides), 2, 3),) * (2 if kind == "LSTM" else 1) if state else ()
            yield case(
                f"{kind} {layers} {sides} {bias} {state}",
                lambda k=kind, n=layers, o=options: getattr(nn, k)(3, layers=n, return_state=True, **o),
                lambda k=kind, n=layers, o=options: getattr(t, k)(4, 3, num_layers=n, batch_first=True, **o),
                (2, 5, 4),
                *states,
                call_ours=lambda layer, x, *s: _flat(layer(x, _state(s))),
                call_theirs=lambda layer, x, *s: _flat(layer(x, _state(s))),
            )
        for bias in (True, False):
            states = ((2, 3),) * (2 if kind == "LSTM" else 1)
            yield case(
                f"{kind}Cell {bias}",
                lambda k=kind, b=bias: getattr(nn, f"{k}Cell")(3, bias=b),
                lambda k=kind, b=bias: getattr(t, f"{k}Cell")(4, 3, bias=b),
                (2, 4),
                *states,
                call_ours=lambda layer, x, *s: _flat(layer(x, _state(s))[1]),
                call_theirs=lambda layer, x, *s: _flat(layer(x, _state(s))),
            )
    yield case(
        "RNN relu",
        lambda: nn.RNN(4, 3, kn.relu),
        lambda: t.RNN(4, 3, nonlinearity="relu", batch_first=True),
        (2, 5, 4),
        call_theirs=lambda layer, x: layer(x)[0],
    )


def _state(states):
    return None if not states else states if len(states) == 2 else states[0]


def _flat(y):
    return [leaf for part in y for leaf in _flat(part)] if isinstance(y, tuple | list) else [y]


def _chains():
    yield case(
        "LeNet",
        lambda: nn.Chain(
            nn.Conv(4, 3, padding=1), nn.BatchNorm(kn.relu), nn.MaxPool(2), nn.flatten, nn.Dense(8, kn.relu),
            nn.Dense(3),
        ),
        lambda: t.Sequential(
            t.Conv2d(4, 4, 3, padding=1), t.BatchNorm2d(4), t.ReLU(), t.MaxPool2d(2), t.Flatten(), t.Linear(36, 8),
            t.ReLU(), t.Linear(8, 3),
        ),
        IMAGES,
    )  # fmt: skip
    yield case(
        "tokens",
        lambda: nn.Chain(
            nn.Embedding(5, 4), nn.TransformerBlock(4, 2, hidden=6, activation=kn.relu), nn.LayerNorm(), nn.Dense(5)
        ),
        lambda: t.Sequential(
            t.Embedding(5, 4), t.TransformerEncoderLayer(4, 2, 6, 0.0, batch_first=True, norm_first=True),
            t.LayerNorm(4), t.Linear(4, 5),
        ),
        TOKENS,
        training=True,
    )  # fmt: skip


CASES = [
    c
    for cases in (_dense, _conv, _pool, _embedding, _norm, _weightnorm, _attention, _recurrent, _chains)
    for c in cases()
]
