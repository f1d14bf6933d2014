"""`kn.pad`, which is `np.pad`, in all modes; more rows are among those of NumPy's functions."""

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong

PAIRS = ((2, 1), (1, 3))
FAR = ((3, 0), (5, 9))  # further than the size of what is mirrored
X = np.arange(6.0).reshape(2, 3)


def empty(x):
    """What is defined of mode "empty"."""
    return kn.pad(x, PAIRS, "empty")[2:-1, 1:-3]


ROWS = [
    *[
        Row(f"kn.pad {mode} {' '.join(map(str, (*options.values(), width)))}", kn.pad,
            lambda x, m=mode, o=options, w=width: kn.pad(x, w, m, **o), ((3, 4),), "apart", edges=edges,
            exact=mode != "linear_ramp")
        for mode, options, width, edges in (
            ("constant", {}, PAIRS, (((0, 2),), ((1, 0),), ((1, 1),))),
            ("constant", {"constant_values": ((1, 2), (3, 4))}, PAIRS, (((0, 0),),)),
            ("edge", {}, PAIRS, (((1, 1),),)),
            ("reflect", {}, FAR, (((1, 2),), ((1, 1),))),
            ("reflect", {"reflect_type": "odd"}, PAIRS, (((1, 3),), ((2, 2),))),
            ("symmetric", {}, FAR, (((1, 2),), ((1, 1),))),
            ("symmetric", {"reflect_type": "odd"}, PAIRS, (((1, 3),), ((2, 2),))),
            ("wrap", {}, FAR, (((1, 1),), ((2, 3),))),
            ("wrap", {}, ((0, 0), (40, 60)), ()),
            ("linear_ramp", {}, PAIRS, (((1, 1),),)),
            ("linear_ramp", {"end_values": ((3, -2), (4, 1))}, PAIRS, ()),
            *[(mode, options, PAIRS, edges)
              for mode in ("maximum", "mean", "median", "minimum")
              for options, edges in (({}, (((1, 1),),)), ({"stat_length": ((1, 2), (3, 9))}, ()))],
        )
    ],
    Row("kn.pad empty", kn.pad, empty, ((3, 4),), edges=(((0, 2),),)),
    Row("kn.pad empty axis", kn.pad, lambda x: kn.pad(x, ((0, 0), (1, 2)), "mean"), ((3, 4),), "apart",
        edges=(((0, 2),),)),
    Row("kn.pad by nothing", kn.pad, lambda x: kn.pad(x, 0, "mean"), ((3, 4),), edges=(((),), ((0,),))),
    Row("kn.pad dict", kn.pad, lambda x: kn.pad(x, {-1: (1, 2), 0: 1}, "edge"), ((2, 3),)),
    Row("kn.pad values", kn.pad, lambda x, v: kn.pad(x, PAIRS, constant_values=v), ((2, 3), (2, 1)),
        reference=lambda x, v: np.pad(x, PAIRS, constant_values=v)),
    Row("kn.pad value", kn.pad, lambda v: kn.pad(X.astype(v.dtype), 1, constant_values=v), ((),),
        reference=lambda v: np.pad(X.astype(v.dtype), 1, constant_values=v)),
    Row("kn.pad ends", kn.pad, lambda x, v: kn.pad(x, PAIRS, "linear_ramp", end_values=v), ((2, 3), (2,)),
        reference=lambda x, v: np.pad(x, PAIRS, "linear_ramp", end_values=v), exact=False),
]  # fmt: skip

WRONG = [
    *[
        Wrong(f"kn.pad {width!r}", lambda x, w=width: kn.pad(x, w), ((2, 3),), error, ("pad: pad_width", fact), True)
        for width, error, fact in (
            (-1, ValueError, "x[1:-1]"),
            (1.0, TypeError, "1.0"),
            (True, TypeError, "True"),
            ((1, 2, 3), ValueError, "each of the 2 axes"),
            (((1, 2), (3,)), ValueError, "each of the 2 axes"),
            (None, TypeError, "None"),
            ("1", TypeError, "'1'"),
        )
    ],
    *[
        Wrong(f"kn.pad {mode} {options}", lambda x, m=mode, o=options: kn.pad(x, 1, m, **o), ((2, 3),), ValueError,
              ("pad", *facts), True)
        for mode, options, facts in (
            ("means", {}, ("'means'", '"mean"', '"wrap"')),
            (None, {}, ("None",)),
            ("edge", {"constant_values": 1}, ('"edge"', "no option", "constant_values=")),
            ("mean", {"end_values": 1}, ('"mean"', "stat_length=", "end_values=")),
            ("maximum", {"stat_length": 0}, ("stat_length", "at least 1", "maximum")),
            ("minimum", {"stat_length": (1, -1)}, ("stat_length", "(1, -1)")),
            ("constant", {"constant_values": (1, 2, 3)}, ("constant_values", "(1, 2, 3)")),
        )
    ],
    Wrong("kn.pad empty axis", lambda x: kn.pad(x, 1, "edge"), ((2, 0),), ValueError, ("axis 1", "(2, 0)"), True),
    Wrong("kn.pad dict", lambda x: kn.pad(x, {2: 1}), ((2, 3),), IndexError, ("axis 2", "2 axes")),
    Wrong("kn.pad function", lambda x: kn.pad(x, 1, lambda *a: None), ((2, 3),), kn.DerivativeError,
          ("function", "(2, 3)", "np.concatenate")),
]  # fmt: skip
