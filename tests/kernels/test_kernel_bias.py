"""Bias and activation in one pass: both backends against literals, Numba's against the reference."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels import kernel
from knetpy.kernels.reference import bias as reference
from tests.kernels.backends import WHY_NOT, needs_numba, same_everywhere

SERVED = {"reference": partial(getattr, reference), "served": partial(kernel, "bias")}
if not WHY_NOT:
    from knetpy.kernels.cpu import bias as cpu
    from knetpy.kernels.cpu import elementwise, reduce
BACKENDS = pytest.mark.parametrize("backend", SERVED.values(), ids=SERVED)
ALL = pytest.mark.parametrize("activation", reference.ACTIVATIONS)
inf, nan = np.inf, np.nan

# The activation of -2, 0, 1 and its slope there, from 40 digits of mpmath.
VALUES = {
    None: ([-2, 0, 1], [1, 1, 1]),
    "relu": ([0, 0, 1], [0, 0, 1]),
    "leakyrelu": ([-0.02, 0, 1], [0.01, 0.01, 1]),
    "sigmoid": ([0.11920292202211755, 0.5, 0.7310585786300049], [0.1049935854035065, 0.25, 0.19661193324148185]),
    "tanh": ([-0.9640275800758169, 0, 0.7615941559557649], [0.07065082485316447, 1, 0.41997434161402614]),
    "silu": ([-0.23840584404423511, 0, 0.7310585786300049], [-0.09078424878489549, 0.5, 0.9276705118714868]),
    "gelu": ([-0.04550026389635842, 0, 0.8413447460685429], [-0.0852318010781969, 0.5, 1.0833154705876862]),
    "gelu_tanh": ([-0.04540230591222498, 0, 0.8411919906082768], [-0.08609925662361838, 0.5, 1.0829640838457826]),
}


def both(backend, dy, x, bias, activation, axis):
    """y, dx and dbias."""
    y = backend("forward")(x, bias, activation, axis=axis)
    if activation in reference.BY_OPERAND:
        return y, *backend("back")(dy, x, activation, bias, axis=axis)
    return y, *backend("back")(dy, None if activation is None else y, activation, axis=axis)


def image(x):
    """x (N, C, *S) with its channels last in memory."""
    order = (0, *range(2, x.ndim), 1)
    return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))


@BACKENDS
@ALL
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_by_hand(backend, activation, dtype):
    """x + bias is -2, 0 and 1 in the three channels."""
    x, bias = np.array([[[1, 2], [2, 3], [2, 3]]], dtype).transpose(2, 1, 0), np.array([-3, -2, -1], dtype)
    x[1] -= 1
    y, dx, dbias = both(backend, np.full(x.shape, 2, dtype), x, bias, activation, 1)
    values, slopes = VALUES[activation]
    tolerance = {np.float64: 1e-12, np.float32: 1e-5, np.float16: 4e-3}[dtype]
    near = partial(np.testing.assert_allclose, rtol=tolerance)
    near(y, np.broadcast_to(np.reshape(values, (3, 1)), x.shape))
    near(dx, np.broadcast_to(2 * np.reshape(slopes, (3, 1)), x.shape))
    near(dbias, 4 * np.array(slopes))
    assert y.dtype == dx.dtype == dbias.dtype == dtype


@BACKENDS
def test_without_bias_the_operand_is_what_was_kept(backend):
    dy, z = np.full((1, 3), 2.0), np.array([[-2.0, 0, 1]])
    for activation in reference.BY_OPERAND:
        np.testing.assert_allclose(backend("back")(dy, z, activation)[1], 2 * np.array(VALUES[activation][1]), 1e-12)


@BACKENDS
@ALL
def test_nan_and_inf(backend, activation):
    """NaN stays NaN; far out the value is the limit, and so is the slope."""
    x = np.array([[-inf, inf, nan]]).repeat(300, 0)
    y, dx, _ = both(backend, np.ones_like(x), x, np.zeros(3), activation, -1)
    low = {None: -inf, "leakyrelu": -inf, "tanh": -1}.get(activation, 0)
    np.testing.assert_array_equal(y[7], [low, 1 if activation in ("sigmoid", "tanh") else inf, nan])
    slopes = {None: [1, 1, 1], "leakyrelu": [0.01, 1], "sigmoid": [0, 0, nan], "tanh": [0, 0, nan]}
    slopes = slopes.get(activation, [0, 1])
    np.testing.assert_array_equal(dx[7, : len(slopes)], slopes)
    if activation in (None, "relu"):
        assert dx[7, 2] == 1  # the derivative of NaN is passed on, as PyTorch's
    elif activation != "leakyrelu":
        assert np.isnan(dx[7, 2])


@BACKENDS
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3, 0, 2), (0, 0), (1, 1)])
def test_empty(backend, shape):
    x = np.ones(shape)
    y, dx, dbias = both(backend, x, x, np.ones(shape[1]), "relu", 1)
    assert y.shape == dx.shape == shape and dbias.shape == shape[1:2]
    np.testing.assert_array_equal(dbias, [1.0] if shape == (1, 1) else np.zeros(shape[1]))


@st.composite
def problems(draw):
    """dy, x and bias, in any layout; x often with its channels last."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from(["<f4", "<f8", ">f4"]))
    channels = draw(st.sampled_from([1, 2, 5, 16, 20, 33, 300]))
    axis = draw(st.sampled_from([1, -1, 0]))
    shape = list(draw(st.lists(st.sampled_from([1, 2, 3, 7, 30]), min_size=1, max_size=3)))
    shape.insert(axis % (len(shape) + 1), channels)
    order = rng.permutation(len(shape))

    def array(kind):
        x = (rng.normal(size=shape) * 2).astype(dtype)
        if kind == "last":
            x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, axis, -1)), -1, axis)
        elif kind == "any":
            x = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        elif kind == "gaps":
            x = np.repeat(x, 2, axis=0)[::2]
        elif kind == "stretched":
            x = np.broadcast_to(x[:1], shape)
        x.flags.writeable = bool(rng.integers(2)) and kind != "stretched"
        return x

    kinds = st.sampled_from(["last", "last", "any", "gaps", "plain", "stretched"])
    return array(draw(kinds)), array(draw(kinds)), rng.normal(size=channels).astype(dtype), axis


