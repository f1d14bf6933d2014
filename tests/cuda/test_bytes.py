"""What calls of kernels move, against the least: every array that goes in or comes out, once.

Of large arrays all that is asked for counts, as if no cache kept it, and so does what passes from one launch to the
next; of small ones each sector once. Exceptions have their factor and their reason.
"""

from functools import cache
from importlib import import_module

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.cuda import rnn
from knetpy.tree import leaves
from tests.cuda.launches import recorded
from tests.cuda.test_kernels import SERVED

RNG = np.random.default_rng(0)
F4 = lambda *shape: RNG.standard_normal(shape).astype("f4")
POOL = {"window": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
EVERY = {**POOL, "counted": ((0, 0), (0, 0))}
TAPS = RNG.integers(0, 4, (2, 4, 16, 16)).astype("u1")
TWICE = "a row's largest number and its sum come before its results, and what of the row does not fit is read again"
STATS = "statistics come before results, and x does not fit into registers: it is read again"
ARITHMETIC = "bound by arithmetic"
BETWEEN = "sums over paths from the end pass from one launch to the next, and those from the beginning are read twice"


def stats(x, axes):
    return [f(x, axis=axes, keepdims=True) for f in (np.mean, np.var)]


RNN = {name.split("<")[0] for name in rnn._run.instances}


def norm(*shape, axes, affine):
    x, like = F4(*shape), tuple([n if a == affine else 1 for a, n in enumerate(shape)])
    return (x, F4(*like), F4(*like)), {"axes": axes, "eps": 1e-5}


def norm_dx(*shape, axes, affine):
    (x, scale, bias), options = norm(*shape, axes=axes, affine=affine)
    return (F4(*shape), x, *stats(x, axes), scale, bias), {**options, "affine": scale.shape}


def labels(*shape):
    return RNG.integers(0, 10, shape)


def paths_back():
    """What the derivative of CTC takes."""
    return F4(4), *kernel("ctc", "ctc")(*PATHS, **SIZES), PATHS[1]


PATHS = F4(4, 40, 64), RNG.integers(1, 64, (4, 12))
SIZES = {"lengths": np.full(4, 40), "label_lengths": np.full(4, 12), "blank": 0}
OVERLAPPING = {"window": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)}
LAYER, CHANNEL = {"axes": (1,), "affine": 1}, {"axes": (0, 2), "affine": 1}
# what is called: arguments, options; the factor of the least, and the reason, if it is more than 1.1
CALLS = {
    "activation.gelu": ((F4(64, 64),), {}),
    "activation.gelu_dx": ((F4(64, 64), F4(64, 64)), {}),
    "piecewise.relu": ((F4(64, 64),), {}),
    "piecewise.relu_dx": ((F4(64, 64), F4(64, 64)), {}),
    "bias.forward": ((F4(20, 8, 64), F4(8), "gelu"), {"axis": 1}),
    "bias.back of rows": ((F4(20, 8, 64), F4(20, 8, 64), "relu"), {"axis": 1}),
    "bias.back of columns": ((F4(600, 8, 4), F4(600, 8, 4), "relu"), {"axis": 1}),
    "reduce.sum of rows": ((F4(4, 10, 512), (2,)), {}),
    "reduce.sum of columns": ((F4(2, 300, 64), (1,)), {}),
    "dropout.dropout": ((F4(3, 4, 512), 0.5, (3, 4, 512), 1, 1, 1), {}),
    "dropout.dropout of planes": ((F4(3, 4, 512), 0.5, (3, 4, 1), 1, 1, 1), {}),
    "pool.maxpool": ((F4(2, 4, 32, 32),), POOL),
    "pool.pick": ((F4(2, 4, 32, 32), TAPS), POOL),
    "pool.spread": ((F4(2, 4, 16, 16), TAPS), {"size": (32, 32), **POOL}),
    "pool.positions": ((TAPS,), {"size": (32, 32), **POOL}),
    "pool.meanpool": ((F4(2, 4, 32, 32),), EVERY),
    "pool.meanpool_dx": ((F4(2, 4, 16, 16),), {"size": (32, 32), **EVERY}),
    "softmax.softmax": ((F4(16, 512),), {"axis": 1}),
    "softmax.softmax of long rows": ((F4(3, 4096),), {"axis": 1}),
    "softmax.softmax of longer rows": ((F4(1, 80000),), {"axis": 1}, 1.5, TWICE),
    "softmax.softmax of columns": ((F4(16, 9, 64),), {"axis": 1}),
    "softmax.softmax of longer columns": ((F4(4, 400, 128),), {"axis": 1}, 1.5, TWICE),
    "softmax.softmax_dx": ((F4(16, 512), F4(16, 512)), {"axis": 1}),
    "softmax.softmax_dx of long rows": ((F4(3, 4096), F4(3, 4096)), {"axis": 1}),
    "softmax.softmax_dx of longer rows": ((F4(1, 40000), F4(1, 40000)), {"axis": 1}, 5 / 3, TWICE),
    "softmax.softmax_dx of columns": ((F4(16, 9, 64), F4(16, 9, 64)), {"axis": 1}),
    "softmax.softmax_dx of longer columns": ((F4(4, 400, 128), F4(4, 400, 128)), {"axis": 1}, 5 / 3, TWICE),
    "nll.nll": ((F4(16, 512), labels(16, 1)), {"axis": 1}),
    "nll.nll of long rows": ((F4(3, 4096), labels(3, 1)), {"axis": 1}),
    "nll.nll of longer rows": ((F4(1, 80000), labels(1, 1)), {"axis": 1}, 1.5, TWICE),
    "nll.nll of columns": ((F4(4, 40, 64), labels(4, 1, 64)), {"axis": 1}),
    "nll.nll of longer columns": ((F4(4, 400, 128), labels(4, 1, 128)), {"axis": 1}, 1.5, TWICE),
    "nll.nll_dx": ((F4(16, 1), F4(16, 512), labels(16, 1)), {"axis": 1}),
    "nll.nll_dx of columns": ((F4(4, 1, 64), F4(4, 60, 64), labels(4, 1, 64)), {"axis": 1}),
    "norm.norm": (*norm(32, 512, **LAYER),),
    "norm.norm_dx": (*norm_dx(320, 512, **LAYER),),
    "norm.norm of channels": (*norm(8, 3, 900, **CHANNEL), 1.5, STATS),
    "norm.norm_dx of channels": (*norm_dx(8, 3, 900, **CHANNEL), 5 / 3, STATS),
    "norm.norm of columns": (*norm(300, 64, axes=(0,), affine=1), 1.5, STATS),
    "norm.norm_dx of columns": (*norm_dx(300, 64, axes=(0,), affine=1), 5 / 3, STATS),
    "norm.norm of rows in parts": (*norm(3, 8300, **LAYER), 1.5, STATS),
    "norm.norm_dx of rows in parts": (*norm_dx(3, 8300, **LAYER), 5 / 3, STATS),
    "ctc.ctc": (PATHS, SIZES),
    "ctc.ctc_dx": (paths_back(), SIZES, 1.5, BETWEEN),
    "fold.unfold": ((F4(2, 8, 32, 32),), OVERLAPPING),
    "fold.fold": ((F4(2, 72, 256),), {"size": (32, 32), **OVERLAPPING}),
    "random.uniform": ((np.zeros(1, "f4"), (64, 64), "f4", 1, 1, 1), {}),
    "resample.resample": ((F4(2, 32, 64), np.arange(17), np.arange(0, 32, 2), np.ones(16)), {"axis": 1}),
    "scatter.take_along": ((F4(1, 64, 64), RNG.permutation(64).reshape(1, 64, 1)), {}),
    "attention.rotate": ((F4(20, 32, 32), F4(32, 16), F4(32, 16)), {"interleaved": False}),
}
ELSEWHERE = {  # kernels that are not called here, and why
    **dict.fromkeys(["conv.tile", "conv.narrow", "convdw.tile_dw", "convdw.narrow_dw"], ARITHMETIC),
    "matmul.product": ARITHMETIC,
    **dict.fromkeys(["attention.attend", "attention.attend_dq", "attention.attend_dkv"], ARITHMETIC),
    "conv.pack": "weights, which are few beside what they meet",
    "convdw.add": "parts of the weights' gradients, which are few beside x",
    "attention.contract": "one product for each row: test_attention",
    **dict.fromkeys(["grid.blend", "grid.blend_dw"], "x is gathered at places that weights choose"),
    **{f"rnn.{name}": "beside products of matrices: counted in test_rnn" for name in RNN},
    "embed.bag_max": "rows of a table that numbers choose",
    "pool.take": "elements that numbers choose",
    "pool.put": "elements that numbers choose, after CuPy's sort",
    **dict.fromkeys(["scatter.chunks", "scatter.runs", "scatter.find"], "after CuPy's sort: counted in test_scatter"),
}  # fmt: skip


@cache
def call(name):
    """The launches of a call, and the bytes of what went in and came out."""
    given, options = CALLS[name][:2]
    family, function = name.split()[0].split(".")
    args = kn.gpu(given)
    with recorded(1 << 21) as launches:
        result = kernel(family, function)(*args, **options)
    return launches, sum([a.nbytes for _, a in leaves((args, result)) if hasattr(a, "nbytes")])


@pytest.mark.parametrize("name", CALLS)
def test_bytes_against_the_least(name):
    most, *_ = CALLS[name][2:] or (1, "")
    launches, least = call(name)
    assert launches and sum([launch.asked for launch in launches]) <= 1.1 * most * least
    assert [launch.name for launch in launches if launch.stats.idle_blocks] == []


def test_every_kernel_is_counted_or_says_why_not():
    launched = {launch.name for name in CALLS for launch in call(name)[0]}
    missing = set()
    for family in SERVED:
        module = import_module(f"knetpy.kernels.cuda.{family}")._run
        counted = {name.split("<")[0] for name in launched & set(module.instances)}
        missing |= {f"{family}.{name.split('<')[0]}" for name in module.instances if name.split("<")[0] not in counted}
    assert missing == set(ELSEWHERE)
