"""The kernels of activations: both backends against literals, Numba's against the reference."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings

from knetpy.kernels import kernel
from knetpy.kernels.reference import activation as reference
from tests.kernels.backends import WHY_NOT, arrays, needs_numba, same_everywhere

SERVED = {"reference": partial(getattr, reference), "served": partial(kernel, "activation")}
if not WHY_NOT:
    from knetpy.kernels.cpu import activation as cpu
    from knetpy.kernels.cpu import elementwise
    from knetpy.kernels.cpu.codegen import curves
BACKENDS = pytest.mark.parametrize("backend", SERVED.values(), ids=SERVED)
inf, nan = np.inf, np.nan
ERF = {  # from 40 digits of mpmath, as all below
    1e-300: 1.1283791670955126e-300,
    1e-09: 1.1283791670955127e-09,
    0.1: 0.1124629160182849,
    0.46875: 0.49261347321793797,
    0.5: 0.5204998778130465,
    -1.0: -0.8427007929497149,
    2.0: 0.9953222650189527,
    -3.5: -0.9999992569016276,
    4.0: 0.9999999845827421,
    4.5: 0.9999999998033839,
    -5.0: -0.9999999999984626,
}
ERFC = {
    1e-09: 0.9999999988716208,
    0.1: 0.887537083981715,
    0.46875: 0.507386526782062,
    0.5: 0.4795001221869535,
    -1.0: 1.8427007929497148,
    2.0: 0.004677734981047266,
    -3.5: 1.9999992569016276,
    4.0: 1.541725790028002e-08,
    4.5: 1.9661604415428876e-10,
    10.0: 2.088487583762545e-45,
    26.0: 5.663192408856143e-296,
}


@BACKENDS
@pytest.mark.parametrize("name, table", [("erf", ERF), ("erfc", ERFC)])
def test_literals(backend, name, table):
    """On all three intervals and at their borders; float64 to 6 units in the last place, the others rounded."""
    x, wanted = np.array(list(table)), np.array(list(table.values()))
    np.testing.assert_allclose(backend(name)(x), wanted, rtol=6 * 2.0**-53)
    for dtype in (np.float32, np.float16):
        with np.errstate(under="ignore"):
            y, there = backend(name)(x.astype(dtype)), np.abs(wanted) > 1e-4
        assert y.dtype == dtype
        slope = 2 / np.sqrt(np.pi) * np.exp(-x * x) * np.abs(x.astype(dtype) - x)  # what rounding x may change
        assert (np.abs(y - wanted) <= 1.01 * slope + np.abs(wanted) * np.finfo(dtype).eps)[there].all()


@BACKENDS
def test_limits(backend):
    x = np.array([-inf, inf, nan, 0.0, -0.0, 30.0, -30.0])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(backend("erf")(x), [-1, 1, nan, 0, 0, 1, -1])
        np.testing.assert_array_equal(backend("erfc")(x), [2, 0, nan, 1, 1, 0, 2])
    assert np.signbit(backend("erf")(x))[3:5].tolist() == [False, True]


@BACKENDS
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3)])
def test_shapes(backend, shape):
    x = np.full(shape, 0.5)
    for name, value in (("erf", ERF[0.5]), ("erfc", ERFC[0.5])):
        np.testing.assert_allclose(backend(name)(x), np.full(shape, value), rtol=1e-15)
    np.testing.assert_array_equal(
        backend("erf")(np.arange(12.0).reshape(3, 4).T), backend("erf")(np.arange(12.0)).reshape(3, 4).T
    )


AT = {"softplus": (1.5,), "softplus_dx": (1.5,), "elu": (0.7, 1.2, 2.0), "elu_dx": (0.7, 1.2, 2.0)}  # their numbers
VALUES = {  # by x, from 40 digits of mpmath, as all below; the numbers that softplus and elu take are AT
    "sigmoid": {-100.0: 3.720075976020836e-44, -2.0: 0.11920292202211755, 0.0: 0.5, 0.5: 0.6224593312018546, 40.0: 1.0},
    "silu": {-20.0: -4.122307236380407e-08, -1.0: -0.2689414213699951, 0.0: 0.0, 2.0: 1.7615941559557646, 50.0: 50.0},
    "gelu": {-10.0: -7.619853024160527e-23, -1.0: -0.15865525393145705, 0.0: 0.0, 0.5: 0.3457312306370125, 9.0: 9.0},
    "gelu_tanh": {-3.0: -0.003637392081773019, -1.0: -0.1588080093917233, 0.0: 0.0, 0.5: 0.34571400982514394, 9.0: 9.0},
    "logsigmoid": {
        -50.0: -50.0,
        -1.0: -1.3132616875182228,
        0.0: -0.6931471805599453,
        2.0: -0.1269280110429725,
        30.0: -9.357622968839737e-14,
    },
    "softplus": {
        -20.0: 6.238415312559824e-14,
        -1.0: 0.13427551865516826,
        0.0: 0.4620981203732969,
        0.5: 0.7579140040765999,
        30.0: 30.0,
    },
    "elu": {-30.0: -0.7, -1.0: -0.6052653017343711, -0.01: -0.013860928685271287, 0.0: 0.0, 2.0: 2.4},
    "mish": {-20.0: -4.122307240628761e-08, -1.0: -0.3034014613741089, 0.0: 0.0, 1.0: 0.8650983882673103, 25.0: 25.0},
}
SLOPES_THERE = {  # of sigmoid and tanh by the value y
    "sigmoid_dx": {0.0: 0.0, 0.25: 0.1875, 0.5: 0.25, 1.0: 0.0},
    "tanh_dx": {-1.0: 0.0, 0.0: 1.0, 0.5: 0.75},
    "silu_dx": {-2.0: -0.09078424878489549, 0.0: 0.5, 1.0: 0.9276705118714868, 60.0: 1.0},
    "gelu_dx": {-2.0: -0.0852318010781969, 0.0: 0.5, 1.0: 1.0833154705876862, 12.0: 1.0},
    "gelu_tanh_dx": {
        -3.0: -0.011584166630969726,
        -1.0: -0.08296408384578255,
        0.0: 0.5,
        0.5: 0.8673699035346423,
        9.0: 1.0,
    },
    "logsigmoid_dx": {-1.0: 0.7310585786300049, 0.0: 0.5, 2.0: 0.11920292202211756, 30.0: 9.357622968839299e-14},
    "softplus_dx": {
        -20.0: 9.357622968839299e-14,
        -1.0: 0.18242552380635635,
        0.0: 0.5,
        0.5: 0.679178699175393,
        30.0: 1.0,
    },
    "elu_dx": {-3.0: 0.0034702530473329015, -0.5: 0.5150312176400192, 0.0: 1.4, 2.0: 1.2},
    "mish_dx": {-20.0: -3.916191874348969e-08, -1.0: 0.05921675587739495, 0.0: 0.6, 1.0: 1.0490362200997922, 25.0: 1.0},
}


@BACKENDS
@pytest.mark.parametrize("size", [1, 200, 8000])
@pytest.mark.parametrize("name", VALUES)
def test_functions_by_hand(backend, name, size):
    """With as few elements as one thread takes, and as many as threads share."""
    x, wanted = [np.repeat(list(numbers), size) for numbers in (VALUES[name], VALUES[name].values())]
    loose = name == "gelu"
    at = AT.get(name, ())
    np.testing.assert_allclose(backend(name)(x, *at), wanted, rtol=3e-13 if loose else 1e-15)
    single = backend(name)(x.astype("f4"), *at)
    np.testing.assert_allclose(single, wanted, rtol=5e-5 if loose else 3e-7, atol=1e-45)


@BACKENDS
@pytest.mark.parametrize("size", [1, 200, 8000])
@pytest.mark.parametrize("name", SLOPES_THERE)
def test_slopes_by_hand(backend, name, size):
    x, wanted = [np.repeat(list(numbers), size) for numbers in (SLOPES_THERE[name], SLOPES_THERE[name].values())]
    for dtype, tolerance in ((np.float64, 1e-14), (np.float32, 1e-6)):
        ours = backend(name)(np.full(x.shape, 3, dtype), x.astype(dtype), *AT.get(name, ()))
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, 3 * wanted, rtol=tolerance)


LIMITS = {
    "sigmoid": [0, 0, 0.5, 1, 1],
    "silu": [0, 0, 0, 1e4, inf],
    "gelu": [0, 0, 0, 1e4, inf],
    "silu_dx": [0, 0, 0.5, 1, 1],
    "gelu_dx": [0, 0, 0.5, 1, 1],
    "gelu_tanh": [0, 0, 0, 1e4, inf],
    "gelu_tanh_dx": [0, 0, 0.5, 1, 1],
    "logsigmoid": [-inf, -1e4, -np.log(2), 0, 0],
    "logsigmoid_dx": [1, 1, 0.5, 0, 0],
    "softplus": [0, 0, np.log(2) / 1.5, 1e4, inf],
    "softplus_dx": [0, 0, 0.5, 1, 1],
    "elu": [-0.7, -0.7, 0, 1.2e4, inf],
    "elu_dx": [0, 0, 1.4, 1.2, 1.2],
    "mish": [0, 0, 0, 1e4, inf],
    "mish_dx": [0, 0, 0.6, 1, 1],
}


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("size", [1, 200])
def test_far_out(backend, name, dtype, size):
    x, wanted = (np.repeat(values, size) for values in ([-inf, -1e4, 0, 1e4, inf, nan], [*LIMITS[name], nan]))
    x = x.astype(dtype)
    with np.errstate(all="raise", under="ignore"):
        operands = (np.ones_like(x), x) if name.endswith("dx") else (x,)
        ours = backend(name)(*operands, *AT.get(name, ()))
    np.testing.assert_allclose(ours, wanted, rtol=4 * np.finfo(dtype).eps)


UNARY = ("erf", "erfc", "sigmoid", "logsigmoid", "softplus", "elu", "silu", "gelu", "gelu_tanh", "mish")
SLOPES = (*[f"{name}_dx" for name in UNARY[2:]], "tanh_dx")


def all_of_them(x, backend=SERVED["served"]):
    dy = np.linspace(-1, 1, x.size, dtype=x.dtype).reshape(x.shape)
    found = [backend(name)(x, *AT.get(name, ())) for name in UNARY]
    return found + [backend(name)(dy, x, *AT.get(name, ())) for name in SLOPES]


def in_double(x):
    """What the reference makes of x in float64, rounded to its dtype."""
    with np.errstate(invalid="ignore"):
        return [
            y.astype(x.dtype.newbyteorder("=")) for y in all_of_them(x.astype(np.float64), partial(getattr, reference))
        ]


@needs_numba
@settings(max_examples=150, deadline=None, derandomize=True)
@given(arrays())
def test_served_as_the_reference(x):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elementwise, "SMALL", 0)
        patch.setattr(elementwise, "new", lambda *args, **options: np.full_like(args[0], 7, *args[1:], **options))
        with np.errstate(invalid="ignore"):
            ours = all_of_them(x)
    tolerance = 1e-6 if x.itemsize == 4 else 1e-13
    for y, wanted in zip(ours, in_double(x)):
        assert y.dtype == x.dtype.newbyteorder("=") and y.shape == x.shape
        np.testing.assert_allclose(y, wanted, rtol=tolerance, atol=tolerance / 10)


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_memory_keeps_its_order(dtype):
    x = np.zeros((40, 20, 30), dtype).transpose(1, 2, 0)
    assert all(y.strides == x.strides for y in all_of_them(x))
    flat = np.zeros(9, dtype)
    all_of_them(flat)
    assert flat.flags.writeable and all(y.flags.writeable for y in all_of_them(flat))


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_callers_change_no_bit(dtype):
    x = np.random.default_rng(0).normal(size=100_003).astype(dtype)
    same_everywhere(lambda: all_of_them(x))


@needs_numba
@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_written_over_dy(name, dtype):
    """The same bits as elsewhere, in the memory of dy, if that lies as x does."""
    x, dy = np.random.default_rng(0).normal(size=(2, 300, 211)).astype(dtype)
    wanted = SERVED["served"](name)(dy, x, *AT.get(name, ()))
    for over in (np.asfortranarray(dy), dy):
        found = SERVED["served"](name)(over, x, *AT.get(name, ()), out=over)
        assert (found is over) == (over is dy)
        assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_dtypes_are_the_references(dtype):
    x = np.linspace(-3, 3, 2000).astype(dtype)
    for ours, theirs in zip(all_of_them(x), all_of_them(x, partial(getattr, reference))):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, theirs)


@needs_numba
def test_one_signature_for_each_loop():
    for dtype in (np.float32, np.float64):
        x = np.ones((30, 700), dtype)
        for a in (x, x[:2], x.T, x[:, ::2], x.astype(x.dtype.newbyteorder())):
            all_of_them(a)
    loops = [loop for name in UNARY + SLOPES for loop in getattr(cpu, name).loops]
    assert all(len(loop.overloads) == 1 for loop in loops)
    assert len(elementwise._run.signatures) == 1


# ------------------------------------------------------------------- the scalar functions, in units in the last place


@pytest.fixture(scope="module")
def exp():
    """vecmath's exp, of arrays."""
    from knetpy.kernels.cpu.codegen import vecmath
    from knetpy.kernels.cpu.jit import jit

    @jit("test", no_cpython_wrapper=False)
    def loop(x, y):
        for i in range(len(x)):
            y[i] = vecmath.exp(x[i])

    def call(x):
        y = np.empty_like(x)
        loop(x, y)
        return y

    return call


