"""The kernels of normalisation: against literals, and each other."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import norm as reference
from tests.kernels.backends import Served, backends, layouts, needs_numba, poisoned, same_everywhere

served = Served("norm")
BACKENDS = backends(reference, served)
nan, inf = np.nan, np.inf


def array(values, dtype=np.float64):
    return None if values is None else np.array(values, dtype)


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize(
    "x, scale, bias, how, y, mean, var",
    [
        ([[1, 3]], None, None, {"axes": (1,), "eps": 0}, [[-1, 1]], [[2]], [[1]]),
        ([[1, 3], [5, 5]], None, None, {"axes": (1,), "eps": 0.5625}, [[-0.8, 0.8], [0, 0]], [[2], [5]], [[1], [0]]),
        ([[1, 2], [5, 2]], [[3, 1]], [[0, 7]], {"axes": (0,), "eps": 0}, [[-3, nan], [3, nan]], [[3, 2]], [[4, 0]]),
        ([[0, 8], [0, 8]], [[2], [4]], [[1], [0]], {"axes": (0, 1), "eps": 9},
         [[-0.6, 2.6], [-3.2, 3.2]], [[4]], [[16]]),
        ([[1, 7]], [[2, 1]], None, {"axes": (1,), "eps": 0, "centred": False}, [[0.4, 1.4]], [[0]], [[25]]),
        ([[inf, 1], [1, 3]], None, None, {"axes": (1,), "eps": 0}, [[nan, nan], [-1, 1]], [[inf], [2]], [[nan], [1]]),
        ([[], []], None, None, {"axes": (1,), "eps": 1}, [[], []], [[0], [0]], [[0], [0]]),
    ],
)  # fmt: skip
def test_norm_by_hand(backend, dtype, x, scale, bias, how, y, mean, var):
    ours, *moments = backend.norm(array(x, dtype), array(scale, dtype), array(bias, dtype), **how)
    assert ours.dtype == dtype and [m.dtype for m in moments] == [np.float64] * 2
    np.testing.assert_allclose(ours, array(y), rtol=4 * np.finfo(dtype).eps, atol=1e-15)
    for a, b in zip(moments, (mean, var)):
        np.testing.assert_array_equal(a, array(b))


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize(
    "x, scale, bias, mean, var, eps, y",
    [
        ([[3, 5], [1, 2]], None, None, [[1, 2]], [[4, 9]], 0, [[1, 1], [0, 0]]),
        ([[3], [5]], [[2]], [[-1]], [[1]], [[3]], 1, [[1], [3]]),
        ([[3, 5]], None, [[1, 2]], [[3, 4]], [[0, 0]], 0.25, [[1, 4]]),
        ([[3, inf, nan]], None, None, [[3]], [[0]], 0, [[nan, inf, nan]]),
    ],
)
def test_fixed_by_hand(backend, dtype, x, scale, bias, mean, var, eps, y):
    ours = backend.fixed(array(x, dtype), array(scale, dtype), array(bias, dtype), array(mean), array(var), eps=eps)
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, array(y))


@BACKENDS
@pytest.mark.parametrize(
    "dy, x, mean, var, scale, how, dx, dscale, dbias",
    [
        # Of two elements the difference is fixed when eps = 0: nothing moves.
        ([[1, 0]], [[1, 3]], [[2]], [[1]], None, {"axes": (1,), "affine": None, "eps": 0}, [[0, 0]], None, None),
        # y = -+1 / sqrt(1 + 3) there; dx = (dy - mean(dy) - n * mean(dy * n)) / 2 with n = -+0.5.
        ([[1, 0]], [[1, 3]], [[2]], [[1]], None, {"axes": (1,), "affine": None, "eps": 3},
         [[0.1875, -0.1875]], None, None),
        ([[1, 0], [2, 5]], [[1, 3], [4, 2]], [[2], [3]], [[1], [1]], [[1, 0]],
         {"axes": (1,), "affine": (1, 2), "eps": 3}, [[0.1875, -0.1875], [0.375, -0.375]], [[0.5, -2.5]], [[3, 5]]),
        ([[1, 2]], [[3, 1]], [[0]], [[5]], [[2, 1]], {"axes": (1,), "affine": (1, 2), "eps": 4, "centred": False},
         [[0.2222222222222222, 0.5185185185185185]], [[1, 0.6666666666666666]], [[1, 2]]),
        ([[1], [2]], [[7], [7]], [[7]], [[0]], None, {"axes": (0,), "affine": (2, 1), "eps": 0.25}, [[-1], [1]],
         [[0], [0]], [[1], [2]]),
    ],
)  # fmt: skip
def test_norm_dx_by_hand(backend, dy, x, mean, var, scale, how, dx, dscale, dbias):
    found = backend.norm_dx(array(dy), array(x), array(mean), array(var), array(scale), **how)
    assert found[3] is None
    for a, b in zip(found, (dx, dscale, dbias)):
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(a, array(b), rtol=1e-14, atol=1e-15)


@BACKENDS
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("axes", [(0,), (1, 3), (0, 2, 3), (3,)])
def test_derivative_as_by_differences(backend, axes, centred):
    rng = np.random.default_rng(0)
    affine = (1, 3, 1, 4)
    x, dy, v = rng.normal(size=(3, 2, 3, 2, 4))
    scale, bias, dscale, dbias = rng.normal(size=(4, *affine))
    how = {"axes": axes, "eps": 0.1, "centred": centred}
    _, mean, var = backend.norm(x, scale, bias, **how)
    found = backend.norm_dx(dy, x, mean, var, scale, affine=affine, **how)

    def loss(step):
        y, _, _ = backend.norm(x + step * v, scale + step * dscale, bias + step * dbias, **how)
        return np.vdot(y, dy)

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    np.testing.assert_allclose(sum(np.vdot(a, b) for a, b in zip(found, (v, dscale, dbias))), slope, rtol=1e-8)


@BACKENDS
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-11)])
def test_a_large_mean_costs_no_digits(backend, dtype, tolerance):
    x = (1e4 + np.random.default_rng(0).normal(size=(300, 5))).astype(dtype)
    for axes in ((0,), (1,), (0, 1)):
        y, mean, var = backend.norm(x, None, None, axes=axes, eps=1e-5)
        wide = x.astype(np.longdouble)
        exact = wide - wide.mean(axes, keepdims=True)
        variance = (exact**2).mean(axes, keepdims=True)
        np.testing.assert_allclose(y, exact / np.sqrt(variance + 1e-5), atol=tolerance, rtol=tolerance)
        np.testing.assert_allclose(mean, wide.mean(axes, keepdims=True), rtol=1e-15)
        np.testing.assert_allclose(var, variance, rtol=tolerance)


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("c", [0.1, 1e4 / 3, -7.7e-5])
def test_equal_elements_are_exactly_their_mean(backend, dtype, c):
    x = np.full((7, 1001), c, dtype)
    y, mean, var = backend.norm(x, None, None, axes=(0, 1), eps=1e-5)
    assert (y == 0).all() and mean.item() == x[0, 0] and var.item() == 0
    dx, _, _, _ = backend.norm_dx(x, x, mean, var, None, axes=(0, 1), affine=None, eps=1e-5)
    np.testing.assert_allclose(dx, 0, atol=1e-2 * abs(c))


@BACKENDS
def test_memory_order_is_kept(backend):
    x = np.moveaxis(np.random.default_rng(0).normal(size=(2, 4, 5, 3)), -1, 1)
    y, mean, var = backend.norm(x, None, None, axes=(0, 2, 3), eps=1e-5)
    dx, _, _, _ = backend.norm_dx(x, x, mean, var, None, axes=(0, 2, 3), affine=None, eps=1e-5)
    assert y.strides == dx.strides == x.strides


# ------------------------------------------------------------------------------------- Numba's and the reference


def array_like(rng, shape, order, dtype):
    """Random numbers whose axes lie in memory as `order` says."""
    return rng.normal(size=[shape[a] for a in order]).astype(dtype).transpose(np.argsort(order))


@st.composite
def problems(draw):
    """x, the axes of a group and the shape of scale and bias; in any order of memory, with steps, or read-only."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    many = draw(st.integers(1, 4))
    shape = tuple(draw(st.sampled_from([0, 1, 2, 3, 5, 8, 17, 70])) for _ in range(many))
    if draw(st.booleans()):
        shape = tuple(n or 4 for n in shape)
    x = array_like(rng, shape, draw(st.permutations(range(many))), dtype) * 3 + 1
    if draw(st.booleans()):
        x = np.repeat(x, 2, axis=-1)[..., ::-2]
    axes = tuple(sorted(draw(st.sets(st.integers(0, many - 1), min_size=1))))
    wide = draw(st.sets(st.integers(0, many - 1)))
    return x, axes, tuple(n if a in wide else 1 for a, n in enumerate(shape))


