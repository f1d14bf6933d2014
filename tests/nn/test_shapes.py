"""outputsize and summary: what layers say before they are run, and what that costs."""

import dataclasses
import re
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest

import knetpy as kn
from knetpy import nn
from knetpy.nn import Chain, Conv, Dense, Embedding, flatten, outputsize, summary
from tests.nn.peers import CASES
from tests.nn.test_use import MODELS, data_of


def shapes_of(y):
    return [shapes_of(part) for part in y] if isinstance(y, tuple | list) else np.shape(y)


def sizes_of(shapes):
    """Tuples of ints are shapes."""
    if isinstance(shapes, tuple) and all([n is None or isinstance(n, int) for n in shapes]):
        return shapes
    return [sizes_of(part) for part in shapes]


PLAIN = [c for c in CASES if not any(word in c.name for word in ("LSTM", "GRU", "RNN", "Attention", "offsets"))]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in PLAIN])
def test_it_is_the_shape_that_a_call_gives(case):
    x = [np.zeros(a, "f4") if isinstance(a, tuple) else a for a in case.inputs]
    layer, like = case.ours(), [a.shape for a in x]
    dtype = x[0].dtype
    found = outputsize(layer, *like, dtype=dtype)
    assert not (hasattr(layer, "inputs") and layer.inputs is None and getattr(layer, "weight", None) is not None)
    y = layer(*x)
    assert sizes_of(found) == shapes_of(y)
    assert outputsize(layer, *[(None, *s[1:]) for s in like], dtype=dtype) == (None, *y.shape[1:])
    row = summary(layer, *like, dtype=dtype) if not callable(getattr(layer, "__code__", None)) else None
    assert row is None or row.parameters == kn.nn.count(layer)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_recurrent_layers_and_their_states(kind):
    layer = getattr(nn, kind)(3, layers=2, bidirectional=True, return_state=True)
    y, last = outputsize(layer, (None, 5, 4))
    assert y == (None, 5, 6)
    assert sizes_of(last) == ([(4, None, 3)] * 2 if kind == "LSTM" else (4, None, 3))
    assert layer.weights is None


@pytest.mark.parametrize("name", MODELS)
def test_whole_models(name):
    kn.seed(1)
    model, x = MODELS[name](), data_of(name)
    assert outputsize(model, x.shape, dtype=x.dtype) == (12, 3)
    assert kn.params(model) == [] or name in ("slotted", "mlp", "recurrent", "transformer", "branches", "named")
    told = summary(model, x)
    kn.nn.init_from(model, x)
    assert told.parameters == kn.nn.count(model) and told.bytes == 4 * told.parameters
    again = summary(model, x)
    assert (again.parameters, again.operations) == (told.parameters, told.operations)
    assert again.rows[0].output == (12, 3)
    assert sum(row.operations for row in again.rows if row.depth == 1) <= again.operations + 1e-6
    for row in again.rows:
        part = eval(f"model.{row.path}") if row.path else model
        assert row.parameters == (kn.nn.count(part) if dataclasses.is_dataclass(part) else 0)


def test_operations_are_those_of_the_formulas():
    model = Chain(Conv(3, 8, 3, padding=1), flatten, Dense(8 * 36, 10))
    rows = summary(model, (None, 3, 6, 6)).rows
    conv, dense = rows[1].operations, rows[3].operations
    assert 2 * 8 * 36 * 27 <= conv <= 2 * 8 * 36 * 27 + 2 * 8 * 36
    assert 2 * 288 * 10 <= dense <= 2 * 288 * 10 + 2 * 10


def test_html_is_escaped():
    @dataclass
    class Named:
        layer: object

        def __call__(self, x):
            return self.layer(x)

        def __repr__(self):
            return "<script>alert(1)</script>"

    found = summary(Chain(**{"<b>": Named(np.tanh)}), (None, 3))
    assert "<script>" not in found._repr_html_() and "<b>" not in found._repr_html_()
    assert re.search(r"<td style='white-space:pre;text-align:left'>  \S", found._repr_html_())  # depth is seen


def test_nothing_changes():
    kn.seed(5)
    model = Chain(nn.BatchNorm(active=True), nn.Dropout(0.5))
    outputsize(model, (4, 3))
    summary(model, (None, 3))
    assert model[0].scale is None and model[0].moments.mean is None and model[0].moments.count == 0
    assert kn.random.state()["calls"][0] == 0


def test_a_failure_leaves_the_layers_unsized():
    model = Chain(Conv(2, 3), Dense(4, 2))
    with pytest.raises(kn.ShapeError, match="Dense"):
        outputsize(model, (None, 1, 8, 8))
    assert model[0].weight is None


def test_what_is_no_shape():
    for wrong in (3, None, (), (None, None), (2, -1), "ab", (2.5,), range(3)):
        with pytest.raises(kn.ShapeError, match="outputsize: a shape is a tuple of sizes"):
            outputsize(kn.relu, wrong)
    for wrong in (3, Dense, None):
        with pytest.raises(TypeError, match="outputsize: model must be"):
            outputsize(wrong, (2, 3))
        with pytest.raises(TypeError, match="summary: model must be"):
            summary(wrong, (2, 3))


# ------------------------------------------------------------------------------------------------ large models


def large():
    """Descriptions of some 12 billion parameters in all, as (model, input, dtype, parameters at least)."""
    yield Dense(50_000, 20_000), (None, 50_000), np.float32, 10**9
    yield Chain(Dense(50_000), Dense(20_000)), (None, 50_000), np.float32, 35 * 10**8
    yield Conv(4096, 8192, 3, padding=1), (None, 4096, 64, 64), np.float32, 3 * 10**8
    yield Embedding(1_000_000, 1000), (None, 512), np.int64, 10**9
    yield nn.ConvTranspose(4096, 8192, 3), (None, 4096, 16, 16), np.float32, 3 * 10**8
    yield nn.Bilinear(1000, 1000, 1000), (None, 1000), np.float32, 10**9
    for norm in (nn.BatchNorm(10**9), nn.BatchNorm(10**9, kn.relu, track_stats=False), nn.LayerNorm(10**9)):
        yield norm, (None, 10**9), np.float32, 2 * 10**9
    yield nn.LSTM(8000, 8000, layers=3, bidirectional=True), (None, 100, 8000), np.float32, 10**9
    blocks = [nn.TransformerBlock(4096, 32, causal=True) for _ in range(5)]
    yield Chain(Embedding(50_000, 4096), *blocks, nn.LayerNorm(), Dense(50_000)), (None, 128), np.int64, 10**9


def test_large_models_allocate_nothing_large():
    for make in (outputsize, summary):  # compiles nothing below, and warms caches
        make(Chain(Embedding(3, 4), nn.TransformerBlock(4, 2), Dense(3)), (None, 2), dtype=np.int64)
    tracemalloc.start()
    try:
        with nn.outline():
            for model, shape, dtype, parameters in large():
                assert outputsize(model, shape, dtype=dtype)[0] is None
                told = summary(model, shape, dtype=dtype)
                assert told.parameters >= parameters and len(repr(told)) + len(told._repr_html_()) > 0
                assert repr(model)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20, f"{peak:,} bytes"