def units(y, wanted):
    """The largest error, in units in the last place of y's dtype."""
    unit = np.spacing(np.abs(wanted).astype(y.dtype)).astype(wanted.dtype)
    return (np.abs(y - wanted) / unit).max()


@needs_numba
def test_exp(exp):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(low, high, 200_000) for low, high in ((-103.9, 88.7), (-1, 1), (-1e-6, 1e-6))])
    x = x.astype(np.float32)
    assert units(exp(x), np.exp(x.astype(np.float64))) < 1.1
    x = rng.uniform(-745, 709.7, 200_000)
    assert units(exp(x), np.exp(x)) <= 2  # NumPy's may be 1 off itself
    for dtype in (np.float32, np.float64):
        x = np.array([-inf, -1e4, -746, -0.0, 0, 710, 1e4, inf, nan], dtype)
        np.testing.assert_array_equal(exp(x), [0, 0, 0, 1, 1, inf, inf, inf, nan])


@needs_numba
@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "erf"])
def test_within_two_units(exp, name):
    """Of millions of float32, evenly among their bit patterns from 2^-15 to 2^4, of either sign."""
    low, high = np.array([2.0**-15, 2.0**4], np.float32).view(np.int32)
    x = np.arange(low, high, 31, dtype=np.int32).view(np.float32)
    x = np.concatenate([x, -x])
    wanted = getattr(np if name in ("exp", "tanh") else reference, name)(x.astype(np.float64))
    tanh = partial(elementwise.each, elementwise.mapping(curves.FUNCTIONS["tanh"]))
    ours = exp if name == "exp" else tanh if name == "tanh" else SERVED["served"](name)
    assert units(ours(x), wanted) < 2


@needs_numba
def test_units_of_tails():
    """Of the results whose relative precision is kept where they are tiny."""
    x = np.random.default_rng(0).uniform(-9, 9, 1_000_000).astype(np.float32)
    for name, most in (("silu", 3), ("gelu", 6), ("erfc", 5)):
        assert units(SERVED["served"](name)(x), getattr(reference, name)(x.astype(np.float64))) < most, name
