"""Shapes, keys and subscripts that Hypothesis draws: value against NumPy, derivative against differences."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import knetpy as kn
from knetpy.check.derivatives import gradients
from tests.ops.checker import check_first, check_second, same, scalar
from tests.ops.row import Row, draw
from tests.ops.rows.numpy_surface import BINARY

drawn = settings(derandomize=True, deadline=None, max_examples=60, database=None)
RNG = np.random.default_rng


@drawn
@given(
    f=st.sampled_from(sorted(BINARY, key=lambda f: f.__name__)),
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3),
    seed=st.integers(0, 9),
)
def test_broadcasting(f, shapes, seed):
    args = draw(Row("", f, f, shapes.input_shapes, BINARY[f]), RNG(seed))
    y = kn.vjp(f, *args)[0]
    same(y, f(*args))
    assert y.shape == shapes.result_shape
    if y.size:
        check_first(f, args, RNG(seed))
        check_second(f, args, RNG(seed))
    else:
        assert all((g == 0).all() and g.shape == a.shape for g, a in zip(gradients(scalar(f), args), args))


@drawn
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3), seed=st.integers(0, 9))
def test_broadcasting_of_three(shapes, seed):
    args = draw(Row("", None, None, shapes.input_shapes, "apart"), RNG(seed))
    for f in (lambda a, b, c: np.where(a > 0, b, c * a), np.clip, lambda *xs: np.stack(np.broadcast_arrays(*xs), -1)):
        same(kn.vjp(f, *args)[0], f(*args))
        check_first(f, args, RNG(seed))


@st.composite
def keys(draw):
    """(shape, key): slices, integers, new axes, ellipsis, integer and boolean arrays, in all mixtures."""
    shape = draw(hnp.array_shapes(max_dims=3, max_side=4))
    basic = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    arrays = hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3), dtype=np.int64)
    kind = draw(st.sampled_from(["basic", "arrays", "mixed", "mask"]))
    if kind == "basic":
        return shape, draw(basic)
    if kind == "mask":
        return shape, draw(hnp.arrays(bool, shape[: draw(st.integers(1, len(shape)))]))
    key = draw(arrays)
    if kind == "mixed":
        part = st.sampled_from([slice(None), slice(None, None, -1), 0, -1, None])
        key = tuple([draw(part) if draw(st.booleans()) else k for k in key])
        key = key if sum(k is not None for k in key) <= len(shape) else draw(arrays)
    return shape, key


@drawn
@given(keys(), st.integers(0, 9))
def test_keys(case, seed):
    shape, key = case
    x = RNG(seed).normal(size=shape)
    try:
        x[key]
    except IndexError:  # of mixtures some do not fit
        assume(False)
    y, pullback = kn.vjp(lambda x: x[key], x)
    same(y, x[key])
    dy, wanted = RNG(seed).normal(size=np.shape(y)), np.zeros(shape)
    np.add.at(wanted, key, dy)
    np.testing.assert_allclose(pullback(dy)[0], wanted, rtol=1e-12, atol=1e-15)
    check_first(lambda x: x[key], [x], RNG(seed))


@st.composite
def contractions(draw):
    """(subscripts, shapes): one to three operands of up to three letters, repeated, summed alone or not, any output."""
    sizes = {c: draw(st.integers(1, 3)) for c in "abc"}
    inputs = draw(st.lists(st.text("abc", max_size=3), min_size=1, max_size=3))
    known = sorted(set("".join(inputs)))
    output = draw(st.permutations(known).map(lambda p: "".join(p)))[: draw(st.integers(0, len(known)))]
    dots = draw(st.booleans())
    shapes = [((2,) if dots else ()) + tuple([sizes[c] for c in s]) for s in inputs]
    text = ",".join(("..." if dots else "") + s for s in inputs)
    if draw(st.booleans()):
        text += "->" + ("..." if dots else "") + output
    return text, shapes


@drawn
@given(contractions(), st.integers(0, 9))
def test_einsum(case, seed):
    text, shapes = case
    args = [np.array(RNG(seed + n).normal(size=s)) for n, s in enumerate(shapes)]

    def f(*xs):
        return np.einsum(text, *xs)

    same(kn.vjp(f, *args)[0], f(*args), exact=False)
    check_first(f, args, RNG(seed))
    check_second(f, args, RNG(seed))


@drawn
@given(
    hnp.array_shapes(max_dims=3, max_side=3).flatmap(
        lambda shape: st.tuples(st.just(shape), st.none() | hnp.valid_tuple_axes(len(shape)))
    ),
    st.booleans(),
    st.sampled_from([np.sum, np.mean, np.prod, np.max, np.min, np.var]),
    st.integers(0, 9),
)
def test_reductions(case, keepdims, f, seed):
    shape, axis = case
    (x,) = draw(Row("", None, None, (shape,), "apart"), RNG(seed))
    x = np.sign(x) + x / 100 if f is np.prod else x / 4

    def reduced(x):
        return f(x, axis=axis, keepdims=keepdims)

    same(kn.vjp(reduced, x)[0], reduced(x))
    check_first(reduced, [x], RNG(seed))
