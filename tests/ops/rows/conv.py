"""Convolution and its transpose: 1, 2 and 3 spatial axes."""

from itertools import product

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Row, Wrong, own

X, W = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))
MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # np.pad's


def conv(x, w, bias=None, *, padding=0, padding_mode="zeros", flip=False, activation=None, **options):
    """The naive convolution of what is padded and flipped first."""
    axes = x.ndim - 2
    pairs = [(p, p) if isinstance(p, int) else p for p in ((padding,) * axes if isinstance(padding, int) else padding)]
    x = np.pad(x, [(0, 0), (0, 0), *pairs], MODES[padding_mode])
    y = naive.conv(x, np.flip(w, tuple(range(2, w.ndim))) if flip else w, bias, **options)
    return y if activation is None else activation(y)


def same(x, w, *, before, after, **options):
    """conv with the padding that "same" stands for."""
    return conv(x, w, padding=[*zip(before, after)], **options)


def conv_transpose(
    x, w, bias=None, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1, flip=False, activation=None
):
    """Each element of x adds the window, scaled by it, to an image from which the padding is cut off afterwards."""
    axes, (inputs, outputs) = x.ndim - 2, w.shape[:2]
    stride, dilation, padding, output_padding = [
        (v,) * axes if isinstance(v, int) else v for v in (stride, dilation, padding, output_padding)
    ]
    pairs = [(p, p) if isinstance(p, int) else p for p in padding]
    size = [
        (s - 1) * t + d * (k - 1) + 1 + o
        for s, t, d, k, o in zip(x.shape[2:], stride, dilation, w.shape[2:], output_padding)
    ]
    y = np.zeros((len(x), outputs * groups, *size), x.dtype)
    for c, tap, place in product(range(inputs), np.ndindex(*w.shape[2:]), np.ndindex(*x.shape[2:])):
        first = c // (inputs // groups) * outputs
        at = tuple(p * t + k * d for p, t, k, d in zip(place, stride, tap, dilation))
        window = tuple(n - 1 - k for n, k in zip(w.shape[2:], tap)) if flip else tap
        added = x[(slice(None), c, *place)][:, None] * w[(c, slice(None), *window)]
        y[(slice(None), slice(first, first + outputs), *at)] += added
    y = y[(..., *[slice(before, n - after) for n, (before, after) in zip(size, pairs)])]
    y = y if bias is None else y + bias.reshape(-1, *[1] * axes)
    return y if activation is None else activation(y)