@needs_numba
@settings(max_examples=200, deadline=None, derandomize=True)
@given(problems(), st.sampled_from(list(reference.ACTIVATIONS)))
def test_served_as_the_reference(problem, activation):
    dy, x, bias, axis = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "new", lambda *args: np.full(*args[:1], 7, *args[1:]))
        patch.setattr(reduce, "CHUNK", 512)
        ours = both(SERVED["served"], dy, x, bias, activation, axis)
    wide = [a.astype(np.float64) for a in (dy, x, bias)]
    tolerance = 3e-6 if x.itemsize == 4 else 1e-12
    size = x.size / x.shape[axis]
    for y, wanted, scale in zip(ours, both(SERVED["reference"], *wide, activation, axis), (1, 1, 1 + size)):
        assert y.dtype.char == x.dtype.char and y.shape == wanted.shape
        np.testing.assert_allclose(y, wanted, rtol=tolerance, atol=tolerance * scale)


@BACKENDS
@ALL
@pytest.mark.parametrize("shape, axis", [((2, 20, 5, 7), 1), ((3, 4, 5, 6, 2), 1), ((40, 30), -1)])
def test_the_memory_order_of_x_is_kept(backend, activation, shape, axis):
    x = np.random.default_rng(0).normal(size=shape)
    x = image(x) if axis == 1 else x
    y, dx, _ = both(backend, x, x, np.ones(shape[axis]), activation, axis)
    assert y.strides == dx.strides == x.strides


def everything(x, axis=1):
    dy, bias = x * 0.5, np.linspace(-1, 1, x.shape[axis], dtype=x.dtype)
    results = [a for name in reference.ACTIVATIONS for a in both(SERVED["served"], dy, x, bias, name, axis)]
    return results


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_callers_change_no_bit(dtype):
    x = image(np.random.default_rng(0).normal(size=(4, 20, 41, 31)).astype(dtype))
    same_everywhere(lambda: everything(x))


@needs_numba
@pytest.mark.parametrize("activation", [name for name in reference.ACTIVATIONS if name])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_written_over_dy(activation, dtype):
    """The same bits as elsewhere, in the memory of dy; what lies otherwise than y is left alone."""
    x, random = image(np.random.default_rng(0).normal(size=(4, 20, 41, 31)).astype(dtype)), np.random.default_rng(1)
    dy, bias, back = (
        image(random.normal(size=x.shape).astype(dtype)),
        random.normal(size=20).astype(dtype),
        SERVED["served"]("back"),
    )
    wanted, over, plain = back(dy, x, activation, bias, axis=1), dy.copy(order="K"), np.ascontiguousarray(dy)
    found = back(over, x, activation, bias, axis=1, out=over)
    assert np.shares_memory(found[0], over)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]
    assert [a.tobytes() for a in back(plain, x, activation, bias, axis=1)] == [a.tobytes() for a in wanted]
    np.testing.assert_array_equal(plain, dy)


@needs_numba
def test_sums_of_many():
    """A float32 running sum would be off by a hundredth."""
    dy = np.full((5_000_000, 4), 1.1, np.float32)
    sums = SERVED["served"]("back")(dy, None, None)[1]
    np.testing.assert_allclose(sums, 5_000_000 * np.float64(np.float32(1.1)), rtol=1e-6)


@needs_numba
def test_one_signature():
    for dtype in (np.float32, np.float64):
        x = np.ones((30, 700), dtype)
        everything(x)
        x.flags.writeable = False
        everything(x), everything(x[:, ::2]), everything(x.T, axis=0)
    assert len(elementwise._run.signatures) == 1
    for table in (cpu.FORWARD, cpu.BACK):
        assert all(len(loop.overloads) == 1 for pair in table.values() for loop in pair)
