"""Folding: windows as columns and back."""

import math

import numpy as np

import knetpy as kn
from tests.ops import naive
from tests.ops.row import Wrong, own


def unfold(x, window, *, stride=1, padding=0, dilation=1):
    """Element by element."""
    axes = x.ndim - 2
    window, columns = naive._each(window, axes), []
    for _, _, met in naive._places(x.shape[2:], window, stride, padding, dilation):
        column = np.zeros((*x.shape[:2], *window), x.dtype)
        for tap, at in met:
            column[(..., *tap)] = x[(..., *at)]
        columns.append(column.reshape(len(x), x.shape[1] * math.prod(window)))
    return np.stack(columns, -1)


def fold(x, size, window, **options):
    """Each element goes where `unfold` finds the number of its place; number 0 is padding."""
    window = naive._each(window, len(size))
    numbers = np.arange(1, math.prod(size) + 1).reshape(1, 1, *size)
    places = unfold(numbers, window, **options)[0]
    y = np.zeros((len(x), x.shape[1] // math.prod(window), math.prod(size) + 1), x.dtype)
    for tap, place in np.ndindex(*places.shape):
        y[:, :, places[tap, place]] += x[:, tap :: len(places), place]
    return y[:, :, 1:].reshape(*y.shape[:2], *size)


CASES = (
    # name, x, window, options, edges, columns
    ("1-d", (2, 2, 4), {"window": 2}, (((0, 2, 3),), ((1, 0, 2),), ((1, 1, 2),)), (2, 4, 3)),
    ("2-d", (1, 2, 3, 4), {"window": (2, 3)}, (((1, 1, 2, 3),),), (1, 12, 4)),
    ("3-d", (1, 1, 2, 3, 2), {"window": 2}, (), (1, 8, 2)),
    ("strides", (1, 1, 4, 5), {"window": 2, "stride": (2, 3)}, (), (1, 4, 4)),
    ("padding", (1, 1, 3, 2), {"window": 3, "padding": 1}, (), (1, 9, 6)),
    ("padding pairs", (1, 2, 3), {"window": 2, "padding": ((2, 1),)}, (), (1, 4, 5)),
    ("dilation", (1, 1, 5, 3), {"window": 2, "dilation": (3, 2)}, (), (1, 4, 2)),
    ("all", (2, 1, 5, 4), {"window": (2, 3), "stride": (3, 2), "padding": (1, 2), "dilation": (2, 1)}, (), (2, 6, 6)),
)  # fmt: skip

ROWS = [
    *[
        own(f"unfold {name}", kn.unfold, unfold, (x,), options=options, edges=edges)
        for name, x, options, edges, _ in CASES
    ],
    *[
        own(f"fold {name}", kn.fold, fold, (columns,), special=False, options={"size": x[2:], **options},
            edges=(((0, *columns[1:]),),))
        for name, x, options, _, columns in CASES
    ],
    own("unfold same", lambda x: kn.unfold(x, 2, stride=2, padding="same"),
        lambda x: unfold(x, 2, stride=2, padding=((0, 1),)), ((1, 1, 3),)),
    own("fold valid", lambda x: kn.fold(x, (3,), 2, padding="valid"), lambda x: fold(x, (3,), 2), ((1, 2, 2),),
        special=False),
]  # fmt: skip

WRONG = [
    *[
        Wrong(f"unfold {window} {options}", lambda x, w=window, o=options: kn.unfold(x, w, **o), ((1, 2, 3, 4),), error,
              ("unfold", *facts), True)
        for window, options, error, facts in (
            (5, {}, kn.ShapeError, ("5", "window (5, 5)", "(1, 2, 3, 4)", "pad more")),
            (2, {"dilation": 3}, kn.ShapeError, ("reaches over 4", "dilation 3", "has 3", "(1, 2, 3, 4)")),
            (0, {}, ValueError, ("window", "0", "2 of them")),
            (True, {}, ValueError, ("window", "True")),
            (2.5, {}, ValueError, ("window", "2.5")),
            ((2, 2, 2), {}, ValueError, ("window", "2 of them", "(2, 2, 2)")),
            (2, {"stride": 0}, ValueError, ("stride", "0")),
            (2, {"dilation": -1}, ValueError, ("dilation", "-1")),
            (2, {"padding": -1}, ValueError, ("padding", "-1", "(before, after)")),
            (2, {"padding": "full"}, ValueError, ("padding", "'full'", "same")),
        )
    ],
    Wrong("unfold axes", lambda x: kn.unfold(x, 2), ((2, 3),), kn.ShapeError, ("(2, 3)", "(N, C, *S)"), True),
    *[
        Wrong(f"fold {shape} {size}", lambda x, s=size: kn.fold(x, s, 2), (shape,), error, ("fold", *facts), True)
        for shape, size, error, facts in (
            ((1, 7, 9), (4, 4), kn.ShapeError, ("(1, 7, 9)", "(4, 4)", "(2, 2)", "multiple of 4", "9 columns")),
            ((1, 8, 8), (4, 4), kn.ShapeError, ("(1, 8, 8)", "(4, 4)", "9 columns")),
            ((8, 9), (4, 4), kn.ShapeError, ("(8, 9)", "places")),
            ((1, 8, 9), 4, ValueError, ("size", "tuple", "4")),
            ((1, 8, 9), (4, 4, 4, 4), ValueError, ("size", "(4, 4, 4, 4)")),
            ((1, 8, 9), (0, 4), ValueError, ("size", "(0, 4)")),
            ((1, 8, 9), (4.0, 4), ValueError, ("size", "(4.0, 4)")),
            ((1, 8, 9), (1, 1), kn.ShapeError, ("window", "(1, 1)", "pad more")),
        )
    ],
]  # fmt: skip

DTYPES = {
    "unfold": (lambda: kn.unfold(np.ones((1, 1, 3), int), 2), ("unfold", "x has dtype int64", "astype")),
    "fold": (lambda: kn.fold(np.ones((1, 2, 2), int), (3,), 2), ("fold", "x has dtype int64", "astype")),
}  # fmt: skip