ROWS = [
    *[
        own(f"conv {name}", kn.conv, conv, shapes, special=False, options=options, edges=edges)
        for name, shapes, options, edges in (
            ("1-d", ((2, 2, 5), (3, 2, 2)), {}, (((0, 2, 5), (3, 2, 2)), ((1, 1, 1), (1, 1, 1)))),
            ("2-d", ((2, 2, 4, 3), (3, 2, 2, 2)), {}, (((0, 1, 2, 2), (1, 1, 1, 1)), ((1, 1, 1, 1), (1, 1, 1, 1)))),
            ("3-d", ((1, 2, 3, 2, 3), (2, 2, 2, 1, 2)), {}, ()),
            ("bias", ((2, 2, 3, 3), (3, 2, 2, 2), (3,)), {}, ()),
            ("bias 1-d", ((1, 2, 3), (3, 2, 2), (3,)), {}, ()),
            ("stride", ((1, 2, 5, 4), (2, 2, 2, 2)), {"stride": 2}, ()),
            ("strides", ((1, 1, 5, 6), (2, 1, 2, 2)), {"stride": (1, 3)}, ()),
            ("padding", ((1, 2, 3, 3), (2, 2, 3, 3)), {"padding": 1}, ()),
            ("paddings", ((1, 1, 3, 3), (1, 1, 2, 2)), {"padding": (2, 0)}, ()),
            ("padding pairs", ((1, 1, 3, 3), (1, 1, 2, 2)), {"padding": ((0, 2), (1, 0))}, ()),
            ("dilation", ((1, 1, 5, 4), (2, 1, 2, 2)), {"dilation": 2}, ()),
            ("dilations", ((1, 1, 5, 4), (2, 1, 2, 2)), {"dilation": (3, 1)}, ()),
            ("groups", ((1, 4, 3, 3), (4, 2, 2, 2)), {"groups": 2}, ()),
            ("depthwise", ((1, 3, 3, 3), (6, 1, 2, 2)), {"groups": 3}, ()),
            ("all", ((2, 2, 7, 6), (4, 1, 2, 3), (4,)),
             {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (2, 2), "groups": 2}, ()),
            ("1 by 1", ((2, 3, 2, 2), (2, 3, 1, 1)), {}, ()),
            ("reflect", ((1, 2, 3), (2, 2, 3)), {"padding": ((2, 1),), "padding_mode": "reflect"}, ()),
            ("replicate", ((1, 1, 2, 3), (2, 1, 3, 2)),
             {"padding": (3, 1), "padding_mode": "replicate", "stride": 2}, ()),
            ("circular", ((1, 1, 2, 3), (2, 1, 3, 2)), {"padding": ((2, 1), (0, 3)), "padding_mode": "circular"}, ()),
            ("reflect by 0", ((1, 1, 3), (1, 1, 2)), {"padding_mode": "reflect"}, ()),
            ("flip", ((1, 2, 3, 4), (2, 2, 2, 3)), {"flip": True}, ()),
            ("flip padded", ((1, 2, 4), (4, 1, 2)), {"flip": True, "groups": 2, "padding": ((2, 0),)}, ()),
            ("activation", ((1, 1, 3, 3), (2, 1, 2, 2), (2,)), {"activation": np.tanh}, ()),
            ("relu", ((2, 2, 3, 3), (3, 2, 2, 2), (3,)), {"activation": kn.relu, "padding": 1}, ()),
            ("relu without bias", ((1, 1, 3, 3), (2, 1, 2, 2)), {"activation": kn.relu}, ()),
            ("gelu", ((1, 1, 3, 3), (2, 1, 2, 2), (2,)), {"activation": kn.gelu}, ()),
            ("no channels", ((1, 0, 3), (2, 0, 2), (2,)), {},
             (((0, 0, 2), (1, 0, 1), (1,)), ((1, 1, 2), (0, 1, 2), (0,)))),
            ("of padding only", ((1, 1, 0), (2, 1, 2)), {"padding": 1}, ()),
        )
    ],
    *[
        Row(f"conv {name}", kn.conv, lambda x, w, o=options: kn.conv(x, w, **o), shapes,
            reference=lambda x, w, n=naive: same(x, w, **n), exact=False, special=False)
        for name, shapes, options, naive in (
            ("same", ((1, 1, 3, 4), (2, 1, 2, 3)), {"padding": "same"}, {"before": (0, 1), "after": (1, 1)}),
            ("same strided", ((1, 1, 5, 4), (1, 1, 3, 2)), {"padding": "same", "stride": (2, 3)},
             {"before": (1, 0), "after": (1, 1), "stride": (2, 3)}),
            ("same dilated", ((1, 1, 4), (1, 1, 2)), {"padding": "same", "dilation": 3},
             {"before": (1,), "after": (2,), "dilation": 3}),
            ("same, window under stride", ((1, 1, 5), (1, 1, 1)), {"padding": "same", "stride": 3},
             {"before": (0,), "after": (0,), "stride": 3}),
            ("same reflected", ((1, 1, 3), (1, 1, 2)), {"padding": "same", "padding_mode": "reflect"},
             {"before": (0,), "after": (1,), "padding_mode": "reflect"}),
            ("valid", ((1, 1, 3), (1, 1, 2)), {"padding": "valid"}, {"before": (0,), "after": (0,)}),
        )
    ],
    *[
        own(f"conv_transpose {name}", kn.conv_transpose, conv_transpose, shapes, special=False, options=options,
            edges=edges)
        for name, shapes, options, edges in (
            ("1-d", ((2, 2, 3), (2, 3, 2)), {},
             (((0, 2, 3), (2, 3, 2)), ((1, 1, 1), (1, 1, 1)), ((1, 0, 2), (0, 1, 2)))),
            ("2-d", ((2, 2, 2, 3), (2, 3, 2, 2)), {}, (((0, 1, 2, 2), (1, 1, 1, 1)), ((1, 1, 2, 2), (1, 0, 1, 1)))),
            ("3-d", ((1, 2, 2, 1, 2), (2, 2, 1, 2, 2)), {}, ()),
            ("bias", ((1, 2, 2, 2), (2, 3, 2, 1), (3,)), {}, ()),
            ("strides", ((1, 2, 3, 2), (2, 1, 2, 3)), {"stride": (3, 2)}, ()),
            ("padding", ((1, 1, 3, 3), (1, 2, 3, 3)), {"padding": (1, 2)}, ()),
            ("padding pairs", ((1, 1, 3, 3), (1, 2, 3, 2)), {"padding": ((2, 0), (0, 1)), "stride": 2}, ()),
            ("output_padding", ((1, 1, 2, 3), (1, 2, 3, 3)),
             {"stride": (2, 3), "padding": 1, "output_padding": (1, 2)}, ()),
            ("output_padding unread", ((1, 2, 2), (2, 1, 2)), {"dilation": 3, "output_padding": 2}, ()),
            ("output_padding cut", ((1, 1, 2), (1, 1, 1), (1,)),
             {"dilation": 3, "output_padding": 2, "padding": ((1, 0),)}, ()),
            ("dilation", ((1, 1, 2, 3), (1, 1, 2, 2)), {"dilation": (1, 3), "stride": 2}, ()),
            ("groups", ((1, 4, 2, 2), (4, 3, 2, 1)), {"groups": 2}, ()),
            ("depthwise", ((1, 3, 3), (3, 1, 2), (3,)), {"groups": 3}, ()),
            ("flip", ((1, 2, 3), (2, 1, 3)), {"flip": True, "stride": 2}, ()),
            ("activation", ((1, 1, 3), (1, 2, 2), (2,)), {"activation": np.tanh}, ()),
            ("relu", ((1, 1, 3), (1, 2, 2), (2,)), {"activation": kn.relu}, ()),
            ("all", ((2, 4, 2, 2), (4, 1, 2, 3), (2,)),
             {"stride": (3, 2), "padding": ((1, 0), (2, 1)), "output_padding": (2, 1), "dilation": (1, 2), "groups": 2},
             ()),
        )
    ],
    *[
        Row(f"conv_transpose {name}", kn.conv_transpose, lambda x, w, o=options: kn.conv_transpose(x, w, **o), shapes,
            reference=lambda x, w, n=naive: conv_transpose(x, w, **n), exact=False, special=False)
        for name, shapes, options, naive in (
            ("same", ((1, 1, 3), (1, 2, 4)), {"padding": "same", "stride": 2}, {"padding": ((1, 1),), "stride": 2}),
            ("same odd", ((1, 1, 3), (1, 2, 3)), {"padding": "same", "stride": 2}, {"padding": ((0, 1),), "stride": 2}),
            ("same, window under stride", ((1, 1, 2), (1, 1, 2)), {"padding": "same", "stride": 4},
             {"output_padding": 2, "stride": 4}),
            ("valid", ((1, 1, 3), (1, 1, 2)), {"padding": "valid"}, {}),
        )
    ],
]  # fmt: skip