def same(ours, theirs, dtype, scale=1.0):
    """Equal within a few ulp of the largest element; where the reference has NaN, so have ours."""
    tolerance = 32 * np.finfo(dtype).eps * scale
    largest = np.max(np.abs(theirs), initial=1, where=np.isfinite(theirs))
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * largest)


def all_of_them(x, axes, affine, backend, how=(True, True, True)):
    """The results of all three kernels, by name; how: whether scale and bias are given, and `centred`."""
    rng = np.random.default_rng(1)
    scale, bias = [rng.normal(size=affine).astype(x.dtype) if some else None for some in how[:2]]
    dy = np.empty_like(x)  # in the memory order of x
    dy[...] = rng.normal(size=x.shape)
    options = {"axes": axes, "eps": 0.01, "centred": how[2]}
    affine = None if scale is None and bias is None else affine
    y, mean, var = backend.norm(x, scale, bias, **options)
    given = backend.fixed(x, scale, bias, mean + 0.5, var + 0.25, eps=0.5)
    dx, dscale, dbias, _ = backend.norm_dx(dy, x, mean, var, scale, affine=affine, **options)
    found = {"y": y, "mean": mean, "var": var, "given": given, "dx": dx, "dscale": dscale, "dbias": dbias}
    return {k: a for k, a in found.items() if a is not None}


