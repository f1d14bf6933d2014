"""Normalisation on the GPU: patterns and sizes that draws do not reach, special values, digits, and what is read."""

from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.cuda import normlong
from knetpy.kernels.reference import norm as reference
from tests.cuda.launches import recorded

inf, nan = np.inf, np.nan
EPS = 1e-5

# By name: the shape of x, the axes, the shape of scale and bias.
PATTERNS = {
    "batchnorm of rows": ((300, 37), (0,), (1, 37)),
    "batchnorm of small images": ((5, 3, 3, 5), (0, 2, 3), (1, 3, 1, 1)),
    "batchnorm": ((3, 2, 7, 7), (0, 2, 3), (1, 2, 1, 1)),
    "batchnorm of large images": ((2, 2, 35, 35), (0, 2, 3), (1, 2, 1, 1)),
    "batchnorm of one image": ((1, 2, 9, 4), (0, 2, 3), (1, 2, 1, 1)),
    "batchnorm, channels last": ((3, 5, 7, 6), (0, 1, 2), (1, 1, 1, 6)),
    "layernorm": ((33, 70), (1,), (1, 70)),
    "layernorm of long rows": ((3, 600), (1,), (1, 600)),
    "layernorm of longer rows": ((3, 1500), (1,), (1, 1500)),
    "layernorm of the longest rows": ((2, 4100), (1,), (1, 4100)),
    "layernorm of rows in parts": ((3, 8300), (1,), (1, 8300)),
    "layernorm of many rows in parts": ((41, 2, 8193), (2,), (1, 2, 8193)),
    "groupnorm of long rows": ((2, 2, 450, 10), (2, 3), (1, 2, 450, 1)),
    "rows of three": ((30, 3), (1,), (1, 3)),
    "batches of two": ((9, 4, 2), (0, 2), (1, 4, 1)),
    "layernorm over images": ((5, 3, 4, 5), (1, 2, 3), (1, 3, 4, 5)),
    "layernorm along a middle axis": ((3, 19, 5), (1,), (1, 19, 1)),
    "scales of the last axis only": ((4, 3, 7), (1, 2), (1, 1, 7)),
    "instancenorm": ((5, 3, 6, 7), (2, 3), (1, 3, 1, 1)),
    "instancenorm of large images": ((2, 1, 8300), (2,), (1, 1, 1)),
    "groupnorm": ((3, 2, 3, 6, 6), (2, 3, 4), (1, 2, 3, 1, 1)),
    "groupnorm of rows": ((40, 2, 7), (2,), (1, 2, 7)),
    "groupnorm, channels last": ((2, 5, 4, 3, 2), (1, 2, 4), (1, 1, 1, 3, 2)),
    "no scale": ((6, 40), (1,), None),
    "no scale, long rows": ((1, 4100), (1,), None),
    "no scale, batches": ((6, 5, 7), (0, 2), None),
    "one scale": ((4, 9), (1,), (1, 1)),
    "everything": ((3, 5, 700), (0, 1, 2), (1, 1, 1)),
    "nothing": ((3, 5), (), (3, 5)),
}


def problem(shape, affine, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x, residual, dy = [rng.normal(size=shape).astype(dtype) for _ in range(3)]
    scale, bias = [None if affine is None else rng.normal(size=affine).astype(dtype) for _ in range(2)]
    return x, scale, bias, residual, dy


def both(name, args, options):
    """What the GPU and the specification in float64 return."""
    ours = kn.cpu(kernel("norm", name)(*kn.gpu(args), **options))
    wide = [a.astype("f8") if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in args]
    return ours, getattr(reference, name)(*wide, **options)


def agree(ours, theirs, tolerance):
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert (a is None) == (b is None), k
        if b is not None:
            assert a.shape == b.shape, k
            scale = np.abs(b).max(initial=1e-30, where=np.isfinite(b))
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=str(k))


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(name, order, request):
    for kind in KINDS if "forward" in request.node.name else KINDS[-1:]:  # the order matters to all alike
        check_pattern(name, kind)


KINDS = ("plain", "relu", "squares", "residual")