WRONG = [
    Wrong("conv channels", kn.conv, ((128, 1, 8, 8), (16, 3, 5, 5)), kn.ShapeError,
          ("conv: w expects 3 channels (axis 1 of (16, 3, 5, 5)", "x has 1 (axis 1 of (128, 1, 8, 8))",
           "pass w of shape (16, 1, 5, 5) or groups="), True),
    Wrong("conv axes", kn.conv, ((2, 3, 4), (2, 3, 2, 2)), kn.ShapeError,
          ("(2, 3, 4)", "(2, 3, 2, 2)", "(N, C, *S)"), True),
    Wrong("conv plain image", kn.conv, ((5, 5), (2, 2)), kn.ShapeError, ("(5, 5)", "(2, 2)", "[:, None]"), True),
    Wrong("conv window", kn.conv, ((1, 1, 3, 3), (1, 1, 5, 5)), kn.ShapeError, ("5", "3", "pad"), True),
    Wrong("conv bias", kn.conv, ((1, 1, 3, 3), (2, 1, 2, 2), (3,)), kn.ShapeError, ("bias", "(2,)", "(3,)"), True),
    Wrong("conv groups", lambda x, w: kn.conv(x, w, groups=2), ((1, 4, 3, 3), (3, 2, 2, 2)), kn.ShapeError,
          ("3 output channels", "groups=2"), True),
    Wrong("conv stride", lambda x, w: kn.conv(x, w, stride=0), ((1, 1, 3, 3), (1, 1, 2, 2)), ValueError,
          ("stride", "0"), True),
    Wrong("conv stride float", lambda x, w: kn.conv(x, w, stride=1.5), ((1, 1, 3, 3), (1, 1, 2, 2)), ValueError,
          ("stride", "1.5"), True),
    Wrong("conv strides", lambda x, w: kn.conv(x, w, stride=(1, 2, 3)), ((1, 1, 3, 3), (1, 1, 2, 2)), ValueError,
          ("stride", "2 of them", "(1, 2, 3)"), True),
    Wrong("conv padding", lambda x, w: kn.conv(x, w, padding=-1), ((1, 1, 3, 3), (1, 1, 2, 2)), ValueError,
          ("padding", "-1"), True),
    Wrong("conv outputs", lambda x, w: kn.conv(x, w, groups=3), ((1, 4, 3, 3), (3, 1, 2, 2)), kn.ShapeError,
          ("(1, 4, 3, 3)", "(3, 1, 2, 2)", "groups=3", "divisor"), True),
    Wrong("conv empty window", kn.conv, ((1, 1, 3, 3), (1, 1, 0, 2)), kn.ShapeError, ("size 0", "(1, 1, 0, 2)"), True),
    *[
        Wrong(f"conv {option}={given!r}", lambda x, w, o=option, g=given: kn.conv(x, w, **{o: g}),
              ((1, 2, 4, 4), (3, 2, 2, 2)), error, ("conv: " + option, str(given), *facts), True)
        for option, given, error, facts in (
            ("padding", "full", ValueError, ("same", "valid")),
            ("padding", 1.0, ValueError, ("integer", "(before, after)")),
            ("padding", True, ValueError, ("integer",)),
            ("padding", (1, 2, 3), ValueError, ("2 spatial axes",)),
            ("padding", ((1, 2),), ValueError, ("pair for each",)),
            ("padding", ((1, 2, 3), (1, 2, 3)), ValueError, ("pair for each",)),
            ("padding", (1, (1, 2)), ValueError, ("pair for each",)),
            ("padding", ((0, -1), (0, 0)), ValueError, (">= 0",)),
            ("padding", None, ValueError, ("integer",)),
            ("padding_mode", "edge", ValueError, ("replicate", "circular")),
            ("stride", True, ValueError, ("integer",)),
            ("stride", 2**40, ValueError, ("<=",)),
            ("dilation", (1, 0), ValueError, (">= 1", "2 of them")),
            ("groups", 0, ValueError, (">= 1",)),
            ("flip", 1, TypeError, ("True or False",)),
            ("activation", "relu", TypeError, ("kn.relu",)),
        )
    ],
    *[
        Wrong(f"conv {mode} padding", lambda x, w, m=mode, p=padding: kn.conv(x, w, padding=p, padding_mode=m),
              (shape, (1, 1, 1)), kn.ShapeError, (f"({padding}, {padding})", f'"{mode}"', str(shape), way), True)
        for mode, padding, shape, way in (
            ("reflect", 3, (1, 1, 3), '"replicate"'), ("circular", 4, (1, 1, 3), '"replicate"'),
            ("replicate", 1, (1, 1, 0), '"zeros"'),
        )
    ],
    Wrong("conv_transpose axes", kn.conv_transpose, ((2, 3), (2, 3)), kn.ShapeError,
          ("conv_transpose", "(2, 3)", "(C, O, *K)"), True),
    Wrong("conv_transpose channels", kn.conv_transpose, ((1, 2, 4), (3, 5, 2)), kn.ShapeError,
          ("(1, 2, 4)", "(3, 5, 2)", "pass w of shape (2, 5, 2)"), True),
    Wrong("conv_transpose conv's w", kn.conv_transpose, ((1, 2, 4), (3, 2, 2)), kn.ShapeError,
          ("np.swapaxes(w, 0, 1)",), True),
    Wrong("conv_transpose groups", lambda x, w: kn.conv_transpose(x, w, groups=2), ((1, 3, 4), (3, 2, 2)),
          kn.ShapeError, ("(1, 3, 4)", "(3, 2, 2)", "groups=2", "divisor"), True),
    Wrong("conv_transpose bias", kn.conv_transpose, ((1, 2, 4), (2, 3, 2), (2,)), kn.ShapeError,
          ("(3,)", "(2,)"), True),
    Wrong("conv_transpose output_padding", lambda x, w: kn.conv_transpose(x, w, stride=2, output_padding=2),
          ((1, 2, 4), (2, 3, 2)), ValueError, ("output_padding 2", "stride 2", "kn.pad"), True),
    Wrong("conv_transpose output_padding bool", lambda x, w: kn.conv_transpose(x, w, stride=2, output_padding=True),
          ((1, 2, 4), (2, 3, 2)), ValueError, ("output_padding", "True"), True),
    Wrong("conv_transpose same", lambda x, w: kn.conv_transpose(x, w, stride=2, padding="same", output_padding=1),
          ((1, 2, 4), (2, 3, 2)), ValueError, ("same", "output_padding"), True),
    Wrong("conv_transpose nothing left", lambda x, w: kn.conv_transpose(x, w, padding=2), ((1, 1, 1), (1, 1, 3)),
          kn.ShapeError, ("(-1,)", "(1, 1, 1)", "(1, 1, 3)", "padding ((2, 2),)"), True),
    Wrong("conv_transpose of none", kn.conv_transpose, ((1, 1, 0), (1, 1, 3)), kn.ShapeError,
          ("(1, 1, 0)", "at least 1"), True),
    Wrong("conv_transpose empty window", kn.conv_transpose, ((1, 1, 3), (1, 1, 0)), kn.ShapeError,
          ("(1, 1, 0)", "at least 1"), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "conv": (lambda: kn.conv(X, W.astype("f4")), ("x has dtype float64", "w has float32", "astype")),
    "conv bias": (lambda: kn.conv(X, W, np.ones(1, "f4")), ("x has dtype float64", "bias has float32", "astype")),
    "conv_transpose": (lambda: kn.conv_transpose(X, W.astype("f4")),
                       ("x has dtype float64", "w has float32", "astype")),
    "conv integers": (lambda: kn.conv(X.astype(int), W), ("x has dtype int64", "x.astype(np.float32)")),
}  # fmt: skip
