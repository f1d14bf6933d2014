"""Convolution: 1, 2 and 3 spatial axes."""

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Wrong, own

X, W = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))

ROWS = [
    *[
        own(f"conv {name}", kn.conv, naive.conv, shapes, special=False, options=options, edges=edges)
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
    Wrong("conv padding word", lambda x, w: kn.conv(x, w, padding="same"), ((1, 1, 3, 3), (1, 1, 2, 2)), ValueError,
          ("padding", "'same'"), True),
]  # fmt: skip

# Calls of a wrong dtype, and what the message must say.
DTYPES = {
    "conv": (lambda: kn.conv(X, W.astype("f4")), ("x has dtype float64", "w has float32", "astype")),
    "conv bias": (lambda: kn.conv(X, W, np.ones(1, "f4")), ("bias has dtype float32", "x has float64", "astype")),
    "conv integers": (lambda: kn.conv(X.astype(int), W), ("x has dtype int64", "x.astype(np.float32)")),
}  # fmt: skip