def check_pattern(name, kind):
    shape, axes, affine = PATTERNS[name]
    x, scale, bias, residual, dy = problem(shape, affine, "f4")
    x = np.where(np.abs(x) < 1e-3, 1, x)
    added = residual if kind == "residual" else None
    how = {"axes": axes, "eps": EPS, "centred": kind != "squares", "relu": kind in ("relu", "residual")}
    ours, theirs = both("norm", (x, scale, bias, added), how)
    agree(ours, theirs, 3e-6)
    y, mean, var = theirs
    given = (dy, x, mean, var, scale, bias, None if added is None else y.astype("f4"))
    if (name, kind) != ("nothing", "squares"):  # what is left of its dx is rounding
        agree(*both("norm_dx", given, {**how, "affine": affine}), 3e-6)
    ours, theirs = both("fixed", (x, scale, bias, mean + 1, var), {"eps": EPS})
    agree([ours], [theirs], 1e-6)


@pytest.mark.parametrize("name", ["batchnorm", "layernorm", "layernorm of long rows", "groupnorm", "no scale, batches"])
def test_other_dtypes(name):
    shape, axes, affine = PATTERNS[name]
    for dtype, tolerance in (("f8", 1e-13), ("f2", 2e-3)):
        x, scale, bias, residual, dy = problem(shape, affine, dtype)
        how = {"axes": axes, "eps": EPS, "relu": True}
        ours, theirs = both("norm", (x, scale, bias, residual), how)
        agree(ours, theirs, tolerance)
        assert [a.dtype for a in ours] == [np.dtype(dtype), np.dtype("f8"), np.dtype("f8")]
        y, mean, var = theirs
        ours, theirs = both("norm_dx", (dy, x, mean, var, scale, bias, y.astype(dtype)), {**how, "affine": affine})
        agree(ours, theirs, tolerance)
        assert {a.dtype for a in ours if a is not None} == {np.dtype(dtype)}


def test_only_a_scale_or_only_a_bias():
    for name in ("layernorm", "batchnorm"):
        shape, axes, affine = PATTERNS[name]
        x, scale, bias, _, dy = problem(shape, affine, "f4")
        for a, b in ((scale, None), (None, bias)):
            how = {"axes": axes, "eps": EPS, "relu": True}
            ours, theirs = both("norm", (x, a, b), how)
            agree(ours, theirs, 3e-6)
            agree(*both("norm_dx", (dy, x, *theirs[1:], a, b), {**how, "affine": affine}), 3e-6)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("value", [inf, -inf, nan])
def test_special_values_stay_in_their_group(name, value):
    shape, axes, _ = PATTERNS[name]
    x = problem(shape, None, "f4")[0]
    for place in ((-1,) * x.ndim, (0,) * x.ndim):
        x[place] = value
        for centred in (True, False):
            how = {"axes": axes, "eps": EPS, "centred": centred}
            with np.errstate(invalid="ignore"):
                ours, theirs = both("norm", (x, None, None), how)
            for a, b in zip(ours, theirs):
                np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
                np.testing.assert_array_equal(a == inf, b == inf)
                np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_equal_elements_give_exactly_the_bias(name, dtype):
    shape, axes, affine = PATTERNS[name]
    x, scale, bias, _, _ = problem(shape, affine, dtype)
    x[...] = (0.1 * np.arange(1, x.size + 1)).reshape(shape).min(axes, keepdims=True)
    y, mean, var = kn.cpu(kernel("norm", "norm")(*kn.gpu((x, scale, bias)), axes=axes, eps=EPS))
    assert (y == (0 if bias is None else bias)).all() and (mean == x).all() and (var == 0).all()


@pytest.mark.parametrize("name", PATTERNS)
def test_neither_a_large_mean_nor_an_odd_element_costs_digits(name):
    shape, axes, _ = PATTERNS[name]
    for move in (1e4, 1e6):
        x = problem(shape, None, "f4")[0] + np.float32(move)
        ours, theirs = both("norm", (x, None, None), {"axes": axes, "eps": EPS})
        agree([ours[0], ours[1] - move, ours[2]], [theirs[0], theirs[1] - move, theirs[2]], 3e-6)
    x = problem(shape, None, "f4")[0]
    x[(0,) * x.ndim] = 1e5
    ours, theirs = both("norm", (x, None, None), {"axes": axes, "eps": EPS})
    agree(ours, theirs, 3e-6)