@needs_numba
@settings(max_examples=250, deadline=None, derandomize=True)
@given(problem=problems(), how=st.tuples(*[st.booleans()] * 3))
def test_served_as_the_reference(problem, how):
    x, axes, affine = problem
    before = x.copy()
    x.flags.writeable = False
    ours, theirs = (all_of_them(x, axes, affine, backend, how) for backend in (served, reference))
    assert ours.keys() == theirs.keys()
    for k in ours:
        same(ours[k], theirs[k], x.dtype, 8 if k in ("dscale", "dbias") else 1)
    np.testing.assert_array_equal(x, before)
    if 1 not in x.shape and 0 not in x.shape:
        for k in ("y", "dx"):
            assert ours[k].strides in (np.empty_like(x).strides, theirs[k].strides), k


LAYOUTS = {  # shape, order of memory, axes of a group, shape of scale
    "layer": ((300, 37), (0, 1), (1,), (1, 37)),
    "layer of many axes": ((9, 20, 50), (0, 1, 2), (1, 2), (1, 20, 50)),
    "one row": ((1, 40000), (0, 1), (1,), (1, 40000)),
    "instance": ((4, 6, 30, 41), (0, 1, 2, 3), (2, 3), (1, 6, 1, 1)),
    "instance, channels last": ((4, 6, 30, 41), (0, 2, 3, 1), (2, 3), (1, 6, 1, 1)),
    "group": ((4, 2, 3, 30, 41), (0, 1, 2, 3, 4), (2, 3, 4), (1, 2, 3, 1, 1)),
    "group, channels last": ((4, 2, 3, 30, 41), (0, 3, 4, 1, 2), (2, 3, 4), (1, 2, 3, 1, 1)),
    "one group, channels last": ((4, 1, 6, 30, 41), (0, 3, 4, 1, 2), (2, 3, 4), (1, 1, 6, 1, 1)),
    "batch": ((4, 6, 30, 41), (0, 1, 2, 3), (0, 2, 3), (1, 6, 1, 1)),
    "batch, channels last": ((9, 6, 90, 41), (0, 2, 3, 1), (0, 2, 3), (1, 6, 1, 1)),
    "batch, many channels": ((37, 600, 2, 1), (0, 2, 3, 1), (0, 2, 3), (1, 600, 1, 1)),
    "batch of rows": ((3000, 19), (0, 1), (0,), (1, 19)),
    "one channel": ((300, 1, 70), (0, 2, 1), (0, 2), (1, 1, 1)),
    "columns in Fortran's order": ((300, 70), (1, 0), (0,), (1, 70)),
}
EACH = pytest.mark.parametrize("layout", LAYOUTS)


def problem_of(layout, dtype=np.float32):
    shape, order, axes, affine = LAYOUTS[layout]
    return 5 + array_like(np.random.default_rng(0), shape, order, dtype), axes, affine


@needs_numba
@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_larger_problems(layout, dtype, monkeypatch):
    x, axes, affine = problem_of(layout, dtype)
    cpu = pytest.importorskip("knetpy.kernels.cpu.norm")
    theirs = all_of_them(x, axes, affine, reference)
    refuse = dict.fromkeys(("norm", "fixed", "norm_dx"), pytest.fail)
    monkeypatch.setattr(cpu, "reference", SimpleNamespace(**refuse))  # these are Numba's indeed
    ours = all_of_them(x, axes, affine, served)
    for k in ours:
        same(ours[k], theirs[k], dtype, 64 if k in ("dscale", "dbias") else 1)
    assert ours["y"].strides == ours["dx"].strides == ours["given"].strides == theirs["y"].strides


def under_relu(x, axes, affine, backend, added):
    """Results under relu, with a residual or without; what relu cuts off is not near 0, so that all agree on it."""
    rng = np.random.default_rng(1)
    scale, bias = rng.normal(size=(2, *affine)).astype(x.dtype)
    dy, residual = np.empty_like(x), np.empty_like(x)
    dy[...], residual[...] = rng.normal(size=x.shape), rng.normal(size=x.shape)
    options = {"axes": axes, "eps": 0.01}
    y, mean, var = backend.norm(x, scale, bias, **options)
    if added:
        residual += 0.1 * np.sign(y + residual)
    else:
        residual = None
    far = np.abs(y) > 1e-3 if residual is None else np.abs(y + residual) > 1e-3
    dy *= far
    y, mean, var = backend.norm(x, scale, bias, residual, relu=True, **options)
    seen = y if added else None
    dx, dscale, dbias, kept = backend.norm_dx(dy, x, mean, var, scale, bias, seen, affine=affine, relu=True, **options)
    found = {"y": y, "dx": dx, "dscale": dscale, "dbias": dbias, "kept": kept}
    return {k: a for k, a in found.items() if a is not None}


def test_relu_by_hand():
    x, one = array([[1], [3], [5]]), np.ones((1, 1))
    for backend in (reference, served):
        how = {"axes": (0,), "eps": 0, "relu": True}
        for residual, y, passed in (
            (None, [[0], [0], [1.5**0.5]], [[0], [0], [4]]),
            (array([[9], [0], [nan]]), [[9 - 1.5**0.5], [0], [nan]], [[1], [0], [4]]),
        ):
            ours, mean, var = backend.norm(x, one, None, residual, **how)
            np.testing.assert_allclose(ours, array(y), rtol=1e-14)
            seen = None if residual is None else ours
            _, _, dbias, kept = backend.norm_dx(
                array([[1], [2], [4]]), x, mean, var, one, None, seen, affine=(1, 1), **how
            )
            assert dbias.item() == np.sum(passed) and (kept is None) == (residual is None)
            if kept is not None:
                np.testing.assert_array_equal(kept, array(passed))


@needs_numba
@EACH
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu(layout, added, dtype):
    problem = problem_of(layout, dtype)
    theirs = under_relu(*problem, reference, added)
    ours = same_everywhere(lambda: under_relu(*problem, served, added), callers=1)
    for k in theirs:
        same(ours[k], theirs[k], dtype, 64)
    assert ours["y"].strides == theirs["y"].strides