def test_strided_and_empty_inputs():
    x, scale, bias, _, _ = problem((6, 8, 9), (1, 8, 1), "f4")
    how = {"axes": (0, 2), "eps": EPS}
    serve = kernel("norm", "norm")
    wanted = reference.norm(x[::2, :, ::-1], scale, bias, x[:1, :, ::-1], **how)
    there, residual = kn.gpu(x)[::2, :, ::-1], kn.gpu(x)[:1, :, ::-1]
    agree(kn.cpu(serve(there, *kn.gpu((scale, bias)), residual, **how)), wanted, 3e-6)
    wanted = reference.norm(x[:, 1:], None, None, **how)
    agree(kn.cpu(serve(kn.gpu(x)[:, 1:], None, None, **how)), wanted, 3e-6)
    y, mean, var = kn.cpu(serve(kn.gpu(np.empty((2, 0), "f4")), None, None, axes=(1,), eps=EPS))
    assert y.shape == (2, 0) and mean.tolist() == var.tolist() == [[0], [0]]


def test_scales_of_two_shapes_are_the_references():
    x, scale, _, _, dy = problem((6, 8), (1, 8), "f4")
    how = {"axes": (1,), "eps": EPS}
    ours, theirs = both("norm", (x, scale, scale[:, :1]), how)
    agree(ours, theirs, 3e-6)
    ours, theirs = both("fixed", (x, scale, scale[:, :1], theirs[1], theirs[2]), {"eps": EPS})
    agree([ours], [theirs], 3e-6)


# By name of a pattern: how many rows, and how often norm and norm_dx must move x or what is as large.
MOVED = {
    "layernorm": (320, 2, 3),
    "layernorm of long rows": (32, 2, 3),
    "layernorm of the longest rows": (32, 2, 3),
    "layernorm of rows in parts": (32, 3, 5),
    "no scale": (320, 2, 3),
    "batchnorm of rows": (512, 3, 5),
    "batchnorm": (40, 3, 5),
    "batchnorm of large images": (8, 3, 5),
    "instancenorm of large images": (2, 3, 5),
}


def is_of_scales(request):
    """Whether a thread reads one scale after the other, out of the cache, for the elements that it has read as one."""
    name, line = request.line.split(":")
    text = (Path(normlong.__file__).parent / name).read_text().splitlines()[int(line) - 1]
    return "scale[" in text or "bias[" in text


@pytest.mark.parametrize("name", MOVED)
def test_bytes_are_moved_once_and_together(name, monkeypatch):
    monkeypatch.setattr(normlong, "MANY", 1)  # as if there were many more rows
    (_, *shape), axes, affine = PATTERNS[name]
    rows, *times = MOVED[name]
    x, scale, bias, _, dy = problem((rows, *shape), affine, "f4")
    given, how = kn.gpu((x, scale, bias)), {"axes": axes, "eps": EPS}
    with recorded() as forward:
        _, mean, var = kernel("norm", "norm")(*given, **how)
    with recorded(trace=1 << 21) as back:
        kernel("norm", "norm_dx")(kn.gpu(dy), given[0], mean, var, *given[1:], affine=affine, **how)
    for launches, most in zip((forward, back), times):
        assert sum(launch.moved for launch in launches) <= 1.1 * most * x.nbytes
        for launch in launches:
            assert launch.stats.idle_blocks == 0, launch.name
            if launch.moved > x.nbytes / 2:  # rows may begin within a sector
                apart = is_of_scales if name == "layernorm of rows in parts" else lambda request: False
                assert [r for r in launch.wasteful(1.5) if not apart(r)] == [], launch.name


@pytest.mark.parametrize("name", sorted(set(PATTERNS) - {"nothing"}))
def test_differences_that_float32_cannot_hold(name):
    shape, axes, _ = PATTERNS[name]
    x = np.float32([3e38, -2e38])[(np.arange(np.prod(shape)) + np.random.default_rng(0).integers(0, 2)) % 2].reshape(
        shape
    )
    with np.errstate(over="ignore"):
        (y, mean, _), theirs = both("norm", (x, None, None), {"axes": axes, "eps": EPS})
    np.testing.assert_allclose(mean, theirs[1], rtol=1e-12, atol=1e30)
    assert (y == 0).all()