@needs_numba
@pytest.mark.parametrize("bits", [128, 256])
@pytest.mark.parametrize("layout", ["layer", "instance", "batch, channels last", "batch, many channels"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_narrow_vectors(bits, layout, dtype, monkeypatch):
    cpu = pytest.importorskip("knetpy.kernels.cpu.norm")
    for name in ("sums", "result", "dx_sums", "dx"):
        monkeypatch.setattr(cpu.normcode, name, partial(getattr(cpu.normcode, name), bits=bits))
    problem = problem_of(layout, dtype)
    for f, how in ((all_of_them, ()), (under_relu, (True,)), (under_relu, (False,))):
        ours, theirs = (f(*problem, backend, *how) for backend in (served, reference))
        for k in theirs:
            same(ours[k], theirs[k], dtype, 64)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_callers_change_no_bit(layout, dtype):
    same_everywhere(lambda: all_of_them(*problem_of(layout, dtype), served), callers=2)


@needs_numba
@EACH
@pytest.mark.parametrize("added", [False, True])
def test_written_over_dy(layout, added):
    """The same bits as elsewhere, in the memory of dy; what lies otherwise than x is left alone."""
    (x, axes, affine), rng = problem_of(layout), np.random.default_rng(1)
    scale, bias = rng.normal(size=(2, *affine)).astype(x.dtype)
    y, mean, var = served.norm(x, scale, bias, x if added else None, axes=axes, eps=0.01, relu=True)
    dy = rng.normal(size=x.shape).astype(x.dtype)
    over, other = np.empty_like(x), np.array(dy, order="F" if x.flags.c_contiguous else "C")
    over[...] = dy
    known, how = (x, mean, var, scale, bias, y if added else None), dict(axes=axes, affine=affine, eps=0.01, relu=True)
    wanted = [a.tobytes() for a in served.norm_dx(dy, *known, **how) if a is not None]
    found = served.norm_dx(over, *known, **how, out=over)
    assert np.shares_memory(found[0], over)
    assert [a.tobytes() for a in found if a is not None] == wanted
    assert [a.tobytes() for a in served.norm_dx(other, *known, **how) if a is not None] == wanted
    np.testing.assert_array_equal(other, dy)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_input_gives_exactly_the_bias(layout, dtype):
    x, axes, affine = problem_of(layout, dtype)
    x[:] = 0.1 * np.arange(1, x.size + 1).reshape(x.shape).min(axes, keepdims=True)  # of each group
    scale, bias = np.random.default_rng(2).normal(size=(2, *affine)).astype(dtype)
    y, mean, var = served.norm(x, scale, bias, axes=axes, eps=1e-5)
    assert (y == bias).all() and (mean == x).all() and (var == 0).all()


@EACH
@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_special_values_stay_in_their_group(layout, value):
    x, axes, affine = problem_of(layout)
    x[(-1,) * x.ndim] = value
    with np.errstate(invalid="ignore"):
        ours, theirs = (all_of_them(x, axes, affine, backend) for backend in (served, reference))
    for k in ours:
        np.testing.assert_array_equal(np.isnan(ours[k]), np.isnan(theirs[k]), err_msg=k)
        same(ours[k], theirs[k], x.dtype, 64)


@needs_numba
@EACH
def test_outputs_are_written_completely(layout, monkeypatch):
    cpu = pytest.importorskip("knetpy.kernels.cpu.norm")
    x, axes, affine = problem_of(layout)
    before = all_of_them(x, axes, affine, served)

    monkeypatch.setattr(cpu, "new", poisoned)
    for k, found in all_of_them(x, axes, affine, served).items():
        assert found.tobytes() == before[k].tobytes(), k


def test_concurrent_calls():
    wanted = {layout: all_of_them(*problem_of(layout), served) for layout in LAYOUTS}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda layout: all_of_them(*problem_of(layout), served), list(LAYOUTS) * 4))
    for layout, results in zip(list(LAYOUTS) * 4, found):
        for k in results:
            assert results[k].tobytes() == wanted[layout][k].tobytes(), (layout, k)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_dtypes_are_the_references(dtype):
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(dtype)
    ours, theirs = (all_of_them(x, (1,), (1, 6), backend) for backend in (served, reference))
    for k in ours:
        assert ours[k].dtype == theirs[k].dtype
        np.testing.assert_array_equal(ours[k], theirs[k])


@needs_numba
def test_one_signature_for_each_dtype():
    cpu = pytest.importorskip("knetpy.kernels.cpu.norm")
    for dtype in (np.float32, np.float64):
        x, (y, mean, var) = np.ones((4, 6), dtype), (None,) * 3
        for a in layouts(x):
            for axis in (0, 1):
                for scale in (None, np.ones_like(a[:1]), np.ones_like(a[:1]).astype(x.dtype.newbyteorder())):
                    affine = None if scale is None else list(scale.shape)
                    y, mean, var = served.norm(a, scale, scale, axes=[axis], eps=np.float32(1), centred=np.True_)
                    served.fixed(a, scale, None, mean, var, eps=1)
                    mean.flags.writeable = False
                    served.norm_dx(y, a, mean, var, scale, axes=(np.int16(axis),), affine=affine, eps=1)
    rows, columns = cpu.normrows, cpu.normcolumns
    assert [len(driver.signatures) for driver in (rows._rows, rows._rows_dx, columns._walk)] == [2, 2, 1]
    assert [len(driver.signatures) for driver in (columns._origins, columns._results, columns._slopes)] == [2, 2, 2]
